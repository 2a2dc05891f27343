"""``python bench/scale_tables.py``: models of tables on shards beside one machine.

Test scores of the estimators for tables on Dask after equal epochs, on made tables.
"""

from __future__ import annotations

import json
import time
import warnings
from itertools import pairwise
from pathlib import Path

import dask
import numpy as np
import pandas as pd
from distributed import Client
from machine import machine
from options import at_least_one, parser_of

from fastmlp import TabularMLPClassifier, TabularMLPRegressor
from fastmlp.dask import DaskTabularMLPClassifier, DaskTabularMLPRegressor

KINDS = {
    "regression (R2)": (TabularMLPRegressor, DaskTabularMLPRegressor),
    "four classes (accuracy)": (TabularMLPClassifier, DaskTabularMLPClassifier),
}
LETTERS = list("abcdefghijklmno")


def made(n_rows, seed):
    """A table of numbers with gaps and two categories, and a target with noise."""
    rng = np.random.RandomState(seed)
    X = pd.DataFrame(rng.standard_normal((n_rows, 6)), columns=list("uvwxyz"))
    letter = rng.randint(len(LETTERS), size=n_rows)
    X["letter"] = np.array(LETTERS)[letter]
    X["colour"] = rng.choice(["red", "green", "blue"], n_rows)
    effects = np.random.RandomState(1).standard_normal(len(LETTERS))
    target = np.sin(2 * X.u) + X.v * X.w + effects[letter] + (X.colour == "red") * X.x
    target = target.to_numpy() + 0.3 * rng.standard_normal(n_rows)
    X.loc[rng.rand(n_rows) < 0.05, "u"] = np.nan
    return X, target


def options(argv=None):
    """The options of the command line."""
    parser = parser_of("scale_tables.py", __doc__)
    add = parser.add_argument
    add("--rows", type=at_least_one, default=100_000)
    add("--epochs", type=at_least_one, default=None, help="default: those of n_rows")
    add("--sync-every", default="200", help='steps, or "epoch" (default 200)')
    add("--units", type=at_least_one, default=256, help="of a hidden layer")
    add("--shards", default="2,4,8,16,32", metavar="N[,...]")
    add("--results", type=Path, metavar="FILE.json")
    return parser.parse_args(argv)


def score_on(n_shards, kinds, data, params, sync_every):
    """The test score of a model that n_shards train; 1 is the local estimator."""
    local, spread = kinds
    X, y, X_test, y_test = data
    if n_shards == 1:
        return local(**params).fit(X, y).score(X_test, y_test)
    ends = np.linspace(0, len(X), n_shards + 1).astype(int)
    pieces = [slice(a, b) for a, b in pairwise(ends)]
    xs, ys = ([dask.delayed(of[rows]) for rows in pieces] for of in (X, y))
    return (
        spread(**params, sync_every=sync_every)
        .fit(xs, ys)
        .to_local()
        .score(X_test, y_test)
    )


def main(argv=None):
    """Print the scores, and write them where ``--results`` says."""
    chosen = options(argv)
    for name, fact in machine().items():
        print(f"{name}: {fact}")
    warnings.simplefilter("ignore")
    counts = [1, *(int(n) for n in chosen.shards.split(","))]
    X, target = made(chosen.rows, 0)
    X_test, target_test = made(20_000, 2)
    params = {
        "n_members": 1,
        "n_epochs": chosen.epochs or "auto",
        "hidden_layer_sizes": (chosen.units,) * 3,
        "random_state": 0,
    }
    every = chosen.sync_every
    sync_every = every if every == "epoch" else int(every)
    found = {}
    with Client(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0"
    ):
        for name, kinds in KINDS.items():
            y, y_test = target, target_test
            if "classes" in name:
                y, y_test = (np.digitize(of, [-1, 0, 1]) for of in (y, y_test))
            for n_shards in counts:
                started = time.perf_counter()
                data = X, y, X_test, y_test
                score = score_on(n_shards, kinds, data, params, sync_every)
                found.setdefault(name, {})[n_shards] = score
                seconds = time.perf_counter() - started
                print(f"{name}, {n_shards} shards: {score:.4f} ({seconds:.1f} s)")
    if chosen.results:
        chosen.results.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
