"""Training over several ranks: the model of one process, bit for bit on all ranks."""

import warnings

import numpy as np
import pytest
from helpers.ranks import SHARE, fit_ranks, flat, make_data, parts_of
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp.distributed import fit_distributed, run_loopback
from fastmlp.distributed.group import Group

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SETTINGS = [
    {"solver": "adam"},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    {"solver": "nadam", "weight_averaging": "ema", "max_grad_norm": 0.5},
    {"solver": "adam", "weight_averaging": ("swa", 0.5), "weight_decay": 0.01},
    {"solver": "rmsprop", "l1": 1e-4, "learning_rate_factors": [0.0, 1, 1]},
    {"solver": "lbfgs"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s)))
@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_several_ranks_train_the_model_of_one(kind, settings, size):
    X, labels, numbers = make_data()
    y = labels if kind is MLPClassifier else numbers
    weight = np.random.RandomState(1).uniform(0.5, 2, len(X))
    model = kind(
        hidden_layer_sizes=(8, 5),
        batch_size=SHARE * size,
        shuffle=False,
        max_iter=5,
        random_state=0,
        alpha=0.01,
        **settings,
    )
    alone = kind(**model.get_params()).fit(X, y, weight)
    models = fit_ranks(model, X, y, parts_of(len(X), size), weight)
    np.testing.assert_allclose(flat(models[0]), flat(alone), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(models[0].loss_, alone.loss_, rtol=1e-9)
    if settings["solver"] != "lbfgs":
        curve = models[0].loss_curve_
        np.testing.assert_allclose(curve, alone.loss_curve_, rtol=1e-9)
    for other in models[1:]:
        np.testing.assert_array_equal(flat(other), flat(models[0]))
        assert other.loss_ == models[0].loss_
        assert other.n_iter_ == models[0].n_iter_


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("standardize", [False, True])
def test_one_rank_gives_the_bits_of_fit(solver, standardize, dtype):
    X, y, _ = make_data(dtype=dtype)
    settings = {"batch_size": 50, "max_iter": 4, "dropout": 0.2}
    if solver == "lbfgs":
        settings = {"max_iter": 10}
    model = MLPClassifier(
        (8,), solver=solver, random_state=3, standardize_X=standardize, **settings
    )
    alone = MLPClassifier(**model.get_params()).fit(X, y)
    (only,) = fit_ranks(model, X, y, [slice(None)])
    np.testing.assert_array_equal(flat(only), flat(alone))
    assert only.loss_ == pytest.approx(alone.loss_, rel=1e-6)


def test_statistics_are_those_of_all_ranks():
    X, _, y = make_data()
    X = X * [1, 10, 100, 1, 1, 0] + [0, 5, 500, 0, 0, 7]
    model = MLPRegressor(
        hidden_layer_sizes=(8,),
        batch_size=40,
        shuffle=False,
        max_iter=5,
        random_state=0,
        standardize_X=True,
        standardize_y=True,
    )
    alone = MLPRegressor(**model.get_params()).fit(X, y)
    models = fit_ranks(model, X, y, parts_of(len(X), 4))
    np.testing.assert_allclose(models[2].predict(X), alone.predict(X), rtol=1e-7)


def test_shuffled_ranks_repeat_and_learn():
    X, y, _ = make_data()
    model = MLPClassifier((8,), random_state=0, max_iter=60, learning_rate_init=0.02)
    parts = [slice(0, 30), slice(30, 101), slice(101, None)]  # unequal
    first, second = (fit_ranks(model, X, y, parts) for _ in range(2))
    np.testing.assert_array_equal(flat(first[0]), flat(second[1]))
    assert first[0].score(X, y) > 0.95


def test_ranks_that_lack_classes():
    X, y, _ = make_data()
    y = np.array(["a", "bc", "def"])[y]
    order = np.argsort(y)
    model = MLPClassifier((8,), random_state=0, max_iter=60, learning_rate_init=0.02)
    models = fit_ranks(model, X[order], y[order], np.array_split(np.arange(len(y)), 3))
    assert [list(m.classes_) for m in models] == [["a", "bc", "def"]] * 3
    assert models[0].score(X, y) > 0.9


def test_more_batches_than_rows_of_a_rank():
    X, y, _ = make_data()
    model = MLPClassifier((8,), random_state=0, max_iter=3, batch_size=10)
    models = fit_ranks(model, X, y, [slice(0, 3), slice(3, None)])
    assert models[0].t_ == 3 * len(X)


def test_divergence_goes_back_on_all_ranks():
    X, _, y = make_data()
    model = MLPRegressor(
        hidden_layer_sizes=(8,),
        solver="sgd",
        learning_rate_init=1e5,
        on_divergence="reduce_lr",
        random_state=0,
        max_iter=12,
    )
    models = fit_ranks(model, X, y, parts_of(len(X), 2))
    assert np.isfinite(flat(models[0])).all()
    np.testing.assert_array_equal(flat(models[0]), flat(models[1]))


def test_warm_start_goes_on():
    X, y, _ = make_data()
    parts = parts_of(len(X), 2)

    def train(comm):
        model = MLPClassifier((8,), random_state=0, max_iter=3, warm_start=True)
        for _ in range(2):
            rows = parts[comm.rank]
            fit_distributed(model, X[rows], y[rows], comm=comm)
        return model

    first, second = run_loopback(train, 2)
    assert len(first.loss_curve_) == 6
    np.testing.assert_array_equal(flat(first), flat(second))
    assert second.partial_fit(X, y).t_ == first.partial_fit(X, y).t_


def test_ranks_do_not_warn_of_what_one_of_them_sees():
    X, y, _ = make_data()
    order = np.argsort(y)
    model = MLPClassifier((8,), random_state=0, max_iter=100, tol=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        fit_ranks(model, X[order], y[order], [slice(0, 120), slice(120, None)])


def test_the_arrays_of_rank_0_arrive_bit_for_bit():
    values = np.array([1.5, -0.0, 0.0, np.inf, np.nan, -1e-320])

    def take(comm):
        array = values.copy() if comm.rank == 0 else np.full(6, 7.0)
        Group(comm).take_from_leader(array)
        return array.tobytes()

    assert set(run_loopback(take, 3)) == {values.tobytes()}
