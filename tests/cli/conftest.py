"""Fixtures of the tests of the command line."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

pd = pytest.importorskip("pandas")


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of BLAS only cost time on data this small."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def frame():
    """Columns of every kind, with missing cells, and targets of every kind."""
    rng = np.random.RandomState(0)
    n = 90
    x, colour = rng.normal(size=n), rng.choice(["red", "green", "blue"], n)
    frame = pd.DataFrame(
        {
            "x": x,
            "count": rng.poisson(3, n),
            "colour": colour.astype(object),
            "flag": rng.normal(size=n) > 0,
            "identifier": [f"row {i}" for i in range(n)],
            "constant": 7,
            "nothing": np.nan,
            "price": 2.5 * x + rng.normal(size=n),
            "visits": rng.permutation(n),
            "answer": np.where(x > 0, "yes", "no"),
            "grade": rng.randint(1, 5, n),
            "label_a": (x > 0.2).astype(int),
            "label_b": rng.randint(0, 2, n),
        }
    )
    frame.loc[::7, "x"] = np.nan
    frame.loc[::5, "colour"] = None
    return frame


@pytest.fixture
def path(frame, tmp_path):
    """The table as CSV."""
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    return str(path)
