"""Every allocation of a call fails once; run by test_driver.py with the preloaded
failing_malloc.c. Prints, per call, how many allocations failed and what was left.

A leak is looked for twice, since neither way sees everything: what malloc of glibc has
given out counts every byte but not Python's small objects; the trace of tracemalloc
counts those, but its frames hide most allocations from failing_malloc.c, which looks at
who calls."""

import ctypes
import gc
import math
import pickle
import sys
import tempfile
import traceback
import tracemalloc
import warnings
from collections import Counter
from copy import deepcopy
from pathlib import Path

import numpy as np
from scipy import sparse

from fastmlp import MLPClassifier, MLPRegressor, load_model, save_model

warnings.simplefilter("ignore")
LIBRARY = ctypes.CDLL(None)
fail_at = LIBRARY.fail_at
fail_at.argtypes, fail_at.restype = [ctypes.c_long], ctypes.c_long


class MallocInfo(ctypes.Structure):
    """struct mallinfo2 of glibc: see malloc.h."""

    NAMES = ("arena", "ordblks", "smblks", "hblks", "hblkhd")
    NAMES += ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES]


mallinfo = LIBRARY.mallinfo2
mallinfo.restype = MallocInfo

RNG = np.random.RandomState(0)
X = RNG.normal(size=(70, 40))
S = sparse.csr_array(X)
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


ESTIMATORS = (MLPClassifier, MLPRegressor)
FOLDER = tempfile.TemporaryDirectory()
FILE = Path(FOLDER.name) / "model.safetensors"
KEPT = []
N_ROUNDS = 10  # NumPy keeps up to 7 blocks for the dimensions of arrays of each rank
GIVEN_BACK = 32  # bytes: two blocks of malloc, less than an array

CALLS = {
    "fit adam": lambda: fit(),
    "fit sgd": lambda: fit(solver="sgd", early_stopping=True),
    "fit lbfgs": lambda: fit(solver="lbfgs"),
    "fit float32": lambda: fit(X.astype(np.float32), n_threads=2),
    "fit sparse": lambda: fit(S),
    "fit regressor": lambda: fit(y=X[:, :2], cls=MLPRegressor),
    "fit dropout, l1": lambda: fit(dropout=0.2, l1=0.001),
    "fit norms": lambda: fit(max_weight_norm=1.0, max_grad_norm=1.0),
    "fit averages": lambda: fit(solver="sgd", weight_averaging="ema"),
    "partial_fit": lambda: (fit()[0], lambda m: m.partial_fit(X, Y)),
    "predict": lambda: (fit()[0], lambda m: m.predict(X)),
    "predict_proba sparse": lambda: (fit()[0], lambda m: m.predict_proba(S)),
    "compile": lambda: (fit()[0], lambda m: m.compile()),
    "compiled predict": lambda: (fit()[0].compile(), lambda m: m.predict(X)),
    "save_model": lambda: (fit()[0], lambda m: save_model(m, FILE)),
    "load_model": lambda: (saved(), lambda m: load_model(FILE)),
}


def saved():
    fitted = fit()[0]
    save_model(fitted, FILE)
    return fitted


def state_of(model):
    """The state that a failing call may not change, as bytes: all attributes of an
    estimator, and the outputs of a compiled predictor, which shows nothing else."""
    outputs = model.predict(X)
    kept = vars(model) if isinstance(model, ESTIMATORS) else {"outputs": outputs}
    return {name: pickle.dumps(value) for name, value in kept.items()}


def is_of_numpy(error):
    """Return whether NumPy gave up without an exception.

    Its iterator over an array of indices sets none if it gets no memory. In our own
    Cython that would be a fault.
    """
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    return "_core" not in where


def try_all(name):
    """Fail each allocation in turn; how many there were, and what became of them."""
    fitted, call = CALLS[name]()
    call(fitted)
    n = 0
    noticed = Counter()
    twin = None
    while True:
        n += 1
        if twin is None:  # else a failure has left all as it was
            before, twin = state_of(fitted), deepcopy(fitted)
        fail_at(n)
        try:
            call(fitted)
            error = None
        except MemoryError:
            error = "MemoryError"
        except SystemError as raised:
            if not is_of_numpy(raised):
                raise
            error = "SystemError"
        n_calls = fail_at(0)
        if n_calls < n:
            assert error is None
            return n - 1, noticed
        noticed[error] += 1
        if error:
            assert state_of(fitted) == before, f"{name}, {n}: changed by a failure"
        else:
            call(twin)
            np.testing.assert_array_equal(
                fitted.predict(X), twin.predict(X), err_msg=f"{name}, {n}"
            )
            twin = None


def in_use():
    """Bytes that malloc has given out; exact without its caches by thread."""
    info = mallinfo()
    return info.uordblks + info.hblkhd


def traced():
    """Bytes that came about in code of the package, with small objects."""
    only = tracemalloc.Filter(True, "*/fastmlp/*")
    statistics = (
        tracemalloc.take_snapshot().filter_traces([only]).statistics("filename")
    )
    return sum(statistic.size for statistic in statistics)


def is_clean(left):
    """Judge what a round left; one that gave much back could hide a leak."""
    return -GIVEN_BACK <= left <= 0


def left_by(name, measure):
    """Try all until a round is clean, but not for ever; the last round counts.

    A cache or a free list that fills may take memory in any round, a leak takes some in
    every round.
    """
    before = -math.inf  # so the first round, which fills most caches, is not clean
    for _ in range(N_ROUNDS):
        counts = try_all(name)
        gc.collect()
        after = measure()
        left, before = after - before, after
        if is_clean(left):
            break
    return *counts, left


def leak():
    """A prediction that keeps an array whenever it fails."""

    def predict(m):
        try:
            m.predict(X)
        except MemoryError:
            KEPT.append(np.ones(4))
            raise

    return fit()[0], predict


def main():
    for name in CALLS:
        n, noticed, left = left_by(name, in_use)
        tracemalloc.start()
        n_traced, _, left_traced = left_by(name, traced)
        tracemalloc.stop()
        print(
            f"{name}: {n} allocations, {noticed['MemoryError']} MemoryError, "
            f"{noticed['SystemError']} of NumPy, {noticed[None]} did without, "
            f"{left} bytes left; {n_traced} traced, {left_traced} bytes left",
            flush=True,
        )
        assert noticed["MemoryError"] > 0.8 * n > 0, "too few were noticed"
        assert is_clean(left) and is_clean(left_traced), "a leak in every round"
    CALLS["leak"] = leak
    assert not is_clean(left_by("leak", in_use)[-1]), "the measure sees no leak"
    sys.exit(0)


if __name__ == "__main__":
    main()
