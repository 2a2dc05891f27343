"""Timed fits of the command line: their progress, and their warnings as notes."""

from __future__ import annotations

import contextlib
import io
import sys
import time
import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_info, threadpool_limits

from fastmlp._cli.table import UsageError, one_line
from fastmlp._training.task import INTERRUPTED


class Parts(NamedTuple):
    """Rows to train on and rows to test on."""

    X_train: object
    X_test: object
    y_train: object
    y_test: object


@contextlib.contextmanager
def warnings_as_notes(indent="", reword=None):
    """Warnings as lines of the output, each once.

    Parameters
    ----------
    indent : str, default=""
    reword : callable, default=None
        Gives the message of a note for that of a warning.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("error", INTERRUPTED)
        yield
    for message in dict.fromkeys(one_line(w.message) for w in caught):
        print(f"{indent}note: {reword(message) if reword else message}")


@contextlib.contextmanager
def errors_for_users():
    """Errors about data and parameters as errors of usage."""
    try:
        yield
    except (ValueError, MemoryError) as error:
        raise UsageError(one_line(error)) from None


class _EveryTenth(io.TextIOBase):
    """Passes on the first, each tenth and the closing lines of a verbose fit."""

    def __init__(self, stream):
        self.stream = stream
        self.pending = ""
        self.shows = True

    def write(self, text):
        *lines, self.pending = (self.pending + text).split("\n")
        for line in lines:
            if line.startswith("Iteration "):
                epoch = int(line.split()[1].rstrip(","))
                self.shows = epoch == 1 or epoch % 10 == 0
            elif not line.startswith("Validation score:"):
                self.shows = True
            if self.shows:
                self.stream.write(f"  {line}\n")
        return len(text)


def better_threads(model, X, y, most=None, api=None):
    """Make the first calls, which are not to be timed, and compare their times.

    Parameters
    ----------
    model : estimator
        Copies of it are fitted, for two iterations each.
    X, y : array-like
    most : int, default=None
        The largest number of threads; None takes what the libraries have.
    api : {"blas", "openmp"}, default=None
        The libraries that are limited; None takes both.

    Returns
    -------
    n_threads : int
        1 or ``most``: many threads wait in vain on a busy machine.
    """
    if most is None:
        pools = [of for of in threadpool_info() if api in (None, of["user_api"])]
        most = max((pool["num_threads"] for pool in pools), default=1)
    names = [name for name in model.get_params() if name.split("__")[-1] == "max_iter"]
    short = clone(model).set_params(**dict.fromkeys(names, 2))
    seconds = {}
    for n in (1, 1, most) if most > 1 else (1,):
        with (
            errors_for_users(),
            warnings.catch_warnings(),
            threadpool_limits(n, api),
        ):
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", INTERRUPTED)
            start = time.perf_counter()
            clone(short).fit(X, y)
            seconds[n] = min(seconds.get(n, np.inf), time.perf_counter() - start)
    return min(seconds, key=seconds.get)


def timed_fit(model, X, y, reword=None):
    """Fit a model and print what it says.

    Parameters
    ----------
    model : estimator
    X, y : array-like
    reword : callable, default=None
        As of `warnings_as_notes`.

    Returns
    -------
    seconds : float
    """
    with (
        warnings_as_notes("  ", reword),
        errors_for_users(),
        contextlib.redirect_stdout(_EveryTenth(sys.stdout)),
    ):
        start = time.perf_counter()
        model.fit(X, y)
        return time.perf_counter() - start
