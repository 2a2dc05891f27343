"""Checks of parameters and arrays: every error message that users read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from itertools import pairwise
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_array, csr_array, issparse
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import validate_data

from fastmlp._core.kernels import activation_names

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
# Parameter of each activation that has one: its name and default.
ACTIVATION_PARAMETERS = {"leaky_relu": ("slope", 0.01)}


class InvalidParameterError(ValueError, TypeError):
    """A constructor parameter is of a wrong type or out of range."""


class Rule(NamedTuple):
    """What a parameter must be, in words and as a test."""

    text: str
    accepts: Callable[[object], bool]


def _interval(kind, low, high, closed):
    """A number of some kind between two bounds; '[' and ']' include them."""
    text = f"{closed[0]}{low}, {high}{closed[1]}"

    def accepts(value):
        if not isinstance(value, kind) or value != value:
            return False
        above = value >= low if closed[0] == "[" else value > low
        return above and (value <= high if closed[1] == "]" else value < high)

    return Rule(
        f"{'an int' if kind is Integral else 'a float'} in the range {text}", accepts
    )


def _one_of(names):
    """A name out of a list."""
    listed = ", ".join(repr(name) for name in names)
    return Rule(
        f"a str among {{{listed}}}",
        lambda value: isinstance(value, str) and value in names,
    )


_BOOLEAN = Rule("a bool", lambda value: isinstance(value, bool | np.bool_))
_AT_LEAST_ONE = _interval(Integral, 1, np.inf, "[)")
_NOT_NEGATIVE = _interval(Real, 0, np.inf, "[)")
_POSITIVE = _interval(Real, 0, np.inf, "()")
_FRACTION = _interval(Real, 0, 1, "[)")

RULES = {
    "solver": [_one_of(("lbfgs", "sgd", "adam"))],
    "alpha": [_NOT_NEGATIVE],
    "batch_size": [_one_of(("auto",)), _AT_LEAST_ONE],
    "learning_rate": [_one_of(("constant", "invscaling", "adaptive"))],
    "learning_rate_init": [_POSITIVE],
    "power_t": [_NOT_NEGATIVE],
    "max_iter": [_AT_LEAST_ONE],
    "shuffle": [_BOOLEAN],
    "random_state": [
        _interval(Integral, 0, 2**32 - 1, "[]"),
        Rule(
            "a numpy RandomState instance",
            lambda value: isinstance(value, np.random.RandomState),
        ),
        Rule("None", lambda value: value is None),
    ],
    "tol": [_NOT_NEGATIVE],
    "verbose": [_BOOLEAN, _interval(Integral, 0, np.inf, "[)")],
    "warm_start": [_BOOLEAN],
    "momentum": [_interval(Real, 0, 1, "[]")],
    "nesterovs_momentum": [_BOOLEAN],
    "early_stopping": [_BOOLEAN],
    "validation_fraction": [_FRACTION],
    "beta_1": [_FRACTION],
    "beta_2": [_FRACTION],
    "epsilon": [_POSITIVE],
    "n_iter_no_change": [
        _AT_LEAST_ONE,
        Rule("inf", lambda value: isinstance(value, Real) and value == np.inf),
    ],
    "max_fun": [_AT_LEAST_ONE],
    "dtype": [_one_of(DTYPES)],
    "fit_intercept": [_BOOLEAN],
    "weight_init": [_one_of(WEIGHT_INITS)],
    "n_threads": [_AT_LEAST_ONE, Rule("None", lambda value: value is None)],
}
REGRESSOR_RULES = {"loss": [_one_of(("squared_error", "poisson"))]}


def _invalid(estimator, name, text, hint=""):
    """The error about one parameter."""
    value = getattr(estimator, name)
    return InvalidParameterError(
        f"The {name!r} parameter of {type(estimator).__name__} must be {text}. "
        f"Got {value!r} instead.{hint}"
    )


def check_parameters(estimator, rules):
    """Raise InvalidParameterError for the first parameter that breaks its rules."""
    for name, alternatives in rules.items():
        value = getattr(estimator, name)
        if not any(rule.accepts(value) for rule in alternatives):
            hint = ""
            if name == "loss" and not isinstance(value, str):
                hint = (
                    " 'loss' is the first positional parameter; write "
                    "hidden_layer_sizes=... by name."
                )
            text = " or ".join(rule.text for rule in alternatives)
            raise _invalid(estimator, name, text, hint)


def hidden_sizes(estimator):
    """Resolve ``hidden_layer_sizes`` to a tuple of ints, () for a linear model."""
    sizes = estimator.hidden_layer_sizes
    rule = "an int >= 1 or an array-like of ints >= 1"
    if isinstance(sizes, Integral):
        sizes = (sizes,)
    listed = isinstance(sizes, Iterable) and np.ndim(sizes) == 1
    if isinstance(sizes, str | bytes) or not listed:
        raise _invalid(estimator, "hidden_layer_sizes", rule)
    sizes = tuple(sizes)
    if not all(isinstance(size, Integral) for size in sizes):
        raise _invalid(estimator, "hidden_layer_sizes", rule)
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {list(sizes)}.")
    return tuple(int(size) for size in sizes)


def hidden_activation(estimator):
    """Resolve ``activation`` to a name and its parameter."""
    value = estimator.activation
    name, parameter = value, None
    if isinstance(value, tuple) and len(value) == 2:
        name, parameter = value
    known = isinstance(name, str) and name in activation_names
    if known and parameter is None and not isinstance(value, tuple):
        return name, ACTIVATION_PARAMETERS.get(name, (None, 0.0))[1]
    if known and name in ACTIVATION_PARAMETERS:
        tiny = float(np.finfo(np.float32).tiny)
        if _interval(Real, tiny, np.inf, "[)").accepts(parameter):
            return name, float(parameter)
    raise _invalid(
        estimator,
        "activation",
        f"{_one_of(activation_names).text} or a pair ('leaky_relu', slope) with a "
        "finite slope > 0",
    )


@contextmanager
def restored_on_error(estimator):
    """Put the attributes of an estimator back if the block raises."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        for name in vars(estimator).keys() - before.keys():
            del vars(estimator)[name]
        vars(estimator).update(before)  # never empty: other threads may predict
        raise


def native_rows(X):
    """X as the core takes it: C-contiguous, or CSR whose indices are within bounds."""
    if not issparse(X):
        return np.ascontiguousarray(X)
    kind = csc_array if X.format == "csc" else csr_array
    X = kind((np.ascontiguousarray(X.data), X.indices, X.indptr), shape=X.shape)
    X.check_format(full_check=True)
    return X.tocsr()


def check_fit_data(estimator, X, y, reset, dtype, **options):
    """Validate X and y for training; returns X in native form and y 1-D or 2-D."""
    # A cast to float32 may overflow; the check of finiteness then says so.
    with np.errstate(over="ignore", invalid="ignore"):
        X, y = validate_data(
            estimator,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=dtype,
            reset=reset,
            **options,
        )
    if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return native_rows(X), y


def cast_rows(X, dtype):
    """Native X in a precision; ValueError if its values are beyond that."""
    with np.errstate(over="ignore"):
        cast = X.astype(dtype, copy=False)
    values = cast.data if issparse(cast) else cast
    if cast is not X and not np.isfinite(values).all():
        raise ValueError(f"X contains values too large for {np.dtype(dtype)}.")
    return cast


def check_predict_data(estimator, X, n_features):
    """Validate X for prediction; returns it in native form, float32 or float64."""
    X = validate_data(
        estimator,
        X,
        accept_sparse=["csr", "csc"],
        dtype=[np.float64, np.float32],
        reset=False,
    )
    if X.shape[1] != n_features:
        raise ValueError(
            f"X has {X.shape[1]} features, but coefs_[0] of "
            f"{type(estimator).__name__} expects {n_features} features as input."
        )
    return native_rows(X)


def check_sample_weight(sample_weight, n_samples, dtype):
    """Validate weights: a number, or one finite number per row, not all zero."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, sample_weight)
    with np.errstate(over="ignore"):
        sample_weight = check_array(
            sample_weight,
            ensure_2d=False,
            dtype=dtype,
            order="C",
            input_name="sample_weight",
        )
    if sample_weight.ndim != 1:
        raise ValueError(
            "Sample weights must be 1D array or scalar, got "
            f"{sample_weight.ndim}D array. Expected either a scalar value or a 1D "
            f"array of length {n_samples}."
        )
    if sample_weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight.shape == {sample_weight.shape}, expected {(n_samples,)}!"
        )
    check_some_weight(sample_weight, "the data")
    return sample_weight


def check_some_weight(sample_weight, where):
    """Raise ValueError if all weights are zero."""
    if sample_weight is not None and not np.any(sample_weight):
        raise ValueError(
            f"sample_weight must hold at least one non-zero weight; in {where} all "
            "weights are zero."
        )


def check_targets(y, dtype, loss):
    """Regression targets as (n_samples, n_outputs) in the dtype of the model."""
    if issparse(y):
        raise ValueError("y must be dense for regression; use y.toarray().")
    y = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float64)
    if loss == "poisson" and y.min() < 0:
        raise ValueError(
            f"Some value(s) of y are out of the valid range of loss='poisson', which "
            f"needs y >= 0; the smallest is {y.min():g}. Use loss='squared_error'."
        )
    with np.errstate(over="ignore"):
        y = y.astype(dtype, copy=False)
    if not np.isfinite(y).all():
        raise ValueError(
            f"y contains values too large for {np.dtype(dtype)}; rescale y or use "
            "dtype='float64'."
        )
    return y


def first_partial_fit(estimator, classes):
    """Whether this is the first ``partial_fit``; sets ``classes_`` if it is."""
    known = getattr(estimator, "classes_", None)
    if classes is None:
        if known is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return False
    if known is None:
        estimator.classes_ = unique_labels(classes)
        return True
    if not np.array_equal(known, unique_labels(classes)):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, "
            f"was: {known!r}"
        )
    return False


def check_classes(y, known, exact):
    """Raise ValueError if the labels of y are not among the known classes."""
    classes = unique_labels(y)
    if exact and set(classes) != set(known):
        raise ValueError(
            "warm_start can only be used where `y` has the same classes as in the "
            f"previous call to fit. Previously got {known}, `y` has {classes}"
        )
    if len(np.setdiff1d(classes, known, assume_unique=True)):
        raise ValueError(
            "`y` has classes not in `self.classes_`. "
            f"`self.classes_` has {known}. 'y' has {classes}."
        )


def check_layers(coefs, intercepts, units, names=("coefs_", "intercepts_")):
    """Weights as arrays of one float dtype, after a check of their shapes.

    ``units`` may be None: the shapes then only have to fit one another. Returns the two
    lists of contiguous arrays and the units.
    """
    for name, given in zip(names, (coefs, intercepts)):
        if not isinstance(given, Iterable):
            raise ValueError(f"{name} must hold one array per layer, got {given!r}.")
    arrays = [[np.asarray(array) for array in given] for given in (coefs, intercepts)]
    if units is None:
        units = [len(w) if w.ndim else 0 for w in arrays[0]]
        units.append(arrays[1][-1].size if arrays[1] else 0)
    shapes = list(pairwise(units)), [(fan_out,) for fan_out in units[1:]]
    for name, given, expected in zip(names, arrays, shapes):
        if len(given) != len(expected):
            raise ValueError(
                f"{name} must hold one array per layer: {len(expected)} for layers of "
                f"{list(units)} units, got {len(given)}."
            )
        for i, (array, shape) in enumerate(zip(given, expected)):
            if array.shape != shape or array.dtype.kind not in "fiub":
                raise ValueError(
                    f"{name}[{i}] must be a real array of shape {shape}, got shape "
                    f"{array.shape} and dtype {array.dtype}."
                )
    kinds = {array.dtype for given in arrays for array in given}
    dtype = np.float32 if kinds == {np.dtype(np.float32)} else np.float64
    cast = [
        [np.ascontiguousarray(array, dtype=dtype) for array in given]
        for given in arrays
    ]
    return *cast, tuple(units)
