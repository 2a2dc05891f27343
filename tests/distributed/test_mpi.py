"""Training over MPI: processes started by mpiexec."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mpi4py", reason="mpi4py is not installed")
BESIDE = Path(sys.executable).with_name("mpiexec")  # where a wheel of MPI puts it
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
if MPIEXEC is None:
    pytest.skip("there is no mpiexec", allow_module_level=True)
# In a process of its own: the import starts MPI, or does not find its library.
FOUND = subprocess.run([sys.executable, "-c", "import mpi4py.MPI"], capture_output=True)
if FOUND.returncode != 0:
    pytest.skip("mpi4py finds no MPI", allow_module_level=True)

TRAIN = """
import warnings
import numpy as np
from mpi4py import MPI
from fastmlp import MLPClassifier
from fastmlp.distributed import MPICommunicator, RankError, fit_distributed
warnings.simplefilter("ignore")
comm = MPI.COMM_WORLD
rng = np.random.RandomState(0)
X = rng.randn(240, 6)
y = (X @ rng.randn(6, 3)).argmax(axis=1)
rows = np.arange(240).reshape(-1, comm.size, 10).swapaxes(0, 1)[comm.rank].ravel()
settings = dict(batch_size=10 * comm.size, shuffle=False, max_iter=4, random_state=0)
"""
SAME = """
for solver in "adam", "lbfgs":
    model = MLPClassifier((8,), solver=solver, **settings)
    alone = MLPClassifier((8,), solver=solver, **settings).fit(X, y)
    for ranks in None, comm, MPICommunicator(comm, ordered=True):
        fit_distributed(model, X[rows], y[rows], comm=ranks)
        np.testing.assert_allclose(model.coefs_[0], alone.coefs_[0], rtol=1e-8)
        bits = comm.allgather(b"".join(w.tobytes() for w in model.coefs_))
        assert len(set(bits)) == 1
print("rank", comm.rank, "is done")
"""
# The whole fit, one that rank 0 kills, and the rest of that one.
RESUMES = """
def fit(**options):
    model = MLPClassifier((8,), **settings)
    model.set_params(early_stopping=True, class_weight="balanced")
    model.set_params(shuffle=True, max_iter=9)
    ranks = MPICommunicator(comm, ordered=True)
    return fit_distributed(model, X[rows], y[rows], comm=ranks, **options)

def kill(record):
    if record.epoch == 6:
        raise KeyError("killed")

whole = fit()
try:
    fit(callback=kill, checkpoint=PATH)
except (KeyError, RankError) as error:
    assert "killed" in str(error)
else:
    raise AssertionError("nothing was raised")
resumed = fit(resume=PATH)
for one, other in zip(resumed.coefs_, whole.coefs_):
    assert one.tobytes() == other.tobytes()
assert resumed.validation_scores_ == whole.validation_scores_
assert len(whole.validation_scores_) > 6, whole.validation_scores_
print("rank", comm.rank, "is done")
"""
FAILS = """
X[rows[0], 0] = np.nan if comm.rank == 1 else 0.0
try:
    fit_distributed(MLPClassifier((8,), **settings), X[rows], y[rows], comm=comm)
except RankError as error:
    assert comm.rank != 1 and "as rank 1 failed: ValueError: " in str(error)
except ValueError as error:
    assert comm.rank == 1 and "NaN" in str(error)
else:
    raise AssertionError("nothing was raised")
print("rank", comm.rank, "is done")
"""


@pytest.mark.parametrize(
    "script", [SAME, RESUMES, FAILS], ids=["same", "resumes", "fails"]
)
def test_processes_of_mpi(script, tmp_path):
    path = f"PATH = {str(tmp_path / 'c')!r}"
    command = [MPIEXEC, "-n", "2", sys.executable, "-c", path + TRAIN + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is done") == 2
