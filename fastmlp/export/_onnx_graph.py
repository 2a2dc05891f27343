"""The nodes of an ONNX graph for the layers of a network.

The operators are those of opset 13 [1]_, which every runtime of the last years knows.
Where a runtime lacks an operator for float64, the graph is composed of simpler ones.

References
----------
.. [1] https://onnx.ai/onnx/operators
"""

from __future__ import annotations

import numpy as np

from fastmlp.export._source import check_precision

OPSET = 13


def needs_onnx(name="onnx"):
    """Import a package of the extra, or name the remedy."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'ONNX needs the package {name}: pip install "fastmlp[onnx]"'
        ) from error


def n_probabilities(model):
    """Columns of predict_proba."""
    return len(model.classes) if model.is_binary else model.units[-1]


def has_texts(model):
    """Return whether the classes are texts."""
    return model.classes.dtype.kind in "UO"


def class_array(model):
    """The classes in a dtype that ONNX has: int64, uint64, float64 or texts."""
    classes = model.classes
    if classes.dtype.kind in "iub":
        is_beyond = classes.dtype == np.uint64 and classes.max() >= 2**63
        return classes.astype(np.uint64 if is_beyond else np.int64)
    if classes.dtype.kind == "f":
        return classes.astype(np.float64)
    if has_texts(model) and all(isinstance(name, str) for name in classes):
        return classes.astype(object)
    raise ValueError(
        f"classes of dtype {classes.dtype} cannot be exported to ONNX; integers, "
        "bools, floats and texts can."
    )


def label_type(graph, model):
    """The element type of labels."""
    if has_texts(model):
        return graph.onnx.TensorProto.STRING
    return graph.onnx.helper.np_dtype_to_tensor_dtype(class_array(model).dtype)


def add_network(graph, model, x, outputs, dtype, flat=True):
    """Add the nodes of a model.

    Parameters
    ----------
    graph : object
        With ``node``, ``constant`` and ``opset`` of ``_Helper``.
    model : Snapshot
    x : str
        Name of the input.
    outputs : list of str
        Names of label and probabilities, or of the prediction.
    dtype : dtype
    flat : bool
        Whether a single value of each row loses its axis.
    """
    check_precision(model.coefs + model.intercepts, np.dtype(dtype))
    last = len(model.coefs) - 1
    for i, (w, b) in enumerate(zip(model.coefs, model.intercepts)):
        weights = [graph.constant(np.asarray(array, dtype)) for array in (w, b)]
        x = graph.node("Gemm", [x, *weights])
        if i < last:
            x = activation(graph, *model.activations[i], x, dtype)
    if not model.is_classifier:
        kind = "Exp" if model.output_activation == "exp" else "Identity"
        if not flat or model.units[-1] > 1:
            graph.node(kind, [x], outputs[0])
            return
        squeeze(graph, graph.node(kind, [x]), outputs[0])
    elif model.output_activation == "softmax":
        p = graph.node("Softmax", [x], outputs[1], axis=1)
        add_label(graph, model, p, outputs[0])
    elif model.is_binary:
        _add_binary(graph, model, graph.node("Sigmoid", [x]), outputs, dtype)
    else:
        p = graph.node("Sigmoid", [x], outputs[1])
        add_indicators(graph, p, outputs[0], dtype)


def squeeze(graph, x, output=None):
    """Take the second axis away, which is an input of the node from opset 13 on."""
    if graph.opset < 13:
        return graph.node("Squeeze", [x], output, axes=[1])
    axis = graph.constant(np.array([1], np.int64))
    return graph.node("Squeeze", [x, axis], output)


def _is_likely(graph, p, dtype):
    """Return whether p > 1/2."""
    return graph.node("Greater", [p, graph.constant(np.array(0.5, dtype))])


def add_label(graph, model, p, output):
    """The label of the largest of the probabilities of all classes."""
    code = graph.node("ArgMax", [p], axis=1, keepdims=0)
    graph.node("Gather", [graph.constant(class_array(model)), code], output)


def add_indicators(graph, p, output, dtype):
    """1 for each label whose probability is above 1/2, else 0."""
    graph.node("Cast", [_is_likely(graph, p, dtype)], output, to=7)  # int64


def add_only_class(graph, model, column, outputs, dtype):
    """The label and the probability 1 of the only class, from any column (n, 1)."""
    zero = graph.node("Sub", [column, column])
    one = graph.constant(np.array(1, dtype))
    add_label(graph, model, graph.node("Add", [zero, one], outputs[1]), outputs[0])


def _add_binary(graph, model, p, outputs, dtype):
    """Label and both probabilities from that of the second class."""
    if len(model.classes) == 1:
        add_only_class(graph, model, p, outputs, dtype)
        return
    one = graph.constant(np.array(1, dtype))
    graph.node("Concat", [graph.node("Sub", [one, p]), p], outputs[1], axis=1)
    code = graph.node("Cast", [squeeze(graph, _is_likely(graph, p, dtype))], to=7)
    graph.node("Gather", [graph.constant(class_array(model)), code], outputs[0])


def activation(graph, name, parameter, z, dtype):
    """A hidden activation; returns the name of its output."""
    simple = {"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}
    if name == "identity":
        return z
    if name in simple:
        return graph.node(simple[name], [z])

    def number(value):
        return graph.constant(np.array(value, dtype))

    if name == "leaky_relu":
        is_negative = graph.node("Less", [z, number(0)])
        scaled = graph.node("Mul", [z, number(parameter)])
        return graph.node("Where", [is_negative, scaled, z])
    if name == "softplus":  # max(z, 0) + log(1 + exp(-|z|))
        small = graph.node("Exp", [graph.node("Neg", [graph.node("Abs", [z])])])
        log = graph.node("Log", [graph.node("Add", [small, number(1)])])
        return graph.node("Add", [graph.node("Relu", [z]), log])
    own = getattr(name, "onnx", None)
    if own is not None:
        return own(graph, z, dtype)
    if name == "gelu" and dtype == np.float64:
        return _gelu_by_mills(graph, z, number)
    if name not in _COMPOSED:
        raise ValueError(
            f"the activation {name!r} has no export to ONNX; one of your own needs "
            "onnx, a function that adds nodes."
        )
    return _COMPOSED[name](graph, z, number, parameter)


def _exponential_unit(graph, z, number, alpha, scale=1.0):
    """Elu or selu: scale z for z > 0, else scale alpha (exp(z) - 1)."""
    low = graph.node("Exp", [graph.node("Min", [z, number(0)])])
    low = graph.node(
        "Mul", [graph.node("Sub", [low, number(1)]), number(scale * alpha)]
    )
    high = graph.node("Mul", [graph.node("Relu", [z]), number(scale)])
    return graph.node("Add", [high, low])


# Coefficients, the highest power first, of what exp(-t^2 / 2) / (1 - Phi(t)) has beside
# its asymptote sqrt(2 pi) t: those of src_c/vecmath.inl.h.
_MILLS_ABOVE = (
    1.40006257967381e-06,
    4.22613466967232e-05,
    0.0006259769952431853,
    0.00590543178270828,
    0.038903925060363616,
    0.1854127822952976,
    0.6410944066410051,
    1.5625240780678389,
    2.4719877243051998,
    2.0,
)
_MILLS_BELOW = (
    5.585441582776581e-07,
    1.6859838016569738e-05,
    0.00025084577894216953,
    0.002389646062584743,
    0.016016527988165535,
    0.07857965796083072,
    0.2853262715788009,
    0.757856877403991,
    1.414966527041198,
    1.6914234386652347,
    1.0,
)


def _polynomial(graph, t, number, coefficients):
    """A polynomial of t by Horner's rule."""
    value = graph.node("Mul", [t, number(coefficients[0])])
    for c in coefficients[1:-1]:
        value = graph.node("Mul", [graph.node("Add", [value, number(c)]), t])
    return graph.node("Add", [value, number(coefficients[-1])])


def _gelu_by_mills(graph, z, number):
    """Gelu without Erf, which onnxruntime lacks for float64.

    It is max(z, 0) - t (1 - Phi(t)) with t = |z|.
    """
    t = graph.node("Abs", [z])
    above = _polynomial(graph, t, number, _MILLS_ABOVE)
    rest = graph.node("Div", [above, _polynomial(graph, t, number, _MILLS_BELOW)])
    asymptote = graph.node("Mul", [t, number(np.sqrt(2 * np.pi))])
    half = graph.node("Mul", [graph.node("Mul", [t, t]), number(-0.5)])
    tail = graph.node("Mul", [t, graph.node("Exp", [half])])
    tail = graph.node("Div", [tail, graph.node("Add", [asymptote, rest])])
    return graph.node("Sub", [graph.node("Relu", [z]), tail])


def _gelu(graph, z, number, _):
    """Gelu: z (1 + erf(z / sqrt(2))) / 2."""
    erf = graph.node("Erf", [graph.node("Mul", [z, number(0.5**0.5)])])
    half = graph.node("Mul", [z, number(0.5)])
    return graph.node("Mul", [half, graph.node("Add", [erf, number(1)])])


def _mish(graph, z, number, _):
    """Mish: z tanh(log(1 + exp(z)))."""
    small = graph.node("Exp", [graph.node("Neg", [graph.node("Abs", [z])])])
    log = graph.node("Log", [graph.node("Add", [small, number(1)])])
    softplus = graph.node("Add", [graph.node("Relu", [z]), log])
    return graph.node("Mul", [z, graph.node("Tanh", [softplus])])


def _hard_sigmoid(graph, z, number, _):
    """Hard sigmoid: z / 6 + 1 / 2, cut to [0, 1]."""
    line = graph.node("Div", [graph.node("Add", [z, number(3)]), number(6)])
    return graph.node("Min", [graph.node("Relu", [line]), number(1)])


def _softsign(graph, z, number, _):
    """Softsign: z / (1 + |z|)."""
    size = graph.node("Add", [graph.node("Abs", [z]), number(1)])
    return graph.node("Div", [z, size])


_COMPOSED = {
    "elu": _exponential_unit,
    "selu": lambda graph, z, number, _: _exponential_unit(
        graph, z, number, 1.6732632423543772, 1.0507009873554805
    ),
    "gelu": _gelu,
    "silu": lambda graph, z, *_: graph.node("Mul", [z, graph.node("Sigmoid", [z])]),
    "mish": _mish,
    "hard_sigmoid": _hard_sigmoid,
    "softsign": _softsign,
}
