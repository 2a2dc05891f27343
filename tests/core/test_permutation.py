"""Orders are shuffled by the stream of NumPy's RandomState."""

import numpy as np
import pytest

from fastmlp._core.permutation import shuffle

# among them those around a whole number of lots of draws
SIZES = [0, 1, 2, 3, 16, 17, 127, 128, 129, 130, 257, 1000, 65536, 65537]


@pytest.mark.parametrize("n", SIZES)
def test_shuffle_is_that_of_random_state(n):
    ours, theirs = np.random.RandomState(7), np.random.RandomState(7)
    order = np.arange(n, dtype=np.intp)[::-1].copy()
    expected = order.copy()
    for _ in range(3):
        shuffle(order, ours)
        positions = np.arange(n)
        theirs.shuffle(positions)
        expected = expected[positions]
        np.testing.assert_array_equal(order, expected)
    assert ours.randint(2**31) == theirs.randint(2**31)  # the streams go on together


def test_other_bit_generators():
    ours, theirs = (np.random.RandomState(np.random.PCG64(3)) for _ in range(2))
    order, expected = np.arange(500), np.arange(500)
    shuffle(order, ours)
    theirs.shuffle(expected)
    np.testing.assert_array_equal(order, expected)


def test_a_shuffle_of_its_own_is_kept():
    class Reversed(np.random.RandomState):
        def shuffle(self, x):
            x[:] = x[::-1].copy()

    order = np.arange(10)
    shuffle(order, Reversed(0))
    np.testing.assert_array_equal(order, np.arange(10)[::-1])


def test_refuses_what_is_no_order():
    with pytest.raises(TypeError, match="C-contiguous int64"):
        shuffle(np.arange(10.0), np.random.RandomState(0))
    with pytest.raises(TypeError, match="C-contiguous int64"):
        shuffle(np.arange(10)[::2], np.random.RandomState(0))
