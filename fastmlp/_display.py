"""Drawings of fitted models, in the style of scikit-learn's displays.

Matplotlib is imported when something is drawn.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastmlp._layers import layer_facts


def new_axes(ax):
    """The axes to draw on: the given ones, or new ones in a new figure."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "drawing needs matplotlib; install it with `pip install matplotlib`."
        ) from error
    return plt.subplots()[1] if ax is None else ax


class LossCurveDisplay:
    """Loss of training, and of validation where there is one, over the epochs.

    Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    loss : ndarray of shape (n_epochs,)
        Training loss of each epoch.
    validation_loss : ndarray of shape (n_epochs,), default=None
        Validation loss of each epoch.
    validation_score : ndarray of shape (n_epochs,), default=None
        Validation score of each epoch.
    estimator_name : str, default=None
        Name for the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the losses.
    figure_ : matplotlib Figure
        Figure that holds them.
    line_ : matplotlib Line2D
        Training loss.
    validation_line_ : matplotlib Line2D or None
        Validation loss.
    score_ax_, score_line_ : matplotlib Axes and Line2D, or None
        Validation score on an axis of its own.

    Examples
    --------
    >>> from fastmlp import LossCurveDisplay, MLPRegressor
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
    >>> regr = MLPRegressor(max_iter=500, tol=0.1, n_iter_no_change=3).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(regr)  # doctest: +SKIP
    """

    def __init__(
        self, *, loss, validation_loss=None, validation_score=None, estimator_name=None
    ):
        self.loss = loss
        self.validation_loss = validation_loss
        self.validation_score = validation_score
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls, estimator, *, ax=None, name=None, plot_score=False, **kwargs
    ):
        """Draw the record of a fitted model.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            A fitted model.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        name : str, default=None
            Name for the legend; None is that of the class.
        plot_score : bool, default=False
            Whether to draw the validation score too.
        **kwargs : dict
            Passed to the ``plot`` of matplotlib for the training loss.

        Returns
        -------
        display : LossCurveDisplay
        """
        check_is_fitted(estimator, "coefs_")
        history = estimator.history_
        if len(history["loss"]) == 0:
            raise ValueError("the model has no epochs on record.")
        columns = {
            column: history[column]
            for column in ("validation_loss", "validation_score")
            if not np.isnan(history[column]).all()
        }
        display = cls(
            loss=history["loss"],
            estimator_name=name or type(estimator).__name__,
            **columns,
        )
        return display.plot(ax=ax, plot_score=plot_score, **kwargs)

    def plot(self, ax=None, *, name=None, plot_score=False, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        name : str, default=None
            Name for the legend.
        plot_score : bool, default=False
            Whether to draw the validation score too.
        **kwargs : dict
            Passed to the ``plot`` of matplotlib for the training loss.

        Returns
        -------
        display : LossCurveDisplay
        """
        if plot_score and self.validation_score is None:
            raise ValueError("plot_score=True needs a model with validation data.")
        ax = new_axes(ax)
        name = name or self.estimator_name or "model"
        epochs = np.arange(1, len(self.loss) + 1)
        kwargs = {"label": f"{name}: training loss", **kwargs}
        (self.line_,) = ax.plot(epochs, self.loss, **kwargs)
        self.validation_line_ = self.score_ax_ = self.score_line_ = None
        if self.validation_loss is not None:
            style = {"linestyle": "--", "label": f"{name}: validation loss"}
            (self.validation_line_,) = ax.plot(
                epochs, self.validation_loss, color=self.line_.get_color(), **style
            )
        ax.set(xlabel="Epoch", ylabel="Loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        lines = [line for line in (self.line_, self.validation_line_) if line]
        if plot_score:
            self.score_ax_ = ax.twinx()
            style = {"color": "tab:gray", "label": f"{name}: validation score"}
            (self.score_line_,) = self.score_ax_.plot(
                epochs, self.validation_score, **style
            )
            self.score_ax_.set_ylabel("Validation score")
            lines.append(self.score_line_)
        ax.legend(handles=lines)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class WeightsDisplay:
    """Heat map of the weights of one layer.

    Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    weights : ndarray of shape (fan_in, fan_out)
        Weights of the layer.
    feature_names : list of str, default=None
        Names of the rows.
    title : str, default=None
        Title of the drawing.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the map.
    figure_ : matplotlib Figure
        Figure that holds them.
    im_ : matplotlib AxesImage
        The map; its colours are symmetric about zero.
    colorbar_ : matplotlib Colorbar
        Its scale.
    """

    def __init__(self, *, weights, feature_names=None, title=None):
        self.weights = weights
        self.feature_names = feature_names
        self.title = title

    @classmethod
    def from_estimator(cls, estimator, *, layer=0, ax=None, **kwargs):
        """Draw the weights of a layer of a fitted model.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            A fitted model.
        layer : int, default=0
            Index into ``coefs_``: 0 leads from the features, -1 to the outputs.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **kwargs : dict
            Passed to the ``imshow`` of matplotlib.

        Returns
        -------
        display : WeightsDisplay
        """
        check_is_fitted(estimator, "coefs_")
        n_layers = len(estimator.coefs_)
        if not isinstance(layer, int | np.integer) or not -n_layers <= layer < n_layers:
            raise ValueError(
                f"layer must be an int in the range [{-n_layers}, {n_layers - 1}], got "
                f"{layer!r}."
            )
        number = layer % n_layers
        names = getattr(estimator, "feature_names_in_", None) if number == 0 else None
        display = cls(
            weights=np.asarray(estimator.coefs_[number]),
            feature_names=None if names is None else list(names),
            title=f"Weights of layer {number + 1} of {n_layers}",
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **kwargs : dict
            Passed to the ``imshow`` of matplotlib.

        Returns
        -------
        display : WeightsDisplay
        """
        ax = new_axes(ax)
        bound = float(np.abs(self.weights).max(initial=0)) or 1.0
        style = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound, "aspect": "auto"}
        self.im_ = ax.imshow(self.weights, **{**style, **kwargs})
        self.colorbar_ = ax.figure.colorbar(self.im_, ax=ax)
        ax.set(xlabel="Unit", ylabel="Input of the layer", title=self.title)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.yaxis.get_major_locator().set_params(integer=True)
        if self.feature_names is not None:
            ax.set_yticks(range(len(self.feature_names)), self.feature_names)
        self.ax_, self.figure_ = ax, ax.figure
        return self


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

    def __init__(self, *, layers):
        self.layers = layers

    def plot(self, ax=None, *, max_units=10):
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
        for i, (facts, column) in enumerate(zip(self.layers, columns)):
            self.units_.append(
                ax.scatter([i] * len(column), column, s=160, edgecolor="k", zorder=2)
            )
            if facts.n_units > max_units:
                ax.text(i, 0, "⋮", ha="center", va="center", fontsize=16)
            words = [facts.name, f"{facts.n_units} units", facts.activation]
            if facts.shape is not None:
                words.append(f"{facts.n_params:,}\nparameters")
            label = "\n".join(word for word in words if word)
            self.texts_.append(
                ax.text(i, -0.62, label, ha="center", va="top", fontsize="small")
            )
        total = sum(facts.n_params for facts in self.layers)
        ax.set_title(f"{total:,} parameters")
        ax.set(xlim=(-0.6, len(columns) - 0.4), ylim=(-1.1, 0.6))
        ax.set_axis_off()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def unit_positions(n_units, max_units):
    """Heights of the circles of a layer, within +-0.5, with a gap for more."""
    if n_units <= max_units:
        return (np.arange(n_units) - (n_units - 1) / 2)[::-1] / max(n_units, 2)
    n_shown = max_units - 1
    places = np.delete(np.arange(max_units + 1), [n_shown // 2, n_shown // 2 + 1])
    return (places - places.mean())[::-1] / (max_units + 1)


def plot_network(estimator, *, ax=None, max_units=10):
    """Draw the diagram of a fitted network with layer sizes and parameter counts.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        A fitted model.
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
    return NetworkDisplay(layers=layer_facts(estimator)).plot(ax, max_units=max_units)
