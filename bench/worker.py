"""A contestant in a process of its own, driven by lines of JSON.

``python worker.py NAME THREADS CORES`` answers each line on its standard input, a
list of a method of ``Worker`` and its arguments, with a line on its standard output:
``{"result": ...}`` or ``{"error": ...}``.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from importlib.metadata import version
from pathlib import Path

WARM_SECONDS = 0.05  # shorter runs are repeated with more epochs for the estimate
LONG_SECONDS = 0.5  # from which one run is enough for it


def limit_threads(threads, cores):
    """Set what libraries read when they are loaded, and pin the process."""
    for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    os.environ["NPROC"] = os.environ["PJRT_NPROC"] = str(threads)  # XLA's pool
    os.environ["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def cell_of(fields):
    """The cell of a list from JSON."""
    from cells import Cell

    return Cell(*fields[:4], tuple(fields[4]), *fields[5:])


def start_of(cell):
    """The cell by whose loss contestants are compared: the first steps of an epoch.

    Rounding errors grow with the steps, most where Adam divides by moments near 0.
    """
    from opponents import CHECKED_ITERATIONS

    if cell.solver == "lbfgs":  # its iterations are counted by the contestants
        return cell
    return cell._replace(n=min(cell.n, CHECKED_ITERATIONS * cell.batch))


class Worker:
    """The requests."""

    def __init__(self, name, threads):
        from opponents import CONTESTANTS, contestant

        start = time.perf_counter()
        self.kind = contestant(name)
        self.import_seconds = time.perf_counter() - start
        self.packages = CONTESTANTS[name].packages
        self.threads, self.contestant = threads, None

    def describe(self):
        """Versions, threads and the seconds of the imports."""
        return {
            "versions": {package: version(package) for package in self.packages},
            "threads": self.threads,
            "import_seconds": self.import_seconds,
        }

    def calibrate(self):
        """The constants of the machine; the front end is probed before and after."""
        from calibration import calibrate

        before = self.front_end()
        return {**calibrate(), "front_end": [before, self.front_end()]}

    def front_end(self):
        """Empty instructions a cycle on the slowest core of this process, or None."""
        from front_end import of_slowest_core

        return of_slowest_core()

    def loss_cost(self, cell, dtype):
        """Nanoseconds per output of the loss of a cell, probed as `calibrate` is."""
        from calibration import loss_ns

        cell, before = cell_of(cell), self.front_end()
        ns = loss_ns(cell.loss, cell.units[-1], dtype)
        return {"ns": ns, "front_end": [before, self.front_end()]}

    def prepare(self, cell, dtype):
        """Load a cell and do what is done once; seconds, of that and of an epoch."""
        self.contestant = None  # before the next one takes memory
        cell = cell_of(cell)
        start = time.perf_counter()
        loss = self.kind(start_of(cell), dtype, self.threads).check()
        self.contestant = self.kind(cell, dtype, self.threads)
        warm_up = time.perf_counter() - start
        return {
            "warm_up_seconds": warm_up,
            "seconds_per_epoch": self._seconds_per_epoch(),
            "loss": loss,
            "variant": self.contestant.variant,
            "has_fixed_cost": self.contestant.has_fixed_cost,
        }

    def _seconds_per_epoch(self):
        """About the seconds of an epoch, without the fixed cost of a fit."""
        is_lbfgs = self.contestant.cell.solver == "lbfgs"
        few, many = (10, 50) if is_lbfgs else (1, 3)  # more would converge
        base, _ = self.contestant.train(few)
        if base > LONG_SECONDS:
            return base / few
        while True:
            seconds, _ = self.contestant.train(many)
            if seconds > WARM_SECONDS or many > 1000 or is_lbfgs:
                return max(seconds - base, 0.1 * seconds) / (many - few)
            many = 4 * many

    def train(self, epochs, repeats):
        """Seconds of the clock and of the processor, the mean over repeats.

        The front end and hand-overs between cores are probed before and after.
        """
        from kinds import hand_over_ns

        front_end, hand_over = [self.front_end()], [hand_over_ns(self.threads)]
        time.sleep(0.001)  # until the second thread of the probe sleeps too
        total, cpu = 0.0, time.process_time()
        for _ in range(repeats):
            seconds, losses = self.contestant.train(epochs)
            total += seconds
        cpu = time.process_time() - cpu
        return {
            "seconds": total / repeats,
            "cpu": cpu / repeats,
            "last_loss": losses[-1],
            "hand_over": [*hand_over, hand_over_ns(self.threads)],
            "front_end": [*front_end, self.front_end()],
        }


def main(name, threads, cores):
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    limit_threads(threads, cores)
    worker = None
    for line in sys.stdin:
        method, *args = json.loads(line)
        try:
            worker = worker or Worker(name, threads)
            answer = {"result": getattr(worker, method)(*args)}
        except Exception:
            answer = {"error": traceback.format_exc(limit=-4)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(
        sys.argv[1],
        int(sys.argv[2]),
        [int(core) for core in sys.argv[3].split(",") if core],
    )
