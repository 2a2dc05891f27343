"""The record of a fit: losses and scores, and a row of figures for each epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np

COLUMNS = ("loss", "validation_loss", "validation_score", "learning_rate", "seconds")
_AT_THE_END = ("stop_reason", "optimizer_state")


class Figures(NamedTuple):
    """The figures of an epoch, or of an iteration of lbfgs.

    Attributes
    ----------
    epoch : int
        Its number in this fit, from 1 on.
    loss : float
        Mean training loss over the epoch, penalty included.
    validation_loss, validation_score : float
        NaN without validation data.
    learning_rate : float
        NaN for lbfgs.
    seconds : float
    """

    epoch: int
    loss: float
    validation_loss: float
    validation_score: float
    learning_rate: float
    seconds: float


@dataclass
class Record:
    """The course of a fit so far: plain data, written by training alone.

    Attributes
    ----------
    loss : float
        Of the last epoch.
    n_iter : int
        Epochs, or iterations of lbfgs, of this fit.
    t : int
        Samples seen, over all fits of the model.
    no_improvement_count : int
        Epochs since the last one that improved.
    best_loss, best_score : float or None
        The smallest loss, None with early stopping, and the best validation score, None
        without validation data.
    loss_curve, validation_scores, validation_losses : list of float, or None
        An entry an epoch, after those of earlier fits. lbfgs has no ``loss_curve``.
    history : list of tuple
        The figures of each epoch, in the order of ``COLUMNS``.
    stop_reason : str or None
        Why training ended, once it has.
    optimizer_state : dict or None
        State of a stochastic solver, once training has ended.
    """

    loss: float = math.nan
    n_iter: int = 0
    t: int = 0
    no_improvement_count: int = 0
    best_loss: float | None = None
    best_score: float | None = None
    loss_curve: list | None = None
    validation_scores: list | None = None
    validation_losses: list | None = None
    history: list = field(default_factory=list)
    stop_reason: str | None = None
    optimizer_state: dict | None = None

    def lengths(self):
        """How far the record has come, for ``cut``."""
        return (
            self.n_iter,
            len(self.history),
            len(self.loss_curve or ()),
            len(self.validation_scores or ()),
            len(self.validation_losses or ()),
        )

    def cut(self, lengths):
        """Strike out an epoch that was not entered as a whole since ``lengths``."""
        n_iter, n_rows, *n_entries = lengths
        if len(self.history) > n_rows:
            return
        self.n_iter = n_iter
        curves = self.loss_curve, self.validation_scores, self.validation_losses
        for curve, n in zip(curves, n_entries):
            if curve is not None:
                del curve[n:]

    def content(self):
        """The values that the next epoch depends on, as a checkpoint holds them."""
        content = asdict(self)
        for name in _AT_THE_END:
            del content[name]
        content["history"] = np.array(self.history, dtype=np.float64)
        return content

    def restore(self, content):
        """Go on from the content in a checkpoint."""
        vars(self).update(content)
        self.history = list(map(tuple, content["history"].tolist()))


def as_arrays(rows):
    """The rows of a history as one array a column."""
    table = np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS))
    return dict(zip(COLUMNS, table.T.copy()))
