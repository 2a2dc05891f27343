"""The attribute ``out_activation_``, also where it is set after the fit."""

import copy
import pickle

import numpy as np
import pytest
from helpers.models import TASKS, data, fitted
from scipy import sparse

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor, load_model, save_model
from fastmlp.runtime import load_predictor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NAMES = ("identity", "logistic", "tanh", "relu", "softmax", "exp")  # scikit-learn's
OWN = {
    "binary": "logistic",
    "multiclass": "softmax",
    "multilabel": "logistic",
    "regression": "identity",
    "multioutput": "identity",
    "poisson": "exp",
}


def as_set(task, name, dtype="float64"):
    """A fitted model whose output activation was set to a name, and its twin."""
    model = copy.deepcopy(fitted(task, dtype))
    if task == "poisson":
        pytest.importorskip("sklearn", "1.7")  # which has the loss
    twin = fastmlp.to_sklearn(model)
    model.out_activation_ = twin.out_activation_ = name
    return model, twin


def methods(model):
    if hasattr(model, "classes_"):
        return ("predict", "predict_proba", "predict_log_proba")
    return ("predict",)


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", TASKS)
def test_prediction_follows_it_as_in_scikit_learn(task, name):
    model, twin = as_set(task, name)
    X, _ = data(task, 300)
    close = {"rtol": 1e-9, "atol": 1e-12}
    for rows in (X, X[:1], X.tolist(), sparse.csr_array(X)):
        for method in methods(model):
            got, expected = (getattr(m, method)(rows) for m in (model, twin))
            if method == "predict" and hasattr(model, "classes_"):
                np.testing.assert_array_equal(got, expected)
            else:
                np.testing.assert_allclose(got, expected, **close)
        got, expected = (m._forward_pass_fast(rows) for m in (model, twin))
        np.testing.assert_allclose(got, expected, **close)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", TASKS)
def test_it_goes_along_with_the_model(task, name, tmp_path):
    model, _ = as_set(task, name, "float32")
    X, _ = data(task, 40, "float32")
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert loaded.out_activation_ == name
    alike = [loaded, pickle.loads(pickle.dumps(model)), model.compile()]
    alike += [load_predictor(tmp_path / "m"), pickle.loads(pickle.dumps(alike[2]))]
    for other in alike:
        for method in methods(model)[:2]:
            expected = getattr(model, method)(X)
            np.testing.assert_array_equal(getattr(other, method)(X), expected)


@pytest.mark.parametrize("name", ["identity", "tanh", "softmax"])
@pytest.mark.parametrize("task", TASKS)
def test_an_export_keeps_it_or_refuses(task, name):
    pytest.importorskip("onnx")
    model, _ = as_set(task, name)
    X, _ = data(task, 5)
    if name == OWN[task]:
        assert model.compile() is not None
    elif hasattr(model, "classes_"):
        for export in (fastmlp.to_onnx, fastmlp.to_c, fastmlp.to_sklearn):
            with pytest.raises(
                ValueError, match=f"out_activation_ was set to '{name}'"
            ):
                export(model)
    elif name == "identity":  # of a poisson model: its logarithm
        with pytest.warns(UserWarning, match="lacks loss='poisson'"):
            theirs = fastmlp.to_sklearn(model)
        np.testing.assert_allclose(theirs.predict(X), model.predict(X), rtol=1e-9)
    else:
        with pytest.raises(ValueError, match=f"out_activation_='{name}'"):
            fastmlp.to_onnx(model)
    model.out_activation_ = OWN[task]
    fastmlp.to_onnx(model)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_training_asks_for_its_own(task):
    model, X, y = copy.deepcopy(fitted(task)), *data(task)
    before = model.coefs_[0].copy()
    model.out_activation_ = "tanh"
    message = f"out_activation_ was set to 'tanh' .* its own, '{OWN[task]}'"
    with pytest.raises(ValueError, match=message):
        model.loss_gradient(X, y)
    with pytest.raises(ValueError, match=message):
        model.trace_step(X[0], y[0])
    with pytest.raises(ValueError, match="Set out_activation_ back"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match="Set out_activation_ back"):
        model.set_params(warm_start=True).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], before)
    model.out_activation_ = OWN[task]
    model.partial_fit(X, y)
    model.out_activation_ = "tanh"
    model.set_params(warm_start=False).fit(X, y)  # a new fit has its own
    assert model.out_activation_ == OWN[task]


@pytest.mark.parametrize("name", ["identity", "logistic", "tanh", "relu", "softmax"])
def test_gradients_of_inputs_follow_it(name):
    model, (X, _) = copy.deepcopy(fitted("multiclass")), data("multiclass", 3)
    model.out_activation_ = name
    got, h = model.input_gradient(X), 1e-6
    for j in range(X.shape[1]):
        step = np.zeros(X.shape[1])
        step[j] = h
        slope = (model.predict_proba(X + step) - model.predict_proba(X - step)) / 2 / h
        np.testing.assert_allclose(got[:, :, j], slope, atol=1e-6)


def test_a_range_of_logistic_outputs():
    X, y = data("regression")
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, y)
    z = model.predict(X)
    model.out_activation_ = ("logistic", -2.0, 3.0)
    np.testing.assert_allclose(model.predict(X), -2 + 5 / (1 + np.exp(-z)))


@pytest.mark.parametrize("name", ["sine", None, 3, ("logistic", 2, 1), ["identity"]])
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_values_are_refused(task, name):
    model, (X, _) = copy.deepcopy(fitted(task)), data(task, 5)
    model.out_activation_ = name
    for call in (model.predict, lambda X: model.compile(), model._forward_pass_fast):
        with pytest.raises(ValueError, match="out_activation_ must be one of"):
            call(X)


def test_gaussian_outputs_have_a_name_of_their_own(tmp_path):
    X, y = data("regression")
    model = MLPRegressor("gaussian_nll", (4,), max_iter=3, random_state=0).fit(X, y)
    assert model.out_activation_ == "gaussian"
    expected = model.predict(X, return_std=True)
    save_model(model, tmp_path / "m")
    np.testing.assert_array_equal(
        load_model(tmp_path / "m").predict(X, return_std=True), expected
    )
    model.out_activation_ = "identity"
    with pytest.raises(ValueError, match="set it back to 'gaussian'"):
        model.predict(X)
    model.out_activation_ = "gaussian"
    np.testing.assert_array_equal(model.predict(X, return_std=True), expected)


def test_a_file_of_before_the_gaussian_name(tmp_path, monkeypatch):
    X, y = data("regression")
    model = MLPRegressor("gaussian_nll", (4,), max_iter=3, random_state=0).fit(X, y)
    monkeypatch.setattr("fastmlp._model.snapshot.predicting_objective", None)
    expected = model.predict(X)
    old = pickle.loads(pickle.dumps(model))
    vars(old)["_snapshot"] = model._snapshot  # does not look at the name
    old.out_activation_ = "identity"
    save_model(old, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert loaded.out_activation_ == "gaussian"
    np.testing.assert_array_equal(loaded.predict(X), expected)


def test_several_quantiles_keep_their_columns():
    X, y = data("regression")
    model = MLPRegressor(
        "quantile", (4,), quantile=[0.1, 0.5, 0.9], max_iter=3, random_state=0
    ).fit(X, y)
    z = model.predict(X)
    model.out_activation_ = "exp"
    np.testing.assert_allclose(model.predict(X), np.exp(z))
    assert model.predict(X).shape == (len(X), 3)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_forward_pass_fast_without_checks(kind):
    task = "multiclass" if kind is MLPClassifier else "regression"
    model, twin = as_set(task, "identity")
    X, _ = data(task, 5)
    holed = X.copy()
    holed[1, 0] = np.nan
    got, expected = (
        m._forward_pass_fast(holed, check_input=False) for m in (model, twin)
    )
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert np.isnan(got[1]).any() and not np.isnan(got[0]).any()
    with pytest.raises(ValueError, match="NaN"):
        model._forward_pass_fast(holed)
    with pytest.raises(ValueError, match="features"):
        model._forward_pass_fast(X[:, 1:], check_input=False)
    with pytest.raises(ValueError, match="two-dimensional"):
        model._forward_pass_fast(X[0], check_input=False)
    np.testing.assert_allclose(
        model._forward_pass_fast(X.tolist(), check_input=False),
        twin.predict_proba(X) if kind is MLPClassifier else twin._forward_pass_fast(X),
        rtol=1e-9,
    )
