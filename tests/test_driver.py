"""The C kernels without Python: the driver, the pool, and allocations that fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).parent / "driver"
HAS_SOURCES = (DRIVER.parent.parent / "src_c" / "fastmlp.h").exists()

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


@needs_sources
def test_kernels_and_pool():
    output = run(sys.executable, str(DRIVER / "run.py"), "plain", "--extent", "quick")
    assert "0 failures" in output
    assert "threads: 0 failures" in output


@pytest.mark.long
@needs_sources
@pytest.mark.parametrize("mode", ["address", "undefined", "thread", "valgrind"])
def test_under(mode):
    if mode == "valgrind" and not shutil.which("valgrind"):
        pytest.skip("no valgrind")
    assert "0 failures" in run(sys.executable, str(DRIVER / "run.py"), mode)


def test_every_allocation_fails_once(tmp_path):
    library = str(tmp_path / "failing_malloc.so")
    source = str(DRIVER / "failing_malloc.c")
    run("gcc", "-shared", "-fPIC", "-O1", source, "-o", library, "-ldl")
    program = str(DRIVER / "failing_allocations.py")
    output = run(sys.executable, program, LD_PRELOAD=library, OPENBLAS_NUM_THREADS="1")
    assert output.count("MemoryError") == 9  # a line for each call that was tried
