"""A model that is no better than the best constant is told of, and no other."""

import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import reference_losses
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from fastmlp import Activation, Loss, MLPClassifier, MLPRegressor
from fastmlp._core.network import Data, Network, Objective
from fastmlp._data.split import Samples
from fastmlp._training import baseline

RNG = np.random.RandomState(0)
X = RNG.randn(500, 5)
SIGNAL = X[:, 0] + 0.1 * RNG.randn(500)
DOLLARS = 200_000 + 50_000 * SIGNAL
ONE_EPOCH = {"max_iter": 1, "random_state": 0, "learning_rate_init": 1e-9}
TOLD = "no better than that of the best constant prediction"


def told(model, *data, **options):
    """The warnings of a fit, as texts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*data, **options)
    assert all(w.category is ConvergenceWarning for w in caught)
    return [str(w.message) for w in caught]


class _Task:
    """As much of a task as a constant needs."""

    averaging = None
    stops_by_score = False

    def __init__(self, objective, y, weight, n_outputs, dtype):
        self.network = Network((1, n_outputs), [], objective)
        self.samples = Samples(None, y, weight)
        self.params = np.zeros(self.network.n_params, dtype=dtype)
        self.plan = SimpleNamespace(fit_intercept=True)


LEVELS = (0.1, 0.5, 0.75)
# they take a constant that is good but not the best one
INEXACT = ("huber", "log_cosh", "focal", "binary_focal")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", reference_losses.OBJECTIVES)
def test_no_constant_is_better(name, weighted, dtype):
    objective = reference_losses.OBJECTIVES[name]
    rng = np.random.default_rng(0)
    n_outputs = 4 if objective.loss == "focal" else 6
    y = reference_losses.targets(rng, objective, 41, n_outputs).astype(dtype)
    if objective.output == "logistic":  # targets within the range of the output
        y = np.clip(y, *objective.bounds)
    elif objective.output in ("exp", "softplus"):
        y = np.abs(y)
    w = rng.integers(1, 4, size=41).astype(dtype) if weighted else None
    task = _Task(objective, y, w, n_outputs, dtype)
    found = baseline.best_constant_loss(task, np.arange(41))

    def loss(z):
        rows = np.tile(z, (41, 1))
        values, _ = reference_losses.losses_and_delta(objective, rows, y.astype(float))
        scale = n_outputs if objective.loss == "squared_error" else 1
        return np.average(values.sum(axis=1), weights=w) / scale

    constants = baseline._constants(task.network, y, w, True)
    eps = float(np.finfo(dtype).eps)
    assert found == pytest.approx(min(map(loss, constants)), rel=100 * eps)
    if objective.loss in INEXACT or dtype == np.float32:
        return
    options = {"maxiter": 3000, "xatol": 1e-6, "fatol": 1e-9}
    for start in (constants[0], constants[0] + 0.3 * rng.normal(size=n_outputs)):
        best = minimize(loss, start, method="Nelder-Mead", options=options).fun
        assert found <= best + 1e-5 * abs(best)


@pytest.mark.parametrize("loss", ["log_loss", "binary_log_loss"])
def test_class_frequencies(loss):
    y = np.array([0, 0, 0, 1, 2, 2.0])[:, None] if loss == "log_loss" else X[:6] > 0.1
    y = y.astype(float)
    task = _Task(Objective(loss), y, None, 3 if loss == "log_loss" else 5, float)
    p = np.array([3, 1, 2]) / 6 if loss == "log_loss" else y.mean(axis=0)
    expected = -(p * np.log(p)).sum()
    if loss != "log_loss":
        expected -= ((1 - p) * np.log(1 - p)).sum()
    assert baseline.best_constant_loss(task, np.arange(6)) == pytest.approx(expected)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize(
    "loss, more",
    [
        ("squared_error", {}),
        ("absolute_error", {}),
        ("huber", {}),
        ("log_cosh", {}),
        ("gaussian_nll", {}),
        ("quantile", {"quantile": [0.1, 0.9]}),
        ("quantile", {"quantile": [0.1, 0.9], "monotone_quantiles": True}),
    ],
    ids=str,
)
def test_targets_of_a_large_scale(loss, more, solver):
    regr = MLPRegressor(
        loss, solver=solver, max_iter=3, random_state=0, learning_rate_init=1e-6, **more
    )
    regr.set_params(max_fun=3 if solver == "lbfgs" else 15000)
    messages = told(regr, X, DOLLARS)
    if solver == "lbfgs" and TOLD not in " ".join(messages):
        # its steps are as long as they need to be
        assert loss == "squared_error"
        return
    assert len(messages) == 1
    assert f"{TOLD}, " in messages[0] and "set standardize_y=True" in messages[0]
    assert "y has the mean 1.972e+05" in messages[0]
    assert "hasn't converged yet" in messages[0] or "failed to converge" in messages[0]
    remedy = clone(regr).set_params(standardize_y=True, max_iter=60, max_fun=15000)
    remedy.set_params(learning_rate_init=0.01)
    assert TOLD not in " ".join(told(remedy, X, DOLLARS))


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_counts_of_a_large_scale(loss):
    y = np.exp(15 + 0.5 * SIGNAL)
    regr = MLPRegressor(loss, max_iter=20, random_state=0)
    messages = told(regr, X, y)
    assert TOLD in messages[0] and "divide y by its mean" in messages[0]
    regr.set_params(max_iter=200)
    assert TOLD not in " ".join(told(regr, X, y / y.mean()))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("scale", [1e5, 1e-5])
def test_features_of_another_scale(scale, kind):
    regr = MLPRegressor(random_state=0, tol=0, max_iter=30)
    regr.set_params(max_iter=30 if scale > 1 else 1, learning_rate_init=1e-6)
    messages = told(regr, kind(scale * X), 1 + SIGNAL)
    largest = scale * np.sqrt((X**2).mean(axis=0).max())
    assert TOLD in messages[0]
    assert f"features reach {largest:.3g}: set standardize_X=True" in messages[0]
    assert "standardize_y" not in messages[0]
    regr.set_params(standardize_X=True, max_iter=100, learning_rate_init=0.01)
    assert TOLD not in " ".join(told(regr, kind(scale * X), 1 + SIGNAL))


def test_outliers_are_no_scale():
    far = X.copy()
    far[0, 0] = 30
    (message,) = told(MLPRegressor(**ONE_EPOCH), far, DOLLARS)
    assert "standardize_y" in message and "standardize_X" not in message


def test_classes():
    y = (SIGNAL > 0).astype(int)
    clf = MLPClassifier(max_iter=30, random_state=0, solver="sgd")
    messages = told(clf, X * 1e6, y)
    assert TOLD in " ".join(messages) and "standardize_X=True" in " ".join(messages)
    assert TOLD not in " ".join(told(clf.set_params(standardize_X=True), X * 1e6, y))


def test_data_of_a_usual_scale():
    (message,) = told(MLPRegressor(**ONE_EPOCH), X, SIGNAL)
    assert TOLD in message and "another learning_rate_init" in message
    assert "standardize" not in message and "less regularization" in message


@pytest.mark.parametrize(
    "rate", [10.0, lambda epoch: 1e-3 if epoch < 3 else 10.0], ids=["all", "later"]
)
def test_divergence_that_stays_finite(rate):
    options = {"solver": "sgd", "activation": "tanh", "random_state": 0}
    options["learning_rate"] = rate if callable(rate) else "constant"
    regr = MLPRegressor(learning_rate_init=10.0, **options)
    message = " ".join(told(regr, X, SIGNAL))
    assert 1e100 < regr.loss_ < np.inf and TOLD in message
    smallest = min(regr.loss_curve_)
    assert f"Training diverged: the loss was {smallest:.4g} before" in message
    assert "Lower learning_rate_init (now 10)" in message


def test_a_loss_that_overflows_names_the_rate():
    regr = MLPRegressor(
        solver="sgd", activation="identity", momentum=0, learning_rate_init=10.0,
        batch_size=500, max_iter=6, random_state=0,
    )  # fmt: skip
    assert "lower learning_rate_init (now 10)" in told(regr, X, SIGNAL)[0]


SOUND = {
    "diabetes": (MLPRegressor(standardize_y=True), load_diabetes),
    "diabetes raw": (MLPRegressor(max_iter=400), load_diabetes),
    "diabetes lbfgs": (MLPRegressor(solver="lbfgs", max_iter=50), load_diabetes),
    "diabetes mae": (MLPRegressor("absolute_error", standardize_y=True), load_diabetes),
    "iris": (MLPClassifier(), load_iris),
    "iris focal": (MLPClassifier(loss="focal"), load_iris),
    "iris smoothed": (MLPClassifier(label_smoothing=0.3), load_iris),
    "iris dropout": (MLPClassifier(dropout=0.5), load_iris),
    "iris noise": (MLPClassifier(input_noise=1.0), load_iris),
    "iris decay": (MLPClassifier(alpha=10.0), load_iris),
    "iris early": (MLPClassifier(early_stopping=True), load_iris),
    "iris ema": (MLPClassifier(weight_averaging="ema"), load_iris),
    "iris swa": (MLPClassifier(weight_averaging="swa", max_iter=40), load_iris),
    "iris balanced": (MLPClassifier(class_weight="balanced"), load_iris),
    "iris sgd": (MLPClassifier(solver="sgd", learning_rate="adaptive"), load_iris),
    "iris lbfgs": (MLPClassifier(solver="lbfgs"), load_iris),
    "iris tanh": (MLPClassifier((20, 20), "tanh"), load_iris),
    "cancer": (MLPClassifier(standardize_X=True), load_breast_cancer),
    "wine": (MLPClassifier(standardize_X=True, dtype="float32"), load_wine),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", SOUND)
def test_sound_fits_are_left_alone(name, seed):
    model, load = SOUND[name]
    X_in, y = load(return_X_y=True)
    if load is load_iris:
        X_in = StandardScaler().fit_transform(X_in)
    messages = told(clone(model).set_params(random_state=seed), X_in, y)
    assert TOLD not in " ".join(messages)


@pytest.mark.parametrize(
    "model, y",
    [
        (MLPRegressor(**ONE_EPOCH), np.full(500, 1e6)),
        (MLPRegressor(**ONE_EPOCH), np.full(500, 0.1) + 1e-17 * X[:, 0]),
        (MLPRegressor("poisson", **ONE_EPOCH), np.zeros(500)),
        (MLPClassifier(**ONE_EPOCH), np.zeros(500)),
        (MLPClassifier(**ONE_EPOCH), np.ones((500, 2))),
    ],
    ids=["far", "rounding", "poisson", "one class", "labels"],
)
def test_there_is_nothing_to_learn_of_a_constant(model, y):
    assert TOLD not in " ".join(told(model, X, y))


def test_rows_without_weight_do_not_count():
    y, w = np.r_[np.ones(250), np.full(250, 1e6)], np.r_[np.ones(250), np.zeros(250)]
    assert TOLD not in " ".join(told(MLPRegressor(**ONE_EPOCH), X, y, w))
    (message,) = told(MLPRegressor(**ONE_EPOCH), X, DOLLARS, w + 0.5)
    assert TOLD in message


def test_without_intercepts_the_constant_is_zero():
    y = 5 + SIGNAL
    regr = MLPRegressor(
        hidden_layer_sizes=(), fit_intercept=False, solver="lbfgs", random_state=0
    )
    assert told(regr, X, y) == []  # R2 is below 0, and no such model has a better one
    assert regr.score(X, y) < 0


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ends_that_the_user_chose_are_not_judged(solver):
    regr = MLPRegressor(solver=solver, random_state=0, learning_rate_init=1e-9)
    assert told(regr, X, DOLLARS, callback=lambda record: record.stop()) == []
    regr.set_params(target_score=-1e9)
    assert told(regr, X, DOLLARS, X_val=X, y_val=DOLLARS) == []
    regr.set_params(target_score=None, max_iter=10**6, max_time=0.05, tol=0)
    regr.set_params(n_iter_no_change=np.inf)
    many = np.random.RandomState(0).randn(200_000, 20)
    messages = told(regr, many, 1e5 * np.sin(10 * many[:, 0]))
    assert len(messages) == 1 and "max_time" in messages[0]


def test_partial_fit_is_not_judged():
    regr = MLPRegressor(random_state=0, learning_rate_init=1e-9)
    regr.partial_fit(X, DOLLARS, n_epochs=3)  # a warning is an error here


def test_ctrl_c_is_not_judged():
    def interrupt(record):
        raise KeyboardInterrupt

    regr = MLPRegressor(random_state=0, learning_rate_init=1e-9)
    with pytest.warns(UserWarning, match="interrupted by user") as caught:
        regr.fit(X, DOLLARS, callback=interrupt)
    assert len(caught) == 1


def test_ctrl_c_during_the_judgement_keeps_the_model(monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(baseline, "predict", interrupted)
    regr = MLPRegressor(**ONE_EPOCH)
    with pytest.warns() as caught:
        regr.fit(X, DOLLARS)
    messages = [str(w.message) for w in caught]
    assert messages[0] == "Training interrupted by user."
    assert messages[1].endswith("hasn't converged yet.") and len(messages) == 2
    assert regr.predict(X).shape == (500,)


def test_the_kept_weights_are_judged():
    """Early stopping may keep the first epoch although later ones fit the data."""
    regr = MLPRegressor(
        early_stopping=True, max_iter=200, n_iter_no_change=150, random_state=0, tol=0
    )
    left = [1.0, *[0.0] * 200]
    regr.set_params(scoring=lambda *args: left.pop(0), learning_rate_init=0.01)
    y = 3 + SIGNAL
    (message,) = told(regr, X, y, X_val=X[:50], y_val=y[:50])
    assert TOLD in message and min(regr.loss_curve_) < 0.05
    loss = 0.5 * np.mean((regr.predict(X) - y) ** 2)
    assert f"{loss:.4g}, is {TOLD}, {0.5 * np.var(y):.4g}." in message


def test_user_defined_functions():
    square = Loss(
        lambda y, a: (a - y) ** 2 / 2, lambda y, a: a - y, name="square"
    )  # its best constant is not known
    assert TOLD not in " ".join(told(MLPRegressor(square, **ONE_EPOCH), X, DOLLARS))
    mine = Activation(np.tanh, lambda a: 1 - a**2)
    (message,) = told(MLPRegressor(activation=mine, **ONE_EPOCH), X, DOLLARS)
    assert TOLD in message


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_many_rows_go_piece_by_piece(kind, monkeypatch):
    (expected,) = told(MLPRegressor(**ONE_EPOCH), kind(X), DOLLARS)
    monkeypatch.setattr(baseline, "PIECE", 64)
    assert told(MLPRegressor(**ONE_EPOCH), kind(X), DOLLARS) == [expected]


def test_it_costs_little_beside_an_epoch():
    y = RNG.randn(100_000, 1)
    task = _Task(Objective("quantile", levels=LEVELS), y, None, 3, float)
    task.data = Data(y, y)
    started = time.process_time()
    baseline.best_constant_loss(task, np.arange(len(y)))
    assert time.process_time() - started < 2
