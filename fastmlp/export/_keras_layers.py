"""The layers of Keras 3 that an MLP has, on signals."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from fastmlp.export._elementwise import exponential_unit, leaky_relu
from fastmlp.export._recognition import evaluated
from fastmlp.export._signal import RefusedError, elementwise

# The function of keras.activations for each activation and output activation.
FUNCTIONS = {
    "identity": "linear",
    "logistic": "sigmoid",
    "exp": "exponential",
    **{
        name: name
        for name in (
            *("tanh", "relu", "softplus", "selu", "softsign", "hard_sigmoid"),
            *("gelu", "silu", "mish", "softmax"),
        )
    },
}
# Functions that have a parameter, with that by which keras.activations calls them.
_WITH_PARAMETER = {"leaky_relu": 0.2, "elu": 1.0}
# Layers that are the identity once training is over.
_PASSED = (
    *("Dropout", "InputLayer", "Identity", "ActivityRegularization", "GaussianNoise"),
    *("GaussianDropout", "AlphaDropout"),
)


def applied(keras, layer, signal):
    """The signal behind a layer."""
    kind = known_kind(keras, layer)
    return signal if kind in _PASSED else _LAYERS[kind](keras, layer, signal)


def described(layer):
    """A layer in a message."""
    return f"the layer {layer.name!r} ({type(layer).__name__})"


def known_kind(keras, layer):
    """The name of the class of a layer, if it is that of keras.layers."""
    kind = type(layer).__name__
    known = (*_LAYERS, *_PASSED)
    if kind not in known or type(layer) is not getattr(keras.layers, kind, None):
        raise TypeError(
            f"{described(layer)} is not of a kind that an MLP has; these are the "
            f"layers of keras.layers that from_keras takes: {', '.join(known)}."
        )
    return kind


def _array(keras, value):
    """A weight as an array; of float64, or else of float32."""
    array = np.asarray(keras.ops.convert_to_numpy(value))
    return array if array.dtype == np.float64 else array.astype(np.float32)


def _dense(keras, layer, signal):
    """Dense with its activation."""
    weights = layer.get_weights()
    if len(weights) != 1 + bool(layer.use_bias) or weights[0].ndim != 2:
        raise RefusedError(
            "its weights are not a kernel and a bias; it is not built, or quantized, "
            "or has LoRA"
        )
    kernel, *bias = (_array(keras, w) for w in weights)
    if not all(np.isfinite(w).all() for w in (kernel, *bias)):
        raise RefusedError("its weights must be finite")
    bias = bias[0] if bias else np.zeros(kernel.shape[1], kernel.dtype)
    return _activation(keras, layer, signal.dense(kernel, bias))


def _activation(keras, layer, signal):
    """The function or layer that a layer has as its activation."""
    function = layer.activation
    if isinstance(function, keras.Layer):
        return applied(keras, function, signal)
    names = {getattr(keras.activations, FUNCTIONS[name]): name for name in FUNCTIONS}
    names |= {getattr(keras.activations, name): name for name in _WITH_PARAMETER}
    names[keras.activations.log_softmax] = "softmax"
    name = names.get(function)
    if name is None:
        raise RefusedError(
            f"its activation {getattr(function, '__name__', function)!r} is none of "
            f"{', '.join(f.__name__ for f in names)}"
        )
    if name == "identity":
        return signal
    if name == "softmax":
        return signal.softmax()
    parameter = _WITH_PARAMETER.get(name, 0.0)
    return elementwise(partial(evaluated, name, parameter), [signal])


def _relu(_, layer, signal):
    """ReLU with its options."""
    high, slope, limit = layer.max_value, layer.negative_slope, layer.threshold

    def function(z):
        low = np.where(z >= limit, z, (slope or 0.0) * (z - limit))
        return low if high is None else np.minimum(low, high)

    return elementwise(function, [signal])


def _prelu(keras, layer, signal):
    """PReLU with the same slope for all columns."""
    slope = signal.by_column(_array(keras, layer.alpha))
    return elementwise(leaky_relu, [signal, slope])


def _softmax(_, layer, signal):
    """Softmax over the columns."""
    if layer.axis not in (1, -1):
        raise RefusedError(f"it is over axis {layer.axis}, not over the columns")
    return signal.softmax()


def _normalization(keras, layer, signal):
    """Normalization, or its inverse."""
    mean, variance = (
        np.float64(signal.by_column(_array(keras, value)))
        for value in (layer.mean, layer.variance)
    )
    scale = np.maximum(np.sqrt(variance), keras.config.epsilon())
    if layer.invert:
        return signal.affine(scale, mean)
    return signal.affine(1 / scale, -mean / scale)


def _rescaling(_, layer, signal):
    """Rescaling by numbers or one for each column."""
    scale, offset = (
        signal.by_column(np.asarray(value, np.float64))
        for value in (layer.scale, layer.offset)
    )
    return signal.affine(scale, offset)


def _batch_normalization(keras, layer, signal):
    """BatchNormalization in inference."""
    if layer.axis not in (-1, len(signal.shape)) or not layer.built:
        raise RefusedError("it is not built, or not over the columns")
    n_columns = signal.shape[-1:]
    mean = _array(keras, layer.moving_mean).astype(np.float64)
    variance = _array(keras, layer.moving_variance).astype(np.float64)
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * _array(keras, layer.gamma)
    shift = -mean * scale
    if layer.center:
        shift = shift + _array(keras, layer.beta)
    if n_columns != scale.shape or len(signal.shape) != 1:
        raise RefusedError("it is before the rows are flattened")
    return signal.affine(scale, shift)


def _flatten(_, layer, signal):
    """Flatten to a matrix."""
    if layer.data_format != "channels_last" and len(signal.shape) > 1:
        raise RefusedError("it moves an axis, since its data_format is channels_first")
    return signal.reshaped((math.prod(signal.shape),))


def _reshape(_, layer, signal):
    """Reshape of each row."""
    return signal.reshaped(tuple(layer.output.shape[1:]))


_LAYERS = {
    "Dense": _dense,
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": lambda _, layer, signal: elementwise(
        leaky_relu, [signal, float(layer.negative_slope)]
    ),
    "ELU": lambda _, layer, signal: elementwise(
        exponential_unit, [signal, float(layer.alpha)]
    ),
    "PReLU": _prelu,
    "Softmax": _softmax,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "BatchNormalization": _batch_normalization,
    "Flatten": _flatten,
    "Reshape": _reshape,
}
