"""Parametric activations, z + p (f(z) - z): kernels, and the gradients of slopes."""

import numpy as np
import pytest
from helpers import tabular_reference as reference
from helpers.rounding import assert_within, check_column_sums, wide
from helpers.tabular_core import draw_params, gradient_to_core, network_of, to_core

from fastmlp._core import kernels, testing
from fastmlp._core.batch import BatchSum
from fastmlp._core.network import Data, Network
from fastmlp._core.solvers import Epoch

# rows and columns: loops run along both, four rows and 128 columns at a time
SHAPES = [(n, k) for n in (0, 1, 3, 4, 5, 9, 33) for k in (1, 3)]
SHAPES += [(5, k) for k in (7, 8, 9, 16, 17, 127, 128, 129, 300)]

all_activations = pytest.mark.parametrize("name", kernels.parametric_activations)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def with_room(x):
    """Rows as in a workspace: each fills whole cache lines; the rest is anything."""
    n, k = x.shape
    rows = np.full((n, -(-k // 16) * 16), np.nan, dtype=x.dtype)
    rows[:, :k] = x
    return rows


def parametric(name, z, slopes):
    """a by the kernel."""
    a = with_room(z)
    testing.parametric(name, a, slopes)
    return a[:, : z.shape[1]]


def parametric_backward(name, z, slopes, delta, db, dslopes):
    """delta da/dz by the kernel; db and dslopes are changed."""
    result = with_room(delta)
    testing.parametric_backward(name, with_room(z), slopes, result, db, dslopes)
    return result[:, : len(db)]


def test_all_have_a_reference():
    assert {*kernels.parametric_activations} <= {*reference.reference.ACTIVATIONS}


@all_activations
def test_forward(name, rng, dtype, isa):
    for shape in SHAPES:
        z = rng.normal(scale=3, size=shape).astype(dtype)
        slopes = rng.normal(size=shape[1]).astype(dtype)
        bend = reference.activate(wide(z), 1.0, name) - wide(z)
        expected = wide(z) + wide(slopes) * bend
        # f(z) - z has up to 6 ulp, in the reference those of f(z)
        bound = np.finfo(dtype).eps * (
            np.abs(expected) + np.abs(wide(slopes)) * (6 * np.abs(bend) + 3 * np.abs(z))
        )
        assert_within(parametric(name, z, slopes), expected, bound)


@all_activations
def test_backward(name, rng, dtype, isa):
    eps = np.finfo(dtype).eps
    for shape in SHAPES:
        z = rng.normal(scale=3, size=shape).astype(dtype)
        slopes, start, start_slopes = rng.normal(size=(3, shape[1])).astype(dtype)
        delta = rng.normal(size=shape).astype(dtype)
        expected, _ = reference.activation_gradient(
            wide(z), wide(slopes), name, wide(delta)
        )
        db, dslopes = start.copy(), start_slopes.copy()
        result = parametric_backward(name, z, slopes, delta, db, dslopes)
        bound = 6 * eps * np.abs(wide(delta)) * (1 + np.abs(wide(slopes)))
        assert_within(result, expected, bound)
        check_column_sums(db, start, result)
        bend = reference.activate(wide(z), 1.0, name) - wide(z)
        parts = np.vstack([wide(start_slopes), wide(delta) * bend])
        sizes = np.vstack(
            [wide(start_slopes), wide(delta) * (np.abs(bend) + np.abs(z))]
        )
        bound = (len(parts) + 8) * eps * np.abs(sizes).sum(axis=0)
        assert_within(dslopes, parts.sum(axis=0), bound)


@all_activations
def test_slopes_0_and_1(name, rng, dtype, isa):
    z = rng.normal(scale=3, size=(9, 33)).astype(dtype)
    delta = rng.normal(size=z.shape).astype(dtype)
    zeros, ones = np.zeros((2, 33), dtype=dtype), np.ones(33, dtype=dtype)
    np.testing.assert_array_equal(parametric(name, z, zeros[0]), z)
    back = parametric_backward(name, z, zeros[0], delta, *zeros.copy())
    np.testing.assert_array_equal(back, delta)
    a = with_room(z)
    testing.activate(name, a, 33)
    bound = 8 * np.finfo(dtype).eps * np.abs(z)
    assert_within(parametric(name, z, ones), wide(a[:, :33]), bound)


@all_activations
def test_extremes(name, dtype, isa):
    info = np.finfo(dtype)
    tiny = info.smallest_subnormal
    z = [0.0, -0.0, tiny, -tiny, info.tiny, -info.tiny, 1e-30, -1e-30]
    z += [30, -30, 100, -100, 800, -800, 1e30, -1e30, info.max / 4, -info.max / 4]
    z = np.array([z], dtype=dtype)
    slopes = np.full(z.shape[1], 0.5, dtype=dtype)
    delta = np.ones_like(z)
    with np.errstate(all="ignore"):
        expected = reference.activate(wide(z), 0.5, name)
        expected_back, _ = reference.activation_gradient(wide(z), 0.5, name, 1.0)
    bound = 4 * info.eps * np.abs(wide(z)) + tiny
    assert_within(parametric(name, z, slopes), expected, bound)
    db, dslopes = np.zeros((2, z.shape[1]), dtype=dtype)
    back = parametric_backward(name, z, slopes, delta, db, dslopes)
    assert_within(back, expected_back, 4 * info.eps)
    np.testing.assert_array_equal(db, back[0])
    assert_within(dslopes, 2 * (expected - wide(z))[0], 8 * bound[0])


@all_activations
def test_what_is_not_finite(name, dtype, isa):
    z = np.array([[np.nan, np.inf, -np.inf, 1.0]], dtype=dtype)
    slopes = np.array([0.5, 0.5, 0.5, np.nan], dtype=dtype)
    a = parametric(name, z, slopes)
    assert np.isnan(a[0, [0, 3]]).all() and a[0, 1] == np.inf
    assert a[0, 2] == -np.inf or np.isnan(a[0, 2])  # -inf + inf / 2
    db, dslopes = np.zeros((2, 4), dtype=dtype)
    delta = np.ones((2, 4), dtype=dtype)
    delta[1] = np.nan
    z = np.vstack([z, np.ones_like(z)])
    back = parametric_backward(name, z, slopes, delta, db, dslopes)
    assert np.isnan(back[0, [0, 3]]).all() and np.isnan(back[1]).all()
    assert np.isfinite(back[0, 1:3]).all()
    assert np.isnan(db).all() and np.isnan(dslopes).all()  # a NaN is never lost


SMOOTHING = 0.1  # without, the core cuts the loss of improbable classes


def make_structure(name, loss="log_loss"):
    """Numbers as they are before three hidden layers with slopes"""
    return reference.Structure(
        4, [], (7, 5, 6), 3, name, loss, SMOOTHING, n_frequencies=0, is_tangent=False
    )


def small_problem(rng, structure, dtype=np.float64, n_samples=29):
    """The network with its stage, data and weights."""
    X = rng.normal(size=(n_samples, 4))
    y = rng.integers(3, size=(n_samples, 1)).astype(float)
    flat = draw_params(rng, structure)
    params = to_core(flat, structure).astype(dtype)
    return X, y, flat, params, network_of(structure)


@all_activations
def test_central_differences(name, rng):
    """Without an input stage, of which tests/core/test_stage.py has those."""
    units = (4, 7, 5, 3)
    net = Network(units, [(name, 0.0)] * 2, "squared_error", has_slopes=True)
    X, y = rng.normal(size=(29, 4)), rng.normal(size=(29, 3))
    params = rng.normal(scale=0.7, size=net.n_params)
    total = BatchSum(net, Data(X, y), params, len(X))
    value = total.loss_gradient(0.3)
    gradient = total.grad.copy()
    for i, x in enumerate(params.copy()):
        params[i] = x + 1e-6
        above = total.loss_gradient(0.3)
        params[i] = x - 1e-6
        difference = (above - total.loss_gradient(0.3)) / 2e-6
        params[i] = x
        assert abs(gradient[i] - difference) <= 2e-9 * max(1, value)
    assert [len(p) for p in net.slopes(params)] == [7, 5]
    assert net.n_params == 4 * 7 + 7 * 5 + 5 * 3 + 15 + 12


@all_activations
def test_gradient_equals_reference(name, rng, dtype, isa):
    structure = make_structure(name)
    for n_samples in (1, 29, 1100):
        X, y, flat, params, net = small_problem(rng, structure, dtype, n_samples)
        X = X.astype(dtype)
        flat = flat.astype(dtype).astype(float)
        data = Data(X, y.astype(dtype))
        total = BatchSum(net, data, params, n_samples, smoothing=SMOOTHING)
        value = total.loss_gradient(0.0)
        expected, gradient = reference.loss_gradient(
            flat, structure, wide(X), y.astype(int)
        )
        tolerance = np.finfo(dtype).eps * (20 + n_samples**0.5)
        assert abs(value - expected) <= tolerance * expected
        wanted = gradient_to_core(gradient, structure)
        assert np.abs(total.grad - wanted).max() <= tolerance * np.abs(wanted).max()


@pytest.mark.parametrize("dropout", [(), (0.0, 0.3, 0.2, 0.1)], ids=["", "dropout"])
def test_threads_change_no_bit(dropout, rng, dtype, isa):
    structure = make_structure("selu")
    X, y, _, params, net = small_problem(rng, structure, dtype, 200)
    data, results = Data(X.astype(dtype), y.astype(dtype)), []
    for n_threads in (1, 2, 3):
        w = params.copy()
        moments = [np.zeros_like(w), np.zeros_like(w)]
        epoch = Epoch(net, data, w, moments, 100, 0.1, n_threads, dropout=dropout)
        epoch.use("adam", 0.01, 0, beta_1=0.9, beta_2=0.95, epsilon=1e-8)
        epoch.seed((3, 4))
        epoch.run(None, 200)
        results.append(w)
    assert (results[0] != params).any()
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
