"""The parameters that regularise a fit, resolved after a check of how they combine."""

from __future__ import annotations

import numpy as np
from sklearn.base import is_classifier

from fastmlp._training.regularization import Regularization

# Parameters that lbfgs cannot take, and why.
_NOT_OF_LBFGS = {
    "dropout": "a loss that changes at each evaluation has no minimum to find",
    "input_noise": "a loss that changes at each evaluation has no minimum to find",
    "weight_decay": "there is no step of its own to decay after; alpha is the penalty",
    "l1": "its loss must be differentiable; sgd and adam take proximal steps",
    "max_weight_norm": "a bound on norms is no part of its loss",
    "max_grad_norm": "it chooses the length of its steps by a line search",
    "learning_rate_factors": "it has no learning rate",
    "weight_averaging": "its last weights are the ones with the smallest loss",
}


def regularization_of(estimator, n_layers):
    """The regularization that an estimator asks for.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    n_layers : int
        Layers of weights.

    Raises
    ------
    ValueError
        If a list is of a wrong length, or if solver or task make no sense of a
        parameter.
    """
    if estimator.solver == "lbfgs":
        _check_lbfgs(estimator)
    if estimator.label_smoothing:
        _check_label_smoothing(estimator)
    if estimator.l1:
        _check_l1(estimator)
    return Regularization(
        smoothing=float(estimator.label_smoothing),
        dropout=_rates(estimator, n_layers),
        input_noise=float(estimator.input_noise),
        weight_decay=float(estimator.weight_decay),
        l1=float(estimator.l1),
        max_weight_norm=float(estimator.max_weight_norm or 0),
        max_grad_norm=float(estimator.max_grad_norm or 0),
        learning_rate_factors=_layer_rates(estimator, n_layers),
    )


def _check_label_smoothing(estimator):
    """Raise ValueError unless the targets are classes of a cross-entropy."""
    if not is_classifier(estimator):
        raise ValueError(
            f"label_smoothing={estimator.label_smoothing!r} needs a classifier: it "
            "divides the target among the classes, and a regressor has none. Leave "
            "it at 0; for noisy targets raise alpha or weight_decay."
        )
    if estimator.loss != "log_loss":
        raise ValueError(
            f"label_smoothing={estimator.label_smoothing!r} needs loss='log_loss', "
            f"got loss={estimator.loss!r}: "
            + (
                "a focal loss weighs one true class."
                if estimator.loss == "focal"
                else "a loss of your own takes its targets as they are."
            )
        )


def _check_lbfgs(estimator):
    """Raise ValueError for a parameter that lbfgs cannot take."""
    for name, reason in _NOT_OF_LBFGS.items():
        value = getattr(estimator, name)
        if value is not None and any(v != 0 for v in np.ravel(value).tolist()):
            raise ValueError(
                f"{name}={value!r} makes no sense with solver='lbfgs': {reason}. Use a "
                f"stochastic solver such as 'adam', or leave {name} at its default."
            )


def _check_l1(estimator):
    """Raise ValueError if the steps of a solver have no length to set l1 against."""
    if estimator.solver == "lion":
        raise ValueError(
            f"l1={estimator.l1!r} makes no sense with solver='lion': all its steps are "
            "equally long, so no weight would stay at 0. Use another solver, or "
            "weight_decay."
        )
    if estimator.solver == "sgd" and estimator.momentum == 1:
        raise ValueError(
            f"l1={estimator.l1!r} needs momentum < 1 with solver='sgd', got momentum=1."
        )


def _rates(estimator, n_layers):
    """Rates of dropout of the input of each layer; () for none."""
    value, n_hidden = estimator.dropout, n_layers - 1
    if np.ndim(value) == 0:
        if value and not n_hidden:
            raise ValueError(
                f"dropout={value!r} is the rate of hidden layers, but there are none. "
                "Set dropout=0, or [rate] for the input."
            )
        rates = (0.0,) + (float(value),) * n_hidden
    else:
        rates = tuple(map(float, value))
        if len(rates) != n_hidden + 1:
            raise ValueError(
                f"dropout must have {n_hidden + 1} rates, one for the input and each "
                f"of {n_hidden} hidden layers, got {len(rates)}: {value!r}."
            )
    return rates if any(rates) else ()


def _layer_rates(estimator, n_layers):
    """Factors of the learning rate as an array; None if all are 1."""
    value = estimator.learning_rate_factors
    if value is None:
        return None
    rates = np.array(value, dtype=np.float64)
    if len(rates) != n_layers:
        raise ValueError(
            f"learning_rate_factors must have {n_layers} factors, one for each layer "
            f"of weights (hidden layers and output), got {len(rates)}: {value!r}."
        )
    if not rates.any():
        raise ValueError(
            f"learning_rate_factors={value!r} freezes all layers, so nothing would be "
            "trained."
        )
    return None if (rates == 1).all() else rates
