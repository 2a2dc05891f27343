"""The ends of an epoch: its record, and whether training goes on."""

from __future__ import annotations

import math
from time import perf_counter

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastmlp._functions.user_functions import is_from_function
from fastmlp._training.baseline import shortfall
from fastmlp._training.divergence import Divergence
from fastmlp._training.holdout import named_score
from fastmlp._training.progress import EpochRecord, reporter
from fastmlp._training.schedules import schedule
from fastmlp._training.task import INTERRUPTED
from fastmlp._utils.warnings import warn


class Monitor:
    """Records the epochs (iterations of lbfgs) of a fit, and judges them.

    Parameters
    ----------
    task : Task
    optimizer : object of one of OPTIMIZERS, or None
        None for lbfgs.
    """

    def __init__(self, task, optimizer=None):
        estimator = task.estimator
        self.task, self.optimizer, self.estimator = task, optimizer, estimator
        self.holdout, self.scope = task.holdout, task.options.context
        self.stops_by_score = task.stops_by_score
        if self.stops_by_score:
            self.holdout.keep()  # for a run without any score
        self.report = reporter(estimator.verbose, task.n_epochs)
        self.hook = task.options.callback
        self.divergence = Divergence(task)
        self.deadline = np.inf
        if estimator.max_time is not None:
            self.deadline = task.options.started + estimator.max_time
        self.schedule = self.first_epoch = None
        if optimizer is not None:
            self.schedule = schedule(
                estimator.learning_rate,
                float(estimator.learning_rate_init),
                estimator.max_iter,
            )
            in_stream = task.options.incremental
            self.first_epoch = len(estimator.loss_curve_) if in_stream else 0
        estimator.n_iter_ = 0
        self.count = 0  # iterations of lbfgs without improvement
        self.clock = perf_counter()
        self.is_interrupted = False
        self.has_ended = False  # by a rule of the solver, not at the user's request
        self.stop_reason = "n_epochs" if task.options.incremental else "max_iter"
        self.open_books()

    def open_books(self):
        """Take up the lists of the estimator that grow by an entry an epoch."""
        self.record = self.estimator._history
        names = ("loss_curve_", "validation_scores_", "validation_loss_curve_")
        curves = (getattr(self.estimator, name, None) for name in names)
        self.curves = [curve for curve in curves if curve is not None]
        self._mark()

    def _mark(self):
        """Remember where the books stand before an epoch is entered."""
        lengths = list(map(len, self.curves))
        self.marks = self.estimator.n_iter_, len(self.record), lengths

    def _strike_out(self):
        """Take an epoch out of the books that Ctrl-C left half entered."""
        n_iter, n_recorded, lengths = self.marks
        if len(self.record) > n_recorded:
            return
        self.estimator.n_iter_ = n_iter
        for curve, length in zip(self.curves, lengths):
            del curve[length:]

    def epoch_begins(self, epoch):
        """Hand the rates of an epoch to the core."""
        if self.schedule is not None:
            rate = self.schedule(self.first_epoch + self.estimator.n_iter_)
            self.optimizer.set_rate(rate * self.divergence.reduction)
        self.optimizer.prepare(epoch)
        if self.optimizer.noise_seed is not None:
            epoch.seed(self.optimizer.noise_seed)
        if self.task.averaging is not None:
            self.task.averaging.epoch_begins(epoch)
        self._mark()
        if self.scope is not None:
            self.scope.epoch_begins()

    def epoch_ends(self, epoch):
        """Record an epoch; says whether training stops."""
        estimator, optimizer = self.estimator, self.optimizer
        if not epoch.rows_counted:
            raise ValueError(
                "sample_weight must not sum to zero in every batch: no step can be "
                "taken."
            )
        loss = estimator.loss_ = epoch.loss
        estimator.t_ += epoch.rows_done if math.isfinite(loss) else self.task.n_train
        estimator.loss_curve_.append(loss)
        rate = optimizer.rate
        if self.task.averaging is not None:
            self.task.averaging.epoch_ends(epoch, self.first_epoch + estimator.n_iter_)
        improved, score = self._judged(loss)
        if not self.stops_by_score:
            # NaN is no improvement, but nothing ends a fit before a loss was a number
            improved = loss <= estimator.best_loss_ - estimator.tol
            estimator.best_loss_ = min(estimator.best_loss_, loss)
            improved = improved or estimator.best_loss_ == np.inf
        optimizer.epoch_ends(epoch, estimator.t_)
        count = 0 if improved else estimator._no_improvement_count + 1
        estimator._no_improvement_count = count
        if self._recorded(loss, score, rate):
            return True
        if self.divergence.stops(loss, optimizer):
            return self._stops("divergence")
        if self._score_is_reached(score) or self.time_is_up():
            return True
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            if optimizer.trigger_stopping(self._say_why):
                self.has_ended = True
                if optimizer.divisor is not None:
                    return self._stops("learning_rate")
                return self._stops("early_stopping" if self.stops_by_score else "tol")
            estimator._no_improvement_count = 0
        return False

    def iteration_ends(self, loss):
        """Record an iteration of lbfgs; says whether it stops."""
        self._mark()
        self.estimator.loss_ = loss
        improved, score = self._judged(loss)
        self.count = 0 if improved else self.count + 1
        stops = self._recorded(loss, score, np.nan) or self._score_is_reached(score)
        flat = self.stops_by_score and self.count > self.estimator.n_iter_no_change
        if flat and not stops:
            self._say_why("Stopping.")
            self.has_ended = True
            return self._stops("early_stopping")
        return stops

    def interrupted(self, epoch=None, reason="interrupted"):
        """Finish the books of an epoch, or iteration, that Ctrl-C or an error ended."""
        self._strike_out()
        self.is_interrupted = True
        self._stops(reason)
        if epoch is None:
            return
        self.optimizer.epoch_ends(epoch, self.estimator.t_)
        if self.task.averaging is not None:
            self.task.averaging.interrupted(epoch)
        self.estimator.loss_ = epoch.loss

    def finish(self, limit=None):
        """Put the best weights in place, and keep the state of the optimizer.

        Parameters
        ----------
        limit : str or None
            A warning about the limit at which training ended, if it was one.
        """
        if self.task.averaging is not None:
            self.task.averaging.finish(may_go_on=not self.stops_by_score)
        if self.stops_by_score and self.holdout.has_score:
            self.task.params[:] = self.holdout.best_params
        if self.optimizer is not None:
            self.estimator._optimizer_state = vars(self.optimizer)
        if not self.is_interrupted:
            self.divergence.training_ends(self.estimator.loss_)
            self._warn_of_scores()
        self.estimator.stop_reason_ = self.stop_reason
        if self.report is not None:
            self.report.close(self.stop_reason)
        self.has_ended = self.has_ended or limit is not None
        messages = [m for m in (limit, self._shortfall()) if m is not None]
        if messages:
            warn(" ".join(messages), ConvergenceWarning)

    def failed(self):
        """Finish the output of a fit that raises."""
        if self.report is not None:
            self.report.close("an error")

    def _stops(self, reason):
        """Remember why training stops, as ``stop_reason_`` will say; gives True."""
        self.stop_reason = reason
        return True

    def _warn_of_scores(self):
        """Warn where a score that decides was not a number after any epoch."""
        if self.holdout is None or not self.holdout.decides:
            return
        if self.holdout.has_score or self.divergence.has_warned:
            return
        warn(
            f"{named_score(self.estimator)} was not a finite number after any epoch, "
            "so it could decide nothing: the weights of the last epoch are kept. "
            "Check the validation data and the score, or set scoring='loss'.",
            ConvergenceWarning,
        )

    def _shortfall(self):
        """What a model lacks that is no better than a constant, or None.

        A call of ``partial_fit`` sees a part of the data, and a fit that ended at the
        user's request is short on purpose.
        """
        if not self.has_ended or self.is_interrupted or self.divergence.has_warned:
            return None
        if self.task.options.incremental or not np.isfinite(self.task.params).all():
            return None
        try:
            return shortfall(self.task)
        except KeyboardInterrupt:
            warn(INTERRUPTED)
        except Exception as error:
            if not is_from_function(error):
                raise
            self.task.error = error
        return None

    def time_is_up(self):
        """Whether ``max_time`` is over; warns if so."""
        if perf_counter() <= self.deadline:
            return False
        warn(
            f"Training stopped after max_time={self.estimator.max_time:g} seconds, in "
            f"epoch {self.estimator.n_iter_}, and the optimization hasn't converged "
            "yet.",
            ConvergenceWarning,
        )
        return self._stops("max_time")

    def _judged(self, loss):
        """Judge the weights by the held-out rows: whether they improved, the score."""
        if self.holdout is None:
            return True, np.nan
        estimator = self.estimator
        self.validation_loss, score = self.holdout.judge()
        estimator.validation_loss_curve_.append(self.validation_loss)
        estimator.validation_scores_.append(score)
        improved = score >= estimator.best_validation_score_ + estimator.tol
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            if self.stops_by_score:
                self.holdout.keep()
        return improved or not self.holdout.has_score, score

    def _recorded(self, loss, score, rate):
        """Add the row of an epoch, tell who listens; says whether they want to stop."""
        now = perf_counter()
        seconds, self.clock = now - self.clock, now
        self.estimator.n_iter_ += 1
        validation_loss = np.nan if self.holdout is None else self.validation_loss
        self.record.append((loss, validation_loss, score, rate, seconds))
        stops = False
        if self.hook is not None or self.scope is not None:
            self.task.show_weights()
        if self.report is not None or self.hook is not None:
            record = EpochRecord(
                self.estimator.n_iter_, *self.record[-1], self.task.fitted_copy
            )
            if self.report is not None:
                self.report.epoch_ends(record)
            if self.hook is not None:
                stops = self._hook_stops(record)
        if self.scope is not None and self.scope.epoch_ends(self.task.fitted_layers):
            self._say(f"A callback stopped training in epoch {self.estimator.n_iter_}.")
            stops = self._stops("callback")
        return stops

    def _hook_stops(self, record):
        """Call the hook; whether it raised StopIteration.

        What it returns does not count: that of ``lambda record: bar.update()`` is not
        meant for us.
        """
        try:
            self.hook(record)
        except StopIteration as stop:
            why = f": {stop}" if str(stop) else "."
            self._say(f"The callback stopped training in epoch {record.epoch}{why}")
            return self._stops("callback")
        return False

    def _score_is_reached(self, score):
        """Whether the validation score is as high as asked."""
        target = self.estimator.target_score
        if target is None or not score >= target:
            return False
        self._say(f"Validation score {score:g} reached target_score={target:g}.")
        return self._stops("target_score")

    def _say(self, message):
        """Print a message if ``verbose`` asks for messages."""
        if self.report is not None:
            self.report.say(message)

    def _say_why(self, what_follows):
        """Print why training has to change, as scikit-learn words it."""
        if self.report is None:
            return
        estimator = self.estimator
        what = "Validation score" if self.stops_by_score else "Training loss"
        self.report.say(
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs. {what_follows}"
        )
