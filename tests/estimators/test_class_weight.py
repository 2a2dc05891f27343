"""class_weight equals the expanded weights of the rows, bit for bit."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.utils.class_weight import compute_sample_weight

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X, Y = X[20:], Y[20:]  # 30, 50 and 50 rows
NAMES = np.array(["b", "c", "a"])[Y]
LABELS = make_multilabel_classification(len(Y), 4, n_classes=3, random_state=0)[1]
OWN = np.linspace(0.1, 2, len(Y))

TASKS = {
    "binary": (Y > 0, {False: 3.0, True: 0.5}),
    "binary, one named": (Y > 0, {True: 0.3}),
    "multiclass": (NAMES, {"a": 3.0, "b": 0.7, "c": 1.1}),
    "multiclass, one without weight": (NAMES, {"a": 0}),
    "balanced": (NAMES, "balanced"),
    "multilabel": (LABELS, [{0: 1.0, 1: 5.0}, {0: 0.5, 1: 1.0}, {0: 1.0, 1: 1.5}]),
    "multilabel, balanced": (LABELS, "balanced"),
}


def _assert_same(a, b):
    for x, y in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_):
        np.testing.assert_array_equal(x, y)
    assert a.loss_ == b.loss_


def _differs(a, b):
    return any((x != y).any() for x, y in zip(a.coefs_, b.coefs_))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("own", [None, OWN], ids=["alone", "times sample_weight"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fit(task, solver, own, dtype):
    y, class_weight = TASKS[task]
    plain = MLPClassifier((5,), solver=solver, max_iter=5, random_state=0, dtype=dtype)
    weight = compute_sample_weight(class_weight, y)
    expected = clone(plain).fit(X, y, weight if own is None else weight * own)
    weighted = clone(plain).set_params(class_weight=class_weight)
    _assert_same(weighted.fit(X, y, own), expected)
    assert _differs(weighted, clone(plain).fit(X, y, own))
    loss, grads, _ = weighted.loss_gradient(X, y, own)
    expected_loss, expected_grads, _ = expected.loss_gradient(
        X, y, weight if own is None else weight * own
    )
    assert loss == expected_loss
    np.testing.assert_array_equal(grads[0], expected_grads[0])


@pytest.mark.parametrize("task", TASKS)
def test_partial_fit(task):
    y, class_weight = TASKS[task]
    weighted = MLPClassifier((5,), random_state=0, class_weight=class_weight)
    expected = MLPClassifier((5,), random_state=0)
    weight = compute_sample_weight(class_weight, y)
    classes = np.unique(y) if y.ndim == 1 else np.arange(3)
    for _ in range(3):
        weighted.partial_fit(X, y, OWN, classes=classes)
        expected.partial_fit(X, y, OWN * weight, classes=classes)
    _assert_same(weighted, expected)


def test_partial_fit_where_a_batch_lacks_classes():
    class_weight = {"a": 2.0, "b": 3.0}
    weighted = MLPClassifier((5,), random_state=0, class_weight=class_weight)
    expected = MLPClassifier((5,), random_state=0)
    for name, weight in [("c", 1.0), ("b", 3.0), ("a", 2.0)]:
        rows = name == NAMES
        weighted.partial_fit(X[rows], NAMES[rows], classes=["a", "b", "c"])
        weights = np.full(rows.sum(), weight)
        expected.partial_fit(X[rows], NAMES[rows], weights, classes=["a", "b", "c"])
    _assert_same(weighted, expected)


def test_weight_two_equals_repeated_rows():
    y = (Y > 0).astype(int)
    twice = np.r_[np.arange(len(y)), np.flatnonzero(y == 0)]
    params = {"solver": "lbfgs", "max_iter": 10, "random_state": 0}
    weighted = MLPClassifier((4,), class_weight={0: 2}, **params).fit(X, y)
    repeated = MLPClassifier((4,), **params).fit(X[twice], y[twice])
    for a, b in zip(weighted.coefs_, repeated.coefs_):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_sparse_and_early_stopping():
    plain = MLPClassifier((5,), max_iter=8, random_state=0, early_stopping=True)
    weighted = clone(plain).set_params(class_weight="balanced")
    rows = sparse.csr_array(X)
    expected = plain.fit(rows, NAMES, compute_sample_weight("balanced", NAMES))
    _assert_same(weighted.fit(rows, NAMES), expected)
    assert weighted.validation_scores_ == expected.validation_scores_


@pytest.mark.parametrize(
    "y, class_weight, message",
    [
        (Y, "even", "'balanced'"),
        (Y, 2.0, "'class_weight' parameter of MLPClassifier must be"),
        (Y, [1.0, 2.0, 3.0], "unless the task is multi-label"),
        (Y, [{0: 1, 1: 2}] * 3, "unless the task is multi-label"),
        (Y, {3: 1.0}, r"\[3\], which are not among the classes \[0, 1, 2\]"),
        (Y, {0: -1.0}, r"class_weight\[0\] must be a finite number >= 0, got -1.0"),
        (Y, {0: np.nan}, "finite"),
        (Y, {0: "heavy"}, "finite"),
        (Y, {0: 0, 1: 0, 2: 0}, "at least one non-zero weight"),
        (LABELS, {0: 1, 1: 2}, "for each of the 3 labels"),
        (LABELS, [{0: 1, 1: 2}], "for each of the 3 labels"),
        (LABELS, [{0: 1, 2: 2}] * 3, r"\[2\], which are not among"),
    ],
    ids=str,
)
def test_bad_class_weight(y, class_weight, message):
    clf = MLPClassifier((5,), class_weight=class_weight, max_iter=2)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y)
    assert not hasattr(clf, "coefs_")


def test_regressor_has_no_class_weight():
    with pytest.raises(TypeError):
        MLPRegressor(class_weight="balanced")
