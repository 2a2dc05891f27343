"""Scores of the validation data that cannot judge: NaN, infinite, always the same."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
PARAMS = {
    "hidden_layer_sizes": (8,),
    "max_iter": 30,
    "learning_rate_init": 0.01,
    "n_iter_no_change": 1000,
    "random_state": 0,
}
CLF, REGR = MLPClassifier(**PARAMS), MLPRegressor(**PARAMS)


def _weights(model):
    return [array.copy() for array in model.coefs_ + model.intercepts_]


def _assert_same(a, b):
    for x, y in zip(_weights(a), _weights(b)):
        np.testing.assert_array_equal(x, y)


ONE_CLASS = {"X_val": X[:20], "y_val": (Y == 2)[:20]}  # none of them
UNDEFINED = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.UndefinedMetricWarning"
)


@UNDEFINED
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("decides", [{"early_stopping": True}, {"target_score": 0.9}])
def test_a_score_that_is_nan_for_any_model_is_refused(solver, decides):
    clf = clone(CLF).set_params(solver=solver, scoring="roc_auc", **decides)
    message = "scoring='roc_auc' is NaN on the validation data.*only the value False"
    seen = []
    with pytest.raises(ValueError, match=message):
        clf.fit(X, Y == 2, **ONE_CLASS, callback=lambda record: seen.append(record))
    assert not seen and not hasattr(clf, "coefs_")
    if solver == "lbfgs":
        return
    clf.set_params(early_stopping=False, target_score=None)
    clf.partial_fit(X, Y == 2, classes=[False, True])
    before = _weights(clf)
    with pytest.raises(ValueError, match=message):
        clf.set_params(**decides).partial_fit(X, Y == 2, **ONE_CLASS)
    for a, b in zip(before, _weights(clf)):
        np.testing.assert_array_equal(a, b)


@UNDEFINED
def test_a_score_that_decides_nothing_may_be_nan():
    clf = clone(CLF).set_params(scoring="roc_auc").fit(X, Y == 2, **ONE_CLASS)
    assert np.isnan(clf.validation_scores_).all()
    _assert_same(clf, clone(CLF).fit(X, Y == 2))


@UNDEFINED
@pytest.mark.parametrize(
    "scoring, loss, levels",
    [
        (None, "squared_error", 0.5),
        (None, "quantile", [0.1, 0.9]),
        ("r2", "absolute_error", 0.5),
    ],
)
def test_r2_of_one_row_or_of_equal_targets_cannot_judge(scoring, loss, levels):
    regr = clone(REGR).set_params(loss=loss, quantile=levels, scoring=scoring)
    regr.set_params(early_stopping=True)
    what = "scoring='r2'" if scoring else "The R2 or D2 score"
    with pytest.raises(ValueError, match=f"{what} is NaN.*their 1 row"):
        regr.fit(X, Y, X_val=X[:1], y_val=Y[:1])
    with pytest.raises(ValueError, match=f"{what} is 0 for every.*the value 0"):
        regr.fit(X, Y, X_val=X[:20], y_val=np.zeros(20))
    assert not hasattr(regr, "coefs_")
    regr.fit(X, np.ones(150), X_val=X[:20], y_val=np.ones(20))  # nothing to learn
    regr.set_params(scoring="loss").fit(X, Y, X_val=X[:20], y_val=np.zeros(20))
    assert regr.best_validation_score_ == -min(regr.validation_loss_curve_)


def _scripted(scores):
    """A scorer that gives these values, then the last one on and on."""
    left = list(scores)
    return lambda estimator, X, y: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize("score", [None, "good", [0.5, 0.7], {"r2": 0.5}])
def test_a_scorer_that_gives_no_number(score):
    clf = clone(CLF).set_params(scoring=_scripted([score]))
    with pytest.raises(
        TypeError, match="scoring=<function .* must return a number, got"
    ):
        clf.fit(X, Y, X_val=X[:20], y_val=Y[:20])
    assert not hasattr(clf, "coefs_")


@pytest.mark.parametrize("score", [np.nan, -np.inf, np.inf])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_without_any_score_the_last_weights_are_kept(score, solver):
    clf = clone(CLF).set_params(solver=solver, early_stopping=True, n_iter_no_change=2)
    clf.set_params(scoring=_scripted([score]))
    with pytest.warns(
        ConvergenceWarning, match="scoring=<function .* was not a finite"
    ):
        clf.fit(X, Y, X_val=X[:20], y_val=Y[:20])
    plain = clone(CLF).set_params(solver=solver).fit(X, Y)
    assert clf.n_iter_ == plain.n_iter_ == 30
    _assert_same(clf, plain)
    clf.set_params(early_stopping=False, target_score=0.5, n_iter_no_change=1000)
    with pytest.warns(ConvergenceWarning, match="was not a finite number"):
        clf.fit(X, Y, X_val=X[:20], y_val=Y[:20])
    _assert_same(clf, plain)


def test_partial_fit_without_any_score_learns():
    clf = clone(CLF).set_params(early_stopping=True, scoring=_scripted([np.nan]))
    plain = clone(CLF)
    for _ in range(3):
        with pytest.warns(ConvergenceWarning, match="was not a finite number"):
            clf.partial_fit(X, Y, classes=[0, 1, 2], X_val=X[:20], y_val=Y[:20])
        plain.partial_fit(X, Y, classes=[0, 1, 2])
    _assert_same(clf, plain)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_nan_is_never_the_best_score_and_no_improvement(solver):
    kept, scores = [], [np.nan, np.nan, np.nan, 0.5, 0.7, *[np.nan] * 20]
    clf = clone(CLF).set_params(solver=solver, early_stopping=True, n_iter_no_change=3)
    clf.set_params(scoring=_scripted(scores))
    clf.fit(
        X, Y, X_val=X[:20], y_val=Y[:20],
        callback=lambda record: kept.append(record.fitted_estimator()),
    )  # fmt: skip
    assert clf.n_iter_ == 5 + 3 + 1  # as after any epochs without improvement
    assert clf.best_validation_score_ == 0.7
    _assert_same(clf, kept[4])


@pytest.mark.parametrize("learning_rate", ["adaptive", "plateau"])
def test_nan_scores_lower_the_rate_like_scores_that_stand_still(learning_rate):
    rates = []
    for rest in (np.nan, 0.4):
        clf = clone(CLF).set_params(
            solver="sgd", learning_rate=learning_rate, early_stopping=True
        )
        clf.set_params(n_iter_no_change=2, scoring=_scripted([0.5, rest]))
        clf.fit(X, Y, X_val=X[:20], y_val=Y[:20])
        rates.append(clf.history_["learning_rate"])
    assert rates[0][-1] < rates[0][0]
    np.testing.assert_array_equal(*rates)


def _explodes_in_epoch_4(epoch):
    return 0.01 if epoch < 3 else 1e250


@pytest.mark.parametrize("scoring", [None, "accuracy", "loss"])
@pytest.mark.parametrize("averaging", [None, "ema"])
def test_outputs_that_are_not_finite_have_no_score(scoring, averaging):
    kept = []
    clf = clone(CLF).set_params(
        activation="identity", learning_rate=_explodes_in_epoch_4, solver="sgd",
        early_stopping=True, scoring=scoring, weight_averaging=averaging,
    )  # fmt: skip
    clf.set_params(batch_size=20)
    with pytest.warns(ConvergenceWarning, match="diverged.*best weights so far"):
        clf.fit(
            X, Y, X_val=X, y_val=Y,
            callback=lambda record: kept.append(record.fitted_estimator()),
        )  # fmt: skip
    best = int(np.nanargmax(clf.validation_scores_))
    assert best < clf.n_iter_ - 1
    assert not np.isfinite(clf.validation_scores_[-1])
    _assert_same(clf, kept[best])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_infinite_validation_loss_keeps_the_last_weights(solver):
    regr = clone(REGR).set_params(solver=solver, early_stopping=True, scoring="loss")
    far = 1e200 * (1 + Y[:20])  # whose squares overflow
    with pytest.warns(ConvergenceWarning, match="'loss' was not a finite number"):
        regr.fit(X, Y, X_val=X[:20], y_val=far)
    _assert_same(regr, clone(REGR).set_params(solver=solver).fit(X, Y))
