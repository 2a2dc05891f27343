"""The reading half of model files: a description of a model, decoded and checked.

Needs no scikit-learn.  What a file promises is written in docs/promises/file-format.md.
"""

from __future__ import annotations

import json
from importlib.metadata import version

import numpy as np

from fastmlp._core.kernels import activation_names
from fastmlp._core.network import Objective
from fastmlp._files import safetensors
from fastmlp._files.values import decode
from fastmlp._functions.activations import Activation, as_activation
from fastmlp._model.snapshot import (
    Snapshot,
    predicting_objective,
    special,
    stored_objective,
)
from fastmlp._utils.numbers import is_finite

# The version of the format for a model of arrays, and of tables.
FORMAT_VERSION, TABLES_VERSION = 1, 2
WEIGHTS = ("coefs_", "intercepts_")
_CLASSES = {
    FORMAT_VERSION: ("MLPClassifier", "MLPRegressor"),
    TABLES_VERSION: ("TabularMLPClassifier", "TabularMLPRegressor"),
}


def read_model_file(path, *, check=True, copy=False):
    """Read and check a model file, without scikit-learn.

    Returns
    -------
    model : dict
        "class", "params", "attributes", and "targets" or None. Of a model of arrays
        the attributes hold the weights, and "activations" name and parameter for each
        hidden layer; of one of tables "table" is the content of a TabularModel.
    """
    tensors, metadata = safetensors.read(path, check=check, copy=copy)
    try:
        return _model(tensors, metadata)
    except ValueError as error:
        raise ValueError(f"{path} is not a valid model file: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} is not a valid model file: too nested.") from None


def snapshot_of_file(model):
    """The snapshot of a decoded model file."""
    params, attributes = model["params"], model["attributes"]
    coefs, intercepts = attributes["coefs_"], attributes["intercepts_"]
    for array in coefs + intercepts:
        array.setflags(write=False)
    classes = attributes.get("classes_")
    is_classifier = model["class"] == "MLPClassifier"
    if is_classifier != isinstance(classes, np.ndarray):
        raise ValueError("it has no classes_, or should have none.")
    name, trained = attributes.get("out_activation_"), attributes.get("_objective")
    trained = None if trained is None else Objective(**trained)
    objective = predicting_objective(name, trained, is_classifier)
    n_outputs = len(intercepts[-1])
    if is_classifier and len(classes) not in (
        (n_outputs,) if n_outputs > 1 else (1, 2)
    ):
        raise ValueError("it has another number of classes than of outputs.")
    is_multilabel = is_classifier and n_outputs > 1 and name == "logistic"
    if is_classifier and model["targets"] is not None:
        is_multilabel = str(model["targets"].get("type")).startswith("multilabel")
    names = attributes.get("feature_names_in_")
    dtype = params.get("dtype", "auto")
    if dtype not in ("auto", "float32", "float64"):
        raise ValueError(f"it has the impossible dtype {dtype!r}.")
    return Snapshot(
        coefs,
        intercepts,
        model["activations"],
        name,
        None if dtype == "auto" else np.dtype(dtype),
        classes,
        None if names is None else [str(column) for column in names],
        special(objective),
        is_multilabel,
    )


def _model(tensors, metadata):
    """The description of a model, decoded."""
    if metadata.get("format") == "fastmlp checkpoint":
        raise ValueError("it is a checkpoint of a fit; pass it to fit as resume=.")
    if metadata.get("format") != "fastmlp":
        raise ValueError("it was not written by fastmlp.save_model.")
    version_of_file = metadata.get("format_version")
    classes = {str(v): of for v, of in _CLASSES.items()}.get(version_of_file)
    if classes is None:
        raise ValueError(
            f"it has format version {version_of_file!r}; this fastmlp "
            f"({version('fastmlp')}) reads versions {FORMAT_VERSION} and "
            f"{TABLES_VERSION}. Install a newer one."
        )
    model = json.loads(metadata.get("model", ""))
    if not isinstance(model, dict) or model.get("class") not in classes:
        raise ValueError(f"it describes no {' or '.join(classes)}.")
    decoded = {"class": model["class"], "targets": model.get("targets")}
    for group, prefix in (("params", "params."), ("attributes", "")):
        values = model.get(group)
        if not isinstance(values, dict):
            raise ValueError(f"it has no {group}.")
        decoded[group] = {
            name: decode(value, prefix + name, tensors)
            for name, value in values.items()
        }
    if version_of_file == str(TABLES_VERSION):
        decoded["table"] = decode(model.get("table"), "table", tensors)
    else:
        _take_layers(decoded, model, tensors)
    return decoded


def _take_layers(decoded, model, tensors):
    """Decode the layers of a model of arrays."""
    activations = model.get("activations")
    if not isinstance(activations, list) or not all(map(_is_activation, activations)):
        raise ValueError("it has impossible activations.")
    n_layers = len(activations) + 1
    decoded["activations"] = [(as_activation(f) or f, p) for f, p in activations]
    for name, _ in decoded["activations"]:
        if not isinstance(name, Activation) and name not in activation_names:
            raise ValueError(
                f"it has the activation {name!r}, which is not known here. If it is "
                "one of your own, call fastmlp.register_activation before loading."
            )
    for name in WEIGHTS:
        decoded["attributes"][name] = [
            decode({"$array": None}, f"{name}.{i}", tensors) for i in range(n_layers)
        ]
    _check_weights(decoded["attributes"])
    objective = decoded["attributes"].get("_objective")
    if objective is not None:
        sound = stored_objective(objective, model["class"] == "MLPClassifier")
        is_gaussian = sound.loss == "gaussian_nll"
        if is_gaussian and decoded["attributes"].get("out_activation_") == "identity":
            # files of before the output activation had a name of its own
            decoded["attributes"]["out_activation_"] = "gaussian"


def _is_activation(pair):
    """Return whether this is a name and a finite parameter."""
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and type(pair[1]) in (int, float)
        and is_finite(pair[1])
    )


def _check_weights(attributes):
    """Raise ValueError unless the weights fit one another in shape and dtype."""
    coefs, intercepts = (attributes[name] for name in WEIGHTS)
    width = coefs[0].shape[0] if coefs[0].ndim == 2 else 0
    for i, (w, b) in enumerate(zip(coefs, intercepts)):
        if (
            w.dtype.kind != "f"
            or w.dtype != coefs[0].dtype
            or w.dtype != b.dtype
            or w.ndim != 2
            or not w.size
            or w.shape[0] != width
            or b.shape != w.shape[1:]
        ):
            raise ValueError(
                f"layer {i} has weights of shape {w.shape} and dtype {w.dtype} and "
                f"intercepts of shape {b.shape} and dtype {b.dtype}, after {width} "
                "units."
            )
        width = w.shape[1]
