"""Tables of wrong calls: what is wrong, and what the message must say.

A row of ``PARAMETERS`` is the rule that the message quotes and values that break it; a
row of the other tables is the name of the defect, the bad value, the type of the
exception and words of fastmlp that its message must hold. There are none where the
message is one of scikit-learn, NumPy or Python, whose words may change with their next
version: the name of the argument, which fastmlp puts in front, is asked for everywhere.
"""

import datetime

import numpy as np
import pandas as pd
from scipy import sparse

X = np.random.RandomState(0).randn(60, 3)
Y = np.random.RandomState(1).randint(0, 3, 60)
T = X[:, 0] + 1.0

NAN, INF = np.nan, np.inf
BEYOND = 10**400  # an int that no float holds
THING = object()
# Values that are no number, no whole number, no switch and no name.
NO_NUMBER = ["1", b"1", [1.0], (), {}, 1j, NAN, THING, np.array([0.1, 0.2])]
NO_INT = [1.5, 10.0, -(2**70), *NO_NUMBER]
NO_SWITCH = [None, 0, 1, 1.0, "yes", "", [True], THING]
NO_NAME = [None, 3, b"adam", ["adam"], "", "Adam", THING, True]

POSITIVE = ("in the range (0, inf)", [0, 0.0, -1e-300, -1, -INF, INF, BEYOND])
NOT_NEGATIVE = ("in the range [0, inf)", [-1e-300, -1, -INF, INF, BEYOND, -BEYOND])
FRACTION = ("in the range [0, 1)", [1, 1.0, 1 + 1e-15, -1e-300, INF, -INF, BEYOND])
AT_LEAST_ONE = ("in the range [1, inf)", [0, -1, False, INF])
ONE_OR_NONE = ("in the range [1, inf) or None", [0, -1, False, INF, *NO_INT])


def _rule(rule, *more):
    """A rule with values of wrong types besides those out of bounds."""
    text, values = rule
    return text, [*values, *more]


PARAMETERS = {
    "hidden_layer_sizes": (
        "an int >= 1 or an array-like of ints >= 1",
        [
            None,
            "10",
            b"ab",
            5.5,
            (5.5,),
            (5, "5"),
            (5, None),
            [[5]],
            [[1], [1, 2]],
            NAN,
            THING,
            1j,
        ]
        + [np.array(5), np.array([5.0]), iter((5, 4)), {"a": 5}.keys()],
    ),
    "activation": (
        "a str among {'identity', 'logistic', 'tanh', 'relu', 'softplus'",
        ["gauss", "ReLU", "", None, 3, ("relu",), ("relu", 0.1), THING]
        + [("leaky_relu", value) for value in (0.0, -1, INF, NAN, "1", None, BEYOND)]
        + [("leaky_relu", 0.1, 0.2), ("gauss", 0.1), (3, 0.1)],
    ),
    "dropout": _rule(FRACTION, [0.1, 2], [[0.1], [0.1, 0.2]], "0.5", None, 1j, THING),
    "input_noise": _rule(NOT_NEGATIVE, None, *NO_NUMBER),
    "weight_decay": _rule(NOT_NEGATIVE, None, *NO_NUMBER),
    "l1": _rule(NOT_NEGATIVE, None, *NO_NUMBER),
    "max_weight_norm": _rule(POSITIVE, *NO_NUMBER),
    "max_grad_norm": _rule(POSITIVE, *NO_NUMBER),
    "label_smoothing": _rule(FRACTION, None, *NO_NUMBER),
    "learning_rate_factors": (
        "array-like of floats >= 0",
        [0, 1.0, "1", [-1, 1], [BEYOND, 1], [[1], [1, 2]], THING],
    ),
    "weight_averaging": (
        "a str among {'ema', 'swa'} or a pair ('ema', decay in [0, 1))",
        [
            "EMA",
            "",
            3,
            True,
            THING,
            ("ema",),
            ("ema", 1),
            ("swa", NAN),
            ("", 0.5),
            ("ema", -0.1),
            ("ema", "0.9"),
            ("ema", None),
            ("ema", INF),
            ("ema", [0.9]),
            ("ema", 0.9, 1),
            ("swa", 1),
            ("swa", -1),
            ("swa", "0.5"),
            ("swa", None),
            ("swa", -INF),
            ("swa", ()),
            ("EMA", 0.9),
            (0.9, "ema"),
            {"ema": 0.9},
            (),
        ],
    ),
    "solver": ("a str among {'lbfgs', 'sgd', 'adam'", ["newton", *NO_NAME]),
    "alpha": _rule(NOT_NEGATIVE, None, *NO_NUMBER),
    "batch_size": _rule(
        ("'auto'} or an int in the range [1, inf)", [0, -1, INF, "all"]),
        None,
        *NO_INT,
    ),
    "learning_rate": (
        "a str among {'constant', 'invscaling', 'adaptive'",
        ["linear", 0.1, None, THING, ("cosine",), ("cosine", 1), ("cosine", -0.1)]
        + [("one_cycle", 0), ("one_cycle", 1), ("plateau", NAN), ("linear", 0.5)]
        + [("cosine", "0.5"), ["cosine", 0.5], ("warmup_cosine", 0.0), (3, 0.5)],
    ),
    "learning_rate_init": _rule(POSITIVE, None, *NO_NUMBER),
    "power_t": _rule(NOT_NEGATIVE, None, *NO_NUMBER),
    "max_iter": _rule(AT_LEAST_ONE, None, *NO_INT),
    "shuffle": ("a bool or a str among {'blocks'}", NO_SWITCH),
    "random_state": (
        "in the range [0, 4294967295] or a numpy RandomState instance or None",
        [-1, 2**32, 0.5, "seed", NAN, [0], THING, np.random.default_rng(0)],
    ),
    "tol": _rule(NOT_NEGATIVE, None, *NO_NUMBER),
    "verbose": ("a bool or an int in the range [0, inf)", [-1, None, *NO_INT]),
    "warm_start": ("a bool", NO_SWITCH),
    "momentum": _rule(
        ("in the range [0, 1]", [-1e-300, 1 + 1e-15, 2, INF, BEYOND]), None, *NO_NUMBER
    ),
    "nesterovs_momentum": ("a bool", NO_SWITCH),
    "early_stopping": ("a bool", NO_SWITCH),
    "validation_fraction": _rule(FRACTION, None, *NO_NUMBER),
    "beta_1": _rule(FRACTION, None, *NO_NUMBER),
    "beta_2": _rule(FRACTION, None, *NO_NUMBER),
    "epsilon": _rule(POSITIVE, None, *NO_NUMBER),
    "n_iter_no_change": (
        "in the range [1, inf) or inf",
        [0, -1, None, -INF, *NO_INT],
    ),
    "max_fun": _rule(AT_LEAST_ONE, None, *NO_INT),
    "dtype": (
        "a str among {'auto', 'float32', 'float64'}",
        ["float16", "double", np.float16, np.dtype(int), int, *NO_NAME],
    ),
    "fit_intercept": ("a bool", NO_SWITCH),
    "weight_init": (
        "a str among {'glorot_uniform', 'glorot_normal'",
        ["xavier", *NO_NAME],
    ),
    "n_threads": ONE_OR_NONE,
    "validation_split": (
        "None or a float in the range (0, 1) or an array of row numbers or a mask or a "
        "splitter with a split method",
        [0.0, 1.0, -0.1, NAN, 5, "fold", b"fold", THING, {}, True],
    ),
    "scoring": (
        "'loss' or a name among sklearn.metrics.get_scorer_names() or a callable",
        ["acuracy", "", 3, ["accuracy"], THING, True],
    ),
    "target_score": _rule(
        ("None or a float in the range (-inf, inf)", [INF, -INF, BEYOND, -BEYOND]),
        *NO_NUMBER,
    ),
    "max_time": _rule(POSITIVE, *NO_NUMBER),
    "on_divergence": ("a str among {'raise', 'warn', 'reduce_lr'}", NO_NAME),
    "standardize_X": ("a bool", NO_SWITCH),
    "random_stream": ("a str among {'restart', 'continue'}", NO_NAME),
}
CLASSIFIER_PARAMETERS = {
    "loss": ("a str among {'log_loss', 'focal'}", ["hinge", "squared_error", *NO_NAME]),
    "focal_gamma": _rule(NOT_NEGATIVE, None, *NO_NUMBER),
    "class_weight": (
        "a str among {'balanced'} or a dict or a list of dicts or an array-like",
        ["even", 3, 0.5, [], [1.0, 0.0], [1.0, -1.0], [1.0, NAN], [1.0, INF], [None]]
        + [np.ones((2, 2)), np.array([]), ["a"], [BEYOND], [[1], [1, 2]], THING, True],
    ),
}
REGRESSOR_PARAMETERS = {
    "loss": (
        "a str among {'squared_error', 'poisson', 'absolute_error'",
        ["mean_error", "log_loss", *NO_NAME],
    ),
    "huber_delta": _rule(POSITIVE, None, *NO_NUMBER),
    "quantile": (
        "in the range (0, 1) or an array-like of strictly increasing floats",
        [0, 1, -0.1, 1.1, INF, None, [], [0.5, 0.5], [0.9, 0.1], [0.0, 0.5], [NAN]]
        + [
            "0.5",
            [["0.5"]],
            [[0.1], [0.2, 0.3]],
            [0.5, "0.9"],
            np.eye(2),
            THING,
            BEYOND,
            1j,
        ],
    ),
    "monotone_quantiles": ("a bool", NO_SWITCH),
    "tweedie_power": (
        "in the range (1, 2)",
        [0, 1, 2, 3, -1, INF, BEYOND, None, *NO_NUMBER],
    ),
    "output_activation": (
        "('logistic', low, high) with finite low < high",
        ["tanh", "", 3, ("logistic",), ("logistic", 0), ("logistic", 1, 1), THING]
        + [("logistic", 1, 0), ("logistic", 0, INF), ("logistic", NAN, 1), ["exp"]]
        + [("exp", 0, 1), ("logistic", "0", 1), ("logistic", 0, BEYOND)],
    ),
    "standardize_y": ("a bool", NO_SWITCH),
}


def changed(array, index, value):
    """A copy as floats in which one entry has another value."""
    array = np.array(array, dtype=float)
    array[index] = value
    return array


def _corrupted(kind, part, index, value):
    """X as a sparse matrix one of whose arrays is wrong."""
    matrix = kind(X)
    getattr(matrix, part)[index] = value
    return matrix


def _frame(second):
    """A DataFrame without names whose second column holds one value."""
    return pd.DataFrame({0: X[:, 0], 1: second, 2: X[:, 2]})


def wide(n_features=2**33):
    """A sparse matrix of 60 rows with more columns than 32 bits count."""
    indices = np.arange(60, dtype=np.int64) + n_features - 60
    return sparse.csr_array(
        (np.ones(60), indices, np.arange(61, dtype=np.int64)), shape=(60, n_features)
    )


# Rows that neither training nor prediction can take.
BAD_X = [
    ("NaN", changed(X, (3, 1), NAN), ValueError, []),
    ("inf", changed(X, (3, 1), INF), ValueError, []),
    ("-inf", changed(X, (59, 2), -INF), ValueError, []),
    ("float32 inf", changed(X, (0, 0), INF).astype("f4"), ValueError, []),
    ("longdouble", X.astype("g") * np.longdouble("1e4000"), ValueError, []),
    ("None", None, ValueError, []),
    ("number", 3.0, ValueError, []),
    ("1-D", X[:, 0], ValueError, []),
    ("3-D", X[None], ValueError, []),
    ("no rows", X[:0], ValueError, []),
    ("no columns", X[:, :0], ValueError, []),
    ("empty list", [], ValueError, []),
    ("empty rows", [[]], ValueError, []),
    ("ragged", [[1, 2, 3], [1, 2]] * 30, ValueError, []),
    ("complex", X + 1j, ValueError, []),
    ("words", np.array([["a", "b", "c"]] * 60), ValueError, []),
    ("str", "text", ValueError, []),
    ("bytes", b"text", ValueError, []),
    ("dict", {"a": 1}, TypeError, []),
    ("object", object(), TypeError, []),
    ("objects", np.array([[THING] * 3] * 60), TypeError, []),
    ("lists", np.array([[{}] * 3] * 60), TypeError, []),
    ("missing", np.array([[None] * 3] * 60), ValueError, []),
    ("dates", np.full((60, 3), datetime.date(2000, 1, 1)), TypeError, []),
    ("datetime64", np.full((60, 3), np.datetime64("2000")), ValueError, ["datetime64"]),
    (
        "timedelta64",
        np.full((60, 3), np.timedelta64(1, "s")),
        ValueError,
        ["timedelta64"],
    ),
    ("frame of dates", _frame(np.datetime64("2000")), ValueError, ["datetime"]),
    ("frame of words", _frame("a"), ValueError, []),
    ("sparse NaN", sparse.coo_array(changed(X, (3, 1), NAN)), ValueError, []),
    ("sparse complex", sparse.csr_array(X + 1j), ValueError, []),
    ("csr index", _corrupted(sparse.csr_array, "indices", 5, 3), ValueError, []),
    ("csr -1", _corrupted(sparse.csr_array, "indices", 5, -1), ValueError, []),
    (
        "csc index",
        _corrupted(sparse.csc_array, "indices", 5, 10**8),
        ValueError,
        [],
    ),
    ("coo index", _corrupted(sparse.coo_array, "row", 5, 10**8), ValueError, []),
    ("coo -1", _corrupted(sparse.coo_array, "row", 5, -1), ValueError, []),
    ("bsr index", _corrupted(sparse.bsr_array, "indices", 5, 99), ValueError, []),
    ("csr ends", _corrupted(sparse.csr_array, "indptr", 3, 999), ValueError, []),
    ("csr -ends", _corrupted(sparse.csr_array, "indptr", 3, -9), ValueError, []),
]

ONE_ROW = X[:1, :2]
# Rows that a fitted model of three features cannot take.
BAD_WIDTH = [
    ("2 columns", X[:, :2], ValueError, []),
    ("6 columns", np.c_[X, X], ValueError, []),
    ("sparse", sparse.csr_array(X[:, :2]), ValueError, []),
    ("one row", ONE_ROW, ValueError, []),
    ("beyond 32 bits", wide(), ValueError, []),
]

BAD_LENGTH = [
    ("short", 59, ValueError, []),
    ("long", 61, ValueError, []),
    ("empty", 0, ValueError, []),
]

# Targets that no task can have.
BAD_Y = [
    ("None", None, ValueError, []),
    ("NaN", changed(Y, 3, NAN), ValueError, []),
    ("inf", changed(Y, 3, INF), ValueError, []),
    ("3-D", Y[:, None, None], ValueError, []),
    ("number", 3, TypeError, []),
    ("str", "text", TypeError, []),
    ("object", THING, TypeError, []),
    ("complex", Y + 1j, ValueError, []),
    ("no columns", np.empty((60, 0)), ValueError, []),
    ("ragged", [[1, 2], [1]] * 30, ValueError, []),
]
BAD_LABELS = [
    ("continuous", T, ValueError, []),
    ("two columns", np.c_[Y, Y], ValueError, ["ultioutput"]),
    (
        "mixed",
        np.array([1, "a"] * 30, dtype=object),
        ValueError,
        [],
    ),
    ("objects", np.array([THING] * 60), ValueError, []),
]
BAD_TARGETS = [
    ("words", np.array(["a"] * 60), ValueError, []),
    ("objects", np.array([THING] * 60), TypeError, []),
    ("sparse", sparse.csr_array(np.c_[T, T]), ValueError, ["y must be dense"]),
    ("dates", np.full(60, np.datetime64("2000")), ValueError, ["datetime64"]),
]

BAD_WEIGHT = [
    ("short", np.ones(59), ValueError, ["(59,)", "(60,)"]),
    ("long", np.ones(61), ValueError, ["(61,)", "(60,)"]),
    ("2-D", np.ones((60, 2)), ValueError, ["1D array or scalar", "2D", "60"]),
    ("column", np.ones((60, 1)), ValueError, ["1D array or scalar", "2D", "60"]),
    ("empty", [], ValueError, []),
    ("zeros", np.zeros(60), ValueError, ["at least one non-zero weight"]),
    ("zero", 0.0, ValueError, ["at least one non-zero weight"]),
    ("NaN", changed(np.ones(60), 2, NAN), ValueError, []),
    ("one NaN", NAN, ValueError, []),
    ("inf", changed(np.ones(60), 2, INF), ValueError, []),
    ("one inf", -INF, ValueError, []),
    ("word", "heavy", ValueError, []),
    ("words", ["heavy"] * 60, ValueError, []),
    ("complex", np.ones(60) + 1j, ValueError, []),
    ("one complex", 1j, TypeError, []),
    ("object", THING, TypeError, []),
    ("dict", {0: 1.0}, TypeError, []),
    ("ragged", [[1], [1, 2]] * 30, ValueError, []),
]
