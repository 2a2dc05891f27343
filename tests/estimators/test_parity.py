"""Same seed, same model: runs beside scikit-learn's own estimators."""

import inspect

import numpy as np
import pytest
import sklearn.neural_network as upstream
from scipy import sparse
from sklearn.datasets import make_classification, make_multilabel_classification

import fastmlp

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Got `batch_size`"
    ),
    pytest.mark.skipif(
        "loss" not in inspect.signature(upstream.MLPRegressor).parameters,
        reason="this scikit-learn has neither sample weights nor a loss of its MLP",
    ),
]

# Sums are ordered differently, so the last digits differ and drift apart over the
# epochs; the configurations below stay within this over dozens of them.
RTOL = 1e-6

N = 230  # two batches, the second one short


def _data(task):
    rng = np.random.RandomState(0)
    X, y = make_classification(
        n_samples=N, n_features=12, n_informative=8, n_classes=3, random_state=0
    )
    labels = make_multilabel_classification(
        n_samples=N, n_features=12, n_classes=4, random_state=0
    )[1]
    score = X @ rng.randn(12) / 4
    targets = {
        "binary": y > 0,
        "multiclass": np.array(["b", "a", "c"])[y],
        "multilabel": labels,
        "regression": score + rng.randn(N),
        "many outputs": np.c_[score, np.sin(score), score**2],
        "poisson": rng.poisson(np.exp(np.clip(score, -2, 1))),
    }
    return X, targets[task]


TASKS = ["binary", "multiclass", "multilabel", "regression", "many outputs", "poisson"]
SOLVERS = {
    "adam": {"solver": "adam"},
    "adam, other rates": {
        "solver": "adam",
        "beta_1": 0.8,
        "beta_2": 0.9,
        "epsilon": 1e-3,
        "learning_rate_init": 0.003,
    },
    "nesterov": {"solver": "sgd"},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "batch_size": 64},
    "invscaling": {
        "solver": "sgd",
        "learning_rate": "invscaling",
        "learning_rate_init": 0.01,
        "power_t": 0.3,
    },
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05},
    "no shuffle": {"shuffle": False, "batch_size": 50},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 4},
    "early stopping, no shuffle": {"early_stopping": True, "shuffle": False},
    "one batch": {"batch_size": 1000, "solver": "sgd"},
}


def _pair(task, **params):
    name = "MLPClassifier" if task in TASKS[:3] else "MLPRegressor"
    if task == "poisson":
        params["loss"] = "poisson"
        if params.get("solver") == "sgd":  # larger rates overflow in both packages
            params["learning_rate_init"] = 2e-4
    return getattr(upstream, name)(**params), getattr(fastmlp, name)(**params)


def _assert_same(theirs, ours, X):
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.t_ == theirs.t_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=RTOL)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=RTOL)
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())
    assert ours._no_improvement_count == theirs._no_improvement_count
    rate = theirs._optimizer.learning_rate
    assert ours._optimizer.learning_rate == pytest.approx(rate, rel=1e-12)
    for name in ("out_activation_", "n_layers_", "n_outputs_"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("best_loss_", "best_validation_score_", "validation_scores_"):
        if getattr(theirs, name) is None:
            assert getattr(ours, name) is None
        else:
            np.testing.assert_allclose(
                getattr(ours, name), getattr(theirs, name), rtol=RTOL
            )
    method = "predict_proba" if hasattr(theirs, "predict_proba") else "predict"
    for name in {method, "predict"}:
        a, b = getattr(ours, name)(X), getattr(theirs, name)(X)
        assert a.shape == b.shape and a.dtype == b.dtype
        if b.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())
        else:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", TASKS)
def test_same_run(task, solver, activation):
    X, y = _data(task)
    params = {
        "hidden_layer_sizes": (9, 5),
        "activation": activation,
        "alpha": 0.05,
        "max_iter": 24,
        "random_state": 3,
    } | SOLVERS[solver]
    theirs, ours = _pair(task, **params)
    _assert_same(theirs.fit(X, y), ours.fit(X, y), X)


@pytest.mark.parametrize("layout", ["dense", "fortran", "csr", "csc", "float32"])
@pytest.mark.parametrize("task", TASKS)
def test_same_run_with_weights_for_every_layout(task, layout):
    X, y = _data(task)
    X[np.abs(X) < 0.5] = 0
    sample_weight = np.random.RandomState(1).randint(0, 3, N) / 2
    X = {
        "dense": np.asarray,
        "fortran": np.asfortranarray,
        "csr": sparse.csr_matrix,
        "csc": sparse.csc_array,
        "float32": lambda X: X.astype(np.float32).astype(float),
    }[layout](X)
    for early_stopping in (False, True):
        theirs, ours = _pair(
            task,
            hidden_layer_sizes=(7,),
            max_iter=20,
            random_state=0,
            early_stopping=early_stopping,
        )
        theirs.fit(X, y, sample_weight=sample_weight)
        ours.fit(X, y, sample_weight=sample_weight)
        _assert_same(theirs, ours, X)


@pytest.mark.parametrize("task", TASKS)
def test_same_partial_fit(task):
    X, y = _data(task)
    options = {"classes": np.unique(y)} if task in TASKS[:2] else {}
    if task == "multilabel":
        options["classes"] = np.arange(4)
    for solver in ("adam", "sgd"):
        theirs, ours = _pair(
            task, hidden_layer_sizes=6, solver=solver, random_state=0, batch_size=40
        )
        for start in (0, 90, 0, 90):
            rows = slice(start, start + 140)
            theirs.partial_fit(X[rows], y[rows], **options)
            ours.partial_fit(X[rows], y[rows], **options)
        _assert_same(theirs, ours, X)


def test_dozens_of_epochs_on_digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    theirs, ours = _pair("multiclass", max_iter=60, random_state=0)
    _assert_same(theirs.fit(X / 16, y), ours.fit(X / 16, y), X / 16)


def test_linear_models_without_hidden_layer():
    for task in TASKS:
        X, y = _data(task)
        theirs, ours = _pair(task, hidden_layer_sizes=(), max_iter=20, random_state=0)
        _assert_same(theirs.fit(X, y), ours.fit(X, y), X)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize(
    "task", ["binary", "multiclass", "multilabel", "regression", "poisson"]
)
def test_lbfgs_takes_the_same_first_steps_to_an_equally_good_end(task, activation):
    X, y = _data(task)
    params = {
        "solver": "lbfgs",
        "hidden_layer_sizes": (6,),
        "activation": activation,
        "alpha": 1.0,
        "random_state": 0,
    }
    theirs, ours = _pair(task, max_iter=8, **params)
    theirs.fit(X, y), ours.fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-8)
    assert ours.t_ == theirs.t_ == 0
    assert not hasattr(ours, "loss_curve_") and not hasattr(theirs, "loss_curve_")
    theirs, ours = _pair(task, max_iter=2000, tol=1e-7, **params)
    theirs.fit(X, y), ours.fit(X, y)
    # the paths part by rounding and may end in neighbouring minima
    assert ours.loss_ <= theirs.loss_ * 1.05
