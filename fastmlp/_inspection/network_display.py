"""The diagram of a network: units, layer sizes and parameter counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastmlp._inspection.display import fitted_mlp, import_pyplot, new_axes
from fastmlp._inspection.summary import layer_facts
from fastmlp._utils.spelling import suggests_keywords

if TYPE_CHECKING:
    from typing import Any, Self

    from matplotlib.axes import Axes

    from fastmlp._inspection.summary import LayerFacts

_LOW, _HIGH = -1.1, 0.6  # the units are within +-0.5, the descriptions below


class NetworkDisplay:
    """Diagram of a network: its units, layer sizes and parameter counts.

    Use :func:`plot_network` to make one.

    Parameters
    ----------
    layers : list of LayerFacts
        The input and each layer.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the diagram.
    figure_ : matplotlib Figure
        Figure that holds them.
    lines_ : matplotlib LineCollection
        Connections.
    units_ : list of matplotlib PathCollection
        Circles of each layer.
    texts_ : list of matplotlib Text
        Descriptions of the layers.
    """

    __module__ = "fastmlp"

    def __init__(self, *, layers: list[LayerFacts]) -> None:
        self.layers = layers

    def plot(self, ax: Axes | None = None, *, max_units: int = 10) -> Self:
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        max_units : int, default=10
            Circles that a layer may have; more units are shown by dots.

        Returns
        -------
        display : NetworkDisplay
        """
        if not isinstance(max_units, int | np.integer) or max_units < 3:
            raise ValueError(f"max_units must be an int >= 3, got {max_units!r}.")
        if ax is None:
            plt, width = import_pyplot(), max(6.4, 1.5 * len(self.layers))
            ax = plt.subplots(figsize=(width, 4.8))[1]
        else:
            ax = new_axes(ax)
        from matplotlib.collections import LineCollection

        columns = [unit_positions(f.n_units, max_units) for f in self.layers]
        segments = [
            [(i, low), (i + 1, high)]
            for i in range(len(columns) - 1)
            for low in columns[i]
            for high in columns[i + 1]
        ]
        self.lines_ = LineCollection(segments, colors="0.8", linewidths=0.6, zorder=1)
        ax.add_collection(self.lines_)
        self.units_, self.texts_ = [], []
        size = _circle_size(ax, columns)
        for i, (facts, column) in enumerate(zip(self.layers, columns)):
            self.units_.append(
                ax.scatter([i] * len(column), column, s=size, edgecolor="k", zorder=2)
            )
            if facts.n_units > max_units:
                gap = np.argmin(np.diff(column))
                middle = column[gap : gap + 2].mean()
                style = {"ha": "center", "va": "center", "fontsize": 16}
                ax.text(i, middle, "⋮", **style)
            unit = "unit" if facts.n_units == 1 else "units"
            words = [facts.name, f"{facts.n_units} {unit}", facts.activation]
            if facts.shape is not None:
                words.append(f"{facts.n_params:,}\nparameters")
            label = "\n".join(word for word in words if word)
            self.texts_.append(
                ax.text(i, -0.62, label, ha="center", va="top", fontsize="small")
            )
        total = sum(facts.n_params for facts in self.layers)
        ax.set_title(f"{total:,} parameters")
        ax.set(xlim=(-0.6, len(columns) - 0.4), ylim=(_LOW, _HIGH))
        ax.set_axis_off()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _circle_size(ax, columns):
    """The area of the circles in square points, so that they do not overlap."""
    closest = min((-np.diff(c).max() for c in columns if len(c) > 1), default=1.0)
    height = ax.get_position().height * ax.figure.get_size_inches()[1]
    return min(160.0, (0.8 * closest * 72 * height / (_HIGH - _LOW)) ** 2)


def unit_positions(n_units, max_units):
    """Heights of the circles of a layer, within +-0.5, with a gap for more."""
    if n_units <= max_units:
        return (np.arange(n_units) - (n_units - 1) / 2)[::-1] / max(n_units, 2)
    n_shown = max_units - 1
    places = np.delete(np.arange(max_units + 1), [n_shown // 2, n_shown // 2 + 1])
    return (places - places.mean())[::-1] / (max_units + 1)


@suggests_keywords
def plot_network(
    estimator: Any, *, ax: Axes | None = None, max_units: int = 10
) -> NetworkDisplay:
    """Draw the diagram of a fitted network with layer sizes and parameter counts.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline
        A fitted model, or a fitted pipeline or search that ends in one.
    ax : matplotlib Axes, default=None
        Axes to draw on; None makes new ones.
    max_units : int, default=10
        Circles that a layer may have; more units are shown by dots.

    Returns
    -------
    display : NetworkDisplay

    Examples
    --------
    >>> from fastmlp import MLPRegressor, plot_network
    >>> regr = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs")
    >>> regr = regr.fit([[0.0], [1.0]], [0.0, 1.0])
    >>> plot_network(regr)  # doctest: +SKIP
    """
    display = NetworkDisplay(layers=layer_facts(fitted_mlp(estimator)))
    return display.plot(ax, max_units=max_units)
