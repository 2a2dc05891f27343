"""Small fitted models of every task, for the tests of prediction, files and export."""

import warnings
from functools import cache

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core import kernels

TASKS = ("binary", "multiclass", "multilabel", "regression", "multioutput", "poisson")
ACTIVATIONS = [*kernels.activation_names, ("leaky_relu", 0.3)]
N_FEATURES = 7
# For the promises of the same bits, which hold for the products of our own alone.
needs_products = pytest.mark.skipif(
    kernels.isa == "base", reason="BLAS gives a row other bits than many rows"
)


def data(task, n_samples=120, dtype="float64", strings=True):
    """Rows and targets of a task."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_samples, N_FEATURES)).astype(dtype)
    scores = X @ rng.normal(size=(N_FEATURES, 4))
    y = {
        "binary": (scores[:, 0] > 0).astype(int),
        "multiclass": scores.argmax(axis=1),
        "multilabel": (scores[:, :3] > 0).astype(int),
        "regression": scores[:, 0] + np.sin(scores[:, 1]),
        "multioutput": np.tanh(scores[:, :3]),
        "poisson": rng.poisson(np.exp(0.3 * scores[:, 0])),
    }[task]
    if strings and task in ("binary", "multiclass"):
        y = np.array(["ant", "bee", "cicada", "dragonfly"])[y]
    return X, y


@cache
def _fitted(task, dtype, strings, params):
    X, y = data(task, dtype=dtype, strings=strings)
    params = {"hidden_layer_sizes": (9, 5), "max_iter": 15, **dict(params)}
    if task == "poisson":
        params["loss"] = "poisson"
    is_classifier = task in ("binary", "multiclass", "multilabel")
    kind = MLPClassifier if is_classifier else MLPRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kind(random_state=0, learning_rate_init=0.02, **params).fit(X, y)


def fitted(task, dtype="float64", strings=True, **params):
    """A fitted model; the same object for the same arguments, so leave it as it is."""
    return _fitted(task, str(dtype), strings, tuple(sorted(params.items())))


def proba_or_values(model, X):
    """Predictions of the model, in numbers."""
    return getattr(model, "predict_proba", model.predict)(X)
