"""Ctrl-C: a fit stops soon, with a warning and a usable model."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="needs a timer that sends a signal"
)

RNG = np.random.RandomState(0)
X = RNG.rand(60_000, 60)
Y = RNG.randint(0, 3, 60_000)

# Nominally 100 ms; the rest is for a busy machine, which a test must bear.
PATIENCE = 1.0


def _interrupted(call, after):
    """Run a call, send SIGINT to it; seconds from the signal to the return."""
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        call()
    finally:
        returned = time.perf_counter()
        timer.join()
    return returned - sent[0]


@pytest.mark.parametrize(
    "params",
    [
        {"solver": "adam"},
        {"solver": "sgd", "batch_size": 60_000},
        {"solver": "lbfgs"},
        {"solver": "adam", "early_stopping": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("after", [0.25, 0.6])
def test_fit(params, after):
    clf = MLPClassifier((100, 100), max_iter=10_000, random_state=0, tol=0, **params)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        waited = _interrupted(lambda: clf.fit(X, Y), after)
    assert waited < PATIENCE
    assert clf.predict(X[:10]).shape == (10,)
    assert clf.n_iter_ >= 0 and clf.loss_ > 0
    clf.set_params(max_iter=1, warm_start=True, early_stopping=False, batch_size=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X[:500], Y[:500])


def test_partial_fit():
    regr = MLPRegressor(hidden_layer_sizes=(200, 200), random_state=0, batch_size=32)
    many = np.tile(X, (4, 1))
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        waited = _interrupted(lambda: regr.partial_fit(many, many[:, 0]), 0.5)
    assert waited < PATIENCE
    regr.partial_fit(X[:100], Y[:100])


def test_predict_raises():
    clf = MLPClassifier((1000, 1000), max_iter=1, random_state=0, tol=1e3)
    with pytest.warns(match="converge"):
        clf.fit(X[:300], Y[:300])
    many = np.tile(X, (10, 1))
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        _interrupted(lambda: clf.predict(many), 0.5)
    assert time.perf_counter() - started < 0.5 + PATIENCE + 0.5


def test_an_interrupt_is_at_the_end_of_a_step():
    """The interrupted weights are, to the bit, those of some number of whole steps."""
    size, params = 20_000, {"random_state": 0, "shuffle": False}

    def interrupt_soon(record):
        if record.epoch == 1:
            press = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
            press.start()

    clf = MLPClassifier((100, 100), batch_size=size, max_iter=10_000, tol=0, **params)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        clf.fit(X, Y, callback=interrupt_soon)
    steps = clf._optimizer.t
    assert steps >= len(X) // size
    other = MLPClassifier((100, 100), batch_size=size, **params)
    for step in range(steps):
        rows = np.arange(size) + step % 3 * size
        other.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
    for a, b in zip(clf.coefs_ + clf.intercepts_, other.coefs_ + other.intercepts_):
        np.testing.assert_array_equal(a, b)
