"""Levels of a category: the values it has in training, and their codes."""

from __future__ import annotations

import numpy as np

from fastmlp._utils.numbers import shortest, written

MOST_LEVELS = 2**24  # codes that float32 holds


def levels_of(values):
    """The levels of a column, in ascending order.

    Parameters
    ----------
    values : list of bool, int, float, str or None
        Distinct values of the training part.

    Returns
    -------
    levels : ndarray
        Of bool, int64, uint64 or float64, or of object with texts. Bools beside other
        values are the numbers 0 and 1; numbers beside texts are as they are written.
    """
    values = [value for value in values if not is_missing(value)]
    if values and all(isinstance(value, bool) for value in values):
        return np.array(sorted(values))
    values = [int(value) if isinstance(value, bool) else value for value in values]
    if not values or any(isinstance(value, str) for value in values):
        texts = {v if isinstance(v, str) else written(v) for v in values}
        return np.array(sorted(texts), dtype=object)
    array = np.array(values)
    return np.unique(array if array.dtype.kind in "iuf" else array.astype(float))


def are_levels(levels):
    """Return whether this is an array as ``levels_of`` makes it."""
    if not isinstance(levels, np.ndarray) or levels.ndim != 1:
        return False
    if levels.dtype == object:
        known = all(isinstance(level, str) for level in levels)
    else:
        known = levels.dtype in (np.bool_, np.int64, np.uint64, np.float64)
    return known and bool((levels[:-1] < levels[1:]).all())


def codes_of(levels):
    """A dict from each level to its code, 1 for the first.

    A number is found by its value, so 1 and 1.0 are the same. It is found too as it is
    written, and a text by the number that is written so: 7 and "7" are the same, while
    "007" is another text. The number 0.1 of float64 and that of float32 are the same.
    """
    other_precisions = [] if levels.dtype.kind in "bO" else _other_precisions(levels)
    levels = levels.tolist()
    codes = {level: code for code, level in enumerate(levels, 1)}
    for value, code in other_precisions:
        codes.setdefault(value, code)
    for code, level in enumerate(levels, 1):
        other = _read(level) if isinstance(level, str) else written(level)
        if other is not None:
            codes.setdefault(other, code)
    return codes


def _other_precisions(levels):
    """Pairs of a number that float32 makes of a level or a level of, and its code."""
    with np.errstate(over="ignore"):
        narrow = levels.astype(np.float32)
    exact, decimal = narrow.astype(np.float64), shortest(narrow)
    codes = np.arange(1, len(levels) + 1)
    for ours, others in ((decimal, exact), (exact, decimal)):
        differ = (levels == ours) & (ours != others)
        yield from zip(others[differ].tolist(), codes[differ].tolist())


def is_missing(value):
    """Return whether a plain value is None or NaN."""
    return value is None or value != value


def _read(text):
    """The number or bool that is written as this text, or None."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if written(value) == text:
            return value
    return None
