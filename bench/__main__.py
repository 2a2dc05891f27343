"""``python bench``: training time per epoch beside the opponents, on this machine."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import geometric_mean, median
from typing import NamedTuple

import numpy as np
from common import (
    CELLS,
    DTYPES,
    OPPONENTS,
    Cell,
    default_threads,
    machine,
    make_data,
)
from threadpoolctl import threadpool_limits

RESULTS = Path(__file__).parent / "results"
SUBJECT, *RIVALS = OPPONENTS
FEW = 1  # epochs of the short fit of a pair
# Seconds by which the long fit of a pair is longer, for the slowest and the fastest.
BUDGETS, QUICK_BUDGETS = (0.5, 0.02), (0.1, 0.004)
# Largest relative difference of the loss of the first epoch, and of any epoch.
TOLERANCES = {"float32": (1e-5, 1e-3), "float64": (1e-10, 1e-6)}
BUSY = 0.5  # load average over a minute before the run
WIDTH = max(len(str(cell)) for cell in CELLS) + 2


def at_least_one(text):
    """A whole number above 0, as an argparse type."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return value


def options(argv=None):
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="float32 only, short fits, 2 rounds"
    )
    parser.add_argument(
        "--rounds", type=at_least_one, help="timings of each cell (default 7)"
    )
    parser.add_argument(
        "--threads",
        type=at_least_one,
        help="largest number (default: 1 or the cores, what suits an opponent)",
    )
    chosen = parser.parse_args(argv)
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 7)
    chosen.dtypes = DTYPES[:1] if chosen.quick else DTYPES
    return chosen


def seconds_of(fit, *args):
    """Seconds and result of a call."""
    start = time.perf_counter()
    result = fit(*args)
    return time.perf_counter() - start, result


def seconds_of_epoch(fit, cell, X, y):
    """About the seconds of an epoch, after a first call."""
    fit(cell, X, y, 1)
    two, _ = seconds_of(fit, cell, X, y, 2)
    if two > 0.02:
        return two / 2
    more, _ = seconds_of(fit, cell, X, y, 22)  # without the fixed cost of a fit
    return max(more - two, 1e-4) / 20


class Plan(NamedTuple):
    """How to time a cell: epochs of the long fit, threads, seconds of a round."""

    cell: Cell
    dtype: str
    many: int
    threads: dict[str, int]
    seconds: float


def warm_up(cell, dtype, quick, threads):
    """First calls of every opponent; the plan for the cell."""
    X, y = make_data(cell.n, cell.p, cell.classes, dtype)
    best, epochs = {}, []
    for name, fit in OPPONENTS.items():
        seconds = {}
        for n in threads:
            with threadpool_limits(n, "blas"):
                seconds[n] = seconds_of_epoch(fit, cell, X, y)
        best[name] = min(seconds, key=seconds.get)
        epochs.append(seconds[best[name]])
    slowest, fastest = QUICK_BUDGETS if quick else BUDGETS
    more = max(slowest / max(epochs), fastest / min(epochs), 2)
    many = FEW + min(math.ceil(more), 1000)
    return Plan(cell, dtype, many, best, sum(epochs) * (FEW + many))


def run_cell(plan, rounds):
    """Time all opponents in turn; the facts of the cell as they go to JSON."""
    cell, dtype, many = plan.cell, plan.dtype, plan.many
    X, y = make_data(cell.n, cell.p, cell.classes, dtype)
    seconds = {name: [] for name in OPPONENTS}
    curves = {}
    for _ in range(rounds):
        for name, fit in OPPONENTS.items():
            with threadpool_limits(plan.threads[name], "blas"):
                short, _ = seconds_of(fit, cell, X, y, FEW)
                long, curves[name] = seconds_of(fit, cell, X, y, many)
            seconds[name].append({"few": short, "many": long})
    ms = {
        name: [1e3 * (pair["many"] - pair["few"]) / (many - FEW) for pair in pairs]
        for name, pairs in seconds.items()
    }
    first, largest = TOLERANCES[dtype]
    rivals = {}
    for name in RIVALS:
        apart = np.abs(np.array(curves[name]) / np.array(curves[SUBJECT]) - 1)
        by_round = [theirs / ours for theirs, ours in zip(ms[name], ms[SUBJECT])]
        void = ""
        if not (apart[0] <= first and apart.max() <= largest):
            void = "losses disagree"
        elif min(median(ms[name]), median(ms[SUBJECT])) <= 0:
            void = "times too noisy"
        rivals[name] = {
            "ratio": median(ms[name]) / median(ms[SUBJECT]),
            "ratio_by_round": by_round,
            "loss_difference_first_epoch": float(apart[0]),
            "loss_difference_largest": float(apart.max()),
            "void": void,
        }
    return {
        "cell": cell._asdict(),
        "name": str(cell),
        "dtype": dtype,
        "epochs": [FEW, many],
        "threads": plan.threads,
        "seconds": seconds,
        "ms_per_epoch": ms,
        "rivals": rivals,
    }


def print_header():
    """The head of the table."""
    columns = "".join(f"{name:>26}" for name in OPPONENTS)
    ratios = "".join(f"{f'ratio {name} (range)':>34}" for name in RIVALS)
    head = "ms per epoch: median (min) x threads"
    print(f"\n{head:{WIDTH + 8}}{columns}{ratios}{'losses':>9}")


def print_cell(result):
    """A row of the table."""
    row = f"{result['name']:{WIDTH}}{result['dtype']:8}"
    for name, ms in result["ms_per_epoch"].items():
        threads = result["threads"][name]
        row += f"{f'{median(ms):.3f} ({min(ms):.3f}) x{threads}':>26}"
    for rival in result["rivals"].values():
        low, high = min(rival["ratio_by_round"]), max(rival["ratio_by_round"])
        ratio = rival["ratio"]
        row += f"{f'{ratio:.2f} ({low:.2f} to {high:.2f})':>34}"
    for rival in result["rivals"].values():
        row += f"{rival['loss_difference_largest']:9.0e}"
        row += f"  VOID: {rival['void']}" if rival["void"] else ""
        row += "  SLOWER" if rival["ratio"] < 1 else ""
    print(row, flush=True)


def print_summary(results):
    """Geometric means, worst cell and losses against each rival."""
    for name in RIVALS:
        valid = [r for r in results if not r["rivals"][name]["void"]]
        print(f"\n{name}: {len(valid)} cells valid, {len(results) - len(valid)} void")
        if not valid:
            continue
        ratios = [(r["dtype"], r["rivals"][name]["ratio"]) for r in valid]
        for dtype in dict(ratios):
            mean = geometric_mean(ratio for kind, ratio in ratios if kind == dtype)
            print(f"  geometric mean, {dtype}: {mean:.2f}")
        mean = geometric_mean(ratio for _, ratio in ratios)
        print(f"  geometric mean, all: {mean:.2f}")
        worst = min(valid, key=lambda r: r["rivals"][name]["ratio"])
        ratio = worst["rivals"][name]["ratio"]
        print(f"  worst cell: {ratio:.2f} ({worst['name']}, {worst['dtype']})")
        slower = [r for r in valid if r["rivals"][name]["ratio"] < 1]
        print(f"  {SUBJECT} slower: in {len(slower)} of {len(valid)} cells")


def main(argv=None):
    """Run the cells, print the table and write the JSON; the exit code."""
    chosen = options(argv)
    facts = machine()
    for name, value in facts.items():
        print(f"{name:>16}: {value}")
    if float(facts.get("load before", "0").split(",")[0]) > BUSY:
        print("the machine is busy: the times below are not to be trusted")
    threads = {chosen.threads} if chosen.threads else {default_threads(), 1}
    cells = [(cell, dtype) for dtype in chosen.dtypes for cell in CELLS]
    print(f"\n{len(cells)} cells, first calls ...", flush=True)
    plans = [warm_up(*pair, chosen.quick, threads) for pair in cells]
    minutes = chosen.rounds * sum(plan.seconds for plan in plans) / 60
    print(f"{chosen.rounds} rounds take about {minutes:.1f} minutes")
    print_header()
    results = []
    for plan in plans:
        results.append(run_cell(plan, chosen.rounds))
        print_cell(results[-1])
    print(f"ratio: median time of the rival / median time of {SUBJECT}; above 1 is")
    print("faster than the rival. losses: largest relative difference of an epoch.")
    print_summary(results)
    if hasattr(os, "getloadavg"):
        facts["load after"] = f"{os.getloadavg()[0]:.2f}"
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(
        json.dumps(
            {
                "time": now.isoformat(timespec="seconds"),
                "options": vars(chosen),
                "machine": facts,
                "results": results,
            },
            indent=1,
        )
    )
    print(f"\nall timings: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
