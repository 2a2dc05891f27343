"""Matrix products: the row-major face of SciPy's BLAS, and our own."""

from itertools import product

import numpy as np
import pytest

from fastmlp._core import kernels, testing

SIZES = [1, 2, 5, 16, 67]
# beyond the blocks of rows, columns and depth (256, 512) and the packing thresholds
LARGE = [(130, 1030, 300), (200, 45, 530), (513, 520, 257), (127, 600, 256)]


def random(rng, dtype, *shape):
    return rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("trans_a", [False, True])
def test_gemm(trans_a, trans_b, dtype):
    rng = np.random.default_rng(0)
    for m, n, k in product(SIZES, repeat=3):
        a = random(rng, dtype, *((k, m) if trans_a else (m, k)))
        b = random(rng, dtype, *((n, k) if trans_b else (k, n)))
        op_a, op_b = (a.T if trans_a else a), (b.T if trans_b else b)
        exact = op_a.astype(np.float64) @ op_b.astype(np.float64)
        size = np.abs(op_a) @ np.abs(op_b)
        for beta in (0.0, 1.0):
            c = random(rng, dtype, m, n) if beta else np.full((m, n), np.nan, dtype)
            expected = exact + c if beta else exact  # beta = 0 does not read c
            # each of k products and sums rounds by at most eps / 2 of the magnitudes
            bound = (k + 2) * np.finfo(dtype).eps / 2 * (size + beta * np.abs(c))
            testing.gemm(trans_a, trans_b, a, b, beta, c)
            if not beta:
                bound = (k + 2) * np.finfo(dtype).eps / 2 * size
            assert (np.abs(c - expected) <= bound).all(), (m, n, k, beta)


@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("trans_a", [False, True])
def test_product(trans_a, trans_b, dtype, isa):
    rng = np.random.default_rng(0)
    for m, n, k in [*product([1, 2, 3, 5, 7, 12, 16, 31, 67], repeat=3), *LARGE]:
        a = random(rng, dtype, *((k, m) if trans_a else (m, k)))
        b = random(rng, dtype, *((n, k) if trans_b else (k, n)))
        op_a, op_b = (a.T if trans_a else a), (b.T if trans_b else b)
        exact = op_a.astype(np.float64) @ op_b.astype(np.float64)
        size = np.abs(op_a) @ np.abs(op_b)
        bias, before = random(rng, dtype, 1, n), random(rng, dtype, m, n)
        for start in ("nothing", "bias", "c"):
            c = np.full_like(before, np.nan) if start != "c" else before.copy()
            s = {"nothing": None, "bias": bias, "c": c}[start]
            added = {"nothing": np.zeros_like(bias), "bias": bias, "c": before}[start]
            testing.product(trans_a, trans_b, a, b, s, c)
            bound = (k + 2) * np.finfo(dtype).eps / 2 * (size + np.abs(added))
            assert (np.abs(c - (exact + added)) <= bound).all(), (m, n, k, start)


def test_a_row_has_the_same_bits_among_any_others(dtype, isa):
    """Our products; BLAS promises no such thing, so the base is left out."""
    rng = np.random.default_rng(0)
    if isa != kernels.available_isas[-1]:
        for n, k in ((1, 70), (10, 600), (33, 5), (600, 300), (1030, 513)):
            a, b = random(rng, dtype, 300, k), random(rng, dtype, k, n)
            together = np.empty((300, n), dtype)
            testing.product(False, False, a, b, None, together)
            for rows in (slice(0, 1), slice(7, 20), slice(150, 300), slice(299, 300)):
                alone = np.empty((rows.stop - rows.start, n), dtype)
                testing.product(False, False, a[rows].copy(), b, None, alone)
                np.testing.assert_array_equal(alone, together[rows])
