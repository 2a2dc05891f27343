"""Monotone quantiles of standardised targets: steps in the units of each target."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import mean_pinball_loss

from fastmlp import MLPRegressor, load_model, save_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 4))
Y = X[:, 0] + (0.2 + 0.5 * np.abs(X[:, 1])) * RNG.normal(size=400)
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]


def regressor(**more):
    params = {"hidden_layer_sizes": (20,), "random_state": 0, "max_iter": 20}
    params |= {"quantile": LEVELS, "monotone_quantiles": True, **more}
    return MLPRegressor("quantile", learning_rate_init=0.01).set_params(**params)


TWO_TARGETS = np.c_[1000 + 100 * Y, -5 + 1e-3 * Y + 1e-3 * X[:, 2]]


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("intercept", [True, False])
def test_monotone_quantiles_of_standardized_targets(solver, intercept):
    more = {"solver": solver, "fit_intercept": intercept, "max_iter": 40}
    model = regressor(standardize_y=True, **more)
    model.fit(X, TWO_TARGETS, X_val=X[:50], y_val=TWO_TARGETS[:50])
    p = model.predict(X)
    assert p.shape == (400, 2, 5) and (np.diff(p, axis=2) >= 0).all()
    # as the same model of targets that are scaled outside
    mean = TWO_TARGETS.mean(axis=0) if intercept else 0.0
    scale = TWO_TARGETS.std(axis=0)
    outside = regressor(**more)
    outside.fit(X, (TWO_TARGETS - mean) / scale)
    expected = outside.predict(X) * scale[:, None] + np.reshape(mean, (-1, 1))
    rtol = 1e-7 if solver != "lbfgs" else 1e-2  # whose runs part where rounding differs
    np.testing.assert_allclose(p, expected, rtol=0, atol=rtol * scale.max())
    score = model.score(X[:50], TWO_TARGETS[:50])
    assert model.validation_scores_[-1] == pytest.approx(score, rel=1e-8)
    assert model.out_activation_ == "monotone"


def test_monotone_quantiles_of_large_targets_cover_their_share():
    rng = np.random.default_rng(1)
    X_new = rng.normal(size=(4000, 4))
    y_new = X_new[:, 0] + (0.2 + 0.5 * np.abs(X_new[:, 1])) * rng.normal(size=4000)
    model = regressor(standardize_y=True, max_iter=60)
    model.fit(X_new[:3000], 2e5 + 5e4 * y_new[:3000])
    low, high = model.predict_interval(X_new[3000:], 0.9).T
    inside = (low <= 2e5 + 5e4 * y_new[3000:]) & (2e5 + 5e4 * y_new[3000:] <= high)
    assert 0.85 < inside.mean() < 0.95


def test_monotone_quantiles_go_on_in_their_units(tmp_path):
    model = regressor(standardize_y=True)
    expected = model.fit(X, TWO_TARGETS).predict(X)
    save_model(model, tmp_path / "m")
    for kept in (pickle.loads(pickle.dumps(model)), load_model(tmp_path / "m")):
        np.testing.assert_array_equal(kept.predict(X), expected)
    near = {"rtol": 0, "atol": 1e-6}  # beside 0.001, the smaller scale
    still = {"learning_rate_init": 1e-12, "max_iter": 1, "warm_start": True}
    for standardize_y in (True, False):
        for batch in (TWO_TARGETS, TWO_TARGETS[::-1] * 3):
            on = clone(model).set_params(**still, standardize_y=standardize_y)
            vars(on).update({k: v for k, v in vars(model).items() if k.endswith("_")})
            on._objective, on._scaling = model._objective, model._scaling
            np.testing.assert_allclose(on.fit(X, batch).predict(X), expected, **near)
            on.partial_fit(X, batch)
            on.partial_fit(X, batch)
            np.testing.assert_allclose(on.predict(X), expected, **near)
    # steps in units of 1, standardised from a later fit on
    plain = regressor(max_iter=1)
    expected = plain.fit(X, TWO_TARGETS).predict(X)
    plain.set_params(**still, standardize_y=True).fit(X, TWO_TARGETS)
    np.testing.assert_allclose(plain.predict(X), expected, **near)
    with pytest.raises(ValueError, match="cannot change the number of targets"):
        model.set_params(quantile=[0.1, 0.9], warm_start=True).fit(
            X, np.tile(Y[:, None], 5)
        )


def test_the_loss_of_standardized_monotone_quantiles_is_that_of_raw_targets():
    model = regressor(standardize_y=True, alpha=0.0)
    y = TWO_TARGETS[:, 0]
    model.fit(X, y)
    p = model.predict(X)
    expected = sum(
        mean_pinball_loss(y, p[:, q], alpha=level) for q, level in enumerate(LEVELS)
    )
    loss, coefs, _ = model.loss_gradient(X, y)
    assert loss == pytest.approx(expected)
    moved = clone(model)
    vars(moved).update(vars(model))
    step = 1e-4
    moved.coefs_ = [w.copy() for w in model.coefs_]
    moved.coefs_[1][3, 2] += step
    change = (moved.loss_gradient(X, y)[0] - loss) / step
    assert change == pytest.approx(coefs[1][3, 2], rel=1e-3)
