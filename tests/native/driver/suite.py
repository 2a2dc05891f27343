"""Build the package in a folder of its own and run the tests of Python there.

    python tests/native/driver/suite.py address [arguments of pytest]
    python tests/native/driver/suite.py coverage [arguments of pytest]

address: the extension modules under the address sanitizer, with every allocation of
Python in reach of it. coverage: the modules with line tracing (Cython), gcov (C), and
one report of Python, Cython and C, by file and kind. Needs GCC, the test extras, Cython
and an environment without an editable install, which an import would find first.
coverage needs coverage and gcovr as well. Builds in `build/suite-...`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[3]
COPIED = ["meson.build", "meson.options", "pyproject.toml", "README.md", "CHANGELOG.md"]
COPIED += ["CONTRIBUTING.md", "fastmlp", "src_c", "tests", "bench", "docs"]
OPTIONS = {
    "address": ["-Db_sanitize=address", "-Db_lundef=false", "-Doptimization=1"],
    "coverage": ["-Db_coverage=true", "-Dline_trace=true", "-Doptimization=0"],
}


def build(mode):
    """Compile a copy of the sources, and leave the modules beside them; its folder."""
    folder = ROOT / "build" / f"suite-{mode}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder)
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    objects = folder / "objects"
    setup = [*meson, "setup", "-Ddebug=true", *OPTIONS[mode], objects]
    subprocess.run(setup, cwd=folder, check=True)
    subprocess.run([*meson, "compile", "-C", objects], check=True)
    for module in (objects / "fastmlp" / "_core").glob("*.so"):
        shutil.copy(module, folder / "fastmlp" / "_core")
    # where the plugin of coverage looks for the C code of a module
    for code in (objects / "fastmlp" / "_core").glob("*.c"):
        shutil.copy(code, folder / "fastmlp" / "_core")
    for declarations in (objects / "fastmlp" / "_core").glob("*.pxi"):
        shutil.copy(declarations, folder / "fastmlp" / "_core")
    where = [sys.executable, "-c", "import fastmlp; print(fastmlp.__file__)"]
    found = subprocess.check_output(where, env=environment(folder), text=True).strip()
    if not Path(found).is_relative_to(folder):
        sys.exit(f"import fastmlp finds {found}: run this in an environment without it")
    return folder


def environment(folder):
    """Variables with which the copy is imported, also by processes that tests start."""
    return {**os.environ, "PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"}


def library(name):
    """The path of a library of GCC."""
    command = ["gcc", f"-print-file-name={name}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


# Tests that preload libraries of their own or count memory: the sanitizer keeps freed
# memory.
NOT_SANITIZED = [
    "--ignore=tests/native/test_driver.py",
    "--ignore=tests/robustness/test_leaks.py",
]


def address(arguments):
    """The tests under the address sanitizer; leaks are not looked for, since the
    interpreter keeps what it has at exit."""
    folder = build("address")
    # With libstdc++, or the first exception of a C++ module ends the process.
    variables = {
        "LD_PRELOAD": f"{library('libasan.so')} {library('libstdc++.so')}",
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command += [*NOT_SANITIZED, *arguments]
    return subprocess.run(
        command, cwd=folder, env={**environment(folder), **variables}
    ).returncode


CONFIGURATION = """\
[run]
branch = true
plugins = Cython.Coverage
source = fastmlp
parallel = true
disable_warnings = no-sysmon
core = ctrace
patch = subprocess
omit = *.pxd
[report]
omit = *.pxd
exclude_also =
    cimport
"""


# Tests that build on their own, which counts nothing here, and tests that tracing
# disturbs: it takes memory and time, and swallows exceptions of signals.
NOT_TRACED = [
    "--ignore=tests/native/test_driver.py",
    "--ignore=tests/robustness/test_leaks.py",
    "-k",
]
NOT_TRACED.append(
    "not random_moments and not kill_9 and not every_variant and not allocates_nothing "
    "and not max_time and not ctrl_c and not interrupt"
)


def coverage(arguments):
    """The tests under coverage and gcov, then one table: lines and branches by file."""
    folder = build("coverage")
    (folder / ".coveragerc").write_text(CONFIGURATION)
    run = [sys.executable, "-m", "coverage"]
    variables = environment(folder)
    tests = [*run, "run", "-m", "pytest", "-p", "no:cacheprovider"]
    tests += [*NOT_TRACED, *arguments]
    code = subprocess.run(tests, cwd=folder, env=variables).returncode
    for step in (["combine", "--quiet"], ["json", "--quiet", "-o", "python.json"]):
        subprocess.run([*run, *step], cwd=folder, env=variables, check=True)
    gcovr = [sys.executable, "-m", "gcovr", "--root", ".", "--filter", "src_c/"]
    gcovr += ["--json", "c.json"]
    gcovr += ["--gcov-ignore-parse-errors=all", "--exclude-unreachable-branches"]
    gcovr += ["--merge-mode-functions=merge-use-line-min"]
    subprocess.run(gcovr, cwd=folder, check=True)
    print_report(folder)
    return code


def rows_of(folder):
    """(kind, file, lines covered, lines, branches covered, branches, missing lines)."""
    python = json.loads((folder / "python.json").read_text())["files"]
    for name, file in sorted(python.items()):
        total = file["summary"]
        yield (
            "Cython" if name.endswith((".pyx", ".pxd")) else "Python",
            name,
            total["covered_lines"],
            total["num_statements"],
            total.get("covered_branches", 0),
            total.get("num_branches", 0),
            file["missing_lines"],
        )
    for file in json.loads((folder / "c.json").read_text())["files"]:
        lines, branches = counted(file["lines"])
        missing = sorted(lines.keys() - +lines)
        numbers = [len(x) for x in (+lines, lines, +branches, branches)]
        yield "C", file["file"], *numbers, missing


def counted(lines):
    """How often lines and branches of a C file ran, in all that is compiled from it.

    One source serves both precisions and every instruction set, some of which this
    processor may lack: a line counts if any of them ran it.
    """
    times, branches = Counter(), Counter()
    for line in lines:
        number = line["line_number"]
        times[number] += line["count"]
        for branch in line["branches"]:
            branches[number, branch["branchno"]] += branch["count"]
    return times, branches


def print_report(folder):
    """One line per file, one per kind, and what is missing."""
    rows = list(rows_of(folder))
    for kind in ("Python", "Cython", "C"):
        sums = [sum(row[i] for row in rows if row[0] == kind) for i in range(2, 6)]
        rows.append((kind, "all", *sums, []))
    for kind, name, *numbers, missing in rows:
        line, branch = (
            f"{100 * part / whole:5.1f} %" if whole else "      -"
            for part, whole in (numbers[:2], numbers[2:])
        )
        lines = " ".join(map(str, missing))
        print(f"{kind:6} {name:40} {line} of lines {branch} of branches  {lines}")


def main():
    """Run what the command line asks for."""
    modes = {"address": address, "coverage": coverage}
    if len(sys.argv) < 2 or sys.argv[1] not in modes:
        sys.exit(__doc__)
    sys.exit(modes[sys.argv[1]](sys.argv[2:]))


if __name__ == "__main__":
    main()
