"""User-defined losses."""

import pickle

import numpy as np
import pytest
from helpers.custom_functions import (
    PARAMS,
    RELU,
    SQUARED,
    TESTING,
    T,
    X,
    Y,
    d_squared,
    squared,
)
from scipy.special import expit

import fastmlp
from fastmlp import Loss, MLPClassifier, MLPRegressor
from fastmlp._core import custom, kernels

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*converged yet"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_squared_error_by_hand(solver, weighted, dtype):
    weight = np.random.RandomState(1).uniform(0.5, 2, size=300) if weighted else None
    params = {**PARAMS, "dtype": dtype.name, "solver": solver}
    own = MLPRegressor(SQUARED, (5,), **params).fit(X, T, weight)
    core = MLPRegressor("squared_error", (5,), **params).fit(X, T, weight)
    rtol = 1e3 * np.finfo(dtype).eps
    np.testing.assert_allclose(own.loss_, core.loss_, rtol)
    np.testing.assert_allclose(own.coefs_[0], core.coefs_[0], rtol, rtol)
    assert own.out_activation_ == "identity"


@pytest.mark.parametrize(
    ("wrt", "gradient"),
    [("output", lambda y, a: -y / a), ("input", lambda y, a: a - y)],
)
def test_log_loss_by_hand(wrt, gradient):
    loss = Loss(
        lambda y, a: -y * np.log(np.where(y > 0, a, 1)), gradient, "softmax", wrt=wrt
    )
    weight = np.random.RandomState(1).uniform(0.5, 2, size=300)
    own = MLPClassifier((5,), loss=loss, **PARAMS).fit(X, Y, weight)
    core = MLPClassifier((5,), **PARAMS).fit(X, Y, weight)
    np.testing.assert_allclose(own.loss_curve_, core.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(own.predict_proba(X), core.predict_proba(X), rtol=1e-8)


def test_binary_and_multilabel_loss_by_hand():
    loss = Loss(
        lambda y, a: -y * np.log(a) - (1 - y) * np.log1p(-a),
        lambda y, a: a - y,
        "logistic",
        wrt="input",
    )
    for y in (Y > 0, np.column_stack([Y > 0, Y > 1]).astype(int)):
        own = MLPClassifier((5,), loss=loss, early_stopping=True, **PARAMS).fit(X, y)
        core = MLPClassifier((5,), early_stopping=True, **PARAMS).fit(X, y)
        np.testing.assert_allclose(own.loss_curve_, core.loss_curve_, rtol=1e-10)
        np.testing.assert_allclose(
            own.validation_loss_curve_, core.validation_loss_curve_, rtol=1e-10
        )


@pytest.mark.parametrize("output", ["exp", "softplus", "logistic"])
def test_output_activations_of_losses(output):
    loss = Loss(squared, d_squared, output)
    target = np.stack([expit(T), expit(X[:, 2])], axis=1)
    model = MLPRegressor(loss, (4,), alpha=0.0, **PARAMS).fit(X, target)
    value, coef_grads, _ = model.loss_gradient(X, target)
    expected = ((model.predict(X) - target) ** 2).sum(axis=1).mean() / 2
    assert value == pytest.approx(expected, rel=1e-12)
    step = 1e-6
    model.coefs_[1] = model.coefs_[1].copy()
    sides = []
    for sign in (1, -1):
        model.coefs_[1][2, 1] += sign * step
        sides.append(model.loss_gradient(X, target)[0])
        model.coefs_[1][2, 1] -= sign * step
    difference = (sides[0] - sides[1]) / (2 * step)
    assert coef_grads[1][2, 1] == pytest.approx(difference, abs=1e-9)


def test_compiled_loss():
    compiled = Loss(
        (TESTING, "error_f64"), (TESTING, "d_error_f64"), name="half square"
    )
    own = MLPRegressor(compiled, (5,), **PARAMS).fit(X, T)
    python = MLPRegressor(SQUARED, (5,), **PARAMS).fit(X, T)
    np.testing.assert_allclose(own.coefs_[0], python.coefs_[0], rtol=1e-12)
    again = pickle.loads(pickle.dumps(own))
    np.testing.assert_array_equal(again.predict(X), own.predict(X))


def test_an_error_in_a_loss_leaves_the_weights_of_the_last_batch():
    calls = []

    def value(y, a):
        calls.append(1)
        if len(calls) > 4:
            raise ZeroDivisionError("on purpose")
        return squared(y, a)

    loss = object.__new__(Loss)
    loss._set(value, d_squared, "identity", None, "output")
    model = MLPRegressor(loss, (4,), shuffle=False, **PARAMS)
    with pytest.raises(ZeroDivisionError):
        model.fit(X, T)
    core = MLPRegressor(SQUARED, (4,), shuffle=False, **PARAMS)
    core.partial_fit(X[:200], T[:200])
    np.testing.assert_array_equal(model.coefs_[0], core.coefs_[0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((squared, lambda y, a: y - a), ValueError, "the worst point is net input = "),
        ((squared, None), TypeError, "needs a gradient"),
        ((squared, 3), TypeError, "gradient of .*must be a Python function"),
        ((lambda y: y, d_squared), TypeError, "takes 1 arguments, but .* 2 arrays"),
        ((squared, lambda y, a: 0.0), ValueError, "returned float"),
        ((lambda y, a: np.sum(a), d_squared), ValueError, "must keep the shape"),
        ((lambda y, a: np.log(a - a), d_squared), ValueError, "must be finite"),
        ((squared, d_squared, "relu"), ValueError, "output_activation must be one of"),
        (((TESTING, "square_f64"), d_squared), TypeError, "both"),
    ],
)
def test_wrong_loss(arguments, error, message):
    with pytest.raises(error, match=message):
        Loss(*arguments)


def test_losses_where_they_do_not_fit():
    with pytest.raises(ValueError, match="several classes need output_activation='sof"):
        MLPClassifier(loss=SQUARED).fit(X, Y)
    with pytest.raises(ValueError, match="need output_activation='logistic'"):
        MLPClassifier(loss=SQUARED).fit(X, Y > 0)
    softmax = Loss(squared, d_squared, "softmax")
    with pytest.raises(ValueError, match="for regression it must be one of"):
        MLPRegressor(softmax).fit(X, T)
    with pytest.raises(ValueError, match="brings its output activation"):
        MLPRegressor(SQUARED, output_activation="exp").fit(X, T)
    with pytest.raises(ValueError, match="a fastmlp.Loss"):
        MLPRegressor(squared).fit(X, T)
    model = MLPRegressor(SQUARED, (3,), **PARAMS).fit(X, T)
    with pytest.raises(ValueError, match="trace_step knows the losses"):
        model.trace_step(X[0], T[0])
    with pytest.raises(ValueError, match="this one has loss=<Loss 'squared'>"):
        model.predict_interval(X)
    with pytest.raises(ValueError, match="label_smoothing.*of your own takes its targ"):
        MLPClassifier(loss=softmax, label_smoothing=0.1).fit(X, Y)


@pytest.mark.parametrize(
    ("output", "name"), [("softmax", "log_loss"), ("softplus", "squared_error")]
)
def test_a_file_holds_no_loss(tmp_path, output, name):
    kind, y = (MLPClassifier, Y) if output == "softmax" else (MLPRegressor, T)
    model = kind(loss=Loss(squared, d_squared, output), **PARAMS).fit(X, y)
    expected, path = model.predict(X), tmp_path / "model.safetensors"
    with pytest.raises(TypeError, match="<Loss 'squared'>, and a model file holds no"):
        fastmlp.save_model(model, path)
    fastmlp.save_model(model.set_params(loss=name), path)
    np.testing.assert_array_equal(fastmlp.load_model(path).predict(X), expected)


def test_functions_of_the_core():
    z = np.linspace(-2, 2, 12).reshape(3, 4)
    a, delta = np.empty_like(z), np.ones_like(z)
    custom.apply(RELU.function, z, a)
    custom.multiply(RELU.function, z, a, delta)
    np.testing.assert_array_equal(a, np.maximum(z, 0))
    np.testing.assert_array_equal(delta, z > 0)
    assert set(kernels.activations_by_input) == {"gelu", "silu", "mish"}
