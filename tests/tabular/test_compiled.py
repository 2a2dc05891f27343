"""Compiled models of tables: raw rows give what the estimator gives for the table."""

import pickle
import subprocess
import sys
import threading
from collections import OrderedDict
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers.fitted_tables import TASKS, assert_same, fitted, proba_or_values, table
from helpers.models import needs_products

from fastmlp import TabularMLPRegressor, save_model
from fastmlp._core.stage import InputStage
from fastmlp.runtime import TabularPredictor, load_predictor

pytestmark = pytest.mark.filterwarnings(
    "ignore:y holds a single class", "ignore:All values of column"
)
X = table()
ROWS = X.to_dict("records")
NAN = np.nan


def methods(model):
    return ("predict", "predict_proba")[: 2 if hasattr(model, "classes_") else 1]


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
@needs_products
def test_rows_have_the_bits_of_the_table(task, dtype, n_members):
    model = fitted(task, dtype, n_members=n_members)
    predictor = model.compile()
    for method in methods(model):
        expected = getattr(model, method)(X)
        predict = getattr(predictor, method)
        assert_same(predict(X), expected)
        assert_same(predict(ROWS), expected)
        for place, row in enumerate(ROWS):
            cells = list(row.values())
            for form in (row, cells, tuple(cells)):
                got = predict(form)
                assert_same(got, expected[place : place + 1])
    assert predictor.dtype == dtype and predictor.n_features_in_ == X.shape[1]
    assert predictor.feature_names_in_.tolist() == list(X)
    if hasattr(model, "classes_"):
        assert_same(predictor.classes_, model.classes_)


@needs_products
def test_every_form_of_one_row_and_of_many():
    model = fitted("binary")
    predictor, expected = model.compile(), model.predict_proba(X)
    row, cells = ROWS[7], list(ROWS[7].values())
    array = np.array(cells, dtype=object)
    for form in (
        OrderedDict(row),
        [row],
        (row,),
        [cells],
        array,
        array[None],
        X.iloc[7],
        X[7:8],
        pl.DataFrame(X[7:8]),
        pl.DataFrame(X[7:8]).to_arrow(),
    ):
        got = predictor.predict_proba(form)
        assert_same(got, expected[7:8])
    for form in (
        X,
        ROWS,
        X.to_numpy(dtype=object),
        X.to_numpy(dtype=object).tolist(),
        pl.DataFrame(X),
    ):
        got = predictor.predict_proba(form)
        assert_same(got, expected)


def test_out():
    for task in ("multiclass", "regression"):
        predictor = fitted(task).compile()
        for rows in (ROWS[0], X):
            for method in methods(predictor):
                expected = getattr(predictor, method)(rows)
                out = np.empty_like(expected)
                assert getattr(predictor, method)(rows, out=out) is out
                assert_same(out, expected)
                with pytest.raises(ValueError, match="out must be a writeable"):
                    getattr(predictor, method)(rows, out=np.empty(3))


@pytest.mark.parametrize(
    "cells",
    [
        {"n0": None, "c2": None},
        {"n0": NAN, "c2": NAN, "flag": None},
        {"n0": pd.NA, "c2": pd.NA},
        {"n0": np.float32(0.1), "n1": np.float64(0.1), "whole": np.int8(3)},
        {"n0": Decimal("1.5"), "n1": True, "whole": 10**30},
        {"n0": 1e300, "n1": -1e300, "constant": 1e-300, "n2": 0.0},
        {"c2": "new", "c5": "", "c20": 5, "flag": "maybe", "code": 99},
        {"c2": np.str_("l1"), "flag": np.bool_(True), "code": 1.0},
        {"flag": 1, "code": "1"},
    ],
)
@needs_products
def test_odd_cells_are_read_as_in_a_table(cells):
    for task in ("multiclass", "regression"):
        model = fitted(task)
        row = ROWS[0] | cells
        expected = proba_or_values(model, [row])
        predictor = model.compile()
        for form in (row, list(row.values())):
            got = proba_or_values(predictor, form)
            assert_same(got, expected)


def test_absent_keys_are_missing():
    predictor = fitted("multiclass").compile()
    row = {key: cell for key, cell in ROWS[0].items() if key not in ("n1", "c5")}
    assert_same(
        predictor.predict_proba(row),
        predictor.predict_proba(ROWS[0] | {"n1": None, "c5": None}),
    )


@pytest.mark.parametrize(
    "cells, words",
    [
        ({"n0": "a"}, "Column 'n0' must hold numbers.* such as 'a'"),
        ({"n1": np.inf}, "Column 'n1' holds inf"),
        ({"n1": -np.inf}, "Column 'n1' holds -inf"),
        ({"n1": 10**400}, "Column 'n1' .*too large"),
        ({"n1": [1.0]}, "Column 'n1' .*Spread"),
        ({"c2": {}}, "Column 'c2' .*Spread"),
        ({"c2": pd.Timestamp("2024-05-17")}, "Column 'c2' .*2024-05-17"),
        ({"n00": 1.0}, "key 'n00', .* Did you mean 'n0'"),
    ],
)
def test_wrong_cells_are_named(cells, words):
    for task in ("binary", "regression"):
        predictor = fitted(task).compile()
        row = ROWS[0] | cells
        with pytest.raises(ValueError, match=words):
            proba_or_values(predictor, row)
        if "n00" not in cells:
            with pytest.raises(ValueError, match=words):
                proba_or_values(predictor, list(row.values()))
        proba_or_values(predictor, ROWS[0])  # it stays usable


def test_wrong_rows():
    predictor = fitted("binary").compile()
    who = "TabularClassifierPredictor is expecting 11"
    for form in ([1, 2], [], np.zeros(3), np.zeros((2, 3))):
        with pytest.raises(ValueError, match=who):
            predictor.predict(form)
    for form in (X.iloc[0][::-1], X[list(X)[::-1]]):
        with pytest.raises(ValueError, match="feature names should match.*order"):
            predictor.predict(form)
    nameless = TabularMLPRegressor(n_epochs=2, hidden_layer_sizes=(4,), n_threads=1)
    nameless = nameless.fit(np.random.RandomState(0).rand(30, 2), range(30)).compile()
    assert nameless.predict([0.5, 0.5]).shape == (1,)
    with pytest.raises(ValueError, match="key 'a', which is no column"):
        nameless.predict({"a": 1, "b": 2})
    with pytest.raises(AttributeError, match="without feature names"):
        nameless.feature_names_in_  # noqa: B018


@pytest.mark.parametrize("n_numbers", [0, 1, 2])
@pytest.mark.parametrize("n_categories", [0, 1, 2])
@needs_products
def test_few_columns(n_numbers, n_categories):
    if n_numbers + n_categories == 0:
        return
    few = X[[*list(X)[:n_numbers], *["c2", "c20"][:n_categories]]]
    model = TabularMLPRegressor(
        hidden_layer_sizes=(4,), n_epochs=2, n_threads=1, number_embedding=None
    ).fit(few, X["n1"])
    predictor, row = model.compile(), few.iloc[3].to_dict()
    for form in (row, list(row.values())):
        assert_same(predictor.predict(form), model.predict(few)[3:4])


def test_a_predictor_is_frozen():
    model = fitted("multiclass", n_members=2)
    predictor = model.compile(n_threads=3)
    expected = predictor.predict_proba(X)
    model._model.weights[:] = 0
    assert_same(predictor.predict_proba(X), expected)
    copy = pickle.loads(pickle.dumps(predictor))
    assert_same(copy.predict_proba(X), expected)
    assert copy.n_threads == 3 and repr(copy) == repr(predictor)
    assert "2 members" in repr(copy) and "float32" in repr(copy)
    for name in ("n_threads", "dtype", "new", "_encode"):
        with pytest.raises(AttributeError, match="cannot be changed"):
            setattr(predictor, name, 1)
        with pytest.raises(AttributeError, match="cannot be changed"):
            delattr(predictor, name)
    with pytest.raises(ValueError):
        predictor.classes_[0] = 1
    with pytest.raises(ValueError, match="n_threads"):
        model.compile(n_threads=0)


def test_several_outputs_per_target_cannot_be_compiled(tmp_path):
    for params in (
        {"loss": "gaussian_nll"},
        {"loss": "quantile", "quantile": [0.1, 0.9]},
    ):
        model = fitted("regression", **params)
        with pytest.raises(ValueError, match="one output per target"):
            model.compile()
        save_model(model, tmp_path / "m")
        with pytest.raises(ValueError, match="one output per target"):
            load_predictor(tmp_path / "m")


@pytest.mark.parametrize("hidden", [(8,), (256, 256, 256)])
@needs_products
def test_threads_share_a_predictor(hidden):
    """The large network releases the GIL, so that threads meet in the middle of it."""
    model = fitted("multiclass", hidden_layer_sizes=hidden, n_members=2)
    predictor, expected = model.compile(), model.predict_proba(X)
    wrong = []

    def work(start):
        for i in range(200):
            place = (start + 7 * i) % len(ROWS)
            got = predictor.predict_proba(ROWS[place])
            if not np.array_equal(got[0], expected[place]):
                wrong.append(place)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong


@pytest.mark.parametrize("task", TASKS)
def test_the_runtime_needs_neither_scikit_learn_nor_pandas(tmp_path, task):
    model = fitted(task)
    save_model(model, tmp_path / "m")
    (tmp_path / "p.pickle").write_bytes(pickle.dumps(model.compile()))
    (tmp_path / "rows.pickle").write_bytes(pickle.dumps(ROWS))
    script = """
import pickle, sys
import numpy as np
import fastmlp.runtime
for name in ("sklearn", "joblib", "pandas"):
    assert name not in sys.modules, name
    sys.modules[name] = None  # importing it raises
rows = pickle.load(open("rows.pickle", "rb"))
for p in (fastmlp.runtime.load_predictor("m"), pickle.load(open("p.pickle", "rb"))):
    y = p.predict(rows)
    assert (p.predict(rows[0]) == y[:1]).all()
np.save("y.npy", y)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    y = np.load(tmp_path / "y.npy")
    assert_same(y, model.predict(X))


def test_many_rows_have_the_same_bits_for_any_number_of_threads():
    model = fitted("regression")
    rows = pd.concat([X] * 40, ignore_index=True)
    expected = model.compile(n_threads=1).predict(rows)
    assert isinstance(model.compile(), TabularPredictor)
    for n_threads in (2, 5):
        got = model.compile(n_threads=n_threads).predict(rows)
        assert_same(got, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_rows_have_the_bits_of_many(dtype):
    """The embeddings of a few rows are computed in another order of loops."""
    rng = np.random.default_rng(0)
    stage = InputStage(10, [(6, 5, False)])
    params = rng.normal(size=stage.n_params).astype(dtype)
    rows = np.ones((35, 11), dtype)
    rows[:, :10] = rng.normal(size=(35, 10))
    rows[3, 4] = np.nan
    whole = stage.outputs(params, rows)
    for n in range(1, 6):
        parts = [stage.outputs(params, rows[i : i + n].copy()) for i in range(0, 35, n)]
        assert_same(np.concatenate(parts), whole)
