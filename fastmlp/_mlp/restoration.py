"""An estimator from what a model file says of it, once that is known to be sound.

Imports scikit-learn within the functions only, for the runtime does without it.
"""

from __future__ import annotations

import numpy as np

OPTIMIZER = ("_optimizer_state", "_random_state")  # what goes on needs
OTHER_PRIVATE = ("_no_improvement_count", "_objective", "_scaling")
BINARIZER = "_label_binarizer"
# Parameters by the names that they had in files of 0.1.
FORMER_NAMES = {
    "clip_norm": "max_grad_norm",
    "max_norm": "max_weight_norm",
    "layer_rates": "learning_rate_factors",
    "out_activation": "output_activation",
}


def current_parameters(params):
    """Parameters of a model file by the names and in the forms of this version."""
    params = {FORMER_NAMES.get(name, name): value for name, value in params.items()}
    numbers = {
        "ema": params.pop("ema_decay", None),
        "swa": params.pop("swa_start", None),
    }
    kind = params.get("weight_averaging")
    if isinstance(kind, str) and numbers.get(kind) is not None:
        params["weight_averaging"] = (kind, numbers[kind])
    return params


def is_fitted_name(name):
    """Return whether this is the name of a public attribute of a fit."""
    return name.isidentifier() and name.endswith("_") and not name.startswith("_")


def with_parameters(kind, params):
    """An estimator of a class; ValueError for parameters that it does not have."""
    unknown = params.keys() - kind._get_param_names()
    if unknown:
        raise ValueError(
            f"{kind.__name__} has no parameter {min(unknown)!r}; the file may be of a "
            "newer fastmlp."
        )
    return kind(**params)


def restored(kind, model):
    """An estimator of a class with the state of a file, checked."""
    estimator = with_parameters(kind, current_parameters(model["params"]))
    for name, value in model["attributes"].items():
        known = name in OPTIMIZER or name in OTHER_PRIVATE or is_fitted_name(name)
        if not known or hasattr(kind, name):
            raise ValueError(f"it has the impossible attribute {name!r}.")
        vars(estimator)[name] = value
    restore_targets(estimator, model["targets"])
    _check_estimator(estimator)
    return estimator


def restore_targets(estimator, targets):
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
    from fastmlp._data.validation import binarizer_of

    binarizer = binarizer_of(targets["type"], classes, targets["sparse"])
    setattr(estimator, BINARIZER, binarizer)


def _check_estimator(estimator):
    """Raise ValueError unless parameters and attributes can work together."""
    from fastmlp._core.network import Network
    from fastmlp._mlp import parameters
    from fastmlp._model import losses

    parameters.check_parameters(estimator, estimator._parameter_rules)
    parameters.hidden_sizes(estimator)
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
    n_targets = units[-1] // losses.outputs_per_target(objective)
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
    from fastmlp._mlp.planning import step_settings
    from fastmlp._training.optimizers import OPTIMIZERS

    n_params = sum(a.size for a in estimator.coefs_ + estimator.intercepts_)
    moments = state.get("moments") if isinstance(state, dict) else None
    if not isinstance(moments, list) or not all(
        isinstance(m, np.ndarray) and m.dtype.kind == "f" and m.shape == (n_params,)
        for m in moments
    ):
        raise ValueError("it has impossible moments of the solver.")
    solver = state.get("solver", "adam" if len(moments) == 2 else "sgd")
    if solver in OPTIMIZERS and rule_vectors[solver] == len(moments):
        settings = step_settings(estimator)
        known = vars(OPTIMIZERS[solver].from_settings(settings, 0, np.float64))
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
