"""The plain data of a fitted model of a table that an export starts from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastmlp._core.kernels import n_frequencies, n_periodic
from fastmlp._mlp.pipeline import is_model, without_search
from fastmlp._tables.model import number_parts, stage_tensors
from fastmlp._tabular.base import BaseTabularMLP
from fastmlp.export._nested import contained


class PeriodicEmbedding(NamedTuple):
    """Weights of e(x) = cos(x frequency + phase) mixing + shift of each number."""

    frequency: np.ndarray  # (n_numbers, n_frequencies), times 2 pi
    phase: np.ndarray  # (n_numbers, n_frequencies)
    mixing: np.ndarray  # (n_numbers, n_frequencies, n_periodic)
    shift: np.ndarray  # (n_numbers, n_periodic)


class TableWeights(NamedTuple):
    """The weights of one member, or those of all, each stacked along a first axis.

    Attributes
    ----------
    embedding : PeriodicEmbedding or None
    missing : ndarray of shape (n_numbers, n_periodic + 1) or (n_numbers, 1)
        The values of a missing number in place of its embedding and itself.
    tables : list of ndarray of shape (n_levels + 1, width)
        For each category a row for each code; 0 is a missing or unknown level.
    coefs : list of ndarray of shape (fan_in, fan_out)
        The scaling layer is folded into the first.
    intercepts, slopes : list of ndarray of shape (fan_out,)
        Slopes are those of the parametric activations of the hidden layers.
    """

    embedding: PeriodicEmbedding | None
    missing: np.ndarray
    tables: list
    coefs: list
    intercepts: list
    slopes: list

    def arrays(self):
        """All of them."""
        return [
            *(self.embedding or ()),
            self.missing,
            *self.tables,
            *self.coefs,
            *self.intercepts,
            *self.slopes,
        ]


def table_model(estimator):
    """The estimator for tables that an estimator is or has found, else None.

    Raises
    ------
    ValueError
        If it holds one and does something else with it.
    """
    if is_model(estimator) or not (held := contained(estimator, (BaseTabularMLP,))):
        return None
    estimator = without_search(estimator)
    if isinstance(estimator, BaseTabularMLP):
        return estimator
    name, inner = type(estimator).__name__, type(held[0]).__name__
    raise ValueError(
        f"an export of a {inner} takes the estimator alone, and no {name} that holds "
        "it. Export the fitted estimator that is in it, or pickle the whole."
    )


def table_weights(model):
    """The weights of all members in float64.

    Parameters
    ----------
    model : TabularModel

    Returns
    -------
    weights : TableWeights
        With the members along a first axis.
    """
    members = [_weights_of(model, params) for params in model.weights]
    embeddings, missing, *lists = zip(*members)
    stacked = None
    if embeddings[0] is not None:
        stacked = PeriodicEmbedding(*map(np.stack, zip(*embeddings)))
    return TableWeights(
        stacked,
        np.stack(missing),
        *([np.stack(arrays) for arrays in zip(*of_members)] for of_members in lists),
    )


def _weights_of(model, params):
    """The weights of one member."""
    params = params.astype(np.float64)
    network, n_numbers = model.network, model.encoder.n_numbers
    stage, is_periodic = network.stage, model.architecture.is_periodic
    tensors = stage_tensors(stage, network.stage_weights(params))
    empty = np.zeros((n_numbers, n_periodic + 1 if is_periodic else 1))
    embedding, missing = None, tensors.get("numbers", empty)
    if is_periodic and n_numbers:
        frequency, phase, mixing, shift, missing = number_parts(missing)
        mixing = mixing.reshape(n_numbers, n_frequencies, n_periodic)
        embedding = PeriodicEmbedding(2 * np.pi * frequency, phase, mixing, shift)
    tables = [
        tensors.get(f"table_{place}", np.zeros((n_rows, n_columns)))
        for place, (n_rows, n_columns, _) in enumerate(stage.tables)
    ]
    coefs, intercepts = network.split(params)
    coefs[0] = tensors["scale"][:, np.newaxis] * coefs[0]
    slopes = list(network.slopes(params))
    return TableWeights(embedding, missing, tables, coefs, intercepts, slopes)
