"""Constructor parameters as other packages and typing errors meet them."""

import inspect

import numpy as np
import pytest
import sklearn
from helpers.models import data
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, GroupShuffleSplit
from sklearn.utils._param_validation import Interval, StrOptions, make_constraint

import fastmlp
from fastmlp import HiddenFeatures, MLPClassifier, MLPRegressor, load_model, save_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = (MLPClassifier, MLPRegressor)
X, Y = data("binary", strings=False)
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}


@pytest.mark.parametrize("kind", KINDS)
def test_constraints_are_those_of_the_rules(kind):
    found = kind._parameter_constraints
    assert found.keys() == set(kind._get_param_names())
    for name, alternatives in found.items():
        constraints = list(map(make_constraint, alternatives))
        default = getattr(kind(), name)
        assert any(c.is_satisfied_by(default) for c in constraints), name
        assert not any(c.is_satisfied_by(object()) for c in constraints), name
        assert all(str(c) for c in constraints), name


@pytest.mark.parametrize("kind", KINDS)
def test_constraints_agree_with_the_rules_on_values(kind):
    values = [None, True, 0, 1, 2, -1, 0.5, 1.5, -0.5, np.inf, np.nan, 10**20, "auto"]
    values += ["adam", "loss", "relu", "float32", np.float32, [0.1, 0.2], (3, 4), {}]
    values += [("cosine", 0.1), "restart", "ema", "raise", np.arange(3), len, 2**32]
    for name, alternatives in kind._parameter_constraints.items():
        constraints = list(map(make_constraint, alternatives))
        for value in values:
            estimator = kind()
            setattr(estimator, name, value)
            try:
                estimator._validate_params()
                is_valid = True
            except (ValueError, TypeError):
                is_valid = False
            got = any(c.is_satisfied_by(value) for c in constraints)
            if name == "activation" and isinstance(value, list):
                continue  # one entry per hidden layer is asked for
            assert got == is_valid, (name, value)


def test_constraints_are_of_scikit_learns_kinds():
    solver, alpha = (
        MLPClassifier._parameter_constraints[n][0] for n in ("solver", "alpha")
    )
    assert isinstance(solver, StrOptions) and "nadam" in solver.options
    assert isinstance(alpha, Interval) and alpha.left == 0 and alpha.closed == "left"
    assert MLPClassifier._parameter_constraints["warm_start"] == ["boolean"]
    is_bool, blocks = MLPClassifier._parameter_constraints["shuffle"]
    assert is_bool == "boolean" and blocks.options == {"blocks"}


def test_validate_params_and_a_subclass_with_its_own():
    class Mine(MLPClassifier):
        _parameter_constraints = {
            **MLPClassifier._parameter_constraints,
            "solver": [StrOptions({"adam"})],
        }

    Mine()._validate_params()
    for call in (
        Mine(solver="sgd")._validate_params,
        lambda: Mine(solver="sgd").fit(X, Y),
    ):
        with pytest.raises(ValueError, match="The 'solver' parameter of Mine must be"):
            call()
    with pytest.raises(ValueError, match="'alpha' parameter of MLPRegressor must be"):
        MLPRegressor(alpha=-1)._validate_params()
    with pytest.raises(ValueError, match="hidden_layer_sizes must be > 0"):
        MLPRegressor(hidden_layer_sizes=(3, 0))._validate_params()
    with pytest.raises(ValueError, match="'activation' parameter"):
        MLPRegressor(activation="rely")._validate_params()


DTYPES = (np.float32, np.dtype("float32"), np.float64, np.dtype(np.float64), float)


@pytest.mark.parametrize("value", DTYPES, ids=str)
def test_dtypes_of_numpy(value, tmp_path):
    pytest.importorskip("onnx")
    name = np.dtype(value).name
    by_name = MLPClassifier(dtype=name, **SMALL).fit(X, Y)
    model = clone(MLPClassifier(dtype=value, **SMALL))
    assert model.get_params()["dtype"] is value or model.dtype == np.dtype(value)
    model.fit(X, Y, checkpoint=tmp_path / "c")
    assert model.coefs_[0].dtype == name
    expected = by_name.predict_proba(X)
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert loaded.dtype == name
    for other in (model, model.compile(), loaded):
        np.testing.assert_array_equal(other.predict_proba(X), expected)
    large = np.zeros((400_000, X.shape[1]), dtype="f4")  # taken piece by piece
    large[:120] = X
    same = by_name.predict_proba(large), model.predict_proba(large)
    assert same[0].dtype == same[1].dtype == name
    np.testing.assert_array_equal(*same)
    for a, b in ((name, value), (value, name)):
        first = MLPClassifier(dtype=a, **SMALL).fit(X, Y, checkpoint=tmp_path / "d")
        again = MLPClassifier(dtype=b, **SMALL).fit(X, Y, resume=tmp_path / "d")
        np.testing.assert_array_equal(first.coefs_[0], again.coefs_[0])
    assert fastmlp.to_c(by_name, dtype=value) == fastmlp.to_c(by_name, dtype=name)
    assert fastmlp.to_onnx(by_name, dtype=value) == fastmlp.to_onnx(by_name, dtype=name)


@pytest.mark.parametrize(
    "value",
    [int, np.float16, np.dtype(">f4"), np.dtype("i8"), "f4", "double", None, 32],
)
def test_other_dtypes_are_refused(value):
    with pytest.raises(ValueError, match="'dtype' parameter .*numpy.float32"):
        MLPClassifier(dtype=value, **SMALL).fit(X, Y)
    if value is not None:
        model = MLPClassifier(**SMALL).fit(X, Y)
        for export in (fastmlp.to_onnx, fastmlp.to_c):
            with pytest.raises(ValueError, match="dtype must be"):
                export(model, dtype=value)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_groups_of_a_search_are_not_meant_for_fit(kind, routing):
    groups = np.repeat(range(12), 10)
    for model in (kind(**SMALL), HiddenFeatures(kind(**SMALL))):
        name = "alpha" if model.__class__ is kind else "estimator__alpha"
        scoring = None if model.__class__ is kind else lambda fitted, X, y: 0.0
        search = GridSearchCV(model, {name: [1e-4]}, cv=GroupKFold(3), scoring=scoring)
        search.fit(X, Y, groups=groups)
        assert search.n_splits_ == 3


def test_groups_are_meant_for_fit_where_that_is_asked(routing):
    groups = np.repeat(range(12), 10)
    split = GroupShuffleSplit(1, test_size=0.5, random_state=0)
    model = MLPClassifier(validation_split=split, **SMALL).set_fit_request(groups=True)
    search = GridSearchCV(model, {"alpha": [1e-4]}, cv=GroupKFold(3))
    search.fit(X, Y, groups=groups)
    assert len(search.best_estimator_.validation_scores_) == 2


WRONG = (
    ("hiden_layer_sizes", "hidden_layer_sizes"),
    ("learning_rate_int", "learning_rate_init"),
    ("Alpha", "alpha"),
    ("standardise_X", "standardize_X"),
    ("early_stoping", "early_stopping"),
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong, right", WRONG)
def test_a_misspelt_parameter_gets_the_near_name(kind, wrong, right):
    message = f"{wrong}.* Did you mean '{right}'"
    with pytest.raises(TypeError, match=f"__init__.* keyword argument '{message}"):
        kind(**{wrong: 1})
    with pytest.raises(ValueError, match=f"Invalid parameter '{message}"):
        kind().set_params(**{wrong: 1})
    with pytest.raises(ValueError, match=f"Invalid parameter '{message}"):
        GridSearchCV(kind(**SMALL), {wrong: [1]}, cv=2).fit(X, Y)


@pytest.mark.parametrize(
    "name, wrong, right",
    [
        ("to_c", "dtyp", "dtype"),
        ("to_onnx", "x", "X"),
        ("to_torch", "logit", "logits"),
        ("save_model", "optimiser", "optimizer"),
        ("load_model", "chek", "check"),
        ("plot_network", "max_unit", "max_units"),
    ],
)
def test_a_misspelt_argument_of_a_function_gets_the_near_name(name, wrong, right):
    message = rf"{name}\(\) .* argument '{wrong}'. Did you mean '{right}'"
    with pytest.raises(TypeError, match=message):
        getattr(fastmlp, name)(None, **{wrong: 1})


@pytest.mark.parametrize("kind", KINDS)
def test_a_misspelt_argument_of_a_method_gets_the_near_name(kind):
    model = kind(**SMALL)
    with pytest.raises(TypeError, match=r"fit\(\) got .*'Xval'. Did you mean 'X_val'"):
        model.fit(X, Y, Xval=X)
    with pytest.raises(TypeError, match="Did you mean 'sample_weight'"):
        model.fit(X, Y, sample_weights=Y)
    with pytest.raises(TypeError, match="Did you mean 'n_epochs'"):
        model.partial_fit(X, Y, nepochs=2)
    with pytest.raises(TypeError, match="Did you mean 'n_threads'"):
        model.compile(n_thread=2)
    with pytest.raises(TypeError, match="Did you mean 'n_steps'"):
        model.integrated_gradients(X, nsteps=2)
    with pytest.raises(TypeError, match="Did you mean 'layer'"):
        HiddenFeatures(model, layers=1)
    with pytest.raises(TypeError, match="argument 'zzzzzz'.$"):
        model.fit(X, Y, zzzzzz=2)
    assert "coefs_" not in vars(model)
    signature = inspect.signature(kind.fit)
    assert list(signature.parameters)[:4] == ["self", "X", "y", "sample_weight"]


VALUES = (
    ({"solver": "adamm"}, "adam"),
    ({"learning_rate": "adaptiv"}, "adaptive"),
    ({"learning_rate": ("cosin", 0.1)}, "cosine"),
    ({"weight_init": "he_unifrom"}, "he_uniform"),
    ({"activation": "ReLU"}, "relu"),
    ({"activation": ["relu", "tahn"], "hidden_layer_sizes": (3, 3)}, "tanh"),
    ({"activation": ("leakyrelu", 0.1)}, "leaky_relu"),
    ({"dtype": "float3"}, "float32"),
    ({"scoring": "accurracy"}, "accuracy"),
    ({"on_divergence": "rise"}, "raise"),
    ({"random_stream": "contnue"}, "continue"),
)


@pytest.mark.parametrize("params, right", VALUES)
def test_a_misspelt_value_gets_the_near_name(params, right):
    with pytest.raises(ValueError, match=f"Did you mean '{right}'"):
        MLPClassifier(**{**SMALL, **params}).fit(X, Y)


def test_a_misspelt_loss_gets_the_near_name():
    for kind, wrong, right in (
        (MLPRegressor, "squarederror", "squared_error"),
        (MLPClassifier, "logloss", "log_loss"),
    ):
        with pytest.raises(ValueError, match=f"Did you mean '{right}'"):
            kind(loss=wrong).fit(X, Y)
    with pytest.raises(ValueError, match="Did you mean 'softplus'"):
        MLPRegressor(output_activation="softpls").fit(X, Y)
