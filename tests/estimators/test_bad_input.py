"""Wrong calls: the right exception, a clear message, and nothing lost."""

import inspect
import re
from functools import partial

import numpy as np
import pytest
from helpers import wrong_calls
from helpers.wrong_calls import T, X, Y, changed
from sklearn.exceptions import NotFittedError

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def _parameter_rows():
    for kind, more in (
        ("classifier", wrong_calls.CLASSIFIER_PARAMETERS),
        ("regressor", wrong_calls.REGRESSOR_PARAMETERS),
    ):
        for name, (rule, values) in {**wrong_calls.PARAMETERS, **more}.items():
            for value in values:
                # an address would differ from process to process
                shown = re.sub(" at 0x.*", "", repr(value))[:30]
                id = f"{kind}-{name}-{shown}"
                yield pytest.param(kind, name, rule, value, id=id)


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
    """The promise of docs/promises/promises.md."""
    assert len(PARAMETER_ROWS) >= 1300
    assert len({row.id for row in PARAMETER_ROWS}) >= 1300


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
    with pytest.raises(
        MemoryError, match=r"1048576 and 1048576 units take 8,192\.0 GiB"
    ):
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


def test_loss_is_the_regressors_first_argument():
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
    before = predictor.predict(X)
    if isinstance(bad, np.ndarray) and bad.shape == (0, 3):
        assert len(predictor.predict(bad)) == 0
        return
    with pytest.raises(ValueError, match=r"\bX\b"):
        predictor.predict(bad)
    np.testing.assert_array_equal(predictor.predict(X), before)
    fitted[1]()


@pytest.mark.parametrize("n, kind, words", _cases(wrong_calls.BAD_LENGTH))
def test_bad_length(fitted, n, kind, words):
    model, unchanged = fitted
    y = np.resize(Y, n)
    for call in (
        lambda: model.fit(X, y),
        lambda: model.partial_fit(X, y),
        lambda: model.loss_gradient(X, y),
    ):
        _fails(call, kind, words, "y")
        unchanged()
    _fails(lambda: model.fit(X, Y, X_val=X, y_val=y), kind, words, "y_val")
    unchanged()
    _fails(lambda: model.score(X, y), kind, words)  # a metric of scikit-learn
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
    for call in (
        lambda: model.fit(X, bad),
        lambda: model.partial_fit(X, bad),
        lambda: model.loss_gradient(X, bad),
    ):
        _fails(call, kind, words, "y")
        unchanged()
    if bad is not None:
        call = lambda: model.fit(X, Y, X_val=X, y_val=bad)  # noqa: E731
        _fails(call, kind, words, "y_val")
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
        with pytest.raises(ValueError, match=r"\bX\b"):
            model.fit(changed(X, 0, np.nan), Y)
        with pytest.raises(NotFittedError):
            model.predict(X)


def test_values_too_large_for_float32():
    with pytest.raises(ValueError, match=r"\bX\b"):
        MLPRegressor(dtype="float32").fit(X * 1e300, T)
    with pytest.raises(ValueError, match="y contains values too large for float32"):
        MLPRegressor(dtype="float32").fit(X, T * 1e300)
