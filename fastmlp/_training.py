"""Training by epochs: the loop of the stochastic solvers."""

from __future__ import annotations

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastmlp._core.solvers import Epoch
from fastmlp._monitor import Monitor
from fastmlp._optimizers import OPTIMIZERS, restored_optimizer
from fastmlp._task import INTERRUPTED
from fastmlp._warnings import warn


def fit_stochastic(task):
    """Train by sgd or adam, for at most max_iter epochs, n_epochs in partial_fit."""
    estimator, order, n_train = task.estimator, task.order(), task.n_train
    optimizer = _optimizer(task)
    epoch = _epoch(task, optimizer)
    monitor = Monitor(task, optimizer)
    in_order = not estimator.shuffle and task.rows is None
    try:
        for _ in range(task.n_epochs):
            if estimator.shuffle:
                permutation = np.arange(n_train)
                estimator._random_state.shuffle(permutation)
                order = order[permutation]
            monitor.epoch_begins(epoch)
            epoch.run(None if in_order else order, n_train, monitor.deadline)
            if monitor.epoch_ends(epoch):
                break
        else:
            if not task.options.incremental:
                warn(
                    f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) "
                    "reached and the optimization hasn't converged yet.",
                    ConvergenceWarning,
                )
    except KeyboardInterrupt:
        monitor.interrupted(epoch)
        warn(INTERRUPTED)
    monitor.finish()


def _epoch(task, optimizer):
    """The epoch of the core over the data of the task."""
    batch_size = task.batch_size()
    epoch = Epoch(
        task.network,
        task.data,
        task.params,
        optimizer.moments,
        batch_size,
        float(task.estimator.alpha),
        task.threads(batch_size),
    )
    optimizer.prepare(epoch)
    return epoch


def _optimizer(task):
    """The optimizer of the last partial_fit, or a new one."""
    estimator, n_params, dtype = task.estimator, len(task.params), task.params.dtype
    state = getattr(estimator, "_optimizer_state", None)
    if task.options.incremental and state is not None:
        optimizer = restored_optimizer(estimator.solver, state, n_params, dtype)
        if optimizer is not None:
            return optimizer
    return OPTIMIZERS[estimator.solver].from_parameters(estimator, n_params, dtype)
