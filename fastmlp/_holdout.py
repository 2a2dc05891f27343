"""Held-out rows: how they are chosen, and how well the weights do on them."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split

from fastmlp._core.network import Layers
from fastmlp._core.prediction import predict
from fastmlp._validation import check_some_weight


def fraction_split(estimator, y):
    """Rows of the training and of the held-out part, drawn as scikit-learn does."""
    stratify = None
    if estimator.validation_fraction == 0:
        raise ValueError(
            "validation_fraction must be above 0 with early_stopping=True, got "
            f"{estimator.validation_fraction}."
        )
    if estimator._stratifies():
        stratify = np.where(y[:, 0] != 0, "True", "False")
    rows, held_out = train_test_split(
        np.arange(len(y), dtype=np.intp),
        random_state=estimator._random_state,
        test_size=float(estimator.validation_fraction),
        stratify=stratify,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    return rows, held_out


class Holdout:
    """The held-out rows, their score after each epoch, and the best weights."""

    def __init__(self, task, rows):
        self.estimator, self.network = task.estimator, task.network
        self.params, self.data = task.params, task.data
        self.layers = Layers(*task.network.split(task.params), task.params.dtype)
        self.rows = rows
        self.y = task.y[rows]
        weight = task.sample_weight
        self.sample_weight = None if weight is None else weight[rows]
        check_some_weight(self.sample_weight, "the validation part of the split")
        self.best_params = task.params.copy()

    def score(self):
        """Accuracy or R2 of the current weights; NaN where they predict no numbers."""
        outputs = predict(self.network, self.data, self.layers, self.rows)
        return self.estimator._validation_score(self.y, outputs, self.sample_weight)

    def keep(self):
        """Remember the current weights as the best."""
        self.best_params = self.params.copy()
