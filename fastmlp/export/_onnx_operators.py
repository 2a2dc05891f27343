"""The operators of ONNX that an MLP has, on signals and on constants.

``apply`` gives the value of a node: a `Signal` if its inputs come from the rows, an
array if they are constants. Functions of numbers are plain NumPy for both.
"""

from __future__ import annotations

import math

import numpy as np

from fastmlp.export._elementwise import function_of
from fastmlp.export._onnx_file import array_of, attributes, kind_of
from fastmlp.export._signal import ANY, RefusedError, Signal, elementwise

ROWS = -(2**40)  # stands for the number of rows in shapes that a graph computes
# Types of TensorProto; constants of bfloat16 are kept in float32.
_FLOATS = {1: np.float32, 10: np.float16, 11: np.float64, 16: np.float32}
_INTEGERS = {6: np.int64, 7: np.int64}


def apply(node, args, opset, folder):
    """The value of the first output of a node.

    Parameters
    ----------
    node : onnx.NodeProto
    args : list of Signal, ndarray or None
        None for an optional input that is left out.
    opset : int
    folder : Path or None
        Where weights in another file may be.

    Raises
    ------
    RefusedError, ValueError
        If no MLP has such a node.
    """
    kind, given = kind_of(node), attributes(node)
    if kind == "Constant":
        return _constant(given, folder)
    while args and args[-1] is None:
        args = args[:-1]
    function = function_of(kind, given)
    if not any(isinstance(arg, Signal) for arg in args):
        return _folded(kind, function, given, args)
    if function is not None:
        return _of_numbers(kind, function, _present(args))
    if kind not in _OPERATORS:
        raise RefusedError("an MLP has no such operator")
    if not isinstance(args[0], Signal):
        raise RefusedError("the rows must be its first input")
    return _OPERATORS[kind](given, opset, *args)


def _present(args):
    """Inputs, of which none may be left out."""
    if not args or any(arg is None for arg in args):
        raise RefusedError("an input is missing")
    return args


def _constant(given, folder):
    """The array of a Constant."""
    for name, value in given.items():
        if name == "value":
            return array_of(value, folder)
        if name in ("value_float", "value_floats"):
            return np.array(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.array(value, np.int64)
    raise RefusedError("its value is no array of numbers")


# Of numbers


def _of_numbers(kind, function, args):
    """A function of a signal and constants, as a map of the columns if it is one."""
    signals = [arg for arg in args if isinstance(arg, Signal)]
    args = [
        arg if isinstance(arg, Signal) else signals[0].by_column(arg) for arg in args
    ]
    if len(args) == 2 and len(signals) == 1 and not signals[0].is_comparison:
        signal, number = args if args[0] is signals[0] else args[::-1]
        is_first = args[0] is signal
        made = None
        if kind in ("Add", "Sum"):
            made = (1.0, number)
        elif kind == "Mul":
            made = (number, 0.0)
        elif kind == "Sub":
            made = (1.0, -number) if is_first else (-1.0, number)
        elif kind == "Div" and is_first:
            with np.errstate(divide="ignore"):
                made = (1 / number, 0.0)
        if made is not None:
            return _scaled(signal, *made)
    if kind == "Neg":
        return _scaled(signals[0], -1.0, 0.0)
    return elementwise(function, args)


def _scaled(signal, scale, shift):
    """Map z to scale * z + shift; a vector tells the number of columns."""
    vectors = [v for v in (scale, shift) if np.ndim(v)]
    if signal.shape is ANY and vectors:
        signal = signal.reshaped((len(vectors[0]),))
    return signal.affine(scale, shift)


# Constants


def _folded(kind, function, given, args):
    """A constant made of others."""
    if not args or args[0] is None:
        raise RefusedError("an MLP has no such operator")
    if kind in _REARRANGED:
        return _REARRANGED[kind](given, *args)
    if kind == "Cast":
        return args[0].astype((_FLOATS | _INTEGERS)[given["to"]])
    if function is None:
        raise RefusedError("an MLP has no such operator for constants")
    _present(args)
    shape = np.broadcast_shapes(*[arg.shape for arg in args])
    if math.prod(shape) > max(arg.size for arg in args):
        raise RefusedError("it makes a large constant of small ones")
    if any(arg.dtype.kind not in "fiub" for arg in args):
        raise RefusedError("its constants are no numbers")
    with np.errstate(all="ignore"):
        return np.asarray(function(*args))


def _axes(given, args, array):
    """The axes of Squeeze and Unsqueeze: an input from opset 13 on."""
    axes = given.get("axes") if not args or args[0] is None else args[0].ravel()
    return None if axes is None else tuple(int(a) for a in axes)


def _gathered(given, data, indices):
    """Entries of a vector, such as of a shape."""
    if data.ndim != 1 or given.get("axis", 0) != 0:
        raise RefusedError("it takes constants out of more than a vector")
    return data[indices.astype(np.int64)]


def _concatenated(given, *args):
    """Constants one behind the other."""
    return np.concatenate(_present(args), axis=given["axis"])


_REARRANGED = {
    "Concat": _concatenated,
    "Flatten": lambda given, x: x.reshape(
        math.prod(x.shape[: given.get("axis", 1)]), -1
    ),
    "Gather": _gathered,
    "Identity": lambda given, x: x,
    "Reshape": lambda given, x, shape: x.reshape(
        [x.shape[i] if n == 0 else n for i, n in enumerate(shape.tolist())]
    ),
    "Squeeze": lambda given, x, *axes: np.squeeze(x, _axes(given, axes, x)),
    "Transpose": lambda given, x: np.transpose(x, given.get("perm")),
    "Unsqueeze": lambda given, x, *axes: np.expand_dims(x, _axes(given, axes, x)),
}


# Rows


def _weights(array, what, ndim):
    """Weights, checked."""
    if not isinstance(array, np.ndarray):
        raise RefusedError(f"its {what} are no constants")
    if array.dtype.kind != "f" or array.ndim != ndim or array.size == 0:
        raise RefusedError(
            f"its {what} of shape {array.shape} and dtype {array.dtype} are no "
            f"{'matrix' if ndim == 2 else 'vector'} of floats"
        )
    if not np.isfinite(array).all():
        raise RefusedError(f"its {what} must be finite")
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _gemm(given, _, x, b, c=None):
    """Gemm: alpha x b + beta c."""
    coef = _weights(b, "weights", 2)
    coef = coef.T if given.get("transB") else coef
    if given.get("transA"):
        raise RefusedError("it transposes the rows")
    n_units = coef.shape[1]
    intercept = np.zeros(n_units, coef.dtype)
    if c is not None:
        if not isinstance(c, np.ndarray) or c.dtype.kind != "f":
            raise RefusedError("its third input is no constant")
        intercept = np.broadcast_to(Signal((n_units,)).by_column(c), (n_units,))
    alpha, beta = given.get("alpha", 1.0), given.get("beta", 1.0)
    if not np.isfinite([alpha, beta, *intercept]).all():
        raise RefusedError("its constants must be finite")
    dtype = coef.dtype
    return x.dense((alpha * coef).astype(dtype), beta * intercept)


def _matmul(_given, _, x, b):
    """MatMul: x b."""
    coef = _weights(b, "weights", 2)
    return x.dense(coef, np.zeros(coef.shape[1], coef.dtype))


def _batch_normalization(given, opset, x, *args):
    """BatchNormalization in inference: a map of the columns."""
    if given.get("training_mode"):
        raise RefusedError(
            "it is in training mode; export the model in evaluation mode"
        )
    if len(args) != 4:
        raise RefusedError("it needs five inputs")
    if x.shape is not ANY and len(x.shape) != 1:
        raise RefusedError("it takes a matrix of rows")
    gamma, beta, mean, variance = (
        _weights(array, "statistics", 1).astype(np.float64) for array in args
    )
    sizes = {len(array) for array in (gamma, beta, mean, variance)}
    if len(sizes) > 1 or x.shape not in (ANY, (len(gamma),)):
        raise RefusedError(f"its statistics of the sizes {sorted(sizes)} do not fit")
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + given.get("epsilon", 1e-5))
    return _scaled(x, scale, beta - mean * scale)


def _scaler(given, _, x):
    """Scaler of ai.onnx.ml: (x - offset) * scale."""
    offset = x.by_column(np.array(given.get("offset", [0.0]), np.float64))
    scale = x.by_column(np.array(given.get("scale", [1.0]), np.float64))
    return _scaled(x, scale, -offset * scale)


def _cast(given, _, x):
    """Cast between floats; the truth becomes 0 and 1."""
    if given.get("to") not in _FLOATS:
        raise RefusedError("it rounds to another type than floats")
    return elementwise(lambda z: z.astype(float), [x]) if x.is_comparison else x


def _clip(given, _, x, low=None, high=None):
    """Clip, whose bounds are inputs from opset 11 on."""
    low = given.get("min", -np.inf) if low is None else low
    high = given.get("max", np.inf) if high is None else high
    bounds = []
    for bound in (low, high):
        if np.size(bound) != 1 or isinstance(bound, Signal):
            raise RefusedError("its bounds are no numbers")
        bounds.append(float(np.ravel(bound)[0]))
    return elementwise(lambda z, a, b: np.minimum(np.maximum(z, a), b), [x, *bounds])


def _dropout(_given, _, x, ratio=None, training=None):
    """Dropout, the identity in inference."""
    if training is not None and np.any(training):
        raise RefusedError(
            "it is in training mode; export the model in evaluation mode"
        )
    return x


def _softmax(given, opset, x):
    """Softmax and LogSoftmax over the columns."""
    axis = given.get("axis", 1 if opset < 13 else -1)
    if axis not in (1, -1):
        raise RefusedError(f"it is over axis {axis}, not over the columns")
    return x.softmax()


def _concat(given, _, *args):
    """Concat of 1 - p and p."""
    if len(args) != 2 or not all(isinstance(arg, Signal) for arg in args):
        raise RefusedError("it joins columns; only 1 - p and p can be joined")
    if given.get("axis") not in (1, -1):
        raise RefusedError("it joins rows")
    return args[1].with_rest(args[0])


def _shape(given, _, x):
    """The shape of the rows, in which the number of rows is ROWS."""
    if x.shape is ANY:
        raise RefusedError("the shape of the input is not declared")
    shape = np.array([ROWS, *x.shape], np.int64)
    return shape[given.get("start", 0) : given.get("end")]


def _flatten(given, _, x):
    """Flatten of all axes but that of the rows."""
    if x.shape is ANY:
        return x
    if given.get("axis", 1) not in (1, -len(x.shape)):
        raise RefusedError("it joins rows")
    return x.reshaped((math.prod(x.shape),))


def _reshape(given, _, x, shape):
    """Reshape that leaves each row its numbers: to a matrix, or of one column."""
    if not isinstance(shape, np.ndarray) or shape.dtype.kind != "i" or shape.ndim != 1:
        raise RefusedError("its shape is no constant vector of integers")
    wanted = shape.tolist()
    if len(wanted) not in (1, 2) or (x.shape is ANY and min(wanted[1:], default=0) < 1):
        raise RefusedError(f"it makes the shape {wanted[:9]}")
    rows, columns = [*wanted, 1][:2]
    n_columns = columns if x.shape is ANY else math.prod(x.shape)
    if not given.get("allowzero"):  # zeros are the axes as they were
        rows = ROWS if rows == 0 else rows
        columns = n_columns if columns == 0 and len(x.shape) == 1 else columns
    if columns == -1:
        keeps = rows in (ROWS, x.n_rows)
    else:
        keeps = columns == n_columns and (rows in (-1, ROWS) or rows > 0)
    if not keeps:
        raise RefusedError(f"it makes the shape {wanted}, which does not keep the rows")
    return x.reshaped((n_columns,) if len(wanted) == 2 else ())


def _squeeze(given, _, x, *axes):
    """Squeeze of the only column."""
    taken = _axes(given, axes, x)
    if x.shape != (1,) or taken not in (None, (1,), (-1,)):
        raise RefusedError("it takes away another axis than that of one column")
    return x.reshaped(())


def _unsqueeze(given, _, x, *axes):
    """Unsqueeze to one column."""
    if x.shape != () or _axes(given, axes, x) not in ((1,), (-1,)):
        raise RefusedError("it adds another axis than that of one column")
    return x.reshaped((1,))


def _transpose(given, _, x):
    """Transpose that leaves the axes in their order."""
    perm = given.get("perm")
    if x.shape is ANY or perm is None or list(perm) != list(range(1 + len(x.shape))):
        raise RefusedError("it transposes the rows")
    return x


_OPERATORS = {
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "Identity": lambda given, opset, x: x,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Reshape": _reshape,
    "Scaler": _scaler,
    "Shape": _shape,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
