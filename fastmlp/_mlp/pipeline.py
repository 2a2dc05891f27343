"""Pipelines as models: scalers around an MLP go into its first and its last layer.

A scaler maps a column x to (x - mean) / scale, and so does a chain of scalers.  It is
folded into the weights as ``standardize_X`` and ``standardize_y`` are (``_scaling``).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted

from fastmlp._data.scaling import Scaling
from fastmlp._mlp.classifier import MLPClassifier
from fastmlp._mlp.estimator import Estimator
from fastmlp._mlp.regressor import MLPRegressor
from fastmlp._model.losses import standardizable

if TYPE_CHECKING:
    from typing import Any

_FOLDABLE = "StandardScaler, RobustScaler, MaxAbsScaler and MinMaxScaler without clip"
LARGEST_ROUNDING = 1e-4  # of a scaled feature


class _Scale(NamedTuple):
    """The map of columns from x to (x - mean) / scale, in float64."""

    mean: np.ndarray
    scale: np.ndarray

    def then(self, later):
        """The map that applies this one first, then a later one."""
        return _Scale(self.mean + self.scale * later.mean, self.scale * later.scale)


def fold_scalers(estimator: Any) -> MLPClassifier | MLPRegressor:
    """Make one model of a pipeline of scalers and an MLP.

    The model predicts from raw features what the pipeline predicts, but for rounding,
    so that it can leave the lab without the pipeline: ``compile()``, `save_model`,
    `to_c`, `to_torch`. The last three fold by themselves.

    Parameters
    ----------
    estimator : Pipeline, search, TransformedTargetRegressor or model
        Fitted. The steps before the MLP may be StandardScaler, MinMaxScaler (without
        ``clip``), MaxAbsScaler, RobustScaler, nested pipelines of them and
        "passthrough". A search is replaced by its ``best_estimator_``. A
        TransformedTargetRegressor may have one of these scalers as its transformer.

    Returns
    -------
    model : MLPClassifier or MLPRegressor
        A copy with the names of the features that the pipeline was fitted on. Where
        features were scaled it has ``standardize_X=True`` with the statistics of the
        scalers, where targets were, ``standardize_y=True``: ``partial_fit`` goes on as
        in the pipeline, while another ``fit`` takes means and standard deviations of
        its data. Where float32 weights for raw features would lose digits, because a
        mean is large beside the scale, weights and ``dtype`` are float64.

    Raises
    ------
    TypeError
        If there is no MLP of fastmlp in the place of the model.
    ValueError
        If a step cannot be folded, or if a mean is so large beside its scale that even
        float64 weights would lose digits.
    NotFittedError
        If something is not fitted.

    Examples
    --------
    >>> from fastmlp import MLPRegressor, fold_scalers
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> mlp = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0)
    >>> pipeline = make_pipeline(StandardScaler(), mlp).fit([[10.0], [20.0]], [1, 3])
    >>> fold_scalers(pipeline).compile().predict([[30.0]]).round(2)
    array([5.])
    """
    estimator = without_search(estimator)
    if is_model(estimator):
        check_is_fitted(estimator, "coefs_")
        return copy.deepcopy(estimator)
    if isinstance(estimator, TransformedTargetRegressor):
        return _folded_targets(estimator)
    if not isinstance(estimator, Pipeline):
        raise TypeError(_no_model(estimator))
    *steps, (_, last) = estimator.steps
    steps = list(_real_steps(steps))
    if isinstance(last, str) or not hasattr(last, "predict"):
        raise TypeError(
            "expected a Pipeline that ends in an MLPClassifier or MLPRegressor of "
            f"fastmlp; its last step is {_described(last)}."
        )
    scale = _scale_of_steps(steps)
    model = fold_scalers(last)
    if scale is not None:
        _folded(model, "X", scale)
    if steps:
        _take_names(model, steps[0][1])
    return model


def as_model(estimator):
    """An MLP of fastmlp as it is; what else can be folded into one, folded."""
    return estimator if is_model(estimator) else fold_scalers(estimator)


def is_model(estimator):
    """Return whether this is an MLP of fastmlp."""
    return isinstance(estimator, MLPClassifier | MLPRegressor)


def without_search(estimator):
    """The best estimator of a fitted search; anything else as it is."""
    while isinstance(estimator, BaseSearchCV):
        if not estimator.refit:
            raise ValueError(
                f"this {type(estimator).__name__} has no best_estimator_; search with "
                "refit=True."
            )
        check_is_fitted(estimator)
        estimator = estimator.best_estimator_
    return estimator


def fold_targets(estimator):
    """An equal predictor without TransformedTargetRegressor and searches.

    Preparation stays as it is; a scaler of the targets goes into the MLP.
    """
    estimator = without_search(estimator)
    if isinstance(estimator, TransformedTargetRegressor):
        check_is_fitted(estimator)
        inner = fold_targets(estimator.regressor_)
        return _with_last(
            inner, lambda model: _with_targets(model, estimator.transformer_)
        )
    if isinstance(estimator, Pipeline):
        last = fold_targets(estimator.steps[-1][1])
        return _with_last(estimator, lambda _: last)
    return estimator


def _with_last(estimator, change):
    """A pipeline with its last step changed, nested or not; or the changed model."""
    if not isinstance(estimator, Pipeline):
        return change(estimator)
    changed = copy.copy(estimator)
    *steps, (name, last) = estimator.steps
    changed.steps = [*steps, (name, _with_last(last, change))]
    return changed


def _described(step):
    """A step in a message: as it is written where that is short, else its class."""
    text = repr(step)
    return text if len(text) < 70 and "\n" not in text else type(step).__name__


def _no_model(estimator):
    """The message about something else than a model of fastmlp."""
    name = type(estimator).__name__
    text = f"expected a fastmlp.MLPClassifier or MLPRegressor, got {type(estimator)!r}."
    if type(estimator).__module__.startswith("sklearn.neural_network"):
        return f"{text} A model of scikit-learn converts with fastmlp.from_sklearn."
    if isinstance(estimator, Estimator):
        return (
            f"{text} What a {name} does to raw columns has no place in plain layers: "
            "save it with fastmlp.save_model, or convert it with fastmlp.to_onnx or "
            "fastmlp.to_c."
        )
    if hasattr(estimator, "predict") and hasattr(estimator, "get_params"):
        return (
            f"{text} What {name} does with the predictions of the models in it would "
            "be lost. Pickle it, or convert it with fastmlp.to_onnx."
        )
    return text


def _real_steps(steps):
    """Names and transformers of steps that do something, those of nested pipelines."""
    for name, step in steps:
        if isinstance(step, Pipeline):
            for inner, nested in _real_steps(step.steps):
                yield f"{name}__{inner}", nested
        elif step is not None and not (isinstance(step, str) and step == "passthrough"):
            yield name, step


def _scale_of_steps(steps):
    """The map of all steps together, or None if they do nothing."""
    total = None
    for name, step in steps:
        scale = _scale_of(step)
        if scale is NotImplemented:
            raise ValueError(
                f"the step {name!r}, {_described(step)}, cannot be folded into the "
                "weights of the MLP, and without it predictions would be wrong: what "
                f"it does to the features would be lost. {_FOLDABLE} can be folded. "
                "Keep the pipeline (pickle, joblib or skops), convert it with "
                "fastmlp.to_onnx, or prepare the features yourself and pass the MLP "
                "alone, pipeline[-1]."
            )
        if scale is not None:
            total = scale if total is None else total.then(scale)
    return total


def _scale_of(step):
    """The map of one transformer; None for the identity, NotImplemented for others.

    A subclass may transform in another way, so the very class counts.
    """
    kind = type(step)
    if kind is FunctionTransformer and step.func is None:
        return None if step.inverse_func is None else NotImplemented
    if kind not in (StandardScaler, RobustScaler, MaxAbsScaler, MinMaxScaler):
        return NotImplemented
    check_is_fitted(step)
    if getattr(step, "clip", False):
        return NotImplemented
    n = step.n_features_in_
    if kind is MinMaxScaler:
        return _Scale(-step.min_ / step.scale_, 1 / step.scale_)
    if kind is StandardScaler:
        mean = step.mean_ if step.with_mean else None
        scale = step.scale_ if step.with_std else None
    elif kind is RobustScaler:
        mean = step.center_ if step.with_centering else None
        scale = step.scale_ if step.with_scaling else None
    else:
        mean, scale = None, step.scale_
    mean = np.zeros(n) if mean is None else np.asarray(mean, np.float64)
    scale = np.ones(n) if scale is None else np.asarray(scale, np.float64)
    return _Scale(mean, scale)


def _folded_targets(estimator):
    """The model of a TransformedTargetRegressor, with its scaler folded."""
    check_is_fitted(estimator)
    return _with_targets(fold_scalers(estimator.regressor_), estimator.transformer_)


def _with_targets(model, transformer):
    """A model that gives raw targets, of one that gives transformed ones."""
    scale = _scale_of(transformer)
    if scale is None:
        return model
    if scale is NotImplemented or not is_model(model):
        raise ValueError(
            f"the transformer of the targets, {_described(transformer)}, cannot be "
            "folded into the weights of an MLP, and without it predictions would be "
            "wrong: they would not be in the units of the targets. "
            f"{_FOLDABLE} can be folded."
        )
    objective = model._fitted_objective()
    if not standardizable(objective):
        raise ValueError(
            f"{_described(transformer)} of the targets cannot be folded into a model "
            f"with loss={objective.loss!r} and out_activation_="
            f"{model.out_activation_!r}: its outputs are no linear function of the "
            "last layer."
        )
    return _folded(copy.deepcopy(model), "y", scale)


def _folded(model, name, scale):
    """A model with the map of X or y folded into its weights, in place."""
    dtype = _dtype(model, name, scale)
    layers = model._layers()[:2]
    network = model._network(
        model._layers()[2],
        model._snapshot().activations,
        model._fitted_objective(),
    )
    params = np.empty(sum(a.size for arrays in layers for a in arrays))
    folded = network.split(params)
    for arrays, views in zip(layers, folded):
        for array, view in zip(arrays, views):
            view[...] = array
    Scaling(network, **{name: scale._asdict()}).fold(params)
    model.coefs_, model.intercepts_ = [
        [array.astype(dtype) for array in arrays] for arrays in folded
    ]
    if scale.mean.any():
        model.fit_intercept = True
    known = getattr(model, "_scaling", None) or {}
    if name in known:
        scale = scale.then(_Scale(**known[name]))
    model._scaling = {**known, name: scale._asdict()}
    setattr(model, f"standardize_{name}", True)
    return model


def _dtype(model, name, scale):
    """The dtype of weights for raw columns: the present one, or float64.

    A raw value of the size of the mean has a rounding error of eps times it, which the
    scale divides.
    """
    dtype = model.coefs_[0].dtype
    with np.errstate(over="ignore"):
        shift = np.abs(scale.mean / scale.scale)
        extremes = np.array([*scale, 1 / scale.scale]).astype(np.float32)
    column = int(np.argmax(shift))
    rounding = shift[column] * np.finfo(np.float32).eps
    if rounding <= LARGEST_ROUNDING and np.isfinite(extremes).all():
        return dtype
    if not shift[column] * np.finfo(np.float64).eps <= LARGEST_ROUNDING:
        raise ValueError(
            f"column {column} of {name} has the mean {scale.mean[column]:.6g} and the "
            f"scale {scale.scale[column]:.6g}: weights for raw values would lose their "
            "digits. Subtract a constant from this column before the fit."
        )
    model.dtype = "float64"
    return np.dtype(np.float64)


def _take_names(model, first):
    """Give a model the names of the features that the first step was fitted on."""
    vars(model).pop("feature_names_in_", None)
    if hasattr(first, "feature_names_in_"):
        model.feature_names_in_ = np.array(first.feature_names_in_, dtype=object)
