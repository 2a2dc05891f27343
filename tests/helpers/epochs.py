"""Epochs of the core with settings that the reference takes too."""

import numpy as np
import pytest

from fastmlp._core import kernels, solvers

TANH_RELU = [("tanh", 0.0), ("relu", 0.0)]
UNITS, N, BATCH, KEY = (6, 7, 4, 3), 50, 10, (7, 11)
RATE = 0.02
SCALARS = {
    "sgd": {"momentum": 0.9},
    "adam": {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-8},
    "nadam": {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-8},
    "rmsprop": {"beta_2": 0.9, "epsilon": 1e-6},
    "adagrad": {"epsilon": 1e-8},
    "lion": {"beta_1": 0.9, "beta_2": 0.99},
}
ALL_AT_ONCE = {
    "rates": [0.5, 1.0, 0.0],
    "weight_decay": 0.1,
    "max_norm": 0.8,
    "clip_norm": 0.3,
    "dropout": (0.2, 0.5, 0.0),
}
all_rules = pytest.mark.parametrize("rule", kernels.rule_names)


def make_epoch(p, rule, rates=None, alpha=0.3, batch=BATCH, n_threads=1, **settings):
    """The epoch of the core with the same settings; works on p.params."""
    moments = [np.zeros_like(p.params) for _ in range(kernels.rule_vectors[rule])]
    rows = {name: settings.pop(name) for name in ("dropout", "input_noise", "smoothing")
            if name in settings}  # fmt: skip
    epoch = solvers.Epoch(
        p.network, p.data, p.params, moments, batch, alpha, n_threads, **rows
    )
    epoch.use(rule, RATE, 0, **SCALARS[rule])
    if rates is not None:
        settings["layer_rates"] = np.array(rates, dtype=np.float64)
    epoch.regularize(**settings)
    epoch.seed(KEY)
    return epoch, moments
