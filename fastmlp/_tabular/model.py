"""A fitted model of a table as plain data, and its outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmlp._core.network import Data, Objective
from fastmlp._core.prediction import predict
from fastmlp._core.stage import InputStage
from fastmlp._model import averages
from fastmlp._tabular.encoder import TableEncoder
from fastmlp._tabular.recipe import Recipe

EMBEDDING_WIDTH = 8


def stage_of(encoder, is_periodic):
    """The input stage behind an encoder, with a table for each category."""
    tables = [
        (len(levels) + 1, EMBEDDING_WIDTH, True)
        if table is None
        else (*table.shape, False)
        for table, levels in zip(encoder.tables, encoder.levels)
    ]
    return InputStage(encoder.n_numbers, tables, is_periodic)


@dataclass
class TabularModel:
    """What a fit finds.

    Attributes
    ----------
    encoder : TableEncoder
    recipe : Recipe
    n_outputs : int
    objective : Objective
        In the units of raw targets.
    weights : ndarray of shape (n_members, n_params)
    bounds : ndarray of shape (2, n_outputs) or None
        The smallest and the largest value of each output, -inf and inf where there is
        none.
    """

    encoder: TableEncoder
    recipe: Recipe
    n_outputs: int
    objective: Objective
    weights: np.ndarray
    bounds: np.ndarray | None = None

    @property
    def network(self):
        """The network of a member; made when it is first asked for."""
        network = vars(self).get("_network")
        if network is None:
            stage = stage_of(self.encoder, self.recipe.is_periodic)
            network = self.recipe.network(stage, self.n_outputs, self.objective)
            self._network = network
        return network

    def __getstate__(self):
        state = vars(self).copy()
        state.pop("_network", None)
        return state

    def outputs(self, X, reader, n_threads=1):
        """Mean outputs of the members for a raw table.

        Parameters
        ----------
        X : DataFrame, Table, ndarray, or list of rows or dicts
        reader : str
            What reads X, for messages.
        n_threads : int

        Returns
        -------
        outputs : ndarray of shape (n_rows, n_outputs)
        """
        return self.encoded_outputs(self.encoder.transform(X, reader), n_threads)

    def encoded_outputs(self, Z, n_threads=1):
        """The same for encoded rows."""
        network, data = self.network, Data(Z)
        members = (
            predict(network, data, network.layers(weights), n_threads=n_threads)
            for weights in self.weights
        )
        if len(self.weights) == 1:
            outputs = next(members)
        else:
            total = sum(averages.terms(out, self.objective) for out in members)
            mean = total / len(self.weights)
            outputs = averages.outputs_of(mean, self.objective, Z.dtype)
        if self.bounds is not None:
            np.clip(outputs, *self.bounds, out=outputs)
        return outputs
