"""What a fit records: scikit-learn's attributes and one row of figures an epoch."""

from __future__ import annotations

import numpy as np

COLUMNS = ("loss", "validation_loss", "validation_score", "learning_rate", "seconds")
STOCHASTIC_ATTRIBUTES = (
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "validation_loss_curve_",
    "best_validation_score_",
    "_no_improvement_count",
    "_optimizer_state",
)


def forget(estimator):
    """Drop what earlier fits recorded."""
    estimator._history = []
    for name in STOCHASTIC_ATTRIBUTES:
        vars(estimator).pop(name, None)


def begin(estimator, task):
    """Start the record of a fit: lists go on growing, baselines restart.

    ``partial_fit`` keeps the baselines of the loss too, where there are any.
    """
    estimator._history = list(getattr(estimator, "_history", []))
    curves = ("loss_curve_", "validation_scores_", "validation_loss_curve_")
    loss, scores, losses = (list(getattr(estimator, c, None) or []) for c in curves)
    if estimator.solver != "lbfgs":
        estimator.loss_curve_ = loss
        known = getattr(estimator, "best_loss_", None) is not None
        if not (task.options.incremental and known):
            estimator._no_improvement_count = 0
            estimator.best_loss_ = None if task.stops_by_score else np.inf
            estimator.validation_scores_ = estimator.best_validation_score_ = None
            vars(estimator).pop("validation_loss_curve_", None)
    if task.holdout is not None:
        estimator.validation_scores_ = scores
        estimator.validation_loss_curve_ = losses
        estimator.best_validation_score_ = -np.inf


def as_arrays(rows):
    """The rows of a record as one array a column."""
    table = np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS))
    return dict(zip(COLUMNS, table.T.copy()))
