"""The losses with parameters in the core: values, gradients, extremes."""

import numpy as np
import pytest
from helpers import reference
from helpers.gradients import (
    ALPHA,
    check_against_differences,
    loss_gradient,
)
from helpers.reference_losses import OBJECTIVES, losses_and_delta, outputs, targets
from helpers.rounding import check_column_sums
from sklearn.metrics import (
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_tweedie_deviance,
)

from fastmlp._core import network, solvers, testing
from fastmlp._core.network import Objective

all_objectives = pytest.mark.parametrize(
    "objective", OBJECTIVES.values(), ids=list(OBJECTIVES)
)
weighted_or_not = pytest.mark.parametrize("weighted", [False, True])
dense_and_sparse = pytest.mark.parametrize("is_sparse", [False, True])


def kernel(objective, y, w, z):
    """The kernel's loss, delta and column sums."""
    delta, db = z.flatten(), np.zeros(z.shape[1], z.dtype)
    value = testing.loss_delta(objective, y.flatten(), w, delta, db)
    return value, delta.reshape(z.shape), db


@weighted_or_not
@all_objectives
def test_value_and_delta(objective, weighted, dtype, isa):
    rng = np.random.default_rng(0)
    eps = float(np.finfo(dtype).eps)
    for n in (0, 1, 7, 16, 33, 400):
        z = rng.normal(scale=2, size=(n, 6)).astype(dtype)
        y = targets(rng, objective, n, 6).astype(dtype)
        w = rng.uniform(0.5, 2, size=n).astype(dtype) if weighted else None
        value, delta, db = kernel(objective, y, w, z)
        wide = [array.astype(np.float64) for array in (z, y)]
        weight = np.ones((n, 1)) if w is None else w.astype(np.float64)[:, None]
        expected, d = losses_and_delta(objective, *wide)
        expected, d = weight * expected, weight * d
        # the rounding of an exponent of size |z| or log y is a relative one of exp
        size = 40 * eps * (1 + np.abs(z).max(initial=0) + np.abs(y).max(initial=0))
        assert (np.abs(delta - d) <= size * (1 + np.abs(d))).all()
        assert abs(value - expected.sum()) <= size * (n + np.abs(expected).sum())
        check_column_sums(db, np.zeros_like(db), delta)


@all_objectives
def test_single_columns_with_weights(objective, dtype):
    """One output (or one group of them) takes the path of consecutive weights."""
    if objective.positive is not None:
        objective = objective._replace(positive=objective.positive[:1])
    if objective.step_scale is not None:
        objective = objective._replace(step_scale=objective.step_scale[:1])
    k = {"quantile": len(objective.levels), "gaussian_nll": 2, "focal": 2}.get(
        objective.loss, 1
    )
    rng = np.random.default_rng(1)
    z = rng.normal(size=(600, k)).astype(dtype)
    y = targets(rng, objective, 600, k).astype(dtype)
    w = rng.uniform(0.5, 2, size=600).astype(dtype)
    _, plain, _ = kernel(objective, y, None, z)
    value, delta, _ = kernel(objective, y, w, z)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(delta, w[:, None] * plain, rtol=4 * eps, atol=16 * eps)
    expected, _ = losses_and_delta(objective, z.astype(float), y.astype(float))
    assert value == pytest.approx((w[:, None] * expected).sum(), rel=100 * eps)


@all_objectives
def test_output(objective, dtype, isa):
    z = np.random.default_rng(0).normal(scale=2, size=(40, 6)).astype(dtype)
    out = z.flatten()
    testing.output(objective, out, 6)
    expected = outputs(objective, z.astype(float))
    np.testing.assert_allclose(
        out.reshape(z.shape), expected, rtol=30 * np.finfo(dtype).eps,
        atol=30 * np.finfo(dtype).eps,
    )  # fmt: skip


@weighted_or_not
@dense_and_sparse
@all_objectives
def test_central_differences(problem, objective, is_sparse, weighted):
    check_against_differences(
        problem(
            (5, 7, 6), [("tanh", 0)], objective, 29, np.float64, is_sparse, weighted
        )
    )


@weighted_or_not
@all_objectives
def test_network_equals_reference(problem, objective, weighted):
    for n_samples in (1, 29, 700):
        p = problem(
            (5, 7, 6), [("tanh", 0)], objective, n_samples, np.float64, False, weighted
        )
        value, grad = loss_gradient(p)
        expected, *grads = reference.loss_gradient(
            *p.wide(), ALPHA, p.activation, objective
        )
        assert value == pytest.approx(expected, rel=1e-13)
        scale = np.abs(grad).max()
        np.testing.assert_allclose(grad, reference.pack(*grads), atol=1e-13 * scale)


@all_objectives
def test_weights_count_rows(problem, objective):
    p = problem((5, 4, 6), [("tanh", 0)], objective, 29, np.float64)
    count = np.arange(29) % 4
    rows = np.repeat(np.arange(29), count)
    X, y = p.X, p.y
    p.w = count.astype(np.float64)
    weighted = loss_gradient(p)
    p.X, p.y, p.w = X[rows], y[rows], None
    repeated = loss_gradient(p)
    assert weighted[0] == pytest.approx(repeated[0], rel=1e-13)
    np.testing.assert_allclose(weighted[1], repeated[1], rtol=1e-12, atol=1e-14)


@all_objectives
def test_threads_change_nothing(problem, objective, dtype):
    weights = []
    for n_threads in (1, 4):
        p = problem((5, 30, 6), [("relu", 0)], objective, 1000, dtype)
        velocity = np.zeros_like(p.params)
        epoch = solvers.Epoch(
            p.network, p.data, p.params, [velocity], 300, 1e-4, n_threads
        )
        epoch.use("sgd", 1e-3, 0, momentum=0.9, nesterov=True)
        epoch.run(np.random.default_rng(0).permutation(1000).astype(np.intp))
        weights.append(p.params)
    np.testing.assert_array_equal(*weights)
    assert np.isfinite(weights[0]).all()


def test_squared_error_steps_keep_the_sum_over_outputs(problem):
    """The steps of sgd take the sum over the outputs, under any output activation."""
    objective = Objective("squared_error", "softplus")
    p = problem((5, 6), [], objective, 29, np.float64)
    params, velocity = p.params.copy(), np.zeros_like(p.params)
    *_, grads, intercepts = reference.loss_gradient(
        *p.wide(), ALPHA, [], objective, of_step=True
    )
    epoch = solvers.Epoch(p.network, p.data, p.params, [velocity], 29, ALPHA)
    epoch.use("sgd", 0.1, 0)
    epoch.run(None, 29)
    step = (params - p.params) / 0.1
    np.testing.assert_allclose(step, reference.pack(grads, intercepts), atol=1e-13)


BOUNDED = [
    name
    for name, o in OBJECTIVES.items()
    if o.loss in ("absolute_error", "huber", "log_cosh", "quantile")
    or o.loss.startswith(("binary", "focal"))
    or o.output == "logistic"
]


@pytest.mark.parametrize("name", BOUNDED)
def test_huge_raw_outputs_give_finite_numbers(name, dtype, isa):
    objective = OBJECTIVES[name]
    rng = np.random.default_rng(0)
    for _ in range(20):
        z = rng.choice([-1e4, 0, 1e4], size=(5, 6)).astype(dtype)
        y = targets(rng, objective, 5, 6).astype(dtype)
        value, delta, _ = kernel(objective, y, None, z)
        assert np.isfinite(value) and np.isfinite(delta).all()
        assert value >= 0


@all_objectives
def test_nan_goes_through(objective, dtype, isa):
    z = np.zeros((1, 6), dtype)
    z[0, 0] = np.nan
    y = np.ones((1, 1 if objective.loss == "focal" else 6), dtype)
    value, delta, _ = kernel(objective, y, None, z)
    assert np.isnan(value)
    assert np.isnan(delta[0, 0])


@pytest.mark.parametrize("power", [1.1, 1.5, 1.9])
def test_values_are_those_of_sklearn_metrics(power):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 1))
    y, a = rng.gamma(2.0, size=(50, 1)), np.exp(z)
    zeros = np.where(rng.random((50, 1)) < 0.4, 0, y)

    def mean(objective, y):
        return kernel(objective, y, None, z)[0] / 50

    expected = {
        mean(Objective("gamma"), y): mean_gamma_deviance(y, a) / 2,
        mean(Objective("poisson"), zeros): mean_poisson_deviance(zeros, a) / 2,
        mean(Objective("tweedie", parameter=power), zeros): (
            mean_tweedie_deviance(zeros, a, power=power) / 2
        ),
        mean(Objective("absolute_error"), y): mean_absolute_error(y, z),
        mean(Objective("quantile", levels=(power - 1,)), y): mean_pinball_loss(
            y, z, alpha=power - 1
        ),
    }
    for value, other in expected.items():
        assert value == pytest.approx(other, rel=1e-13)


def test_focal_without_gamma_is_the_log_loss(dtype, isa):
    rng = np.random.default_rng(0)
    z = rng.normal(scale=2, size=(30, 6)).astype(dtype)
    eps = float(np.finfo(dtype).eps)
    for focal, plain in (("focal", "log_loss"), ("binary_focal", "binary_log_loss")):
        y = targets(rng, Objective(plain), 30, 6).astype(dtype)
        value, delta, _ = kernel(Objective(focal, parameter=0.0), y, None, z)
        expected, d, _ = kernel(plain, y, None, z)
        assert value == pytest.approx(expected, rel=20 * eps)
        np.testing.assert_allclose(delta, d, atol=20 * eps)


def test_a_saturated_binary_loss_is_exact():
    """scikit-learn takes it from 1 - p, with few digits, and cuts p at 1 - eps."""
    z = np.array([[-28.0], [-32.0], [-36.0], [-45.0], [-300.0]])
    for rows in np.split(z, len(z)):
        value, _, _ = kernel("binary_log_loss", np.zeros_like(rows), None, rows)
        assert value == pytest.approx(np.log1p(np.exp(rows[0, 0])), rel=1e-14)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="do not fit"):
        network.Network((3, 5), [], Objective("gaussian_nll"))
    with pytest.raises(ValueError, match="do not fit"):
        network.Network((3, 4), [], Objective("quantile", levels=(0.1, 0.5, 0.9)))
    with pytest.raises(ValueError, match="positive"):
        network.Network((3, 4), [], Objective("log_loss", positive=(1.0,) * 4))
