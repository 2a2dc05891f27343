"""The estimators for tables among scikit-learn's tools, on raw frames with text."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import sklearn
from helpers.tables import GRADE, LABEL, LABELS, NUMBER, X, classifier, regressor
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_validate,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_html_repr, get_tags

from fastmlp import LossCurveDisplay


def _by_joblib(model, tmp_path):
    joblib.dump(model, tmp_path / "model")
    return joblib.load(tmp_path / "model")


def _by_skops(model, tmp_path):
    skops = pytest.importorskip("skops.io")
    data = skops.dumps(model)
    ours = skops.get_untrusted_types(data=data)
    assert all(name.startswith(("fastmlp.", "numpy.")) for name in ours), ours
    return skops.loads(data, trusted=ours)


@pytest.mark.parametrize(
    "copied",
    [
        lambda model, tmp_path: pickle.loads(pickle.dumps(model)),
        lambda model, tmp_path: copy.deepcopy(model),
        _by_joblib,
        _by_skops,
    ],
    ids=["pickle", "deepcopy", "joblib", "skops"],
)
@pytest.mark.parametrize("refit", [False, True])
def test_copies_predict_the_same(copied, refit, tmp_path):
    for model, target in (
        (classifier(refit=refit, n_members=2), LABEL),
        (classifier(), LABELS),
        (regressor(loss="gaussian_nll", refit=refit), NUMBER),
    ):
        other = copied(model.fit(X, target), tmp_path)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert other.get_params() == model.get_params()
        assert other.history_.keys() == model.history_.keys()
        other.fit(X, target)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_a_pickle_holds_no_moments_of_the_solver():
    model = regressor().fit(X, NUMBER)
    assert len(pickle.dumps(model)) < 2 * model._model.weights.nbytes + 50_000


def test_clones_are_not_fitted():
    model = clone(classifier(n_members=2).fit(X, LABEL))
    assert not hasattr(model, "classes_") and model.n_members == 2


def test_searches_and_validation():
    search = GridSearchCV(classifier(), {"dropout": [0.0, 0.5]}, cv=2)
    assert search.fit(X, LABEL).best_score_ > 0.7
    assert search.predict(X).shape == (len(X),)
    scores = cross_validate(regressor(), X, NUMBER, cv=2, n_jobs=2)
    assert (scores["test_score"] > 0.3).all()
    found = cross_val_predict(classifier(), X, GRADE, cv=2, method="predict_proba")
    assert found.shape == (len(X), 3)


def test_wrappers():
    calibrated = CalibratedClassifierCV(classifier(), cv=2).fit(X, LABEL)
    assert calibrated.predict_proba(X).shape == (len(X), 2)
    voting = VotingClassifier([("a", classifier()), ("b", classifier())], voting="soft")
    assert voting.fit(X, LABEL).score(X, LABEL) > 0.8
    several = MultiOutputRegressor(regressor()).fit(X, np.c_[NUMBER, -NUMBER])
    assert several.predict(X).shape == (len(X), 2)
    logarithm = TransformedTargetRegressor(
        regressor(), func=np.exp, inverse_func=np.log, check_inverse=False
    )
    assert logarithm.fit(X, NUMBER).predict(X).shape == (len(X),)
    numbers = np.nan_to_num(X[["size"]].to_numpy())
    bagging = BaggingClassifier(classifier(), n_estimators=2).fit(numbers, LABEL)
    assert bagging.predict(numbers).shape == (len(X),)


def test_a_pipeline_hands_frames_on():
    def grown(table):
        return table.assign(double=2 * table["size"])

    pipe = make_pipeline(FunctionTransformer(grown), classifier()).fit(X, LABEL)
    assert pipe[-1].feature_names_in_[-1] == "double"
    assert pipe.score(X, LABEL) > 0.8


def test_inspection_on_raw_frames():
    model = classifier().fit(X, LABEL)
    found = permutation_importance(model, X, LABEL, n_repeats=2, random_state=0)
    assert set(np.argsort(found.importances_mean)[2:]) == {0, 1}
    full = X.assign(colour=X.colour.fillna("none"))
    found = partial_dependence(model, full, ["colour"], categorical_features=["colour"])
    average = dict(zip(found["grid_values"][0], found["average"][0]))
    assert average["red"] == max(average.values())
    found = partial_dependence(model, X, ["size"], custom_values={"size": [-2.0, 2.0]})
    assert np.diff(found["average"][0]) > 0.2


def test_metadata_is_routed():
    weight = np.linspace(0.1, 1, len(X))
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            classifier()
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=True),
            {"dropout": [0.1]},
            cv=2,
        )
        search.fit(X, LABEL, sample_weight=weight)
        assert search.best_estimator_.get_metadata_routing().fit.requests[
            "sample_weight"
        ]
    direct = classifier(dropout=0.1).fit(X, LABEL, sample_weight=weight)
    np.testing.assert_array_equal(
        search.best_estimator_.predict_proba(X), direct.predict_proba(X)
    )


def test_tags():
    tags = get_tags(classifier())
    assert tags.input_tags.allow_nan and tags.input_tags.string
    assert tags.input_tags.categorical and tags.classifier_tags.multi_label
    assert not tags.input_tags.sparse and tags.target_tags.required
    assert get_tags(regressor()).target_tags.multi_output


def test_html_shows_parameters():
    model = classifier(dropout=0.25).fit(X, LABEL)
    assert "0.25" in estimator_html_repr(model)
    assert repr(model).startswith("TabularMLPClassifier(")


def test_loss_curves_are_drawn():
    pytest.importorskip("matplotlib")
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    model = classifier().fit(X, LABEL)
    display = LossCurveDisplay.from_estimator(make_pipeline(model), plot_score=True)
    assert display.kept_epoch == model.best_epoch_
    np.testing.assert_array_equal(display.validation_score, model.validation_scores_)
    plt.close("all")
