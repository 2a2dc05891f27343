"""Cells, opponents and the description of the machine."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import warnings
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import scipy
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

import fastmlp
from fastmlp._core import kernels

SEED = 0
DTYPES = ("float32", "float64")


class Cell(NamedTuple):
    """A task: sizes of the data and of the network, rows per step."""

    n: int
    p: int
    classes: int
    hidden: tuple[int, ...]
    batch: int

    def __str__(self):
        units = "-".join(map(str, (self.p, *self.hidden, self.classes)))
        return f"{self.n} rows, {units}, batch {self.batch}"


CELLS = [
    Cell(1797, 64, 10, (100,), 200),
    Cell(1000, 10, 2, (16,), 32),
    Cell(20000, 30, 2, (64, 64), 256),
    Cell(48000, 100, 2, (128, 64), 256),
    Cell(20000, 784, 10, (256, 128), 128),
    Cell(20000, 200, 10, (512, 512, 512), 512),
    Cell(20000, 50, 5, (50,), 32),
]


def make_data(n, p, classes, dtype):
    """Rows from a normal distribution, and classes that depend on them with noise."""
    rng = np.random.RandomState(SEED)
    X = rng.normal(size=(n, p)).astype(dtype)
    scores = X @ rng.normal(size=(p, classes)) / np.sqrt(p)
    return X, (scores + rng.normal(scale=0.3, size=scores.shape)).argmax(axis=1)


def _estimator_fit(kind):
    """The fit of a class with scikit-learn's interface."""

    def fit(cell, X, y, epochs):
        model = kind(
            cell.hidden,
            batch_size=cell.batch,
            max_iter=epochs,
            tol=0,
            n_iter_no_change=np.inf,
            random_state=SEED,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        return model.loss_curve_

    return fit


# Name of an opponent -> fit(cell, X, y, epochs) -> loss of each epoch.  The first one
# is the subject; the ratios of all others are to it.
OPPONENTS = {
    "fastmlp": _estimator_fit(fastmlp.MLPClassifier),
    "scikit-learn": _estimator_fit(neural_network.MLPClassifier),
}


def default_threads():
    """The number of threads that BLAS chooses."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max((pool["num_threads"] for pool in pools), default=1)


def machine():
    """Facts about machine and versions, in the order in which to print them."""
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    facts = {
        "CPU": _cpu(),
        "cores": f"{_usable_cores()} usable of {os.cpu_count()}",
        "system": platform.platform(),
        "Python": sys.version.split()[0],
        "fastmlp": fastmlp.__version__,
        "instruction set": f"{kernels.isa} of {', '.join(kernels.available_isas)}",
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": version("scikit-learn"),
        "BLAS": "; ".join(
            f"{pool['internal_api']} {pool['version']} "
            f"({pool.get('architecture', 'unknown')}), {pool['num_threads']} threads"
            for pool in blas
        ),
    }
    with contextlib.suppress(AttributeError, OSError):
        facts["load before"] = ", ".join(f"{x:.2f}" for x in os.getloadavg())
    return facts


def _cpu():
    """The name of the processor."""
    try:
        import cpuinfo
    except ImportError:
        return platform.processor() or platform.machine()
    return cpuinfo.get_cpu_info().get("brand_raw", platform.machine())


def _usable_cores():
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()
