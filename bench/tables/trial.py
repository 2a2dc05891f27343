"""A trial: one fit of a method on one split of a table, in the method's own process.

The process serves all trials of its method, so that imports are outside the clock, and
so is a first fit of a few rows, which does what libraries put off until then.  Seconds
are those of the processor, all threads together: another process that is busy lengthens
them less than the clock.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import time
import warnings

import numpy as np
import pandas as pd

from . import measures

THREADS = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR")
WARM_UP_ROWS = 60


class Process:
    """A method in a process of its own, which is started again when it ends."""

    def __init__(self, method):
        self.method, self.process = method, None

    def start(self):
        """Start it with one thread for every library."""
        context = multiprocessing.get_context("spawn")  # reads the environment anew
        self.connection, theirs = context.Pipe()
        arguments = (self.method, theirs, self.connection)
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        with one_thread():
            self.process.start()
        theirs.close()

    def run(self, table, split, max_seconds=None):
        """The measurements of a trial, with ``failure`` if it failed."""
        if self.process is None:
            self.start()
        try:
            self.connection.send((table, split))
            if self.connection.poll(max_seconds):
                return self.connection.recv()
            failure = f"took more than {max_seconds:g} s"
        except (EOFError, OSError):
            self.process.join()
            failure = f"the process ended with exit code {self.process.exitcode}"
        self.close()
        return {"failure": failure}

    def close(self):
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.process = None


@contextlib.contextmanager
def one_thread():
    """Environment variables that tell libraries to use one thread."""
    before = dict(os.environ)
    os.environ.update({f"{name}_NUM_THREADS": "1" for name in THREADS})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def serve(method, connection, other_end):
    """Answer requests of a table and a split until the other end closes."""
    other_end.close()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print
    warnings.simplefilter("ignore")
    warm = set()
    with contextlib.suppress(EOFError):
        while True:
            table, split = connection.recv()
            try:
                task = table.rows.task
                if task not in warm:
                    warm_up(method, task)
                    warm.add(task)
                answer = trial(method, table, split)
            except Exception as error:
                text = " ".join(str(error).split())
                answer = {"failure": f"{type(error).__name__}: {text[:500]}"}
            connection.send(answer)


def warm_up(method, task):
    """A first fit."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x0": rng.normal(size=WARM_UP_ROWS)})
    X["x1"] = pd.Categorical(rng.choice(["a", "b", "c"], size=WARM_UP_ROWS))
    y = rng.normal(size=WARM_UP_ROWS)
    is_classifier = task == "classification"
    model = method.make(is_classifier, 0)
    model.fit(X, (y > 0).astype(int) if is_classifier else y)
    model.predict(X)


def trial(method, table, split):
    """Fit and predict under the clock of the processor, and measure."""
    X, y, task = table.rows
    train, test = table.split(split)
    X_train, X_test = X.iloc[train], X.iloc[test]
    is_classifier = task == "classification"
    if is_classifier:  # those that only the test rows have come last
        seen = np.unique(y[train])
        classes = [*seen, *np.setdiff1d(y[test], seen)]
        codes = {label: code for code, label in enumerate(classes)}
        y = np.array([codes[label] for label in y])
    gc.collect()
    model = method.make(is_classifier, split)
    start = time.process_time()
    model.fit(X_train, y[train])
    fitted = time.process_time()
    predicted = (model.predict_proba if is_classifier else model.predict)(X_test)
    end = time.process_time()
    predicted = np.asarray(predicted, dtype=float)
    if not np.isfinite(predicted).all():
        raise ValueError("the predictions are not finite")
    if is_classifier:
        unseen = len(classes) - len(seen)
        proba = np.pad(predicted, [(0, 0), (0, unseen)])
        figures = measures.of_classes(y[test], proba)
    else:
        figures = measures.of_numbers(y[test], predicted.reshape(len(test)))
    return {
        "task": task,
        "n_train": len(train),
        "n_test": len(test),
        "n_features": X.shape[1],
        **figures,
        "fit_seconds": fitted - start,
        "predict_seconds": end - fitted,
    }
