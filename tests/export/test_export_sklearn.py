"""Models inside pipelines, searches and wrappers: to scikit-learn's and back."""

import warnings

import numpy as np
import pytest
from helpers.models import data
from sklearn import neural_network
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import fastmlp
from fastmlp import HiddenFeatures, MLPClassifier, MLPRegressor
from fastmlp.export._nested import contained

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
]
OURS = (MLPClassifier, MLPRegressor)
THEIRS = (neural_network.MLPClassifier, neural_network.MLPRegressor)
PARAMS = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0}


def clf(**params):
    return MLPClassifier(**{**PARAMS, **params})


def regr(**params):
    return MLPRegressor(**{**PARAMS, **params})


WRAPPERS = {
    "pipeline": ("multiclass", lambda: make_pipeline(StandardScaler(), clf())),
    "lambda": (
        "binary",
        lambda: make_pipeline(FunctionTransformer(lambda X: X), clf()),
    ),
    "grid": ("multiclass", lambda: GridSearchCV(clf(), {"alpha": [0, 1]}, cv=2)),
    "grid of models": (
        "multiclass",
        lambda: GridSearchCV(
            make_pipeline(StandardScaler(), clf()),
            [{"mlpclassifier": [clf(alpha=0.1), LogisticRegression()]}],
            cv=2,
        ),
    ),
    "random": (
        "regression",
        lambda: RandomizedSearchCV(
            regr(), {"solver": ["adam", "sgd"]}, n_iter=2, cv=2, random_state=0
        ),
    ),
    "target": (
        "regression",
        lambda: TransformedTargetRegressor(regr(), transformer=StandardScaler()),
    ),
    "calibrated": ("multiclass", lambda: CalibratedClassifierCV(clf(), cv=2)),
    "one vs rest": ("multiclass", lambda: OneVsRestClassifier(clf())),
    "one vs one": ("multiclass", lambda: OneVsOneClassifier(clf())),
    "codes": ("multiclass", lambda: OutputCodeClassifier(clf(), random_state=0)),
    "voting": (
        "multiclass",
        lambda: VotingClassifier(
            [("a", clf()), ("b", LogisticRegression())], voting="soft"
        ),
    ),
    "bagging": (
        "multiclass",
        lambda: BaggingClassifier(clf(), n_estimators=3, random_state=0),
    ),
    "boosting": (
        "regression",
        lambda: AdaBoostRegressor(regr(), n_estimators=2, random_state=0),
    ),
    "stacking": (
        "multiclass",
        lambda: StackingClassifier([("a", clf())], clf(alpha=0.1), cv=2),
    ),
    "outputs": ("multioutput", lambda: MultiOutputRegressor(regr())),
    "labels": ("multilabel", lambda: MultiOutputClassifier(clf())),
    "chain": ("multioutput", lambda: RegressorChain(regr())),
    "chain of labels": ("multilabel", lambda: ClassifierChain(clf())),
    "threshold": ("binary", lambda: FixedThresholdClassifier(clf(), threshold=0.3)),
    "tuned": (
        "binary",
        lambda: TunedThresholdClassifierCV(clf(), scoring="accuracy", cv=2),
    ),
}


def fitted_wrapper(name):
    task, make = WRAPPERS[name]
    X, y = data(task, 90, strings=False)
    return make().fit(X, y), X, y


@pytest.mark.parametrize("name", WRAPPERS)
def test_models_in_wrappers_are_replaced(name):
    wrapper, X, y = fitted_wrapper(name)
    n_models = len(contained(wrapper, OURS))
    copy = fastmlp.to_sklearn(wrapper)
    assert type(copy) is type(wrapper)
    assert not contained(copy, OURS) and len(contained(wrapper, OURS)) == n_models
    assert len(contained(copy, THEIRS)) == n_models >= 1
    np.testing.assert_array_equal(
        np.round(copy.predict(X), 8), np.round(wrapper.predict(X), 8)
    )
    if hasattr(wrapper, "predict_proba"):
        for a, b in zip(copy.predict_proba(X), wrapper.predict_proba(X), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    back = fastmlp.from_sklearn(copy)
    assert not contained(back, THEIRS) and len(contained(back, OURS)) == n_models
    np.testing.assert_array_equal(
        np.round(back.predict(X), 8), np.round(wrapper.predict(X), 8)
    )
    copy.fit(X, y)
    assert contained(copy, THEIRS) and not contained(copy, OURS)


OPTIONS = [
    {"solver": "nadam"},
    {"solver": "adam", "weight_decay": 0.1},
    {"learning_rate": "cosine", "solver": "sgd"},
    {"learning_rate": lambda epoch: 0.01},
    {"class_weight": "balanced"},
    {"standardize_X": True},
    {"dropout": 0.1},
    {"loss": "focal"},
    {"validation_split": [0, 1, 2], "early_stopping": True},
    {"fit_intercept": False},
]


@pytest.mark.parametrize("params", OPTIONS, ids=lambda p: ",".join(map(str, p)))
def test_options_that_scikit_learn_lacks_are_named(params):
    X, y = data("binary", 90)
    model = clf(**params).fit(X, y)
    with pytest.warns(
        UserWarning, match="scikit-learn lacks .* the copy predicts"
    ) as w:
        copy = fastmlp.to_sklearn(model)
    (message,) = [str(entry.message) for entry in w]
    lacked = [name for name in params if name != "early_stopping"]
    if params.get("solver") in ("sgd", "adam"):
        lacked.remove("solver")
    assert all(f"{name}=" in message for name in lacked)
    np.testing.assert_allclose(
        copy.predict_proba(X), model.predict_proba(X), rtol=1e-9, atol=1e-12
    )
    copy.fit(X, y)
    copy.predict(X)


@pytest.mark.parametrize(
    "params",
    [
        {"dtype": "float32", "n_threads": 1, "max_time": 60.0},
        {"learning_rate": "invscaling", "solver": "sgd", "hidden_layer_sizes": ()},
        {"solver": "lbfgs", "verbose": 0, "alpha": 0.1},
    ],
)
def test_options_that_train_the_same_model_are_not_told(params):
    X, y = data("binary", 60)
    model = clf(**params).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy = fastmlp.to_sklearn(model)
    copy.fit(X, y)


def test_one_warning_for_many_models():
    X, y = data("multiclass", 90)
    bagging = BaggingClassifier(clf(solver="nadam"), n_estimators=4).fit(X, y)
    with pytest.warns(UserWarning, match="lacks solver='nadam':") as w:
        copy = fastmlp.to_sklearn(bagging)
    assert len(w) == 1
    copy.fit(X, y)


@pytest.mark.parametrize(
    "grid, message",
    [
        ({"solver": ["adam", "nadam"]}, "'solver', .* has no solver='nadam'"),
        ([{"dropout": [0, 0.1]}], "'dropout', .* has no 'dropout'. Convert its best"),
        ({"activation": ["relu", "gelu"]}, "has no activation='gelu'"),
    ],
)
def test_a_search_over_what_scikit_learn_lacks(grid, message):
    X, y = data("binary", 60)
    search = GridSearchCV(clf(activation="relu"), grid, cv=2).fit(X, y)
    search.best_estimator_ = clf().fit(X, y)  # convertible, whichever was the best
    with pytest.raises(ValueError, match=message):
        fastmlp.to_sklearn(search)


def test_limits_of_wrappers():
    X, y = data("binary", 60)
    with pytest.raises(NotFittedError):
        fastmlp.to_sklearn(make_pipeline(StandardScaler(), clf()))
    with pytest.raises(NotFittedError):
        fastmlp.to_sklearn(clf())
    for other in (LogisticRegression(), StandardScaler, MLPClassifier, "text", [clf()]):
        with pytest.raises(TypeError, match="expected a fastmlp"):
            fastmlp.to_sklearn(other)
        with pytest.raises(TypeError, match="expected a sklearn"):
            fastmlp.from_sklearn(other)
    gelu = make_pipeline(StandardScaler(), clf(activation="gelu")).fit(X, y)
    with pytest.raises(ValueError, match=r"the model has \['gelu'\]"):
        fastmlp.to_sklearn(gelu)
    features = HiddenFeatures(clf().fit(X, y))
    pipeline = make_pipeline(features, LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="has no HiddenFeatures"):
        fastmlp.to_sklearn(pipeline)
    gelu.predict(X)  # a refusal leaves the estimator as it was


def test_what_is_held_in_many_places_is_found_once():
    model = clf()
    cell = {"a": [model, (model, {3})], "b": np.array([model, None], dtype=object)}
    cell["self"] = cell
    assert contained(cell, OURS) == [model]
    assert contained([1, "a", None, MLPClassifier], OURS) == []
