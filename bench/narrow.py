"""Products beside narrow output layers: their times beside their limits.

``python bench/narrow.py [--rounds N] [--dtypes float32]`` times the three products of
an output layer of 1 to 8 units, one thread, with data that stay in the caches:
microseconds, and in brackets how many times the limit that is.  The limit is the longer
of the multiply-adds, with vectors filled along the better dimension, and of the bytes,
each read or written once, in the smallest cache that holds them: at its bandwidth of
reading, and at that of writing.  The first cache does both at a time, others one after
the other.  A figure marked ``s`` was measured beside a busy hyperthread, and has no
limit.
"""

from __future__ import annotations

import math
from itertools import product
from statistics import median

import numpy as np
from calibration import (
    LINE,
    VECTOR_BYTES,
    apart,
    bandwidths,
    best_seconds,
    cache_bytes,
    peak,
)
from cells import DTYPES
from front_end import of_this_core
from kinds import ALONE, Judge
from limit import padded_operations, smallest_cache
from machine import machine
from options import at_least_one, listed, parser_of

from fastmlp._core import kernels, testing

ROWS = (64, 256)
INPUTS = (64, 256)
UNITS = (1, 2, 5, 8)  # of the output layer
TRIES = 20  # of calibrating a core that nobody shares
SECONDS, OPERATIONS = 0.002, 1e6  # of a timing, and multiply-adds of a call
BAR = 2  # times the limit


def in_lines(values):
    """A copy whose rows are an odd number of cache lines, as in the core."""
    line = LINE // values.itemsize
    n_lines = -(-values.shape[1] // line) // 2 * 2 + 1
    return np.pad(values, ((0, 0), (0, n_lines * line - values.shape[1])))


def products(rows, inputs, units, dtype):
    """Name -> the arguments of ``testing.product``, placed as in a step.

    Whether the first factor is transposed, the factors, the summand, the result, and
    room for copies.
    """
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(size=shape).astype(dtype)

    a, w, delta = normal(rows, inputs), normal(inputs, units), normal(rows, units)
    work = testing.product_work(np.dtype(dtype))
    forward = apart(in_lines(a), w, delta)
    gradient = apart(in_lines(a), delta, w)
    back = apart(delta, w.T, a)
    return {
        "forward": (False, *forward[:2], normal(1, units), forward[2], work),
        "gradient": (True, *gradient[:2], None, gradient[2], work),
        "back": (False, *back[:2], None, back[2], work),
    }


def limit_us(shape, dtype, constants):
    """Microseconds that a product of shape (m, n) over k takes at the least."""
    m, n, k = shape
    itemsize = np.dtype(dtype).itemsize
    n_read, n_written = itemsize * (m * k + k * n), itemsize * m * n
    level = smallest_cache(n_read + n_written, constants["cache_bytes"])
    operations = padded_operations(m, n, k, VECTOR_BYTES[kernels.isa] // itemsize)
    reading = n_read / constants["reading"][level]
    writing = n_written / constants["writing"][level]
    moving = max(reading, writing) if level == 1 else reading + writing
    return max(operations / constants["peak"][dtype], moving) / 1e3


def calibrate(judge, dtypes):
    """Peaks and bandwidths, and the kind of the slice in which they were found."""
    sizes = cache_bytes()
    for _ in range(TRIES):
        before = of_this_core()
        constants = {
            "cache_bytes": sizes,
            "reading": bandwidths(sizes),
            "writing": bandwidths(sizes, testing.write),
            "peak": {dtype: peak(dtype) for dtype in dtypes},
        }
        kind = judge.kind([before, of_this_core()])
        if kind == ALONE:
            break
    return constants, kind


def timed(judge, case, times):
    """Microseconds of a product, and the kind of the slice."""
    before = of_this_core()
    seconds = best_seconds(lambda: testing.product(*case, times=times), SECONDS)
    return 1e6 * seconds / times, judge.kind([before, of_this_core()])


def figure(found, limit):
    """A cell of the table, and how many times the limit it is, or None."""
    alone = [us for us, kind in found if kind == ALONE]
    if not alone:
        return f"{median(us for us, _ in found):10.3f} us s    ", None
    us = median(alone)
    if limit is None:
        return f"{us:10.3f} us      ", None
    return f"{us:10.3f} us ({us / limit:.1f})", us / limit


def shapes(rows, inputs, units):
    """Name -> rows, columns and depth of the products."""
    return {
        "forward": (rows, units, inputs),
        "gradient": (inputs, units, rows),
        "back": (rows, inputs, units),
    }


def print_table(judge, dtype, rounds, constants):
    """Time the products in turn and print a table; no limits if constants is None."""
    sizes = list(product(ROWS, INPUTS, UNITS))
    cases = {
        (name, *size): case
        for size in sizes
        for name, case in products(*size, dtype).items()
    }
    found = {key: [] for key in cases}
    for _ in range(rounds):
        for (name, *size), case in cases.items():
            times = 1 + int(OPERATIONS / math.prod(size))
            found[name, *size].append(timed(judge, case, times))
    print(f"\n{dtype:24}" + "".join(f"{f'units: {n}':>20}" for n in UNITS))
    ratios = {}
    for name, rows, inputs in product(("forward", "gradient", "back"), ROWS, INPUTS):
        line = f"{name:8}{rows:4} rows,{inputs:4} inputs"
        for units in UNITS:
            size = rows, inputs, units
            limit = constants and limit_us(shapes(*size)[name], dtype, constants)
            text, ratio = figure(found[name, *size], limit)
            line += f"{text:>20}"
            if ratio is not None:
                ratios[name, *size] = ratio
        print(line, flush=True)
    if ratios:
        worst = max(ratios, key=ratios.get)
        within = sum(ratio <= BAR for ratio in ratios.values())
        print(
            f"at most {BAR} times the limit: {within} of {len(ratios)}; "
            f"most {ratios[worst]:.1f} ({', '.join(map(str, worst))})"
        )


def main(argv=None):
    """Print the tables."""
    parser = parser_of("narrow.py", __doc__)
    parser.add_argument("--rounds", type=at_least_one, default=9)
    parser.add_argument("--dtypes", type=listed(DTYPES), default=list(DTYPES))
    chosen = parser.parse_args(argv)
    for name, value in machine().items():
        print(f"{name:>16}: {value}")
    judge = Judge()
    constants, kind = calibrate(judge, chosen.dtypes)
    if kind != ALONE:
        print("SHARED: no calibration was alone on its core, so there are no limits")
        constants = None
    for dtype in chosen.dtypes:
        print_table(judge, dtype, chosen.rounds, constants)


if __name__ == "__main__":
    main()
