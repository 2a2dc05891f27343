"""User-defined activations beside those of the core: the time of an epoch.

Run as a script it prints the ratios, in turn in one run, the least of some rounds:

    python bench/bench_custom.py

Batches of 200 rows, 100 features, one hidden layer of 100 units; the compiled functions
are made by numba, or by the C compiler where that is missing.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from fastmlp import Activation
from fastmlp._core.network import Data, Network
from fastmlp._core.solvers import Epoch

UNITS, BATCH, N_BATCHES, ROUNDS = (100, 100, 10), 200, 20, 60
BARS = {"compiled": 1.3, "numpy": 3.0}

SOURCE = """
#include <stddef.h>
void relu(const REAL *z, REAL *a, ptrdiff_t n, void *user)
{
    for (ptrdiff_t i = 0; i < n; ++i) a[i] = z[i] > 0 ? z[i] : 0;
}
void d_relu(const REAL *z, const REAL *a, REAL *delta, ptrdiff_t n, void *user)
{
    for (ptrdiff_t i = 0; i < n; ++i) delta[i] = a[i] > 0 ? delta[i] : 0;
}
"""


def by_numpy():
    """The activations in NumPy, each beside its name in the core."""

    def relu(z, out):
        np.maximum(z, 0, out=out)

    def d_relu(z, a, out):
        np.greater(a, 0, out=out)

    def d_tanh(z, a, out):
        np.multiply(a, a, out=out)
        np.subtract(1, out, out=out)

    return {
        "relu": Activation(relu, d_relu, name="relu"),
        "tanh": Activation(np.tanh, d_tanh, name="tanh"),
    }


def by_compiler(dtype):
    """ReLU from the C compiler, through ctypes."""
    folder = Path(tempfile.mkdtemp())
    source, library = folder / "relu.c", folder / "relu.so"
    source.write_text(SOURCE)
    real = "float" if dtype == np.float32 else "double"
    command = ["cc", "-O3", "-march=native", f"-DREAL={real}", "-shared", "-fPIC"]
    subprocess.run([*command, str(source), "-o", str(library)], check=True)
    functions = ctypes.CDLL(str(library))
    pointer = ctypes.POINTER(ctypes.c_float if real == "float" else ctypes.c_double)
    end = [ctypes.c_ssize_t, ctypes.c_void_p]
    functions.relu.restype = functions.d_relu.restype = None
    functions.relu.argtypes = [pointer] * 2 + end
    functions.d_relu.argtypes = [pointer] * 3 + end
    return Activation(functions.relu, functions.d_relu, name="relu")


def by_numba(dtype):
    """ReLU and tanh as cfuncs of numba."""
    from numba import cfunc, types

    real = types.CPointer(types.float32 if dtype == np.float32 else types.float64)
    end = (types.intp, types.voidptr)
    unary, binary = types.void(real, real, *end), types.void(real, real, real, *end)

    @cfunc(unary)
    def relu(z, a, n, user):
        for i in range(n):
            a[i] = z[i] if z[i] > 0 else 0

    @cfunc(binary)
    def d_relu(z, a, delta, n, user):
        for i in range(n):
            delta[i] = delta[i] if a[i] > 0 else 0

    return Activation(relu, d_relu, name="relu")


def compiled(dtype):
    """The compiled activations that this machine can make."""
    made = {}
    for name, make in (("numba", by_numba), ("cc", by_compiler)):
        try:
            made[name] = make(dtype)
        except (ImportError, OSError, subprocess.CalledProcessError):
            continue
    return made


def epoch_of(activation, dtype):
    """A function that trains an epoch with an activation."""
    rng = np.random.default_rng(0)
    n_rows = BATCH * N_BATCHES
    X = rng.normal(size=(n_rows, UNITS[0])).astype(dtype)
    y = rng.integers(UNITS[-1], size=(n_rows, 1)).astype(dtype)
    net = Network(UNITS, [(activation, 0.0)], "log_loss")
    params = rng.normal(scale=0.1, size=net.n_params).astype(dtype)
    moments = [np.zeros_like(params) for _ in range(2)]
    epoch = Epoch(net, Data(X, y), params, moments, BATCH, 1e-4)
    epoch.use("adam", 1e-3, 0, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
    order = rng.permutation(n_rows)
    return lambda: epoch.run(order)


def least_times(runs):
    """Least seconds of each run, in turn."""
    best = dict.fromkeys(runs, np.inf)
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = perf_counter()
            run()
            best[name] = min(best[name], perf_counter() - start)
    return best


def measure():
    """Rows (dtype, activation, kind, microseconds a batch, ratio)."""
    rows = []
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        functions = {("numpy", name): f for name, f in by_numpy().items()}
        functions |= {(kind, "relu"): f for kind, f in compiled(dtype).items()}
        runs = {key: epoch_of(f, dtype) for key, f in functions.items()}
        runs |= {("core", name): epoch_of(name, dtype) for name in by_numpy()}
        best = least_times(runs)
        for (kind, name), seconds in best.items():
            per_batch = 1e6 * seconds / N_BATCHES
            rows.append(
                (dtype.name, name, kind, per_batch, seconds / best["core", name])
            )
    return rows


def test_ratios():
    """An epoch with a user-defined function against its bar."""
    for dtype, name, kind, _, ratio in measure():
        bar = BARS["numpy" if kind == "numpy" else "compiled"]
        assert ratio <= bar, f"{name} by {kind} in {dtype}: {ratio:.2f} > {bar}"


if __name__ == "__main__":
    print(f"{'dtype':8} {'function':9} {'by':6} {'us a batch':>10} {'ratio':>6}  bar")
    for dtype, name, kind, per_batch, ratio in measure():
        bar = "" if kind == "core" else BARS["numpy" if kind == "numpy" else "compiled"]
        print(f"{dtype:8} {name:9} {kind:6} {per_batch:10.1f} {ratio:6.2f}  {bar}")
