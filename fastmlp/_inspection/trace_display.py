"""The drawing of a traced step: boxes of units, and between them tables of weights.

Each row of a table belongs to the box at its left, an input of the layer, and each
column to a box at its right, a unit.  So no line crosses a number, however many there
are.
"""

from __future__ import annotations

import numpy as np

from fastmlp._inspection.display import import_pyplot, new_axes

MOST_DRAWN = 1000  # weights
FONT = 7.5  # points
_ROW, _COLUMN, _GAP = 0.56, 0.82, 0.22  # inches
_TOP = 1.0  # above the first row: title and the heads of the tables
_LETTER = 0.075  # width of a letter in inches, about


def draw_trace(trace, ax):
    """Draw a StepTrace; see its method ``plot``."""
    n_drawn = sum(layer.coefs.size for layer in trace.layers)
    if n_drawn > MOST_DRAWN:
        raise ValueError(
            f"the drawing is for at most {MOST_DRAWN} weights, the network has "
            f"{n_drawn}; print the trace instead."
        )
    inputs = [f"{n}\n{x:.4g}" for n, x in zip(trace.names, trace.layers[0].inputs)]
    columns = [inputs, *(_unit_labels(layer) for layer in trace.layers)]
    widths = [_LETTER * max(map(_width, labels)) + 0.2 for labels in columns]
    n_rows = max(len(trace.names), *(len(layer.deltas) for layer in trace.layers)) + 1
    height = _TOP + n_rows * _ROW + 0.15
    tables = [layer.coefs.shape[1] * _COLUMN + 2 * _GAP for layer in trace.layers]
    width = max(sum(widths) + sum(tables) + 0.3, 6.0)
    ax = sized_axes(width, height) if ax is None else new_axes(ax)
    font = FONT * scale(ax, width, height)
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    ax.set_axis_off()
    _title(ax, trace, width / 2, font)
    arrays = [a for layer in trace.layers for a in (layer.coefs, layer.intercepts)]
    bound = max(float(np.abs(array).max()) for array in arrays) or 1.0
    left = 0.15
    heads = ["inputs", *(f"layer {i + 1}" for i in range(len(trace.layers)))]
    heads[-1] = "outputs"
    for number, (labels, column) in enumerate(zip(columns, widths)):
        _head(ax, left + column / 2, heads[number], font)
        for i, label in enumerate(labels):
            _box(ax, left + column / 2, _middle(i), label, font)
        left += column
        if number < len(trace.layers):
            layer = trace.layers[number]
            _box(ax, left - column / 2, _middle(len(labels)), "bias\n1", font, "0.93")
            _table(ax, layer, left + _GAP, bound, font)
            left += tables[number]
    return ax


def _width(label):
    """Letters of the longest line."""
    return max(map(len, label.split("\n")))


def _unit_labels(layer):
    """Labels of the units of a layer."""
    values = zip(layer.net_inputs, layer.outputs, layer.deltas)
    return [
        f"unit {j}\nz {z:.3g}\na {a:.3g}\nδ {delta:.3g}"
        for j, (z, a, delta) in enumerate(values)
    ]


def _middle(row):
    """Height of the middle of a row, from the top."""
    return _TOP + (row + 0.5) * _ROW


def sized_axes(width, height):
    """Axes that fill a new figure of the size that the drawing needs."""
    figure = import_pyplot().figure(figsize=(width, height))
    return figure.add_axes((0, 0, 1, 1))


def scale(ax, width, height):
    """Factor by which the numbers must shrink to fit into given axes."""
    figure = ax.figure.get_size_inches()
    place = ax.get_position()
    room = place.width * figure[0], place.height * figure[1]
    return min(room[0] / width, room[1] / height, 1.0)


def _title(ax, trace, middle, font):
    """Title with the loss before and after the step."""
    before, after = (
        ", ".join(f"{v:.4g}" for v in values)
        for values in (trace.outputs, trace.new_outputs)
    )
    lines = [f"loss {trace.loss:.4g} → {trace.new_loss:.4g}"]
    if len(trace.outputs) <= 3:
        lines[0] += f", output {before} → {after}"
    lines.append(
        f"weights before → after a step with learning rate {trace.learning_rate:g}"
    )
    style = {"ha": "center", "va": "top", "linespacing": 1.4}
    ax.text(middle, 0.12, "\n".join(lines), fontsize=1.2 * font, **style)


def _head(ax, x, text, font):
    """Say above a column what it holds."""
    style = {"ha": "center", "va": "center", "color": "0.35"}
    ax.text(x, _TOP - 0.15, text, fontsize=font, **style)


def _box(ax, x, y, label, font, color="white"):
    """Draw a unit with its numbers."""
    box = {"boxstyle": "round,pad=0.25", "facecolor": color, "edgecolor": "0.4"}
    style = {"ha": "center", "va": "center", "linespacing": 1.0}
    ax.text(x, y, label, fontsize=font, bbox=box, **style)


def _table(ax, layer, left, bound, font):
    """Draw the weights of a layer, the intercepts below them."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    before = np.vstack([layer.coefs, layer.intercepts])
    after = np.vstack([layer.new_coefs, layer.new_intercepts])
    cells = []
    for j in range(before.shape[1]):
        x = left + (j + 0.5) * _COLUMN
        _head(ax, x, f"to unit {j}", font)
        style = {"ha": "center", "va": "center"}
        for i in range(before.shape[0]):
            text = f"{before[i, j]:.4g}\n→ {after[i, j]:.4g}"
            ax.text(x, _middle(i), text, fontsize=font, **style)
            corner = left + j * _COLUMN, _TOP + i * _ROW
            cells.append(Rectangle(corner, _COLUMN, _ROW))
    patches = PatchCollection(cells, cmap="RdBu_r", edgecolor="0.8")
    patches.set_array(before.T.ravel())
    patches.set_clim(-2.5 * bound, 2.5 * bound)  # pale, so that text can be read
    ax.add_collection(patches)
