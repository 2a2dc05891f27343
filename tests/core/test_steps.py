"""Ten steps of each rule and each regulariser against the reference, in the core."""

from itertools import chain

import numpy as np
import pytest
from helpers import reference
from helpers.epochs import (
    BATCH,
    KEY,
    RATE,
    SCALARS,
    TANH_RELU,
    UNITS,
    N,
    all_rules,
    make_epoch,
)
from helpers.models import needs_products
from scipy.sparse import issparse

from fastmlp._core import kernels, network

dense_and_sparse = pytest.mark.parametrize("is_sparse", [False, True])


def rule_step(rule, params, state, g, t, rate):
    """params and state after step t by the reference."""
    if rule == "sgd":
        params, v = reference.sgd(params, state[0], g, rate, 0.9, False)
        return params, [v]
    count = {"t": t} if rule in ("adam", "nadam") else {}
    params, *state = getattr(reference, rule)(
        params, *state, g=g, learning_rate=rate, **count, **SCALARS[rule]
    )
    return params, state


class Reference:
    """Epochs of the reference with regularisers."""

    def __init__(self, p, rule, rates=None, alpha=0.3, **settings):
        self.p, self.rule, self.alpha = p, rule, alpha
        self.params = p.params.astype(np.float64)
        n_state = kernels.rule_vectors[rule]
        self.state, self.t = [np.zeros_like(self.params) for _ in range(n_state)], 0
        self.rates = np.ones(len(p.units) - 1) if rates is None else np.array(rates)
        self.settings, self.visited = settings, []

    def masks(self, n_rows):
        rates = self.settings.get("dropout")
        if rates is None:
            return None
        return [
            reference.dropout_mask(KEY, self.t, 2 * layer, n_rows, k, rate)
            if rate
            else None
            for layer, (k, rate) in enumerate(zip(self.p.units, rates))
        ]

    def step(self, rows):
        p, get = self.p, self.settings.get
        _, _, X, y, w = p.wide()
        value, *grads = reference.loss_gradient(
            *reference.unpack(self.params, p.units), X[rows], y[rows],
            None if w is None else w[rows], self.alpha, p.activation, p.loss,
            of_step=True, masks=self.masks(len(rows)), smoothing=get("smoothing", 0),
        )  # fmt: skip
        self.t += 1
        self.take(grads)
        return value

    def take(self, grads):
        p, get = self.p, self.settings.get
        for layer, rate in enumerate(self.rates):
            if rate == 0:
                grads[0][layer][:] = grads[1][layer][:] = 0
        g = reference.pack(*grads)
        if get("clip_norm"):
            g = reference.clipped(g, get("clip_norm"))
        flat = [self.params, *self.state]
        parts = [[*chain(*reference.unpack(array, p.units))] for array in flat]
        gradients = [*chain(*reference.unpack(g, p.units))]
        n = len(self.rates)
        for i, (old, *state) in enumerate(zip(*parts)):
            rate = RATE * self.rates[i % n]
            if rate == 0:
                continue
            new, state_after = rule_step(
                self.rule, old, state, gradients[i], self.t, rate
            )
            if i < n:
                new = new - rate * get("weight_decay", 0) * old
                threshold = self.threshold(rate * get("l1", 0), state_after)
                new = reference.soft_threshold(new, threshold)
                if get("max_norm"):
                    new = reference.limited(new, get("max_norm"))
            old[:] = new
            for array, values in zip(state, state_after):
                array[:] = values
        self.visited.append(self.params.copy())

    def threshold(self, rate, state):
        """A threshold in the metric of the rule."""
        scalars = SCALARS[self.rule]
        if self.rule == "sgd":  # of a constant rate
            return rate * (1 - 0.9**self.t) / (1 - 0.9)
        if self.rule == "lion":
            return rate
        root = np.sqrt(state[-1])
        if self.rule in ("adam", "nadam"):
            corrected = np.sqrt(1 - scalars["beta_2"] ** self.t)
            if self.rule == "adam":
                rate *= corrected / (1 - scalars["beta_1"] ** self.t)
            else:
                root = root / corrected
        return rate / (root + scalars["epsilon"])

    def epoch(self, order):
        batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
        losses = [self.step(rows) * len(rows) for rows in batches]
        return sum(losses) / len(order)


def compare(p, rule, **settings):
    """Ten steps by both, with five times as many rows as a batch."""
    expected = Reference(p, rule, **settings)
    before = p.params.copy()
    epoch, moments = make_epoch(p, rule, **settings)
    rng = np.random.default_rng(0)
    tolerance = 100 * np.finfo(p.params.dtype).eps
    for _ in range(2):
        order = rng.permutation(N)
        loss = expected.epoch(order)
        epoch.run(order)
        np.testing.assert_allclose(epoch.loss, loss, rtol=tolerance)
    assert epoch.t == 10
    assert abs(p.params - before).max() > 1e-3
    np.testing.assert_allclose(p.params, expected.params, rtol=0, atol=tolerance)
    for actual, wanted in zip(moments, expected.state):
        atol = tolerance * abs(wanted).max()
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=atol)
    return expected


@all_rules
@pytest.mark.parametrize("weighted", [False, True])
@dense_and_sparse
def test_rules(problem, rule, weighted, is_sparse, dtype, isa):
    p = problem(UNITS, TANH_RELU, "log_loss", N, dtype, is_sparse, weighted)
    compare(p, rule)


@all_rules
@pytest.mark.parametrize(
    "settings",
    [
        {"weight_decay": 0.7},
        {"l1": 0.3},
        {"max_norm": 0.8},
        {"clip_norm": 0.05},
        {"clip_norm": 1e3},
        {"rates": [0.5, 0.0, 2.0]},
        {"dropout": (0.2, 0.5, 0.25)},
        {"smoothing": 0.2},
        {
            "weight_decay": 0.7, "l1": 0.1, "max_norm": 0.9, "clip_norm": 0.1,
            "rates": [0.5, 1.0, 0.0], "dropout": (0.2, 0.5, 0.0), "smoothing": 0.1,
        },
    ],
    ids=lambda settings: "+".join(settings),
)  # fmt: skip
def test_regularisers(problem, rule, settings, dtype):
    p = problem(UNITS, TANH_RELU, "log_loss", N, dtype, weighted=True)
    compare(p, rule, **settings)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "binary_log_loss"])
@dense_and_sparse
def test_regularisers_with_other_losses(problem, loss, is_sparse, dtype, isa):
    p = problem(UNITS, TANH_RELU, loss, N, dtype, is_sparse, weighted=True)
    compare(p, "adam", weight_decay=0.5, clip_norm=1.0, dropout=(0.3, 0.5, 0.1))


@pytest.mark.parametrize("n_classes", [2, 3, 60])
def test_smoothing_of_few_and_many_classes(problem, n_classes, dtype, isa):
    p = problem((6, 7, n_classes), [("tanh", 0.0)], "log_loss", N, dtype)
    compare(p, "adam", smoothing=0.3)


@pytest.mark.parametrize("name", kernels.activation_names)
def test_derivatives_of_activations_are_not_scaled(problem, name, dtype):
    # dropout divides what it keeps, but derivatives are those of outputs and inputs
    p = problem(UNITS, [(name, 0.1), ("tanh", 0.0)], "log_loss", N, dtype)
    compare(p, "sgd", dropout=(0.0, 0.5, 0.5))


@pytest.mark.parametrize("block", [512, 1024])
def test_batches_of_several_blocks(problem, block, dtype):
    """A batch through several blocks is as one whose masks are known by its rows."""
    n = 1500
    p = problem((5, 6, 2), [("tanh", 0.0)], "log_loss", n, dtype)
    q = problem((5, 6, 2), [("tanh", 0.0)], "log_loss", n, dtype)
    assert p.network.block_rows(n, dtype) < n
    settings = {"dropout": (0.2, 0.5), "clip_norm": 0.05}
    epoch, _ = make_epoch(p, "adam", batch=n, **settings)
    epoch.run(n_rows=n)
    steps = Reference(q, "adam", **settings)
    steps.step(np.arange(n))
    tolerance = 300 * np.finfo(dtype).eps
    np.testing.assert_allclose(p.params, steps.params, rtol=0, atol=tolerance)


def test_input_noise(problem, dtype):
    """A step with noise is a step on rows to which that noise was added."""
    from fastmlp._core import testing

    p, q = (problem(UNITS, TANH_RELU, "log_loss", N, dtype) for _ in range(2))
    noise = np.zeros((N, UNITS[0]), dtype)
    testing.add_noise(KEY, 0, 1, 0, 0.3, noise, noise)
    epoch, _ = make_epoch(p, "adam", batch=N, input_noise=0.3)
    kept = p.X.copy()
    q.X = q.X + noise
    other, _ = make_epoch(q, "adam", batch=N)
    epoch.run(n_rows=N)
    other.run(n_rows=N)
    tolerance = 10 * np.finfo(dtype).eps
    np.testing.assert_allclose(p.params, q.params, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(p.X, kept)  # the rows passed stay


def test_rows_in_place_and_gathered_see_the_same_noise(problem, dtype):
    results = []
    for in_place in (True, False):
        p = problem(UNITS, TANH_RELU, "log_loss", N, dtype)
        epoch, _ = make_epoch(p, "adam", input_noise=0.3, dropout=(0.2, 0.1, 0.3))
        for _ in range(2):
            epoch.run(None if in_place else np.arange(N), N)
        results.append(p.params)
    np.testing.assert_array_equal(*results)


@needs_products
@dense_and_sparse
def test_the_same_bits_for_any_number_of_threads(problem, is_sparse, dtype):
    results = []
    for n_threads in (1, 2, 5):
        p = problem((20, 70, 33, 4), TANH_RELU, "log_loss", 700, dtype, is_sparse, True)
        epoch, _ = make_epoch(
            p, "nadam", batch=300, n_threads=n_threads, dropout=(0.2, 0.5, 0.25),
            input_noise=0.0 if is_sparse else 0.1, weight_decay=0.1, l1=0.01,
            max_norm=0.9, clip_norm=0.1, rates=[1.0, 0.5, 2.0], smoothing=0.1,
        )  # fmt: skip
        for _ in range(3):
            epoch.run(np.random.default_rng(1).permutation(700))
        results.append(p.params)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_norms_hold_after_each_step(problem, dtype):
    p = problem(UNITS, TANH_RELU, "squared_error", N, dtype)
    epoch, _ = make_epoch(p, "sgd", max_norm=0.5)
    cut = 0
    for start in range(0, N, BATCH):
        epoch.run(np.arange(start, start + BATCH))
        for W in p.network.split(p.params)[0]:
            norms = np.sqrt((W.astype(np.float64) ** 2).sum(axis=0))
            assert (norms <= 0.5 * (1 + 10 * np.finfo(dtype).eps)).all()
            cut += (norms > 0.499).sum()
    assert cut


def test_a_frozen_layer_keeps_its_bits(problem, dtype):
    for rates in ([0, 1, 1], [1, 0, 1], [1, 1, 0]):
        p = problem(UNITS, TANH_RELU, "log_loss", N, dtype)
        before = [a.copy() for part in p.network.split(p.params) for a in part]
        settings = {"weight_decay": 0.5, "l1": 0.1, "max_norm": 0.1}
        epoch, moments = make_epoch(p, "adam", rates=rates, **settings)
        epoch.run(np.arange(N))
        after = [a for part in p.network.split(p.params) for a in part]
        for i, (a, b) in enumerate(zip(before, after)):
            assert np.array_equal(a, b) == (rates[i % 3] == 0)
        for moment in moments:
            for i, m in enumerate(chain(*p.network.split(moment))):
                assert m.any() == (rates[i % 3] != 0)


def test_zeros_are_exact(problem, dtype):
    p = problem(UNITS, TANH_RELU, "log_loss", N, dtype)
    epoch, _ = make_epoch(p, "sgd", l1=2.0, alpha=0.0)
    for _ in range(5):
        epoch.run(np.arange(N))
    coefs, intercepts = p.network.split(p.params)
    assert all((W == 0).any() for W in coefs)
    assert all((b != 0).all() for b in intercepts)


def test_moving_average(problem, dtype):
    p = problem(UNITS, TANH_RELU, "log_loss", N, dtype)
    expected = Reference(p, "adam")
    epoch, _ = make_epoch(p, "adam")
    mean = np.full_like(p.params, 9)  # former contents do not count
    epoch.average_into(mean, 0.8, 0)
    for _ in range(2):
        expected.epoch(np.arange(N))
        epoch.run(np.arange(N))
    assert epoch.n_averaged == 10
    shares = 0.8 ** np.arange(9, -1, -1)
    wanted = shares @ np.array(expected.visited) / shares.sum()
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(mean, wanted, rtol=0, atol=tolerance)


def test_settings_that_do_nothing_change_no_bit(problem, dtype):
    plain, other = (problem(UNITS, TANH_RELU, "log_loss", N, dtype) for _ in range(2))
    make_epoch(plain, "adam")[0].run(np.arange(N))
    settings = {"dropout": (0.0, 0.0, 0.0), "rates": [1, 1, 1], "smoothing": 0.0}
    make_epoch(other, "adam", **settings)[0].run(np.arange(N))
    np.testing.assert_array_equal(plain.params, other.params)


def test_masks_of_csr_belong_to_their_data(problem):
    p = problem(UNITS, TANH_RELU, "log_loss", N, np.float64, is_sparse=True)
    assert issparse(p.X)
    epoch, _ = make_epoch(p, "adam", dropout=(0.5, 0.0, 0.0))
    with pytest.raises(ValueError, match="of another kind"):
        epoch.use_data(network.Data(p.X, p.y, p.w))
