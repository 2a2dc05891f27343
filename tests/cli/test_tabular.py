"""The command line with the estimator for tables."""

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.command_line import run
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from fastmlp import TabularMLPClassifier, TabularMLPRegressor, load_model, save_model

pd = pytest.importorskip("pandas")

QUICK = ["--members", "1"]
MODELS = ["TabularMLP", "linear model", "HistGradientBoosting"]


def fit(capsys, path, *targets, options=("--no-compare",)):
    """Output of a successful fit to a table."""
    targets = [part for name in targets for part in ("--target", name)]
    code, out, err = run(capsys, "--data", path, *targets, *QUICK, *options)
    assert (code, err) == (0, "")
    return out


def cells(out, row):
    """The cells of a row of the table of results."""
    (found,) = re.findall(rf"^{row} +(?!of )(.*)$", out, re.M)
    return found.split()


def predict(capsys, tmp_path, frame, *options, name="new.csv"):
    """Predictions of the saved model for a frame, as a frame, and the messages."""
    path, out = tmp_path / name, tmp_path / "p.csv"
    getattr(frame, "to_parquet" if name.endswith("parquet") else "to_csv")(
        path, index=False
    )
    code, told, err = run(
        capsys, "predict", tmp_path / "m", path, "--out", out, *options
    )
    assert (code, err) == (0, "")
    return pd.read_csv(out), told


@pytest.mark.parametrize(
    ("targets", "task", "scores"),
    [
        (["price"], "regression", ["R2", "RMSE", "MAE"]),
        (["answer"], "binary classification", ["accuracy", "log loss", "AUC"]),
        (["flag"], "binary classification", ["accuracy", "log loss", "AUC"]),
        (["grade"], "multi-class classification", ["accuracy", "log loss", "AUC"]),
        (
            ["price", "visits"],
            "multi-output regression",
            ["R2", "RMSE price", "MAE price", "RMSE visits", "MAE visits"],
        ),
        (
            ["label_a", "label_b", "flag"],
            "multi-label classification",
            ["subset accuracy", "log loss", "AUC"],
        ),
    ],
)
def test_tasks_beside_others(capsys, path, targets, task, scores):
    out = fit(capsys, path, *targets, options=["--drop", "identifier"])
    assert f"task: {task}\n" in out
    assert "67 rows to train on, 23 to test on\n" in out
    assert re.search(rf"\n +{' +'.join(MODELS)}\n", out)
    for row in [f"test {score}" for score in scores]:
        assert np.isfinite([float(cell) for cell in cells(out, row)]).all()
        assert len(cells(out, row)) == 3
    assert "training " not in out.split("test ")[2]
    assert all(float(cell) > 0 for cell in cells(out, "fit, seconds"))
    assert f"\ntest {scores[0]} of the m" in out
    assert "left out, since" not in out
    assert "\nTabularMLP: 1 member, best epoch " in out
    assert "  Iteration 1, loss = " in out and "  Iteration 2, loss = " not in out


def test_columns_are_taken_as_they_are(capsys, path, tmp_path):
    out = fit(
        capsys, path, "answer", options=["--no-compare", "--save", tmp_path / "m"]
    )
    assert "features: 9 numbers, 3 categories, " in out
    assert "linear model" not in out
    assert "note: Column 'identifier' is a category with as many levels as rows" in out
    model = load_model(tmp_path / "m")
    assert isinstance(model, TabularMLPClassifier)
    assert not model.verbose
    encoder = model._model.encoder
    names = encoder.feature_names_in[encoder.category_columns]
    assert list(names) == ["colour", "flag", "identifier"]


def test_printed_scores_are_those_of_the_saved_model(capsys, frame, path, tmp_path):
    out = fit(capsys, path, "answer", options=["--save", tmp_path / "m", "--seed", "3"])
    model = load_model(tmp_path / "m")
    raw = pd.read_csv(path)
    y = raw["answer"]
    _, test = train_test_split(raw, test_size=0.25, random_state=3, stratify=y)
    X = test[model.feature_names_in_]
    assert cells(out, "test accuracy")[0] == f"{model.score(X, test['answer']):.4f}"
    loss = log_loss(test["answer"], model.predict_proba(X))
    assert cells(out, "test log loss")[0] == f"{loss:.4f}"


@pytest.mark.parametrize("target", ["answer", "price"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predictions_of_raw_rows(capsys, frame, tmp_path, target, suffix):
    frame["when"] = pd.date_range("2020-01-01", periods=len(frame))
    data = tmp_path / f"t.{suffix}"
    frame.to_csv(data, index=False) if suffix == "csv" else frame.to_parquet(data)
    options = ["--no-compare", "--drop", "identifier,nothing", "--save", tmp_path / "m"]
    out = fit(capsys, data, target, options=options)
    assert "left out: identifier, nothing, when (" in out
    assert f"fastmlp predict {tmp_path / 'm'} NEW.csv --out PRED.csv\n" in out
    model = load_model(tmp_path / "m")
    assert "when" not in model.feature_names_in_
    new = frame.drop(columns=[target, "when"]).iloc[::-1, ::-1]  # others stay
    new.iloc[:3, new.columns.get_loc("colour")] = "pink"
    new.iloc[2:6, new.columns.get_loc("x")] = np.nan
    got, told = predict(capsys, tmp_path, new, *["--proba"] * (target == "answer"))
    assert "column 'colour': 3 of 90 values are unknown to the model, such as" in told
    X = new[model.feature_names_in_]
    if target == "price":
        assert list(got) == ["prediction"]
        np.testing.assert_allclose(got["prediction"], model.predict(X), rtol=1e-6)
        return
    assert list(got) == ["prediction", "probability_no", "probability_yes"]
    assert got["prediction"].tolist() == model.predict(X).tolist()
    np.testing.assert_allclose(got.iloc[:, 1:], model.predict_proba(X), rtol=1e-6)
    again, _ = predict(capsys, tmp_path, new, "--proba", name="n.parquet")
    assert again.equals(got)


def test_csv_and_parquet_give_the_same_model(capsys, frame, path, tmp_path):
    frame.to_parquet(tmp_path / "t.parquet")
    for data, saved in ((path, "a"), (tmp_path / "t.parquet", "m")):
        options = ["--no-compare", "--save", tmp_path / saved]
        fit(capsys, data, "answer", options=options)
    models = [load_model(tmp_path / saved) for saved in "am"]
    first, second = (
        model.predict_proba(frame[model.feature_names_in_]) for model in models
    )
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("kind", ["labels", "quantities"])
def test_several_predictions_are_named_after_the_targets(
    capsys, frame, path, tmp_path, kind
):
    names = ["label_a", "label_b"] if kind == "labels" else ["price", "visits"]
    fit(capsys, path, *names, options=["--no-compare", "--save", tmp_path / "m"])
    proba = ["--proba"] * (kind == "labels")
    got, _ = predict(capsys, tmp_path, frame, *proba)
    expected = [f"prediction_{name}" for name in names]
    assert list(got)[:2] == expected
    assert list(got)[2:] == [f"probability_{name}" for name in names] * len(proba)
    model = load_model(tmp_path / "m")
    predicted = model.predict(frame[model.feature_names_in_])
    np.testing.assert_allclose(got[expected], predicted, rtol=1e-6)


def test_a_file_that_lacks_a_column(capsys, frame, path, tmp_path):
    fit(capsys, path, "answer", options=["--no-compare", "--save", tmp_path / "m"])
    frame.drop(columns=["x", "flag"]).to_csv(tmp_path / "new.csv", index=False)
    call = ["predict", tmp_path / "m", tmp_path / "new.csv", "--out", tmp_path / "p"]
    code, _, err = run(capsys, *call)
    assert code == 2
    assert "has no column 'x', which the model needs (and 1 more)" in err
    frame["x"] = "wide"
    frame.to_csv(tmp_path / "new.csv", index=False)
    code, _, err = run(capsys, *call)
    assert code == 2
    assert "column 'x' must hold numbers, but row 1 has 'wide'" in err


def test_codes_stay_codes(capsys, tmp_path):
    rng = np.random.RandomState(0)
    code = rng.choice(["01", "1", "2", "A"], 300)
    frame = pd.DataFrame({"code": code, "flag": rng.rand(300) < 0.5})
    frame["y"] = np.where((code == "1") == frame["flag"], "same", "other")
    frame.to_csv(tmp_path / "t.csv", index=False)
    fit(
        capsys,
        tmp_path / "t.csv",
        "y",
        options=["--no-compare", "--save", tmp_path / "m"],
    )
    new = frame[frame["code"].isin(["1", "2"])].head(50)
    for of in (new, new.assign(code=new["code"].astype(int))):
        for name in ("new.csv", "n.parquet"):
            got, told = predict(capsys, tmp_path, of, name=name)
            assert got["prediction"].tolist() == new["y"].tolist()
            assert "unknown" not in told


def test_numbered_categories_take_unknown_texts(capsys, tmp_path):
    rng = np.random.RandomState(0)
    frame = pd.DataFrame({"post": rng.choice([10, 20, 30], 80), "z": rng.randn(80)})
    model = TabularMLPRegressor(
        categorical_features=["post"], n_members=1, n_epochs=2, hidden_layer_sizes=(4,)
    )
    model.fit(frame, frame["post"] * 1.0)
    save_model(model, tmp_path / "m")
    new = frame.astype({"post": object})
    new.loc[0, "post"] = "A1"
    got, told = predict(capsys, tmp_path, new)
    assert (
        "column 'post': 1 of 80 values are unknown to the model, such as 'A1'" in told
    )
    np.testing.assert_allclose(got["prediction"], model.predict(new), rtol=1e-6)


def test_more_levels_than_boosting_takes(capsys, tmp_path):
    rng = np.random.RandomState(0)
    frame = pd.DataFrame({"word": rng.randint(0, 400, 900), "y": rng.normal(size=900)})
    frame["word"] = "w" + frame["word"].astype(str)
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = fit(capsys, tmp_path / "t.csv", "y", options=())
    assert len(cells(out, "test R2")) == 3


def test_a_rival_that_cannot_be_fitted_is_left_out(capsys, path, monkeypatch):
    def fit_(self, X, y):
        raise ValueError("no\nway")

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", fit_)
    out = fit(capsys, path, "answer", options=())
    assert "  note: left out, since it cannot be fitted: no way\n" in out
    assert len(cells(out, "test accuracy")) == len(cells(out, "threads, at most")) == 2


def test_digits(capsys, tmp_path):
    call = ["--model", "tabular", "--no-compare", "--save", tmp_path / "m", *QUICK]
    code, out, err = run(capsys, *call)
    assert (code, err) == (0, "")
    assert "1,797 images" in out and "pixel " in out
    assert float(cells(out, "test accuracy")[0]) > 0.9
    got, _ = predict(capsys, tmp_path, pd.DataFrame(np.zeros((2, 64))))
    assert len(got) == 2


def test_a_time_limit_is_told(capsys):
    call = ["--model", "tabular", "--no-compare", *QUICK, "--max-time", "0.001"]
    code, out, err = run(capsys, *call)
    assert (code, err) == (0, "")
    assert "note: Training stopped after max_time=0.001 seconds" in out


def test_exports_without_rows(capsys, path, tmp_path):
    pytest.importorskip("onnx")
    fit(capsys, path, "answer", options=["--no-compare", "--save", tmp_path / "m"])
    for option, name in (("--onnx", "m.onnx"), ("--c", "m.h")):
        code, *_ = run(capsys, "export", tmp_path / "m", option, tmp_path / name)
        assert code == 0
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--members", "2"], "--members goes with --model tabular, not with --model "
                             "mlp, the default without --data"),
        (["--model", "mlp", "--data", "t.csv", "--target", "y", "--threads", "1"],
         "--threads goes with --model tabular, not with --model mlp\n"),
        (["--data", "t.csv", "--target", "y", "--hidden", "5"],
         "--hidden goes with --model mlp, not with --model tabular, the default with "
         "--data"),
        (["--model", "tabular", "--max-iter", "5"], "--max-iter goes with --model mlp"),
        (["--model", "tabular", "--early-stopping"], "--early-stopping goes with"),
        (["--members", "0"], "--members: must be a whole number above 0"),
        (["--max-time", "0"], "--max-time: must be a number above 0"),
        (["--max-time", "inf"], "--max-time: must be a number above 0"),
        (["--threads", "some"], "--threads: must be a whole number above 0"),
        (["--model", "forest"], "--model: invalid choice: 'forest'"),
    ],
)  # fmt: skip
def test_error_about_an_option(capsys, options, message):
    code, out, err = run(capsys, *options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err


def test_the_table_is_not_overwritten(capsys, path):
    code, _, err = run(capsys, "--data", path, "--target", "price", "--save", path)
    assert code == 2
    assert f"--save: {path} would overwrite an input" in err


def test_ctrl_c_ends_the_program(tmp_path):
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(rng.standard_normal((20_000, 10))).add_prefix("x")
    frame.to_csv(tmp_path / "t.csv", index=False)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "fastmlp", "--data", "t.csv", "--target", "x0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("TabularMLP"):  # the fit begins
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "fastmlp: interrupted\n")


def test_all_models_see_missing_categories(capsys, tmp_path):
    rng = np.random.RandomState(0)
    frame = pd.DataFrame({"c": rng.choice(["a", "b", None], 200), "nothing": None})
    frame["y"] = np.where(frame["c"].isna(), "gap", "text")
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = fit(capsys, tmp_path / "t.csv", "y", options=())
    assert cells(out, "test accuracy") == ["1.0000"] * 3
