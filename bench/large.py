"""Large tables: what a row costs by their size, on disk, and with 100,000 columns.

    python bench/large.py                           # 10^4 to 10^7 rows
    python bench/large.py --mapped /var/tmp --limit 1   # X on disk, memory limited
    python bench/large.py --one-hot                 # sparse, beside scikit-learn

A time is marginal: a fit of more epochs less one of a single epoch, divided by the
rows in between, and the least of some rounds.  Seconds are those of the processor.
With X on disk a time is the median of the epochs of one fit but the first, by a clock,
as waiting counts there, and of the processor in brackets.  One thread, one core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from machine import machine, usable_cores
from options import at_least_one, numbers, parser_of
from scipy import sparse
from threadpoolctl import threadpool_limits

import fastmlp

N_FEATURES, HIDDEN, BATCH = 50, (64, 64), 256
MAPPED_FEATURES, MAPPED_HIDDEN = 200, (256, 256)  # enough work a byte for a disk
SIZES = (10**4, 10**5, 10**6, 4 * 10**6, 10**7)
SHUFFLES = (False, True, "blocks")
ROWS_TIMED = 10**7  # in all epochs of a measurement
PIECE = 2**18  # rows that are drawn at a time
CATEGORIES, COLUMNS, ONE_HOT_ROWS = 10_000, 10, 10_000
GROUPS = Path("/sys/fs/cgroup")


def draw(X):
    """Fill a float32 array with standard normal rows, some at a time."""
    rng = np.random.default_rng(0)
    for start in range(0, len(X), PIECE):
        part = X[start : start + PIECE]
        part[...] = rng.standard_normal(part.shape, dtype=np.float32)


def table(n_rows):
    """X and two classes."""
    X = np.empty((n_rows, N_FEATURES), dtype=np.float32)
    draw(X)
    return X, X[:, 0] > X[:, 1]


def marginal(kind, X, y, n_epochs, n_rounds, **params):
    """Seconds of the processor for an epoch."""
    seconds = {1: [], 1 + n_epochs: []}
    for _ in range(n_rounds):
        for max_iter, found in seconds.items():
            model = kind(max_iter=max_iter, n_iter_no_change=10**9, tol=0, **params)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                start = time.process_time()
                model.fit(X, y)
                found.append(time.process_time() - start)
    short, long = map(min, seconds.values())
    return (long - short) / n_epochs


def row_time(X, y, shuffle, n_epochs, n_rounds):
    """Nanoseconds of the processor that training on a row takes."""
    seconds = marginal(
        fastmlp.MLPClassifier,
        X,
        y,
        n_epochs,
        n_rounds,
        hidden_layer_sizes=HIDDEN,
        batch_size=BATCH,
        n_threads=1,
        random_state=0,
        shuffle=shuffle,
    )
    return 1e9 * seconds / len(y)


def now():
    """Seconds of a clock and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def row_time_of_epochs(X, y, shuffle, n_epochs):
    """Nanoseconds that a row takes in later epochs, by a clock and of the processor."""
    ends = []
    model = fastmlp.MLPClassifier(
        hidden_layer_sizes=MAPPED_HIDDEN,
        batch_size=BATCH,
        n_threads=1,
        random_state=0,
        shuffle=shuffle,
        max_iter=1 + n_epochs,
        n_iter_no_change=10**9,
        tol=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, callback=lambda record: ends.append(now()))
    return 1e9 * np.median(np.diff(ends, axis=0), axis=0) / len(y)


def print_sizes(sizes, n_rounds):
    """The table of times by the number of rows."""
    X, y = table(max(sizes))
    head = " | ".join(f"shuffle={shuffle!r}" for shuffle in SHUFFLES)
    print(f"\nns a row and epoch\n\n| rows | {head} |\n|---|{'---|' * len(SHUFFLES)}")
    for n in sizes:
        n_epochs = max(1, ROWS_TIMED // n)
        figures = [
            row_time(X[:n], y[:n], shuffle, n_epochs, n_rounds) for shuffle in SHUFFLES
        ]
        print(f"| {n:,} | {' | '.join(f'{ns:.0f}' for ns in figures)} |", flush=True)


def limited_group(limit):
    """A new control group with so many bytes of memory, files in cache included."""
    has_v1 = (GROUPS / "memory").is_dir()
    group = (GROUPS / "memory" if has_v1 else GROUPS) / f"fastmlp-{os.getpid()}"
    group.mkdir()
    name = "memory.limit_in_bytes" if has_v1 else "memory.max"
    try:
        (group / name).write_text(str(limit))
    except OSError:
        group.rmdir()
        raise
    return group


def forget(path):
    """Let the system drop the pages of a file that it has in memory."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def fit_mapped(path, shuffle, n_epochs):
    """Print the time of a row as JSON, in the process with little memory."""
    X = np.load(path, mmap_mode="r")
    y = np.resize([True, False], len(X))
    ns = row_time_of_epochs(X, y, shuffle, n_epochs)
    print(json.dumps(ns.tolist()))


def print_mapped(folder, limit, n_epochs):
    """Times with X in memory, and mapped and twice as large as memory."""
    group = limited_group(limit)
    try:
        print_in_group(group, folder, limit, n_epochs)
    finally:
        group.rmdir()


def print_in_group(group, folder, limit, n_epochs):
    """The table of `print_mapped`: of a clock, and of the processor in brackets."""
    n_rows = 2 * limit // (4 * MAPPED_FEATURES)
    print(
        f"\n{n_rows:,} rows, {limit / 1e9:.2g} GB for process and file cache; ns a row"
    )
    print("\n| shuffle | in memory | on disk |\n|---|---|---|")
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        path = Path(inside, "X.npy")
        X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, MAPPED_FEATURES))
        draw(X)
        X.flush()
        in_memory = np.array(X)
        del X
        y = np.resize([True, False], n_rows)
        for shuffle in (False, "blocks"):
            there = row_time_of_epochs(in_memory, y, shuffle, n_epochs)
            forget(path)
            inner = [sys.executable, __file__, "--child", str(path), repr(shuffle)]
            inner += ["--rounds", str(n_epochs)]
            enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
            process = subprocess.Popen(
                ["sh", "-c", enter, "sh", *inner],
                stdout=subprocess.PIPE,
                text=True,
            )
            text, _ = process.communicate()
            if process.returncode:
                raise SystemExit(f"the process with little memory ended: {text}")
            cells = [f"{ns[0]:.0f} ({ns[1]:.0f})" for ns in (there, json.loads(text))]
            print(f"| {shuffle!r} | {' | '.join(cells)} |", flush=True)


def one_hot(n_rows):
    """Rows of ten columns of 10,000 categories each, the first ones frequent."""
    rng = np.random.default_rng(0)
    codes = (rng.random((n_rows, COLUMNS)) ** 3 * CATEGORIES).astype(np.intp)
    codes += np.arange(COLUMNS) * CATEGORIES
    effects = rng.normal(size=COLUMNS * CATEGORIES)
    starts = np.arange(0, codes.size + 1, COLUMNS)
    values = np.ones(codes.size, dtype=np.float32)
    X = sparse.csr_matrix(
        (values, codes.ravel(), starts), shape=(n_rows, COLUMNS * CATEGORIES)
    )
    return X, effects[codes].sum(axis=1) > 0


def print_one_hot(n_rounds):
    """Milliseconds of a step on sparse rows, beside scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    X, y = one_hot(ONE_HOT_ROWS)
    ms = {}
    for name, kind in (
        ("scikit-learn", MLPClassifier),
        ("fastmlp", fastmlp.MLPClassifier),
    ):
        seconds = marginal(
            kind,
            X,
            y,
            2,
            n_rounds,
            hidden_layer_sizes=(64,),
            batch_size=200,
            random_state=0,
        )
        ms[name] = 1e3 * seconds / (len(y) / 200)
    print(f"\n{X.shape[1]:,} one-hot columns, 64 units, batch 200, float32; ms a step:")
    print(", ".join(f"{name} {value:.2f}" for name, value in ms.items()))
    print(f"ratio {ms['scikit-learn'] / ms['fastmlp']:.1f}")


def options(argv):
    """The arguments of the command line."""
    parser = parser_of("large.py", __doc__)
    add = parser.add_argument
    add("--rows", type=numbers, default=list(SIZES), metavar="N[,...]", help="sizes")
    add("--rounds", type=at_least_one, default=3, help="or epochs on disk; default 3")
    add("--mapped", type=Path, metavar="FOLDER", help="X on disk, in this folder")
    add("--limit", type=float, default=1.0, help="GB of memory there; default 1")
    add("--one-hot", action="store_true", help="100,000 sparse columns")
    add("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    """Measure and print."""
    chosen = options(argv)
    if chosen.child:
        path, shuffle = chosen.child
        is_plain = shuffle == repr(False)
        fit_mapped(path, False if is_plain else "blocks", chosen.rounds)
        return
    for name, fact in machine().items():
        print(f"{name:>16}: {fact}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, usable_cores()[-1:])
    with threadpool_limits(1):
        run(chosen)


def run(chosen):
    """Measure what was chosen."""
    if chosen.mapped:
        print_mapped(chosen.mapped, int(chosen.limit * 1e9), chosen.rounds)
    elif chosen.one_hot:
        print_one_hot(chosen.rounds)
    else:
        print_sizes(chosen.rows, chosen.rounds)


if __name__ == "__main__":
    main()
