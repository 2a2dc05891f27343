"""The ends of an epoch: its record, and whether training goes on."""

from __future__ import annotations

import math
from time import perf_counter

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastmlp._functions.checks import is_from_function
from fastmlp._training.baseline import shortfall
from fastmlp._training.divergence import Divergence
from fastmlp._training.holdout import decides
from fastmlp._training.judge import Judge
from fastmlp._training.progress import reporter
from fastmlp._training.record import Figures
from fastmlp._training.schedules import Schedule
from fastmlp._training.task import INTERRUPTED
from fastmlp._utils.warnings import warn


class Monitor:
    """Leads a fit from epoch to epoch (iteration to iteration of lbfgs).

    It writes the record, and asks those who know: ``schedule`` for the learning rates,
    ``judge`` whether an epoch improves, ``divergence`` whether the weights are finite,
    ``reporter`` to print.

    Parameters
    ----------
    task : Task
    optimizer : object of one of OPTIMIZERS, or None
        None for lbfgs.
    """

    def __init__(self, task, optimizer=None):
        self.task, self.plan, self.record = task, task.plan, task.record
        self.optimizer, self.listener = optimizer, task.listener
        self.judge = Judge(task)
        self.divergence = Divergence(task, self.judge)
        self.reporter = reporter(self.plan.verbose, self.plan.n_epochs)
        self.deadline = task.deadline
        self.first_epoch = 0
        if self.plan.is_incremental:
            self.first_epoch = len(self.record.loss_curve)
        if optimizer is not None:
            settings, n_planned = self.plan.steps, self.plan.n_planned
            self.schedule = Schedule(settings, n_planned, self.first_epoch)
        self.clock = perf_counter()
        self.is_interrupted = False
        self.has_ended = False  # by a rule of the solver, not at the user's request
        self.stop_reason = "n_epochs" if self.plan.is_incremental else "max_iter"
        self.mark = None

    def epoch_begins(self, epoch):
        """Hand the rates of an epoch to the core."""
        if self.schedule.is_planned:
            rate = self.schedule.rate(self.record.n_iter)
            self.optimizer.set_rate(rate * self.divergence.reduction)
        self.optimizer.prepare(epoch)
        if self.optimizer.noise_seed is not None:
            epoch.seed(self.optimizer.noise_seed)
        if self.task.averaging is not None:
            self.task.averaging.epoch_begins(epoch)
        self.iteration_begins()

    def iteration_begins(self):
        """Remember how far the record has come, and tell who listens."""
        self.mark = self.record.lengths()
        if self.listener is not None:
            self.listener.epoch_begins()

    def epoch_ends(self, epoch):
        """Record an epoch; says whether training stops."""
        record, optimizer = self.record, self.optimizer
        if not epoch.rows_counted:
            raise ValueError(
                "sample_weight must not sum to zero in every batch: no step can be "
                "taken."
            )
        loss = record.loss = epoch.loss
        record.t += epoch.rows_done if math.isfinite(loss) else self.task.n_train
        record.loss_curve.append(loss)
        rate = optimizer.rate
        if self.task.averaging is not None:
            self.task.averaging.epoch_ends(epoch, self.first_epoch + record.n_iter)
        validation = self.judge.epoch_ends(loss)
        optimizer.epoch_ends(epoch, record.t)
        if self._recorded(loss, validation, rate):
            return True
        if self.divergence.stops(loss, optimizer):
            return self._stops("divergence")
        if self._score_is_reached(validation[1]) or self.time_is_up():
            return True
        if record.no_improvement_count > self._patience():
            if optimizer.trigger_stopping(self._say_why):
                self.has_ended = True
                if optimizer.divisor is not None:
                    return self._stops("learning_rate")
                by_score = self.task.stops_by_score
                return self._stops("early_stopping" if by_score else "tol")
            record.no_improvement_count = 0
        return False

    def iteration_ends(self, loss):
        """Record an iteration of lbfgs; says whether it stops."""
        self.record.loss = loss
        validation = self.judge.epoch_ends(loss)
        stops = self._recorded(loss, validation, np.nan)
        stops = stops or self._score_is_reached(validation[1])
        is_flat = self.record.no_improvement_count > self.plan.n_iter_no_change
        if self.task.stops_by_score and is_flat and not stops:
            self._say_why("Stopping.")
            self.has_ended = True
            return self._stops("early_stopping")
        return stops

    def interrupted(self, epoch=None, reason="interrupted"):
        """Finish the record of an epoch or iteration that Ctrl-C or an error ended."""
        if self.mark is not None:
            self.record.cut(self.mark)
        self.is_interrupted = True
        self._stops(reason)
        if epoch is None:
            return
        self.optimizer.epoch_ends(epoch, self.record.t)
        if self.task.averaging is not None:
            self.task.averaging.interrupted(epoch)
        self.record.loss = epoch.loss

    def finish(self, limit=None):
        """Put the best weights in place, and close the record.

        Parameters
        ----------
        limit : str or None
            A warning about the limit at which training ended, if it was one.
        """
        if self.task.averaging is not None:
            self.task.averaging.finish(may_go_on=not self.task.stops_by_score)
        self.judge.finish()
        if self.optimizer is not None:
            self.record.optimizer_state = vars(self.optimizer)
        if not self.is_interrupted:
            self.divergence.training_ends(self.record.loss)
            self._warn_of_scores()
        self.record.stop_reason = self.stop_reason
        self.reporter.close(self.stop_reason)
        self.has_ended = self.has_ended or limit is not None
        messages = [m for m in (limit, self._shortfall()) if m is not None]
        if messages:
            warn(" ".join(messages), ConvergenceWarning)

    def failed(self):
        """Finish the output of a fit that raises."""
        self.reporter.close("an error")

    def time_is_up(self):
        """Return whether ``max_time`` is over; warns if so."""
        if perf_counter() <= self.deadline:
            return False
        warn(
            f"Training stopped after max_time={self.plan.max_time:g} seconds, in "
            f"epoch {self.record.n_iter}, and the optimization hasn't converged "
            "yet.",
            ConvergenceWarning,
        )
        return self._stops("max_time")

    def _recorded(self, loss, validation, rate):
        """Add the figures of an epoch, tell who listens; says whether they stop it."""
        now = perf_counter()
        seconds, self.clock = now - self.clock, now
        self.record.n_iter += 1
        row = (loss, *validation, rate, seconds)
        self.record.history.append(row)
        if self.listener is None and self.reporter.is_silent:
            return False
        figures = Figures(self.record.n_iter, *row)
        self.reporter.epoch_ends(figures)
        if self.listener is None:
            return False
        messages = self.listener.epoch_ends(self.task, figures)
        for message in messages:
            self.reporter.say(message)
        return self._stops("callback") if messages else False

    def _patience(self):
        """Epochs without an improvement that are allowed."""
        until_best = self.record.n_iter - self.record.no_improvement_count
        return self.plan.n_iter_no_change + self.plan.patience_growth * until_best

    def _stops(self, reason):
        """Remember why training stops, for the record; gives True."""
        self.stop_reason = reason
        return True

    def _score_is_reached(self, score):
        """Return whether the validation score is as high as asked."""
        target = self.plan.target_score
        if target is None or not target <= score < np.inf:
            return False
        self.reporter.say(
            f"Validation score {score:g} reached target_score={target:g}."
        )
        return self._stops("target_score")

    def _say_why(self, what_follows):
        """Print why training has to change, as scikit-learn words it."""
        if self.reporter.is_silent:
            return
        what = "Validation score" if self.task.stops_by_score else "Training loss"
        self.reporter.say(
            f"{what} did not improve more than tol={self.plan.tol:f} for "
            f"{self._patience():g} consecutive epochs. {what_follows}"
        )

    def _warn_of_scores(self):
        """Warn where a score that decides was not a number after any epoch."""
        if self.task.holdout is None or not decides(self.task):
            return
        if self.judge.has_score or self.divergence.has_warned:
            return
        warn(
            f"{self.task.holdout.score.name} was not a finite number after any epoch, "
            "so it could decide nothing: the weights of the last epoch are kept. "
            "Check the validation data and the score, or set scoring='loss'.",
            ConvergenceWarning,
        )

    def _shortfall(self):
        """The fault of a model that is no better than a constant, in words, or None.

        A call of ``partial_fit`` sees a part of the data, and a fit that ended at the
        user's request is short on purpose.
        """
        if not self.has_ended or self.is_interrupted or self.divergence.has_warned:
            return None
        if self.plan.is_scheduled or not self.task.has_all_rows:
            return None
        if self.plan.is_incremental or not np.isfinite(self.task.params).all():
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
