"""Pipelines of scalers and an MLP as one model: folding, files, exports."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from helpers.models import data, proba_or_values
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor, fold_scalers, load_model, save_model
from fastmlp.runtime import load_predictor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
]
STEPS = {
    "standard": lambda: [StandardScaler()],
    "only mean": lambda: [StandardScaler(with_std=False)],
    "only std": lambda: [StandardScaler(with_mean=False)],
    "neither": lambda: [StandardScaler(with_mean=False, with_std=False)],
    "min max": lambda: [MinMaxScaler((-1, 3))],
    "max abs": lambda: [MaxAbsScaler()],
    "robust": lambda: [RobustScaler()],
    "robust mean": lambda: [RobustScaler(with_scaling=False)],
    "robust scale": lambda: [RobustScaler(with_centering=False, unit_variance=True)],
    "passthrough": lambda: ["passthrough"],
    "identity": lambda: [FunctionTransformer()],
    "chain": lambda: [
        RobustScaler(),
        "passthrough",
        make_pipeline(MinMaxScaler(), MaxAbsScaler()),
        StandardScaler(),
    ],
}
TASKS = ("binary", "multiclass", "multilabel", "regression", "multioutput", "poisson")


def mlp(task, **params):
    params = {
        "hidden_layer_sizes": (9, 5),
        "max_iter": 15,
        "learning_rate_init": 0.02,
        "random_state": 0,
        **params,
    }
    if task == "poisson":
        params["loss"] = "poisson"
    is_classifier = task in TASKS[:3]
    return (MLPClassifier if is_classifier else MLPRegressor)(**params)


def raw(task, dtype="float64"):
    """Features in units of their own, one of them constant."""
    X, y = data(task, dtype=dtype)
    X = X * [1, 1e3, 1e-3, 5, 7, 1, 0] + [0, 2e3, 0.1, -40, 0, 1, 3]
    return X.astype(dtype), y


def pipeline_of(steps, task="multiclass", dtype="float64", **params):
    X, y = raw(task, dtype)
    return make_pipeline(*STEPS[steps](), mlp(task, **params)).fit(X, y), X, y


def limit(dtype):
    """A few roundings of features that are up to 100 scales from zero."""
    if dtype == "float32":
        return {"rtol": 1e-4, "atol": 1e-5}
    return {"rtol": 1e-11, "atol": 1e-11}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("steps", STEPS)
def test_a_folded_pipeline_predicts_as_the_pipeline(steps, dtype):
    pipeline, X, _ = pipeline_of(steps, dtype=dtype)
    model = fold_scalers(pipeline)
    expected = pipeline.predict_proba(X)
    # where the mean of 2000 is subtracted from values that are not divided, float32
    # would lose digits
    wide = dtype if "mean" not in steps else "float64"
    assert model.coefs_[0].dtype == wide
    assert np.ptp(expected, axis=0).max() > 0.2  # the features matter
    got = model.predict_proba(X)
    assert got.dtype == wide
    np.testing.assert_allclose(got, expected, **limit(dtype))
    np.testing.assert_allclose(model.compile().predict_proba(X), got, rtol=1e-12)
    if steps in ("passthrough", "identity", "neither"):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("task", TASKS)
def test_files_c_and_torch_of_a_pipeline(task, tmp_path):
    torch = pytest.importorskip("torch")
    pipeline, X, _ = pipeline_of("chain", task)
    expected = proba_or_values(pipeline, X)
    save_model(pipeline, tmp_path / "m")
    loaded, predictor = load_model(tmp_path / "m"), load_predictor(tmp_path / "m")
    for model in (loaded, predictor):
        np.testing.assert_allclose(
            proba_or_values(model, X), expected, rtol=1e-9, atol=1e-10
        )
    source = fastmlp.to_c(pipeline, X=X)
    assert source == fastmlp.to_c(fold_scalers(pipeline), X=X)
    assert source != fastmlp.to_c(pipeline[-1], X=X)
    got = fastmlp.to_torch(pipeline)(torch.from_numpy(X)).detach().numpy()
    if task == "binary":
        expected = expected[:, 1]
    np.testing.assert_allclose(got, expected.reshape(len(X), -1), rtol=1e-9, atol=1e-10)


def test_the_pipeline_stays_as_it_is():
    pipeline, X, y = pipeline_of("standard")
    before = pipeline.predict_proba(X)
    params = {k: repr(v) for k, v in pipeline.get_params().items()}
    model = fold_scalers(pipeline)
    model.partial_fit(X, y)
    model.coefs_[1][:] = 0
    np.testing.assert_array_equal(pipeline.predict_proba(X), before)
    assert {k: repr(v) for k, v in pipeline.get_params().items()} == params
    alone = fold_scalers(pipeline[-1])
    assert alone is not pipeline[-1]
    Z = pipeline[:-1].transform(X)
    np.testing.assert_array_equal(alone.predict_proba(Z), before)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("steps", ["standard", "min max", "max abs", "chain"])
def test_training_goes_on_as_in_the_pipeline(steps, solver, tmp_path):
    pipeline, X, y = pipeline_of(steps, solver=solver)
    save_model(pipeline, tmp_path / "m", optimizer=True)
    model, Z = load_model(tmp_path / "m"), pipeline[:-1].transform(X)
    model.random_state = pipeline[-1].random_state = 5
    for _ in range(3):
        pipeline[-1].partial_fit(Z, y)
        model.partial_fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X), pipeline.predict_proba(X), rtol=1e-7, atol=1e-9
    )


def test_a_model_without_intercepts_gets_those_of_the_means():
    pipeline, X, _ = pipeline_of("standard", fit_intercept=False)
    model = fold_scalers(pipeline)
    assert model.fit_intercept and model.intercepts_[0].any()
    np.testing.assert_allclose(
        model.predict_proba(X), pipeline.predict_proba(X), rtol=1e-9, atol=1e-11
    )
    scaled, X, _ = pipeline_of("max abs", fit_intercept=False)
    assert not fold_scalers(scaled).fit_intercept


def test_a_model_that_standardises_by_itself_in_a_pipeline():
    X, y = raw("regression")
    regressor = mlp("regression", standardize_X=True, standardize_y=True)
    pipeline = make_pipeline(MinMaxScaler(), regressor).fit(X, 50 + 9 * y)
    model, Z = fold_scalers(pipeline), pipeline[:-1].transform(X)
    np.testing.assert_allclose(model.predict(X), pipeline.predict(X), rtol=1e-9)
    pipeline[-1].partial_fit(Z, 50 + 9 * y)
    model.partial_fit(X, 50 + 9 * y)
    np.testing.assert_allclose(model.predict(X), pipeline.predict(X), rtol=1e-9)


def test_names_of_features(tmp_path):
    pd = pytest.importorskip("pandas")
    X, y = raw("multiclass")
    frame = pd.DataFrame(X, columns=[f"größe {i}" for i in range(X.shape[1])])
    pipeline = make_pipeline("passthrough", StandardScaler(), mlp("multiclass"))
    pipeline.fit(frame, y)
    save_model(pipeline, tmp_path / "m")
    model, predictor = load_model(tmp_path / "m"), load_predictor(tmp_path / "m")
    assert model.feature_names_in_.tolist() == list(frame.columns)
    for fitted in (model, predictor):
        np.testing.assert_array_equal(fitted.predict(frame), pipeline.predict(frame))
        with pytest.raises(ValueError, match="feature names should match"):
            fitted.predict(frame[frame.columns[::-1]])
    named = make_pipeline(StandardScaler(), mlp("multiclass"))
    named.set_output(transform="pandas").fit(X, y)
    assert hasattr(named[-1], "feature_names_in_")
    assert not hasattr(fold_scalers(named), "feature_names_in_")
    fold_scalers(named).predict(X)


@pytest.mark.parametrize("steps", ["only std", "max abs", "robust scale"])
def test_sparse_features(steps):
    rng = np.random.RandomState(0)
    X = sp.random(200, 30, 0.2, "csr", random_state=0) * 50
    y = (X @ rng.normal(size=30) > 0).astype(int)
    pipeline = make_pipeline(*STEPS[steps](), mlp("binary")).fit(X, y)
    model = fold_scalers(pipeline)
    for rows in (X, X.tocsc(), X.toarray()):
        np.testing.assert_allclose(
            model.predict_proba(rows), pipeline.predict_proba(rows), rtol=1e-9
        )
    np.testing.assert_allclose(
        model.compile().predict_proba(X), pipeline.predict_proba(X), rtol=1e-9
    )


def test_searches_stand_for_their_best_estimator(tmp_path):
    X, y = raw("multiclass")
    pipeline = make_pipeline(StandardScaler(), mlp("multiclass", max_iter=3))
    grid = {"mlpclassifier__alpha": [1e-4, 1e-2]}
    search = GridSearchCV(pipeline, grid, cv=2)
    with pytest.raises(NotFittedError):
        fold_scalers(search)
    search.fit(X, y)
    save_model(search, tmp_path / "m")
    np.testing.assert_allclose(
        load_model(tmp_path / "m").predict_proba(X), search.predict_proba(X), rtol=1e-9
    )
    inner = GridSearchCV(mlp("multiclass", max_iter=3), {"alpha": [1e-4, 1]}, cv=2)
    outside = make_pipeline(StandardScaler(), inner).fit(X, y)
    np.testing.assert_allclose(
        fold_scalers(outside).predict_proba(X), outside.predict_proba(X), rtol=1e-9
    )
    search.set_params(refit=False).fit(X, y)
    with pytest.raises(ValueError, match=r"no best_estimator_; search with refit=True"):
        fold_scalers(search)


@pytest.mark.parametrize(
    "loss", ["squared_error", "huber", "absolute_error", "quantile", "gaussian_nll"]
)
@pytest.mark.parametrize("transformer", [StandardScaler, MinMaxScaler, None])
def test_scaled_targets(loss, transformer, tmp_path):
    X, y = raw("regression")
    y = 5e3 + 100 * y
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), mlp("regression", loss=loss)),
        transformer=transformer and transformer(),
    ).fit(X, y)
    save_model(model, tmp_path / "m", optimizer=True)
    loaded = load_model(tmp_path / "m")
    np.testing.assert_allclose(loaded.predict(X), model.predict(X), rtol=1e-9)
    if transformer is not None:
        assert loaded.standardize_y
        Z = model.regressor_[:-1].transform(X)
        t = model.transformer_.transform(y.reshape(-1, 1)).ravel()
        model.regressor_[-1].partial_fit(Z, t)
        loaded.partial_fit(X, y)
        np.testing.assert_allclose(loaded.predict(X), model.predict(X), rtol=1e-7)


def test_targets_that_cannot_be_folded():
    X, y = raw("poisson")
    logs = TransformedTargetRegressor(
        mlp("regression"), func=np.log1p, inverse_func=np.expm1
    )
    with pytest.raises(NotFittedError):
        fold_scalers(logs)
    with pytest.raises(ValueError, match="would not be in the units of the targets"):
        fold_scalers(logs.fit(X, y))
    poisson = TransformedTargetRegressor(mlp("poisson"), transformer=MaxAbsScaler())
    with pytest.raises(ValueError, match=r"MaxAbsScaler\(\) of the targets cannot"):
        fold_scalers(poisson.fit(X, y))


@pytest.mark.parametrize(
    "step, name",
    [
        (MinMaxScaler(clip=True), r"'minmaxscaler', MinMaxScaler\(clip=True\)"),
        (FunctionTransformer(np.tanh), "'functiontransformer', FunctionTransformer"),
        (SimpleImputer(), r"'simpleimputer', SimpleImputer\(\)"),
        (make_pipeline(SimpleImputer()), "'pipeline__simpleimputer', Simple"),
        (type("Mine", (StandardScaler,), {})(), r"'mine', Mine\(\)"),
    ],
)
def test_what_cannot_be_folded_is_named(step, name, tmp_path):
    X, y = raw("multiclass")
    pipeline = make_pipeline(StandardScaler(), step, mlp("multiclass")).fit(X, y)
    for call in (
        lambda: save_model(pipeline, tmp_path / "m"),
        lambda: fastmlp.to_c(pipeline),
        lambda: fastmlp.to_torch(pipeline),
        lambda: fold_scalers(pipeline),
    ):
        with pytest.raises(ValueError, match=f"the step {name}.* would be lost"):
            call()
    assert not (tmp_path / "m").exists()


def test_what_is_no_pipeline_of_ours(tmp_path):
    X, y = raw("binary")
    theirs = TheirClassifier(max_iter=2).fit(X, y)
    other = LogisticRegression().fit(X[:, :1], y)
    from sklearn.ensemble import VotingClassifier

    voting = VotingClassifier([("a", mlp("binary"))]).fit(X, y)
    for estimator, message in (
        (theirs, "converts with fastmlp.from_sklearn"),
        (make_pipeline(StandardScaler(), theirs), "fastmlp.from_sklearn"),
        (other, "expected a fastmlp"),
        (voting, "What VotingClassifier does with the predictions .* would be lost"),
        (make_pipeline(StandardScaler()), "its last step is StandardScaler"),
        (Pipeline([("a", StandardScaler()), ("b", "passthrough")]), "its last step is"),
        ("text", "expected a fastmlp"),
        (None, "expected a fastmlp"),
    ):
        if isinstance(estimator, Pipeline):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator.fit(X, y)
        for call in (fold_scalers, fastmlp.to_c, lambda e: save_model(e, tmp_path)):
            with pytest.raises(TypeError, match=message):
                call(estimator)
    unfitted = make_pipeline(StandardScaler(), mlp("binary"))
    with pytest.raises(NotFittedError):
        save_model(unfitted, tmp_path / "m")
    with pytest.raises(NotFittedError):
        fold_scalers(mlp("binary"))


def test_large_means_take_float64():
    X, y = data("binary")
    for shift, dtype in ((0, "float32"), (500, "float32"), (1e5, "float64")):
        raw_X = X + shift
        pipeline = make_pipeline(StandardScaler(), mlp("binary", dtype="float32"))
        pipeline.fit(raw_X, y)
        model = fold_scalers(pipeline)
        assert model.coefs_[0].dtype == dtype == model.dtype
        np.testing.assert_allclose(
            model.predict_proba(raw_X), pipeline.predict_proba(raw_X), atol=2e-4
        )
        np.testing.assert_allclose(
            model.compile().predict_proba(raw_X), model.predict_proba(raw_X), atol=1e-12
        )
    # rows in float32 would be computed in float32 by dtype="auto"
    pipeline = make_pipeline(StandardScaler(), mlp("binary")).fit(X + 1e5, y)
    rows = (X + 1e5).astype("float32")
    np.testing.assert_allclose(
        fold_scalers(pipeline).predict_proba(rows),
        pipeline.predict_proba(rows.astype("float64")),
        rtol=1e-8,
    )
    pipeline.fit(X + 1e13 * np.eye(7)[2], y)
    with pytest.raises(ValueError, match=r"column 2 of X has the mean 1e\+13"):
        fold_scalers(pipeline)


def test_tiny_and_huge_scales():
    X, y = data("binary")
    X = X * [1e-44, 1e44, 1, 1, 1, 1, 1]
    pipeline = make_pipeline(StandardScaler(), mlp("binary", dtype="float32"))
    model = fold_scalers(pipeline.fit(X, y))
    assert model.coefs_[0].dtype == np.float64
    np.testing.assert_allclose(
        model.predict_proba(X), pipeline.predict_proba(X), rtol=1e-5, atol=1e-6
    )
