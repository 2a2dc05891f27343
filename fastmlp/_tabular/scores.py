"""Scores of the validation rows, by which the best epoch is chosen."""

from __future__ import annotations


class MinusLoss:
    """Minus the loss on the validation rows."""

    is_loss, is_function = True, False
    name = "The loss"


class Accuracy:
    """The share of validation rows whose class is predicted.

    Parameters
    ----------
    targets : ClassTargets
    weight : ndarray of shape (n_rows,) or None
        Of all rows of the fit.
    """

    is_loss = is_function = False
    name = "The accuracy"

    def __init__(self, targets, weight):
        self.targets, self.weight = targets, weight

    def __call__(self, outputs, y, task):
        """The score of finite outputs."""
        weight = None if self.weight is None else self.weight[task.holdout.rows]
        return self.targets.score(y, outputs, weight)
