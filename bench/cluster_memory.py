"""``python bench/cluster_memory.py``: training on data larger than the workers' memory.

Parquet of made numbers is written to a folder, with gaps and texts for a raw table, or
an array is drawn on the workers; two worker processes of one thread train a network of
16 hidden units on it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from machine import machine
from options import at_least_one, parser_of

N_COLUMNS = 20
CITIES = np.array([f"city number {i}" for i in range(300)])
SECONDS_BETWEEN_LOOKS = 0.2


def options(argv=None):
    """The options of the command line."""
    parser = parser_of("cluster_memory.py", __doc__)
    add = parser.add_argument
    add("--kind", choices=("parquet", "table", "array"), default="parquet")
    add("--rows", type=at_least_one, default=12_500_000, help="default 12,500,000")
    add("--partitions", type=at_least_one, default=80, help="default 80")
    add("--limit", default="500MB", help="memory of a worker (default 500MB)")
    add("--workers", type=at_least_one, default=2, help="default 2")
    add("--passes", type=at_least_one, default=2, help="default 2")
    add("--folder", type=Path, help="of the Parquet (default: a temporary one)")
    return parser.parse_args(argv)


def rows_of(number, n_rows, dtype):
    """Features and targets of a partition."""
    rng = np.random.default_rng(number)
    X = rng.standard_normal((n_rows, N_COLUMNS), dtype=dtype)
    return X, (X[:, :3].sum(axis=1) + rng.standard_normal(n_rows) > 0).astype(np.int8)


def write(folder, n_rows, n_partitions, is_raw=False):
    """Write a file of Parquet for each partition; their bytes."""
    import pandas as pd

    for number in range(n_partitions):
        X, y = rows_of(number, n_rows // n_partitions, np.float64)
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(N_COLUMNS)])
        if is_raw:  # texts tell of y, and a column has gaps
            rng = np.random.default_rng(number)
            frame["city"] = CITIES[rng.integers(len(CITIES), size=len(y))]
            frame["kind"] = np.array(["low", "high"])[y ^ (rng.random(len(y)) < 0.2)]
            frame.loc[::10, "x0"] = np.nan
        frame.assign(y=y).to_parquet(folder / f"{number:05}.parquet")
    return sum(path.stat().st_size for path in folder.iterdir())


def frame_of(folder):
    """X and y of the files in a folder."""
    import dask.dataframe as dd

    frame = dd.read_parquet(folder, split_row_groups=False, aggregate_files=False)
    return frame.drop(columns="y"), frame["y"]


def array_of(n_rows, n_partitions):
    """X and y of numbers that the workers draw."""
    import dask.array as da
    from dask import delayed

    n = n_rows // n_partitions
    parts = [delayed(rows_of, nout=2)(i, n, np.float32) for i in range(n_partitions)]
    shapes = (n, N_COLUMNS), (n,)
    kinds = np.float32, np.int8
    return tuple(
        da.concatenate(
            [da.from_delayed(part[which], shape, dtype=kind) for part in parts]
        )
        for which, (shape, kind) in enumerate(zip(shapes, kinds))
    )


@contextmanager
def highest_memory(cluster):
    """A list that gets the highest memory of a worker process so far, in bytes."""
    import psutil

    highest, is_over = [0], threading.Event()

    def look():
        while not is_over.wait(SECONDS_BETWEEN_LOOKS):
            for worker in list(cluster.workers.values()):
                try:
                    used = psutil.Process(worker.process.pid).memory_info().rss
                except (psutil.NoSuchProcess, AttributeError):  # it is restarting
                    continue
                highest[0] = max(highest[0], used)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield highest
    finally:
        is_over.set()
        thread.join()


def model_of(chosen):
    """The model that is to be trained."""
    from fastmlp.dask import DaskMLPClassifier, DaskTabularMLPClassifier

    common = {"hidden_layer_sizes": (16,), "dtype": "float32", "random_state": 0}
    if chosen.kind == "table":
        return DaskTabularMLPClassifier(
            **common, number_embedding=None, n_members=1, n_epochs=chosen.passes,
            early_stopping=False, batch_size=16_384, sync_every="epoch",
        )  # fmt: skip
    return DaskMLPClassifier(
        **common, max_iter=chosen.passes, tol=0.0, n_iter_no_change=chosen.passes
    )


def train(X, y, chosen):
    """Seconds of each pass, the first with loading, and the highest memory."""
    from distributed import Client, LocalCluster

    model = model_of(chosen)
    with (
        LocalCluster(
            n_workers=chosen.workers, threads_per_worker=1, processes=True,
            memory_limit=chosen.limit, dashboard_address=":0",
        ) as cluster,
        Client(cluster),
        highest_memory(cluster) as highest,
    ):  # fmt: skip
        times = [time.perf_counter()]
        model.fit(X, y, callback=lambda record: times.append(time.perf_counter()))
    return np.diff(times).tolist(), highest[0], model.loss_curve_


def main(argv=None):
    """Measure and print; the exit code."""
    chosen = options(argv)
    chosen.rows -= chosen.rows % chosen.partitions
    for name, fact in machine().items():
        print(f"{name}: {fact}")
    # Arrow's own pool of memory would not give back what it has freed.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with tempfile.TemporaryDirectory() as temporary:
        if chosen.kind != "array":
            folder = chosen.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise SystemExit(f"{folder} is not empty: its files would be read too.")
            is_raw = chosen.kind == "table"
            size = write(folder, chosen.rows, chosen.partitions, is_raw)
            print(f"{size / 1e9:.2f} GB of Parquet", flush=True)
            X, y = frame_of(folder)
        else:
            X, y = array_of(chosen.rows, chosen.partitions)
        seconds, highest, losses = train(X, y, chosen)
    print(
        f"{chosen.kind}, {chosen.rows} rows, {N_COLUMNS} columns, {chosen.partitions} "
        f"partitions, {chosen.workers} workers of at most {chosen.limit}"
    )
    for number, (of_pass, loss) in enumerate(zip(seconds, losses), 1):
        print(f"  pass {number}: {of_pass:.1f} s, loss {loss:.4f}")
    print(f"  highest memory of a worker: {highest / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
