"""Wrong calls: the right exception, a clear message, and nothing lost."""

import copy
import inspect
import pickle
import re
from functools import cache, partial

import numpy as np
import pytest
import wrong_calls
from scipy import sparse
from sklearn.exceptions import NotFittedError
from wrong_calls import T, X, Y, changed

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def _predictions(model):
    return model.predict(X), [a.copy() for a in model.coefs_ + model.intercepts_]


def _state(model):
    """All attributes, as bytes."""
    return {name: pickle.dumps(value) for name, value in vars(model).items()}


@cache
def _fitted(kind):
    if kind == "classifier":
        return MLPClassifier((5,), max_iter=5, random_state=0).fit(X, Y)
    return MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=0).fit(X, Y)


@pytest.fixture(params=["classifier", "regressor"])
def fitted(request):
    """A fitted model and a check that it is exactly as it was."""
    model = copy.deepcopy(_fitted(request.param))
    state = _state(model)
    before = _predictions(model)

    def unchanged():
        after = _predictions(model)
        np.testing.assert_array_equal(after[0], before[0])
        for a, b in zip(after[1], before[1]):
            np.testing.assert_array_equal(a, b)
        assert _state(model) == state

    return model, unchanged


def _parameter_rows():
    for kind, more in (
        ("classifier", wrong_calls.CLASSIFIER_PARAMETERS),
        ("regressor", wrong_calls.REGRESSOR_PARAMETERS),
    ):
        for name, (rule, values) in {**wrong_calls.PARAMETERS, **more}.items():
            for value in values:
                yield pytest.param(
                    kind, name, rule, value, id=f"{kind}-{name}-{value!r:.30}"
                )


PARAMETER_ROWS = [*_parameter_rows()]


@pytest.mark.parametrize(
    "fitted, name, rule, value", PARAMETER_ROWS, indirect=["fitted"]
)
def test_bad_parameter(fitted, name, rule, value):
    model, unchanged = fitted
    good = getattr(model, name)
    for method in (model.fit, model.partial_fit):
        if name == "solver" and method == model.partial_fit:
            continue  # which an unknown solver does not have
        model.set_params(**{name: value})
        with pytest.raises(ValueError) as raised:
            method(X, Y)
        message = str(raised.value)
        assert isinstance(raised.value, TypeError)  # both, as in scikit-learn
        assert f"The {name!r} parameter of {type(model).__name__} must be" in message
        assert rule in message
        assert f"Got {value!r} instead." in message
        model.set_params(**{name: good})
        unchanged()


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_the_table_knows_every_parameter(kind):
    more = wrong_calls.CLASSIFIER_PARAMETERS
    if kind is MLPRegressor:
        more = wrong_calls.REGRESSOR_PARAMETERS
    known = {*wrong_calls.PARAMETERS, *more}
    assert set(inspect.signature(kind).parameters) == known


def test_how_many_wrong_calls():
    """The promise of docs/promises.md."""
    assert len(PARAMETER_ROWS) >= 300
    assert len({*map(str, (row.id for row in PARAMETER_ROWS))}) >= 300


@pytest.mark.parametrize(
    "sizes, message",
    [
        (0, "must be > 0, got"),
        ((5, -1), "must be > 0, got"),
        ((2**31,), "at most 134217728 units, got 2147483648"),
        ((2**70,), f"at most 134217728 units, got {2**70}"),
        ((2**27, 2**27), "at most 281474976710656 weights, got 1801439"),
    ],
)
def test_bad_sizes(fitted, sizes, message):
    model, unchanged = fitted
    model.set_params(hidden_layer_sizes=sizes)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)
    model.set_params(hidden_layer_sizes=(5,))
    unchanged()


def test_more_weights_than_memory(fitted):
    model, unchanged = fitted
    model.set_params(hidden_layer_sizes=(2**20, 2**20))
    with pytest.raises(MemoryError, match=r"8\.00 TiB.*\(1048576, 1048576\)"):
        model.fit(X, Y)
    model.set_params(hidden_layer_sizes=(5,))
    unchanged()


@pytest.mark.parametrize(
    "name", ["max_fun", "n_threads", "n_iter_no_change", "max_iter"]
)
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_whole_numbers_beyond_64_bits(name, solver):
    params = {"max_iter": 3, "solver": solver, name: 2**70}
    MLPRegressor(**params, tol=0.1, random_state=0).fit(X, T)


@pytest.mark.parametrize(
    "activation, message",
    [
        (("elu", -1.0), "finite parameter > 0"),
        (["relu", "tanh"], "there are 1 hidden layers, .* holds 2"),
        ([], "there are 1 hidden layers, .* holds 0"),
        (["gauss"], "The wrong one is 'gauss' for hidden layer 0"),
        ([["relu"]], r"The wrong one is \['relu'\] for hidden layer 0"),
        (("relu", "tanh"), "a list with one of them per hidden layer"),
    ],
)
def test_bad_activation(fitted, activation, message):
    model, unchanged = fitted
    good = model.activation
    with pytest.raises(ValueError, match=message):
        model.set_params(activation=activation).fit(X, Y)
    model.set_params(activation=good)
    unchanged()


def test_loss_is_the_regressors_first_argument():  # W20
    with pytest.raises(ValueError, match="write hidden_layer_sizes=... by name"):
        MLPRegressor((10,)).fit(X, T)
    with pytest.raises(ValueError, match="'squared_error', 'poisson'"):
        MLPRegressor("mean_error").fit(X, T)


def _fails(call, kind, words, name=None):
    """A call raises this exception, with a message that holds these words."""
    with pytest.raises(kind) as raised:
        call()
    message = str(raised.value)
    assert type(raised.value).__module__ == "builtins"
    for word in words:
        assert word in message
    if name is not None:
        assert re.search(rf"\b{name}\b", message), message


def _cases(*tables):
    return [pytest.param(*row[1:], id=row[0]) for table in tables for row in table]


def _prediction_methods(model):
    names = ["predict", "hidden_activations", "input_gradient"]
    if isinstance(model, MLPClassifier):
        names += ["predict_proba", "predict_log_proba"]
    methods = [getattr(model, name) for name in names]
    methods.append(lambda X: model.score(X, Y[:1] if X is wrong_calls.ONE_ROW else Y))
    methods.append(lambda X: model.integrated_gradients(X, output=0))
    methods.append(lambda X: model.hidden_activations(X, layer=0))
    return methods


@pytest.mark.parametrize("bad, kind, words", _cases(wrong_calls.BAD_X))
def test_bad_x_in_training(fitted, bad, kind, words):
    model, unchanged = fitted
    for solver in ("adam", "sgd", "lbfgs"):
        model.set_params(solver=solver)
        for method in (model.fit, "partial_fit"):
            if method == "partial_fit":
                if solver == "lbfgs":
                    continue
                method = model.partial_fit
            _fails(partial(method, bad, Y), kind, words, "X")
        if bad is not None:
            _fails(lambda: model.fit(X, Y, X_val=bad, y_val=Y), kind, words, "X_val")
        model.set_params(solver="adam")
        unchanged()


@pytest.mark.parametrize(
    "bad, kind, words", _cases(wrong_calls.BAD_X, wrong_calls.BAD_WIDTH)
)
def test_bad_x_in_prediction(fitted, bad, kind, words):
    model, unchanged = fitted
    for method in _prediction_methods(model):
        _fails(partial(method, bad), kind, words, "X")
    if bad is not wrong_calls.ONE_ROW:
        _fails(lambda: model.loss_gradient(bad, Y), kind, words, "X")
    unchanged()


@pytest.mark.parametrize("bad, kind, words", _cases(wrong_calls.BAD_WIDTH))
def test_bad_width_in_training(fitted, bad, kind, words):
    model, unchanged = fitted
    y = Y[: bad.shape[0]]
    _fails(lambda: model.partial_fit(bad, y), kind, words, "X")
    _fails(lambda: model.fit(X, Y, X_val=bad, y_val=y), kind, words, "X_val")
    model.set_params(warm_start=True)
    if bad.shape[0] > 1:
        _fails(lambda: model.fit(bad, y), kind, words, "X")
    model.set_params(warm_start=False)
    unchanged()


def test_more_features_than_32_bits_count(fitted):
    model, unchanged = fitted
    for X_wide in (wrong_calls.wide(), wrong_calls.wide(2**28)):
        with pytest.raises(
            ValueError, match="a layer may have at most 134217728 units"
        ):
            model.fit(X_wide, Y)
        unchanged()


@pytest.mark.parametrize("bad, kind, words", _cases(wrong_calls.BAD_X))
def test_bad_x_in_a_predictor(fitted, bad, kind, words):
    predictor = fitted[0].compile()
    if isinstance(bad, np.ndarray) and bad.shape == (0, 3):
        assert len(predictor.predict(bad)) == 0
        return
    with pytest.raises(ValueError, match=r"\bX\b"):
        predictor.predict(bad)
    fitted[1]()


@pytest.mark.parametrize("n, kind, words", _cases(wrong_calls.BAD_LENGTH))
def test_bad_length(fitted, n, kind, words):
    model, unchanged = fitted
    y = np.resize(Y, n)
    for call in (
        lambda: model.fit(X, y),
        lambda: model.partial_fit(X, y),
        lambda: model.loss_gradient(X, y),
        lambda: model.score(X, y),
        lambda: model.fit(X, Y, X_val=X, y_val=y),
    ):
        _fails(call, kind, words)
        unchanged()


def _bad_targets():
    for kind, more in (
        ("classifier", wrong_calls.BAD_LABELS),
        ("regressor", wrong_calls.BAD_TARGETS),
    ):
        for name, *row in wrong_calls.BAD_Y + more:
            yield pytest.param(kind, *row, id=f"{kind}-{name}")


@pytest.mark.parametrize(
    "fitted, bad, kind, words", [*_bad_targets()], indirect=["fitted"]
)
def test_bad_targets(fitted, bad, kind, words):
    model, unchanged = fitted
    calls = {
        "fit": lambda: model.fit(X, bad),
        "partial_fit": lambda: model.partial_fit(X, bad),
        "loss_gradient": lambda: model.loss_gradient(X, bad),
    }
    for call in calls.values():
        _fails(call, kind, words if call is calls["fit"] else [], "y")
        unchanged()
    if bad is not None:
        call = lambda: model.fit(X, Y, X_val=X, y_val=bad)  # noqa: E731
        _fails(call, kind, [], "y_val")
        unchanged()


@pytest.mark.parametrize("bad, kind, words", _cases(wrong_calls.BAD_WEIGHT))
def test_bad_weights(fitted, bad, kind, words):
    model, unchanged = fitted
    for solver in ("adam", "lbfgs"):
        model.set_params(solver=solver)
        _fails(lambda: model.fit(X, Y, bad), kind, words, "sample_weight|weights")
        model.set_params(solver="adam")
        unchanged()
    for call in (
        lambda: model.partial_fit(X, Y, bad),
        lambda: model.loss_gradient(X, Y, bad),
    ):
        _fails(call, kind, words, "sample_weight|weights")
        unchanged()
    val = {"X_val": X, "y_val": Y, "sample_weight_val": bad}
    _fails(lambda: model.fit(X, Y, **val), kind, words, "validation data")
    unchanged()


def test_not_fitted():
    for model in (MLPClassifier(), MLPRegressor()):
        for call in (model.predict, lambda X, m=model: m.loss_gradient(X, Y)):
            with pytest.raises(NotFittedError):
                call(X)
        with pytest.raises(ValueError, match="contains NaN"):
            model.fit(changed(X, 0, np.nan), Y)
        with pytest.raises(NotFittedError):
            model.predict(X)


def test_values_too_large_for_float32():
    with pytest.raises(ValueError, match="too large for dtype"):
        MLPRegressor(dtype="float32").fit(X * 1e300, T)
    with pytest.raises(ValueError, match="y contains values too large for float32"):
        MLPRegressor(dtype="float32").fit(X, T * 1e300)


def test_poisson_needs_counts():  # W8
    with pytest.raises(ValueError, match=r"y >= 0; the smallest is -3\."):
        MLPRegressor("poisson").fit(X, np.r_[-3.0, np.ones(59)])


@pytest.mark.parametrize("sizes", [(5, 5), (), (6,)])
def test_architecture_cannot_change_under_warm_start(fitted, sizes):  # W12
    model, unchanged = fitted
    model.set_params(warm_start=True)
    for method in (model.fit, model.partial_fit):
        model.set_params(hidden_layer_sizes=sizes)
        with pytest.raises(ValueError, match="cannot change the architecture"):
            method(X, Y)
        model.set_params(hidden_layer_sizes=(5,))
    model.set_params(warm_start=False)
    unchanged()


def test_outputs_and_features_cannot_change_under_warm_start():
    model = MLPRegressor(warm_start=True, max_iter=3).fit(X, T)
    with pytest.raises(ValueError, match="cannot change the architecture"):
        model.fit(X, np.c_[T, T])
    with pytest.raises(ValueError, match="features"):
        model.fit(X[:, :2], T)
    model.fit(X, T)
    clf = MLPClassifier(max_iter=3).fit(X, Y)
    with pytest.raises(ValueError, match="label indicator matrix"):
        clf.partial_fit(X, np.eye(3, dtype=int)[Y])
    with pytest.raises(ValueError, match="has classes not in `self.classes_`"):
        clf.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="not the same as on last call"):
        clf.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="warm_start can only be used"):
        clf.set_params(warm_start=True).fit(X, Y > 0)


def test_loss_cannot_change_under_warm_start():
    model = MLPRegressor(warm_start=True, max_iter=3).fit(X, T + 9)
    model.set_params(loss="poisson")
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="cannot change the loss"):
            method(X, T + 9)


def test_weights_that_cancel():
    w = np.r_[np.ones(30), -np.ones(30)]
    with pytest.raises(ValueError, match="sum to zero in every batch"):
        MLPRegressor(max_iter=3).fit(X, T, sample_weight=w)
    with pytest.raises(ValueError, match="must not sum to zero with solver='lbfgs'"):
        MLPRegressor(solver="lbfgs").fit(X, T, sample_weight=w)


def test_assigned_and_given_weights():
    model = MLPRegressor(hidden_layer_sizes=(), max_iter=2).fit(X, T)
    with pytest.raises(ValueError, match="coefs_init must be finite"):
        model.fit(X, T, coefs_init=[[[np.nan], [0], [0]]])
    expected = model.predict(X)
    model.coefs_ = [model.coefs_[0].tolist()]  # lists will do
    np.testing.assert_array_equal(model.predict(X), expected)
    for name in ("softmax", "x"):
        model.out_activation_ = name
        with pytest.raises(ValueError, match="out_activation_ of MLPRegressor must be"):
            model.loss_gradient(X, T)
    model.out_activation_ = "identity"
    with pytest.raises(ValueError, match="coefs_init must hold one array per layer"):
        model.fit(X, T, coefs_init=5)
    model.coefs_ = [None]
    with pytest.raises(ValueError, match="coefs_"):
        model.predict(X)
    narrow = MLPRegressor(max_iter=2, dtype="float32").fit(X, T)
    with pytest.raises(ValueError, match="X contains values too large for float32"):
        narrow.predict(X * 1e300)
    with pytest.raises(ValueError, match="one per output is needed"):
        narrow._loss_grad_lbfgs(np.zeros(501), X, np.ones((60, 2)), *[None] * 5)
    with pytest.raises(ValueError, match="wrong length"):
        narrow._loss_grad_lbfgs(np.zeros(500), X, T, *[None] * 5)
    with pytest.raises(ValueError, match="y must be dense"):
        narrow.fit(X, sparse.csr_array(np.c_[T, T]))
    with pytest.raises(ValueError, match="validation_fraction must be above 0"):
        MLPRegressor(early_stopping=True, validation_fraction=0.0).fit(X, T)


def test_partial_fit_needs_classes_first():
    clf = MLPClassifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X, Y)
    with pytest.raises(ValueError, match="has classes not in"):
        clf.partial_fit(X, Y, classes=[0, 1])
    assert not hasattr(clf, "classes_")
    clf.partial_fit(X, Y, classes=[0, 1, 2])


def test_partial_fit_refuses_early_stopping(fitted):  # W11
    model, unchanged = fitted
    model.set_params(early_stopping=True)
    with pytest.raises(ValueError, match="does not support early_stopping=True"):
        model.partial_fit(X, Y)
    model.set_params(early_stopping=False)
    unchanged()


def test_validation_part_too_small():  # W13
    with pytest.raises(ValueError, match="validation set is too small"):
        MLPRegressor(early_stopping=True).fit(X[:5], T[:5])


def test_divergence_is_an_error_and_keeps_the_earlier_fit(fitted):
    model, unchanged = fitted
    params = {
        k: getattr(model, k) for k in ("solver", "learning_rate_init", "activation")
    }
    wild = {"solver": "sgd", "learning_rate_init": 1e200, "activation": "identity"}
    for method in (model.fit, model.partial_fit):
        model.set_params(**wild)
        with pytest.raises(ValueError, match="non-finite parameter weights.*1e\\+200"):
            method(1e200 * X, Y)
        model.set_params(**params)
        unchanged()


def test_batch_size_beyond_the_data_is_clipped_with_a_warning():
    with pytest.warns(UserWarning, match="It is going to be clipped"):
        MLPRegressor(batch_size=61, max_iter=1).fit(X, T)
