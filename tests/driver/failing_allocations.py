"""Every allocation of a call fails once; run by test_driver.py with the preloaded
failing_malloc.c. Prints, per call, how many allocations failed and what was left."""

import ctypes
import gc
import sys
import tracemalloc
import warnings
from collections import Counter

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
    return cls(
        hidden_layer_sizes=(30, 20),
        max_iter=3,
        random_state=0,
        batch_size=20,
        **params,
    )


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
    """Fail each allocation in turn; how many there were, and what became of them."""
    fitted, call = CALLS[name]()
    call(fitted)
    expected = fitted.predict(X) if name != "partial_fit" else None
    n = 0
    noticed = Counter()
    while True:
        n += 1
        fail_at(n)
        try:
            call(fitted)
            error = None
        except MemoryError:
            error = "MemoryError"
        except SystemError as raised:  # of NumPy, indexing with arrays
            if "error return without exception set" not in str(raised):
                raise
            error = "SystemError"
        n_calls = fail_at(0)
        if n_calls < n:
            assert error is None
            return n - 1, noticed
        noticed[error] += 1
        after = fitted.predict(X)  # the model is as it was, or that of the whole call
        assert len(after) == len(X) and np.isfinite(after).all(), (name, n)
        if expected is not None:
            np.testing.assert_array_equal(after, expected, err_msg=f"{name}, {n}")


def main():
    for name in CALLS:
        sizes = []
        tracemalloc.start()
        for _ in range(3):  # caches fill in the first round
            n, noticed = try_all(name)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        left = sizes[2] - sizes[1]
        print(
            f"{name}: {n} allocations, {noticed['MemoryError']} MemoryError, "
            f"{noticed['SystemError']} of NumPy, {noticed[None]} did without, "
            f"{left} bytes left"
        )
        assert noticed["MemoryError"] > n / 2, "too few were noticed"
        # as in test_leaks less than 1 KB a call (NumPy keeps small blocks for later); n
        # calls that fail, one that does not, and the fit before them
        assert left < 1000 * (n + 2), "leak"
    sys.exit(0)


if __name__ == "__main__":
    main()
