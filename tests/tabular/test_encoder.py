"""Tables as matrices: scaling, levels, one-hot tables, refusals and warnings."""

import pickle
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmlp._files import values as file_values
from fastmlp._tables.encoder import TableEncoder
from fastmlp._tables.scaling import one_hot_table

NAN = np.nan


def mixed(n=300, seed=0):
    """A frame with numbers, gaps, and categories of 1 to 40 levels."""
    rng = np.random.default_rng(seed)
    data = {f"n{i}": rng.normal(size=n) * 10.0**i for i in range(3)}
    data["n1"][rng.random(n) < 0.1] = NAN
    data["count"] = rng.integers(9, size=n)
    data["bool"] = rng.random(n) < 0.3
    for n_levels in (1, 2, 3, 8, 9, 40):
        texts = np.array([f"l{i}" for i in range(n_levels)], dtype=object)
        cells = texts[rng.integers(n_levels, size=n)]
        cells[rng.random(n) < 0.05] = None
        data[f"c{n_levels}"] = cells
    return pd.DataFrame(data)


def reference(values, rows):
    """Robust scale and smooth clip by the formula."""
    seen = values[rows]
    low, median, high = np.nanquantile(seen, [0.25, 0.5, 0.75])
    spread = high - low
    if spread == 0:
        spread = (np.nanmax(seen) - np.nanmin(seen)) / 2
    z = (values - median) * (1 / spread if spread else 0)
    return z / np.sqrt(1 + (z / 3) ** 2)


def expanded(codes, n_levels):
    """The raw one-hot columns of codes."""
    if n_levels == 1:
        return np.where(codes == 1, 1.0, -1.0)[:, None]
    if n_levels == 2:
        return np.select([codes == 1, codes == 2], [1.0, -1.0], 0.0)[:, None]
    return (codes[:, None] == np.arange(1, n_levels + 1)).astype(float)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_matrix(dtype):
    X, rows = mixed(), np.arange(0, 300, 2)
    encoder = TableEncoder(dtype=dtype).fit(X, rows)
    Z = encoder.transform(X)
    assert Z.dtype == dtype and Z.flags.c_contiguous and Z.shape == (300, 11)
    assert encoder.n_features_in == 11 and encoder.n_numbers == 4
    assert encoder.feature_names_in.tolist() == list(X)
    assert encoder.number_columns.tolist() == [0, 1, 2, 3]
    assert encoder.category_columns.tolist() == [4, 5, 6, 7, 8, 9, 10]
    tolerance = {np.float32: 1e-6, np.float64: 1e-13}[dtype]
    for place, name in enumerate(["n0", "n1", "n2", "count"]):
        expected = reference(X[name].to_numpy(float), rows)
        np.testing.assert_allclose(Z[:, place], expected, rtol=tolerance)
    levels = dict(zip(list(X)[4:], encoder.levels))
    assert levels["bool"].tolist() == [False, True]
    assert levels["c3"].tolist() == ["l0", "l1", "l2"]
    for place, (name, of) in enumerate(levels.items(), 4):
        expected = [0 if pd.isna(v) else of.tolist().index(v) + 1 for v in X[name]]
        assert Z[:, place].tolist() == expected
    widths = [None if of is None else of.shape for of in encoder.tables]
    assert widths == [(3, 1), (2, 1), (3, 1), (4, 3), (9, 8), None, None]
    assert all(of is None or of.dtype == dtype for of in encoder.tables)


def test_one_hot_tables_are_scaled_like_numbers():
    X, rows = mixed(seed=1), np.arange(0, 300, 2)
    encoder = TableEncoder(dtype=np.float64).fit(X, rows)
    codes = encoder.transform(X)[:, encoder.n_numbers :].astype(int)
    for place, table in enumerate(encoder.tables):
        if table is not None:
            raw = expanded(codes[:, place], len(table) - 1)
            wanted = np.column_stack([reference(column, rows) for column in raw.T])
            np.testing.assert_allclose(table[codes[:, place]], wanted, rtol=1e-14)


@given(st.lists(st.integers(0, 7), min_size=2, max_size=9).filter(any))
@settings(max_examples=200, deadline=None)
def test_one_hot_tables_from_counts(counts):
    codes = np.repeat(np.arange(len(counts)), counts)
    table = one_hot_table(np.array(counts))
    raw = expanded(codes, len(counts) - 1)
    wanted = np.column_stack([reference(column, slice(None)) for column in raw.T])
    np.testing.assert_array_equal(table[codes], wanted)


def test_two_levels_are_signs():
    X = pd.DataFrame({"a": ["x", "y", None, "y", "x"]})
    (table,) = TableEncoder(dtype=np.float64).fit(X).tables
    z = np.array([0, 0.5, -0.5]) / np.sqrt(1 + np.array([0, 0.5, 0.5]) ** 2 / 9)
    np.testing.assert_allclose(table[:, 0], z, rtol=1e-15)  # quartiles -1 and 1


@pytest.mark.parametrize("most", [0, 1, 2, 8, np.inf])
def test_max_one_hot(most):
    encoder = TableEncoder(max_one_hot=most).fit(mixed())
    assert [of is None for of in encoder.tables] == [
        len(levels) > most for levels in encoder.levels
    ]


def same_tables(X):
    """The cells of a frame in every kind of table."""
    X = X.astype({"bool": object})
    X = X.astype(object).where(X.notna(), None)
    dicts = X.to_dict("records")
    return {
        "pandas": pd.DataFrame(dicts),
        "object": X,
        "nullable": X.convert_dtypes(),
        "pyarrow": X.convert_dtypes(dtype_backend="pyarrow"),
        "category": X.astype(
            {name: "category" for name in X if name[0] in "bc"}
        ).astype({"count": int}),
        "polars": pl.DataFrame(dicts),
        "categorical": pl.DataFrame(dicts).with_columns(
            pl.col("^c\\d+$").cast(pl.Categorical)
        ),
        "arrow": pa.Table.from_pylist(dicts),
        "dicts": dicts,
        "array": X.to_numpy(),
        "rows": X.to_numpy().tolist(),
    }


@pytest.mark.parametrize("kind", same_tables(mixed(30)))
def test_the_kind_of_table_does_not_matter(kind):
    X = mixed(60)
    encoder = TableEncoder().fit(X)
    given = same_tables(X)[kind]
    other = TableEncoder().fit(given)
    assert (other.feature_names_in is None) == (kind in ("array", "rows"))
    Z = encoder.transform(X)
    np.testing.assert_array_equal(other.transform(given), Z)
    if kind != "array":
        np.testing.assert_array_equal(encoder.transform(given), Z)
    for levels, wanted in zip(other.levels, encoder.levels):
        assert levels.tolist() == wanted.tolist() and levels.dtype == wanted.dtype


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_infinity=False),
    st.sampled_from(["", "1", "1.0", "True", "x", "007", "-0.5"]),
)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12), st.data())
@settings(max_examples=300, deadline=None)
def test_rows_do_not_depend_on_one_another(rows, data):
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=9))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder = TableEncoder(max_one_hot=2).fit(rows, np.unique(chosen))
        Z = encoder.transform(rows)
        part = encoder.transform([rows[i] for i in chosen])
    np.testing.assert_array_equal(part, Z[chosen])
    numbers = Z[:, : encoder.n_numbers]
    assert np.nanmax(np.abs(numbers), initial=0) <= 3
    for place, levels in enumerate(encoder.levels, encoder.n_numbers):
        assert set(Z[chosen, place]) - {0} == set(range(1, len(levels) + 1))


def test_statistics_are_those_of_the_training_part():
    X = mixed()
    rows = np.arange(100)
    Y = X.copy()
    Y.loc[100:, "n0"], Y.loc[100:, "c3"] = 1e9, "new"
    one, other = TableEncoder().fit(X, rows), TableEncoder().fit(Y, rows)
    assert pickle.dumps(one.content()) == pickle.dumps(other.content())
    mask = np.zeros(300, bool)
    mask[rows] = True
    masked = TableEncoder().fit(X, mask)
    assert pickle.dumps(masked.content()) == pickle.dumps(one.content())
    # The kind of a column is that of all rows.
    X = pd.DataFrame({"a": np.array([1, 2, "x"], dtype=object)})
    with pytest.warns(UserWarning, match="numbers, and texts such as 'x'"):
        encoder = TableEncoder().fit(X, [0, 1])
    assert encoder.transform(X)[:, 0].tolist() == [1, 2, 0]


def test_missing_and_unseen_are_code_0():
    encoder = TableEncoder().fit([["a"], ["b"], [None]])
    Z = encoder.transform([["b"], ["c"], [None], [NAN], [pd.NA], ["a"], [""]])
    assert Z[:, 0].tolist() == [2, 0, 0, 0, 0, 1, 0]
    assert TableEncoder().fit([["a"], [""]]).levels[0].tolist() == ["", "a"]


@pytest.mark.parametrize(
    "levels, given, codes",
    [
        ([1, 3, 2], [3.0, 1, 2.0, 4, True], [3, 1, 2, 0, 1]),
        ([1, 3], ["1", "3", "1.0", "01"], [1, 2, 0, 0]),
        ([1.0, 3.0], [1, "3", 2], [1, 2, 0]),
        ([0.5, 1.5], ["0.5", 1.5, "1.50"], [1, 2, 0]),
        (["1", "3"], [1, 3.0, "3", 1.5], [1, 2, 2, 0]),
        (["007", "7"], [7, "007", "7"], [2, 1, 2]),
        (["0.5"], [0.5, "0.5"], [1, 1]),
        ([True, False], [True, 1, 0.0, "True", "true"], [2, 2, 1, 2, 0]),
        (["True", "False"], [True, "False"], [2, 1]),
        ([2**53, 2**53 + 1], [2**53 + 1, float(2**53)], [2, 1]),
        ([2**63, 1], [2**63, 1], [2, 1]),
        ([10**30, 1], [10**30, 1], [2, 1]),
        (["nan", "inf", "1_0"], ["inf", 10, NAN], [2, 0, 0]),
        ([True, 2], [2, True, 1, "1"], [2, 1, 1, 1]),
        ([True, "1", "True"], [1, True, "1", "True"], [1, 1, 1, 2]),
    ],
)
def test_values_are_found_by_value(levels, given, codes):
    encoder = TableEncoder([0]).fit([[v] for v in levels])
    assert encoder.transform([[v] for v in given])[:, 0].tolist() == codes


def test_numbers_as_categories():
    X = pd.DataFrame({"a": [3, 1, 3, 2], "b": [0.5, NAN, 0.5, 1.0], "c": [1, 2, 3, 4]})
    encoder = TableEncoder(["a", "b"]).fit(X)
    assert encoder.levels[0].dtype == np.int64
    assert encoder.levels[1].dtype == np.float64
    assert encoder.transform(X)[:, 1:].tolist() == [[3, 1], [1, 0], [3, 1], [2, 2]]
    as_floats = X.astype(float)
    np.testing.assert_array_equal(encoder.transform(as_floats), encoder.transform(X))


def decimal_tables(dtype):
    """Every kind of table of the same decimals in a precision."""
    c = (np.arange(60) % 5 / 10 + 0.1).round(1).astype(dtype)
    a = np.linspace(0, 1, 60)
    frame = pd.DataFrame({"a": a, "c": c})
    arrow = pa.table({"a": a, "c": c})
    encoded = arrow.set_column(1, "c", arrow["c"].dictionary_encode())
    return {
        "pandas": frame,
        "category": frame.astype({"c": "category"}),
        "polars": pl.DataFrame({"a": a, "c": c}),
        "arrow": arrow,
        "arrow dictionary": encoded,
        "dicts of scalars": [{"a": x, "c": y} for x, y in zip(a, c)],
        "dicts": [{"a": x, "c": float(str(y))} for x, y in zip(a, c)],
        "converted": frame.astype({"c": "f8"}),
    }


@pytest.mark.parametrize("of_fit", ["pandas", "polars", "arrow", "dicts", "converted"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_decimals_are_the_same_level_in_every_precision(dtype, of_fit):
    encoder = TableEncoder(["c"]).fit(decimal_tables(dtype)[of_fit])
    for other in ("f4", "f8"):
        for kind, X in decimal_tables(other).items():
            Z = encoder.transform(X)
            np.testing.assert_array_equal(Z[:, -1], np.arange(60) % 5 + 1, kind)


def test_whole_numbers_are_the_same_level_in_float32():
    whole = 2**30 + 128 * np.arange(60)
    for first, second in (("i8", "f4"), ("f4", "i8"), ("f8", "f4")):
        encoder = TableEncoder(["c"])
        encoder.fit(pd.DataFrame({"c": whole.astype(first)}), warns=False)
        Z = encoder.transform(pd.DataFrame({"c": whole.astype(second)}))
        np.testing.assert_array_equal(Z[:, 0], np.arange(1, 61))


def test_mixed_values_are_texts():
    X = np.array([[1], ["1"], [2.0], ["x"], [True]], dtype=object)
    with pytest.warns(UserWarning, match="replace them by None"):
        encoder = TableEncoder().fit(X)
    assert encoder.levels[0].tolist() == ["1", "2", "x"]  # True is 1, met before it
    assert encoder.transform(X)[:, 0].tolist() == [1, 1, 2, 3, 1]


def test_plain_arrays_are_numbers():
    assert TableEncoder().fit(np.eye(3)).n_numbers == 3
    assert TableEncoder(None).fit(pd.DataFrame({"a": [True, False]})).n_numbers == 1
    assert TableEncoder().fit(np.eye(3) > 0).n_numbers == 0


@pytest.mark.parametrize(
    "chosen, places",
    [
        (["c", "a"], [0, 2]),
        ([2, 0], [0, 2]),
        ([-1], [2]),
        (np.array([True, False, True]), [0, 2]),
        (pd.Series([False, True, False]), [1]),
        (pd.Index(["b"]), [1]),
        ((np.int8(1),), [1]),
        ([], []),
        (None, []),
        ("from_dtype", [1]),
    ],
)
def test_categorical_features(chosen, places):
    X = pd.DataFrame({"a": [1, 2], "b": ["1", "2"], "c": [3, 4]})
    if chosen is None or 1 not in places:
        with pytest.raises(ValueError, match="'b' must hold numbers.* such as '1'"):
            TableEncoder(chosen).fit(X)
        X["b"] = [1, 2]
    encoder = TableEncoder(chosen).fit(X)
    assert encoder.category_columns.tolist() == places
    assert encoder.n_numbers == 3 - len(places)


@pytest.mark.parametrize(
    "chosen, words",
    [
        ("city", r"pass \['city'\]"),
        (["cty"], "'cty', which X does not have. Did you mean 'city'"),
        ([5], "position 5, but X has 2 columns"),
        ([0, 0], "names column 0 twice"),
        (["city", 1], "names column 1 twice"),
        ([True], "mask of 1 values, but X has 2 columns"),
        ([0.5], "got 0.5"),
        ([0, True], "got True"),
    ],
)
def test_wrong_categorical_features(chosen, words):
    with pytest.raises(ValueError, match=words):
        TableEncoder(chosen).fit(pd.DataFrame({"a": [1, 2], "city": ["x", "y"]}))
    if chosen == ["cty"]:
        with pytest.raises(ValueError, match="columns of X have no names"):
            TableEncoder(chosen).fit(np.eye(2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_and_missing_columns(dtype):
    X = pd.DataFrame(
        {"n": [7.0, 7, NAN], "gone": [NAN] * 3, "c": ["x"] * 3, "none": [None] * 3}
    )
    encoder = TableEncoder(dtype=dtype).fit(X)
    assert encoder.scales.tolist() == [0, 0]
    assert [of.shape for of in encoder.tables] == [(2, 1), (1, 0)]
    assert encoder.tables[0].tolist() == [[0], [0]]
    Z = encoder.transform(X)
    np.testing.assert_array_equal(Z, [[0, NAN, 1, 0], [0, NAN, 1, 0], [NAN, NAN, 1, 0]])
    other = pd.DataFrame({"n": [1e308, -1e308], "gone": [1.0, NAN], "c": 1, "none": 2})
    with pytest.warns(UserWarning, match="'c' are unknown"):
        Z = encoder.transform(other)
    np.testing.assert_array_equal(Z, [[0, 0, 0, 0], [0, NAN, 0, 0]])


@pytest.mark.parametrize(
    "values",
    [
        [1e308, -1e308, 5e307, 0],
        [1e-310, 2e-310, 0, 5e-324],
        [0, 0, 0, 0, 0, 1e300],
        [1, 1 + 1e-15, 1, 1],
        [1e200, -1.5, 2, 3, 4, 5, 6, 7],
        [0, 5e-324, 0, 0, 0, 1.7e308],
    ],
)
def test_any_magnitude(values):
    encoder = TableEncoder().fit(np.array(values)[:, None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = encoder.transform(np.array([*values, 1.7e308, -1.7e308])[:, None])
    assert np.isfinite(Z).all() and np.abs(Z).max() <= 3
    order = np.argsort([*values, 1.7e308, -1.7e308], kind="stable")
    assert (np.diff(Z[order, 0]) >= 0).all()


def test_infinite_numbers_are_refused():
    X = pd.DataFrame({"a": [1.0, 2], "b": [1.0, -np.inf]})
    with pytest.raises(ValueError, match=r"Column 'b' holds -inf: .* by NaN where"):
        TableEncoder().fit(X)
    encoder = TableEncoder().fit(X.replace(-np.inf, 0))
    with pytest.raises(ValueError, match=r"Column 'b' holds -inf"):
        encoder.transform(X)


def test_texts_among_numbers_are_refused():
    encoder = TableEncoder().fit(pd.DataFrame({"a": [1.0, 2.0]}))
    for cells in (["n/a", 1], ["n/a", None]):
        with pytest.raises(ValueError, match="Column 'a' .* such as 'n/a'. Convert"):
            encoder.transform(pd.DataFrame({"a": cells}))
    assert encoder.transform(pd.DataFrame({"a": [1, None]}, dtype=object)).shape == (
        2,
        1,
    )
    assert encoder.transform(pd.DataFrame({"a": [True, False]})).shape == (2, 1)
    a = encoder.transform(pd.DataFrame({"a": pd.Categorical([2, 1])}))
    assert a.tolist() == encoder.transform([[2], [1]]).tolist()


def test_other_columns_are_refused():
    X = mixed(20)
    encoder = TableEncoder().fit(X)
    with pytest.raises(ValueError, match="they are in another order"):
        encoder.transform(X[list(X)[::-1]])
    with pytest.raises(ValueError, match=r"missing: \['c9'\]"):
        encoder.transform(X.drop(columns="c9"))
    with pytest.raises(ValueError, match=r"unknown: \['d9'\]; missing: \['c9'\]"):
        encoder.transform(X.rename(columns={"c9": "d9"}))
    with pytest.raises(ValueError, match="X has 2 features, but M is expecting 11"):
        encoder.transform(np.eye(2), reader="M")
    with pytest.warns(UserWarning, match="does not have valid feature names, but M"):
        encoder.transform(X.set_axis(range(11), axis=1), reader="M")
    plain = TableEncoder().fit(X.to_numpy())
    with pytest.warns(UserWarning, match="has feature names, but the encoder was fit"):
        plain.transform(X)


def test_a_category_of_another_type_is_warned_of():
    encoder = TableEncoder().fit(pd.DataFrame({"a": ["x", "y"]}))
    with pytest.warns(UserWarning, match="column 'a' are .* 3, while .*'x'"):
        assert encoder.transform(pd.DataFrame({"a": [3, 4]})).tolist() == [[0], [0]]
    encoder.transform(pd.DataFrame({"a": ["u", "v"]}))  # texts that are merely new
    encoder.transform(pd.DataFrame({"a": [None, None]}))
    with pytest.raises(ValueError, match="'a' holds datetime64.* such as 2024-05-17"):
        encoder.transform(pd.DataFrame({"a": [pd.Timestamp("2024-05-17")]}))


def test_a_level_for_each_row_is_warned_of():
    X = pd.DataFrame({"id": [f"r{i}" for i in range(20)], "a": range(20)})
    with pytest.warns(UserWarning, match="'id' is a category with as many levels as"):
        TableEncoder().fit(X)
    TableEncoder().fit(X[:19])
    X.loc[0, "id"] = "r1"
    TableEncoder().fit(X)
    with pytest.warns(UserWarning, match="rows, 20"):
        TableEncoder([0]).fit(np.arange(40)[:, None], np.arange(20))


def test_a_failed_fit_changes_nothing():
    encoder = TableEncoder().fit(mixed())
    before = pickle.dumps(encoder)
    with pytest.raises(ValueError):
        TableEncoder.fit(encoder, mixed().assign(c9=pd.Timestamp("2024-05-17")))
    assert pickle.dumps(encoder) == before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("named", [True, False])
def test_content(dtype, named):
    X = mixed()
    X["id"] = np.arange(300) % 7 + 2**60
    X["half"] = np.arange(300) % 3 / 2
    X = X if named else X.to_numpy(dtype=object)
    encoder = TableEncoder([*range(4, 13)], dtype=dtype).fit(X)
    tensors = {}
    stored = file_values.encode(encoder.content(), "encoder", tensors)
    file_values.to_json(stored)
    content = file_values.decode(stored, "encoder", tensors)
    for other in (
        TableEncoder.from_content(content),
        TableEncoder.from_content(encoder.content()),
        pickle.loads(pickle.dumps(encoder)),
    ):
        Z = other.transform(X)
        assert Z.dtype == dtype and Z.tobytes() == encoder.transform(X).tobytes()
        for name in ("number_columns", "category_columns", "medians", "scales"):
            assert getattr(other, name).tobytes() == getattr(encoder, name).tobytes()
        for one, of in zip(other.tables, encoder.tables):
            assert (one is None) == (of is None)
            assert of is None or one.tobytes() == of.tobytes()
        assert other.codes == encoder.codes and other.names == encoder.names


@pytest.mark.parametrize(
    "change",
    [
        {"n_features_in": 12},
        {"category_columns": np.array([1, 1])},
        {"category_columns": np.array([20])},
        {"levels": []},
        {"tables": [np.zeros((1, 1))] * 7},
        {"medians": np.zeros(3), "scales": np.zeros(3)},
        {"feature_names_in": np.array(["a"], dtype=object)},
    ],
)
def test_content_that_does_not_fit(change):
    content = TableEncoder().fit(mixed()).content()
    with pytest.raises(ValueError, match="do not fit one another"):
        TableEncoder.from_content(content | change)


def test_thousands_of_levels():
    rng = np.random.default_rng(0)
    codes = rng.integers(5000, size=20000)
    X = pd.DataFrame({"a": np.array([f"l{i:04}" for i in range(5000)])[codes]})
    Z = TableEncoder().fit(X).transform(X)
    np.testing.assert_array_equal(Z[:, 0], np.unique(codes, return_inverse=True)[1] + 1)


def peak_beside(X, n_columns):
    """Bytes that a transform takes, over those of the matrix in float32."""
    encoder = TableEncoder().fit(X)
    tracemalloc.start()
    encoder.transform(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    encoder.fit(X)
    _, fitting = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return max(peak, fitting) / (4 * len(X) * n_columns)


def wide(n, dtype):
    """A frame of 45 numbers and 5 categories."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 45)).astype(dtype))
    for place in range(5):
        X[f"c{place}"] = pd.Categorical(rng.integers(1000, size=n))
    return X.set_axis([f"c{i}" for i in range(50)], axis=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory(dtype):
    assert peak_beside(wide(20000, dtype), 50) < 2


@pytest.mark.long
def test_memory_of_a_million_rows():
    assert peak_beside(wide(1_000_000, np.float64), 50) < 2


PLAIN = """
import sys
import numpy as np
from fastmlp._tables.encoder import TableEncoder
from fastmlp._tables.row_encoder import RowEncoder
X = [{"a": 1.0, "b": "x"}, {"a": None, "b": "y"}, {"a": 3.0}]
encoder = TableEncoder().fit(X)
assert RowEncoder(encoder)(X[0]).tobytes() == encoder.transform(X)[:1].tobytes()
encoder.fit(np.array([[1, "x"], [2, "y"]], dtype=object))
loaded = {"pandas", "polars", "pyarrow", "sklearn"} & set(sys.modules)
assert not loaded, loaded
"""


def test_no_package_is_needed():
    subprocess.run([sys.executable, "-c", PLAIN], check=True)
