"""The random numbers of the core: Philox, dropout masks, normal noise."""

import numpy as np
import pytest
from helpers import reference
from scipy import sparse, stats

from fastmlp._core import testing

KEY = (0x12345678, 0x9ABCDEF0)


def masks(n, k, rate, dtype, key=KEY, step=3, stream=2, row=0):
    x = np.ones((n, k), dtype)
    out = np.empty_like(x)
    testing.dropout(key, step, stream, row, rate, x, out)
    return out


def test_the_reference_is_philox():
    # known answers of the authors' library, Random123: philox 4x32 10
    assert reference.philox([0] * 4, [0] * 2) == [
        0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8,
    ]  # fmt: skip
    ones = 0xFFFFFFFF
    assert reference.philox([ones] * 4, [ones] * 2) == [
        0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD,
    ]  # fmt: skip
    assert reference.philox(
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]
    ) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


@pytest.mark.parametrize("k", [1, 31, 32, 33, 64, 65, 130])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_masks_are_those_of_the_reference(k, rate, dtype, isa):
    expected = reference.dropout_mask(KEY, 3, 2, 4, k, rate)
    np.testing.assert_allclose(masks(4, k, rate, dtype), expected, rtol=1e-7)
    np.testing.assert_array_equal(masks(3, k, rate, dtype, row=1), expected[1:].astype(
        dtype
    ))  # fmt: skip


def test_the_mean_stays(dtype):
    for rate in (0.1, 0.25, 0.5, 0.8):
        mask = masks(1000, 200, rate, dtype).astype(np.float64)
        # five standard deviations of a mean over 200000 independent units
        tolerance = 5 * np.sqrt(rate / (1 - rate) / mask.size)
        assert abs(mask.mean() - 1) < tolerance
        assert abs((mask == 0).mean() - rate) < 5 * np.sqrt(
            rate * (1 - rate) / mask.size
        )
        for axis in (0, 1):  # no row and no unit is favoured
            means = (mask == 0).mean(axis=axis)
            n = mask.shape[axis]
            assert abs(means - rate).max() < 6 * np.sqrt(rate * (1 - rate) / n)


def test_every_part_of_the_counter_counts(dtype):
    first = masks(20, 100, 0.5, dtype)
    others = [
        masks(20, 100, 0.5, dtype, **change)
        for change in (
            {"step": 4},
            {"stream": 4},
            {"row": 20},
            {"key": (KEY[0] + 1, KEY[1])},
            {"key": (KEY[0], KEY[1] + 1)},
        )
    ]
    for other in others:
        agree = (first == other).mean()
        assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(first.size)


def test_extreme_rates(dtype):
    assert (masks(5, 40, 1e-9, dtype) == 1).all()
    mask = masks(300, 300, 1 - 2**-16, dtype)
    assert set(np.unique(mask)) == {0, 65536}


def test_not_a_number_is_kept_or_dropped(dtype):
    x = np.full((1, 64), np.nan, dtype)
    testing.dropout(KEY, 3, 2, 0, 0.5, x, x)
    dropped = reference.dropout_mask(KEY, 3, 2, 1, 64, 0.5) == 0
    np.testing.assert_array_equal(np.isnan(x), ~dropped)


def test_stored_values_get_the_same_mask(dtype, isa):
    X = sparse.random(30, 150, 0.2, "csr", dtype, random_state=0)
    order = np.random.default_rng(0).permutation(30)[:20]
    indices, indptr = X.indices.astype(np.intp), X.indptr.astype(np.intp)
    out = np.full_like(X.data, -1)
    testing.csr_dropout(KEY, 3, 7, 0.4, X.data, indices, indptr, order, out)
    dense = X[order].toarray()
    testing.dropout(KEY, 3, 0, 7, 0.4, dense, dense)
    changed = sparse.csr_array((out, X.indices, X.indptr), X.shape)
    np.testing.assert_array_equal(changed[order].toarray(), dense)
    rest = np.setdiff1d(np.arange(30), order)
    assert (changed[rest].data == -1).all()


def test_noise_is_normal(dtype, isa):
    x = np.full((500, 100), 2, dtype)
    out = np.empty_like(x)
    testing.add_noise(KEY, 3, 1, 0, 0.5, x, out)
    noise = ((out - x) / 0.5).astype(np.float64)
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.std() - 1) < 5 / np.sqrt(2 * noise.size)
    assert 4 < abs(noise).max() < 6
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(noise[:, :8].ravel(), noise[:, 8:16].ravel())[0, 1]) < 0.08


def test_noise_is_that_of_box_and_muller(dtype, isa):
    x = np.zeros((3, 40), dtype)
    testing.add_noise(KEY, 3, 1, 5, 1.0, x, x)
    for row in range(3):
        for unit in range(40):
            group, place = divmod(unit, 32)
            word, lane = divmod(place, 8)
            words = reference.philox((8 * group + lane, row + 5, 3, 1), KEY)
            first, second = (w >> 8 for w in words[word // 2 * 2 : word // 2 * 2 + 2])
            radius = np.sqrt(-2 * np.log((first + 0.5) * 2**-24))
            angle = 2 * np.pi * (second * 2**-24 - 0.5)
            expected = radius * (np.sin(angle) if word % 2 else np.cos(angle))
            assert x[row, unit] == pytest.approx(expected, abs=1e-6)


def test_noise_agrees_between_precisions():
    wide, narrow = np.zeros((50, 60)), np.zeros((50, 60), np.float32)
    for x in (wide, narrow):
        testing.add_noise(KEY, 3, 1, 0, 1.0, x, x)
    np.testing.assert_allclose(narrow, wide, atol=2e-6)
