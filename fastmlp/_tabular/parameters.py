"""The rule of every constructor parameter of the estimators for tables."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from fastmlp._mlp.constraints import BOOLEAN, NONE, Rule, interval, one_of
from fastmlp._mlp.parameters import RULES as MLP_RULES

_COUNT = interval(Integral, 1, np.inf, "[)")
_ANY = Rule("any", lambda value: True)

RULES = {
    "n_members": [_COUNT],
    "validation": [one_of(("holdout", "folds"))],
    "validation_fraction": [interval(Real, 0, 1, "()")],
    "refit": [BOOLEAN],
    "n_epochs": [_COUNT],
    "batch_size": MLP_RULES["batch_size"],
    "learning_rate_init": [one_of(("auto",)), interval(Real, 0, np.inf, "()")],
    "weight_decay": [interval(Real, 0, np.inf, "[)")],
    "dropout": [interval(Real, 0, 1, "[)")],
    "number_embedding": [one_of(("periodic",)), NONE],
    "early_stopping": [BOOLEAN],
    "dtype": [one_of(("float32", "float64"))],
    "max_time": MLP_RULES["max_time"],
    "n_threads": MLP_RULES["n_threads"],
    "random_state": MLP_RULES["random_state"],
    "verbose": MLP_RULES["verbose"],
}
