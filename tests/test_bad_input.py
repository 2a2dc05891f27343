"""Wrong calls: the right exception, a clear message, and nothing lost."""

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.RandomState(0).randn(60, 3)
Y = np.random.RandomState(1).randint(0, 3, 60)
T = X[:, 0] + 1.0

BAD_PARAMETERS = [
    ("hidden_layer_sizes", 0, "must be > 0"),
    ("hidden_layer_sizes", (5, -1), "must be > 0"),
    ("hidden_layer_sizes", (5.5,), "array-like of ints"),
    ("hidden_layer_sizes", "10", "array-like of ints"),
    ("hidden_layer_sizes", None, "array-like of ints"),
    ("hidden_layer_sizes", b"ab", "array-like of ints"),
    ("hidden_layer_sizes", iter((5, 4)), "array-like of ints"),
    ("hidden_layer_sizes", np.array(5), "array-like of ints"),
    ("n_threads", 0, "or None"),
    ("hidden_layer_sizes", (2**31,), "at most 134217728 units"),
    ("activation", "gauss", "'identity', 'logistic', 'tanh', 'relu', 'softplus'"),
    ("activation", ("relu", 0.1), "leaky_relu"),
    ("activation", ("leaky_relu", 0.0), "finite parameter > 0"),
    ("activation", ("leaky_relu", np.inf), "finite parameter > 0"),
    ("activation", ("leaky_relu", np.nan), "finite parameter > 0"),
    ("activation", ("elu", -1.0), "finite parameter > 0"),
    ("activation", ["relu", "tanh"], "there are 1 hidden layers, .* holds 2"),
    ("activation", [], "there are 1 hidden layers, .* holds 0"),
    ("activation", ["gauss"], "The wrong one is 'gauss' for hidden layer 0"),
    ("activation", [["relu"]], r"The wrong one is \['relu'\] for hidden layer 0"),
    ("activation", ("relu", "tanh"), "a list with one of them per hidden layer"),
    ("activation", 3, "a str among"),
    ("solver", "newton", "'lbfgs', 'sgd', 'adam'"),
    ("alpha", -1e-9, r"in the range \[0, inf\)"),
    ("alpha", np.inf, "in the range"),
    ("alpha", "1", "a float"),
    ("batch_size", 0, r"'auto'.* or an int in the range \[1, inf\)"),
    ("batch_size", 2.5, "an int"),
    ("learning_rate", "linear", "'constant', 'invscaling', 'adaptive'"),
    ("learning_rate_init", 0, r"in the range \(0, inf\)"),
    ("learning_rate_init", np.nan, "in the range"),
    ("power_t", -1, "in the range"),
    ("max_iter", 0, "an int"),
    ("max_iter", 10.0, "an int"),
    ("shuffle", 1, "a bool"),
    ("random_state", -1, "RandomState"),
    ("random_state", "seed", "RandomState"),
    ("tol", -1, "in the range"),
    ("verbose", -1, "in the range"),
    ("warm_start", "no", "a bool"),
    ("momentum", 1.1, r"\[0, 1\]"),
    ("nesterovs_momentum", None, "a bool"),
    ("early_stopping", 2, "a bool"),
    ("validation_fraction", 1.0, r"\[0, 1\)"),
    ("beta_1", 1, r"\[0, 1\)"),
    ("beta_2", -0.1, r"\[0, 1\)"),
    ("epsilon", 0.0, r"\(0, inf\)"),
    ("n_iter_no_change", 0, "or inf"),
    ("n_iter_no_change", -np.inf, "or inf"),
    ("max_fun", 0, "an int"),
    ("dtype", "float16", "'auto', 'float32', 'float64'"),
    ("dtype", np.float32, "'auto', 'float32', 'float64'"),
    ("fit_intercept", "yes", "a bool"),
    ("weight_init", "xavier", "'glorot_uniform'.*'standard_normal'"),
]


def _with(array, index, value):
    changed = np.array(array, dtype=float)
    changed[index] = value
    return changed


CSR = sparse.csr_array(X)
OUT_OF_BOUNDS = CSR.copy()
OUT_OF_BOUNDS.indices[5] = 3
NEGATIVE_INDEX = CSR.copy()
NEGATIVE_INDEX.indices[5] = -1
CSC = sparse.csc_array(X)
CSC_OUT_OF_BOUNDS = CSC.copy()
CSC_OUT_OF_BOUNDS.indices[5] = 10**6
BACKWARDS = CSR.copy()
BACKWARDS.indptr[3] = 10**6

BAD_DATA = [
    (_with(X, (3, 1), np.nan), Y, {}, "contains NaN"),
    (_with(X, (3, 1), np.inf), Y, {}, "contains infinity"),
    (X[:, 0], Y, {}, "Expected 2D array"),
    (X[None], Y, {}, "dim 3"),
    (X[:0], Y[:0], {}, "0 sample"),
    (X[:, :0], Y, {}, "0 feature"),
    (X + 1j, Y, {}, "Complex data not supported"),
    (X.astype(str), Y, {}, None),
    (np.array([["a", "b", "c"]] * 60), Y, {}, "could not convert|Unable to convert"),
    (X[:40], Y, {}, "inconsistent numbers of samples"),
    (X, Y[:, None, None], {}, None),
    (X, _with(Y, 3, np.nan), {}, "contains NaN"),
    (X, None, {}, "requires y to be passed"),
    (OUT_OF_BOUNDS, Y, {}, "indices|index values"),
    (NEGATIVE_INDEX, Y, {}, "indices|index values"),
    (CSC_OUT_OF_BOUNDS, Y, {}, "indices|index values"),
    (BACKWARDS, Y, {}, "indptr|index pointer"),
    (sparse.coo_array(_with(X, (3, 1), np.nan)), Y, {}, "contains NaN"),
    (X, Y, {"sample_weight": np.ones(59)}, r"expected \(60,\)"),
    (X, Y, {"sample_weight": np.ones((60, 2))}, "must be 1D array or scalar"),
    (X, Y, {"sample_weight": np.zeros(60)}, "at least one non-zero weight"),
    (X, Y, {"sample_weight": 0.0}, "at least one non-zero weight"),
    (X, Y, {"sample_weight": _with(np.ones(60), 2, np.nan)}, "sample_weight.*NaN"),
    (X, Y, {"sample_weight": ["heavy"] * 60}, "could not convert"),
]


def _predictions(model):
    return model.predict(X), [a.copy() for a in model.coefs_ + model.intercepts_]


@pytest.fixture(params=["classifier", "regressor"])
def fitted(request):
    """A fitted model and a check that it is exactly as it was."""
    if request.param == "classifier":
        model = MLPClassifier((5,), max_iter=5, random_state=0).fit(X, Y)
    else:
        model = MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=0).fit(
            X, Y
        )
    state = joblib.hash(vars(model))
    before = _predictions(model)

    def unchanged():
        after = _predictions(model)
        np.testing.assert_array_equal(after[0], before[0])
        for a, b in zip(after[1], before[1]):
            np.testing.assert_array_equal(a, b)
        assert joblib.hash(vars(model)) == state

    return model, unchanged


@pytest.mark.parametrize("name, value, message", BAD_PARAMETERS)
def test_bad_parameter(fitted, name, value, message):
    model, unchanged = fitted
    good = getattr(model, name)
    for method in (model.fit, model.partial_fit):
        model.set_params(**{name: value})
        with pytest.raises(ValueError, match=message) as raised:
            if value == (2**31,) and method == model.partial_fit:
                clone(model).fit(X, Y)  # a fitted model keeps its architecture
            method(X, Y)
        assert name in str(raised.value) or "units" in str(raised.value)
        model.set_params(**{name: good})
        unchanged()


def test_loss_is_the_regressors_first_argument():  # W20
    with pytest.raises(ValueError, match="write hidden_layer_sizes=... by name"):
        MLPRegressor((10,)).fit(X, T)
    with pytest.raises(ValueError, match="'squared_error', 'poisson'"):
        MLPRegressor("mean_error").fit(X, T)


@pytest.mark.parametrize("case", range(len(BAD_DATA)))
def test_bad_data(fitted, case):
    model, unchanged = fitted
    bad_X, bad_y, options, message = BAD_DATA[case]
    for solver in ("adam", "lbfgs"):
        model.set_params(solver=solver)
        if message is None and isinstance(model, MLPClassifier) and bad_y is Y:
            continue  # numbers as strings are converted, as in scikit-learn
        with pytest.raises((ValueError, TypeError), match=message):
            if message is None and bad_y is Y:
                raise ValueError
            model.fit(bad_X, bad_y, **options)
        model.set_params(solver="adam")
        unchanged()


@pytest.mark.parametrize(
    "bad_X, message",
    [
        (_with(X, (3, 1), np.nan), "contains NaN"),
        (X[:, :2], "features"),
        (np.c_[X, X], "features"),
        (sparse.csr_array(X[:, :2]), "features"),
        (X[0], "Expected 2D array"),
        (X[:0], "0 sample"),
        (OUT_OF_BOUNDS, "indices|index values"),
        (CSC_OUT_OF_BOUNDS, "indices|index values"),
        ("text", "could not convert"),
    ],
)
def test_bad_data_in_predict(fitted, bad_X, message):
    model, unchanged = fitted
    methods = [model.predict, model.__class__.predict.__get__(model)]
    if hasattr(model, "predict_proba"):
        methods += [model.predict_proba, model.predict_log_proba]
    for method in methods:
        with pytest.raises(ValueError, match=message):
            method(bad_X)
    unchanged()


def test_not_fitted():
    for model in (MLPClassifier(), MLPRegressor()):
        for call in (model.predict, lambda X, m=model: m.loss_gradient(X, Y)):
            with pytest.raises(NotFittedError):
                call(X)
        with pytest.raises(ValueError, match="contains NaN"):
            model.fit(_with(X, 0, np.nan), Y)
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
