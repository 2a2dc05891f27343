"""Matrix products: the row-major face of SciPy's BLAS, and our own."""

from itertools import product

import numpy as np
import pytest

from fastmlp._core import testing

SIZES = [1, 2, 5, 16, 67]
# beyond the blocks of rows and depth (72, 320) and the packing thresholds; strides that
# crowd L1 or L2, of many rows and of few; panels of one, two and three vectors with
# whole and partial ends
LARGE = [
    (130, 1030, 300),
    (200, 45, 530),
    (513, 520, 257),
    (127, 600, 256),
    (25, 1, 700),
    (80, 1024, 150),
    (20, 1024, 150),
]
LARGE += [(50, n, 330) for n in (2, 8, 9, 40, 41, 128, 136)]
LARGE += [(1500, n, 330) for n in (2, 3, 4, 7)]  # beyond a transposed result's rows


def random(rng, dtype, *shape):
    return rng.normal(size=shape).astype(dtype)


def reference(a, b):
    """a b in float64, and the sums of the magnitudes of its products.

    NumPy's BLAS sets the flag of an invalid operation at times, for finite numbers.
    """
    with np.errstate(invalid="ignore"):
        exact, size = a.astype(np.float64) @ b.astype(np.float64), np.abs(a) @ np.abs(b)
    assert np.isfinite(exact).all() and np.isfinite(size).all()
    return exact, size


@pytest.mark.parametrize("trans_a", [False, True])
def test_gemm(trans_a, dtype):
    rng = np.random.default_rng(0)
    for m, n, k in product(SIZES, repeat=3):
        a = random(rng, dtype, *((k, m) if trans_a else (m, k)))
        b = random(rng, dtype, k, n)
        op_a = a.T if trans_a else a
        exact, size = reference(op_a, b)
        for beta in (0.0, 1.0):
            c = random(rng, dtype, m, n) if beta else np.full((m, n), np.nan, dtype)
            expected = exact + c if beta else exact  # beta = 0 does not read c
            # each of k products and sums rounds by at most eps / 2 of the magnitudes
            bound = (k + 2) * np.finfo(dtype).eps / 2 * (size + beta * np.abs(c))
            testing.gemm(trans_a, a, b, beta, c)
            if not beta:
                bound = (k + 2) * np.finfo(dtype).eps / 2 * size
            assert (np.abs(c - expected) <= bound).all(), (m, n, k, beta)


@pytest.mark.parametrize("trans_a", [False, True])
def test_product(trans_a, dtype, isa):
    rng = np.random.default_rng(0)
    work = testing.product_work(dtype)
    for m, n, k in [*product([1, 2, 3, 5, 7, 12, 16, 31, 67], repeat=3), *LARGE]:
        a = random(rng, dtype, *((k, m) if trans_a else (m, k)))
        b = random(rng, dtype, k, n)
        op_a = a.T if trans_a else a
        exact, size = reference(op_a, b)
        bias, before = random(rng, dtype, 1, n), random(rng, dtype, m, n)
        for start in ("nothing", "bias", "c"):
            c = np.full_like(before, np.nan) if start != "c" else before.copy()
            s = {"nothing": None, "bias": bias, "c": c}[start]
            added = {"nothing": np.zeros_like(bias), "bias": bias, "c": before}[start]
            testing.product(trans_a, a, b, s, c, work)
            bound = (k + 2) * np.finfo(dtype).eps / 2 * (size + np.abs(added))
            assert (np.abs(c - (exact + added)) <= bound).all(), (m, n, k, start)
            if isa != "base":
                plain = c.copy()
                c[:] = before
                testing.product(trans_a, a, b, s, c, work, rectify=True)
                np.testing.assert_array_equal(c, np.maximum(plain, 0), f"{m}, {n}, {k}")


def test_a_rectified_product_passes_nan_and_minus_zero(dtype, isa):
    if isa == "base":
        pytest.skip("relu is a pass of its own there")
    values = np.array([np.nan, -0.0, 0.0, np.inf, -np.inf, -1, 1], dtype)
    work = testing.product_work(dtype)
    for n, m in product([1, 3, 7, 20], [1, 2, 13]):
        plain = np.resize(values, (m, n))
        a, b = np.ones((m, 2), dtype), np.full((2, n), -0.0, dtype)
        rectified = plain.copy()
        testing.product(False, a, b, plain, plain, work)
        testing.product(False, a, b, rectified, rectified, work, rectify=True)
        expected = np.where(plain < 0, 0, plain)
        np.testing.assert_array_equal(rectified, expected)
        np.testing.assert_array_equal(
            np.signbit(rectified[rectified == 0]), np.signbit(expected[expected == 0])
        )
        assert np.isnan(plain[0, 0])


def test_a_row_has_the_same_bits_among_any_others(dtype, isa):
    if isa == "base":
        pytest.skip("BLAS makes no such promise")
    rng = np.random.default_rng(0)
    work = testing.product_work(dtype)
    sizes = [(1, 70), (10, 600), (33, 5), (600, 300), (1030, 513), (1024, 150)]
    sizes += [(n, k) for n in range(1, 12) for k in (15, 16, 64, 100)]
    groups = [slice(7, 7 + n) for n in (*range(1, 9), 13, 15, 16, 17)]
    for n, k in sizes:
        # products that underflow: sums of -0, to which no S is added
        tiny = np.full((300, k), np.finfo(dtype).tiny, dtype)
        for a, b in (
            (random(rng, dtype, 300, k), random(rng, dtype, k, n)),
            (tiny, np.full((k, n), -tiny[0, 0], dtype)),
        ):
            together = np.empty((300, n), dtype)
            testing.product(False, a, b, None, together, work)
            for rows in (*groups, slice(150, 300), slice(299, 300)):
                alone = np.empty((rows.stop - rows.start, n), dtype)
                testing.product(False, a[rows].copy(), b, None, alone, work)
                assert alone.tobytes() == together[rows].tobytes(), (n, k, rows)


def test_columns_beside_a_few_are_not_read_into_them(dtype, isa):
    if isa == "base":
        pytest.skip("BLAS forms the product there")
    rng = np.random.default_rng(0)
    work = testing.product_work(dtype)
    for n, m, k in product(range(1, 12), (1, 3, 20), (16, 33, 100)):
        a, b = random(rng, dtype, m, k), random(rng, dtype, k, n)
        beside = np.c_[b, np.full((k, 2), np.nan, dtype)]
        c, expected = np.empty((m, n), dtype), np.empty((m, n), dtype)
        testing.product(False, a, b, None, expected, work)
        testing.product(False, a, beside, None, c, work)
        assert c.tobytes() == expected.tobytes(), (n, m, k)


def test_a_deep_product_of_one_column_stays_within_its_room(dtype, isa):
    if isa == "base":
        pytest.skip("BLAS needs no room")
    rng = np.random.default_rng(0)
    room = testing.product_work(dtype)
    guarded = np.full(len(room) + 1000, 7, dtype)
    for k in (len(room) - 3, len(room) + 500):
        a, b = random(rng, dtype, 17, k), random(rng, dtype, k, 2)
        c = np.empty((17, 1), dtype)  # the first column of b, whose values are apart
        testing.product(False, a, b, None, c, guarded[: len(room)])
        assert (guarded[len(room) :] == 7).all()
        exact, size = reference(a, b[:, :1])
        bound = (k + 2) * np.finfo(dtype).eps / 2 * size
        assert (np.abs(c - exact) <= bound).all()
        alone = np.empty((1, 1), dtype)
        testing.product(False, a[3:4].copy(), b, None, alone, room)
        np.testing.assert_array_equal(alone, c[3:4])


def test_transpose(dtype, isa):
    rng = np.random.default_rng(0)
    for n, k in product([1, 3, 4, 7, 8, 9, 16, 37], repeat=2):
        x = random(rng, dtype, n, k)
        out = np.full((k, n + 3), np.nan, dtype)
        testing.transpose(x, out)
        np.testing.assert_array_equal(out[:, :n], x.T)
        assert np.isnan(out[:, n:]).all()
