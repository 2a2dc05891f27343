"""Batches and rates of shards, which together are those of one machine."""

import pytest

pytest.importorskip("distributed")
from fastmlp._training.regularization import Regularization
from fastmlp.dask.batches import of_shards
from fastmlp.dask.training import Setting

PENALTIES = Regularization(0.0, (), 0.0, 0.3, 0.5, 0.0, 0.0, None)


def setting(batch_size):
    return Setting(None, PENALTIES, batch_size, 0.8, None)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lion"])
@pytest.mark.parametrize("n_train", [[1000], [0, 1000, 0]])
def test_one_shard_is_one_machine(solver, n_train):
    assert of_shards(setting(40), solver, n_train) == setting(40)
    assert of_shards(setting(None), solver, n_train) == setting(200)


@pytest.mark.parametrize(
    ("solver", "factor", "weight_decay", "l1"),
    [
        ("sgd", 1.0, 0.3, 0.5),
        ("adam", 2.0, 0.15, 0.5),
        ("nadam", 2.0, 0.15, 0.5),
        ("lion", 2.0, 0.15, 0.25),
    ],
)
def test_four_shards(solver, factor, weight_decay, l1):
    found = of_shards(setting(None), solver, [100] * 4)
    assert found.batch_size == 50
    assert found.alpha == pytest.approx(0.2)
    assert found.rate_factor == factor
    assert found.regularization.weight_decay == pytest.approx(weight_decay)
    assert found.regularization.l1 == pytest.approx(l1)


@pytest.mark.parametrize(
    ("batch_size", "n_train", "expected"),
    [
        (None, [300, 100], 150),  # the largest has the steps of one machine
        (None, [10, 10], 10),
        (200, [1000] * 100, 8),
        (4, [1000] * 100, 4),
        (2000, [1000] * 100, 20),
    ],
)
def test_rows_of_a_batch(batch_size, n_train, expected):
    found = of_shards(setting(batch_size), "adam", n_train)
    assert found.batch_size == expected
