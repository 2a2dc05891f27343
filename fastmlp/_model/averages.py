"""The mean of the predictions of several networks.

Outputs behind their activation are averaged.  Of normal distributions the mixture is
taken, by its mean and variance (B. Lakshminarayanan, A. Pritzel and C. Blundell 2017):
where the members differ in their means, the variance is larger than that of each.
"""

from __future__ import annotations

import numpy as np

from fastmlp._core.kernels import loss_outputs


def terms(outputs, objective):
    """What is averaged, made of outputs behind their activation.

    Parameters
    ----------
    outputs : ndarray of shape (n_rows, n_outputs)
    objective : Objective

    Returns
    -------
    terms : ndarray of shape (n_rows, n_outputs)
        The outputs themselves, but for gaussian_nll first and second moments in
        float64, as their difference has fewer digits.
    """
    if objective.loss != "gaussian_nll":
        return outputs
    mean, log_variance = np.split(outputs.astype(np.float64), 2, axis=1)
    return np.hstack([mean, np.exp(log_variance) + mean**2])


def outputs_of(terms, objective, dtype):
    """Outputs behind their activation, from averaged terms."""
    if objective.loss != "gaussian_nll":
        return terms
    mean, square = np.split(terms, 2, axis=1)
    variance = np.maximum(square - mean**2, np.finfo(dtype).tiny)
    return np.hstack([mean, np.log(variance)]).astype(dtype)


def raw_outputs(outputs, objective):
    """Outputs before their activation, up to what the activation does not see.

    Parameters
    ----------
    outputs : ndarray of shape (n_rows, n_outputs)
        Behind the activation.
    objective : Objective

    Returns
    -------
    z : ndarray of shape (n_rows, n_outputs)
    """
    info = np.finfo(outputs.dtype)
    if objective.is_monotone:
        return _steps(outputs, objective)
    output = objective.output or loss_outputs[objective.loss]
    if output in ("softmax", "exp"):
        return np.log(np.maximum(outputs, info.tiny))
    if output == "logistic":
        p = np.clip(outputs, info.tiny, 1 - info.epsneg)
        return np.log(p) - np.log1p(-p)
    return outputs


def _steps(quantiles, objective):
    """The outputs behind which quantiles rise by u softplus(z / u), u their unit."""
    n_levels = len(objective.levels)
    z = quantiles.reshape(len(quantiles), -1, n_levels).copy()
    unit = np.array(objective.step_scale or 1.0, dtype=z.dtype).reshape(-1, 1)
    step = np.maximum(np.diff(z, axis=2) / unit, np.finfo(z.dtype).tiny)
    z[:, :, 1:] = unit * (step + np.log(-np.expm1(-step)))
    return z.reshape(quantiles.shape)
