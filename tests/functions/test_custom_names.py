"""User-defined activations as parameters: copies, pickles, names, exports."""

import copy
import functools
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from helpers.custom_functions import (
    D_SQUARE,
    PARAMS,
    RELU,
    SQUARE,
    SQUARED,
    SWISH,
    T,
    X,
    Y,
    broken_off,
    by_ctypes,
    d_swish,
    relu,
    swish,
)
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import fastmlp
from fastmlp import Activation, MLPClassifier, MLPRegressor, register_activation
from fastmlp._functions import activations as functions

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*converged yet"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]


@pytest.fixture
def clean_registry(monkeypatch):
    monkeypatch.setattr(functions, "_registry", {})


# Parameters of estimators


def test_immutable_and_never_copied():
    for thing in (RELU, SQUARED):
        assert copy.deepcopy(thing) is thing and copy.copy(thing) is thing
        assert clone(thing, safe=False) is thing
        with pytest.raises(AttributeError, match="immutable"):
            thing.name = "other"
        with pytest.raises(AttributeError, match="immutable"):
            del thing.name
    model = clone(MLPRegressor(SQUARED, activation=[RELU]))
    assert model.loss is SQUARED and model.activation[0] is RELU
    assert "relu by hand" in repr(model.activation[0])


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_grid_search(backend):
    from joblib import parallel_config

    # functions of a module that the other processes can import
    sine = Activation(np.sin, np.cos, wrt="input")
    compiled = Activation(SQUARE, D_SQUARE, name="square")
    grid = {"activation": [sine, compiled, "tanh", ["elu"]]}
    with parallel_config(backend):
        search = GridSearchCV(
            MLPClassifier((5,), max_iter=3), grid, cv=2, n_jobs=2, error_score="raise"
        ).fit(X, Y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_pickle_by_reference():
    model = MLPRegressor(SQUARED, (5,), [RELU], **PARAMS).fit(X, T)
    for own in (model, MLPRegressor(activation=(SQUARE[1], D_SQUARE[1]))):
        again = pickle.loads(pickle.dumps(own))
        assert type(again) is MLPRegressor
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict(X), model.predict(X)
    )
    again = pickle.loads(pickle.dumps(Activation(SQUARE, D_SQUARE, name="square")))
    assert again.name == "square" and again([3.0]) == 9
    with pytest.raises(pickle.PicklingError, match="register an activation"):
        pickle.dumps(Activation(*by_ctypes()))
    with pytest.raises((AttributeError, pickle.PicklingError)):  # of Python
        pickle.dumps(Activation(lambda z: z))


def test_registered_name(clean_registry, tmp_path):
    with pytest.raises(ValueError, match="'softplus', .*'mish'"):
        MLPRegressor(activation="swish").fit(X, T)
    swish_too = register_activation("swish", SWISH)
    assert swish_too.name == "swish"
    model = MLPRegressor("squared_error", (5,), "swish", **PARAMS).fit(X, T)
    own = MLPRegressor("squared_error", (5,), SWISH, **PARAMS).fit(X, T)
    np.testing.assert_array_equal(model.predict(X), own.predict(X))
    assert pickle.loads(pickle.dumps(swish_too)) is swish_too
    assert pickle.loads(pickle.dumps(model)).activation == "swish"
    with pytest.raises(ValueError, match="'gauss'"):
        MLPRegressor(activation="gauss").fit(X, T)
    path = tmp_path / "model.safetensors"
    for kind in ("swish", [swish_too]):
        fastmlp.save_model(model.set_params(activation=kind), path)
        np.testing.assert_array_equal(
            fastmlp.load_model(path).predict(X), model.predict(X)
        )
    from fastmlp.runtime import load_predictor

    np.testing.assert_array_equal(load_predictor(path).predict(X), own.predict(X))
    with pytest.raises(TypeError, match="is not registered, and a model file holds no"):
        fastmlp.save_model(own.set_params(activation=RELU), path)
    stored = pickle.dumps(swish_too)
    functions._registry.clear()
    with pytest.raises(pickle.UnpicklingError, match="not registered in this process"):
        pickle.loads(stored)
    with pytest.raises(ValueError, match="register_activation before loading"):
        fastmlp.load_model(path)


def scaled_tanh(scale):
    return Activation(
        functools.partial(_scaled_tanh, scale), functools.partial(_slope, scale)
    )


def _scaled_tanh(scale, z):
    return scale * np.tanh(z)


def _slope(scale, a):
    return scale - a * a / scale


def predictions(model):
    """Predictions of a model by each of its paths, for the same rows."""
    from fastmlp.runtime import Predictor

    compiled = model.compile()
    assert isinstance(compiled, Predictor)
    paths = {
        "many rows": model.predict(X),
        "one row": np.concatenate([model.predict(X[i : i + 1]) for i in range(9)]),
        "list": model.predict(X.tolist()),
        "compile": compiled.predict(X),
        "pickle": pickle.loads(pickle.dumps(model)).predict(X),
        "pickled predictor": pickle.loads(pickle.dumps(compiled)).predict(X),
        "copy": copy.deepcopy(model).predict(X),
        "hidden": model.hidden_activations(X) @ model.coefs_[1][:, 0]
        + model.intercepts_[1],
        "gradient": model.input_gradient(X)[:, 0],
    }
    np.testing.assert_allclose(paths["many rows"], paths["list"], rtol=1e-12)
    np.testing.assert_allclose(paths["many rows"], paths["compile"], rtol=1e-12)
    np.testing.assert_allclose(paths["many rows"], paths["hidden"], rtol=1e-9)
    np.testing.assert_allclose(paths["many rows"][:9], paths["one row"], rtol=1e-12)
    return paths


@pytest.mark.parametrize("activation", ["bent", ["bent"]], ids=["name", "list"])
@pytest.mark.parametrize("end", ["fit", "partial_fit", "load"])
def test_a_fitted_model_keeps_the_activation_of_a_name(
    clean_registry, tmp_path, end, activation
):
    register_activation("bent", scaled_tanh(1.0))
    model = MLPRegressor("squared_error", (5,), activation, **PARAMS)
    model = model.partial_fit(X, T) if end == "partial_fit" else model.fit(X, T)
    path = tmp_path / "model.safetensors"
    fastmlp.save_model(model, path)
    if end == "load":
        model = fastmlp.load_model(path)
    stored = pickle.dumps(model)
    before, others = predictions(model), [copy.deepcopy(model), copy.deepcopy(model)]
    with pytest.warns(UserWarning, match="'bent' is registered anew.*before keep the"):
        register_activation("bent", scaled_tanh(0.25))
    for name, values in predictions(model).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)
    with pytest.raises(TypeError, match="'bent' is registered for another"):
        fastmlp.save_model(model, tmp_path / "other")
    # what is stored by name takes the new one
    for again in (fastmlp.load_model(path), pickle.loads(stored)):
        assert not np.allclose(again.predict(X), before["many rows"])
    # training goes on with that of the model
    other = others[0].set_params(activation=scaled_tanh(1.0))
    for _ in range(3):  # the second and third are streams
        model.partial_fit(X, T)
        other.partial_fit(X, T)
        np.testing.assert_array_equal(model.predict(X), other.predict(X))
    warm = others[1].set_params(warm_start=True).fit(X, T)
    cold = clone(warm).fit(X, T)
    named = {one: vars(one)["_named_activations"]["bent"] for one in (warm, cold)}
    assert named[warm].forward.args == (1.0,) and named[cold].forward.args == (0.25,)
    # a new fit takes the new one
    model.fit(X, T)
    assert vars(model)["_named_activations"] == {"bent": named[cold]}
    np.testing.assert_array_equal(model.predict(X), cold.predict(X))
    predictions(model)
    fastmlp.save_model(model, path)
    model.set_params(activation="relu").fit(X, T)
    assert "_named_activations" not in vars(model)


def test_a_name_put_in_after_the_fit_means_what_is_registered(clean_registry):
    register_activation("bent", scaled_tanh(1.0))
    model = MLPRegressor("squared_error", (5,), "tanh", **PARAMS).fit(X, T)
    tanh = predictions(model)
    model.set_params(activation="bent")
    np.testing.assert_allclose(predictions(model)["many rows"], tanh["many rows"])
    with pytest.warns(UserWarning, match="registered anew"):
        register_activation("bent", scaled_tanh(0.25))
    bent = predictions(model)
    assert not np.allclose(bent["many rows"], tanh["many rows"])
    np.testing.assert_array_equal(bent["compile"], bent["many rows"])


def test_the_same_functions_registered_again(clean_registry):
    first = register_activation("swish", (swish, lambda z, a: d_swish(z)))
    same = (first.forward, first.derivative)
    assert register_activation("swish", same) is first
    with pytest.warns(UserWarning, match="'swish' is registered anew"):
        assert register_activation("swish", SWISH) is not first


def test_a_checkpoint_of_a_named_activation(clean_registry, tmp_path):
    register_activation("swish", SWISH)
    whole = MLPClassifier((5, 4), ["swish", "tanh"], warm_start=True, **PARAMS)
    whole.fit(X, Y)
    model = clone(whole)
    broken_off(model, Y, tmp_path / "c")
    model = clone(whole).fit(X, Y, resume=tmp_path / "c")
    np.testing.assert_array_equal(model.coefs_[0], whole.coefs_[0])
    whole.fit(X, Y, checkpoint=tmp_path / "d")  # of a model that keeps activations


@pytest.mark.parametrize(
    ("name", "activation", "message"),
    [
        ("relu", RELU, "is an activation of fastmlp"),
        ("two words", RELU, "an identifier"),
        (3, RELU, "an identifier"),
        ("mine", "relu", "must be a fastmlp.Activation or a pair"),
        ("mine", relu, "must be a fastmlp.Activation or a pair"),
    ],
)
def test_wrong_registration(clean_registry, name, activation, message):
    with pytest.raises((TypeError, ValueError), match=message):
        register_activation(name, activation)
    assert functions.registered_activations() == {}


def test_unpickling_imports_the_module_that_registers(tmp_path):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from fastmlp import register_activation
            sine = register_activation("sine", (np.sin, lambda z, a: np.cos(z)))
            """
        )
    )
    write = "import pickle, mine; print(pickle.dumps(mine.sine).hex())"
    read = "import pickle, sys; print(pickle.loads(bytes.fromhex(sys.argv[1])))"

    def run(code, *arguments):
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert run(read, run(write)) == "<Activation 'sine'>"


# Exports


def test_export_to_c():
    act = Activation(swish, d_swish, wrt="input", c_source="z / (1 + exp(-z))")
    model = MLPRegressor("squared_error", (4, 3), [act, "tanh"], **PARAMS).fit(X, T)
    assert "(z / (1 + exp(-z)))" in fastmlp.to_c(model)
    with pytest.raises(ValueError, match="c_source"):
        fastmlp.to_c(model.set_params(activation=SWISH))
    with pytest.raises(ValueError, match="the model has .*<Activation 'swish'>"):
        fastmlp.to_sklearn(model.set_params(activation=[SWISH, "tanh"]))


def test_export_to_onnx():
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    def nodes(graph, z, dtype):
        return graph.node("Mul", [z, graph.node("Sigmoid", [z])])

    act = Activation(swish, d_swish, wrt="input", onnx=nodes)
    model = MLPRegressor("squared_error", (4,), act, **PARAMS).fit(X, T)
    (out,) = ReferenceEvaluator(fastmlp.to_onnx(model)).run(None, {"X": X})
    np.testing.assert_allclose(out.ravel(), model.predict(X), rtol=1e-9)
    with pytest.raises(ValueError, match="needs onnx"):
        fastmlp.to_onnx(model.set_params(activation=SWISH))
