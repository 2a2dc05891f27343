"""The computational graph of one sample: gates, what enters them and their slopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastmlp._inspection.trace import LayerTrace, StepTrace

_SIGNS = {
    "logistic": "\N{GREEK SMALL LETTER SIGMA}",
    "identity": "id",
}  # short names of activations


@dataclass(frozen=True, eq=False)
class GraphNode:
    """A number of a graph: an input, or what a gate makes of other nodes.

    ``gradient`` is that of the last node with respect to this one. ``slopes`` are the
    local derivatives, one for each input: gradient * slope flows back to that input.
    """

    label: str
    value: float
    gradient: float
    inputs: tuple = ()
    slopes: tuple = ()


def trace_graph(trace: StepTrace) -> GraphNode:
    """The loss of a traced sample, as the last node of its graph."""
    first = trace.layers[0]
    gradients = first.coefs @ first.deltas
    nodes = [
        GraphNode(name, float(x), float(gradient))
        for name, x, gradient in zip(trace.names, first.inputs, gradients)
    ]
    for number, layer in enumerate(trace.layers, 1):
        sums = [_net_input(layer, number, j, nodes) for j in range(len(layer.deltas))]
        if layer.activation == "softmax":  # its gates depend on every sum
            loss = trace.loss - trace.penalty
            slopes = tuple(map(float, layer.deltas))
            return GraphNode("-log softmax", loss, 1.0, tuple(sums), slopes)
        nodes = [_output(layer, j, z) for j, z in enumerate(sums)]
    slopes = tuple(map(float, layer.output_gradients))
    return GraphNode("loss", trace.loss - trace.penalty, 1.0, tuple(nodes), slopes)


def _net_input(layer: LayerTrace, number: int, j: int, nodes: list) -> GraphNode:
    """The sum that unit j makes of the products of its weights and inputs."""
    delta = float(layer.deltas[j])
    terms = []
    for i, (node, w) in enumerate(zip(nodes, map(float, layer.coefs[:, j]))):
        weight = GraphNode(f"W{number}[{i},{j}]", w, delta * node.value)
        pair, slopes = (weight, node), (node.value, w)
        terms.append(
            GraphNode("\N{MULTIPLICATION SIGN}", w * node.value, delta, pair, slopes)
        )
    if layer.intercepts.any() or layer.intercept_gradients.any():
        terms.append(GraphNode(f"b{number}[{j}]", float(layer.intercepts[j]), delta))
    z = float(layer.net_inputs[j])
    return GraphNode("+", z, delta, tuple(terms), (1.0,) * len(terms))


def _output(layer: LayerTrace, j: int, z: GraphNode) -> GraphNode:
    """The node of the activation of unit j."""
    return GraphNode(
        _SIGNS.get(layer.activation, layer.activation),
        float(layer.outputs[j]),
        float(layer.output_gradients[j]),
        (z,),
        (float(layer.local_derivatives[j]),),
    )
