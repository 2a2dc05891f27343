"""Models inside pipelines, searches and wrappers: found, and replaced in copies."""

from __future__ import annotations

import copy
import types

import numpy as np

_OPAQUE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)


def contained(root, kinds):
    """Objects of some classes within an object, in lists, dicts and attributes.

    Parameters
    ----------
    root : object
    kinds : tuple of type

    Returns
    -------
    found : list
        Each once, in the order in which they are met; what they hold is not searched.
    """
    found, seen, waiting = [], {}, [root]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, _OPAQUE):
            continue
        seen[id(value)] = value  # kept, so that no other object gets its identity
        if isinstance(value, kinds):
            found.append(value)
        else:
            waiting += reversed(_parts(value))
    return found


def _parts(value):
    """The objects that an object holds."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, np.ndarray):
        return value.ravel().tolist() if value.dtype == object else []
    return list(getattr(value, "__dict__", {}).values())


def replaced(root, found, convert):
    """A deep copy of an object in which the found ones are converted.

    Parameters
    ----------
    root : object
    found : list
        Of ``contained``.
    convert : callable
        Takes one of them, returns its replacement.
    """
    memo = {id(value): convert(value) for value in found}
    # NumPy copies masked arrays of objects, as searches have them, without the memo,
    # and into the original.
    for array in contained(root, (np.ma.MaskedArray,)):
        if array.dtype == object:
            data = copy.deepcopy(array.data, memo)
            memo[id(array)] = np.ma.array(data, mask=np.array(array.mask))
    return copy.deepcopy(root, memo)
