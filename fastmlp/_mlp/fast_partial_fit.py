"""The state that ``partial_fit`` keeps ready between two calls.

The checks of scikit-learn and the memory of a batch cost some 500 us, a step on a small
batch 5.  So a call leaves its network, flat vector and epoch behind, and the next one
goes on with them if nothing that they depend on has changed: every parameter is still
the same object, ``coefs_`` and ``intercepts_`` hold the very views that were handed out
(whose values are the flat vector itself, so assignments to them count), and the data
are plain arrays in the precision of the model.  Otherwise the call takes the long way.
"""

from __future__ import annotations

import copy
import inspect
from dataclasses import replace
from operator import is_
from threading import Lock

import numpy as np

from fastmlp._core.network import Data
from fastmlp._data.split import Samples
from fastmlp._mlp.callbacks import listener_of
from fastmlp._mlp.input_checks import restored_on_error
from fastmlp._mlp.records import go_on, publish
from fastmlp._training.epochs import run_epochs
from fastmlp._training.order import RepeatedOrder, order_of
from fastmlp._training.task import Task

# Attributes that must be the same objects as after the call before.
_HELD = (
    "coefs_", "intercepts_", "out_activation_", "_objective", "n_features_in_",
    "_optimizer_state", "_random_state", "_scaling",
)  # fmt: skip


def _nothing():
    """None, as a function that pickles."""
    return None


def restarts(estimator):
    """Return whether each call of ``partial_fit`` draws the same random numbers."""
    return (
        estimator.random_stream == "restart"
        and estimator.random_state is not None
        and not isinstance(estimator.random_state, np.random.RandomState)
    )


class Stream:
    """The machinery of the last ``partial_fit``; pickles and copies as None.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    task : Task
        The task that has just ended, whose weights the estimator has.
    targets : ClassTargets or NumberTargets
    optimizer : object of one of OPTIMIZERS
    epoch : Epoch
    order : ndarray of intp or None
        The order of its only epoch.
    """

    def __init__(self, estimator, task, targets, optimizer, epoch, order):
        self.lock = Lock()  # the machinery is for one thread at a time
        self.plan, self.targets = task.plan, targets
        self.network, self.params = task.network, task.params
        self.optimizer, self.epoch = optimizer, epoch
        self.names = (*inspect.signature(type(estimator)).parameters, *_HELD)
        self.held = tuple(map(vars(estimator).get, self.names))
        self.activation = copy.copy(estimator.activation)  # of a list, its entries
        self.classes = getattr(estimator, "classes_", None)
        self.weighs_classes = getattr(estimator, "class_weight", None) is not None
        self.views = (*estimator.coefs_, *estimator.intercepts_)
        self.n_samples, self.order = len(task.samples.y), order
        self.repeats = restarts(estimator)

    def __reduce__(self):
        return _nothing, ()

    def takes(self, estimator, options):
        """Return whether an estimator is as this stream left it."""
        attributes = vars(estimator)
        if "feature_names_in_" in attributes or self.classes is not attributes.get(
            "classes_"
        ):
            return False
        if self.repeats and options.n_epochs != 1:
            return False
        if isinstance(self.activation, list) and not all(
            map(is_, self.activation, attributes["activation"])
        ):
            return False
        views = (*estimator.coefs_, *estimator.intercepts_)
        return (
            all(map(is_, map(attributes.get, self.names), self.held))
            and len(views) == len(self.views)
            and all(map(is_, views, self.views))
        )

    def samples(self, X, y, sample_weight):
        """The samples as the core takes them; None if they need work."""
        if type(X) is not np.ndarray or X.ndim != 2 or X.dtype != self.params.dtype:
            return None
        if len(X) != self.n_samples or X.shape[1] != self.network.units[0]:
            return None
        if not X.flags.c_contiguous or type(y) is not np.ndarray or len(y) != len(X):
            return None
        if not np.isfinite(np.add.reduce(X, axis=None)):
            return None
        if sample_weight is not None and not (
            type(sample_weight) is np.ndarray
            and sample_weight.shape == (len(X),)
            and sample_weight.dtype == X.dtype
            and sample_weight.flags.c_contiguous
            and np.isfinite(sample_weight.sum())
            and sample_weight.any()
        ):
            return None
        if self.weighs_classes:
            return None
        encoded = self.targets.encode_plain(y, X.dtype)
        if encoded is None:
            return None
        if self.targets.n_outputs(encoded) != self.network.units[-1]:
            return None
        return Samples(X, encoded, sample_weight)

    def train(self, estimator, samples, options):
        """Train on some rows; on an error all numbers are as they were.

        Returns the exception of a user-defined function after some whole batches.
        """
        plan = self.plan
        if plan.n_epochs != options.n_epochs:
            plan = self.plan = replace(plan, n_epochs=options.n_epochs)
        record = go_on(estimator)
        task = Task(
            plan,
            self.network,
            self.params,
            samples,
            Data(*samples),
            record,
            estimator._random_state,
            listener=listener_of(estimator, options, is_live=True),
            started=options.started,
        )
        moments = self.optimizer.moments
        before = [array.copy() for array in (self.params, *moments)]
        state = {**vars(self.optimizer)}
        lists = record.loss_curve, record.history
        n_epochs = [len(entries) for entries in lists]
        self.epoch.use_data(task.data)
        try:
            order = RepeatedOrder(self.order) if self.repeats else order_of(task)
            run_epochs(task, self.optimizer, self.epoch, order)
            task.check_finite()
        except BaseException:
            for array, values in zip((self.params, *moments), before):
                array[:] = values
            vars(self.optimizer).update(state)
            for entries, n in zip(lists, n_epochs):
                del entries[n:]
            raise
        publish(record, estimator)
        return task.error


def streamed(estimator, X, y, sample_weight, options):
    """Train by the machinery of the last ``partial_fit``; False if it has none."""
    stream = getattr(estimator, "_stream", None)
    if stream is None or options.X_val is not None or options.y_val is not None:
        return False
    if not stream.lock.acquire(blocking=False):
        return False  # another thread is in there
    try:
        if not stream.takes(estimator, options):
            return False
        samples = stream.samples(X, y, sample_weight)
        if samples is None:
            return False
        with restored_on_error(estimator):
            error = stream.train(estimator, samples, options)
        if error is not None:
            raise error
        return True
    finally:
        stream.lock.release()
