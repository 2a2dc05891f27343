"""Compile and run the driver: every kernel of src_c in plain C, without Python.

    python tests/driver/run.py [plain|address|undefined|thread|valgrind|all]
                               [--cc "gcc"] [--extent quick|normal|full]

plain, address and undefined run driver.c (values and guard pages; with the sanitizer of
that name) and threads.c (the pool); thread runs the pool under the thread sanitizer,
valgrind the driver under memcheck with every leak an error. Sources and flags are those
of the package, from pyproject.toml.
"""

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DRIVER = ["driver.c", "precision_f32.c", "precision_f64.c"]
# -O1 keeps the frames that a report names; plain is compiled as the package is
MODES = {
    "plain": ["-O3"],
    "address": ["-O1", "-fsanitize=address", "-fno-omit-frame-pointer"],
    "undefined": ["-O1", "-fsanitize=undefined,float-cast-overflow"],
    "thread": ["-O1", "-fsanitize=thread"],
    "valgrind": ["-O1"],
}
FATAL = "-fno-sanitize-recover=all"
OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0",
}
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full"]
VALGRIND += ["--show-leak-kinds=all", "--errors-for-leak-kinds=all"]


def package_sources():
    """Each C source with the flags of its instruction set, and the flags of all."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        table = tomllib.load(file)["tool"]["fastmlp"]["c"]
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    sources = {
        ROOT / "src_c" / name: table["isa-flags"].get(name, []) if is_x86 else []
        for name in table["sources"]
    }
    return sources, table["flags"]


def build(mode, cc, folder):
    """Compile the driver and the program of the threads; their paths."""
    sources, common = package_sources()
    warnings = ["-Werror", "-Wno-pass-failed"]  # Clang: what a sanitizer keeps scalar
    flags = [*common, *warnings, "-g", f"-I{ROOT / 'src_c'}", *MODES[mode]]
    if "sanitize" in " ".join(flags):
        flags.append(FATAL)

    def compiled(source, *more):
        target = folder / f"{source.stem}.o"
        command = [*cc, *flags, *more, "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True)
        return str(target)

    def linked(name, objects):
        target = str(folder / name)
        libraries = ["-lm", "-pthread"]
        command = [*cc, *MODES[mode], *objects, "-o", target, *libraries]
        subprocess.run(command, check=True)
        return target

    if mode == "thread":
        names = [ROOT / "src_c" / name for name in ("pool.c", "denormals.c")]
        objects = [compiled(path) for path in (*names, HERE / "threads.c")]
        return [linked("threads", objects)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = [pool.submit(compiled, path, *isa) for path, isa in sources.items()]
        driver = [pool.submit(compiled, HERE / name) for name in DRIVER]
        threads = pool.submit(compiled, HERE / "threads.c")
    objects = [job.result() for job in objects]
    programs = [linked("driver", objects + [job.result() for job in driver])]
    if mode != "valgrind":  # to which the stacks of idle workers are lost bytes
        programs.append(linked("threads", [threads.result(), *objects]))
    return programs


def run(mode, cc, extent):
    """Build in a folder of its own and run; 0 if everything is right."""
    with tempfile.TemporaryDirectory() as folder:
        programs = build(mode, cc, Path(folder))
        for program in programs:
            tool = VALGRIND if mode == "valgrind" else []
            print(f"== {mode}, {' '.join(cc)}: {Path(program).name}", flush=True)
            environment = {**OPTIONS, **os.environ}
            command = [*tool, program, extent]
            code = subprocess.run(command, env=environment, timeout=3600).returncode
            if code:
                print(f"{mode}: exit code {code}")
                return 1
    return 0


def main(argv=None):
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mode", choices=[*MODES, "all"], nargs="?", default="plain")
    parser.add_argument("--cc", default="gcc", help="compiler, such as clang")
    parser.add_argument("--extent", choices=["quick", "normal", "full"])
    options = parser.parse_args(argv)
    cc = shlex.split(options.cc)
    if not shutil.which(cc[0]):
        parser.error(f"there is no {cc[0]!r} here; name another compiler with --cc")
    modes = MODES if options.mode == "all" else [options.mode]
    return max(
        run(mode, cc, options.extent or ("quick" if mode == "valgrind" else "normal"))
        for mode in modes
    )


if __name__ == "__main__":
    sys.exit(main())
