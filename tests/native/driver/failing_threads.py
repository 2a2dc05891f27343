"""Threads that the system refuses: a fit goes on with those it has, to the same bits.
Run by test_driver.py with the preloaded failing_threads.c."""

import ctypes
import os
import warnings

import numpy as np

from fastmlp import MLPClassifier

warnings.simplefilter("ignore")
allow_threads = ctypes.CDLL(None).allow_threads
allow_threads.argtypes, allow_threads.restype = [ctypes.c_long], ctypes.c_long

RNG = np.random.RandomState(0)
X = RNG.normal(size=(1000, 100))
Y = (X[:, 0] > 0).astype(int)
N_THREADS = 4


def threads_of_process():
    return len(os.listdir("/proc/self/task"))


def fit(n_allowed):
    """A fit with at most so many more threads; its model, the threads it started and
    the calls that were refused."""
    allow_threads(n_allowed)
    before = threads_of_process()
    model = MLPClassifier(
        hidden_layer_sizes=(100,),
        batch_size=500,
        max_iter=3,
        random_state=0,
        n_threads=N_THREADS,
    ).fit(X, Y)
    return model, threads_of_process() - before, allow_threads(-1)


def main():
    # the pool keeps what it has: none, then one, then the others
    models = []
    for n_allowed, n_expected in ((0, 0), (1, 1), (-1, N_THREADS - 2)):
        model, n_started, n_refused = fit(n_allowed)
        print(f"{n_allowed} allowed: {n_started} started, {n_refused} refused")
        assert n_started == n_expected
        assert (n_refused > 0) == (n_allowed >= 0)
        models.append(model)
    for model in models[:-1]:
        for got, expected in zip(model.coefs_, models[-1].coefs_, strict=True):
            np.testing.assert_array_equal(got, expected)
    print("same bits")


if __name__ == "__main__":
    main()
