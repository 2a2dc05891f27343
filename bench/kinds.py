"""Kinds of slices: what else the machine did to the cores in the meantime."""

from __future__ import annotations

import time
from statistics import median

from fastmlp._core import kernels

ALONE = "alone"
SHARED = "shared"  # a busy hyperthread shared a core
FAR = "far"  # the cores of several threads shared no cache
KINDS = (ALONE, SHARED, FAR)

SHARE = 0.75  # of the most instructions a cycle so far, below which a core is shared
LEAST = 3.3  # instructions a cycle of a core alone
FAR_NS = 100  # of a hand-over, from which cores share no cache
TURNS, TIMINGS = 5_000, 5


def hand_over_ns(threads):
    """Nanoseconds until one core sees what another has written; None for one thread.

    Two cores of an AMD EPYC (Zen 4) take some 30 ns where they share a cache, and 160
    ns where they share none.
    """
    if threads == 1:
        return None
    found = []
    for _ in range(TIMINGS):
        start = time.perf_counter()
        done = kernels.hand_over(TURNS)
        if done < TURNS:
            return None
        found.append(1e9 * (time.perf_counter() - start) / TURNS)
    return median(found)


def kind_for(kind, threads):
    """The kind of an entry with some threads beside a row of a kind.

    One thread has no cores that could be far apart.
    """
    return ALONE if kind == FAR and threads == 1 else kind


class Judge:
    """Tells the kinds of slices, beside the best rate of the run so far."""

    def __init__(self):
        self.best = 0.0

    def kind(self, rates, hand_overs=()):
        """The kind of a slice, by the probes around it, of which unknown ones are None.

        Parameters
        ----------
        rates : list of float or None
            Instructions that pass the front end in a cycle.
        hand_overs : list of float or None
            Nanoseconds of a hand-over between cores.
        """
        known = [rate for rate in rates if rate is not None]
        self.best = max(self.best, *known, 0.0)
        if known and min(known) < max(SHARE * self.best, LEAST):
            return SHARED
        is_far = any(ns is not None and ns > FAR_NS for ns in hand_overs)
        return FAR if is_far else ALONE
