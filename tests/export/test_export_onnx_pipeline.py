"""Pipelines to ONNX: texts, imputers, encoders, lists, wrappers and opsets."""

import warnings

import numpy as np
import pytest
from helpers.models import ACTIVATIONS, TASKS, data, fitted, proba_or_values
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor

pd = pytest.importorskip("pandas")
skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
PARAMS = {"hidden_layer_sizes": (8,), "max_iter": 40, "random_state": 0}
NUMBERS, TEXTS = ["age", "income", "children"], ["town", "job"]


def clf(**params):
    return MLPClassifier(**{**PARAMS, "learning_rate_init": 0.02, **params})


def regr(**params):
    return MLPRegressor(**{**PARAMS, "learning_rate_init": 0.02, **params})


def people(n=240, gaps=True):
    """A table of numbers and texts with gaps, and classes that depend on all of it."""
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "age": rng.uniform(18, 90, n),
            "income": rng.lognormal(10, 1, n),
            "children": rng.randint(0, 4, n),
            "town": np.array(["Oslo", "Bergen", "Tromsø", "Bodø"])[
                rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
            ],
            "job": np.array(["cook", "clerk", "smith"])[rng.randint(0, 3, n)],
        }
    )
    signs = [frame.age > 50, frame.town == "Oslo", frame.job == "cook"]
    score = np.sum(signs, axis=0)
    y = np.array(["no", "maybe", "yes", "yes"])[score]
    if gaps:
        frame.loc[::11, "age"] = np.nan
        frame["town"] = frame["town"].astype(object)
        frame["job"] = frame["job"].astype(object)
        frame.loc[::13, "town"] = np.nan
        frame.loc[::17, "job"] = None
    return frame, y


def feed(session, X):
    """The columns of a frame as a program passes them to onnxruntime."""
    kinds = {"tensor(string)": object, "tensor(float)": "f4", "tensor(double)": "f8"}
    return {i.name: X[[i.name]].to_numpy(kinds[i.type]) for i in session.get_inputs()}


def run(model, X, name="X"):
    """The outputs by onnxruntime."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    if hasattr(X, "columns"):
        return session.run(None, feed(session, X))
    return session.run(None, {session.get_inputs()[0].name: X})


def check(estimator, X, dtype=None):
    """Compare what onnxruntime returns with the estimator."""
    converted = fastmlp.to_onnx(estimator, X=X, dtype=dtype)
    got = run(converted, X if hasattr(X, "columns") else X.astype(dtype or X.dtype))
    limit = 2e-5 if dtype == "float32" else 1e-11
    expected = proba_or_values(estimator, X)
    np.testing.assert_allclose(
        got[-1].reshape(expected.shape), expected, rtol=limit, atol=limit
    )
    if hasattr(estimator, "classes_"):
        assert np.ptp(expected, axis=0).max() > 0.2  # the input matters
        agree = got[0] == estimator.predict(X)
        clear = np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2]
        assert agree[clear > 1e-4].all()
    return converted


def table(numbers, texts, **options):
    return ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("texts", texts, TEXTS)], **options
    )


def one_hot(**options):
    return OneHotEncoder(**{"handle_unknown": "ignore", **options})


MOST = {"strategy": "most_frequent"}
PREPARATIONS = {
    "ordinary": lambda: table(
        make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
        make_pipeline(SimpleImputer(**MOST), one_hot()),
    ),
    "missing as category": lambda: table(
        make_pipeline(SimpleImputer(add_indicator=True), RobustScaler()),
        make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), one_hot()),
    ),
    "gaps in the encoder": lambda: table(
        make_pipeline(SimpleImputer(**MOST), MinMaxScaler(clip=True)),
        one_hot(sparse_output=False),
    ),
    "scaled first": lambda: table(
        make_pipeline(StandardScaler(), SimpleImputer(), MaxAbsScaler()),
        one_hot(drop="first", handle_unknown="error"),
    ),
    "dropped if binary": lambda: table(
        make_pipeline(SimpleImputer(), StandardScaler()), one_hot(drop="if_binary")
    ),
    "infrequent": lambda: table(
        make_pipeline(SimpleImputer(), StandardScaler()),
        one_hot(handle_unknown="infrequent_if_exist", min_frequency=40),
    ),
    "few categories": lambda: table(
        make_pipeline(SimpleImputer(), StandardScaler()), one_hot(max_categories=2)
    ),
    "ordinal": lambda: table(
        make_pipeline(SimpleImputer(), StandardScaler()),
        OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=-1,
            encoded_missing_value=-2,
        ),
    ),
    "integer outputs": lambda: table(
        make_pipeline(SimpleImputer(), StandardScaler()), one_hot(dtype=int)
    ),
    "weights": lambda: table(
        make_pipeline(SimpleImputer(), StandardScaler()),
        one_hot(),
        transformer_weights={"texts": 0.5},
        sparse_threshold=0,
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PREPARATIONS)
def test_tables_of_numbers_and_texts(name, dtype):
    X, y = people()
    pipeline = make_pipeline(PREPARATIONS[name](), clf()).fit(X, y)
    converted = check(pipeline, X, dtype)
    session = onnxruntime.InferenceSession(converted.SerializeToString())
    number = "tensor(float)" if dtype == "float32" else "tensor(double)"
    assert [(i.name, i.type) for i in session.get_inputs()] == [
        *((name, number) for name in NUMBERS),
        *((name, "tensor(string)") for name in TEXTS),
    ]
    assert session.get_outputs()[1].type == number
    unknown = X.copy()
    unknown.loc[:5, "town"] = "Rome"
    if name == "scaled first":
        with pytest.raises(ValueError, match="unknown categories"):
            pipeline.predict(unknown)
        with pytest.raises(Exception, match="out of"):
            run(converted, unknown)
    else:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found unknown categories")
            expected = pipeline.predict_proba(unknown)
        limit = 2e-5 if dtype == "float32" else 1e-11
        np.testing.assert_allclose(run(converted, unknown)[1], expected, atol=limit)


@pytest.mark.parametrize("mark", ["", "nan", "<NA>"])
@pytest.mark.parametrize("name", ["ordinary", "gaps in the encoder"])
def test_marks_of_missing_texts(name, mark):
    X, y = people()
    pipeline = make_pipeline(PREPARATIONS[name](), clf()).fit(X, y)
    converted = fastmlp.to_onnx(pipeline, X=X)
    marked = X.copy()
    marked["town"] = X["town"].where(X["town"].notna(), mark)
    np.testing.assert_allclose(
        run(converted, marked)[1], pipeline.predict_proba(X), atol=1e-11
    )


def test_a_category_that_looks_like_a_missing_cell():
    X, y = people()
    X["job"] = X["job"].where(X["job"].notna(), np.nan).replace("cook", "None")
    assert X["job"].isna().any()
    pipeline = make_pipeline(PREPARATIONS["missing as category"](), clf()).fit(X, y)
    converted = fastmlp.to_onnx(pipeline, X=X)
    marked = X.copy()
    marked[TEXTS] = X[TEXTS].where(X[TEXTS].notna(), "")
    np.testing.assert_allclose(
        run(converted, marked)[1], pipeline.predict_proba(X), atol=1e-11
    )


def test_texts_with_a_mark_of_their_own():
    X, y = people(gaps=False)
    X.loc[::9, "town"] = "?"
    imputer = SimpleImputer(missing_values="?", **MOST)
    pipeline = make_pipeline(
        table(StandardScaler(), make_pipeline(imputer, one_hot())), clf()
    ).fit(X, y)
    check(pipeline, X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_as_categories(dtype):
    rng = np.random.RandomState(0)
    X = pd.DataFrame(
        {
            "code": rng.choice([0.1, -3.0, 7.5], 200),
            "id": rng.choice([2**24, 2**24 + 2, 5], 200),
            "gap": rng.choice([1.0, 2.0, np.nan], 200),
            "flag": rng.rand(200) < 0.5,
        }
    )
    y = (X.code > 0).astype(int) + (X.id > 5) + X.gap.isna()
    pipeline = make_pipeline(one_hot(), clf()).fit(X, y)
    check(pipeline, X, dtype)
    array = X.to_numpy(dtype="f8")
    pipeline.fit(array, y)
    got = run(fastmlp.to_onnx(pipeline, X=array, dtype=dtype), array.astype(dtype))
    np.testing.assert_allclose(got[1], pipeline.predict_proba(array), atol=2e-5)
    X["id"] = rng.choice([2**24, 2**24 + 1], 200)
    pipeline.fit(X, y)
    check(pipeline, X, "float64")
    with pytest.raises(
        ValueError, match="not distinct in float32; use dtype='float64'"
    ):
        fastmlp.to_onnx(pipeline, X=X, dtype="float32")


@pytest.mark.parametrize("missing", [np.nan, -1.0])
@pytest.mark.parametrize("options", [{}, {"add_indicator": True}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_imputed_numbers(missing, options, dtype):
    X, y = data("multiclass", 150)
    X[::4, 1] = X[::7, 3] = X[:, 5] = missing
    imputer = SimpleImputer(missing_values=missing, keep_empty_features=True, **options)
    for step in (imputer, SimpleImputer(missing_values=missing, **options)):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipping features")
            pipeline = make_pipeline(step, StandardScaler(), clf()).fit(X, y)
            got = run(fastmlp.to_onnx(pipeline, X=X, dtype=dtype), X.astype(dtype))
            expected = pipeline.predict_proba(X)
        np.testing.assert_allclose(got[1], expected, atol=2e-5)


def test_lists_and_arrays_of_objects():
    X, y = data("multiclass", 60)
    pipeline = make_pipeline(StandardScaler(), clf()).fit(X, y)
    converted = fastmlp.to_onnx(pipeline, X=X.tolist())
    assert converted.graph.node == fastmlp.to_onnx(pipeline, X=X).graph.node
    np.testing.assert_allclose(run(converted, X)[1], pipeline.predict_proba(X))
    frame, y = people()
    rows = frame.to_numpy(dtype=object)
    columns = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1, 2]),
            ("t", make_pipeline(SimpleImputer(**MOST), one_hot()), slice(3, 5)),
        ]
    )
    pipeline = make_pipeline(columns, clf()).fit(rows, y)
    for X in (rows, rows.tolist()):
        converted = fastmlp.to_onnx(pipeline, X=X)
        got = run(converted, frame.set_axis([f"x{i}" for i in range(5)], axis=1))
        np.testing.assert_allclose(got[1], pipeline.predict_proba(rows), atol=1e-11)
    texts = rows[:, 3:]
    pipeline = make_pipeline(one_hot(), clf()).fit(texts, y)
    got = run(fastmlp.to_onnx(pipeline, X=texts), texts)
    np.testing.assert_allclose(got[1], pipeline.predict_proba(texts), atol=1e-11)


def test_kinds_of_frames():
    X, y = people(gaps=False)
    pipeline = make_pipeline(table(StandardScaler(), one_hot()), clf()).fit(X, y)
    expected = fastmlp.to_onnx(pipeline, X=X).graph
    others = [
        X.astype({"town": "category", "job": "string", "children": "Int64"}),
        X[X.columns[::-1]].assign(more=1),  # a ColumnTransformer takes names
    ]
    polars = pytest.importorskip("polars")
    others.append(polars.DataFrame(X.to_dict("list")))
    for other in others:
        got = fastmlp.to_onnx(pipeline, X=other).graph
        assert got.node == expected.node and got.input == expected.input


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "steps",
    [
        ["passthrough"],
        [PCA(2)],
        [StandardScaler(), PolynomialFeatures(2)],
        [MinMaxScaler()],
    ],
    ids=str,
)
def test_frames_of_numbers_alone(steps, dtype):
    X, y = data("multiclass", 120)
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    frame["f0"] = frame["f0"] > 0
    frame["f1"] = (3 * frame["f1"]).astype(int)
    for model in (clf(), CalibratedClassifierCV(clf(), cv=2)):
        pipeline = make_pipeline(*steps, model).fit(frame, y)
        try:
            check(pipeline, frame, dtype)
        except ValueError as error:  # skl2onnx 1.20 mixes the dtypes of polynomials
            assert "cannot convert this Pipeline in float64" in str(error)
            assert "Polynomial" in str(steps)


def test_names_are_checked_as_predict_does():
    X, y = people(gaps=False)
    pipeline = make_pipeline(table(StandardScaler(), one_hot()), clf()).fit(X, y)
    with pytest.raises(ValueError, match=r"missing: \{'town'\}"):
        fastmlp.to_onnx(pipeline, X=X.drop(columns="town"))
    numbers = make_pipeline(StandardScaler(), clf()).fit(X[NUMBERS], y)
    check(numbers, X[NUMBERS])
    with pytest.raises(ValueError, match="feature names should match"):
        fastmlp.to_onnx(numbers, X=X[NUMBERS[::-1]])
    with pytest.raises(ValueError, match="X has 2 features"):
        fastmlp.to_onnx(
            make_pipeline(StandardScaler(), clf()).fit(X[NUMBERS].to_numpy(), y),
            X=[[1.0, 2.0]],
        )


def test_what_has_no_form_in_onnx():
    X, y = people(gaps=False)
    numbers = X[NUMBERS].to_numpy()
    pipeline = make_pipeline(FunctionTransformer(np.tanh), clf()).fit(numbers, y)
    with pytest.raises(ValueError, match="FunctionTransformer.* no form in ONNX"):
        fastmlp.to_onnx(pipeline, X=numbers)
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'"):
        fastmlp.to_onnx(pipeline, X=numbers, dtype="int8")
    mixed = make_pipeline(SimpleImputer(**MOST), one_hot(), clf()).fit(X, y)
    with pytest.raises(ValueError, match="give each kind"):
        fastmlp.to_onnx(mixed, X=X)
    X["day"] = pd.Timestamp("2024-01-01")
    pipeline = make_pipeline(
        ColumnTransformer([("d", one_hot(), ["day", "town"])]), clf()
    )
    with pytest.raises(ValueError, match="column 'day' of X holds"):
        fastmlp.to_onnx(pipeline.fit(X[["day", "town"]], y), X=X[["day", "town"]])
    log_targets = TransformedTargetRegressor(regr(), func=np.log, inverse_func=np.exp)
    log_targets.fit(numbers, numbers[:, 0])
    with pytest.raises(ValueError, match="would not be in the units of the targets"):
        fastmlp.to_onnx(log_targets, X=numbers)


WRAPPERS = {
    "grid": lambda: GridSearchCV(
        make_pipeline(StandardScaler(), clf()), {"mlpclassifier__alpha": [0, 1]}, cv=2
    ),
    "voting": lambda: VotingClassifier(
        [("a", clf()), ("b", LogisticRegression())],
        voting="soft",
        flatten_transform=False,  # skl2onnx knows no other
    ),
    "calibrated": lambda: CalibratedClassifierCV(clf(), cv=2),
    "bagging": lambda: BaggingClassifier(clf(), n_estimators=2, random_state=0),
    "stacking": lambda: StackingClassifier([("a", clf())], LogisticRegression(), cv=2),
    "one vs rest": lambda: OneVsRestClassifier(clf()),
    "in a pipeline": lambda: make_pipeline(
        StandardScaler(),
        VotingClassifier([("a", clf())], voting="soft", flatten_transform=False),
    ),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers(name):
    X, y = data("multiclass", 90, strings=False)
    check(WRAPPERS[name]().fit(X, y), X, "float32")


@pytest.mark.parametrize("scaler", [StandardScaler, MinMaxScaler])
def test_scaled_targets(scaler):
    X, _ = people()
    target = 500 * X["children"] + X["income"] / 100
    inner = make_pipeline(PREPARATIONS["ordinary"](), regr())
    for model in (
        TransformedTargetRegressor(inner, transformer=scaler()),
        Pipeline(
            [
                ("prepare", PREPARATIONS["ordinary"]()),
                ("mlp", TransformedTargetRegressor(regr(), transformer=scaler())),
            ]
        ),
    ):
        model.fit(X, target)
        converted = fastmlp.to_onnx(model, X=X)
        np.testing.assert_allclose(
            run(converted, X)[0][:, 0], model.predict(X), rtol=1e-9
        )
    alone = TransformedTargetRegressor(regr(), transformer=scaler())
    Z, z = data("regression", 90)
    alone.fit(Z, 1e4 + z)
    np.testing.assert_allclose(
        run(fastmlp.to_onnx(alone), Z)[0], alone.predict(Z), rtol=1e-9
    )
    voting = VotingRegressor([("a", regr()), ("b", regr(random_state=1))]).fit(Z, z)
    got = run(fastmlp.to_onnx(voting, X=Z, dtype="float32"), Z.astype("f4"))[0]
    np.testing.assert_allclose(got.ravel(), voting.predict(Z), atol=1e-4)


@pytest.mark.parametrize("opset", [*range(9, skl2onnx.__max_supported_opset__ + 1)])
def test_opsets(opset):
    fastmlp.register_skl2onnx()
    for task in TASKS:
        for strings in (False, True):
            model = fitted(task, "float32", strings)
            X, _ = data(task, 30, "float32")
            options = {id(model): {"zipmap": False}} if task in TASKS[:3] else None
            made = skl2onnx.to_onnx(model, X[:1], options=options, target_opset=opset)
            (version,) = [o.version for o in made.opset_import if not o.domain]
            assert version <= opset
            got = run(made, X)
            expected = proba_or_values(model, X)
            np.testing.assert_allclose(
                got[-1].reshape(expected.shape), expected, rtol=1e-4, atol=1e-5
            )
            if task in TASKS[:3]:
                np.testing.assert_array_equal(got[0], model.predict(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_in_the_oldest_opset(activation, dtype):
    fastmlp.register_skl2onnx()
    model = fitted("regression", dtype, activation=activation)
    X, _ = data("regression", 30, dtype)
    made = skl2onnx.to_onnx(model, X[:1], target_opset=9)
    limit = 1e-4 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(
        run(made, X)[0][:, 0], model.predict(X), rtol=limit, atol=limit
    )


def test_skl2onnx_by_itself_joins_the_columns_of_a_frame():
    fastmlp.register_skl2onnx()
    X, y = data("multiclass", 90)
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    frame.insert(0, "whole", (4 * X[:, 0]).astype("int64"))
    frame["single"] = X[:, 1].astype("float32")
    model = clf().fit(frame, y)
    options = {id(model): {"zipmap": False}}
    converted = skl2onnx.to_onnx(model, frame[:1], options=options)
    session = onnxruntime.InferenceSession(converted.SerializeToString())
    columns = {name: frame[[name]].to_numpy() for name in frame}
    np.testing.assert_allclose(
        session.run(None, columns)[1], model.predict_proba(frame), atol=1e-11
    )


def test_an_opset_that_is_too_old():
    fastmlp.register_skl2onnx()
    model = fitted("regression")
    with pytest.raises(ValueError, match="need target_opset >= 9, got 8"):
        skl2onnx.to_onnx(model, data("regression", 1)[0], target_opset=8)
