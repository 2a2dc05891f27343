"""The benchmark of data larger than the memory of workers: a short run of each kind."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"
if not BENCH.is_dir():
    pytest.skip("the folder bench is not here", allow_module_level=True)
for needed in ("distributed", "dask.dataframe", "pyarrow", "psutil"):
    pytest.importorskip(needed)

sys.path.insert(0, str(BENCH))  # as for its scripts, and for these imports only
import cluster_memory

sys.path.remove(str(BENCH))


def test_partitions_are_the_same_in_both_forms(tmp_path):
    size = cluster_memory.write(tmp_path, 60, 3)
    assert size == sum(path.stat().st_size for path in tmp_path.iterdir())
    X, y = cluster_memory.frame_of(tmp_path)
    assert X.npartitions == 3 and list(X.columns)[-1] == "x19"
    expected = [cluster_memory.rows_of(number, 20, np.float64) for number in range(3)]
    of_X, of_y = (np.concatenate(parts) for parts in zip(*expected))
    np.testing.assert_array_equal(X.compute(scheduler="sync"), of_X)
    np.testing.assert_array_equal(y.compute(scheduler="sync"), of_y)
    X, y = cluster_memory.array_of(60, 3)
    assert X.chunks == ((20, 20, 20), (20,)) and X.dtype == np.float32
    first = cluster_memory.rows_of(0, 20, np.float32)
    np.testing.assert_array_equal(X[:20].compute(scheduler="sync"), first[0])
    np.testing.assert_array_equal(y[:20].compute(scheduler="sync"), first[1])


@pytest.mark.parametrize("kind", ["parquet", "table", "array"])
def test_a_short_run(kind):
    arguments = f"--kind {kind} --rows 4000 --partitions 2 --workers 1 --limit 4GB"
    command = [sys.executable, BENCH / "cluster_memory.py", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "pass 2: " in done.stdout
    assert ("GB of Parquet" in done.stdout) == (kind != "array")
    highest = int(done.stdout.rpartition("worker: ")[2].split()[0])
    assert 50 < highest < 4000
