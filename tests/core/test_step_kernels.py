"""Kernels of a step, size by size: updates, thresholds, norms, averages, smoothing."""

import numpy as np
import pytest
from helpers import reference

from fastmlp._core import kernels, testing

SIZES = [0, 1, 3, 7, 8, 9, 15, 16, 17, 511, 512, 513, 1000]
SCALARS = {
    "sgd": {"momentum": 0.9},
    "adam": {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-3},
    "rmsprop": {"beta_2": 0.9, "epsilon": 1e-3},
    "adagrad": {"epsilon": 1e-3},
    "lion": {"beta_1": 0.9, "beta_2": 0.99},
}


def arrays(n, dtype, count):
    rng = np.random.default_rng(n)
    return [rng.normal(size=n).astype(dtype) for _ in range(count)]


@pytest.mark.parametrize("rule", SCALARS)
def test_update(rule, dtype, isa):
    for n in SIZES:
        g, w, m, v = arrays(n, dtype, 4)
        v = abs(v)
        state = [m, v] if kernels.rule_vectors[rule] == 2 else [v]
        old = [x.astype(np.float64) for x in (w, *state)]
        squares = testing.update(
            rule, g, w, state[0], state[-1],
            {"scale": 0.3, "decay": 0.05, "keep": 0.7, "learning_rate": 0.1,
             **SCALARS[rule]},
        )  # fmt: skip
        scaled = 0.3 * g.astype(np.float64) + 0.05 * old[0]
        count = {}
        if rule == "adam":  # the caller corrects the rate
            t = 10**6
            count = {"t": t}
        if rule == "sgd":
            count = {"nesterov": False}
        new, *state_after = getattr(reference, rule)(
            *old, g=scaled, learning_rate=0.1, **count, **SCALARS[rule]
        )
        eps = 20 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(w, new - 0.3 * old[0], rtol=0, atol=eps * 10)
        for actual, expected in zip(state, state_after):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=eps * 10)
        assert squares == pytest.approx((old[0] ** 2).sum(), rel=1e3 * eps)


@pytest.mark.parametrize("rule", kernels.rule_names)
def test_not_a_number_stays_one(rule, dtype, isa):
    g, w, m, v = arrays(20, dtype, 4)
    m, v = abs(m), abs(v)
    g[7] = np.nan
    testing.update(rule, g, w, m, v, {"learning_rate": 0.1, "beta_1": 0.9,
                                      "beta_2": 0.9, "epsilon": 1e-8,
                                      "gradient_rate": 0.1})  # fmt: skip
    assert np.isnan(w).tolist() == [i == 7 for i in range(20)]


@pytest.mark.parametrize("with_squares", [False, True])
def test_soft_threshold(with_squares, dtype, isa):
    for n in SIZES:
        w, v = arrays(n, dtype, 2)
        v = abs(v)
        if n > 2:
            w[:3] = 0.0, np.nan, np.inf
        threshold = 0.4 / (2 * np.sqrt(v) + 0.5) if with_squares else 0.4
        expected = reference.soft_threshold(w.astype(np.float64), threshold)
        testing.soft_threshold(w, v if with_squares else None, 0.4, 2.0, 0.5)
        np.testing.assert_allclose(w, expected, rtol=0, atol=1e-6)
        if n > 100:
            assert 10 < (w == 0).sum() < n - 10


def test_limit_norms(dtype, isa):
    for n in (1, 3, 17, 100):
        for k in (1, 7, 16, 33):
            w = np.random.default_rng(n).normal(size=(n, k)).astype(dtype)
            w[:, 0] = 0
            expected = reference.limited(w.astype(np.float64), 0.8)
            testing.limit_norms(w, 0.8, np.empty(k, dtype))
            np.testing.assert_allclose(w, expected, rtol=0, atol=1e-6)


def test_average(dtype, isa):
    for n in SIZES:
        w, mean = arrays(n, dtype, 2)
        expected = 0.3 * w.astype(np.float64) + 0.7 * mean
        testing.average(w, mean, 0.7)
        np.testing.assert_allclose(mean, expected, rtol=0, atol=1e-6)
        testing.average(w, mean, 0.0)
        np.testing.assert_array_equal(mean, w)


@pytest.mark.parametrize("weighted", [False, True])
def test_smoothed_log_loss(weighted, dtype, isa):
    for n, k in ((0, 3), (1, 2), (5, 1), (17, 10), (8, 60)):
        rng = np.random.default_rng(n)
        z = rng.normal(scale=3, size=(n, k))
        y = rng.integers(k, size=(n, 1))
        w = rng.uniform(0.5, 2, size=n) if weighted else None
        z[: min(n, 1)] *= 300  # far apart: the loss is large and finite
        values = reference.smoothed_losses(
            "log_loss", z, reference.smoothed(y, "log_loss", k, 0.2)
        ).sum(axis=1)
        delta = reference.softmax(z) - reference.smoothed(y, "log_loss", k, 0.2)
        rows = np.ones(n) if w is None else w
        flat, db = z.astype(dtype).ravel(), np.ones(k, dtype)
        total = testing.smoothed_log_loss(
            y[:, 0].astype(dtype), None if w is None else w.astype(dtype), flat, db, 0.2
        )
        eps = float(np.finfo(dtype).eps)
        assert total == pytest.approx(rows @ values, rel=1e2 * eps, abs=1e2 * eps)
        expected = rows[:, None] * delta
        atol = 5e3 * eps  # of logits near 1000
        np.testing.assert_allclose(flat.reshape(n, k), expected, rtol=0, atol=atol)
        np.testing.assert_allclose(db, 1 + expected.sum(axis=0), rtol=0, atol=atol * 10)
