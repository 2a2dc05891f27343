"""The activations of the hidden layers that the parameter ``activation`` gives."""

from __future__ import annotations

from numbers import Real

import numpy as np

from fastmlp._core.kernels import activation_names
from fastmlp._functions.activations import as_activation, registered_activations
from fastmlp._mlp.constraints import InvalidParameterError, interval, invalid, one_of
from fastmlp._utils.spelling import did_you_mean

# Parameter of each activation that has one: its name and default.
ACTIVATION_PARAMETERS = {"leaky_relu": ("slope", 0.01), "elu": ("alpha", 1.0)}


def layer_activations(estimator, n_hidden):
    """Resolve ``activation`` to name and parameter for each hidden layer.

    A user-defined one is an Activation in place of the name.
    """
    value = estimator.activation
    if not isinstance(value, list):
        return [_activation(estimator, value)] * n_hidden
    if len(value) != n_hidden:
        raise InvalidParameterError(
            f"The 'activation' parameter of {type(estimator).__name__} must be one "
            "activation or a list with one per hidden layer: there are "
            f"{n_hidden} hidden layers, but the list holds {len(value)}: {value!r}."
        )
    return [
        _activation(estimator, entry, f" for hidden layer {i}")
        for i, entry in enumerate(value)
    ]


def initial_activations(estimator, activations):
    """The name of the activation by which each layer draws its initial weights.

    It is that of the layer itself, for the output layer that of the last hidden layer.
    """
    if not activations:
        if isinstance(estimator.activation, list):
            return ["identity"]
        return [_activation(estimator, estimator.activation)[0]]
    names = [name for name, _ in activations]
    return [*names, names[-1]]


def named_activations(estimator):
    """The user-defined activations that ``activation`` gives by name, by that name.

    A fit keeps them in ``_named_activations``, where they go before what is registered.
    """
    value = estimator.activation
    found = {}
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, str) and entry not in activation_names:
            found[entry] = _activation(estimator, entry)[0]
    return found


def _activation(estimator, value, where=""):
    """Resolve one activation to a name and its parameter."""
    held = vars(estimator).get("_named_activations", {})
    found = resolved(value, held)
    if found is not None:
        return found
    pairs = " or ".join(
        f"({name!r}, {parameter})"
        for name, (parameter, _) in ACTIVATION_PARAMETERS.items()
    )
    names = one_of([*activation_names, *registered_activations()])
    text = (
        f"{names.text}, a pair {pairs} "
        "with a finite parameter > 0, a fastmlp.Activation or a pair of functions "
        "(forward, derivative), or a list with one of them per hidden layer"
    )
    hint = f" The wrong one is {value!r}{where}." if where else ""
    if isinstance(value, tuple) and value and isinstance(value[0], str):
        hint += did_you_mean(value[0], set(ACTIVATION_PARAMETERS) - {value[0]})
    if isinstance(value, str):
        hint += did_you_mean(value, names.names)
        hint += (
            " A name of your own is made known, in each process, by "
            f"fastmlp.register_activation({value!r}, ...)."
        )
    raise invalid(estimator, "activation", text, hint)


def resolved(value, held):
    """One activation as a name and its parameter, or None; held: those of the fit."""
    name, parameter = value, None
    if isinstance(value, tuple) and len(value) == 2:
        name, parameter = value
    known = isinstance(name, str) and name in activation_names
    if known and parameter is None and not isinstance(value, tuple):
        return name, ACTIVATION_PARAMETERS.get(name, (None, 0.0))[1]
    if not known:
        own = (isinstance(value, str) and held.get(value)) or as_activation(value)
        return None if own is None else (own, 0.0)
    if name in ACTIVATION_PARAMETERS:
        tiny = float(np.finfo(np.float32).tiny)
        if interval(Real, tiny, np.inf, "[)").accepts(parameter):
            return name, float(parameter)
    return None
