"""Calibrated probabilities: the temperature that the validation rows choose."""

import numpy as np
import pytest
from helpers.tables import GRADE, LABEL, LABELS, X, classifier
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from fastmlp._tabular.calibration import PRIOR_VARIANCE, temperature


def task_of(monkeypatch, **params):
    """The task of a fit, with the weights that its temperature was fitted for."""
    kept = {}

    def keep(task):
        kept["outputs"] = task.holdout.raw_outputs(task).astype(np.float64)
        kept["y"] = task.holdout.y[:, 0].astype(int)
        return temperature(task)

    monkeypatch.setattr("fastmlp._tabular.classifier.temperature", keep)
    target = params.pop("target", GRADE)
    return classifier(dtype="float64", **params).fit(X, target), kept


def test_it_minimises_the_validation_loss_with_a_prior(monkeypatch):
    model, kept = task_of(monkeypatch)

    def cost(logarithm):
        z = kept["outputs"] / np.exp(logarithm)
        own = z[np.arange(len(z)), kept["y"]]
        return (logsumexp(z, axis=1) - own).sum() + logarithm**2 / (2 * PRIOR_VARIANCE)

    best = minimize_scalar(cost, bounds=(-1, 2), method="bounded")
    assert model.temperature_ == pytest.approx(np.exp(best.x), rel=1e-4)
    assert model.temperature_ != 1


@pytest.mark.parametrize("n_members", [1, 3])
def test_it_is_folded_into_the_last_layer(n_members):
    plain = classifier(calibrate=False, n_members=n_members, dtype="float64")
    plain = plain.fit(X, GRADE)
    model = classifier(n_members=n_members, dtype="float64").fit(X, GRADE)
    assert plain.temperature_ == 1
    if n_members > 1:  # a mean of tempered probabilities may decide a tie otherwise
        assert np.mean(model.predict(X) == plain.predict(X)) > 0.98
    else:
        np.testing.assert_array_equal(model.predict(X), plain.predict(X))
        expected = softmax(np.log(plain.predict_proba(X)) / model.temperature_, axis=1)
        np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-9)


@pytest.mark.parametrize("target", [LABEL, LABELS], ids=["binary", "labels"])
def test_an_overconfident_model_is_tempered(target):
    """Half of the labels are wrong where the network learns them by heart."""
    rng = np.random.default_rng(0)
    wrong = rng.random(np.shape(target)[0]) < 0.3
    flipped = np.array(target)
    flipped[wrong] = flipped[rng.permutation(np.flatnonzero(wrong))]
    model = classifier(n_epochs=40, early_stopping=False, dropout=0.0)
    model = model.set_params(scoring="accuracy").fit(X, flipped)
    assert model.temperature_ > 1.05


def test_a_refit_takes_the_temperature_over():
    model = classifier(refit=True).fit(X, LABEL)
    plain = classifier(refit=True, calibrate=False).fit(X, LABEL)
    z, plain_z = (
        np.log(p[:, 1] / p[:, 0])
        for p in (model.predict_proba(X), plain.predict_proba(X))
    )
    np.testing.assert_allclose(z * model.temperature_, plain_z, rtol=1e-3, atol=1e-3)
