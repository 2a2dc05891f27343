"""Rows for the compiled core: conversion and checks that need no scikit-learn."""

from __future__ import annotations

import sys

import numpy as np

from fastmlp._data.columns import check_dates, text_fault
from fastmlp._utils.warnings import warn

PIECE = 2**23  # bytes of rows that are converted at a time


class Frozen:
    """Makes read-only copies in a dtype."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __call__(self, array):
        is_own = not array.flags.writeable and array.flags.c_contiguous
        if is_own and self.dtype in (None, array.dtype):
            return array
        array = np.array(array, dtype=self.dtype, order="C")
        array.setflags(write=False)
        return array


def pieces(n_rows, size):
    """Slices of ``size`` rows each; None is the slice of all rows."""
    if not size or n_rows <= size:
        return [None]
    return [slice(start, start + size) for start in range(0, n_rows, size)]


def is_sparse(X):
    """Return whether X is a matrix of SciPy, without importing it."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(X)


def is_dense(X):
    """Return whether X is an array of NumPy."""
    return isinstance(X, np.ndarray)


def native(X, dtype):
    """X in a dtype as the core takes it."""
    if is_dense(X):
        return np.ascontiguousarray(X, dtype=dtype)
    return X.astype(dtype, copy=False)


def check_indices(X):
    """Raise ValueError if a sparse matrix points beyond its shape or its arrays.

    SciPy's conversions do not look, and read and write where such an index says. Its
    own check stops early where the last of ``indptr`` says that nothing is stored.
    """
    if X.format == "coo":
        for places, size in zip((X.row, X.col), X.shape):
            if len(places) and not 0 <= places.min() <= places.max() < size:
                raise ValueError(f"it has indices beyond its shape {X.shape}")
    elif X.format in ("csr", "csc", "bsr"):
        if np.ndim(X.indptr) == 1 and (np.diff(X.indptr) < 0).any():
            raise ValueError("indptr of a sparse matrix must not decrease")
        view = type(X)((X.data, X.indices, X.indptr), shape=X.shape)  # else X changes
        view.check_format(full_check=True)
    elif X.format == "lil":
        X.tocsr().check_format(full_check=True)


def checked_sparse(X):
    """A sparse X of real numbers as CSR whose indices are within bounds."""
    try:
        if X.dtype.kind not in "fiub":
            raise ValueError(f"dtype {X.dtype}")
        check_indices(X)
        return X.tocsr()
    except ValueError as error:
        raise ValueError(f"X must hold real numbers; it cannot be used: {error}") from (
            None
        )


def check_is_read(X, name):
    """Raise TypeError for a frame whose rows are still to be read."""
    if hasattr(X, "collect") and not hasattr(X, "to_numpy"):
        raise TypeError(
            f"{name} is a {type(X).__name__}, whose rows are not read yet; pass "
            f"{name}.collect()."
        )


def numbers(X):
    """Dense X as an array of real numbers."""
    try:
        array = X.to_numpy() if hasattr(X, "to_numpy") else np.asarray(X)
        if not hasattr(X, "iloc"):  # beside floats polars makes floats of dates
            check_dates(X, "X")
        if array.dtype.kind not in "fiub":
            check_dates(X, "X")
            if array.dtype.kind == "c":
                raise ValueError(f"dtype {array.dtype}")
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        check_dates(X, "X")
        fault = text_fault(X)
        if fault is not None:
            raise ValueError(fault) from None
        raise ValueError(
            f"X must hold real numbers; it cannot be used: {error}"
        ) from None
    return array


def known_frame(X):
    """X, or a frame that scikit-learn knows in place of one that it does not know.

    It reads a RecordBatch of pyarrow and a frame of narwhals as arrays, by position.
    """
    module = type(X).__module__.partition(".")[0]
    if module == "pyarrow" and type(X).__name__ == "RecordBatch":
        return sys.modules["pyarrow"].Table.from_batches([X])
    return X.to_native() if module == "narwhals" and hasattr(X, "to_native") else X


def column_names(X):
    """Names of the columns of a frame, or of the elements of a Series.

    Parameters
    ----------
    X : object
        Data of any kind.

    Returns
    -------
    names : list of str or None
        None if X has no names, or only names that are not str.

    Raises
    ------
    TypeError
        If only some of the names are str.
    """
    names = getattr(X, "column_names", None)  # of pyarrow, whose columns are data
    if names is None:
        names = getattr(X, "columns", None)
    if names is None and getattr(X, "ndim", None) == 1:
        names = getattr(X, "index", None)
    if names is None or callable(names):
        return None
    names = list(names)
    n_texts = sum(isinstance(name, str) for name in names)
    if 0 < n_texts < len(names):
        raise TypeError(
            "Feature names are only supported if all input features have string names, "
            f"but X has the names {names[:5]}. Convert them by X.columns = "
            "X.columns.astype(str), or pass X.to_numpy() to go by position."
        )
    return names if n_texts else None


def check_names(names, expected):
    """Raise ValueError unless the columns are those of the fit, in order.

    Parameters
    ----------
    names, expected : list of str or None
        None says that there are no names to compare.
    """
    if names is None or expected is None or names == list(expected):
        return
    unknown = [name for name in names if name not in expected]
    missing = [name for name in expected if name not in names]
    parts = [f"unknown: {unknown[:5]}"] * bool(unknown)
    parts += [f"missing: {missing[:5]}"] * bool(missing)
    raise ValueError(
        "The feature names should match those that were passed during fit; "
        + ("; ".join(parts) or "they are in another order")
        + "."
    )


def compare_names(X, names, reader):
    """Raise ValueError for other names than the model has; warn where one has none.

    Parameters
    ----------
    X : array-like or DataFrame
    names : list of str or None
        Names of the features of the model.
    reader : str
        The reader of X, for the messages.
    """
    found = column_names(X)
    if hasattr(X, "columns") and (found is None) != (names is None):
        warn(
            f"X does not have valid feature names, but {reader} was fitted with "
            "feature names"
            if found is None
            else f"X has feature names, but {reader} was fitted without feature names"
        )
    check_names(found, names)


def checked_rows(X, names, n_features, reader):
    """X as an array of numbers or a CSR matrix, after a check of names and shape.

    Parameters
    ----------
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
    names : list of str or None
        Names of the features of the model.
    n_features : int
        Number of features of the model.
    reader : str
        The reader of X, for the messages.
    """
    check_is_read(X, "X")
    X = known_frame(X)
    compare_names(X, names, reader)
    X = checked_sparse(X) if is_sparse(X) else numbers(X)
    check_two_dimensional(X.ndim)
    check_width(X.shape[1], n_features, reader)
    return X


def check_two_dimensional(ndim):
    """Raise ValueError for another number of dimensions than two."""
    if ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {ndim}D array instead: X must have the shape "
            "(n_samples, n_features). Reshape your data: a single row by "
            "X.reshape(1, -1)."
        )


def check_width(found, n_features, reader):
    """Raise ValueError for another number of columns than the model has."""
    if found != n_features:
        raise ValueError(
            f"X has {found} features, but {reader} is expecting {n_features} features "
            "as input."
        )


def check_out(out, shape, dtype):
    """Raise ValueError unless the result can be written into ``out``."""
    if (
        not isinstance(out, np.ndarray)
        or out.shape != shape
        or out.dtype != dtype
        or not out.flags.c_contiguous
        or not out.flags.writeable
    ):
        got = f"{type(out).__name__}"
        if isinstance(out, np.ndarray):
            got = f"{out.dtype} array of shape {out.shape}"
        raise ValueError(
            f"out must be a writeable C-contiguous {dtype} array of shape {shape}, got "
            f"a {got}."
        )


def check_apart(X, out):
    """Raise ValueError if ``out`` shares memory with X, which is read meanwhile."""
    parts = (X,) if is_dense(X) else (X.data, X.indices, X.indptr)
    for part in parts:
        if np.may_share_memory(part, out) and np.shares_memory(part, out):
            raise ValueError(
                "out must not share memory with X: rows would be overwritten before "
                "they are read. Pass another array, or X.copy()."
            )


def copied(values, out):
    """Copy a result into ``out`` of its shape and dtype."""
    check_out(out, values.shape, values.dtype)
    out[...] = values
    return out
