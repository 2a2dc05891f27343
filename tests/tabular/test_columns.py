"""Tables of every kind: names, kinds of columns, cells, and what is refused."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from fastmlp._tables.table import read_table

NAN = np.nan


def only(X):
    """The single column of a table."""
    table = read_table(X)
    assert table.n_columns == 1
    return table.read(0)


def cells_of(column):
    """The cells as plain values, by way of codes and distinct values."""
    codes, values = column.factors()
    present = [value for value in values if value is not None]
    assert len(set(map(repr, present))) == len(present)
    cells = [None if code < 0 else values[code] for code in codes.tolist()]
    return [None if cell != cell else cell for cell in cells]


def frame(cells, dtype=None):
    return pd.DataFrame({"a": pd.Series(cells, dtype=dtype)})


def arrow(cells, dtype=None):
    return pa.table({"a": pa.array(cells, dtype)})


def polars(cells, dtype=None):
    return pl.DataFrame({"a": pl.Series(cells, dtype=dtype)})


NUMBERS = {
    "float64": frame([1.0, NAN, 3.0]),
    "float32": frame([1.0, NAN, 3.0], "float32"),
    "Int64": frame([1, None, 3], "Int64"),
    "UInt8": frame([1, None, 3], "UInt8"),
    "Float32": frame([1, None, 3], "Float32"),
    "int pyarrow": frame([1, None, 3], "int64[pyarrow]"),
    "double pyarrow": frame([1, None, 3], "double[pyarrow]"),
    "sparse": frame([1.0, NAN, 3.0], "Sparse[float]"),
    "object": frame([1, None, 3.0], object),
    "object with NA": frame([1, pd.NA, np.float32(3)], object),
    "decimals": frame([Decimal("1"), None, Fraction(3)], object),
    "chunks": pa.concat_tables([arrow([1.0, None]), arrow([3.0])]),
    "arrow": arrow([1.0, None, 3.0]),
    "arrow int8": arrow([1, None, 3], pa.int8()),
    "arrow half": arrow([1.0, None, 3.0], pa.float16()),
    "arrow decimal": arrow([Decimal(1), None, Decimal(3)]),
    "polars": polars([1.0, None, 3.0]),
    "polars Int8": polars([1, None, 3], pl.Int8),
    "polars UInt64": polars([1, None, 3], pl.UInt64),
    "polars Decimal": polars([Decimal(1), None, Decimal(3)]),
    "polars NaN": polars([1.0, NAN, 3.0]),
    "array": np.array([[1.0], [NAN], [3.0]]),
    "half": np.array([[1.0], [NAN], [3.0]], np.float16),
    "long double": np.array([[1.0], [NAN], [3.0]], np.longdouble),
    "masked": np.ma.array([[1], [2], [3]], mask=[[0], [1], [0]]),
    "object array": np.array([[1], [None], [3]], object),
    "rows": [[1], [None], [3.0]],
    "tuples": [(1,), (NAN,), (3.0,)],
    "arrays": [np.array([1.0]), np.array([NAN]), np.array([3.0])],
    "dicts": [{"a": 1}, {"a": None}, {"a": 3.0}],
    "absent": [{"a": 1}, {}, {"a": 3.0}],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers(kind):
    column = only(NUMBERS[kind])
    assert not column.is_category
    numbers = column.numbers()
    assert numbers.dtype == np.float64
    np.testing.assert_array_equal(numbers, [1, NAN, 3])
    assert cells_of(column) == [1, None, 3]


TEXTS = {
    "str": frame(["x", None, "y", "x"]),
    "object": frame(["x", None, "y", "x"], object),
    "object NaN": frame(["x", NAN, "y", "x"], object),
    "object NaT": frame(["x", pd.NaT, "y", "x"], object),
    "string": frame(["x", None, "y", "x"], "string"),
    "python string": frame(["x", None, "y", "x"], pd.StringDtype("python")),
    "string pyarrow": frame(["x", None, "y", "x"], "string[pyarrow]"),
    "pyarrow": frame(["x", None, "y", "x"], pd.ArrowDtype(pa.string())),
    "category": frame(["x", None, "y", "x"], "category"),
    "unused": frame(["x", None, "y", "x"], pd.CategoricalDtype(["y", "z", "x"])),
    "arrow": arrow(["x", None, "y", "x"]),
    "arrow large": arrow(["x", None, "y", "x"], pa.large_string()),
    "arrow view": arrow(["x", None, "y", "x"], pa.string_view()),
    "dictionary": arrow(["x", None, "y", "x"], pa.dictionary(pa.int8(), pa.string())),
    "chunks": pa.concat_tables(
        [
            pa.table({"a": pa.array(part).dictionary_encode()})
            for part in (["x", None], ["y", "x"])
        ]
    ),
    "polars": polars(["x", None, "y", "x"]),
    "Categorical": polars(["x", None, "y", "x"], pl.Categorical),
    "Enum": polars(["x", None, "y", "x"], pl.Enum(["z", "y", "x"])),
    "object array": np.array([["x"], [None], ["y"], ["x"]], object),
    "rows": [["x"], [None], ["y"], ["x"]],
    "dicts": [{"a": "x"}, {}, {"a": "y"}, {"a": "x"}],
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts(kind):
    column = only(TEXTS[kind])
    assert column.is_category
    assert cells_of(column) == ["x", None, "y", "x"]
    with pytest.raises(ValueError, match=r"must hold numbers, .* such as 'x'\. Conv"):
        column.numbers()


@pytest.mark.parametrize("dtype", ["U1", np.dtypes.StringDType()])
def test_arrays_of_text(dtype):
    column = only(np.array([["x"], [""], ["y"]], dtype))
    assert cells_of(column) == ["x", "", "y"]  # an empty text is a text


BOOLS = {
    "bool": frame([True, False, True]),
    "boolean": frame([True, None, True], "boolean"),
    "pyarrow": frame([True, None, True], "bool[pyarrow]"),
    "object": frame([True, None, True], object),
    "arrow": arrow([True, None, True]),
    "polars": polars([True, None, True]),
    "array": np.array([[True], [False], [True]]),
    "rows": [[True], [None], [np.True_]],
}


@pytest.mark.parametrize("kind", BOOLS)
def test_bools(kind):
    column = only(BOOLS[kind])
    second = False if kind in ("bool", "array") else None
    assert column.is_category
    cells = cells_of(column)
    assert cells == [True, second, True] and type(cells[0]) is bool
    assert column.numbers()[[0, 2]].tolist() == [1, 1]


def test_categories_of_other_values():
    column = only(frame([3, 1, None, 3], "category"))
    assert column.is_category and cells_of(column) == [3, 1, None, 3]
    np.testing.assert_array_equal(column.numbers(), [3, 1, NAN, 3])
    column = only(pd.DataFrame({"a": pd.cut([1, 5, 9], [0, 4, 10])}))
    assert cells_of(column) == ["(0, 4]", "(4, 10]", "(4, 10]"]
    column = only(pd.DataFrame({"a": pd.arrays.IntervalArray.from_breaks([0, 1, 2])}))
    assert column.is_category and cells_of(column) == ["(0, 1]", "(1, 2]"]
    unused = pd.Categorical([1, 2], categories=[1, 2, "x"])
    assert only(pd.DataFrame({"a": unused})).numbers().tolist() == [1, 2]


@pytest.mark.parametrize(
    "X",
    [
        frame([None, None], object),
        frame([pd.NA, None], object),
        arrow([None, None]),
        polars([None, None]),
        [[None], [None]],
    ],
)
def test_a_column_without_type_and_values_is_a_category(X):
    column = only(X)
    assert column.is_category and cells_of(column) == [None, None]
    assert np.isnan(column.numbers()).all()


def test_large_integers_keep_their_digits():
    big = [2**53, 2**53 + 1, None]
    for X in (frame(big, "Int64"), arrow(big), polars(big), [[v] for v in big]):
        assert cells_of(only(X)) == big


def test_mixtures():
    column = only([[1], ["x"], [None]])
    assert column.is_category and column.mixture == "x"
    assert only([[1.5], [True]]).is_category
    assert only([[1.5], [2]]).mixture is None


DAY = dt.datetime(2024, 5, 17)
DATES = {
    "pandas": frame([DAY]),
    "zone": frame([pd.Timestamp(DAY, tz="UTC")]),
    "period": frame([pd.Period("2024-05", "M")]),
    "object": frame([DAY], object),
    "date": frame([DAY.date()], object),
    "time": [[DAY.time()]],
    "arrow": arrow([DAY]),
    "arrow date": arrow([DAY.date()]),
    "pyarrow": frame([DAY], "timestamp[ns][pyarrow]"),
    "category": frame(pd.Categorical([pd.Timestamp(DAY)])),
    "polars": polars([DAY]),
    "polars date": polars([DAY.date()]),
    "polars time": polars([DAY.time()]),
    "array": np.array([[np.datetime64(DAY)]]),
    "no value": frame([pd.NaT]),
    "no value in polars": polars([None], pl.Date),
}


@pytest.mark.parametrize("kind", DATES)
def test_dates_are_refused(kind):
    label = "'a'" if hasattr(DATES[kind], "columns") else "0"
    with pytest.raises(ValueError, match=rf"^Column {label} holds .* such as") as info:
        only(DATES[kind])
    assert f"X[{label}].dt.year" in str(info.value)


@pytest.mark.parametrize(
    "X",
    [
        frame([dt.timedelta(1)]),
        frame([dt.timedelta(1)], object),
        arrow([dt.timedelta(1)]),
        polars([dt.timedelta(1)]),
        np.array([[np.timedelta64(1, "D")]]),
    ],
)
def test_spans_of_time_are_refused(X):
    with pytest.raises(ValueError, match=r"holds .* such as .*total_seconds\(\)"):
        only(X)


@pytest.mark.parametrize(
    "X, words",
    [
        (np.array([[1j]]), "complex128 values such as 1j. Complex data not supported"),
        ([[1j]], "complex values such as 1j. Complex data not supported"),
        (frame([b"x"], object), "bytes values such as .*decode"),
        (np.array([[b"x"]]), "Decode"),
        (arrow([b"x"]), "binary values such as .* Decode"),
        (polars([b"x"]), "Decode"),
        (frame([[1, 2]], object), r"list values such as \[1, 2\]. Spread"),
        (frame([(1, 2)], object), "tuple values .* Spread"),
        (arrow([[1, 2]]), "Spread"),
        (arrow([{"b": 1}]), "Spread"),
        (polars([[1, 2]]), "Spread"),
        (polars([{"b": 1}]), "Spread"),
        (frame([{"b": 1}], object), "Spread"),
        ([[np.array([1])]], "Spread"),
        ([[object()]], "object values such as .* str"),
    ],
)
def test_other_values_are_refused(X, words):
    with pytest.raises(ValueError, match=words) as info:
        only(X)
    assert "olumn 'a'" in str(info.value) or "olumn 0" in str(info.value)


def test_long_values_are_cut_in_messages():
    with pytest.raises(ValueError) as info:
        only([["x" * 1000]]).numbers()
    assert len(str(info.value)) < 400


def test_numbers_beyond_float64_are_refused():
    with pytest.raises(ValueError, match="olumn 0 holds 1000.*too large for float64"):
        only([[10**400], [1]]).numbers()
    with pytest.raises(ValueError, match="olumn 0 holds 1000.*too large for float64"):
        only([[10**400], [Fraction(10**400)]]).numbers()


@pytest.mark.parametrize(
    "X, words",
    [
        (np.zeros(3), "Expected 2D array, got 1D array"),
        (np.zeros((2, 2, 2)), "got 3D array"),
        (np.float64(1), "got 0D array"),
        ([1, 2], "got 1D array"),
        (["ab", "cd"], "got 1D array"),
        (pd.Series([1, 2]), "got 1D array"),
        (None, "got 0D array"),
        ([], r"Found array with 0 sample\(s\)"),
        (np.zeros((0, 2)), r"Found array with 0 sample\(s\)"),
        (np.zeros((2, 0)), r"Found array with 0 feature\(s\)"),
        (pd.DataFrame(), r"0 sample\(s\)"),
        (pd.DataFrame({"a": []}), r"0 sample\(s\)"),
        (pl.DataFrame(), r"0 sample\(s\)"),
        ([[]], r"0 feature\(s\)"),
        (np.zeros(2, [("a", float)]), "structured array .* pandas.DataFrame"),
        ([[1, 2], [3]], "row 0 has 2 values and row 1 has 1"),
        ([{"a": 1}, [1]], "dicts and other rows"),
        ([{1: 2}], "names of columns, got 1. Use '1'"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "2 columns of the name 'a'"),
        (pa.table([pa.array([1])] * 2, names=["a", "a"]), "2 columns of the name 'a'"),
    ],
)
def test_what_is_no_table(X, words):
    with pytest.raises(ValueError, match=words):
        read_table(X)


def test_frames_that_cannot_be_read():
    with pytest.raises(TypeError, match=r"X\.collect\(\)"):
        read_table(pl.LazyFrame({"a": [1]}))
    with pytest.raises(TypeError, match=r"X is sparse.*X\.toarray\(\)"):
        read_table(sparse.csr_array(np.eye(2)))
    with pytest.raises(TypeError, match="string names"):
        read_table(pd.DataFrame([[1, 2]], columns=["a", 0]))


def test_types_that_must_be_cast():
    wide = pl.DataFrame({"a": pl.Series([1, 2], dtype=pl.Int128)})
    runs = pa.table({"a": pa.compute.run_end_encode(pa.array([1, 1, 2]))})
    for X, remedy in ((wide, r"\.cast\(float\)"), (runs, "run_end_decode")):
        with pytest.raises(ValueError, match=f"Column 'a' is of type.*{remedy}"):
            read_table(X).read(0)


def test_names():
    assert read_table(pd.DataFrame({"b": [1], "a": [2]})).names == ["b", "a"]
    assert read_table(pd.DataFrame([[1, 2]])).names is None
    assert read_table(pd.DataFrame([[1, 2]], columns=[5, 5])).names is None
    assert read_table(np.eye(2)).names is None
    assert read_table([{"b": 1}, {"a": 2, "b": 3}]).names == ["b", "a"]
    batch = pa.RecordBatch.from_pydict({"a": [1]})
    assert read_table(batch).names == ["a"]


def test_keys_of_dicts():
    table = read_table([{"b": 2}], names=["a", "b"])
    assert table.n_columns == 2 and table.read(1).numbers().tolist() == [2]
    assert np.isnan(table.read(0).numbers()).all()
    with pytest.raises(ValueError, match="key 'aga', .*Did you mean 'age'"):
        read_table([{"aga": 2}], names=["age", "b"])


def test_the_table_is_not_changed():
    X = np.array([[1.0], [NAN]])
    only(X).numbers()[:] = 0
    np.testing.assert_array_equal(X, [[1], [NAN]])
