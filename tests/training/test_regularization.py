"""Regularisers, solvers and averages as the estimators offer them."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from helpers import reference
from helpers.models import needs_products
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.linear_model import Lasso
from sklearn.model_selection import GridSearchCV

from fastmlp import MLPClassifier, MLPRegressor, load_model, save_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
TARGETS = np.c_[X[:, 0] - X[:, 1], X[:, 2] ** 2]
BASE = {"hidden_layer_sizes": (8, 5), "max_iter": 5, "random_state": 0}
SOLVERS = ["sgd", "adam", "nadam", "rmsprop", "adagrad", "lion"]
ALL = {
    "dropout": [0.1, 0.3, 0.2],
    "input_noise": 0.1,
    "weight_decay": 0.1,
    "l1": 0.01,
    "max_weight_norm": 1.0,
    "max_grad_norm": 0.5,
    "learning_rate_factors": [1.0, 0.5, 2.0],
    "weight_averaging": ("ema", 0.9),
}


def classifier(**params):
    return MLPClassifier(**BASE | params)


def regressor(**params):
    return MLPRegressor(**BASE | params)


def weights(model):
    return np.hstack([a.ravel() for a in model.coefs_ + model.intercepts_])


def same(a, b):
    np.testing.assert_array_equal(weights(a), weights(b))
    assert a.loss_curve_ == b.loss_curve_


# Defaults and determinism


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    "inert",
    [
        {"dropout": [0.0, 0.0, 0.0]},
        {"learning_rate_factors": [1, 1, 1]},
        {"max_grad_norm": 1e9},
        {"max_weight_norm": 1e9},
        {"weight_decay": 0, "l1": 0, "input_noise": 0, "label_smoothing": 0},
    ],
    ids=str,
)
def test_what_does_nothing_changes_no_bit(solver, inert):
    plain = classifier(solver=solver).fit(X, Y)
    other = classifier(solver=solver, **inert).fit(X, Y)
    if "max_grad_norm" in inert:  # the gradient is rounded once more
        np.testing.assert_allclose(weights(other), weights(plain), rtol=1e-9)
    else:
        same(plain, other)
    a, b = (m._random_state.get_state() for m in (plain, other))
    np.testing.assert_array_equal(a[1], b[1])
    assert a[2:] == b[2:]


@pytest.mark.parametrize("kind", [classifier, regressor])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_same_seed_gives_the_same_model(kind, solver, dtype):
    y = Y if kind is classifier else TARGETS
    settings = ALL | ({"l1": 0.0} if solver == "lion" else {})
    model = kind(solver=solver, dtype=dtype, **settings).fit(X, y)
    assert np.isfinite(weights(model)).all()
    same(model, clone(model).fit(X, y))
    same(model, model.set_params(n_threads=2).fit(X, y))
    assert not np.array_equal(
        weights(model), weights(clone(model).set_params(random_state=1).fit(X, y))
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_learns(solver):
    rate = {"adagrad": 0.1, "lion": 0.003, "sgd": 0.02}.get(solver, 0.01)
    clf = classifier(solver=solver, max_iter=200, learning_rate_init=rate).fit(X, Y)
    assert clf.score(X, Y) > 0.95
    regr = regressor(solver=solver, max_iter=300, learning_rate_init=rate)
    assert regr.fit(X, TARGETS).score(X, TARGETS) > 0.85


@needs_products
def test_threads_share_a_large_batch():
    X_wide = np.random.RandomState(0).randn(1500, 70)
    y = np.random.RandomState(1).randint(0, 5, 1500)
    params = BASE | ALL | {"hidden_layer_sizes": (90, 61), "batch_size": 500}
    models = [
        MLPClassifier(**params, n_threads=n, label_smoothing=0.1).fit(X_wide, y)
        for n in (1, 2, 7)
    ]
    for other in models[1:]:
        same(models[0], other)


def test_sample_weights_and_sparse_rows():
    w = np.random.RandomState(0).uniform(0.5, 2, len(X))
    settings = {k: v for k, v in ALL.items() if k != "input_noise"}
    positive = X * (X > 0)
    dense = classifier(**settings).fit(positive, Y, w)
    stored = classifier(**settings).fit(sparse.csr_matrix(positive), Y, w)
    np.testing.assert_allclose(weights(stored), weights(dense), rtol=1e-8, atol=1e-12)


# Dropout


def test_dropout_acts_in_training_alone():
    plain = classifier().fit(X, Y)
    clf = classifier(dropout=0.5).fit(X, Y)
    assert not np.array_equal(weights(clf), weights(plain))
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))
    off = copy.copy(clf).set_params(dropout=0.0)
    np.testing.assert_array_equal(clf.predict_proba(X), off.predict_proba(X))
    assert clf.loss_gradient(X, Y)[0] == off.loss_gradient(X, Y)[0]


def test_dropout_is_not_in_the_validation_loss():
    seen = []
    clf = classifier(dropout=0.5, max_iter=3)
    clf.fit(
        X, Y, X_val=X, y_val=Y, callback=lambda r: seen.append(r.fitted_estimator())
    )
    for model, loss in zip(seen, clf.validation_loss_curve_):
        proba = model.predict_proba(X)[np.arange(len(Y)), Y]
        assert -np.log(proba).mean() == pytest.approx(loss)


def test_a_float_leaves_the_input():
    listed = classifier(dropout=[0.0, 0.4, 0.4]).fit(X, Y)
    same(listed, classifier(dropout=0.4).fit(X, Y))


def test_masks_differ_from_step_to_step_and_from_call_to_call():
    # one batch, no shuffling, a step of sgd: the change of weights shows the mask
    clf = classifier(
        solver="sgd", momentum=0.0, batch_size=150, shuffle=False, dropout=0.5,
        learning_rate_init=1e-6, max_iter=1,
    )  # fmt: skip
    clf.partial_fit(X, Y, classes=[0, 1, 2])
    losses = clf.partial_fit(X, Y).partial_fit(X, Y, n_epochs=3).loss_curve_
    assert len(set(np.round(losses, 6))) == 5  # the weights hardly change, the masks do
    still = clone(clf).set_params(dropout=0.0)
    for _ in range(5):
        still.partial_fit(X, Y, classes=[0, 1, 2])
    assert np.ptp(still.loss_curve_) < 1e-4 < 1e-2 < np.ptp(losses)


def test_dropout_helps_against_overfitting():
    X_digits, y = load_digits(return_X_y=True)
    X_digits, y = X_digits / 16, y
    params = {"hidden_layer_sizes": 300, "max_iter": 300, "random_state": 0, "tol": 0}
    train, test = slice(0, 300), slice(300, None)
    scores = [
        MLPClassifier(**params, dropout=rate).fit(X_digits[train], y[train])
        for rate in (0.0, [0.1, 0.5])
    ]
    losses = [m.loss_gradient(X_digits[test], y[test])[0] for m in scores]
    assert losses[1] < losses[0]


# Smoothing


@pytest.mark.parametrize("task", ["binary", "multi-class", "multi-label"])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_label_smoothing(task, solver):
    y = {"binary": Y > 0, "multi-class": Y, "multi-label": TARGETS > 0}[task]
    w = np.random.RandomState(0).uniform(0.5, 2, len(X))
    clf = classifier(label_smoothing=0.3, alpha=0.5, solver=solver).fit(X, y, w)
    loss, coef_grads, _ = clf.loss_gradient(X, y, w)
    n_outputs = clf.n_outputs_
    encoded = {"binary": Y[:, None] > 0, "multi-class": Y[:, None]}.get(
        task, TARGETS > 0
    )
    value, grads, _ = reference.loss_gradient(
        clf.coefs_, clf.intercepts_, X, encoded, w, 0.5, [("relu", 0)] * 2,
        "log_loss" if task == "multi-class" else "binary_log_loss", smoothing=0.3,
    )  # fmt: skip
    assert loss == pytest.approx(value)
    for actual, expected in zip(coef_grads, grads):
        np.testing.assert_allclose(actual, expected, atol=1e-12)
    assert coef_grads[-1].shape[1] == n_outputs


def test_smoothed_targets_are_the_optimum():
    # one feature that tells the classes apart: the probabilities become the targets
    for y in (Y[:100], Y):
        x = np.eye(3)[Y[: len(y)]]
        clf = MLPClassifier(
            (), alpha=0.0, solver="lbfgs", label_smoothing=0.3, tol=1e-8
        )
        proba = clf.fit(x, y).predict_proba(x)
        n = len(clf.classes_)
        np.testing.assert_allclose(proba.max(axis=1), 0.7 + 0.3 / n, atol=1e-4)


def test_validation_takes_plain_targets():
    for y in (Y > 0, Y):
        rows = np.arange(0, 150, 3)
        clf = classifier(label_smoothing=0.4, validation_split=rows).fit(X, y)
        proba = clf.predict_proba(X[rows])
        p = proba[np.arange(len(rows)), y[rows].astype(int)]
        assert clf.validation_loss_curve_[-1] == pytest.approx(-np.log(p).mean())


# Weights


def test_l1_makes_zeros_and_prunes_noise():
    rng = np.random.RandomState(0)
    noisy = np.c_[X, rng.randn(150, 20)]
    params = {"max_iter": 300, "alpha": 0.0, "learning_rate_init": 0.01, "tol": 0}
    clf = classifier(l1=0.01, **params).fit(noisy, Y)
    zero = (clf.coefs_[0] == 0).all(axis=1)
    assert zero[4:].mean() > 0.3 and not zero[:4].any()
    assert (clf.coefs_[0] == 0).mean() > 0.8
    assert clf.score(noisy, Y) > 0.9
    assert not (classifier(**params).fit(noisy, Y).coefs_[0] == 0).any()


@pytest.mark.parametrize("solver", ["sgd", "adam", "nadam", "rmsprop", "adagrad"])
@pytest.mark.parametrize("nesterovs_momentum", [False, True])
def test_l1_ends_at_the_optimum_of_the_penalty(solver, nesterovs_momentum):
    """The slope is at most l1 if w is 0, and -l1 sign(w) otherwise."""
    l1, noisy = 0.02, np.c_[X, np.random.RandomState(0).randn(150, 4)]
    clf = MLPClassifier(
        (), solver=solver, l1=l1, alpha=0.0, batch_size=150, max_iter=4000, tol=0,
        n_iter_no_change=10_000, learning_rate=("cosine", 1e-3), random_state=0,
        nesterovs_momentum=nesterovs_momentum,
        learning_rate_init={"adagrad": 1.0, "sgd": 0.2}.get(solver, 0.05),
    ).fit(noisy, Y)  # fmt: skip
    W, slope = clf.coefs_[0], clf.loss_gradient(noisy, Y)[1][0]
    assert (W == 0).sum() > 10 and (W != 0).sum() >= 4
    assert (abs(slope[W == 0]) <= l1 * 1.02).all()
    np.testing.assert_allclose(slope[W != 0], -l1 * np.sign(W[W != 0]), atol=2e-3)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", lambda e: 0.05 * 0.998**e])
@pytest.mark.parametrize("nesterovs_momentum", [False, True])
def test_l1_of_a_linear_model_is_the_lasso(schedule, nesterovs_momentum):
    """To the solution of Lasso and its zeros, though the velocity holds old rates."""
    X, y = load_diabetes(return_X_y=True)
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()
    expected = Lasso(0.1, tol=1e-12).fit(X, y).coef_
    regr = MLPRegressor(
        hidden_layer_sizes=(), solver="sgd", l1=0.1, alpha=0.0, batch_size=len(X),
        max_iter=3000, n_iter_no_change=np.inf, learning_rate=schedule, random_state=0,
        learning_rate_init=0.05, nesterovs_momentum=nesterovs_momentum,
    ).fit(X, y)  # fmt: skip
    W = regr.coefs_[0].ravel()
    np.testing.assert_array_equal(W == 0, expected == 0)
    np.testing.assert_allclose(W, expected, atol=1e-6)


def test_weight_decay_shrinks_but_intercepts():
    params = {"alpha": 0.0, "solver": "adam", "batch_size": 150, "shuffle": False}
    start = classifier(max_iter=1, **params).fit(X, Y)
    decayed = classifier(max_iter=1, weight_decay=2.0, **params).fit(X, Y)
    initial = classifier(max_iter=1, learning_rate_init=1e-30, **params).fit(X, Y)
    for a, b, w in zip(start.coefs_, decayed.coefs_, initial.coefs_):
        np.testing.assert_allclose(b, a - 0.001 * 2.0 * w, rtol=1e-10, atol=1e-15)
    for a, b in zip(start.intercepts_, decayed.intercepts_):
        np.testing.assert_array_equal(a, b)


def test_max_norm_holds():
    clf = classifier(max_weight_norm=0.6, max_iter=50, learning_rate_init=0.02).fit(
        X, Y
    )
    for W in clf.coefs_:
        assert (np.linalg.norm(W, axis=0) <= 0.6 * (1 + 1e-12)).all()


def test_a_frozen_layer_of_a_fitted_model():
    clf = classifier(warm_start=True).fit(X, Y)
    W, b = clf.coefs_[0].copy(), clf.intercepts_[0].copy()
    clf.set_params(
        learning_rate_factors=[0, 1, 1], weight_decay=0.1, max_weight_norm=0.1
    ).fit(X, Y)
    np.testing.assert_array_equal(clf.coefs_[0], W)
    np.testing.assert_array_equal(clf.intercepts_[0], b)
    clf.set_params(dropout=0.5).partial_fit(X, Y)
    np.testing.assert_array_equal(clf.coefs_[0], W)


# Averages


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_ema_is_the_weighted_mean_of_all_steps(decay):
    seen = []
    params = {"batch_size": 150, "max_iter": 12}
    plain = classifier(**params)
    plain.fit(X, Y, callback=lambda r: seen.append(weights(r.fitted_estimator())))
    clf = classifier(weight_averaging=("ema", decay), **params).fit(X, Y)
    shares = decay ** np.arange(11.0, -1, -1)
    expected = shares @ np.array(seen) / shares.sum()
    np.testing.assert_allclose(weights(clf), expected, rtol=1e-10, atol=1e-13)
    assert clf.loss_curve_ == plain.loss_curve_


def test_swa_is_the_mean_of_the_last_epochs():
    seen = []
    params = {"max_iter": 10}
    classifier(**params).fit(
        X, Y, callback=lambda r: seen.append(weights(r.fitted_estimator()))
    )
    for start in (0.0, 0.5, 0.75):
        clf = classifier(weight_averaging=("swa", start), **params).fit(X, Y)
        first = int(np.ceil(start * 10))
        expected = np.mean(seen[first:], axis=0)
        np.testing.assert_allclose(weights(clf), expected, rtol=1e-10, atol=1e-13)
    short = classifier(weight_averaging="swa", n_iter_no_change=1, tol=10, max_iter=100)
    same(short.fit(X, Y), clone(short).set_params(weight_averaging=None).fit(X, Y))


@pytest.mark.parametrize("average, default", [("ema", 0.999), ("swa", 0.75)])
def test_an_average_without_its_parameter_takes_the_default(average, default):
    one = classifier(weight_averaging=average).fit(X, Y)
    other = classifier(weight_averaging=(average, default)).fit(X, Y)
    same(one, other)


@pytest.mark.parametrize("average", ["ema", ("swa", 0.2)])
def test_the_average_is_validated_and_kept(average):
    params = {"weight_averaging": average, "max_iter": 10}
    models, losses = [], []

    def hook(record):
        models.append(record.fitted_estimator())
        losses.append(record.validation_loss)

    clf = classifier(**params).fit(X, Y, X_val=X, y_val=Y, callback=hook)
    for model, loss in zip(models, losses):
        proba = model.predict_proba(X)[np.arange(len(Y)), Y]
        assert -np.log(proba).mean() == pytest.approx(loss)
    np.testing.assert_array_equal(weights(clf), weights(models[-1]))
    stopping = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 100}
    clf.set_params(**stopping, learning_rate_init=0.05)
    models.clear()
    clf.fit(X, Y, X_val=X, y_val=Y, callback=hook)
    best = models[int(np.argmax(clf.validation_scores_))]
    np.testing.assert_array_equal(weights(clf), weights(best))


@pytest.mark.parametrize("average", [("ema", 0.9), ("swa", 0.2)])
@pytest.mark.parametrize("standardized", [False, True])
def test_partial_fit_goes_on_with_weights_and_average(average, standardized):
    params = {
        "weight_averaging": average, "max_iter": 8,
        "shuffle": False, "standardize_X": standardized, "dropout": 0.2,
    }  # fmt: skip
    at_once = classifier(**params).partial_fit(X, Y, classes=[0, 1, 2], n_epochs=8)
    model = classifier(**params)
    for _ in range(8):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    # scaling rounds when it is folded in and out; the raw weights are not touched
    tolerance = 1e-9 if standardized else 0
    np.testing.assert_allclose(
        weights(model), weights(at_once), rtol=tolerance, atol=tolerance
    )
    assert model.loss_curve_ == pytest.approx(at_once.loss_curve_, rel=1e-12)
    again = pickle.loads(pickle.dumps(model))
    again.partial_fit(X, Y)
    model.partial_fit(X, Y)
    same(model, again)


def test_weights_that_were_assigned_are_the_truth():
    params = {"weight_averaging": ("ema", 0.5), "solver": "sgd"}
    model = classifier(**params).partial_fit(X, Y, classes=[0, 1, 2])
    model.coefs_[0] = np.zeros_like(model.coefs_[0])
    model.set_params(learning_rate_factors=[0, 1, 1]).partial_fit(X, Y)
    assert not model.coefs_[0].any()


def test_an_average_of_diverging_weights_is_dropped():
    regr = regressor(
        solver="sgd", learning_rate_init=1e6, weight_averaging="ema",
        on_divergence="warn", max_iter=20,
    ).fit(X, TARGETS)  # fmt: skip
    assert np.isfinite(weights(regr)).all()


# State


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("extra", [{}, {"dropout": 0.3, "weight_averaging": "ema"}])
def test_state_survives(solver, extra, tmp_path):
    params = {"solver": solver, "random_stream": "continue", **extra}
    one = classifier(**params).partial_fit(X, Y, classes=[0, 1, 2])
    path = tmp_path / "model"
    joblib.dump(one, path)
    copies = [pickle.loads(pickle.dumps(one)), copy.deepcopy(one), joblib.load(path)]
    save_model(one, tmp_path / "file", optimizer=True)
    copies.append(load_model(tmp_path / "file"))
    for _ in range(2):
        for model in (one, *copies):
            model.partial_fit(X, Y)
    for other in copies:
        same(one, other)
        np.testing.assert_array_equal(one._optimizer.moments, other._optimizer.moments)
        assert one._optimizer.t == other._optimizer.t == 3


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_quick_way_of_partial_fit(solver):
    params = {
        "solver": solver,
        "dropout": 0.3,
        "weight_decay": 0.1,
        "max_weight_norm": 1.0,
    }
    quick, slow = classifier(**params), classifier(**params)
    for _ in range(5):
        quick.partial_fit(X, Y, classes=[0, 1, 2])
        slow._stream = None
        slow.partial_fit(X, Y, classes=[0, 1, 2])
    assert quick._stream is not None
    same(quick, slow)


@pytest.mark.parametrize("average", ["ema", ("swa", 0.2)])
def test_a_checkpoint_goes_on(average, tmp_path):
    params = {"dropout": 0.3, "weight_averaging": average, "max_iter": 9}
    whole = classifier(**params).fit(X, Y)
    path = tmp_path / "checkpoint"

    def stop(record):
        if record.epoch == 6:
            raise RuntimeError

    model = classifier(**params)
    with pytest.raises(RuntimeError):
        model.fit(X, Y, callback=stop, checkpoint=path)
    same(classifier(**params).fit(X, Y, resume=path), whole)


def test_pickles_stay_small():
    X_digits, y = load_digits(return_X_y=True)
    for params, n_vectors in (
        ({"solver": "lion", "dropout": 0.5}, 2),
        ({"solver": "nadam", "max_weight_norm": 1.0}, 3),
        ({"solver": "adam", "weight_averaging": "ema"}, 4),
    ):
        clf = MLPClassifier(200, max_iter=2, random_state=0, **params).fit(X_digits, y)
        size = sum(a.nbytes for a in clf.coefs_ + clf.intercepts_)
        assert len(pickle.dumps(clf)) < n_vectors * size + 10_000


def test_grid_search():
    grid = {"dropout": [0.0, [0.1, 0.2, 0.3]], "solver": ["adam", "lion"]}
    search = GridSearchCV(classifier(), grid, cv=2).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("solver", ["nadam", "rmsprop", "adagrad", "lion"])
def test_schedules_of_the_new_solvers(solver):
    params = {"solver": solver, "learning_rate_init": 0.02, "n_iter_no_change": 2}
    rates = classifier(**params, learning_rate="cosine").fit(X, Y).history_
    expected = 0.01 * (1 + np.cos(np.pi * np.arange(5) / 5))
    np.testing.assert_allclose(rates["learning_rate"], expected)
    flat = params | {"tol": 10.0, "max_iter": 8}
    for schedule, factor in (("adaptive", 0.2), (("plateau", 0.5), 0.5)):
        rates = classifier(**flat, learning_rate=schedule).fit(X, Y).history_
        assert rates["learning_rate"][4] == pytest.approx(0.02 * factor)
    rates = classifier(**params, learning_rate="invscaling").fit(X, Y).history_
    seen = rates["learning_rate"]
    expected = 0.02 / np.sqrt(150 * np.arange(1, len(seen)) + 1)
    np.testing.assert_allclose(seen[1:], expected)
    assert len(seen) > 3
    clf = classifier(**params, learning_rate=lambda e: 0.1 / e).fit(X, Y)
    seen = clf.history_["learning_rate"]
    np.testing.assert_allclose(seen, 0.1 / np.arange(1, len(seen) + 1))


def test_decay_follows_the_schedule():
    """Without a gradient a weight is multiplied by 1 - rate * weight_decay."""
    rates = [0.1, 0.3, 0.05]
    blank = np.c_[X, np.zeros(150)]  # no slope of its weights, nor of alpha
    settings = {"solver": "rmsprop", "batch_size": 75, "alpha": 0.0, "max_iter": 3}
    start = classifier(**settings | {"max_iter": 1}, learning_rate_init=1e-30)
    start.fit(blank, Y)
    clf = classifier(**settings, weight_decay=0.5, learning_rate=lambda e: rates[e - 1])
    clf.set_params(learning_rate_factors=[0.5, 1, 1]).fit(blank, Y)
    factor = np.prod([(1 - 0.5 * 0.5 * rate) ** 2 for rate in rates])
    np.testing.assert_allclose(
        clf.coefs_[0][4], factor * start.coefs_[0][4], rtol=1e-12
    )


# Bad input


@pytest.mark.parametrize(
    "params, message",
    [
        ({"dropout": 1.0}, r"'dropout' parameter .* in the range \[0, 1\)"),
        ({"dropout": -0.1}, "'dropout' parameter"),
        ({"dropout": "half"}, "'dropout' parameter"),
        ({"dropout": [0.1, 0.2]}, "dropout must have 3 rates.*got 2"),
        ({"dropout": [0.1, 0.2, 1.5]}, "'dropout' parameter"),
        ({"dropout": [[0.1, 0.2, 0.1]]}, "'dropout' parameter"),
        ({"dropout": 0.5, "hidden_layer_sizes": ()}, "there are none"),
        ({"dropout": np.nan}, "'dropout' parameter"),
        ({"input_noise": -1}, "'input_noise' parameter"),
        ({"weight_decay": -1}, "'weight_decay' parameter"),
        ({"weight_decay": np.inf}, "'weight_decay' parameter"),
        ({"l1": "a"}, "'l1' parameter"),
        ({"max_weight_norm": 0}, "'max_weight_norm' parameter"),
        ({"max_grad_norm": -2.0}, "'max_grad_norm' parameter"),
        ({"max_grad_norm": np.inf}, "'max_grad_norm' parameter"),
        ({"label_smoothing": 1.0}, "'label_smoothing' parameter"),
        (
            {"learning_rate_factors": [1, 1]},
            "learning_rate_factors must have 3 factors.*got 2",
        ),
        ({"learning_rate_factors": [1, 1, -1]}, "'learning_rate_factors' parameter"),
        ({"learning_rate_factors": [0, 0, 0]}, "freezes all layers"),
        ({"learning_rate_factors": 1.0}, "'learning_rate_factors' parameter"),
        ({"weight_averaging": "mean"}, "'ema', 'swa'"),
        ({"weight_averaging": ("ema", 1.0)}, "decay in .0, 1"),
        ({"weight_averaging": ("swa", -0.1)}, "start in .0, 1"),
        ({"weight_averaging": ("ena", 0.9)}, "Did you mean 'ema'"),
        ({"weight_averaging": ["ema", 0.9]}, "a pair"),
        ({"solver": "adamw"}, "'nadam', 'rmsprop', 'adagrad', 'lion'"),
    ],
    ids=str,
)
def test_bad_parameters(params, message):
    model = classifier(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)
    assert not hasattr(model, "coefs_")
    model = classifier().fit(X, Y)
    before = weights(model)
    with pytest.raises(ValueError, match=message):
        model.set_params(**params).fit(X, Y)
    np.testing.assert_array_equal(weights(model), before)


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.1},
        {"dropout": [0.1, 0, 0]},
        {"input_noise": 0.1},
        {"weight_decay": 0.1},
        {"l1": 0.1},
        {"max_weight_norm": 1.0},
        {"max_grad_norm": 1.0},
        {"learning_rate_factors": [1, 0, 1]},
        {"weight_averaging": "swa"},
    ],
    ids=str,
)
def test_lbfgs_refuses(params):
    (name,) = params
    message = f"{name}=.* makes no sense with solver='lbfgs': .*Use a stochastic solver"
    for model, y in ((classifier(), Y), (regressor(), TARGETS)):
        model.set_params(solver="lbfgs", **params)
        with pytest.raises(ValueError, match=message):
            model.fit(X, y)


def test_l1_needs_steps_with_a_length():
    with pytest.raises(ValueError, match="l1=0.1 makes no sense with solver='lion'"):
        classifier(solver="lion", l1=0.1).fit(X, Y)
    with pytest.raises(ValueError, match="needs momentum < 1"):
        classifier(solver="sgd", momentum=1, l1=0.1).fit(X, Y)


def test_lbfgs_takes_what_does_nothing():
    classifier(solver="lbfgs", dropout=[0, 0, 0], weight_decay=0.0, l1=0).fit(X, Y)


def test_regression_has_no_labels_to_smooth():
    with pytest.raises(ValueError, match="label_smoothing=0.1 needs a classifier"):
        regressor(label_smoothing=0.1).fit(X, TARGETS)


def test_noise_on_sparse_rows_is_refused():
    with pytest.raises(ValueError, match=r"input_noise=0.1 needs a dense X.*toarray"):
        classifier(input_noise=0.1).fit(sparse.csr_matrix(X), Y)


def test_dropout_of_stored_values_needs_rows_once():
    class Bootstrap:
        def split(self, X, y, groups=None):
            yield np.zeros(100, int), np.arange(100, 150)

    clf = classifier(dropout=[0.1, 0, 0], validation_split=Bootstrap())
    with pytest.raises(ValueError, match="each training row once"):
        clf.fit(sparse.csr_matrix(X), Y)
    clf.set_params(dropout=0.2).fit(sparse.csr_matrix(X), Y)
