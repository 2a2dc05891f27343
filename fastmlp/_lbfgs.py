"""Training by L-BFGS: SciPy's solver on the loss and gradient of the core."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from fastmlp._core.batch import BatchSum
from fastmlp._task import INTERRUPTED
from fastmlp._warnings import warn


def fit_lbfgs(task):
    """Train by SciPy's L-BFGS-B on all rows at once."""
    estimator, network, params = task.estimator, task.network, task.params
    weight = task.sample_weight
    if weight is not None and weight.sum(dtype=np.float64) == 0:
        raise ValueError("sample_weight must not sum to zero with solver='lbfgs'.")
    batch = BatchSum(network, task.data, params, len(task.y), task.threads(len(task.y)))
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
        warn(INTERRUPTED)
        return
    params[:trained] = result.x
    estimator.loss_ = float(result.fun)
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
