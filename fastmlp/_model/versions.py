"""The version of fastmlp in a pickle, and the warning where it is another one."""

from __future__ import annotations

import warnings
from importlib.metadata import version


class ModelVersionWarning(UserWarning):
    """A model was stored by another version of fastmlp."""

    __module__ = "fastmlp"


def stamped(state):
    """The state of a model for pickle, with the version of fastmlp."""
    return {**state, "_fastmlp_version": version("fastmlp")}


def unstamped(state, name):
    """The state without the stamp; warns if that is of another version.

    Parameters
    ----------
    state : dict
    name : str
        Of the class.

    Returns
    -------
    state : dict
    """
    state = dict(state)
    warn_of_version(state.pop("_fastmlp_version", None), name)
    return state


def warn_of_version(stored, name):
    """Warn if a pickle was written by another version than this one."""
    if stored != version("fastmlp"):
        warnings.warn(
            f"this {name} was pickled by fastmlp {stored or 'of an unknown version'} "
            f"and is loaded by {version('fastmlp')}. A pickle is for the same version "
            "only: its predictions may differ or fail. For other versions use "
            "fastmlp.save_model and load_model.",
            ModelVersionWarning,
            stacklevel=4,
        )
