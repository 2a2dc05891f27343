"""Compile and run the driver: every kernel of src_c in plain C, without Python.

    python tests/native/driver/run.py [MODE] [--cc "gcc"]
                                      [--extent quick|normal|full]

MODE is plain (the default), address, undefined or sanitizers, which run driver.c
(values and guard pages; with the sanitizer of that name, or with both) and threads.c
(the pool); thread, which runs the pool under the thread sanitizer; valgrind, which runs
the driver under memcheck with every leak an error (but not the pool: stacks of idle
workers are lost bytes to it); or all of these. MODE may also be another platform, for
which both programs are compiled, linked statically, and run: musl, by musl-gcc;
windows, compiled by mingw-w64 and run by wine; arm64, compiled by the package
gcc-aarch64-linux-gnu of Debian or Ubuntu and run by qemu-user, but without a fork, as
qemu 7.2 itself fails where a child of threads starts threads. --cc names another
compiler, such as "python -m ziglang cc -target aarch64-linux-musl". Sources and flags
are those of the package; this needs meson and ninja.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
# -O1 keeps the frames that a report names; plain is compiled as the package is
MODES = {
    "plain": ["-Doptimization=3"],
    "address": ["-Db_sanitize=address", "-Dc_args=-fno-omit-frame-pointer"],
    "undefined": [
        "-Db_sanitize=undefined",
        "-Dc_args=-fsanitize=float-cast-overflow -fno-sanitize-recover=all",
    ],
    "sanitizers": [
        "-Db_sanitize=address,undefined",
        "-Dc_args=-fno-omit-frame-pointer -fsanitize=float-cast-overflow "
        "-fno-sanitize-recover=all",
    ],
    "thread": ["-Db_sanitize=thread"],
    "valgrind": [],
}
# Other platforms: the compiler, its archiver, what the cross file of meson says of the
# machine, what runs the programs (the first that there is; none: directly), and what
# they are told
PLATFORMS = {
    "musl": {
        "cc": "musl-gcc",
        "ar": "ar",
        "machine": ("linux", "x86_64"),
        "runners": [],
        "arguments": [],
    },
    "windows": {
        "cc": "x86_64-w64-mingw32-gcc",
        "ar": "x86_64-w64-mingw32-ar",
        "machine": ("windows", "x86_64"),
        "runners": ["wine64", "wine", "/usr/lib/wine/wine64"],
        "arguments": [],
    },
    "arm64": {
        "cc": "aarch64-linux-gnu-gcc",
        "ar": "aarch64-linux-gnu-ar",
        "machine": ("linux", "aarch64"),
        "runners": ["qemu-aarch64", "qemu-aarch64-static"],
        "arguments": ["nofork"],
    },
}
PROGRAMS = {"thread": ["threads"], "valgrind": ["driver"]}
OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0",
}
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full"]
VALGRIND += ["--show-leak-kinds=all", "--errors-for-leak-kinds=all"]


def cross_file(platform, cc, folder):
    """The path of what meson is to know of another platform."""
    system, cpu = platform["machine"]
    path = Path(folder, "cross.ini")
    path.write_text(
        f"[binaries]\nc = {cc}\nar = {[platform['ar']]}\n"
        f"[host_machine]\nsystem = '{system}'\n"
        f"cpu_family = '{cpu}'\ncpu = '{cpu}'\nendian = 'little'\n"
    )
    return path


def build(mode, cc, folder):
    """Compile the driver and the program of the threads; their paths."""
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    options = ["-Ddriver=alone", "-Dwerror=true", "-Ddebug=true", "-Doptimization=1"]
    # Clang: the run-time library of a sanitizer is linked to programs only
    options += ["-Db_lundef=false"]
    if mode in PLATFORMS:
        options += ["-Dc_link_args=-static", "-Doptimization=3"]
        options += ["--cross-file", cross_file(PLATFORMS[mode], cc, folder)]
    else:
        options += MODES[mode]
    names = PROGRAMS.get(mode, ["driver", "threads"])
    for command in (
        ["setup", *options, folder, ROOT],
        ["compile", "-C", folder, *names],
    ):
        done = subprocess.run(
            [*meson, *command],
            env={**os.environ, "CC": shlex.join(cc)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            sys.exit(done.stdout)
    ending = ".exe" if mode == "windows" else ""
    return [Path(folder, "tests", "native", "driver", name + ending) for name in names]


def runner(mode):
    """The command that runs the programs of a mode: the words before their path."""
    if mode == "valgrind":
        return VALGRIND
    names = PLATFORMS[mode]["runners"] if mode in PLATFORMS else []
    found = [name for name in names if shutil.which(name)]
    if names and not found:
        sys.exit(f"{mode}: none of {', '.join(names)} is here to run the programs")
    return found[:1]


def run(mode, cc, extent):
    """Build in a folder of its own and run; 0 if everything is right."""
    tool, arguments = runner(mode), PLATFORMS.get(mode, {}).get("arguments", [])
    with tempfile.TemporaryDirectory() as folder:
        programs = build(mode, cc, folder)
        for program in programs:
            print(f"== {mode}, {' '.join(cc)}: {program.name}", flush=True)
            environment = {**OPTIONS, **os.environ}
            command = [*tool, program, extent, *arguments]
            code = subprocess.run(command, env=environment, timeout=3600).returncode
            if code:
                print(f"{mode}: exit code {code}")
                return 1
    return 0


def main(argv=None):
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = [*MODES, *PLATFORMS, "all"]
    parser.add_argument("mode", choices=names, nargs="?", default="plain")
    parser.add_argument("--cc", help="compiler, such as clang (default: gcc)")
    parser.add_argument("--extent", choices=["quick", "normal", "full"])
    options = parser.parse_args(argv)
    usual = PLATFORMS.get(options.mode, {"cc": "gcc"})["cc"]
    cc = shlex.split(options.cc or usual)
    if not shutil.which(cc[0]):
        parser.error(f"there is no {cc[0]!r} here; name another compiler with --cc")
    modes = MODES if options.mode == "all" else [options.mode]
    return max(
        run(mode, cc, options.extent or ("quick" if mode == "valgrind" else "normal"))
        for mode in modes
    )


if __name__ == "__main__":
    sys.exit(main())
