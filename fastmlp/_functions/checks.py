"""Checks of user-defined activations and losses: a trial call, and differences."""

from __future__ import annotations

import numpy as np

from fastmlp._core.custom import apply, losses, multiply

_STEP = {"float32": 2.0**-8, "float64": 2.0**-20}
_TOLERANCE = {"float32": 2e-2, "float64": 2e-5}


def _points(dtype):
    """100 points: 0 and large ones among moderate ones."""
    rng = np.random.default_rng(0)
    z = np.concatenate([[0.0, 30.0, -30.0, 10.0, -10.0], rng.normal(0, 2, 95)])
    return z.astype(dtype)


def _called(call, *arrays, what):
    """Call a function in a check; an exception becomes a ValueError about it."""
    try:
        with np.errstate(all="ignore"):
            call(*arrays)
    except (TypeError, ValueError) as error:
        if what in str(error):
            raise
        raise ValueError(  # among others of a function that writes to its inputs
            f"{what} failed on a trial array of shape {arrays[0].shape}: {error}. "
            "Inputs must not be changed; write to out, or return a new array."
        ) from error
    except Exception as error:
        raise ValueError(
            f"{what} failed on a trial array of shape {arrays[0].shape}: "
            f"{type(error).__name__}: {error}."
        ) from error


def probe(function, dtype, what):
    """Raise ValueError unless f works element by element and gives finite numbers."""
    z = _points(dtype)
    results = []
    for shape in ((100, 1), (3, 20)):
        n = shape[0] * shape[1]
        rows, out = z[:n].reshape(shape).copy(), np.full(shape, np.nan, dtype)
        _called(lambda x, y: apply(function, x, y), rows, out, what=what)
        if not np.array_equal(rows.ravel(), z[:n]):
            raise ValueError(
                f"forward of {what} changes z, its input; it must write to out only."
            )
        results.append(out.ravel())
    bad = ~np.isfinite(results[0])
    if bad.any():
        raise ValueError(
            f"{what} must be finite, but is {results[0][bad][0]} at z = {z[bad][0]:g}."
        )
    if not np.allclose(results[0][:n], results[1], rtol=1e-5, atol=1e-6):
        raise ValueError(
            f"{what} must work element by element, but gives other values for the same "
            "z among others."
        )


def check_slopes(function, dtype, what):
    """Raise ValueError naming the worst point unless the derivative is right."""
    z = _points(dtype).reshape(4, 25)
    step = (_STEP[dtype] * np.maximum(1, np.abs(z))).astype(dtype)
    values = []
    for x in (z - step, z, z + step):
        out = np.empty_like(z)
        _called(lambda x, y: apply(function, x, y), x, out, what=what)
        values.append(out.astype(np.float64))
    slopes = np.ones_like(z)
    a = values[1].astype(dtype)
    _called(lambda x, y, d: multiply(function, x, y, d), z, a, slopes, what=what)
    if not np.array_equal(a, values[1].astype(dtype)):
        raise ValueError(f"the derivative of {what} changes a, which it must not.")
    _compare_slopes(
        values, slopes, z - step, z, z + step, dtype, f"the derivative of {what}", "z"
    )


def _compare_slopes(values, slopes, below, middle, above, dtype, what, symbol):
    """Raise ValueError unless slopes lie between the differences to both sides."""
    below, x, above = (part.astype(np.float64) for part in (below, middle, above))
    left = (values[1] - values[0]) / (x - below)
    right = (values[2] - values[1]) / (above - x)
    low, high = np.minimum(left, right), np.maximum(left, right)
    noise = 4 * np.finfo(dtype).eps * np.max(np.abs(values), axis=0) / (above - x)
    tolerance = _TOLERANCE[dtype] * (1 + np.maximum(-low, high)) + noise
    with np.errstate(invalid="ignore"):
        error = np.maximum(low - slopes, slopes - high) - tolerance
    error[~np.isfinite(slopes)] = np.inf
    error[~np.isfinite(low + high)] = -np.inf
    worst = np.unravel_index(error.argmax(), error.shape)
    if error[worst] > 0:
        between = f"{left[worst]:.6g}"
        if abs(left[worst] - right[worst]) > tolerance[worst]:
            between = f"between {low[worst]:.6g} and {high[worst]:.6g}"
        raise ValueError(
            f"{what} does not agree with differences; the worst point is {symbol} = "
            f"{x[worst]:.6g}: the derivative gives {slopes[worst]:.6g}, differences "
            f"give {between}."
        )


def check_gradient(loss, what):
    """Raise ValueError unless a loss works and its gradient agrees with differences."""
    function, output = loss.function, loss.output_activation
    dtype = function.dtypes[-1]
    rng = np.random.default_rng(0)
    n, k = 40, 3
    z = rng.normal(0, 1.5, size=(n, k)).astype(dtype)
    y = {
        "softmax": np.eye(k)[rng.integers(k, size=n)],
        "logistic": rng.integers(2, size=(n, k)),
        "exp": rng.uniform(0.5, 3, size=(n, k)),
        "softplus": rng.uniform(0.5, 3, size=(n, k)),
    }.get(output, rng.normal(0, 1.5, size=(n, k)))
    y = np.ascontiguousarray(y, dtype=dtype)

    def evaluated(z):
        found = []
        z = z.copy()
        _called(
            lambda y, z: found.append(losses(function, output, y, z)), y, z, what=what
        )
        return found[0].astype(np.float64), z

    values, gradient = evaluated(z)
    if not np.isfinite(values).all():
        bad = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"{what} must be finite, but is {values[tuple(bad)]} at y = "
            f"{y[tuple(bad)]:g} and net input {z[tuple(bad)]:g}."
        )
    if not np.array_equal(evaluated(z)[0], values):
        raise ValueError(f"{what} gives other values when it is called again.")
    for j in range(k):
        step = np.zeros_like(z)
        step[:, j] = _STEP[dtype]
        around = [evaluated(x)[0].sum(axis=1) for x in (z - step, z, z + step)]
        _compare_slopes(
            around,
            gradient[:, j].astype(np.float64),
            (z - step)[:, j],
            z[:, j],
            (z + step)[:, j],
            dtype,
            f"the gradient of {what}, times the derivative of its output activation,"
            if loss.wrt == "output"
            else f"the gradient of {what} (wrt='input')",
            "net input",
        )


def is_from_function(error):
    """Say whether a user-defined function raised an exception."""
    return hasattr(error, "fastmlp_function")
