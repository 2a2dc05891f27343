"""Local SGD on a classification: rounds of shards that train alone, then averages.

A task is a pure function of the weights, the state of the solver and its shard, which
its process loads once. The averages are formed in the order of the shards, in float64,
weighted by rows; weights and moments are averaged. The batches of all shards together
have as many rows as one of one machine, and the rate of adam grows by the root of the
number of shards, as in fastmlp.dask; or each shard has batches and rate of one machine.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import numpy as np

from fastmlp import MLPClassifier

HIDDEN = (100,)
BATCH_SIZE, FEWEST_ROWS = 200, 8  # of one machine, and of a shard at least


@cache
def shard(folder, number, n_shards):
    """The rows of a shard, and all classes."""
    X = np.load(Path(folder, "X.npy"), mmap_mode="r")
    y = np.load(Path(folder, "y.npy"))
    rows = slice(number, None, n_shards)  # the rows are in random order
    return np.ascontiguousarray(X[rows]), y[rows], np.unique(y)


def new_model(n_threads=1, n_shards=1):
    """The network of all runs, as a shard of so many trains it."""
    batch_size = max(BATCH_SIZE // n_shards, FEWEST_ROWS)
    share = batch_size / BATCH_SIZE
    return MLPClassifier(
        HIDDEN,
        alpha=0.0001 * share,
        batch_size=batch_size,
        learning_rate_init=0.001 * share**-0.5,
        random_state=0,
        random_stream="continue",
        n_threads=n_threads,
    )


def train(folder, number, n_shards, weights, optimizer, round_number, batches):
    """One pass over a shard from common weights.

    ``batches`` is "shared" where those of all shards together are one of one machine,
    "own" where each shard has batches and rate of one machine.

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
    model = new_model(n_shards=n_shards if batches == "shared" else 1)
    if weights is not None:
        n_layers = len(weights) // 2
        model.coefs_, model.intercepts_ = weights[:n_layers], weights[n_layers:]
        model.classes_ = classes
        model.out_activation_ = "softmax" if len(classes) > 2 else "logistic"
        model.n_layers_, model.n_outputs_ = n_layers + 1, len(weights[-1])
        model.n_features_in_, model._optimizer_state = X.shape[1], optimizer
        model._random_state = np.random.RandomState([round_number, number])
    model.partial_fit(X, y, classes=classes)
    seconds = time.process_time() - start
    return model.coefs_ + model.intercepts_, model._optimizer_state, len(y), seconds


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


def one_round(run, folder, n_shards, state, number, batches="shared"):
    """A round over all shards by ``run``, a map; the state, and seconds of each."""
    weights, optimizer = state
    tasks = range(n_shards)
    results = list(
        run(
            train,
            [folder] * n_shards,
            tasks,
            [n_shards] * n_shards,
            [weights] * n_shards,
            [optimizer] * n_shards,
            [number] * n_shards,
            [batches] * n_shards,
        )
    )
    return averaged(results), [seconds for *_, seconds in results]


def score(folder, weights, X, y):
    """The accuracy of some weights."""
    classes = shard(folder, 0, 1)[2]
    model = new_model()
    n_layers = len(weights) // 2
    model.coefs_, model.intercepts_ = weights[:n_layers], weights[n_layers:]
    model.classes_, model.n_features_in_ = classes, X.shape[1]
    model.out_activation_ = "softmax" if len(classes) > 2 else "logistic"
    return float((model.predict(X) == y).mean())
