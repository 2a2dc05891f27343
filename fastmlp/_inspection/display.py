"""Drawings of fitted models, in the style of scikit-learn's displays.

Matplotlib is imported when something is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastmlp._data.scaling import Scaling
from fastmlp._inspection import history as recorded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from matplotlib.axes import Axes

    from fastmlp._utils.annotations import Array


def import_pyplot():
    """Matplotlib's pyplot."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "drawing needs matplotlib; install it with `pip install matplotlib`."
        ) from error
    return plt


def new_axes(ax):
    """The axes to draw on: the given ones, or new ones in a new figure."""
    plt = import_pyplot()
    return plt.subplots()[1] if ax is None else ax


def fitted_mlp(estimator):
    """The fitted network itself, of a pipeline, search or wrapper of targets too.

    Raises
    ------
    TypeError
        If there is no network with layers of its own in it.
    NotFittedError
        If it has no weights.
    """
    return _found(estimator, "_snapshot", "MLPClassifier or MLPRegressor")


def fitted_model(estimator):
    """The same of any model that trains by epochs."""
    names = "MLPClassifier, MLPRegressor, TabularMLPClassifier or TabularMLPRegressor"
    return _found(estimator, "history_", names)


def _found(estimator, mark, wanted):
    """The fitted model whose class has an attribute."""
    model = estimator
    while not hasattr(type(model), mark):
        if hasattr(model, "steps"):
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "regressor_"):
            model = model.regressor_
        else:
            check_is_fitted(estimator)  # a search or wrapper has its model by then
            raise TypeError(
                f"expected a fitted fastmlp.{wanted}, or a pipeline or search that "
                f"ends in one, got {estimator!r}."
            )
    check_is_fitted(model, model._weight_attributes)
    return model


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
    kept_epoch : int, default=None
        Epoch whose weights the model has, counted from 1; None if no epoch was
        chosen, so that they are those of the last one.

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
    kept_line_ : matplotlib Line2D or None
        Vertical line at the epoch that was kept.
    score_ax_, score_line_ : matplotlib Axes and Line2D, or None
        Validation score on an axis of its own.

    Examples
    --------
    >>> from fastmlp import LossCurveDisplay, MLPRegressor
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
    >>> regr = MLPRegressor(max_iter=500, tol=0.1, n_iter_no_change=3).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(regr)  # doctest: +SKIP
    """

    __module__ = "fastmlp"

    def __init__(
        self,
        *,
        loss: Array,
        validation_loss: Array | None = None,
        validation_score: Array | None = None,
        estimator_name: str | None = None,
        kept_epoch: int | None = None,
    ) -> None:
        self.loss = loss
        self.validation_loss = validation_loss
        self.validation_score = validation_score
        self.estimator_name = estimator_name
        self.kept_epoch = kept_epoch

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | None = None,
        name: str | None = None,
        plot_score: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Draw the record of a fitted model.

        Parameters
        ----------
        estimator : MLPClassifier, TabularMLPClassifier, a regressor or Pipeline
            A fitted model, or a fitted pipeline or search that ends in one.
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
        model = fitted_model(estimator)
        history = recorded.curves(model)
        if len(history["loss"]) == 0:
            raise ValueError(
                "the model has no epochs on record, as one of from_torch or "
                "from_sklearn, or of solver='lbfgs' out of a file of save_model, which "
                "holds loss_curve_ only: draw the curve before the model is saved."
            )
        columns = {
            column: history[column]
            for column in ("validation_loss", "validation_score")
            if not np.isnan(history[column]).all()
        }
        display = cls(
            loss=history["loss"],
            estimator_name=name or type(model).__name__,
            kept_epoch=recorded.kept_epoch(model, history),
            **columns,
        )
        return display.plot(ax=ax, plot_score=plot_score, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        plot_score: bool = False,
        **kwargs: Any,
    ) -> Self:
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
        self.kept_line_ = None
        if self.kept_epoch is not None:
            style = {"color": self.line_.get_color(), "linestyle": ":"}
            label = f"{name}: weights of epoch {self.kept_epoch}"
            self.kept_line_ = ax.axvline(self.kept_epoch, label=label, **style)
            lines.append(self.kept_line_)
        if plot_score:
            self.score_ax_ = ax.twinx()
            style = {"color": "tab:gray", "label": f"{name}: validation score"}
            (self.score_line_,) = self.score_ax_.plot(
                epochs, self.validation_score, **style
            )
            self.score_ax_.set_ylabel("Validation score")
            lines.append(self.score_line_)
            ax.set_zorder(self.score_ax_.get_zorder() + 1)  # the legend above all lines
            ax.patch.set_visible(False)
        place = "center right" if plot_score else "best"  # scores end at the top
        ax.legend(handles=lines, loc=place)
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
    units : str, default=None
        Units of the weights where they are not for raw data, shown below the title.

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

    __module__ = "fastmlp"

    def __init__(
        self,
        *,
        weights: Array,
        feature_names: Sequence[str] | None = None,
        title: str | None = None,
        units: str | None = None,
    ) -> None:
        self.weights = weights
        self.feature_names = feature_names
        self.title = title
        self.units = units

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, layer: int = 0, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw the weights of a layer of a fitted model.

        Of a model with ``standardize_X`` or ``standardize_y`` the weights of the first
        and last layer are those for standardised features and targets, as in training,
        which can be compared; ``coefs_`` are for raw ones. The title says so.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor or Pipeline
            A fitted model, or a fitted pipeline or search that ends in one.
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
        model = fitted_mlp(estimator)
        n_layers = len(model.coefs_)
        if not isinstance(layer, int | np.integer) or not -n_layers <= layer < n_layers:
            raise ValueError(
                f"layer must be an int in the range [{-n_layers}, {n_layers - 1}], got "
                f"{layer!r}."
            )
        number = layer % n_layers
        weights, units = _training_weights(model, number)
        display = cls(
            weights=weights,
            feature_names=_feature_names(estimator, model) if number == 0 else None,
            title=f"Weights of layer {number + 1} of {n_layers}",
            units=units,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
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
        if ax is None and self.feature_names is not None:
            ax = self._roomy_axes()
        ax = new_axes(ax)
        bound = float(np.abs(self.weights).max(initial=0)) or 1.0
        style = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound, "aspect": "auto"}
        self.im_ = ax.imshow(self.weights, **{**style, **kwargs})
        self.colorbar_ = ax.figure.colorbar(self.im_, ax=ax)
        title = "\n".join(text for text in (self.title, self.units) if text)
        ax.set(xlabel="Unit", ylabel="Input of the layer", title=title)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.yaxis.get_major_locator().set_params(integer=True)
        if self.feature_names is not None:
            ax.set_yticks(range(len(self.feature_names)), self.feature_names)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _roomy_axes(self):
        """New axes in a figure with room for each name, however long."""
        plt = import_pyplot()
        longest = max(map(len, self.feature_names), default=0)
        width = 5.4 + 0.09 * longest
        height = max(4.8, 1.2 + 0.2 * len(self.feature_names))
        return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _training_weights(model, number):
    """The weights of a layer in the units of training, and these in words or None."""
    weights = np.asarray(model.coefs_[number])
    statistics = getattr(model, "_scaling", None) or {}
    touched = {"X": number == 0, "y": number == len(model.coefs_) - 1}
    names = [name for name in statistics if touched[name]]
    if not names:
        return weights, None
    coefs, intercepts, units = model._layers()
    network = model._network(units, [], model._fitted_objective())
    params = np.hstack([array.ravel() for array in coefs + intercepts]).astype(float)
    Scaling(network, **statistics).unfold(params)
    words = {"X": "features", "y": "targets"}
    units = f"for standardised {' and '.join(words[name] for name in names)}"
    return network.split(params)[0][number].astype(weights.dtype), units


def _feature_names(estimator, model):
    """Names of the columns that reach a model, or None."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        pipeline = getattr(estimator, "best_estimator_", estimator)
        try:
            names = pipeline[:-1].get_feature_names_out()
        except (AttributeError, TypeError, ValueError):  # no pipeline, or no names
            return None
    return [str(name) for name in names]
