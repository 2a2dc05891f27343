"""An error of one rank ends the fit on all of them, with a message that says why."""

import math

import numpy as np
import pytest

from fastmlp import Loss, MLPRegressor, TabularMLPRegressor
from fastmlp.distributed import RankError, fit_distributed, holdout, run_loopback

SIZE, FAULTY = 3, 1


def run(change, model=None, **options):
    """The error of each rank; ``change`` alters the arguments of one of them."""

    def train(comm):
        rng = np.random.RandomState(comm.rank)
        call = {
            "estimator": model
            or MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0),
            "X": rng.randn(30, 5),
            "y": rng.randn(30),
            **options,
        }
        if model is not None:
            call["estimator"] = type(model)(**model.get_params())
        if comm.rank == FAULTY:
            change(call)
        return fit_distributed(**call, comm=comm)

    results = run_loopback(train, SIZE, timeout=20)
    assert all(isinstance(result, Exception) for result in results), results
    return results


AGREED = {
    "columns": (lambda c: c.update(X=c["X"][:, 1:]), "different columns in X: 5 on"),
    "targets": (
        lambda c: c.update(y=np.zeros((30, 2))),
        "different columns in y: 1 on rank 0, 2 on rank 1",
    ),
    "rows": (lambda c: c.update(X=c["X"][:0], y=c["y"][:0]), "rank 1 has no rows"),
    "dtype": (
        lambda c: c.update(X=c["X"].astype(np.float32)),
        "different dtype of X: float64 on rank 0, float32 on rank 1",
    ),
    "parameters": (
        lambda c: c.update(estimator=MLPRegressor(hidden_layer_sizes=(5,), max_iter=3)),
        r"different parameters: hidden_layer_sizes=\(4,\) on rank 0, \(5,\) on rank 1",
    ),
}


@pytest.mark.parametrize("fault", AGREED)
def test_ranks_that_do_not_go_together(fault):
    change, message = AGREED[fault]
    for error in run(change):
        with pytest.raises(ValueError, match=message):
            raise error


def nan_row(call):
    call["X"][3, 2] = np.nan


@pytest.mark.parametrize("faulty_is_leader", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_rank_with_bad_data(solver, faulty_is_leader, monkeypatch):
    monkeypatch.setattr(f"{__name__}.FAULTY", 0 if faulty_is_leader else 1)
    errors = run(
        nan_row, MLPRegressor(hidden_layer_sizes=(4,), solver=solver, max_iter=3)
    )
    for rank, error in enumerate(errors):
        if rank == FAULTY:
            assert type(error) is ValueError and "NaN" in str(error)
        else:
            assert isinstance(error, RankError) and error.rank == FAULTY
            assert f"as rank {FAULTY} failed: ValueError: " in str(error)
            assert "NaN" in str(error)


class Broken:
    """A loss that works for some calls, once that is asked for."""

    n_left, error = math.inf, ZeroDivisionError("no more calls")

    def __call__(self, y, z):
        self.n_left -= 1
        if self.n_left < 0:
            self.n_left = math.inf
            raise self.error
        return 0.5 * (z - y) ** 2

    @staticmethod
    def gradient(y, z):
        return z - y


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_rank_that_raises_in_a_step(solver, rank, monkeypatch):
    monkeypatch.setattr(f"{__name__}.FAULTY", rank)

    def change(call):
        value = Broken()
        call["estimator"].loss = Loss(value, Broken.gradient, name="breaks")
        value.n_left = 6

    loss = Loss(Broken(), Broken.gradient, name="works")
    settings = {"hidden_layer_sizes": (4,), "solver": solver, "max_iter": 50}
    errors = run(change, MLPRegressor(loss=loss, **settings))
    for number, error in enumerate(errors):
        if number == FAULTY:
            assert isinstance(error, ZeroDivisionError)
        else:
            assert isinstance(error, RankError) and error.rank == FAULTY
            assert "ZeroDivisionError: no more calls" in str(error)


def test_a_callback_that_raises_on_rank_0():
    def callback(record):
        raise KeyError("from the callback")

    errors = run(lambda c: None, callback=callback)
    assert isinstance(errors[0], KeyError)
    assert all(isinstance(error, RankError) for error in errors[1:])


def test_a_failed_fit_leaves_the_model():
    rng = np.random.RandomState(0)
    X, y = rng.randn(30, 5), rng.randn(30)
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    with pytest.warns(Warning):
        model.fit(X, y)
    before = model.predict(X)

    def train(comm):
        mine = model if comm.rank else MLPRegressor(hidden_layer_sizes=(4,), max_iter=3)
        return fit_distributed(mine, X, y if comm.rank else y * np.nan, comm=comm)

    run_loopback(train, 2)
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("n_calls", [12, 13])
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_ctrl_c_in_a_step_or_a_validation(n_calls, solver, rank):
    """Each epoch calls the loss for its batch; on rank 0 for the validation too."""
    X, y = np.random.RandomState(0).randn(30, 5), np.arange(30.0)

    def train(comm):
        value = Broken()
        value.error = KeyboardInterrupt()
        loss = Loss(value, Broken.gradient, name="breaks")
        value.n_left = n_calls if comm.rank == rank else math.inf
        model = MLPRegressor(loss=loss, hidden_layer_sizes=(4,), random_state=0)
        model.set_params(solver=solver, validation_split=0.2, max_iter=60)
        return fit_distributed(model, X, y, comm=comm)

    models = run_loopback(train, 3, timeout=20)
    assert [model.stop_reason_ for model in models] == ["interrupted"] * 3
    for other in models[1:]:
        np.testing.assert_array_equal(models[0].predict(X), other.predict(X))


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_ctrl_c_while_a_rank_predicts(solver, rank, monkeypatch):
    X, y = np.random.RandomState(0).randn(30, 5), np.arange(30.0)
    predict, n_left = holdout.predict, {0: 3, 1: 3}

    def interrupted(network, data, layers, rows, activated):
        of_rank = len(rows) - 2
        n_left[of_rank] -= of_rank == rank
        if n_left[of_rank] < 0:
            raise KeyboardInterrupt
        return predict(network, data, layers, rows, activated)

    monkeypatch.setattr(holdout, "predict", interrupted)

    def train(comm):
        split = [3, 5, 7][: 2 + comm.rank]
        model = MLPRegressor(hidden_layer_sizes=(4,), random_state=0, max_iter=60)
        model.set_params(solver=solver, validation_split=split)
        return fit_distributed(model, X, y, comm=comm)

    models = run_loopback(train, 2, timeout=20)
    assert [model.stop_reason_ for model in models] == ["interrupted"] * 2
    assert [model.n_iter_ for model in models] == [3, 3]
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(X))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_interrupt_keeps_the_model_on_all_ranks():
    X, y = np.random.RandomState(0).randn(30, 5), np.arange(30.0)

    def callback(record):
        if record.epoch == 3:
            raise KeyboardInterrupt

    def train(comm):
        model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=100, random_state=0)
        return fit_distributed(model, X, y, comm=comm, callback=callback)

    models = run_loopback(train, 2)
    assert [m.stop_reason_ for m in models] == ["interrupted"] * 2
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(X))


def test_wrong_arguments():
    with pytest.raises(TypeError, match="got TabularMLPRegressor"):
        fit_distributed(TabularMLPRegressor(), [[0.0]], [0.0])
    with pytest.raises(TypeError, match="comm must be a communicator of mpi4py"):
        fit_distributed(MLPRegressor(), [[0.0]], [0.0], comm=3)
