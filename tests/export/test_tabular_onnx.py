"""Models of tables to ONNX: raw columns in, what the estimator predicts out."""

import copy

import numpy as np
import pytest
from helpers.fitted_tables import TASKS, fitted, proba_or_values, table
from helpers.tables import SMALL
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastmlp
from fastmlp import TabularMLPClassifier, TabularMLPRegressor

pd = pytest.importorskip("pandas")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore:y holds a single class")
PARAMS = {**SMALL, "hidden_layer_sizes": (8,), "n_epochs": 3}
LIMIT = {"float32": 1e-5, "float64": 1e-9}
KINDS = {"tensor(string)": object, "tensor(float)": "f4", "tensor(double)": "f8"}


def run(model, X):
    """The outputs by onnxruntime for a frame or an array, by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    inputs = {of.name: KINDS[of.type] for of in session.get_inputs()}
    if hasattr(X, "columns"):
        feed = {name: X[[name]].to_numpy(kind) for name, kind in inputs.items()}
    elif list(inputs) == ["X"]:
        feed = {"X": np.asarray(X, inputs["X"])}
    else:
        columns = np.array(X, object).T[:, :, None]
        feed = {
            f"x{at}": columns[at].astype(inputs[f"x{at}"]) for at in range(len(columns))
        }
    outputs = [output.name for output in session.get_outputs()]
    return dict(zip(outputs, session.run(None, feed), strict=True))


def check(model, X, dtype=None):
    """Compare what onnxruntime returns with the estimator, for many rows and one."""
    converted = fastmlp.to_onnx(model, dtype=dtype)
    onnx.checker.check_model(converted, full_check=True)
    limit = LIMIT[str(dtype or model.dtype)]
    for rows in (X, X[:1]):
        got, expected = run(converted, rows), proba_or_values(model, rows)
        values = got["probabilities" if hasattr(model, "classes_") else "prediction"]
        assert values.dtype == (dtype or model.dtype) and values.shape == expected.shape
        size = max(1, np.abs(expected).max())
        np.testing.assert_allclose(values, expected, rtol=0, atol=limit * size)
        if hasattr(model, "classes_"):
            np.testing.assert_array_equal(got["label"], model.predict(rows))
    return converted


def mixed():
    """The table of the models with more gaps, and levels that they do not know."""
    X = table()
    X.loc[6, "n0"], X.loc[7, "c20"], X.loc[8, "c2"] = np.nan, "new", None
    X.loc[[9, 10], "code"] = np.nan
    X.loc[11, "n3"], X.loc[12, "n3"], X.loc[13, "constant"] = 1e30, -1e-30, 7
    X.loc[14, ["c5", "c20"]] = "", "<NA>"
    numbers = X.select_dtypes("float").columns
    return X.astype(dict.fromkeys(numbers, "f4"))  # that float32 loses no digit


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task(task, dtype):
    check(fitted(task, dtype), mixed())
    check(fitted(task, dtype, n_members=3, hidden_layer_sizes=()), mixed())


def test_the_simple_form_and_another_precision():
    for dtype, other in (("float32", "float64"), ("float64", "float32")):
        model = fitted("regression", dtype, number_embedding=None)
        check(model, mixed(), dtype)
        got = run(fastmlp.to_onnx(model, dtype=other), mixed())["prediction"]
        np.testing.assert_allclose(got, model.predict(mixed()), rtol=1e-5, atol=1e-5)
        assert got.dtype == other


LOSSES = [
    {"loss": "absolute_error"},
    {"loss": "poisson"},
    {"loss": "gamma", "n_members": 2},
    {"loss": "tweedie"},
    {"loss": "quantile"},
    {"loss": "quantile", "quantile": [0.1, 0.5, 0.9], "n_members": 2},
    {"loss": "quantile", "quantile": [0.1, 0.5, 0.9], "monotone_quantiles": True},
    {"loss": "gaussian_nll"},
    {"loss": "gaussian_nll", "n_members": 3},
]


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("params", LOSSES)
def test_every_loss(params, n_targets):
    X = mixed()
    score = X["n1"].to_numpy(float) + X["flag"]
    y = np.column_stack([np.exp(score), 20 + 5 * score])[:, :n_targets]
    y = y[:, 0] if n_targets == 1 else y
    model = TabularMLPRegressor(**{**PARAMS, **params}, dtype="float64").fit(X, y)
    converted = check(model, X)
    if params["loss"] == "gaussian_nll":
        got = run(converted, X)
        assert list(got) == ["prediction", "std"]
        mean, deviation = model.predict(X, return_std=True)
        np.testing.assert_allclose(got["std"], deviation, rtol=1e-9)
        np.testing.assert_allclose(got["prediction"], mean, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_levels_of_every_kind(dtype):
    rng = np.random.RandomState(0)
    n = 120
    X = pd.DataFrame(
        {
            "whole": rng.randint(-3, 30, n),
            "real": rng.choice([-0.5, 0.1, 0.25, 7.0], n),
            "flag": rng.rand(n) > 0.5,
            "gaps": rng.choice(np.array([True, False, None], object), n),
            "both": rng.choice(np.array(["7", 7.5, "a", None], object), n),
            "only": "same",
            "none": np.full(n, None, object),
            "many": rng.choice([f"Ünïcode {i}" for i in range(40)], n),
        }
    )
    y = np.where(X["whole"] + 10 * X["flag"] > 15, 2.0, 3.0)
    model = TabularMLPClassifier(
        **PARAMS, categorical_features=list(X.columns), dtype=dtype
    ).fit(X, y)
    X["both"] = [None if cell is None else str(cell) for cell in X["both"]]
    X.loc[:5, "whole"] = [100, 2**20, -(2**20), 0, 1, 2]
    X.loc[5:8, "real"] = [7.25, np.nan, np.inf, 0.2]
    converted = fastmlp.to_onnx(model)
    got = run(converted, X)["probabilities"]
    expected = model.predict_proba(X)
    np.testing.assert_allclose(got, expected, atol=LIMIT[dtype])
    assert np.ptp(expected[:, 0]) > 0.01
    kinds = {of.name: of.type.tensor_type.elem_type for of in converted.graph.input}
    texts = [name for name, kind in kinds.items() if kind == onnx.TensorProto.STRING]
    assert texts == ["both", "only", "none", "many"]


def test_missing_texts():
    X = pd.DataFrame({"town": ["Oslo", "nan", None, "Bergen"] * 20})
    model = TabularMLPClassifier(**PARAMS).fit(X, np.arange(80) % 4 > 1)
    cells = ["Oslo", "nan", "", "<NA>", "None", "Narvik"]
    got = run(fastmlp.to_onnx(model), pd.DataFrame({"town": cells}, dtype=object))
    expected = model.predict_proba(pd.DataFrame({"town": [*cells[:2], *[None] * 4]}))
    np.testing.assert_allclose(got["probabilities"], expected, atol=1e-6)
    assert np.abs(expected[1] - expected[2]).max() > 1e-3  # "nan" is a level here


def test_columns_without_names():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(80, 4)).astype("f4")
    X[:, 2] = rng.randint(0, 12, 80)
    X[::7, 0] = np.nan
    for categories in (None, [2], [0, 2]):
        model = TabularMLPRegressor(**PARAMS, categorical_features=categories)
        converted = check(model.fit(X, X[:, 1]), X)
        assert [of.name for of in converted.graph.input] == ["X"]
    rows = [[float(a), str(int(c)), bool(a > 0)] for a, c in X[:, 1:3]]
    model = TabularMLPRegressor(**PARAMS).fit(rows, X[:, 1])
    converted = check(model, rows)
    assert [of.name for of in converted.graph.input] == ["x0", "x1", "x2"]
    only = pd.DataFrame({"X": X[:, 1]})
    check(TabularMLPRegressor(**PARAMS).fit(only, X[:, 1]), only)


def test_names_of_columns_that_the_graph_has():
    rng = np.random.RandomState(0)
    names = ["label", "probabilities", "add_3", "constant_0", "cast_1", "X", "ä b"]
    X = pd.DataFrame(rng.normal(size=(60, 7)).astype("f4"), columns=names)
    X["X"] = rng.choice(["a", "b"], 60)
    model = TabularMLPClassifier(**PARAMS).fit(X, X["label"] > 0)
    got = run(fastmlp.to_onnx(model), X)
    assert list(got) == ["label_", "probabilities_"]
    expected = model.predict_proba(X)
    np.testing.assert_allclose(got["probabilities_"], expected, atol=1e-5)


def test_the_graph_stays_small():
    rng = np.random.RandomState(0)

    def n_nodes(n_numbers, n_members):
        X = rng.normal(size=(40, n_numbers))
        model = TabularMLPRegressor(**{**PARAMS, "n_members": n_members}).fit(
            X, X[:, 0]
        )
        return len(fastmlp.to_onnx(model).graph.node)

    assert n_nodes(2, 1) == n_nodes(30, 4) < 50


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_of_any_size(dtype):
    rng = np.random.RandomState(0)
    sizes = 10.0 ** np.array([-300, -30, -4, 0, 4, 30, 300])
    if dtype == "float32":
        sizes = sizes[1:-1]
    X = rng.normal(size=(60, 1)) * sizes
    X = X.astype(dtype).astype(float)
    model = TabularMLPRegressor(**PARAMS, dtype=dtype).fit(X, rng.normal(size=60))
    far = X[:2].copy()
    far[0], far[1] = np.finfo(dtype).max, np.finfo(dtype).min
    check(model, np.vstack([far, X]))


def test_a_large_offset_needs_float64():
    X = pd.DataFrame({"time": 1.7e9 + np.arange(60.0), "size": np.arange(60.0) % 7})
    model = TabularMLPRegressor(**PARAMS).fit(X, X["size"])
    with pytest.warns(UserWarning, match=r"column 'time' are large.*dtype='float64'"):
        fastmlp.to_onnx(model)
    got = run(fastmlp.to_onnx(model, dtype="float64"), X)["prediction"]
    np.testing.assert_allclose(got, model.predict(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1e39, 2e38, 1e-36, 1e-50])
def test_numbers_beyond_float32_are_warned_of(size):
    X = pd.DataFrame({"b": np.arange(60.0), "a": np.linspace(-1, 1, 60) * size})
    model = TabularMLPRegressor(**PARAMS).fit(X, X["a"] / size)
    words = r"column 'a' are too large or too small.*dtype='float64', or rescale"
    with pytest.warns(UserWarning, match=words):
        fastmlp.to_onnx(model)
    got = run(fastmlp.to_onnx(model, dtype="float64"), X)["prediction"]
    np.testing.assert_allclose(got, model.predict(X), rtol=1e-5, atol=1e-5)


def test_levels_that_float32_cannot_tell_apart():
    X = pd.DataFrame({"a": np.arange(60.0), "c": 2**24 + np.arange(60) % 3})
    params = {**PARAMS, "categorical_features": ["c"]}
    model = TabularMLPRegressor(**params).fit(X, X["a"])
    words = r"categories 16777216 and 16777217 of column 'c' are not distinct"
    with pytest.raises(ValueError, match=words):
        fastmlp.to_onnx(model)


def test_the_reference_evaluator_and_a_file(tmp_path):
    from onnx.reference import ReferenceEvaluator

    model, X = fitted("multiclass", n_members=2), mixed()
    fastmlp.to_onnx(model, tmp_path / "m.onnx", X=X)
    loaded = onnx.load(tmp_path / "m.onnx")
    kinds = {of.name: of.type.tensor_type.elem_type for of in loaded.graph.input}
    texts = X.astype(object).where(X.notna(), "")
    feed = {
        name: texts[[name]].to_numpy(str) if kind == 8 else X[[name]].to_numpy("f4")
        for name, kind in kinds.items()
    }
    label, proba = ReferenceEvaluator(loaded).run(None, feed)
    np.testing.assert_allclose(proba, model.predict_proba(X), atol=1e-5)
    np.testing.assert_array_equal(label, model.predict(X))


def test_a_search_and_what_holds_a_model():
    X = mixed()
    search = GridSearchCV(TabularMLPRegressor(**PARAMS), {"n_epochs": [2]}, cv=2)
    search.fit(X, X["n1"])
    got = run(fastmlp.to_onnx(search), X)["prediction"]
    np.testing.assert_allclose(got, search.predict(X), atol=1e-4)
    model = TabularMLPRegressor(**PARAMS)
    whole = make_pipeline("passthrough", model).fit(X, X["n1"])
    scaled = TransformedTargetRegressor(model, transformer=StandardScaler())
    for held in (whole, scaled.fit(X, X["n1"])):
        with pytest.raises(ValueError, match=r"takes the estimator alone.*in it"):
            fastmlp.to_onnx(held, X=X)


def test_what_is_refused():
    with pytest.raises(NotFittedError):
        fastmlp.to_onnx(TabularMLPClassifier())
    model = fitted("binary")
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'"):
        fastmlp.to_onnx(model, dtype="float16")
    with pytest.raises(ValueError, match="feature names"):
        fastmlp.to_onnx(model, X=table().drop(columns="n1"))
    huge = copy.deepcopy(fitted("regression", "float64"))
    huge._model.weights[0, 0] = 1e39
    fastmlp.to_onnx(huge)
    with pytest.raises(ValueError, match=r"finite in float32 .*use dtype='float64'"):
        fastmlp.to_onnx(huge, dtype="float32")
    ids = 2**53 + np.arange(0, 4, 2) // 2
    X = pd.DataFrame({"id": np.resize(ids, 60)})
    near = TabularMLPRegressor(**PARAMS, categorical_features=["id"])
    near.fit(X, np.resize([0.0, 1.0], 60))
    with pytest.raises(ValueError, match=r"not distinct in float32; use dtype"):
        fastmlp.to_onnx(near)
    with pytest.raises(ValueError, match=r"not distinct in float64; make them texts"):
        fastmlp.to_onnx(near, dtype="float64")


def test_ways_that_plain_layers_have():
    model = fitted("binary")
    for convert in (fastmlp.to_torch, fastmlp.fold_scalers):
        with pytest.raises(TypeError, match=r"raw columns has no place in plain"):
            convert(model)
    with pytest.raises(TypeError, match="no network for raw columns"):
        fastmlp.to_sklearn(model)
