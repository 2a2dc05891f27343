"""Standardised features and targets, and the weights that undo it.

Training sees (x - mean) / scale.  Afterwards both are folded into the first layer,
``W / scale`` and ``b - (mean / scale) W``, and for targets into the last one,
``W scale`` and ``b scale + mean``, so that ``coefs_`` take raw features and give raw
targets.  Before training goes on they are unfolded again.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse
from sklearn.preprocessing import StandardScaler

from fastmlp._data.validation import as_array
from fastmlp._model.losses import LOCATION_LOSSES, outputs_per_target, standardizable


def check_targets_scale(objective, output_activation, fit_intercept):
    """Raise ValueError where the last layer cannot undo scaled targets."""
    if not standardizable(objective):
        losses = " or ".join(repr(loss) for loss in LOCATION_LOSSES)
        what = f"loss={objective.loss!r}"
        if objective.loss in LOCATION_LOSSES:
            what = f"output_activation={output_activation!r}"
        raise ValueError(
            f"standardize_y=True needs loss={losses} with output_activation=None, got "
            f"{what}: its targets must keep their units."
        )
    if objective.loss == "gaussian_nll" and not fit_intercept:
        raise ValueError(
            "standardize_y=True with loss='gaussian_nll' needs fit_intercept=True: the "
            "scale goes into the intercept of the log variance."
        )


def step_objectives(objective, scale, is_cold):
    """Monotone quantiles in the units of raw targets, and in those of scaled ones.

    A step between two quantiles is u softplus(z / u) of an output z with a unit u for
    each target. Scaling u like z scales the step, so the last layer and the units undo
    scaled targets. A new model steps in standard deviations; one that goes on keeps its
    units.

    Parameters
    ----------
    objective : Objective
    scale : ndarray of shape (n_targets,)
        Of the targets.
    is_cold : bool
        Whether the model is new.

    Returns
    -------
    of_raw, of_scaled : Objective
    """
    units = scale
    if not is_cold:
        known = objective.step_scale
        units = np.ones_like(scale) if known is None else np.array(known)
    return tuple(
        objective._replace(step_scale=tuple(values.tolist()))
        for values in (units, units / scale)
    )


def statistics(values, weight, name, fit_intercept, gather=None):
    """Mean and scale of the columns of X or y over rows with weights.

    Parameters
    ----------
    values : ndarray or CSR matrix
    weight : ndarray or None
    name : {"X", "y"}
    fit_intercept : bool
        Whether the network has intercepts, which undo a shift.
    gather : callable or None
        Where the rows are those of several processes: gives the list of what each of
        them called it with.

    Returns
    -------
    dict with the arrays "mean" and "scale"
    """
    centred = fit_intercept and not issparse(values)
    if gather is not None:
        parts = gather(_two_rows(values, weight))
        values = np.concatenate([rows for rows, _ in parts])
        weight = np.repeat([total / 2 for _, total in parts], 2)
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler(with_mean=centred).fit(values, sample_weight=weight)
    if not (np.isfinite(scaler.scale_).all() and (scaler.scale_ > 0).all()):
        raise ValueError(
            f"{name} cannot be standardised, as its variances are not finite: some "
            "values are too large, or the weights of the rows negative."
        )
    mean = scaler.mean_ if centred else np.zeros(values.shape[1])
    return {"mean": np.asarray(mean, np.float64), "scale": scaler.scale_}


def _two_rows(values, weight):
    """Two rows with mean and variance of these, for each half of the total weight."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler(with_mean=not issparse(values))
        scaler.fit(values, sample_weight=weight)
        deviation = np.sqrt(scaler.var_)
        rows = np.stack([scaler.mean_ - deviation, scaler.mean_ + deviation])
    total = values.shape[0] if weight is None else weight.sum(dtype=np.float64)
    return rows, float(total)


class Scaling:
    """The map between raw and standardised data.

    Parameters
    ----------
    network : Network
    X, y : dict or None
        "mean" and "scale", ndarray of shape (n_columns,), where they are standardised.
    """

    def __init__(self, network, X=None, y=None):
        self.network, self.X, self.y = network, X, y

    def _of_outputs(self):
        """Mean and scale of each output, and the shift of a log variance."""
        mean, scale = self.y["mean"], self.y["scale"]
        objective = self.network.objective
        if objective.loss == "gaussian_nll":
            n = len(mean)
            rest, ones = np.zeros(n), np.ones(n)
            shift = np.r_[rest, 2 * np.log(scale)]
            return np.r_[mean, rest], np.r_[scale, ones], shift
        n = outputs_per_target(objective)
        means = np.repeat(mean, n)
        if objective.is_monotone:  # the other outputs are steps, which do not shift
            means = np.where(np.arange(len(means)) % n == 0, means, 0)
        return means, np.repeat(scale, n), 0.0

    def features(self, X):
        """Standardised features, in the dtype of the raw ones; dense if shifted."""
        if X is None or self.X is None:
            return X
        return _standardized(as_array(X), **self.X)

    def targets(self, y):
        """Standardised targets."""
        return y if self.y is None else _standardized(y, **self.y)

    def samples(self, samples):
        """Samples in the units of training."""
        return samples._replace(X=self.features(samples.X), y=self.targets(samples.y))

    def fold(self, params):
        """Change weights for standardised data to weights for raw data, in place."""
        coefs, intercepts = self.network.split(params)
        if self.X is not None:
            mean, scale = self.X["mean"], self.X["scale"]
            coef = coefs[0] / scale[:, None]
            intercepts[0][:] = intercepts[0] - mean @ coef
            coefs[0][:] = coef
        if self.y is not None:
            mean, scale, shift = self._of_outputs()
            coefs[-1][:] = coefs[-1] * scale
            intercepts[-1][:] = intercepts[-1] * scale + mean + shift

    def unfold(self, params):
        """Change weights for raw data to weights for standardised data, in place."""
        coefs, intercepts = self.network.split(params)
        if self.y is not None:
            mean, scale, shift = self._of_outputs()
            coefs[-1][:] = coefs[-1] / scale
            intercepts[-1][:] = (intercepts[-1] - mean - shift) / scale
        if self.X is not None:
            mean, scale = self.X["mean"], self.X["scale"]
            intercepts[0][:] = intercepts[0] + mean @ coefs[0].astype(np.float64)
            coefs[0][:] = coefs[0] * scale[:, None]


def _standardized(values, mean, scale):
    """(values - mean) / scale; sparse values stay sparse where all means are 0."""
    if issparse(values) and mean.any():  # the statistics are those of dense rows
        values = values.toarray()
    if issparse(values):
        values = values.copy()
        values.data /= scale[values.indices]
        return values
    out = np.subtract(values, mean, out=np.empty_like(values), casting="same_kind")
    return np.divide(out, scale, out=out, casting="same_kind")
