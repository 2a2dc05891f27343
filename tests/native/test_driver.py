"""The C kernels without Python: the driver, the pool, and allocations that fail."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).parent / "driver"
HAS_SOURCES = (DRIVER.parents[2] / "src_c" / "fastmlp.h").exists()

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="for Linux"),
    pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc"),
]
needs_sources = pytest.mark.skipif(not HAS_SOURCES, reason="no src_c beside the tests")


def run(*command, **variables):
    done = subprocess.run(
        command,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


CALLS_THAT_FAIL = 16  # in failing_allocations.py


def run_driver(mode, *options):
    """Run the driver and check its last line, and that of the pool."""
    output = run(sys.executable, str(DRIVER / "run.py"), mode, *options)
    found = re.findall(r"^(?:threads: )?\d+ failures$", output, re.MULTILINE)
    driver, pool = ["0 failures"], ["threads: 0 failures"]
    assert found == {"thread": pool, "valgrind": driver}.get(mode, driver + pool)


@needs_sources
@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_kernels_and_pool(cc):
    if not shutil.which(cc):
        pytest.skip(f"no {cc}")
    run_driver("plain", "--cc", cc, "--extent", "quick")


@pytest.mark.long
@needs_sources
@pytest.mark.parametrize("cc", ["gcc", "clang"])
@pytest.mark.parametrize("mode", ["address", "undefined", "thread", "valgrind"])
def test_under(mode, cc):
    for program in (cc, "valgrind") if mode == "valgrind" else (cc,):
        if not shutil.which(program):
            pytest.skip(f"no {program}")
    run_driver(mode, "--cc", cc)


@needs_sources
@pytest.mark.parametrize("mode", ["musl", "windows"])
def test_a_missing_compiler_is_told(mode):
    done = subprocess.run(
        [sys.executable, str(DRIVER / "run.py"), mode],
        env={**os.environ, "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "name another compiler with --cc" in done.stderr


@pytest.mark.long
@needs_sources
def test_arm64():
    for program in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
        if not shutil.which(program):
            pytest.skip(f"no {program}")
    run_driver("arm64", "--extent", "quick")


def run_preloaded(name, program, tmp_path, **variables):
    """Run a program with a library of C in front of all others."""
    library = str(tmp_path / f"{name}.so")
    source = str(DRIVER / f"{name}.c")
    run("gcc", "-shared", "-fPIC", "-O1", source, "-o", library, "-ldl")
    variables |= {"LD_PRELOAD": library, "OPENBLAS_NUM_THREADS": "1"}
    return run(sys.executable, str(DRIVER / program), **variables)


def test_every_allocation_fails_once(tmp_path):
    # blocks that malloc keeps for a thread would count as given out
    output = run_preloaded(
        "failing_malloc",
        "failing_allocations.py",
        tmp_path,
        GLIBC_TUNABLES="glibc.malloc.tcache_count=0",
    )
    lines = re.findall(r"^.+: (\d+) allocations, .+ bytes left$", output, re.MULTILINE)
    assert len(lines) == CALLS_THAT_FAIL
    assert min(map(int, lines)) > 0


def test_threads_that_cannot_start(tmp_path):
    output = run_preloaded("failing_threads", "failing_threads.py", tmp_path)
    assert output.splitlines()[-1] == "same bits"
