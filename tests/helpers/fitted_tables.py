"""Small tables with numbers, categories and gaps, and models fitted to them."""

import numpy as np
import pandas as pd

from fastmlp import TabularMLPClassifier, TabularMLPRegressor

TASKS = ("binary", "multiclass", "multilabel", "one class", "regression", "two outputs")


def table(n_rows=80):
    """Numbers of several magnitudes, categories of few and many levels, bools."""
    rng = np.random.default_rng(0)
    columns = {f"n{i}": rng.normal(size=n_rows) * 10.0 ** (i - 1) for i in range(4)}
    columns["constant"] = np.full(n_rows, 5.0)
    columns["whole"] = rng.integers(0, 9, n_rows)
    for n_levels in (2, 5, 20):
        columns[f"c{n_levels}"] = [f"l{i}" for i in rng.integers(n_levels, size=n_rows)]
    columns["flag"] = rng.random(n_rows) < 0.5
    columns["code"] = pd.Categorical(rng.integers(3, size=n_rows))
    X = pd.DataFrame(columns)
    X.loc[3, "n2"], X.loc[5, "c5"] = np.nan, None
    return X


def targets(task, X):
    """Targets of a task."""
    score = X["n1"].to_numpy() + X["flag"].to_numpy()
    if task == "binary":
        return np.where(score > 0.5, "yes", "no")
    if task == "multiclass":
        return np.digitize(score, [0.0, 1.0]) * 7
    if task == "multilabel":
        return np.column_stack([score > 0, score > 1, score > -1]).astype(int)
    if task == "one class":
        return np.zeros(len(X), dtype=int)
    return score if task == "regression" else np.column_stack([score, -3 * score])


def fitted(task, dtype="float32", **params):
    """A model of a task and its table, after a few epochs."""
    X = table()
    are_numbers = task in ("regression", "two outputs")
    kind = TabularMLPRegressor if are_numbers else TabularMLPClassifier
    params = {"hidden_layer_sizes": (8, 8), "n_epochs": 3, "n_threads": 1, **params}
    model = kind(dtype=dtype, random_state=0, **params)
    return model.fit(X, targets(task, X))


def proba_or_values(model, X):
    """The outputs of a model that determine all others."""
    return getattr(model, "predict_proba", model.predict)(X)


def assert_same(got, expected):
    """Fail unless shapes and values are the same; a predictor keeps its precision."""
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)
