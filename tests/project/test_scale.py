"""The benchmark of several machines: averages, its model, and a short run."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"
if not BENCH.is_dir():
    pytest.skip("the folder bench is not here", allow_module_level=True)

sys.path.insert(0, str(BENCH))  # as for its scripts, and for these imports only
import scale
from local_sgd import Recipe, averaged, one_pass, one_round, shard

sys.path.remove(str(BENCH))


def test_averages_weigh_rows():
    def result(value, n_rows):
        return [np.full(3, value)], {"moments": [np.full(3, 2 * value)]}, n_rows, 0.0

    weights, state = averaged([result(1.0, 1), result(4.0, 2)])
    np.testing.assert_allclose(weights[0], 3.0)
    np.testing.assert_allclose(state["moments"][0], 6.0)


def test_one_shard_is_partial_fit():
    X, y, *_ = scale.made(500)
    with scale.on_disk(X, y) as folder:
        state, _ = one_round(map, folder, 1, (None, None), (0, 0))
        shard.cache_clear()
    alone = Recipe().model().partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_array_equal(state[0][0], alone.coefs_[0])


def test_rounds_of_some_steps_see_every_row_once():
    """With one shard the rounds are the batches of one pass, in one order."""
    X, y, *_ = scale.made(900)
    recipe = Recipe("sgd", 0.1, sync_every=2)
    assert recipe.n_rounds(900, 1) == 3 and recipe.n_rounds(900, 2) == 3
    with scale.on_disk(X, y) as folder:
        state, seconds = one_pass(map, folder, 1, 900, (None, None), 0, recipe)
        shard.cache_clear()
    order = np.random.RandomState([0, 0]).permutation(900)
    alone = recipe.model().partial_fit(X[order], y[order], classes=np.unique(y))
    np.testing.assert_allclose(state[0][0], alone.coefs_[0], rtol=1e-6)
    assert seconds > 0


def test_batches_of_a_shard():
    assert Recipe().model().batch_size == 200
    model = Recipe().model(n_shards=8)
    assert model.batch_size == 25
    assert model.learning_rate_init == pytest.approx(0.001 * 8**0.5)
    assert Recipe("sgd").model(n_shards=8).learning_rate_init == 0.001
    assert Recipe().model(n_shards=100).batch_size == 8
    assert Recipe(batches="own").model(n_shards=8).batch_size == 200


def test_a_shard_without_rows_left_has_no_part_in_a_round():
    X, y, *_ = scale.made(401)
    recipe = Recipe(sync_every=1)
    with scale.on_disk(X, y) as folder:  # 201 rows and 200 in batches of 100
        start, _ = one_round(map, folder, 2, (None, None), (0, 0), recipe)
        last = 0, 2
        state, seconds = one_round(map, folder, 2, start, last, recipe)
        shard.cache_clear()
    assert seconds[0] > 0 and seconds[1] == 0
    assert not np.array_equal(state[0][0], start[0][0])


def test_the_model_of_more_workers():
    figures = {"busy_1": 0.5, "c": 0.01, "bandwidth": 8e6}
    model = scale.modelled(figures, 1000)
    assert model[1] == pytest.approx(1 + 0.01 + 0.001)
    assert model[4] == pytest.approx(0.25 + 0.01 + 0.004)


def test_a_short_run(tmp_path, capsys):
    X, y, X_test, y_test = scale.made(400)
    np.savez(tmp_path / "small.npz", X_train=X, y_train=y, X_test=X_test, y_test=y_test)
    arguments = f"--data {tmp_path}/small.npz --passes 2 --shards 2 --skip times"
    arguments += " --solver sgd --rate 0.1 --sync-every 1"
    found = tmp_path / "found.json"
    assert scale.main([*arguments.split(), "--results", str(found)]) == 0
    assert "small: test accuracy after 2 passes" in capsys.readouterr().out
    assert set(json.loads(found.read_text())["sets"]["small"]) == {"1", "2"}


def test_text_and_picture(tmp_path):
    pytest.importorskip("matplotlib")
    figures = {"busy_1": 0.5, "busy_2": 0.5, "wall_1": 1.0, "wall_2": 0.6}
    figures |= {"c": 0.01, "bandwidth": 1e8, "efficiency": 0.83}
    model = scale.modelled(figures, 10_000)
    text = scale.text_of_times(figures, {1000: {"threads": 1, "workers": 2}}, model)
    assert "efficiency 0.83" in text and "not measured" in text
    scale.picture(figures, model, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_short_run_of_tables(tmp_path, capsys):
    pytest.importorskip("distributed")
    sys.path.insert(0, str(BENCH))
    import scale_tables

    sys.path.remove(str(BENCH))
    found = tmp_path / "found.json"
    arguments = f"--rows 400 --epochs 2 --units 8 --shards 2 --results {found}"
    assert scale_tables.main(arguments.split()) == 0
    assert "regression (R2), 2 shards" in capsys.readouterr().out
    assert set(json.loads(found.read_text())["four classes (accuracy)"]) == {"1", "2"}
