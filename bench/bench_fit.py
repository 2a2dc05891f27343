"""Small whole fits: 3 epochs, checks of the input included."""

import pytest
from cells import CELLS, DTYPES, IRIS
from opponents import REFERENCE, SUBJECT, contestant

EPOCHS = 3
SMALL = [cell for cell in CELLS if cell.n <= 2000 and cell.solver != "lbfgs"]


@pytest.mark.parametrize("opponent", [SUBJECT, REFERENCE])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", [IRIS, *SMALL], ids=lambda cell: cell.name)
def test_fit(per_unit, benchmark, cell, dtype, opponent):
    benchmark.group = f"fit of {EPOCHS} epochs: {cell.name} ({cell}), {dtype}"
    fit = contestant(opponent)(cell, dtype, threads=1)
    _, losses = per_unit(
        fit.train,
        EPOCHS,
        units=EPOCHS,
        unit="ms per epoch",
        rounds=20,
        warmup_rounds=2,
    )
    assert len(losses) == EPOCHS
