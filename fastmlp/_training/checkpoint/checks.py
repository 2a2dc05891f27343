"""Checks of the file of a checkpoint, made before anything of it is used.

A checksum tells damage; these checks tell a file that somebody has changed.  Each
function raises ValueError that says what is wrong.
"""

from __future__ import annotations

import json
import math

import numpy as np

from fastmlp._core.curvature import dot
from fastmlp._files.values import decode
from fastmlp._training.divergence import MOST_REDUCTIONS
from fastmlp._training.record import COLUMNS

COMMON_PARTS = (
    "identity",
    "start_random_state",
    "random_state",
    "params",
    "best_params",
    "record",
)
STOCHASTIC_PARTS = ("moments", "optimizer", "averaging", "divergence", "order")
LBFGS_PARTS = ("lbfgs",)
WATCHED = ("best_loss", "n_reductions", "best")  # of the divergence
_MOVING = (
    "learning_rate",
    "learning_rate_init",
    "t",
    "momentum_product",
    "noise_seed",
    "velocity_rate",
)
_VECTORS, _MATRICES = ("x", "grad", "best_x"), ("steps", "changes")
_LBFGS = (
    *_VECTORS,
    *_MATRICES,
    "products",
    "loss",
    "best_loss",
    "n_calls",
)
_IDENTITY = {"class": str, "params": dict, "data": str, "dtype": str, "units": list}
_MOST_STEPS = 2**53


def decoded_state(text, tensors):
    """The parts of a checkpoint, decoded; those that need no fit are checked."""
    state = json.loads(text)
    if not isinstance(state, dict):
        raise ValueError("its state is not a JSON object")
    solver_parts = LBFGS_PARTS if "lbfgs" in state else STOCHASTIC_PARTS
    parts = {*COMMON_PARTS, *solver_parts}
    if state.keys() != parts:
        missing, unknown = parts - state.keys(), state.keys() - parts
        what = f"has no {min(missing)!r}" if missing else f"holds {min(unknown)!r}"
        raise ValueError(f"it {what}")
    identity = decode(state.pop("identity"), "identity", {})  # it has no arrays
    if not _describes_a_fit(identity):
        raise ValueError("its 'identity' does not describe a fit")
    saved = {name: decode(value, name, tensors) for name, value in state.items()}
    for name in ("start_random_state", "random_state"):
        if not isinstance(saved[name], np.random.RandomState):
            raise ValueError(f"its {name!r} is no state of a generator")
    return {"identity": identity, **saved}


def _describes_a_fit(identity):
    """Return whether a value is a description of a fit, in values of JSON."""
    if not isinstance(identity, dict) or not all(
        isinstance(identity.get(name), kind) for name, kind in _IDENTITY.items()
    ):
        return False
    try:
        json.dumps(identity)
    except TypeError:
        return False
    return all(isinstance(name, str) for name in identity["params"])


def check_state(saved, monitor, solver_state):
    """Hold the parts of a checkpoint against the fit that is to go on.

    Parameters
    ----------
    saved : dict
        Of ``decoded_state``.
    monitor : Monitor
    solver_state : StochasticState or LbfgsState
    """
    for name in solver_state.parts:
        _require(name in saved, name, "there for this solver")
    task = monitor.task
    _check_vector("params", saved["params"], task.params, _is_finite(monitor))
    _check_vector("best_params", saved["best_params"], monitor.judge.best_params, True)
    _check_record(saved["record"], task)
    solver_state.check(saved)


def check_stochastic(saved, monitor, order):
    """The parts of a solver that takes a step a batch.

    Parameters
    ----------
    saved : dict
    monitor : Monitor
    order : ShuffledOrder or BlockOrder
    """
    task, is_finite = monitor.task, _is_finite(monitor)
    _check_optimizer(saved["optimizer"], monitor.optimizer)
    _check_moments(saved["moments"], monitor.optimizer, task.params, is_finite)
    _check_averaging(saved["averaging"], task, is_finite)
    _check_divergence(saved["divergence"], monitor.divergence, task.params)
    _check_order(saved["order"], order)


def check_lbfgs(stored, x, weights, n_pairs):
    """The part of lbfgs.

    Parameters
    ----------
    stored : object
    x : ndarray of shape (n,)
        A vector like those that it must hold.
    weights : ndarray of shape (n,)
        Its ``x`` in the precision of the network.
    n_pairs : int
        The most pairs of the curvature.
    """
    _check_keys("lbfgs", stored, _LBFGS)
    for name in _VECTORS:
        _check_vector(f"lbfgs.{name}", stored[name], x, True)
    with np.errstate(all="ignore"):
        is_same = np.array_equal(stored["x"].astype(weights.dtype), weights)
    _require(is_same, "lbfgs.x", "the same as 'params'")
    products = stored["products"]
    is_list = isinstance(products, np.ndarray) and products.dtype == x.dtype
    is_list = is_list and products.ndim == 1 and len(products) <= n_pairs
    rule = f"an array of {x.dtype} of at most {n_pairs} products"
    _require(is_list, "lbfgs.products", rule)
    are_positive = ((products > 0) & (products < np.inf)).all()
    _require(are_positive, "lbfgs.products", "finite and above 0")
    like = np.empty((len(products), len(x)), dtype=x.dtype)
    for name in _MATRICES:
        _check_vector(f"lbfgs.{name}", stored[name], like, True)
    have_squares = all(0 < dot(row, row) < math.inf for row in stored["changes"])
    _require(have_squares, "lbfgs.changes", "of finite squares above 0")
    for name in ("loss", "best_loss"):
        is_loss = isinstance(stored[name], float) and math.isfinite(stored[name])
        _require(is_loss, f"lbfgs.{name}", "a finite float")
    _require(_is_count(stored["n_calls"], 1), "lbfgs.n_calls", "an int >= 1")


def _is_finite(monitor):
    """Return whether all weights must be finite.

    With early stopping a fit goes on with weights that are not.
    """
    return not monitor.task.stops_by_score


def _require(holds, name, rule):
    """Raise ValueError unless a part obeys its rule."""
    if not holds:
        raise ValueError(f"its {name!r} must be {rule}")


def _is_vector(value, like):
    """Return whether a value is an array in the form of another one."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype == like.dtype
        and value.shape == like.shape
    )


def _check_vector(name, value, like, is_finite):
    """A vector of weights, or None where the fit has None."""
    if like is None:
        _require(value is None, name, "None for this fit")
        return
    rule = f"an array of {like.dtype} and shape {like.shape}"
    _require(_is_vector(value, like), name, rule)
    _require(not is_finite or np.isfinite(value).all(), name, "finite")


def _is_count(value, low, high=_MOST_STEPS):
    """Return whether a value is an int, no bool, between two bounds."""
    return type(value) is int and low <= value <= high


def _is_float(value, low=-math.inf):
    """Return whether a value is a float that is not NaN, and not below a bound."""
    return isinstance(value, float) and value >= low


def _check_keys(name, value, keys):
    """A dict with exactly these keys."""
    rule = f"a dict of {', '.join(sorted(keys))}"
    _require(isinstance(value, dict) and value.keys() == set(keys), name, rule)


def _check_optimizer(stored, optimizer):
    """Scalars of the solver: those that the parameters fix must be the same."""
    known = {k: v for k, v in vars(optimizer).items() if k != "moments"}
    _check_keys("optimizer", stored, known)
    for name, now in known.items():
        value, where = stored[name], f"optimizer.{name}"
        if name == "noise_seed":
            if now is None:
                _require(value is None, where, "None for this fit")
                continue
            is_seed = isinstance(value, list) and len(value) == 2
            is_seed = is_seed and all(_is_count(word, 0, 2**32 - 1) for word in value)
            _require(is_seed, where, "a list of two ints from 0 to 2**32 - 1")
        elif name == "t":
            _require(_is_count(value, 0), where, "a number of steps")
        elif name in _MOVING:
            is_rate = _is_float(value, 0.0) and value < math.inf
            _require(is_rate, where, "a finite float >= 0")
        else:
            same = type(value) is type(now) and value == now
            _require(same, where, f"{now!r} for these parameters")


def _check_moments(stored, optimizer, params, is_finite):
    """The moments of the solver; a mean or sum of squares, the last, is never < 0."""
    now = optimizer.moments
    is_list = isinstance(stored, list) and len(stored) == len(now)
    _require(is_list, "moments", f"a list of {len(now)} arrays for this solver")
    for i, moment in enumerate(stored):
        _check_vector(f"moments.{i}", moment, params, False)
        is_number = not is_finite or not np.isnan(moment).any()
        _require(is_number, f"moments.{i}", "free of NaN")
    if "epsilon" in optimizer.scalars:
        name = f"moments.{len(now) - 1}"
        _require(not (stored[-1] < 0).any(), name, ">= 0, it holds squares")


def _check_averaging(stored, task, is_finite):
    """The average of the weights, where the fit has one."""
    if task.averaging is None:
        _require(stored is None, "averaging", "None for this fit")
        return
    _check_keys("averaging", stored, ("mean", "n_averaged"))
    _check_vector("averaging.mean", stored["mean"], task.params, is_finite)
    is_count = _is_count(stored["n_averaged"], 0)
    _require(is_count, "averaging.n_averaged", "an int >= 0")


def _check_divergence(stored, divergence, params):
    """Check the state of the watch for divergence."""
    _check_keys("divergence", stored, WATCHED)
    _require(_is_float(stored["best_loss"]), "divergence.best_loss", "a float, no NaN")
    is_count = _is_count(stored["n_reductions"], 0, MOST_REDUCTIONS)
    rule = f"an int from 0 to {MOST_REDUCTIONS}"
    _require(is_count, "divergence.n_reductions", rule)
    like = None if divergence.best is None else params
    _check_vector("divergence.best", stored["best"], like, True)


def _check_order(stored, order):
    """The rows of the training part, in any order where the fit shuffles."""
    rows = order.current
    rule = f"the {len(rows)} training rows"
    is_array = isinstance(stored, np.ndarray) and stored.dtype.kind == "i"
    _require(is_array and stored.shape == rows.shape, "order", f"{rule} as integers")
    if order.random_state is None:
        _require(np.array_equal(stored, rows), "order", f"{rule} as they are")
    else:
        same = np.array_equal(np.sort(stored), np.sort(rows))
        _require(same, "order", f"{rule}, each as often as in the data")


def _check_record(stored, task):
    """The record of the fit so far."""
    _check_keys("record", stored, task.record.content())
    n_iter = stored["n_iter"]
    _require(_is_count(n_iter, 1), "record.n_iter", "an int >= 1")
    _require(isinstance(stored["loss"], float), "record.loss", "a float")
    name, rule = "record.no_improvement_count", f"an int from 0 to n_iter ({n_iter})"
    _require(_is_count(stored["no_improvement_count"], 0, n_iter), name, rule)
    _check_history(stored["history"], n_iter)
    is_stochastic, is_judged = task.plan.is_stochastic, task.holdout is not None
    least = 1 if is_stochastic else 0
    _require(_is_count(stored["t"], least), "record.t", f"an int >= {least}")
    _check_curve("loss_curve", stored, is_stochastic and n_iter)
    _check_best("best_loss", stored, is_stochastic and not task.stops_by_score)
    _check_curve("validation_scores", stored, is_judged and n_iter)
    _check_curve("validation_losses", stored, is_judged and n_iter)
    _check_best("best_score", stored, is_judged)


def _check_best(name, stored, is_there):
    """The best of the values of a curve, or None where the fit has none."""
    if is_there:
        _require(_is_float(stored[name]), f"record.{name}", "a float, no NaN")
    else:
        _require(stored[name] is None, f"record.{name}", "None for this fit")


def _check_curve(name, stored, n_iter):
    """A list with a float an epoch, after those of earlier fits, or None."""
    curve, name = stored[name], f"record.{name}"
    if not n_iter:
        _require(curve is None, name, "None for this fit")
        return
    is_curve = isinstance(curve, list) and len(curve) >= n_iter
    is_curve = is_curve and all(isinstance(value, float) for value in curve)
    _require(is_curve, name, f"a list of {n_iter} floats or more")


def _check_history(stored, n_iter):
    """A row of figures an epoch."""
    is_history = (
        isinstance(stored, np.ndarray)
        and stored.dtype == np.float64
        and stored.ndim == 2
        and stored.shape[1] == len(COLUMNS)
        and len(stored) >= n_iter
    )
    rule = f"a float64 array of {n_iter} rows or more and {len(COLUMNS)} columns"
    _require(is_history, "record.history", rule)
