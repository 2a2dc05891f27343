"""Tables of every kind, read column by column.

A frame of pandas or polars, a Table of pyarrow, an array of NumPy, a list of rows and a
list of dicts become the same: names, numbers of rows and columns, and a function that
reads a column. Nothing is imported for it but what X is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastmlp._data.rows import (
    check_is_read,
    check_two_dimensional,
    column_names,
    is_sparse,
    known_frame,
)
from fastmlp._tables.columns import (
    LevelColumn,
    NumberColumn,
    ObjectColumn,
    cast_error,
    refusal,
)
from fastmlp._utils.spelling import did_you_mean


class Table(NamedTuple):
    """The columns of a table, their names and how to read them."""

    names: list[str] | None
    n_rows: int
    n_columns: int
    read: Callable  # the column of a position


def read_table(X, names=None):
    """X as a Table, none of whose columns is read yet.

    Parameters
    ----------
    X : DataFrame, Table, ndarray or list
    names : list of str or None
        The allowed keys of dicts; None takes them as they are.

    Raises
    ------
    ValueError
        If X is no table, or two of its columns have the same name.
    TypeError
        If X is sparse, or a frame whose rows are still to be read.
    """
    check_is_read(X, "X")
    X = known_frame(X)
    if is_sparse(X):
        raise TypeError("X is sparse, but a table must be dense: pass X.toarray().")
    if isinstance(X, list | tuple):
        return _of_rows(X, names)
    for marks, of_frame in _FRAMES:
        if all(hasattr(X, mark) for mark in marks):
            table = of_frame(X)
            _check_unique(table.names)
            _check_size(table)
            return table
    return _of_array(X)


def _check_unique(names):
    """Raise ValueError if two columns have the same name."""
    if names is None or len(set(names)) == len(names):
        return
    seen = set()
    twice = next(name for name in names if name in seen or seen.add(name))
    raise ValueError(
        f"X has {names.count(twice)} columns of the name {twice!r}, which leaves open "
        "which one is meant. Rename them, or drop all but one."
    )


def _check_size(table):
    """Raise ValueError if there are no rows or no columns."""
    n_rows, n_columns = table.n_rows, table.n_columns
    if n_rows == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape=(0, {n_columns})) while a minimum of "
            "1 is required."
        )
    if n_columns == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape=({n_rows}, 0)) while a minimum of 1 "
            "is required."
        )


def _of_pandas(frame):
    """A DataFrame of pandas."""
    check_two_dimensional(frame.ndim)

    def read(place):
        return _pandas_column(frame.columns[place], frame.iloc[:, place])

    return Table(column_names(frame), *frame.shape, read)


def _pandas_column(label, series):
    """A Series of pandas."""
    kind = series.dtype
    if isinstance(kind, np.dtype) and kind.kind != "O":
        return _array_column(label, series.to_numpy())
    if hasattr(series, "cat"):
        return LevelColumn(
            label, series.cat.codes.to_numpy(), series.cat.categories.tolist()
        )
    if hasattr(kind, "pyarrow_dtype") or getattr(kind, "storage", "") == "pyarrow":
        import pyarrow as pa

        array = pa.array(series)
        if isinstance(array, pa.Array):
            array = pa.chunked_array([array])
        return _arrow_column(label, array)
    if hasattr(kind, "numpy_dtype") and kind.kind in "fiub":  # nullable
        missing = series.isna().to_numpy()
        values = series.to_numpy(dtype=kind.numpy_dtype, na_value=0)
        return NumberColumn(label, values, missing)
    if getattr(kind, "kind", "O") in "mM" or str(kind).startswith("period"):
        present = series.dropna().head(1).tolist()
        raise refusal((present or ["NaT"])[0], label, str(kind))
    return ObjectColumn(label, series.tolist())


def _of_polars(frame):
    """A DataFrame of polars."""

    def read(place):
        return _polars_column(frame.columns[place], frame.to_series(place))

    return Table(list(frame.columns), *frame.shape, read)


def _polars_column(label, series):
    """A Series of polars."""
    kind = series.dtype
    if kind.is_temporal():
        present = series.drop_nulls().head(1).to_list()
        raise refusal((present or [None])[0], label, str(kind))
    if str(kind) in ("Int128", "UInt128"):
        raise cast_error(label, kind, f"X.with_columns(pl.col({label!r}).cast(float))")
    if kind.is_decimal():
        series, kind = series.cast(float), None
    missing = series.is_null().to_numpy() if series.null_count() else None
    if kind is None or kind.is_numeric():
        return NumberColumn(label, series.fill_null(0).to_numpy(), missing)
    if str(kind) == "Boolean":
        return NumberColumn(label, series.fill_null(False).to_numpy(), missing)
    if str(kind).startswith(("Categorical", "Enum")):
        present = series.drop_nulls()
        _, first, places = np.unique(
            present.to_physical().to_numpy(), return_index=True, return_inverse=True
        )
        codes = np.full(len(series), -1)
        codes[slice(None) if missing is None else ~missing] = places
        return LevelColumn(label, codes, present.gather(first).cast(str).to_list())
    return ObjectColumn(label, series.to_list())


def _of_arrow(table):
    """A Table of pyarrow."""

    def read(place):
        return _arrow_column(table.column_names[place], table.column(place))

    return Table(list(table.column_names), table.num_rows, table.num_columns, read)


def _arrow_column(label, column):
    """A ChunkedArray of pyarrow."""
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_decimal(kind) or types.is_float16(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        missing = None
        if column.null_count:
            missing = column.is_null().to_numpy()
            column = column.fill_null(False if types.is_boolean(kind) else 0)
        return NumberColumn(label, column.to_numpy(), missing)
    if types.is_null(kind):
        return LevelColumn(label, np.full(len(column), -1), [])
    if str(kind) in ("string", "large_string", "string_view"):
        column = column.cast(pa.large_string()).dictionary_encode()
    elif types.is_run_end_encoded(kind):
        remedy = f"pyarrow.compute.run_end_decode(X[{label!r}])"
        raise cast_error(label, kind, remedy)
    elif not types.is_dictionary(kind):
        present = column.drop_null().slice(0, 1).to_pylist()
        raise refusal((present or [None])[0], label, str(kind))
    array = column.unify_dictionaries().combine_chunks()
    codes = array.indices.cast(pa.int64()).fill_null(-1).to_numpy()
    return LevelColumn(label, codes, array.dictionary.to_pylist())


def _of_array(X):
    """An array of NumPy, or what becomes one."""
    gaps = np.ma.getmaskarray(X) if isinstance(X, np.ma.MaskedArray) else None
    array = np.asarray(X)
    if array.dtype.names is not None:
        raise ValueError(
            f"X is a structured array with the fields {list(array.dtype.names)[:5]}. "
            "Pass a frame, for example pandas.DataFrame(X)."
        )
    check_two_dimensional(array.ndim)

    def read(place):
        missing = None if gaps is None else gaps[:, place]
        return _array_column(place, array[:, place], missing)

    table = Table(None, *array.shape, read)
    _check_size(table)
    return table


def _array_column(label, values, missing=None):
    """A column of an array."""
    kind = values.dtype.kind
    if kind in "fiub":
        return NumberColumn(label, values, missing)
    if kind in "OUT":
        cells = values.tolist()
        if missing is not None:
            cells = [None if gap else cell for cell, gap in zip(cells, missing)]
        return ObjectColumn(label, cells)
    raise refusal(values[0], label, values.dtype.name)


def _of_rows(rows, names):
    """A list of rows, each of them a list, a tuple, an array or a dict."""
    if any(isinstance(row, dict) for row in rows):
        return _of_dicts(rows, names)
    rows = [row.tolist() if isinstance(row, np.ndarray) else row for row in rows]
    if not all(isinstance(row, list | tuple) for row in rows):
        check_two_dimensional(1)
    widths = set(map(len, rows))
    if len(widths) > 1:
        place = next(i for i, row in enumerate(rows) if len(row) != len(rows[0]))
        raise ValueError(
            f"All rows of X must have the same length, but row 0 has {len(rows[0])} "
            f"values and row {place} has {len(rows[place])}. Fill gaps with None."
        )
    columns = list(zip(*rows))
    return _of_lists(None, len(rows), columns)


def _of_dicts(rows, names):
    """A list of dicts; a key that is absent is a missing value."""
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("X holds dicts and other rows. Pass dicts only, or none.")
    found = list(dict.fromkeys(key for row in rows for key in row))
    if names is None:
        names = found
    else:
        check_keys(found, names)
    wrong = next((name for name in names if not isinstance(name, str)), None)
    if wrong is not None:
        raise ValueError(
            f"The keys of dicts in X must be names of columns, got {wrong!r}. Use "
            f"{str(wrong)!r}."
        )
    columns = [[row.get(name) for row in rows] for name in names]
    return _of_lists(names, len(rows), columns)


def check_keys(keys, names):
    """Raise ValueError for keys of a row that are no names of columns."""
    unknown = [key for key in keys if key not in names]
    if unknown:
        raise ValueError(
            f"X has the key {unknown[0]!r}, which is no column of the model."
            f"{did_you_mean(unknown[0], names)} It knows {list(names)[:10]}."
        )


def _of_lists(names, n_rows, columns):
    """Lists of cells, one for each column."""

    def read(place):
        label = place if names is None else names[place]
        return ObjectColumn(label, list(columns[place]))

    table = Table(names, n_rows, len(columns), read)
    _check_size(table)
    return table


# By what a frame is known, as some packages imitate others
_FRAMES = (
    (("iloc", "columns"), _of_pandas),
    (("to_series", "get_column"), _of_polars),
    (("schema", "column_names", "column"), _of_arrow),
)
