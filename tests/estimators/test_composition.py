"""The estimators inside scikit-learn's tools, on frames and on real small tables."""

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import BaggingRegressor, StackingClassifier, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_breast_cancer(return_X_y=True)
CLF = MLPClassifier((20,), max_iter=100, random_state=0)
PIPE = make_pipeline(StandardScaler(), CLF)


def test_pipeline_and_cross_validation():
    scores = cross_val_score(PIPE, X, Y, cv=4)
    assert scores.mean() > 0.95
    X_r, y_r = load_diabetes(return_X_y=True)
    regr = TransformedTargetRegressor(
        MLPRegressor(hidden_layer_sizes=(20,), max_iter=150, random_state=0),
        transformer=StandardScaler(),
    )
    assert cross_val_score(make_pipeline(StandardScaler(), regr), X_r, y_r).mean() > 0.3


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_grid_search(backend):
    grid = {
        "mlpclassifier__activation": ["tanh", ("leaky_relu", 0.1)],
        "mlpclassifier__hidden_layer_sizes": [(), (5,), (5, 4)],
    }
    with joblib.parallel_backend(backend, n_jobs=2):
        search = GridSearchCV(PIPE, grid, cv=2).fit(X, Y)
    assert search.best_score_ > 0.95
    assert search.best_estimator_[-1].n_iter_ > 0


def test_calibration_voting_stacking_bagging_importance():
    assert CalibratedClassifierCV(PIPE, cv=2).fit(X, Y).score(X, Y) > 0.95
    voters = [
        ("a", PIPE),
        ("b", clone(PIPE).set_params(mlpclassifier__activation="tanh")),
    ]
    assert VotingClassifier(voters, voting="soft").fit(X, Y).score(X, Y) > 0.95
    final = LogisticRegression()
    assert StackingClassifier(voters, final, cv=2).fit(X, Y).score(X, Y) > 0.95
    X_r = StandardScaler().fit_transform(X)
    bag = BaggingRegressor(MLPRegressor(max_iter=20), 3).fit(X_r, X_r[:, 0])
    assert bag.score(X_r, X_r[:, 0]) > 0.5
    X_i, y_i = load_iris(return_X_y=True)
    clf = MLPClassifier(max_iter=200, random_state=0)
    model = make_pipeline(StandardScaler(), clf).fit(X_i, y_i)
    importance = permutation_importance(model, X_i, y_i, n_repeats=3, random_state=0)
    sepal, petal = np.split(importance.importances_mean, 2)
    assert petal.sum() > sepal.sum()
    several = MultiOutputClassifier(CLF).fit(X_i, np.c_[y_i, y_i > 1])
    assert several.predict(X_i).shape == (150, 2)


def _copies(model, tmp_path):
    joblib.dump(model, tmp_path / "model.joblib")
    yield pickle.loads(pickle.dumps(model))
    yield joblib.load(tmp_path / "model.joblib")
    yield joblib.load(tmp_path / "model.joblib", mmap_mode="r")


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_pickle_and_joblib(solver, tmp_path):
    model = clone(CLF).set_params(solver=solver).fit(X, Y)
    expected = model.predict_proba(X)
    copies = list(_copies(model, tmp_path))
    for copy in copies:
        np.testing.assert_array_equal(copy.predict_proba(X), expected)
    if solver != "lbfgs":
        model.partial_fit(X, Y)
        for copy in copies:
            copy.partial_fit(X, Y)
            np.testing.assert_array_equal(copy.coefs_[0], model.coefs_[0])


def test_clone_and_parameters():
    model = MLPClassifier(activation=("leaky_relu", 0.2), weight_init="he_normal")
    copy = clone(model.fit(X, Y))
    assert not hasattr(copy, "coefs_")
    assert copy.get_params() == model.get_params()
    assert copy.activation == ("leaky_relu", 0.2) and copy.weight_init == "he_normal"


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames(frame):
    data = load_iris()
    columns = [name.replace(" ", "_") for name in data.feature_names]
    table = frame(dict(zip(columns, data.data.T)))
    labels = data.target_names[data.target]
    clf = MLPClassifier(max_iter=200, random_state=0).fit(table, labels)
    assert clf.feature_names_in_.tolist() == columns
    assert set(clf.predict(table)) == set(data.target_names)
    arrays = MLPClassifier(max_iter=200, random_state=0).fit(data.data, labels)
    np.testing.assert_array_equal(clf.coefs_[0], arrays.coefs_[0])
    with pytest.raises(ValueError, match=r"\bX\b"):
        clf.predict(table[columns[::-1]])
    clf.partial_fit(table, pd.Series(labels))
    early = MLPClassifier(early_stopping=True, random_state=0).fit(table, labels)
    assert early.score(table, labels) > 0.5


@pytest.mark.parametrize("mode", ["r", "c"])
def test_memory_mapped_and_read_only_data(tmp_path, mode):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    y = Y.copy()
    y.setflags(write=False)
    w = np.ones(len(y))
    w.setflags(write=False)
    a = clone(CLF).fit(mapped, y, sample_weight=w)
    b = clone(CLF).fit(X, Y, sample_weight=np.ones(len(Y)))
    np.testing.assert_array_equal(a.predict_proba(mapped), b.predict_proba(X))


def test_metadata_routing():
    weights = np.linspace(0.1, 2, len(Y))
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            clone(CLF).set_fit_request(sample_weight=True, coefs_init=False),
        )
        routed = model.fit(X, Y, sample_weight=weights)[-1]
    scaled = StandardScaler().fit_transform(X)
    direct = clone(CLF).fit(scaled, Y, sample_weight=weights)
    np.testing.assert_array_equal(routed.coefs_[0], direct.coefs_[0])


def test_html_representation():
    assert "MLPClassifier" in PIPE._repr_html_()
