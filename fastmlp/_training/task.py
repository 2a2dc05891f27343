"""A fit in progress: what the parts of the training share."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from scipy.sparse import issparse

from fastmlp._core.batch import THREAD_WORK
from fastmlp._core.network import Data
from fastmlp._data.validation import check_some_weight, pieces_of
from fastmlp._utils.threads import allowed_threads
from fastmlp._utils.warnings import warn

INTERRUPTED = "Training interrupted by user."


@dataclass
class FitOptions:
    """The arguments of one call of ``fit`` or ``partial_fit`` besides the data."""

    incremental: bool = False
    n_epochs: int = 1
    coefs_init: Any = None
    intercepts_init: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    groups: Any = None
    callback: Any = None
    context: Any = None
    checkpoint: Any = None
    started: float = field(default_factory=perf_counter)

    @property
    def gives_weights(self):
        """Whether the fit starts from weights of the user."""
        return self.coefs_init is not None or self.intercepts_init is not None


class Task:
    """The estimator, the network with its flat vector of weights, and the data.

    Parameters
    ----------
    estimator : _BaseMLP
        Its attributes record the course of the fit.
    network : Network
    params : ndarray of shape (n_params,)
        Trained in place.
    X, y, sample_weight : array
        In the form of the core.
    options : FitOptions
    """

    def __init__(self, estimator, network, params, X, y, sample_weight, options):
        self.estimator, self.network, self.params = estimator, network, params
        self.X, self.y, self.sample_weight = X, y, sample_weight
        self.options = options
        self.data = Data(X, y, sample_weight)
        self.rows = None  # of the training part; None for all
        self.holdout = None
        self.scaling = None
        self.regularization = None
        self.averaging = None
        self.error = None  # what a function of the user raised
        self.is_live = False  # whether the estimator holds the weights in training

    @property
    def n_train(self):
        """Rows to train on."""
        return len(self.y) if self.rows is None else len(self.rows)

    @property
    def current_params(self):
        """What counts as the model: the average of the weights, where there is one."""
        averaging = self.averaging
        return self.params if averaging is None else averaging.current_params

    @property
    def n_epochs(self):
        """The largest number of epochs."""
        if self.options.incremental:
            return self.options.n_epochs
        return self.estimator.max_iter

    @property
    def stops_by_score(self):
        """Whether the held-out rows decide when to stop and which weights to keep."""
        return self.holdout is not None and self.estimator.early_stopping

    def order(self):
        """The rows to train on, in the order of the data."""
        if self.rows is None:
            return np.arange(self.n_train, dtype=np.intp)
        return self.rows

    def training_part(self):
        """Features, targets and weights of the rows to train on."""
        parts = self.X, self.y, self.sample_weight
        if self.rows is None:
            return parts
        return tuple(None if part is None else part[self.rows] for part in parts)

    def take_rows(self, rows):
        """Train on some of the rows only."""
        self.rows = rows
        if self.sample_weight is not None:
            check_some_weight(
                self.sample_weight[rows], "the training part of the split"
            )

    def batch_size(self):
        """Rows of a batch."""
        batch_size, n_train = self.estimator.batch_size, self.n_train
        if batch_size == "auto":
            return min(200, n_train)
        if batch_size > n_train:
            warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going "
                "to be clipped"
            )
        return min(int(batch_size), n_train)

    def threads(self, batch_size):
        """Threads for the batches: one where they are too small to share."""
        if batch_size * self.data.work_per_row(self.network.units) < THREAD_WORK:
            return 1
        return allowed_threads(self.estimator.n_threads)

    def fitted_layers(self):
        """Copies of the current weights, as ``coefs_`` and ``intercepts_``."""
        params = self.current_params.copy()
        if self.scaling is not None:
            self.scaling.fold(params)
        return self.network.split(params)

    def show_weights(self):
        """Let the estimator have copies of the current weights, for who looks at it.

        They are read-only, as training would not follow a change. A stream works on
        the very arrays of the estimator.
        """
        if self.is_live:
            return
        coefs, intercepts = self.fitted_layers()
        for array in coefs + intercepts:
            array.setflags(write=False)
        self.estimator.coefs_, self.estimator.intercepts_ = coefs, intercepts

    def fitted_copy(self):
        """A copy of the estimator that predicts with copies of the current weights."""
        fitted = object.__new__(type(self.estimator))  # the stamp of a pickle is slow
        vars(fitted).update(vars(self.estimator))
        vars(fitted).pop("_stream", None)
        fitted.coefs_, fitted.intercepts_ = self.fitted_layers()
        return fitted

    def check_finite(self):
        """Raise ValueError if the weights are not finite."""
        if np.isfinite(self.params).all():
            return
        estimator = self.estimator
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain "
            "large values and need to be preprocessed. Scale X and y "
            f"({self.scale_of_data()}), for example with "
            "sklearn.preprocessing.StandardScaler, or lower learning_rate_init (now "
            f"{estimator.learning_rate_init:g}). Training ended in epoch "
            f"{estimator.n_iter_}."
        )

    def scale_of_data(self):
        """The largest magnitudes in X and y, in words."""
        pieces = [self.X.data] if issparse(self.X) else pieces_of(self.X)
        x = max(np.abs(piece).max(initial=0) for piece in pieces)
        y = np.abs(self.y).max(initial=0)
        return f"|X| reaches {x:.3g} and |y| {y:.3g}"
