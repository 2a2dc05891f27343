"""Training by L-BFGS: SciPy's solver on the loss and gradient of the core."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from fastmlp._core.batch import BatchSum
from fastmlp._core.network import Data
from fastmlp._functions import is_from_function
from fastmlp._monitor import Monitor
from fastmlp._task import INTERRUPTED
from fastmlp._warnings import warn


class _StopError(Exception):
    """A rule of ours ends the run of SciPy's solver."""


_ENDS = (KeyboardInterrupt, TimeoutError, _StopError)


def fit_lbfgs(task):
    """Train by SciPy's L-BFGS-B on all rows at once."""
    estimator, params = task.estimator, task.params
    trained = task.network.n_trainable
    monitor = Monitor(task)
    objective = _Objective(task, monitor.deadline)

    def iteration_ends(packed):
        objective.set_params(packed)
        if monitor.scope is not None:
            monitor.scope.epoch_begins()
        if monitor.iteration_ends(objective.best_loss):
            raise _StopError

    try:
        result = minimize(
            objective,
            objective.best_params,
            method="L-BFGS-B",
            jac=True,
            callback=iteration_ends,
            options={
                "maxfun": int(estimator.max_fun),
                "maxiter": int(estimator.max_iter),
                "gtol": float(estimator.tol),
            },
        )
    except (KeyboardInterrupt, Exception) as reason:
        if not (isinstance(reason, _ENDS) or is_from_function(reason)):
            raise
        if is_from_function(reason) and not np.isfinite(objective.best_loss):
            raise
        params[:trained] = objective.best_params
        estimator.loss_ = objective.best_loss
        if isinstance(reason, KeyboardInterrupt):
            monitor.interrupted()
        monitor.finish()
        if isinstance(reason, KeyboardInterrupt):
            warn(INTERRUPTED)
        elif is_from_function(reason):
            task.error = reason
        elif isinstance(reason, TimeoutError):
            monitor.time_is_up()
        return
    objective.set_params(result.x)
    estimator.loss_ = float(result.fun)
    monitor.finish()
    if estimator.on_divergence != "raise" and not np.isfinite(params).all():
        params[:trained] = objective.best_params
    estimator.n_iter_ = min(int(result.nit), int(estimator.max_iter))
    if result.status != 0:
        more = ""
        if estimator.n_iter_ == estimator.max_iter:
            more = f" Increase max_iter (now {estimator.max_iter})."
        warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) "
            f"(status={result.status}): {result.message}.{more} Scaling the data may "
            "also help, for example with sklearn.preprocessing.StandardScaler.",
            ConvergenceWarning,
        )


class _Objective:
    """Loss and gradient over the training rows, and the best weights that it saw."""

    def __init__(self, task, deadline):
        X, y, weight = task.training_part()
        if weight is not None and weight.sum(dtype=np.float64) == 0:
            raise ValueError("sample_weight must not sum to zero with solver='lbfgs'.")
        self.params, self.trained = task.params, task.network.n_trainable
        self.deadline = deadline
        self.alpha = float(task.estimator.alpha)
        self.batch = BatchSum(
            task.network,
            task.data if task.rows is None else Data(X, y, weight),
            task.params,
            task.n_train,
            task.threads(task.n_train),
            smoothing=task.regularization.smoothing,
        )
        self.best_loss = np.inf
        self.best_params = task.params[: self.trained].astype(np.float64)

    def set_params(self, packed):
        """Put the trainable weights in place."""
        with np.errstate(over="ignore"):
            self.params[: self.trained] = packed

    def __call__(self, packed):
        self.set_params(packed)
        deadline = self.deadline if np.isfinite(self.best_loss) else np.inf
        loss = self.batch.loss_gradient(self.alpha, deadline)
        if loss < self.best_loss:
            self.best_loss, self.best_params = loss, packed.copy()
        return loss, self.batch.grad[: self.trained].astype(np.float64)
