"""Weights that are no longer finite, and what ``on_divergence`` makes of them."""

from __future__ import annotations

import math

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastmlp._utils.warnings import warn

REDUCTION, MOST_REDUCTIONS = 0.1, 10


class Divergence:
    """Watches the weights of a task.

    Parameters
    ----------
    task : Task
    judge : Judge
        With the weights of the best epoch.

    Notes
    -----
    With "raise" it only looks when the loss is not finite. A run that stops by its
    score keeps the weights of its best epoch, if there is one. With "warn" and
    "reduce_lr" it keeps a copy of the weights after the epoch with the smallest loss.
    """

    def __init__(self, task, judge):
        self.task, self.record, self.mode = task, task.record, task.plan.on_divergence
        self.best_loss, self.n_reductions = np.inf, 0
        self.judge, self.has_warned = judge, False
        self.best = None if self.mode == "raise" else task.params.copy()

    @property
    def reduction(self):
        """The factor by which the learning rate has been reduced."""
        return REDUCTION**self.n_reductions

    def stops(self, loss, optimizer):
        """Return whether training stops after an epoch of this loss."""
        if self.mode == "raise" and math.isfinite(loss):
            return False
        if np.isfinite(self.task.params).all():
            if self.best is not None and loss < self.best_loss:
                self.best_loss, self.best = loss, self.task.params.copy()
            return False
        what = (
            f"Training diverged in epoch {self.record.n_iter}: the weights are no "
            f"longer finite at a learning rate of {optimizer.rate:g}, where "
            f"{self.task.scale_of_data()}."
        )
        if self.mode == "reduce_lr" and self.n_reductions < MOST_REDUCTIONS:
            self.n_reductions += 1
            self.restore()
            optimizer.start_again(optimizer.rate * REDUCTION)
            self.record.no_improvement_count = 0
            self._warn(
                f"{what} Training goes on from the best weights so far at "
                f"{optimizer.rate:g}."
            )
            return False
        remedy = self.task.remedy
        if self.mode != "raise":
            self.restore()
        if self.mode != "raise" or self._keeps_an_epoch():
            remedy = f"The best weights so far are kept. {remedy}"
        self._warn(f"{what} {remedy}")
        return True

    def _keeps_an_epoch(self):
        """Return whether the held-out rows have chosen weights."""
        return self.task.stops_by_score and self.judge.has_score

    def restore(self):
        """Put the best weights so far in place."""
        best = self.judge.best_params if self.task.stops_by_score else self.best
        self.task.params[:] = best
        if self.task.averaging is not None:
            self.task.averaging.start_again()

    def training_ends(self, loss):
        """Warn of a loss that overflowed although the weights did not."""
        if math.isfinite(loss) or self.has_warned or self.task.stops_by_score:
            return
        if np.isfinite(self.task.params).all():  # else the fit fails
            self._warn(
                f"The loss of the trained model is {loss:g}: it is beyond the numbers "
                f"of {self.task.params.dtype}, where {self.task.scale_of_data()}. "
                "Scale X and y, for example with standardize_X=True and, for "
                f"regression, standardize_y=True{self._or_lower_the_rate()}."
            )

    def _or_lower_the_rate(self):
        """The other remedy, where the solver has a rate."""
        if not self.task.plan.is_stochastic:
            return ""
        rate = self.task.plan.steps.learning_rate
        return f", or lower learning_rate_init (now {rate:g})"

    def _warn(self, message):
        self.has_warned = True
        warn(message, ConvergenceWarning)
