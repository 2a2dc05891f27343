"""Validation data: how well the weights do on them."""

from __future__ import annotations

import math

import numpy as np

from fastmlp._core.network import Data
from fastmlp._core.prediction import activate_outputs, mean_loss, predict


class Holdout:
    """The validation rows, and the loss and the score of the weights on them.

    Parameters
    ----------
    data : Data or None
        The data that ``rows`` belong to; None makes one of the samples themselves.
    rows : ndarray of intp or None
        The validation rows of ``data``; None for all.
    samples : Samples
        The validation rows in the units of training.
    score : object
        Calling it with finite outputs, targets and the task gives the score. It
        ``is_loss`` where the score is minus the loss, ``is_function`` where it is
        user-defined, ``name`` describes it in words, and ``cannot_judge(value)`` is the
        error about a score that no model can change.
    """

    def __init__(self, data, rows, samples, score):
        self.data = Data(*samples) if data is None else data
        self.rows, self.score = rows, score
        self.y, self.weight = samples.y, samples.weight
        self.judged = self.layers = None  # weights, and their addresses

    def judge(self, task):
        """Mean loss without penalty, and score: NaN where there are no numbers."""
        network, z = task.network, self.raw_outputs(task)
        loss = mean_loss(network, z.copy(), self.y, self.weight)
        if self.score.is_loss:
            return loss, -loss
        activate_outputs(network, z)
        if not np.isfinite(z).all():
            return loss, np.nan
        score = self.score(z, self.y, task)
        if math.isnan(score) and decides(task) and not self.score.is_function:
            # a score of scikit-learn is NaN because of the targets alone
            raise self.score.cannot_judge("NaN")
        return loss, score

    def raw_outputs(self, task):
        """Outputs for the validation rows, before their activation."""
        network, params = task.network, task.current_params
        if params is not self.judged:
            self.layers = network.layers(params)
            self.judged = params
        return predict(network, self.data, self.layers, self.rows, activated=False)


def decides(task):
    """Return whether the validation score ends training, or chooses the weights."""
    return task.stops_by_score or task.plan.target_score is not None
