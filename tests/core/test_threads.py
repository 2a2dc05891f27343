"""Threads: the same bits for any number, no hang after fork, fits side by side."""

import os
import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest
from helpers.models import needs_products
from scipy import sparse
from threadpoolctl import threadpool_limits

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core.batch import THREAD_WORK
from fastmlp._utils import threads
from fastmlp._utils.threads import allowed_threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.RandomState(0)
X = RNG.randn(1500, 70)
Y = RNG.randint(0, 5, 1500)
W = RNG.rand(1500)
HIDDEN = (90, 61)  # with 400 rows a batch beyond THREAD_WORK
assert THREAD_WORK < 400 * 6 * (70 * 90 + 90 * 61)


def _weights(model):
    return np.hstack([a.ravel() for a in model.coefs_ + model.intercepts_])


@pytest.mark.parametrize("n_threads", [2, 3, 8])
@pytest.mark.parametrize(
    "params",
    [
        {"solver": "adam"},
        {"solver": "adam", "dtype": "float32", "activation": "tanh"},
        {"solver": "sgd", "batch_size": 1499},  # several blocks, and one lone row
        {"solver": "lbfgs", "alpha": 10.0, "max_iter": 20},
        {"solver": "adam", "early_stopping": True, "fit_intercept": False},
    ],
    ids=str,
)
@needs_products
def test_same_bits(params, n_threads):
    params = {"batch_size": 400, "max_iter": 4, "random_state": 0} | params
    for data, weights in ((X, W), (X, None), (sparse.csr_array(X), W)):
        one, many = (
            MLPClassifier(HIDDEN, n_threads=n, **params).fit(data, Y, weights)
            for n in (1, n_threads)
        )
        np.testing.assert_array_equal(_weights(many), _weights(one))
        assert many.loss_ == one.loss_


@needs_products
def test_same_bits_with_a_lone_last_row():
    one, many = (
        MLPClassifier(
            (150, 100), batch_size=193, max_iter=3, random_state=0, n_threads=n
        ).fit(X[:257], Y[:257])
        for n in (1, 6)
    )
    np.testing.assert_array_equal(_weights(many), _weights(one))


@needs_products
def test_same_bits_for_many_outputs():
    one, many = (
        MLPRegressor(
            hidden_layer_sizes=HIDDEN,
            n_threads=n,
            max_iter=3,
            random_state=0,
            batch_size=400,
        ).fit(X, X[:, :3] ** 2)
        for n in (1, 2)
    )
    np.testing.assert_array_equal(_weights(many), _weights(one))


def _model(n_threads=2):
    return MLPClassifier(
        HIDDEN, batch_size=400, max_iter=5, random_state=0, n_threads=n_threads
    )


def _fit(n_threads=2):
    return _weights(_model(n_threads).fit(X, Y))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_a_fit():
    code = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
sys.path[:0] = [{folder!r}, {tests!r}]
from test_threads import _fit
before = _fit()
pid = os.fork()
same = np.array_equal(_fit(), before)
if pid == 0:
    os._exit(0 if same else 3)
status = os.waitpid(pid, 0)[1]
sys.exit(0 if same and os.waitstatus_to_exitcode(status) == 0 else 1)
"""
    folder = os.path.dirname(__file__)
    code = code.format(folder=folder, tests=os.path.dirname(folder))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("backend", ["threading", "loky", "multiprocessing"])
def test_fits_in_workers(backend):
    expected = _fit()
    with joblib.parallel_backend(backend):
        models = joblib.Parallel(n_jobs=2)(
            joblib.delayed(_model().fit)(X, Y) for _ in range(4)
        )
    for model in models:
        np.testing.assert_array_equal(_weights(model), expected)


@needs_products
def test_eight_fits_in_eight_threads():
    expected, results = _fit(), [None] * 8

    def fit(i):
        results[i] = _fit(n_threads=1 + i % 3)

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for weights in results:
        np.testing.assert_array_equal(weights, expected)


def test_the_gil_is_released():
    """Another thread runs on while one epoch, a single batch, is under way."""
    rng = np.random.RandomState(0)
    many = rng.randn(20_000, 100)
    model = MLPRegressor(
        hidden_layer_sizes=(200, 100), batch_size=20_000, max_iter=1, n_threads=1
    )
    ticks = 0
    thread = threading.Thread(target=model.fit, args=(many, many[:, 0]))
    thread.start()
    while thread.is_alive():
        time.sleep(0.001)
        ticks += 1
    assert model.n_iter_ == 1
    assert ticks > 20


def test_the_share_of_a_worker():
    with joblib.parallel_backend("loky", inner_max_num_threads=1):
        assert joblib.Parallel(n_jobs=2)(
            [joblib.delayed(allowed_threads)(None)] * 2
        ) == [1, 1]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="for Linux")
def test_allowed_threads_of_an_affinity_mask():
    code = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from fastmlp._utils.threads import allowed_threads
assert allowed_threads(None) == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_hyperthreads_of_a_core_count_once(monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "TOPOLOGY", str(tmp_path / "cpu{}"))
    for processor, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        (tmp_path / f"cpu{processor}").write_text(siblings)
    cores = threads._cores.__wrapped__
    assert [cores({0}), cores({0, 2}), cores({1, 2}), cores({0, 1, 2, 3})] == [
        1,
        1,
        2,
        2,
    ]
    assert cores({0, 4}) is None  # the system tells nothing of the last one
    assert cores(()) is None


def test_allowed_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert allowed_threads(5) == 5
    assert 1 <= allowed_threads(None) <= os.cpu_count()
    with threadpool_limits(1):
        assert allowed_threads(None) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert allowed_threads(None) == 1
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert allowed_threads(None) == 1
