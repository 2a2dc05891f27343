"""Rounds on the cluster, which to those who lead a fit look like epochs of the core."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from math import ceil
from time import perf_counter
from uuid import uuid4

import numpy as np

from fastmlp._core.batch import DeadlineError
from fastmlp._training.holdout import Holdout
from fastmlp._training.lbfgs import Objective
from fastmlp._training.task import Task
from fastmlp.dask import shards, training
from fastmlp.dask.cluster import check_versions, client_of, lost, result_of
from fastmlp.dask.partitions import Named, given, large_graphs


class Cluster:
    """The shards of a fit, and tasks on them.

    Parameters
    ----------
    client : Client or None
        None takes the default one. Its workers must have this version.

    Attributes
    ----------
    samples, splits : list of Future
        Of each shard.
    n_train : list of int
        Training rows of each shard.
    """

    def __init__(self, client):
        self.client = client_of(client)
        check_versions(self.client)
        self.token, self.n_submitted = uuid4().hex[:8], 0  # of the names of tasks
        self.samples = self.splits = self.n_train = None

    def submit(self, function, *arguments):
        """A task."""
        self.n_submitted += 1
        name = f"fastmlp-{function.__name__}-{self.token}-{self.n_submitted}"
        with self._message():
            return self.client.submit(function, *arguments, key=name, pure=False)

    @contextmanager
    def _message(self):
        """Send tasks, with large values on purpose."""
        try:
            with large_graphs():
                yield
        except Exception as error:
            if self.client.status not in ("closed", "closing"):
                raise
            raise lost(error, "The fit") from error

    def map(self, function, *columns, last=()):
        """A task for each shard, which gets the number of the shard at the end."""
        return [
            self.submit(function, *row, *last, shard)
            for shard, row in enumerate(zip(*columns))
        ]

    def spread(self, shared, parts, last=None):
        """Tasks that travel to the scheduler in one message.

        Parameters
        ----------
        shared : object
            A value for all parts.
        parts : list of (callable, list of Future)
            Called with the values of the futures, and the shared one.
        last : callable, default=None
            Called with the list of what the parts return.

        Returns
        -------
        future : Future or list of Future
            Of the last task; without one, of all parts.
        others : list of Future
        """
        self.n_submitted += 1
        start, *names = (
            f"fastmlp-{name}-{self.token}-{self.n_submitted}"
            for name in ("start", *map(str, range(len(parts))))
        )
        graph = {start: (Named(start, shared),)}
        for name, (function, futures) in zip(names, parts):
            graph[name] = (function, *futures, start)
        if last is not None:
            names.append(start.replace("start", "last"))
            graph[names[-1]] = (last, names[:-1])
        with self._message():
            first, *futures = self.client.get(graph, [start, *names], sync=False)
        if last is None:
            return futures, [first]
        return futures[-1], [first, *futures[:-1]]

    def result(self, future, others, what):
        """Wait for a future, or a list."""
        return result_of(self.client, future, others, what)

    @property
    def filled(self):
        """The numbers of the shards with training rows."""
        return [shard for shard, n in enumerate(self.n_train) if n]


class ShardedTask(Task):
    """A task whose rows are on a cluster.

    Parameters
    ----------
    cluster : Cluster
    setting : Setting
    sync_every : int or "epoch"
    averages_moments : bool
    **others
        As of Task.
    """

    has_all_rows = False
    trained = staticmethod(training.trained)

    def __init__(
        self, *arguments, cluster, setting, sync_every, averages_moments, **others
    ):
        super().__init__(*arguments, **others)
        self.cluster, self.setting = cluster, setting
        self.sync_every, self.averages_moments = sync_every, averages_moments

    @property
    def n_train(self):
        """Rows to train on."""
        return sum(self.cluster.n_train)

    def n_batches(self, shard):
        """Batches of a shard in an epoch."""
        n_rows = self.cluster.n_train[shard]
        return ceil(n_rows / training.batch_size_of(self.setting, n_rows))

    def scale_of_data(self):
        """The largest magnitudes in X and y, in words."""
        cluster = self.cluster
        futures = [cluster.submit(shards.magnitudes_of, s) for s in cluster.samples]
        found = cluster.result(futures, [], "The magnitudes of the data")
        x, y = (max(values) for values in zip(*found))
        return f"|X| reaches {x:.3g} and |y| {y:.3g}"


class ShardedOrder:
    """The order of the rows of each shard, which stays on the workers.

    A checkpoint needs none of it: the order of an epoch follows from that of the first.

    Parameters
    ----------
    task : ShardedTask
    """

    random_state = None  # those of the shards are theirs

    def __init__(self, task):
        self.task, self.current = task, np.empty(0, dtype=np.intp)
        cluster = task.cluster
        state = task.random_state.get_state()  # that of the first shard by now
        self.orders = [
            cluster.submit(training.first_order, split, None if shard else state)
            for shard, split in enumerate(cluster.splits)
        ]
        self.n_drawn = 0

    def next(self):
        """Go on to the order of the next epoch."""
        if self.task.plan.shuffle:
            self.n_drawn = self.task.record.n_iter + 1
        return self.orders

    def final_state(self):
        """The state of the generator of the first shard."""
        cluster = self.task.cluster
        future = cluster.submit(training.state_of, self.orders[0], self.n_drawn)
        return cluster.result(future, [], "The order of the rows")


class ShardedEpoch:
    """One pass over all shards: one round, or several.

    Parameters
    ----------
    task : ShardedTask
    optimizer : object of one of OPTIMIZERS
    order : ShardedOrder
    """

    def __init__(self, task, optimizer, order):
        self.task, self.cluster, self.optimizer = task, task.cluster, optimizer
        self.order = order
        self.t = self.rows_done = self.rows_counted = self.n_averaged = 0
        self.loss, self.last_rate = np.inf, 0.0
        self.velocity_rate, self.momentum_product = 0.0, 1.0
        self.key = self.average = self.mean = None

    def use(self, rule, learning_rate, t, **scalars):
        """Take steps by a rule, as ``use`` of an epoch of the core."""
        self.rate = learning_rate * self.task.setting.rate_factor
        self.rule, self.t, self.scalars = rule, t, scalars
        self.velocity_rate = scalars.get("velocity_rate", 0.0)
        self.momentum_product = scalars.get("momentum_product", 1.0)

    def seed(self, key):
        """Give dropout and noise their seed."""
        self.key = key

    def average_into(self, mean, decay, n_averaged):
        """Keep a moving average of the weights, as an epoch of the core."""
        self.mean, self.n_averaged = mean, n_averaged
        self.average = {"decay": decay}

    def run(self, _rows, _n_rows, deadline):
        """Train on all batches of one epoch, in the orders of the shards."""
        self.rows_done = self.rows_counted = 0
        self.loss, losses = np.inf, []
        for spans in self._spans():
            sums = self._round(spans, deadline)
            self.rows_done += sums.rows_done
            self.rows_counted += sums.rows_counted
            losses.append((sums.loss, sums.rows_counted))
            is_late = self.rows_counted and perf_counter() > deadline
            if is_late or np.isnan(sums.loss):
                break
        if self.rows_counted:
            self.loss = sum(n / self.rows_counted * loss for loss, n in losses if n)

    def _spans(self):
        """The batches that each shard has in each round of an epoch."""
        task, filled = self.task, self.cluster.filled
        is_alone = len(filled) == 1 and task.averages_moments
        if task.sync_every == "epoch" or is_alone:
            return [dict.fromkeys(filled)]
        n_batches = {shard: task.n_batches(shard) for shard in filled}
        step = task.sync_every
        return [
            {shard: (at, step) for shard, n in n_batches.items() if at < n}
            for at in range(0, max(n_batches.values()), step)
        ]

    def _vectors(self):
        """The vectors of the client that a round changes, the weights first."""
        moments = self.optimizer.moments if self.task.averages_moments else []
        mean = [] if self.average is None else [self.mean]
        return [self.task.params, *moments, *mean]

    def _step(self):
        """The arguments of ``use`` in the tasks, and the seed of their noise."""
        if self.task.averages_moments:
            known = {
                "velocity_rate": self.velocity_rate,
                "momentum_product": self.momentum_product,
            }
            scalars = {k: known.get(k, v) for k, v in self.scalars.items()}
            return ((self.rule, self.rate, self.t), scalars), self.key
        fresh = {"velocity_rate": 0.0, "momentum_product": 1.0}
        scalars = {k: fresh.get(k, v) for k, v in self.scalars.items()}
        key = self.key
        if key is not None:  # the steps count from 0 again, so the masks need it
            key = ((key[0] + self.t) % 2**32, key[1])
        return ((self.rule, self.rate, 0), scalars), key

    def _round(self, spans, deadline):
        """Train all shards from the same weights, and take over the mean."""
        cluster, task = self.cluster, self.task
        number = task.record.n_iter + 1
        what = f"Round {number}"
        average = None
        if self.average is not None:
            average = {**self.average, "n_averaged": self.n_averaged}
        vectors = self._vectors()
        n_moments = len(self.optimizer.moments)
        step, key = self._step()
        orders, n_drawn = self.order.orders, self.order.n_drawn
        parts = [
            (
                partial(
                    task.trained,
                    n_drawn,
                    n_moments,
                    step,
                    span,
                    key,
                    (shard, number),
                ),
                [self.setting, cluster.samples[shard], orders[shard]],
            )
            for shard, span in spans.items()
        ]
        shared = (vectors, average, deadline - perf_counter())
        mean, others = cluster.spread(shared, parts, training.averaged)
        found, sums = cluster.result(mean, others, what)
        for vector, new in zip(vectors, found):
            vector[:] = new
        taken = sums.t if self.task.averages_moments else self.t + sums.t
        self.t, self.n_averaged = taken, sums.n_averaged
        self.last_rate = sums.last_rate
        self.velocity_rate = sums.velocity_rate
        self.momentum_product = sums.momentum_product
        return sums

    @property
    def setting(self):
        """The setting, which goes to the workers once."""
        if not hasattr(self, "_setting"):
            self._setting = self.cluster.submit(given, self.task.setting)
        return self._setting


class ShardedObjective(Objective):
    """The loss over all shards, for lbfgs: a sum of gradients in their order."""

    def __init__(self, task, deadline):
        self.task, self.cluster, self.deadline = task, task.cluster, deadline
        self.alpha = task.plan.alpha / len(self.cluster.filled)
        trained = slice(task.network.n_trainable)
        self.weights = task.params[trained]
        self.gradient = np.zeros_like(self.weights, dtype=float)
        self.x = self.weights.astype(float)
        self.grad = np.empty_like(self.x)
        self.loss = self.best_loss = np.inf
        self.best_x = self.x.copy()

    def loss_gradient(self, deadline):
        """The loss at the weights of the network; puts its gradient in place."""
        cluster, task = self.cluster, self.task
        number = task.record.n_iter + 1
        parts = [
            (
                partial(
                    training.gradient_of, task.setting, self.alpha, (shard, number)
                ),
                [cluster.samples[shard], cluster.splits[shard]],
            )
            for shard in cluster.filled
        ]
        total, others = cluster.spread(task.params, parts, training.summed)
        loss, gradient = cluster.result(total, others, f"Iteration {number}")
        if perf_counter() > deadline:
            raise DeadlineError
        if np.isscalar(gradient):
            raise ValueError("sample_weight must not sum to zero with solver='lbfgs'.")
        self.gradient[:] = gradient[: len(self.gradient)]
        return loss


class ShardedHoldout(Holdout):
    """Validation rows on the workers; targets and score are here.

    Parameters
    ----------
    cluster : Cluster
    setting : Setting
    pieces : list of (Future, Future)
        Samples in the units of training, and the split, of each piece.
    samples : Samples
        All of them here, in the units of training, without features.
    score : Score
    """

    raw_outputs_of = staticmethod(training.raw_outputs_of)

    def __init__(self, cluster, setting, pieces, samples, score):
        self.cluster, self.setting, self.pieces = cluster, setting, pieces
        self.y, self.weight, self.score = samples.y, samples.weight, score

    def raw_outputs(self, task):
        """Outputs for the validation rows, before their activation."""
        found = self._of_pieces(self.raw_outputs_of, task.current_params)
        return np.concatenate(found)

    def _of_pieces(self, function, params):
        """The results of a task for the validation rows of each shard with some."""
        cluster = self.cluster
        parts = [
            (partial(function, self.setting, shard), of_shard)
            for shard, of_shard in enumerate(self.pieces)
        ]
        parts, others = cluster.spread(params, parts)
        found = cluster.result(parts, others, "The validation")
        return [of for of in found if of is not None]
