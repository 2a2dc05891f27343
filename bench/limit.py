"""The limit of a step: what its arithmetic and its memory take at the least.

With units n_0 .. n_L, B rows, s bytes a number, V lanes of the instruction set,
pad(n) = V ceil(n / V), W weights, Wp with intercepts, A hidden units:

    gemm   products, each C[M, N] += over K as 2 K min(M pad(N), pad(M) N) operations,
           over the peak P: forward B x n_l over n_(l-1), weights n_(l-1) x n_l over B,
           back B x n_(l-1) over n_l for l > 1
    mem    (2 s W + 4 s B A + 2 s B n_0) bytes over the bandwidth of the smallest cache
           that holds weights, gradient, moments and one block of at most 64 rows
    act    B A c_act, forward and backward      out   B n_L c_loss
    opt    max(Wp c_opt, s Wp (Adam 7, momentum 5) bytes over the same bandwidth)
    total  max(gemm, mem) + act + out + opt

An iteration of lbfgs is taken as one gradient over all rows, and 4 m s Wp bytes for
its m = 10 pairs; more evaluations in its line search count as loss of efficiency.
The constants are those of ``calibration.py``.  t threads have total / t as limit.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

BLOCK = 64  # rows
PAIRS = 10  # of lbfgs, SciPy's default
MOMENTS = {"adam": 2, "sgd": 1, "lbfgs": 2 * PAIRS}
PASSES = {"adam": 7, "sgd": 5, "lbfgs": 4 * PAIRS}  # reads and writes per parameter


def products(cell, rows):
    """(M, N, K) of the matrix products of a step."""
    layers = list(pairwise(cell.units))
    forward = [(rows, fan_out, fan_in) for fan_in, fan_out in layers]
    weights = [(fan_in, fan_out, rows) for fan_in, fan_out in layers]
    back = [(rows, fan_in, fan_out) for fan_in, fan_out in layers[1:]]
    return forward + weights + back


def flops(cell, rows):
    """Floating-point operations of the products of a step."""
    return sum(2 * m * n * k for m, n, k in products(cell, rows))


def padded_operations(m, n, k, lanes):
    """Operations of a product (m, n) over k; vectors lie along the better dimension."""

    def pad(n):
        return lanes * -(-n // lanes)

    return 2 * k * min(m * pad(n), pad(m) * n)


def padded_flops(cell, rows, lanes):
    """Operations of the products of a step, each padded to whole vectors."""
    return sum(padded_operations(*shape, lanes) for shape in products(cell, rows))


def n_params(cell):
    """Weights and intercepts."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(cell.units))


def smallest_cache(size, caches):
    """The level of the smallest cache for some bytes; 4 is the memory."""
    return min((k for k, room in caches.items() if size <= room), default=4)


def level(cell, rows, itemsize, caches):
    """The smallest cache for state and one block of rows."""
    row = cell.units[0] + 2 * sum(cell.units[1:-1]) + cell.units[-1]
    size = n_params(cell) * (2 + MOMENTS[cell.solver]) + min(rows, BLOCK) * row
    return smallest_cache(size * itemsize, caches)


def step_limit(cell, dtype, rows, constants, loss_ns):
    """The parts of the limit of a step and their total, in microseconds."""
    ours = constants["by_dtype"][dtype]
    itemsize = np.dtype(dtype).itemsize
    caches = {int(k): v for k, v in constants["cache_bytes"].items()}
    where = level(cell, rows, itemsize, caches)
    bandwidth = {int(k): v for k, v in constants["bandwidth"].items()}[where]
    n_hidden = sum(cell.units[1:-1])
    n_weights = n_params(cell) - sum(cell.units[1:])
    moved = 2 * n_weights + 4 * rows * n_hidden + 2 * rows * cell.units[0]
    update = ours["update"].get(cell.solver, 0.0)
    update_bytes = itemsize * n_params(cell) * PASSES[cell.solver]
    parts = {
        "gemm": padded_flops(cell, rows, ours["lanes"]) / ours["peak"] / 1e3,
        "mem": itemsize * moved / bandwidth / 1e3,
        "act": rows * n_hidden * ours["activation"][cell.activation] / 1e3,
        "out": rows * cell.units[-1] * loss_ns / 1e3,
        "opt": max(n_params(cell) * update, update_bytes / bandwidth) / 1e3,
    }
    rest = parts["act"] + parts["out"] + parts["opt"]
    return {
        **parts,
        "total": max(parts["gemm"], parts["mem"]) + rest,
        "level": where,
    }


def epoch_limit(cell, dtype, constants, loss_ns):
    """Microseconds of all steps of an epoch, the short one included."""
    return sum(
        cell.batches.count(rows)
        * step_limit(cell, dtype, rows, constants, loss_ns)["total"]
        for rows in set(cell.batches)
    )


def epoch_flops(cell):
    """Operations of the products of an epoch."""
    return sum(cell.batches.count(n) * flops(cell, n) for n in set(cell.batches))
