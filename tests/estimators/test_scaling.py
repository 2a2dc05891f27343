"""standardize_X and standardize_y: as scaling outside, folded into the weights."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._data.scaling import Scaling

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_wine(return_X_y=True)  # features from 0.1 to 1700
X_D, Y_D = load_diabetes(return_X_y=True)
X_D = X_D * np.logspace(-3, 3, 10) + np.linspace(-50, 1000, 10)
T = np.c_[Y_D, 1e4 + 1e-2 * Y_D + X_D[:, 0]]
PARAMS = {"max_iter": 30, "random_state": 0, "n_iter_no_change": 1000}
SOLVERS = ["adam", "sgd", "lbfgs"]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("hidden", [(), (7,), (6, 5)])
@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-6), ("float32", 2e-3)])
def test_as_a_scaler_in_a_pipeline(solver, hidden, dtype, rtol):
    clf = MLPClassifier(hidden, solver=solver, dtype=dtype, **PARAMS)
    outside = make_pipeline(StandardScaler(), clone(clf)).fit(X, Y)
    inside = clf.set_params(standardize_X=True).fit(X, Y)
    assert inside.coefs_[0].dtype == np.dtype(dtype)
    if solver != "lbfgs":  # whose runs part where rounding differs
        np.testing.assert_allclose(
            inside.predict_proba(X), outside.predict_proba(X), rtol=rtol, atol=rtol / 10
        )
        np.testing.assert_allclose(
            inside.loss_curve_, outside[-1].loss_curve_, rtol=rtol
        )
    assert inside.score(X, Y) == pytest.approx(outside.score(X, Y), abs=0.02)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("standardize_X", [False, True])
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_targets(weighted, standardize_X, hidden):
    w = np.linspace(0.1, 3, len(T)) if weighted else None
    X_in = X_D if standardize_X else StandardScaler().fit_transform(X_D)
    params = {"hidden_layer_sizes": hidden, **PARAMS}
    inside = MLPRegressor(
        standardize_y=True, standardize_X=standardize_X, **params
    ).fit(X_in, T, w)
    scaler = StandardScaler().fit(T, sample_weight=w)
    X_out = StandardScaler().fit(X_in, sample_weight=w).transform(X_in)
    X_out = X_out if standardize_X else X_in
    outside = MLPRegressor(**params).fit(X_out, scaler.transform(T), w)
    expected = scaler.inverse_transform(outside.predict(X_out))
    np.testing.assert_allclose(inside.predict(X_in), expected, rtol=1e-7)
    np.testing.assert_allclose(inside.loss_curve_, outside.loss_curve_, rtol=1e-8)


def test_weights_count_as_repeated_rows():
    w = np.arange(len(X_D)) % 3
    rows = np.repeat(np.arange(len(X_D)), w)
    params = {"solver": "lbfgs", "hidden_layer_sizes": (), "tol": 1e-9}
    params |= {"standardize_X": True, "standardize_y": True, "random_state": 0}
    a = MLPRegressor(**params).fit(X_D, Y_D, w)
    b = MLPRegressor(**params).fit(X_D[rows], Y_D[rows])
    np.testing.assert_allclose(a.predict(X_D), b.predict(X_D), rtol=1e-4)


def test_the_statistics_are_those_of_the_training_part():
    held_out = np.arange(0, len(X_D), 4)
    rest = np.setdiff1d(np.arange(len(X_D)), held_out)
    y = Y_D.copy()
    y[held_out] *= 100
    shifted = X_D.copy()
    shifted[held_out] += 1e5
    params = {"standardize_X": True, "standardize_y": True, **PARAMS}
    a = MLPRegressor(validation_split=held_out, early_stopping=True, **params)
    a.fit(shifted, y)
    b = MLPRegressor(early_stopping=True, **params)
    b.fit(shifted[rest], y[rest], X_val=shifted[held_out], y_val=y[held_out])
    for u, v in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_):
        np.testing.assert_allclose(u, v, rtol=1e-9)
    scaler = StandardScaler().fit(X_D[rest])
    np.testing.assert_allclose(a._scaling["X"]["mean"], scaler.mean_)
    assert a.validation_scores_[-1] == pytest.approx(b.validation_scores_[-1])


def test_scores_and_callbacks_see_raw_units():
    seen = []
    params = {"standardize_X": True, "standardize_y": True, **PARAMS}
    regr = MLPRegressor(scoring="neg_mean_absolute_error", **params)
    regr.fit(
        X_D, Y_D, X_val=X_D[:50], y_val=Y_D[:50],
        callback=lambda record: seen.append(record.fitted_estimator().predict(X_D)),
    )  # fmt: skip
    np.testing.assert_allclose(seen[-1], regr.predict(X_D), rtol=1e-12)
    error = np.abs(regr.predict(X_D[:50]) - Y_D[:50]).mean()
    assert regr.validation_scores_[-1] == pytest.approx(-error)
    plain = MLPRegressor(**params).fit(X_D, Y_D, X_val=X_D[:50], y_val=Y_D[:50])
    assert plain.validation_scores_[-1] == pytest.approx(
        plain.score(X_D[:50], Y_D[:50])
    )


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_features_are_scaled_without_a_shift(kind):
    dense = np.where(np.random.RandomState(0).rand(*X.shape) < 0.5, X, 0)
    a = MLPClassifier(standardize_X=True, **PARAMS).fit(kind(dense), Y)
    outside = make_pipeline(StandardScaler(with_mean=False), MLPClassifier(**PARAMS))
    outside.fit(kind(dense), Y)
    np.testing.assert_allclose(
        a.predict_proba(dense), outside.predict_proba(dense), rtol=1e-6, atol=1e-9
    )


SPARSE = {"csr": sparse.csr_array, "csc": sparse.csc_matrix, "dense": np.asarray}
WARM = {"warm_start": True, "max_iter": 4}


def _go_on(how, model, X_in, y):
    """Train a fitted model on."""
    if how == "partial_fit":
        return model.partial_fit(X_in, y, n_epochs=4)
    return model.set_params(**WARM).fit(X_in, y)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("second", SPARSE)
@pytest.mark.parametrize("first", SPARSE)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_validation_rows_of_any_kind(solver, first, second, intercept):
    """The statistics are those of the rows of the fit, whatever those to be judged."""
    params = {**PARAMS, "solver": solver, "fit_intercept": intercept, "max_iter": 10}
    params |= {"early_stopping": True, "scoring": "neg_log_loss"}
    X_in, X_val = SPARSE[first](X[::2]), X[1::2]
    alike, other = (
        MLPClassifier(standardize_X=True, **params).fit(
            X_in, Y[::2], X_val=kind(X_val), y_val=Y[1::2]
        )
        for kind in (SPARSE[first], SPARSE[second])
    )
    np.testing.assert_allclose(
        other.validation_loss_curve_, alike.validation_loss_curve_, rtol=1e-6
    )
    np.testing.assert_allclose(
        other.validation_scores_, alike.validation_scores_, rtol=1e-6
    )
    kept = int(np.argmax(alike.validation_scores_))  # judged by folded weights
    judged = other.predict_proba(SPARSE[second](X_val))
    score = np.log(judged[np.arange(len(judged)), Y[1::2]]).mean()
    assert score == pytest.approx(alike.validation_scores_[kept], rel=1e-6)


@pytest.mark.parametrize("how", ["partial_fit", "warm start"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("second", SPARSE)
@pytest.mark.parametrize("first", SPARSE)
@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-7), ("float32", 2e-3)])
def test_training_goes_on_with_rows_of_any_kind(
    dtype, rtol, first, second, intercept, how
):
    params = {**PARAMS, "dtype": dtype, "fit_intercept": intercept, "max_iter": 10}
    fitted = MLPClassifier(standardize_X=True, **params).fit(SPARSE[first](X), Y)
    alike, other = (
        _go_on(how, pickle.loads(pickle.dumps(fitted)), kind(X), Y)
        for kind in (SPARSE[first], SPARSE[second])
    )
    np.testing.assert_allclose(
        other.predict_proba(X), alike.predict_proba(X), rtol=rtol, atol=rtol / 10
    )
    # as outside, with a scaler that was fitted once
    scaler = StandardScaler(with_mean=first == "dense" and intercept)
    scaler.fit(SPARSE[first](X))
    outside = MLPClassifier(**params).fit(scaler.transform(SPARSE[first](X)), Y)
    scaled = (X - (scaler.mean_ if scaler.with_mean else 0)) / scaler.scale_
    _go_on(how, outside, scaled, Y)
    np.testing.assert_allclose(
        other.predict_proba(X), outside.predict_proba(scaled), rtol=rtol, atol=rtol / 10
    )


def test_sparse_rows_without_a_shift_stay_sparse():
    fitted = MLPClassifier(standardize_X=True, **PARAMS).fit(sparse.csr_array(X), Y)
    wide = sparse.random(50_000, 13, density=1e-3, format="csr", random_state=0)
    seen = Scaling(None, **fitted._scaling).features(wide)
    assert sparse.issparse(seen) and seen.nnz == wide.nnz


def test_without_intercepts_there_is_no_shift():
    regr = MLPRegressor(
        fit_intercept=False, standardize_X=True, standardize_y=True, **PARAMS
    ).fit(X_D, Y_D)
    assert all((b == 0).all() for b in regr.intercepts_)
    assert regr.predict(np.zeros((1, 10)))[0] == 0


def test_a_constant_column_stays():
    constant = np.c_[X_D, np.full(len(X_D), 7.0)]
    regr = MLPRegressor(standardize_X=True, standardize_y=True, **PARAMS)
    regr.fit(constant, np.full(len(X_D), 3.0))
    assert np.isfinite(regr.predict(constant)).all()


def test_partial_fit_keeps_the_statistics_and_equals_fit():
    params = {**PARAMS, "shuffle": False, "batch_size": 50, "max_iter": 4}
    params |= {"standardize_X": True, "standardize_y": True}
    whole = MLPRegressor(**params).fit(X_D, Y_D)
    steps = MLPRegressor(**params)
    for i in range(4):
        steps.partial_fit(X_D, Y_D)
        if i == 1:
            steps = pickle.loads(pickle.dumps(steps))
    np.testing.assert_allclose(steps.predict(X_D), whole.predict(X_D), rtol=1e-9)
    mean = steps._scaling["X"]["mean"].copy()
    steps.partial_fit(X_D + 100, Y_D)
    np.testing.assert_array_equal(steps._scaling["X"]["mean"], mean)


def test_warm_start_and_given_weights_start_from_the_same_function():
    params = {**PARAMS, "max_iter": 1, "learning_rate_init": 1e-12}
    regr = MLPRegressor(standardize_X=True, standardize_y=True, **PARAMS).fit(X_D, Y_D)
    expected = regr.predict(X_D)
    other = MLPRegressor(standardize_X=True, standardize_y=True, **params)
    other.fit(
        X_D[::2], Y_D[::2], coefs_init=regr.coefs_, intercepts_init=regr.intercepts_
    )
    np.testing.assert_allclose(other.predict(X_D), expected, rtol=1e-6)
    regr.set_params(warm_start=True, **params).fit(X_D[::2], Y_D[::2])
    np.testing.assert_allclose(regr.predict(X_D), expected, rtol=1e-6)
    regr.coefs_[-1] = regr.coefs_[-1] * 0  # assigned weights count
    regr.partial_fit(X_D, Y_D)
    np.testing.assert_allclose(
        regr.predict(X_D), np.full(len(X_D), regr.intercepts_[-1][0]), rtol=1e-5
    )


def test_it_helps_where_scaling_is_forgotten():
    params = {"random_state": 0, "max_iter": 300}
    bare = MLPRegressor(**params).fit(X_D, Y_D)
    inside = MLPRegressor(standardize_X=True, standardize_y=True, **params).fit(
        X_D, Y_D
    )
    outside = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), MLPRegressor(**params)),
        transformer=StandardScaler(),
    ).fit(X_D, Y_D)
    assert inside.score(X_D, Y_D) > bare.score(X_D, Y_D) + 0.3
    assert inside.score(X_D, Y_D) == pytest.approx(outside.score(X_D, Y_D), abs=1e-3)


def test_loss_gradient_is_that_of_the_raw_weights():
    regr = MLPRegressor(standardize_X=True, standardize_y=True, alpha=0.0, **PARAMS)
    regr.fit(X_D, Y_D)
    loss, _, grads = regr.loss_gradient(X_D, Y_D)
    assert loss == pytest.approx(0.5 * np.mean((regr.predict(X_D) - Y_D) ** 2))
    assert grads[-1][0] == pytest.approx(np.mean(regr.predict(X_D) - Y_D))


@pytest.mark.parametrize(
    "params, y, message",
    [
        ({"standardize_X": "yes"}, Y_D, "a bool"),
        ({"standardize_y": 1}, Y_D, "a bool"),
        ({"standardize_y": True, "loss": "poisson"}, Y_D, "needs loss='squared_error'"),
        (
            {"standardize_y": True},
            1e300 * Y_D,
            "y cannot be standardised, as its variances",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_input(params, y, message):
    with pytest.raises(ValueError, match=message):
        MLPRegressor(**params).fit(X_D, y)


def test_the_classifier_has_no_targets_to_standardize():
    with pytest.raises(TypeError):
        MLPClassifier(standardize_y=True)
