"""Worked examples of the field, to their printed digits.

The numbers are those of a deep-learning lecture (H.-H. Chen, "Deep learning"), whose
chain-rule example is the one of Stanford's CS231n.
"""

import numpy as np
import pytest

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core import testing


def _by_hand(coefs, intercepts, n_labels=1, **params):
    """A classifier with given weights and logistic outputs."""
    clf = MLPClassifier(
        [len(b) for b in intercepts[:-1]],
        activation="logistic",
        solver="sgd",
        alpha=0.0,
        momentum=0.0,
        nesterovs_momentum=False,
        learning_rate_init=0.001,
        **params,
    )
    clf.coefs_ = [np.array(w, dtype=float) for w in coefs]
    clf.intercepts_ = [np.array(b, dtype=float) for b in intercepts]
    clf.n_layers_, clf.n_outputs_ = len(coefs) + 1, n_labels
    clf.out_activation_ = "logistic"
    clf.classes_ = np.arange(max(2, n_labels))
    return clf


def test_forward_pass():
    # The source prints x4 = -2, but I1 = (4, 0.5, 1) follows from x4 = 2 only.
    x = np.array([[1.0, -1.0, 3.0, 2.0]])
    w1 = np.array([[1, 0, 1, 0], [0, -1, 0.5, -1], [-1, -1, 0, 0.5]]).T
    w2 = np.array([[-1.0], [1.0], [-1.0]])
    linear = MLPRegressor(hidden_layer_sizes=())
    linear.coefs_, linear.intercepts_ = [w1], [np.zeros(3)]
    linear.out_activation_ = "identity"
    np.testing.assert_allclose(linear.predict(x), [[4, 0.5, 1]], rtol=1e-15)
    hidden = _by_hand([w1], [np.zeros(3)], n_labels=3).predict_proba(x)
    assert hidden.round(2).tolist() == [[0.98, 0.62, 0.73]]
    linear.coefs_, linear.intercepts_ = [w2], [np.zeros(1)]
    assert linear.predict(hidden).round(2).tolist() == [-1.09]
    net = _by_hand([w1, w2], [np.zeros(3), np.zeros(1)], fit_intercept=False)
    assert net.predict_proba(x)[0, 1].round(2) == 0.25


def test_one_logistic_neuron():
    x, y = np.array([[-1.0, -2.0]]), np.array([1])
    neuron = _by_hand([[[2], [-3]]], [[-3]])
    assert neuron.predict_proba(x)[0, 1].round(4) == 0.7311
    loss, coef_grads, intercept_grads = neuron.loss_gradient(x, y)
    assert loss == pytest.approx(-np.log(1 / (1 + np.exp(-1))), rel=1e-14)
    assert intercept_grads[0].round(2) == -0.27
    assert coef_grads[0].ravel().round(2).tolist() == [0.27, 0.54]
    neuron.partial_fit(x, y)
    # The source prints (-2.9973; 1.9973, -3.00054) and with them 0.7323: the first two
    # lost a 9, as -3 + 0.001 x 0.27 is -2.99973. The step is tested with the right
    # digits, and the printed output with the printed weights.
    assert neuron.intercepts_[0].round(5) == -2.99973
    assert neuron.coefs_[0].ravel().round(5).tolist() == [1.99973, -3.00054]
    assert neuron.predict_proba(x)[0, 1].round(4) == 0.7314
    printed = _by_hand([[[1.9973], [-3.00054]]], [[-2.9973]])
    assert printed.predict_proba(x)[0, 1].round(4) == 0.7323


def test_a_step_moves_the_prediction_as_the_gradient_says():
    rng = np.random.RandomState(0)
    net = _by_hand([rng.randn(2, 2), rng.randn(2, 1)], [rng.randn(2), [0.0]])
    x, y = np.array([[1.0, -1.0]]), np.array([1])
    # move the output to 0.47, where the source starts
    p = net.predict_proba(x)[0, 1]
    net.intercepts_[1] += np.log(0.47 / 0.53) - np.log(p / (1 - p))
    assert net.predict_proba(x)[0, 1] == pytest.approx(0.47, rel=1e-12)
    _, coef_grads, intercept_grads = net.loss_gradient(x, y)
    d_loss = -1 / 0.47
    assert round(d_loss, 3) == -2.128
    assert round(d_loss * 0.47 * 0.53, 2) == -0.53
    # the output's intercept sees d loss / dz = d loss / dp x p (1 - p)
    assert intercept_grads[1][0] == pytest.approx(d_loss * 0.47 * 0.53, rel=1e-12)
    square = sum(np.sum(g**2) for g in coef_grads + intercept_grads)
    net.partial_fit(x, y)
    moved = net.predict_proba(x)[0, 1] - 0.47
    # first order: d p = d loss / (d loss / d p) = -rate |grad|^2 / (d loss / d p)
    assert moved > 0
    assert moved == pytest.approx(-0.001 * square / d_loss, rel=1e-2)


def _math(name, z):
    z = np.ascontiguousarray(z, dtype=float)
    out = np.empty_like(z)
    testing.math(name, z, out)
    return out


def test_tanh_equals_its_definition_without_the_cancellation():
    z = np.linspace(-4, 4, 801)
    np.testing.assert_allclose(
        _math("tanh", z), 2 / (1 + np.exp(-2 * z)) - 1, rtol=0, atol=4e-16
    )
    small = np.array([1e-3, 1e-9, 1e-17])
    series = small - small**3 / 3
    np.testing.assert_allclose(_math("tanh", small), series, rtol=1e-12)
    naive = 2 / (1 + np.exp(-2 * small)) - 1
    assert abs(naive[2] / series[2] - 1) > 0.5  # what the definition loses


def _derivative(name, z, p=0.0):
    z = np.ravel(z).astype(float)
    a, slope = np.zeros((len(z), 8)), np.ones((len(z), 8))
    a[:, 0] = z
    testing.activate(name, a, 1, p)
    testing.activate_backward(name, a, slope, np.zeros(1), p)
    return slope[:, 0]


def test_derivatives_of_the_activations():
    z = np.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    f = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(_derivative("logistic", z), f * (1 - f), rtol=1e-14)
    np.testing.assert_allclose(_derivative("tanh", z), 1 - np.tanh(z) ** 2, rtol=1e-12)
    np.testing.assert_allclose(_derivative("softplus", z), f, rtol=1e-14)
    assert _derivative("relu", z).tolist() == [0, 0, 0, 1, 1]
    assert _derivative("leaky_relu", z, 0.01).tolist() == [0.01, 0.01, 1, 1, 1]
    assert _derivative("identity", z).tolist() == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("name, bound", [("logistic", 0.018), ("tanh", 0.0014)])
def test_gradients_vanish_beyond_four(name, bound):
    z = np.array([-50.0, -8.0, -4.0, 4.0, 8.0, 50.0])
    slopes = _derivative(name, z)
    assert (slopes < bound).all() and (slopes >= 0).all()
    assert _derivative(name, 0.0)[0] == {"logistic": 0.25, "tanh": 1.0}[name]


def _loss_of_biases(estimator, intercepts, y, output_activation):
    """The loss of a model that outputs its intercepts for every row."""
    intercepts = np.array(intercepts, dtype=float)
    estimator.set_params(hidden_layer_sizes=(), alpha=0.0)
    estimator.coefs_, estimator.intercepts_ = (
        [np.zeros((1, len(intercepts)))],
        [intercepts],
    )
    estimator.out_activation_ = output_activation
    return estimator.loss_gradient(np.ones((len(y), 1)), y)[0]


def test_losses_of_the_four_tasks():
    # three classes with p = (1/4, 1/4, 1/2), y the second: -log(1/4)
    clf = MLPClassifier()
    clf.classes_ = np.arange(3)
    loss = _loss_of_biases(clf, np.log([1, 1, 2]), [1], "softmax")
    assert loss == pytest.approx(-np.log(1 / 4), rel=1e-14)
    # two classes: -y log p - (1 - y) log(1 - p) with p = 1/4
    clf = MLPClassifier()
    clf.classes_ = np.arange(2)
    loss = _loss_of_biases(clf, [np.log(1 / 3)], [1], "logistic")
    assert loss == pytest.approx(-np.log(1 / 4), rel=1e-14)
    loss = _loss_of_biases(clf, [np.log(1 / 3)], [0], "logistic")
    assert loss == pytest.approx(-np.log(3 / 4), rel=1e-14)
    # regression: (y - p)^2 / 2
    loss = _loss_of_biases(MLPRegressor(), [1.5], [3.0], "identity")
    assert loss == pytest.approx(0.5 * 1.5**2, rel=1e-14)
    # multi-label: the sum over the labels
    clf = MLPClassifier()
    clf.partial_fit(np.ones((2, 1)), [[0, 1], [1, 0]], classes=[0, 1])
    loss = _loss_of_biases(
        clf, [np.log(1 / 3), np.log(3)], np.array([[1, 1]]), "logistic"
    )
    assert loss == pytest.approx(-np.log(1 / 4) - np.log(3 / 4), rel=1e-14)


def test_identity_activation_collapses_to_a_linear_model():
    rng = np.random.RandomState(0)
    X, y = rng.randn(50, 4), rng.randn(50)
    deep = MLPRegressor(
        hidden_layer_sizes=(6, 3), activation="identity", solver="lbfgs", random_state=0
    ).fit(X, y)
    slope = deep.coefs_[0] @ deep.coefs_[1] @ deep.coefs_[2]
    constant = (
        deep.intercepts_[0] @ deep.coefs_[1] + deep.intercepts_[1]
    ) @ deep.coefs_[2] + deep.intercepts_[2]
    np.testing.assert_allclose(deep.predict(X), (X @ slope + constant)[:, 0], rtol=1e-9)
