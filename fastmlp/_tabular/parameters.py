"""The rule of every constructor parameter of the estimators for tables."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np

from fastmlp._mlp.constraints import BOOLEAN, NONE, Rule, interval, one_of
from fastmlp._mlp.parameters import CLASSIFIER_RULES as MLP_CLASSIFIER_RULES
from fastmlp._mlp.parameters import REGRESSOR_RULES as MLP_REGRESSOR_RULES
from fastmlp._mlp.parameters import RESOLVED_RULES
from fastmlp._mlp.parameters import RULES as MLP_RULES
from fastmlp._model.losses import REGRESSION_LOSSES
from fastmlp._utils.numbers import float_dtype

_COUNT = interval(Integral, 1, np.inf, "[)")


def _taken(rules, *names):
    """The rules of some parameters."""
    return {name: rules[name] for name in names}


RULES = {
    "categorical_features": [
        one_of(("from_dtype",)),
        NONE,
        Rule(
            "a list of names or positions of columns (of one element for a single "
            "column), or a mask with a bool for each column",
            lambda value: (
                isinstance(value, Iterable)
                and not isinstance(value, str | bytes | dict)
                and np.ndim(value) == 1
            ),
        ),
    ],
    "hidden_layer_sizes": RESOLVED_RULES["hidden_layer_sizes"],
    "n_members": [one_of(("auto",)), _COUNT],
    "validation": [one_of(("auto", "holdout", "folds"))],
    "validation_fraction": [interval(Real, 0, 1, "()"), NONE],
    "refit": [BOOLEAN],
    "n_epochs": [one_of(("auto",)), _COUNT],
    "learning_rate_init": [one_of(("auto",)), interval(Real, 0, np.inf, "()")],
    "dropout": [interval(Real, 0, 1, "[)")],
    "number_embedding": [one_of(("periodic",)), NONE],
    "dtype": [
        one_of(("float32", "float64")),
        Rule(
            "one of the dtypes numpy.float32 and numpy.float64",
            lambda value: not isinstance(value, str) and float_dtype(value) is not None,
        ),
    ],
    **_taken(
        MLP_RULES,
        "batch_size",
        "weight_decay",
        "early_stopping",
        "max_time",
        "n_threads",
        "random_state",
        "verbose",
    ),
}
CLASSIFIER_RULES = {
    "scoring": [one_of(("log_loss", "accuracy"))],
    "calibrate": [BOOLEAN],
    **_taken(MLP_RULES, "label_smoothing"),
    **_taken(MLP_CLASSIFIER_RULES, "class_weight"),
}
REGRESSOR_RULES = {
    "loss": [one_of(REGRESSION_LOSSES)],
    **_taken(
        MLP_REGRESSOR_RULES,
        "huber_delta",
        "quantile",
        "monotone_quantiles",
        "tweedie_power",
    ),
}
