"""Ranks that train together: what they tell one another, and how they all end.

a) All ranks make the same calls in the same order. Between the steps that is ``share``,
   in a step ``sum_over_ranks``; both carry word of a rank that has failed, so that no
   other one waits for it.
b) Rank 0 leads: it alone judges epochs and decides, the others follow its commands.
   So no decision depends on sums that differ in their last bits from rank to rank.
"""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

LEADER = 0
# The numbers of a vector of sums that come behind the gradient.
EXTRAS = ("weight", "loss", "failures", "stops", "interrupts")


class RankError(RuntimeError):
    """Another rank has failed, so this one ended too.

    Parameters
    ----------
    rank : int
        The rank that failed.
    reason : str
        Its error in words.
    """

    __module__ = "fastmlp.distributed"

    def __init__(self, rank: int, reason: str) -> None:
        super().__init__(rank, reason)
        self.rank, self.reason = rank, reason

    def __str__(self) -> str:
        return f"Training ended on all ranks, as rank {self.rank} failed: {self.reason}"


class DisagreementError(ValueError):
    """The ranks cannot train together; all of them know."""


@dataclass
class Sums:
    """Sums over the rows of all ranks.

    Attributes
    ----------
    gradient : ndarray
    weight, loss : float
    stops : bool
        Whether a rank asks to take no step now, and none after that.
    is_interrupted : bool
        Whether it does so because of Ctrl-C.
    """

    gradient: np.ndarray
    weight: float
    loss: float
    stops: bool
    is_interrupted: bool


class Group:
    """The ranks that train together, as one of them sees them.

    Parameters
    ----------
    comm : Communicator
    """

    def __init__(self, comm):
        self.comm, self.rank, self.size = comm, int(comm.rank), int(comm.size)
        self.vector = None  # of sums, while the others wait for those

    @property
    def is_leader(self):
        """Return whether this rank decides."""
        return self.rank == LEADER

    def share(self, value=None):
        """The values of all ranks; RankError if one has failed."""
        replies = self.comm.allgather((None, value))
        self._check(replies)
        return [value for _, value in replies]

    def follow(self, actions):
        """Do as rank 0 says, until it has no more commands; returns its last word.

        Parameters
        ----------
        actions : dict of callable
            By the name of the command, a tuple of it and the arguments.
        """
        while isinstance(command := self.share()[0], tuple):
            name, *arguments = command
            actions[name](*arguments)
        return command

    def generator(self, random_state):
        """The generator of this rank: rank 0 keeps its own, which seeds the others.

        Nothing is drawn from it, so the stream of rank 0 is that of a fit alone.
        """
        copy = deepcopy(random_state)
        drawn = self.share(copy.randint(0, 2**32, size=self.size, dtype=np.uint32))
        if self.is_leader:
            return random_state
        return np.random.RandomState(drawn[LEADER][self.rank])

    def check(self, message):
        """Raise an error with this message on all ranks, unless it is None."""
        if message is not None:
            raise DisagreementError(message)

    @contextmanager
    def summing(self, n, dtype):
        """Within this block, ranks wait for sums of n numbers."""
        self.vector = np.zeros(n + len(EXTRAS), dtype=dtype)
        try:
            yield
        except (RankError, DisagreementError):
            raise
        except BaseException as error:
            self.leave(error)
            raise RankError(self.rank, _in_words(error)) from error
        finally:
            self.vector = None

    def sum_over_ranks(
        self, gradient=0.0, weight=0.0, loss=0.0, *, stops=False, is_interrupted=False
    ):
        """Add up gradients, weights and losses, and ask whether to go on.

        Raises RankError if a rank has failed.
        """
        vector = self.vector
        vector[: -len(EXTRAS)] = gradient
        vector[-len(EXTRAS) :] = weight, loss, 0, stops, is_interrupted
        self.comm.allreduce(vector)
        weight, loss, failures, n_stops, n_interrupts = vector[-len(EXTRAS) :].tolist()
        if failures:
            self._check(self.comm.allgather((None, None)))
        stops = n_stops + n_interrupts > 0
        return Sums(vector[: -len(EXTRAS)], weight, loss, stops, n_interrupts > 0)

    def take_from_leader(self, *arrays):
        """Replace arrays by those of rank 0."""
        for array in arrays:
            if not self.is_leader:
                array[:] = -0.0  # a sum with it keeps the bits, those of -0.0 too
            self.comm.allreduce(array)

    def leave(self, error):
        """Tell the others, wherever they wait, that this rank has failed."""
        if self.vector is not None:
            self.vector[:] = 0
            self.vector[EXTRAS.index("failures") - len(EXTRAS)] = 1
            self.comm.allreduce(self.vector)
        self.comm.allgather((_in_words(error), None))

    @staticmethod
    def _check(replies):
        for rank, (failure, _) in enumerate(replies):
            if failure is not None:
                raise RankError(rank, failure)


@contextmanager
def together(comm):
    """The group of some ranks; an error within the block ends the fit on all of them.

    A rank that failed raises its own error, the others RankError.
    """
    group = Group(comm)
    try:
        yield group
    except DisagreementError as error:
        raise ValueError(str(error)) from None
    except RankError as error:
        if error.rank == group.rank and error.__cause__ is not None:
            raise error.__cause__ from None
        raise
    except BaseException as error:
        group.leave(error)
        raise


def _in_words(error):
    """An error as the other ranks show it."""
    return f"{type(error).__name__}: {error}"
