"""A fitted model as plain data: sizes, weights, classes and names."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastmlp._core.kernels import (
    loss_output_names,
    loss_outputs,
    max_levels,
    output_names,
)
from fastmlp._core.network import Objective
from fastmlp._utils.numbers import is_finite

_LOSS_OF_OUTPUT = {
    loss_outputs[loss]: loss
    for loss in ("squared_error", "poisson", "binary_log_loss", "log_loss")
}


def output_activation(objective):
    """The output activation as the attribute ``out_activation_`` names it."""
    if objective.loss == "gaussian_nll":
        return "gaussian"  # the mean and the log variance of each target
    name = objective.output or loss_outputs[objective.loss]
    if name == "logistic" and not objective.loss.startswith("binary"):
        name = (name, *objective.bounds)
    if objective.loss == "quantile" and objective.is_monotone:
        return "monotone" if name == "identity" else ("monotone", name)
    return name


def is_logistic_range(value):
    """Return whether a value is a logistic output with its range."""
    return (
        isinstance(value, tuple)
        and len(value) == 3
        and value[0] == "logistic"
        and all(is_finite(bound) for bound in value[1:])
        and value[1] < value[2]
    )


def predicting_objective(name, trained, is_classifier):
    """The objective by which a model predicts that has this ``out_activation_``.

    It is that of the fit, unless the attribute was set to another name afterwards, for
    example to "identity" for logits: then only its output activation counts.

    Parameters
    ----------
    name : str or tuple
        ``out_activation_``.
    trained : Objective or None
        The objective that the fit stored, None for those of scikit-learn.
    is_classifier : bool

    Raises
    ------
    ValueError
        If there is no such output activation.
    """
    if trained is not None and name == output_activation(trained):
        return trained
    if trained is not None and trained.loss == "gaussian_nll":
        raise ValueError(
            "out_activation_ of a model fitted with loss='gaussian_nll' cannot be "
            f"changed: it predicts a mean and a variance. Got {name!r}, set it back to "
            "'gaussian'."
        )
    has_range = is_logistic_range(name)
    if not has_range and not (isinstance(name, str) and name in output_names):
        raise ValueError(
            f"out_activation_ must be one of {tuple(output_names)} or a triple "
            f"('logistic', low, high), got {name!r}."
        )
    output, *bounds = name if has_range else (name, 0.0, 1.0)
    if trained is not None and len(trained.levels) > 1:  # columns of quantiles
        return trained._replace(
            output=None if output == "identity" else output,
            bounds=tuple(bounds),
            is_monotone=False,
        )
    loss = _LOSS_OF_OUTPUT.get(name)
    if loss is not None and is_classifier == (output in ("softmax", "logistic")):
        return Objective(loss)
    return Objective("squared_error", output, bounds=tuple(bounds))


def special(objective):
    """The objective, if prediction needs more than the name of the output activation.

    None if a prediction is one output per target, after an activation that
    scikit-learn has, whatever the loss was.
    """
    if loss_outputs[objective.loss] in ("softmax", "logistic"):
        return None
    is_own = objective.output in (None, "identity", "exp")
    n_levels = len(objective.levels) if objective.loss == "quantile" else 1
    if is_own and n_levels == 1 and objective.loss != "gaussian_nll":
        return None
    return objective


def stored_objective(stored, is_classifier):
    """The objective that a file describes, checked.

    Raises
    ------
    ValueError
        If there can be none like that.
    """
    impossible = ValueError(f"it has the impossible _objective {str(stored)[:200]}.")
    needed = set(Objective._fields) - {"step_scale"}  # which older files lack
    if not isinstance(stored, dict) or stored.keys() - {"step_scale"} != needed:
        raise impossible
    objective = Objective(**stored)
    loss, output = objective.loss, objective.output
    for name, known in ((loss, loss_outputs), (output, (None, *loss_output_names))):
        if not isinstance(name, str | None) or name not in known:
            raise impossible
    is_of_classes = loss_outputs[loss] in ("softmax", "logistic")
    sound = (
        is_of_classes == is_classifier
        and output != "softmax"
        and (output is None or not is_of_classes)
        and type(objective.is_monotone) is bool
        and is_finite(objective.parameter)
        and _are_finite(objective.bounds)
        and len(objective.bounds) == 2
        and objective.bounds[0] < objective.bounds[1]
        and _are_finite(objective.levels)
        and len(objective.levels) <= max_levels
        and all(0 < level < 1 for level in objective.levels)
        and all(low < high for low, high in pairwise(objective.levels))
        and (objective.positive is None or _are_finite(objective.positive))
        and (objective.step_scale is None or _are_positive(objective.step_scale))
    )
    if not sound:
        raise impossible
    return objective


def _are_finite(values):
    """Return whether these are numbers, at least one."""
    return isinstance(values, tuple) and len(values) > 0 and all(map(is_finite, values))


def _are_positive(values):
    """Return whether these are numbers above 0, at least one."""
    return _are_finite(values) and min(values) > 0


class Snapshot(NamedTuple):
    """A fitted model as plain data.

    Attributes
    ----------
    coefs : list of ndarray of shape (fan_in, fan_out)
    intercepts : list of ndarray of shape (fan_out,)
        All in one dtype, float32 or float64.
    activations : list of (str, float)
        Name and parameter of the activation of each hidden layer.
    output_activation : str
    dtype : dtype or None
        Of the arithmetic; None follows X, as ``dtype="auto"`` does.
    classes : ndarray or None
        Of a classifier.
    feature_names : list of str or None
    objective : Objective or None
        The minimised function, where ``special`` says that it matters.
    is_multilabel : bool
        Whether the model predicts several labels at once.
    """

    coefs: list
    intercepts: list
    activations: list
    output_activation: str
    dtype: object
    classes: np.ndarray | None
    feature_names: list | None
    objective: Objective | None = None
    is_multilabel: bool = False

    @property
    def units(self):
        """Number of inputs, of units of each hidden layer, and of outputs."""
        return (len(self.coefs[0]), *(len(b) for b in self.intercepts))

    @property
    def loss(self):
        """The loss of the core that belongs to the outputs."""
        if self.objective is not None:
            return self.objective
        return _LOSS_OF_OUTPUT[self.output_activation]

    @property
    def is_classifier(self):
        """Return whether the model predicts classes."""
        return self.classes is not None

    @property
    def own_out_activation(self):
        """The output activation of a classifier unless it was set after the fit."""
        return "logistic" if self.is_binary or self.is_multilabel else "softmax"

    @property
    def is_binary(self):
        """Return whether one output gives the probability of two classes (or one)."""
        return self.is_classifier and self.units[-1] == 1
