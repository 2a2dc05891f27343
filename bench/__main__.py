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

import numpy as np
from common import CELLS, DTYPES, OPPONENTS, blas_threads, machine, make_data

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
        "--threads", type=at_least_one, help="threads of BLAS (default: its own choice)"
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


def warm_up(cell, dtype, quick):
    """First calls of every opponent; the epochs of the long fit, seconds of a round."""
    X, y = make_data(cell.n, cell.p, cell.classes, dtype)
    epochs = [seconds_of_epoch(fit, cell, X, y) for fit in OPPONENTS.values()]
    slowest, fastest = QUICK_BUDGETS if quick else BUDGETS
    more = max(slowest / max(epochs), fastest / min(epochs), 2)
    many = FEW + min(math.ceil(more), 1000)
    return many, sum(epochs) * (FEW + many)


def run_cell(cell, dtype, many, rounds):
    """Time all opponents in turn; the facts of the cell as they go to JSON."""
    X, y = make_data(cell.n, cell.p, cell.classes, dtype)
    seconds = {name: [] for name in OPPONENTS}
    curves = {}
    for _ in range(rounds):
        for name, fit in OPPONENTS.items():
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
        rivals[name] = {
            "ratio": median(ms[name]) / median(ms[SUBJECT]),
            "ratio_by_round": by_round,
            "loss_difference_first_epoch": float(apart[0]),
            "loss_difference_largest": float(apart.max()),
            "losses_agree": bool(apart[0] <= first and apart.max() <= largest),
        }
    return {
        "cell": cell._asdict(),
        "name": str(cell),
        "dtype": dtype,
        "epochs": [FEW, many],
        "seconds": seconds,
        "ms_per_epoch": ms,
        "rivals": rivals,
    }


def print_header():
    """The head of the table."""
    columns = "".join(f"{name:>22}" for name in OPPONENTS)
    ratios = "".join(f"{f'ratio {name} (range)':>34}" for name in RIVALS)
    head = "ms per epoch: median (min)"
    print(f"\n{head:{WIDTH + 8}}{columns}{ratios}{'losses':>9}")


def print_cell(result):
    """A row of the table."""
    row = f"{result['name']:{WIDTH}}{result['dtype']:8}"
    for ms in result["ms_per_epoch"].values():
        row += f"{f'{median(ms):.3f} ({min(ms):.3f})':>22}"
    for rival in result["rivals"].values():
        low, high = min(rival["ratio_by_round"]), max(rival["ratio_by_round"])
        ratio = rival["ratio"]
        row += f"{f'{ratio:.2f} ({low:.2f} to {high:.2f})':>34}"
    for rival in result["rivals"].values():
        row += f"{rival['loss_difference_largest']:9.0e}"
        row += "" if rival["losses_agree"] else "  VOID: losses disagree"
        row += "  SLOWER" if rival["ratio"] < 1 else ""
    print(row, flush=True)


def print_summary(results):
    """Geometric means, worst cell and losses against each rival."""
    for name in RIVALS:
        valid = [r for r in results if r["rivals"][name]["losses_agree"]]
        print(f"\n{name}: {len(valid)} cells valid, {len(results) - len(valid)} void")
        if not valid:
            continue
        for dtype in DTYPES:
            ratios = [r["rivals"][name]["ratio"] for r in valid if r["dtype"] == dtype]
            if ratios:
                print(f"  geometric mean, {dtype}: {geometric_mean(ratios):.2f}")
        worst = min(valid, key=lambda r: r["rivals"][name]["ratio"])
        ratio = worst["rivals"][name]["ratio"]
        print(f"  worst cell: {ratio:.2f} ({worst['name']}, {worst['dtype']})")
        slower = [r for r in valid if r["rivals"][name]["ratio"] < 1]
        print(f"  {SUBJECT} slower: in {len(slower)} of {len(valid)} cells")


def main(argv=None):
    """Run the cells, print the table and write the JSON; the exit code."""
    chosen = options(argv)
    with blas_threads(chosen.threads):
        facts = machine()
        for name, value in facts.items():
            print(f"{name:>16}: {value}")
        if float(facts.get("load before", "0").split(",")[0]) > BUSY:
            print("the machine is busy: the times below are not to be trusted")
        plan = [(cell, dtype) for dtype in chosen.dtypes for cell in CELLS]
        print(f"\n{len(plan)} cells, first calls ...", flush=True)
        warm_ups = [warm_up(*pair, chosen.quick) for pair in plan]
        expected = chosen.rounds * sum(seconds for _, seconds in warm_ups)
        print(f"{chosen.rounds} rounds take about {expected / 60:.1f} minutes")
        print_header()
        results = []
        for (cell, dtype), (many, _) in zip(plan, warm_ups):
            results.append(run_cell(cell, dtype, many, chosen.rounds))
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
