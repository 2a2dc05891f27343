"""What counts as a number, and as a plain list of them."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np


def is_finite(value):
    """Whether a value is a real number that float64 holds."""
    try:
        return isinstance(value, Real) and math.isfinite(value)
    except OverflowError:
        return False


def is_flat(value):
    """Whether a value is one-dimensional; ragged lists are not."""
    try:
        return np.ndim(value) == 1
    except ValueError:
        return False
