"""A fit in progress: what the parts of the training share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastmlp._core.batch import THREAD_WORK
from fastmlp._core.network import Data
from fastmlp._threads import allowed_threads
from fastmlp._validation import check_some_weight
from fastmlp._warnings import warn

INTERRUPTED = "Training interrupted by user."


@dataclass
class FitOptions:
    """The arguments of one call of ``fit`` or ``partial_fit`` besides the data."""

    incremental: bool = False
    coefs_init: Any = None
    intercepts_init: Any = None


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
        self.y, self.sample_weight = y, sample_weight
        self.options = options
        self.data = Data(X, y, sample_weight)
        self.rows = None  # of the training part; None for all
        self.holdout = None

    @property
    def n_train(self):
        """Rows to train on."""
        return len(self.y) if self.rows is None else len(self.rows)

    def hold_out(self, rows, holdout):
        """Train on some rows only, and judge by others."""
        self.rows, self.holdout = rows, holdout
        if self.sample_weight is not None:
            check_some_weight(
                self.sample_weight[rows], "the training part of the split"
            )

    def order(self):
        """The rows to train on, in the order of the data."""
        if self.rows is None:
            return np.arange(self.n_train, dtype=np.intp)
        return self.rows

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
