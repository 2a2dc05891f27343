"""How ranks talk to one another: a protocol, threads for tests, and MPI."""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fastmlp._utils.annotations import Array


class Communicator(Protocol):
    """The ranks that train together, as ``fit_distributed`` uses them.

    All ranks call the methods in the same order. A class with these attributes and
    methods need not inherit from this one.

    Attributes
    ----------
    rank : int
        The number of this rank, from 0 on.
    size : int
        The number of ranks.
    """

    __module__ = "fastmlp.distributed"

    rank: int
    size: int

    def allreduce(self, array: Array) -> None:
        """Replace a flat array of floats by its sum over the ranks, in place.

        Parameters
        ----------
        array : ndarray of shape (n,)
            Of the same length and dtype on all ranks.
        """

    def allgather(self, value: Any) -> list[Any]:
        """Give every rank the values of all ranks, in the order of the ranks.

        Parameters
        ----------
        value : object
            It can be pickled; the others get copies.

        Returns
        -------
        values : list of object
        """


class LoopbackCommunicator(Communicator):
    """One of several ranks that are threads of one process, for tests.

    Sums are formed in the order of the ranks, so they have the same bits every time.
    ``run_loopback`` makes the communicators and starts the threads.

    Parameters
    ----------
    rank : int
    shared : object
        The meeting place of the ranks, from ``run_loopback``.
    """

    __module__ = "fastmlp.distributed"

    def __init__(self, rank: int, shared: Any) -> None:
        self.rank, self.size, self._shared = rank, shared.size, shared

    def allreduce(self, array: Array) -> None:
        array[:] = _sum(self._exchange(array.copy()))

    def allgather(self, value: Any) -> list[Any]:
        return list(map(pickle.loads, self._exchange(pickle.dumps(value))))

    def _exchange(self, value):
        """The very values of all ranks."""
        return self._shared.exchange(self.rank, value)


class MPICommunicator(Communicator):
    """The ranks of a communicator of mpi4py.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, default=None
        None takes ``MPI.COMM_WORLD``.
    ordered : bool, default=False
        Whether sums are formed in the order of the ranks. They then have the same bits
        on every machine and with every MPI, at ``size`` times the traffic of MPI's own
        allreduce, whose order is that of the implementation.

    Raises
    ------
    ImportError
        If ``comm`` is None and mpi4py is not installed.
    """

    __module__ = "fastmlp.distributed"

    def __init__(self, comm: Any = None, *, ordered: bool = False) -> None:
        if comm is None:
            try:
                from mpi4py import MPI
            except ImportError as error:
                raise ImportError(
                    "comm=None takes MPI.COMM_WORLD, which needs mpi4py and an MPI: "
                    "pip install mpi4py mpich. Or pass a communicator of your own."
                ) from error
            comm = MPI.COMM_WORLD
        self.comm, self.ordered = comm, ordered
        self.rank, self.size = comm.Get_rank(), comm.Get_size()

    def allreduce(self, array: Array) -> None:
        everything = np.empty((self.size, len(array)), dtype=array.dtype)
        if self.ordered:
            self.comm.Allgather(array, everything)
            array[:] = _sum(everything)
        else:
            self.comm.Allreduce(array, everything[0])
            array[:] = everything[0]

    def allgather(self, value: Any) -> list[Any]:
        return self.comm.allgather(value)


def run_loopback(
    function: Callable[[LoopbackCommunicator], Any],
    size: int,
    *,
    timeout: float = 60.0,
) -> list[Any]:
    """Call a function on several ranks, each a thread of this process.

    Parameters
    ----------
    function : callable
        Takes the communicator of its rank.
    size : int
        The number of ranks.
    timeout : float, default=60.0
        Seconds that a rank waits for the others, at most.

    Returns
    -------
    results : list of object
        The result of each rank, or the exception that it raised.

    Examples
    --------
    >>> from fastmlp.distributed import run_loopback
    >>> run_loopback(lambda comm: comm.allgather(comm.rank + 1), size=2)
    [[1, 2], [1, 2]]
    """
    shared, results = _Shared(size, timeout), [None] * size

    def run(rank):
        try:
            results[rank] = function(LoopbackCommunicator(rank, shared))
        except BaseException as error:
            results[rank] = error
        shared.end()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def communicator_of(comm):
    """A communicator from what was passed: our own, one of mpi4py, or None."""
    is_ours = all(hasattr(comm, name) for name in ("allreduce", "allgather"))
    if comm is None or hasattr(comm, "Allreduce"):
        return MPICommunicator(comm)
    if not (is_ours and hasattr(comm, "rank") and hasattr(comm, "size")):
        raise TypeError(
            "comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, or have "
            f"rank, size, allreduce and allgather, got {comm!r}."
        )
    return comm


class _Shared:
    """The meeting place of the ranks of a loopback."""

    def __init__(self, size, timeout):
        self.size, self.timeout = size, timeout
        self.changed, self.n_ended = threading.Condition(), 0
        self.values = {}  # by rank, of those who have come to the next exchange

    def exchange(self, rank, value):
        """The values of all ranks, once all have come."""
        with self.changed:
            values = self.values
            values[rank] = value
            if len(values) == self.size:
                self.values = {}
                self.changed.notify_all()
            self.changed.wait_for(
                lambda: len(values) == self.size or self.n_ended, self.timeout
            )
        if len(values) < self.size:
            raise RuntimeError(
                f"only {len(values)} of {self.size} ranks came: one has ended, or "
                f"took more than {self.timeout:g} s."
            )
        return [values[number] for number in range(self.size)]

    def end(self):
        """Say that a rank will not come any more."""
        with self.changed:
            self.n_ended += 1
            self.changed.notify_all()


def _sum(arrays):
    """The sum of some arrays, in their order."""
    total = arrays[0].copy()
    for array in arrays[1:]:
        total += array
    return total
