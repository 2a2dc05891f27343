"""Training by epochs: the loop of the stochastic solvers."""

from __future__ import annotations

from contextlib import contextmanager

from fastmlp._core.solvers import Epoch
from fastmlp._functions.checks import is_from_function
from fastmlp._training.averaging import begin_averaging
from fastmlp._training.checkpoint.solver_states import StochasticState
from fastmlp._training.monitor import Monitor
from fastmlp._training.optimizers import OPTIMIZERS, restored_optimizer
from fastmlp._training.order import BlockOrder, order_of
from fastmlp._training.regularization import drawn_seed
from fastmlp._training.task import INTERRUPTED
from fastmlp._utils.warnings import warn


def fit_stochastic(task):
    """Train by batches; returns the optimizer, the epoch and the order of rows."""
    optimizer, epoch, order = begin_epochs(task)
    run_epochs(task, optimizer, epoch, order)
    return optimizer, epoch, order.current


def begin_epochs(task, kind=None):
    """The optimizer, the epoch and the order of rows for the epochs of a task.

    Parameters
    ----------
    task : Task
    kind : callable or None
        Makes the epoch, from the arguments of Epoch; None for Epoch itself.
    """
    random_state = task.random_state
    order = order_of(task)
    optimizer = _optimizer(task)
    if task.plan.regularization.is_random and optimizer.noise_seed is None:
        optimizer.noise_seed = drawn_seed(random_state)
    task.averaging = begin_averaging(task, optimizer)
    return optimizer, _epoch(task, optimizer, kind or Epoch), order


@contextmanager
def reading_ahead(epoch, order):
    """Let the runs of an epoch ask for the blocks of an order, if it has blocks."""
    if not isinstance(order, BlockOrder):
        yield
        return
    epoch.read_ahead(order.ask)
    try:
        with order.reading():
            yield
    finally:
        epoch.read_ahead(None)


def run_epochs(task, optimizer, epoch, order):
    """Train for at most the epochs of the plan."""
    with reading_ahead(epoch, order):
        _run(task, optimizer, epoch, order)


def _run(task, optimizer, epoch, order):
    """Train epoch by epoch, and finish the record."""
    monitor = Monitor(task, optimizer)
    plan, record, checkpoint = task.plan, task.record, task.checkpoint
    if checkpoint is not None:
        state = StochasticState(monitor, order)
        checkpoint.restore(monitor, state)
    limit = None
    in_order = not plan.shuffle and task.rows is None
    try:
        for _ in range(record.n_iter, plan.n_epochs):
            rows = order.next()
            monitor.epoch_begins(epoch)
            epoch.run(None if in_order else rows, len(rows), monitor.deadline)
            if monitor.epoch_ends(epoch):
                break
            if checkpoint is not None:
                checkpoint.epoch_ends(monitor, state)
        else:
            if not (plan.is_incremental or plan.is_scheduled):
                limit = (
                    f"Stochastic Optimizer: Maximum iterations ({plan.n_epochs}) "
                    "reached and the optimization hasn't converged yet."
                )
    except KeyboardInterrupt:
        monitor.interrupted(epoch)
        warn(INTERRUPTED)
    except Exception as error:
        took_steps = record.n_iter > 0 or epoch.rows_counted > 0
        if not (is_from_function(error) and took_steps):
            monitor.failed()
            raise
        monitor.interrupted(epoch, "error")
        task.error = error
    monitor.finish(limit)


def _epoch(task, optimizer, kind):
    """The epoch of the core over the data of the task."""
    batch_size, regularization = task.batch_size(), task.plan.regularization
    epoch = kind(
        task.network,
        task.data,
        task.params,
        optimizer.moments,
        batch_size,
        task.plan.alpha,
        task.threads(batch_size),
        **regularization.of_rows(),
    )
    epoch.regularize(**regularization.of_weights())
    optimizer.prepare(epoch)
    return epoch


def _optimizer(task):
    """The optimizer of the state to go on with, or a new one."""
    plan, n_params, dtype = task.plan, len(task.params), task.params.dtype
    state = task.optimizer_state
    if state is not None:
        optimizer = restored_optimizer(plan.solver, state, n_params, dtype)
        if optimizer is not None:
            return optimizer
    return OPTIMIZERS[plan.solver].from_settings(plan.steps, n_params, dtype)
