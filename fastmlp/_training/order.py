"""The order in which the epochs of a fit take the rows."""

from __future__ import annotations

import numpy as np

from fastmlp._core.permutation import shuffle


class ShuffledOrder:
    """Each epoch shuffles the order of the last, as scikit-learn does.

    Parameters
    ----------
    rows : ndarray of intp
        The rows to train on.
    random_state : RandomState or None
        None leaves the rows in their order.
    """

    def __init__(self, rows, random_state):
        self.current = np.array(rows, dtype=np.intp)  # a copy: it is shuffled in place
        self.random_state = random_state

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
