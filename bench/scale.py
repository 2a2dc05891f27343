"""``python bench/scale.py``: local SGD on several shards beside one machine.

Convergence after equal passes, the efficiency of one and two worker processes, the rows
from which two of them are faster than two threads, and a model of more workers.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from local_sgd import HIDDEN, RECIPE, Recipe, echo, one_pass, one_round, score, shard
from options import add_paths, at_least_one, parser_of

from fastmlp._core.kernels import rule_vectors

WORKERS = (1, 2, 4, 8, 16, 32, 64)


def options(argv=None):
    """The options of the command line."""
    parser = parser_of("scale.py", __doc__)
    add = parser.add_argument
    add_paths(
        parser,
        "--data",
        "FILE.npz",
        "X_train, y_train, X_test and y_test of a classification, features scaled; "
        "several times for several (default: made data)",
    )
    add("--rows", type=at_least_one, default=100_000, help="of the made data")
    add("--passes", type=at_least_one, default=10, help="over the data (default 10)")
    add("--shards", default="2,4,8,16", metavar="N[,...]")
    add(
        "--batches",
        choices=("shared", "own"),
        default="shared",
        help="in the convergence, the batches of all shards are together one of one "
        "machine, or each shard's own are such ones (default shared)",
    )
    add("--solver", choices=("adam", "sgd"), default="adam", help="of the convergence")
    add("--rate", type=float, default=0.001, help="its learning rate (default 0.001)")
    add(
        "--sync-every",
        type=at_least_one,
        metavar="STEPS",
        help="of a round of the convergence (default: a round is a pass)",
    )
    add("--rounds", type=at_least_one, default=5, help="timings in turn (default 5)")
    add("--engine", choices=("auto", "dask", "processes"), default="auto")
    add("--skip", default="", help="of convergence, times: what not to measure")
    add("--results", type=Path, metavar="FILE.json")
    add("--plot", type=Path, metavar="FILE", help="a picture of the model")
    return parser.parse_args(argv)


def made(n_rows):
    """A classification with ten classes that a network learns in part."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows + 10_000, 30)).astype(np.float32)
    hidden = np.tanh(X @ rng.normal(size=(30, 20)) / 3)
    y = (hidden @ rng.normal(size=(20, 10)) + rng.gumbel(size=(len(X), 10)) / 2).argmax(
        axis=1
    )
    return X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:]


def data_sets(chosen):
    """Name and four arrays of each set, training rows in random order."""
    if not chosen.data:
        yield f"made, {chosen.rows} rows", *made(chosen.rows)
    for path in chosen.data:
        with np.load(path) as found:
            X, y = found["X_train"].astype(np.float32), found["y_train"]
            order = np.random.default_rng(0).permutation(len(y))
            test = found["X_test"].astype(np.float32), found["y_test"]
            yield path.stem, X[order], y[order], *test


@contextmanager
def on_disk(X, y):
    """The folder from which shards are loaded."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "X.npy"), X)
        np.save(Path(folder, "y.npy"), y)
        yield folder


@contextmanager
def workers(n, engine):
    """A map over n processes of one thread each: ``run(function, *iterables)``."""
    if engine == "processes":
        with ProcessPoolExecutor(n, get_context("spawn")) as pool:
            yield pool.map
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        # Not pure: a key that is asked for again may be on its way to be forgotten.
        yield client.get_executor(pure=False).map


def convergence(data, counts, passes, recipe=RECIPE):
    """Accuracy after each pass, by the number of shards; 1 is one machine.

    The other dict has the processor's seconds of a pass, all shards together.
    """
    X, y, X_test, y_test = data
    curves, busy = {}, {}
    with on_disk(X, y) as folder:
        for n_shards in (1, *counts):
            state, curve, seconds = (None, None), [], []
            for number in range(passes):
                state, of_pass = one_pass(
                    map, folder, n_shards, len(y), state, number, recipe
                )
                curve.append(score(folder, state[0], X_test, y_test))
                seconds.append(of_pass)
            curves[n_shards], busy[n_shards] = curve, statistics.median(seconds)
        shard.cache_clear()
    return curves, busy


def traffic(run, n_params, n_rounds):
    """Seconds of a round of one task that computes nothing, with so many weights."""
    weights = [np.ones(n_params, dtype=np.float32)]
    times = []
    for _ in range(n_rounds + 1):
        start = time.perf_counter()
        list(run(echo, [weights]))
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def sync_constants(run, n_rounds):
    """The constant of a round in seconds, and the bytes a second of its weights."""
    small, large = 1_000, 1_000_000
    first, second = (traffic(run, n, n_rounds) for n in (small, large))
    per_byte = max(second - first, 1e-9) / (2 * 4 * (large - small))
    return max(first - 2 * 4 * small * per_byte, 0.0), 1 / per_byte


def efficiency(folder, engine, n_rounds):
    """Rounds of two shards on one worker and on two, in turn.

    Returns
    -------
    dict
        Medians of wall seconds, and of the processor's seconds of a shard.
    """
    wall, busy = {1: [], 2: []}, {1: [], 2: []}
    with workers(1, engine) as one, workers(2, engine) as two:
        constants = sync_constants(one, n_rounds)
        state = None, None
        for number in range(n_rounds + 2):
            for n, run in ((1, one), (2, two)):
                start = time.perf_counter()
                state, seconds = one_round(run, folder, 2, state, (number, 0))
                if number > 1:  # after the first rounds, in which shards are loaded
                    wall[n].append(time.perf_counter() - start)
                    busy[n].append(statistics.mean(seconds))
    figures = {"c": constants[0], "bandwidth": constants[1]}
    for n in (1, 2):
        figures[f"wall_{n}"] = statistics.median(wall[n])
        figures[f"busy_{n}"] = statistics.median(busy[n])
    figures["efficiency"] = figures["wall_1"] / (2 * figures["wall_2"])
    return figures


def crossover(X, y, engine, n_rounds):
    """Seconds of a pass by two threads and by two workers, by the number of rows."""
    sizes = [n for n in (1_000, 4_000, 16_000, 64_000, 256_000) if n <= len(y)]
    found = {}
    with workers(2, engine) as run:
        for n in sizes:
            times = {"threads": [], "workers": []}
            model = RECIPE.model(n_threads=2)
            model.partial_fit(X[:n], y[:n], classes=np.unique(y))
            with on_disk(X[:n], y[:n]) as folder:
                state = None, None
                for number in range(n_rounds + 2):
                    start = time.perf_counter()
                    model.partial_fit(X[:n], y[:n])
                    middle = time.perf_counter()
                    state, _ = one_round(run, folder, 2, state, (number, 0))
                    if number > 1:
                        times["threads"].append(middle - start)
                        times["workers"].append(time.perf_counter() - middle)
            found[n] = {k: statistics.median(v) for k, v in times.items()}
    return found


def modelled(figures, n_values):
    """Seconds of a pass by the number of workers: T / n + c + n 8 V bytes / bandwidth.

    The client sends the V values of weights and moments in float32 to each worker and
    gets them back, one after the other.
    """
    local = 2 * figures["busy_1"]
    traffic = 2 * 4 * n_values / figures["bandwidth"]
    return {n: local / n + figures["c"] + n * traffic for n in WORKERS}


def text_of_convergence(name, curves, busy):
    """The accuracies as lines."""
    alone = curves[1][-1]
    lines = [
        f"{name}: test accuracy after {len(curves[1])} passes, processor's seconds of "
        "a pass"
    ]
    for n, curve in curves.items():
        change = 100 * (curve[-1] / alone - 1)
        lines.append(
            f"  {n:3} shard(s)  {curve[-1]:.4f}  {change:+6.2f} %  {busy[n]:.2f} s"
        )
    return "\n".join(lines)


def text_of_times(figures, found, model):
    """The times as lines."""
    lines = [
        f"round of two shards: {figures['wall_1']:.3f} s on one worker, "
        f"{figures['wall_2']:.3f} s on two; efficiency {figures['efficiency']:.2f}",
        f"processor's time of a shard: {figures['busy_1']:.3f} s alone, "
        f"{figures['busy_2']:.3f} s beside another",
        f"a round's constant {1000 * figures['c']:.1f} ms, bandwidth "
        f"{figures['bandwidth'] / 1e6:.0f} MB/s",
        "rows: seconds of a pass by two threads, by two workers",
    ]
    for n, times in found.items():
        lines.append(f"  {n:8}  {times['threads']:.4f}  {times['workers']:.4f}")
    lines.append("model, not measured: workers, seconds of a pass, speed-up")
    for n, seconds in model.items():
        lines.append(f"  {n:3}  {seconds:.3f}  {model[1] / seconds:.1f}")
    return "\n".join(lines)


def picture(figures, model, path):
    """Draw the speed-up of the model, and that of two workers as it was measured."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    n = list(model)
    ax.plot(n, n, color="0.7", label="ideal")
    ax.plot(n, [model[1] / model[k] for k in n], "o--", label="model, not measured")
    speed_ups = [1, figures["wall_1"] / figures["wall_2"]]
    ax.plot([1, 2], speed_ups, "s", color="black", label="measured")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.set_xticks(n, n)
    ax.set_yticks(n, n)
    ax.set_xlabel("workers")
    ax.set_ylabel("speed-up of a pass")
    ax.legend()
    figure.savefig(path, dpi=110)


def main(argv=None):
    """Measure and print; the exit code."""
    chosen = options(argv)
    counts = [int(n) for n in chosen.shards.split(",")]
    engine = chosen.engine
    if engine == "auto":
        has_dask = importlib.util.find_spec("distributed") is not None
        engine = "dask" if has_dask else "processes"
    recipe = Recipe(chosen.solver, chosen.rate, chosen.sync_every, chosen.batches)
    skipped, results = chosen.skip.split(","), {"engine": engine, "sets": {}}
    largest = None
    for name, *data in data_sets(chosen):
        if largest is None or len(data[1]) > len(largest[1]):
            largest = data
        if "convergence" not in skipped:
            curves, busy = convergence(data, counts, chosen.passes, recipe)
            results["sets"][name] = curves
            print(text_of_convergence(name, curves, busy), flush=True)
    if "times" not in skipped:
        X, y, *_ = largest
        print(f"times: {len(y)} rows, {engine}, load {os.getloadavg()[0]:.1f}")
        with on_disk(X, y) as folder:
            figures = efficiency(folder, engine, chosen.rounds)
        found = crossover(X, y, engine, chosen.rounds)
        units = (X.shape[1], *HIDDEN, len(np.unique(y)))
        n_params = sum((a + 1) * b for a, b in pairwise(units))
        model = modelled(figures, (1 + rule_vectors[RECIPE.solver]) * n_params)
        print(text_of_times(figures, found, model))
        results.update(times=figures, crossover=found, model=model)
        if chosen.plot and importlib.util.find_spec("matplotlib") is not None:
            picture(figures, model, chosen.plot)
    if chosen.results:
        chosen.results.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
