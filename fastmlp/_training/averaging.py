"""Averages of the weights over the course of training.

The average counts as the model: it is validated, kept and handed out.  Training goes on
with the weights themselves, which the state of the optimizer therefore keeps for
``partial_fit``.
"""

from __future__ import annotations

import numpy as np

# Decay of the moving average; share of the epochs after which the mean begins.
DEFAULTS = {"ema": 0.999, "swa": 0.75}


def begin_averaging(task, optimizer):
    """The average that a plan asks for, or None.

    Parameters
    ----------
    task : Task
    optimizer : object of one of OPTIMIZERS
        Whose state may hold the average to go on with.
    """
    stored, optimizer.averaging = optimizer.averaging, None
    if task.plan.averaging is None:
        return None
    kind, value = task.plan.averaging
    averaging = {"ema": MovingAverage, "swa": EpochMean}[kind](task, value)
    if stored is not None:
        averaging.mean[:] = task.params
        averaging.n_averaged = stored["n_averaged"]
        task.params[:] = stored["params"]
    return averaging


class _Averaging:
    """A mean of weights.

    Parameters
    ----------
    task : Task
    value : float
        The decay of a moving average, or the share of the epochs before a mean.

    Attributes
    ----------
    mean : ndarray of shape (n_params,)
    n_averaged : int
        How many weights are in it.
    """

    def __init__(self, task, value):
        self.task, self.params, self.value = task, task.params, value
        self.mean, self.n_averaged = task.params.copy(), 0
        self.trained = None

    @property
    def current_params(self):
        """The mean, or the weights themselves as long as there is none."""
        return self.mean if self.n_averaged else self.params

    def epoch_begins(self, epoch):
        """Nothing, or tell the core to average."""

    def start_again(self):
        """Forget the weights so far."""
        self.mean[:], self.n_averaged = self.params, 0

    def interrupted(self, epoch):
        """Finish the books of an epoch that Ctrl-C ended."""

    def finish(self, may_go_on):
        """Put the mean in place of the weights."""
        if not self.n_averaged:
            return
        self.trained = self.params.copy() if may_go_on else None
        self.params[:] = self.mean

    def next_start(self):
        """The state with which the next ``partial_fit`` goes on, or None."""
        if self.trained is None:
            return None
        return {"params": self.trained, "n_averaged": self.n_averaged}

    def state(self):
        """The state for a checkpoint."""
        return {"mean": self.mean, "n_averaged": self.n_averaged}

    def restore(self, state):
        """Go on from the state in a checkpoint."""
        self.mean[:] = state["mean"]
        self.n_averaged = state["n_averaged"]


class MovingAverage(_Averaging):
    """The mean of the weights after all steps, the older ones counting less."""

    def epoch_begins(self, epoch):
        """Tell the core to average."""
        epoch.average_into(self.mean, self.value, self.n_averaged)

    def epoch_ends(self, epoch, number):
        """Take over the number of steps."""
        self.n_averaged = epoch.n_averaged

    def interrupted(self, epoch):
        """Take over the steps of an epoch that Ctrl-C ended."""
        self.n_averaged = epoch.n_averaged


class EpochMean(_Averaging):
    """The mean of the weights after the last epochs (Izmailov et al. 2018)."""

    def epoch_ends(self, epoch, number):
        """Add the weights after epoch `number`, from 0 on, if it is one of the last."""
        if number < self.value * self.task.plan.n_planned:
            return
        self.n_averaged += 1
        with np.errstate(over="ignore", invalid="ignore"):
            rest = (self.mean - self.params) * (1 - 1 / self.n_averaged)
            np.add(self.params, rest, out=self.mean)
