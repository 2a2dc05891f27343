"""Tables and targets at the edge: far from 0, without variation, without an end."""

import numpy as np
import pandas as pd
import pytest
from helpers.tables import NUMBER, X, classifier, regressor


@pytest.mark.parametrize("offset", [1e6, 1e9])
def test_the_deviation_of_a_mixture_does_not_depend_on_the_mean(offset):
    settings = {"loss": "gaussian_nll", "n_members": 3, "dtype": "float64"}
    _, expected = regressor(**settings).fit(X, NUMBER).predict(X, return_std=True)
    model = regressor(**settings).fit(X, NUMBER + offset)
    _, deviation = model.predict(X, return_std=True)
    np.testing.assert_allclose(deviation, expected, rtol=1e-3)
    ends = model.predict_interval(X, coverage=0.9)
    np.testing.assert_allclose(np.ptp(ends, axis=1), 2 * 1.6448536 * deviation)


def test_targets_that_lose_their_digits_are_told_of():
    with pytest.warns(UserWarning, match="y varies by .* subtract a constant"):
        regressor().fit(X, NUMBER + 1e8)
    regressor(dtype="float64").fit(X, NUMBER + 1e8)
    regressor().fit(X, NUMBER * 1e8)
    two = np.c_[NUMBER, NUMBER + 1e8]
    with pytest.warns(UserWarning, match="Column 1 of y varies"):
        regressor().fit(X, two)


@pytest.mark.parametrize(
    "column", [np.ones(240), ["k"] * 240, np.full(240, np.nan)], ids=type
)
def test_a_column_that_does_not_vary_tells_nothing(column):
    table = pd.DataFrame({"a": column})
    model = regressor().fit(table, NUMBER)
    predictions = model.predict(table)
    assert np.ptp(predictions) == 0
    assert abs(predictions[0] - NUMBER.mean()) < NUMBER.std()
    proba = classifier().fit(table, NUMBER > 0).predict_proba(table)
    assert abs(proba[0, 1] - (NUMBER > 0).mean()) < 0.2


def test_the_remedy_of_a_divergence_is_one_that_exists():
    model = regressor(learning_rate_init=1e6)
    with (
        pytest.warns(match=r"diverged.*\|X\| reaches \d.*Lower learning_rate_init\.$"),
        pytest.raises(ValueError, match=r"not stay finite.*Lower learning_rate_init"),
    ):
        model.fit(X, NUMBER)


def test_a_copy_in_a_callback_has_nothing_of_an_earlier_fit():
    copies = []
    model = classifier().fit(X, NUMBER > 0)
    assert model.temperature_ != 1
    model.fit(X, NUMBER > 1, callback=lambda r: copies.append(r.fitted_estimator()))
    for number, copy in enumerate(copies, 1):
        for name in ("temperature_", "best_epoch_", "stop_reason_"):
            assert not hasattr(copy, name)
        assert copy.n_iter_ == len(copy.loss_curve_) == number
        assert len(copy.validation_scores_) == len(copy.history_["loss"]) == number
