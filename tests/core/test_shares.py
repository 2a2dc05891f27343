"""Shares of a block: gradients summed apart, weights of their own for two threads."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import reference
from helpers.epochs import ALL_AT_ONCE, TANH_RELU, all_rules, make_epoch
from helpers.gradients import ALPHA
from helpers.models import needs_products

from fastmlp import Activation, MLPRegressor, TabularMLPRegressor
from fastmlp._core.batch import THREAD_WORK, BatchSum

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

UNITS, BATCH = (60, 80, 50, 4), 200
SUM_ROWS = 32  # of a slot; a share has one at least
N = 3 * BATCH + 1  # the last batch is one row, too few for two shares
WORK = 6 * sum(a * b for a, b in pairwise(UNITS))
assert BATCH * WORK > THREAD_WORK


def make_problem(problem, dtype, n=N, units=UNITS):
    activation = TANH_RELU[: len(units) - 2]
    return problem(units, activation, "log_loss", n, dtype, False, True)


@pytest.mark.parametrize("n", [1, 33, 200, 5000])  # one slot, two, several blocks
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_gradient_equals_the_reference(problem, n_threads, n, dtype, isa):
    p = make_problem(problem, dtype, n)
    batch = BatchSum(p.network, p.data, p.params, max(n, BATCH), n_threads)
    assert batch.n_shares == 2
    assert batch.n_replicas == (2 if n_threads == 2 else 1)
    for scale in (1.0, 0.5):  # weights may change between two calls
        p.params *= scale
        value = batch.loss_gradient(ALPHA)
        expected, *grads = reference.loss_gradient(
            *p.wide(), ALPHA, p.activation, p.loss
        )
        grads = reference.pack(*grads)
        tolerance = np.finfo(dtype).eps * (10 + n**0.5)
        assert abs(value - expected) <= tolerance * expected
        assert np.abs(batch.grad - grads).max() <= tolerance * np.abs(grads).max()


def run(problem, dtype, rule, n_threads, units=UNITS, **settings):
    """Weights, moments and their average after two epochs."""
    p = make_problem(problem, dtype, units=units)
    epoch, moments = make_epoch(p, rule, batch=BATCH, n_threads=n_threads, **settings)
    mean = np.zeros_like(p.params)
    epoch.average_into(mean, 0.9, 0)
    for seed in (1, 2):
        epoch.run(np.random.default_rng(seed).permutation(N))
        p.params *= 0.75  # weights may change between two epochs
    return [p.params, *moments, mean]


@all_rules
@pytest.mark.parametrize(
    "settings",
    [{}, {"l1": 0.01}, {**ALL_AT_ONCE, "input_noise": 0.1}],
    ids=["plain", "l1", "all at once"],
)
@needs_products
def test_same_bits_for_any_number_of_threads(problem, rule, settings, dtype):
    one, *others = (run(problem, dtype, rule, n, **settings) for n in (1, 2, 3))
    for other in others:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("units", [(500, 400, 4), (1200, 700, 4)], ids=str)
@needs_products
def test_same_bits_of_wide_networks_without_shares(problem, units, dtype):
    """With replicas of the weights, and without them where these are large."""
    n_coefs = sum(a * b for a, b in pairwise(units))
    assert 4 * n_coefs > BATCH * sum(a + b for a, b in pairwise(units))
    p = make_problem(problem, dtype, BATCH, units)
    batch = BatchSum(p.network, p.data, p.params, BATCH, 2)
    assert (batch.n_shares, batch.n_replicas) == (1, 2 if units[0] == 500 else 1)
    one, two = (run(problem, dtype, "adam", n, units) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_threads_learn_from_all_rows(problem, dtype):
    """The sums of two shares are those of pieces that are too small for two."""
    apart = run(problem, dtype, "sgd", 2)[0]
    small = make_problem(problem, dtype)
    epoch, _ = make_epoch(small, "sgd", batch=BATCH)
    for seed in (1, 2):
        order = np.random.default_rng(seed).permutation(N)
        for first in range(0, N, BATCH):
            pieces = [
                epoch.accumulate(order[i : min(i + SUM_ROWS, first + BATCH)])
                for i in range(first, min(N, first + BATCH), SUM_ROWS)
            ]
            epoch.apply(sum(g for g, _ in pieces), sum(w for _, w in pieces))
        small.params *= 0.75
    np.testing.assert_allclose(apart, small.params, atol=200 * np.finfo(dtype).eps)


@needs_products
def test_same_bits_with_a_function_in_python():
    """Its fit has one thread, whatever is asked for, and the same shares."""
    relu = Activation(
        lambda z: np.maximum(z, 0), lambda z, a: np.greater(a, 0) * a.dtype.type(1)
    )
    X = np.random.default_rng(0).normal(size=(N, 60))
    one, two = (
        MLPRegressor(
            hidden_layer_sizes=(80, 50), activation=function, batch_size=BATCH,
            max_iter=2, random_state=0, n_threads=2,
        ).fit(X, X[:, 0] * X[:, 1])
        for function in (relu, "relu")
    )  # fmt: skip
    for a, b in zip(one.coefs_, two.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


@needs_products
def test_same_bits_of_a_table():
    """With an input stage, below which a gradient goes down to the encoded inputs."""
    X = np.random.default_rng(0).normal(size=(N, 12))
    y = X[:, 0] * X[:, 1]
    one, two, three = (
        TabularMLPRegressor(
            hidden_layer_sizes=(96, 64), n_members=1, batch_size=BATCH, n_epochs=3,
            random_state=0, n_threads=n,
        ).fit(X, y).predict(X)
        for n in (1, 2, 3)
    )  # fmt: skip
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)
