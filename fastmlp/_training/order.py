"""The order in which the epochs of a fit take the rows."""

from __future__ import annotations

import numpy as np

from fastmlp._core.permutation import shuffle


class ShuffledOrder:
    """Each epoch shuffles the order of the last, as scikit-learn does.

    Parameters
    ----------
    estimator : _BaseMLP
        With ``shuffle`` and ``_random_state``.
    rows : ndarray of intp
        The rows to train on.
    """

    def __init__(self, estimator, rows):
        self.current = np.array(rows, dtype=np.intp)  # a copy: it is shuffled in place
        self.random_state = estimator._random_state if estimator.shuffle else None

    def next(self):
        """The rows of the next epoch."""
        if self.random_state is not None:
            shuffle(self.current, self.random_state)
        return self.current


class RepeatedOrder:
    """The same order again: what a generator draws that restarts from its seed."""

    def __init__(self, rows):
        self.current = rows

    def next(self):
        """The rows of the next epoch."""
        return self.current
