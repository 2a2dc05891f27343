"""L-BFGS on the rows of all ranks: sums of their losses and gradients."""

from __future__ import annotations

import math
from functools import partial
from time import perf_counter

import numpy as np

from fastmlp._core.batch import DeadlineError
from fastmlp._training.lbfgs import Objective, fit_lbfgs
from fastmlp.distributed.holdout import answers


class SharedObjective(Objective):
    """The loss over the rows of all ranks.

    Rank 0 calls it, which lets the others ``evaluate`` their parts.

    Parameters
    ----------
    group : Group
    task, deadline
        As of Objective.
    """

    def __init__(self, group, task, deadline=math.inf):
        super().__init__(task, deadline)
        self.group = group
        if not group.is_leader:
            self.alpha = 0.0  # the penalty counts once
        weight = task.samples.part(task.rows).weight
        self.weight = task.n_rows[task.rank]
        if weight is not None:
            self.weight = float(weight.sum(dtype=np.float64))

    def loss_gradient(self, deadline):
        """The loss over all ranks, as rank 0; puts its gradient in place."""
        if perf_counter() > deadline:
            raise DeadlineError
        self.group.share(("evaluate",))
        return self.evaluate()

    def evaluate(self):
        """Add up the means of all ranks, each times its weight.

        Ctrl-C on any rank is one on rank 0.
        """
        group, gradient = self.group, self.gradient
        if group.size == 1:
            return self.batch.loss_gradient(self.alpha)
        group.take_from_leader(self.weights)
        with group.summing(len(gradient), np.float64):
            try:
                loss = self.batch.loss_gradient(self.alpha)
            except KeyboardInterrupt:
                sums = group.sum_over_ranks(is_interrupted=True)
            else:
                scaled = gradient * np.float64(self.weight)
                sums = group.sum_over_ranks(scaled, self.weight, loss * self.weight)
        if sums.is_interrupted:
            if group.is_leader:
                raise KeyboardInterrupt
            return None
        gradient[:] = sums.gradient / sums.weight
        return sums.loss / sums.weight


def lead_lbfgs(task, group):
    """Train as rank 0 by L-BFGS."""
    fit_lbfgs(task, partial(SharedObjective, group))


def follow_lbfgs(task, group):
    """Train by L-BFGS as another rank; returns the last word of rank 0."""
    evaluate = SharedObjective(group, task).evaluate
    return group.follow({"evaluate": evaluate, **answers(task)})
