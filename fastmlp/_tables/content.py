"""Plain data that may come from a file: their parts and the types of these."""

from __future__ import annotations


def read_content(content, kinds, what):
    """The values of a dict in the order of ``kinds``.

    Parameters
    ----------
    content : object
    kinds : dict of str to type or tuple of type
        The type of each value; a bool is no int.
    what : str
        The thing that the dict describes, for the messages.

    Raises
    ------
    ValueError
        If it is no dict, lacks a value, or has one of another type.
    """
    if not isinstance(content, dict):
        raise ValueError(f"its {what} is no dict.")
    for name, kind in kinds.items():
        if name not in content:
            raise ValueError(f"its {what} has no {name}.")
        value = content[name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(
                f"its {what} has a {name} of the impossible type "
                f"{type(value).__name__}."
            )
    return [content[name] for name in kinds]


def is_count(value):
    """Return whether a value is an int above 0."""
    return type(value) is int and value > 0
