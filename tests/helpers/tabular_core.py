"""The core's networks for tables beside those of the reference in tabular_reference."""

import numpy as np

from fastmlp._core.network import Data, Network
from fastmlp._core.stage import InputStage
from helpers import tabular_reference as reference

NUMBER_ROLES = ("frequency", "phase", "mixing", "shift", "missing")


def stage_of(structure):
    """The input stage of a structure."""
    tables = [
        (*np.shape(t), False) if reference.is_fixed(t) else (*t, True)
        for t in structure.tables
    ]
    return InputStage(structure.n_numbers, tables, structure.n_frequencies > 0)


def network_of(structure):
    """The network of the core, which knows the folded form only."""
    return Network(
        structure.units,
        [(structure.activation, 0.0)] * len(structure.hidden),
        structure.loss,
        has_slopes=structure.is_parametric,
        stage=stage_of(structure),
    )


def stage_weights(params, structure, tables=None):
    """The weights of the input stage in the order of the core.

    tables: of each category, in place of its rows of the parameters.
    """
    roles = NUMBER_ROLES if structure.n_frequencies else ("missing",)
    numbers = [
        np.concatenate([params[role][0][number].ravel() for role in roles])
        for number in range(structure.n_numbers)
    ]
    if tables is None:
        tables = reference.table_rows(params, structure)
    parts = [params["scale"][0], *numbers, *tables]
    return np.concatenate([np.ravel(part) for part in parts])


def to_core(flat, structure):
    """A flat vector of the reference as one of the core, fixed tables among it."""
    params = reference.unpack(flat, structure)
    folded = [W * structure.gain(len(W)) for W in params["coef"]]
    parts = [*folded, *params["intercept"], *params["slope"]]
    parts.append(stage_weights(params, structure))
    return np.concatenate([part.ravel() for part in parts])


def gradient_to_core(flat, structure):
    """The same of a gradient in the folded form, 0 for what is not trained."""
    params = reference.unpack(flat, structure)
    trained = iter(params["table"])
    tables = [
        np.zeros_like(t) if reference.is_fixed(t) else next(trained)
        for t in structure.tables
    ]
    parts = [*params["coef"], *params["intercept"], *params["slope"]]
    parts.append(stage_weights(params, structure, tables))
    return np.concatenate([part.ravel() for part in parts])


def draw_rows(rng, structure, n_samples, share_missing=0.2):
    """Encoded rows and their targets."""
    x = rng.normal(size=(n_samples, structure.n_numbers))
    x[rng.random(x.shape) < share_missing] = np.nan
    sizes = [t[0] if isinstance(t, tuple) else len(t) for t in structure.tables]
    codes = [rng.integers(size, size=n_samples) for size in sizes]
    X = np.column_stack([x, *codes])
    if structure.loss == "log_loss":
        return X, rng.integers(structure.n_outputs, size=(n_samples, 1)).astype(float)
    return X, rng.normal(size=(n_samples, structure.n_outputs))


def draw_params(rng, structure):
    """Random parameters: of all roles about as large as in a fit."""
    params, roles = [], reference.tensors(structure)
    for role, shape in roles:
        spread = 1.0
        if role == "coef" and not structure.is_tangent:
            spread = shape[0] ** -0.5
        params.append(rng.normal(scale=spread, size=shape).ravel())
    return np.concatenate(params)


def data_of(X, y, dtype=np.float64):
    """The rows in a precision, for the core."""
    return Data(X.astype(dtype), None if y is None else y.astype(dtype))
