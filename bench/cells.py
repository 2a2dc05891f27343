"""The cells: tasks to time, their data, initial weights and orders of the rows."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_iris

SEED = 0
DTYPES = ("float32", "float64")
ALPHA = 1e-4  # L2 penalty, scikit-learn's default, as are the next
RATE, MOMENTUM = 1e-3, 0.9
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Cell(NamedTuple):
    """A task: sizes of the data and of the network, rows of a step, method.

    ``outputs`` counts the classes or the labels and is 1 for a regression; two classes
    share one logistic output.
    """

    name: str
    n: int
    p: int
    outputs: int
    hidden: tuple[int, ...]
    batch: int
    task: str = "classes"
    activation: str = "relu"
    solver: str = "adam"

    @property
    def loss(self):
        """The name of the loss in the core."""
        if self.task == "regression":
            return "squared_error"
        return (
            "log_loss"
            if self.units[-1] > 1 and self.task == "classes"
            else "binary_log_loss"
        )

    @property
    def units(self):
        """Inputs, hidden units and outputs of the network."""
        one = self.task == "classes" and self.outputs == 2
        return (self.p, *self.hidden, 1 if one else self.outputs)

    @property
    def batches(self):
        """The rows of each step of an epoch."""
        if self.solver == "lbfgs":
            return [self.n]
        rest = self.n % self.batch
        return [self.batch] * (self.n // self.batch) + [rest] * (rest > 0)

    def __str__(self):
        what = [f"{self.n} rows", "-".join(map(str, self.units))]
        what += [f"batch {self.batch}"] if self.solver != "lbfgs" else []
        what += [
            word
            for word, usual in zip(self[6:], ("classes", "relu", "adam"))
            if word != usual
        ]
        return ", ".join(what)


CELLS = [
    Cell("digits", 1797, 64, 10, (100,), 200),
    Cell("tiny", 1000, 10, 2, (16,), 32),
    Cell("table30", 20000, 30, 2, (64, 64), 256),
    Cell("table100", 48000, 100, 2, (128, 64), 256),
    Cell("pixels", 20000, 784, 10, (256, 128), 128),
    Cell("wide512", 20000, 200, 10, (512, 512, 512), 512),
    Cell("batch32", 20000, 50, 5, (50,), 32),
    Cell("tanh", 10000, 50, 5, (100, 100), 200, activation="tanh"),
    Cell("logistic", 10000, 50, 5, (100, 100), 200, activation="logistic"),
    Cell("regression", 10000, 20, 1, (100,), 200, task="regression"),
    Cell("multilabel", 10000, 50, 8, (100,), 200, task="labels"),
    Cell("sgd", 10000, 50, 5, (100, 100), 200, solver="sgd"),
    Cell("classes100", 10000, 64, 100, (128,), 128),
    Cell("layers6", 10000, 32, 2, (64,) * 6, 128),
    Cell("width13", 10000, 13, 3, (13, 13), 64),
    Cell("width37", 10000, 37, 7, (37, 37), 100),
    Cell("width46", 10000, 46, 2, (46, 46), 128),
    Cell("width100", 10000, 100, 10, (100, 100), 200),
    Cell("lbfgs-tiny", 1000, 10, 2, (16,), 1000, solver="lbfgs"),
    Cell("lbfgs-digits", 1797, 64, 10, (100,), 1797, solver="lbfgs"),
    Cell("lbfgs-table", 20000, 30, 2, (64, 64), 20000, solver="lbfgs"),
]
IRIS = Cell("iris", 150, 4, 3, (100,), 150)  # timed as whole fits, not per epoch


def make_data(cell, dtype):
    """X and the targets as scikit-learn takes them.

    Rows from a normal distribution, and targets that depend on them with noise; the
    iris data for the cell of that name.
    """
    if cell.name == IRIS.name:
        X, y = load_iris(return_X_y=True)
        return X.astype(dtype), y
    rng = np.random.RandomState(SEED)
    X = rng.normal(size=(cell.n, cell.p)).astype(dtype)
    scores = X @ rng.normal(size=(cell.p, cell.outputs)) / np.sqrt(cell.p)
    scores += rng.normal(scale=0.3, size=scores.shape)
    if cell.task == "classes":
        return X, scores.argmax(axis=1)
    if cell.task == "labels":
        return X, (scores > 0).astype(np.int64)
    return X, scores[:, 0].astype(dtype)


def dense_targets(cell, y, dtype):
    """The targets as numbers of shape (n, outputs of the network): classes one-hot."""
    if cell.loss == "log_loss":
        return np.eye(cell.units[-1], dtype=dtype)[y]
    return np.asarray(y, dtype=dtype).reshape(len(y), -1)


class Draws:
    """Draws of scikit-learn from its seed: the weights, then an order per epoch.

    Attributes
    ----------
    coefs, intercepts : list of ndarray
        The initial weights in float64.
    """

    def __init__(self, cell):
        self._rng = np.random.RandomState(SEED)
        self._order = np.arange(cell.n)
        self.coefs, self.intercepts = [], []
        factor = 2.0 if cell.activation == "logistic" else 6.0
        for shape in pairwise(cell.units):
            bound = np.sqrt(factor / sum(shape))
            self.coefs.append(self._rng.uniform(-bound, bound, shape))
            self.intercepts.append(self._rng.uniform(-bound, bound, shape[1]))

    def next_order(self):
        """The rows in the order of the next epoch."""
        permutation = np.arange(len(self._order))
        self._rng.shuffle(permutation)
        self._order = self._order[permutation]
        return self._order


def adam_rate(steps):
    """The rate of Adam after each number of steps, with its bias corrections."""
    return RATE * np.sqrt(1 - BETA_2**steps) / (1 - BETA_1**steps)
