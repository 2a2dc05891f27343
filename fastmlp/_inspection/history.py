"""The curves of a fitted model, and the epoch that was kept."""

from __future__ import annotations

import numpy as np

from fastmlp._training.record import as_arrays


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
    best = getattr(estimator, "best_epoch_", None)
    if best is not None:
        return best
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
