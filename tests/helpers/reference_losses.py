"""The losses with parameters in plain float64 NumPy, from the predictions a = g(z).

They are written in the mean a, as in the textbooks, where the core writes them on the
scale of its linear predictor; so the two agree only if both are right.
"""

import numpy as np
from scipy.special import xlogy

from fastmlp._core.network import Objective


def logistic(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    t = np.exp(z - z.max(axis=1, keepdims=True))
    return t / t.sum(axis=1, keepdims=True)


# a = g(z, low, high) and da/dz
OUTPUTS = {
    "identity": (lambda z, low, high: z, lambda z, low, high: np.ones_like(z)),
    "exp": (lambda z, low, high: np.exp(z), lambda z, low, high: np.exp(z)),
    "softplus": (
        lambda z, low, high: np.logaddexp(0, z),
        lambda z, low, high: logistic(z),
    ),
    "logistic": (
        lambda z, low, high: low + (high - low) * logistic(z),
        lambda z, low, high: (high - low) * logistic(z) * logistic(-z),
    ),
}
OWN_OUTPUT = {
    "poisson": "exp", "gamma": "exp", "tweedie": "exp",
    "binary_log_loss": "logistic", "binary_focal": "logistic",
}  # fmt: skip

# value and d value / da, from a, y and the parameter
MEANS = {
    "squared_error": (lambda a, y, p: (y - a) ** 2 / 2, lambda a, y, p: a - y),
    "absolute_error": (lambda a, y, p: abs(y - a), lambda a, y, p: np.sign(a - y)),
    "huber": (
        lambda a, y, p: np.where(
            abs(y - a) <= p, (y - a) ** 2 / 2, p * (abs(y - a) - p / 2)
        ),
        lambda a, y, p: np.clip(a - y, -p, p),
    ),
    "log_cosh": (
        lambda a, y, p: np.log(np.cosh(y - a)),
        lambda a, y, p: np.tanh(a - y),
    ),
    "poisson": (lambda a, y, p: xlogy(y, y / a) - y + a, lambda a, y, p: 1 - y / a),
    "gamma": (
        lambda a, y, p: np.log(a / y) + y / a - 1,
        lambda a, y, p: 1 / a - y / a**2,
    ),
    "tweedie": (
        lambda a, y, p: (
            y ** (2 - p) / ((1 - p) * (2 - p))
            - y * a ** (1 - p) / (1 - p)
            + a ** (2 - p) / (2 - p)
        ),
        lambda a, y, p: a ** (1 - p) - y * a**-p,
    ),
}


def _positive(q, p):
    """-(1 - q)^p log q, and its derivative by q."""
    return (
        -((1 - q) ** p) * np.log(q),
        p * (1 - q) ** (p - 1) * np.log(q) - (1 - q) ** p / q,
    )


def _step_unit(o):
    """The unit of the steps between the quantiles of each target."""
    return 1 if o.step_scale is None else np.array(o.step_scale)[:, None]


def outputs(o, z):
    """Predictions from raw outputs."""
    if o.loss in ("log_loss", "focal"):
        return softmax(z)
    if o.loss == "quantile" and o.is_monotone:
        n = len(o.levels)
        groups = z.reshape(len(z), z.shape[1] // n, n).copy()
        unit = _step_unit(o)
        groups[:, :, 1:] = unit * np.logaddexp(0, groups[:, :, 1:] / unit)
        z = groups.cumsum(axis=2).reshape(z.shape)
    return OUTPUTS[o.output or OWN_OUTPUT.get(o.loss, "identity")][0](z, *o.bounds)


def losses_and_delta(o, z, y):
    """Loss of each row and output, and dloss/dz; y as the core takes it."""
    output, slope = OUTPUTS[o.output or OWN_OUTPUT.get(o.loss, "identity")]
    if o.loss in MEANS:
        a = output(z, *o.bounds)
        value, derivative = MEANS[o.loss]
        return value(a, y, o.parameter), derivative(a, y, o.parameter) * slope(
            z, *o.bounds
        )
    if o.loss.startswith("binary"):
        q, p = logistic(z), o.parameter
        c = 1 if o.positive is None else np.array(o.positive)
        (if_1, d_1), (if_0, d_0) = _positive(q, p), _positive(1 - q, p)
        delta = (c * y * d_1 - (1 - y) * d_0) * q * (1 - q)
        return c * y * if_1 + (1 - y) * if_0, delta
    if o.loss == "focal":
        hot = np.eye(z.shape[1])[y[:, 0].astype(int)]
        q = softmax(z)
        value, derivative = _positive(q, o.parameter)
        of_class = (hot * derivative * q).sum(axis=1, keepdims=True)
        return hot * value, of_class * (hot - q)
    if o.loss == "quantile":
        levels, n = np.array(o.levels), len(o.levels)
        groups = (len(z), z.shape[1] // n, n)
        r = y[:, :, None] - outputs(o, z).reshape(groups)
        raw = z.reshape(groups)
        value = np.where(r >= 0, levels * r, (levels - 1) * r)
        delta = np.where(r >= 0, -levels, 1 - levels)
        if o.is_monotone:
            unit = _step_unit(o)
            steps = unit * np.logaddexp(0, raw / unit)
            steps[:, :, 0] = raw[:, :, 0]
            delta = delta * slope(steps.cumsum(axis=2), *o.bounds)
            delta = delta[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
            delta[:, :, 1:] *= logistic(raw[:, :, 1:] / unit)
        else:
            delta = delta * slope(raw, *o.bounds)
        return value.reshape(z.shape), delta.reshape(z.shape)
    mean, s = np.hsplit(z, 2)
    variance = np.exp(s)
    square = (y - mean) ** 2 / variance
    value = (s + square + np.log(2 * np.pi)) / 2
    delta = np.hstack([(mean - y) / variance, (1 - square) / 2])
    return np.hstack([value, np.zeros_like(value)]), delta


def targets(rng, o, n, k):
    """Random targets for k outputs."""
    if o.loss in ("log_loss", "focal"):
        return rng.integers(k, size=(n, 1))
    groups = {"quantile": len(o.levels), "gaussian_nll": 2}.get(o.loss, 1)
    shape = (n, k // groups)
    if o.loss.startswith("binary"):
        return rng.integers(2, size=shape)
    if o.loss in ("poisson", "tweedie"):
        return rng.poisson(1.5, size=shape)
    if o.loss == "gamma":
        return rng.gamma(2.0, size=shape)
    return rng.normal(size=shape)


LEVELS = (0.1, 0.5, 0.75)
# every loss with parameters, and every output activation with losses of either scale;
# they fit 6 outputs
OBJECTIVES = {
    f"{o.loss}-{o.output}{'-monotone' * o.is_monotone}{'-weighted' * bool(o.positive)}"
    f"{'-scaled' * bool(o.step_scale)}-{len(o.levels)}": o
    for o in (
        Objective("absolute_error"),
        Objective("huber", parameter=0.7),
        Objective("log_cosh"),
        Objective("gamma"),
        Objective("tweedie", parameter=1.3),
        Objective("binary_focal", parameter=1.5),
        Objective("focal", parameter=1.5),
        Objective("quantile", levels=(0.3,)),
        Objective("quantile", levels=LEVELS),
        Objective("quantile", levels=LEVELS, is_monotone=True),
        Objective("quantile", levels=LEVELS, is_monotone=True, step_scale=(0.25, 3.0)),
        Objective("quantile", "softplus", levels=LEVELS),
        Objective("quantile", "softplus", levels=LEVELS, is_monotone=True),
        Objective("gaussian_nll"),
        Objective("squared_error", "exp"),
        Objective("squared_error", "softplus"),
        Objective("squared_error", "logistic", bounds=(-2.0, 3.0)),
        Objective("huber", "logistic", parameter=0.7, bounds=(-2.0, 3.0)),
        Objective("poisson", "softplus"),
        Objective("poisson", "logistic", bounds=(0.0, 9.0)),
        Objective("gamma", "softplus"),
        Objective("gamma", "logistic", bounds=(0.5, 9.0)),
        Objective("tweedie", "softplus", parameter=1.7),
        Objective("tweedie", "logistic", parameter=1.5, bounds=(0.0, 9.0)),
        Objective("binary_log_loss", positive=(0.5, 1.0, 2.0, 3.0, 4.0, 5.0)),
        Objective(
            "binary_focal", parameter=2.0, positive=(0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
        ),
    )
}
