"""The losses behind the estimators: fits, intervals, positive weights, wrong calls."""

import pickle
import re

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor, load_model, save_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 4))
SIGMA = 0.2 + 0.5 * np.abs(X[:, 1])
Y = X[:, 0] + SIGMA * RNG.normal(size=400)
POSITIVE = np.exp(X[:, 0] / 2) * RNG.gamma(2, 0.5, size=400)
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]

KINDS = {
    "absolute_error": ({}, Y),
    "huber": ({"huber_delta": 0.3}, Y),
    "log_cosh": ({}, Y),
    "quantile": ({"quantile": 0.8}, Y),
    "quantiles": ({"loss": "quantile", "quantile": LEVELS}, Y),
    "monotone": (
        {"loss": "quantile", "quantile": LEVELS, "monotone_quantiles": True},
        Y,
    ),
    "gamma": ({}, POSITIVE),
    "tweedie": ({"tweedie_power": 1.2}, np.where(POSITIVE < 0.3, 0, POSITIVE)),
    "gaussian_nll": ({}, Y),
    "softplus": ({"loss": "squared_error", "output_activation": "softplus"}, POSITIVE),
    "exp": ({"loss": "absolute_error", "output_activation": "exp"}, POSITIVE),
    "bounded": (
        {"loss": "squared_error", "output_activation": ("logistic", -5, 5.0)},
        np.clip(Y, -5, 5),
    ),
    "monotone-softplus": (
        {
            "loss": "quantile",
            "quantile": LEVELS,
            "monotone_quantiles": True,
            "output_activation": "softplus",
        },
        POSITIVE,
    ),
}
all_kinds = pytest.mark.parametrize("kind", KINDS)


def regressor(kind, **more):
    params, y = KINDS[kind]
    params = {"hidden_layer_sizes": (20,), "random_state": 0, "max_iter": 20, **params}
    params = {"learning_rate_init": 0.01, "loss": kind, **params, **more}
    return MLPRegressor(**params), y


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@all_kinds
def test_training_lowers_the_loss(kind, solver):
    model, y = regressor(kind, solver=solver, alpha=0.0, max_iter=1)
    model.set_params(learning_rate_init=0.01 if solver == "adam" else 0.005)
    first = model.fit(X, y).loss_gradient(X, y)[0]
    model.set_params(max_iter=30)
    assert model.fit(X, y).loss_gradient(X, y)[0] < first - 0.01 * abs(first)


@all_kinds
def test_every_way_to_fit_agrees(kind):
    model, y = regressor(kind, alpha=0.0, n_threads=2)
    weight = np.arange(len(y)) % 3 + 1.0
    expected = model.fit(X, y, weight).predict(X)
    rows = sparse.csr_array(X)
    # a product of a sparse row is summed in another order
    again = clone(model).fit(rows, y, weight).predict(rows)
    np.testing.assert_allclose(again, expected, rtol=1e-8, atol=1e-8)
    single = clone(model).set_params(n_threads=1).fit(X, y, weight)
    np.testing.assert_array_equal(single.predict(X), expected)
    narrow = clone(model).fit(X.astype(np.float32), y, weight)
    assert narrow.predict(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(narrow.predict(X), expected, rtol=0.01, atol=0.01)


@all_kinds
def test_full_batch_weights_count_rows(kind):
    params = {"solver": "lbfgs", "alpha": 0.0, "max_iter": 3}
    model, y = regressor(kind, **params)
    count = np.arange(len(y)) % 3
    weighted = clone(model).fit(X, y, count.astype(float))
    repeated = clone(model).fit(np.repeat(X, count, axis=0), np.repeat(y, count))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6)


@all_kinds
def test_early_stopping_partial_fit_and_files(kind, tmp_path):
    model, y = regressor(kind, early_stopping=True)
    model.fit(X, y)
    assert model.validation_scores_[-1] > model.validation_scores_[0]
    going, _ = regressor(kind)
    losses = [going.partial_fit(X, y).loss_ for _ in range(5)]
    assert losses[-1] < losses[0]
    for other in (pickle.loads(pickle.dumps(model)), clone(model).fit(X, y)):
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    loaded.warm_start = True
    loaded.fit(X, y)


@all_kinds
def test_parameters_after_the_fit_do_not_change_the_model(kind):
    model, y = regressor(kind)
    expected = model.fit(X, y).predict(X)
    model.set_params(loss="squared_error", quantile=0.5, monotone_quantiles=False)
    model.set_params(output_activation=None)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_several_targets():
    both = np.c_[Y, 2 * Y + 1]
    model, _ = regressor("quantiles", max_iter=60)
    p = model.fit(X, both).predict(X)
    assert p.shape == (400, 2, 5) and model.n_outputs_ == 10
    np.testing.assert_array_equal(model.quantiles_, LEVELS)
    assert model.predict_interval(X, 0.5).shape == (400, 2, 2)
    assert 0.4 < (both[:, 1] < p[:, 1, 2]).mean() < 0.6
    scores = [
        d2_pinball_score(both, p[:, :, q], alpha=level)
        for q, level in enumerate(LEVELS)
    ]
    assert model.score(X, both) == pytest.approx(np.mean(scores))
    model, _ = regressor("gaussian_nll", max_iter=100, standardize_y=True)
    mean, std = model.fit(X, both).predict(X, return_std=True)
    assert mean.shape == std.shape == (400, 2) and (std > 0).all()
    assert model.score(X, both) == pytest.approx(r2_score(both, mean))
    assert r2_score(both, mean) > 0.5
    assert np.median(std[:, 1] / std[:, 0]) == pytest.approx(2, abs=0.4)
    assert model.predict_interval(X).shape == (400, 2, 2)


def test_loss_is_the_mean_pinball_loss_summed_over_levels():
    model, _ = regressor("quantiles", alpha=0.0)
    p = model.fit(X, Y).predict(X)
    expected = sum(
        mean_pinball_loss(Y, p[:, q], alpha=level) for q, level in enumerate(LEVELS)
    )
    assert model.loss_gradient(X, Y)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("monotone", [False, True])
def test_quantiles_cover_rows_that_were_held_out(monotone):
    data, y = load_diabetes(return_X_y=True)
    model = MLPRegressor(
        "quantile", (20,), quantile=[0.05, 0.5, 0.95], monotone_quantiles=monotone,
        standardize_X=True, alpha=1.0, max_iter=150, learning_rate_init=0.01,
        random_state=0,
    )  # fmt: skip
    scale = y.std()
    p = cross_val_predict(model, data, y / scale, cv=5)
    below = (y[:, None] / scale < p).mean(axis=0)
    # 442 rows: the standard error of a share of 0.5 is 0.024, of 0.05 it is 0.010
    np.testing.assert_allclose(below, [0.05, 0.5, 0.95], atol=0.08)
    inside = below[2] - below[0]
    assert 0.8 < inside < 0.96


def test_gaussian_nll_is_calibrated_on_rows_that_were_held_out():
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, size=(6000, 1))
    sigma = 0.1 + 0.3 * np.abs(x[:, 0])
    y = np.sin(2 * x[:, 0]) + sigma * rng.normal(size=6000)
    model = MLPRegressor(
        "gaussian_nll", (40, 40), max_iter=60, random_state=0, learning_rate_init=0.003
    ).fit(x[:4000], y[:4000])
    mean, std = model.predict(x[4000:], return_std=True)
    assert np.abs(mean - np.sin(2 * x[4000:, 0])).mean() < 0.05
    assert np.median(np.abs(std / sigma[4000:] - 1)) < 0.15
    for coverage in (0.5, 0.9):
        low, high = model.predict_interval(x[4000:], coverage).T
        inside = (low < y[4000:]) & (y[4000:] < high)
        assert inside.mean() == pytest.approx(coverage, abs=0.04)
    z = norm.ppf(0.95)
    np.testing.assert_allclose(high - mean, z * std, rtol=1e-12)
    nll = -norm.logpdf(y[4000:], mean, std).mean()
    model.set_params(alpha=0.0)
    assert model.loss_gradient(x[4000:], y[4000:])[0] == pytest.approx(nll, rel=1e-10)


def test_one_monotone_quantile_is_a_plain_one():
    """There is nothing that it could cross."""
    X, y = np.arange(20.0)[:, None] / 20, np.arange(20.0) % 7
    params = {"loss": "quantile", "quantile": 0.3, "max_iter": 3, "random_state": 0}
    plain = MLPRegressor(**params).fit(X, y)
    monotone = MLPRegressor(**params, monotone_quantiles=True).fit(X, y)
    np.testing.assert_array_equal(monotone.predict(X), plain.predict(X))
    np.testing.assert_array_equal(
        monotone.compile().predict(X), plain.compile().predict(X)
    )


@pytest.mark.parametrize("kind", ["monotone", "monotone-softplus"])
def test_monotone_quantiles_never_cross(kind, dtype):
    model, y = regressor(kind, max_iter=3, learning_rate_init=0.1)
    model.fit(X.astype(dtype), y)
    far = (100 * np.random.default_rng(2).normal(size=(5000, 4))).astype(dtype)
    assert (np.diff(model.predict(far), axis=1) >= 0).all()


def test_intervals_between_fitted_levels():
    model, _ = regressor("monotone")
    p = model.fit(X, Y).predict(X)
    np.testing.assert_allclose(model.predict_interval(X, 0.9), p[:, [0, 4]])
    np.testing.assert_allclose(model.predict_interval(X, 0.5), p[:, [1, 3]])
    np.testing.assert_allclose(
        model.predict_interval(X, 0.7),
        np.c_[(p[:, 0] + p[:, 1]) / 2, (p[:, 3] + p[:, 4]) / 2],
    )
    wide = {"quantile": [0.01, 0.99], "monotone_quantiles": False, "max_iter": 1}
    crossing = clone(model).set_params(**wide).fit(X, Y)
    assert (np.diff(crossing.predict_interval(X, 0.98), axis=1) >= 0).all()
    assert (np.diff(crossing.predict(X), axis=1) < 0).any()


def test_standardize_y_folds_into_the_outputs():
    for kind in ("absolute_error", "huber", "log_cosh", "quantiles", "gaussian_nll"):
        model, _ = regressor(kind, standardize_y=True, max_iter=40)
        p = model.fit(X, Y).predict(X)
        large, _ = regressor(kind, standardize_y=True, max_iter=40)
        np.testing.assert_allclose(
            large.fit(X, 1000 * Y + 5e4).predict(X), 1000 * p + 5e4, rtol=1e-6
        )
    std = model.predict(X, return_std=True)[1]
    np.testing.assert_allclose(
        large.predict(X, return_std=True)[1], 1000 * std, rtol=1e-6
    )
    large.set_params(warm_start=True, max_iter=1).fit(X, 1000 * Y + 5e4)
    assert large.score(X, 1000 * Y + 5e4) > 0.3


def test_focal_loss():
    labels = (Y > 0.5).astype(int)
    many = np.digitize(Y, [-0.5, 0.5])
    several = np.c_[Y > 0, Y > 1].astype(int)
    for y in (labels, many, several):
        plain = MLPClassifier((10,), max_iter=60, random_state=0).fit(X, y)
        focal = clone(plain).set_params(loss="focal", focal_gamma=3.0).fit(X, y)
        assert focal.score(X, y) > plain.score(X, y) - 0.1
        zero = clone(focal).set_params(focal_gamma=0.0, solver="lbfgs", max_iter=5)
        same = clone(plain).set_params(solver="lbfgs", max_iter=5).fit(X, y)
        np.testing.assert_allclose(
            zero.fit(X, y).predict_proba(X), same.predict_proba(X), rtol=1e-6
        )
        assert plain.loss == "log_loss" and plain.out_activation_ == (
            focal.out_activation_
        )
        # less extreme: the confidence of the focal model is lower
        p, q = (m.predict_proba(X) for m in (plain, focal))
        assert np.abs(q - q.mean(axis=0)).mean() < np.abs(p - p.mean(axis=0)).mean()
    grid = GridSearchCV(plain, {"loss": ["log_loss", "focal"]}, cv=2).fit(X, several)
    for loss, score in zip(("log_loss", "focal"), grid.cv_results_["mean_test_score"]):
        direct = cross_val_score(clone(plain).set_params(loss=loss), X, several, cv=2)
        assert score == direct.mean()


def test_positive_weights_of_labels():
    labels = np.c_[Y > 0, Y > 1, X[:, 2] > 0].astype(int)
    params = {"hidden_layer_sizes": (10,), "max_iter": 5, "random_state": 0, "alpha": 0}
    plain = MLPClassifier(**params).fit(X, labels)
    ones = MLPClassifier(**params, class_weight=[1.0, 1, 1]).fit(X, labels)
    np.testing.assert_allclose(ones.predict_proba(X), plain.predict_proba(X), rtol=1e-9)
    weights = np.array([3.0, 0.5, 1.0])
    model = MLPClassifier(**params, class_weight=weights).fit(X, labels)
    p = model.predict_proba(X)
    terms = weights * labels * np.log(p) + (1 - labels) * np.log(1 - p)
    assert model.loss_gradient(X, labels)[0] == pytest.approx(
        -terms.sum(axis=1).mean(), rel=1e-10
    )
    assert (p[:, 0] > plain.predict_proba(X)[:, 0]).mean() > 0.9
    model.partial_fit(X, labels)
    with pytest.raises(ValueError, match=r"one weight for each of the 3 labels, got 2"):
        MLPClassifier(**params, class_weight=[1.0, 2.0]).fit(X, labels)
    with pytest.raises(ValueError, match="weight > 0 of the positive term"):
        MLPClassifier(**params, class_weight=[1.0, 0.0, 2.0]).fit(X, labels)


BAD = [
    ({"loss": "quantile", "quantile": 1.0}, Y, r"'quantile' .* in the range \(0, 1\)"),
    ({"loss": "quantile", "quantile": [0.1, 1.2]}, Y, "strictly increasing floats"),
    ({"loss": "quantile", "quantile": [0.9, 0.1]}, Y, "strictly increasing floats"),
    ({"loss": "quantile", "quantile": []}, Y, "strictly increasing floats"),
    ({"loss": "huber", "huber_delta": 0.0}, Y, r"'huber_delta' .*\(0, inf\).* Got 0.0"),
    ({"loss": "tweedie", "tweedie_power": 2.0}, POSITIVE, "loss='gamma' for power 2"),
    ({"output_activation": "tanh"}, Y, "'identity', 'exp', 'softplus', 'logistic'"),
    ({"output_activation": ("logistic", 1, 1)}, Y, "finite low < high"),
    ({"monotone_quantiles": True}, Y, "needs loss='quantile'"),
    ({"loss": "gaussian_nll", "output_activation": "exp"}, Y, "fixes the output activ"),
    (
        {"loss": "gamma", "output_activation": "identity"},
        POSITIVE,
        "predictions above 0",
    ),
    (
        {"loss": "gamma", "output_activation": ("logistic", -1, 9)},
        POSITIVE,
        "low >= 0",
    ),
    ({"loss": "gamma"}, np.where(Y > 0, Y, 0), "needs y > 0; the smallest is 0"),
    ({"loss": "tweedie"}, Y, "loss='tweedie', which needs y >= 0"),
    ({"output_activation": "softplus"}, Y, r"within \[0, inf\]"),
    (
        {"output_activation": ("logistic", 0, 1)},
        POSITIVE,
        r"within \[0, 1\].*wider range",
    ),
    (
        {"loss": "poisson", "standardize_y": True},
        POSITIVE,
        "standardize_y=True needs loss=",
    ),
    (
        {"loss": "gaussian_nll", "standardize_y": True, "fit_intercept": False},
        Y,
        "needs fit_intercept=True",
    ),
    (
        {"output_activation": "exp", "standardize_y": True},
        POSITIVE,
        "output_activation=None",
    ),
]


@pytest.mark.parametrize("params, y, message", BAD, ids=range(len(BAD)))
def test_bad_input(params, y, message):
    model = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2).fit(X, Y)
    before = model.predict(X)
    with pytest.raises(ValueError, match=message):
        model.set_params(**params).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)


def test_gamma_targets_that_vanish_in_float32():
    y = POSITIVE.copy()
    y[0] = 1e-45
    MLPRegressor("gamma", max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match="needs y > 0"):
        MLPRegressor("gamma", max_iter=1, dtype="float32").fit(X, y)


def test_wrong_questions():
    plain = MLPRegressor(max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match="needs a model fitted with loss='gaussian_nl"):
        plain.predict(X, return_std=True)
    with pytest.raises(ValueError, match="predict_interval needs a model fitted"):
        plain.predict_interval(X)
    model, _ = regressor("quantiles")
    model.fit(X, Y)
    message = re.escape("between the quantiles 0.025 and 0.975, but the model was")
    with pytest.raises(ValueError, match=message):
        model.predict_interval(X, 0.95)
    with pytest.raises(ValueError, match=r"coverage must be a float in \(0, 1\)"):
        model.predict_interval(X, 1.0)
    with pytest.raises(ValueError, match="focal_gamma"):
        MLPClassifier(loss="focal", focal_gamma=-1.0).fit(X, Y > 0)
    with pytest.raises(ValueError, match="'log_loss', 'focal'"):
        MLPClassifier(loss="hinge").fit(X, Y > 0)
    warm = MLPRegressor(max_iter=2, warm_start=True).fit(X, POSITIVE)
    with pytest.raises(ValueError, match="cannot change the loss"):
        warm.set_params(loss="gamma").fit(X, POSITIVE)


def test_what_cannot_leave_the_estimator_says_so():
    single, y = regressor("huber")
    compiled = single.fit(X, y).compile()
    np.testing.assert_allclose(compiled.predict(X), single.predict(X))
    for kind in ("quantiles", "monotone", "gaussian_nll"):
        model, y = regressor(kind)
        model.fit(X, y)
        with pytest.raises(ValueError, match="one output per target"):
            model.compile()
        with pytest.raises(ValueError, match="one output per target"):
            fastmlp.to_c(model, "unused.h")
    soft, y = regressor("softplus")
    soft.fit(X, y)
    np.testing.assert_allclose(soft.compile().predict(X), soft.predict(X))
    with pytest.raises(ValueError, match="identity or exp"):
        fastmlp.to_c(soft, "unused.h")
    slope = soft.input_gradient(X[:3])
    step = 1e-6 * np.eye(4)
    for i in range(4):
        above, below = soft.predict(X[:3] + step[i]), soft.predict(X[:3] - step[i])
        np.testing.assert_allclose(slope[:, i], (above - below) / 2e-6, atol=1e-6)
