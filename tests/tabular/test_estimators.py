"""Predictions of the estimators for tables, their targets, and their refusals."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from helpers.tables import (
    GRADE,
    LABEL,
    LABELS,
    NUMBER,
    SMALL,
    X,
    classifier,
    frame,
    regressor,
)
from scipy.sparse import csr_matrix, issparse
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import d2_pinball_score, log_loss, r2_score

from fastmlp import TabularMLPClassifier, TabularMLPRegressor

LOSSES = [
    {"loss": "squared_error"},
    {"loss": "absolute_error"},
    {"loss": "huber", "huber_delta": 0.5},
    {"loss": "log_cosh"},
    {"loss": "quantile"},
    {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
    {"loss": "quantile", "quantile": [0.1, 0.5, 0.9], "monotone_quantiles": True},
    {"loss": "gaussian_nll"},
    {"loss": "poisson"},
    {"loss": "gamma"},
    {"loss": "tweedie", "tweedie_power": 1.3},
]
COUNT = np.exp(NUMBER / 2) + 0.5


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "objects", "rows"])
def test_tables_of_every_kind_give_one_model(kind):
    table = X.drop(columns="grade")
    given = {
        "pandas": lambda: table,
        "polars": lambda: pl.from_pandas(table),
        "arrow": lambda: pa.Table.from_pandas(table),
        "objects": lambda: table.to_numpy(dtype=object),
        "rows": lambda: table.to_numpy(dtype=object).tolist(),
    }[kind]()
    expected = classifier().fit(table, LABEL).predict_proba(table)
    model = classifier().fit(given, LABEL)
    np.testing.assert_array_equal(model.predict_proba(given), expected)


@pytest.mark.parametrize(
    "target",
    [
        LABEL,
        LABEL.tolist(),
        LABEL == "yes",
        (LABEL == "yes").astype(np.int64),
        np.where(LABEL == "yes", 2.0, -1.0),
        LABEL.astype(object),
        pd.Series(LABEL, dtype="category"),
        pd.Series(LABEL, dtype="string"),
        pl.Series(LABEL.tolist()),
        pa.array(LABEL.tolist()),
        GRADE,
    ],
    ids=lambda target: type(target).__name__,
)
def test_labels_of_any_type(target):
    model = classifier().fit(X, target)
    known = np.unique(np.asarray(target))
    np.testing.assert_array_equal(model.classes_, known)
    assert model.predict(X).dtype == model.classes_.dtype
    proba = model.predict_proba(X)
    assert proba.shape == (len(X), len(known)) and proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(model.predict(X), known[proba.argmax(axis=1)])
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(proba), atol=1e-5)
    assert model.score(X, target) > 0.8


def test_logarithms_are_finite():
    model = classifier(n_epochs=200, dropout=0.0, early_stopping=False)
    logarithms = model.fit(frame(60), LABEL[:60]).predict_log_proba(X.assign(size=1e30))
    assert np.isfinite(logarithms).all()


@pytest.mark.parametrize("params", [{}, {"n_members": 2}, {"scoring": "accuracy"}])
def test_several_labels_at_once(params):
    model = classifier(**params, label_smoothing=0.1).fit(X, LABELS)
    proba, predicted = model.predict_proba(X), model.predict(X)
    assert proba.shape == LABELS.shape and predicted.dtype == int
    np.testing.assert_array_equal(predicted, proba > 0.5)
    assert (predicted == LABELS).mean() > 0.8
    sparse = classifier(**params).fit(X, csr_matrix(LABELS)).predict(X)
    assert issparse(sparse)
    assert -min(model.validation_scores_) >= 0 or params.get("scoring")


def test_validation_loss_is_that_of_plain_targets():
    """No label smoothing, the weights of the rows, the mean of the members."""
    weight = np.linspace(0.5, 2, len(X))
    settings = {"n_members": 2, "validation": "holdout", "n_epochs": 3}
    model = classifier(**settings, label_smoothing=0.2)
    scores = []

    def watch(record):
        fitted = record.fitted_estimator()
        held_out = np.setdiff1d(np.arange(len(X)), trained)
        proba = fitted.predict_proba(X.iloc[held_out]).astype(float)
        proba /= proba.sum(axis=1, keepdims=True)
        expected = log_loss(GRADE[held_out], proba, sample_weight=weight[held_out])
        scores.append(expected)

    from fastmlp._tabular.split import holdout

    codes = np.unique(GRADE, return_inverse=True)[1]
    trained, _ = holdout(len(X), codes, 0.2, np.random.RandomState(0))
    model.fit(X, GRADE, sample_weight=weight, callback=watch)
    np.testing.assert_allclose(model.validation_loss_curve_, scores, rtol=1e-4)


def test_class_weight_is_a_weight_of_rows():
    weighted = classifier(class_weight={"yes": 3.0}).fit(X, LABEL)
    rows = np.where(LABEL == "yes", 3.0, 1.0)
    plain = classifier().fit(X, LABEL, sample_weight=rows)
    np.testing.assert_array_equal(weighted._model.weights, plain._model.weights)
    balanced = classifier(class_weight="balanced").fit(X, LABEL)
    assert (balanced._model.weights != plain._model.weights).any()
    classifier(class_weight=[2.0, 1.0]).fit(X, LABELS)
    classifier(class_weight=[{0: 1, 1: 2}, {}]).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"class_weight names \['y'\]"):
        classifier(class_weight={"y": 3.0}).fit(X, LABEL)


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize(
    "params", LOSSES, ids=lambda params: str(list(params.values()))
)
def test_losses(params, n_members):
    model = regressor(**params, n_members=n_members, n_epochs=30).fit(X, COUNT)
    predicted = model.predict(X)
    levels = params.get("quantile")
    assert predicted.shape == (len(X), *([3] if levels else []))
    assert predicted.dtype == np.float64
    assert model.score(X, COUNT) > (0.5 if params["loss"] == "quantile" else 0.8)
    if params["loss"] != "quantile":
        assert model.score(X, COUNT) == pytest.approx(r2_score(COUNT, predicted))
    elif levels:
        np.testing.assert_array_equal(model.quantiles_, levels)
        parts = [
            d2_pinball_score(COUNT, predicted[:, q], alpha=level)
            for q, level in enumerate(levels)
        ]
        assert model.score(X, COUNT) == pytest.approx(np.mean(parts))
    if params.get("monotone_quantiles"):
        assert (np.diff(predicted, axis=1) >= 0).all()


def test_predictions_stay_within_the_training_targets():
    far = X.assign(size=1e6)
    for params in LOSSES[:8]:
        predicted = regressor(**params).fit(X, NUMBER).predict(far)
        assert NUMBER.min() - 1e-5 <= predicted.min()
        assert predicted.max() <= NUMBER.max() + 1e-5
    assert regressor(loss="poisson").fit(X, COUNT).predict(far).min() > 0


def test_units_of_the_targets_do_not_matter():
    both = np.c_[NUMBER, 1e4 * NUMBER - 3e5]
    model = regressor(loss="gaussian_nll", n_epochs=60).fit(X, both)
    mean, deviation = model.predict(X, return_std=True)
    assert mean.shape == deviation.shape == both.shape
    assert model.score(X, both) > 0.8
    assert 1e3 < (deviation[:, 1] / deviation[:, 0]).mean() < 1e5
    low, high = np.moveaxis(model.predict_interval(X, coverage=0.8), 2, 0)
    assert low.shape == both.shape and (low < high).all()
    large = regressor(loss="poisson", n_epochs=60).fit(X, 1e5 * COUNT)
    assert large.score(X, 1e5 * COUNT) > 0.7


def test_intervals_and_deviations_need_their_loss():
    model = regressor().fit(X, NUMBER)
    with pytest.raises(ValueError, match="this one has loss='squared_error'"):
        model.predict_interval(X)
    with pytest.raises(ValueError, match="return_std=True needs a model"):
        model.predict(X, return_std=True)
    levels = regressor(loss="quantile", quantile=[0.05, 0.95]).fit(X, NUMBER)
    assert levels.predict_interval(X, coverage=0.9).shape == (len(X), 2)


def test_importances_find_the_columns_that_count():
    for model, target in ((classifier(), LABEL), (regressor(n_members=2), NUMBER)):
        found = model.fit(X, target).feature_importances_
        assert found.shape == (4,) and found.sum() == pytest.approx(1)
        assert set(np.argsort(found)[2:]) == {0, 1}  # size and colour
    line = np.c_[np.linspace(-1, 1, 200), np.zeros(200)]
    slopes = regressor().fit(line, line[:, 0]).feature_importances_
    np.testing.assert_allclose(slopes, [1, 0], atol=1e-6)
    many = classifier().fit(X, np.arange(len(X)) % 12)  # more classes than passes
    assert many.feature_importances_.sum() == pytest.approx(1)


def test_a_single_class():
    with pytest.warns(UserWarning, match="single class, 'only'"):
        model = classifier().fit(X, ["only"] * len(X))
    assert set(model.predict(X)) == {"only"}
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((len(X), 1)))


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "gaussian_nll"])
def test_a_constant_target(loss):
    with pytest.warns(UserWarning, match=r"y is constant, 3.25"):
        model = regressor(loss=loss).fit(X, np.full(len(X), 3.25))
    np.testing.assert_array_equal(model.predict(X), 3.25)
    with pytest.warns(UserWarning, match="Column 1 of y is constant, 0"):
        regressor().fit(X, np.c_[NUMBER, 0 * NUMBER])


def test_few_rows():
    with pytest.warns(UserWarning) as found:
        model = classifier().fit(X[:3], ["a", "b", "a"])
    messages = [str(warning.message) for warning in found]
    assert "X has 3 rows, of which one is held out" in messages[0]
    assert "All validation rows are of class" in messages[1] and len(messages) == 2
    assert model.predict(X[:3]).shape == (3,)
    with pytest.raises(ValueError, match="X has n_samples=1"):
        regressor().fit(X[:1], [1.0])
    with pytest.warns(UserWarning) as found:
        for seed in range(9):  # until c is held out
            classifier(random_state=seed).fit(X[:3], ["a", "b", "c"])
    wanted = "Class 'c' has no row in the training part"
    assert any(wanted in str(warning.message) for warning in found)


def test_a_rare_class_in_folds():
    y = np.where(np.arange(len(X)) == 5, "rare", LABEL.astype(str))
    with pytest.warns(UserWarning) as found:
        classifier(validation="folds", n_members=2).fit(X, y)
    (message,) = [str(warning.message) for warning in found]
    assert "'rare' has no row in the training part of a member" in message
    assert message.endswith("Give more rows of it, or set refit=True.")


def test_frames_that_are_not_read():
    with pytest.raises(TypeError, match=r"pass X\.collect\(\)"):
        regressor().fit(pl.from_pandas(X).lazy(), NUMBER)
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        classifier().fit(X, LABEL).predict_proba([])


def test_a_refit_does_not_warn_twice():
    table = X.assign(name=[f"row {i}" for i in range(len(X))])
    with pytest.warns(UserWarning, match="as many levels as rows") as found:
        classifier(refit=True, n_members=2).fit(table, LABEL)
    assert len(found) == 1


def test_warnings_of_the_checks_of_targets():
    with pytest.warns(DataConversionWarning):
        regressor().fit(X, NUMBER[:, None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier().fit(X, LABEL)


WRONG_PARAMETERS = [
    ({"scoring": "acuracy"}, "Did you mean 'accuracy'"),
    ({"categorical_features": "colour"}, "a list of names or positions of columns"),
    ({"categorical_features": 3}, "a list of names or positions of columns"),
    ({"categorical_features": ["color"]}, "Did you mean 'colour'"),
    ({"categorical_features": [True]}, "a mask of 1 values, but X has 4 columns"),
    ({"categorical_features": [9]}, "gives position 9, but X has 4 columns"),
    ({"label_smoothing": 1.0}, r"in the range \[0, 1\)"),
    ({"n_members": 0}, r"in the range \[1, inf\)"),
    ({"n_members": 2.5}, "an int"),
    ({"validation": "fold"}, "Did you mean 'folds'"),
    ({"validation": "folds", "n_members": 1}, "needs n_members >= 2, got n_members=1"),
    ({"validation": "folds", "n_members": 300}, "too few rows for n_members=300"),
    ({"validation_fraction": 1.0}, r"in the range \(0, 1\)"),
    ({"hidden_layer_sizes": (0,)}, "an int >= 1 or an array-like of ints >= 1"),
    ({"number_embedding": "plr"}, "'periodic'"),
    ({"dropout": [0.1]}, r"in the range \[0, 1\)"),
    ({"batch_size": "full"}, "'auto'"),
    ({"learning_rate_init": 0.0}, "'auto'"),
    ({"dtype": "float16"}, "'float32', 'float64'"),
    ({"dtype": "auto"}, "'float32', 'float64'"),
    ({"refit": "yes"}, "a bool"),
    ({"max_time": 0}, "None or a float in the range"),
    ({"class_weight": "balance"}, "Did you mean 'balanced'"),
]


@pytest.mark.parametrize("params, words", WRONG_PARAMETERS, ids=str)
def test_wrong_parameters(params, words):
    with pytest.raises(ValueError, match=words):
        classifier(**params).fit(X, LABEL)


@pytest.mark.parametrize(
    "params, words",
    [
        ({"loss": "squared"}, "Did you mean 'squared_error'"),
        ({"loss": 3}, r"Got 3 instead\.$"),
        ({"quantile": [0.5, 0.1]}, "strictly increasing"),
        ({"monotone_quantiles": True}, "needs loss='quantile'"),
        ({"loss": "poisson"}, "which needs y >= 0"),
        ({"huber_delta": 0.0}, r"in the range \(0, inf\)"),
    ],
    ids=str,
)
def test_wrong_parameters_of_the_regressor(params, words):
    with pytest.raises(ValueError, match=words):
        regressor(**params).fit(X, NUMBER - 5)


def test_misspelt_names():
    with pytest.raises(TypeError, match="Did you mean 'n_members'"):
        TabularMLPClassifier(n_member=3)
    with pytest.raises(TypeError, match="Did you mean 'checkpoint'"):
        regressor().fit(X, NUMBER, checkpont="state")
    with pytest.raises(ValueError, match="Did you mean 'dropout'"):
        regressor().set_params(drop_out=0.1)
    with pytest.raises(TypeError, match="positional"):
        TabularMLPRegressor((10,))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda t: t.assign(size=np.inf), "'size'"),
        (lambda t: t.assign(day=pd.Timestamp("2024-02-29")), "'day'"),
        (lambda t: t.drop(columns="size"), "missing: .*'size'"),
        (lambda t: t[t.columns[::-1]], "another order"),
        (lambda t: t.to_numpy()[:, :2], "X has 2 features"),
        (lambda t: t.to_numpy()[0], "Reshape your data"),
        (lambda t: csr_matrix(np.eye(4)), "a table must be dense"),
    ],
)
def test_wrong_tables_leave_a_model_usable(change, words):
    model = classifier().fit(X, LABEL)
    before = model.predict_proba(X)
    with pytest.raises((ValueError, TypeError), match=words):
        model.predict(change(X))
    if "day" in words or ("size" in words and "missing" not in words):
        with pytest.raises(ValueError, match=words):
            model.fit(change(X), LABEL)
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize(
    "target, words",
    [
        (None, "requires y to be passed, but the target y is None"),
        (LABEL[:9], "inconsistent numbers of samples"),
        (np.where(LABEL == "yes", np.nan, 1.0), "y.*NaN"),
        (NUMBER, "Unknown label type: continuous"),
        (np.c_[GRADE, GRADE], "y"),
        (pd.date_range("2020", periods=len(X)), "y"),
    ],
)
def test_wrong_targets(target, words):
    with pytest.raises(ValueError, match=words):
        classifier().fit(X, target)


def test_wrong_weights():
    half = np.zeros(len(X))
    half[0] = 1
    with pytest.raises(ValueError, match="at least one non-zero weight; in the"):
        classifier().fit(X, LABEL, sample_weight=half)
    with pytest.raises(ValueError, match="sample_weight"):
        classifier().fit(X, LABEL, sample_weight=half[:5])


def test_a_table_without_values():
    with pytest.raises(ValueError, match="no column with a value"):
        classifier().fit(pd.DataFrame({"a": [None] * 50}, dtype=object), LABEL[:50])


def test_not_fitted():
    for model in (classifier(), regressor()):
        for call in (model.predict, model.score):
            with pytest.raises(NotFittedError):
                call(X, *([LABEL] if call == model.score else []))
    with pytest.raises(NotFittedError):
        regressor().predict_interval(X)
    with pytest.raises(AttributeError, match="history_ belongs to a fit"):
        _ = classifier().history_


def test_defaults_learn_a_table():
    """The whole network, on a table that takes a second."""
    params = {name: SMALL[name] for name in ("random_state",)}
    model = TabularMLPClassifier(**params, n_epochs=30).fit(X, LABEL)
    other = frame(seed=1)
    number = other["size"].fillna(0) + 2 * (other.colour == "red")
    assert model.score(other, np.where(number > 0.5, "yes", "no")) > 0.9
