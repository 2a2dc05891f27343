"""Epochs whose steps all ranks take together, each with rows of its own."""

from __future__ import annotations

import math
from functools import partial
from time import perf_counter

import numpy as np

from fastmlp._core.solvers import Epoch
from fastmlp._training.epochs import begin_epochs, reading_ahead, run_epochs
from fastmlp._training.task import Task
from fastmlp._utils.warnings import warn
from fastmlp.distributed.holdout import answers


class RankTask(Task):
    """The part of a fit that one of several ranks has.

    Parameters
    ----------
    *arguments
        As of Task; the rows are those of this rank.
    n_rows : list of int
        The training rows of each rank.
    **others
        As of Task.
    """

    def __init__(self, *arguments, n_rows, rank, **others):
        super().__init__(*arguments, **others)
        self.n_rows, self.rank = n_rows, rank
        self.has_all_rows = len(n_rows) == 1

    @property
    def n_train(self):
        """Rows of all ranks."""
        return sum(self.n_rows)

    def order(self):
        """The training rows of this rank, in the order of the data."""
        if self.rows is None:
            return np.arange(self.n_rows[self.rank], dtype=np.intp)
        return self.rows

    def whole_batch(self):
        """Rows of a batch, over all ranks."""
        asked = 200 if self.plan.batch_size is None else self.plan.batch_size
        if self.plan.batch_size is not None and asked > self.n_train and not self.rank:
            warn(
                f"batch_size={asked} is more than the {self.n_train} rows of all "
                "ranks; it is clipped."
            )
        return min(asked, self.n_train)

    def bounds(self):
        """Where the batches of an epoch begin and end among the rows of this rank.

        Each batch has the same share of the rows of every rank, up to rounding.
        """
        n_mine, n, size = self.n_rows[self.rank], self.n_train, self.whole_batch()
        n_batches = -(-n // size)
        return [n_mine * min(size * batch, n) // n for batch in range(n_batches + 1)]

    def batch_size(self):
        """Rows of this rank in a batch, at most; at least one."""
        return max(1, *np.diff(self.bounds()).tolist())


class SharedEpoch(Epoch):
    """An epoch of which each rank sums up its part of every batch.

    Rank 0 calls ``run`` as it would of an Epoch, which lets the others ``follow``.

    Parameters
    ----------
    group : Group
    task : RankTask
    network, data, params, moments, **others
        As of Epoch.
    """

    def __init__(self, group, task, network, data, params, moments, *more, **others):
        super().__init__(network, data, params, moments, *more, **others)
        self.group, self.record = group, task.record
        self.params, self.moments = params, moments
        self.bounds, self.n_coefs = task.bounds(), _n_coefs(network)
        self.rows_of_batches = np.diff(
            np.minimum(np.arange(len(self.bounds)) * task.whole_batch(), task.n_train)
        ).tolist()
        self.alpha = task.plan.alpha
        is_mean = network.objective.loss == "squared_error"
        n_outputs = network.units[-1]
        self.n_terms = n_outputs if is_mean and not task.plan.has_own_loss else 1
        self.used = self.key = self._ask = None
        self.is_in_step = False  # whether all ranks have the weights of rank 0
        self._loss_sum = self._rows_counted = self._rows_done = 0

    @property
    def loss(self):
        """Mean loss over the rows of all ranks so far, each batch before its step."""
        counted = self._rows_counted
        return self._loss_sum / counted if counted else math.inf

    @property
    def rows_counted(self):
        """Rows of all ranks in the last epoch, in batches with a weight."""
        return self._rows_counted

    @property
    def rows_done(self):
        """Rows of all ranks in the last epoch."""
        return self._rows_done

    def use(self, *arguments, **scalars):
        """Take steps by a rule, as ``use`` of Epoch."""
        self.used = arguments, scalars
        super().use(*arguments, **scalars)

    def seed(self, key):
        """Give each rank a seed of its own for dropout and noise."""
        self.key = key
        super().seed((key[0], (key[1] + self.group.rank) % 2**32))

    def read_ahead(self, ask):
        """Have the rows of this rank asked for, as ``read_ahead`` of Epoch."""
        self._ask = ask

    def run(self, order, n_rows, deadline=math.inf):
        """Train on all batches of one epoch, as rank 0; the others follow.

        Ctrl-C on any rank is one here.
        """
        number = self.record.n_iter
        self.group.share(("train", number, self.used, self.key, self.is_in_step))
        is_interrupted = self._train(order, deadline)
        self.is_in_step = bool(np.isfinite(self.params).all())
        if is_interrupted:
            raise KeyboardInterrupt

    def follow(self, order, number, used, key, is_in_step):
        """Train on all batches of one epoch, as another rank than 0.

        Parameters
        ----------
        order : CountedOrder
        number : int
            Epochs of the fit before this one.
        used : tuple
            The arguments of ``use``.
        key : tuple of int or None
            The argument of ``seed``.
        is_in_step : bool
            Whether all ranks have the weights of rank 0.
        """
        arguments, scalars = used
        self.is_in_step = is_in_step
        self.use(*arguments, **scalars)
        if key is not None:
            self.seed(key)
        self._train(order.of_epoch(number), math.inf)

    def _train(self, order, deadline):
        """Take the steps of one epoch; returns whether Ctrl-C ended it."""
        group, bounds = self.group, self.bounds
        self._loss_sum = self._rows_counted = self._rows_done = 0
        if not self.is_in_step:  # new weights, or those that a divergence went back to
            group.take_from_leader(self.params, *self.moments)
        with group.summing(len(self.params), self.params.dtype):
            for number, n_rows in enumerate(self.rows_of_batches):
                is_late = perf_counter() > deadline and self._rows_counted > 0
                if is_late or math.isnan(self._loss_sum):
                    sums = group.sum_over_ranks(stops=True)
                else:
                    sums = self._sums(order, bounds[number], bounds[number + 1])
                if sums.stops:
                    return sums.is_interrupted
                self._step(sums, n_rows)
        return False

    def _sums(self, order, first, stop):
        """The sums of all ranks over a batch, of which this one has some rows."""
        if first == stop:
            return self.group.sum_over_ranks()
        rows = slice(first, stop) if order is None else order[first:stop]
        try:
            if self._ask is not None:
                self._ask(first)
            part = self.accumulate(rows)
        except KeyboardInterrupt:
            return self.group.sum_over_ranks(is_interrupted=True)
        return self.group.sum_over_ranks(*part, self.accumulated_loss)

    def _step(self, sums, n_rows):
        """Take the step of a batch over all ranks, and count it."""
        if sums.weight != 0:
            mean = (sums.loss / self.n_terms + self._penalty()) / sums.weight
            self._loss_sum += mean * n_rows
            self._rows_counted += n_rows
        self._rows_done += n_rows
        self.apply(sums.gradient, sums.weight)

    def _penalty(self):
        """The L2 penalty, times the weight of the batch."""
        if not self.alpha:
            return 0.0
        coefs = self.params[: self.n_coefs].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            return 0.5 * self.alpha * float(coefs @ coefs)


class CountedOrder:
    """The orders of the epochs of another rank than 0.

    A fit that is resumed draws those of the epochs before, which rank 0 alone skips.

    Parameters
    ----------
    order : ShuffledOrder or BlockOrder
    """

    def __init__(self, order):
        self.order, self.n_drawn = order, 0

    def of_epoch(self, number):
        """The rows of an epoch, of those from 0 on; a later one each time."""
        while self.n_drawn <= number:
            rows = self.order.next()
            self.n_drawn += 1
        return rows


def lead_epochs(task, group):
    """Train as rank 0 by epochs; returns what a stream needs, as ``fit_stochastic``."""
    optimizer, epoch, order = begin_epochs(task, partial(SharedEpoch, group, task))
    run_epochs(task, optimizer, epoch, order)
    return optimizer, epoch, order.current


def follow_epochs(task, group):
    """Train by epochs as another rank; returns the last word of rank 0."""
    _, epoch, order = begin_epochs(task, partial(SharedEpoch, group, task))
    train = partial(epoch.follow, CountedOrder(order))
    with reading_ahead(epoch, order):
        return group.follow({"train": train, **answers(task)})


def _n_coefs(network):
    """Weights that the L2 penalty is for: the first ones of the flat vector."""
    return sum(a * b for a, b in zip(network.units, network.units[1:]))
