"""Validation data: passed, split off by choice, scored, recorded."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import (
    GroupShuffleSplit,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["b", "c", "a"])[Y]
X_TRAIN, X_VAL, Y_TRAIN, Y_VAL = train_test_split(X, NAMES, random_state=0)
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


def test_recording_does_not_change_the_fit():
    plain = clone(CLF).fit(X_TRAIN, Y_TRAIN)
    judged = clone(CLF).fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    _assert_same(judged, plain)
    assert judged.loss_curve_ == plain.loss_curve_
    assert judged.best_loss_ == plain.best_loss_
    assert judged.validation_scores_[-1] == judged.score(X_VAL, Y_VAL)
    assert not hasattr(plain, "validation_loss_curve_")
    assert plain.validation_scores_ is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_validation_loss_is_the_mean_loss_without_penalty(dtype):
    w = np.linspace(0.5, 2, len(Y_VAL))
    clf = clone(CLF).set_params(dtype=dtype, alpha=1.0)
    clf.fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL, sample_weight_val=w)
    proba = clf.predict_proba(X_VAL).astype(float)
    proba /= proba.sum(axis=1, keepdims=True)
    expected = log_loss(Y_VAL, proba, sample_weight=w, labels=clf.classes_)
    rtol = 1e-12 if dtype == "float64" else 1e-5
    assert clf.validation_loss_curve_[-1] == pytest.approx(expected, rel=rtol)
    expected = accuracy_score(Y_VAL, clf.predict(X_VAL), sample_weight=w)
    assert clf.validation_scores_[-1] == pytest.approx(expected, rel=rtol)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_validation_loss_of_regression(loss, n_outputs):
    y = np.exp(np.sin(X[:, :n_outputs]))
    y = y[:, 0] if n_outputs == 1 else y
    regr = clone(REGR).set_params(loss=loss).fit(X, y, X_val=X[::3], y_val=y[::3])
    p, t = regr.predict(X[::3]), y[::3]
    if loss == "squared_error":
        expected = 0.5 * np.mean((p - t) ** 2)
    else:
        expected = np.mean(t * np.log(t / p) - t + p) * n_outputs
    assert regr.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-10)
    assert regr.validation_scores_[-1] == pytest.approx(regr.score(X[::3], t))


def test_history():
    clf = clone(CLF).fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    history = clf.history_
    assert list(history) == [
        "loss",
        "validation_loss",
        "validation_score",
        "learning_rate",
        "seconds",
    ]
    assert all(values.shape == (clf.n_iter_,) for values in history.values())
    assert history["loss"].tolist() == clf.loss_curve_
    assert history["validation_loss"].tolist() == clf.validation_loss_curve_
    assert history["validation_score"].tolist() == clf.validation_scores_
    assert (history["learning_rate"] == 0.01).all()
    assert (history["seconds"] > 0).all()
    clf.set_params(warm_start=True, max_iter=5).fit(X_TRAIN, Y_TRAIN)
    assert len(clf.history_["loss"]) == 35
    assert np.isnan(clf.history_["validation_loss"][30:]).all()
    with pytest.raises(AttributeError):
        _ = CLF.history_


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_the_best_weights_are_kept(solver):
    seen = []
    clf = clone(CLF).set_params(
        solver=solver, early_stopping=True, n_iter_no_change=5, scoring="loss", tol=0
    )
    clf.set_params(max_iter=300, learning_rate_init=0.05, hidden_layer_sizes=(30,))
    noisy = np.where(np.arange(len(Y_TRAIN)) % 4 == 0, "a", Y_TRAIN)

    def keep(record):
        seen.append((record.validation_loss, record.fitted_estimator()))

    clf.fit(X_TRAIN, noisy, X_val=X_VAL, y_val=Y_VAL, callback=keep)
    losses = [loss for loss, _ in seen]
    assert losses == clf.validation_loss_curve_
    assert clf.n_iter_ < 300 and np.argmin(losses) < len(losses) - 1
    _assert_same(clf, seen[np.argmin(losses)][1])
    assert clf.best_validation_score_ == -min(losses)


def test_early_stopping_with_given_data_splits_nothing_off():
    clf = clone(CLF).set_params(early_stopping=True)
    clf.fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    plain = clone(CLF).fit(X_TRAIN, Y_TRAIN)
    assert clf.t_ == plain.t_ and clf.loss_curve_ == plain.loss_curve_
    assert clf.best_loss_ is None


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_index_array_equals_passing_the_rows(solver):
    held_out = np.random.RandomState(1).permutation(len(X))[:40]
    rest = np.setdiff1d(np.arange(len(X)), held_out)
    base = clone(CLF).set_params(solver=solver, early_stopping=True)
    given = clone(base).fit(
        X[rest], NAMES[rest], X_val=X[held_out], y_val=NAMES[held_out]
    )
    mask = np.isin(np.arange(len(X)), held_out)
    negative = (held_out - len(X)).tolist()
    for chosen in (held_out, mask, negative):
        clf = clone(base).set_params(validation_split=chosen).fit(X, NAMES)
        assert clf.validation_scores_ == pytest.approx(given.validation_scores_)
        for a, b in zip(_weights(clf), _weights(given)):
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_share_is_drawn_as_that_of_early_stopping(solver, classes):
    y = np.minimum(Y, classes - 1)
    params = {"solver": solver, "early_stopping": True, "random_state": 4}
    clf = clone(CLF).set_params(**params, validation_split=0.2).fit(X, y)
    fraction = clone(CLF).set_params(**params, validation_fraction=0.2).fit(X, y)
    assert clf.validation_scores_ == fraction.validation_scores_
    for a, b in zip(_weights(clf), _weights(fraction)):
        np.testing.assert_array_equal(a, b)


def test_a_share_for_any_solver_is_recorded_only():
    for kind, y in ((CLF, NAMES), (REGR, Y)):
        for solver in ("lbfgs", "adam"):
            model = clone(kind).set_params(solver=solver, validation_split=0.3)
            model.fit(X, y)
            assert len(model.validation_scores_) == model.n_iter_
            assert solver == "lbfgs" or model.t_ == model.n_iter_ * 105
            again = clone(model).fit(X, y)
            assert model.validation_scores_ == again.validation_scores_


def test_splitters():
    groups = np.arange(len(X)) // 10
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.3, random_state=0)
    rows, held_out = next(splitter.split(X, NAMES, groups))
    clf = clone(CLF).set_params(validation_split=splitter)
    clf.fit(X, NAMES, groups=groups)
    assert clf.t_ == clf.n_iter_ * len(rows)
    expected = clone(CLF).fit(
        X[rows], NAMES[rows], X_val=X[held_out], y_val=NAMES[held_out]
    )
    assert clf.validation_scores_ == expected.validation_scores_
    with pytest.raises(ValueError):  # that the splitter raises
        clone(clf).fit(X, NAMES)
    # time order: the last split trains on all that comes before the last rows
    regr = clone(REGR).set_params(validation_split=TimeSeriesSplit(4)).fit(X, Y)
    assert regr.t_ == regr.n_iter_ * 120
    stratified = StratifiedShuffleSplit(1, test_size=30, random_state=0)
    clf = clone(CLF).set_params(validation_split=stratified, early_stopping=True)
    assert clf.fit(X, NAMES).t_ == clf.n_iter_ * 120
    clone(clf)


def test_scoring():
    X_b, y_b = load_breast_cancer(return_X_y=True)
    X_b = StandardScaler().fit_transform(X_b)
    parts = train_test_split(X_b, y_b, random_state=0)
    X_t, X_v, y_t, y_v = parts
    w = np.linspace(0.5, 1.5, len(y_v))
    base = MLPClassifier((5,), max_iter=10, random_state=0)
    data = {"X_val": X_v, "y_val": y_v}
    auc = clone(base).set_params(scoring="roc_auc").fit(X_t, y_t, **data)
    assert auc.validation_scores_[-1] == roc_auc_score(
        y_v, auc.predict_proba(X_v)[:, 1]
    )
    auc.fit(X_t, y_t, **data, sample_weight_val=w)
    assert auc.validation_scores_[-1] == pytest.approx(
        roc_auc_score(y_v, auc.predict_proba(X_v)[:, 1], sample_weight=w)
    )

    def mine(estimator, X, y):
        return f1_score(y, estimator.predict(X))

    own = clone(base).set_params(scoring=mine).fit(X_t, y_t, **data)
    assert own.validation_scores_[-1] == f1_score(y_v, own.predict(X_v))
    with pytest.raises(ValueError, match="takes no sample_weight"):
        clone(own).fit(X_t, y_t, **data, sample_weight_val=w)
    regr = clone(REGR).set_params(
        scoring="neg_mean_absolute_error", early_stopping=True
    )
    X_d, y_d = load_diabetes(return_X_y=True)
    regr.fit(X_d, y_d / 100)
    assert regr.best_validation_score_ == max(regr.validation_scores_) < 0


def test_target_score():
    clf = clone(CLF).set_params(target_score=0.9, max_iter=500, early_stopping=True)
    clf.fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    assert clf.n_iter_ < 500
    assert clf.validation_scores_[-1] >= 0.9
    assert max(clf.validation_scores_[:-1]) < 0.9


def test_pipeline_transforms_the_validation_data():
    with sklearn.config_context(enable_metadata_routing=True):
        model = Pipeline(
            [
                ("scale", StandardScaler()),
                ("mlp", clone(CLF).set_fit_request(X_val=True, y_val=True)),
            ],
            transform_input=["X_val"],
        ).fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    scaler = StandardScaler().fit(X_TRAIN)
    direct = clone(CLF).fit(
        scaler.transform(X_TRAIN), Y_TRAIN, X_val=scaler.transform(X_VAL), y_val=Y_VAL
    )
    assert model[-1].validation_loss_curve_ == direct.validation_loss_curve_


def test_sparse_frames_and_multilabel():
    a = clone(CLF).fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    b = clone(CLF).fit(
        sparse.csr_array(X_TRAIN), Y_TRAIN, X_val=sparse.csc_array(X_VAL), y_val=Y_VAL
    )
    np.testing.assert_allclose(
        a.validation_loss_curve_, b.validation_loss_curve_, rtol=1e-10
    )
    frames = [pd.DataFrame(part, columns=list("abcd")) for part in (X_TRAIN, X_VAL)]
    c = clone(CLF).set_params(scoring="balanced_accuracy")
    c.fit(frames[0], Y_TRAIN, X_val=frames[1], y_val=Y_VAL)
    assert c.validation_loss_curve_ == a.validation_loss_curve_
    with pytest.raises(ValueError, match="validation data"):
        c.fit(frames[0], Y_TRAIN, X_val=frames[1][list("dcba")], y_val=Y_VAL)
    labels = np.c_[Y > 0, Y > 1].astype(int)
    d = clone(CLF).set_params(scoring="f1_macro", validation_split=np.arange(0, 150, 5))
    d.fit(X, labels)
    held_out = slice(None, None, 5)
    assert d.validation_scores_[-1] == f1_score(
        labels[held_out], d.predict(X[held_out]), average="macro"
    )


@pytest.mark.parametrize(
    "params, arguments, message",
    [
        ({}, {"X_val": X_VAL}, "must be passed together"),
        ({}, {"y_val": Y_VAL}, "must be passed together"),
        ({}, {"sample_weight_val": 1.0}, "needs X_val and y_val"),
        ({}, {"X_val": X_VAL[:, :2], "y_val": Y_VAL}, "validation data.*features"),
        ({}, {"X_val": X_VAL, "y_val": Y_VAL[:-1]}, "validation data.*inconsistent"),
        ({}, {"X_val": X_VAL * np.nan, "y_val": Y_VAL}, "validation data.*NaN"),
        (
            {},
            {"X_val": X_VAL, "y_val": np.full(len(Y_VAL), "z")},
            "validation data.*not in `self.classes_`",
        ),
        (
            {},
            {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": np.zeros(len(Y_VAL))},
            "validation data.*non-zero weight",
        ),
        (
            {"validation_split": [1, 2]},
            {"X_val": X_VAL, "y_val": Y_VAL},
            "together with validation_split",
        ),
        ({"scoring": "roc_auc_ovr"}, {}, "scoring needs validation data"),
        ({"target_score": 1.0}, {}, "target_score needs validation data"),
        ({"validation_split": [1, 1000]}, {}, "names row 1000, but X has 112 rows"),
        ({"validation_split": [1, 1]}, {}, "names a row twice"),
        ({"validation_split": []}, {}, "validation_split"),
        ({"validation_split": np.arange(112)}, {}, "no row in the training part"),
        ({"validation_split": np.zeros(112, bool)}, {}, "no row in the validation"),
        ({"validation_split": [0.5]}, {}, "1-D array of row numbers"),
        ({"validation_split": 1.5}, {}, "a float in the range .0, 1"),
        ({"validation_split": 0.005}, {}, "validation set is too small.*_split"),
        ({"validation_split": "kfold"}, {}, "a splitter with a split method"),
        ({"scoring": "gini"}, {}, "'loss' or a name among"),
        ({"target_score": "perfect"}, {}, "a float in the range"),
        ({"target_score": np.nan}, {}, "a float in the range"),
    ],
    ids=str,
)
def test_bad_input(params, arguments, message):
    clf = clone(CLF).set_params(**params)
    with pytest.raises(ValueError, match=message):
        clf.fit(X_TRAIN, Y_TRAIN, **arguments)
    assert not hasattr(clf, "coefs_")
