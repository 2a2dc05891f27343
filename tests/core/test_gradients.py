"""Gradients: central differences, and equality with the reference."""

import numpy as np
import pytest
from helpers import reference
from helpers.gradients import (
    ALPHA,
    check_against_differences,
    loss_gradient,
)

from fastmlp._core import batch, kernels, network

P = 0.125  # the slope of leaky_relu, exact in both precisions

all_activations = pytest.mark.parametrize("activation", kernels.activation_names)
all_losses = pytest.mark.parametrize("loss", reference.OUTPUTS)
all_hidden = pytest.mark.parametrize("hidden", [(), (5,), (7, 4)], ids=str)
dense_and_sparse = pytest.mark.parametrize("is_sparse", [False, True])
with_and_without_weights = pytest.mark.parametrize("weighted", [False, True])


def check_against_reference(problem, dtype):
    value, grad = loss_gradient(problem)
    expected, *grads = reference.loss_gradient(
        *problem.wide(), ALPHA, problem.activation, problem.loss
    )
    grads = reference.pack(*grads)
    # each term is the end of a chain of some ten roundings; the errors of a sum of n
    # terms at random grow by its square root
    tolerance = np.finfo(dtype).eps * (10 + problem.data.n_samples**0.5)
    assert abs(value - expected) <= tolerance * expected
    assert np.abs(grad - grads).max() <= tolerance * np.abs(grads).max()


@with_and_without_weights
@dense_and_sparse
@all_hidden
@all_losses
@all_activations
def test_central_differences(problem, activation, loss, hidden, is_sparse, weighted):
    check_against_differences(
        problem(
            (6, *hidden, 3), [(activation, P)] * len(hidden), loss, 29, np.float64,
            is_sparse, weighted,
        )
    )  # fmt: skip


@with_and_without_weights
@dense_and_sparse
@all_hidden
@all_losses
@all_activations
def test_equals_reference(
    problem, activation, loss, hidden, is_sparse, weighted, dtype
):
    for n_samples in (1, 29, 300):
        check_against_reference(
            problem(
                (6, *hidden, 3), [(activation, P)] * len(hidden), loss, n_samples,
                dtype, is_sparse, weighted,
            ),
            dtype,
        )  # fmt: skip


@dense_and_sparse
@with_and_without_weights
@all_losses
def test_several_blocks(problem, loss, weighted, is_sparse, dtype, isa):
    for units in ((6, 7, 4, 3), (6, 600, 3)):
        block = network.Network(
            units, [("relu", 0)] * (len(units) - 2), loss
        ).block_rows(10**6, dtype)
        n_samples = 2 * block + 3
        p = problem(
            units, [("tanh", 0), ("relu", 0)][: len(units) - 2], loss, n_samples, dtype,
            is_sparse, weighted,
        )  # fmt: skip
        check_against_reference(p, dtype)


@all_losses
def test_single_output(problem, loss):
    for is_sparse in (False, True):
        p = problem((4, 5, 1), [("tanh", 0)], loss, 29, np.float64, is_sparse, True)
        check_against_differences(p)


@all_losses
def test_another_activation_in_each_layer(problem, loss):
    for names in (kernels.activation_names, kernels.activation_names[::-1]):
        units = (3, *range(2, 2 + len(names)), 3)
        activation = [(name, 0.1 + 0.1 * i) for i, name in enumerate(names)]
        check_against_differences(problem(units, activation, loss, 29, np.float64))


def test_a_call_forgets_the_one_before(problem, dtype):
    p = problem((6, 5, 3), [("relu", 0)], "log_loss", 29, dtype)
    total = batch.BatchSum(p.network, p.data, p.params, 29)
    first = total.loss_gradient(ALPHA), total.grad.copy()
    total.grad[:] = np.nan
    again = total.loss_gradient(ALPHA), total.grad
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])


def test_fixed_intercepts_have_no_gradient(problem, dtype):
    p = problem((6, 5, 3), [("tanh", 0)], "poisson", 29, dtype)
    free, fixed = loss_gradient(p), loss_gradient(p, fit_intercept=False)
    n_coefs = 6 * 5 + 5 * 3
    assert free[0] == fixed[0]
    np.testing.assert_array_equal(free[1][:n_coefs], fixed[1][:n_coefs])
    assert (free[1][n_coefs:] != 0).all()
    assert (fixed[1][n_coefs:] == 0).all()


@dense_and_sparse
@all_losses
def test_weights_count_rows(problem, loss, is_sparse):
    p = problem((6, 5, 3), [("tanh", 0)], loss, 29, np.float64, is_sparse)
    count = np.arange(29) % 4  # row i counts as count[i] rows, of which some have none
    rows = np.repeat(np.arange(29), count)
    X, y = p.X, p.y
    p.w = count.astype(np.float64)
    weighted = loss_gradient(p)
    p.X, p.y, p.w = X[rows], y[rows], None
    repeated = loss_gradient(p)
    # two orders of summation
    assert weighted[0] == pytest.approx(repeated[0], rel=1e-14)
    np.testing.assert_allclose(weighted[1], repeated[1], rtol=1e-13, atol=1e-15)


def test_alpha_spares_intercepts(problem):
    p = problem((6, 5, 3), [("tanh", 0)], "squared_error", 29, np.float64)
    plain, decayed = loss_gradient(p, alpha=0.0), loss_gradient(p, alpha=2.9)
    n_coefs = 6 * 5 + 5 * 3
    w = p.params[:n_coefs]
    assert decayed[0] - plain[0] == pytest.approx(0.05 * (w @ w), rel=1e-12)
    difference = decayed[1] - plain[1]
    np.testing.assert_allclose(difference[:n_coefs], 0.1 * w, rtol=0, atol=1e-15)
    assert (difference[n_coefs:] == 0).all()
