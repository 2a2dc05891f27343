"""A fitted model of the layers that another framework has trained."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from fastmlp._mlp.classifier import MLPClassifier
from fastmlp._mlp.regressor import MLPRegressor
from fastmlp.export._sklearn import sort_classes

_OF_THE_LAYERS = ("hidden_layer_sizes", "activation")  # which say what they are


def check_params(params, source):
    """Raise TypeError if parameters of an estimator say what the source says."""
    given = [name for name in _OF_THE_LAYERS if name in params]
    if given:
        raise TypeError(f"{given[0]} is what the {source} says; leave it out.")


def fitted_model(coefs, intercepts, activations, output, classes, params):
    """A fitted estimator.

    Parameters
    ----------
    coefs, intercepts : list of ndarray
        Weights, all in one dtype; the estimator keeps them. Those of the last layer are
        replaced where the outputs are put into another order.
    activations : list of str or tuple
        One for each hidden layer.
    output : {None, "logistic", "softmax", "exp"}
        The output activation; None makes a regressor, or of outputs with ``classes`` a
        classifier whose outputs are logits.
    classes : array-like or None
        Labels in the order of the outputs.
    params : dict
        Further parameters of the estimator.
    """
    n_outputs = len(intercepts[-1])
    if classes is not None and output is None:
        n_classes = np.size(classes)
        output = "softmax" if n_classes == n_outputs and n_outputs > 1 else "logistic"
    if output == "softmax" and n_outputs == 2:
        coefs[-1] = coefs[-1][:, 1:] - coefs[-1][:, :1]
        intercepts[-1] = intercepts[-1][1:] - intercepts[-1][:1]
        n_outputs, output = 1, "logistic"
    params = {
        "hidden_layer_sizes": tuple(len(b) for b in intercepts[:-1]),
        "activation": _single(activations),
        "dtype": coefs[0].dtype.name,
        **params,
    }
    if output is None or output == "exp":
        model = MLPRegressor(
            **{"loss": "poisson" if output else "squared_error", **params}
        )
    else:
        model = MLPClassifier(**params)
        _set_classes(model, classes, coefs, intercepts, output)
    model.coefs_, model.intercepts_ = coefs, intercepts
    model.out_activation_ = output or "identity"
    model.n_layers_, model.n_outputs_ = len(coefs) + 1, n_outputs
    model.n_features_in_ = len(coefs[0])
    model._snapshot()  # the check
    return model


def _single(activations):
    """The parameter ``activation`` for the activations of the hidden layers."""
    if len(set(activations)) > 1:
        return activations
    return activations[0] if activations else "identity"


def _set_classes(model, classes, coefs, intercepts, output):
    """classes_ and the label binarizer of a classifier; sorts its outputs by class."""
    n_outputs = len(intercepts[-1])
    if output == "softmax" and n_outputs == 1:
        raise ValueError("Softmax of a single output is always 1; use Sigmoid.")
    expected = 2 if n_outputs == 1 else n_outputs
    classes = np.arange(expected) if classes is None else np.asarray(classes)
    if classes.shape != (expected,) or len(np.unique(classes)) != expected:
        raise ValueError(
            f"classes must hold {expected} different labels for {n_outputs} outputs, "
            f"got {classes!r}."
        )
    if output == "logistic" and n_outputs > 1:
        y = np.eye(n_outputs, dtype=int)
        y[0] = 1
        model._label_binarizer = LabelBinarizer().fit(y)
    else:
        classes = sort_classes(classes, coefs, intercepts, n_outputs == 1)
        model._label_binarizer = LabelBinarizer().fit(classes)
    model.classes_ = classes
