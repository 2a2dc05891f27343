"""The partitions of collections: one shard each, as futures of a client."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from itertools import pairwise

import dask.array
import numpy as np
from dask.base import is_dask_collection
from dask.delayed import Delayed
from distributed import Future

LEAST_ROWS, MOST_PIECES = 50_000, 8  # of the pieces of a plain array


def is_frame(data):
    """Return whether data are a frame or a series of Dask."""
    return hasattr(data, "map_partitions") and hasattr(data, "divisions")


def is_list_of_pieces(data):
    """Return whether data are a list of delayed pieces, or of futures."""
    return (
        isinstance(data, list | tuple)
        and len(data) > 0
        and all(isinstance(piece, Delayed | Future) for piece in data)
    )


def is_spread(data):
    """Return whether data are a collection, or pieces, rather than plain."""
    return is_dask_collection(data) or is_list_of_pieces(data)


def shards_of(client, X, **others):
    """The pieces of X and of what goes with its rows, as futures.

    Parameters
    ----------
    client : Client
    X : collection of Dask, list of pieces, or plain data
    **others : the same, or None
        By the name of the argument.

    Returns
    -------
    list of list
        For each shard its piece of X and of each of the others; None for what is None.

    Raises
    ------
    ValueError
        If the pieces do not go together.
    """
    lengths = None
    if isinstance(X, dask.array.Array):
        lengths = X.chunks[0]
    elif not is_spread(X):
        lengths = _even(X.shape[0] if hasattr(X, "shape") else len(X))
    if lengths is not None and np.isnan(lengths).any():
        lengths = None
    columns = [_pieces(X, "X", lengths)]
    for name, of in others.items():
        if of is None or np.isscalar(of):
            columns.append([of] * len(columns[0]))
            continue
        columns.append(_pieces(of, name, lengths))
        if len(columns[-1]) != len(columns[0]):
            raise ValueError(
                f"X has {len(columns[0])} partition(s), but {name} has "
                f"{len(columns[-1])}. Give both the same partitions, for example as "
                "columns of one frame, or by X.compute_chunk_sizes() and "
                f"{name}.rechunk."
            )
    with large_graphs():
        return [[_future(client, piece) for piece in shard] for shard in zip(*columns)]


def _even(n_rows):
    """The rows of the pieces of a plain array, whatever the number of workers."""
    n_pieces = min(max(1, n_rows // LEAST_ROWS), MOST_PIECES)
    ends = np.linspace(0, n_rows, n_pieces + 1).astype(int)
    return tuple(np.diff(ends).tolist())


def _pieces(data, name, lengths):
    """The pieces of one argument."""
    if isinstance(data, dask.array.Array):
        if lengths is not None and not np.isnan(data.chunks[0]).any():
            if sum(data.chunks[0]) != sum(lengths):
                raise ValueError(
                    f"X has {sum(lengths)} rows, but {name} has {sum(data.chunks[0])}."
                )
            if data.chunks[0] != lengths:
                data = data.rechunk({0: lengths})
        if data.ndim > 1 and data.numblocks[1] > 1:
            data = data.rechunk({1: -1})
        return data.to_delayed().ravel().tolist()
    if is_frame(data):
        # Full optimization joins partitions of Parquet by the columns that are read,
        # so that X and y of one frame would no longer go together.
        return data.simplify().to_delayed(optimize_graph=False)
    if is_list_of_pieces(data):
        return list(data)
    if is_dask_collection(data):
        raise TypeError(
            f"{name} must be an array or a frame of Dask, a list of delayed pieces, or "
            f"plain data, got {type(data).__name__}."
        )
    if lengths is None:
        raise ValueError(
            f"{name} is plain, but the rows of the partitions of X are not known: pass "
            f"{name} with the partitions of X, or call X.compute_chunk_sizes() first."
        )
    n_rows = data.shape[0] if hasattr(data, "shape") else len(data)
    if n_rows != sum(lengths):
        raise ValueError(f"X has {sum(lengths)} rows, but {name} has {n_rows}.")
    rows = getattr(data, "iloc", data)
    ends = np.cumsum((0, *lengths))
    return [rows[a:b] for a, b in pairwise(ends)]


def _future(client, piece):
    """A piece as a future whose task is known, so that a lost one is made again."""
    if piece is None or np.isscalar(piece) or isinstance(piece, Future):
        return piece
    if isinstance(piece, Delayed):
        return client.compute(piece)
    return client.submit(given, piece, pure=False)


def given(value):
    """The value: a task that holds what the client gives."""
    return value


class Named:
    """A task that gives a value, which Dask knows by a name.

    Dask would hash the bytes of the value, which took a quarter of the time that a
    round of a million weights costs at the client.

    Parameters
    ----------
    name : str
        Of this value alone.
    value : object
    """

    def __init__(self, name, value):
        self.name, self.value = name, value

    def __call__(self):
        """The value."""
        return self.value

    def __dask_tokenize__(self):
        return self.name


@contextmanager
def large_graphs():
    """Do without Dask's warning of values in a task, which are there on purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph")
        yield
