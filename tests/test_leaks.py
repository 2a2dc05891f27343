"""Memory that is not given back: fits, predictions, failures, thousands of times.

Resident memory may grow by less than 1 KB a call, once caches and pools are warm.
"""

import gc
import os
import pickle
import subprocess
import sys
import time
import warnings
from contextlib import suppress

import numpy as np
import pytest
from scipy import sparse

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc"),
]

LIMIT = 1024  # bytes a call
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
RNG = np.random.RandomState(0)
X = RNG.randn(120, 10)
Y = RNG.randint(0, 3, 120)
SMALL = {"hidden_layer_sizes": (8, 5), "max_iter": 1, "random_state": 0}


def resident():
    """Bytes of memory of this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * PAGE


def growth(call, n_calls, n_warm):
    """Bytes a call that stay, after some calls that fill caches.

    The least of three runs: an allocator may take a piece at any time, a leak does not
    rest.
    """
    for _ in range(n_warm):
        call()
    grown = []
    for _ in range(3):
        gc.collect()
        before = resident()
        for _ in range(n_calls // 3):
            call()
        gc.collect()
        grown.append((resident() - before) / (n_calls // 3))
    return min(grown)


def _leak():
    kept = []
    return lambda: kept.append(bytearray(2000))


def _fits():
    models = [
        MLPClassifier(**SMALL),
        MLPClassifier(**SMALL, solver="lbfgs"),
        MLPClassifier(**SMALL, early_stopping=True, n_threads=2),
        MLPRegressor(**SMALL, solver="sgd", dtype="float32", standardize_X=True),
        MLPRegressor(**SMALL, loss="quantile", quantile=(0.1, 0.9)),
    ]
    data = [X, sparse.csr_array(X), X.astype(np.float32)]
    turn = iter(range(10**9))

    def fit():
        n = next(turn)
        models[n % len(models)].fit(data[n % len(data)], Y)

    return fit


def _predictions():
    models = [MLPClassifier(**SMALL).fit(X, Y), MLPRegressor(**SMALL).fit(X, Y)]
    predictors = [model.compile() for model in models]
    calls = [m.predict for m in models + predictors] + [models[0].predict_proba]
    one, turn = X[:1].copy(), iter(range(10**9))

    def predict():
        n = next(turn)
        calls[n % len(calls)](X if n % 97 == 0 else one)

    return predict


def _fail_anywhere():
    """Failed fits: bad parameters, bad data, divergence, errors of callbacks."""
    bad = X.copy()
    bad[3, 3] = np.nan
    model, turn = MLPClassifier(**SMALL).fit(X, Y), iter(range(10**9))
    wild = MLPRegressor(**SMALL, solver="sgd", learning_rate_init=1e200)

    def stop(record):
        raise ZeroDivisionError

    def diverge():
        with np.errstate(all="ignore"):
            wild.fit(1e200 * X, Y)

    calls = [
        lambda: model.fit(bad, Y),
        lambda: model.fit(X, Y[:5]),
        lambda: MLPClassifier(alpha=-1).fit(X, Y),
        lambda: model.fit(X, Y, callback=stop),
        lambda: model.partial_fit(X, Y, n_epochs=3, callback=stop),
        lambda: model.predict(bad),
        lambda: MLPRegressor(**SMALL, solver="lbfgs").fit(X, Y, callback=stop),
        diverge,
    ]

    def fail():
        with suppress(ValueError, ZeroDivisionError):
            calls[next(turn) % len(calls)]()
            raise AssertionError("that was to fail")

    return fail


def _partial_fits():
    model, turn = MLPClassifier(**SMALL), iter(range(10**9))
    model.partial_fit(X, Y, classes=[0, 1, 2])

    def partial_fit():
        if next(turn) % 500 == 0:  # the record of the epochs grows, as it should
            model.fit(X, Y)
        model.partial_fit(X, Y)

    return partial_fit


def _pickles():
    model = MLPClassifier(**SMALL).fit(X, Y)
    return lambda: pickle.loads(pickle.dumps(model)).compile().predict(X[:1])


LEAK = (_leak, 3000, 300)
CALLS = {
    "fit": (_fits, 2000, 300),
    "predict": (_predictions, 100_000, 3000),
    "fail": (_fail_anywhere, 1000, 160),
    "partial_fit": (_partial_fits, 3000, 1000),
    "pickle": (_pickles, 600, 60),
}


def _grown(name, share=1):
    """Bytes a call, in a process of its own: no memory freed before hides a leak."""
    done = subprocess.run(
        [sys.executable, __file__, name, str(share)],
        capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    return float(done.stdout)


@pytest.mark.parametrize("share", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", CALLS)
def test_growth(name, share):
    """A fifth of 2,000 fits, 100,000 predictions and so on; all in the long test."""
    grown = _grown(name, share)
    print(f"{name}: {grown:.0f} bytes a call")
    assert grown < LIMIT


def test_the_measure_sees_a_leak():
    assert _grown("leak") > LIMIT


def test_no_object_stays():
    """What a fit made goes with the estimator: arrays, networks, machinery."""
    fit, fail = _fits(), _fail_anywhere()
    for call in (fit, fail):
        for _ in range(40):
            call()
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(120):
            call()
        gc.collect()
        assert abs(len(gc.get_objects()) - before) < 60


@pytest.mark.long
def test_soak():
    """Ten minutes of everything in turn; memory and answers stay as they were."""
    calls = [make() for make, _, _ in CALLS.values()]
    model = MLPClassifier(**SMALL).fit(X, Y)
    expected = model.predict_proba(X)
    until, sizes, n_calls = time.monotonic() + 600, [], 0
    while time.monotonic() < until:
        for call in calls:
            for _ in range(200):
                call()
                n_calls += 1
        again = MLPClassifier(**SMALL).fit(X, Y)
        np.testing.assert_array_equal(again.predict_proba(X), expected)
        np.testing.assert_array_equal(model.predict_proba(X), expected)
        gc.collect()
        sizes.append(resident())
    warm = len(sizes) // 5
    grown = (max(sizes[-warm:]) - max(sizes[warm : 2 * warm])) / (0.6 * n_calls)
    print(
        f"soak: {n_calls} calls, {grown:.1f} bytes a call, {sizes[-1] / 2**20:.0f} MB"
    )
    assert grown < 64


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    make, n_calls, n_warm = {**CALLS, "leak": LEAK}[sys.argv[1]]
    print(growth(make(), n_calls // int(sys.argv[2]), n_warm))
