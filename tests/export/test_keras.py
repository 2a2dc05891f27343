"""Models of Keras 3, both ways, with the backend that is there."""

import doctest
import os
import sys

import numpy as np
import pytest
from helpers.models import ACTIVATIONS, N_FEATURES, TASKS, data, fitted, proba_or_values

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
RNG = np.random.RandomState(0)
X = RNG.normal(size=(40, 4)).astype("f4") * 2


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip(os.environ["KERAS_BACKEND"], reason="no backend of Keras")
    return pytest.importorskip("keras", minversion="3", reason="no Keras 3")


def values_of(keras, model, rows):
    """The outputs of a model of Keras."""
    return keras.ops.convert_to_numpy(model(rows, training=False))


def has_float64(keras):
    """Return whether the backend keeps float64; JAX does so on demand alone."""
    return keras.ops.convert_to_numpy(keras.ops.ones(1, "float64")).dtype == "f8"


def check(keras, model, rows=X):
    """Convert a model and compare its outputs; returns the converted one."""
    expected = values_of(keras, model, rows).reshape(len(rows), -1)
    got = fastmlp.from_keras(model)
    values = proba_or_values(got, rows.reshape(len(rows), -1)).reshape(len(rows), -1)
    if values.shape[1] > expected.shape[1]:
        values = values[:, 1:]
    assert np.abs(values - expected).max() <= 1e-6 * np.abs(expected).max()
    return got


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
def test_round_trip_of_every_task(task, dtype, keras):
    if dtype == "float64" and not has_float64(keras):
        pytest.skip("this backend has no float64")
    model = fitted(task, dtype)
    rows, y = data(task, 50, dtype)
    made = fastmlp.to_keras(model)
    expected = proba_or_values(model, rows)
    expected = expected[:, 1] if task == "binary" else expected
    got = values_of(keras, made, rows)
    expected = expected.reshape(got.shape)  # Keras multiplies in float32 in any case
    assert np.abs(got - expected).max() <= 1e-6 * np.abs(expected).max()
    if task in TASKS[:3]:
        logits = values_of(keras, fastmlp.to_keras(model, logits=True), rows)
        scores = model.compile().decision_function(rows).reshape(logits.shape)
        np.testing.assert_allclose(logits, scores, rtol=1e-4, atol=1e-5)
    classes = model.classes_ if task in ("binary", "multiclass") else None
    back = fastmlp.from_keras(made, classes=classes, max_iter=3)
    assert type(back) is type(model) and back.max_iter == 3
    for a, b in zip(back.coefs_ + back.intercepts_, model.coefs_ + model.intercepts_):
        np.testing.assert_array_equal(a, b, strict=True)
    np.testing.assert_array_equal(back.predict(rows), model.predict(rows), strict=True)
    back.partial_fit(rows, y)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_round_trip_of_every_activation(activation, keras):
    model = fitted("multioutput", "float32", activation=activation)
    made = fastmlp.to_keras(model)
    back = fastmlp.from_keras(made)
    assert back._snapshot().activations == model._snapshot().activations
    check(keras, made, data("multioutput", 30, "float32")[0])


def test_layers_around_those_of_an_mlp(keras):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 4, 9, 2]),
            layers.GaussianNoise(0.1),
            layers.Dense(5),
            layers.BatchNormalization(),
            layers.ReLU(negative_slope=0.1),
            layers.Dropout(0.25),
            layers.Dense(5, activation=layers.LeakyReLU(negative_slope=0.5)),
            layers.BatchNormalization(scale=False),
            layers.Dropout(0.5),
            layers.Dropout(0.5),
            layers.Dense(3, use_bias=False),
            layers.PReLU(alpha_initializer=keras.initializers.Constant(0.3)),
            layers.Dense(3),
            layers.Normalization(mean=2.0, variance=3.0, invert=True, axis=None),
            layers.Dropout(0.5),
        ]
    )
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([RNG.uniform(0.5, 2, w.shape) for w in layer.weights])
    got = check(keras, model)
    assert got.dropout == [0.0, 0.25, 0.75, 0.0]
    assert got.activation == [
        ("leaky_relu", 0.1), ("leaky_relu", 0.5), ("leaky_relu", 0.3)
    ]  # fmt: skip


def test_inputs_of_several_axes(keras):
    layers = keras.layers
    rows = X.reshape(-1, 2, 2)
    for change in (layers.Flatten(), layers.Reshape((4,))):
        model = keras.Sequential(
            [
                keras.Input((2, 2)),
                layers.Rescaling(1 / 255, offset=-0.5),
                change,
                layers.Dense(5, activation="silu"),
                layers.Dense(3),
                layers.Softmax(),
            ]
        )
        assert isinstance(check(keras, model, rows), MLPClassifier)


def test_functional_and_nested_models(keras):
    layers = keras.layers
    inputs = keras.Input((4,))
    x = layers.Dense(3, activation="tanh")(inputs)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    assert check(keras, model).out_activation_ == "logistic"  # of the difference
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="relu")])
    model = keras.Sequential([inner, layers.Dense(2, activation="exponential")])
    got = check(keras, model)
    assert isinstance(got, MLPRegressor) and got.loss == "poisson"


def test_classes(keras):
    layers = keras.layers
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    got = fastmlp.from_keras(model, classes=["c", "a", "b"])
    best = values_of(keras, model, X).argmax(axis=1)
    np.testing.assert_array_equal(got.predict(X), np.array(["c", "a", "b"])[best])
    logs = keras.Sequential([model, layers.Activation("log_softmax")])
    assert fastmlp.from_keras(logs).out_activation_ == "softmax"
    with pytest.raises(ValueError, match="classes must hold 3 different labels"):
        fastmlp.from_keras(logs, classes=[0, 1])
    with pytest.raises(TypeError, match="activation is what the model says"):
        fastmlp.from_keras(model, activation="relu")


def test_the_first_layer_that_cannot_be_taken_is_named(keras):
    layers = keras.layers

    class Doubled(layers.Dense):
        pass

    for parts, error, match in (
        ([layers.Dense(3, activation="relu6", name="odd")], ValueError, "'relu6'"),
        ([layers.Dense(3, activation=lambda z: 2 * z, name="odd")], ValueError,
         "'<lambda>'"),
        ([layers.LayerNormalization(name="odd")], TypeError, "LayerNormalization"),
        ([Doubled(3, name="odd")], TypeError, "Doubled"),
        ([layers.Dense(3), layers.ReLU(max_value=6, name="odd")], ValueError,
         "none of the activations"),
        ([layers.Dense(3), layers.ReLU(threshold=1.0, name="odd")], ValueError,
         "none of the activations"),
        ([layers.Activation("relu", name="odd")], ValueError, "before the first"),
        ([layers.Dense(3), layers.Softmax(axis=0, name="odd")], ValueError, "axis 0"),
        ([layers.Softmax(), layers.Dense(3, name="odd")], ValueError, "be the last"),
        ([layers.Reshape((4, 1)), layers.Dense(3, name="odd")], ValueError,
         "do not fit"),
        ([layers.Reshape((2, 2)), layers.BatchNormalization(name="odd")], ValueError,
         "before the rows are flattened"),
    ):  # fmt: skip
        model = keras.Sequential([keras.Input((4,)), *parts])
        model = keras.Sequential([model, layers.Flatten(), layers.Dense(2)])
        with pytest.raises(error, match=rf"the layer 'odd'.*{match}"):
            fastmlp.from_keras(model)
    for parts, match in (
        ([layers.Dense(2, activation="relu")], "identity, logistic, exp"),
        ([layers.Flatten()], "no layer leads to the output"),
        ([layers.Dense(1), layers.Softmax()], "Softmax of a single output"),
    ):
        with pytest.raises(ValueError, match=match):
            fastmlp.from_keras(keras.Sequential([keras.Input((4,)), *parts]))


def test_models_that_branch_or_are_not_built(keras):
    layers = keras.layers
    inputs = keras.Input((4,))
    x = layers.Dense(4)(inputs)
    shared = layers.Dense(4)
    for outputs in (
        layers.Add()([x, inputs]),
        [x, layers.Dense(2)(x)],
        layers.Dense(2)(keras.ops.relu(x)),
        keras.activations.relu(x),
        shared(shared(x)),
    ):
        with pytest.raises(ValueError, match=r"does not follow|other outputs"):
            fastmlp.from_keras(keras.Model(inputs, outputs))
    with pytest.raises(ValueError, match="known shape"):
        fastmlp.from_keras(keras.Sequential([layers.Dense(3)]))

    class Own(keras.Model):
        pass

    for other in (3, shared, Own()):
        with pytest.raises(TypeError, match=r"expected a keras\.Sequential"):
            fastmlp.from_keras(other)


def test_what_keras_lacks(keras):
    rows, _ = data("binary", 40)
    one = MLPClassifier((3,), max_iter=2).fit(rows, np.full(40, "a"))
    with pytest.raises(ValueError, match="a single class"):
        fastmlp.to_keras(one)
    square = fastmlp.Activation(np.square, lambda z, a: 2 * z)
    model = MLPRegressor(hidden_layer_sizes=(3,), activation=square, max_iter=2)
    with pytest.raises(ValueError, match="has no export to Keras"):
        fastmlp.to_keras(model.fit(rows, rows[:, 0]))
    assert rows.shape[1] == N_FEATURES


@pytest.mark.filterwarnings("ignore")
def test_the_export_of_keras_to_onnx(keras, tmp_path):
    if keras.backend.backend() != "torch":
        pytest.skip("the export of other backends needs TensorFlow")
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    layers = keras.layers
    names = [*("relu", "tanh", "sigmoid", "gelu", "silu", "mish", "softplus", "elu")]
    names += ["selu", "softsign", "hard_sigmoid", "leaky_relu"]
    for last in ("softmax", "sigmoid", None):
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 4, 9, 2]),
                *(layers.Dense(4, activation=name) for name in names),
                layers.BatchNormalization(),
                layers.Dense(3, activation=last),
            ]
        )
        expected = values_of(keras, model, X)
        model.export(tmp_path / "m.onnx", format="onnx", verbose=False)
        got = fastmlp.from_onnx(tmp_path / "m.onnx")
        values = proba_or_values(got, X)
        assert np.abs(values - expected).max() <= 1e-6 * np.abs(expected).max()
        again = values_of(keras, fastmlp.to_keras(got), X)
        assert np.abs(again - values).max() <= 1e-6 * np.abs(values).max()


@pytest.mark.parametrize("function", [fastmlp.to_keras, fastmlp.from_keras])
def test_examples(function, keras):
    for examples in doctest.DocTestFinder(recurse=False).find(function, globs={}):
        result = doctest.DocTestRunner().run(examples)
        assert result.attempted > 3 and not result.failed


def test_keras_missing_or_old(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError, match="pip install keras, and a backend"):
        fastmlp.to_keras(fitted("binary"))
    old = type(sys)("keras")
    old.__version__ = "2.15.0"
    monkeypatch.setitem(sys.modules, "keras", old)
    with pytest.raises(ImportError, match=r"need Keras 3, and 2\.15\.0 is installed"):
        fastmlp.from_keras(None)
