"""A fitted model of a table as plain data, and its outputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np

from fastmlp._core.kernels import n_frequencies, n_periodic, parametric_activations
from fastmlp._core.network import Data, Network, Objective
from fastmlp._core.prediction import predict
from fastmlp._core.stage import InputStage
from fastmlp._model import averages
from fastmlp._model.snapshot import stored_objective
from fastmlp._tables.content import is_count, read_content
from fastmlp._tables.encoder import TableEncoder

EMBEDDING_WIDTH = 8
_WIDEST = 2**16  # of an embedding


@dataclass(frozen=True)
class Architecture:
    """The hidden layers of a network, and how columns enter it.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    activation : {"selu", "mish"}
    is_periodic : bool
        Whether numbers have periodic embeddings.
    embedding_width : int
        Of the embedding of a category.
    """

    hidden: tuple
    activation: str
    is_periodic: bool
    embedding_width: int = field(default=EMBEDDING_WIDTH, kw_only=True)

    def network(self, stage, n_outputs, objective):
        """The network behind an input stage."""
        units = (stage.n_outputs, *self.hidden, n_outputs)
        activations = [(self.activation, 0.0)] * len(self.hidden)
        return Network(units, activations, objective, has_slopes=True, stage=stage)


def stage_of(encoder, is_periodic, embedding_width=EMBEDDING_WIDTH):
    """The input stage behind an encoder, with a table for each category."""
    tables = [
        (len(levels) + 1, embedding_width, True)
        if table is None
        else (*table.shape, False)
        for table, levels in zip(encoder.tables, encoder.levels)
    ]
    return InputStage(encoder.n_numbers, tables, is_periodic)


def stage_tensors(stage, weights):
    """Views of the weights of an input stage, by the names of its tensors."""
    return {
        name: weights[offset : offset + int(np.prod(shape))].reshape(shape)
        for name, shape, offset, _ in stage.tensors()
    }


def number_parts(tensor):
    """Views of the weights of numbers with periodic embeddings, a row for each.

    Parameters
    ----------
    tensor : ndarray of shape (n_numbers, size)

    Returns
    -------
    frequency, phase : ndarray of shape (n_numbers, n_frequencies)
    matrix : ndarray of shape (n_numbers, n_frequencies * n_periodic)
    bias : ndarray of shape (n_numbers, n_periodic)
    missing : ndarray of shape (n_numbers, n_periodic + 1)
        The values of a missing number.
    """
    ends = np.cumsum([n_frequencies] * 2 + [n_frequencies * n_periodic, n_periodic])
    return np.split(tensor, ends, axis=1)


@dataclass
class TabularModel:
    """The result of a fit.

    Attributes
    ----------
    encoder : TableEncoder
    architecture : Architecture
    n_outputs : int
    objective : Objective
        In the units of raw targets.
    weights : ndarray of shape (n_members, n_params)
    bounds : ndarray of shape (2, n_outputs) or None
        The smallest and the largest value of each output, -inf and inf where there is
        none.
    """

    encoder: TableEncoder
    architecture: Architecture
    n_outputs: int
    objective: Objective
    weights: np.ndarray
    bounds: np.ndarray | None = None

    @property
    def network(self):
        """The network of a member; made when it is first asked for."""
        network = vars(self).get("_network")
        if network is None:
            of = self.architecture
            stage = stage_of(self.encoder, of.is_periodic, of.embedding_width)
            network = of.network(stage, self.n_outputs, self.objective)
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
            The reader of X, for messages.
        n_threads : int

        Returns
        -------
        outputs : ndarray of shape (n_rows, n_outputs)
        """
        return self.encoded_outputs(self.encoder.transform(X, reader), n_threads)

    def encoded_outputs(self, Z, n_threads=1):
        """The same for encoded rows."""
        network, data = self.network, Data(Z)
        outputs = (
            predict(network, data, network.layers(weights), n_threads=n_threads)
            for weights in self.weights
        )
        return self.mean(outputs)

    def mean(self, outputs):
        """The mean of the outputs of the members, within the bounds."""
        if len(self.weights) == 1:
            (outputs,) = outputs
        else:
            outputs = averages.mean_outputs(list(outputs), self.objective)
        if self.bounds is not None:
            np.clip(outputs, *self.bounds, out=outputs)
        return outputs

    def content(self):
        """All that there is to keep, as plain data.

        Returns
        -------
        content : dict
            Of numbers, texts, and arrays, tuples and dicts of such.
        """
        return {
            "encoder": self.encoder.content(),
            "architecture": asdict(self.architecture),
            "n_outputs": self.n_outputs,
            "objective": self.objective._asdict(),
            "weights": self.weights,
            "bounds": self.bounds,
        }

    @classmethod
    def from_content(cls, content, is_classifier):
        """The model that ``content`` came from.

        Parameters
        ----------
        content : dict
        is_classifier : bool
            Whether the loss must be one of classes.

        Raises
        ------
        ValueError
            If there can be no such model: a part is missing, of another type or size.
        """
        encoder, architecture, n_outputs, objective, weights, bounds = read_content(
            content, _KINDS, "model"
        )
        encoder = TableEncoder.from_content(encoder)
        architecture = _architecture(architecture)
        objective = stored_objective(objective, is_classifier)
        if not is_count(n_outputs):
            raise ValueError(f"it has the impossible number of outputs {n_outputs}.")
        model = cls(encoder, architecture, n_outputs, objective, weights, bounds)
        shape = (len(weights), model.network.n_params) if weights.ndim else ()
        if weights.shape != shape or not len(weights) or weights.dtype != encoder.dtype:
            raise ValueError(
                f"it has weights of shape {weights.shape} and dtype {weights.dtype}, "
                f"expected {model.network.n_params} of {encoder.dtype} for each member."
            )
        if bounds is not None and not (
            bounds.dtype.kind == "f"
            and bounds.shape == (2, n_outputs)
            and (bounds[0] <= bounds[1]).all()
        ):
            raise ValueError("it has impossible bounds of its predictions.")
        return model


_KINDS = {
    "encoder": dict,
    "architecture": dict,
    "n_outputs": int,
    "objective": dict,
    "weights": np.ndarray,
    "bounds": (np.ndarray, type(None)),
}
_ARCHITECTURE_KINDS = {
    "hidden": tuple,
    "activation": str,
    "is_periodic": bool,
    "embedding_width": int,
}


def _architecture(content):
    """The architecture that plain data describe, checked."""
    hidden, activation, is_periodic, width = read_content(
        content, _ARCHITECTURE_KINDS, "architecture"
    )
    if not (
        all(map(is_count, hidden))
        and activation in parametric_activations
        and is_count(width)
        and width <= _WIDEST
    ):
        raise ValueError(f"it has the impossible architecture {str(content)[:200]}.")
    return Architecture(hidden, activation, is_periodic, embedding_width=width)
