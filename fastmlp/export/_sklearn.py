"""Models of scikit-learn, both ways: parameters, weights, state of the solver."""

from __future__ import annotations

import copy
import inspect
import reprlib
import warnings
from typing import Any

import numpy as np
import sklearn
from sklearn import neural_network
from sklearn.base import BaseEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

from fastmlp._core.kernels import loss_outputs
from fastmlp._inspection.representation import HiddenFeatures
from fastmlp._mlp.activations import layer_activations
from fastmlp._mlp.classifier import MLPClassifier
from fastmlp._mlp.estimator import Estimator
from fastmlp._mlp.parameters import hidden_sizes
from fastmlp._mlp.planning import step_settings
from fastmlp._mlp.regressor import MLPRegressor
from fastmlp._training.optimizers import AdamOptimizer, SGDOptimizer
from fastmlp.export._nested import contained, replaced
from fastmlp.export._source import snapshot

_NOT_COPIED = (
    "_optimizer",
    "_best_coefs",
    "_best_intercepts",
    "_optimizer_state",
    "_history",
    "_scaling",
    "_stream",
    "_skl_callbacks",
    "validation_loss_curve_",
)
_MOMENTS = {"adam": ("ms", "vs"), "sgd": ("velocities",)}
_OURS = (MLPClassifier, MLPRegressor)
_THEIRS = (neural_network.MLPClassifier, neural_network.MLPRegressor)
_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
# Parameters that scikit-learn lacks and that say nothing of the model that is trained.
_OF_THE_RUN = ("dtype", "n_threads", "max_time", "on_divergence", "random_stream")


def _copied_state(source, target):
    """Copy the attributes of a fit, but for those of the solver."""
    params = source.get_params(deep=False)
    for name, value in vars(source).items():
        if name not in params and name not in _NOT_COPIED:
            vars(target)[name] = copy.deepcopy(value)


def from_sklearn(estimator: Any) -> Any:
    """Convert a model of scikit-learn to one of fastmlp.

    Parameters
    ----------
    estimator : estimator
        A sklearn.neural_network.MLPClassifier or MLPRegressor, fitted or not, or a
        pipeline, search or other wrapper that holds such models.

    Returns
    -------
    model : estimator
        With the same parameters and, if fitted, copies of weights and history;
        ``partial_fit`` goes on with the moments of the solver. Of a wrapper, a copy in
        which the models are replaced.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(estimator, _THEIRS):
        return _ours_of(estimator)
    found = contained(estimator, _THEIRS) if _is_estimator(estimator) else []
    if not found:
        raise TypeError(
            "expected a sklearn.neural_network.MLPClassifier or MLPRegressor, or an "
            f"estimator that holds one, got {type(estimator)!r}."
        )
    return replaced(estimator, found, _ours_of)


def _is_estimator(value):
    """Return whether this is an estimator, and no class of one."""
    return isinstance(value, BaseEstimator)


def _ours_of(estimator):
    """The model of fastmlp of one of scikit-learn."""
    kind = _OURS[isinstance(estimator, _THEIRS[1])]
    known = kind._get_param_names()
    params = estimator.get_params(deep=False)
    model = kind(**{name: params[name] for name in params if name in known})
    _copied_state(estimator, model)
    if hasattr(model, "_label_binarizer") and hasattr(model, "classes_"):
        model.classes_ = model._label_binarizer.classes_  # by which theirs predicts
    optimizer = getattr(estimator, "_optimizer", None)
    if optimizer is not None:
        model._optimizer_state = _state_of(estimator, optimizer)
    return model


def _state_of(estimator, optimizer):
    """The state of our solver from the optimizer of scikit-learn."""
    dtype = estimator.coefs_[0].dtype
    is_adam = hasattr(optimizer, "ms")
    kind = AdamOptimizer if is_adam else SGDOptimizer
    state = vars(kind.from_settings(step_settings(estimator), 0, dtype))
    state["moments"] = [
        np.concatenate([np.ravel(m) for m in getattr(optimizer, name)]).astype(dtype)
        for name in _MOMENTS["adam" if is_adam else "sgd"]
    ]
    for name in ("learning_rate_init", "learning_rate", "t"):
        if name in state and hasattr(optimizer, name):
            state[name] = type(state[name])(getattr(optimizer, name))
    return state


def sort_classes(classes, coefs, intercepts, is_binary):
    """Put the outputs into the order of the sorted classes, in place.

    Whatever is built on scikit-learn takes ``classes_`` for sorted: its scorers would
    judge by the wrong column.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    coefs, intercepts : list of ndarray
        Weights, of which those of the last layer are replaced.
    is_binary : bool
        Whether one output is that of the second class.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted.
    """
    order = np.argsort(classes)
    if (np.diff(order) > 0).all():
        return classes
    if is_binary:
        coefs[-1], intercepts[-1] = -coefs[-1], -intercepts[-1]
    else:
        coefs[-1] = np.ascontiguousarray(coefs[-1][:, order])
        intercepts[-1] = intercepts[-1][order]
    return classes[order]


def to_sklearn(estimator: Any) -> Any:
    """Convert a model of fastmlp to one of scikit-learn.

    Parameters
    ----------
    estimator : estimator
        A fitted MLPClassifier or MLPRegressor, or a fitted pipeline, search or other
        wrapper that holds such models.

    Returns
    -------
    model : estimator
        A sklearn.neural_network.MLPClassifier or MLPRegressor with copies of weights
        and history; ``partial_fit`` starts the moments of the solver anew. Classes are
        in sorted order, as scikit-learn needs them, and the outputs with them. Of a
        wrapper, a copy in which the models are replaced, those that are not fitted too.
        Its predictions are the same. A loss that scikit-learn lacks becomes
        squared_error, or poisson if predictions are exp of an output; other options
        that it lacks get its default or are left out.

    Warns
    -----
    UserWarning
        If scikit-learn lacks options of the training, so that another ``fit`` of the
        result would train in another way; they are named.

    Raises
    ------
    TypeError
        If there is no model of fastmlp.
    ValueError
        If scikit-learn lacks the activation or the loss, or a parameter that a search
        varies.
    NotFittedError
        If the estimator has no weights.
    """
    if isinstance(estimator, _OURS):
        found = [estimator]
    else:
        found = contained(estimator, _OURS) if _is_estimator(estimator) else []
    if not found:
        raise TypeError(
            "expected a fastmlp.MLPClassifier or MLPRegressor, or an estimator that "
            f"holds one, got {type(estimator)!r}."
            + " scikit-learn has no network for raw columns."
            * bool(contained(estimator, (Estimator,)))
        )
    if contained(estimator, (HiddenFeatures,)):
        raise ValueError("scikit-learn has no HiddenFeatures.")
    if not any(hasattr(model, "coefs_") for model in found):
        check_is_fitted(estimator, "coefs_" if isinstance(estimator, _OURS) else None)
    lost = set()
    copied = replaced(estimator, found, lambda model: _theirs_of(model, lost))
    for search in contained(copied, (BaseSearchCV,)):
        _check_search(search)
    if lost:
        warnings.warn(
            f"scikit-learn lacks {', '.join(sorted(lost))}: the copy predicts the "
            "same, but another fit of it trains without that.",
            UserWarning,
            stacklevel=2,
        )
    return copied


def _theirs_of(estimator, lost):
    """The model of scikit-learn of one of fastmlp; adds options it lacks to a set."""
    is_fitted = hasattr(estimator, "coefs_")
    kind = _THEIRS[isinstance(estimator, MLPRegressor)]
    params = estimator.get_params(deep=False)
    if is_fitted:
        fitted = snapshot(estimator)
        activations, output = fitted.activations, fitted.output_activation
    else:
        n_hidden = len(hidden_sizes(estimator))
        activations = layer_activations(estimator, n_hidden)
        output = loss_outputs.get(str(params["loss"]))
    names = {name for name, _ in activations}
    if len(names) > 1 or not names <= set(_ACTIVATIONS):
        raise ValueError(
            f"scikit-learn has the activations {_ACTIVATIONS}, one for all hidden "
            f"layers; the model has {sorted(map(str, names))}."
        )
    params["activation"] = next(iter(names), "identity")
    known = kind._get_param_names()
    if kind is _THEIRS[1]:
        if output == "exp" and "loss" not in known:
            raise ValueError(
                f"scikit-learn {sklearn.__version__} has no poisson loss; 1.7 has."
            )
        loss = "poisson" if output == "exp" else "squared_error"
        if params["loss"] != loss:
            lost.add(f"loss={params['loss']!r}")
        params["loss"] = loss
    model = kind(**_known_params(kind, params, estimator, lost))
    if not is_fitted:
        return model
    _copied_state(estimator, model)
    model.coefs_ = [np.array(w) for w in fitted.coefs]
    model.intercepts_ = [np.array(b) for b in fitted.intercepts]
    if fitted.is_classifier and not fitted.is_multilabel:
        model.classes_ = sort_classes(
            fitted.classes, model.coefs_, model.intercepts_, fitted.is_binary
        )
        # Theirs predicts by the classes of the binarizer, ours by classes_.
        model._label_binarizer = LabelBinarizer().fit(model.classes_)
    model.n_layers_, model.n_outputs_ = len(fitted.units), fitted.units[-1]
    return model


def _known_params(kind, params, estimator, lost):
    """Parameters of a class of scikit-learn, its default for a value it refuses."""
    known = {}
    for name, value in params.items():
        if name in kind._get_param_names():
            if _takes(kind, name, value):
                known[name] = value
            else:
                lost.add(f"{name}={reprlib.repr(value)}")
        elif name not in _OF_THE_RUN and not _is_default(estimator, name, value):
            lost.add(f"{name}={reprlib.repr(value)}")
    return known


def _takes(kind, name, value):
    """Return whether a class of scikit-learn takes a value, by its own check."""
    try:
        kind(**{name: value})._validate_params()
    except ValueError:
        return False
    return True


def _is_default(estimator, name, value):
    """Return whether a parameter has the default of its class."""
    default = inspect.signature(type(estimator)).parameters[name].default
    return type(value) is type(default) and value == default


def _check_search(search):
    """Raise ValueError if a search varies what scikit-learn's model lacks."""
    varied = getattr(search, "param_grid", None) or getattr(
        search, "param_distributions", {}
    )
    known = search.estimator.get_params()
    for grid in [varied] if isinstance(varied, dict) else varied:
        for path, values in grid.items():
            owner, _, name = path.rpartition("__")
            model = known.get(owner) if owner else search.estimator
            if not isinstance(model, _THEIRS):
                continue
            if name not in model.get_params():
                raise ValueError(
                    f"the search varies {path!r}, and {type(model).__name__} of "
                    f"scikit-learn has no {name!r}. Convert its best_estimator_."
                )
            values = values if isinstance(values, list | tuple | np.ndarray) else []
            refused = [v for v in values if not _takes(type(model), name, v)]
            if refused:
                raise ValueError(
                    f"the search varies {path!r}, and {type(model).__name__} of "
                    f"scikit-learn has no {name}={refused[0]!r}. Convert its "
                    "best_estimator_."
                )
