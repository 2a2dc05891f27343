"""Latency and throughput of prediction beside onnxruntime, scikit-learn and torch.

``python bench/bench_latency.py [--rounds N]`` prints, for a 64-100-10 classifier and
one thread each, microseconds for one row and milliseconds for 100,000 rows, the ratios
to each opponent that is installed, and the size of the saved file.  The opponents take
turns within a round; a ratio is that of the medians over all rounds.  Their outputs
must agree, or the title says VOID.  Then a raw row of a table with 10 numbers and 5
categories goes through compiled models of several sizes, beside the network alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from cells import CELLS, SEED, make_data
from machine import machine
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import fastmlp
from fastmlp._core.forward import Forward
from fastmlp._core.prediction import OUTPUTS

DIGITS = next(cell for cell in CELLS if cell.name == "digits")  # 64-100-10
N_FEATURES = 64
N_ROWS = 100_000


def fitted(library, X, y):
    """A classifier of a library after two epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return library.MLPClassifier(max_iter=2, random_state=SEED).fit(X, y)


def opponents(model, theirs, dtype):
    """Name -> function of an array that returns probabilities."""
    found = {"scikit-learn": theirs.predict_proba}
    with contextlib.suppress(ImportError):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            fastmlp.to_onnx(model, dtype=dtype).SerializeToString(), options
        )
        names = ["probabilities"]
        found["onnxruntime"] = lambda X: session.run(names, {"X": X})[0]
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
        module = fastmlp.to_torch(model)

        def run(X):
            with torch.inference_mode():
                return module(torch.from_numpy(X)).numpy()

        found["torch"] = run
    return found


def medians(functions, X, n_calls, n_rounds):
    """Median seconds of a call of each function, in turns."""
    seconds = {name: [] for name in functions}
    for function in functions.values():
        function(X)
    for _ in range(n_rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(n_calls):
                function(X)
            seconds[name].append((time.perf_counter() - start) / n_calls)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def report(title, functions, X, n_calls, n_rounds, unit):
    """Print the times of all functions and the ratios to the first ones."""
    scale = {"us": 1e6, "ms": 1e3}[unit]
    results = [np.asarray(function(X)) for function in functions.values()]
    void = ""
    for result in results:
        if result.dtype.kind == "f" and not np.allclose(result, results[0], atol=1e-4):
            void = "  VOID: the outputs differ"
    times = medians(functions, X, n_calls, n_rounds)
    print(f"\n{title}{void}")
    ours = [name for name in times if name.startswith("fastmlp")]
    print(f"{'':24}{unit:>10}" + "".join(f"{'/ ' + name:>26}" for name in ours))
    for name, value in times.items():
        ratios = "".join(f"{value / times[one]:26.2f}" for one in ours)
        print(f"{name:24}{value * scale:10.2f}{ratios}")


def raw_table(n_rows=400):
    """Ten numbers, five categories of 4 to 10 levels, and two classes."""
    rng = np.random.default_rng(SEED)
    X = pd.DataFrame({f"n{i}": rng.normal(size=n_rows) for i in range(10)})
    for i, n_levels in enumerate((4, 7, 10, 4, 7)):
        X[f"c{i}"] = [f"l{level}" for level in rng.integers(n_levels, size=n_rows)]
    return X, np.where(X["n0"] + (X["c0"] == "l1") > 0, "yes", "no")


def network_alone(model):
    """A function of an encoded row that takes the shortest way through the core."""
    fitted, weights = model._model, model._model.weights[0]
    network, stage = fitted.network, fitted.network.stage_weights(weights)
    layers = network.split(weights)
    slopes = network.slopes(weights)
    return Forward(network, *layers, weights.dtype, slopes, stage).one_row


def report_tables(n_rounds):
    """Print the times of a raw row of a table through compiled models."""
    X, y = raw_table()
    row = X.iloc[0].to_dict()
    cells = list(row.values())
    title = "predict_proba, a raw row of a table"
    print(
        f"\n{title:40}" + "".join(f"{name:>8}" for name in ("dict", "list", "network"))
    )
    for hidden in ((16,), (64, 64), (256, 256, 256)):
        model = fastmlp.TabularMLPClassifier(
            hidden_layer_sizes=hidden, n_epochs=2, random_state=SEED, n_threads=1
        ).fit(X, y)
        predict, alone = model.compile().predict_proba, network_alone(model)
        Z = model._model.encoder.transform(X[:1])
        functions = {
            "dict": lambda _, predict=predict: predict(row),
            "list": lambda _, predict=predict: predict(cells),
            "network": lambda Z, alone=alone: alone(Z, OUTPUTS, False),
        }
        times = medians(functions, Z, 2000, n_rounds)
        figures = "".join(f"{1e6 * seconds:8.2f}" for seconds in times.values())
        print(f"{'us, hidden layers ' + str(hidden):40}{figures}")


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="default 15")
    n_rounds = parser.parse_args().rounds
    for name, fact in machine().items():
        print(f"{name:>16}: {fact}")
    with threadpool_limits(1):
        for dtype in ("float32", "float64"):
            X, y = make_data(DIGITS, dtype)
            model, theirs = fitted(fastmlp, X, y), fitted(neural_network, X, y)
            model.set_params(n_threads=1)
            model.coefs_ = [w.copy() for w in theirs.coefs_]
            model.intercepts_ = [b.copy() for b in theirs.intercepts_]
            predictor = model.compile()
            others = opponents(model, theirs, dtype)
            for n_rows, n_calls, unit in ((1, 1000, "us"), (N_ROWS, 1, "ms")):
                functions = {
                    "fastmlp Predictor": predictor.predict_proba,
                    "fastmlp estimator": model.predict_proba,
                    **others,
                }
                title = f"predict_proba, {n_rows:,} rows, {dtype}"
                rows = np.resize(X, (n_rows, N_FEATURES))
                report(title, functions, rows, n_calls, n_rounds, unit)
            names = [f"feature {i}" for i in range(N_FEATURES)]
            frame = pd.DataFrame(X, columns=names)
            functions = {
                "fastmlp": fitted(fastmlp, frame, y).predict,
                "scikit-learn": fitted(neural_network, frame, y).predict,
            }
            title = f"predict, DataFrame of one row, {dtype}"
            report(title, functions, frame.iloc[[0]], 100, n_rounds, "us")
            weights = sum(a.nbytes for a in model.coefs_ + model.intercepts_)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.safetensors")
                fastmlp.save_model(model, path)
                extra = os.path.getsize(path) - weights
            print(f"\nsaved file, {dtype}: {weights:,} bytes of weights and {extra:,}")
        report_tables(n_rounds)


if __name__ == "__main__":
    main()
