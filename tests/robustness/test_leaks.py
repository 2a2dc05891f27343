"""Memory that is not given back: fits, predictions, failures, thousands of times.

Once caches and pools are warm, neither resident memory nor the memory that the
allocator has given out may grow by more than ``LIMITS``, less than one small array a
call. The second sees also a leak that fits into pages that were freed before.
"""

import ctypes
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

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
RNG = np.random.RandomState(0)
X = RNG.randn(120, 10)
Y = RNG.randint(0, 3, 120)
SMALL = {"hidden_layer_sizes": (8, 5), "max_iter": 1, "random_state": 0}


def resident():
    """Bytes of memory of this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * PAGE


class MallocInfo(ctypes.Structure):
    """The fields of mallinfo2 of the GNU C library: mallinfo(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
            "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def given_out():
    """Bytes that malloc has given out; 0 where the C library does not tell."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        return 0
    mallinfo.restype = MallocInfo
    info = mallinfo()
    return info.uordblks + info.hblkhd


def growth(call, n_calls, n_warm):
    """Bytes a call that stay, after some calls that fill caches: resident, given out.

    The least of three runs: an allocator may take a piece at any time, a leak does not
    rest.
    """
    for _ in range(n_warm):
        call()
    grown = []
    for _ in range(3):
        gc.collect()
        before = resident(), given_out()
        for _ in range(n_calls // 3):
            call()
        gc.collect()
        after = resident(), given_out()
        grown.append([(a - b) / (n_calls // 3) for a, b in zip(after, before)])
    return tuple(map(min, zip(*grown)))


def objects(call):
    """Numbers of objects after runs of 40 calls, until two are equal; at most 6.

    A cache may fill, but not in every run.
    """
    counts = []
    while len(counts) < 6 and (len(counts) < 2 or counts[-1] != counts[-2]):
        for _ in range(40):
            call()
        gc.collect()
        counts.append(len(gc.get_objects()))
    return counts


def _leak():
    kept = []
    return lambda: kept.append([np.ones(25)])  # 200 bytes and heads, one list


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
        if next(turn) % 100 == 0:  # the record of the epochs grows, as it should
            model.fit(X, Y)
        model.partial_fit(X, Y)

    return partial_fit


def _pickles():
    model = MLPClassifier(**SMALL).fit(X, Y)
    return lambda: pickle.loads(pickle.dumps(model)).compile().predict(X[:1])


LEAK = (_leak, 3000, 30)
CALLS = {
    "fit": (_fits, 2000, 300),
    "predict": (_predictions, 100_000, 3000),
    "fail": (_fail_anywhere, 1000, 160),
    "partial_fit": (_partial_fits, 3000, 1000),
    "pickle": (_pickles, 600, 400),
}
# Bytes a call; of few calls one page is much.
LIMITS = {"fit": 256, "predict": 64, "fail": 256, "partial_fit": 64, "pickle": 256}


def _run(*arguments):
    """The numbers that this file prints, in a process of its own with malloc alone.

    A process of the tests also has objects and threads of other tests.
    """
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        env={**os.environ, "PYTHONMALLOC": "malloc"},
        capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    return tuple(map(float, done.stdout.split()))


@pytest.mark.parametrize("share", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", CALLS)
def test_growth(name, share):
    """A fifth of 2,000 fits, 100,000 predictions and so on; all in the long test."""
    grown, given = _run("growth", name, str(share))
    print(f"{name}: {grown:.0f} bytes a call resident, {given:.0f} given out")
    assert max(grown, given) < LIMITS[name]


def test_the_measure_sees_a_leak():
    """Of one array of 200 bytes a call, in as few calls as the shortest row makes."""
    if not given_out():
        pytest.skip("resident memory alone sees a small leak only in many calls")
    assert _run("growth", "leak", "25")[1] > max(LIMITS.values())


@pytest.mark.parametrize("name", ["fit", "fail"])
def test_no_object_stays(name):
    """All that a call made goes with the estimator: arrays, networks, machinery."""
    counts = _run("objects", name)
    assert counts[-1] == counts[-2], counts


def test_the_count_sees_a_leak():
    """Of one list a call."""
    counts = _run("objects", "leak")
    assert counts[-1] >= counts[-2] + 40, counts


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
    measure, name, *share = sys.argv[1:]
    make, n_calls, n_warm = {**CALLS, "leak": LEAK}[name]
    if measure == "growth":
        print(*growth(make(), n_calls // int(share[0]), n_warm))
    else:
        print(*objects(make()))
