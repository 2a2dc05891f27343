"""The recipe for tables in the core against the reference: steps, schedules, start."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from helpers import reference as plain
from helpers import tabular_reference as reference
from helpers.tabular_core import (
    data_of,
    draw_params,
    draw_rows,
    network_of,
    stage_of,
    to_core,
)

from fastmlp._core.network import Data, Layers, Network
from fastmlp._core.prediction import predict
from fastmlp._core.solvers import Epoch
from fastmlp._tabular.recipe import (
    BETA_1,
    BETA_2,
    BIAS_ROWS,
    EPSILON,
    START_ROWS,
    Recipe,
    coslog,
    flat_cosine,
    layout,
    starting_weights,
)

BATCH = 32
FIXED = np.array([[0.0, 0.0, 0.0], [1.66, 0.0, -0.9], [0.0, 0.9, 1.66]])
N_STEPS, KEY = 50, (7, 11)
CASES = {
    "classes": ("log_loss", "selu", 0.04),
    "numbers": ("squared_error", "mish", 0.2),
}

all_cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def make_structure(loss, activation, **settings):
    """The tangent form with two outputs of regression, or three classes"""
    smoothing = 0.1 if loss == "log_loss" else 0.0
    n_outputs = 3 if loss == "log_loss" else 2
    return reference.Structure(
        3, [(4, 2), FIXED, (6, 3)], (9, 7, 8), n_outputs, activation, loss, smoothing,
        **settings,
    )  # fmt: skip


def make_recipe(structure, rate, dropout=0.0):
    """The recipe of a structure"""
    is_periodic = structure.n_frequencies > 0
    return Recipe(
        structure.hidden, structure.activation, is_periodic, rate, 0.02, dropout
    )


def train(structure, recipe, params, X, y, orders):
    """All steps by the core, in place"""
    net = network_of(structure)
    moments = [np.zeros_like(params), np.zeros_like(params)]
    epoch = Epoch(
        net, data_of(X, y, params.dtype), params, moments, BATCH, 0.0, 1,
        smoothing=structure.smoothing, dropout=recipe.dropouts(),
    )  # fmt: skip
    epoch.use_layout(layout(net))
    epoch.seed(KEY)
    epoch.use("adam", 1.0, 0, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
    curves = recipe.curves(N_STEPS, net)
    for step, order in enumerate(orders):
        curves.hand_to(epoch, step, 1)
        epoch.run(order)
    return epoch


def masks_of(structure, recipe, step):
    """The factors of dropout in a step, of the hidden layers"""
    if not recipe.dropout:
        return None
    rate = recipe.dropout * reference.flat_cos(step / N_STEPS)
    return [
        plain.dropout_mask(KEY, step, 2 * (layer + 1), BATCH, n_units, rate)
        for layer, n_units in enumerate(structure.hidden)
    ]


@pytest.mark.parametrize("dropout", [0.0, 0.15])
@pytest.mark.parametrize("n_frequencies", [0, 16])
@all_cases
def test_steps_equal_the_reference(case, n_frequencies, dropout, rng):
    loss, activation, rate = case
    structure = make_structure(loss, activation, n_frequencies=n_frequencies)
    recipe = make_recipe(structure, rate, dropout)
    X, y = draw_rows(rng, structure, 200)
    flat = draw_params(rng, structure)
    orders = [rng.permutation(200)[:BATCH] for _ in range(N_STEPS)]
    target = y.astype(int) if loss == "log_loss" else y
    batches = [(X[order], target[order]) for order in orders]
    masks = [masks_of(structure, recipe, step) for step in range(N_STEPS)]
    expected = reference.train(
        flat, structure, batches, N_STEPS, rate, 0.02, masks if dropout else None
    )
    params = to_core(flat, structure)
    start = params.copy()
    assert train(structure, recipe, params, X, y, orders).t == N_STEPS
    assert np.abs(params - start).max() > 0.1
    wanted = to_core(expected, structure)
    np.testing.assert_allclose(params, wanted, rtol=1e-9, atol=1e-9)


@all_cases
def test_the_simple_form(case, rng):
    """No embedded numbers, slopes, dropout and decay: RealMLP-TD-S"""
    loss, activation, rate = case
    settings = {"n_frequencies": 0, "is_parametric": False}
    structure = make_structure(loss, activation, **settings)
    recipe = replace(make_recipe(structure, rate), weight_decay=0.0)
    X, y = draw_rows(rng, structure, 200, share_missing=0.0)
    flat = draw_params(rng, structure)
    orders = [rng.permutation(200)[:BATCH] for _ in range(N_STEPS)]
    target = y.astype(int) if loss == "log_loss" else y
    batches = [(X[order], target[order]) for order in orders]
    expected = reference.train(flat, structure, batches, N_STEPS, rate)
    params = to_core(flat, structure)
    train(structure, recipe, params, X, y, orders)
    wanted = to_core(expected, structure)
    np.testing.assert_allclose(params, wanted, rtol=1e-9, atol=1e-9)


def test_factors_of_the_layout():
    """Rate, decay and epsilon of a tensor are those of the reference in folded form."""
    structure = make_structure("log_loss", "selu", is_tangent=False)
    rates, decays, epsilons = (
        reference.unpack(factors, structure)
        for factors in reference.factor_vectors(structure)
    )
    roles = {"coefs": "coef", "intercepts": "intercept", "slopes": "slope"}
    numbers = iter([("scale", 0), ("frequency", 0), ("table", 0), None, ("table", 1)])
    for tensor in layout(network_of(structure)):
        if tensor.role == "stage":
            place = next(numbers)
        else:
            place = roles[tensor.role], tensor.layer
        if place is None:
            assert tensor.name == "table_1" and tensor.rate_factor == 0
            continue
        role, number = place
        # the core multiplies the decay by the factor of the rate too
        for got, factors in (
            (tensor.rate_factor, rates),
            (tensor.rate_factor * tensor.decay_factor, decays),
            (tensor.epsilon_factor, epsilons),
        ):
            np.testing.assert_allclose(got, factors[role][number], rtol=1e-14)
    assert next(numbers, "no more") == "no more"


def test_schedules():
    t = np.arange(1000) / 1000
    expected = [reference.coslog4(x) for x in t]
    np.testing.assert_allclose(coslog(t), expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(flat_cosine(t), [reference.flat_cos(x) for x in t])
    structure = make_structure("log_loss", "selu")
    recipe, net = make_recipe(structure, 0.04, 0.15), network_of(structure)
    curves = recipe.curves(8, net)
    assert curves.rate[0] == 0 and 0.03 < curves.rate.max() <= 0.04
    np.testing.assert_array_equal(curves.weight_decay[:5], 0.02)
    assert curves.dropout.shape == (8, 4)
    np.testing.assert_array_equal(curves.dropout[0], [0, 0.15, 0.15, 0.15])
    assert (np.diff(curves.dropout[4:, 1]) < 0).all() and curves.dropout[-1, 1] > 0
    assert make_recipe(structure, 0.04).curves(8, net).dropout is None
    np.testing.assert_allclose(curves.epsilon[0], 1e-8 * 0.05**0.5, rtol=1e-13)
    later = recipe.curves(1000, net).epsilon[-1]
    np.testing.assert_allclose(later, 1e-8, rtol=1e-13)
    structure = make_structure("squared_error", "mish")
    same = make_recipe(structure, 0.2).curves(8, network_of(structure)).epsilon
    np.testing.assert_array_equal(same, curves.epsilon)  # 2 outputs, halved


def start_of(structure, X, tables, seed=0):
    """The starting weights of a recipe, and its network"""
    net = make_recipe(structure, 0.04).network(stage_of(structure), 3, "log_loss")
    # rows that do not train do not matter
    others = np.full((5, X.shape[1]), np.nan, dtype=X.dtype)
    rows = np.arange(5, 5 + len(X))
    X = np.concatenate([others, X])
    return starting_weights(net, tables, X, rows, np.random.RandomState(seed)), net


@pytest.mark.parametrize("n_samples", [3, 200, 3 * START_ROWS])
@pytest.mark.parametrize("n_frequencies", [0, 16])
def test_the_start_suits_the_data(n_samples, n_frequencies, rng, dtype):
    structure = make_structure("log_loss", "selu", n_frequencies=n_frequencies)
    X = draw_rows(rng, structure, n_samples)[0].astype(dtype)
    params, net = start_of(structure, X, [None, FIXED, None])
    assert params.dtype == dtype and np.isfinite(params).all()
    coefs, intercepts = net.split(params)
    slopes = net.slopes(params)
    assert all((p == 1).all() for p in slopes)
    # outputs of each unit without its intercept have variance 1, about or exactly
    is_exact = n_samples <= START_ROWS
    for layer, (coef, intercept) in enumerate(zip(coefs, intercepts)):
        part = Network(
            net.units[: layer + 2], net.activations[:layer], "squared_error",
            has_slopes=True, stage=net.stage,
        )  # fmt: skip
        layers = Layers(
            coefs[: layer + 1], intercepts[: layer + 1], dtype, slopes[:layer],
            net.stage_weights(params),
        )  # fmt: skip
        z = predict(part, Data(X), layers).astype(float)
        np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-4 if is_exact else 0.1)
        # an intercept is minus a mean of outputs: 0 is among what they can be
        assert (z.min(axis=0) <= 1e-5).all() and (z.max(axis=0) >= -1e-5).all()
        assert len(np.unique(intercept)) == len(intercept)
        assert coef.std() > 0


def test_the_start_equals_the_reference(rng):
    """From the same draws, which come in the order of the code here."""
    structure = make_structure("log_loss", "mish")
    structure.activation = "mish"
    X, _ = draw_rows(rng, structure, 100)
    net = make_recipe(structure, 0.04).network(stage_of(structure), 3, "log_loss")
    rows, draws = np.arange(len(X)), np.random.RandomState(3)
    got = starting_weights(net, [None, FIXED, None], X, rows, draws)
    draws, params = np.random.RandomState(3), {role: [] for role in reference.FACTORS}
    n, k, j = 3, structure.n_frequencies, structure.n_mixed
    params["scale"] = [np.ones(structure.units[0])]
    params["missing"] = [np.zeros((n, 4))]
    params["frequency"] = [0.1 * draws.standard_normal((n, k))]
    params["phase"] = [draws.uniform(-np.pi, np.pi, (n, k))]
    params["mixing"] = [draws.uniform(-0.25, 0.25, (n, k * j)).reshape(n, k, j)]
    params["shift"] = [draws.uniform(-0.25, 0.25, (n, j))]
    params["table"] = [draws.standard_normal(t) for t in ((4, 2), (6, 3))]
    params["slope"] = [np.ones(width) for width in structure.hidden]
    rows, weights = [], []
    for fan_in, fan_out in pairwise(structure.units):
        params["coef"].append(draws.standard_normal((fan_in, fan_out)))
        rows.append(draws.randint(100, size=(BIAS_ROWS, fan_out)).T)
        weights.append(draws.standard_exponential((BIAS_ROWS, fan_out)).T)
    params["intercept"] = [np.zeros(width) for width in structure.units[1:]]
    start = reference.data_driven_start(X, params, structure, rows, weights)
    wanted = to_core(reference.pack(start, structure), structure)
    np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


def test_the_start_of_columns_without_spread(rng):
    """Constant rows divide by a small number, not by 0."""
    structure = make_structure("log_loss", "selu")
    X = np.tile(draw_rows(rng, structure, 1)[0], (20, 1))
    params, _ = start_of(structure, X, [None, FIXED, None])
    assert not np.isnan(params).any()
