"""Calls that a rule of training refuses: what may not change, cancel or diverge."""

import numpy as np
import pytest
from helpers.wrong_calls import T, X, Y
from scipy import sparse

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_poisson_needs_counts():
    with pytest.raises(ValueError, match=r"y >= 0; the smallest is -3\."):
        MLPRegressor("poisson").fit(X, np.r_[-3.0, np.ones(59)])


@pytest.mark.parametrize("sizes", [(5, 5), (), (6,)])
def test_architecture_cannot_change_under_warm_start(fitted, sizes):
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
    with pytest.raises(ValueError, match=r"\bX\b"):
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
    for name, message in (
        ("softmax", "out_activation_ was set to 'softmax' after the fit"),
        ("x", "out_activation_ must be one of"),
    ):
        model.out_activation_ = name
        with pytest.raises(ValueError, match=message):
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


def test_partial_fit_refuses_early_stopping(fitted):
    model, unchanged = fitted
    model.set_params(early_stopping=True)
    with pytest.raises(ValueError, match="does not support early_stopping=True"):
        model.partial_fit(X, Y)
    model.set_params(early_stopping=False)
    unchanged()


def test_validation_part_too_small():
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
