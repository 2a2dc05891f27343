"""A fitted model of an ONNX graph that is a plain MLP, whatever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastmlp.export._fitted import check_params, fitted_model
from fastmlp.export._onnx_file import read_onnx
from fastmlp.export._onnx_network import Graph
from fastmlp.export._signal import RefusedError

if TYPE_CHECKING:
    from typing import Any

    from onnx import ModelProto

    from fastmlp import MLPClassifier, MLPRegressor
    from fastmlp._utils.annotations import ArrayLike, FilePath

_LONGEST_LABELS = 2**20  # characters of all of them, were each as long as the longest
_LONGEST_LABELS = 2**20  # characters of all of them, were each as long as the longest


def from_onnx(
    path: FilePath | ModelProto,
    *,
    classes: ArrayLike | None = None,
    output: str | None = None,
    **params: Any,
) -> MLPClassifier | MLPRegressor:
    """Convert an ONNX graph of a plain MLP to a fitted model.

    Graphs of `to_onnx`, of the exporters of PyTorch and Keras, of skl2onnx and of
    others are read. Layers are Gemm, or MatMul and Add. Activations are told by their
    values, so that any spelling of one that fastmlp has is understood, such as x
    sigmoid(x). Scalers, batch normalization and other maps of single columns go into
    the weights of the next layer or of the one before; Dropout, Cast between floats,
    Flatten and Reshape that keep the rows have no effect.

    Parameters
    ----------
    path : str, path-like or onnx.ModelProto
        The file. Weights in other files must be in the same folder. Opset 7 or newer;
        weights in float16 become float32.
    classes : array-like of shape (n_classes,), default=None
        Class labels in the order of the outputs; None takes those of the graph, else 0,
        1, ... If given, or if the graph has labels, a graph that ends in a layer is a
        classifier whose outputs are logits. ``classes_`` holds them sorted, as in
        scikit-learn, and the outputs with them.
    output : str, default=None
        The name of the tensor that predicts, which need not be an output of the graph;
        labels of the graph are then left out. None takes its only output of numbers.
    **params
        Further parameters of the estimator, for later training; sizes and activations
        of the layers are those of the graph.

    Returns
    -------
    estimator : MLPClassifier or MLPRegressor
        A softmax at the end, or its logarithm, makes a classifier of several classes, a
        sigmoid one of two classes or, with several outputs, of labels; exp a regressor
        with ``loss="poisson"``, none of them any other regressor. A softmax of two
        outputs becomes the sigmoid of their difference, the form of scikit-learn. An
        input with more axes than two is taken flattened, row by row. Weights are
        float32 unless those of the graph are float64, or unless the mean of a scaler is
        so large beside its scale that float32 would lose digits of raw features.

    Raises
    ------
    ImportError
        If onnx is not installed.
    TypeError
        If ``path`` is neither a path nor a model, or if ``params`` holds what the graph
        says.
    ValueError
        If the file is damaged, or if the graph is no plain MLP: the first node that
        cannot be taken is named. A graph of a model of raw tables
        (`TabularMLPClassifier`) has such nodes. Or if ``classes`` does not fit the
        outputs.

    See Also
    --------
    to_onnx : The other direction.

    Examples
    --------
    >>> from fastmlp import MLPRegressor, from_onnx, to_onnx
    >>> model = MLPRegressor(hidden_layer_sizes=(3,), activation="silu", max_iter=1)
    >>> graph = to_onnx(model.partial_fit([[0.0, 1.0]], [2.0]))
    >>> copy = from_onnx(graph, learning_rate_init=0.01)
    >>> copy.activation, bool(copy.predict([[3, 4]]) == model.predict([[3, 4]]))
    ('silu', True)
    """
    check_params(params, "graph")
    model, folder = read_onnx(path)
    try:
        graph = Graph(model, folder)
        name, labels = (output, None) if output is not None else graph.prediction()
        graph.check_exists(name)
        signal = graph.signal(name)
        try:
            layers = signal.finished()
        except RefusedError as error:
            raise graph.refused(name, error) from None
        graph.check_decisions(layers[-1], len(layers[1][-1]))
    except UnicodeDecodeError as error:
        raise ValueError("the file is damaged: a name in it is no text.") from error
    if classes is None and labels is not None:
        classes = _label_array(labels, len(layers[1][-1]))
    return fitted_model(*layers, classes, params)


def _label_array(labels, n_outputs):
    """The classes of a graph, which are numbered if it does not name them."""
    if not labels:
        return np.arange(max(2, n_outputs))
    longest = max((len(label) for label in labels if isinstance(label, str)), default=0)
    if longest * len(labels) > _LONGEST_LABELS:
        raise ValueError(f"a label has {longest:,} characters; give classes=.")
    return np.array(labels)
