"""Activations that are told by their values.

Every exporter spells an activation in nodes of its own: SiLU as z sigmoid(z), GELU by
erf, softplus by exp and log. Their values at some points tell them all, whatever the
spelling is. Points lie close where activations bend, and far out, so that a function
with bounds, such as ReLU6, or one of another tail is not taken for its neighbour.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fastmlp._core.kernels import activation_names
from fastmlp._model.snapshot import Snapshot
from fastmlp.runtime import Predictor

_FAR = np.geomspace(13, 1e30, 48)
POINTS = np.concatenate(
    [[-1.0, -40.0, 0.0], np.linspace(-12.7, 12.9, 240), _FAR, -_FAR]
)
POINTS.setflags(write=False)
_TOLERANCES = {False: 1e-6, True: 5e-4}  # for constants in float32, in float16
_EXP_FITS = 80  # beyond, exp may overflow where the activation does not
_AT = {"leaky_relu": 0, "elu": 1}  # of the points: there f is minus the parameter


def evaluated(name, parameter, z):
    """The values of an activation of fastmlp, or of exp, at any points."""
    if name == "exp":
        with np.errstate(over="ignore"):
            return np.exp(z)
    one, zero = np.ones((1, 1)), np.zeros(1)
    model = Snapshot(
        [one, one], [zero, zero], [(name, parameter)], "identity", None, None, None
    )
    return Predictor(model).predict(z[:, None])


@lru_cache(maxsize=64)
def _values(name, parameter=0.0):
    """The values of an activation at the points."""
    return evaluated(name, parameter, POINTS)


def recognised(values, names=activation_names, is_half=False):
    """The activation that has these values at the points.

    Parameters
    ----------
    values : ndarray of shape (n_points,)
    names : list of str
        Those to choose from: activations of hidden layers, and "exp".
    is_half : bool
        Whether constants are as coarse as those of float16.

    Returns
    -------
    activation : str, tuple of (str, float) or None
        As the parameter ``activation`` takes it.
    """
    if values.dtype != np.float64:  # the truth of a comparison
        return None
    for name in names:
        parameter = 0.0
        if name in _AT:
            parameter = _short(-values[_AT[name]])
            if not 1e-30 < parameter < np.inf:
                continue
        if _are_close(values, _values(name, parameter), _TOLERANCES[is_half]):
            return (name, parameter) if name in _AT else name
    return None


def _short(parameter):
    """A parameter in the decimals that were written, if it was kept in float32."""
    with np.errstate(over="ignore"):
        single = np.float32(parameter)
    return float(str(single)) if single == parameter else float(parameter)


def _are_close(values, expected, tolerance):
    """Return whether a function equals another one, but where it overflows far out."""
    may_overflow = (np.abs(POINTS) > _EXP_FITS) & ~np.isfinite(values)
    with np.errstate(invalid="ignore"):
        near = np.isclose(values, expected, rtol=tolerance, atol=tolerance)
    return bool((near | may_overflow).all())
