"""The identity of a fit, by which the checkpoint of another one is refused."""

from __future__ import annotations

import json

import numpy as np

from fastmlp._files.values import encode, to_json
from fastmlp._mlp.planning import averaging_of
from fastmlp._training.checkpoint.file import fingerprint
from fastmlp._utils.numbers import dtype_name

# Parameters that may differ: they do not change the work of an epoch.
_FREE_PARAMETERS = (
    "max_iter",
    "max_fun",
    "verbose",
    "n_threads",
    "warm_start",
    "max_time",
)
# A schedule is planned over max_iter epochs.
_UNPLANNED = ("constant", "invscaling", "adaptive")


def identity_of(estimator, samples, units):
    """Class, parameters, data, precision and sizes of a fit."""
    free = set(_FREE_PARAMETERS)
    if _is_planned(estimator):
        free.remove("max_iter")
    digest = fingerprint(*samples)
    return identity(estimator, free, digest, samples.X.dtype, units)


def identity_of_data(estimator, digest, dtype, units, also_free):
    """The same where only a hash of the data and their precision are known.

    ``also_free`` names further parameters that may differ.
    """
    free = {*_FREE_PARAMETERS, *also_free}
    if _is_planned(estimator):
        free.remove("max_iter")
    return identity(estimator, free, digest, dtype, units)


def identity(estimator, free, digest, dtype, units):
    """The same of any estimator.

    Parameters
    ----------
    estimator : Estimator
    free : collection of str
        Parameters that an epoch does not depend on.
    digest : str
        A hash of the data.
    dtype : dtype
        Their precision.
    units : sequence of int
    """
    return {
        "class": type(estimator).__name__,
        "params": _parameters(estimator, free),
        "data": digest,
        "dtype": str(dtype),
        "units": list(units),
    }


def fingerprint_of_validation(validation):
    """A hash of the validation rows, or None."""
    if validation is None:
        return None
    X, y, weight = validation.samples
    return fingerprint(X if validation.rows is None else validation.rows, y, weight)


def _is_planned(estimator):
    """Whether something goes by the share of ``max_iter`` that is done."""
    schedule, averaging = estimator.learning_rate, averaging_of(estimator)
    return (
        not isinstance(schedule, str)
        or schedule not in _UNPLANNED
        or (averaging is not None and averaging[0] == "swa")
    )


def _parameters(estimator, free):
    """The parameters that an epoch depends on, as JSON holds them."""
    found = {}
    params = estimator.get_params(deep=False)
    params["dtype"] = dtype_name(params["dtype"])
    for name, value in params.items():
        if name in free:
            continue
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, np.random.RandomState):
            value = "a RandomState"  # which has moved on since
        try:
            found[name] = encode(value, name, {})
        except TypeError:  # a function or a splitter
            found[name] = _described(value)
    return json.loads(to_json(found))


def _described(value):
    """A function, a splitter, or a user-defined activation, as a text."""
    if isinstance(value, list | tuple):
        return [_described(entry) for entry in value]
    if value is None or isinstance(value, str | int | float):
        return value
    kind = value if hasattr(value, "__qualname__") else type(value)
    name = getattr(value, "name", None)
    named = f" {name!r}" if isinstance(name, str) else ""
    return f"{kind.__module__}.{kind.__qualname__}{named}"
