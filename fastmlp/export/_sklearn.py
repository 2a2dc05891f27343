"""Models of scikit-learn, both ways: parameters, weights, state of the solver."""

from __future__ import annotations

import copy

import numpy as np
import sklearn
from sklearn import neural_network
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

from fastmlp._optimizers import AdamOptimizer, SGDOptimizer
from fastmlp._snapshot import snapshot

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


def _copied_state(source, target):
    """Copy the attributes of a fit, but for those of the solver."""
    params = source.get_params(deep=False)
    for name, value in vars(source).items():
        if name not in params and name not in _NOT_COPIED:
            vars(target)[name] = copy.deepcopy(value)


def from_sklearn(estimator):
    """Convert a model of scikit-learn to one of fastmlp.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted or not.

    Returns
    -------
    model : fastmlp.MLPClassifier or fastmlp.MLPRegressor
        With the same parameters and, if fitted, copies of weights and history;
        ``partial_fit`` goes on with the moments of the solver.

    Raises
    ------
    TypeError
        If it is something else.
    """
    import fastmlp

    for kind in ("MLPClassifier", "MLPRegressor"):
        if isinstance(estimator, getattr(neural_network, kind)):
            known = getattr(fastmlp, kind)._get_param_names()
            params = estimator.get_params(deep=False)
            model = getattr(fastmlp, kind)(
                **{name: params[name] for name in params if name in known}
            )
            break
    else:
        raise TypeError(
            "expected a sklearn.neural_network.MLPClassifier or MLPRegressor, got "
            f"{type(estimator)!r}."
        )
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
    state = vars(kind.from_parameters(estimator, 0, dtype))
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
        Whether one output stands for the second class.

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


def to_sklearn(estimator):
    """Convert a model of fastmlp to one of scikit-learn.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted.

    Returns
    -------
    model : sklearn.neural_network.MLPClassifier or MLPRegressor
        With copies of weights and history; ``partial_fit`` starts the moments of the
        solver anew. Classes are in sorted order, as scikit-learn needs them, and the
        outputs with them. Parameters that scikit-learn lacks are left out; a loss that
        it lacks becomes squared_error, or poisson if predictions are exp of an output.

    Raises
    ------
    ValueError
        If scikit-learn lacks the activation or the loss.
    NotFittedError
        If the estimator has no weights.
    """
    fitted = snapshot(estimator)
    names = {name for name, _ in fitted.activations}
    known = ("identity", "logistic", "tanh", "relu")
    if len(names) > 1 or not names <= set(known):
        raise ValueError(
            f"scikit-learn has the activations {known}, one for all hidden layers; the "
            f"model has {sorted(map(str, names))}."
        )
    name = "MLPClassifier" if fitted.is_classifier else "MLPRegressor"
    kind = getattr(neural_network, name)
    params = estimator.get_params(deep=False)
    params["activation"] = next(iter(names), "identity")
    if not fitted.is_classifier:
        params["loss"] = fitted.loss
    known = kind._get_param_names()
    if fitted.out_activation == "exp" and "loss" not in known:
        raise ValueError(
            f"scikit-learn {sklearn.__version__} has no poisson loss; 1.7 has."
        )
    model = kind(**{name: params[name] for name in params if name in known})
    check_is_fitted(estimator, "coefs_")
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
