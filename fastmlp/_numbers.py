"""What counts as a number, and as a plain list of them."""

from __future__ import annotations

import sys
from numbers import Real

import numpy as np

_LARGEST = sys.float_info.max


def is_finite(value):
    """Whether a value is a real number that float64 holds."""
    return isinstance(value, Real) and bool(-_LARGEST <= value <= _LARGEST)


def is_flat(value):
    """Whether a value is one-dimensional; ragged lists are not."""
    try:
        return np.ndim(value) == 1
    except ValueError:
        return False
