"""Robust scale and smooth clip of numbers and of one-hot columns.

x' = z / sqrt(1 + (z / 3)^2), z = (x - median) scale, is within (-3, 3) [1]_. The scale
is 1 / (q75 - q25), or 2 / (max - min) where that is 0, or 0 where that is 0 too.

a) All of it is computed in float64. z is held within +-1e100, where x' is 3 in all its
   digits, so that nothing overflows whatever the magnitude of x.
b) Only operations that IEEE 754 rounds correctly are used, in one order, so that
   ``scaled`` and ``scaled_number`` give the same bits.

.. [1] D. Holzmueller, L. Grinsztajn and I. Steinwart, "Better by default: strong
   pre-tuned MLPs and boosted trees on tabular data", NeurIPS 2024.
"""

from __future__ import annotations

import math

import numpy as np

FAR = 1e100
_LARGEST = np.finfo(np.float64).max
_LARGEST_SCALE = 1e300
_QUARTILES = (0.25, 0.5, 0.75)


def robust_scale(values):
    """Median and scale of numbers.

    Parameters
    ----------
    values : ndarray of float64 of shape (n,)
        Finite, or NaN where missing.

    Returns
    -------
    median, scale : float
        0 where there are no values.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return 0.0, 0.0
    values *= 0.25  # exact, and differences of quarters do not overflow
    low, median, high = np.quantile(values, _QUARTILES).tolist()
    ends = float(values.min()), float(values.max())
    return 4 * median, _scale(low, high, *ends, 0.25)


def scale_of_counts(values, counts, smallest, largest):
    """Median and scale of values of which each occurs so many times.

    Each value may represent several, so the ends may lie outside the values.
    """
    low, median, high = quantiles_of_counts(values * 0.25, counts).tolist()
    ends = smallest * 0.25, largest * 0.25
    return 4 * median, _scale(low, high, *ends, 0.25)


def _scale(low, high, smallest, largest, unit=1.0):
    """The scale for quartiles and ends in a unit."""
    if high != low:
        return min(unit / (high - low), _LARGEST_SCALE)
    if largest != smallest:
        return min(2 * unit / (largest - smallest), _LARGEST_SCALE)
    return 0.0


def bound(scale):
    """The largest x - median at which z is not beyond ``FAR``."""
    return min(FAR / scale, _LARGEST) if scale else _LARGEST


def scaled(values, median, scale):
    """The numbers x' of an array x, which is overwritten; NaN stays."""
    far = bound(scale)
    with np.errstate(over="ignore"):
        values -= median
    np.clip(values, -far, far, out=values)
    values *= scale
    roots = values / 3
    roots *= roots
    roots += 1
    np.sqrt(roots, out=roots)
    values /= roots
    return values


def scaled_number(value, median, scale):
    """The number x' of one x, with the bits that ``scaled`` gives."""
    far = bound(scale)
    z = max(-far, min(far, value - median)) * scale if value == value else value
    third = z / 3
    return z / math.sqrt(1 + third * third)


def one_hot_table(counts):
    """The scaled one-hot columns of each code of a category.

    Two levels have one column, 1 for the first, -1 for the second and 0 for a missing
    value; one level has one column too, 1 for it and -1 for a missing value. More have
    a column each, and a missing value is 0 in all of them.

    Parameters
    ----------
    counts : ndarray of int of shape (n_levels + 1,)
        How often each code occurs in training; code 0 is a missing value.

    Returns
    -------
    table : ndarray of float64 of shape (n_levels + 1, n_columns)
    """
    n_levels = len(counts) - 1
    if n_levels == 0:
        return np.zeros((1, 0))
    if n_levels == 1:
        table = np.array([[-1.0], [1.0]])
    elif n_levels == 2:
        table = np.array([[0.0], [1.0], [-1.0]])
    else:
        table = np.eye(n_levels + 1)[:, 1:].copy()
    for column in table.T:
        seen = counts > 0
        low, median, high = quantiles_of_counts(column[seen], counts[seen])
        ends = column[seen].min(), column[seen].max()
        column[:] = scaled(column.copy(), median, _scale(low, high, *ends))
    return table


def quantiles_of_counts(values, counts):
    """The quartiles of values of which each occurs so many times.

    They are what ``numpy.quantile`` gives for the values repeated so often.
    """
    order = np.argsort(values)
    values, last = values[order], np.cumsum(counts[order])
    place = np.array(_QUARTILES) * (last[-1] - 1)
    below = np.floor(place)
    low, high = (
        values[np.searchsorted(last, at, side="right")]
        for at in (below, np.ceil(place))
    )
    return low + (high - low) * (place - below)
