"""The columns of X by name: dates, texts and gaps; needs no scikit-learn."""

from __future__ import annotations

import re

import numpy as np

# Names of types of pandas, polars and pyarrow: Datetime, date32, timestamp, time64, ..
_DATES = re.compile(r"date|time|duration|period", re.IGNORECASE)
_DAYS = "Convert dates, for example to days since a first one."
_CODES = (
    "Encode it, for example with sklearn.preprocessing.OneHotEncoder or OrdinalEncoder "
    "in a sklearn.compose.ColumnTransformer, or leave it out."
)


def check_dates(X, name):
    """Raise ValueError for dates and times, which NumPy would take for numbers.

    Parameters
    ----------
    X : array, DataFrame, Series or Table
    name : str
        Of the argument.
    """
    for label, kind in column_types(X):
        if getattr(kind, "kind", "") in ("m", "M") or (
            not isinstance(kind, np.dtype) and _DATES.match(str(kind))
        ):
            where = "" if label is None else f" in column {label!r}"
            raise ValueError(
                f"{name} must hold real numbers, got dtype {kind}{where}. {_DAYS}"
            )


def column_types(X):
    """Label and type of each column; of an array one type, and None as its label."""
    if hasattr(X, "dtype"):
        return [(None, X.dtype)]
    if hasattr(X, "schema") and hasattr(X.schema, "types"):  # a Table of pyarrow
        return list(zip(X.schema.names, X.schema.types))
    if hasattr(X, "type"):  # an Array of pyarrow
        return [(None, X.type)]
    if hasattr(X, "dtypes") and hasattr(X, "columns"):
        return list(zip(X.columns, X.dtypes))
    return []


def text_fault(X):
    """The fault of an X that does not convert to numbers, in words, or None.

    Parameters
    ----------
    X : array-like, DataFrame or Table
    """
    for label, values in _object_columns(X):
        for value in values:
            if value is None or type(value).__name__ == "NAType":  # that of pandas
                continue
            try:
                float(value)
            except (TypeError, ValueError, OverflowError) as error:
                kind = type(value).__name__
                example = repr(str(value)[:40])
                what = f"texts such as {example}"
                if not isinstance(value, str | bytes):
                    what = f"{kind} objects such as {example}: {error}"
                return (
                    f"X must hold real numbers, but column {label!r} holds {what}. "
                    f"{_DAYS if _DATES.match(kind) else _CODES}"
                )
    return None


def _object_columns(X):
    """Label and values of each column that may hold other things than numbers."""
    types = column_types(X)
    if types and types[0][0] is not None:
        for number, (label, kind) in enumerate(types):
            if getattr(kind, "kind", "O") in "fiub":
                continue
            if hasattr(X, "iloc"):
                yield label, X.iloc[:, number].tolist()
            elif hasattr(X, "get_column"):
                yield label, X.get_column(label).to_list()
            elif hasattr(X, "to_pylist"):
                yield label, X.column(number).to_pylist()
        return
    try:
        array = np.asarray(X, dtype=object)
    except ValueError:  # rows of several lengths
        return
    if array.ndim == 2 and getattr(X, "dtype", np.dtype(object)).kind in "OUST":
        yield from enumerate(array.T.tolist())


def gap_fault(array, X):
    """The message about NaN in the array that X was converted to, or None."""
    values = array.data if not isinstance(array, np.ndarray) else array
    if values.dtype.kind != "f" or not np.isnan(values).any():
        return None
    where = ""
    if array is values and array.ndim == 2:
        gaps = np.isnan(array)
        column = int(gaps.any(axis=0).argmax())
        labels = [label for label, _ in column_types(X) if label is not None]
        label = labels[column] if len(labels) == array.shape[1] else column
        where = (
            f" in {gaps.any(axis=1).sum()} of {len(array)} rows, first in column "
            f"{label!r}"
        )
    return (
        f"Input X contains NaN{where}: a network needs all values. Fill them in, for "
        "example with sklearn.impute.SimpleImputer before it in a pipeline, or leave "
        "those rows or columns out."
    )
