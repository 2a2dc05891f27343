"""The end of an epoch: its record, and whether training goes on."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastmlp._warnings import warn


class Monitor:
    """Records the epochs of a fit in the attributes of the estimator.

    Parameters
    ----------
    task : Task
    optimizer : SGDOptimizer or AdamOptimizer
    """

    def __init__(self, task, optimizer):
        self.task, self.optimizer = task, optimizer
        self.estimator, self.holdout = task.estimator, task.holdout
        self.record = self.estimator._history
        self.verbose = self.estimator.verbose
        self.estimator.n_iter_ = 0
        self.clock = perf_counter()

    def epoch_ends(self, epoch):
        """Record an epoch; says whether training stops."""
        estimator, optimizer = self.estimator, self.optimizer
        if not epoch.rows_counted:
            raise ValueError(
                "sample_weight must not sum to zero in every batch: no step can be "
                "taken."
            )
        loss = estimator.loss_ = epoch.loss
        rate = optimizer.rate
        estimator.n_iter_ += 1
        estimator.t_ += self.task.n_train
        estimator.loss_curve_.append(loss)
        if self.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")
        score = np.nan
        if self.holdout is None:
            worse = loss > estimator.best_loss_ - estimator.tol
            estimator.best_loss_ = min(estimator.best_loss_, loss)
        else:
            score = self._score()
            worse = score < estimator.best_validation_score_ + estimator.tol
            if score > estimator.best_validation_score_:
                estimator.best_validation_score_ = score
                self.holdout.keep()
        count = estimator._no_improvement_count + 1 if worse else 0
        estimator._no_improvement_count = count
        now = perf_counter()
        self.record.append((loss, np.nan, score, rate, now - self.clock))
        self.clock = now
        optimizer.epoch_ends(epoch, estimator.t_)
        if not np.isfinite(loss) and self.holdout is None and self._diverged():
            return True
        if count > estimator.n_iter_no_change:
            if optimizer.trigger_stopping(self._reason(), self.verbose):
                return True
            estimator._no_improvement_count = 0
        return False

    def interrupted(self, epoch):
        """Finish the books of an epoch that Ctrl-C ended."""
        self.optimizer.epoch_ends(epoch, self.estimator.t_)
        self.estimator.loss_ = epoch.loss

    def finish(self):
        """Put the best weights in place, and keep the state of the optimizer."""
        if self.holdout is not None and self.estimator.n_iter_ > 0:
            self.task.params[:] = self.holdout.best_params
        self.estimator._optimizer_state = vars(self.optimizer)

    def _score(self):
        """The score of the held-out rows, added to the list."""
        score = self.holdout.score()
        self.estimator.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        return score

    def _diverged(self):
        """Whether the weights are no longer finite; warns if so."""
        if np.isfinite(self.task.params).all():
            return False
        warn(
            f"Training diverged in epoch {self.estimator.n_iter_}: the weights are "
            "no longer finite. Lower learning_rate_init or scale the data.",
            ConvergenceWarning,
        )
        return True

    def _reason(self):
        """Why training stops, as scikit-learn words it."""
        estimator = self.estimator
        what = "Training loss" if self.holdout is None else "Validation score"
        return (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )
