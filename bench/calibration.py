"""The best that this machine can do: the constants of the limit model.

Each constant is the best of many short timings of a kernel of the core, on data that
fit the first-level cache unless it says otherwise.  Nanoseconds an element are without
the time of an empty call (``ns_each``).
"""

from __future__ import annotations

import re
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from fastmlp._core import kernels, testing

DTYPES = ("float32", "float64")
CACHES = {1: 32 << 10, 2: 1 << 20, 3: 32 << 20}  # bytes, where the system tells none
VECTOR_BYTES = {"base": 16, "v3": 32, "v4": 64}
L1_BYTES = 16384  # of the arrays of a kernel
LINE, PAGE = 64, 4096  # bytes
# An output at which the derivative is 1 or -1, so that products stay normal numbers.
AT_ONE = {"relu": 1.0, "tanh": 2**0.5, "logistic": (1 + 5**0.5) / 2}


def best_seconds(call, total=0.03, least=5):
    """The fewest seconds of a call, over about ``total`` seconds of calls."""
    best, calls, stop = float("inf"), 0, time.perf_counter() + total
    while calls < least or time.perf_counter() < stop:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
        calls += 1
    return best


def ns_each(call, full, empty, n):
    """Nanoseconds per element: a call on n elements less one on none.

    The two take turns, since the clock of a core changes within milliseconds and a
    busy hyperthread comes and goes: the median of the differences within the quickest
    quarter of the turns.
    """
    turns = sorted(
        [best_seconds(partial(call, *args), total=0.005) for args in (full, empty)]
        for _ in range(20)
    )
    seconds = median(with_n - without for with_n, without in turns[: len(turns) // 4])
    return 1e9 * max(seconds, 0.0) / n


def apart(*arrays):
    """Copies whose places within a page of memory are far from one another.

    A load waits for a store under way to the same place of another page; by chance
    that takes up to three times as long.
    """
    dtype = arrays[0].dtype
    step = PAGE // len(arrays) // LINE * LINE
    room = sum(x.nbytes + PAGE for x in arrays) + PAGE
    memory = np.empty(room, np.uint8)
    end, copies = -memory.ctypes.data % PAGE, []
    for i, x in enumerate(arrays):
        start = end + (i * step - end - memory.ctypes.data) % PAGE
        end = start + x.nbytes
        copies.append(memory[start:end].view(dtype).reshape(x.shape))
        copies[-1][...] = x
    return copies


def cache_bytes():
    """Bytes of the data caches by level."""
    sizes = dict(CACHES)
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            kind, level, size = (
                (index / name).read_text().strip() for name in ("type", "level", "size")
            )
        except OSError:
            continue
        match = re.fullmatch(r"(\d+)([KMG]?)", size)
        if match and kind != "Instruction" and level in "123":
            scale = 1 << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]
            sizes[int(level)] = int(match[1]) * scale
    return sizes


def peak(dtype):
    """GF/s of multiply-adds: in registers, or of BLAS where the core leaves it that."""
    dtype = np.dtype(dtype)
    try:
        n = 20_000
        operations = testing.multiply_add(dtype, n)
        return operations / best_seconds(lambda: testing.multiply_add(dtype, n)) / 1e9
    except NotImplementedError:
        a, c = np.ones((256, 256), dtype), np.empty((256, 256), dtype)
        seconds = best_seconds(lambda: testing.gemm(False, a, a, 0, c))
        return 2 * 256**3 / seconds / 1e9


def bandwidth_sizes(caches):
    """Level -> bytes whose reading shows its bandwidth."""
    sizes = {
        level: min(size // 2, 4 * caches.get(level - 1, size))
        for level, size in caches.items()
    }
    return {**sizes, 4: min(4 * caches[3], 256 << 20)}


def bandwidths(caches, access=testing.read):
    """GB/s of reading, or writing by ``testing.write``, by level; 4 is the memory.

    A large cache that is shared by many cores may not hold half of what its size says,
    so a few times the cache below it are taken.
    """
    sizes = bandwidth_sizes(caches)
    result = {}
    for level, size in sizes.items():
        (x,) = apart(np.ones(size // 4, dtype=np.float32))  # vectors that cross no line
        times = max(1, (1 << 22) // size)
        seconds = best_seconds(partial(access, x, times), total=0.1)
        result[level] = x.nbytes * times / seconds / 1e9
    return result


def math_ns(name, dtype):
    """Nanoseconds per element of a function."""
    n = L1_BYTES // np.dtype(dtype).itemsize // 2
    x = np.random.RandomState(0).uniform(-4, 4, n).astype(dtype)
    x, y = apart(x, x)
    none = x[:0]
    full = (name, x, y)
    return ns_each(testing.math, full, (name, none, none), n)


def activation_ns(name, dtype):
    """Nanoseconds per element of an activation, forward and backward."""
    k = 128
    shape = (L1_BYTES // np.dtype(dtype).itemsize // 2 // k, k)
    z = np.random.RandomState(0).uniform(-4, 4, shape).astype(dtype)
    a = np.full(shape, AT_ONE[name], dtype)
    z, a, delta = apart(z, a, z)
    db, none = np.zeros(k, dtype), z[:0]
    forward = ns_each(testing.activate, (name, z, k), (name, none, k), z.size)
    backward = ns_each(
        testing.activate_backward, (name, a, delta, db), (name, none, none, db), z.size
    )
    return forward + backward


def loss_ns(loss, k, dtype):
    """Nanoseconds per output of the loss and its delta, for rows of k outputs."""
    rows = max(1, L1_BYTES // np.dtype(dtype).itemsize // 2 // k)
    rng = np.random.RandomState(0)
    z = rng.normal(size=rows * k).astype(dtype)
    y = (rng.uniform(size=rows * k) > 0.5).astype(dtype)
    if loss == "log_loss":  # its targets are the numbers of the classes
        y = rng.randint(k, size=rows).astype(dtype)
    db, none = np.zeros(k, dtype), z[:0]
    full, empty = (loss, y, None, z, db), (loss, none, None, none, db)
    return ns_each(testing.loss_delta, full, empty, rows * k)


def update_ns(solver, dtype):
    """Nanoseconds per parameter of a step of Adam, or of SGD with momentum."""
    n_arrays = 4 if solver == "adam" else 3
    n = L1_BYTES // np.dtype(dtype).itemsize // n_arrays
    rng = np.random.RandomState(0)
    arrays = apart(*rng.uniform(0.5, 1, (n_arrays, n)).astype(dtype))
    none = [x[:0] for x in arrays]
    if solver == "adam":
        rest, face = (1.0, 1e-6, 1e-9, 0.9, 0.999, 1e-8), testing.adam_update
    else:
        rest, face = (1.0, 1e-6, 1e-9, 0.9, True), testing.sgd_update
    return ns_each(face, (*arrays, *rest), (*none, *rest), n)


def shuffle_ns():
    """Nanoseconds per row of the permutation that the same seed asks for."""
    rng, rows = np.random.RandomState(0), np.arange(10_000)
    return 1e9 * best_seconds(lambda: rng.shuffle(rows)) / len(rows)


def calibrate():
    """All constants of this process, as numbers and dictionaries."""
    caches = cache_bytes()
    return {
        "isa": kernels.isa,
        "cache_bytes": caches,
        "bandwidth": bandwidths(caches),
        "shuffle": shuffle_ns(),
        "by_dtype": {
            dtype: {
                "lanes": VECTOR_BYTES[kernels.isa] // np.dtype(dtype).itemsize,
                "peak": peak(dtype),
                "math": {f: math_ns(f, dtype) for f in ("exp", "tanh", "logistic")},
                "activation": {f: activation_ns(f, dtype) for f in AT_ONE},
                "update": {f: update_ns(f, dtype) for f in ("adam", "sgd")},
            }
            for dtype in DTYPES
        },
    }
