"""Model files: an estimator as one safetensors-compatible file, and back.

The file holds the parameters, the weights and the other attributes of a fit.  What it
promises stands in docs/file-format.md.
"""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version

import numpy as np

from fastmlp import _safetensors
from fastmlp._core.kernels import activation_names
from fastmlp._encoding import decode, encode, to_json
from fastmlp._functions import Activation, Loss, as_activation, stored_name
from fastmlp._numbers import is_finite
from fastmlp._snapshot import stored_objective

FORMAT_VERSION = 1
WEIGHTS = ("coefs_", "intercepts_")
_CLASSES = ("MLPClassifier", "MLPRegressor")
_OPTIMIZER = ("_optimizer_state", "_random_state")  # what goes on needs
_OTHER_PRIVATE = ("_no_improvement_count", "_objective", "_scaling")
_LEFT_OUT = ("_skl_callbacks", "_sklearn_output_config")
_BINARIZER = "_label_binarizer"


class ModelVersionWarning(UserWarning):
    """A model was stored by another version of fastmlp."""


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


def save_model(estimator, path, *, optimizer=False):
    """Save a fitted estimator to a file that runs no code on loading.

    The file is compatible with safetensors [1]_; ``docs/file-format.md`` describes it
    and says which later versions of fastmlp read it. It is written as a whole or not
    at all.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted, or with weights put in by hand.
    path : str or path-like
        Where to write; the customary suffix is ``.safetensors``.
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
    kind = _kind_of(estimator)
    snapshot = estimator._snapshot()
    params = estimator.get_params(deep=False)
    params["activation"] = _storable(params["activation"])
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
        if name == _BINARIZER:
            model["targets"] = {
                "type": value.y_type_,
                "sparse": bool(value.sparse_input_),
            }
        elif _is_stored(name, params, optimizer):
            model["attributes"][name] = encode(value, name, tensors)
    _safetensors.write(
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
    """An activation as a file holds it: one of the user by its registered name."""
    if isinstance(activation, list):
        return [_storable(entry) for entry in activation]
    own = None if isinstance(activation, str) else as_activation(activation)
    return activation if own is None else stored_name(own)


def _kind_of(estimator):
    """The name of the estimator's public class."""
    from fastmlp import MLPClassifier, MLPRegressor

    for kind in (MLPClassifier, MLPRegressor):
        if isinstance(estimator, kind):
            return kind.__name__
    raise TypeError(
        f"expected a fastmlp.MLPClassifier or MLPRegressor, got {type(estimator)!r}. "
        "Of a Pipeline save the last step, pipeline[-1]."
    )


def _is_stored(name, params, optimizer):
    """Whether an attribute goes into the file beside weights and parameters."""
    if name in params or name in WEIGHTS or name in _LEFT_OUT or name == "loss":
        return False
    if name in _OPTIMIZER:
        return optimizer
    return name in _OTHER_PRIVATE or _is_fitted_name(name)


def _is_fitted_name(name):
    """Whether this is the name of a public attribute of a fit."""
    return name.isidentifier() and name.endswith("_") and not name.startswith("_")


def read_model_file(path, *, check=True, copy=False):
    """Read and check a model file, without scikit-learn.

    Returns
    -------
    model : dict
        "class", "params", "attributes" with the weights, "activations" of the hidden
        layers (name and parameter), and "targets" or None.
    """
    tensors, metadata = _safetensors.read(path, check=check, copy=copy)
    try:
        return _model(tensors, metadata)
    except ValueError as error:
        raise ValueError(f"{path} is not a valid model file: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} is not a valid model file: too nested.") from None


def _model(tensors, metadata):
    """The description of a model, decoded."""
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
        stored_objective(objective, model["class"] == "MLPClassifier")
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


def load_model(path, *, check=True, copy=False):
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
        If the file is truncated, damaged, hostile, or of a newer format.

    See Also
    --------
    fastmlp.runtime.load_predictor : The same without scikit-learn, for prediction only.
    """
    import fastmlp

    model = read_model_file(path, check=check, copy=copy)
    kind = getattr(fastmlp, model["class"])
    try:
        return _estimator(kind, model)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a valid model file: {error}") from None


def _estimator(kind, model):
    """An estimator of a class with the state of a file, checked."""
    unknown = model["params"].keys() - kind._get_param_names()
    if unknown:
        raise ValueError(
            f"{kind.__name__} has no parameter {min(unknown)!r}; the file may be of a "
            "newer fastmlp."
        )
    estimator = kind(**model["params"])
    for name, value in model["attributes"].items():
        known = name in _OPTIMIZER or name in _OTHER_PRIVATE or _is_fitted_name(name)
        if not known or hasattr(kind, name):
            raise ValueError(f"it has the impossible attribute {name!r}.")
        vars(estimator)[name] = value
    _restore_targets(estimator, model["targets"])
    _check_estimator(estimator)
    return estimator


def _restore_targets(estimator, targets):
    """The label binarizer of a classifier."""
    classes = getattr(estimator, "classes_", None)
    if targets is None:
        return
    if (
        not isinstance(targets, dict)
        or not isinstance(targets.get("type"), str)
        or type(targets.get("sparse")) is not bool
        or not isinstance(classes, np.ndarray)
    ):
        raise ValueError(f"it has impossible targets {targets!r}.")
    from fastmlp._validation import binarizer_of

    binarizer = binarizer_of(targets["type"], classes, targets["sparse"])
    setattr(estimator, _BINARIZER, binarizer)


def _check_estimator(estimator):
    """Raise ValueError unless parameters and attributes can work together."""
    from fastmlp import _losses, _rules
    from fastmlp._core.network import Network

    _rules.check_parameters(estimator, estimator._parameter_rules)
    _rules.hidden_sizes(estimator)
    units = estimator._layers()[-1]
    estimator._take_activations(len(units) - 2, True)
    if not hasattr(estimator, "out_activation_"):
        raise ValueError("it has no out_activation_.")
    objective = estimator._fitted_objective()
    Network((1, units[-1]), [], objective)  # the check
    names = getattr(estimator, "feature_names_in_", None)
    sizes = {"n_features_in_": units[0], "n_outputs_": units[-1]}
    sizes["n_layers_"] = len(units)
    for name, size in sizes.items():
        if getattr(estimator, name, size) != size:
            raise ValueError(
                f"{name} is {getattr(estimator, name)!r}, expected {size}."
            )
    if names is not None and np.shape(names) != (units[0],):
        raise ValueError(f"feature_names_in_ must hold {units[0]} names.")
    if hasattr(estimator, "predict_proba"):
        classes = estimator.classes_ if hasattr(estimator, "classes_") else None
        allowed = (units[-1],) if units[-1] > 1 else (1, 2)
        if np.ndim(classes) != 1 or len(classes) not in allowed:
            raise ValueError(
                f"classes_ must name the classes of {units[-1]} outputs, got "
                f"{classes!r}."
            )
    n_targets = units[-1] // _losses.outputs_per_target(objective)
    _check_scaling(getattr(estimator, "_scaling", None), (units[0], n_targets))
    if hasattr(estimator, "_optimizer_state"):
        state = _known_optimizer(estimator, estimator._optimizer_state)
        estimator._optimizer_state = state


def _check_scaling(scaling, units):
    """Raise ValueError unless this can be what standardised features and targets."""
    if scaling is None:
        return
    if not isinstance(scaling, dict) or not scaling.keys() <= {"X", "y"}:
        raise ValueError(f"it has the impossible _scaling {scaling!r}.")
    for name, statistics in scaling.items():
        n_columns = units[0] if name == "X" else units[-1]
        if not isinstance(statistics, dict) or not all(
            isinstance(statistics.get(part), np.ndarray)
            and statistics[part].dtype == np.float64
            and statistics[part].shape == (n_columns,)
            for part in ("mean", "scale")
        ):
            raise ValueError(f"it has impossible statistics of {name}.")


def _known_optimizer(estimator, state):
    """The state of a stochastic solver: what this version knows of a stored one.

    Scalars that the file lacks, or has in another form, follow from the parameters.
    """
    from fastmlp._core.kernels import rule_vectors
    from fastmlp._optimizers import OPTIMIZERS

    n_params = sum(a.size for a in estimator.coefs_ + estimator.intercepts_)
    moments = state.get("moments") if isinstance(state, dict) else None
    if not isinstance(moments, list) or not all(
        isinstance(m, np.ndarray) and m.dtype.kind == "f" and m.shape == (n_params,)
        for m in moments
    ):
        raise ValueError("it has impossible moments of the solver.")
    solver = state.get("solver", "adam" if len(moments) == 2 else "sgd")
    if solver in OPTIMIZERS and rule_vectors[solver] == len(moments):
        known = vars(OPTIMIZERS[solver].from_parameters(estimator, 0, np.float64))
        same = {
            name: state[name]
            for name, value in known.items()
            if name in state and type(state[name]) is type(value)
        }
        return {**known, **same, **_sound_extras(state, n_params)}
    raise ValueError("it has an impossible number of moments of the solver.")


def _sound_extras(state, n_params):
    """The seed of the noise and the state of an average, where they are sound."""
    extras = {}
    seed, averaging = state.get("noise_seed"), state.get("averaging")
    if (
        isinstance(seed, list)
        and len(seed) == 2
        and all(type(word) is int and 0 <= word < 2**32 for word in seed)
    ):
        extras["noise_seed"] = seed
    if (
        isinstance(averaging, dict)
        and set(averaging) == {"params", "n_averaged", "digest"}
        and isinstance(averaging["params"], np.ndarray)
        and averaging["params"].dtype.kind == "f"
        and averaging["params"].shape == (n_params,)
        and type(averaging["n_averaged"]) is int
        and averaging["n_averaged"] > 0
    ):
        extras["averaging"] = averaging
    return extras
