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

from fastmlp._core.network import Data
from fastmlp._losses import LOCATION_LOSSES, outputs_per_target, standardizable
from fastmlp._validation import as_array


def standardize(task, is_raw):
    """Let a task train on standardised data, if its estimator asks for it.

    The statistics are those of the first fit of the model, over its training rows and
    their weights; a warm start and ``partial_fit`` keep them.

    Parameters
    ----------
    task : Task
        With its training rows chosen.
    is_raw : bool
        Whether the weights at hand take raw data; random ones take standardised data.
    """
    estimator = task.estimator
    known = getattr(estimator, "_scaling", None) or {}
    wanted = {
        "X": estimator.standardize_X,
        "y": getattr(estimator, "standardize_y", False),
    }
    if wanted["y"]:
        _check_targets_scale(task.network.objective, estimator.fit_intercept)
    estimator._scaling = {
        name: known.get(name) or _statistics(task, name)
        for name, is_wanted in wanted.items()
        if is_wanted
    }
    if not estimator._scaling:
        return
    scaling = task.scaling = Scaling(task.network, **estimator._scaling)
    if is_raw:
        scaling.unfold(task.params)
    task.X, task.y = scaling.features(task.X), scaling.targets(task.y)
    task.data = Data(task.X, task.y, task.sample_weight)
    if task.holdout is not None:
        task.holdout.standardize(scaling)


def _check_targets_scale(objective, fit_intercept):
    """Raise ValueError where the last layer cannot undo scaled targets."""
    if not standardizable(objective):
        losses = " or ".join(repr(loss) for loss in LOCATION_LOSSES)
        what = f"loss={objective.loss!r}"
        if objective.loss in LOCATION_LOSSES:
            what = "out_activation or monotone_quantiles"
        raise ValueError(
            f"standardize_y=True needs loss={losses} with out_activation=None and "
            f"monotone_quantiles=False, got {what}: its targets must keep their units."
        )
    if objective.loss == "gaussian_nll" and not fit_intercept:
        raise ValueError(
            "standardize_y=True with loss='gaussian_nll' needs fit_intercept=True: the "
            "scale goes into the intercept of the log variance."
        )


def _statistics(task, name):
    """Mean and scale of the columns of X or y over the training rows."""
    X, y, weight = task.training_part()
    values = as_array(X) if name == "X" else y
    centred = bool(task.estimator.fit_intercept) and not issparse(values)
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler(with_mean=centred).fit(values, sample_weight=weight)
    if not (np.isfinite(scaler.scale_).all() and (scaler.scale_ > 0).all()):
        raise ValueError(
            f"standardize_{name}=True needs finite variances, but some values of {name}"
            " are too large, or the weights of the rows negative."
        )
    n_columns = values.shape[1]
    mean = scaler.mean_ if centred else np.zeros(n_columns)
    return {"mean": np.asarray(mean, np.float64), "scale": scaler.scale_}


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
        return np.repeat(mean, n), np.repeat(scale, n), 0.0

    def features(self, X):
        """Standardised features, in the dtype and kind of the raw ones."""
        return X if self.X is None else _standardized(as_array(X), **self.X)

    def targets(self, y):
        """Standardised targets."""
        return y if self.y is None else _standardized(y, **self.y)

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
    """(values - mean) / scale; sparse values have mean 0."""
    if issparse(values):
        values = values.copy()
        values.data /= scale[values.indices]
        return values
    out = np.subtract(values, mean, out=np.empty_like(values), casting="same_kind")
    return np.divide(out, scale, out=out, casting="same_kind")
