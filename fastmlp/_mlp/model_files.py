"""Model files: an estimator as one safetensors-compatible file, and back.

The file holds the parameters, the weights and the other attributes of a fit.  Its
promises are in docs/file-format.md.
"""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from fastmlp._core.kernels import activation_names
from fastmlp._files import safetensors
from fastmlp._files.values import decode, encode, to_json
from fastmlp._functions.user_functions import (
    Activation,
    Loss,
    as_activation,
    stored_name,
)
from fastmlp._mlp.restoration import (
    BINARIZER,
    OPTIMIZER,
    OTHER_PRIVATE,
    is_fitted_name,
    restored,
)
from fastmlp._model.snapshot import stored_objective
from fastmlp._utils.numbers import dtype_name, is_finite

if TYPE_CHECKING:
    from typing import Any

    from fastmlp import MLPClassifier, MLPRegressor
    from fastmlp._utils.annotations import FilePath

FORMAT_VERSION = 1
WEIGHTS = ("coefs_", "intercepts_")
_CLASSES = ("MLPClassifier", "MLPRegressor")
_LEFT_OUT = ("_skl_callbacks", "_sklearn_output_config")


class ModelVersionWarning(UserWarning):
    """A model was stored by another version of fastmlp."""

    __module__ = "fastmlp"


def stamped(state):
    """The state of an estimator for pickle, with the version of fastmlp."""
    return {**state, "_fastmlp_version": version("fastmlp")}


def unstamped(state, name):
    """The state without the stamp; warns if that is of another version.

    Parameters
    ----------
    state : dict
    name : str
        Of the class.

    Returns
    -------
    state : dict
    """
    state = dict(state)
    warn_of_version(state.pop("_fastmlp_version", None), name)
    return state


def warn_of_version(stored, name):
    """Warn if a pickle was written by another version than this one."""
    if stored != version("fastmlp"):
        warnings.warn(
            f"this {name} was pickled by fastmlp {stored or 'of an unknown version'} "
            f"and is loaded by {version('fastmlp')}. A pickle is for the same version "
            "only: its predictions may differ or fail. For other versions use "
            "fastmlp.save_model and load_model.",
            ModelVersionWarning,
            stacklevel=4,
        )


def save_model(estimator: Any, path: FilePath, *, optimizer: bool = False) -> None:
    """Save a fitted estimator to a file that runs no code on loading.

    The file is compatible with safetensors [1]_; ``docs/file-format.md`` describes it
    and says which later versions of fastmlp read it. It is written as a whole or not
    at all.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline
        Fitted, or with weights put in by hand. Of a pipeline of scalers and an MLP the
        file holds the model that `fold_scalers` makes of it.
    path : str or path-like
        Where to write; the customary suffix is ``.safetensors``. Of a symbolic link
        the target is replaced, and the link stays.
    optimizer : bool, default=False
        Whether to store what ``partial_fit`` needs to go on as if nothing had happened:
        the moments of the solver (once or twice the weights) and the random generator.

    Raises
    ------
    NotFittedError
        If the estimator has no weights.
    TypeError
        If it is no estimator of fastmlp, if ``path`` is no path, or if a parameter or
        attribute is of a type that the format does not know, such as a function.
    ValueError
        If a step of a pipeline cannot be folded into the weights.
    OSError
        If the file cannot be written; an earlier one is left as it was.

    References
    ----------
    .. [1] https://github.com/huggingface/safetensors

    Examples
    --------
    >>> import os, tempfile
    >>> from fastmlp import MLPRegressor, load_model, save_model
    >>> model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs")
    >>> model = model.fit([[0.0], [1.0]], [1.0, 3.0])
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> save_model(model, path)
    >>> load_model(path).predict([[2.0]]).round(2)
    array([5.])
    """
    from fastmlp._mlp.pipeline import as_model

    estimator = as_model(estimator)
    kind = _kind_of(estimator)
    snapshot = estimator._snapshot()
    params = estimator.get_params(deep=False)
    params["activation"] = _storable(params["activation"])
    params["dtype"] = dtype_name(params["dtype"])
    if isinstance(params["loss"], Loss):
        raise TypeError(
            f"the model has loss={params['loss']!r}, and a model file holds no "
            "functions. Pickle the model, or set loss to a name before saving: "
            "predictions do not depend on it once the model is fitted."
        )
    tensors = {}
    for name, arrays in zip(WEIGHTS, (snapshot.coefs, snapshot.intercepts)):
        tensors.update({f"{name}.{i}": array for i, array in enumerate(arrays)})
    model = {
        "class": kind,
        "activations": [[_storable(f), p] for f, p in snapshot.activations],
        "params": {k: encode(v, f"params.{k}", tensors) for k, v in params.items()},
        "attributes": {},
    }
    for name, value in vars(estimator).items():
        if name == BINARIZER:
            model["targets"] = {
                "type": value.y_type_,
                "sparse": bool(value.sparse_input_),
            }
        elif _is_stored(name, params, optimizer):
            model["attributes"][name] = encode(value, name, tensors)
    safetensors.write(
        path,
        tensors,
        {
            "format": "fastmlp",
            "format_version": str(FORMAT_VERSION),
            "fastmlp_version": version("fastmlp"),
            "numpy_version": np.__version__,
            "model": to_json(model),
        },
    )


def _storable(activation):
    """An activation as a file holds it: a user-defined one by its name."""
    if isinstance(activation, list):
        return [_storable(entry) for entry in activation]
    own = None if isinstance(activation, str) else as_activation(activation)
    return activation if own is None else stored_name(own)


def _kind_of(estimator):
    """The name of the estimator's public class."""
    from fastmlp import MLPClassifier

    is_classifier = isinstance(estimator, MLPClassifier)
    return "MLPClassifier" if is_classifier else "MLPRegressor"


def _is_stored(name, params, optimizer):
    """Whether an attribute goes into the file beside weights and parameters."""
    if name in params or name in WEIGHTS or name in _LEFT_OUT or name == "loss":
        return False
    if name in OPTIMIZER:
        return optimizer
    return name in OTHER_PRIVATE or is_fitted_name(name)


def read_model_file(path, *, check=True, copy=False):
    """Read and check a model file, without scikit-learn.

    Returns
    -------
    model : dict
        "class", "params", "attributes" with the weights, "activations" of the hidden
        layers (name and parameter), and "targets" or None.
    """
    tensors, metadata = safetensors.read(path, check=check, copy=copy)
    try:
        return _model(tensors, metadata)
    except ValueError as error:
        raise ValueError(f"{path} is not a valid model file: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} is not a valid model file: too nested.") from None


def _model(tensors, metadata):
    """The description of a model, decoded."""
    if metadata.get("format") == "fastmlp checkpoint":
        raise ValueError("it is a checkpoint of a fit; pass it to fit as resume=.")
    if metadata.get("format") != "fastmlp":
        raise ValueError("it was not written by fastmlp.save_model.")
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(
            f"it has format version {metadata.get('format_version')!r}; this fastmlp "
            f"({version('fastmlp')}) reads version {FORMAT_VERSION}. Install a "
            "newer one."
        )
    model = json.loads(metadata.get("model", ""))
    if not isinstance(model, dict) or model.get("class") not in _CLASSES:
        raise ValueError("it describes no MLPClassifier or MLPRegressor.")
    activations = model.get("activations")
    if not isinstance(activations, list) or not all(map(_is_activation, activations)):
        raise ValueError("it has impossible activations.")
    n_layers = len(activations) + 1
    decoded = {"class": model["class"], "targets": model.get("targets")}
    decoded["activations"] = [(as_activation(f) or f, p) for f, p in activations]
    for name, _ in decoded["activations"]:
        if not isinstance(name, Activation) and name not in activation_names:
            raise ValueError(
                f"it has the activation {name!r}, which is not known here. If it is "
                "one of your own, call fastmlp.register_activation before loading."
            )
    for group, prefix in (("params", "params."), ("attributes", "")):
        values = model.get(group)
        if not isinstance(values, dict):
            raise ValueError(f"it has no {group}.")
        decoded[group] = {
            name: decode(value, prefix + name, tensors)
            for name, value in values.items()
        }
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
    return decoded


def _is_activation(pair):
    """Whether this is a name and a finite parameter."""
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


def load_model(
    path: FilePath, *, check: bool = True, copy: bool = False
) -> MLPClassifier | MLPRegressor:
    """Load an estimator from a file of ``save_model``; runs no code of the file.

    Parameters
    ----------
    path : str or path-like
        The file.
    check : bool, default=True
        Whether to verify the checksum, which reads the whole file. Sizes and types are
        checked in any case.
    copy : bool, default=False
        Whether to read the weights into memory. By default they are mapped: they are
        read when used, shared with other processes, and changing them changes a
        private copy, never the file. Do not truncate a file that is mapped; replacing
        it, as ``save_model`` does, is safe.

    Returns
    -------
    estimator : MLPClassifier or MLPRegressor

    Raises
    ------
    TypeError
        If ``path`` is no path.
    ValueError
        If the file is truncated, damaged, hostile, of a newer format, or of another
        kind, such as a pickle; the message says which.

    See Also
    --------
    fastmlp.runtime.load_predictor : The same without scikit-learn, for prediction only.
    """
    import fastmlp

    model = read_model_file(path, check=check, copy=copy)
    kind = getattr(fastmlp, model["class"])
    try:
        return restored(kind, model)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a valid model file: {error}") from None
