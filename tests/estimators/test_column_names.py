"""Names of columns: every way in that takes a frame compares them with the fit's."""

import copy

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning
from sklearn.frozen import FrozenEstimator

import fastmlp
from fastmlp import HiddenFeatures, MLPClassifier, MLPRegressor

pd = pytest.importorskip("pandas")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
]


def frame(n=60):
    rng = np.random.RandomState(0)
    return pd.DataFrame({"a": rng.normal(size=n), "b": 10 + rng.normal(size=n)})


def pandas_frame(table):
    return table


def polars_frame(table):
    return pytest.importorskip("polars").from_pandas(table)


def arrow_table(table):
    pa = pytest.importorskip("pyarrow")
    return pa.Table.from_pandas(table, preserve_index=False)


def arrow_batch(table):
    pa = pytest.importorskip("pyarrow")
    return pa.RecordBatch.from_pandas(table, preserve_index=False)


def narwhals_frame(table):
    return pytest.importorskip("narwhals").from_native(polars_frame(table))


KINDS = [pandas_frame, polars_frame, arrow_table, arrow_batch, narwhals_frame]


def is_positive(table):
    return (table["a"] > 0).to_numpy()


@pytest.fixture(scope="module")
def model():
    table = frame()
    params = {"max_iter": 20, "random_state": 0, "standardize_X": True}
    return MLPClassifier((6,), **params).fit(table, is_positive(table))


@pytest.fixture(scope="module")
def features():
    table = frame()
    return HiddenFeatures(MLPClassifier((6,), max_iter=2)).fit(
        table, is_positive(table)
    )


def first(X):
    """One row of any kind of frame."""
    return X.slice(0, 1) if hasattr(X, "column_names") else X[:1]


def again(model, **params):
    """A copy to train on."""
    return copy.deepcopy(model).set_params(max_iter=2, **params)


WAYS = {
    "predict": lambda m, X, y: m.predict(X),
    "predict_proba": lambda m, X, y: m.predict_proba(X),
    "predict_log_proba": lambda m, X, y: m.predict_log_proba(X),
    "score": lambda m, X, y: m.score(X, y),
    "hidden_activations": lambda m, X, y: m.hidden_activations(X),
    "input_gradient": lambda m, X, y: m.input_gradient(X),
    "integrated_gradients": lambda m, X, y: m.integrated_gradients(X),
    "baseline": lambda m, X, y: m.integrated_gradients(frame(), baseline=X),
    "loss_gradient": lambda m, X, y: m.loss_gradient(X, y),
    "trace_step": lambda m, X, y: m.trace_step(first(X), y[0]),
    "fit of a warm start": lambda m, X, y: again(m, warm_start=True).fit(X, y),
    "partial_fit": lambda m, X, y: again(m).partial_fit(X, y),
    "X_val": lambda m, X, y: again(m).fit(frame(), y, X_val=X, y_val=y),
    "X_val of partial_fit": lambda m, X, y: again(m).partial_fit(
        frame(), y, X_val=X, y_val=y
    ),
    "Predictor.predict": lambda m, X, y: m.compile().predict(X),
    "Predictor.predict_proba": lambda m, X, y: m.compile().predict_proba(X),
    "Predictor.decision_function": lambda m, X, y: m.compile().decision_function(X),
    "out": lambda m, X, y: m.compile().predict_proba(X, out=np.empty((len(y), 2))),
    "to_c": lambda m, X, y: fastmlp.to_c(m, X=X),
    "to_c int8": lambda m, X, y: fastmlp.to_c(m, X=X, dtype="int8"),
    "to_onnx": lambda m, X, y: fastmlp.to_onnx(m, X=X),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_compares_names(model, way, kind):
    if way == "to_onnx":
        pytest.importorskip("onnx")
    table = frame()
    y = is_positive(table)
    WAYS[way](model, kind(table), y)  # no warning either
    for wrong in (table[["b", "a"]], table.rename(columns={"b": "c"})):
        with pytest.raises(ValueError, match=r"feature names should match"):
            WAYS[way](model, kind(wrong), y)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame_gives_its_names(kind):
    table = frame()
    y = is_positive(table)
    clf = MLPClassifier((3,), max_iter=2).fit(kind(table), y)
    features = HiddenFeatures(MLPClassifier((3,), max_iter=2)).fit(kind(table), y)
    for fitted in (clf, features):
        assert fitted.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(clf.predict(kind(table)), clf.predict(table))
    np.testing.assert_array_equal(
        clf.compile().predict(kind(table)), clf.predict(table)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_features(features, kind):
    table = frame()
    features.transform(kind(table))
    with pytest.raises(ValueError, match=r"feature names should match"):
        features.transform(kind(table[["b", "a"]]))


def test_hidden_features_of_a_frozen_model(model):
    table = frame()
    y = is_positive(table)
    HiddenFeatures(FrozenEstimator(model)).fit(table, y)
    with pytest.raises(ValueError, match=r"feature names should match"):
        HiddenFeatures(FrozenEstimator(model)).fit(table[["b", "a"]], y)


def test_names_of_a_series(model):
    table = frame()
    row, mean = table.iloc[0], table.mean()
    assert model.trace_step(row, True).names == ["a", "b"]
    np.testing.assert_array_equal(
        model.integrated_gradients(table, baseline=mean),
        model.integrated_gradients(table, baseline=mean.to_numpy()),
    )
    with pytest.raises(ValueError, match=r"x: The feature names should match"):
        model.trace_step(row[["b", "a"]], True)
    with pytest.raises(ValueError, match=r"baseline: The feature names should match"):
        model.integrated_gradients(table, baseline=mean[["b", "a"]])


def test_frames_without_names_of_the_model(model):
    table = frame()
    numbered, mixed = table.set_axis([0, 1], axis=1), table.set_axis(["a", 1], axis=1)
    y = is_positive(table)
    predictor = model.compile()
    for fitted in (model, predictor):
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            np.testing.assert_array_equal(
                fitted.predict(numbered), model.predict(table)
            )
        with pytest.raises(TypeError, match="all input features have string names"):
            fitted.predict(mixed)
    for way in ("to_c", "trace_step", "baseline"):
        with pytest.raises(TypeError, match="all input features have string names"):
            WAYS[way](model, mixed, y)
    plain = MLPClassifier((3,), max_iter=2).fit(table.to_numpy(), y)
    for fitted in (plain, plain.compile()):
        with pytest.warns(UserWarning, match="fitted without feature names"):
            fitted.predict(table)
    predictor.predict(table.to_numpy())  # an array goes by position


def test_lazy_frames_are_told_of(model):
    lazy = polars_frame(frame()).lazy()
    for call in (model.predict, model.compile().predict, model.input_gradient):
        with pytest.raises(TypeError, match=r"X is a LazyFrame.*X\.collect\(\)"):
            call(lazy)
    with pytest.raises(TypeError, match=r"X is a LazyFrame"):
        fastmlp.to_c(model, X=lazy)


def test_names_of_targets():
    table = frame()
    targets = table.rename(columns={"a": "u", "b": "v"})
    regr = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0)
    regr.fit(table, targets, X_val=table, y_val=targets)
    for wrong in (targets[["v", "u"]], targets.rename(columns={"u": "w"})):
        with pytest.raises(ValueError, match=r"y_val must have the columns of y"):
            regr.fit(table, targets, X_val=table, y_val=wrong)
    regr.fit(table, targets, X_val=table, y_val=targets.to_numpy())
    # A single column may have any name.
    regr.fit(table, table["a"], X_val=table, y_val=table["b"])
    with pytest.warns(DataConversionWarning):
        regr.fit(table, table[["a"]], X_val=table, y_val=table[["b"]])


def test_lbfgs_loss_of_scikit_learn(model):
    table = frame()
    packed = np.hstack([a.ravel() for a in model.coefs_ + model.intercepts_])
    rest = (is_positive(table), None, None, None, None, None)
    model._loss_grad_lbfgs(packed, table, *rest)
    with pytest.raises(ValueError, match=r"feature names should match"):
        model._loss_grad_lbfgs(packed, table[["b", "a"]], *rest)
