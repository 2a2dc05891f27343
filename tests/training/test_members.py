"""Networks that train side by side: each as if it were alone, judged by their mean."""

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from fastmlp import MLPClassifier
from fastmlp._core.layout import layout_of
from fastmlp._core.network import Data, Network
from fastmlp._core.prediction import predict
from fastmlp._core.solvers import Epoch
from fastmlp._data.split import Samples
from fastmlp._mlp.fitting import FitOptions
from fastmlp._mlp.planning import plan_of
from fastmlp._training.epochs import run_epochs
from fastmlp._training.members import (
    Curves,
    Members,
    MembersHoldout,
    MembersOrder,
    MembersTask,
    steps_per_epoch,
)
from fastmlp._training.optimizers import OPTIMIZERS
from fastmlp._training.record import Record

N, BATCH, KEY = 150, 32, [5, 9]
# The second has rows for 3 batches only, so all take 3 steps an epoch.
ROWS = [np.arange(130), np.arange(22, 140), np.arange(10, 140)]
DROPOUT = (0.0, 0.3)
N_EPOCHS = 3

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 5)), RNG.integers(3, size=(N, 1)).astype(float)
NETWORK = Network((5, 8, 3), [("selu", 0.0)], "log_loss")
START = RNG.normal(scale=0.5, size=(3, NETWORK.n_params))


def make_task(rows=ROWS, holdout=None, X=X, y=Y, **settings):
    """A task over the rows, with weights of its own"""
    settings = {"batch_size": BATCH, "beta_2": 0.95, **settings}
    clf = MLPClassifier(
        dropout=DROPOUT, weight_decay=0.01, alpha=0.001,
        n_iter_no_change=1000, tol=0.0, max_iter=N_EPOCHS,
        early_stopping=holdout is not None, **settings,
    )  # fmt: skip
    plan = replace(plan_of(clf, FitOptions(), 2), is_scheduled=True)
    record = Record(loss_curve=[], best_loss=np.inf)
    if holdout is not None:
        record.best_loss, record.best_score = None, -np.inf
        record.validation_scores, record.validation_losses = [], []
    params = START[: len(rows)].ravel().copy()
    samples = Samples(X, y)
    return MembersTask(
        plan, NETWORK, params, samples, Data(*samples), record,
        np.random.RandomState(0), rows=rows, holdout=holdout,
    )  # fmt: skip


N_STEPS = N_EPOCHS * 3


def make_curves():
    """Values of all steps"""
    return Curves(
        N_STEPS,
        lambda t: 0.05 * (1 - t / 2),
        lambda t: 0.02 * (1 - t),
        lambda t: np.multiply.outer(1 - t, DROPOUT),
        np.geomspace(1e-8, 1e-4, N_STEPS),
    )


def make_members(task, curves=None, n_threads=1):
    """The members, and the optimizer with the moments of all"""
    optimizer = OPTIMIZERS["adam"].from_settings(
        task.plan.steps, len(task.params), task.params.dtype
    )
    optimizer.noise_seed = KEY
    curves = make_curves() if curves is None else curves
    layout = layout_of(task.network)
    return Members(task, optimizer.moments, layout, curves, n_threads), optimizer


def orders_of(epoch, rows=ROWS):
    """Permutations for an epoch, of each member"""
    rng = np.random.default_rng(epoch)
    return [rng.permutation(of_member).astype(np.intp) for of_member in rows]


def run(task, n_threads=1, n_epochs=N_EPOCHS):
    """Epochs as run_epochs leads them, without a judge"""
    members, optimizer = make_members(task, n_threads=n_threads)
    for epoch in range(n_epochs):
        optimizer.prepare(members)
        members.seed(KEY)
        members.run(orders_of(epoch), None, np.inf)
        optimizer.epoch_ends(members, 0)
    return members


def single_run(member):
    """The weights of a member that trains alone, one step at a time"""
    params, data = START[member].copy(), Data(X, Y)
    moments = [np.zeros_like(params), np.zeros_like(params)]
    epoch = Epoch(NETWORK, data, params, moments, BATCH, 0.001, 1, dropout=DROPOUT)
    epoch.seed((KEY[0], KEY[1] + member))
    epsilons = np.geomspace(1e-8, 1e-4, N_STEPS)
    for step, t in enumerate(np.arange(N_STEPS) / N_STEPS):
        rate, decay = 0.05 * (1 - t / 2), 0.02 * (1 - t)
        epoch.use("adam", rate, step, beta_1=0.9, beta_2=0.95, epsilon=epsilons[step])
        epoch.regularize(weight_decay=decay)
        epoch.vary(dropout=np.multiply.outer([1 - t], DROPOUT))
        order = orders_of(step // 3)[member]
        at = step % 3 * BATCH
        epoch.run(np.ascontiguousarray(order[at : at + BATCH]))
    return params


@pytest.fixture
def joins_threads():
    """Checks that a test leaves no thread behind"""
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_members_equal_single_runs(n_threads, joins_threads):
    """Curves are handed step by step, seeds differ, and a short batch is left out."""
    task = make_task()
    members = run(task, n_threads)
    for member, params in enumerate(task.members()):
        np.testing.assert_array_equal(params, single_run(member))
    assert members.t == N_STEPS
    assert [epoch.t for epoch in members.epochs] == [N_STEPS] * 3
    assert members.rows_done == members.rows_counted == 3 * BATCH
    assert members.loss == np.mean([epoch.loss for epoch in members.epochs])


def test_fewer_rows_than_a_batch():
    rows = [np.arange(20, dtype=np.intp)] * 2
    task = make_task(rows, batch_size=20)
    members, optimizer = make_members(task, Curves(1, np.ones_like, np.zeros_like))
    optimizer.prepare(members)
    members.run(orders_of(0, rows), None, np.inf)
    assert [epoch.rows_done for epoch in members.epochs] == [20, 20]
    assert steps_per_epoch(rows, 32) == 1


def test_orders_are_shuffled_for_each_member():
    rows = [np.arange(50, dtype=np.intp), np.arange(30, 80, dtype=np.intp)]
    order = MembersOrder(rows, np.random.RandomState(0))
    first = [of_member.copy() for of_member in order.next()]
    second = [of_member.copy() for of_member in order.next()]
    np.testing.assert_array_equal(order.current, np.concatenate(second))
    for of_epoch in (first, second):
        for got, expected in zip(of_epoch, rows):
            np.testing.assert_array_equal(np.sort(got), expected)
    assert (first[0] != first[1] - 30).any() and (first[0] != second[0]).any()
    np.testing.assert_array_equal(rows[0], np.arange(50))  # as it was


class MinusLoss:
    """The score of a Holdout that is minus the loss"""

    is_loss, is_function, name = True, False, "minus the loss"


class FirstColumn:
    """A score that keeps the outputs which it is given"""

    is_loss, is_function, name = False, False, "the mean of the first column"

    def __call__(self, outputs, y, task):
        self.outputs, self.y = outputs.copy(), y
        return outputs[:, 0].mean()


def holdout_of(rows, score):
    """The validation rows of members"""
    judged = np.unique(np.concatenate(rows))
    return MembersHoldout(Data(X, Y), rows, Samples(None, Y[judged], None), score)


def test_the_score_is_that_of_the_mean():
    rows, score = [np.arange(130, 150)] * 3, FirstColumn()
    holdout = holdout_of(rows, score)
    task = make_task(holdout=holdout)
    loss, value = holdout.judge(task)
    proba = np.mean(
        [
            predict(NETWORK, Data(X[130:]), NETWORK.layers(weights))
            for weights in task.members()
        ],
        axis=0,
    )
    np.testing.assert_allclose(score.outputs, proba, rtol=1e-13)
    np.testing.assert_array_equal(score.y, Y[130:])
    np.testing.assert_allclose(value, proba[:, 0].mean(), rtol=1e-13)
    truth = proba[np.arange(20), Y[130:, 0].astype(int)]
    np.testing.assert_allclose(loss, -np.log(truth).mean(), rtol=1e-12)
    assert holdout_of(rows, MinusLoss()).judge(task) == (loss, -loss)


def test_rows_of_folds_are_judged_by_their_member():
    rows = [np.array([3, 9, 40]), np.array([4, 9]), np.array([100, 149])]
    score = FirstColumn()
    holdout = holdout_of(rows, score)
    task = make_task(holdout=holdout)
    holdout.judge(task)
    proba = [
        predict(NETWORK, Data(X), NETWORK.layers(weights)) for weights in task.members()
    ]
    expected = [
        proba[0][3], proba[1][4], (proba[0][9] + proba[1][9]) / 2, proba[0][40],
        proba[2][100], proba[2][149],
    ]  # fmt: skip
    np.testing.assert_allclose(score.outputs, expected, rtol=1e-13)
    np.testing.assert_array_equal(score.y, Y[[3, 4, 9, 40, 100, 149]])


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_best_epoch_of_all_is_kept(n_threads, joins_threads):
    rows = [np.arange(140, 150)] * 3
    holdout = holdout_of(rows, MinusLoss())
    task = make_task(holdout=holdout)
    members, optimizer = make_members(task, n_threads=n_threads)
    kept = []

    class Listener:
        def epoch_begins(self):
            pass

        def epoch_ends(self, task, figures):
            kept.append(task.params.copy())
            return []

    task.listener = Listener()
    order = MembersOrder(ROWS, np.random.RandomState(1))
    run_epochs(task, optimizer, members, order)
    scores = task.record.validation_scores
    assert len(scores) == len(kept) == N_EPOCHS == task.record.n_iter
    np.testing.assert_array_equal(task.params, kept[int(np.argmax(scores))])
    assert optimizer.t == N_STEPS and task.record.best_score == max(scores)


# So many rows that an epoch takes minutes.
MANY, PAIR = 4_000_000, 2  # rows of an epoch and of a batch
LONG = [np.arange(MANY, dtype=np.intp)] * 3
ONE_BATCH = np.zeros(MANY, dtype=np.intp)


def long_members(n_threads):
    """Members before an epoch of many steps, whose orders repeat one row"""
    task = make_task(LONG, batch_size=PAIR)
    curves = Curves(MANY // PAIR, lambda t: 1e-3 + 0 * t, np.zeros_like)
    members, optimizer = make_members(task, curves, n_threads)
    optimizer.prepare(members)
    members.seed(KEY)
    return members


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_the_deadline_ends_all(n_threads, joins_threads):
    members = long_members(n_threads)
    members.run([ONE_BATCH] * 3, None, time.perf_counter() + 0.1)
    for epoch in members.epochs:  # each took a step at least
        assert BATCH <= epoch.rows_done < MANY
        assert epoch.rows_counted == epoch.rows_done
    assert members.rows_counted > 0


class Failing:
    """An epoch whose run raises an error after a while"""

    t = 0

    def __init__(self, error, seconds):
        self.error, self.seconds = error, seconds

    def vary(self, **values):
        pass

    def stop(self):
        pass

    def run(self, *_):
        time.sleep(self.seconds)
        raise self.error


@pytest.mark.parametrize("seconds", [0, 0.2])
# the last of three waits where there are two threads: it never begins
@pytest.mark.parametrize(("n_threads", "place"), [(2, 0), (2, 1), (3, 0), (3, 2)])
def test_an_error_ends_all(n_threads, place, seconds, joins_threads):
    members = long_members(n_threads)
    error = OSError("the disk is full")
    members.epochs[place] = Failing(error, seconds)
    with pytest.raises(OSError, match="the disk is full"):
        members.run([ONE_BATCH] * 3, None, np.inf)
    for epoch in members.epochs:
        if not isinstance(epoch, Failing):
            assert epoch.rows_done is None or epoch.rows_done < MANY


@pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="needs signals to a process"
)
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_ctrl_c_ends_all(n_threads, joins_threads):
    members = long_members(n_threads)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        members.run([ONE_BATCH] * 3, None, np.inf)
    timer.join()
    assert max(epoch.rows_done for epoch in members.epochs) < MANY
    assert members.epochs[0].rows_done > 0
    assert np.isfinite(members.epochs[0].loss)
