"""How much each column of a table counts for the outputs of a model."""

from __future__ import annotations

import numpy as np

from fastmlp._core.gradients import input_gradient
from fastmlp._core.network import Data
from fastmlp._core.prediction import predict

MOST_ROWS = 1000  # validation rows that are looked at, the most of them
MOST_OUTPUTS = 8  # that have a pass each


def feature_importances(task, encoder):
    """Share of each column in how the outputs vary over the validation rows.

    The contribution of a column to an output before its activation is, to first order,
    the sum over the inputs x that the network makes of the column of
    ``d output / d x * (x - mean x)``. Its mean magnitude over rows, outputs and members
    is taken. For classes an output counts as its distance from the mean of all, which
    is what probabilities depend on.

    Parameters
    ----------
    task : MembersTask
        With the weights that are kept.
    encoder : TableEncoder

    Returns
    -------
    importances : ndarray of float64 of shape (n_columns,)
        In the order of the table; their sum is 1, or 0 where no column counts.
    """
    network = task.network
    found = np.zeros(network.stage.n_columns)
    for params, X in zip(task.members(), task.judging_rows(MOST_ROWS)):
        found += _of_member(network, params, X)
    importances = np.zeros(encoder.n_features_in)
    importances[np.r_[encoder.number_columns, encoder.category_columns]] = found
    total = importances.sum()
    return importances / total if np.isfinite(total) and total > 0 else importances * 0


def _of_member(network, params, X):
    """The mean contributions of encoded columns in one network."""
    data, layers = Data(X), network.layers(params)
    coefs, _ = network.split(params)
    x = network.stage.outputs(network.stage_weights(params), X)
    x = x - x.mean(axis=0)
    widths = _widths(network.stage)
    total, there = np.zeros(len(widths)), widths > 0  # a category may have no level
    first = (np.cumsum(widths) - widths)[there]
    for seed in _seeds(network, data, layers):
        slopes = input_gradient(network, data, layers, coefs, seed)
        parts = np.add.reduceat(slopes * x, first, axis=1, dtype=np.float64)
        total[there] += np.abs(parts).mean(axis=0)
    return total


def _widths(stage):
    """How many inputs of the network each encoded column makes."""
    of_tables = [width for _, width, _ in stage.tables]
    n_numbers = stage.n_columns - len(of_tables)
    of_numbers = (stage.n_outputs - sum(of_tables)) // max(n_numbers, 1)
    return np.array([of_numbers] * n_numbers + of_tables)


def _seeds(network, data, layers):
    """Derivatives of what is explained with respect to the outputs, one a pass."""
    n_outputs, shape = network.units[-1], (data.n_samples, network.units[-1])
    are_classes = network.loss == "log_loss"
    if n_outputs <= MOST_OUTPUTS:
        n_passes = 1 if are_classes and n_outputs == 2 else n_outputs  # they mirror
        chosen = [np.full(data.n_samples, output) for output in range(n_passes)]
    else:  # of each row the largest output only
        chosen = [predict(network, data, layers).argmax(axis=1)]
    for outputs in chosen:
        seed = np.zeros(shape, dtype=data.dtype)
        seed[np.arange(data.n_samples), outputs] = 1
        if are_classes:
            seed -= data.dtype.type(1 / n_outputs)
        yield seed
