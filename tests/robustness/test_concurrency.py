"""Many threads at once: clones that train, one model that predicts, one that changes.

Same bits for any ``n_threads`` and fits side by side are in ``test_threads.py``.
"""

import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core.batch import THREAD_WORK
from fastmlp._core.network import Network
from fastmlp._mlp import fast_predict

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_THREADS = 8
RNG = np.random.RandomState(0)
X = RNG.randn(900, 40)
Y = RNG.randint(0, 4, 900)
MODELS = [
    MLPClassifier((70, 40), batch_size=300, max_iter=4, random_state=0, n_threads=2),
    MLPClassifier((20,), solver="lbfgs", max_iter=6, random_state=1),
    MLPClassifier((30,), early_stopping=True, max_iter=4, random_state=2),
    MLPRegressor(hidden_layer_sizes=(50,), max_iter=3, random_state=3, dtype="float32"),
    MLPRegressor(loss="poisson", solver="sgd", max_iter=3, random_state=4, n_threads=3,
                 batch_size=450),
    MLPClassifier((9,), standardize_X=True, class_weight="balanced", max_iter=3,
                  random_state=5, activation="tanh"),
]  # fmt: skip
# Those with n_threads train and predict in the threads of the pool.
assert THREAD_WORK < 300 * 6 * (40 * 70 + 70 * 40)
assert THREAD_WORK < 450 * 6 * 40 * 100


@pytest.fixture(autouse=True)
def _switch_often():
    """Let threads take turns every 50 us rather than every 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


def _side_by_side(work, seconds):
    """Repeat ``work(number of the thread)`` in all threads; how often, in all."""
    counts, errors = [0] * N_THREADS, []
    until = time.monotonic() + seconds

    def run(i):
        try:
            while (time.monotonic() < until or not counts[i]) and not errors:
                work(i)
                counts[i] += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=seconds + 60)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]
    assert all(counts)
    return sum(counts)


def _weights(model):
    return np.hstack([array.ravel() for array in model.coefs_ + model.intercepts_])


@pytest.fixture(params=[2, pytest.param(60, marks=pytest.mark.long)], ids="{}s".format)
def seconds(request):
    return request.param


def test_fits_of_clones(seconds):
    expected = [_weights(clone(model).fit(X, Y)) for model in MODELS]

    def work(i):
        n = i % len(MODELS)
        np.testing.assert_array_equal(_weights(clone(MODELS[n]).fit(X, Y)), expected[n])

    _side_by_side(work, seconds)


def test_predictions_of_shared_models(seconds):
    models = [clone(model).fit(X, Y) for model in MODELS]
    inputs = [X, X[:1], X[::2], np.asfortranarray(X), sparse.csr_array(X), X[5:7]]
    inputs = [
        rows.astype(np.float32) if i == 4 else rows for i, rows in enumerate(inputs)
    ]
    methods = [getattr(model, "predict_proba", model.predict) for model in models]
    methods += [model.compile().predict for model in models]
    expected = [[method(rows) for rows in inputs] for method in methods]

    def work(i):
        for method, answers in zip(
            methods[i:] + methods[:i], expected[i:] + expected[:i]
        ):
            for rows, answer in zip(inputs, answers):
                np.testing.assert_array_equal(method(rows), answer)

    _side_by_side(work, seconds)


def test_fits_and_predictions_at_once(seconds):
    """Half of the threads train clones, half predict with a shared model."""
    shared = clone(MODELS[0]).fit(X, Y)
    answer, expected = shared.predict_proba(X), _weights(shared)

    def work(i):
        if i % 2:
            np.testing.assert_array_equal(shared.predict_proba(X), answer)
        else:
            fitted = clone(MODELS[0]).fit(X, Y)
            np.testing.assert_array_equal(_weights(fitted), expected)

    _side_by_side(work, seconds)


def test_a_fit_that_ends_while_a_prediction_prepares(monkeypatch):
    """It may use the old weights, those after it must not."""
    model = MLPRegressor(hidden_layer_sizes=(30,), max_iter=2, random_state=0).fit(X, Y)
    refitted = clone(model).set_params(random_state=1).fit(X, Y)
    assert (model.predict(X) != refitted.predict(X)).all()
    model.coefs_ = [w.copy() for w in model.coefs_]  # nothing is prepared for these

    def network(*args):
        model.coefs_, model.intercepts_ = refitted.coefs_, refitted.intercepts_
        return Network(*args)

    monkeypatch.setattr(fast_predict, "Network", network)
    model.predict(X)
    assert model.coefs_ is refitted.coefs_
    monkeypatch.undo()
    np.testing.assert_array_equal(model.predict(X), refitted.predict(X))


def test_predictions_while_the_model_is_fitted_again():
    """Not supported either: readers see weights of some moment, and nothing crashes."""
    model = MLPRegressor(hidden_layer_sizes=(30,), max_iter=2, random_state=0).fit(X, Y)
    answer = model.predict(X)

    def work(i):
        if i == 0:
            model.fit(X, Y)
        else:
            assert np.isfinite(model.predict(X)).all()

    _side_by_side(work, 1)
    np.testing.assert_array_equal(model.predict(X), answer)


def test_one_estimator_trained_by_many_threads_does_not_crash():
    """Not supported, so the weights may be anything; but they can be used after."""
    model = MLPRegressor(hidden_layer_sizes=(30,), random_state=0)
    small = X[:64].copy()
    model.partial_fit(small, small[:, 0])

    def work(i):
        with suppress(ValueError, AttributeError, KeyError, IndexError):
            model.partial_fit(small, small[:, 0])

    _side_by_side(work, 1)
    assert np.isfinite(model.fit(X, Y).predict(X)).all()
