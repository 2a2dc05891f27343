"""The subcommands predict and export of the command line."""

import subprocess
import sys

import joblib
import numpy as np
import pytest
from helpers.models import TASKS, data, fitted

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor, TabularMLPRegressor, save_model
from fastmlp._cli.fit import main

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = ["--model", "mlp", "--max-iter", "3", "--no-compare"]


@pytest.fixture
def named(tmp_path):
    """A table, a classifier of it and its file."""
    X, y = data("multiclass", 60)
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    model = MLPClassifier(max_iter=5, random_state=0).fit(frame, y)
    save_model(model, tmp_path / "m.safetensors")
    frame[["other", *frame.columns[::-1]]] = np.c_[y, frame.to_numpy()[:, ::-1]]
    frame[frame.columns[::-1]].to_csv(tmp_path / "d.csv", index=False)
    return model, X


def test_predict_by_names(tmp_path, named, capsys):
    model, X = named
    out = tmp_path / "p.csv"
    call = ["predict", str(tmp_path / "m.safetensors"), str(tmp_path / "d.csv")]
    assert main([*call, "--out", str(out), "--proba"]) == 0
    assert "60 predictions are written" in capsys.readouterr().out
    got = pd.read_csv(out)
    frame = pd.DataFrame(X, columns=model.feature_names_in_)
    assert got["prediction"].tolist() == model.predict(frame).tolist()
    names = [f"probability_{name}" for name in model.classes_]
    assert list(got.columns) == ["prediction", *names]
    np.testing.assert_allclose(got[names], model.predict_proba(frame), rtol=1e-12)
    assert main([*call, "--out", str(out)]) == 0
    assert list(pd.read_csv(out).columns) == ["prediction"]


@pytest.mark.parametrize("task", TASKS)
def test_predict_every_task_without_names(tmp_path, task):
    model = fitted(task, strings=False)
    X, _ = data(task, 20)
    save_model(model, tmp_path / "m")
    pd.DataFrame(X).to_csv(tmp_path / "d.csv", index=False)
    joblib.dump(model, tmp_path / "m.joblib")
    for name in ("m", "m.joblib"):
        out = tmp_path / "p.csv"
        call = ["predict", str(tmp_path / name), str(tmp_path / "d.csv"), "--out"]
        assert main([*call, str(out)]) == 0
        got = pd.read_csv(out).to_numpy()
        expected = model.predict(X)
        np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_predict_with_what_the_fit_saved(tmp_path, kind, capsys):
    X, y = data("multiclass" if kind == "classification" else "regression", 80)
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    frame["kind"] = np.where(X[:, 4] > 0, "x", "y")
    frame["y"] = y
    path, saved = tmp_path / "d.csv", tmp_path / "m.joblib"
    frame.to_csv(path, index=False)
    call = ["--data", str(path), "--target", "y", *QUICK]
    assert main([*call, "--save", str(saved)]) == 0
    out = tmp_path / "p.csv"
    assert main(["predict", str(saved), str(path), "--out", str(out)]) == 0
    expected = joblib.load(saved).predict(pd.read_csv(path))
    got = pd.read_csv(out)["prediction"]
    if kind == "classification":
        assert got.tolist() == expected.tolist()
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert main(["export", str(saved), "--c", str(tmp_path / "m.h")]) == 2
    err = capsys.readouterr().err
    assert "the step 'prepare', ColumnTransformer, cannot be folded" in err
    assert "would be lost" in err and "to_onnx" in err
    call = ["export", str(saved), "--onnx", str(tmp_path / "m.onnx")]
    assert main(call) == 2
    assert "a pipeline needs --data TABLE" in capsys.readouterr().err
    assert not (tmp_path / "m.onnx").exists()
    pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    frame.loc[3, "a"], frame.loc[4, "kind"] = np.nan, None
    for dtype in ("float32", "float64"):
        assert main([*call, "--data", str(path), "--dtype", dtype]) == 0
        session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
        feed = {
            i.name: frame[[i.name]].to_numpy(object if "string" in i.type else dtype)
            for i in session.get_inputs()
        }
        assert set(feed) == {"a", "b", "c", "kind"}
        outputs = session.run(None, feed)
        model = joblib.load(saved)
        expected = getattr(model, "predict_proba", model.predict)(frame)
        limit = 1e-4 if dtype == "float32" else 1e-9
        np.testing.assert_allclose(
            outputs[-1].reshape(expected.shape), expected, rtol=limit, atol=limit
        )


@pytest.mark.parametrize("task", ["multilabel", "multioutput"])
def test_predictions_are_named_after_the_targets(tmp_path, task):
    X, y = data(task, 60)
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    names = [f"y{i}" for i in range(y.shape[1])]
    frame[names] = y
    path, saved, out = tmp_path / "d.csv", tmp_path / "m.joblib", tmp_path / "p.csv"
    frame.to_csv(path, index=False)
    call = ["--data", str(path), *QUICK]
    for name in names:
        call += ["--target", name]
    assert main([*call, "--save", str(saved)]) == 0
    call = ["predict", str(saved), str(path), "--out", str(out)]
    expected = [f"prediction_{name}" for name in names]
    if task == "multilabel":
        call.append("--proba")
        expected += [f"probability_{name}" for name in names]
    assert main(call) == 0
    got = pd.read_csv(out)
    assert list(got.columns) == expected
    predicted = joblib.load(saved).predict(frame)
    np.testing.assert_allclose(got[expected[: len(names)]], predicted, rtol=1e-12)


def test_a_saved_pipeline_of_numbers_to_onnx(tmp_path):
    pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    X, y = data("multiclass", 60)
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    path, saved = str(tmp_path / "d.csv"), str(tmp_path / "m.joblib")
    frame.assign(y=y).to_csv(path, index=False)
    call = ["--data", path, "--target", "y", *QUICK]
    assert main([*call, "--save", saved]) == 0
    target = str(tmp_path / "m.onnx")
    call = ["export", saved, "--onnx", target, "--data", path, "--dtype", "float32"]
    assert main(call) == 0
    session = onnxruntime.InferenceSession(target)
    feed = {i.name: frame[[i.name]].to_numpy("f4") for i in session.get_inputs()}
    label, _ = session.run(None, feed)
    assert (label == joblib.load(saved).predict(frame)).mean() > 0.95


def test_export(tmp_path, named, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, X = named
    call = ["export", str(tmp_path / "m.safetensors")]
    assert main([*call, "--onnx", str(tmp_path / "m.onnx"), "--dtype", "float32"]) == 0
    assert "m.onnx" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    label, _ = session.run(None, {"X": X.astype("f4")})
    frame = pd.DataFrame(X, columns=model.feature_names_in_)
    assert (label == model.predict(frame)).mean() > 0.95  # in float32
    table = ["--data", str(tmp_path / "d.csv")]
    assert main([*call, "--c", str(tmp_path / "m.h"), "--dtype", "int8", *table]) == 0
    frame = frame[model.feature_names_in_]
    source = fastmlp.to_c(
        model,
        dtype="int8",
        name="m",
        X=pd.read_csv(tmp_path / "d.csv")[model.feature_names_in_],
    )
    assert (tmp_path / "m.h").read_text() == source


def test_export_of_a_model_of_a_table(tmp_path):
    pytest.importorskip("onnx")
    frame = pd.DataFrame({"a": np.arange(40.0), "c": ["x", "y"] * 20})
    model = TabularMLPRegressor(hidden_layer_sizes=(4,), n_epochs=2, n_members=1)
    save_model(model.fit(frame, frame["a"]), tmp_path / "m.fm")
    target = tmp_path / "m.onnx"
    assert main(["export", str(tmp_path / "m.fm"), "--onnx", str(target)]) == 0
    assert target.read_bytes() == fastmlp.to_onnx(model).SerializeToString()


def test_export_of_a_pipeline(tmp_path):
    pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = data("multioutput", 50)
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(max_iter=5)).fit(X, y)
    joblib.dump(pipeline, tmp_path / "m.joblib")
    pd.DataFrame(X).to_csv(tmp_path / "d.csv", index=False)
    call = ["export", str(tmp_path / "m.joblib"), "--onnx", str(tmp_path / "m.onnx")]
    assert main([*call, "--data", str(tmp_path / "d.csv")]) == 0
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (got,) = session.run(None, {session.get_inputs()[0].name: X})
    np.testing.assert_allclose(got, pipeline.predict(X), rtol=1e-9)
    call = ["export", str(tmp_path / "m.joblib"), "--c", str(tmp_path / "m.h")]
    assert main([*call, "--data", str(tmp_path / "d.csv")]) == 0
    assert (tmp_path / "m.h").read_text() == fastmlp.to_c(pipeline, name="m", X=X)


def test_errors_are_one_line(tmp_path, named, capsys):
    model_path, table = str(tmp_path / "m.safetensors"), str(tmp_path / "d.csv")
    (tmp_path / "broken").write_bytes((tmp_path / "m.safetensors").read_bytes()[:-5])
    (tmp_path / "text").write_text("no model")
    joblib.dump({"a": 1}, tmp_path / "dict.joblib")
    regressor = MLPRegressor(max_iter=2).fit(*data("regression"))
    save_model(regressor, tmp_path / "r")
    pd.DataFrame({"f0": [1.0]}).to_csv(tmp_path / "few.csv", index=False)
    texts = pd.DataFrame([["a"] * 7], columns=[f"f{i}" for i in range(7)])
    texts.to_csv(tmp_path / "texts.csv", index=False)
    out = ["--out", str(tmp_path / "p.csv")]
    for call, message in (
        (["predict", "missing", table, *out], "missing: no such file"),
        (["predict", str(tmp_path / "broken"), table, *out], "not a valid model file"),
        (["predict", str(tmp_path / "text"), table, *out], "cannot be loaded"),
        (["predict", str(tmp_path / "dict.joblib"), table, *out], "which is no model"),
        (["predict", model_path, "x.csv", *out], "x.csv: no such file"),
        (["predict", model_path, str(tmp_path / "few.csv"), *out], "no column 'f1'"),
        (["predict", model_path, str(tmp_path / "texts.csv"), *out],
             "texts.csv: column 'f0' must hold numbers, but row 1 has 'a'"),
        (["predict", str(tmp_path / "r"), table, *out], "but the model has 7 features"),
        (["predict", model_path, table], "required: --out"),
        (["predict", model_path, table, "--out", "/no/p.csv"], "no such folder: /no"),
        (["predict", model_path, table, "--out", str(tmp_path)], "is a folder"),
        (["predict", table, table, *out], "d.csv is a table, no model"),
        (["predict", model_path, table, "--out", model_path], "overwrite an input"),
        (["predict", model_path, table, "--out", table], "overwrite an input"),
        (["export", model_path, "--c", model_path], "would overwrite an input"),
        (["export", model_path], "one of the arguments --onnx --c is required"),
        (["export", model_path, "--c", "a", "--onnx", "b"], "not allowed with"),
        (["export", model_path, "--onnx", str(tmp_path / "o"), "--dtype", "int8"],
         "int8 is for --c only"),
        (["export", model_path, "--c", str(tmp_path / "1x.h")], "identifier of C"),
    ):  # fmt: skip
        assert main(call) == 2
        err = capsys.readouterr().err
        assert err.startswith("fastmlp: error: ") and message in err, err
        assert err.count("\n") == 1
    few = tmp_path / "seven.csv"
    pd.DataFrame(np.ones((2, 7))).to_csv(few, index=False)
    call = ["predict", str(tmp_path / "r"), str(few), *out, "--proba"]
    assert main(call) == 2
    assert "--proba needs a classifier" in capsys.readouterr().err


def test_as_a_process(tmp_path, named):
    call = [sys.executable, "-m", "fastmlp", "predict", "m.safetensors", "d.csv"]
    run = subprocess.run(
        [*call, "--out", "p.csv"], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert len(pd.read_csv(tmp_path / "p.csv")) == 60
    help_ = subprocess.run(
        [sys.executable, "-m", "fastmlp", "export", "--help"],
        capture_output=True,
        text=True,
    )
    assert "--onnx FILE" in help_.stdout


@pytest.mark.parametrize("n_targets", [1, 2])
def test_a_saved_regression_to_onnx(tmp_path, n_targets):
    pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    X, y = data("multioutput", 80)
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    frame = frame.assign(**{f"y{i}": 100 + 5 * y[:, i] for i in range(n_targets)})
    path, saved = str(tmp_path / "d.csv"), str(tmp_path / "m.joblib")
    frame.to_csv(path, index=False)
    targets = [part for i in range(n_targets) for part in ("--target", f"y{i}")]
    call = ["--data", path, *targets, *QUICK]
    assert main([*call, "--save", saved]) == 0
    model = joblib.load(saved)
    assert isinstance(model[-1], MLPRegressor)
    assert model[-1].standardize_y
    target = str(tmp_path / "m.onnx")
    call = ["export", saved, "--onnx", target, "--data", path, "--dtype", "float32"]
    assert main(call) == 0
    session = onnxruntime.InferenceSession(target)
    feed = {i.name: frame[[i.name]].to_numpy("f4") for i in session.get_inputs()}
    (got,) = session.run(None, feed)
    expected = model.predict(frame).reshape(got.shape)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
