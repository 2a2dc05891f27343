"""The rows of a fit of a table on the cluster, and the task of its members."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from hashlib import blake2b

import numpy as np
from sklearn.base import is_classifier

from fastmlp._tables.encoder import TableEncoder
from fastmlp._tabular.recipe import START_ROWS
from fastmlp._tabular.regressor import warn_of_digits
from fastmlp._tabular.rows import (
    check_some_column,
    check_weights,
    chosen_validation,
    warn_of_one,
)
from fastmlp._tabular.training import new_optimizer, new_record
from fastmlp._training.epochs import run_epochs
from fastmlp._training.members import MembersHoldout, MembersTask
from fastmlp.dask import batches, members, shards, table, table_shards
from fastmlp.dask.partitions import given, shards_of
from fastmlp.dask.rounds import (
    Cluster,
    ShardedEpoch,
    ShardedHoldout,
    ShardedOrder,
    ShardedTask,
)


class ShardedRows:
    """The rows of a fit on the cluster; takes the place of TableRows.

    Parameters
    ----------
    estimator : DaskTabularMLPClassifier or DaskTabularMLPRegressor
    data : tuple
        X, y and sample_weight.
    random_state : RandomState
    """

    free_parameters = ("client",)
    is_judged = True

    def __init__(self, estimator, data, random_state):
        X, y, sample_weight = data
        if y is None:
            raise ValueError(
                f"{type(estimator).__name__} requires y to be passed, but the target y "
                "is None."
            )
        self.random_state, self.sync_every = random_state, estimator.sync_every
        self.refits = estimator.refit
        self.cluster = cluster = Cluster(estimator.client)
        pieces = shards_of(cluster.client, X, y=y, sample_weight=sample_weight)
        self.tables, ys, weights = zip(*pieces)
        dtype = np.dtype(estimator.dtype)
        self.encoder = TableEncoder(estimator.categorical_features, dtype=dtype)
        self._learn(estimator, ys)
        n_shards = len(self.tables)
        scouts = [cluster.submit(given, self.scout)] * n_shards
        self.labels = cluster.map(
            table_shards.labelled, scouts, self.tables, ys, weights
        )
        width = table.width_of_targets(cluster, self.labels)
        self.no_targets = np.empty((0, width), dtype=dtype)
        self._split(estimator, scouts)
        self._check_parts(estimator)

    def _learn(self, estimator, ys):
        """Learn names, classes and numbers of rows."""
        cluster = self.cluster
        for name in ("classes_", "_label_binarizer"):  # of an earlier fit
            vars(estimator).pop(name, None)
        scout = table.scout_of(estimator)
        scouts = [cluster.submit(given, scout)] * len(ys)
        found = cluster.map(table_shards.facts_of, scouts, self.tables, ys)
        facts = cluster.result(found, [], "The check of the data")
        table.check_features(facts)
        self.filled = [shard for shard, of in enumerate(facts) if of.n_rows]
        self.is_alone = len(self.filled) == 1
        self.n_rows = sum(of.n_rows for of in facts)
        names = facts[self.filled[0]].names
        self.names = None if names is None else list(names)
        if is_classifier(estimator):
            table.take_classes(estimator, facts, exact=False)
        else:
            estimator._take_quantiles()
            self._warn_of_digits([facts[shard] for shard in self.filled])
        self.scout = table.scout_of(estimator)
        if getattr(self.scout, "class_weight", None) == "balanced":
            weights = table.balanced(estimator.classes_, facts)
            self.scout.class_weight = weights

    def _warn_of_digits(self, facts):
        """Warn of targets whose differences are lost in the precision."""
        table.check_widths([of.moments.shape[1] for of in facts])
        share = np.array([of.n_rows for of in facts])[:, None] / self.n_rows
        mean, variance, largest = np.stack([of.moments for of in facts], axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            apart = mean - (share * mean).sum(axis=0)
            spread = np.sqrt((share * (variance + apart**2)).sum(axis=0))
        warn_of_digits(spread, largest.max(axis=0), self.encoder.dtype)

    def _split(self, estimator, scouts):
        """Split each shard into the parts of the members."""
        n_members, fraction = chosen_validation(estimator, self.n_rows)
        self.n_members, self.is_folded = n_members, fraction is None
        last = (n_members, fraction, shards.start_of(self.random_state), self.is_alone)
        columns = (table_shards.split_of, scouts, self.labels)
        self._take_splits(self.cluster.map(*columns, last=last), scouts)

    def _take_splits(self, splits, scouts):
        """Take over splits, and the facts of them."""
        cluster = self.cluster
        found = [
            cluster.submit(table_shards.part_of, *of)
            for of in zip(scouts, self.labels, splits)
        ]
        self.parts = cluster.result(found, [], "The split of the data")
        cluster.splits = splits
        cluster.n_train = [part.n_train for part in self.parts]
        self.random_state.set_state(self.parts[0].state)

    def _check_parts(self, estimator):
        """Raise ValueError for a part without weights; warn of what a part lacks."""
        parts = [self.parts[shard] for shard in self.filled]
        n_held_out = sum(part.n_held_out for part in parts)
        if not n_held_out:
            raise ValueError(
                f"No partition has enough rows to hold some out, of {self.n_rows} in "
                "all. Give fewer and larger partitions, for example by X.repartition."
            )
        for sums in zip(*(part.weights for part in parts)):
            check_weights(*map(np.array, zip(*sums)))
        warn_of_one(self.n_rows, n_held_out)
        # The distinct targets of each part represent its rows.
        values, rows, n_values = [], ([], []), 0
        for member in zip(*(part.targets for part in parts)):
            for of_part, found in zip(rows, zip(*member)):
                found = np.concatenate(found)
                values.append(found.reshape(len(found), -1))
                of_part.append(n_values + np.arange(len(found)))
                n_values += len(found)
        if not self.is_folded:  # which the same rows tell
            rows = tuple([of_part[0]] * self.n_members for of_part in rows)
        estimator._warn_of_targets(np.concatenate(values), *rows)

    def train_all(self, n_members):
        """Train each member on all rows from now on, and judge by none."""
        cluster, state = self.cluster, self.random_state.get_state()
        scouts = [cluster.submit(given, self.scout)] * len(self.tables)
        splits = [
            cluster.submit(table_shards.without_judging, *of, n_members)
            for of in zip(self.labels, cluster.splits)
        ]
        self._take_splits(splits, scouts)
        self.random_state.set_state(state)  # which training has left
        self.is_judged = False

    def encoded(self):
        """Encode the rows; returns the encoder."""
        cluster, encoder = self.cluster, self.encoder
        last = (encoder.categorical_features, self.is_alone)
        columns = (table_shards.columns_of, self.tables, cluster.splits)
        found = cluster.map(*columns, last=last)
        parts = cluster.result(found, [], "The summaries of the columns")
        encoder.fit_parts(self.names, parts, warns=self.is_judged)
        check_some_column(encoder)
        encoders = [cluster.submit(given, encoder)] * len(self.tables)
        self.samples = cluster.map(
            table_shards.encoded, self.tables, self.labels, encoders
        )
        if not self.refits:
            self.tables = None  # the workers may forget them
        return encoder

    def statistics_of_targets(self):
        """Mean and scale of the targets."""
        self.cluster.samples = self.labels
        return table.Statistics(self.cluster, False)(None, None, "y", True)

    def range_of_targets(self):
        """The smallest and the largest targets, (2, n_targets)."""
        if is_classifier(self.scout):
            return self.no_targets
        found = [self.parts[shard].targets for shard in self.filled]
        ends = np.concatenate([of for targets in found for of, _ in targets])
        return np.stack([ends.min(axis=0), ends.max(axis=0)])

    def digest(self):
        """A hash of the encoded rows, and of their partition."""
        return table.digest_of(self.cluster, self.samples)

    def digest_of_judging(self):
        """A hash of the choice of the validation rows."""
        cluster = self.cluster
        found = [
            cluster.submit(table_shards.digest_of_judging, of) for of in cluster.splits
        ]
        found = cluster.result(found, [], "The fingerprint of the validation rows")
        return blake2b(repr(found).encode(), digest_size=16).hexdigest()

    def task(self, network, recipe, settings, *, scaling, score, **others):
        """The task of the members, with weights to start from."""
        cluster = self.cluster
        plan = settings.plan(recipe, sum(cluster.n_train), self.is_judged)
        # The rate stays: that of the recipe is high already, and grown by the root of
        # what the batch shrinks by it was less accurate at 40 shards.
        batch_size, _ = batches.batch_of_shard(plan.batch_size, cluster.n_train)
        setting = members.MembersSetting(
            recipe,
            self.encoder.n_numbers,
            network.stage.tables,
            network.units[-1],
            network.objective,
            replace(plan, batch_size=batch_size, verbose=False),
            n_steps=0,
        )
        n_fewest = [part.n_fewest for part in self.parts]
        n_steps = max(
            steps_of(batch_size, *sizes) for sizes in zip(cluster.n_train, n_fewest)
        )
        setting = setting._replace(n_steps=settings.n_epochs * n_steps)
        plain = self.samples
        cluster.samples = table.in_units_of_training(
            cluster, plain, scaling, network.loss, settings.smoothing
        )
        params = self._started(setting)
        holdout = None
        if self.is_judged:
            holdout = self._holdout(setting, plain, scaling, score)
        return ShardedMembersTask(
            plan,
            network,
            params,
            None,
            None,
            new_record(self.is_judged),
            others.pop("random_state"),
            n_members=self.n_members,
            n_fewest=n_fewest,
            n_judging=[part.n_judging for part in self.parts],
            holdout=holdout,
            scaling=scaling,
            cluster=cluster,
            setting=setting,
            sync_every=self.sync_every,
            **others,
        )

    def _started(self, setting):
        """Weights to start from: on some rows of all shards, if there are several."""
        cluster = self.cluster
        if self.is_alone:
            samples, split = (
                cluster.samples[self.filled[0]],
                cluster.splits[self.filled[0]],
            )
        else:
            n_seen = [part.n_seen for part in self.parts]
            spread = [
                cluster.submit(
                    table_shards.spread_out, *of, START_ROWS * n // sum(n_seen)
                )
                for *of, n in zip(cluster.samples, cluster.splits, n_seen)
            ]
            samples, split = cluster.submit(shards.joined, spread), self.n_members
        state = self.random_state.get_state()
        future = cluster.submit(
            members.started, setting, self.encoder.tables, samples, split, state
        )
        params, state = cluster.result(future, [], "The start of the weights")
        self.random_state.set_state(state)
        return params.copy()

    def _holdout(self, setting, samples, scaling, score):
        """The validation rows, whose targets are here."""
        cluster = self.cluster
        parts = [
            cluster.submit(shards.held_out_of, *of, False)
            for of in zip(samples, cluster.splits)
        ]
        places = [cluster.submit(table_shards.places_of, of) for of in cluster.splits]
        found = cluster.result([*parts, *places], [], "The validation rows")
        known = shards.joined(found[: len(parts)])
        if scaling is not None:
            known = known._replace(y=scaling.targets(known.y))
        sizes = [part.n_held_out for part in self.parts]
        starts = np.cumsum(sizes) - sizes
        of_shards = [
            [of + start for of in places]
            for places, start in zip(found[len(parts) :], starts)
            if places
        ]
        places = [np.concatenate(of_member) for of_member in zip(*of_shards)]
        pieces = list(zip(cluster.samples, cluster.splits))
        return ShardedMembersHoldout(
            cluster, setting, pieces, known, score, places=places
        )

    def train(self, task, _recipe, _settings):
        """Train the members of a task."""
        optimizer = new_optimizer(task)
        order = ShardedOrder(task)
        epoch = ShardedEpoch(task, optimizer, order)
        run_epochs(task, optimizer, epoch, order)
        task.random_state.set_state(order.final_state())


def steps_of(batch_size, n_train, n_fewest):
    """Steps of an epoch of a shard, of the member with the fewest rows."""
    return max(1, n_fewest // max(1, min(batch_size, n_train)))


class ShardedMembersTask(ShardedTask, MembersTask):
    """A task of several networks whose rows are on a cluster.

    Parameters
    ----------
    *arguments
        As of Task.
    n_members : int
    n_fewest : list of int
        Rows of the member with the fewest, of each shard.
    n_judging : list of list of int
        Validation rows of each member, of each shard.
    **others
        As of ShardedTask.
    """

    trained = staticmethod(members.trained)

    def __init__(self, *arguments, n_members, n_fewest, n_judging, **others):
        rows = [None] * n_members
        super().__init__(*arguments, rows=rows, averages_moments=True, **others)
        self.n_fewest, self.n_judging = n_fewest, n_judging

    def n_batches(self, shard):
        """Batches of a shard in an epoch."""
        batch_size = self.setting.plan.batch_size
        return steps_of(batch_size, self.cluster.n_train[shard], self.n_fewest[shard])

    def judging_rows(self, most):
        """Features of the validation rows of each member, at most so many of them."""
        cluster = self.cluster
        sizes = np.array([of or [0] * self.n_members for of in self.n_judging])
        distances = -(-sizes.sum(axis=0) // most)
        firsts = -(np.cumsum(sizes, axis=0) - sizes) % distances
        found = [
            cluster.submit(
                table_shards.thinned,
                *of,
                list(zip(first.tolist(), distances.tolist())),
            )
            for *of, first in zip(cluster.samples, cluster.splits, firsts)
        ]
        found = cluster.result(found, [], "The importances of the features")
        of_shards = [of for of in found if of is not None]
        return [np.concatenate(of_member) for of_member in zip(*of_shards)]


class ShardedMembersHoldout(ShardedHoldout, MembersHoldout):
    """Validation rows on the workers that judge several networks.

    Parameters
    ----------
    cluster, setting, pieces, samples, score
        As of ShardedHoldout.
    places : list of ndarray of intp
        Where the rows of each member are among those of any.
    """

    raw_outputs_of = staticmethod(partial(members.judged, "raw_outputs"))

    def __init__(self, *arguments, places):
        super().__init__(*arguments)
        self.places, self.rows = places, np.arange(len(self.y))

    def outputs_of_members(self, task):
        """Outputs of each member for the rows it judges, before their activation."""
        of_each = partial(members.judged, "outputs_of_members")
        found = self._of_pieces(of_each, task.params)
        return [np.concatenate(of_member) for of_member in zip(*found)]
