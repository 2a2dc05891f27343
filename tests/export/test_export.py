"""Export to ONNX, PyTorch and scikit-learn, and back."""

import copy
import sys

import numpy as np
import pytest
import sklearn
from helpers.models import ACTIVATIONS, N_FEATURES, TASKS, data, fitted, proba_or_values
from sklearn import neural_network
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
CLASSIFIERS = TASKS[:3]


def tolerance(dtype):
    return {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {
        "rtol": 1e-11, "atol": 1e-12
    }  # fmt: skip


def run_onnx(model, X):
    """The outputs by onnxruntime, by name."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: X})))


def check_onnx(model, dtype, X):
    """Compare the exported model with the estimator, for one row and for many."""
    converted = fastmlp.to_onnx(model)
    for rows in (X, X[:1]):
        got = run_onnx(converted, rows)
        if hasattr(model, "classes_"):
            assert list(got) == ["label", "probabilities"]
            np.testing.assert_array_equal(got["label"], model.predict(rows))
            proba = model.predict_proba(rows)
            assert got["probabilities"].dtype == proba.dtype
            np.testing.assert_allclose(got["probabilities"], proba, **tolerance(dtype))
        else:
            y = model.predict(rows)
            assert got["prediction"].shape == y.shape
            assert got["prediction"].dtype == y.dtype
            np.testing.assert_allclose(got["prediction"], y, **tolerance(dtype))
    return converted


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_onnx_of_every_task(task, strings, dtype):
    pytest.importorskip("onnx")
    X, _ = data(task, 40, dtype)
    check_onnx(fitted(task, dtype, strings), dtype, X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_onnx_of_every_activation(activation, dtype):
    pytest.importorskip("onnx")
    X, _ = data("multiclass", 40, dtype)
    X[0] *= 100  # beyond where exp overflows in a naive softplus
    check_onnx(fitted("multiclass", dtype, activation=activation), dtype, X)


def test_onnx_of_the_reference_evaluator(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    model = fitted("multilabel", "float32")
    X, _ = data("multilabel", 10, "float32")
    fastmlp.to_onnx(model, tmp_path / "m.onnx")
    loaded = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(loaded, full_check=True)
    label, proba = ReferenceEvaluator(loaded).run(None, {"X": X})
    np.testing.assert_array_equal(label, model.predict(X))
    np.testing.assert_allclose(proba, model.predict_proba(X), rtol=1e-5)


def test_onnx_of_classes_and_depths():
    pytest.importorskip("onnx")
    X, y = data("binary", 40, strings=False)
    for classes in ([5, -7], [False, True], [2.0, 3.0], ["ä", "b"], [2**40, 3]):
        for hidden in ((), (3,), (4, 3, 2)):
            model = MLPClassifier(hidden, max_iter=2).fit(X, np.array(classes)[y])
            check_onnx(model, "float64", X)
    objects = MLPClassifier((), max_iter=2).fit(X, np.array(["a", "b"], object)[y])
    check_onnx(objects, "float64", X)
    check_onnx(MLPClassifier((), max_iter=2).fit(X, np.full(40, "a")), "float64", X)
    objects.classes_ = np.array([b"a", b"b"])
    with pytest.raises(ValueError, match="cannot be exported to ONNX"):
        fastmlp.to_onnx(objects)


def test_onnx_in_another_precision():
    pytest.importorskip("onnx")
    model = fitted("regression")
    X, _ = data("regression", 10, "float32")
    got = run_onnx(fastmlp.to_onnx(model, dtype="float32"), X)["prediction"]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, model.predict(X), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'"):
        fastmlp.to_onnx(model, dtype="float16")
    huge = copy.deepcopy(model)
    huge.intercepts_[0][0] = 1e39
    fastmlp.to_onnx(huge)
    with pytest.raises(ValueError, match=r"finite in float32 .*use dtype='float64'"):
        fastmlp.to_onnx(huge, dtype="float32")


def test_onnx_of_classes_beyond_int64():
    pytest.importorskip("onnx")
    X, y = data("multiclass", 60, strings=False)
    for n_classes in (2, 4):
        classes = np.uint64(2**63) + np.arange(n_classes).astype(np.uint64)
        model = MLPClassifier((3,), max_iter=2).fit(X, classes[y % n_classes])
        assert check_onnx(model, "float64", X).graph.output[0].type.tensor_type
        got = run_onnx(fastmlp.to_onnx(model), X)["label"]
        np.testing.assert_array_equal(got, model.predict(X), strict=True)
        assert got.dtype == np.uint64 and got.min() >= 2**63
    small = MLPClassifier((3,), max_iter=2).fit(X, y.astype(np.uint64))
    assert run_onnx(fastmlp.to_onnx(small), X)["label"].dtype == np.int64


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_skl2onnx_of_classes_beyond_int64():
    skl2onnx = pytest.importorskip("skl2onnx")
    fastmlp.register_skl2onnx()
    X, y = data("binary", 60, "float32", strings=False)
    model = MLPClassifier((3,), max_iter=2).fit(X, y.astype("u8") + np.uint64(2**63))
    converted = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False})
    label, _ = run_onnx(converted, X).values()
    np.testing.assert_array_equal(label, model.predict(X), strict=True)


def test_onnx_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "fastmlp\[onnx\]"'):
        fastmlp.to_onnx(fitted("binary"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnx_of_a_pipeline(task, strings, dtype):
    pytest.importorskip("skl2onnx")
    X, y = data(task, 80, dtype, strings)
    mlp = pytest.importorskip("sklearn.base").clone(fitted(task, dtype, strings))
    pipeline = make_pipeline(StandardScaler(), mlp).fit(X, y)
    got = list(run_onnx(fastmlp.to_onnx(pipeline, X=X), X).values())
    np.testing.assert_array_equal(
        got[0] if task in CLASSIFIERS else got[0].shape,
        pipeline.predict(X)
        if task in CLASSIFIERS
        else pipeline.predict(X).reshape(len(X), -1).shape,
    )
    limit = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else tolerance(dtype)
    np.testing.assert_allclose(
        got[-1], proba_or_values(pipeline, X).reshape(got[-1].shape), **limit
    )
    with pytest.raises(ValueError, match="a pipeline needs X"):
        fastmlp.to_onnx(pipeline)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_skl2onnx_by_itself_with_zipmap():
    skl2onnx = pytest.importorskip("skl2onnx")
    fastmlp.register_skl2onnx()
    fastmlp.register_skl2onnx()
    X, y = data("multiclass", 60, "float32")
    model = MLPClassifier(max_iter=5).fit(X, y)
    label, proba = run_onnx(skl2onnx.to_onnx(model, X[:1]), X).values()
    np.testing.assert_array_equal(label, model.predict(X))
    assert set(proba[0]) == set(model.classes_)
    regressor = MLPRegressor(max_iter=5).fit(X, np.c_[X[:, 0], X[:, 1]])
    (y,) = run_onnx(skl2onnx.to_onnx(regressor, X[:1]), X).values()
    np.testing.assert_allclose(y, regressor.predict(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_torch_round_trip_of_every_task(task, dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model = fitted(task, dtype)
    X, y = data(task, 50, dtype)
    module = fastmlp.to_torch(model)
    with torch.no_grad():
        got = module(torch.from_numpy(X)).numpy()
        logits = fastmlp.to_torch(model, logits=True)(torch.from_numpy(X)).numpy()
    expected = proba_or_values(model, X)
    if task == "binary":
        expected = expected[:, 1]
    np.testing.assert_allclose(got, expected.reshape(len(X), -1), **tolerance(dtype))
    if task in CLASSIFIERS:
        scores = model.compile().decision_function(X).reshape(len(X), -1)
        np.testing.assert_allclose(logits, scores, rtol=1e-4, atol=1e-5)
    classes = getattr(model, "classes_", None) if task != "multilabel" else None
    back = fastmlp.from_torch(module, classes=classes, max_iter=3)
    assert type(back) is type(model) and back.max_iter == 3
    for a, b in zip(back.coefs_ + back.intercepts_, model.coefs_ + model.intercepts_):
        np.testing.assert_array_equal(a, b, strict=True)
    np.testing.assert_array_equal(back.predict(X), model.predict(X), strict=True)
    np.testing.assert_array_equal(proba_or_values(back, X), proba_or_values(model, X))
    back.partial_fit(X, y)
    back.score(X, y)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_torch_round_trip_of_every_activation(activation):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model = fitted("multioutput", activation=activation)
    X, _ = data("multioutput", 30)
    module = fastmlp.to_torch(model)
    with torch.no_grad():
        np.testing.assert_allclose(
            module(torch.from_numpy(X)).numpy(), model.predict(X), rtol=1e-10
        )
    back = fastmlp.from_torch(module)
    assert back._snapshot().activations == model._snapshot().activations


def test_from_torch_of_other_modules():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    nn = torch.nn
    inner = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Dropout(0.5))
    module = nn.Sequential(inner, nn.Linear(4, 2), nn.Identity())
    X = np.random.RandomState(0).normal(size=(5, 3)).astype("f4")
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(X)).numpy()
    model = fastmlp.from_torch(module)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)
    clf = fastmlp.from_torch(module, classes=["b", "a"])
    assert clf.out_activation_ == "logistic"  # of the difference of the two
    assert clf.classes_.tolist() == ["a", "b"]  # sorted, and the outputs with them
    proba = np.exp(expected) / np.exp(expected).sum(1)[:, None]
    np.testing.assert_allclose(clf.predict_proba(X), proba[:, ::-1], 1e-5)
    assert clf.predict(X).tolist() == [["b", "a"][i] for i in expected.argmax(axis=1)]
    clf.partial_fit(X, ["a", "b", "a", "a", "b"])
    two = nn.Sequential(nn.Linear(3, 1), nn.Sigmoid())
    assert fastmlp.from_torch(two).classes_.tolist() == [0, 1]
    for module, message in {
        nn.Sequential(nn.Linear(3, 1), nn.Softmax(1)): "Softmax of a single output",
        nn.Sequential(nn.ReLU(), nn.Linear(3, 1)): "must follow a Linear",
        nn.Sequential(nn.ReLU()): "must follow a Linear",
        nn.Sequential(nn.Dropout()): "has no Linear layer",
        nn.Sequential(nn.Linear(3, 2), nn.ReLU()): "cannot be 'relu'",
        nn.Sequential(nn.Linear(3, 2), nn.Softplus(2.0), nn.Linear(2, 1)): "beta=1",
        nn.Sequential(
            nn.Linear(3, 2), nn.Softplus(threshold=19.0), nn.Linear(2, 1)
        ): "threshold=20",
        nn.Sequential(nn.Linear(3, 2), nn.Softmax(0)): "Softmax must have dim=1",
        nn.Sequential(nn.Linear(3, 3), nn.LogSoftmax(0)): "LogSoftmax must have dim=1",
        nn.Sequential(nn.Linear(3, 2), nn.Softmax(1), nn.Linear(2, 1)): "output layer",
        nn.Sequential(nn.Linear(3, 2), nn.GELU("tanh"), nn.Linear(2, 1)): "approximate",
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(5, 1)): "coefs_",
    }.items():
        with pytest.raises(ValueError, match=message):
            fastmlp.from_torch(module)
    with pytest.raises(TypeError, match="a layer is a Conv2d"):
        fastmlp.from_torch(nn.Sequential(nn.Conv2d(1, 1, 1)))
    with pytest.raises(ValueError, match="classes must hold 2 different labels"):
        fastmlp.from_torch(two, classes=[1, 1])


def test_to_scikit_learn_of_classes_put_in_by_hand():
    for task, names in (("binary", ["z", "y"]), ("multiclass", ["q", "s", "p", "r"])):
        model = copy.deepcopy(fitted(task))
        X, _ = data(task, 60)
        before = model.predict(X)
        model.classes_ = np.array(names)
        assert (model.predict(X) != before).all()
        theirs = fastmlp.to_sklearn(model)
        assert theirs.classes_.tolist() == sorted(names)
        np.testing.assert_array_equal(theirs.predict(X), model.predict(X))
        np.testing.assert_allclose(
            theirs.predict_proba(X)[:, np.argsort(np.argsort(names))],
            model.predict_proba(X),
        )
        theirs.partial_fit(X, model.predict(X))
        back = fastmlp.from_sklearn(theirs)
        np.testing.assert_array_equal(back.predict(X), theirs.predict(X))


def test_from_scikit_learn_of_classes_put_in_by_hand():
    X, y = data("multiclass", 60)
    theirs = neural_network.MLPClassifier((3,), max_iter=5).fit(X, y)
    expected = theirs.predict(X)
    theirs.classes_ = theirs.classes_[::-1]  # which its predict does not look at
    np.testing.assert_array_equal(theirs.predict(X), expected)
    np.testing.assert_array_equal(fastmlp.from_sklearn(theirs).predict(X), expected)


def test_torch_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="pip install torch"):
        fastmlp.to_torch(fitted("binary"))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_scikit_learn_round_trip(task, dtype, solver):
    model = fitted(task, dtype, solver=solver)
    if task == "poisson" and "loss" not in neural_network.MLPRegressor().get_params():
        with pytest.raises(ValueError, match="has no poisson"):
            fastmlp.to_sklearn(model)
        return
    X, y = data(task, 50, dtype)
    theirs = fastmlp.to_sklearn(model)
    assert type(theirs).__module__.startswith("sklearn.")
    np.testing.assert_allclose(
        proba_or_values(theirs, X), proba_or_values(model, X), **tolerance(dtype)
    )
    np.testing.assert_array_equal(
        theirs.predict(X) if task in CLASSIFIERS else 0,
        model.predict(X) if task in CLASSIFIERS else 0,
    )
    if solver != "lbfgs":
        assert theirs.loss_curve_ == model.loss_curve_
        theirs.partial_fit(X, y)  # works on weights of its own
    back = fastmlp.from_sklearn(fastmlp.to_sklearn(model))
    assert {
        k: v for k, v in back.get_params().items() if k != "random_state"
    }.items() >= {
        k: v for k, v in theirs.get_params().items() if k != "random_state"
    }.items()
    np.testing.assert_array_equal(proba_or_values(back, X), proba_or_values(model, X))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_from_scikit_learn_goes_on_as_scikit_learn_would(solver):
    X, y = data("multiclass", 90)
    theirs = neural_network.MLPClassifier(
        (8,), solver=solver, max_iter=4, random_state=3, batch_size=20
    ).fit(X, y)
    ours = fastmlp.from_sklearn(theirs)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X))
    for _ in range(3):
        theirs.partial_fit(X, y)
        ours.partial_fit(X, y)
    for a, b in zip(ours.coefs_, theirs.coefs_):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss, theirs", [("huber", "squared"), ("gamma", "poisson")])
def test_another_loss_becomes_one_of_scikit_learn(loss, theirs):
    X, y = data("poisson", 60)
    model = fastmlp.MLPRegressor(loss, max_iter=3).fit(X, y + 1)
    try:
        with pytest.warns(UserWarning, match=f"scikit-learn lacks loss='{loss}'"):
            copy = fastmlp.to_sklearn(model)
    except ValueError:  # of a scikit-learn without poisson
        assert theirs == "poisson" and sklearn.__version__ < "1.7"
        return
    np.testing.assert_allclose(copy.predict(X), model.predict(X))
    assert copy.loss.startswith(theirs)
    copy.partial_fit(X, y + 1)


@pytest.mark.parametrize("name", ["to_onnx", "to_c", "to_torch", "to_sklearn"])
def test_an_output_activation_put_in_by_hand(name):
    for task, output in (("multiclass", "identity"), ("regression", "tanh")):
        model = copy.deepcopy(fitted(task))
        model.out_activation_ = output
        with pytest.raises(ValueError, match=f"(?s)out_activation_.*{output}"):
            getattr(fastmlp, name)(model)


def test_scikit_learn_limits():
    with pytest.raises(ValueError, match="scikit-learn has the activations"):
        fastmlp.to_sklearn(fitted("binary", activation="softplus"))
    with pytest.raises(TypeError, match="expected a sklearn.neural_network"):
        fastmlp.from_sklearn(StandardScaler())
    unfitted = fastmlp.from_sklearn(neural_network.MLPRegressor(alpha=0.5))
    assert unfitted.alpha == 0.5 and not hasattr(unfitted, "coefs_")
    wrapped = TransformedTargetRegressor(fitted("regression"))
    with pytest.raises(NotFittedError):
        fastmlp.to_c(wrapped)
    assert len(fitted("binary").coefs_[0]) == N_FEATURES
