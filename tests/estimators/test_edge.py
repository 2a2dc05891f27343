"""Numbers at the edge: tiny, huge, constant; many classes, rows, units, layers."""

import warnings

import numpy as np
import pytest
from helpers import reference
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core import kernels

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.RandomState(0)
X = RNG.randn(300, 5)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
T = X[:, 0] - 2 * X[:, 1]


def weights(model):
    return np.hstack([array.ravel() for array in model.coefs_ + model.intercepts_])


@pytest.mark.parametrize(
    "dtype, exponent",
    [("float64", e) for e in (-300, -150, -30, 0, 30, 100, 150, 300)]
    + [("float32", e) for e in (-30, 0, 30)],
)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("standardize", [False, True])
def test_inputs_of_any_magnitude(dtype, exponent, solver, standardize):
    """A finite model, or an error that names the magnitude; with scaling a good one."""
    clf = MLPClassifier(
        (8,), solver=solver, max_iter=60, random_state=0, standardize_X=standardize,
        learning_rate_init=0.02, dtype=dtype,
    )  # fmt: skip
    scaled = (X * 10.0**exponent).astype(dtype)
    if standardize and exponent == -300:
        with np.errstate(all="ignore"):
            assert np.isfinite(weights(clf.fit(scaled, Y))).all()
        return  # variances of 1e-600 are zero: such columns count as constant
    if standardize and exponent == 300:
        with pytest.raises(ValueError, match=r"scale|Scale|large|standardize"):
            clf.fit(scaled, Y)
        return
    try:
        with np.errstate(all="ignore"):
            clf.fit(scaled, Y)
    except ValueError as error:
        assert not standardize and exponent >= 30
        message = str(error)
        assert "non-finite parameter weights" in message
        assert f"|X| reaches {np.abs(scaled).max():.3g}" in message
        assert "learning_rate_init" in message and "Scale X" in message
        return
    assert np.isfinite(weights(clf)).all()
    assert np.isfinite(clf.predict_proba(scaled)).all()
    if standardize:
        assert clf.score(scaled, Y) > 0.9


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_targets_that_diverge_are_told_so(solver):
    """By an error, or by a warning where the loss alone overflows."""
    regr = MLPRegressor(solver=solver, learning_rate_init=1e3, max_iter=30)
    y = np.linspace(-2e200, 2e200, 300)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        if solver == "sgd":
            with pytest.raises(ValueError, match=r"non-finite.*\|y\| 2e\+200"):
                regr.fit(X, y)
        else:
            regr.fit(X, y)
    told = [str(w.message) for w in caught if "|y| 2e+200" in str(w.message)]
    assert len(told) == 1
    assert ("diverged in epoch 1" if solver == "sgd" else "The loss of the") in told[0]
    for mode in ("warn", "reduce_lr"):
        if solver == "lbfgs":
            continue
        kept = MLPRegressor(
            solver=solver, learning_rate_init=1e200, max_iter=5, on_divergence=mode
        )
        with (
            np.errstate(all="ignore"),
            pytest.warns(ConvergenceWarning, match="diverged in epoch"),
        ):
            kept.fit(X, 1e200 * T)
        assert np.isfinite(kept.predict(X)).all()


@pytest.mark.parametrize("value", [0.0, -0.0, 7.0, 5e-324, 1e-310, 1e-45])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [False, True])
def test_constant_columns(value, dtype, standardize):
    """They change nothing but the work: weights of zeros only decay, by adam's law."""
    params = {"max_iter": 20, "random_state": 0, "dtype": dtype}
    params["learning_rate_init"] = 0.02
    params |= {"standardize_X": standardize, "hidden_layer_sizes": (6,)}
    with_constant = np.c_[X, np.full(300, value), np.zeros(300)]
    clf = MLPClassifier(**params).fit(with_constant, Y)
    assert np.isfinite(weights(clf)).all() and clf.score(with_constant, Y) > 0.6
    start = MLPClassifier(**params, solver="sgd")
    start.set_params(max_iter=1, learning_rate_init=1e-300)
    decayed = start.fit(with_constant, Y).coefs_[0][-1].astype(float)
    m, v = np.zeros(6), np.zeros(6)
    for step in range(2 * 20):  # of 200 and of 100 rows
        gradient = clf.alpha / (200, 100)[step % 2] * decayed
        decayed, m, v = reference.adam(
            decayed, m, v, gradient, step + 1, 0.02, 0.9, 0.999, 1e-8
        )
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(clf.coefs_[0][-1], decayed, atol=tolerance)
    all_constant = MLPClassifier(**params).fit(np.full((300, 4), value), Y)
    proba = all_constant.predict_proba(np.full((3, 4), value))
    np.testing.assert_allclose(proba.mean(axis=0), np.bincount(Y) / 300, atol=0.25)
    regr = MLPRegressor(**params | {"solver": "lbfgs", "max_iter": 200, "alpha": 0.0})
    regr.set_params(standardize_y=True).fit(X, np.full(300, 3))
    np.testing.assert_allclose(regr.predict(X), 3, atol=0.02)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_denormal_inputs_count_as_zero(dtype):
    clf = MLPClassifier((6,), max_iter=5, random_state=0, dtype=dtype).fit(X, Y)
    tiny = np.finfo(dtype).tiny / 4
    at_zero = clf.predict_proba(np.zeros((20, 5), dtype))
    np.testing.assert_array_equal(
        clf.predict_proba(np.full((20, 5), tiny, dtype)), at_zero
    )


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "binary", "multiclass"])
@pytest.mark.parametrize("activation", kernels.activation_names)
def test_net_inputs_beyond_every_exponential(loss, activation):
    """At weights of 1e4 outputs and losses are those of the oracle, or infinite."""
    classify = loss in ("binary", "multiclass")
    kind = MLPClassifier if classify else MLPRegressor
    y = {"binary": Y, "multiclass": np.arange(300) % 4}.get(loss, np.abs(T))
    params = {} if classify else {"loss": loss}
    model = kind(hidden_layer_sizes=(6,), activation=activation, **params)
    model.set_params(max_iter=1, random_state=0, alpha=0.0).fit(X, y)
    model.coefs_ = [1e4 * model.coefs_[0], model.coefs_[1]]
    pair = [(activation, 0.01 if activation == "leaky_relu" else 1.0)]
    name = {"binary": "binary_log_loss", "multiclass": "log_loss"}.get(loss, loss)
    encoded = np.searchsorted(model.classes_, y) if classify else y
    with np.errstate(over="ignore", invalid="ignore"):
        expected = reference.predict(model.coefs_, model.intercepts_, X, pair, name)
        value = reference.loss_gradient(
            model.coefs_, model.intercepts_, X, encoded[:, None].astype(float), None,
            0.0, pair, name,
        )[0]  # fmt: skip
    got = model.predict_proba(X) if classify else model.predict(X)[:, None]
    got = got[:, 1:] if loss == "binary" else got
    np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-300)
    ours = model.loss_gradient(X, y)[0]
    if np.isfinite(value):
        assert ours == pytest.approx(value, rel=1e-9)
    else:
        assert not np.isfinite(ours)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ten_thousand_classes(dtype):
    n_classes = 10_000
    rows = RNG.randn(n_classes, 6).astype(dtype)
    y = np.arange(n_classes)
    clf = MLPClassifier((8,), max_iter=1, random_state=0, dtype=dtype).fit(rows, y)
    assert clf.loss_ == pytest.approx(np.log(n_classes), rel=0.05)
    proba = clf.predict_proba(rows[:50])
    assert proba.shape == (50, n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        clf.predict(rows[:50]), clf.classes_[proba.argmax(axis=1)]
    )


def test_a_million_rows():
    """The loss of float32 over a million rows is that of float64."""
    n = 1_000_000
    rows = RNG.randn(n, 4).astype(np.float32)
    y = (rows[:, 0] * 3 + 100).astype(np.float32)
    regr = MLPRegressor(
        hidden_layer_sizes=(4,), max_iter=1, random_state=0, batch_size=1000,
        dtype="float32",
    ).fit(rows, y)  # fmt: skip
    wide = MLPRegressor(hidden_layer_sizes=(4,), dtype="float64", max_iter=1)
    wide.fit(rows[:10].astype(float), y[:10])
    wide.coefs_ = [w.astype(float) for w in regr.coefs_]
    wide.intercepts_ = [b.astype(float) for b in regr.intercepts_]
    narrow = regr.loss_gradient(rows, y)
    exact = wide.loss_gradient(rows.astype(float), y.astype(float))
    assert narrow[0] == pytest.approx(exact[0], rel=2e-6)
    for ours, theirs in zip(narrow[1] + narrow[2], exact[1] + exact[2]):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
    assert regr.predict(rows).dtype == np.float32
    # the mean over an epoch too, here with steps of no length
    still = MLPRegressor(
        hidden_layer_sizes=(4,), max_iter=1, dtype="float32", solver="sgd",
        learning_rate_init=1e-30, batch_size=1000,
    )  # fmt: skip
    still.fit(rows, y, coefs_init=regr.coefs_, intercepts_init=regr.intercepts_)
    assert still.loss_ == pytest.approx(exact[0], rel=2e-6)


def test_a_layer_of_two_thousand_units():
    """Against the oracle, in both precisions."""
    small, target = X[:40], T[:40]
    for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-4)):
        regr = MLPRegressor(
            hidden_layer_sizes=(2000, 10), max_iter=2, random_state=0, dtype=dtype
        ).fit(small, target)
        coefs = [w.astype(float) for w in regr.coefs_]
        intercepts = [b.astype(float) for b in regr.intercepts_]
        expected = reference.predict(
            coefs, intercepts, small, [("relu", 0)] * 2, "squared_error"
        )
        np.testing.assert_allclose(
            regr.predict(small), expected[:, 0], rtol=tolerance, atol=tolerance
        )
        value, coef_grads, intercept_grads = regr.loss_gradient(small, target)
        oracle, *expected = reference.loss_gradient(
            coefs, intercepts, small, target[:, None], None, regr.alpha,
            [("relu", 0)] * 2, "squared_error",
        )  # fmt: skip
        assert value == pytest.approx(oracle, rel=tolerance)
        for ours, theirs in zip(
            coef_grads + intercept_grads, expected[0] + expected[1]
        ):
            np.testing.assert_allclose(
                ours, theirs, atol=tolerance * (1 + np.abs(theirs).max())
            )


@pytest.mark.parametrize("activation", ["tanh", "relu", "logistic"])
def test_thirty_layers(activation):
    clf = MLPClassifier(
        (12,) * 30, activation, max_iter=3, random_state=0, weight_init="he_normal"
    ).fit(X, Y)
    pairs = [(activation, 0)] * 30
    expected = reference.predict(
        clf.coefs_, clf.intercepts_, X, pairs, "binary_log_loss"
    )
    np.testing.assert_allclose(clf.predict_proba(X)[:, 1:], expected, rtol=1e-9)
    _, coef_grads, _ = clf.loss_gradient(X, Y)
    oracle = reference.loss_gradient(
        clf.coefs_, clf.intercepts_, X, Y[:, None].astype(float), None, clf.alpha,
        pairs, "binary_log_loss",
    )[1]  # fmt: skip
    for ours, theirs in zip(coef_grads, oracle):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12)


def test_one_row_and_one_class():
    regr = MLPRegressor(hidden_layer_sizes=(3,), max_iter=3, random_state=0)
    for solver in ("adam", "sgd", "lbfgs"):
        regr.set_params(solver=solver).fit(X[:1], T[:1])
        assert np.isfinite(regr.predict(X)).all()
        clf = MLPClassifier((3,), solver=solver, max_iter=3).fit(X, np.full(300, "one"))
        assert (clf.predict(X) == "one").all()


@pytest.mark.long
def test_more_numbers_than_32_bits_count(tmp_path):
    """A file of 2^32 + numbers, nearly all of them a hole: the last rows are right."""
    n_features = 2**20
    n_rows = 2**12 + 3
    rows = np.memmap(tmp_path / "x.bin", np.float32, "w+", shape=(n_rows, n_features))
    rows[-1, -1], rows[-2, 0] = 3.0, 2.0
    regr = MLPRegressor(hidden_layer_sizes=(2,), activation="identity", max_iter=1)
    start = np.zeros((2, n_features), np.float32)
    regr.fit(start, [0.0, 0.0])
    first = np.zeros((n_features, 2), np.float32)
    first[-1], first[0] = (1, 0), (0, 10)
    regr.coefs_ = [first, np.ones((2, 1), np.float32)]
    regr.intercepts_ = [np.zeros(2, np.float32), np.zeros(1, np.float32)]
    predicted = regr.predict(rows)
    assert predicted[-1] == 3 and predicted[-2] == 20 and not predicted[:-2].any()
    y = np.zeros(n_rows, np.float32)
    regr.set_params(solver="sgd", batch_size=64).partial_fit(rows, y)
    assert np.isfinite(regr.predict(start)).all()
