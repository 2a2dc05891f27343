"""Weights: precision, initialisation, assignment, gradients and pickles."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_IRIS, Y_IRIS = load_iris(return_X_y=True)


@pytest.fixture
def regression():
    rng = np.random.RandomState(0)
    X = rng.randn(150, 4)
    return X, np.c_[X @ [1, 2, 3, 4], np.sin(X[:, 0]), X[:, 1] ** 2]


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize(
    "dtype, X_dtype, expected",
    [
        ("auto", np.float32, np.float32),
        ("auto", np.float64, np.float64),
        ("auto", np.int64, np.float64),
        ("float32", np.float64, np.float32),
        ("float64", np.float32, np.float64),
    ],
)
def test_dtype(solver, dtype, X_dtype, expected):  # W5, W6
    X = X_IRIS.astype(X_dtype)
    for model in (
        MLPClassifier(max_iter=5, solver=solver, dtype=dtype).fit(X, Y_IRIS),
        MLPRegressor(max_iter=5, solver=solver, dtype=dtype).fit(X, Y_IRIS * 0.5),
    ):
        assert {a.dtype for a in model.coefs_ + model.intercepts_} == {
            np.dtype(expected)
        }
        if solver != "lbfgs":
            assert {m.dtype for m in model._optimizer.moments} == {np.dtype(expected)}
        if hasattr(model, "predict_proba"):
            assert model.predict_proba(X).dtype == expected
        else:
            assert model.predict(X).dtype == expected


def test_float32_and_float64_agree():
    X, y = load_digits(return_X_y=True)
    models = [
        MLPClassifier(random_state=0, max_iter=10, dtype=dtype).fit(X / 16, y)
        for dtype in ("float32", "float64")
    ]
    np.testing.assert_allclose(models[0].loss_curve_, models[1].loss_curve_, rtol=1e-4)


def test_fit_intercept_false_keeps_zeros_and_the_same_first_weights():
    for solver in ("adam", "sgd", "lbfgs"):
        model = MLPRegressor(
            solver=solver, fit_intercept=False, max_iter=3, random_state=0
        ).fit(X_IRIS, Y_IRIS)
        assert all((b == 0).all() for b in model.intercepts_)
        assert model.predict(np.zeros((1, 4))) == 0
    with pytest.raises(ValueError, match="intercepts_init needs fit_intercept=True"):
        model.fit(X_IRIS, Y_IRIS, intercepts_init=[np.zeros(100), np.zeros(1)])


STANDARD_DEVIATIONS = {
    "glorot_uniform": np.sqrt(6 / 1000) / np.sqrt(3),
    "glorot_normal": np.sqrt(2 / 1000),
    "he_uniform": np.sqrt(6 / 600) / np.sqrt(3),
    "he_normal": np.sqrt(2 / 600),
    "lecun_normal": np.sqrt(1 / 600),
    "orthogonal": np.sqrt(1 / 600),
    "standard_normal": 1.0,
}


@pytest.mark.parametrize("weight_init", STANDARD_DEVIATIONS)
def test_weight_init(weight_init):
    model = MLPRegressor(
        hidden_layer_sizes=(400,),
        weight_init=weight_init,
        learning_rate_init=1e-300,  # leaves the initial weights as they are
        max_iter=1,
        random_state=0,
    ).fit(np.eye(2, 600), [0.0, 1.0])
    w = model.coefs_[0]
    # 240,000 draws: the standard error of the deviation is 0.14 %
    assert w.std() == pytest.approx(STANDARD_DEVIATIONS[weight_init], rel=0.01)
    assert abs(w.mean()) < 5 * w.std() / np.sqrt(w.size)
    if weight_init == "orthogonal":
        np.testing.assert_allclose(w.T @ w, np.eye(400), atol=1e-13)
    if weight_init != "glorot_uniform":
        assert np.abs(model.intercepts_[0]).max() < 1e-290


def test_initial_weights_given():
    rng = np.random.RandomState(0)
    coefs, intercepts = [rng.randn(4, 3), rng.randn(3, 1)], [rng.randn(3), rng.randn(1)]
    given = {"coefs_init": coefs, "intercepts_init": intercepts}
    for solver in ("adam", "lbfgs"):
        model = MLPRegressor(
            hidden_layer_sizes=3, solver=solver, learning_rate_init=1e-300, max_fun=1
        )
        model.fit(X_IRIS, Y_IRIS, **given)
        if solver == "adam":
            for a, b in zip(model.coefs_ + model.intercepts_, coefs + intercepts):
                np.testing.assert_array_equal(a, b)
                assert not np.shares_memory(a, b)
    a = clone(model).set_params(solver="sgd", max_iter=3, random_state=0)
    one, other = clone(a).fit(X_IRIS, Y_IRIS, **given), clone(a)
    other.fit(X_IRIS, Y_IRIS, coefs_init=coefs)  # intercepts are drawn as usual
    drawn = clone(a).fit(X_IRIS, Y_IRIS)
    assert not np.allclose(one.intercepts_[0], other.intercepts_[0])
    np.testing.assert_array_equal(other.intercepts_[0], drawn.intercepts_[0])
    for bad in (coefs[:1], [coefs[0].T, coefs[1]], [coefs[0], ["a", "b", "c"]]):
        with pytest.raises(ValueError, match="coefs_init"):
            model.fit(X_IRIS, Y_IRIS, coefs_init=bad)


def test_assigned_weights_are_what_counts(regression):
    X, y = regression
    model = MLPRegressor(hidden_layer_sizes=5, random_state=0, max_iter=5).fit(X, y)
    kept = [w.copy() for w in model.coefs_]
    model.coefs_[0] = np.zeros((4, 5), dtype=int)
    model.intercepts_[0] = -np.ones(5)
    constant = model.predict(X)
    assert (constant == constant[0]).all()
    model.partial_fit(X, y)
    assert np.abs(model.coefs_[0]).max() < 0.1  # went on from the zeros
    assert np.abs(kept[0]).max() > 0.1
    read_only = np.ones((5, 3))
    read_only.setflags(write=False)
    model.coefs_[1] = np.asfortranarray(read_only)
    model.predict(X)
    model.partial_fit(X, y)
    for bad in (np.ones((3, 5)), np.ones((5, 3), dtype=complex), None):
        model.coefs_[1] = bad
        for method in (model.predict, lambda X: model.partial_fit(X, y)):
            with pytest.raises(ValueError, match=r"coefs_\[.\] must be a real array"):
                method(X)


def test_arrays_of_an_earlier_fit_never_change(regression):  # W3
    X, y = regression
    model = MLPRegressor(
        hidden_layer_sizes=5, max_iter=4, early_stopping=True, warm_start=True
    ).fit(X, y)
    arrays = model.coefs_ + model.intercepts_
    before = [a.copy() for a in arrays]
    model.fit(X, y)
    model.set_params(early_stopping=False).partial_fit(X, y)
    for a, b in zip(arrays, before):
        np.testing.assert_array_equal(a, b)


def test_hand_built_model_predicts_and_learns(regression):
    X, y = regression
    model = MLPRegressor(hidden_layer_sizes=(2,), solver="sgd")
    model.coefs_ = [np.ones((4, 2)), np.ones((2, 3))]
    model.intercepts_ = [np.zeros(2), np.zeros(3)]
    model.out_activation_, model.n_outputs_, model.n_layers_ = "identity", 3, 3
    model.n_features_in_ = 4
    expected = np.maximum(X @ model.coefs_[0], 0) @ model.coefs_[1]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-13)
    before = model.loss_gradient(X, y)[0]
    for _ in range(20):
        model.partial_fit(X, y)
    assert model.loss_gradient(X, y)[0] < before
    clf = MLPClassifier(hidden_layer_sizes=())
    clf.coefs_, clf.intercepts_ = [np.eye(4)[:, :3]], [np.zeros(3)]
    clf.out_activation_, clf.classes_ = "softmax", np.array(["a", "b", "c"])
    assert clf.predict(np.eye(4)[:3]).tolist() == ["a", "b", "c"]
    clf.partial_fit(X_IRIS, clf.classes_[Y_IRIS])


def test_loss_gradient_is_the_derivative_of_the_loss(regression):
    X, y = regression
    w = np.random.RandomState(0).rand(len(X))
    model = MLPRegressor(hidden_layer_sizes=5, alpha=2.0, max_iter=3).fit(X, y)
    _, coef_grads, intercept_grads = model.loss_gradient(X, y, sample_weight=w)
    h = 1e-6
    for arrays, grads in (
        (model.coefs_, coef_grads),
        (model.intercepts_, intercept_grads),
    ):
        for array, grad in zip(arrays, grads):
            for index in np.ndindex(array.shape):
                there = array[index]
                losses = []
                for step in (h, -h):
                    array[index] = there + step
                    losses.append(model.loss_gradient(X, y, sample_weight=w)[0])
                array[index] = there
                slope = (losses[0] - losses[1]) / (2 * h)
                assert grad[index] == pytest.approx(slope, rel=1e-5, abs=1e-8)
    packed = np.hstack([a.ravel() for a in model.coefs_ + model.intercepts_])
    loss, grad = model._loss_grad_lbfgs(packed, X, y, w, None, None, None, None)
    assert loss == model.loss_gradient(X, y, w)[0]
    np.testing.assert_array_equal(grad[: coef_grads[0].size], coef_grads[0].ravel())


def test_pickle_is_compact_and_goes_on(tmp_path):  # W14
    X, y = load_digits(return_X_y=True)
    clf = MLPClassifier(200, early_stopping=True, max_iter=3, random_state=0).fit(X, y)
    weights = sum(a.nbytes for a in clf.coefs_ + clf.intercepts_)
    state = pickle.dumps(clf)
    assert len(state) < 3 * weights + 10_000  # the weights and the moments of adam
    a, b = clf.set_params(early_stopping=False), pickle.loads(state)
    b.set_params(early_stopping=False)
    for model in (a, b):
        model.partial_fit(X, y)
    for u, v in zip(a.coefs_, b.coefs_):
        np.testing.assert_array_equal(u, v)


def test_loss_gradient_on_some_of_the_classes():
    model = MLPClassifier(max_iter=3, warm_start=True).fit(X_IRIS, Y_IRIS)
    loss = model.loss_gradient(X_IRIS[:60], Y_IRIS[:60])[0]
    assert np.isfinite(loss)
