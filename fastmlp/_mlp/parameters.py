"""The rule of every constructor parameter, and the errors that quote it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from numbers import Integral, Real

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Options

from fastmlp._core.kernels import max_levels, rule_vectors
from fastmlp._functions.losses import Loss
from fastmlp._mlp.activations import resolved
from fastmlp._mlp.constraints import BOOLEAN, NONE, Rule, interval, invalid, one_of
from fastmlp._model.losses import (
    CLASSIFICATION_LOSSES,
    OUTPUTS,
    REGRESSION_LOSSES,
    are_levels,
)
from fastmlp._model.snapshot import is_logistic_range
from fastmlp._training.averaging import DEFAULTS as AVERAGES
from fastmlp._training.schedules import PARAMETERS as SCHEDULES
from fastmlp._utils.numbers import float_dtype, is_finite, is_flat
from fastmlp._utils.spelling import did_you_mean

DTYPES = ("auto", "float32", "float64")
WEIGHT_INITS = (
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_normal",
    "orthogonal",
    "standard_normal",
)
SIZES = "an int >= 1 or an array-like of ints >= 1"


_AT_LEAST_ONE = interval(Integral, 1, np.inf, "[)")
_NOT_NEGATIVE = interval(Real, 0, np.inf, "[)")
_POSITIVE = interval(Real, 0, np.inf, "()")
_FRACTION = interval(Real, 0, 1, "[)")
_OWN_LOSS = Rule("a fastmlp.Loss", lambda value: isinstance(value, Loss), Loss)
_SCORING = Rule(
    "'loss' or a name among sklearn.metrics.get_scorer_names()",
    lambda value: (
        isinstance(value, str) and (value == "loss" or value in get_scorer_names())
    ),
    names=("loss", *get_scorer_names()),
)


def _is_schedule(value):
    """Return whether a value is the name of a schedule and its parameter."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    name, share = value
    low = "[" if name == "cosine" else "("
    return (
        isinstance(name, str)
        and name in SCHEDULES
        and interval(Real, 0, 1, f"{low})").accepts(share)
    )


def _is_average(value):
    """Return whether a value is the name of an average and its parameter."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    name, number = value
    return isinstance(name, str) and name in AVERAGES and _FRACTION.accepts(number)


def _list_of(rule, text):
    """A list of what a rule accepts."""

    def accepts(value):
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            return False
        return is_flat(value) and all(map(rule.accepts, value))

    return Rule(text, accepts)


def _is_split(value):
    """Return whether a value may choose the validation rows."""
    return hasattr(value, "split") and not isinstance(value, str | bytes)


def is_positive_weights(value):
    """Return whether a value lists finite numbers above 0."""
    return (
        isinstance(value, list | tuple | np.ndarray)
        and is_flat(value)
        and len(value) > 0
        and all(is_finite(weight) and weight > 0 for weight in value)
    )


_HINTS = {
    "tweedie_power": " Use loss='poisson' for power 1 and loss='gamma' for power 2.",
}
RULES = {
    "solver": [one_of(("lbfgs", *rule_vectors))],
    "alpha": [_NOT_NEGATIVE],
    "batch_size": [one_of(("auto",)), _AT_LEAST_ONE],
    "learning_rate": [
        one_of(("constant", "invscaling", "adaptive", *SCHEDULES)),
        Rule(
            "a pair (str, float) such as ('cosine', floor in [0, 1)), ('one_cycle', "
            "rise in (0, 1)), ('warmup_cosine', warmup in (0, 1)) or ('plateau', "
            "factor in (0, 1))",
            lambda value: _is_schedule(value),
        ),
        Rule("a callable of the epoch", callable, callable),
    ],
    "learning_rate_init": [_POSITIVE],
    "power_t": [_NOT_NEGATIVE],
    "max_iter": [_AT_LEAST_ONE],
    "shuffle": [BOOLEAN, one_of(("blocks",))],
    "random_state": [
        interval(Integral, 0, 2**32 - 1, "[]"),
        Rule(
            "a numpy RandomState instance",
            lambda value: isinstance(value, np.random.RandomState),
            np.random.RandomState,
        ),
        NONE,
    ],
    "tol": [_NOT_NEGATIVE],
    "verbose": [BOOLEAN, interval(Integral, 0, np.inf, "[)")],
    "warm_start": [BOOLEAN],
    "momentum": [interval(Real, 0, 1, "[]")],
    "nesterovs_momentum": [BOOLEAN],
    "early_stopping": [BOOLEAN],
    "validation_fraction": [_FRACTION],
    "beta_1": [_FRACTION],
    "beta_2": [_FRACTION],
    "epsilon": [_POSITIVE],
    "n_iter_no_change": [
        _AT_LEAST_ONE,
        Rule(
            "inf",
            lambda value: isinstance(value, Real) and value == np.inf,
            Options(Real, {np.inf}),
        ),
    ],
    "max_fun": [_AT_LEAST_ONE],
    "dtype": [
        one_of(DTYPES),
        Rule(
            "one of the dtypes numpy.float32 and numpy.float64",
            lambda value: float_dtype(value) is not None,
        ),
    ],
    "fit_intercept": [BOOLEAN],
    "weight_init": [one_of(WEIGHT_INITS)],
    "n_threads": [_AT_LEAST_ONE, NONE],
    "validation_split": [
        NONE,
        interval(Real, 0, 1, "()"),
        Rule(
            "an array of row numbers or a mask",
            lambda value: isinstance(value, np.ndarray | list | tuple | range),
        ),
        Rule("a splitter with a split method", _is_split),
    ],
    "scoring": [NONE, _SCORING, Rule("a callable", callable, callable)],
    "target_score": [NONE, interval(Real, -np.inf, np.inf, "()")],
    "max_time": [NONE, _POSITIVE],
    "standardize_X": [BOOLEAN],
    "random_stream": [one_of(("restart", "continue"))],
    "dropout": [
        _FRACTION,
        _list_of(
            _FRACTION,
            "array-like of floats in [0, 1), one for the input and each hidden layer",
        ),
    ],
    "input_noise": [_NOT_NEGATIVE],
    "weight_decay": [_NOT_NEGATIVE],
    "l1": [_NOT_NEGATIVE],
    "max_weight_norm": [NONE, _POSITIVE],
    "max_grad_norm": [NONE, _POSITIVE],
    "label_smoothing": [_FRACTION],
    "learning_rate_factors": [
        NONE,
        _list_of(_NOT_NEGATIVE, "array-like of floats >= 0, one for each weight layer"),
    ],
    "weight_averaging": [
        NONE,
        one_of(AVERAGES),
        Rule(
            "a pair ('ema', decay in [0, 1)) or ('swa', start in [0, 1))",
            lambda value: _is_average(value),
        ),
    ],
    "on_divergence": [one_of(("raise", "warn", "reduce_lr"))],
}
# Parameters that are resolved apart from the others, with errors of their own.
RESOLVED_RULES = {
    "hidden_layer_sizes": [Rule(SIZES, lambda value: _is_sizes(value))],
    "activation": [
        Rule(
            "an activation or a list with one per hidden layer",
            lambda value: all(
                resolved(entry, {}) is not None
                for entry in (value if isinstance(value, list) else [value])
            ),
        )
    ],
}
CLASSIFIER_RULES = {
    "loss": [one_of(CLASSIFICATION_LOSSES), _OWN_LOSS],
    "focal_gamma": [_NOT_NEGATIVE],
    "class_weight": [
        one_of(("balanced",)),
        Rule("a dict", lambda value: isinstance(value, Mapping), Mapping),
        Rule(
            "a list of dicts",
            lambda value: (
                isinstance(value, list | tuple)
                and len(value) > 0
                and all(isinstance(weights, Mapping) for weights in value)
            ),
        ),
        Rule(
            "an array-like with the weight > 0 of the positive term of each label",
            is_positive_weights,
        ),
        NONE,
    ],
}
REGRESSOR_RULES = {
    "loss": [one_of(REGRESSION_LOSSES), _OWN_LOSS],
    "huber_delta": [_POSITIVE],
    "quantile": [
        interval(Real, 0, 1, "()"),
        Rule(
            "an array-like of strictly increasing floats in the range (0, 1), at most "
            f"{max_levels}",
            are_levels,
        ),
    ],
    "monotone_quantiles": [BOOLEAN],
    "tweedie_power": [interval(Real, 1, 2, "()")],
    "output_activation": [
        NONE,
        one_of(OUTPUTS),
        Rule(
            "a triple ('logistic', low, high) with finite low < high",
            is_logistic_range,
        ),
    ],
    "standardize_y": [BOOLEAN],
}


def check_parameters(estimator, rules):
    """Raise InvalidParameterError for the first parameter that breaks its rules."""
    for name, alternatives in rules.items():
        value = getattr(estimator, name)
        if not any(rule.accepts(value) for rule in alternatives):
            hint = _HINTS.get(name, "")
            is_mistaken = name == "loss" and not isinstance(value, str)
            if is_mistaken and _may_be_positional(estimator, name):
                hint = (
                    " 'loss' is the first positional parameter; write "
                    "hidden_layer_sizes=... by name."
                )
            names = [known for rule in alternatives for known in rule.names]
            if isinstance(value, tuple) and value and isinstance(value[0], str):
                value = value[0]
            if isinstance(value, str):
                hint = did_you_mean(value, names) + hint
            text = " or ".join(rule.text for rule in alternatives)
            raise invalid(estimator, name, text, hint)


def _may_be_positional(estimator, name):
    """Whether a parameter need not be given by name."""
    parameter = inspect.signature(type(estimator)).parameters[name]
    return parameter.kind is parameter.POSITIONAL_OR_KEYWORD


def check_callback(callback):
    """Raise ValueError if the hook of a fit cannot be called."""
    if callback is not None and not callable(callback):
        raise ValueError(f"callback must be callable or None, got {callback!r}.")


def hidden_sizes(estimator):
    """Resolve ``hidden_layer_sizes`` to a tuple of ints, () for a linear model."""
    sizes = _sizes(estimator.hidden_layer_sizes)
    if sizes is None:
        raise invalid(estimator, "hidden_layer_sizes", SIZES)
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {list(sizes)}.")
    return sizes


def _sizes(value):
    """A value of ``hidden_layer_sizes`` as a tuple of ints, or None."""
    if isinstance(value, Integral):
        value = (value,)
    listed = isinstance(value, Iterable) and is_flat(value)
    if isinstance(value, str | bytes) or not listed:
        return None
    sizes = tuple(value)
    if not all(isinstance(size, Integral) for size in sizes):
        return None
    return tuple(int(size) for size in sizes)


def _is_sizes(value):
    """Return whether a value lists the sizes of hidden layers."""
    sizes = _sizes(value)
    return sizes is not None and all(size > 0 for size in sizes)
