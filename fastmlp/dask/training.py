"""The training of shards: pure functions, so that a lost task can run again anywhere.

None of them changes its arguments.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from distributed import get_worker

from fastmlp._core.batch import BatchSum
from fastmlp._core.network import Data, Network
from fastmlp._core.permutation import shuffle
from fastmlp._core.prediction import predict
from fastmlp._core.solvers import Epoch
from fastmlp._utils.threads import allowed_threads
from fastmlp.dask.shards import at

_BLOCK = 16_384  # values


class Setting(NamedTuple):
    """The settings that all tasks of a fit share.

    Attributes
    ----------
    network : tuple
        The arguments of Network.
    regularization : Regularization
    batch_size : int or None
    alpha : float
    n_threads : int or None
    rate_factor : float, default=1.0
        By which the learning rate of all tasks is multiplied.
    """

    network: tuple
    regularization: Any
    batch_size: int | None
    alpha: float
    n_threads: int | None
    rate_factor: float = 1.0


class Sums(NamedTuple):
    """The sums of a shard over its part of a round."""

    loss: float
    rows_counted: int
    rows_done: int
    t: int
    last_rate: float
    velocity_rate: float
    momentum_product: float
    n_averaged: int


class Order:
    """The orders of the rows of a shard in each epoch, which follow from the first.

    It keeps the last one that it was asked for, so that the next one is one shuffle.

    Parameters
    ----------
    rows : list of ndarray of intp, or None
        Before any epoch, one for each network that trains.
    state : tuple
        Of the generator that shuffles them.
    """

    def __init__(self, rows, state):
        self._first = self._last = (0, rows, state)

    def after(self, n_epochs):
        """The rows after so many shuffles, and the state of the generator."""
        n, rows, state = self._last if self._last[0] <= n_epochs else self._first
        if rows is not None and n < n_epochs:
            rows, generator = [of.copy() for of in rows], np.random.RandomState()
            generator.set_state(state)
            for _ in range(n_epochs - n):
                for of in rows:
                    shuffle(of, generator)
            state = generator.get_state()
            self._last = (n_epochs, rows, state)
        return rows, state


def first_order(split, state):
    """The orders of a shard."""
    return Order(split.orders, split.state if state is None else state)


def state_of(order, n_epochs):
    """The state of the generator of an order."""
    return order.after(n_epochs)[1]


def threads_of(n_threads):
    """Threads of a task: never more than its worker has."""
    try:
        most = get_worker().state.nthreads
    except ValueError:  # no worker
        most = 1
    return min(allowed_threads(n_threads), most)


def batch_size_of(setting, n_rows):
    """Rows of a batch of a shard."""
    return min(setting.batch_size or 200, n_rows)


def trained(n_epochs, n_moments, step, span, seed, where, *of_workers):
    """Train on some batches of an epoch.

    Parameters
    ----------
    n_epochs : int
        Shuffles of the rows.
    n_moments : int
        Those that are not among the vectors start from 0.
    step : tuple
        The arguments of ``Epoch.use``, and its keywords.
    span : (int, int) or None
        First batch and number of batches; None for all.
    seed : list of int or None
    where : (int, int)
        Shard and round.
    *of_workers : Setting, Samples, Order and tuple
        What is on the workers. In the tuple: weights, moments, and the moving average
        where there is one; the settings of the average; the seconds that are left.

    Returns
    -------
    list of ndarray, Sums
    """
    started, (shard, round_number) = perf_counter(), where
    setting, samples, order, ((params, *rest), average, seconds) = of_workers
    with at(shard, round_number):
        params, rest = params.copy(), [vector.copy() for vector in rest]
        moments = rest if average is None else rest[:-1]
        moments = moments or [np.zeros_like(params) for _ in range(n_moments)]
        (rows,), _ = order.after(n_epochs)
        batch_size = batch_size_of(setting, len(rows))
        if span is not None:
            first, n_batches = span
            rows = rows[first * batch_size : (first + n_batches) * batch_size]
        epoch = Epoch(
            Network(*setting.network),
            Data(*samples),
            params,
            moments,
            batch_size,
            setting.alpha,
            threads_of(setting.n_threads),
            **setting.regularization.of_rows(),
        )
        epoch.regularize(**setting.regularization.of_weights())
        arguments, keywords = step
        epoch.use(*arguments, **keywords)
        if seed is not None:
            epoch.seed((seed[0], (seed[1] + shard) % 2**32))
        if average is not None:
            epoch.average_into(rest[-1], average["decay"], average["n_averaged"])
        epoch.run(rows, len(rows), started + seconds)
        sums = Sums(
            epoch.loss,
            epoch.rows_counted,
            epoch.rows_done,
            epoch.t,
            epoch.last_rate,
            epoch.velocity_rate,
            epoch.momentum_product,
            epoch.n_averaged,
        )
        return [params, *rest], sums


def _mean(of_shards, shares):
    """The mean of vectors, in blocks that stay in the cache."""
    first, *others = of_shards
    mean = np.empty_like(first)
    total = np.empty(_BLOCK)
    for begin in range(0, len(mean), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        of_block = total[: len(mean[block])]
        np.multiply(first[block], shares[0], out=of_block, dtype=np.float64)
        for share, vector in zip(shares[1:], others):
            of_block += share * vector[block]
        mean[block] = of_block
    return mean


def averaged(results):
    """The mean of the weights of the shards, by rows, in their order in float64."""
    total = sum(sums.rows_counted for _, sums in results)
    counted = [result for result in results if result[1].rows_counted]
    if not counted:
        return results[0]
    shares = [sums.rows_counted / total for _, sums in counted]
    with np.errstate(over="ignore", invalid="ignore"):
        columns = zip(*(vectors for vectors, _ in counted))
        vectors = [_mean(of_shards, shares) for of_shards in columns]

    def mean_of(name):
        values = [share * getattr(s, name) for share, (_, s) in zip(shares, counted)]
        return sum(values[1:], start=values[0])

    most = max((sums for _, sums in counted), key=lambda sums: sums.t)
    return vectors, most._replace(
        loss=mean_of("loss"),
        rows_counted=total,
        rows_done=sum(sums.rows_done for _, sums in results),
        velocity_rate=mean_of("velocity_rate"),
    )


def gradient_of(setting, alpha, where, samples, split, params):
    """Loss and gradient over the training rows of a shard, and their weight."""
    shard, round_number = where
    with at(shard, round_number):
        part = samples.part(split.train) if split.held_out is not None else samples
        n_rows = len(part.y)
        weight = part.weight
        total = float(n_rows) if weight is None else weight.sum(dtype=np.float64)
        if total == 0:
            return 0.0, None, 0.0
        batch = BatchSum(
            Network(*setting.network),
            Data(*part),
            params,
            n_rows,
            threads_of(setting.n_threads),
            smoothing=setting.regularization.smoothing,
        )
        return batch.loss_gradient(alpha), batch.grad, float(total)


def summed(results):
    """The mean loss and gradient over the shards, in their order in float64."""
    counted = [result for result in results if result[2]]
    total = sum(weight for _, _, weight in counted)
    loss, gradient = 0.0, 0.0
    for of_shard, grad, weight in counted:
        share = weight / total
        loss = loss + share * of_shard
        gradient = gradient + share * grad.astype(np.float64)
    return loss, gradient


def raw_outputs_of(setting, shard, samples, split, params):
    """Outputs before their activation for the held-out rows."""
    if samples is None:
        return None
    with at(shard):
        network = Network(*setting.network)
        layers, data = network.layers(params), Data(*samples)
        n_threads = threads_of(setting.n_threads)
        return predict(
            network, data, layers, split.held_out, activated=False, n_threads=n_threads
        )
