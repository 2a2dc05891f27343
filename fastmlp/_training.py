"""The fit loops: epochs, stopping and lbfgs.

They read the parameters of an estimator, train the flat vector ``params`` in place and
set the attributes that record the course of the fit (scikit-learn's names).
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastmlp._core.batch import THREAD_WORK, BatchSum
from fastmlp._core.network import Data, Layers
from fastmlp._core.prediction import predict
from fastmlp._core.solvers import Epoch
from fastmlp._optimizers import OPTIMIZERS, restored_optimizer
from fastmlp._threads import allowed_threads
from fastmlp._validation import check_some_weight

INTERRUPTED = "Training interrupted by user."


def fit_stochastic(
    estimator, network, params, X, y, sample_weight, incremental, checkpoint=None
):
    """Train by sgd or adam, for at most max_iter epochs, or one if incremental."""
    if incremental and estimator.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True")
    optimizer = _optimizer(estimator, network.n_params, params.dtype, incremental)
    data = Data(X, y, sample_weight)
    if checkpoint is not None:
        checkpoint.begin(estimator, X, y, sample_weight)
    rows, validation = None, None
    n_train = len(y)
    if estimator.early_stopping:
        rows, held_out = _split(estimator, y)
        n_train = len(rows)
        if sample_weight is not None:
            check_some_weight(sample_weight[rows], "the training part of the split")
        validation = _Validation(
            estimator, network, params, data, y, sample_weight, held_out
        )
    order = np.arange(n_train, dtype=np.intp) if rows is None else rows
    batch_size = _batch_size(estimator, n_train)
    epoch = Epoch(
        network,
        data,
        params,
        optimizer.moments,
        batch_size,
        float(estimator.alpha),
        _threads(estimator, network, data, batch_size),
    )
    optimizer.prepare(epoch)
    estimator.n_iter_ = 0
    if checkpoint is not None:
        order = checkpoint.restore(estimator, params, optimizer, order, validation)
    try:
        for _ in range(estimator.n_iter_, estimator.max_iter):
            if estimator.shuffle:
                permutation = np.arange(n_train)
                estimator._random_state.shuffle(permutation)
                order = order[permutation]
            optimizer.prepare(epoch)
            if estimator.shuffle or rows is not None:
                epoch.run(order)
            else:
                epoch.run(n_rows=n_train)
            _record_epoch(estimator, epoch, n_train, validation)
            optimizer.epoch_ends(epoch, estimator.t_)
            diverged = not np.isfinite(estimator.loss_) and validation is None
            if diverged and not np.isfinite(params).all():
                warnings.warn(
                    f"Training diverged in epoch {estimator.n_iter_}: the weights are "
                    "no longer finite. Lower learning_rate_init or scale the data.",
                    ConvergenceWarning,
                    stacklevel=4,
                )
                break
            if estimator._no_improvement_count > estimator.n_iter_no_change:
                if optimizer.trigger_stopping(_reason(estimator), estimator.verbose):
                    break
                estimator._no_improvement_count = 0
            if incremental:
                break
            if estimator.n_iter_ == estimator.max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) "
                    "reached and the optimization hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=4,
                )
            if checkpoint is not None:
                checkpoint.epoch_ends(estimator, params, optimizer, order, validation)
    except KeyboardInterrupt:
        optimizer.epoch_ends(epoch, estimator.t_)
        estimator.loss_ = epoch.loss
        warnings.warn(INTERRUPTED, stacklevel=4)
    if validation is not None and estimator.n_iter_ > 0:
        params[:] = validation.best_params
    estimator._optimizer_state = vars(optimizer)


class _Validation:
    """The held-out rows, their score after each epoch, and the best weights."""

    def __init__(self, estimator, network, params, data, y, sample_weight, rows):
        self.estimator, self.network, self.params = estimator, network, params
        self.data = data
        self.layers = Layers(*network.split(params), params.dtype)
        self.rows = rows
        self.y = y[rows]
        self.sample_weight = None if sample_weight is None else sample_weight[rows]
        if self.sample_weight is not None:
            check_some_weight(self.sample_weight, "the validation part of the split")
        self.best_params = params.copy()

    def score(self):
        """Accuracy or R2 of the current weights; NaN where they predict no numbers."""
        outputs = predict(self.network, self.data, self.layers, self.rows)
        return self.estimator._validation_score(self.y, outputs, self.sample_weight)

    def keep(self):
        """Remember the current weights as the best."""
        self.best_params = self.params.copy()


def _optimizer(estimator, n_params, dtype, incremental):
    """The optimizer of the last partial_fit, or a new one."""
    state = getattr(estimator, "_optimizer_state", None)
    if incremental and state is not None:
        optimizer = restored_optimizer(estimator.solver, state, n_params, dtype)
        if optimizer is not None:
            return optimizer
    return OPTIMIZERS[estimator.solver].from_parameters(estimator, n_params, dtype)


def _split(estimator, y):
    """Rows of the training and of the validation part, drawn as scikit-learn does."""
    stratify = None
    if estimator.validation_fraction == 0:
        raise ValueError(
            "validation_fraction must be above 0 with early_stopping=True, got "
            f"{estimator.validation_fraction}."
        )
    if estimator._stratifies():
        stratify = np.where(y[:, 0] != 0, "True", "False")
    rows, held_out = train_test_split(
        np.arange(len(y), dtype=np.intp),
        random_state=estimator._random_state,
        test_size=float(estimator.validation_fraction),
        stratify=stratify,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    return rows, held_out


def _batch_size(estimator, n_train):
    """Rows of a batch."""
    if estimator.batch_size == "auto":
        return min(200, n_train)
    if estimator.batch_size > n_train:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to "
            "be clipped",
            stacklevel=5,
        )
    return min(int(estimator.batch_size), n_train)


def _threads(estimator, network, data, batch_size):
    """Threads for the batches: one where they are too small to share."""
    if batch_size * data.work_per_row(network.units) < THREAD_WORK:
        return 1
    return allowed_threads(estimator.n_threads)


def _record_epoch(estimator, epoch, n_train, validation):
    """Extend the history and count the epochs without improvement."""
    if not epoch.rows_counted:
        raise ValueError(
            "sample_weight must not sum to zero in every batch: no step can be taken."
        )
    estimator.n_iter_ += 1
    estimator.loss_ = epoch.loss
    estimator.t_ += n_train
    estimator.loss_curve_.append(estimator.loss_)
    if estimator.verbose:
        print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
    if validation is None:
        worse = estimator.loss_ > estimator.best_loss_ - estimator.tol
        estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
    else:
        score = validation.score()
        estimator.validation_scores_.append(score)
        if estimator.verbose:
            print(f"Validation score: {score:f}")
        worse = score < estimator.best_validation_score_ + estimator.tol
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            validation.keep()
    estimator._no_improvement_count = (
        estimator._no_improvement_count + 1 if worse else 0
    )


def _reason(estimator):
    """Why training stops, as scikit-learn words it."""
    what = (
        "Validation score did not improve"
        if estimator.early_stopping
        else "Training loss did not improve"
    )
    return (
        f"{what} more than tol={estimator.tol:f} for {estimator.n_iter_no_change} "
        "consecutive epochs."
    )


def fit_lbfgs(estimator, network, params, X, y, sample_weight):
    """Train by SciPy's L-BFGS-B on the loss and gradient of the core."""
    if sample_weight is not None and sample_weight.sum(dtype=np.float64) == 0:
        raise ValueError("sample_weight must not sum to zero with solver='lbfgs'.")
    data = Data(X, y, sample_weight)
    n_threads = _threads(estimator, network, data, len(y))
    batch = BatchSum(network, data, params, len(y), n_threads)
    trained = network.n_trainable
    best = {"loss": np.inf, "params": params[:trained].astype(np.float64), "n_iter": 0}

    def objective(packed):
        with np.errstate(over="ignore"):
            params[:trained] = packed
        loss = batch.loss_gradient(float(estimator.alpha))
        if loss < best["loss"]:
            best["loss"], best["params"] = loss, packed.copy()
        return loss, batch.grad[:trained].astype(np.float64)

    def iteration_ends(packed):
        best["n_iter"] += 1
        if estimator.verbose:
            print(f"Iteration {best['n_iter']}, loss = {best['loss']:.8f}")

    try:
        result = minimize(
            objective,
            best["params"],
            method="L-BFGS-B",
            jac=True,
            callback=iteration_ends,
            options={
                "maxfun": int(estimator.max_fun),
                "maxiter": int(estimator.max_iter),
                "gtol": float(estimator.tol),
            },
        )
    except KeyboardInterrupt:
        params[:trained] = best["params"]
        estimator.n_iter_, estimator.loss_ = best["n_iter"], best["loss"]
        warnings.warn(INTERRUPTED, stacklevel=4)
        return
    params[:trained] = result.x
    estimator.loss_ = float(result.fun)
    estimator.n_iter_ = min(int(result.nit), int(estimator.max_iter))
    if result.status != 0:
        more = ""
        if estimator.n_iter_ == estimator.max_iter:
            more = f" Increase max_iter (now {estimator.max_iter})."
        warnings.warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) "
            f"(status={result.status}): {result.message}.{more} Scaling the data may "
            "also help, for example with sklearn.preprocessing.StandardScaler.",
            ConvergenceWarning,
            stacklevel=4,
        )
