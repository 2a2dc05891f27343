"""The measures of a prediction."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

# A probability below float32's precision counts as this: some methods return float32,
# and a single row with probability 0 would decide a log loss otherwise.
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)


def of_classes(y, proba):
    """Error, log loss and AUC of probabilities (n_rows, n_classes) of the codes y."""
    proba = np.asarray(proba, dtype=float)
    right = np.clip(proba[np.arange(len(y)), y], LEAST_PROBABILITY, None)
    return {
        "error": float(np.mean(proba.argmax(axis=1) != y)),
        "log_loss": float(-np.log(right).mean()),
        "auc": auc(y, proba),
    }


def auc(y, proba):
    """The mean over the classes of each one's area against the rest.

    Classes that the test rows lack, or that have all of them, are left out.
    """
    present = [c for c in np.unique(y) if (y != c).any()]
    if not present:
        return None
    return float(np.mean([roc_auc_score(y == c, proba[:, c]) for c in present]))


def of_numbers(y, predicted):
    """The root of the mean squared error."""
    return {"rmse": float(np.sqrt(np.mean(np.square(y - predicted))))}
