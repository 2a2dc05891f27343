"""partial_fit: epochs, validation data, the generator, and its quick way."""

import copy
import pickle
import timeit

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris

from fastmlp import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
BATCHES = [(X[i::5].copy(), Y[i::5].copy()) for i in range(5)]
TARGETS = [(x, x[:, 0] - x[:, 1]) for x, _ in BATCHES]
CLASSES = np.arange(3)


def _assert_same(a, b):
    for x, y in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_):
        np.testing.assert_array_equal(x, y)
    assert a.loss_curve_ == b.loss_curve_ and a.t_ == b.t_
    np.testing.assert_array_equal(a._optimizer.moments, b._optimizer.moments)
    for x, y in zip(a._random_state.get_state(), b._random_state.get_state()):
        np.testing.assert_array_equal(x, y)


def _streams(estimator):
    return getattr(estimator, "_stream", None) is not None


def _twins(params, targets, weights=None):
    """Two models after the same calls, one of which always takes the long way."""
    kind = MLPRegressor if targets.dtype.kind == "f" else MLPClassifier
    extra = {} if kind is MLPRegressor else {"classes": CLASSES}
    models = [kind(hidden_layer_sizes=(6,), **params) for _ in range(2)]
    for _ in range(3):
        for i in range(5):
            w = None if weights is None else weights[i::5].copy()
            for model, is_quick in zip(models, (True, False)):
                if not is_quick:
                    model._stream = None
                model.partial_fit(X[i::5].copy(), targets[i::5].copy(), w, **extra)
    assert _streams(models[0])
    return models


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"solver": "sgd"},
        {"batch_size": 7},
        {"shuffle": False},
        {"random_stream": "continue"},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"learning_rate": "cosine"},
        {"alpha": 1.0, "activation": "tanh"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "targets",
    [Y, X[:, 0] - X[:, 1], X[:, :2] * 2.0],
    ids=["classes", "one output", "two outputs"],
)
def test_the_quick_way_gives_the_same_bits(params, targets):
    _assert_same(*_twins({"random_state": 3, **params}, targets))
    weights = np.linspace(0.1, 2, 150)
    _assert_same(*_twins({"random_state": 3, **params}, targets, weights))


@pytest.mark.parametrize("random_state", [None, "instance"])
def test_the_quick_way_with_other_generators(random_state):
    models = []
    for is_quick in (True, False):
        np.random.seed(5)
        given = None if random_state is None else np.random.RandomState(1)
        model = MLPClassifier((6,), random_state=given)
        for x, y in BATCHES * 2:
            if not is_quick:
                model._stream = None
            model.partial_fit(x, y, classes=CLASSES)
        models.append(model)
    _assert_same(*models)


def _fresh():
    model = MLPClassifier((6,), random_state=0, batch_size=6)
    for x, y in BATCHES:
        model.partial_fit(x, y, classes=CLASSES)
    return model


def _double(model):
    model.coefs_[0] = model.coefs_[0] * 2


def _double_in_place(model):
    model.coefs_[0][...] *= 2


def _new_lists(model):
    model.intercepts_ = [b + 1 for b in model.intercepts_]


CHANGES = {
    "a new entry of coefs_": _double,
    "values of coefs_": _double_in_place,
    "new lists": _new_lists,
    "alpha": lambda model: model.set_params(alpha=3.0),
    "rate": lambda model: model.set_params(learning_rate_init=0.1),
    "solver": lambda model: model.set_params(solver="sgd"),
    "batch size": lambda model: model.set_params(batch_size=10),
    "seed": lambda model: model.set_params(random_state=9),
    "class weight": lambda model: model.set_params(class_weight={0: 3.0}),
    "activation": lambda model: model.set_params(activation="tanh"),
    "scaling": lambda model: model.set_params(standardize_X=True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_users_change_counts(change):
    a, b = _fresh(), _fresh()
    b = pickle.loads(pickle.dumps(b))
    assert _streams(a) and not _streams(b)
    for model in (a, b):
        CHANGES[change](model)
        model.partial_fit(*BATCHES[0])
    _assert_same(a, b)
    if change != "rate":  # adam keeps the rate it was created with
        unchanged = _fresh().partial_fit(*BATCHES[0])
        assert any((x != y).any() for x, y in zip(a.coefs_, unchanged.coefs_))


@pytest.mark.parametrize("kind", ["frame", "sparse", "fortran", "float32", "list", "n"])
def test_other_data_take_the_long_way(kind):
    x, y = BATCHES[0]
    data = {
        "frame": pd.DataFrame(x),
        "sparse": sparse.csr_array(x),
        "fortran": np.asfortranarray(x),
        "float32": x.astype(np.float32),
        "list": x.tolist(),
        "n": x,
    }[kind]
    if kind == "n":
        data, y = np.tile(x, (2, 1)), np.tile(y, 2)
    a, b = _fresh(), pickle.loads(pickle.dumps(_fresh()))
    for model in (a, b):
        model.partial_fit(data, y)
        model.partial_fit(*BATCHES[1])
    _assert_same(a, b)


BAD = {
    "NaN": (BATCHES[0][0] * np.nan, BATCHES[0][1]),
    "classes": (BATCHES[0][0], BATCHES[0][1] + 5),
    "features": (BATCHES[0][0][:, :2], BATCHES[0][1]),
    "lengths": (BATCHES[0][0], BATCHES[0][1][:-1]),
}


@pytest.mark.parametrize("x, y", BAD.values(), ids=BAD)
def test_bad_data_in_a_stream(x, y):
    model = _fresh()
    before = joblib.hash(vars(model))
    with pytest.raises(ValueError, match=r"\b[Xy]\b"):
        model.partial_fit(x, y)
    assert joblib.hash(vars(model)) == before
    _assert_same(model.partial_fit(*BATCHES[0]), _fresh().partial_fit(*BATCHES[0]))


@pytest.mark.parametrize("random_stream", ["restart", "continue"])
def test_a_failure_in_a_stream_changes_nothing(random_stream):
    def stream():
        params = {"random_state": 0, "random_stream": random_stream, "solver": "sgd"}
        model = MLPRegressor(hidden_layer_sizes=(6,), **params)
        for x, t in TARGETS:
            model.partial_fit(x, t)
        return model

    def fail(record):
        raise RuntimeError

    model = stream()
    before = joblib.hash(vars(model))
    with pytest.raises(RuntimeError):
        model.partial_fit(*TARGETS[0], callback=fail)
    assert joblib.hash(vars(model)) == before
    with (
        pytest.warns(match="diverged"),
        pytest.raises(ValueError, match="non-finite"),
    ):
        model.partial_fit(TARGETS[0][0] * 1e200, TARGETS[0][1])
    assert joblib.hash(vars(model)) == before
    _assert_same(model.partial_fit(*TARGETS[1]), stream().partial_fit(*TARGETS[1]))


def test_copies_go_their_own_ways():
    model = _fresh()
    state = [array.copy() for array in model.coefs_]
    others = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    model.partial_fit(*BATCHES[0])
    for other in others:
        for a, b in zip(other.coefs_, state):
            np.testing.assert_array_equal(a, b)
        _assert_same(other.partial_fit(*BATCHES[0]), model)
    assert not hasattr(clone(model), "coefs_")
    assert len(pickle.dumps(model)) < 1.1 * len(pickle.dumps(others[0]))


def test_arrays_of_a_fit_stay_when_a_stream_follows():
    with pytest.warns(match="converge"):
        model = MLPClassifier((6,), max_iter=2, random_state=0).fit(X, Y)
    arrays = list(model.coefs_)
    before = [a.copy() for a in arrays]
    for x, y in BATCHES:
        model.partial_fit(x, y)
    for a, b in zip(arrays, before):
        np.testing.assert_array_equal(a, b)


def test_n_epochs():
    once = MLPRegressor(hidden_layer_sizes=(6,), random_state=0, shuffle=False)
    thrice = clone(once)
    for x, t in TARGETS:
        for _ in range(3):
            once.partial_fit(x, t)
        thrice.partial_fit(x, t, n_epochs=3)
        assert thrice.n_iter_ == 3
    _assert_same(once, thrice)
    # within a call the epochs are shuffled anew
    params = {"random_state": 0, "hidden_layer_sizes": (6,), "n_iter_no_change": 99}
    with pytest.warns(match="converge"):
        fitted = MLPRegressor(max_iter=5, **params).fit(*TARGETS[0])
    streamed = MLPRegressor(**params).partial_fit(*TARGETS[0], n_epochs=5)
    assert streamed.loss_curve_ == fitted.loss_curve_
    for value in (0, 2.0, "3", None, True, False):
        with pytest.raises(ValueError, match="n_epochs must be an int >= 1"):
            once.partial_fit(*TARGETS[0], n_epochs=value)


def test_validation_data():
    params = {"hidden_layer_sizes": (6,), "random_state": 0, "learning_rate_init": 0.05}
    plain = MLPClassifier(**params)
    judged = MLPClassifier(**params, scoring="loss")
    for x, y in BATCHES:
        plain.partial_fit(x, y, classes=CLASSES)
        judged.partial_fit(x, y, classes=CLASSES, X_val=X, y_val=Y)
    _assert_same(plain, judged)
    assert len(judged.validation_loss_curve_) == 5
    assert judged.history_["validation_score"].tolist() == judged.validation_scores_
    best = MLPClassifier(**params, scoring="loss", early_stopping=True)
    best.partial_fit(X, Y, classes=CLASSES, n_epochs=300, X_val=X[::2], y_val=Y[::2])
    assert best.n_iter_ < 300
    _, loss = min(enumerate(best.validation_loss_curve_), key=lambda pair: pair[1])
    again = MLPClassifier(**params, n_iter_no_change=999)
    at = best.validation_loss_curve_.index(loss) + 1
    again.partial_fit(X, Y, classes=CLASSES, n_epochs=at, X_val=X[::2], y_val=Y[::2])
    np.testing.assert_array_equal(again.coefs_[0], best.coefs_[0])
    with pytest.raises(ValueError, match="early_stopping=True without X_val"):
        best.partial_fit(X, Y)


def test_the_generator_may_go_on():
    def orders(random_stream):
        model = MLPRegressor(
            hidden_layer_sizes=(),
            random_state=0,
            random_stream=random_stream,
            batch_size=1,
        )
        model.partial_fit(*TARGETS[0])
        states = []
        for _ in range(3):
            model.partial_fit(*TARGETS[0])
            states.append(joblib.hash(model._random_state.get_state()))
        return states

    assert len(set(orders("restart"))) == 1
    assert len(set(orders("continue"))) == 3
    params = {"random_state": 0, "hidden_layer_sizes": (6,), "n_iter_no_change": 99}
    streamed = MLPRegressor(random_stream="continue", **params)
    for _ in range(5):
        streamed.partial_fit(*TARGETS[0])
        streamed = pickle.loads(pickle.dumps(streamed))
    with pytest.warns(match="converge"):
        fitted = MLPRegressor(max_iter=5, **params).fit(*TARGETS[0])
    # one batch an epoch: only the order of its sum differs, as fit shuffles on
    np.testing.assert_allclose(streamed.loss_curve_, fitted.loss_curve_, rtol=1e-12)
    with pytest.raises(ValueError, match="'restart', 'continue'"):
        MLPRegressor(random_stream="new").fit(X, Y)


def test_a_call_on_a_small_batch_is_quick():
    # 60 us beside some 900 on a busy machine; the ratio holds under sanitizers too
    x, t = TARGETS[0]
    model = MLPRegressor(hidden_layer_sizes=(6,), random_state=0).partial_fit(x, t)

    def the_long_way():
        model._stream = None
        model.partial_fit(x, t)

    long = min(timeit.repeat(the_long_way, number=30, repeat=7)) / 30
    model.partial_fit(x, t)
    quick = timeit.repeat(lambda: model.partial_fit(x, t), number=100, repeat=7)
    assert min(quick) / 100 < long / 3
