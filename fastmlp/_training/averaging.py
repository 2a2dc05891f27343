"""Averages of the weights over the course of training.

The average counts as the model: it is validated, kept and handed out.  Training goes on
with the weights themselves, which the state of the optimizer therefore keeps for
``partial_fit``, with a hash of the average: where other weights stand in ``coefs_`` by
then, those are the truth, and a new average begins.
"""

from __future__ import annotations

import hashlib

import numpy as np

# Decay of the moving average; share of the epochs after which the mean begins.
DEFAULTS = {"ema": 0.999, "swa": 0.75}


def begin_averaging(task, optimizer):
    """The average that an estimator asks for, or None.

    Parameters
    ----------
    task : Task
    optimizer : object of one of OPTIMIZERS
        Whose state may hold the average of the last ``partial_fit``.
    """
    asked = task.estimator.weight_averaging
    stored, optimizer.averaging = optimizer.averaging, None
    if asked is None:
        return None
    kind, number = (asked, DEFAULTS[asked]) if isinstance(asked, str) else asked
    averaging = {"ema": MovingAverage, "swa": EpochMean}[kind](task, float(number))
    if stored is not None and stored["digest"] == _digest(task.estimator):
        averaging.mean[:] = task.params
        averaging.n_averaged = stored["n_averaged"]
        task.params[:] = stored["params"]
    return averaging


class _Averaging:
    """A mean of weights.

    Parameters
    ----------
    task : Task
    number : float
        Decay or start, as in ``DEFAULTS``.

    Attributes
    ----------
    mean : ndarray of shape (n_params,)
    n_averaged : int
        How many weights are in it.
    """

    def __init__(self, task, number):
        self.task, self.params, self.number = task, task.params, number
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

    def store(self, estimator):
        """Keep what the next ``partial_fit`` needs to go on."""
        if self.trained is not None:
            estimator._optimizer_state["averaging"] = {
                "params": self.trained,
                "n_averaged": self.n_averaged,
                "digest": _digest(estimator),
            }

    def state(self):
        """What a checkpoint needs."""
        return {"mean": self.mean, "n_averaged": self.n_averaged}

    def restore(self, state):
        """Go on from the state in a checkpoint."""
        self.mean[:] = state["mean"]
        self.n_averaged = state["n_averaged"]


class MovingAverage(_Averaging):
    """The mean of the weights after all steps, the older ones counting less."""

    def epoch_begins(self, epoch):
        """Tell the core to average."""
        epoch.average_into(self.mean, self.number, self.n_averaged)

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
        if number < self.number * self.task.estimator.max_iter:
            return
        self.n_averaged += 1
        with np.errstate(over="ignore", invalid="ignore"):
            rest = (self.mean - self.params) * (1 - 1 / self.n_averaged)
            np.add(self.params, rest, out=self.mean)


def _digest(estimator):
    """A hash of the weights that stand in an estimator."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (*estimator.coefs_, *estimator.intercepts_):
        digest.update(np.ascontiguousarray(array).view(np.uint8).reshape(-1))
    return digest.hexdigest()
