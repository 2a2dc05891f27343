"""Learning rates planned over the epochs."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
BASE = MLPClassifier(
    (5,), max_iter=40, random_state=0, n_iter_no_change=1000, learning_rate_init=0.02
)
SOLVERS = ["adam", "sgd"]


def _rates(solver, learning_rate, **params):
    clf = clone(BASE).set_params(solver=solver, learning_rate=learning_rate, **params)
    clf.fit(X, Y)
    return clf.history_["learning_rate"], clf


@pytest.mark.parametrize("solver", SOLVERS)
def test_shapes(solver):
    epochs = np.arange(40)
    rates, _ = _rates(solver, "cosine")
    np.testing.assert_allclose(rates, 0.01 * (1 + np.cos(np.pi * epochs / 40)))
    rates, _ = _rates(solver, ("cosine", 0.1))
    expected = 0.002 + 0.009 * (1 + np.cos(np.pi * epochs / 40))
    np.testing.assert_allclose(rates, expected)
    rates, _ = _rates(solver, "warmup_cosine")
    np.testing.assert_allclose(rates[:5], 0.02 * np.array([1, 2, 3, 4, 5]) / 5)
    np.testing.assert_allclose(
        rates[4:], 0.01 * (1 + np.cos(np.pi * np.arange(36) / 36))
    )
    rates, _ = _rates(solver, "one_cycle", max_iter=41)
    assert rates[0] == pytest.approx(0.02 / 25)
    assert rates.argmax() == 12 and rates[12] == 0.02
    assert rates[-1] == pytest.approx(0.02 / 25e4)
    assert (np.diff(rates[:13]) > 0).all() and (np.diff(rates[12:]) < 0).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_cycle_is_pytorchs(solver):
    # torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=11) at its eleven steps
    expected = [0.04, 0.28, 0.76, 1.0, 0.95048463, 0.81174511, 0.61126065, 0.38874335,
                0.18825889, 0.04951937, 4e-06]  # fmt: skip
    rates, _ = _rates(solver, "one_cycle", max_iter=11, learning_rate_init=1.0)
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_rate_acts(solver):
    constant, base = _rates(solver, "constant")
    assert (constant == 0.02).all()
    _, clf = _rates(solver, lambda epoch: 0.02)
    for a, b in zip(clf.coefs_, base.coefs_):
        np.testing.assert_array_equal(a, b)
    rates, other = _rates(solver, lambda epoch: 0.02 if epoch <= 3 else 0.01)
    assert rates[:5].tolist() == [0.02] * 3 + [0.01] * 2
    assert other.loss_curve_[:4] == base.loss_curve_[:4]
    assert other.loss_curve_[4] != base.loss_curve_[4]


def test_a_callable_counts_epochs_from_one_over_calls():
    seen = []
    clf = clone(_rates("adam", "constant")[1])
    clf.set_params(learning_rate=lambda epoch: seen.append(epoch) or 0.01)
    clf.partial_fit(X, Y, classes=np.unique(Y), n_epochs=2).partial_fit(X, Y)
    assert seen == [1, 2, 3]


def test_sgd_without_momentum_moves_in_proportion():
    params = {"solver": "sgd", "momentum": 0.0, "batch_size": 150, "max_iter": 2}
    _, one = _rates(learning_rate=lambda epoch: [0.02, 0.02][epoch - 1], **params)
    _, two = _rates(learning_rate=lambda epoch: [0.02, 0.04][epoch - 1], **params)
    first = clone(one).set_params(max_iter=1).fit(X, Y)
    for w, a, b in zip(first.coefs_, one.coefs_, two.coefs_):
        np.testing.assert_allclose(b - w, 2 * (a - w), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_plateau(solver):
    rates, clf = _rates(
        solver, ("plateau", 0.5), n_iter_no_change=2, tol=10.0, max_iter=200
    )
    drops = np.flatnonzero(np.diff(rates)) + 1
    assert drops[0] == 4 and (np.diff(drops) == 3).all()
    np.testing.assert_allclose(rates[drops] / rates[drops - 1], 0.5)
    assert rates[-1] <= 1e-6 < rates[drops[-2]] and clf.n_iter_ < 200
    rates, _ = _rates(solver, "plateau", n_iter_no_change=2, tol=10.0, max_iter=5)
    np.testing.assert_allclose(rates, [0.02] * 4 + [0.002])


def test_plateau_follows_the_validation_score():
    regr = MLPRegressor(
        hidden_layer_sizes=(5,),
        learning_rate="plateau",
        early_stopping=True,
        n_iter_no_change=3,
        tol=1.0,
        random_state=0,
    ).fit(X, Y)
    history = regr.history_
    assert history["learning_rate"][-1] < 1e-5
    assert regr.n_iter_ == len(regr.validation_scores_)


def test_the_old_schedules_stay_sgds():
    for name in ("constant", "adaptive", "invscaling"):
        rates, clf = _rates("adam", name, tol=10.0, n_iter_no_change=2)
        assert (rates == 0.02).all() and clf.n_iter_ == 4


def test_partial_fit_goes_on_along_the_schedule():
    clf = clone(BASE).set_params(learning_rate="cosine", max_iter=4)
    for _ in range(6):
        clf.partial_fit(X, Y, classes=[0, 1, 2])
    expected = 0.01 * (1 + np.cos(np.pi * np.array([0, 1, 2, 3, 4, 4]) / 4))
    np.testing.assert_allclose(clf.history_["learning_rate"], expected, atol=1e-18)


def test_a_fit_starts_the_schedule_anew():
    rates, clf = _rates("adam", "cosine", warm_start=True)
    clf.fit(X, Y)
    np.testing.assert_array_equal(clf.history_["learning_rate"], np.tile(rates, 2))


@pytest.mark.parametrize(
    "value, message",
    [
        ("linear", "'cosine', 'one_cycle', 'warmup_cosine', 'plateau'"),
        (("cosine", 1.0), r"floor in \[0, 1\)"),
        (("one_cycle", 0.0), r"rise in \(0, 1\)"),
        (("plateau", 2), "factor in"),
        (("constant", 0.5), "a pair"),
        (("cosine", 0.1, 0.2), "a pair"),
        (0.1, "a callable of the epoch"),
        (lambda epoch: -1.0, "for epoch 1 it returned -1.0"),
        (lambda epoch: np.nan, "finite number > 0"),
        (lambda epoch: "fast", "finite number > 0"),
    ],
)
def test_bad_schedule(value, message):
    clf = clone(BASE).set_params(learning_rate=value)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, Y)
