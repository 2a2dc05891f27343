"""The row-major face of SciPy's BLAS."""

from itertools import product

import numpy as np
import pytest

from fastmlp._core import testing

SIZES = [1, 2, 5, 16, 67]


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


def test_gemm_of_an_empty_sum(dtype):
    c = np.full((2, 3), 7, dtype=dtype)
    nothing = np.empty((2, 0), dtype=dtype), np.empty((0, 3), dtype=dtype)
    testing.gemm(False, False, *nothing, 1.0, c)
    assert (c == 7).all()
