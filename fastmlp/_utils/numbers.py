"""Tests for numbers and for plain lists of them."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np


def is_finite(value):
    """Return whether a value is a real number that float64 holds."""
    try:
        return isinstance(value, Real) and math.isfinite(value)
    except OverflowError:
        return False


def float_dtype(value):
    """The dtype that "float32", np.float32 and the like name; None for all else."""
    if isinstance(value, str):
        return np.dtype(value) if value in ("float32", "float64") else None
    if isinstance(value, type) and issubclass(value, float | np.floating):
        value = np.dtype(value)
    if isinstance(value, np.dtype) and value in (np.float32, np.float64):
        return value
    return None


def dtype_name(value):
    """The name of a float dtype as a str; all else as it is."""
    dtype = float_dtype(value)
    return value if dtype is None else dtype.name


def is_flat(value):
    """Return whether a value is one-dimensional; ragged lists are not."""
    try:
        return np.ndim(value) == 1
    except ValueError:
        return False


def real_array(values, name):
    """An array of real numbers; objects are converted to float64.

    Parameters
    ----------
    values : array-like
    name : str
        For errors.

    Raises
    ------
    TypeError
        If there is anything but real numbers.
    ValueError
        If the values are ragged, or one is beyond float64.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    kind = array.dtype.kind
    if kind == "O" and all(isinstance(value, Real) for value in array.flat):
        try:
            return array.astype(np.float64)
        except OverflowError:
            raise ValueError(
                f"{name} must hold numbers that float64 holds, below 1.8e308."
            ) from None
    if kind not in "fiub":
        raise TypeError(
            f"{name} must hold real numbers, got an array of dtype {array.dtype}."
        )
    return array


def shortest(values):
    """Narrow floats as float64: of each the number that its shortest decimal names."""
    return values.astype(str).astype(np.float64)


def written(value):
    """A number or bool as text: a whole number without fraction."""
    if not isinstance(value, bool | np.bool_ | int | np.integer | bytes):
        try:
            if float(value).is_integer():
                value = int(value)
        except (TypeError, ValueError, OverflowError):
            pass
    return str(value)
