"""Training: a whole fit of a few epochs, checks of the input included."""

import pytest
from common import CELLS, DTYPES, OPPONENTS, make_data

EPOCHS = 3


@pytest.mark.parametrize("opponent", OPPONENTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_fit(per_unit, benchmark, cell, dtype, opponent):
    benchmark.group = f"fit of {EPOCHS} epochs: {cell}, {dtype}"
    X, y = make_data(cell.n, cell.p, cell.classes, dtype)
    per_unit(
        OPPONENTS[opponent],
        cell,
        X,
        y,
        EPOCHS,
        units=EPOCHS,
        unit="ms per epoch",
        rounds=3,
        warmup_rounds=1,
    )
