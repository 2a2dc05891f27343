"""Sparse matrices whose arrays contradict each other: an error, no foreign memory."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.RandomState(0).randn(60, 3)
X[::3] = 0
T, Y = X[:, 0], (X > 0).astype(int)
DAMAGES = {
    "nothing stored": ("indptr", -1, 0),
    "negative end": ("indptr", -1, -5),
    "end too far": ("indptr", -1, 10**6),
    "start": ("indptr", 0, 3),
    "between": ("indptr", 2, 10**6),
    "column": ("indices", 3, 10**8),
    "negative column": ("indices", 3, -1),
}
SOON = {"n_iter_no_change": 1, "tol": 1e9, "random_state": 0}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    REGRESSOR = MLPRegressor(hidden_layer_sizes=(5,), **SOON).fit(X, T)
    CLASSIFIER = MLPClassifier((5,), **SOON).fit(X, Y)
COMPILED = REGRESSOR.compile()
LBFGS = MLPRegressor(hidden_layer_sizes=(5,), solver="lbfgs")
FOR_X = {
    "fit": lambda S: REGRESSOR.fit(S, T),
    "lbfgs": lambda S: LBFGS.fit(S, T),
    "partial_fit": lambda S: REGRESSOR.partial_fit(S, T),
    "X_val": lambda S: REGRESSOR.fit(X, T, X_val=S, y_val=T),
    "predict": REGRESSOR.predict,
    "compiled": COMPILED.predict,
    "hidden_activations": REGRESSOR.hidden_activations,
    "input_gradient": REGRESSOR.input_gradient,
    "loss_gradient": lambda S: REGRESSOR.loss_gradient(S, T),
    "trace_step": lambda S: REGRESSOR.trace_step(S, 1.0),
}
FOR_Y = {
    "fit": lambda S: CLASSIFIER.fit(X, S),
    "partial_fit": lambda S: CLASSIFIER.partial_fit(X, S),
    "y_val": lambda S: CLASSIFIER.fit(X, Y, X_val=X, y_val=S),
    "loss_gradient": lambda S: CLASSIFIER.loss_gradient(X, S),
}


def _damaged(kind, damage, values):
    array, place, value = DAMAGES[damage]
    matrix = kind(values)
    getattr(matrix, array)[place] = value
    return matrix


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "kind", [sparse.csr_array, sparse.csc_array, sparse.bsr_array, sparse.csr_matrix]
)
def test_damaged(kind, damage):
    before = REGRESSOR.predict(X), CLASSIFIER.predict_proba(X)
    for call in FOR_X.values():
        with pytest.raises(ValueError, match=r"(?i)\bX(_val)?\b"):
            call(_damaged(kind, damage, X))
    for call in FOR_Y.values():
        with pytest.raises(ValueError, match=r"\by(_val)?\b"):
            call(_damaged(kind, damage, Y))
    np.testing.assert_array_equal(REGRESSOR.predict(X), before[0])
    np.testing.assert_array_equal(CLASSIFIER.predict_proba(X), before[1])


def test_rows_of_lists():
    matrix = sparse.lil_array(X)
    matrix.rows[1] = [10**6, 1, 2]
    with pytest.raises(ValueError, match=r"\bX\b"):
        REGRESSOR.predict(matrix)


def test_the_matrix_of_the_user_stays():
    """SciPy's check cuts arrays that are longer than needed; fit leaves its own."""
    matrix = sparse.csr_array(X)
    matrix.indices = np.append(matrix.indices, [7, 7])
    matrix.data = np.append(matrix.data, [1.0, 1.0])
    expected = REGRESSOR.predict(X)
    np.testing.assert_allclose(REGRESSOR.predict(matrix), expected, rtol=1e-12)
    assert len(matrix.indices) == len(matrix.data) == matrix.indptr[-1] + 2
