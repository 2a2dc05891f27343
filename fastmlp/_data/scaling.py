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
from fastmlp._data.validation import as_array
from fastmlp._model.losses import LOCATION_LOSSES, outputs_per_target, standardizable


def standardize(task, is_cold):
    """Let a task train on standardised data, if its estimator asks for it.

    The statistics are those of the first fit of the model, over its training rows and
    their weights; a warm start and ``partial_fit`` keep them.

    Parameters
    ----------
    task : Task
        With its training rows chosen.
    is_cold : bool
        Whether the fit begins anew: random weights take standardised data, while given
        ones and those of an earlier fit take raw data.
    """
    estimator = task.estimator
    known = getattr(estimator, "_scaling", None) or {}
    wanted = {
        "X": estimator.standardize_X,
        "y": getattr(estimator, "standardize_y", False),
    }
    if wanted["y"]:
        _check_targets_scale(task.network.objective, estimator)
    estimator._scaling = {
        name: known.get(name) or _statistics(task, name)
        for name, is_wanted in wanted.items()
        if is_wanted
    }
    if not estimator._scaling:
        return
    scaling = task.scaling = Scaling(task.network, **estimator._scaling)
    if wanted["y"] and task.network.objective.is_monotone:
        _scale_steps(task, scaling.y["scale"], is_cold)
    if task.options.gives_weights or not is_cold:
        scaling.unfold(task.params)
    task.X, task.y = scaling.features(task.X), scaling.targets(task.y)
    task.data = Data(task.X, task.y, task.sample_weight)
    if task.holdout is not None:
        task.holdout.standardize(scaling)


def _check_targets_scale(objective, estimator):
    """Raise ValueError where the last layer cannot undo scaled targets."""
    if not standardizable(objective):
        losses = " or ".join(repr(loss) for loss in LOCATION_LOSSES)
        what = f"loss={objective.loss!r}"
        if objective.loss in LOCATION_LOSSES:
            what = f"output_activation={estimator.output_activation!r}"
        raise ValueError(
            f"standardize_y=True needs loss={losses} with output_activation=None, got "
            f"{what}: its targets must keep their units."
        )
    if objective.loss == "gaussian_nll" and not estimator.fit_intercept:
        raise ValueError(
            "standardize_y=True with loss='gaussian_nll' needs fit_intercept=True: the "
            "scale goes into the intercept of the log variance."
        )


def _scale_steps(task, scale, is_cold):
    """Give the steps between monotone quantiles the units of raw and of scaled targets.

    A step is u softplus(z / u) of an output z with a unit u for each target. Scaling u
    like z scales the step, so the last layer and the units undo scaled targets. A new
    model steps in standard deviations; one that goes on keeps its units.
    """
    objective = task.network.objective
    units = scale
    if not is_cold:
        known = objective.step_scale
        units = np.ones_like(scale) if known is None else np.array(known)
    for take, values in (
        (task.estimator._take_objective, units),
        (task.network.set_objective, units / scale),
    ):
        take(objective._replace(step_scale=tuple(values.tolist())))


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
        means = np.repeat(mean, n)
        if objective.is_monotone:  # the other outputs are steps, which do not shift
            means = np.where(np.arange(len(means)) % n == 0, means, 0)
        return means, np.repeat(scale, n), 0.0

    def features(self, X):
        """Standardised features, in the dtype of the raw ones; dense if shifted."""
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
    """(values - mean) / scale; sparse values stay sparse where all means are 0."""
    if issparse(values) and mean.any():  # the statistics are those of dense rows
        values = values.toarray()
    if issparse(values):
        values = values.copy()
        values.data /= scale[values.indices]
        return values
    out = np.subtract(values, mean, out=np.empty_like(values), casting="same_kind")
    return np.divide(out, scale, out=out, casting="same_kind")
