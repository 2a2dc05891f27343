"""A fit in progress: what the parts of training share."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from scipy.sparse import issparse

from fastmlp._core.batch import THREAD_WORK
from fastmlp._data.validation import pieces_of
from fastmlp._utils.threads import allowed_threads
from fastmlp._utils.warnings import warn

INTERRUPTED = "Training interrupted by user."


class Task:
    """A plan, a network with its flat vector of weights, the data and the record.

    Parameters
    ----------
    plan : Plan
    network : Network
    params : ndarray of shape (n_params,)
        Trained in place.
    samples : Samples
        In the form of the core and in the units of training.
    data : Data
        The same as the core takes it.
    record : Record
        Written by training.
    random_state : RandomState
    rows : ndarray of intp or None
        The rows of the training part; None for all.
    holdout : Holdout or None
    scaling : Scaling or None
        The map between the data and ``samples``.
    listener : object or None
        Who follows the fit from outside, with two methods: ``epoch_begins()`` and
        ``epoch_ends(task, figures)``, which gives the messages of those who want to
        stop training.
    checkpoint : Checkpoint or None
    optimizer_state : dict or None
        State of the solver to go on with.
    started : float
        When the fit began, on the clock of ``perf_counter``.

    Attributes
    ----------
    has_all_rows : bool
        Whether no other process trains the same model on rows of its own.
    """

    has_all_rows = True

    def __init__(
        self,
        plan,
        network,
        params,
        samples,
        data,
        record,
        random_state,
        *,
        rows=None,
        holdout=None,
        scaling=None,
        listener=None,
        checkpoint=None,
        optimizer_state=None,
        started=None,
    ):
        self.plan, self.network, self.params = plan, network, params
        self.samples, self.data, self.rows = samples, data, rows
        self.record, self.random_state = record, random_state
        self.holdout, self.scaling = holdout, scaling
        self.listener, self.checkpoint = listener, checkpoint
        self.optimizer_state = optimizer_state
        self.started = perf_counter() if started is None else started
        self.averaging = None
        self.error = None  # what a user-defined function raised
        self.stops_by_score = holdout is not None and plan.early_stopping

    @property
    def n_train(self):
        """Rows to train on."""
        return len(self.samples.y) if self.rows is None else len(self.rows)

    @property
    def current_params(self):
        """The weights of the model: their moving average, if there is one."""
        averaging = self.averaging
        return self.params if averaging is None else averaging.current_params

    @property
    def deadline(self):
        """When ``max_time`` is over, on the clock of ``perf_counter``."""
        max_time = self.plan.max_time
        return np.inf if max_time is None else self.started + max_time

    def order(self):
        """The rows to train on, in the order of the data."""
        if self.rows is None:
            return np.arange(self.n_train, dtype=np.intp)
        return self.rows

    def batch_size(self):
        """Rows of a batch."""
        batch_size, n_train = self.plan.batch_size, self.n_train
        if batch_size is None:
            return min(200, n_train)
        if batch_size > n_train:
            warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going "
                "to be clipped"
            )
        return min(batch_size, n_train)

    def threads(self, batch_size):
        """Threads for the batches: one where they are too small to share."""
        if batch_size * self.data.work_per_row(self.network.units) < THREAD_WORK:
            return 1
        return allowed_threads(self.plan.n_threads)

    def fitted_layers(self):
        """Copies of the current weights for raw data: coefficients and intercepts."""
        params = self.current_params.copy()
        if self.scaling is not None:
            self.scaling.fold(params)
        return self.network.split(params)

    @property
    def remedy(self):
        """The remedy for weights that do not stay finite, in words."""
        return "Lower learning_rate_init or scale the data (standardize_X=True)."

    def check_finite(self):
        """Raise ValueError if the weights are not finite."""
        if np.isfinite(self.params).all():
            return
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain "
            "large values and need to be preprocessed. Scale X and y "
            f"({self.scale_of_data()}), for example with "
            "sklearn.preprocessing.StandardScaler, or lower learning_rate_init (now "
            f"{self.plan.steps.learning_rate:g}). Training ended in epoch "
            f"{self.record.n_iter}."
        )

    def scale_of_data(self):
        """The largest magnitudes in X and y, in words."""
        X, y, _ = self.samples
        pieces = [X.data] if issparse(X) else pieces_of(X)
        x = max(np.nanmax(np.abs(piece), initial=0) for piece in pieces)
        return f"|X| reaches {x:.3g} and |y| {np.abs(y).max(initial=0):.3g}"
