"""Bounds on the rounding of sums."""

import numpy as np


def wide(x):
    return x.astype(np.float64)


def assert_within(actual, expected, bound):
    """|actual - expected| <= bound where finite, else equal once rounded."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rounded = np.asarray(expected).astype(actual.dtype)
        near = np.isfinite(rounded) & (np.abs(actual - wide(rounded)) <= bound)
        same = (actual == rounded) | (np.isnan(actual) & np.isnan(rounded))
    wrong = ~(near | same)
    assert not wrong.any(), (
        f"{wrong.sum()} of {wrong.size}, {actual[wrong][:5]} for {rounded[wrong][:5]}"
    )


def check_column_sums(db, start, parts):
    # the rounding of a sum in any order is within n eps / 2 of its magnitudes
    bound = np.finfo(db.dtype).eps * (len(parts) + 1)
    parts = np.vstack([wide(start), wide(parts)])
    with np.errstate(invalid="ignore"):  # inf - inf
        assert_within(db, parts.sum(axis=0), bound * np.abs(parts).sum(axis=0))
