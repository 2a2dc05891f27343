"""Training by epochs: the loop of the stochastic solvers."""

from __future__ import annotations

from fastmlp._core.solvers import Epoch
from fastmlp._functions.user_functions import is_from_function
from fastmlp._training.averaging import begin_averaging
from fastmlp._training.checkpoint.solver_states import StochasticState
from fastmlp._training.monitor import Monitor
from fastmlp._training.optimizers import OPTIMIZERS, restored_optimizer
from fastmlp._training.order import ShuffledOrder
from fastmlp._training.regularization import drawn_seed
from fastmlp._training.task import INTERRUPTED
from fastmlp._utils.warnings import warn


def fit_stochastic(task):
    """Train by batches; returns the optimizer, the epoch and the order of rows."""
    order = ShuffledOrder(task.estimator, task.order())
    optimizer = _optimizer(task)
    if task.regularization.is_random and optimizer.noise_seed is None:
        optimizer.noise_seed = drawn_seed(task.estimator._random_state)
    task.averaging = begin_averaging(task, optimizer)
    epoch = _epoch(task, optimizer)
    run_epochs(task, optimizer, epoch, order)
    return optimizer, epoch, order.current


def run_epochs(task, optimizer, epoch, order):
    """Train for at most max_iter epochs, n_epochs in partial_fit."""
    monitor = Monitor(task, optimizer)
    checkpoint, state = task.options.checkpoint, StochasticState(monitor, order)
    if checkpoint is not None:
        checkpoint.restore(monitor, state)
    limit = None
    in_order = not task.estimator.shuffle and task.rows is None
    try:
        for _ in range(task.estimator.n_iter_, task.n_epochs):
            rows = order.next()
            monitor.epoch_begins(epoch)
            epoch.run(None if in_order else rows, len(rows), monitor.deadline)
            if monitor.epoch_ends(epoch):
                break
            if checkpoint is not None:
                checkpoint.epoch_ends(monitor, state)
        else:
            if not task.options.incremental:
                limit = (
                    f"Stochastic Optimizer: Maximum iterations ({task.n_epochs}) "
                    "reached and the optimization hasn't converged yet."
                )
    except KeyboardInterrupt:
        monitor.interrupted(epoch)
        warn(INTERRUPTED)
    except Exception as error:
        took_steps = task.estimator.n_iter_ > 0 or epoch.rows_counted > 0
        if not (is_from_function(error) and took_steps):
            monitor.failed()
            raise
        monitor.interrupted(epoch, "error")
        task.error = error
    monitor.finish(limit)


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
        **task.regularization.of_rows(),
    )
    epoch.regularize(**task.regularization.of_weights())
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
