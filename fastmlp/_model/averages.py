"""The mean of the predictions of several networks.

Outputs behind their activation are averaged.  Of normal distributions the mixture is
taken, by its mean and variance (B. Lakshminarayanan, A. Pritzel and C. Blundell 2017):
where the members differ in their means, the variance is larger than that of each.
"""

from __future__ import annotations

import numpy as np

from fastmlp._core.kernels import loss_outputs


def mean_outputs(outputs, objective, places=None, n_rows=None):
    """The mean of the outputs of several networks.

    Parameters
    ----------
    outputs : list of ndarray of shape (n_rows_of_network, n_outputs)
        Behind their activation.
    objective : Objective
    places : list of ndarray of int, or None
        The rows of the mean that each network has outputs for; None for all.
    n_rows : int or None
        Rows of the mean, where there are places.

    Returns
    -------
    mean : ndarray of shape (n_rows, n_outputs)
        For gaussian_nll computed in float64, as variances around the common mean.
    """
    dtype = outputs[0].dtype
    if places is None:
        places, n_rows = [slice(None)] * len(outputs), len(outputs[0])
    if objective.loss != "gaussian_nll":
        return _mean(outputs, places, n_rows)
    halves = [np.split(of.astype(np.float64), 2, axis=1) for of in outputs]
    middle = _mean([mean for mean, _ in halves], places, n_rows)
    variance = _mean(
        [
            np.exp(log_variance) + (mean - middle[rows]) ** 2
            for (mean, log_variance), rows in zip(halves, places)
        ],
        places,
        n_rows,
    )
    variance = np.maximum(variance, np.finfo(dtype).tiny)
    return np.hstack([middle, np.log(variance)]).astype(dtype)


def _mean(values, places, n_rows):
    """The mean of values that are each of some rows."""
    total = np.zeros((n_rows, values[0].shape[1]), dtype=values[0].dtype)
    counts = np.zeros((n_rows, 1), dtype=total.dtype)
    for of_network, rows in zip(values, places):
        total[rows] += of_network
        counts[rows] += 1
    return total / counts


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
