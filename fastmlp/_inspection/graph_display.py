"""The drawing of a computational graph: values go forward, gradients come back.

Each edge has a row of its own in the column before the gate that it enters, and its two
numbers stand there: so no number covers another. A node with several edges sends them
along an upright line, with a dot at each branch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastmlp._inspection.graph import trace_graph
from fastmlp._inspection.trace import StepTrace
from fastmlp._inspection.trace_display import scale, sized_axes
from fastmlp._utils.spelling import suggests_keywords

if TYPE_CHECKING:
    from typing import Any

    from matplotlib.axes import Axes

MOST_EDGES = 200
FONT = 9.5  # points
VALUE, GRADIENT = "#1a6b2d", "#b3261e"
_ATTRIBUTES = ("label", "value", "gradient", "inputs", "slopes")
_LINE = {"color": "0.45", "lw": 1, "zorder": 1, "solid_joinstyle": "round"}
_ROW, _NUMBERS, _SLOPE, _TRUNK = 0.46, 0.6, 0.16, 0.12  # inches
_LETTER, _PAD = 0.085, 0.26  # width of a letter, and of the frame around a label
_MARGIN = 0.3


@suggests_keywords
def plot_graph(graph: Any, *, ax: Axes | None = None) -> Axes:
    """Draw a computational graph with value and gradient on every edge.

    Parameters
    ----------
    graph : StepTrace or node
        The trace of a step (``model.trace_step(x, y)``), or the last node of any graph
        of gates. A node is an object with the attributes ``label``, ``value``,
        ``gradient`` (derivative of the last node with respect to it), ``inputs`` (the
        nodes that enter the gate, none for a number that is given) and ``slopes`` (the
        derivatives of the gate with respect to each of them).
    ax : matplotlib Axes, default=None
        Axes to draw on, in smaller letters if there is little room; None makes new
        ones in a figure that is as large as the graph needs.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If the graph has more than 200 edges.

    Notes
    -----
    Above each edge stands the value that goes forward, below it the gradient that comes
    back along this edge: the gradient of the gate times its slope. Where a value goes
    to several gates, the gradient below its node is their sum. The loss of a trace is
    drawn without the L2 penalty, which adds alpha W to the gradients of the weights.

    Examples
    --------
    >>> from fastmlp import MLPRegressor, plot_graph
    >>> regr = MLPRegressor(hidden_layer_sizes=(2,), solver="lbfgs")
    >>> regr = regr.fit([[0.0], [1.0]], [0.0, 1.0])
    >>> plot_graph(regr.trace_step([1.0], 0.5))  # doctest: +SKIP
    """
    last = trace_graph(graph) if isinstance(graph, StepTrace) else graph
    nodes = _forward_order(last)
    n_edges = sum(len(node.inputs) for node in nodes)
    if n_edges > MOST_EDGES:
        raise ValueError(
            f"the drawing is for at most {MOST_EDGES} edges, the graph has {n_edges}; "
            "trace a smaller network, or draw the trace by its method plot."
        )
    layout = _Layout(nodes)
    width, height = layout.width, layout.height
    if ax is None:
        ax = sized_axes(width, height)
    font = FONT * scale(ax, width, height)
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    ax.set_axis_off()
    for node in nodes:
        _draw_edges(ax, layout, node, font)
        _draw_node(ax, layout, node, font)
    x, y = layout.right(last), layout.y[last]
    ax.plot([x, x + _NUMBERS + 0.1], [y, y], **_LINE)
    _numbers(ax, x + 0.05 + _NUMBERS / 2, y, last.value, last.gradient, font)
    return ax


def _forward_order(last):
    """All nodes, each behind what enters it."""
    order, stack = {}, [(last, False)]
    while stack:
        node, has_inputs = stack.pop()
        if has_inputs:
            order[node] = None
        elif node not in order:
            if not all(hasattr(node, name) for name in _ATTRIBUTES):
                raise TypeError(
                    "graph must be a StepTrace or a node with the attributes "
                    f"{', '.join(_ATTRIBUTES)}, got {node!r}."
                )
            stack.append((node, True))
            stack.extend((before, False) for before in reversed(node.inputs))
    return list(order)


class _Layout:
    """Places of nodes and edges, in inches from the upper left corner."""

    def __init__(self, nodes):
        self.uses = {node: [] for node in nodes}  # rows of the edges that leave it
        self.y, self.slots = {}, {}
        self._n_rows = 0
        self._place(nodes[-1])
        self.column = self._columns(nodes)
        self.trunk = {}  # offset of the upright line of a node with several edges
        n_columns = self.column[nodes[-1]] + 1
        n_trunks, widest = np.zeros(n_columns, int), np.zeros(n_columns)
        for node in nodes:
            column = self.column[node]
            widest[column] = max(widest[column], _box_width(node))
            if len(self.uses[node]) > 1:
                n_trunks[column] += 1
                self.trunk[node] = n_trunks[column] * _TRUNK
        gaps = n_trunks * _TRUNK + 0.04 + _NUMBERS + _SLOPE
        starts = _MARGIN / 2 + np.r_[0, np.cumsum(widest + gaps)]
        self._starts, self._widest = starts, widest
        self.width = max(starts[-1] + _MARGIN / 2, 3.0)
        self.height = self._n_rows * _ROW + 0.2

    def _place(self, node):
        """Give a node its height, and return that of one edge that leaves it."""
        is_again = node in self.y
        if is_again or not node.inputs:
            row = (self._n_rows + 0.5) * _ROW + 0.1
            self._n_rows += 1
            self.y.setdefault(node, row)
        else:
            rows = self.slots[node] = [self._place(before) for before in node.inputs]
            row = self.y[node] = (rows[0] + rows[-1]) / 2
        self.uses[node].append(row)
        return row

    @staticmethod
    def _columns(nodes):
        """Gates come after their inputs, given numbers before the first gate."""
        column, first_use = {}, {}
        for node in nodes:
            column[node] = 1 + max((column[i] for i in node.inputs), default=-1)
            for before in node.inputs:
                first_use[before] = min(first_use.get(before, np.inf), column[node])
        given = [node for node in first_use if not node.inputs]
        return column | {node: first_use[node] - 1 for node in given}

    def middle(self, node):
        """Where the middle of a node is."""
        column = self.column[node]
        return self._starts[column] + self._widest[column] / 2

    def right(self, node):
        """Where a node ends."""
        return self.middle(node) + _box_width(node) / 2

    def turn(self, node):
        """Where the edges into a gate leave their rows."""
        column = self.column[node]
        return self._starts[column] - _SLOPE

    def branch(self, node):
        """Where the edges of a node with several of them part."""
        column = self.column[node]
        return self._starts[column] + self._widest[column] + self.trunk[node]


def _box_width(node):
    """Width of the frame around a label."""
    return max(_LETTER * len(node.label) + _PAD, 0.36)


def _draw_edges(ax, layout, node, font):
    """Draw what enters a node, with the numbers of each edge."""
    turn, middle = layout.turn(node), (layout.middle(node), layout.y[node])
    for before, slope, y in zip(node.inputs, node.slopes, layout.slots.get(node, ())):
        is_shared = before in layout.trunk
        x = layout.branch(before) if is_shared else layout.right(before)
        ax.plot(*zip((x, y), (turn, y), middle), **_LINE)
        back = node.gradient * slope
        _numbers(ax, turn - _NUMBERS / 2, y, before.value, back, font)


def _draw_node(ax, layout, node, font):
    """Draw a gate as a circle or a pill, a given number as a label alone."""
    x, y = layout.middle(node), layout.y[node]
    if node.inputs:
        from matplotlib.patches import FancyBboxPatch

        width, size = _box_width(node), 0.34
        corner = x - width / 2, y - size / 2
        style = f"round,pad=0,rounding_size={size / 2}"
        box = FancyBboxPatch(
            corner, width, size, style, fc="#e8eef7", ec="#3b5b8c", lw=1, zorder=3
        )
        ax.add_patch(box)
    text = {"ha": "center", "va": "center_baseline", "zorder": 4}
    ax.text(x, y, node.label, fontsize=1.1 * font, **text)
    if node in layout.trunk:
        branch, rows = layout.branch(node), layout.uses[node]
        ax.plot([layout.right(node), branch], [y, y], **_LINE)
        ax.plot([branch, branch], [min(rows), max(rows)], **_LINE)
        ax.plot([branch] * (len(rows) - 1), rows[:-1], "o", color="0.45", ms=font / 3)
        label = f"Σ {_short(node.gradient)}"
        text = {"ha": "center", "va": "top", "color": GRADIENT, "zorder": 4}
        ax.text(x, y + 0.21, label, fontsize=font, fontweight="bold", **text)


def _numbers(ax, x, y, value, gradient, font):
    """Write a value above an edge, and below it the gradient that comes back."""
    style = {"ha": "center", "fontsize": font, "zorder": 4}
    ax.text(x, y - 0.03, _short(value), va="bottom", color=VALUE, **style)
    ax.text(x, y + 0.04, _short(gradient), va="top", color=GRADIENT, **style)


def _short(number):
    """Three digits of a number, or two where it is small."""
    number += 0.0  # no minus before zero
    text = f"{number:.1e}" if 0 < abs(number) < 1e-3 else f"{number:.3g}"
    return text.replace("e-0", "e-").replace("-", "\N{MINUS SIGN}")
