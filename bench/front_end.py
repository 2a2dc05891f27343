"""Instructions that a core passes in a cycle: few beside a busy hyperthread.

Hyperthreads of a core share its front end, and virtual machines often call each of them
a core. The peak of multiply-adds hardly shows a busy one beside, since it needs few
instructions; empty instructions show it at once. A chain of additions, one a cycle, is
the clock. A core of an Intel server (Sapphire Rapids) passes 5.7 empty instructions a
cycle alone and 2.3 to 3 beside a busy hyperthread, one of AMD (Zen 5) 7.1 alone.
"""

from __future__ import annotations

import os
import time
from statistics import median

from machine import usable_cores

from fastmlp._core import kernels

EMPTY, ADDED = 20_000, 5_000  # times 64 instructions: 0.04 and 0.08 ms at 4 GHz
TIMINGS = 9


def rate(call, n):
    """Instructions a second, 0 where there are none."""
    start = time.perf_counter()
    done = call(n)
    return done / (time.perf_counter() - start)


def of_this_core():
    """Empty instructions a cycle on the core of this thread, or None."""
    found = []
    for _ in range(TIMINGS):
        clock = rate(kernels.add_in_turn, ADDED)
        if not clock:
            return None
        found.append(rate(kernels.pass_front_end, EMPTY) / clock)
    return median(found)


def of_slowest_core():
    """The least over the cores that this thread may use, or None.

    It ends on the first of them, so that a thread which has been on another one finds
    that idle, and may use all of them as before.
    """
    if not hasattr(os, "sched_setaffinity"):
        return of_this_core()
    cores = usable_cores()
    try:
        found = []
        for core in reversed(cores):
            os.sched_setaffinity(0, {core})
            found.append(of_this_core())
    finally:
        os.sched_setaffinity(0, cores)
    return None if None in found else min(found)
