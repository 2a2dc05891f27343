"""What regularises a fit besides the L2 penalty: checked, in the form of the core."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier

from fastmlp._core.network import Data

# Parameters that lbfgs cannot take, and why.
_NOT_OF_LBFGS = {
    "dropout": "a loss that changes at each evaluation has no minimum to find",
    "input_noise": "a loss that changes at each evaluation has no minimum to find",
    "weight_decay": "there is no step of its own to decay after; alpha is the penalty",
    "l1": "its loss must be differentiable; sgd and adam take proximal steps",
    "max_norm": "a bound on norms is no part of its loss",
    "clip_norm": "it chooses the length of its steps by a line search",
    "layer_rates": "it has no learning rate",
    "weight_averaging": "its last weights are the ones with the smallest loss",
}


_OF_ROWS = ("smoothing", "dropout", "input_noise")  # the others are of the weights


class Regularization(NamedTuple):
    """The parameters of one fit, with 0, () and None for what is not wanted."""

    smoothing: float
    dropout: tuple
    input_noise: float
    weight_decay: float
    l1: float
    max_norm: float
    clip_norm: float
    layer_rates: np.ndarray | None

    @classmethod
    def of(cls, estimator, network):
        """Take the parameters of an estimator, after a check of how they combine.

        Raises
        ------
        ValueError
            If a list is of a wrong length, or if solver or task make no sense of a
            parameter.
        """
        if estimator.solver == "lbfgs":
            _check_lbfgs(estimator)
        if estimator.label_smoothing and not is_classifier(estimator):
            raise ValueError(
                f"label_smoothing={estimator.label_smoothing!r} needs a classifier: it "
                "divides the target among the classes, and a regressor has none. Leave "
                "it at 0; for noisy targets raise alpha or weight_decay."
            )
        if estimator.label_smoothing and estimator.loss != "log_loss":
            raise ValueError(
                f"label_smoothing={estimator.label_smoothing!r} needs loss='log_loss', "
                f"got loss={estimator.loss!r}: "
                + (
                    "a focal loss weighs one true class."
                    if estimator.loss == "focal"
                    else "a loss of your own takes its targets as they are."
                )
            )
        if estimator.l1:
            _check_l1(estimator)
        return cls(
            smoothing=float(estimator.label_smoothing),
            dropout=_rates(estimator, network),
            input_noise=float(estimator.input_noise),
            weight_decay=float(estimator.weight_decay),
            l1=float(estimator.l1),
            max_norm=float(estimator.max_norm or 0),
            clip_norm=float(estimator.clip_norm or 0),
            layer_rates=_layer_rates(estimator, network),
        )

    @property
    def is_random(self):
        """Whether training draws random numbers in each step."""
        return bool(any(self.dropout) or self.input_noise)

    def of_rows(self):
        """What the core does to rows and targets, as keyword arguments of Epoch."""
        return {name: getattr(self, name) for name in _OF_ROWS}

    def of_weights(self):
        """What the core does to weights, as keyword arguments of Epoch.regularize."""
        of_weights = [name for name in self._fields if name not in _OF_ROWS]
        return {name: getattr(self, name) for name in of_weights}

    def smooth(self, task):
        """Check the rows of a task, and smooth targets that the core takes as they are.

        Comes after the choice of the validation rows, which keep their targets.
        """
        if issparse(task.X):
            self._check_sparse(task)
        y = smoothed(task.y, task.network.loss, self.smoothing)
        if y is not task.y:
            task.y, task.data = y, Data(task.X, y, task.sample_weight)

    def _check_sparse(self, task):
        """Raise ValueError for what a sparse X does not allow."""
        if self.input_noise:
            raise ValueError(
                f"input_noise={self.input_noise!r} needs a dense X: noise would fill "
                "the zeros of a sparse one. Pass X.toarray(), or use dropout with a "
                "rate for the input."
            )
        has_doubles = task.rows is not None and len(np.unique(task.rows)) < task.n_train
        if has_doubles and self.dropout and self.dropout[0]:
            raise ValueError(
                "dropout of a sparse input needs each training row once, but "
                "validation_split names some twice. Set the first rate of dropout to 0."
            )


def smoothed(y, loss, smoothing):
    """Targets 0 and 1 of each label drawn together; class numbers as they are.

    The core smooths the targets of log_loss itself.
    """
    if not smoothing or loss != "binary_log_loss":
        return y
    return y * (1 - smoothing) + y.dtype.type(smoothing / 2)


def drawn_seed(random_state):
    """A seed of 64 bits for dropout and noise, as two words."""
    return random_state.randint(0, 2**32, size=2, dtype=np.uint32).tolist()


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


def _rates(estimator, network):
    """Rates of dropout of the input of each layer; () for none."""
    value, n_hidden = estimator.dropout, len(network.units) - 2
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


def _layer_rates(estimator, network):
    """Factors of the learning rate as an array; None if all are 1."""
    value, n_layers = estimator.layer_rates, len(network.units) - 1
    if value is None:
        return None
    rates = np.array(value, dtype=np.float64)
    if len(rates) != n_layers:
        raise ValueError(
            f"layer_rates must have {n_layers} factors, one for each layer of weights "
            f"(hidden layers and output), got {len(rates)}: {value!r}."
        )
    if not rates.any():
        raise ValueError(
            f"layer_rates={value!r} freezes all layers, so nothing would be trained."
        )
    return None if (rates == 1).all() else rates
