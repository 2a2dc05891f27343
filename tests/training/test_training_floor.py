"""Training without an estimator: a plan and plain data in, weights and a record out."""

from dataclasses import FrozenInstanceError, asdict, replace

import numpy as np
import pytest

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core.network import Data, Network, Objective
from fastmlp._data.split import Samples
from fastmlp._mlp.fitting import FitOptions
from fastmlp._mlp.planning import plan_of
from fastmlp._training.epochs import fit_stochastic
from fastmlp._training.lbfgs import fit_lbfgs
from fastmlp._training.progress import Lines, Silence, reporter
from fastmlp._training.record import COLUMNS, Record, as_arrays
from fastmlp._training.schedules import Progress, schedule
from fastmlp._training.task import Task

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.RandomState(0)
X, Y = RNG.randn(60, 4), RNG.randn(60, 2)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_task_of_plain_data(solver):
    """It gives the bits of a fit that starts from the same weights."""
    params = {"solver": solver, "hidden_layer_sizes": (5,), "max_iter": 7}
    regr = MLPRegressor(random_state=1, **params)
    plan = plan_of(regr, FitOptions(), 2)
    network = Network((4, 5, 2), [("relu", 0.0)], Objective("squared_error"))
    weights = RNG.uniform(-0.5, 0.5, network.n_params)
    coefs, intercepts = ([w.copy() for w in part] for part in network.split(weights))
    record = Record(loss_curve=[], best_loss=np.inf)
    if solver == "lbfgs":
        record = Record()
    generator = np.random.RandomState(1)
    # an estimator draws its weights from the same generator before the order of rows
    for shape in ((4, 5), 5, (5, 2), 2):
        generator.uniform(size=shape)
    samples = Samples(X, Y)
    task = Task(plan, network, weights, samples, Data(*samples), record, generator)
    (fit_lbfgs if solver == "lbfgs" else fit_stochastic)(task)
    regr.fit(X, Y, coefs_init=coefs, intercepts_init=intercepts)
    for ours, theirs in zip(network.split(weights), (regr.coefs_, regr.intercepts_)):
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a, b)
    assert record.loss == regr.loss_
    assert record.n_iter == regr.n_iter_ == 7
    assert record.stop_reason == regr.stop_reason_ == "max_iter"
    if solver != "lbfgs":
        assert record.loss_curve == regr.loss_curve_
        assert (record.t, record.best_loss) == (regr.t_, regr.best_loss_)
    np.testing.assert_array_equal(
        as_arrays(record.history)["loss"], regr.history_["loss"]
    )


def test_a_plan_does_not_change():
    plan = plan_of(MLPClassifier(alpha=1, batch_size=7), FitOptions(), 2)
    assert (plan.alpha, plan.batch_size, plan.is_stochastic) == (1.0, 7, True)
    with pytest.raises(FrozenInstanceError):
        plan.alpha = 2.0
    assert replace(plan, n_epochs=3).n_epochs == 3
    assert plan.scales_targets is None
    assert plan_of(MLPRegressor(), FitOptions(), 2).scales_targets is False


@pytest.mark.parametrize(
    ("asked", "resolved"),
    [(None, None), ("ema", ("ema", 0.999)), (("swa", 0.5), ("swa", 0.5))],
)
def test_the_average_of_a_plan(asked, resolved):
    plan = plan_of(MLPRegressor(weight_averaging=asked), FitOptions(), 2)
    assert plan.averaging == resolved


def test_a_record_goes_through_a_checkpoint():
    record = Record(1.5, 2, 80, 1, 1.25, None, [2.0, 1.5])
    record.history = [(2.0, 0.0, 0.0, 0.1, 0.0), (1.5, 0.0, 0.0, 0.1, 0.0)]
    content = record.content()
    assert content["history"].shape == (2, len(COLUMNS))
    other = Record(loss_curve=[])
    other.restore(content)
    assert asdict(other) == asdict(record)


def test_an_epoch_that_was_not_entered_as_a_whole_is_struck_out():
    record = Record(loss_curve=[3.0], history=[(3.0,)], n_iter=1)
    lengths = record.lengths()
    record.loss_curve.append(2.0)
    record.n_iter += 1
    record.cut(lengths)
    assert (record.n_iter, record.loss_curve) == (1, [3.0])
    record.loss_curve.append(2.0)
    record.history.append((2.0,))
    record.n_iter += 1
    record.cut(lengths)  # the row is there: it is whole
    assert (record.n_iter, record.loss_curve) == (2, [3.0, 2.0])


@pytest.mark.parametrize("name", ["cosine", "one_cycle", "warmup_cosine"])
def test_a_schedule_between_two_epochs(name):
    """It is a function of the progress, and its values lie between those of epochs."""
    rate, n = schedule(name, 0.5), 40
    whole = np.array([rate(Progress(epoch, n)) for epoch in range(n + 1)])
    for epoch in range(n):
        between = rate(Progress(epoch + 0.5, n))
        low, high = sorted(whole[epoch : epoch + 2])
        # at the top of a cycle it may be a little higher than at both epochs
        assert low - 1e-12 <= between <= max(high, 0.5) + 1e-12
    assert Progress(10, n).t == 0.25
    assert rate(Progress(n, n)) == rate(Progress(n + 5, n))


def test_schedules_that_watch_the_loss_are_no_functions():
    for name in ("constant", "invscaling", "adaptive", "plateau"):
        assert schedule(name, 0.1) is None


def test_reporters(capsys):
    assert type(reporter(False, 3)) is Silence
    assert type(reporter(True, 3)) is Lines
    reporter(False, 3).say("nothing")
    assert capsys.readouterr().out == ""
