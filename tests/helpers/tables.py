"""A small raw table, and small estimators for it."""

import numpy as np
import pandas as pd

from fastmlp import TabularMLPClassifier, TabularMLPRegressor

SMALL = {
    "hidden_layer_sizes": (16, 16),
    "n_epochs": 12,
    "n_members": 1,
    "random_state": 0,
}


def frame(n_rows=240, seed=0):
    """Numbers with gaps, texts, categories and bools."""
    rng = np.random.RandomState(seed)
    table = pd.DataFrame(
        {
            "size": rng.standard_normal(n_rows),
            "colour": rng.choice(["red", "green", "blue"], n_rows),
            "grade": pd.Categorical(rng.choice(list("abcdefghijkl"), n_rows)),
            "new": rng.rand(n_rows) > 0.5,
        }
    )
    table.loc[::9, "size"] = np.nan
    table.loc[::11, "colour"] = None
    return table


X = frame()
NUMBER = X["size"].fillna(0).to_numpy() + 2 * (X.colour == "red").to_numpy()
LABEL = np.where(NUMBER > 0.5, "yes", "no")
GRADE = np.select([NUMBER < 0, NUMBER < 1], ["low", "mid"], "high")
LABELS = np.c_[NUMBER > 0.5, X["size"] > 0].astype(int)


def classifier(**params):
    return TabularMLPClassifier(**{**SMALL, **params})


def regressor(**params):
    return TabularMLPRegressor(**{**SMALL, **params})
