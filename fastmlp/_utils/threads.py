"""How many threads a fit or a prediction may take."""

from __future__ import annotations

import os
from functools import lru_cache
from numbers import Integral

MOST_THREADS = 256  # of the pool in src_c/pool.c
TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"  # of Linux


@lru_cache(maxsize=1)
def _libraries():
    """The thread pools of the libraries loaded at the first call; a slow look."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@lru_cache(maxsize=8)
def _processors(affinity, limit):
    """Count as joblib does, which reads the quota of the container in files."""
    import joblib

    return joblib.cpu_count()


@lru_cache(maxsize=8)
def _cores(affinity):
    """The cores of some processors, or None where the system does not tell.

    Hyperthreads of one core share its units for multiply-adds, which a single thread
    keeps busy already.
    """
    cores = set()
    for processor in affinity:
        try:
            with open(TOPOLOGY.format(processor), encoding="ascii") as file:
                cores.add(file.read())
        except OSError:
            return None
    return len(cores) or None


def allowed_threads(n_threads):
    """Resolve the parameter ``n_threads``: itself, or what the machine allows.

    None asks for the cores of the affinity mask and the quota of the container, at most
    ``OMP_NUM_THREADS`` (which joblib sets to a worker's share) and at most what
    threadpoolctl grants the libraries of this process.
    """
    if n_threads is not None:
        return min(int(n_threads), MOST_THREADS)
    affinity = frozenset(getattr(os, "sched_getaffinity", lambda pid: ())(0))
    limit = os.environ.get("LOKY_MAX_CPU_COUNT")
    limits = [_processors(affinity, limit), _cores(affinity) or MOST_THREADS]
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal():
        limits.append(int(wanted))
    limits.extend(library["num_threads"] for library in _libraries().info())
    return max(1, min(*limits, MOST_THREADS))


def checked_threads(n_threads):
    """The argument ``n_threads`` where there is no estimator, after a check.

    Needs neither joblib nor threadpoolctl.

    Raises
    ------
    ValueError
        If it is not an int >= 1.
    """
    is_count = isinstance(n_threads, Integral) and not isinstance(n_threads, bool)
    if not is_count or n_threads < 1:
        raise ValueError(f"n_threads must be an int >= 1, got {n_threads!r}.")
    return min(int(n_threads), MOST_THREADS)
