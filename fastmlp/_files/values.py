"""Values of Python and NumPy as JSON and tensors, and back; nothing else passes.

JSON has no tuples, no infinities, no arrays: such a value becomes an object whose first
key begins with "$".  Decoding makes only the types named here, so no code runs.
"""

from __future__ import annotations

import json
import math
from numbers import Integral, Real

import numpy as np

from fastmlp._files.safetensors import tensor_code

_LONG_LIST = 8  # floats from which a list is stored as a tensor
_DEEPEST = 20
_MOST_CHARACTERS = 2**24  # of an array, where each text takes as many as the longest


def encode(value, name, tensors):
    """Turn a value into what JSON can hold; its arrays go into ``tensors``.

    Parameters
    ----------
    value : object
        None, bool, int, float, str; tuple, list or dict (with str keys) of such;
        ndarray of numbers or str; RandomState of the Mersenne Twister.
    name : str
        Of the value, for the tensors and the error.
    tensors : dict of str to ndarray
        Is extended.

    Raises
    ------
    TypeError
        If the value is anything else.
    """
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, np.str_) else value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else {"$float": str(float(value))}
    if isinstance(value, np.ndarray):
        return _encode_array(value, name, tensors)
    if isinstance(value, np.random.RandomState):
        kind, key, *rest = value.get_state()
        tensors[name] = key
        return {"$random_state": [kind, *map(_plain_number, rest)]}
    if isinstance(value, list) and _is_long_list_of_floats(value):
        tensors[name] = np.array(value, dtype=np.float64)
        return {"$floats": len(value)}
    if isinstance(value, list | tuple):
        items = [encode(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {
            "$dict": {k: encode(v, f"{name}.{k}", tensors) for k, v in value.items()}
        }
    if isinstance(value, dict):
        pairs = [[key, item] for key, item in value.items()]
        return {"$pairs": encode(pairs, name, tensors)}
    raise TypeError(
        f"{name} is {value!r} of type {type(value).__name__}, which a model file "
        "cannot hold; it takes numbers, texts, arrays and lists of such."
    )


def _plain_number(value):
    """An int or float of Python."""
    return int(value) if isinstance(value, Integral) else float(value)


def _is_long_list_of_floats(value):
    """Return whether a list is better off as a tensor, like the loss of each epoch."""
    return len(value) >= _LONG_LIST and all(isinstance(item, float) for item in value)


def _encode_array(array, name, tensors):
    """An array as a tensor or, if of texts, in JSON."""
    if tensor_code(array.dtype):
        tensors[name] = array
        return {"$array": None}
    kind = array.dtype.kind
    if kind in "UO" and array.ndim == 1 and all(isinstance(v, str) for v in array):
        return {"$texts": [str(text) for text in array], "kind": kind}
    raise TypeError(
        f"{name} is an array of dtype {array.dtype}, which a model file cannot hold; "
        "it takes integers, float32, float64, bool and str."
    )


def decode(value, name, tensors):
    """Rebuild a value from JSON and tensors, the inverse of ``encode``.

    Raises
    ------
    ValueError
        If it is not what ``encode`` returns.
    """
    return _decode(value, name, tensors, 0)


def _decode(value, name, tensors, depth):
    if depth > _DEEPEST:
        raise ValueError(f"{name} is too nested.")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return _decode_items(value, name, tensors, depth)
    tag = next(iter(value), None)
    content = value.get(tag)
    if tag == "$float" and content in ("inf", "-inf", "nan"):
        return float(content)
    if tag == "$tuple" and isinstance(content, list):
        return tuple(_decode_items(content, name, tensors, depth))
    if tag == "$dict" and isinstance(content, dict):
        return {
            key: _decode(item, f"{name}.{key}", tensors, depth + 1)
            for key, item in content.items()
        }
    if tag == "$pairs" and isinstance(content, list):
        pairs = _decode_items(content, name, tensors, depth)
        if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs) and all(
            isinstance(key, bool | int | float | str | None) for key, _ in pairs
        ):
            return dict(pairs)
    if tag == "$array":
        return _tensor(name, tensors)
    if tag == "$floats":
        return _tensor(name, tensors).ravel().tolist()
    if (
        tag == "$texts"
        and isinstance(content, list)
        and all(isinstance(text, str) for text in content)
    ):
        if value.get("kind") == "O":
            return np.array(content, dtype=object)
        if len(content) * max(map(len, content), default=0) > _MOST_CHARACTERS:
            raise ValueError(f"{name} holds texts that are too long for an array.")
        return np.array(content, dtype="U")
    if tag == "$random_state" and isinstance(content, list):
        return _random_state(content, _tensor(name, tensors), name)
    raise ValueError(f"{name} cannot be read: {str(value)[:80]}")


def _decode_items(items, name, tensors, depth):
    """The values of a list."""
    return [_decode(v, f"{name}.{i}", tensors, depth + 1) for i, v in enumerate(items)]


def _tensor(name, tensors):
    """A tensor that must be there."""
    if name not in tensors:
        raise ValueError(f"the tensor {name!r} is missing.")
    return tensors[name]


def _random_state(rest, key, name):
    """A generator in a stored state."""
    state = np.random.RandomState()
    try:
        kind, position, has_gauss, gauss = rest
        if key.dtype != np.uint32 or key.shape != (624,) or not 0 <= position <= 624:
            raise ValueError("not a state of MT19937")
        if not key[1:].any():
            raise ValueError("it would return zeros for ever")
        state.set_state((kind, key, position, has_gauss, gauss))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} is no state of a generator: {error}") from None
    return state


def to_json(value):
    """Compact JSON of an encoded value."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
