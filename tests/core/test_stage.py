"""The input stage of tables: its outputs, its gradients, its part of a step."""

import numpy as np
import pytest
from helpers import tabular_reference as reference
from helpers.tabular_core import (
    data_of,
    draw_params,
    draw_rows,
    gradient_to_core,
    network_of,
    stage_of,
    stage_weights,
    to_core,
)
from scipy import sparse

from fastmlp._core import kernels
from fastmlp._core.batch import BatchSum
from fastmlp._core.layout import layout_of
from fastmlp._core.network import Data, Network
from fastmlp._core.prediction import predict
from fastmlp._core.solvers import Epoch
from fastmlp._core.stage import InputStage

FIXED = np.array([[0.0, 0.0, 0.0], [1.66, 0.0, -0.9], [0.0, 0.9, 1.66]])
# numbers and tables: of fixed rows, or the shape of those that are trained
STAGES = {
    "both": (3, [(4, 2), FIXED, (6, 8)]),
    "numbers": (4, []),
    "categories": (0, [FIXED, (5, 3)]),
    "one number": (1, []),
    "one fixed column": (0, [np.array([[-0.5], [2.0]])]),
}
# rows around whole vectors, slots of 32, and more than a block of 1,024
SIZES = (1, 15, 16, 17, 33, 100)

all_stages = pytest.mark.parametrize("parts", STAGES.values(), ids=STAGES)
all_forms = pytest.mark.parametrize("is_periodic", [True, False])
all_losses = pytest.mark.parametrize("loss", ["log_loss", "squared_error"])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def make_structure(parts, is_periodic=True, loss="log_loss", **settings):
    """A structure in the folded form with two hidden layers"""
    n_numbers, tables = parts
    return reference.Structure(
        n_numbers, tables, (7, 5), 3, loss=loss, is_tangent=False,
        n_frequencies=16 if is_periodic else 0, **settings,
    )  # fmt: skip


def gradient_of(structure, params, X, y, **settings):
    """The core's mean loss and gradient, in the precision of params."""
    net, data = network_of(structure), data_of(X, y, params.dtype)
    total = BatchSum(net, data, params, len(X), **settings)
    return total.loss_gradient(0.0), total.grad


def output_bound(x, params, structure, eps):
    """Bounds of the roundings of embedded numbers, of shape (n, n_numbers, width)

    The angle in turns has three roundings, its cosine two of 1, a sum of 16 as many.
    """
    w, phase, mixing, shift = (np.abs(params[role][0]) for role in reference.PERIODIC)
    turns = np.abs(np.nan_to_num(x))[:, :, None] * w + phase / (2 * np.pi)
    wave = 18 + 3 * 2 * np.pi * turns
    bound = np.einsum("nfk,fkj->nfj", wave, mixing) + 18 * shift
    return eps * np.concatenate([bound, np.abs(np.nan_to_num(x))[:, :, None]], axis=2)


@all_forms
@all_stages
def test_outputs(parts, is_periodic, rng, dtype, isa):
    structure = make_structure(parts, is_periodic)
    stage, eps = stage_of(structure), np.finfo(dtype).eps
    X, _ = draw_rows(rng, structure, 100)
    flat = draw_params(rng, structure).astype(dtype).astype(float)
    X = X.astype(dtype)
    params = reference.unpack(flat, structure)
    weights = stage_weights(params, structure).astype(dtype)
    params["table"] = [table.astype(dtype) for table in params["table"]]
    scale = params["scale"][0]
    expected = reference.stage_inputs(X.astype(float), params, structure) * scale
    bound = 3 * eps * np.abs(expected)
    if is_periodic and structure.n_numbers:
        x = X[:, : structure.n_numbers].astype(float)
        numbers = output_bound(x, params, structure, eps).reshape(len(X), -1)
        bound[:, : numbers.shape[1]] += numbers * np.abs(scale[: numbers.shape[1]])
    out = stage.outputs(weights, X)
    assert out.dtype == dtype
    assert (np.abs(out - expected) <= bound).all()
    # a row has the bits that it has alone, however many are beside it
    for n in SIZES:
        np.testing.assert_array_equal(stage.outputs(weights, X[:n]), out[:n])
    for i in range(20):
        np.testing.assert_array_equal(
            stage.outputs(weights, np.ascontiguousarray(X[i : i + 1])), out[i : i + 1]
        )


def test_outputs_of_large_numbers(rng, isa):
    """Angles of thousands of turns keep their precision."""
    structure = make_structure(STAGES["one number"])
    params = reference.unpack(draw_params(rng, structure), structure)
    X = np.array([[0.0], [-0.0], [1e4], [-1e4], [0.25], [5e-324]])
    out = stage_of(structure).outputs(stage_weights(params, structure), X)
    expected = reference.stage_inputs(X, params, structure) * params["scale"][0]
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-10)
    assert out[2, 3] == 1e4 * params["scale"][0][3]


@all_forms
def test_missing_numbers_take_their_row(is_periodic, rng, dtype, isa):
    structure = make_structure(STAGES["both"], is_periodic)
    params = reference.unpack(draw_params(rng, structure), structure)
    width = structure.number_width
    X = np.zeros((3, 6), dtype=dtype)
    X[1, 1] = np.nan
    X[2, :3] = np.nan
    stage, scale = stage_of(structure), params["scale"][0].astype(dtype)
    out = stage.outputs(stage_weights(params, structure).astype(dtype), X)
    assert np.isfinite(out).all()
    missing = params["missing"][0].astype(dtype).ravel()
    expected = scale[: len(missing)] * missing
    np.testing.assert_array_equal(out[2, : len(missing)], expected)
    np.testing.assert_array_equal(
        out[1, width : 2 * width], expected[width : 2 * width]
    )
    np.testing.assert_array_equal(out[1, :width], out[0, :width])


def test_code_0_is_the_first_row(rng, dtype, isa):
    structure = make_structure(STAGES["both"])
    params = reference.unpack(draw_params(rng, structure), structure)
    weights = stage_weights(params, structure).astype(dtype)
    X = np.zeros((2, 6), dtype=dtype)
    X[1, 3:] = 3, 2, 5  # the last row of each
    out = stage_of(structure).outputs(weights, X)[:, 12:]
    tables = reference.table_rows(params, structure)
    scale = params["scale"][0][12:].astype(dtype)
    for row, place in zip(out, (0, -1)):
        rows = [table[place].astype(dtype) for table in tables]
        np.testing.assert_array_equal(row, scale * np.concatenate(rows))


def test_sizes():
    stage = InputStage(3, [(4, 2, True), (3, 3, False)], True)
    assert (stage.n_columns, stage.n_outputs) == (5, 3 * 4 + 2 + 3)
    names = [name for name, *_ in stage.tensors()]
    assert names == ["scale", "numbers", "table_0", "table_1"]
    last = stage.tensors()[-1]
    assert last[1:] == ((3, 3), stage.n_params - 9, False)
    simple = InputStage(3, (), False)
    assert (simple.n_columns, simple.n_outputs, simple.n_params) == (3, 3, 6)
    names = [name for name, *_ in InputStage(0, [(2, 1, False)]).tensors()]
    assert names == ["scale", "table_0"]


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_change_no_bit(n_threads, rng, dtype, isa):
    structure = make_structure(STAGES["both"])
    X, y = draw_rows(rng, structure, 1100)  # two blocks
    params = to_core(draw_params(rng, structure), structure).astype(dtype)
    one = gradient_of(structure, params, X, y, n_threads=1)
    more = gradient_of(structure, params, X, y, n_threads=n_threads)
    assert one[0] == more[0]
    np.testing.assert_array_equal(one[1], more[1])
    net, data = network_of(structure), data_of(X, None, dtype)
    outputs = [
        predict(net, data, net.layers(params), n_threads=n) for n in (1, n_threads)
    ]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("own_isa", [i for i in kernels.available_isas if i != "base"])
def test_a_row_alone_has_the_bits_of_a_batch(own_isa, rng, dtype, chosen_isa):
    kernels.use_isa(own_isa)  # the products of base are those of BLAS
    structure = make_structure(STAGES["both"])
    X, _ = draw_rows(rng, structure, 40)
    net = network_of(structure)
    layers = net.layers(to_core(draw_params(rng, structure), structure).astype(dtype))
    out = predict(net, data_of(X, None, dtype), layers)
    for i in (0, 7, 39):
        alone = predict(net, data_of(X[i : i + 1], None, dtype), layers)
        np.testing.assert_array_equal(alone, out[i : i + 1])


@all_losses
@all_forms
@all_stages
def test_central_differences(parts, is_periodic, loss, rng):
    structure = make_structure(parts, is_periodic, loss, activation="mish")
    X, y = draw_rows(rng, structure, 29)
    params = to_core(draw_params(rng, structure), structure)
    net, data = network_of(structure), data_of(X, y)
    total = BatchSum(net, data, params, len(X))
    value = total.loss_gradient(0.0)
    gradient, differences = total.grad.copy(), np.empty_like(params)
    for i, x in enumerate(params.copy()):
        params[i] = x + 1e-6
        above = total.loss_gradient(0.0)
        params[i] = x - 1e-6
        differences[i] = (above - total.loss_gradient(0.0)) / 2e-6
        params[i] = x
    for name, shape, offset, is_trained in net.stage.tensors():
        at = net.n_params - net.stage.n_params + offset
        block = slice(at, at + int(np.prod(shape)))
        if not is_trained:  # no gradient is formed
            np.testing.assert_array_equal(gradient[block], 0)
            differences[block] = 0
        else:
            assert np.abs(gradient[block]).max() > 0, name
    # the step's square times the third derivative: (2 pi x)^3 of an embedding
    atol = 1e-8 * max(1, value)
    np.testing.assert_allclose(gradient, differences, rtol=1e-7, atol=atol)


@all_losses
@all_forms
@all_stages
def test_gradient_equals_reference(parts, is_periodic, loss, rng, dtype, isa):
    smoothing = 0.1 if loss == "log_loss" else 0.0
    # whose derivative has no jump, where a rounding would decide
    structure = make_structure(
        parts, is_periodic, loss, activation="mish", smoothing=smoothing
    )
    for n_samples in (1, 29, 1100):
        X, y = draw_rows(rng, structure, n_samples)
        X = X.astype(dtype).astype(float)
        flat = draw_params(rng, structure).astype(dtype).astype(float)
        params = to_core(flat, structure).astype(dtype)
        value, grad = gradient_of(structure, params, X, y, smoothing=smoothing)
        target = y.astype(int) if loss == "log_loss" else y.astype(dtype).astype(float)
        expected, flat_grad = reference.loss_gradient(flat, structure, X, target)
        # the core halves a squared error
        half = 0.5 if loss == "squared_error" else 1.0
        # each term is the end of a chain of some hundred roundings; rows that are alike
        # have the same errors, which add up
        tolerance = np.finfo(dtype).eps * (100 + n_samples / 10)
        assert abs(value - half * expected) <= tolerance * expected
        wanted = half * gradient_to_core(flat_grad, structure)
        net = network_of(structure)
        for tensor in tensors_of(net):
            got, want = grad[tensor], wanted[tensor]
            assert np.abs(got - want).max() <= tolerance * max(
                np.abs(want).max(), np.abs(wanted).max() / 10
            )


def tensors_of(net):
    """The places of all tensors in the flat vector."""
    return [
        slice(t.offset, t.offset + int(np.prod(t.shape)))
        for t in layout_of(net, [1.0] * (len(net.units) - 1))
    ]


def make_epoch(structure, params, X, y, batch, n_threads=1, **settings):
    """An epoch of Adam over encoded rows, which changes params"""
    net, data = network_of(structure), data_of(X, y, params.dtype)
    moments = [np.zeros_like(params), np.zeros_like(params)]
    epoch = Epoch(net, data, params, moments, batch, 0.0, n_threads)
    epoch.use("adam", 0.01, 0, beta_1=0.9, beta_2=0.95, epsilon=1e-8)
    if settings:
        epoch.regularize(**settings)
    return epoch


def test_a_fixed_table_keeps_its_bits(rng, dtype):
    structure = make_structure(STAGES["both"])
    X, y = draw_rows(rng, structure, 100)
    params = to_core(draw_params(rng, structure), structure).astype(dtype)
    before = params.copy()
    make_epoch(structure, params, X, y, 32, weight_decay=0.1).run(None, len(X))
    changed = params != before
    net = network_of(structure)
    start = net.n_params - net.stage.n_params
    for _, shape, offset, is_trained in net.stage.tensors():
        block = slice(start + offset, start + offset + int(np.prod(shape)))
        assert changed[block].all() == is_trained and changed[block].any() == is_trained


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 0.5}, {"weight_decay": 0.1}])
def test_accumulated_gradients_give_the_bits_of_a_run(settings, rng, dtype):
    structure = make_structure(STAGES["both"])
    X, y = draw_rows(rng, structure, 96)
    start = to_core(draw_params(rng, structure), structure).astype(dtype)
    params = [start.copy() for _ in range(4)]
    order = rng.permutation(96)
    for n_threads in (1, 2):
        epoch = make_epoch(
            structure, params[n_threads], X, y, 96, n_threads, **settings
        )
        epoch.run(order)
    epoch = make_epoch(structure, params[3], X, y, 96, **settings)
    epoch.apply(*epoch.accumulate(order))
    assert (params[1] != start).any()
    np.testing.assert_array_equal(params[1], params[2])
    np.testing.assert_array_equal(params[1], params[3])


def test_clipping_counts_the_stage(rng):
    structure = make_structure(STAGES["both"], loss="squared_error")
    X, y = draw_rows(rng, structure, 40)
    params = to_core(draw_params(rng, structure), structure)
    _, gradient = gradient_of(structure, params, X, y)
    gradient = 3 * gradient  # a step goes along the sum over the outputs
    start, limit = params.copy(), 0.25 * np.linalg.norm(gradient)
    net, data = network_of(structure), data_of(X, y)
    epoch = Epoch(net, data, params, [np.zeros_like(params)], 40, 0.0, 1)
    epoch.use("sgd", 1.0, 0)
    epoch.regularize(clip_norm=limit)
    epoch.run(None, 40)
    np.testing.assert_allclose(start - params, 0.25 * gradient, rtol=0, atol=1e-6)


def test_refusals(rng):
    structure = make_structure(STAGES["both"])
    X, y = draw_rows(rng, structure, 10)
    params = to_core(draw_params(rng, structure), structure)
    net, stage = network_of(structure), stage_of(structure)
    with pytest.raises(ValueError, match="an output for each input"):
        Network((5, 4, 3), [("selu", 0.0)], "log_loss", stage=stage)
    with pytest.raises(ValueError, match="slopes need activations"):
        Network((5, 4, 3), [("tanh", 0.0)], "log_loss", has_slopes=True)
    with pytest.raises(ValueError, match="wrong number of columns"):
        BatchSum(net, data_of(X[:, 1:], y), params, 10)
    with pytest.raises(TypeError, match="expected a C-contiguous"):
        BatchSum(net, data_of(X, y, np.float32), params, 10)
    with pytest.raises(ValueError, match="dense rows without noise"):
        BatchSum(net, Data(sparse.csr_array(np.nan_to_num(X)), y), params, 10)
    for settings in ({"input_noise": 0.1}, {"dropout": (0.1, 0.0, 0.0)}):
        with pytest.raises(ValueError, match="dense rows without noise"):
            BatchSum(net, data_of(X, y), params, 10, **settings)
    with pytest.raises(ValueError, match="wrong length"):
        BatchSum(net, data_of(X, y), params[1:], 10)
    weights = params[-stage.n_params :]
    with pytest.raises(ValueError, match="wrong shape"):
        stage.outputs(weights, np.ascontiguousarray(X[:, 1:]))
    with pytest.raises(ValueError, match="wrong shape"):
        stage.outputs(params, X)
    for code in (-1, 3, np.nan):
        wrong = X.copy()
        wrong[4, 4] = code
        with pytest.raises(ValueError, match="category 1 has codes outside"):
            BatchSum(net, data_of(wrong, y), params, 10)
        with pytest.raises(ValueError, match="category 1 has codes outside"):
            stage.outputs(weights, wrong)
