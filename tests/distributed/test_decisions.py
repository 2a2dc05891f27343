"""Decisions of rank 0 that all ranks follow: time, scores and callbacks."""

import time

import numpy as np
import pytest
import sklearn
from helpers.ranks import fit_ranks, flat, make_data, parts_of

from fastmlp import MLPClassifier
from fastmlp.distributed import fit_distributed, run_loopback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def have_the_same_end(models, reason):
    assert [model.stop_reason_ for model in models] == [reason] * len(models)
    for other in models[1:]:
        np.testing.assert_array_equal(flat(other), flat(models[0]))
        assert other.n_iter_ == models[0].n_iter_
        assert other.loss_ == models[0].loss_


def test_early_stopping_follows_rank_0():
    X, y, _ = make_data()
    model = MLPClassifier(
        (8,), random_state=0, early_stopping=True, n_iter_no_change=3, max_iter=100
    )
    seen = []
    models = fit_ranks(
        model, X, y, parts_of(len(X), 2), X_val=X, y_val=y, callback=seen.append
    )
    assert models[0].stop_reason_ == models[1].stop_reason_ == "early_stopping"
    assert len(seen) == models[1].n_iter_
    assert models[1].validation_scores_ == models[0].validation_scores_
    np.testing.assert_array_equal(flat(models[0]), flat(models[1]))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_max_time_stops_all_ranks(solver):
    X, y, _ = make_data()
    start = time.perf_counter()
    model = MLPClassifier(
        (8,),
        solver=solver,
        random_state=0,
        max_iter=10**6,
        max_fun=10**9,
        max_time=0.3,
        tol=0.0,
        n_iter_no_change=10**6,
    )
    models = fit_ranks(
        model, X, y, parts_of(len(X), 2), callback=lambda record: time.sleep(0.01)
    )
    have_the_same_end(models, "max_time")
    assert 0.3 < time.perf_counter() - start < 10


def test_max_time_is_that_of_rank_0():
    X, y, _ = make_data()

    def train(comm):
        seconds = None if comm.rank else 0.2
        model = MLPClassifier((8,), max_iter=10**6, max_time=seconds, random_state=0)
        model.set_params(tol=0.0, n_iter_no_change=10**6)
        rows = slice(comm.rank, None, 2)
        return fit_distributed(model, X[rows], y[rows], comm=comm)

    have_the_same_end(run_loopback(train, 2), "max_time")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_of_rank_0_stops_all_ranks(solver):
    X, y, _ = make_data()
    calls = []

    def train(comm):
        def callback(record):
            calls.append(comm.rank)
            copy = record.fitted_estimator()
            assert copy.predict(X).shape == y.shape
            assert copy.class_weight == "balanced" and "_total" not in vars(copy)
            if record.epoch == 4:
                record.stop("enough")

        model = MLPClassifier((8,), solver=solver, random_state=0, max_iter=50)
        model.set_params(class_weight="balanced")
        rows = slice(comm.rank, None, 3)
        return fit_distributed(model, X[rows], y[rows], comm=comm, callback=callback)

    models = run_loopback(train, 3)
    have_the_same_end(models, "callback")
    assert calls == [0] * 4 and models[0].n_iter_ == 4


needs_callbacks = pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9),
    reason="scikit-learn has callbacks from 1.9 on",
)


@needs_callbacks
def test_a_callback_of_scikit_learn_stops_all_ranks():
    X, y, _ = make_data()
    events = []

    class Stop:
        def setup(self, estimator, context):
            events.append("setup")

        def teardown(self, estimator, context):
            events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            events.append(f"{context.task_name} begins")

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            events.append(f"{context.task_name} ends")
            return context.task_name == "epoch" and context.task_id == 2

    def train(comm):
        model = MLPClassifier((8,), random_state=0).set_callbacks(Stop())
        rows = slice(comm.rank, None, 2)
        return fit_distributed(model, X[rows], y[rows], comm=comm)

    models = run_loopback(train, 2)
    have_the_same_end(models, "callback")
    epochs = 3 * ["epoch begins", "epoch ends"]
    assert events == ["setup", "fit begins", *epochs, "fit ends", "teardown"]
