"""Defaults that go by the number of rows."""

import numpy as np
import pytest
from helpers.tables import LABEL, NUMBER, X, classifier, regressor

from fastmlp._tabular.training import batch_for, epochs_for, members_for


@pytest.mark.parametrize(
    "n_rows, epochs", [(3, 256), (500, 256), (2000, 128), (8000, 64), (10**6, 16)]
)
def test_epochs(n_rows, epochs):
    assert epochs_for(n_rows) == epochs


@pytest.mark.parametrize(
    "n_rows, in_folds, members",
    [(3, False, 5), (2000, False, 5), (2001, False, 1), (10**6, True, 5)],
)
def test_members(n_rows, in_folds, members):
    assert members_for(n_rows, in_folds) == members


@pytest.mark.parametrize(
    "n_rows, batch",
    [(3, 64), (1024, 64), (1025, 128), (8193, 256), (30_001, 512), (100_001, 1024)],
)
def test_batch(n_rows, batch):
    assert batch_for(n_rows) == batch


@pytest.mark.parametrize("make, y", [(classifier, LABEL), (regressor, NUMBER)])
def test_auto_is_what_the_number_of_rows_says(make, y):
    settings = {"hidden_layer_sizes": (4,), "early_stopping": False, "max_time": None}
    asked = make(n_members="auto", n_epochs="auto", **settings).fit(X, y)
    told = make(n_members=5, n_epochs=256, **settings).fit(X, y)
    assert asked.n_iter_ == 256
    np.testing.assert_array_equal(asked._model.weights, told._model.weights)


def test_a_refit_keeps_the_schedule():
    model = classifier(n_epochs="auto", refit=True, hidden_layer_sizes=(4,))
    told = classifier(n_epochs=256, refit=True, hidden_layer_sizes=(4,))
    weights = [of.fit(X, LABEL)._model.weights for of in (model, told)]
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize(
    "settings, validation",
    [
        ({"n_members": 3}, "folds"),
        ({"n_members": 1}, "holdout"),
        ({"n_members": 3, "validation_fraction": 0.2}, "holdout"),
        ({"n_members": len(X) + 1}, "holdout"),
    ],
    ids=str,
)
def test_several_members_hold_out_folds(settings, validation):
    of = {**settings, "hidden_layer_sizes": (2,), "n_epochs": 1}
    asked, told = classifier(**of), classifier(**of, validation=validation)
    weights = [model.fit(X, LABEL)._model.weights for model in (asked, told)]
    np.testing.assert_array_equal(*weights)
