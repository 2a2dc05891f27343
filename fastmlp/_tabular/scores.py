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
    """

    is_loss = is_function = False
    name = "The accuracy"

    def __init__(self, targets):
        self.targets = targets

    def __call__(self, outputs, y, task):
        """The score of finite outputs."""
        return self.targets.score(y, outputs, task.holdout.weight)
