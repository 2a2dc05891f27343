"""The converter by which skl2onnx takes models of fastmlp inside a pipeline."""

from __future__ import annotations

import numpy as np

from fastmlp.export._onnx_graph import (
    OPSET,
    add_network,
    class_array,
    has_texts,
    n_probabilities,
    needs_onnx,
)
from fastmlp.export._source import snapshot

OLDEST_OPSET = 9  # the first with Where
ML_OPSET = 2  # of the operators of ai.onnx.ml


def register_skl2onnx() -> None:
    """Teach skl2onnx to convert MLPClassifier and MLPRegressor of fastmlp.

    Afterwards ``skl2onnx.to_onnx`` converts a pipeline with them, for a
    ``target_opset`` of 9 or newer. Calling it again does no harm.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    """
    skl2onnx = needs_onnx("skl2onnx")
    from fastmlp import MLPClassifier, MLPRegressor

    for kind in (MLPClassifier, MLPRegressor):
        is_classifier = kind is MLPClassifier
        options = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
        skl2onnx.update_registered_converter(
            kind,
            f"Fastmlp{kind.__name__}",
            _classifier_shapes if is_classifier else _regressor_shapes,
            _convert,
            options=options if is_classifier else None,
            overwrite=True,
        )


def _real_type(operator):
    """The tensor type of the arithmetic: float64 only if some input is float64."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    are_double = [isinstance(v.type, DoubleTensorType) for v in operator.inputs]
    return DoubleTensorType if any(are_double) else FloatTensorType


def _classifier_shapes(operator):
    """Set the types of label and probabilities."""
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        Int64TensorType,
        StringTensorType,
        UInt64TensorType,
    )

    model = snapshot(operator.raw_operator)
    kind = Int64TensorType
    if has_texts(model):
        kind = StringTensorType
    elif model.classes.dtype.kind == "f":
        kind = DoubleTensorType
    elif class_array(model).dtype == np.uint64:
        kind = UInt64TensorType
    n_rows = operator.inputs[0].get_first_dimension()
    shape = [n_rows, model.units[-1]] if model.is_multilabel else [n_rows]
    operator.outputs[0].type = kind(shape)
    operator.outputs[1].type = _real_type(operator)([n_rows, n_probabilities(model)])


def _regressor_shapes(operator):
    """Set the type of the prediction: two dimensions, as skl2onnx has it."""
    n_rows = operator.inputs[0].get_first_dimension()
    n_outputs = snapshot(operator.raw_operator).units[-1]
    operator.outputs[0].type = _real_type(operator)([n_rows, n_outputs])


class Container:
    """The ``node``, ``constant`` and ``opset`` of a graph over one of skl2onnx."""

    def __init__(self, scope, container):
        self.scope, self.container = scope, container
        self.opset = min(OPSET, container.target_opset)
        if self.opset < OLDEST_OPSET:
            raise ValueError(
                f"models of fastmlp need target_opset >= {OLDEST_OPSET}, got "
                f"{container.target_opset}."
            )

    def node(self, kind, inputs, output=None, domain="", **attributes):
        """Add a node; returns the name of its output."""
        output = output or self.scope.get_unique_variable_name(kind.lower())
        self.container.add_node(
            kind,
            inputs,
            [output],
            op_domain=domain,
            op_version=ML_OPSET if domain else self.opset,
            name=self.scope.get_unique_operator_name(kind),
            **attributes,
        )
        return output

    def constant(self, array):
        """Add a constant; returns its name."""
        import onnx

        name = self.scope.get_unique_variable_name("constant")
        if array.dtype == object:
            kind = onnx.TensorProto.STRING
            values = [text.encode() for text in array.ravel()]
        else:
            kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
            values = array.ravel().tolist()
        self.container.add_initializer(name, kind, list(array.shape), values)
        return name


def _convert(scope, operator, container):
    """Add the nodes of a model to the container."""
    from skl2onnx.common.data_types import DoubleTensorType

    graph = Container(scope, container)
    kind = _real_type(operator)
    dtype = np.float64 if kind is DoubleTensorType else np.float32
    element = 11 if dtype == np.float64 else 1
    inputs = [
        variable.full_name
        if isinstance(variable.type, kind)
        else graph.node("Cast", [variable.full_name], to=element)
        for variable in operator.inputs
    ]
    x = graph.node("Concat", inputs, axis=1) if len(inputs) > 1 else inputs[0]
    names = [output.full_name for output in operator.outputs]
    add_network(graph, snapshot(operator.raw_operator), x, names, dtype, flat=False)
