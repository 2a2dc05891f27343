"""Errors about the columns of X: names, texts, dates and gaps."""

import datetime
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(40, 3)), columns=list("abc"))
X, Y = FRAME.to_numpy(), np.arange(40) % 2
SMALL = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
CALLS = {
    "fit": lambda model, rows: model.fit(FRAME, Y, X_val=rows, y_val=Y),
    "partial_fit": lambda model, rows: model.partial_fit(rows, Y),
    "partial_fit X_val": lambda model, rows: model.partial_fit(
        FRAME, Y, X_val=rows, y_val=Y
    ),
    "warm start": lambda model, rows: model.set_params(warm_start=True).fit(rows, Y),
    "loss_gradient": lambda model, rows: model.loss_gradient(rows, Y),
    "predict": lambda model, rows: model.predict(rows),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_errors_about_names_and_width_say_X(kind, call):
    wide = FRAME.assign(x=0.0)
    for columns in ("cba", "ab", "abx", "abcx"):
        model = kind(**SMALL).fit(FRAME, Y)
        before = model.coefs_[0].copy()
        with pytest.raises(ValueError, match=r"feature names|features") as raised:
            call(model, wide[list(columns)])
        message = str(raised.value)
        assert re.search(r"\bX\b", message) and "y:" not in message
        np.testing.assert_array_equal(model.coefs_[0], before)


def test_errors_about_y_and_about_both():
    with pytest.raises(ValueError, match="^X and y: "):
        MLPClassifier(**SMALL).fit(X, Y[1:])
    with pytest.raises(ValueError, match="Input y contains NaN"):
        MLPRegressor(**SMALL).fit(X, np.where(Y, np.nan, 1.0))
    for y in ("text", 5):
        with pytest.raises((ValueError, TypeError), match=r"\by\b"):
            MLPRegressor(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="y contains NaN; leave the rows"):
        MLPRegressor(**SMALL).fit(X, [None] * 40)
    mixed = FRAME.rename(columns={"b": 1})
    with pytest.raises(TypeError, match="feature name"):
        MLPClassifier(**SMALL).fit(mixed, Y)


def as_given(frame):
    """A frame in every form that X may have."""
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    yield frame
    yield pl.DataFrame(frame.to_dict("list"))
    yield pa.table({name: list(frame[name]) for name in frame})
    yield frame.to_numpy()
    yield frame.to_numpy().tolist()


def uses_of(model):
    """Training and prediction, as functions of X."""
    return (
        lambda rows: clone(model).fit(rows, Y),
        model.predict,
        model.compile().predict,
    )


TEXTS = FRAME.assign(c=["1.5"] * 20 + ["north"] * 20)


def test_a_text_column_is_named_with_the_remedy():
    rows = [*as_given(TEXTS), TEXTS.astype({"c": "category"})]
    rows += [TEXTS.astype({"c": "string"}), TEXTS.to_numpy().astype(str)]
    named, plain = (MLPClassifier(**SMALL).fit(data, Y) for data in (FRAME, X))
    for given in rows:
        label = "'c'" if hasattr(given, "columns") else "2"
        message = f"X must hold real numbers, but column {label} holds texts .*'north'"
        model = named if label == "'c'" else plain
        for call in uses_of(model):
            with pytest.raises(ValueError, match=message) as raised:
                call(given)
            assert "OneHotEncoder" in str(raised.value)


def test_gaps_get_our_remedy():
    gap = X.copy()
    gap[[3, 5], [1, 2]] = np.nan
    frame = pd.DataFrame(gap, columns=list("abc"))
    rows = [*as_given(frame), frame.convert_dtypes()]
    rows.append(frame.astype(object).where(frame.notna(), None))
    for given in rows:
        label = "'b'" if hasattr(given, "columns") else "1"
        message = (
            rf"^Input X contains NaN in 2 of 40 rows, first in column {label}: .*"
            r"sklearn.impute.SimpleImputer"
        )
        for dtype in ("auto", "float32"):
            with pytest.raises(ValueError, match=message) as raised:
                MLPClassifier(dtype=dtype, **SMALL).fit(given, Y)
            assert "HistGradientBoosting" not in str(raised.value)
    model = MLPClassifier(**SMALL).fit(FRAME, Y)
    with pytest.raises(ValueError, match="2 of 40 rows, first in column 'b'"):
        model.predict(frame)
    with pytest.raises(ValueError, match="X_val.*2 of 40 rows, first in column 'b'"):
        model.fit(FRAME, Y, X_val=frame, y_val=Y)
    message = "NaN in 2 of 40 rows, first in column 'b': .*sklearn.impute.SimpleImputer"
    with pytest.raises(ValueError, match=message):
        model.compile().predict(frame)
    with pytest.raises(
        ValueError, match="NaN in 2 of 40 rows, first in column 1: .*Imp"
    ):
        MLPClassifier(**SMALL).fit(sparse.csr_array(gap), Y)
    with pytest.raises(ValueError, match="feature names"):  # which come first
        model.predict(frame[["c", "b", "a"]])


def test_infinite_values_get_our_remedy():
    endless = FRAME.copy()
    endless.iloc[[3, 5, 7], [1, 2]] = np.inf, -np.inf
    model = MLPClassifier(**SMALL).fit(FRAME, Y)
    message = (
        r"Input X contains infinity or a value too large for dtype\('float64'\) in "
        "3 of 40 rows, first in column "
    )
    plain = MLPClassifier(**SMALL).fit(X, Y)
    for given in as_given(endless):
        label = "'b'" if hasattr(given, "columns") else "1"
        for call in uses_of(model if label == "'b'" else plain)[:2]:
            with pytest.raises(
                ValueError, match=f"^{message}{label}. Replace infinite"
            ):
                call(given)
        with pytest.raises(ValueError, match=f"{message}'b'. Replace infinite"):
            model.compile().predict(given)
    message = r"float32'\) in 1 of 40 rows, first in column 'c'.*use dtype='float64'"
    large = FRAME.assign(c=np.where(np.arange(40) == 9, 1e300, 0.0))
    narrow = MLPClassifier(dtype="float32", **SMALL).fit(FRAME, Y)
    for call in (
        lambda: clone(narrow).fit(large, Y),
        lambda: narrow.compile().predict(large),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_predictor_names_the_column_of_a_value_that_is_not_finite(monkeypatch):
    predictor = MLPClassifier(**SMALL).fit(FRAME, Y).compile()
    gap = sparse.csr_array(([np.nan], ([4], [2])), shape=(40, 3))
    with pytest.raises(ValueError, match="NaN in 1 of 40 rows, first in column 'c'"):
        predictor.predict(gap)
    monkeypatch.setattr("fastmlp.runtime.PIECE", 240)  # 10 rows at a time
    rows = X.astype(np.float32)
    rows[25, 1] = np.nan
    with pytest.raises(ValueError, match="X contains NaN, first in column 'b': "):
        predictor.predict(rows)


@pytest.mark.parametrize(
    "form",
    [
        list,
        np.array,
        lambda y: np.array(y, dtype=object),
        pd.Series,
        lambda y: pd.Series(y, dtype="category"),
        lambda y: pd.DataFrame({"t": y, "u": 1.0}),
    ],
)
def test_texts_as_targets_of_a_regression_get_a_remedy(form):
    message = "y must hold real numbers, but it holds texts such as 'low'.*a classifier"
    y = form(["low", "high"] * 20)
    with pytest.raises(ValueError, match=message):
        MLPRegressor(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match=f"y_val.*{message}"):
        MLPRegressor(**SMALL).fit(X, X[:, 0], X_val=X, y_val=y)
    MLPRegressor(**SMALL).fit(X, form(["1", "2.5"] * 20))


DAYS = pd.Series(pd.date_range("2020-01-01", periods=40))
DATES = {
    "dates": DAYS,
    "with a zone": DAYS.dt.tz_localize("UTC"),
    "periods": DAYS.dt.to_period("D"),
    "differences": DAYS - DAYS[0],
    "objects": pd.Series([day.date() for day in DAYS], dtype=object),
}


@pytest.mark.parametrize("days", DATES.values(), ids=list(DATES))
def test_dates_are_refused_in_every_kind_of_frame(days):
    frame = FRAME[["a"]].assign(when=days)
    known = FRAME[["a", "b"]].rename(columns={"b": "when"})
    rows, fitted = [frame], MLPClassifier(**SMALL).fit(known, Y)
    if not isinstance(days.dtype, pd.PeriodDtype):
        pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
        objects = days.astype(object).tolist()
        column = [
            getattr(day, "to_pydatetime", lambda day=day: day)() for day in objects
        ]
        if days.dtype.kind == "m":
            column = [day.to_pytimedelta() for day in objects]
        rows.append(pl.DataFrame({"a": X[:, 0], "when": column}))
        rows.append(pa.table({"a": X[:, 0], "when": column}))
        rows.append(rows[-1].to_pandas(types_mapper=pd.ArrowDtype))
    for given in rows:
        for call in uses_of(fitted):
            with pytest.raises((ValueError, TypeError), match="'when'.*Convert dates"):
                call(given)


def test_dates_as_targets_are_refused():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    column = DAYS.dt.to_pydatetime().tolist()
    for y in (DAYS, pl.Series(column), pa.array(column), pa.chunked_array([column])):
        with pytest.raises(ValueError, match="^y must hold real numbers.*Convert"):
            MLPRegressor(**SMALL).fit(X, y)


def test_times_of_day_and_columns_that_are_only_called_dates():
    pl = pytest.importorskip("polars")
    times = [datetime.time(i % 24) for i in range(40)]
    with pytest.raises(ValueError, match="dtype Time in column 'at'"):
        MLPClassifier(**SMALL).fit(pl.DataFrame({"a": X[:, 0], "at": times}), Y)
    model = MLPClassifier(**SMALL).fit(FRAME.rename(columns={"a": "Date"}), Y)
    assert model.feature_names_in_[0] == "Date"
