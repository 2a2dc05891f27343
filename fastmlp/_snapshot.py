"""What a fitted model is, apart from scikit-learn: sizes, weights, classes, names."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastmlp._core.kernels import loss_outputs, max_levels, output_names
from fastmlp._core.network import Objective
from fastmlp._numbers import is_finite

_LOSS_OF_OUTPUT = {
    loss_outputs[loss]: loss
    for loss in ("squared_error", "poisson", "binary_log_loss", "log_loss")
}


def special(objective):
    """What was minimised, where the name of the output activation does not say all.

    None where a prediction is one output per target, behind an activation that
    scikit-learn has: whatever the loss was.
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
    for name, known in ((loss, loss_outputs), (output, (None, *output_names))):
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
    """Whether these are numbers, at least one."""
    return isinstance(values, tuple) and len(values) > 0 and all(map(is_finite, values))


def _are_positive(values):
    """Whether these are numbers above 0, at least one."""
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
    out_activation : str
    dtype : dtype or None
        Of the arithmetic; None follows X, as ``dtype="auto"`` of the estimators.
    classes : ndarray or None
        Of a classifier.
    feature_names : list of str or None
    objective : Objective or None
        What was minimised, where ``special`` says that it matters.
    """

    coefs: list
    intercepts: list
    activations: list
    out_activation: str
    dtype: object
    classes: np.ndarray | None
    feature_names: list | None
    objective: Objective | None = None

    @property
    def units(self):
        """Number of inputs, of units of each hidden layer, and of outputs."""
        return (len(self.coefs[0]), *(len(b) for b in self.intercepts))

    @property
    def loss(self):
        """The loss of the core that belongs to the outputs."""
        if self.objective is not None:
            return self.objective
        return _LOSS_OF_OUTPUT[self.out_activation]

    @property
    def is_classifier(self):
        """Whether the model predicts classes."""
        return self.classes is not None

    @property
    def is_multilabel(self):
        """Whether the model predicts several labels at once."""
        return (
            self.is_classifier
            and self.out_activation == "logistic"
            and self.units[-1] > 1
        )

    @property
    def is_binary(self):
        """Whether one output stands for two classes (or for a single one)."""
        return self.is_classifier and self.units[-1] == 1


def snapshot(estimator):
    """Take the snapshot of a fitted estimator; the arrays of an MLP are not copied.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or what ``fold_scalers`` takes

    Raises
    ------
    TypeError
        If it is something else.
    NotFittedError
        If it has no weights.
    ValueError
        If an output activation or several outputs per target cannot be exported, or if
        a step of a pipeline cannot be folded.
    """
    from fastmlp._pipeline import as_model

    taken = as_model(estimator)._snapshot()
    if taken.objective is not None:
        raise ValueError(
            "an export knows one output per target with the output activation identity "
            f"or exp; this model has loss={taken.objective.loss!r} and out_activation_="
            f"{taken.out_activation!r}. Save it with fastmlp.save_model."
        )
    known = ("softmax", "logistic") if taken.is_classifier else ("identity", "exp")
    if taken.out_activation not in known:
        raise ValueError(
            f"an export of a {type(estimator).__name__} knows the output activations "
            f"{known}, got out_activation_={taken.out_activation!r}."
        )
    return taken


def check_precision(model, dtype):
    """Raise ValueError unless all weights of a snapshot are finite in a dtype."""
    with np.errstate(over="ignore"):
        are_finite = all(
            np.isfinite(array.astype(dtype)).all()
            for array in model.coefs + model.intercepts
        )
    if not are_finite:
        raise ValueError(
            f"the weights must be finite in {dtype} to be exported"
            + ("; use dtype='float64'." if dtype == np.float32 else ".")
        )
