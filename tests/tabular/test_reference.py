"""The reference of the network for tables: gradients, forms, schedules, its start."""

import numpy as np
import pytest
from helpers import tabular_reference as reference

N_SAMPLES = 23
CASES = {
    "classes": {"loss": "log_loss", "smoothing": 0.1, "activation": "selu"},
    "numbers": {"loss": "squared_error", "activation": "mish"},
}

all_losses = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
all_forms = pytest.mark.parametrize("is_tangent", [True, False])
all_stages = pytest.mark.parametrize("n_frequencies", [0, 4])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def small_structure(rng, **changes):
    """Three numbers, a fixed table between two trained ones, two hidden layers"""
    tables = [(4, 2), rng.normal(size=(3, 2)), (6, 3)]
    return reference.Structure(3, tables, (5, 4), 3, **changes)


def draw_rows(rng, structure):
    x = rng.normal(size=(N_SAMPLES, structure.n_numbers))
    x[rng.random(x.shape) < 0.2] = np.nan
    sizes = [t[0] if isinstance(t, tuple) else len(t) for t in structure.tables]
    codes = [rng.integers(size, size=N_SAMPLES) for size in sizes]
    X = np.column_stack([x, *codes])
    if structure.loss == "log_loss":
        return X, rng.integers(structure.n_outputs, size=(N_SAMPLES, 1))
    return X, rng.normal(size=(N_SAMPLES, structure.n_outputs))


def draw_params(rng, structure):
    size = sum(np.prod(shape) for _, shape in reference.tensors(structure))
    return rng.normal(size=int(size))


def draw_masks(rng, structure):
    return [(rng.random((N_SAMPLES, n)) < 0.8) / 0.8 for n in structure.hidden]


def check_gradient(structure, rng, masks=None):
    X, y = draw_rows(rng, structure)
    flat = draw_params(rng, structure)
    _, gradient = reference.loss_gradient(flat, structure, X, y, masks)
    for i, x in enumerate(flat.copy()):
        values = []
        for flat[i] in (x - 1e-6, x + 1e-6):
            values.append(reference.loss_gradient(flat, structure, X, y, masks)[0])
        flat[i] = x
        difference = (values[1] - values[0]) / 2e-6
        assert abs(gradient[i] - difference) <= 1e-7 * max(1, np.abs(gradient).max())


@all_stages
@all_forms
@all_losses
def test_central_differences(rng, case, is_tangent, n_frequencies):
    structure = small_structure(
        rng, n_frequencies=n_frequencies, is_tangent=is_tangent, **case
    )
    check_gradient(structure, rng)


@all_losses
def test_central_differences_with_dropout_and_without_slopes(rng, case):
    structure = small_structure(rng, is_parametric=False, n_frequencies=2, **case)
    check_gradient(structure, rng, draw_masks(rng, structure))


def test_every_role_has_a_gradient(rng):
    structure = small_structure(rng)
    gradient = reference.loss_gradient(
        draw_params(rng, structure), structure, *draw_rows(rng, structure)
    )[1]
    roles = reference.unpack(gradient, structure)
    assert all(arrays for arrays in roles.values())
    assert all(np.abs(x).max() > 0 for arrays in roles.values() for x in arrays)


def test_packing_keeps_the_order(rng):
    structure = small_structure(rng)
    flat = draw_params(rng, structure)
    np.testing.assert_array_equal(
        reference.pack(reference.unpack(flat, structure), structure), flat
    )


@all_losses
def test_folded_form_takes_the_same_steps(rng, case):
    tangent = small_structure(rng, n_frequencies=4, **case)
    folded = small_structure(rng, n_frequencies=4, is_tangent=False, **case)
    folded.tables = tangent.tables
    batches = [draw_rows(rng, tangent) for _ in range(20)]
    masks = [draw_masks(rng, tangent) for _ in batches]
    start = draw_params(rng, tangent)

    def fold(flat):
        params = reference.unpack(flat.copy(), tangent)
        for W in params["coef"]:
            W /= len(W) ** 0.5
        return reference.pack(params, tangent)

    ends = [
        reference.train(flat, structure, batches, 20, 0.1, 0.5, masks)
        for flat, structure in ((start, tangent), (fold(start), folded))
    ]
    assert np.abs(ends[0] - start).max() > 0.1
    np.testing.assert_allclose(ends[1], fold(ends[0]), rtol=1e-9, atol=1e-12)


def test_first_step_moves_nothing(rng):
    structure = small_structure(rng)
    flat = draw_params(rng, structure)
    batch = draw_rows(rng, structure)
    end = reference.train(flat, structure, [batch], 10, 0.1, decay=0.5)
    np.testing.assert_array_equal(end, flat)


def test_single_precision_stays_single(rng):
    structure = small_structure(rng, n_frequencies=4)
    structure.tables[1] = structure.tables[1].astype(np.float32)
    flat = draw_params(rng, structure)
    X, y = draw_rows(rng, structure)
    masks = draw_masks(rng, structure)
    wide = reference.loss_gradient(flat, structure, X, y, masks)[1]
    masks = [mask.astype(np.float32) for mask in masks]
    flat, X = flat.astype(np.float32), X.astype(np.float32)
    narrow = reference.loss_gradient(flat, structure, X, y, masks)[1]
    assert narrow.dtype == np.float32
    assert reference.train(flat, structure, [(X, y)], 9, 0.1).dtype == np.float32
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=1e-5 * np.abs(wide).max())


def test_schedules():
    # with 1 + 15 t a power of two a period ends; its crest is at sqrt(2) times that
    for power in range(4):
        assert abs(reference.coslog4((2**power - 1) / 15)) < 1e-14
        assert abs(reference.coslog4((2 ** (power + 0.5) - 1) / 15) - 1) < 1e-14
    values = [reference.flat_cos(t) for t in (0, 0.5, 0.75, 1)]
    np.testing.assert_allclose(values, [1, 1, 0.5, 0], atol=1e-15)


@all_forms
def test_data_driven_start(rng, is_tangent):
    structure = small_structure(rng, is_tangent=is_tangent)
    X, _ = draw_rows(rng, structure)
    params = reference.unpack(draw_params(rng, structure), structure)
    units = structure.units[1:]
    rows = [rng.integers(N_SAMPLES, size=(n, 5)) for n in units]
    weights = [rng.exponential(size=(n, 5)) for n in units]
    start = reference.data_driven_start(X, params, structure, rows, weights)
    _, outputs = reference.forward(X, start, structure)
    for z, b in zip(outputs, start["intercept"]):
        np.testing.assert_allclose(z.std(axis=0), 1)
        # minus the intercept is a mean of some outputs without it
        assert ((z - b).min(axis=0) <= -b).all()
        assert ((z - b).max(axis=0) >= -b).all()


def test_robust_scale_and_smooth_clip():
    nan = np.nan
    x = np.array(
        [[0, 0, 7, nan], [1, 0, 7, 1], [2, 0, 7, 3], [3, 0, 7, 5], [4, 4, 7, 7]]
    )
    median, factor = reference.robust_scale(x)
    np.testing.assert_array_equal(median, [2, 0, 7, 4])
    # an interquartile range, half the range, a constant column, and a missing value
    np.testing.assert_array_equal(factor, [1 / 2, 1 / 2, 0, 1 / 3])
    np.testing.assert_allclose(
        reference.smooth_clip(np.array([0, 4, -1e9])), [0, 2.4, -3]
    )
