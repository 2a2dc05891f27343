"""About how long a run takes, before anything is measured."""

from __future__ import annotations

from limit import epoch_flops
from opponents import competes

# Rough seconds: of a step beyond its arithmetic, of an operation, and of first calls.
STEP = {
    "fastmlp": 2e-6, "scikit-learn": 3e-4, "torch": 3e-4, "torch-compile": 2e-4,
    "jax": 3e-5,
}  # fmt: skip
FIRST = {"torch-compile": 25.0, "jax": 8.0}
OPERATION = {"float32": 2e-11, "float64": 4e-11}
PARTS = {"iris": 20, "import": 60, "kernels": 300}


def seconds(cells, dtypes, threads, names, rounds, target):
    """Seconds that the cells take."""
    total = 5.0 * len(names) * len(threads)
    for cell in cells:
        for dtype in dtypes:
            for name in names:
                if not competes(name, cell):
                    continue
                epoch = STEP[name] * len(cell.batches)
                epoch += OPERATION[dtype] * epoch_flops(cell)
                timed = max(1.3 * target, 3 * epoch)
                first = FIRST.get(name, 0.5) + 6 * epoch
                total += len(threads) * (rounds * timed + first)
    return total
