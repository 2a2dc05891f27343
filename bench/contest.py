"""A contest: the contestants of a cell in turn, each in its own process."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from cells import IRIS
from kinds import ALONE, Judge, kind_for
from limit import epoch_flops, epoch_limit, step_limit
from machine import usable_cores
from opponents import CHECKED_ITERATIONS, REFERENCE, SUBJECT, competes

WORKER = Path(__file__).parent / "worker.py"
MOST_EPOCHS = 2000  # by which the long run of a pair is longer
MOST_ITERATIONS = 40  # the same for lbfgs, which would converge
MOST_REPEATS = 30
NO_PROBES = {"front_end": [], "hand_over": []}  # as in the answers of a worker


class ContestantError(Exception):
    """A contestant could not do what it was asked."""


class Process:
    """A contestant in a process of its own, on the first cores of this one."""

    def __init__(self, name, threads):
        cores = ",".join(map(str, usable_cores()[:threads]))
        self.messages = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), name, str(threads), cores],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.messages,
            text=True,
        )

    @property
    def has_ended(self):
        """Return whether it can answer no more."""
        return self.process.poll() is not None

    def ask(self, method, *args):
        """The answer to a request."""
        try:
            self.process.stdin.write(json.dumps([method, *args]) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = ""
        if not line:
            self.messages.seek(0)
            raise ContestantError(f"the process ended: {self.messages.read()[-2000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise ContestantError(answer["error"])
        return answer["result"]

    def close(self):
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.messages.close()


class Contest:
    """Processes for names and numbers of threads, and the rounds between them.

    Parameters
    ----------
    names : list of str
        The contestants, the subject first.
    threads : list of int
    rounds : int
    target : float
        Seconds by which the long run of a pair is longer than the short one, if an
        epoch does not take more.
    """

    def __init__(self, names, threads, rounds, target):
        self.rounds, self.target = rounds, target
        self.processes, self.facts, self.judge = {}, {}, Judge()
        for name, n in ((name, n) for name in names for n in threads):
            process = Process(name, n)
            try:
                self.facts[f"{name} x{n}"] = process.ask("describe")
                self.processes[name, n] = process
            except ContestantError as error:
                self.facts[f"{name} x{n}"] = {"error": str(error)}
                process.close()
        if not any(name == SUBJECT for name, _ in self.processes):
            self.__exit__()
            raise ContestantError(f"{SUBJECT} does not start: {self.facts}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.close()

    def subject(self):
        """The process of the subject with the fewest threads."""
        return self.processes[min(key for key in self.processes if key[0] == SUBJECT)]

    def calibrate(self):
        """The constants of the machine, in the process of the subject."""
        constants = self.subject().ask("calibrate")
        self.is_whole_core(constants)  # so that the judge knows its rates
        return constants

    def is_whole_core(self, constants):
        """Return whether no busy hyperthread was seen beside a calibration."""
        return self.judge.kind(constants["front_end"]) == ALONE

    def run(self, cell, dtype, constants):
        """Time a cell; its facts as they go to JSON."""
        entries = [
            self._prepared(name, threads, cell, dtype)
            for name, threads in self.processes
            if competes(name, cell)
        ]
        self._take_turns([entry for entry in entries if not entry["error"]])
        of_loss = self.subject().ask("loss_cost", cell, dtype)
        loss_ns = of_loss["ns"]
        rows = cell.batches[0]
        return {
            "cell": cell._asdict(),
            "name": cell.name,
            "description": str(cell),
            "dtype": dtype,
            "steps": len(cell.batches),
            "flops_per_epoch": epoch_flops(cell),
            "step_limit_us": step_limit(cell, dtype, rows, constants, loss_ns),
            "epoch_limit_us": epoch_limit(cell, dtype, constants, loss_ns),
            "loss_ns": loss_ns,
            "is_limit_of_whole_core": all(
                map(self.is_whole_core, (constants, of_loss))
            ),
            "entries": entries,
        }

    def _prepared(self, name, threads, cell, dtype):
        """The entry of a contestant, after its first calls."""
        entry = {"contestant": name, "threads": threads, "error": "", "rounds": []}
        if self.processes[name, threads].has_ended:  # in an earlier cell
            self.processes[name, threads].close()
            self.processes[name, threads] = Process(name, threads)
        try:
            facts = self.processes[name, threads].ask("prepare", cell, dtype)
        except ContestantError as error:
            return {**entry, "error": str(error), "loss": None, "ms": [], "kinds": []}
        seconds = facts["seconds_per_epoch"]
        more, repeats = math.ceil(self.target / seconds), 1
        few = 1 if facts["has_fixed_cost"] else 0
        if cell.solver == "lbfgs":
            few, most = CHECKED_ITERATIONS, MOST_ITERATIONS
            repeats = min(1 + int(self.target / (seconds * most)), MOST_REPEATS)
            more = most
        more = max(2 - few, min(more, MOST_EPOCHS))
        return {**entry, **facts, "epochs": [few, few + more], "repeats": repeats}

    def _take_turns(self, entries):
        """Rounds A B C, C B A, ...; the times go into the entries."""
        for i in range(self.rounds):
            for entry in entries[:: -1 if i % 2 else 1]:
                few, many = entry["epochs"]
                process = self.processes[entry["contestant"], entry["threads"]]
                try:
                    pair = {"few": {"seconds": 0.0, "cpu": 0.0, **NO_PROBES}}
                    if few:
                        pair["few"] = process.ask("train", few, entry["repeats"])
                    pair["many"] = process.ask("train", many, entry["repeats"])
                except ContestantError as error:
                    entry["error"] = str(error)
                    continue
                pair["kind"] = self.judge.kind(
                    pair["few"]["front_end"] + pair["many"]["front_end"],
                    pair["few"]["hand_over"] + pair["many"]["hand_over"],
                )
                entry["rounds"].append(pair)
        for entry in entries:
            few, many = entry["epochs"]
            entry["kinds"] = [pair["kind"] for pair in entry["rounds"]]
            for name, key in (("ms", "seconds"), ("cpu_ms", "cpu")):
                entry[name] = [
                    1e3 * (pair["many"][key] - pair["few"][key]) / (many - few)
                    for pair in entry["rounds"]
                ]

    def whole_fits(self, epochs, rounds):
        """Seconds of whole fits of the iris data, in turn, by contestant."""
        names = [SUBJECT, REFERENCE]
        least = min(threads for _, threads in self.processes)
        processes = {name: self.processes[name, least] for name in names}
        for process in processes.values():
            process.ask("prepare", IRIS, "float64")
        seconds = {name: [] for name in names}
        for i in range(rounds):
            for name in names[:: -1 if i % 2 else 1]:
                seconds[name].append(processes[name].ask("train", epochs, 1)["seconds"])
        return seconds


IMPORTS = """
import time
import sklearn.neural_network
start = time.perf_counter()
from fastmlp import MLPClassifier
print(time.perf_counter() - start)
"""


def import_seconds(rounds):
    """Seconds of ``import fastmlp`` after scikit-learn's MLP, each in a new process.

    The bytecode is kept, as that of an installed package is.
    """
    command = [sys.executable, "-c", IMPORTS]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        runs = [
            subprocess.run(
                command,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env=environment,
                cwd=folder,  # from a clone, Python would import its sources
            )
            for _ in range(rounds + 1)
        ]  # the first one fills the caches
    return [float(run.stdout) for run in runs][1:]


def ms_of(entry, kind=None):
    """The times of the rounds of a kind; None for all."""
    wanted = kind_for(kind, entry["threads"])
    return [
        ms
        for ms, of_round in zip(entry["ms"], entry["kinds"], strict=True)
        if wanted is None or of_round == wanted
    ]


def median_ms(entry, kind=None):
    """The median over these rounds, or infinity where there are none."""
    return median(ms_of(entry, kind) or [math.inf])


def ratio_of_rounds(theirs, ours, kind):
    """The time of an entry over that of another: the median of those of the rounds.

    Of the rounds in which both were of a kind. Where one of them is lost in the noise,
    it is that of the medians; None where there are none, or those are lost.
    """
    wanted = tuple(kind_for(kind, entry["threads"]) for entry in (theirs, ours))
    pairs = [
        (a, b)
        for a, b, *kinds in zip(
            theirs["ms"], ours["ms"], theirs["kinds"], ours["kinds"], strict=True
        )
        if tuple(kinds) == wanted
    ]
    medians = median_ms(theirs, kind), median_ms(ours, kind)
    if not pairs or min(medians) <= 0:
        return None
    if min(map(min, pairs)) <= 0:
        return medians[0] / medians[1]
    return median(a / b for a, b in pairs)
