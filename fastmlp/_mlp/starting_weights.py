"""The weights that a fit starts from: drawn, those of an earlier fit, or given."""

from __future__ import annotations

import numpy as np

from fastmlp._core.workspace import aligned_empty
from fastmlp._data.validation import check_layers
from fastmlp._mlp import records
from fastmlp._model.snapshot import output_activation
from fastmlp._training.initialization import initial_weights


def start_cold(estimator, network, activations):
    """Draw initial weights and reset what earlier fits recorded."""
    estimator.n_layers_ = len(network.units)
    estimator._take_objective(network.objective)
    coefs, intercepts = initial_weights(
        estimator.weight_init, network.units, activations, estimator._random_state
    )
    if not estimator.fit_intercept:
        intercepts = [np.zeros_like(b) for b in intercepts]
    estimator.coefs_, estimator.intercepts_ = coefs, intercepts
    estimator._scaling = None
    records.forget(estimator)


def start_warm(estimator, network, incremental):
    """Go on from the weights there are; the history goes on growing."""
    known = estimator._layers()[-1]
    method = "partial_fit" if incremental else "warm_start=True"
    if known != network.units:
        raise ValueError(
            f"{method} cannot change the architecture: the fitted model has layers "
            f"of {list(known)} units, but hidden_layer_sizes and the data ask for "
            f"{list(network.units)}. Fit a new estimator, or set warm_start=False."
        )
    output = output_activation(network.objective)
    if getattr(estimator, "out_activation_", output) != output:
        raise ValueError(
            f"{method} cannot change the loss: the fitted model has the output "
            f"activation {estimator.out_activation_!r}, but loss={estimator.loss!r} "
            f"needs {output!r}. Set out_activation_ back if it was changed after the "
            "fit; else fit a new estimator, or set warm_start=False."
        )
    _keep_step_scale(estimator, network, method)
    estimator._take_objective(network.objective)
    estimator.n_layers_ = len(known)


def _keep_step_scale(estimator, network, method):
    """Let monotone quantiles go on in the units that they were fitted with."""
    units = (getattr(estimator, "_objective", None) or {}).get("step_scale")
    if units is None or not network.objective.is_monotone:
        return
    if len(units) != network.n_targets:
        raise ValueError(
            f"{method} cannot change the number of targets or quantiles: the "
            f"fitted model has {len(units)} target(s), y has {network.n_targets}. "
            "Fit a new estimator, or set warm_start=False."
        )
    network.set_objective(network.objective._replace(step_scale=units))


def take_weights(estimator, units, coefs_init, intercepts_init):
    """Replace the initial weights by given ones, after a check."""
    if intercepts_init is not None and not estimator.fit_intercept:
        raise ValueError(
            "intercepts_init needs fit_intercept=True: without intercepts they "
            "are zero."
        )
    coefs = estimator.coefs_ if coefs_init is None else coefs_init
    intercepts = estimator.intercepts_ if intercepts_init is None else intercepts_init
    names = (
        "coefs_" if coefs_init is None else "coefs_init",
        "intercepts_" if intercepts_init is None else "intercepts_init",
    )
    coefs, intercepts, _ = check_layers(coefs, intercepts, units, names)
    for name, arrays in zip(names, (coefs, intercepts)):
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError(f"{name} must be finite, but holds NaN or infinity.")
    estimator.coefs_, estimator.intercepts_ = coefs, intercepts


def packed(estimator, network, dtype):
    """A new flat vector of the weights."""
    params = aligned_empty(network.n_params, dtype)
    coefs, intercepts = network.split(params)
    with np.errstate(over="ignore"):  # to infinity, which the fit then reports
        for view, array in zip(
            coefs + intercepts, estimator.coefs_ + estimator.intercepts_
        ):
            view[:] = array
    return params
