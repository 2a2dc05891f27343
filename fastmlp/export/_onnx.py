"""ONNX: the model, and the file, of a fitted model or pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator

from fastmlp._data.rows import checked_rows
from fastmlp._files.safetensors import atomic_write, check_path
from fastmlp._mlp.pipeline import fold_targets, is_model
from fastmlp._utils.numbers import float_dtype
from fastmlp._utils.spelling import suggests_keywords
from fastmlp.export._onnx_graph import (
    OPSET,
    add_network,
    label_type,
    n_probabilities,
    needs_onnx,
)
from fastmlp.export._onnx_pipeline import convert
from fastmlp.export._onnx_table import add_table
from fastmlp.export._skl2onnx import ML_OPSET
from fastmlp.export._source import snapshot
from fastmlp.export._table_source import table_model

if TYPE_CHECKING:
    from typing import Any

    from onnx import ModelProto

    from fastmlp._utils.annotations import DType, FilePath, MatrixLike

IR_VERSION = 8  # of ONNX 1.10; onnx itself would write its newest


@suggests_keywords
def to_onnx(
    estimator: Any,
    path: FilePath | None = None,
    *,
    dtype: DType | None = None,
    X: MatrixLike | None = None,
) -> ModelProto:
    """Convert a fitted model, or a pipeline that ends in one, to ONNX.

    The graph has the input ``X`` of shape (n_samples, n_features). A classifier has the
    outputs ``label`` (what ``predict`` returns; integer and bool classes as int64, from
    2**63 on as uint64, texts as strings) and ``probabilities`` (what ``predict_proba``
    returns); a regressor has the output ``prediction``, of the shape that ``predict``
    returns.

    A model of a table takes raw columns: an input of shape (n_samples, 1) for each,
    under its name (``x0``, ``x1``, ... without names, or one input ``X`` if no column
    has texts). A category whose levels are texts takes strings, and any string that is
    no level is missing, such as the empty one; other columns take numbers, NaN where
    missing, and bools as 0 and 1. An output has an underscore behind its name if a
    column has that name. For ``loss="gaussian_nll"`` there is the output ``std`` too.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, TabularMLPClassifier, \
            TabularMLPRegressor, Pipeline or another estimator
        Fitted. What is not a model of fastmlp itself is converted by skl2onnx, with the
        converter of `register_skl2onnx` for the models of fastmlp in it and with
        converters of fastmlp for imputers and encoders; its outputs are then those of
        skl2onnx. A search is replaced by its ``best_estimator_``.
    path : str or path-like, default=None
        Where to write the file; None writes none.
    dtype : {"float32", "float64"} or dtype, default=None
        Of input, weights and arithmetic; None takes that of the weights. Raw numbers of
        a table are scaled in float64 in any case.
    X : array-like or DataFrame, default=None
        A few rows of input, needed for a pipeline to tell the types of its columns. A
        DataFrame gives one input of shape (n_samples, 1) for each column, under its
        name, and so do lists and arrays that mix numbers and texts (``x0``, ``x1``,
        ...); others give the one input ``X``. Texts are strings, everything else is of
        ``dtype``. A missing text is an empty string, or "nan" or "<NA>", which
        onnxruntime makes of NaN and pandas.NA, unless a category has that name. A model
        of a table needs none, and checks them.

    Returns
    -------
    model : onnx.ModelProto

    Raises
    ------
    ImportError
        If onnx (or, for a pipeline, skl2onnx) is not installed.
    TypeError
        If ``path`` is no path.
    ValueError
        If the classes have no type in ONNX, if a weight is not finite in ``dtype``, if
        ``X`` does not fit the estimator, if a step has no form in ONNX, or if a model
        of a table is not alone.

    Warns
    -----
    UserWarning
        If the numbers of a column of a table are so large beside their spread, or so
        large or small at all, that inputs in ``dtype`` lose digits that matter.

    References
    ----------
    .. [1] https://onnx.ai/onnx/operators
    """
    if path is not None:
        check_path(path)
    table = table_model(estimator)
    if table is not None:
        found = table._table_snapshot()
        if X is not None:
            found.model.encoder.transform(X, "to_onnx")
        return _written(_table_model_of(found, dtype), path)
    estimator = fold_targets(estimator)
    if is_model(estimator) or not isinstance(estimator, BaseEstimator):
        fitted = snapshot(estimator)
        if X is not None:
            checked_rows(X, fitted.feature_names, fitted.units[0], "to_onnx")
        model = _model_of(fitted, dtype)
    else:
        model = convert(estimator, dtype, X)
    return _written(model, path)


def _written(model, path):
    """A ModelProto, after it is written to a path, if there is one."""
    if path is not None:
        atomic_write(path, [model.SerializeToString()])
    return model


class _Helper:
    """Collects nodes and constants for ``onnx.helper``."""

    opset = OPSET

    def __init__(self):
        self.onnx = needs_onnx()
        self.nodes, self.constants = [], []
        self.taken = set()  # names of inputs, which users choose

    def unused(self, name):
        """The name, with underscores behind it if an input has it already."""
        while name in self.taken:
            name += "_"
        return name

    def node(self, kind, inputs, output=None, **attributes):
        """Add a node; returns the name of its output."""
        output = output or self.unused(f"{kind.lower()}_{len(self.nodes)}")
        make = self.onnx.helper.make_node
        self.nodes.append(make(kind, inputs, [output], output + "_node", **attributes))
        return output

    def constant(self, array):
        """Add a constant; returns its name."""
        name = self.unused(f"constant_{len(self.constants)}")
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def real(self, dtype):
        """The element type of a float dtype."""
        return self.onnx.helper.np_dtype_to_tensor_dtype(dtype)


def _checked_dtype(dtype, own):
    """The dtype that is asked for, or that of the weights."""
    found = float_dtype(own if dtype is None else dtype)
    if found is None:
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}.")
    return found


def _model_of(model, dtype):
    """The ModelProto of a snapshot."""
    dtype = _checked_dtype(dtype, model.coefs[0].dtype)
    graph = _Helper()
    real = graph.real(dtype)
    outputs = [("prediction", real, _row_shape(model, flat=model.units[-1] == 1))]
    if model.is_classifier:
        shape = _row_shape(model, flat=not model.is_multilabel)
        outputs = [
            ("label", label_type(graph, model), shape),
            ("probabilities", real, ["n_samples", n_probabilities(model)]),
        ]
    add_network(graph, model, "X", [name for name, *_ in outputs], dtype)
    return _made(graph, [("X", real, ["n_samples", model.units[0]])], outputs)


def _table_model_of(snapshot, dtype):
    """The ModelProto of a snapshot of a model of a table."""
    dtype = _checked_dtype(dtype, snapshot.model.weights.dtype)
    graph = _Helper()
    return _made(graph, *add_table(graph, snapshot, dtype))


def _made(graph, inputs, outputs):
    """The ModelProto of a graph whose inputs and outputs are (name, type, shape)."""
    helper = graph.onnx.helper
    proto = helper.make_graph(
        graph.nodes,
        "fastmlp",
        [helper.make_tensor_value_info(*of) for of in inputs],
        [helper.make_tensor_value_info(*of) for of in outputs],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    if any(node.domain for node in graph.nodes):
        opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    made = helper.make_model(
        proto, producer_name="fastmlp", opset_imports=opsets, ir_version=IR_VERSION
    )
    graph.onnx.checker.check_model(made)
    return made


def _row_shape(model, flat):
    """The shape of an output of one value, or of all outputs, for each row."""
    return ["n_samples"] if flat else ["n_samples", model.units[-1]]
