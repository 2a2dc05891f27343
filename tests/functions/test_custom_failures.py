"""User-defined functions that raise within a fit."""

import numpy as np
import pytest
from helpers.custom_functions import (
    PARAMS,
    RELU,
    SWISH,
    T,
    X,
    Y,
    broken_off,
    d_relu,
    d_squared,
    squared,
)
from sklearn.base import clone

from fastmlp import Activation, Loss, MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*converged yet"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]


class Failing:
    """ReLU that raises at its k-th call."""

    def __init__(self):
        self.calls, self.last = 0, np.inf

    def __call__(self, z, out):
        self.calls += 1
        if self.calls > self.last:
            raise ZeroDivisionError("on purpose")
        np.maximum(z, 0, out=out)


@pytest.mark.parametrize("k", [0, 1, 2, 5, 6, 7, 13])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_an_error_leaves_the_weights_of_the_last_batch(k, solver):
    f = Failing()
    act = Activation(f, d_relu, name="failing")
    model = MLPRegressor(
        "squared_error", (4,), act, solver=solver, shuffle=False, **PARAMS
    )
    f.calls, f.last = 0, k  # 6 batches an epoch
    with pytest.raises(ZeroDivisionError, match="on purpose") as caught:
        model.fit(X, T)
    assert caught.value.__notes__ == ["raised by activation 'failing'"]
    assert f.calls == k + 1
    if k == 0:
        assert not hasattr(model, "coefs_")
        return
    f.last = np.inf
    core = MLPRegressor(
        "squared_error", (4,), "relu", solver=solver, shuffle=False, **PARAMS
    )
    epochs, batches = divmod(k, 6)
    if epochs:
        core.set_params(max_iter=epochs).fit(X, T)
        np.testing.assert_array_equal(model.loss_curve_, core.loss_curve_)
    if batches:
        core.partial_fit(X[: 50 * batches], T[: 50 * batches])
    for a, b in zip(model.coefs_ + model.intercepts_, core.coefs_ + core.intercepts_):
        np.testing.assert_array_equal(a, b)
    model.predict(X)
    model.fit(X, T)


def test_an_error_in_partial_fit():
    f = Failing()
    act = Activation(f, d_relu)
    model = MLPClassifier((4,), act, **PARAMS)
    model.partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y)
    before = [w.copy() for w in model.coefs_]
    for calls, changed in ((0, False), (3, True)):
        f.calls, f.last = 0, calls
        with pytest.raises(ZeroDivisionError):
            model.partial_fit(X, Y)
        f.last = np.inf
        same = all(np.array_equal(a, b) for a, b in zip(before, model.coefs_))
        assert same is not changed
    model.partial_fit(X, Y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_an_error_in_lbfgs_and_in_prediction():
    f = Failing()
    model = MLPRegressor(
        "squared_error", (4,), Activation(f, d_relu), solver="lbfgs", **PARAMS
    )
    f.calls, f.last = 0, 3
    with pytest.raises(ZeroDivisionError):
        model.fit(X, T)
    for call in (model.predict, model.hidden_activations, model.input_gradient):
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            call(X)
        with pytest.raises(ZeroDivisionError):
            call(X[:1])
    f.last = np.inf
    assert np.isfinite(model.predict(X)).all()


def test_an_interrupt_within_a_function():
    calls = []

    def forward(z, out):
        calls.append(1)
        if len(calls) == 40:
            raise KeyboardInterrupt
        np.maximum(z, 0, out=out)

    model = MLPRegressor("squared_error", (4,), Activation(forward, d_relu), **PARAMS)
    calls.clear()
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.set_params(max_iter=100).fit(X, T)
    assert model.n_iter_ == 6  # of 6 batches each
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"activation": ["gelu", RELU]}, "activation"), ({"loss": "log_loss"}, "loss")],
)
def test_resume(tmp_path, change, message):
    brier = Loss(squared, d_squared, "softmax", name="brier")
    act = ["gelu", SWISH]
    whole = MLPClassifier((5, 4), act, loss=brier, dropout=0.2, **PARAMS).fit(X, Y)
    model = clone(whole)
    broken_off(model, Y, tmp_path / "c")
    other = clone(whole).set_params(**change)
    with pytest.raises(ValueError, match=message):
        other.fit(X, Y, resume=tmp_path / "c")
    model = clone(whole).fit(X, Y, resume=tmp_path / "c")
    assert model.n_iter_ == 4
    for a, b in zip(model.coefs_, whole.coefs_):
        np.testing.assert_array_equal(a, b)
