"""Regularisation of a fit besides the L2 penalty, in the form of the core."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse


class Regularization(NamedTuple):
    """The settings of one fit, with 0, () and None for what is not wanted."""

    smoothing: float
    dropout: tuple
    input_noise: float
    weight_decay: float
    l1: float
    max_weight_norm: float
    max_grad_norm: float
    learning_rate_factors: np.ndarray | None

    @property
    def is_random(self):
        """Return whether training draws random numbers in each step."""
        return bool(any(self.dropout) or self.input_noise)

    def of_rows(self):
        """Regularisation of rows and targets, as keyword arguments of Epoch."""
        return {
            "smoothing": self.smoothing,
            "dropout": self.dropout,
            "input_noise": self.input_noise,
        }

    def of_weights(self):
        """Regularisation of weights, as keyword arguments of Epoch.regularize."""
        return {
            "weight_decay": self.weight_decay,
            "l1": self.l1,
            "max_norm": self.max_weight_norm,
            "clip_norm": self.max_grad_norm,
            "layer_rates": self.learning_rate_factors,
        }

    def check_rows(self, X, rows):
        """Raise ValueError for what a sparse X does not allow.

        Parameters
        ----------
        X : ndarray or CSR matrix
        rows : ndarray of intp or None
            The rows to train on; None for all.
        """
        if not issparse(X):
            return
        if self.input_noise:
            raise ValueError(
                f"input_noise={self.input_noise!r} needs a dense X: noise would fill "
                "the zeros of a sparse one. Pass X.toarray(), or use dropout with a "
                "rate for the input."
            )
        has_doubles = rows is not None and len(np.unique(rows)) < len(rows)
        if has_doubles and self.dropout and self.dropout[0]:
            raise ValueError(
                "dropout of a sparse input needs each training row once, but "
                "validation_split names some twice. Set the first rate of dropout to 0."
            )


def smoothed(y, loss, smoothing):
    """Targets 0 and 1 of each label drawn together; class numbers as they are.

    The core smooths the targets of log_loss itself.
    """
    if not smoothing or loss != "binary_log_loss":
        return y
    return y * (1 - smoothing) + y.dtype.type(smoothing / 2)


def drawn_seed(random_state):
    """A seed of 64 bits for dropout and noise, as two words."""
    return random_state.randint(0, 2**32, size=2, dtype=np.uint32).tolist()
