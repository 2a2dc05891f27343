"""Compile and run the driver: every kernel of src_c in plain C, without Python.

    python tests/native/driver/run.py [MODE] [--cc "gcc"]
                                      [--extent quick|normal|full]

MODE is plain (the default), address, undefined or sanitizers, which run driver.c
(values and guard pages; with the sanitizer of that name, or with both) and threads.c
(the pool); thread, which runs the pool under the thread sanitizer; valgrind, which runs
the driver under memcheck with every leak an error (but not the pool: stacks of idle
workers are lost bytes to it); or all. Sources and flags are those of the package; this
needs meson and ninja.

MODE arm64 compiles both programs for arm64 and runs them under qemu-aarch64, which
all leaves out. It needs the packages gcc-aarch64-linux-gnu and qemu-user of Debian or
Ubuntu; another compiler for arm64 is named with --cc, such as "python -m ziglang cc
-target aarch64-linux-musl". The programs are linked statically. The pool is not tried
after a fork there: qemu 7.2 itself fails when a child of threads starts threads.
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
    "arm64": ["-Doptimization=3"],
}
PROGRAMS = {"thread": ["threads"], "valgrind": ["driver"]}
OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0",
}
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full"]
VALGRIND += ["--show-leak-kinds=all", "--errors-for-leak-kinds=all"]
TOOLS = {"valgrind": VALGRIND, "arm64": ["qemu-aarch64"]}
ARGUMENTS = {"arm64": ["nofork"]}
COMPILERS = {"arm64": "aarch64-linux-gnu-gcc"}
ARM64 = """
[binaries]
c = {cc}
[built-in options]
c_link_args = ['-static']
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
"""


def build(mode, cc, folder):
    """Compile the driver and the program of the threads; their paths."""
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    options = ["-Ddriver=alone", "-Dwerror=true", "-Ddebug=true", "-Doptimization=1"]
    # Clang: the run-time library of a sanitizer is linked to programs only
    options += ["-Db_lundef=false", *MODES[mode]]
    if mode == "arm64":
        cross_file = Path(folder, "arm64.ini")
        cross_file.write_text(ARM64.format(cc=cc))
        options += ["--cross-file", cross_file]
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
    return [Path(folder, "tests", "native", "driver", name) for name in names]


def run(mode, cc, extent):
    """Build in a folder of its own and run; 0 if everything is right."""
    with tempfile.TemporaryDirectory() as folder:
        programs = build(mode, cc, folder)
        for program in programs:
            print(f"== {mode}, {' '.join(cc)}: {program.name}", flush=True)
            environment = {**OPTIONS, **os.environ}
            command = [*TOOLS.get(mode, []), program, extent, *ARGUMENTS.get(mode, [])]
            code = subprocess.run(command, env=environment, timeout=3600).returncode
            if code:
                print(f"{mode}: exit code {code}")
                return 1
    return 0


def main(argv=None):
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mode", choices=[*MODES, "all"], nargs="?", default="plain")
    parser.add_argument("--cc", help="compiler, such as clang")
    parser.add_argument("--extent", choices=["quick", "normal", "full"])
    options = parser.parse_args(argv)
    modes = [options.mode]
    if options.mode == "all":
        modes = [mode for mode in MODES if mode != "arm64"]
    cc = shlex.split(options.cc or COMPILERS.get(options.mode, "gcc"))
    if not shutil.which(cc[0]):
        parser.error(f"there is no {cc[0]!r} here; name another compiler with --cc")
    for mode in modes:
        for tool in TOOLS.get(mode, [])[:1]:
            if not shutil.which(tool):
                parser.error(f"{mode} runs under {tool!r}, which is not here")
    return max(
        run(mode, cc, options.extent or ("quick" if mode == "valgrind" else "normal"))
        for mode in modes
    )


if __name__ == "__main__":
    sys.exit(main())
