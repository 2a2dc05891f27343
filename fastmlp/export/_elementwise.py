"""The functions of numbers by which ONNX and Keras spell activations, in NumPy."""

from __future__ import annotations

from functools import reduce

import numpy as np
from scipy.special import erf
from scipy.special import expit as sigmoid


def leaky_relu(z, slope):
    """z, times the slope where it is negative."""
    return np.where(z < 0, slope * z, z)


def exponential_unit(z, alpha, gamma=1.0):
    """Elu, or selu with gamma."""
    return gamma * np.where(z > 0, z, alpha * np.expm1(z))


def _softplus(z):
    """Softplus: log(1 + exp(z))."""
    return np.logaddexp(0, z)


def _gelu(z, approximate):
    """Gelu, with erf or with tanh."""
    if approximate == b"tanh":
        return z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    return z / 2 * (1 + erf(z / np.sqrt(2)))


_SIMPLE = {
    "Abs": np.abs,
    "Add": np.add,
    "And": np.logical_and,
    "Div": np.divide,
    "Equal": np.equal,
    "Erf": erf,
    "Exp": np.exp,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Log": np.log,
    "Max": lambda *args: reduce(np.maximum, args),
    "Min": lambda *args: reduce(np.minimum, args),
    "Mish": lambda z: z * np.tanh(_softplus(z)),
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "PRelu": leaky_relu,
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "Relu": lambda z: np.maximum(z, 0),
    "Sigmoid": sigmoid,
    "Softplus": _softplus,
    "Softsign": lambda z: z / (1 + np.abs(z)),
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Sum": lambda *args: reduce(np.add, args),
    "Tanh": np.tanh,
    "Where": np.where,
}


# Functions with attributes, and the defaults of these.
_WITH_ATTRIBUTES = {
    "Celu": (
        lambda z, alpha: np.where(z > 0, z, alpha * np.expm1(z / alpha)),
        {"alpha": 1.0},
    ),
    "Elu": (exponential_unit, {"alpha": 1.0}),
    "Gelu": (_gelu, {"approximate": b"none"}),
    "HardSigmoid": (
        lambda z, alpha, beta: np.clip(alpha * z + beta, 0, 1),
        {"alpha": 0.2, "beta": 0.5},
    ),
    "LeakyRelu": (lambda z, alpha: leaky_relu(z, alpha), {"alpha": 0.01}),
    "Selu": (
        exponential_unit,
        {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
    ),
    "Swish": (lambda z, alpha: z * sigmoid(alpha * z), {"alpha": 1.0}),
    "ThresholdedRelu": (lambda z, alpha: np.where(z > alpha, z, 0), {"alpha": 1.0}),
}


def function_of(kind, given):
    """The function of numbers of an operator of ONNX, or None.

    Parameters
    ----------
    kind : str
        Name of the operator.
    given : dict
        Attributes of the node.
    """
    if kind in _WITH_ATTRIBUTES:
        function, defaults = _WITH_ATTRIBUTES[kind]
        values = {name: given.get(name, defaults[name]) for name in defaults}
        return lambda z: function(z, **values)
    return _SIMPLE.get(kind)
