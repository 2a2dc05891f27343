"""scikit-learn's checks of the estimator contract, without expected failures."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastmlp import MLPClassifier, MLPRegressor

# Estimators with their defaults, and one variant of each that takes other paths.
ESTIMATORS = [
    MLPClassifier(),
    MLPRegressor(),
    MLPClassifier((), solver="lbfgs"),
    MLPRegressor(
        hidden_layer_sizes=(5, 4),
        solver="lbfgs",
        activation=("leaky_relu", 0.1),
        weight_init="orthogonal",
    ),
]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(ESTIMATORS)
def test_contract(estimator, check):
    check(estimator)
