"""The nodes of an ONNX graph for a fitted model of a table."""

from __future__ import annotations

import numpy as np

from fastmlp._model.losses import outputs_per_target
from fastmlp._utils.warnings import warn
from fastmlp.export._onnx_columns import ColumnInputs
from fastmlp.export._onnx_graph import (
    activation,
    add_indicators,
    add_label,
    add_only_class,
    label_type,
    squeeze,
)
from fastmlp.export._source import check_precision
from fastmlp.export._table_source import table_weights

_LARGEST_ROUNDING = 1e-4  # of a scaled number


def add_table(graph, snapshot, dtype):
    """Add the nodes of a model.

    Parameters
    ----------
    graph : _Helper
    snapshot : TableSnapshot
    dtype : dtype

    Returns
    -------
    inputs, outputs : list of (name, element type, shape)
    """
    model = snapshot.model
    weights = table_weights(model)
    check_precision(weights.arrays(), dtype)
    _warn_of_rounding(model.encoder, dtype)
    columns = ColumnInputs(graph, model.encoder, dtype)
    x, rows = columns.first_layer(weights)
    weights.coefs[0] = weights.coefs[0][:, rows]
    z = _add_layers(graph, model, weights, x, dtype)
    add = _add_targets if snapshot.classes is None else _add_classes
    return columns.inputs, add(graph, snapshot, z, dtype)


def _warn_of_rounding(encoder, dtype):
    """Warn of a column whose numbers lose digits that matter on their way in."""
    limits, scales, size = np.finfo(dtype), encoder.scales, np.abs(encoder.medians)
    if dtype == np.float32:
        # 3 spreads from the median are still to be told apart, and runtimes may take
        # subnormal numbers for 0.
        is_beyond = (scales > 0) & (size + 3 / np.maximum(scales, 1e-300) > limits.max)
        is_beyond |= limits.tiny * scales > _LARGEST_ROUNDING
        if is_beyond.any():
            warn(
                f"The numbers of column {_name(encoder, is_beyond.argmax())!r} are too "
                "large or too small for float32 inputs, so that outputs may differ "
                "from those of the model. Use dtype='float64', or rescale the column "
                "before the fit."
            )
            return
    rounding = size * scales * limits.eps
    if (rounding > _LARGEST_ROUNDING).any():
        warn(
            f"The numbers of column {_name(encoder, rounding.argmax())!r} are large "
            f"beside their spread, and {dtype} inputs round them, so that outputs may "
            "differ from those of the model."
            + (" Use dtype='float64'." if dtype == np.float32 else "")
        )


def _name(encoder, number):
    """The name or the place of the column of a number."""
    column = encoder.number_columns[number]
    return column if encoder.names is None else encoder.names[column]


def _add_layers(graph, model, weights, x, dtype):
    """The layers from their inputs on; returns outputs before their activation."""
    last = len(weights.coefs) - 1
    for i, (w, b) in enumerate(zip(weights.coefs, weights.intercepts)):
        w, b = (graph.constant(a.astype(dtype)) for a in (w, b[:, np.newaxis]))
        x = graph.node("Add", [graph.node("MatMul", [x, w]), b])
        if i < last:  # x + slope (f(x) - x)
            f = activation(graph, model.architecture.activation, 0.0, x, dtype)
            slope = graph.constant(weights.slopes[i][:, np.newaxis].astype(dtype))
            change = graph.node("Mul", [slope, graph.node("Sub", [f, x])])
            x = graph.node("Add", [x, change])
    return x


def _mean(graph, x, output=None):
    """The mean over the members."""
    return graph.node("ReduceMean", [x], output, axes=[0], keepdims=0)


def _add_classes(graph, snapshot, z, dtype):
    """Labels and probabilities of a classifier."""
    _, classes, is_multilabel = snapshot
    outputs = [graph.unused(name) for name in ("label", "probabilities")]
    if is_multilabel:
        p = _mean(graph, graph.node("Sigmoid", [z]), outputs[1])
        add_indicators(graph, p, outputs[0], dtype)
    elif len(classes) == 1:
        p = _mean(graph, z)
        first = graph.constant(np.array([0], np.int64))
        column = graph.node("Gather", [p, first], axis=1)
        add_only_class(graph, snapshot, column, outputs, dtype)
    else:
        p = _mean(graph, graph.node("Softmax", [z], axis=2), outputs[1])
        add_label(graph, snapshot, p, outputs[0])
    shape = ["n_samples", len(classes)]
    return [
        (outputs[0], label_type(graph, snapshot), shape[: 1 + is_multilabel]),
        (outputs[1], graph.real(dtype), shape),
    ]


def _add_targets(graph, snapshot, z, dtype):
    """The outputs of ``predict`` of a regressor; of gaussian_nll the deviation too."""
    model = snapshot.model
    objective, n_outputs = model.objective, model.n_outputs
    n_targets = n_outputs // outputs_per_target(objective)
    found = {}
    if objective.loss == "gaussian_nll":
        found = _mean_and_deviation(graph, z, n_targets)
        bounds, shape = model.bounds[:, :n_targets], [n_targets]
    else:
        if objective.is_monotone:
            z = _add_steps(graph, objective, z, n_targets, dtype)
        z = graph.node("Exp", [z]) if model.network.output == "exp" else z
        found["prediction"] = _mean(graph, z)
        bounds, shape = model.bounds, [n_targets, n_outputs // n_targets]
    if bounds is not None:
        low, high = (graph.constant(bound.astype(dtype)) for bound in bounds)
        x = graph.node("Max", [found["prediction"], low])
        found["prediction"] = graph.node("Min", [x, high])
    shape = [size for size in shape if size > 1]
    outputs = []
    for name, x in found.items():
        name = graph.unused(name)
        if not shape:
            squeeze(graph, x, name)
        else:
            new = graph.constant(np.array([0, *shape], np.int64))
            graph.node("Reshape", [x, new], name)
        outputs.append((name, graph.real(dtype), ["n_samples", *shape]))
    return outputs


def _mean_and_deviation(graph, z, n_targets):
    """Those of the mixture of normal distributions, one of each member."""
    places = np.arange(2 * n_targets).reshape(2, n_targets)
    mean, log_variance = (
        graph.node("Gather", [z, graph.constant(place)], axis=2) for place in places
    )
    middle = _mean(graph, mean)
    distance = graph.node("Sub", [mean, middle])
    spread = graph.node("Mul", [distance, distance])
    variance = graph.node("Add", [graph.node("Exp", [log_variance]), spread])
    deviation = graph.node("Sqrt", [_mean(graph, variance)])
    return {"prediction": middle, "std": deviation}


def _add_steps(graph, objective, z, n_targets, dtype):
    """Quantiles that do not cross: the lowest, and above it u softplus(z / u)."""
    n_levels = len(objective.levels)
    unit = np.ones(n_targets) if objective.step_scale is None else objective.step_scale
    unit = np.repeat(np.asarray(unit, dtype), n_levels)
    is_first = np.arange(n_targets * n_levels) % n_levels == 0
    units = graph.constant(unit)
    steps = graph.node("Div", [z, units])
    steps = activation(graph, "softplus", 0.0, steps, dtype)
    steps = graph.node("Mul", [steps, units])
    steps = graph.node("Where", [graph.constant(is_first), z, steps])
    sums = np.kron(np.eye(n_targets), np.triu(np.ones((n_levels, n_levels))))
    return graph.node("MatMul", [steps, graph.constant(sums.astype(dtype))])
