"""Prediction: probabilities of a 64-100-10 network, for one row and for many."""

import warnings

import numpy as np
import pytest
from cells import CELLS, DTYPES, SEED, make_data
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

import fastmlp

DIGITS = next(cell for cell in CELLS if cell.name == "digits")
LIBRARIES = {"fastmlp": fastmlp, "scikit-learn": neural_network}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", [1, 100_000])
def test_predict_proba(per_unit, benchmark, n_rows, dtype, library):
    benchmark.group = f"predict_proba, 64-100-10: {n_rows} rows, {dtype}"
    X, y = make_data(DIGITS, dtype)
    model = LIBRARIES[library].MLPClassifier(max_iter=2, random_state=SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    X = np.resize(X, (n_rows, 64))
    proba = per_unit(
        model.predict_proba,
        X,
        units=1,
        unit="us per call",
        rounds=2000 if n_rows == 1 else 15,
        warmup_rounds=5,
    )
    assert proba.shape == (n_rows, 10)
