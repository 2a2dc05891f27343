"""The raw table of a shard: targets, parts, summaries of columns, and encoded rows.

Dask may run a lost task again anywhere, so no function changes its arguments.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.base import is_classifier

from fastmlp._data.split import Samples
from fastmlp._tables.encoder import chosen_columns
from fastmlp._tables.summaries import summaries_of
from fastmlp._tables.table import read_table
from fastmlp._tabular.rows import checked_targets, split_rows
from fastmlp._training.checkpoint.file import fingerprint
from fastmlp.dask.shards import Facts, at, generator_of, n_rows_of, with_labels


class TableSplit(NamedTuple):
    """The parts of a shard, None where it has none, and its generator.

    Attributes
    ----------
    train, held_out : ndarray of intp or None
        Rows whose statistics count, and those that judge, of any member.
    state : tuple
        Of the generator, after the split.
    orders, judging : list of ndarray of intp, or None
        The rows that each member trains on, and those that judge it.
    """

    train: np.ndarray | None
    held_out: np.ndarray | None
    state: tuple
    orders: list | None = None
    judging: list | None = None


class Part(NamedTuple):
    """The facts of a split that the client knows.

    Attributes
    ----------
    n_train, n_fewest : int
        Rows of the member that trains on most of them, and on fewest.
    n_seen : int
        Rows whose statistics count.
    n_judging : list of int
        Validation rows of each member.
    n_held_out : int
        Those of any member.
    state : tuple
        Of the generator.
    weights : list of (float, float)
        Sums of the weights of both parts of each member.
    targets : list of (ndarray, ndarray)
        Class numbers that occur in both parts of each member; of numbers the smallest
        and the largest.
    """

    n_train: int
    n_fewest: int
    n_seen: int
    n_judging: list
    n_held_out: int
    state: tuple
    weights: list
    targets: list


def facts_of(scout, X, y, shard):
    """The facts of a shard; scout: an estimator without weights."""
    n_rows = n_rows_of(X)
    if n_rows == 0:
        return Facts(0, 0)
    with at(shard):
        y, table = checked_targets(scout, X, y), read_table(X)
        names = None if table.names is None else tuple(table.names)
        facts = Facts(n_rows, table.n_columns, names)
        if is_classifier(scout):
            return with_labels(facts, y)
        y = y.reshape(n_rows, -1).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            moments = np.stack([y.mean(axis=0), y.var(axis=0), np.abs(y).max(axis=0)])
        return facts._replace(moments=moments)


def labelled(scout, X, y, sample_weight, shard):
    """Encoded targets and weights of a shard, or None without rows."""
    if n_rows_of(X) == 0:
        return None
    with at(shard):
        dtype = np.dtype(scout.dtype)
        y = scout._targets().encode(checked_targets(scout, X, y), dtype)
        return Samples(None, y, scout._row_weights(y, sample_weight, dtype))


def split_of(scout, samples, n_members, fraction, start, is_alone, shard):
    """The parts of a shard; all rows train where they are too few to hold some out."""
    generator = generator_of(start, shard)
    if samples is None:
        return TableSplit(None, None, generator.get_state())
    n_rows, everything = len(samples.y), np.arange(len(samples.y), dtype=np.intp)
    is_folded = fraction is None
    with at(shard):
        if is_alone or n_rows >= (n_members if is_folded else 2):
            labels = scout._strata(samples.y)
            rows, judging = split_rows(n_rows, labels, n_members, fraction, generator)
        else:
            rows, judging = [everything] * n_members, [everything[:0]] * n_members
    train = everything if is_folded else rows[0]
    held_out = np.unique(np.concatenate(judging))
    return TableSplit(train, held_out, generator.get_state(), rows, judging)


def without_judging(samples, split, n_members):
    """A split in which all rows train."""
    if samples is None:
        return split
    rows = np.arange(len(samples.y), dtype=np.intp)
    return TableSplit(rows, None, split.state, [rows] * n_members)


def part_of(scout, samples, split):
    """The facts of a split."""
    if samples is None:
        return Part(0, 0, 0, [], 0, split.state, [], [])
    sizes = [len(rows) for rows in split.orders]
    pairs = list(zip(split.orders, split.judging or [split.train[:0]] * len(sizes)))
    weights = []
    if samples.weight is not None:
        weights = [
            tuple(float(samples.weight[rows].sum()) for rows in pair) for pair in pairs
        ]
    codes = scout._strata(samples.y)
    y, distinct = (samples.y, _ends) if codes is None else (codes, np.unique)
    return Part(
        max(sizes),
        min(sizes),
        len(split.train),
        [len(judging) for _, judging in pairs],
        0 if split.held_out is None else len(split.held_out),
        split.state,
        weights,
        [tuple(distinct(y[rows]) for rows in pair) for pair in pairs],
    )


def _ends(y):
    """The smallest and the largest values of each column."""
    return np.stack([y.min(axis=0), y.max(axis=0)]) if len(y) else y


def columns_of(X, split, categorical_features, is_alone, shard):
    """The summary of each column over the rows that count, or None without rows."""
    if split.train is None:
        return None
    with at(shard):
        table = read_table(X)
        chosen = chosen_columns(categorical_features, table.names, table.n_columns)
        return summaries_of(table, chosen, split.train, is_alone)


def encoded(X, samples, encoder, shard):
    """A shard with its encoded rows."""
    if samples is None:
        return None
    with at(shard):
        return samples._replace(X=encoder.transform(X))


def spread_out(samples, split, n_rows):
    """Some of the training rows, at even distances; at least one."""
    if samples is None:
        return None
    places = np.linspace(0, len(split.train) - 1, max(1, n_rows)).astype(np.intp)
    return samples.part(split.train[places])


def places_of(split):
    """Where the validation rows of each member are among those of any."""
    if split.judging is None:
        return []
    return [np.searchsorted(split.held_out, rows) for rows in split.judging]


def thinned(samples, split, members):
    """Features of every so many-th validation row of each member.

    Parameters
    ----------
    samples : Samples or None
    split : TableSplit
    members : list of (int, int)
        The first row and the distance of two.
    """
    if samples is None:
        return None
    return [
        samples.X[rows[first::distance]]
        for rows, (first, distance) in zip(split.judging, members)
    ]


def digest_of_judging(split):
    """A hash of the choice of the validation rows."""
    if not split.judging:
        return None
    rows = np.concatenate(split.judging)
    return fingerprint(rows, rows, None)
