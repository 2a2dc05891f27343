"""The order in which the epochs of a fit take the rows."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from fastmlp._core.permutation import shuffle

BLOCK_VALUES = 2**17  # of a block: 512 KB in float32, which a disk reads at full speed
BLOCKS_MIXED = 64
FEWEST_ROWS = 32  # of a block


def order_of(task):
    """The order of the rows of a task."""
    if task.plan.shuffle == "blocks":
        n_features = task.samples.X.shape[1]
        return BlockOrder(task.order(), task.random_state, task.data, n_features)
    return ShuffledOrder(task.order(), task.random_state if task.plan.shuffle else None)


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


class BlockOrder:
    """Each epoch takes blocks of neighbouring rows in random order, and mixes some.

    The rows of ``BLOCKS_MIXED`` blocks are shuffled together, then those of as many
    others. So an X on disk is read in pieces, of which two lots are needed at a time.

    Parameters
    ----------
    rows : ndarray of intp
        The rows to train on.
    random_state : RandomState
    data : Data
        Of which rows are read ahead.
    n_features : int
    """

    def __init__(self, rows, random_state, data, n_features):
        self.rows, self.current = np.sort(rows), np.array(rows, dtype=np.intp)
        self.random_state, self.data = random_state, data
        # from the number of values, not of bytes: the same rows in both precisions
        self.size = max(BLOCK_VALUES // n_features, FEWEST_ROWS)
        self.blocks, self.n_asked = None, 0

    def next(self):
        """The rows of the next epoch."""
        self.blocks = np.arange(-(-len(self.rows) // self.size), dtype=np.intp)
        self.n_asked = 0
        shuffle(self.blocks, self.random_state)
        stop = 0
        for first in range(0, len(self.blocks), BLOCKS_MIXED):
            start = stop
            for block in self.blocks[first : first + BLOCKS_MIXED]:
                rows = self._rows_of(block)
                self.current[stop : stop + len(rows)] = rows
                stop += len(rows)
            shuffle(self.current[start:stop], self.random_state)
        return self.current

    @contextmanager
    def reading(self):
        """Let the system read no more of X than it is asked for."""
        self.data.expect(is_random=True)
        try:
            yield
        finally:
            self.data.expect(is_random=False)

    def ask(self, rows_done):
        """Ask for the blocks that are mixed now and next."""
        lots = rows_done // (self.size * BLOCKS_MIXED) + 2
        for block in self.blocks[self.n_asked : lots * BLOCKS_MIXED]:
            rows = self._rows_of(block)
            self.data.ask_for(rows[0], rows[-1] + 1)
            self.n_asked += 1

    def _rows_of(self, block):
        return self.rows[block * self.size : (block + 1) * self.size]


class RepeatedOrder:
    """The same order again: what a generator draws that restarts from its seed."""

    def __init__(self, rows):
        self.current = rows

    def next(self):
        """The rows of the next epoch."""
        return self.current
