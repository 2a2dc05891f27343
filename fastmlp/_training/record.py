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


def curves(estimator):
    """Losses and scores of the epochs; of a loaded model those that its file holds."""
    rows = getattr(estimator, "_history", None)
    if rows is not None:
        return as_arrays(rows)
    names = {
        "loss": "loss_curve_",
        "validation_loss": "validation_loss_curve_",
        "validation_score": "validation_scores_",
    }
    found = {name: getattr(estimator, of, None) or [] for name, of in names.items()}
    n_epochs = max(map(len, found.values()))
    return {  # validation may have come with the last fits only
        name: np.r_[np.full(n_epochs - len(curve), np.nan), curve]
        for name, curve in found.items()
    }


def kept_epoch(estimator, history):
    """The epoch whose weights the last fit kept, from 1; None if it chose none.

    Early stopping keeps the one with the best score; a fit that ended in a divergence
    the one with the smallest loss.
    """
    n_before = max(len(history["loss"]) - estimator.n_iter_, 0)
    if n_before == len(history["loss"]):
        return None
    scores, losses = (history[name][n_before:] for name in ("validation_score", "loss"))
    if estimator.early_stopping:
        scores = np.where(np.isnan(scores), -np.inf, scores)
        return n_before + int(np.argmax(scores)) + 1 if scores.max() > -np.inf else None
    if np.isfinite(losses[-1]) or not np.isfinite(losses).any():
        return None
    return n_before + int(np.argmin(np.where(np.isfinite(losses), losses, np.inf))) + 1


def as_arrays(rows):
    """The rows of a record as one array a column."""
    table = np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS))
    return dict(zip(COLUMNS, table.T.copy()))
