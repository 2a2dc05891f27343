"""Gradients apart from the step, values for each step, and the layout of weights."""

import numpy as np
import pytest
from helpers.epochs import (
    ALL_AT_ONCE,
    BATCH,
    TANH_RELU,
    UNITS,
    N,
    all_rules,
    make_epoch,
)
from helpers.models import needs_products

from fastmlp._core import layout, network, solvers

ORDER = np.random.default_rng(3).permutation(N)
BATCHES = [ORDER[i : i + BATCH] for i in range(0, N, BATCH)]


def make_problem(problem, dtype=np.float64, is_sparse=False, weighted=True):
    return problem(UNITS, TANH_RELU, "log_loss", N, dtype, is_sparse, weighted)


def fresh_epoch(p, rule="adam", start=None, **settings):
    """An epoch over a copy of the weights, its weights and its moments."""
    p.params = (p.params if start is None else start).copy()
    epoch, moments = make_epoch(p, rule, **settings)
    return epoch, [p.params, *moments]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@all_rules
@pytest.mark.parametrize(
    "settings",
    [{}, {"l1": 0.01}, ALL_AT_ONCE, {"smoothing": 0.1, "n_threads": 2}],
    ids=["plain", "l1", "all at once", "two threads"],
)
@pytest.mark.parametrize("is_sparse", [False, True])
def test_accumulate_and_apply_give_the_bits_of_run(
    problem, rule, settings, is_sparse, dtype
):
    p = make_problem(problem, dtype, is_sparse)
    start = p.params
    fused, fused_state = fresh_epoch(p, rule, start, **settings)
    mean = np.zeros_like(start)
    fused.average_into(mean, 0.9, 0)
    fused.run(ORDER)
    apart, state = fresh_epoch(p, rule, start, **settings)
    apart_mean = np.zeros_like(start)
    apart.average_into(apart_mean, 0.9, 0)
    for rows in BATCHES:
        gradient, weight = apart.accumulate(rows)
        apart.apply(gradient, weight)
    assert apart.t == fused.t == len(BATCHES)
    assert_same([*state, apart_mean], [*fused_state, mean])
    assert (fused_state[0] != start).any()


def test_sums_of_two_workers(problem):
    p = make_problem(problem)
    start = p.params
    alone, alone_state = fresh_epoch(p, start=start)
    whole, total = alone.accumulate(ORDER)
    losses = alone.accumulated_loss
    alone.apply(whole, total)
    shared, shared_state = fresh_epoch(p, start=start)
    gradient, weight = shared.accumulate(ORDER[:20])
    loss = shared.accumulated_loss
    other, other_weight = shared.accumulate(ORDER[20:])
    np.testing.assert_allclose(gradient + other, whole, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(weight + other_weight, total, rtol=1e-14)
    np.testing.assert_allclose(loss + shared.accumulated_loss, losses, rtol=1e-13)
    shared.apply(gradient + other, weight + other_weight)
    np.testing.assert_allclose(shared_state[0], alone_state[0], rtol=1e-9)


def test_accumulate_takes_slices_and_leaves_the_weights(problem):
    p = make_problem(problem)
    epoch, state = fresh_epoch(p)
    before = [array.copy() for array in state]
    gradient, weight = epoch.accumulate(slice(10, 30))
    assert epoch.t == 0
    assert_same(state, before)
    gathered, same_weight = epoch.accumulate(np.arange(10, 30))
    np.testing.assert_array_equal(gradient, gathered)
    assert weight == same_weight
    epoch.apply(gradient, 0.0)
    assert epoch.t == 0


def test_intercepts_that_are_fixed_have_no_gradient(problem):
    p = make_problem(problem)
    net = network.Network(UNITS, TANH_RELU, "log_loss", fit_intercept=False)
    moments = [np.zeros_like(p.params)]
    epoch = solvers.Epoch(net, p.data, p.params, moments, BATCH, 0.3)
    epoch.use("sgd", 0.1, 0, momentum=0.9)
    before = p.params.copy()
    gradient, weight = epoch.accumulate(ORDER)
    epoch.apply(gradient, weight)
    fixed = slice(net.n_trainable, None)
    assert (gradient[fixed] == 0).all()
    np.testing.assert_array_equal(p.params[fixed], before[fixed])
    assert (gradient[: net.n_trainable] != 0).any()
    assert (p.params[: net.n_trainable] != before[: net.n_trainable]).any()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda e, g: e.accumulate(slice(5, 5)),
        lambda e, g: e.apply(g[:-1], 1.0),
        lambda e, g: e.apply(g.astype(np.float32), 1.0),
        lambda e, g: e.vary(dropout=np.full((5, 3), 0.5)),
        lambda e, g: e.vary(dropout=np.zeros(5)),
        lambda e, g: (e.vary(alpha=np.zeros(4)), e.run(ORDER)),
    ],
    ids=["no rows", "length", "dtype", "no room", "one dimension", "too few"],
)
def test_wrong_calls(problem, wrong):
    epoch, state = fresh_epoch(make_problem(problem))
    with pytest.raises(ValueError):
        wrong(epoch, state[0])


@all_rules
@pytest.mark.parametrize("is_sparse", [False, True])
def test_values_for_each_step(problem, rule, is_sparse):
    p = make_problem(problem, is_sparse=is_sparse)
    start, n = p.params, len(BATCHES)
    rates, alphas = np.linspace(0.01, 0.05, n), np.linspace(0.5, 0.0, n)
    decays, epsilons = np.linspace(0.0, 0.2, n), np.geomspace(1e-8, 1e-2, n)
    dropout = np.zeros((n, 3))
    dropout[:, 0], dropout[:, 1] = np.linspace(0, 0.5, n), np.linspace(0.5, 0, n)
    settings = {"dropout": (0.5, 0.5, 0.0)}
    varied, state = fresh_epoch(p, rule, start, **settings)
    varied.vary(
        learning_rate=rates,
        alpha=alphas,
        weight_decay=decays,
        epsilon=epsilons,
        dropout=dropout,
    )
    varied.run(ORDER)
    alone, alone_state = fresh_epoch(p, rule, start, **settings)
    for i, rows in enumerate(BATCHES):  # runs of one step each
        alone.vary(
            learning_rate=rates[i : i + 1],
            alpha=alphas[i : i + 1],
            weight_decay=decays[i : i + 1],
            epsilon=epsilons[i : i + 1],
            dropout=dropout[i : i + 1],
        )
        alone.run(rows)
    assert_same(state, alone_state)
    constant, constant_state = fresh_epoch(p, rule, start, **settings)
    constant.run(ORDER)
    assert (constant_state[0] != state[0]).any()


def test_equal_values_for_each_step_are_a_constant(problem):
    p = make_problem(problem)
    start, n = p.params, len(BATCHES)
    settings = {"dropout": (0.25, 0.5, 0.0), "weight_decay": 0.1}
    constant, wanted = fresh_epoch(p, start=start, **settings)
    constant.run(ORDER)
    varied, state = fresh_epoch(p, start=start, dropout=(0.25, 0.5, 0.0))
    varied.vary(
        learning_rate=np.full(n, 0.02),
        alpha=np.full(n, 0.3),
        weight_decay=np.full(n, 0.1),
        dropout=np.tile([0.25, 0.5, 0.0], (n, 1)),
    )
    varied.run(ORDER)
    assert_same(state, wanted)


@needs_products
def test_a_step_without_dropout_is_that_of_a_network_without(problem):
    p = make_problem(problem)
    start = p.params
    plain, wanted = fresh_epoch(p, start=start)
    plain.run(ORDER)
    varied, state = fresh_epoch(p, start=start, dropout=(0.5, 0.5, 0.5))
    varied.vary(dropout=np.zeros((len(BATCHES), 3)))
    varied.run(ORDER)
    assert_same(state, wanted)


@needs_products
def test_dropout_is_constant_again_without_values_for_each_step(problem):
    p, dropout = make_problem(problem), (0.25, 0.5, 0.0)
    constant, wanted = fresh_epoch(p, dropout=dropout)
    varied, state = fresh_epoch(p, dropout=dropout)
    for epoch in (constant, varied):
        if epoch is varied:
            epoch.vary(dropout=np.tile(dropout, (len(BATCHES), 1)))
        epoch.run(ORDER)
        epoch.vary()
        epoch.run(ORDER)
    assert_same(state, wanted)


@pytest.mark.parametrize("factors", [None, [1.0, 0.0, 2.0]])
def test_layout_covers_the_flat_vector(factors):
    net = network.Network(UNITS, TANH_RELU, "log_loss")
    tensors = layout.layout_of(net, factors)
    ends = np.cumsum([np.prod(tensor.shape) for tensor in tensors])
    assert [tensor.offset for tensor in tensors] == [0, *ends[:-1]]
    assert ends[-1] == net.n_params
    assert [t.decay_factor for t in tensors] == [t.role == "coefs" for t in tensors]
    names = ["coefs_0", "coefs_1", "coefs_2"]
    rates = factors or [1.0] * 3
    if factors is None:
        assert [t.name for t in tensors] == [*names, "intercepts"]
        assert [t.rate_factor for t in tensors] == [*rates, 1.0]
    else:
        of_layers = [f"intercepts_{layer}" for layer in range(3)]
        assert [t.name for t in tensors] == names + of_layers
        assert [t.rate_factor for t in tensors] == rates * 2
    with pytest.raises(ValueError, match="one factor per layer"):
        layout.layout_of(net, [1.0])


@all_rules
@pytest.mark.parametrize("penalty", [{"weight_decay": 0.1}, {"l1": 0.01}, {}])
def test_factors_of_penalties(problem, rule, penalty):
    """A factor of 2 is twice the penalty, a factor of 0 is none."""
    p = make_problem(problem)
    start = p.params
    alpha = 0.0 if penalty else 0.3
    doubled = {name: 2 * value for name, value in penalty.items()}
    wanted, wanted_state = fresh_epoch(p, rule, start, alpha=2 * alpha, **doubled)
    wanted.run(ORDER)
    epoch, state = fresh_epoch(p, rule, start, alpha=alpha)
    epoch.regularize(**penalty, layer_decays=[2.0, 2.0, 2.0])
    epoch.run(ORDER)
    np.testing.assert_allclose(state[0], wanted_state[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(epoch.loss, wanted.loss, rtol=1e-12)
    without, free = fresh_epoch(p, rule, start, alpha=0.0)
    without.run(ORDER)
    epoch, state = fresh_epoch(p, rule, start, alpha=alpha)
    epoch.regularize(**penalty, layer_decays=[0.0, 0.0, 0.0])
    epoch.run(ORDER)
    assert_same(state, free)
