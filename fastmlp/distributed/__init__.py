"""Training by several processes that take every step together, for example over MPI."""

from fastmlp.distributed.communicators import (
    Communicator,
    LoopbackCommunicator,
    MPICommunicator,
    run_loopback,
)
from fastmlp.distributed.fitting import fit_distributed
from fastmlp.distributed.group import RankError

__all__ = [
    "Communicator",
    "LoopbackCommunicator",
    "MPICommunicator",
    "RankError",
    "fit_distributed",
    "run_loopback",
]
