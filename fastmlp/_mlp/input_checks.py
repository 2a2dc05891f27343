"""Checks of data that scikit-learn does for an estimator: names, number of features.

Each function takes the estimator, since ``validate_data`` reads and writes the names
and the number of its features.  What needs plain values only is in ``_data``.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _num_samples, validate_data

from fastmlp._core.network import CastRows
from fastmlp._data.columns import column_labels, finite_fault, target_fault, text_fault
from fastmlp._data.rows import check_names, column_names, known_frame
from fastmlp._data.validation import (
    check_range,
    check_raw,
    is_mapped,
    named,
    native_rows,
)


@contextmanager
def restored_on_error(estimator):
    """Put the attributes of an estimator back if the block raises.

    So too the state of its generator where that outlives a call.
    """
    before = vars(estimator).copy()
    stream = state = None
    if before.get("random_stream") == "continue":
        stream = before.get("_random_state")
        state = stream.get_state() if stream is not None else None
    try:
        yield
    except BaseException:
        for name in vars(estimator).keys() - before.keys():
            del vars(estimator)[name]
        vars(estimator).update(before)  # never empty: other threads may predict
        if stream is not None:
            stream.set_state(state)
        raise


@contextmanager
def explained(estimator, X, y, reset, for_x, is_numeric=False):
    """Say of an error about data whether X or y is at fault, and what to do about it.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    X, y : object
        As they were passed; y is None where there is none.
    reset : bool
        Whether the names of the features are taken over.
    for_x : dict
        How ``check_array`` checks X.
    is_numeric : bool
        Whether y must hold numbers.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = type(error)
        if kind not in (TypeError, ValueError):
            raise
        name, fault = _culprit(estimator, X, y, reset, for_x, is_numeric)
        if fault is not None:
            raise kind(fault) from error
        with named(name):
            raise


def _culprit(estimator, X, y, reset, for_x, is_numeric):
    """The argument at fault, and what to say of it where we know better, or None."""
    if hasattr(X, "shape"):
        try:  # names and number of the features
            validate_data(estimator, X, reset=reset, skip_check_array=True)
        except (TypeError, ValueError):
            return "X", None
    try:
        check_array(X, **for_x)
    except (TypeError, ValueError):
        try:
            array = check_array(X, ensure_all_finite=False, **for_x)
        except (TypeError, ValueError):
            return "X", text_fault(X)
        return "X", finite_fault(array, column_labels(X, array.shape[1]))
    if y is None:
        return "X", None
    try:
        fits = _num_samples(X) == _num_samples(y)
    except (TypeError, ValueError):
        fits = True  # y is no array at all
    if fits and is_numeric:
        return "y", target_fault(y)
    return ("y" if fits else "X and y"), None


def check_unseen_names(estimator, X):
    """Raise ValueError for the wrong names of a frame that scikit-learn does not know.

    It knows pandas, polars, pyarrow and what is like them, and has its own words there.
    """
    known = ("pandas", "polars", "pyarrow")
    if type(X).__module__.partition(".")[0] not in known:
        check_names(column_names(X), getattr(estimator, "feature_names_in_", None))


def check_fit_data(estimator, X, y, reset, dtype, y_numeric):
    """Validate X and y for training; returns X in native form and y 1-D or 2-D.

    A memory-mapped float64 X that is wanted in float32 is not converted as a whole.
    """
    is_wide = dtype == np.float32 and is_mapped(X) and X.dtype == np.float64
    if is_wide and X.ndim == 2 and X.flags.c_contiguous:
        dtype = np.float64
    else:
        is_wide = False
    check_raw(X, "X")
    check_raw(y, "y")
    X = known_frame(X)
    if not reset:
        check_unseen_names(estimator, X)
    for_x = {"accept_sparse": ["csr", "csc"], "dtype": dtype}

    # A cast to float32 may overflow; the check of finiteness then says so.
    with (
        np.errstate(over="ignore", invalid="ignore"),
        explained(estimator, X, y, reset, for_x, y_numeric),
    ):
        X, y = validate_data(
            estimator,
            X,
            y,
            multi_output=True,
            y_numeric=y_numeric,
            reset=reset,
            **for_x,
        )
    if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if is_wide:
        check_range(X)
        return CastRows(X), y
    return native_rows(X), y


def check_predict_data(estimator, X, n_features):
    """Validate X for prediction; returns it in native form, float32 or float64."""
    check_raw(X, "X")
    X = known_frame(X)
    check_unseen_names(estimator, X)
    for_x = {"accept_sparse": ["csr", "csc"], "dtype": [np.float64, np.float32]}
    with (
        np.errstate(over="ignore", invalid="ignore"),
        explained(estimator, X, None, False, for_x),
    ):
        X = validate_data(estimator, X, reset=False, **for_x)
    _check_width(estimator, X, n_features)
    return native_rows(X)


def plain_rows(estimator, X, n_features):
    """X in native form, float32 or float64, which the caller has checked already."""
    X = X if issparse(X) else np.asarray(X)
    if X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float64)
    if X.ndim != 2:
        raise ValueError(f"X must be two-dimensional, got shape {X.shape}.")
    _check_width(estimator, X, n_features)
    check_raw(X, "X")
    return native_rows(X)


def _check_width(estimator, X, n_features):
    """Raise ValueError for another number of features than the model has."""
    if X.shape[1] != n_features:
        raise ValueError(
            f"X has {X.shape[1]} features, but coefs_[0] of "
            f"{type(estimator).__name__} expects {n_features} features as input."
        )


def first_partial_fit(estimator, classes):
    """Return whether this is the first ``partial_fit``; sets ``classes_`` if it is."""
    known = getattr(estimator, "classes_", None)
    if classes is None:
        if known is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return False
    if known is None:
        estimator.classes_ = unique_labels(classes)
        return True
    if not np.array_equal(known, unique_labels(classes)):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, "
            f"was: {known!r}"
        )
    return False
