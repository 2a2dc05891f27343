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


def is_date(name):
    """Whether a type of this name holds dates, times or spans of time."""
    return _DATES.match(name) is not None


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
            not isinstance(kind, np.dtype) and is_date(str(kind))
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
        what, kind = _no_number(values)
        if what is not None:
            return (
                f"X must hold real numbers, but column {label!r} holds {what}. "
                f"{_DAYS if is_date(kind) else _CODES}"
            )
    return None


def target_fault(y):
    """The fault of targets that do not convert to numbers, in words, or None.

    Parameters
    ----------
    y : array-like, DataFrame or Table
    """
    try:
        values = np.asarray(y, dtype=object).ravel()
    except ValueError:  # rows of several lengths
        return None
    what, _ = _no_number(values.tolist())
    if what is None:
        return None
    return (
        f"y must hold real numbers, but it holds {what}. Convert them to numbers, or "
        "use a classifier if they are classes."
    )


def _no_number(values):
    """The first value that is no number, described in words, and its type, or None."""
    for value in values:
        if value is None or type(value).__name__ == "NAType":  # that of pandas
            continue
        try:
            float(value)
        except (TypeError, ValueError, OverflowError) as error:
            kind = type(value).__name__
            example = repr(str(value)[:40])
            if isinstance(value, str | bytes):
                return f"texts such as {example}", kind
            return f"{kind} objects such as {example}: {error}", kind
    return None, None


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


def finite_fault(array, labels, is_whole=True):
    """The message about NaN or infinity in an array of numbers, or None.

    Parameters
    ----------
    array : ndarray or sparse matrix
        The numbers of X, in the precision of the model.
    labels : list of str or None
        Names of the columns.
    is_whole : bool
        Whether ``array`` holds all rows of X, so that those at fault are counted.
    """
    is_dense = isinstance(array, np.ndarray)
    array = array if is_dense else array.tocoo()
    values = array if is_dense else array.data
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return None
    has_gaps = np.isnan(values).any()
    places = np.nonzero(np.isnan(values) if has_gaps else np.isinf(values))
    where = ""
    if array.ndim == 2:
        rows, columns = places if is_dense else (array.row[places], array.col[places])
        column = int(columns.min())
        if is_whole:
            where = f" in {len(np.unique(rows))} of {array.shape[0]} rows"
        where += f", first in column {labels[column] if labels else column!r}"
    if has_gaps:
        return (
            f"Input X contains NaN{where}: a network needs all values. Fill them in, "
            "for example with sklearn.impute.SimpleImputer before it in a pipeline, or "
            "leave those rows or columns out."
        )
    remedy = ""
    if values.dtype == np.float32:
        remedy = ", or rescale the column, or use dtype='float64' for large values"
    return (
        f"Input X contains infinity or a value too large for {values.dtype!r}{where}. "
        "Replace infinite values, for example by the largest finite one of the column, "
        f"or leave those rows or columns out{remedy}."
    )


def column_labels(X, n_columns):
    """Names of the columns of a frame, or None."""
    labels = [label for label, _ in column_types(X) if label is not None]
    return labels if len(labels) == n_columns else None
