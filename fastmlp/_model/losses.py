"""The losses of the models: what their parameters ask for, and what y must be.

Sources: quantile (pinball) loss R. Koenker and G. Bassett 1978; huber P. J. Huber
1964; gamma and tweedie deviance B. Jorgensen 1987; gaussian_nll D. A. Nix and A. S.
Weigend 1994; focal T.-Y. Lin et al. 2017.  Quantiles that cannot cross are one output
plus a sum of positive steps, softplus of the others, as in Y. Gasthaus et al. 2019.
"""

from __future__ import annotations

from itertools import pairwise
from numbers import Real

import numpy as np
from scipy.stats import norm
from sklearn.metrics import d2_pinball_score, r2_score

from fastmlp._core.kernels import loss_outputs, max_levels
from fastmlp._core.network import Objective
from fastmlp._functions.losses import Loss
from fastmlp._model.snapshot import output_activation as name_of_output
from fastmlp._utils.numbers import is_flat

REGRESSION_LOSSES = (
    "squared_error",
    "poisson",
    "absolute_error",
    "huber",
    "log_cosh",
    "quantile",
    "gamma",
    "tweedie",
    "gaussian_nll",
)
CLASSIFICATION_LOSSES = ("log_loss", "focal")
OUTPUTS = ("identity", "exp", "softplus", "logistic")
# Losses whose targets may be shifted and scaled.
LOCATION_LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "quantile",
    "gaussian_nll",
)
# The rule for the targets of a loss, and the loss to take for others.
_TARGETS = {
    "poisson": ("y >= 0", "Use loss='squared_error'."),
    "tweedie": ("y >= 0", "Use loss='squared_error'."),
    "gamma": ("y > 0", "Use loss='tweedie' for y with zeros, else 'squared_error'."),
}


def is_level(value):
    """Return whether a value is one quantile level."""
    return isinstance(value, Real) and 0 < value < 1


def are_levels(value):
    """Return whether a value lists quantile levels."""
    if not isinstance(value, list | tuple | np.ndarray) or not is_flat(value):
        return False
    return (
        0 < len(value) <= max_levels
        and all(is_level(level) for level in value)
        and all(low < high for low, high in pairwise(value))
    )


def regression_objective(
    loss,
    output_activation=None,
    *,
    huber_delta=1.0,
    tweedie_power=1.5,
    quantile=0.5,
    monotone_quantiles=False,
):
    """Objective of a regressor; ValueError if its parameters contradict one another."""
    if isinstance(loss, Loss):
        return _own_objective(loss, output_activation)
    parameter = {"huber": huber_delta, "tweedie": tweedie_power}.get(loss, 0.0)
    levels = np.atleast_1d(quantile) if loss == "quantile" else [0.5]
    if monotone_quantiles and loss != "quantile":
        raise ValueError(
            "monotone_quantiles=True needs loss='quantile', got "
            f"loss={loss!r}. Leave it at False."
        )
    output, bounds = _output(loss, output_activation)
    return Objective(
        loss,
        output,
        float(parameter),
        bounds,
        tuple(float(level) for level in levels),
        bool(monotone_quantiles) and len(levels) > 1,
    )


def _own_objective(loss, output_activation):
    """The objective beside a user-defined loss, which has its output activation."""
    output = loss.output_activation
    if output not in OUTPUTS:
        raise ValueError(
            f"{loss!r} has output_activation={output!r}; for regression it must be one "
            f"of {OUTPUTS}."
        )
    if output_activation is not None:
        raise ValueError(
            f"{loss!r} brings its output activation, {output!r}. Leave "
            f"output_activation at None, got {output_activation!r}."
        )
    return Objective("squared_error", None if output == "identity" else output)


def _output(loss, output_activation):
    """The output activation that is asked for, and the range of a logistic one."""
    output, bounds = output_activation, (0.0, 1.0)
    if isinstance(output, tuple):
        output, *bounds = output
        bounds = tuple(float(bound) for bound in bounds)
    if output is None or output == loss_outputs[loss]:
        return None, (0.0, 1.0)
    if loss == "gaussian_nll":
        raise ValueError(
            "loss='gaussian_nll' fixes the output activation: a mean and a log "
            f"variance. Leave output_activation at None, got {output_activation!r}."
        )
    if loss_outputs[loss] == "exp" and (output == "identity" or bounds[0] < 0):
        raise ValueError(
            f"loss={loss!r} needs predictions above 0, but output_activation="
            f"{output_activation!r} gives others. Use None (exp), 'softplus' or "
            "('logistic', low, high) with low >= 0."
        )
    return output, bounds


def outputs_per_target(objective):
    """Units of the output layer for each target."""
    return {"quantile": len(objective.levels), "gaussian_nll": 2}.get(objective.loss, 1)


def is_plain(objective):
    """Return whether scikit-learn has the loss, known by its output activation."""
    return (
        objective.loss in ("squared_error", "poisson", "log_loss", "binary_log_loss")
        and objective.output is None
        and objective.positive is None
    )


def standardizable(objective):
    """Return whether targets may be standardised.

    Their shift and scale are folded into the last layer.
    """
    return objective.loss in LOCATION_LOSSES and objective.output is None


def check_target_range(y, dtype, objective):
    """Raise ValueError for targets that the loss or the output activation excludes.

    Parameters
    ----------
    y : ndarray of float64
    dtype : dtype
        Precision of the model, in which the targets of gamma must still be above 0.
    objective : Objective
    """
    loss, output = objective.loss, objective.output
    smallest, largest = float(y.min()), float(y.max())
    if loss in _TARGETS:
        rule, remedy = _TARGETS[loss]
        tiny = np.finfo(dtype).tiny
        if smallest < 0 or (loss == "gamma" and smallest < tiny):
            raise ValueError(
                f"Some value(s) of y are out of the valid range of loss={loss!r}, "
                f"which needs {rule}; the smallest is {smallest:g}. {remedy}"
            )
    low, high = objective.bounds if output == "logistic" else (0.0, np.inf)
    if output is not None and not low <= smallest <= largest <= high:
        raise ValueError(
            f"y must be within [{low:g}, {high:g}], the range of output_activation="
            f"{name_of_output(objective)!r}; it reaches from {smallest:g} to "
            f"{largest:g}. Set a wider range, or output_activation=None."
        )


def split_outputs(outputs, objective):
    """Outputs by target, of shape (n_samples, n_targets, outputs_per_target)."""
    n_samples = len(outputs)
    if objective.loss == "gaussian_nll":
        return outputs.reshape(n_samples, 2, -1).transpose(0, 2, 1)
    return outputs.reshape(n_samples, -1, outputs_per_target(objective))


def score(y, outputs, objective, sample_weight):
    """R2 of the predicted means; for quantiles the mean D2 of their pinball losses."""
    y = np.asarray(y).reshape(len(y), -1)
    outputs = split_outputs(outputs, objective)
    if objective.loss != "quantile":
        return r2_score(y, outputs[:, :, 0], sample_weight=sample_weight)
    scores = [
        d2_pinball_score(y, outputs[:, :, q], sample_weight=sample_weight, alpha=level)
        for q, level in enumerate(objective.levels)
    ]
    return float(np.mean(scores))


def interval(outputs, objective, coverage):
    """Lower and upper ends of the central interval, (n_samples, n_targets, 2).

    Parameters
    ----------
    outputs : ndarray of shape (n_samples, n_outputs)
    objective : Objective
    coverage : float
    """
    if not isinstance(coverage, Real) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be a float in (0, 1), got {coverage!r}.")
    outputs = split_outputs(outputs, objective)
    ends = np.array([(1 - coverage) / 2, (1 + coverage) / 2])
    if objective.loss == "gaussian_nll":
        deviation = np.exp(0.5 * outputs[:, :, 1:])
        return outputs[:, :, :1] + deviation * norm.ppf(ends).astype(outputs.dtype)
    levels = np.array(objective.levels)
    slack = 1e-9  # (1 - 0.9) / 2 is not 0.05
    if ends[0] < levels[0] - slack or ends[1] > levels[-1] + slack:
        raise ValueError(
            f"an interval of coverage={coverage:g} lies between the quantiles "
            f"{ends[0]:g} and {ends[1]:g}, but the model was fitted for "
            f"{list(objective.levels)}. Fit with quantile=[{ends[0]:g}, ..., "
            f"{ends[1]:g}], or ask for a smaller coverage."
        )
    # Sorted quantiles are no farther from the true ones (Chernozhukov et al. 2010).
    outputs = np.sort(outputs, axis=2)
    right = np.searchsorted(levels, ends - slack).clip(1, len(levels) - 1)
    left = right - 1
    share = ((ends - levels[left]) / (levels[right] - levels[left])).clip(0, 1)
    share = share.astype(outputs.dtype)
    return outputs[:, :, left] * (1 - share) + outputs[:, :, right] * share
