"""Shares of a block: gradients summed apart, weights of their own for two threads."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import reference
from helpers.epochs import ALL_AT_ONCE, TANH_RELU, all_rules, make_epoch
from helpers.gradients import ALPHA
from helpers.models import needs_products

from fastmlp._core.batch import REPLICA_BYTES, THREAD_WORK, BatchSum

UNITS, BATCH = (60, 80, 50, 4), 200
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


@pytest.mark.parametrize("units", [(500, 400, 4), (1000, 700, 4)], ids=str)
@needs_products
def test_same_bits_of_wide_networks_without_shares(problem, units, dtype):
    """With replicas of the weights, and without them where these are large."""
    n_coefs = sum(a * b for a, b in pairwise(units))
    assert 4 * n_coefs > BATCH * sum(a + b for a, b in pairwise(units))
    assert (n_coefs * 4 > REPLICA_BYTES) == (units[0] == 1000)
    one, two = (run(problem, dtype, "adam", n, units) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_threads_learn_as_the_reference_of_one_block(problem, dtype):
    """The sums of two shares are those of all rows, up to rounding."""
    apart = run(problem, dtype, "sgd", 2)[0]
    small = make_problem(problem, dtype)
    epoch, _ = make_epoch(small, "sgd", batch=BATCH)
    for seed in (1, 2):
        order = np.random.default_rng(seed).permutation(N)
        for first in range(0, N, BATCH):
            pieces = [
                epoch.accumulate(order[i : min(i + 50, first + BATCH)])
                for i in range(first, min(N, first + BATCH), 50)
            ]
            epoch.apply(sum(g for g, _ in pieces), sum(w for _, w in pieces))
        small.params *= 0.75
    np.testing.assert_allclose(apart, small.params, atol=200 * np.finfo(dtype).eps)
