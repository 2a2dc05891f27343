"""Hidden activations, gradients with respect to inputs, attributions."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastmlp import HiddenFeatures, MLPClassifier, MLPRegressor
from fastmlp._core.kernels import activation_names

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.RandomState(0)
X, Y = load_iris(return_X_y=True)
X = X - X.mean(axis=0)
LABELS = make_multilabel_classification(150, 4, n_classes=3, random_state=0)[1]
TASKS = {
    "binary": (MLPClassifier, Y > 0, {}),
    "multiclass": (MLPClassifier, Y, {}),
    "multilabel": (MLPClassifier, LABELS, {}),
    "regression": (MLPRegressor, X[:, 0] ** 2, {}),
    "many outputs": (MLPRegressor, X[:, :2] ** 2, {}),
    "poisson": (MLPRegressor, X[:, 0] ** 2, {"loss": "poisson"}),
}


def _fitted(task, dtype="float64", **params):
    kind, y, more = TASKS[task]
    params = {"hidden_layer_sizes": (7, 5), "activation": "tanh", **more, **params}
    model = kind(max_iter=30, random_state=0, learning_rate_init=0.02, **params)
    return model.fit(X.astype(dtype), y)


def _outputs(model, x, of):
    """Outputs by a forward pass in NumPy."""
    a = x
    for i, (w, b) in enumerate(zip(model.coefs_, model.intercepts_)):
        a = a @ w + b
        if i < len(model.coefs_) - 1:
            a = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}[model.activation](
                a
            )
    if of == "raw":
        return a
    return {
        "identity": lambda z: z,
        "exp": np.exp,
        "logistic": lambda z: 1 / (1 + np.exp(-z)),
        "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
    }[model.out_activation_](a)


def test_hidden_activations():
    model = _fitted("multiclass")
    first = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    second = np.tanh(first @ model.coefs_[1] + model.intercepts_[1])
    for layer, expected in ((0, first), (1, second), (-1, second), (-2, first)):
        a = model.hidden_activations(X, layer=layer)
        np.testing.assert_allclose(a, expected, rtol=1e-12)
    np.testing.assert_allclose(model.hidden_activations(X), second, rtol=1e-12)
    single = _fitted("multiclass", dtype="float32")
    assert single.hidden_activations(X.astype("f4")).dtype == np.float32
    many = np.tile(X, (40, 1))  # several blocks of rows
    np.testing.assert_array_equal(
        model.hidden_activations(many), np.tile(model.hidden_activations(X), (40, 1))
    )
    np.testing.assert_allclose(
        model.hidden_activations(sparse.csr_array(X)), second, rtol=1e-12
    )


@pytest.mark.parametrize("layer", [2, -3, 0.5, None, True])
def test_bad_layer(layer):
    with pytest.raises(ValueError, match="layer must be"):
        _fitted("regression").hidden_activations(X, layer=layer)
    with pytest.raises(ValueError, match="no hidden layer"):
        _fitted("regression", hidden_layer_sizes=()).hidden_activations(X)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("of", ["output", "raw"])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 5)])
def test_input_gradient_by_central_differences(task, of, hidden):
    model = _fitted(task, hidden_layer_sizes=hidden)
    h = 1e-5
    gradient = model.input_gradient(X, of=of)
    n_outputs = len(model.intercepts_[-1])
    shape = (150, 4) if n_outputs == 1 else (150, n_outputs, 4)
    assert gradient.shape == shape
    gradient = gradient.reshape(150, n_outputs, 4)
    for j in range(4):
        step = h * (np.arange(4) == j)
        rise = _outputs(model, X + step, of) - _outputs(model, X - step, of)
        np.testing.assert_allclose(
            gradient[:, :, j], rise / (2 * h), rtol=1e-5, atol=1e-8
        )
    for k in range(n_outputs):
        if n_outputs > 1:
            one = model.input_gradient(X, k, of=of)
            np.testing.assert_array_equal(one, gradient[:, k])


def test_classes_of_a_binary_model_have_opposite_gradients():
    model = _fitted("binary")
    second = model.input_gradient(X)
    np.testing.assert_array_equal(model.input_gradient(X, 1), second)
    np.testing.assert_array_equal(model.input_gradient(X, -1), second)
    np.testing.assert_array_equal(model.input_gradient(X, 0), -second)


@pytest.mark.parametrize("name", activation_names)
@pytest.mark.parametrize("dtype, tol", [("float64", 1e-6), ("float32", 2e-3)])
def test_input_gradient_of_every_activation(name, dtype, tol):
    model = _fitted("regression", activation=name)
    x = RNG.randn(60, 4)
    h = 1e-5
    gradient = model.input_gradient(x.astype(dtype))
    for j in range(4):
        step = h * (np.arange(4) == j)
        rise = (model.predict(x + step) - model.predict(x - step)) / (2 * h)
        # a kink between the two points spoils the difference for single rows
        good = np.isclose(gradient[:, j], rise, rtol=tol, atol=tol)
        assert good.mean() > 0.95
    assert gradient.dtype == np.float64  # of the weights
    single = _fitted("regression", activation=name, dtype="float32")
    assert single.input_gradient(x.astype("f4")).dtype == np.float32
    np.testing.assert_allclose(single.input_gradient(x), gradient, rtol=0.05, atol=0.05)


def test_input_gradient_in_blocks_and_sparse():
    model = _fitted("multiclass", activation="relu")
    many = np.tile(X, (40, 1))
    np.testing.assert_array_equal(
        model.input_gradient(many, 2), np.tile(model.input_gradient(X, 2), (40, 1))
    )
    np.testing.assert_allclose(
        model.input_gradient(sparse.csr_array(X), 2),
        model.input_gradient(X, 2),
        rtol=1e-12,
    )
    with pytest.raises(ValueError, match=r"output must be None or an int.*\[-3, 2\]"):
        model.input_gradient(X, 3)
    with pytest.raises(ValueError, match="of must be 'output' or 'raw'"):
        model.input_gradient(X, of="loss")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("of", ["output", "raw"])
def test_integrated_gradients_are_complete(task, of):
    model = _fitted(task)
    output = 0 if len(model.intercepts_[-1]) > 1 else None
    start = X.mean(axis=0) + 0.1
    parts = model.integrated_gradients(X, start, output, of=of)
    assert parts.shape == X.shape
    difference = _outputs(model, X, of) - _outputs(model, start[None], of)
    np.testing.assert_allclose(
        parts.sum(axis=1), difference[:, 0], rtol=1e-6, atol=1e-8
    )
    from_origin = model.integrated_gradients(X, output=output, of=of)
    at_zero = _outputs(model, np.zeros((1, 4)), of)
    np.testing.assert_allclose(
        from_origin.sum(axis=1), (_outputs(model, X, of) - at_zero)[:, 0], rtol=1e-6,
        atol=1e-8,
    )  # fmt: skip


def test_integrated_gradients_of_a_line_are_exact():
    model = _fitted("regression", hidden_layer_sizes=())
    parts = model.integrated_gradients(X, X[0], n_steps=1)
    np.testing.assert_allclose(parts, (X - X[0]) * model.coefs_[0][:, 0], atol=1e-14)
    frame = pd.DataFrame(X, columns=list("abcd"))
    with_names = clone(model).fit(frame, Y)
    assert with_names.integrated_gradients(frame).shape == X.shape
    for baseline in (np.zeros(3), np.full(4, np.nan)):
        with pytest.raises(ValueError, match="baseline must hold finite numbers"):
            model.integrated_gradients(X, baseline)
    for n_steps in (0, True, False, 2.0, None, 1001, 10**9, 10**400):
        with pytest.raises(ValueError, match="n_steps must be an int from 1 to 1000"):
            model.integrated_gradients(X, n_steps=n_steps)
    with pytest.raises(ValueError, match="output must name one"):
        _fitted("multiclass").integrated_gradients(X)


def test_hidden_features():
    frame = pd.DataFrame(X, columns=list("abcd"))
    mlp = MLPClassifier((6, 3), max_iter=50, random_state=0)
    features = HiddenFeatures(mlp).set_output(transform="pandas").fit(frame, Y)
    out = features.transform(frame)
    names = [f"hiddenfeatures{i}" for i in range(3)]
    assert list(out.columns) == list(features.get_feature_names_out()) == names
    np.testing.assert_array_equal(
        out, clone(mlp).fit(frame, Y).hidden_activations(frame)
    )
    assert features.feature_names_in_.tolist() == list("abcd")
    first = HiddenFeatures(mlp, layer=0).fit(X, Y, sample_weight=np.ones(150))
    assert first.transform(sparse.csr_array(X)).shape == (150, 6)
    model = make_pipeline(HiddenFeatures(mlp), LogisticRegression(max_iter=1000))
    search = GridSearchCV(model, {"hiddenfeatures__layer": [0, 1]}, cv=2).fit(X, Y)
    assert search.best_score_ > 0.6
    fitted = clone(mlp).fit(X, Y)
    frozen = HiddenFeatures(FrozenEstimator(fitted)).fit(X, Y)
    np.testing.assert_array_equal(frozen.transform(X), fitted.hidden_activations(X))
    with pytest.raises(ValueError, match="of fastmlp"):
        HiddenFeatures(LogisticRegression()).fit(X, Y)
    with pytest.raises(ValueError, match="layer must be"):
        HiddenFeatures(mlp, layer=2).fit(X, Y)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [HiddenFeatures(MLPClassifier((3,), max_iter=5, random_state=0)),
     HiddenFeatures(MLPRegressor(hidden_layer_sizes=(3,), max_iter=5, random_state=0))]
)  # fmt: skip
def test_contract(estimator, check):
    check(estimator)
