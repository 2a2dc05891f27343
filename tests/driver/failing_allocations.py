"""Every allocation of a call fails once; run by test_allocation.py with the preloaded
failing_malloc.c. Prints, per call, how many allocations failed and what was left."""

import ctypes
import gc
import sys
import tracemalloc
import warnings

import numpy as np
from scipy import sparse

from fastmlp import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore")
fail_at = ctypes.CDLL(None).fail_at
fail_at.argtypes, fail_at.restype = [ctypes.c_long], ctypes.c_long

RNG = np.random.RandomState(0)
X = RNG.normal(size=(70, 40))
Y = (X[:, 0] > 0).astype(int)


def model(cls=MLPClassifier, **params):
    return cls((30, 20), max_iter=3, random_state=0, batch_size=20, **params)


def fit(X=X, y=Y, **params):
    """A fit of an estimator that is fitted already, and must stay so if it fails."""
    return model(**params).fit(X, y), lambda m: m.fit(X, y)


CALLS = {
    "fit adam": lambda: fit(),
    "fit sgd": lambda: fit(solver="sgd", early_stopping=True),
    "fit lbfgs": lambda: fit(solver="lbfgs"),
    "fit float32": lambda: fit(X.astype(np.float32), n_threads=2),
    "fit sparse": lambda: fit(sparse.csr_array(X)),
    "fit regressor": lambda: fit(y=X[:, :2], cls=MLPRegressor),
    "partial_fit": lambda: (fit()[0], lambda m: m.partial_fit(X, Y)),
    "predict": lambda: (fit()[0], lambda m: m.predict(X)),
    "predict_proba sparse": lambda: (
        fit()[0],
        lambda m: m.predict_proba(sparse.csr_array(X)),
    ),
}


def try_all(name):
    """Fail each allocation in turn; how many there were, and how many were noticed."""
    fitted, call = CALLS[name]()
    call(fitted)
    expected = fitted.predict(X) if name != "partial_fit" else None
    n = noticed = 0
    while True:
        n += 1
        fail_at(n)
        try:
            call(fitted)
            error = None
        except MemoryError as raised:
            error = type(raised)
        n_calls = fail_at(0)
        if n_calls < n:
            assert error is None
            return n - 1, noticed
        noticed += error is not None
        after = fitted.predict(X)  # the model is as it was, or that of the whole call
        assert len(after) == len(X) and np.isfinite(after).all(), (name, n)
        if expected is not None:
            np.testing.assert_array_equal(after, expected, err_msg=f"{name}, {n}")


def main():
    for name in CALLS:
        try_all(name)  # caches fill
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        n, noticed = try_all(name)
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        print(f"{name}: {n} allocations, {noticed} MemoryError, {left} bytes left")
        assert n > 0 and noticed > 0, "nothing failed"
        # what a cache may still take up; a leak would be an array or more a failure
        assert left < 100 * n + 20_000, "leak"
    sys.exit(0)


if __name__ == "__main__":
    main()
