"""The gradient of the core beside central differences."""

import numpy as np

from fastmlp._core import batch, network

ALPHA = 0.5


def loss_gradient(problem, alpha=ALPHA, fit_intercept=True):
    """The core's loss and gradient over all rows."""
    net = network.Network(
        problem.units, problem.activation, problem.loss, fit_intercept
    )
    total = batch.BatchSum(net, problem.data, problem.params, problem.data.n_samples)
    return total.loss_gradient(alpha), total.grad


def central_differences(problem, step):
    net, data, params = problem.network, problem.data, problem.params
    total = batch.BatchSum(net, data, params, data.n_samples)
    differences = np.empty_like(params)
    for i, x in enumerate(params.copy()):
        params[i] = x + step
        above = total.loss_gradient(ALPHA)
        params[i] = x - step
        differences[i] = (above - total.loss_gradient(ALPHA)) / (2 * step)
        params[i] = x
    return differences


def check_against_differences(problem):
    value, grad = loss_gradient(problem)
    # The rounding of the loss, about 2 eps of it, is divided by the step of 1e-6; the
    # error of the formula is of the order of its square.
    np.testing.assert_allclose(
        grad, central_differences(problem, 1e-6), rtol=0, atol=1e-9 * max(1, value)
    )
