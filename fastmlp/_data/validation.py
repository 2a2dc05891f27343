"""Checks of arrays: the error messages about data and weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import contextmanager
from itertools import pairwise
from numbers import Real

import numpy as np
from scipy.sparse import csc_array, csr_array, issparse
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_array
from sklearn.utils.multiclass import (
    check_classification_targets,
    is_multilabel,
    unique_labels,
)

from fastmlp._core.network import CastRows
from fastmlp._data.columns import check_dates, target_fault
from fastmlp._data.rows import check_indices, check_is_read, column_names, known_frame
from fastmlp._model.losses import check_target_range


@contextmanager
def named(name):
    """Put the name of an argument before a message about it that lacks the name.

    Parameters
    ----------
    name : str or callable
        Called only if there is an error.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        known = name() if callable(name) else name
        kind, message = type(error), str(error)
        if kind not in (TypeError, ValueError) or re.search(rf"\b{known}\b", message):
            raise
        raise kind(f"{known}: {message}") from error


def check_raw(array, name):
    """Raise ValueError for what scikit-learn would let pass.

    That is dates, taken for numbers, indices of sparse matrices, and frames whose rows
    are not read yet.
    """
    check_is_read(array, name)
    if issparse(array):
        with named(name):
            check_indices(array)
    check_dates(array, name)


def check_target_names(y, y_val):
    """Raise ValueError if the columns of two frames of targets have other names."""
    names, found = column_names(known_frame(y)), column_names(known_frame(y_val))
    if names is None or found is None or names == found or np.ndim(y) < 2:
        return
    if len(names) == len(found) == 1:
        return
    raise ValueError(
        f"y_val must have the columns of y in their order, {names[:5]}; got "
        f"{found[:5]}. Pass y_val[list(y.columns)]."
    )


def native_rows(X):
    """X as the core takes it, C-contiguous or CSR; sparse X has passed check_raw."""
    if not issparse(X):
        return np.ascontiguousarray(X)
    kind = csc_array if X.format == "csc" else csr_array
    X = kind((np.ascontiguousarray(X.data), X.indices, X.indptr), shape=X.shape)
    return X.tocsr()


def is_mapped(X):
    """Return whether X is a memory-mapped array."""
    return isinstance(X, np.memmap)


def as_array(X):
    """X as others take it: rows that the core casts batch by batch are cast at once."""
    return np.asarray(X) if isinstance(X, CastRows) else X


def pieces_of(X, rows=4096):
    """Dense X as arrays of some rows each, where it is cast batch by batch."""
    if not isinstance(X, CastRows):
        return [X]
    return (X[start : start + rows] for start in range(0, len(X), rows))


def check_range(X, rows=4096):
    """Raise ValueError if X holds values beyond float32; some rows at a time."""
    largest = np.finfo(np.float32).max
    for start in range(0, len(X), rows):
        if np.abs(X[start : start + rows]).max() > largest:
            raise ValueError(
                f"X contains values too large for float32 (rows {start} to "
                f"{min(start + rows, len(X)) - 1}); rescale X or use dtype='float64'."
            )


def cast_rows(X, dtype):
    """Native X in a precision; ValueError if its values are beyond that."""
    with np.errstate(over="ignore"):
        cast = X.astype(dtype, copy=False)
    values = cast.data if issparse(cast) else cast
    if cast is not X and not np.isfinite(values).all():
        raise ValueError(f"X contains values too large for {np.dtype(dtype)}.")
    return cast


def check_sample_weight(sample_weight, n_samples, dtype):
    """Validate weights: a number, or one finite number per row."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, sample_weight)
    with np.errstate(over="ignore"), named("sample_weight"):
        sample_weight = check_array(
            sample_weight,
            ensure_2d=False,
            dtype=dtype,
            order="C",
            input_name="sample_weight",
        )
    if sample_weight.ndim != 1:
        raise ValueError(
            "Sample weights must be 1D array or scalar, got "
            f"{sample_weight.ndim}D array. Expected either a scalar value or a 1D "
            f"array of length {n_samples}."
        )
    if sample_weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight.shape == {sample_weight.shape}, expected {(n_samples,)}!"
        )
    return sample_weight


def check_some_weight(sample_weight, where):
    """Raise ValueError if all weights are zero."""
    if sample_weight is not None and not np.any(sample_weight):
        raise ValueError(
            f"sample_weight must hold at least one non-zero weight; in {where} all "
            "weights are zero."
        )


def of_labels(call, y):
    """Call a function of labels; on an error say what is wrong with them."""
    with named("y"):
        try:
            return call(y)
        except (TypeError, ValueError):
            check_classification_targets(y)
            raise


def fit_binarizer(y):
    """A LabelBinarizer fitted to labels.

    Plain integers need none of its checks, which take as long as many epochs of a small
    table. Where classes are many beside the rows it may warn, so there it is asked.
    """
    if y.ndim == 1 and y.dtype.kind in "iu":
        classes = np.unique(y)
        if 2 * len(classes) < len(y):
            return binarizer_of("multiclass" if len(classes) > 2 else "binary", classes)
    return of_labels(LabelBinarizer().fit, y)


def binarizer_of(y_type, classes, is_sparse=False):
    """The LabelBinarizer of targets whose kind and classes are known."""
    binarizer = LabelBinarizer()
    binarizer.y_type_, binarizer.sparse_input_ = y_type, is_sparse
    binarizer.classes_ = classes
    return binarizer


def check_targets(y, dtype, objective):
    """Regression targets as (n_samples, n_outputs) in the dtype of the model."""
    if issparse(y):
        raise ValueError("y must be dense for regression; use y.toarray().")
    with named("y"):
        try:
            y = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float64)
        except (TypeError, ValueError):
            fault = target_fault(y)
            if fault is None:
                raise
            raise ValueError(fault) from None
    if np.isnan(y).any():
        raise ValueError("y contains NaN; leave the rows without a target out.")
    check_target_range(y, dtype, objective)
    with np.errstate(over="ignore"):
        y = y.astype(dtype, copy=False)
    if not np.isfinite(y).all():
        raise ValueError(
            f"y contains values too large for {np.dtype(dtype)}; rescale y or use "
            "dtype='float64'."
        )
    return y


def check_classes(y, known, exact):
    """Raise ValueError if the labels of y are not among the known classes."""
    if y.ndim == 2 and y.shape[1] > 1 and not is_multilabel(y):
        raise ValueError(
            "y: Multioutput target data is not supported: several columns must be an "
            f"indicator matrix of labels, 0 or 1 each; got shape {y.shape}."
        )
    classes = of_labels(unique_labels, y)
    if exact and set(classes) != set(known):
        raise ValueError(
            "warm_start can only be used where `y` has the same classes as in the "
            f"previous call to fit. Previously got {known}, `y` has {classes}"
        )
    if len(np.setdiff1d(classes, known, assume_unique=True)):
        raise ValueError(
            "`y` has classes not in `self.classes_`. "
            f"`self.classes_` has {known}. 'y' has {classes}."
        )


def check_layers(coefs, intercepts, units, names=("coefs_", "intercepts_")):
    """Weights as arrays of one float dtype, after a check of their shapes.

    ``units`` may be None: the shapes then only have to fit one another. Returns the two
    lists of contiguous arrays and the units.
    """
    for name, given in zip(names, (coefs, intercepts)):
        if not isinstance(given, Iterable):
            raise ValueError(f"{name} must hold one array per layer, got {given!r}.")
    arrays = [[np.asarray(array) for array in given] for given in (coefs, intercepts)]
    if units is None:
        units = [len(w) if w.ndim else 0 for w in arrays[0]]
        units.append(arrays[1][-1].size if arrays[1] else 0)
    shapes = list(pairwise(units)), [(fan_out,) for fan_out in units[1:]]
    for name, given, expected in zip(names, arrays, shapes):
        if len(given) != len(expected):
            raise ValueError(
                f"{name} must hold one array per layer: {len(expected)} for layers of "
                f"{list(units)} units, got {len(given)}."
            )
        for i, (array, shape) in enumerate(zip(given, expected)):
            if array.shape != shape or array.dtype.kind not in "fiub":
                raise ValueError(
                    f"{name}[{i}] must be a real array of shape {shape}, got shape "
                    f"{array.shape} and dtype {array.dtype}."
                )
    kinds = {array.dtype for given in arrays for array in given}
    dtype = np.float32 if kinds == {np.dtype(np.float32)} else np.float64
    cast = [
        [np.ascontiguousarray(array, dtype=dtype) for array in given]
        for given in arrays
    ]
    return *cast, tuple(units)
