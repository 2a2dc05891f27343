"""Initial weights."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

# Standard deviation of the normal initialisations for (fan_in, fan_out).
_NORMAL = {
    "glorot_normal": lambda fan_in, fan_out: np.sqrt(2.0 / (fan_in + fan_out)),
    "he_normal": lambda fan_in, fan_out: np.sqrt(2.0 / fan_in),
    "lecun_normal": lambda fan_in, fan_out: np.sqrt(1.0 / fan_in),
    "standard_normal": lambda fan_in, fan_out: 1.0,
}


def initial_weights(name, units, activations, random_state):
    """Draw the weights of all layers, in float64.

    Parameters
    ----------
    name : str
        "glorot_uniform" draws coefficients and intercepts as scikit-learn does:
        uniform in +-sqrt(6 / (fan_in + fan_out)), 2 in place of 6 for a logistic layer
        (Glorot and Bengio 2010).  With the others the intercepts are zero:
        "glorot_normal" of variance 2 / (fan_in + fan_out), "he_uniform" within
        +-sqrt(6 / fan_in), "he_normal" of variance 2 / fan_in (He et al. 2015),
        "lecun_normal" of variance 1 / fan_in (LeCun et al. 1998), "orthogonal" with
        orthonormal rows or columns (Saxe et al. 2014), "standard_normal" of variance 1.
    units : sequence of int
    activations : sequence
        Name of the activation of each layer; for the output layer that of the last
        hidden layer, as in scikit-learn.
    random_state : RandomState

    Returns
    -------
    coefs, intercepts : list of ndarray
    """
    coefs, intercepts = [], []
    for (fan_in, fan_out), activation in zip(pairwise(units), activations):
        shape = (fan_in, fan_out)
        try:
            coef, intercept = _layer_weights(name, shape, activation, random_state)
        except MemoryError:
            size = 8 * fan_in * fan_out / 2**30
            raise MemoryError(
                f"the weights between {fan_in} and {fan_out} units take "
                f"{size:,.1f} GiB in float64, more than there is; choose smaller "
                "hidden_layer_sizes."
            ) from None
        coefs.append(coef)
        intercepts.append(intercept)
    return coefs, intercepts


def _layer_weights(name, shape, activation, random_state):
    """Coefficients and intercepts of one layer."""
    fan_in, fan_out = shape
    if name == "glorot_uniform":
        bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / sum(shape))
        coef = random_state.uniform(-bound, bound, shape)
        return coef, random_state.uniform(-bound, bound, fan_out)
    if name == "he_uniform":
        bound = np.sqrt(6.0 / fan_in)
        coef = random_state.uniform(-bound, bound, shape)
    elif name == "orthogonal":
        coef = _orthogonal(shape, random_state)
    else:
        coef = random_state.normal(0.0, _NORMAL[name](*shape), shape)
    return coef, np.zeros(fan_out)


def _orthogonal(shape, random_state):
    """A matrix with orthonormal columns, or rows where there are fewer of them."""
    tall = random_state.normal(size=(max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # uniform over all such matrices
    return q if shape[0] >= shape[1] else q.T
