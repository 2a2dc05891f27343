"""Kernels against the reference: activations, losses, updates, sparse products."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import reference, reference_losses
from helpers.rounding import assert_within, check_column_sums, wide
from scipy import sparse
from sklearn.neural_network._base import ACTIVATIONS, LOSS_FUNCTIONS

from fastmlp._core import kernels, testing

SIZES = [0, 1, 3, 7, 8, 9, 15, 16, 17, 1000]
# rows and columns: loops run along both
SHAPES = [(n, k) for n in SIZES for k in (1, 3)] + [(3, k) for k in SIZES if k]
SLOPE = 0.01

INPUTS = {
    "random": lambda rng, shape: rng.normal(scale=3, size=shape),
    "zeros": lambda rng, shape: rng.choice([0.0, -0.0], size=shape),
    "infinite": lambda rng, shape: rng.choice([np.inf, -np.inf, 1], size=shape),
    "nan": lambda rng, shape: rng.choice([np.nan, 1, -1], size=shape),
    "saturated": lambda rng, shape: rng.choice([-1e4, -90, 40, 1e4], size=shape),
}

# gelu of the reference forms exp(-z^2 / 2) from the rounded z^2: z^2 / 2 ulp, z >= -10
MAX_ULP = dict.fromkeys(kernels.activation_names, 6) | {
    "gelu": 60,
    "silu": 8,
    "mish": 8,
}

all_activations = pytest.mark.parametrize("name", kernels.activation_names)
all_losses = pytest.mark.parametrize("loss", reference.OUTPUTS)
all_inputs = pytest.mark.parametrize("inputs", INPUTS)


def test_everything_listed_has_a_reference():
    assert list(reference.ACTIVATIONS) == kernels.activation_names
    with_parameters = {o.loss for o in reference_losses.OBJECTIVES.values()}
    assert {*reference.OUTPUTS, *with_parameters} == {*kernels.loss_names}
    assert {*kernels.loss_outputs} == {*kernels.loss_names}


def test_choice_of_isa():
    assert "base" in kernels.available_isas
    chosen = kernels.isa
    with pytest.raises(ImportError, match=r"one of \[.*'base'\].* got 'v99'"):
        kernels.use_isa("v99")
    assert kernels.isa == chosen
    code = "from fastmlp._core import kernels; print(kernels.isa)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FASTMLP_ISA": "base"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "base"


def ulps(number, expected, dtype):
    """A relative error, and as many of the smallest numbers."""
    info = np.finfo(dtype)
    return number * (info.eps * np.abs(expected) + info.smallest_subnormal)


def with_room(x):
    """Rows as in a workspace: each fills whole cache lines; the rest is anything."""
    n, k = x.shape
    wide_rows = np.full((n, -(-k // 16) * 16), np.nan, dtype=x.dtype)
    wide_rows[:, :k] = x
    return wide_rows


def activate(name, z, slope=SLOPE):
    """f(z) by the kernel."""
    a = with_room(z)
    testing.activate(name, a, z.shape[1], slope)
    return a[:, : z.shape[1]]


def activate_backward(name, x, delta, db, slope=SLOPE):
    """delta f'(x) by the kernel; db is changed."""
    result = with_room(delta)
    testing.activate_backward(name, with_room(x), result, db, slope)
    return result[:, : len(db)]


@all_inputs
@all_activations
def test_activate(name, inputs, dtype, isa):
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        z = INPUTS[inputs](rng, shape).astype(dtype)
        with np.errstate(all="ignore"):
            expected = reference.ACTIVATIONS[name][0](wide(z), SLOPE)
        # up to 4 ulp, and those of NumPy's float64
        assert_within(
            activate(name, z), expected, ulps(MAX_ULP.get(name, 6), expected, dtype)
        )


@all_inputs
@all_activations
def test_activate_backward(name, inputs, dtype, isa):
    rng = np.random.default_rng(0)
    f, derivative = reference.ACTIVATIONS[name]
    for shape in SHAPES:
        z = wide(INPUTS[inputs](rng, shape).astype(dtype))
        delta = rng.uniform(-1, 1, size=shape).astype(dtype)
        start = rng.normal(size=shape[1]).astype(dtype)
        with np.errstate(all="ignore"):
            a, expected = f(z, SLOPE).astype(dtype), delta * derivative(z, SLOPE)
        db = start.copy()
        x = z.astype(dtype) if name in kernels.activations_by_input else a
        result = activate_backward(name, x, delta, db)
        # Of most, the kernel knows a, not z: where 1 - a cancels, the rounding of a
        # remains.
        assert_within(result, expected, 4 * np.finfo(dtype).eps * np.abs(delta))
        check_column_sums(db, start, result)


def test_relu_backward_of_one_has_the_bits_of_product_and_derivative(dtype, isa):
    if isa == "base":
        pytest.skip("BLAS forms the product there")
    rng = np.random.default_rng(0)
    work = testing.product_work(dtype)
    for n, k in [(1, 1), (3, 7), (32, 64), (32, 100), (31, 300), (5, 16)]:
        x = np.maximum(rng.normal(size=(n, k)), 0).astype(dtype)
        above = rng.normal(size=(n, 1)).astype(dtype)
        w = rng.normal(size=(1, k)).astype(dtype)
        above[0] = 0  # gives zeros of both signs
        start = rng.normal(size=k).astype(dtype)
        product, sums, expected_sums = np.empty_like(x), start.copy(), start.copy()
        testing.product(False, above, w, None, product, work)
        expected = activate_backward("relu", x, product, expected_sums)
        delta = with_room(np.full_like(x, np.nan))
        testing.relu_backward_of_one(
            with_room(x), above[:, 0].copy(), with_room(w)[0], delta, sums
        )
        assert delta[:, :k].tobytes() == expected.tobytes()
        assert sums.tobytes() == expected_sums.tobytes()


@pytest.mark.parametrize(("name", "slope"), [("relu", 0), ("leaky_relu", 1)])
def test_derivative_at_zero(name, slope, dtype, isa):
    a = activate(name, np.tile(np.array([[0.0], [-0.0]], dtype=dtype), (20, 1)))
    db = np.zeros(1, dtype=dtype)
    delta = activate_backward(name, a, np.full((40, 1), 3, dtype=dtype), db)
    np.testing.assert_array_equal(delta, np.full((40, 1), 3 * slope))
    assert db == 40 * 3 * slope


def test_slope_is_a_parameter(dtype, isa):
    z = np.linspace(-3, 3, 40, dtype=dtype).reshape(8, 5)
    for slope in (0.125, 0.5, 2.0):  # exact in both precisions
        a = activate("leaky_relu", z, slope)
        np.testing.assert_array_equal(a, np.where(z < 0, slope * z, z))
        db = np.zeros(5, dtype)
        da = activate_backward("leaky_relu", a, np.ones_like(z), db, slope)
        np.testing.assert_array_equal(da, np.where(z < 0, slope, 1))


def test_column_sums(dtype, isa):
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        delta = rng.normal(size=shape).astype(dtype)
        start = rng.normal(size=shape[1]).astype(dtype)
        sums = start.copy()
        testing.column_sums(delta, sums)
        check_column_sums(sums, start, delta)
        sums, expected = np.zeros((2, shape[1]), dtype)  # in the order of the others
        testing.column_sums(delta, sums)
        activate_backward("identity", delta, delta, expected)
        np.testing.assert_array_equal(sums, expected)


def random_targets(loss, rng, n, k):
    if loss == "log_loss":
        return rng.integers(k, size=(n, 1))
    if loss == "poisson":
        return rng.poisson(1.5, size=(n, k))
    if loss == "binary_log_loss":
        return rng.integers(2, size=(n, k))
    return rng.normal(size=(n, k))


def loss_delta(loss, y, w, z, db):
    """The kernel's loss and delta; db is changed."""
    delta = z.flatten()
    value = testing.loss_delta(loss, y.flatten(), w, delta, db)
    return value, delta.reshape(z.shape)


# exp() in a softmax makes the rounding of z - max(z), here below 25, a relative one
OUTPUT_ULP = 25 + 6
# outputs; softmax has one loop for few of them, up to 48, one for few rows of these,
# and one for many
WIDTHS = [1, 3, 10, 48, 49]


@all_inputs
@all_losses
def test_output(loss, inputs, dtype, isa):
    rng = np.random.default_rng(0)
    for n in SIZES:
        for k in WIDTHS:
            z = INPUTS[inputs](rng, (n, k)).astype(dtype)
            with np.errstate(all="ignore"):
                expected = reference.OUTPUTS[loss](wide(z))
            out = z.flatten()
            testing.output(loss, out, k)
            bound = ulps(OUTPUT_ULP if loss == "log_loss" else 6, expected, dtype)
            assert_within(out.reshape(n, k), expected, bound)


def test_softmax_of_rare_classes(dtype, isa):
    """A probability below the normal numbers may become 0."""
    lowest = np.log(np.finfo(dtype).tiny)
    low = np.linspace(lowest - 3, lowest + 1, 4001)
    low = np.concatenate([low, [-1e3, -1e4, np.finfo(dtype).min, -np.inf]])
    low = low.astype(dtype)
    for k in (2, 60):
        z = np.zeros((len(low), k), dtype=dtype)
        z[:, 1:] = low[:, np.newaxis]
        out = z.flatten()
        testing.output("log_loss", out, k)
        expected = np.exp(wide(low))
        got = wide(out.reshape(z.shape)[:, 1])
        is_normal = expected > np.finfo(dtype).tiny * (1 + 1e-4)
        near = np.abs(got - expected) <= ulps(2, expected, dtype)
        assert near[is_normal].all()
        assert (near | (got == 0))[~is_normal].all() and (got[-4:] == 0).all()


@pytest.mark.parametrize("k", WIDTHS)
def test_softmax_of_a_row_has_the_same_bits_among_any_others(k, dtype, isa):
    rng = np.random.default_rng(k)
    z = rng.normal(size=(32, k)) * rng.choice([0.1, 3, 50, 1000], size=(32, 1))
    z = z.astype(dtype)
    z[0, 0] = z[1, -1] = np.nan
    z[2, 0], z[3, -1], z[4] = np.inf, -np.inf, -np.inf
    together = z.flatten()
    testing.output("log_loss", together, k)
    for n_rows in (1, 3, 7, 8, 9):
        for first in range(0, 32 - n_rows, n_rows):
            alone = z[first : first + n_rows].flatten()
            testing.output("log_loss", alone, k)
            np.testing.assert_array_equal(alone, together[first * k :][: len(alone)])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", WIDTHS)
@all_losses
def test_loss_delta(loss, k, weighted, dtype, isa):
    rng = np.random.default_rng(k)
    eps = np.finfo(dtype).eps
    for n in SIZES:
        z = rng.normal(scale=3, size=(n, k)).astype(dtype)
        y = random_targets(loss, rng, n, k).astype(dtype)
        w = rng.uniform(0.5, 2, size=n).astype(dtype) if weighted else None
        db = rng.normal(size=k).astype(dtype)
        start = db.copy()
        value, delta = loss_delta(loss, y, w, z, db)

        weight = np.ones((n, 1)) if w is None else wide(w)[:, None]
        raw = wide(z)
        out, target = reference.OUTPUTS[loss](raw), reference.targets(loss, wide(y), k)
        losses = reference.losses(loss, raw, wide(y), eps)
        # magnitudes of the terms that cancel in delta, and in a loss near 0
        bound = OUTPUT_ULP * eps * weight * (np.abs(out) + np.abs(target))
        assert_within(delta, weight * (out - target), bound)
        terms = losses + np.abs(out) + (1 + np.abs(target)) * (1 + np.abs(raw))
        # each value rounds a few times in its precision, their sum in double
        bound = (4 * eps + n * k * np.finfo(float).eps) * (weight * terms).sum()
        assert abs(value - (weight * losses).sum()) <= bound
        check_column_sums(db, start, delta)


@pytest.mark.parametrize("weighted", [False, True])
@all_losses
def test_loss_of_huge_raw_outputs(loss, weighted, dtype, isa):
    rng = np.random.default_rng(0)
    w = np.array([0.5], dtype=dtype) if weighted else None
    weight = 0.5 if weighted else 1
    for _ in range(40):
        z = rng.choice([-1e4, 0, 1e4], size=(1, 3)).astype(dtype)
        y = random_targets(loss, rng, 1, 3).astype(dtype)
        value, delta = loss_delta(loss, y, w, z, np.zeros(3, dtype=dtype))
        with np.errstate(over="ignore"):  # exp(1e4) of poisson is beyond float64
            out = reference.OUTPUTS[loss](wide(z))
            losses = reference.losses(loss, wide(z), wide(y), np.finfo(dtype).eps)
        expected = weight * (out - reference.targets(loss, wide(y), 3))
        assert np.isfinite(value) == (loss != "poisson" or (z < 1e4).all())
        np.testing.assert_allclose(
            value, weight * losses.sum(), 4 * np.finfo(dtype).eps
        )
        np.testing.assert_allclose(delta, expected, 4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("loss", ["binary_log_loss", "log_loss"])
def test_losses_are_clamped_as_in_sklearn(loss, dtype, isa):
    k = 3 if loss == "log_loss" else 1
    eps = np.finfo(dtype).eps
    # At 40 and beyond every p is clipped.  Nearer, scikit-learn's log(1 - p) magnifies
    # the rounding of p by 1 / (1 - p) < 1 + exp(size).
    for size, atol in [(1e4, 0), (40, 0), (3, 1 + np.exp(3)), (1, 1 + np.exp(1))]:
        for shift in range(3):
            z = np.roll([size, 0, -size], shift)[:k].astype(dtype).reshape(1, k)
            for target in range(max(2, k)):
                y = np.array([[target]], dtype=dtype)
                value, _ = loss_delta(loss, y, None, z, np.zeros(k, dtype))
                p = z.copy()
                ACTIVATIONS[kernels.loss_outputs[loss]](p)
                hot = np.eye(k, dtype=dtype)[[target]] if loss == "log_loss" else y
                expected = LOSS_FUNCTIONS[loss](hot, p)
                assert abs(value - expected) <= eps * (4 * expected + atol)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_update(nesterov, momentum, dtype, isa):
    rng = np.random.default_rng(0)
    for n in SIZES:
        w, v = (rng.normal(size=n).astype(dtype) for _ in range(2))
        w_wide, v_wide = wide(w), wide(v)
        for _ in range(10):
            g = rng.normal(size=n).astype(dtype)
            gradient = 0.3 * wide(g) + 0.05 * w_wide
            testing.sgd_update(g, w, v, 0.3, 0.05, 0.1, momentum, nesterov)
            w_wide, v_wide = reference.sgd(
                w_wide, v_wide, gradient, 0.1, momentum, nesterov
            )
        check_ten_steps((w, w_wide), (v, v_wide))


@pytest.mark.parametrize("first_t", [1, 1000])
def test_adam_update(first_t, dtype, isa):
    rng = np.random.default_rng(0)
    rate, beta_1, beta_2, epsilon = 0.1, 0.9, 0.999, 1e-8
    for n in SIZES:
        w = rng.normal(size=n).astype(dtype)
        m, v = np.zeros_like(w), np.zeros_like(w)
        w_wide, m_wide, v_wide = wide(w), wide(m), wide(v)
        for t in range(first_t, first_t + 10):
            g = rng.normal(size=n).astype(dtype)
            gradient = 0.3 * wide(g) + 0.05 * w_wide
            rate_t = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
            testing.adam_update(g, w, m, v, 0.3, 0.05, rate_t, beta_1, beta_2, epsilon)
            w_wide, m_wide, v_wide = reference.adam(
                w_wide, m_wide, v_wide, gradient, t, rate, beta_1, beta_2, epsilon
            )
        check_ten_steps((w, w_wide), (m, m_wide), (v, v_wide))


def check_ten_steps(*pairs):
    # a step rounds about three times, each time by eps / 2 of the largest number
    for actual, expected in pairs:
        size = np.abs(expected).max(initial=0)
        assert_within(actual, expected, 15 * np.finfo(actual.dtype).eps * size)


@pytest.mark.parametrize("k", [1, 3, 8, 17])
def test_csr_product(k, dtype, isa):
    rng = np.random.default_rng(k)
    n_rows, n_columns = 30, 12
    # indices in any order, with duplicates; some rows are empty
    stored = rng.integers(0, 9, size=n_rows) * (rng.random(n_rows) < 0.8)
    indptr = np.concatenate([[0], np.cumsum(stored)]).astype(np.intp)
    indices = rng.integers(n_columns, size=indptr[-1])
    values = rng.normal(size=indptr[-1]).astype(dtype)
    order = rng.integers(n_rows, size=50)  # rows out of order, and more than once
    x, size = (
        sparse.csr_array((v, indices, indptr), shape=(n_rows, n_columns)).toarray()
        for v in (wide(values), np.abs(wide(values)))
    )
    assert (stored[order] == 0).any()
    assert np.count_nonzero(x) < indptr[-1]  # there are duplicates
    x, size = x[order], size[order]

    w = rng.normal(size=(n_columns, k)).astype(dtype)
    z = np.full((50, k), np.nan, dtype=dtype)  # former contents must not matter
    b = rng.normal(size=k).astype(dtype)
    testing.csr_forward(values, indices, indptr, order, w, b, z)
    eps = np.finfo(dtype).eps  # 10 products of one row, each rounded and added
    assert_within(z, x @ wide(w) + b, 10 * eps * (size @ np.abs(w) + np.abs(b)))

    delta = rng.normal(size=(50, k)).astype(dtype)
    start = rng.normal(size=(n_columns, k)).astype(dtype)
    dw = start.copy()
    testing.csr_backward(values, indices, indptr, order, delta, dw)
    bound = 50 * eps * (size.T @ np.abs(delta) + np.abs(start))
    assert_within(dw, wide(start) + x.T @ wide(delta), bound)
