"""Summary of the timings: valid or void, times, ratios, geometric means."""

from __future__ import annotations

import math
from statistics import geometric_mean
from typing import NamedTuple

from contest import median_ms, ratio_of_rounds
from kinds import ALONE, KINDS
from opponents import REFERENCE, SUBJECT

TOLERANCES = {"float32": 1e-5, "float64": 1e-10}  # relative, of the checked loss


def judge(result):
    """Write into each entry of a cell whether it is void, and why.

    The loss is compared with scikit-learn's, or with the subject's where scikit-learn
    is not there.  If the subject is void, so is the cell.
    """
    entries = result["entries"]
    reference = next(
        (
            entry["loss"]
            for name in (REFERENCE, SUBJECT)
            for entry in entries
            if entry["contestant"] == name and entry["loss"] is not None
        ),
        math.nan,
    )
    for entry in entries:
        entry["void"] = ""
        if entry["error"]:
            entry["void"] = f"failed: {entry['error'].strip().splitlines()[-1]}"
            continue
        entry["loss_difference"] = abs(entry["loss"] / reference - 1)
        if not entry["loss_difference"] <= TOLERANCES[result["dtype"]]:
            entry["void"] = f"loss differs by {entry['loss_difference']:.0e}"
        elif not median_ms(entry) > 0:
            entry["void"] = "times too noisy"
    return result


class Row(NamedTuple):
    """The figures of a cell for a number of threads; times in the units of the names.

    ``ratios`` has the rivals that are valid: their time over that of the subject.
    Each may use fewer threads where that is faster for it.  ``speed_up`` is the time of
    the subject with one thread over that with these, or None.  Only rows of the kind
    ``ALONE`` have a share of the limit, and only if the core was alone too when the
    machine was calibrated.
    """

    name: str
    dtype: str
    threads: int
    void: str
    ms: float
    us_per_step: float
    gflops: float
    limit_us: float
    efficiency: float
    overhead_us: float
    ratios: dict[str, float]
    speed_up: float | None = None
    kind: str = ALONE

    @property
    def is_step(self):
        """Return whether the time is that of a step, not of an iteration of lbfgs."""
        return not self.name.startswith("lbfgs")

    @property
    def has_limit(self):
        """Return whether there is a share of the limit."""
        return not math.isnan(self.efficiency)

    @property
    def best(self):
        """The fastest rival, or None."""
        return min(self.ratios, key=self.ratios.get) if self.ratios else None


def rows_of(result):
    """The rows of a judged cell: for each number of threads and kind of rounds."""
    entries = {(e["contestant"], e["threads"]): e for e in result["entries"]}
    counts = sorted(n for name, n in entries if name == SUBJECT)
    return [
        _row(result, entries, threads, kind)
        for threads in counts
        for kind in _kinds(entries[SUBJECT, threads])
    ]


def _kinds(entry):
    """The kinds of rounds that have a row.

    A kind whose times vanish in the noise has none, unless it is the only one.
    """
    kinds = [kind for kind in KINDS if kind in entry["kinds"]] or [ALONE]
    return [kind for kind in kinds if len(kinds) == 1 or median_ms(entry, kind) > 0]


def _row(result, entries, threads, kind):
    """The figures of the subject, of its rounds of a kind."""
    ours = entries[SUBJECT, threads]
    ms = median_ms(ours, kind) if not ours["error"] else math.nan
    step_us = 1e3 * ms / result["steps"]
    limit_us = result["epoch_limit_us"] / result["steps"] / threads
    ratios = {}
    for (name, n), entry in entries.items():
        if name == SUBJECT or n > threads or entry["void"] or ours["void"]:
            continue
        ratio = ratio_of_rounds(entry, ours, kind)
        if ratio is not None:
            ratios[name] = min(ratio, ratios.get(name, ratio))
    one = entries.get((SUBJECT, 1))
    has_limit = kind == ALONE and result["is_limit_of_whole_core"]
    is_comparable = one is not None and not one["void"] and not ours["void"]
    return Row(
        result["name"],
        result["dtype"],
        threads,
        ours["void"],
        ms,
        step_us,
        result["flops_per_epoch"] / ms / 1e6,
        limit_us,
        limit_us / step_us if has_limit else math.nan,
        step_us - limit_us if has_limit else math.nan,
        ratios,
        ratio_of_rounds(one, ours, kind) if is_comparable else None,
        kind,
    )


def mean_and_worst(rows, rival=None):
    """Geometric mean, worst row, and number of the ratios to a rival.

    None for ``rival`` is the best rival of each row.  None where there is no ratio.
    """
    pairs = [
        (row.ratios[rival or row.best], row)
        for row in rows
        if (rival or row.best) in row.ratios
    ]
    if not pairs:
        return None
    mean = geometric_mean(ratio for ratio, _ in pairs)
    return mean, min(pairs, key=lambda pair: pair[0]), len(pairs)
