"""Misspelt names: the nearest one that there is."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Method = TypeVar("Method", bound="Callable[..., Any]")


def did_you_mean(name, known):
    """A sentence with the nearest of the known names, empty where none is near."""
    lowered = {other.lower(): other for other in known}
    near = get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.6)
    return f" Did you mean {lowered[near[0]]!r}?" if near else ""


def suggests_keywords(method: Method) -> Method:
    """Let a function or method name the nearest keyword if one is unknown.

    The TypeError of Python says only that there is no such keyword.
    """
    parameters = [
        name for name in inspect.signature(method).parameters if name != "self"
    ]
    known = frozenset(parameters)

    @wraps(method)
    def checked(*args, **kwargs):
        if not known.issuperset(kwargs):
            name = next(name for name in kwargs if name not in known)
            raise TypeError(
                f"{method.__qualname__}() got an unexpected keyword argument {name!r}."
                + did_you_mean(name, parameters)
            )
        return method(*args, **kwargs)

    return checked  # type: ignore[return-value]
