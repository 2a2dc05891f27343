"""Small ONNX graphs, and the spellings of activations that exporters use."""

import numpy as np


class Graph:
    """Collects nodes and constants of a graph with the input X of 4 columns."""

    def __init__(
        self, opset=13, rng=None, shape=("n", 4), dtype="f4", kind=None, domains=()
    ):
        from onnx import TensorProto

        self.opset, self.rng = opset, rng or np.random.RandomState(1)
        self.shape, self.dtype, self.domains = shape, dtype, domains
        types = {"f2": TensorProto.FLOAT16, "f4": TensorProto.FLOAT}
        self.kind = kind or types[dtype]
        self.nodes, self.constants = [], []

    def node(self, kind, inputs, name=None, **attributes):
        """Add a node; returns the name of its output."""
        from onnx import helper

        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, inputs, [output], name or output, **attributes)
        )
        return output

    def constant(self, array):
        """Add a constant; returns its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def number(self, value):
        """Add a number in the dtype of the graph."""
        return self.constant(np.array(value, self.dtype))

    def integers(self, values):
        """Add integers."""
        return self.constant(np.array(values, np.int64))

    def dense(self, x, fan_in, fan_out):
        """A layer, in one of its spellings."""
        w = self.rng.normal(size=(fan_in, fan_out)).astype(self.dtype)
        b = self.number(self.rng.normal(size=fan_out))
        if self.rng.rand() < 0.5:
            if self.rng.rand() < 0.5:
                return self.node("Gemm", [x, self.constant(w.T), b], transB=1)
            return self.node("Gemm", [x, self.constant(w), b])
        weights = self.constant(w)
        if self.rng.rand() < 0.5:
            weights = self.node("Transpose", [self.constant(w.T)])
        x = self.node("MatMul", [x, weights])
        inputs = [x, b] if self.rng.rand() < 0.5 else [b, x]
        return self.node("Add", inputs)

    def scaled(self, x, width):
        """A map of the columns, in one of its spellings."""
        scale, shift = self.rng.uniform(0.5, 2, width), self.rng.normal(size=width)
        kind = self.rng.randint(4)
        if kind == 0:
            x = self.node("Sub", [x, self.number(shift)])
            return self.node("Div", [x, self.number(scale)])
        if kind == 1:
            x = self.node("Mul", [self.number(scale[None]), x])
            return self.node("Sub", [self.number(shift), x])
        if kind == 2:
            statistics = (scale, shift, shift**2, 2 * scale)
            return self.node(
                "BatchNormalization", [x, *map(self.number, statistics)], epsilon=0.01
            )
        return self.node("Add", [self.node("Neg", [x]), self.number(0.5)])

    def passed(self, x):
        """A node without effect."""
        kind = self.rng.randint(4)
        if kind == 0:
            return self.node("Cast", [x], to=1)
        return (
            x if kind == 1 else self.node("Identity" if kind == 2 else "Dropout", [x])
        )

    def model(self, *outputs):
        """The ModelProto."""
        from onnx import TensorProto, helper

        made = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info("X", self.kind, self.shape)],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            self.constants,
        )
        labels = {"Gather", "Cast", "ArgMax"}
        for output in made.output:
            maker = next((n for n in self.nodes if output.name in n.output), None)
            kind = TensorProto.INT64 if maker and maker.op_type in labels else self.kind
            if maker and maker.op_type == "Gather":
                kind = TensorProto.STRING
            output.type.tensor_type.elem_type = kind
        return helper.make_model(
            made,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=8,
        )


def run(model, X):
    """The outputs by onnxruntime."""
    import pytest

    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"X": X})


def _gelu_by_erf(g, z):
    erf = g.node("Erf", [g.node("Div", [z, g.number(2**0.5)])])
    return g.node(
        "Mul", [g.node("Mul", [z, g.node("Add", [erf, g.number(1)])]), g.number(0.5)]
    )


def _gelu_halved_first(g, z):
    half = g.node("Mul", [z, g.number(0.5)])
    erf = g.node("Erf", [g.node("Mul", [z, g.number(0.5**0.5)])])
    return g.node("Mul", [half, g.node("Add", [g.number(1), erf])])


def _naive_softplus(g, z):
    return g.node("Log", [g.node("Add", [g.node("Exp", [z]), g.number(1)])])


def _naive_mish(g, z):
    return g.node("Mul", [z, g.node("Tanh", [_naive_softplus(g, z)])])


def _sigmoid_by_exp(g, z):
    e = g.node("Exp", [g.node("Neg", [z])])
    return g.node("Div", [g.number(1), g.node("Add", [e, g.number(1)])])


def _elu_by_where(g, z):
    low = g.node("Sub", [g.node("Exp", [z]), g.number(1)])
    low = g.node("Mul", [low, g.number(0.5)])
    return g.node("Where", [g.node("Greater", [z, g.number(0)]), z, low])


def _relu_by_mask(g, z):
    mask = g.node("Cast", [g.node("Greater", [z, g.number(0)])], to=1)
    return g.node("Mul", [mask, z])


def _hard_sigmoid_by_clip(g, z):
    z = g.node("Add", [g.node("Div", [z, g.number(6)]), g.number(0.5)])
    return g.node("Min", [g.node("Max", [z, g.number(0)]), g.number(1)])


def _softsign(g, z):
    size = g.node("Add", [g.node("Abs", [z]), g.number(1)])
    return g.node("Div", [z, size])


def _threshold_softplus(g, z):
    is_large = g.node("Greater", [z, g.number(20)])
    return g.node("Where", [is_large, z, g.node("Softplus", [z])])


def _one(kind, **attributes):
    """One operator."""
    return lambda g, z: g.node(kind, [z], **attributes)


# name: (function that adds nodes, oldest opset, the activation)
SPELLINGS = {
    "identity": (_one("Identity"), 7, "identity"),
    "relu": (_one("Relu"), 7, "relu"),
    "relu by Max": (lambda g, z: g.node("Max", [z, g.number(0)]), 8, "relu"),
    "relu by mask": (_relu_by_mask, 9, "relu"),
    "sigmoid": (_one("Sigmoid"), 7, "logistic"),
    "sigmoid by exp": (_sigmoid_by_exp, 7, "logistic"),
    "tanh": (_one("Tanh"), 7, "tanh"),
    "softplus": (_one("Softplus"), 7, "softplus"),
    "softplus by exp": (_naive_softplus, 7, "softplus"),
    "softplus with a threshold": (_threshold_softplus, 9, "softplus"),
    "leaky relu": (_one("LeakyRelu"), 7, ("leaky_relu", 0.01)),
    "leaky relu of PRelu": (
        lambda g, z: g.node("PRelu", [z, g.number([0.25])]), 9, ("leaky_relu", 0.25),
    ),
    "leaky relu by Max": (
        lambda g, z: g.node("Max", [z, g.node("Mul", [z, g.number(0.2)])]),
        8,
        ("leaky_relu", 0.2),
    ),
    "elu": (_one("Elu", alpha=0.3), 7, ("elu", 0.3)),
    "elu by Where": (_elu_by_where, 9, ("elu", 0.5)),
    "elu of Celu": (_one("Celu"), 12, ("elu", 1.0)),
    "selu": (_one("Selu"), 7, "selu"),
    "softsign": (_one("Softsign"), 7, "softsign"),
    "softsign by Abs": (_softsign, 7, "softsign"),
    "hard sigmoid": (_one("HardSigmoid", alpha=1 / 6), 7, "hard_sigmoid"),
    "hard sigmoid by Min and Max": (_hard_sigmoid_by_clip, 8, "hard_sigmoid"),
    "gelu": (_one("Gelu"), 20, "gelu"),
    "gelu by erf": (_gelu_by_erf, 9, "gelu"),
    "gelu halved first": (_gelu_halved_first, 9, "gelu"),
    "silu": (
        lambda g, z: g.node("Mul", [z, g.node("Sigmoid", [z])]), 7, "silu",
    ),
    "mish": (_one("Mish"), 18, "mish"),
    "mish by exp": (_naive_mish, 7, "mish"),
}  # fmt: skip
