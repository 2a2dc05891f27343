"""Inputs as a fitted network sees them: hidden features and sensitivities."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from fastmlp._core import gradients
from fastmlp._core.network import Data
from fastmlp._core.prediction import activate_outputs, predict
from fastmlp._data.rows import check_names, column_names, known_frame
from fastmlp._data.validation import named
from fastmlp._utils.site import HasPage
from fastmlp._utils.spelling import suggests_keywords

if TYPE_CHECKING:
    from typing import Any, Self

    from fastmlp._utils.annotations import Array, ArrayLike, MatrixLike, Weights

MOST_STEPS = 1000  # of the quadrature: its nodes are eigenvalues, of cubic cost


def hidden_layer(layer, n_hidden):
    """The number of a hidden layer, from 1 on; negative ones count from the last."""
    if not isinstance(layer, Integral) or isinstance(layer, bool):
        raise ValueError(f"layer must be an int, got {layer!r}.")
    if n_hidden == 0:
        raise ValueError(
            "the model has no hidden layer: hidden_layer_sizes is empty, so there are "
            "no hidden activations."
        )
    if not -n_hidden <= layer < n_hidden:
        raise ValueError(
            f"layer must be in the range [{-n_hidden}, {n_hidden - 1}] for a model with"
            f" {n_hidden} hidden layer(s), got {layer}."
        )
    return int(layer) % n_hidden + 1


def hidden_activations(estimator, X, layer):
    """Activations of a hidden layer, shape (n_samples, n_units)."""
    X, network, layers, _ = estimator._fitted_network(X)
    number = hidden_layer(layer, len(network.units) - 2)
    return gradients.hidden_activations(network, Data(X), layers, number)


def input_gradient(estimator, X, output, of):
    """Derivatives of one output, or all, with respect to the features."""
    X, *fitted = estimator._fitted_network(X)
    outputs = _output_numbers(estimator, output, fitted[0].units[-1])
    out = [_gradient(fitted, X, k, sign, of) for k, sign in outputs]
    return out[0] if len(out) == 1 else np.stack(out, axis=1)


def integrated_gradients(estimator, X, baseline, output, of, n_steps):
    """Attributions by the path from a baseline, with Gauss-Legendre quadrature."""
    is_count = isinstance(n_steps, Integral) and not isinstance(n_steps, bool)
    if not is_count or not 1 <= n_steps <= MOST_STEPS:
        raise ValueError(
            f"n_steps must be an int from 1 to {MOST_STEPS}, got {n_steps!r}."
        )
    X, *fitted = estimator._fitted_network(X)
    X = X.toarray() if issparse(X) else X
    outputs = _output_numbers(estimator, output, fitted[0].units[-1])
    if len(outputs) > 1:
        raise ValueError("output must name one output of a model with several.")
    names = getattr(estimator, "feature_names_in_", None)
    with named("baseline"):
        check_names(column_names(known_frame(baseline)), names)
    start = np.zeros(X.shape[1]) if baseline is None else np.asarray(baseline, float)
    if start.shape not in ((X.shape[1],), X.shape) or not np.isfinite(start).all():
        raise ValueError(
            f"baseline must hold finite numbers in the shape ({X.shape[1]},) or "
            f"{X.shape}, got shape {start.shape}."
        )
    path = X - start.astype(X.dtype)
    total = np.zeros(X.shape)
    nodes, weights = np.polynomial.legendre.leggauss(int(n_steps))
    for node, weight in zip((nodes + 1) / 2, weights / 2):
        point = X - X.dtype.type(1 - node) * path
        total += weight * _gradient(fitted, point, *outputs[0], of)
    return (path * total).astype(X.dtype, copy=False)


def _gradient(fitted, X, k, sign, of):
    """Derivative of output k times a sign with respect to the features."""
    network, layers, coefs = fitted
    data = Data(X)
    z = predict(network, data, layers, activated=False)
    seeds = _seeds(network, z, k, of, sign)
    return gradients.input_gradient(network, data, layers, coefs, seeds)


def _output_numbers(estimator, output, n_outputs):
    """The columns of the outputs to differentiate, and the sign of each.

    A binary classifier has one output, the probability of its second class; that of
    the first one falls as it rises.
    """
    classes = getattr(estimator, "classes_", None)
    is_binary = classes is not None and n_outputs == 1
    n_choices = len(classes) if is_binary else n_outputs
    if output is None:
        return [(k, 1.0) for k in range(n_outputs)]
    if not isinstance(output, Integral) or not -n_choices <= output < n_choices:
        raise ValueError(
            f"output must be None or an int in the range [{-n_choices}, "
            f"{n_choices - 1}], got {output!r}."
        )
    output = int(output) % n_choices
    if is_binary:
        return [(0, 1.0 if output == n_choices - 1 else -1.0)]
    return [(output, 1.0)]


def _seeds(network, z, k, of, sign):
    """Derivative of output k with respect to z, the outputs before activation."""
    if of not in ("output", "raw"):
        raise ValueError(f"of must be 'output' or 'raw', got {of!r}.")
    seeds = np.zeros_like(z)
    if of == "raw":
        seeds[:, k] = sign
        return seeds
    a = z.copy()
    activate_outputs(network, a)
    if network.objective.is_monotone:
        raise ValueError(
            "of='output' is not offered for monotone quantiles, each of which depends "
            "on several outputs; use of='raw'."
        )
    if network.output == "softmax":
        seeds -= a * a[:, [k]]
        seeds[:, k] += a[:, k]
    elif network.output == "logistic":
        low, high = network.objective.bounds
        seeds[:, k] = (a[:, k] - low) * (high - a[:, k]) / (high - low)
    elif network.output == "exp":
        seeds[:, k] = a[:, k]
    elif network.output == "softplus":
        seeds[:, k] = -np.expm1(-a[:, k])
    elif network.output == "tanh":
        seeds[:, k] = 1 - a[:, k] ** 2
    elif network.output == "relu":
        seeds[:, k] = a[:, k] > 0
    else:
        seeds[:, k] = 1
    seeds *= seeds.dtype.type(sign)
    return seeds


class HiddenFeatures(
    HasPage,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    MetaEstimatorMixin,
    BaseEstimator,
):
    """Features that a multi-layer perceptron has learnt.

    Fits an MLP and transforms data to the activations of one of its hidden layers, for
    use before another model in a pipeline.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Cloned and fitted; wrap it in :class:`sklearn.frozen.FrozenEstimator` to take a
        fitted one as it is.

    layer : int, default=-1
        Hidden layer, from 0 for the first to -1 for the last.

    Attributes
    ----------
    estimator_ : MLPClassifier or MLPRegressor
        The fitted model.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the features, where X had names that are all strings.

    Examples
    --------
    >>> from fastmlp import HiddenFeatures, MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y = load_iris(return_X_y=True)
    >>> mlp = MLPClassifier((8,), solver="lbfgs", max_iter=50, tol=1e9, random_state=0)
    >>> features = HiddenFeatures(mlp).fit(X, y)
    >>> features.transform(X).shape
    (150, 8)
    >>> features.get_feature_names_out()[:2]
    array(['hiddenfeatures0', 'hiddenfeatures1'], dtype=object)
    >>> model = make_pipeline(HiddenFeatures(mlp), KNeighborsClassifier()).fit(X, y)
    """

    __module__ = "fastmlp"

    @suggests_keywords
    def __init__(self, estimator: Any, layer: int = -1) -> None:
        self.estimator = estimator
        self.layer = layer

    def fit(
        self, X: MatrixLike, y: ArrayLike | None = None, sample_weight: Weights = None
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets of the model.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
        """
        if not hasattr(self.estimator, "hidden_activations"):
            raise ValueError(
                "estimator must be an MLPClassifier or MLPRegressor of fastmlp, got "
                f"{self.estimator!r}."
            )
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        X = known_frame(X)
        estimator = clone(self.estimator).fit(X, y, **weights)
        # A frozen one was fitted elsewhere.
        check_names(column_names(X), getattr(estimator, "feature_names_in_", None))
        units = [len(b) for b in estimator.intercepts_[:-1]]
        self._n_features_out = units[hidden_layer(self.layer, len(units)) - 1]
        validate_data(self, X, skip_check_array=True)  # counts and names the features
        self.estimator_ = estimator
        return self

    def transform(self, X: MatrixLike) -> Array:
        """Activations of the hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_units)
        """
        check_is_fitted(self, "estimator_")
        return self.estimator_.hidden_activations(X, layer=self.layer)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
