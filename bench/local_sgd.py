"""Local SGD on a classification: rounds of shards that train alone, then averages.

A task is a pure function of the weights, the state of the solver and its shard, which
its process loads once. The averages are formed in the order of the shards, in float64,
weighted by rows; weights and moments are averaged. The batches of all shards together
have as many rows as one of one machine, and the rate of adam grows by the root of the
number of shards, as in fastmlp.dask; or each shard has batches and rate of one machine.
A round is a whole pass, or some steps.
"""

from __future__ import annotations

import math
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastmlp import MLPClassifier

HIDDEN = (100,)
BATCH_SIZE, FEWEST_ROWS = 200, 8  # of one machine, and of a shard at least


class Recipe(NamedTuple):
    """The training of a shard.

    Attributes
    ----------
    solver : {"adam", "sgd"}
    learning_rate : float
        Of one machine.
    sync_every : int or None
        Steps of a round; None for a whole pass.
    batches : {"shared", "own"}
        Whether the batches of all shards together are one of one machine, or each
        shard has batches and rate of one machine.
    """

    solver: str = "adam"
    learning_rate: float = 0.001
    sync_every: int | None = None
    batches: str = "shared"

    def batch_size(self, n_shards):
        """Rows of a batch of one shard of so many."""
        if self.batches == "own":
            return BATCH_SIZE
        return max(BATCH_SIZE // n_shards, FEWEST_ROWS)

    def model(self, n_shards=1, n_threads=1):
        """The network, as a shard of so many trains it."""
        batch_size = self.batch_size(n_shards)
        share = batch_size / BATCH_SIZE
        rate = self.learning_rate
        if self.solver != "sgd":  # it divides by the size of the gradient
            rate *= share**-0.5
        return MLPClassifier(
            HIDDEN,
            solver=self.solver,
            alpha=0.0001 * share,
            batch_size=batch_size,
            learning_rate_init=rate,
            shuffle=self.sync_every is None,
            random_state=0,
            random_stream="continue",
            n_threads=n_threads,
        )

    def n_rounds(self, n_rows, n_shards):
        """Rounds of a pass over so many rows."""
        if self.sync_every is None:
            return 1
        rows = self.sync_every * self.batch_size(n_shards)
        return math.ceil(n_rows / n_shards / rows)


RECIPE = Recipe()


@cache
def shard(folder, number, n_shards):
    """The rows of a shard, and all classes."""
    X = np.load(Path(folder, "X.npy"), mmap_mode="r")
    y = np.load(Path(folder, "y.npy"))
    rows = slice(number, None, n_shards)  # the rows are in random order
    return np.ascontiguousarray(X[rows]), y[rows], np.unique(y)


def part_of_round(X, y, n_mine, generator, round_number):
    """The rows of a shard in a round of so many of them, in the order of training."""
    order = generator.permutation(len(y))
    rows = order[round_number * n_mine : (round_number + 1) * n_mine]
    return X[rows], y[rows]


def train(folder, number, n_shards, state, place, recipe):
    """One round of a shard from common weights.

    Parameters
    ----------
    folder : str
    number, n_shards : int
    state : tuple
        Weights and state of the solver, each None before the first round.
    place : tuple of int
        The pass, and the round of it.
    recipe : Recipe

    Returns
    -------
    weights : list of ndarray
    optimizer : dict
        State of the solver.
    n_rows : int
    seconds : float
        Of this process's processor.
    """
    X, y, classes = shard(folder, number, n_shards)
    start = time.process_time()
    model, (weights, optimizer) = recipe.model(n_shards), state
    pass_number, round_number = place
    generator = np.random.RandomState([pass_number, number])
    if recipe.sync_every is not None:
        n_mine = recipe.sync_every * model.batch_size
        X, y = part_of_round(X, y, n_mine, generator, round_number)
        model.batch_size = min(model.batch_size, max(len(y), 1))
    if len(y) == 0:  # a shard of fewer rows than the others
        return weights, optimizer, 0, 0.0
    if weights is not None:
        fit_with(model, weights, classes, X.shape[1])
        model._optimizer_state, model._random_state = optimizer, generator
    model.partial_fit(X, y, classes=classes)
    seconds = time.process_time() - start
    return model.coefs_ + model.intercepts_, model._optimizer_state, len(y), seconds


def fit_with(model, weights, classes, n_features):
    """Give a model weights, in place of a fit."""
    n_layers = len(weights) // 2
    model.coefs_, model.intercepts_ = weights[:n_layers], weights[n_layers:]
    model.classes_ = classes
    model.out_activation_ = "softmax" if len(classes) > 2 else "logistic"
    model.n_layers_, model.n_outputs_ = n_layers + 1, len(weights[-1])
    model.n_features_in_ = n_features


def echo(weights):
    """A task that computes nothing, for the time of its traffic."""
    return weights


def averaged(results):
    """Weights and state of the solver after a round."""
    shares = np.array([n_rows for _, _, n_rows, _ in results], dtype=np.float64)
    shares /= shares.sum()

    def mean(arrays):
        total = sum(s * a.astype(np.float64) for s, a in zip(shares, arrays))
        return total.astype(arrays[0].dtype)

    weights = [mean(arrays) for arrays in zip(*(result[0] for result in results))]
    states = [result[1] for result in results]
    moments = [mean(arrays) for arrays in zip(*(state["moments"] for state in states))]
    return weights, {**states[0], "moments": moments}


def one_round(run, folder, n_shards, state, place, recipe=RECIPE):
    """A round over all shards by ``run``, a map; the state, and seconds of each."""
    same = ([value] * n_shards for value in (n_shards, state, place, recipe))
    results = list(run(train, [folder] * n_shards, range(n_shards), *same))
    return averaged(results), [seconds for *_, seconds in results]


def one_pass(run, folder, n_shards, n_rows, state, pass_number, recipe=RECIPE):
    """The rounds of a pass; the state, and the seconds of all shards together."""
    total = 0.0
    for number in range(recipe.n_rounds(n_rows, n_shards)):
        place = pass_number, number
        state, seconds = one_round(run, folder, n_shards, state, place, recipe)
        total += sum(seconds)
    return state, total


def score(folder, weights, X, y):
    """The accuracy of some weights."""
    model = RECIPE.model()
    fit_with(model, weights, shard(folder, 0, 1)[2], X.shape[1])
    return float((model.predict(X) == y).mean())
