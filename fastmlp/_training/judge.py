"""The judge of the epochs of a fit: their improvement, and the best weights."""

from __future__ import annotations

import numpy as np

_NO_VALIDATION = (np.nan, np.nan)  # loss and score


class Judge:
    """Judges each epoch by its loss or by the validation data.

    Parameters
    ----------
    task : Task

    Attributes
    ----------
    best_params : ndarray or None
        With early stopping the weights of the epoch with the best score.
    """

    def __init__(self, task):
        self.task, self.record, self.tol = task, task.record, task.plan.tol
        self.goes_by_loss = task.plan.is_stochastic and not task.stops_by_score
        self.best_params = None
        if task.stops_by_score:
            self._keep()  # for a run without any score

    @property
    def has_score(self):
        """Return whether an epoch of this fit has had a validation score, not NaN."""
        return self.task.holdout is not None and self.record.best_score > -np.inf

    def epoch_ends(self, loss):
        """Judge the weights after an epoch; gives validation loss and score."""
        record = self.record
        if self.task.holdout is None:
            improved, validation = True, _NO_VALIDATION
        else:
            improved, validation = self._validated()
        if self.goes_by_loss:
            # NaN is no improvement, but nothing ends a fit before a loss was a number
            improved = loss <= record.best_loss - self.tol
            record.best_loss = min(record.best_loss, loss)
            improved = improved or record.best_loss == np.inf
        if improved:
            record.no_improvement_count = 0
        else:
            record.no_improvement_count += 1
        return validation

    def finish(self):
        """Put the weights with the best score in place, where the score decides."""
        if self.task.stops_by_score and self.has_score:
            self.task.params[:] = self.best_params

    def _validated(self):
        """Return whether the validation score improved, the loss, and the score."""
        record = self.record
        loss, score = self.task.holdout.judge(self.task)
        record.validation_losses.append(loss)
        record.validation_scores.append(score)
        # An infinite score would keep the first weights that have it for ever.
        improved = record.best_score + self.tol <= score < np.inf
        is_tie = self.task.plan.keeps_later and score == record.best_score
        if record.best_score < score < np.inf or is_tie:
            record.best_score = score
            if self.task.stops_by_score:
                self._keep()
        return improved or not self.has_score, (loss, score)

    def _keep(self):
        """Remember the current weights as the best so far."""
        self.best_params = self.task.current_params.copy()
