"""The short way of prediction: plain rows go to the core without scikit-learn's checks.

The number of features and finiteness are checked in the core.  Whatever is not plain,
or not sound, is left to the long way, which finds the words for the error.

The arguments of the core are prepared once and kept beside the estimator, not in it,
and used as long as the arrays in ``coefs_`` and ``intercepts_`` and the parameters are
the very same objects.
"""

from __future__ import annotations

from functools import partial
from operator import eq, is_
from weakref import ref

import numpy as np

from fastmlp._core.forward import Forward
from fastmlp._core.network import Data, Network
from fastmlp._core.prediction import FORWARD_THREAD_WORK, OUTPUTS, PROBA, RAW
from fastmlp._data.rows import PIECE
from fastmlp._functions.activations import registered_activations
from fastmlp._utils.numbers import float_dtype
from fastmlp._utils.threads import allowed_threads

__all__ = ["OUTPUTS", "PROBA", "RAW", "outputs", "rows_at_once", "threads"]

_FEW_ROWS = 1000  # of a DataFrame
_ARRAYS = (np.ndarray, np.memmap)
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
_prepared = {}  # by the identity of the estimator: a weak reference to it, and the rest


class _Prepared:
    """An estimator as the core needs it, and the state of which it was made."""

    __slots__ = ("columns", "dtype", "forward", "is_auto", "state")

    def __init__(self, watched, snapshot):
        network = Network(snapshot.units, snapshot.activations, snapshot.loss)
        dtype = snapshot.coefs[0].dtype
        self.forward = Forward(network, snapshot.coefs, snapshot.intercepts, dtype)
        self.dtype = dtype
        self.is_auto = snapshot.dtype is None
        self.columns = None
        self.state = watched

    def is_of(self, state):
        """Return whether the estimator is still in the state this was made of."""
        there = _watched(state)
        return len(there) == len(self.state) and all(map(is_, there, self.state))


def _watched(state):
    """The objects of an estimator on which a prediction depends."""
    get = state.get
    activation = get("activation")  # a list of them may be changed in place
    return (
        *(activation if isinstance(activation, list) else ()),
        *state["coefs_"],
        *state["intercepts_"],
        activation,
        registered_activations(),  # where the fit did not keep what the name means
        get("dtype"),
        get("out_activation_"),
        get("_objective"),
        get("feature_names_in_"),
        get("n_features_in_"),
    )


def outputs(estimator, X, what):
    """Outputs for rows that are plain and sound, else None.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    X : object
        Taken are C-contiguous arrays in the dtype of the model, and small DataFrames.
    what : {OUTPUTS, RAW, PROBA}

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_columns), or None
    """
    kind = type(X)
    if kind not in _ARRAYS and not _is_frame(kind):
        return None
    prepared = _of(estimator)
    if prepared is None:
        return None
    forward = prepared.forward
    if kind in _ARRAYS:
        if "feature_names_in_" in vars(estimator):
            return None  # scikit-learn warns
    else:
        X = _rows_of_frame(X, prepared, vars(estimator).get("feature_names_in_"))
        if X is None:
            return None
    result = forward.one_row(X, what, False)
    if result is not None:
        return result
    if (
        X.ndim != 2
        or X.dtype != prepared.dtype
        or X.shape[0] == 0
        or X.shape[1] != forward.n_features
        or not X.flags.c_contiguous
        or not X.flags.aligned
    ):
        return None
    data = Data(X)
    return forward.rows(data, what, None, threads(estimator, forward.net, data))


def rows_at_once(X, dtype):
    """Rows to take at a time where X is large and would be copied, else 0.

    Parameters
    ----------
    X : object
    dtype : {"auto", "float32", "float64"} or dtype
        Of the estimator.
    """
    if type(X) not in _ARRAYS or X.ndim != 2 or X.dtype.kind not in "fiub":
        return 0
    wanted = float_dtype(dtype) or (X.dtype if X.dtype in _DTYPES else None)
    if X.nbytes <= 2 * PIECE or (X.dtype == wanted and X.flags.c_contiguous):
        return 0
    return max(1, PIECE // max(X.shape[1] * 8, 1))


def threads(estimator, network, data):
    """Threads for a prediction: one where there is little work to share."""
    if data.n_samples * data.work_per_row(network.units) < 3 * FORWARD_THREAD_WORK:
        return 1
    return allowed_threads(estimator.n_threads)


def _of(estimator):
    """The prepared form of an estimator in its present state, or None."""
    state = vars(estimator)
    if "coefs_" not in state or "intercepts_" not in state:
        return None
    try:
        known, prepared = _prepared.get(id(estimator), (None, None))
        if prepared is not None and known() is estimator and prepared.is_of(state):
            return prepared
        watched = _watched(state)  # first: what a fit changes from now on is seen
        snapshot = estimator._snapshot()
        there = (*state["coefs_"], *state["intercepts_"])
        weights = (*snapshot.coefs, *snapshot.intercepts)
        dtype = snapshot.coefs[0].dtype
        if not all(map(is_, there, weights)) or snapshot.dtype not in (None, dtype):
            return None  # weights that are converted for each prediction
        if getattr(estimator, "n_features_in_", snapshot.units[0]) != snapshot.units[0]:
            return None
        prepared = _Prepared(watched, snapshot)
        # The callback is all C: in one of Python (WeakKeyDictionary's), which may run
        # at any collection of garbage, a Ctrl-C would be lost.
        dropped = partial(_prepared.pop, id(estimator))
        _prepared[id(estimator)] = ref(estimator, dropped), prepared
    except Exception:  # the long way will say what is wrong
        return None
    return prepared


def _is_frame(kind):
    """Return whether this is the class DataFrame of pandas, without importing it."""
    return kind.__name__ == "DataFrame" and kind.__module__.startswith("pandas")


def _rows_of_frame(X, prepared, names):
    """A DataFrame with the right columns as an array in the dtype, else None."""
    if names is None or len(X) > _FEW_ROWS:
        return None
    columns = X.columns
    if columns is not prepared.columns:
        if len(columns) != len(names) or not all(map(eq, columns, names)):
            return None
        prepared.columns = columns
    values = X.to_numpy()
    if values.dtype.kind not in "fiub":
        return None
    if values.dtype not in _DTYPES:
        values = values.astype(np.float64)
    if prepared.is_auto and np.result_type(values, prepared.dtype) != prepared.dtype:
        return None
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=prepared.dtype)
