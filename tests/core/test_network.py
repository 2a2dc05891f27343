"""Network, prediction, and epochs against the reference's loop over batches."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import reference

from fastmlp import MLPRegressor
from fastmlp._core import batch, network, prediction, solvers
from fastmlp._core.workspace import aligned_empty, padded_rows

all_losses = pytest.mark.parametrize("loss", reference.OUTPUTS)
dense_and_sparse = pytest.mark.parametrize("is_sparse", [False, True])
TANH_RELU = [("tanh", 0.0), ("relu", 0.0)]


def test_sizes_and_packing_order():
    net = network.Network((4, 3, 2), [("relu", 0.0)], "log_loss")
    assert net.units == (4, 3, 2)
    assert net.n_params == net.n_trainable == 4 * 3 + 3 * 2 + 3 + 2
    fixed = network.Network((4, 3, 2), [("relu", 0.0)], "log_loss", False)
    assert (fixed.n_params, fixed.n_trainable) == (23, 18)

    flat = np.arange(23.0)
    coefs, intercepts = net.split(flat)
    assert [w.shape for w in coefs] == [(4, 3), (3, 2)]
    assert [b.shape for b in intercepts] == [(3,), (2,)]
    np.testing.assert_array_equal(reference.pack(coefs, intercepts), flat)
    coefs[1][0, 1], intercepts[1][0] = -1, -2  # views
    assert (flat[13], flat[21]) == (-1, -2)


def test_a_layer_too_wide_for_blas():
    widest = 2**27
    assert network.Network((widest, 1), [], "poisson").n_params == widest + 1
    for units in [(widest + 1, 1), (1, widest + 1, 1)]:
        with pytest.raises(ValueError, match=f"at most {widest} units"):
            network.Network(units, [("relu", 0.0)], "poisson")


def predict(problem, order=None, activated=True):
    layers = network.Layers(*problem.network.split(problem.params), problem.X.dtype)
    return prediction.predict(problem.network, problem.data, layers, order, activated)


def check_prediction(out, problem, rows=slice(None), activated=True):
    coefs, intercepts, X, *_ = problem.wide()
    z = reference.forward(coefs, intercepts, X[rows], problem.activation)[1][-1]
    expected = reference.OUTPUTS[problem.loss](z) if activated else z
    assert out.dtype == problem.X.dtype
    assert out.shape == expected.shape
    # three layers of sums of up to 7 rounded terms
    tolerance = 10 * np.finfo(out.dtype).eps
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("activated", [True, False])
@dense_and_sparse
@all_losses
def test_predict(problem, loss, is_sparse, activated, dtype, isa):
    for n_samples in (1, 30, 2100):
        p = problem((6, 7, 4, 3), TANH_RELU, loss, n_samples, dtype, is_sparse)
        check_prediction(predict(p, activated=activated), p, activated=activated)
    assert 2 * p.network.block_rows(2100, dtype) < 2100
    rng = np.random.default_rng(0)
    for size in (1, 50, 3000):
        rows = rng.integers(2100, size=size)  # any order, repeated
        check_prediction(predict(p, rows, activated), p, rows, activated)


def test_predict_reads_arrays_as_they_are(problem, tmp_path):
    p = problem((6, 7, 4, 3), TANH_RELU, "log_loss", 30, np.float64)
    expected = predict(p)
    coefs, intercepts = p.network.split(p.params)
    coefs[0].tofile(tmp_path / "w")
    coefs[0] = np.memmap(tmp_path / "w", dtype=np.float64, mode="r", shape=(6, 7))
    for x in (*coefs[1:], *intercepts, p.X):
        x.flags.writeable = False
    layers = network.Layers(coefs, intercepts, p.X.dtype)
    out = prediction.predict(p.network, p.data, layers)
    np.testing.assert_array_equal(out, expected)


def test_wrong_dtype_or_layout(problem):
    p = problem((6, 5, 3), [("relu", 0.0)], "poisson", 30, np.float64)
    net, X, y, w, params = p.network, p.X, p.y, np.ones(30), p.params
    coefs, intercepts = net.split(params)
    data, narrow = network.Data(X, y), params.astype(np.float32)
    double = np.dtype(np.float64)
    layers = network.Layers(coefs, intercepts, double)
    epoch = solvers.Epoch(net, data, params, [params.copy()], 10, 0.0)
    wrong = [
        lambda: network.Data(X.astype(np.int64)),
        lambda: network.Data(X.astype(np.float16)),
        lambda: network.Data(X.astype(">f8")),
        lambda: network.Data(np.asfortranarray(X)),
        lambda: network.Data(X[::2]),
        lambda: network.Data(X, y.astype(np.float32)),
        lambda: network.Data(X, np.asfortranarray(y)),
        lambda: network.Data(X, y, w.astype(np.float32)),
        lambda: network.Data(X, y, np.ones(60)[::2]),
        lambda: network.Layers([coefs[0], coefs[1].T], intercepts, double),
        lambda: network.Layers(coefs, intercepts, np.dtype(np.float32)),
        lambda: prediction.predict(net, data, layers, np.arange(5, dtype=np.int32)),
        lambda: prediction.predict(net, data, layers, np.arange(10)[::2]),
        lambda: batch.BatchSum(net, data, narrow, 10),
        lambda: batch.BatchSum(net, data, np.repeat(params, 2)[::2], 10),
        lambda: solvers.Epoch(net, data, narrow, [params.copy()], 10, 0.0),
        lambda: solvers.Epoch(net, data, params, [narrow], 10, 0.0),
        lambda: solvers.Epoch(net, data, params, [params.copy(), narrow], 10, 0.0),
        lambda: epoch.run(np.arange(30, dtype=np.int32)),
        lambda: epoch.run(np.arange(30.0)),
    ]
    for make in wrong:
        with pytest.raises(TypeError, match=r"expected (a C-contiguous \w|float32 or)"):
            make()


SGD = {"learning_rate": 0.05, "momentum": 0.9}
ADAM = {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-8}
all_solvers = pytest.mark.parametrize("solver", ["sgd", "nesterov", "adam"])


def make_epoch(solver, net, data, params, batch_size, alpha=0.0, t=0):
    """The epoch and its moments."""
    moments = [np.zeros_like(params) for _ in range(2 if solver == "adam" else 1)]
    epoch = solvers.Epoch(net, data, params, moments, batch_size, alpha)
    if solver == "adam":
        epoch.use("adam", t=t, **ADAM)
    else:
        epoch.use("sgd", t=t, nesterov=solver == "nesterov", **SGD)
    return epoch, moments


class Steps:
    """The reference's update rule, with its state."""

    def __init__(self, solver, n_params, n_trainable, t=0):
        self.solver, self.t = solver, t
        self.moments = [np.zeros(n_params) for _ in range(2 if solver == "adam" else 1)]
        self.moves = np.arange(n_params) < n_trainable

    def __call__(self, params, g):
        self.t += 1
        g = g * self.moves
        if self.solver == "adam":
            params, *self.moments = reference.adam(
                params, *self.moments, g, self.t, **ADAM
            )
        else:
            params, *self.moments = reference.sgd(
                params, *self.moments, g, **SGD, nesterov=self.solver == "nesterov"
            )
        return params


def check_epochs(
    problem, solver, orders, batch_size, alpha=0.3, fit_intercept=True, t=0
):
    """Train with both; an order of None is that of the rows."""
    p, n = problem, problem.data.n_samples
    net = network.Network(p.units, p.activation, p.loss, fit_intercept)
    params, (_, _, X, y, w) = p.params.astype(np.float64), p.wide()
    steps = Steps(solver, net.n_params, net.n_trainable, t)
    epoch, moments = make_epoch(solver, net, p.data, p.params, batch_size, alpha, t)
    # some 50 roundings, at most, in gradients and updates of about a dozen steps
    tolerance = 50 * np.finfo(p.params.dtype).eps
    for order in orders:
        if order is None:
            epoch.run(n_rows=n)
        else:
            epoch.run(order)
        params, loss = reference.epoch(
            params, p.units, steps, X, y, w, np.arange(n) if order is None else order,
            batch_size, alpha, p.activation, p.loss,
        )  # fmt: skip
        np.testing.assert_allclose(epoch.loss, loss, rtol=tolerance)
        np.testing.assert_allclose(p.params, params, rtol=0, atol=tolerance)
        for actual, expected in zip(moments, steps.moments):
            size = np.abs(expected).max()
            np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * size)
    assert epoch.t == steps.t
    if solver == "adam":
        rate = np.sqrt(1 - ADAM["beta_2"] ** steps.t) / (1 - ADAM["beta_1"] ** steps.t)
        assert epoch.last_rate == pytest.approx(ADAM["learning_rate"] * rate, rel=1e-14)


@dense_and_sparse
@pytest.mark.parametrize("weighted", [False, True])
@all_losses
@all_solvers
def test_epochs(problem, solver, loss, weighted, is_sparse, dtype):
    p = problem((6, 7, 4, 3), TANH_RELU, loss, 53, dtype, is_sparse, weighted)
    rng = np.random.default_rng(0)
    orders = [rng.permutation(53), None, rng.permutation(53)[:40]]
    check_epochs(p, solver, orders, batch_size=16)  # the last batches have 5, 5, 8


@all_solvers
def test_batch_of_several_blocks(problem, solver, dtype):
    p = problem((6, 7, 4, 3), TANH_RELU, "log_loss", 5000, dtype, weighted=True)
    assert p.network.block_rows(2200, dtype) < 1100
    order = np.random.default_rng(0).permutation(5000)
    check_epochs(p, solver, [order, None], batch_size=2200)


@pytest.mark.parametrize("shuffled", [False, True])
@all_solvers
def test_a_batch_without_weight_is_skipped(problem, solver, shuffled, dtype):
    p = problem((6, 5, 3), [("tanh", 0.0)], "squared_error", 53, dtype, weighted=True)
    order = np.random.default_rng(0).permutation(53)
    p.w[order[16:32] if shuffled else slice(16, 32)] = 0
    check_epochs(p, solver, [order if shuffled else None] * 2, batch_size=16)


@all_solvers
def test_nothing_moves_without_weight(problem, solver, dtype):
    p = problem((6, 5, 3), [("tanh", 0.0)], "poisson", 20, dtype, weighted=True)
    p.w[:] = 0
    before = p.params.copy()
    epoch, moments = make_epoch(solver, p.network, p.data, p.params, 8, alpha=1.0)
    epoch.run(n_rows=20)
    assert (epoch.t, epoch.rows_done, epoch.rows_counted) == (0, 20, 0)
    assert epoch.loss == np.inf
    np.testing.assert_array_equal(p.params, before)
    assert not np.any(moments)


@all_solvers
def test_fixed_intercepts(problem, solver, dtype):
    p = problem((6, 7, 4, 3), TANH_RELU, "log_loss", 53, dtype)
    intercepts = p.network.split(p.params.copy())[1]
    check_epochs(p, solver, [None, None], 16, fit_intercept=False)
    for actual, expected in zip(p.network.split(p.params)[1], intercepts):
        np.testing.assert_array_equal(actual, expected)


def test_adam_goes_on_from_t(problem, dtype):
    p = problem((6, 5, 3), [("tanh", 0.0)], "log_loss", 53, dtype)
    check_epochs(p, "adam", [None], batch_size=16, t=7)


@dense_and_sparse
@all_solvers
def test_a_step_allocates_nothing(problem, solver, is_sparse):
    p = problem((6, 7, 4, 3), TANH_RELU, "log_loss", 4000, np.float64, is_sparse, True)
    epoch, _ = make_epoch(solver, p.network, p.data, p.params, 4)
    order = np.arange(4000)
    epoch.run(order[:400])  # warms up

    def peak(n_batches):
        tracemalloc.start()
        epoch.run(order[: 4 * n_batches])
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    def least_peak(n_batches):  # other threads of the process may allocate meanwhile
        return min(peak(n_batches) for _ in range(5))

    few, many = least_peak(100), least_peak(1000)
    assert many <= few
    # smaller than any array of a step, such as the gradient of 91 doubles
    assert many < 512
    assert epoch.rows_done == 4000


def test_epochs_in_eight_threads(problem):
    n_threads, n = 8, 3000
    start = threading.Barrier(n_threads)

    def train(i, wait):
        solver = ("sgd", "nesterov", "adam")[i % 3]
        dtype = np.float32 if i % 2 else np.float64
        p = problem((20, 40, 5), [("tanh", 0.0)], "log_loss", n, dtype, i % 4 == 3)
        epoch, _ = make_epoch(solver, p.network, p.data, p.params, 100)
        order = np.random.default_rng(i).permutation(n)
        if wait:
            start.wait()
        for _ in range(5):
            epoch.run(order)
        return p.params

    serial = [train(i, wait=False) for i in range(n_threads)]
    with ThreadPoolExecutor(n_threads) as pool:
        parallel = pool.map(train, range(n_threads), [True] * n_threads)
    for alone, together in zip(serial, parallel):
        assert np.isfinite(alone).all()
        np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("n", [0, 1, 7, 1000])
def test_aligned_arrays_begin_a_cache_line(n, dtype):
    arrays = [aligned_empty(n, dtype) for _ in range(10)]
    for array in arrays:
        assert array.shape == (n,) and array.dtype == dtype
        assert n == 0 or array.ctypes.data % 64 == 0
        array[:] = 1


@pytest.mark.parametrize("n_columns", [1, 9, 16, 100])
def test_padded_rows_begin_cache_lines(n_columns, dtype):
    matrix = np.random.default_rng(0).normal(size=(5, n_columns)).astype(dtype)
    padded = padded_rows(matrix)
    np.testing.assert_array_equal(padded[:, :n_columns], matrix)
    if n_columns == 1:
        assert padded is matrix
    else:
        assert padded.ctypes.data % 64 == 0 and padded.strides[0] % 64 == 0
        assert (padded[:, n_columns:] == 0).all()
        assert padded.flags.c_contiguous


def test_weights_and_moments_begin_cache_lines(dtype):
    for _ in range(5):
        model = MLPRegressor(hidden_layer_sizes=(37,), dtype=dtype)
        model.partial_fit(np.ones((50, 13), dtype), np.arange(50))
        moments = model._optimizer_state["moments"]
        assert len(moments) == 2
        for array in (model.coefs_[0], *moments):
            assert array.ctypes.data % 64 == 0
