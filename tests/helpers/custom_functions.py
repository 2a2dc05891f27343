"""Activations and losses of a user, and the data to fit them to."""

import ctypes

import numpy as np
import pytest
from scipy.special import expit

from fastmlp import Activation, Loss
from fastmlp._core import testing

TESTING = "fastmlp._core.testing"
SQUARE = ((TESTING, "square_f32"), (TESTING, "square_f64"))
D_SQUARE = ((TESTING, "d_square_f32"), (TESTING, "d_square_f64"))
X = np.random.RandomState(0).normal(size=(300, 6))
T = np.tanh(X[:, 0]) + 0.1 * X[:, 1]
Y = (X[:, :3].argmax(axis=1) + (X[:, 4] > 1)) % 3
PARAMS = {"random_state": 0, "max_iter": 4, "tol": 0.0, "batch_size": 50}


def relu(z, out):
    np.maximum(z, 0, out=out)


def d_relu(z, a, out):
    np.greater(a, 0, out=out)


def swish(z):
    return z * expit(z)


def d_swish(z):
    return expit(z) * (1 + z * expit(-z))


def squared(y, a):
    return (a - y) ** 2 / 2


def d_squared(y, a):
    return a - y


RELU = Activation(relu, d_relu, name="relu by hand")
COMPILED_RELU = Activation(
    ((TESTING, "relu_f32"), (TESTING, "relu_f64")),
    ((TESTING, "d_relu_f32"), (TESTING, "d_relu_f64")),
    name="compiled relu",
)
SWISH = Activation(swish, d_swish, wrt="input")
SQUARED = Loss(squared, d_squared)


def address(name):
    """The address of a function that the testing module exports."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = testing.__pyx_capi__[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return get(capsule, get_name(capsule))


REAL = ctypes.POINTER(ctypes.c_double)
END = (ctypes.c_ssize_t, ctypes.c_void_p)


def by_ctypes():
    unary, binary = (ctypes.CFUNCTYPE(None, *[REAL] * n, *END) for n in (2, 3))
    return unary(address("square_f64")), binary(address("d_square_f64"))


def broken_off(model, y, path):
    """Fit until the third epoch, at the end of which the hook fails."""

    def hook(record):
        if record.epoch == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.fit(X, y, checkpoint=path, checkpoint_every=1, callback=hook)
