"""The command line: python -m fastmlp."""

import re
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers.command_line import run

from fastmlp import MLPClassifier
from fastmlp._cli import columns, problem, targets
from fastmlp._cli.fit import main

QUICK = ["--model", "mlp", "--max-iter", "3", "--hidden", "8"]


def run_table(capsys, path, *targets, options=("--no-compare",)):
    """Output of a successful run on a table."""
    targets = [part for name in targets for part in ("--target", name)]
    code, out, err = run(capsys, "--data", path, *targets, *QUICK, *options)
    assert (code, err) == (0, "")
    return out


def test_digits_beside_scikit_learn(capsys):
    code, out, err = run(capsys, "--max-iter", "20", "--hidden", "30,20")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "1,797 images" in lines[0]
    assert "hidden layers: 30, 20; at most 20 epochs" in out
    for epoch, times in {1: 2, 10: 2, 20: 2, 5: 0}.items():
        assert out.count(f"  Iteration {epoch}, loss") == times
    assert out.count("  note: not converged yet: --max-iter N trains for longer") == 2
    assert out.count("--early-stopping serves better") == 2
    accuracy = next(line for line in lines if line.startswith("test accuracy ")).split()
    assert float(accuracy[2]) > 0.8
    assert accuracy[2] == accuracy[3]
    assert re.search(r"\nthreads, at most +1 +1\n", out)
    assert "time of scikit-learn / time of fastmlp: " in out
    difference = lines[-1].split(": ")[1].split()
    assert float(difference[0]) < 1e-8
    assert difference[1:] == ["(20", "epochs)"]


def test_digits_alone_and_saved(capsys, tmp_path):
    path = tmp_path / "model.joblib"
    code, out, _ = run(capsys, "--no-compare", "--max-iter", "2", "--save", path)
    assert code == 0
    assert "scikit-learn /" not in out
    assert str(path) in out.splitlines()[-1]
    model = joblib.load(path)
    assert isinstance(model[-1], MLPClassifier)
    assert not model[-1].verbose
    assert model.predict(np.zeros((2, 64))).shape == (2,)


def test_early_stopping(capsys):
    code, out, _ = run(
        capsys, "--early-stopping", "--max-iter", "12", "--no-compare", "--hidden", "5"
    )
    assert code == 0
    assert out.count("Validation score:") == 2
    assert out.count("  note: not converged yet: --max-iter N trains for longer\n") == 1


def test_same_seed_same_output(capsys):
    def scores(seed):
        _, out, _ = run(capsys, *QUICK, "--no-compare", "--seed", seed)
        return [line for line in out.splitlines() if "seconds" not in line]

    assert scores(1) == scores(1)
    assert scores(1) != scores(2)


@pytest.mark.parametrize(
    ("targets", "task", "target", "score"),
    [
        (["price"], "regression", "target price: -", "test R2"),
        (["visits"], "regression", "target visits: 0 to 89,", "test R2"),
        (["answer"], "binary classification", "2 classes: no ", "test accuracy"),
        (["flag"], "binary classification", "2 classes: False ", "test accuracy"),
        (["label_a"], "binary classification", "2 classes: 0 ", "test accuracy"),
        (["grade"], "multi-class classification", "4 classes: 1 ", "test accuracy"),
        (["identifier"], "multi-class classification", "90 classes: ", "test accuracy"),
        (["price", "visits"], "multi-output regression", "target visits:", "test R2"),
        (["label_a", "grade"], "multi-output regression", "target grade:", "test R2"),
        (
            ["label_a", "label_b", "flag"],
            "multi-label classification",
            "target label_b: 2 classes: 0 ",
            "test subset accuracy",
        ),
    ],
)
def test_inferred_task(capsys, path, targets, task, target, score):
    out = run_table(capsys, path, *targets)
    assert "table.csv: 90 rows, 13 columns\n" in out
    assert f"task: {task}\n" in out
    assert target in out
    assert f"\n{score} " in out
    assert f"\n{score} of the m" in out


@pytest.mark.parametrize("target", ["answer", "price"])
def test_table_beside_scikit_learn(capsys, path, target):
    out = run_table(capsys, path, target, options=())
    assert float(out.splitlines()[-1].split(": ")[1].split()[0]) < 1e-8


@pytest.mark.parametrize(
    ("target", "task", "stated"),
    [
        ("grade", "regression", "regression"),
        ("label_a", "regression", "regression"),
        ("flag", "regression", "regression"),
        ("visits", "classification", "multi-class classification"),
        ("price", "classification", "multi-class classification"),
    ],
)
def test_task_given(capsys, path, target, task, stated):
    out = run_table(capsys, path, target, options=["--no-compare", "--task", task])
    assert f"task: {stated}\n" in out


def test_missing_targets_are_dropped(capsys, frame, tmp_path):
    frame.loc[:9, "grade"] = np.nan
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    out = run_table(capsys, tmp_path / "t.csv.gz", "grade")
    assert "features: 8 numbers, 4 categories, " in out
    assert "10 rows dropped: their target is missing\n" in out
    assert "4 classes: 1 " in out


def test_cells_of_every_kind(capsys, frame, tmp_path):
    path = tmp_path / "t.parquet"
    frame["when"] = pd.date_range("2020-01-01", periods=len(frame))
    frame["nullable"] = frame["count"].astype("Int64").where(frame["count"] != 2)
    frame["maybe"] = frame["flag"].astype("boolean").where(frame["count"] != 3)
    frame["text"] = frame["colour"].astype("string")
    frame["level"] = frame["colour"].astype("category")
    frame["empty"] = pd.Series([None] * len(frame), dtype=object)
    frame.to_parquet(path)
    out = run_table(
        capsys, path, "answer", options=["--no-compare", "--save", tmp_path / "m"]
    )
    assert "left out: when (timestamp[" in out
    unseen = frame.drop(columns=["answer", "when"])
    unseen.loc[:4, "colour"] = "never seen"
    unseen.loc[:4, ["x", "nullable", "maybe", "level"]] = None
    model = joblib.load(tmp_path / "m")
    assert set(model.predict(unseen)) <= {"yes", "no"}
    names = model[0].get_feature_names_out()
    assert "categories__colour_red" in names
    assert len(names) == model[-1].n_features_in_


def test_many_categories_stay_few_features(capsys, tmp_path):
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(
        {"word": rng.randint(0, 400, 2000), "y": rng.normal(size=2000)}
    )
    frame["word"] = "w" + frame["word"].astype(str)
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = run_table(capsys, tmp_path / "t.csv", "y")
    assert f" {problem.MAX_CATEGORIES} features once prepared" in out


def test_classes_of_one_row(capsys, frame, path):
    frame.loc[0, "answer"] = "perhaps"
    frame.to_csv(path, index=False)
    assert "3 classes: no " in run_table(capsys, path, "answer")


def test_saved_regression_predicts_in_units_of_the_target(
    capsys, frame, path, tmp_path
):
    frame["price"] = 1e6 + 1e3 * frame["price"]
    frame.to_csv(path, index=False)
    saved = tmp_path / "m.joblib"
    run_table(capsys, path, "price", options=["--no-compare", "--save", saved])
    model = joblib.load(saved)
    predictions = model.predict(pd.read_csv(path))
    assert predictions.shape == (90,)
    assert abs(predictions.mean() - 1e6) < 3e3
    assert not model[-1].verbose


def test_as_text():
    frame = pd.DataFrame({"a": [True, None], "b": pd.Series([1, pd.NA], dtype="Int64")})
    cells = columns.as_text(frame)
    assert cells[0].tolist() == ["True", "1"]
    assert all(cell != cell for cell in cells[1])


def write(path, text):
    """A file with some text."""
    path.write_text(text)
    return path


def rows(n, cells):
    """A table of equal rows under the header a,b."""
    return "a,b\n" + f"{cells}\n" * n


@pytest.mark.parametrize(
    ("name", "text", "target", "message"),
    [
        ("t.csv", None, "b", "t.csv: no such file"),
        ("t.xlsx", "", "b", "must be one of .csv, .csv.gz, .tsv, .tsv.gz, "),
        ("t.csv", "", "b", "t.csv: the file is empty"),
        ("t.csv", "a,b\n", "b", "t.csv: the table is empty"),
        ("t.csv", 'a,b\n1,"2', "b", "t.csv cannot be read: "),
        ("t.csv.gz", "a,b\n", "b", "t.csv.gz cannot be read: Not a gzipped file"),
        ("t.parquet", "a,b\n", "b", "t.parquet cannot be read: "),
        ("t.csv", rows(9, "1,2"), "b", "9 rows with a target, at least 10 are needed"),
        ("t.csv", rows(50, "1,"), "b", "0 rows with a target"),
        ("t.csv", rows(50, "1,x"), "b", "target 'b' has one class only: x"),
        ("t.csv", rows(50, "1,2.5"), "b", "target 'b' has one value only: 2.5"),
        ("t.csv", rows(25, "1,inf\n1,2"), "b", "target 'b' holds infinite values"),
        ("t.csv", rows(25, "1,1.5e200\n1,2"), "b", "or ones beyond 1e+100"),
        ("t.csv", rows(25, "inf,1\n1,2"), "b", "column 'a' holds infinite values"),
        ("t.csv", "b\n" + "1\n2\n" * 25, "b", "no other columns than the targets"),
        ("t.csv", rows(25, "1,2"), "bb", "there is no column 'bb'; near: b"),
        ("t.csv", rows(25, "1,2"), "z", "there is no column 'z'; there are a, b"),
        ("t.csv", "a;b\n" + "1;2\n" * 25, "b", "are its cells separated by commas?"),
    ],
)
def test_error_about_a_table(capsys, tmp_path, name, text, target, message):
    path = tmp_path / name
    if text is not None:
        write(path, text)
    code, out, err = run(capsys, "--data", path, "--target", target)
    assert (code, out) == (2, "")
    assert err.startswith("fastmlp: error: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "t.csv"], "--data FILE and --target COLUMN go together"),
        (["--target", "t"], "--data FILE and --target COLUMN go together"),
        (["--hidden", "10,0"], "--hidden: must be numbers like"),
        (["--hidden", "ten"], "--hidden: must be numbers like"),
        (["--max-iter", "0"], "--max-iter: must be a whole number above 0"),
        (["--seed", "-1"], "--seed: must be from 0 to 2**32 - 1"),
        (["--test-size", "1.5"], "--test-size: must be between 0 and 1"),
        (["--test-size", "0.0001"], "splits 1797 rows into 1796 and 1"),
        (["--task", "guess"], "--task: invalid choice"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--save", "no/such/folder/m"], "--save: no such folder: no/such/folder"),
        (["--save", "."], "--save: . is a folder"),
    ],
)
def test_error_about_an_option(capsys, options, message):
    code, _, err = run(capsys, *options)
    assert code == 2
    assert err.startswith("fastmlp: error: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("targets", "task", "message"),
    [
        (["answer"], "regression", "regression needs numbers; target 'answer'"),
        (["price", "answer"], "auto", "regression needs numbers; target 'answer'"),
        (["label_a", "grade"], "classification", "must be labels 0 and 1"),
    ],
)
def test_error_about_a_task(capsys, path, targets, task, message):
    targets = [part for name in targets for part in ("--target", name)]
    code, _, err = run(capsys, "--data", path, *targets, "--task", task)
    assert code == 2
    assert message in err


def test_only_dates(capsys, tmp_path):
    frame = pd.DataFrame({"when": pd.date_range("2020-01-01", periods=30)})
    frame["y"] = np.arange(30)
    frame.to_parquet(tmp_path / "t.parquet")
    code, _, err = run(capsys, "--data", tmp_path / "t.parquet", "--target", "y")
    assert code == 2
    assert "no column can be used; left out: when (timestamp[" in err


@pytest.mark.parametrize(
    ("module", "name"), [("pandas", "t.csv"), ("pyarrow", "t.parquet")]
)
def test_missing_package_names_the_remedy(
    capsys, monkeypatch, frame, tmp_path, module, name
):
    path = tmp_path / name
    getattr(frame, "to_csv" if name.endswith("csv") else "to_parquet")(path)
    monkeypatch.setitem(sys.modules, module, None)
    code, _, err = run(capsys, "--data", path, "--target", "y")
    assert code == 2
    assert 'pip install "fastmlp[table]"' in err


def test_error_of_the_fit_is_one_line(capsys, path, monkeypatch):
    def fit(self, X, y):
        raise ValueError("two\nlines")

    monkeypatch.setattr(MLPClassifier, "fit", fit)
    code, _, err = run(capsys, "--data", path, "--target", "answer", *QUICK)
    assert (code, err) == (2, "fastmlp: error: two lines\n")


@pytest.mark.parametrize("method", ["fit", "score"])
def test_warnings_are_notes(capsys, monkeypatch, path, method):
    original = getattr(MLPClassifier, method)

    def warns(self, X, y):
        for _ in range(3):
            warnings.warn("beware", stacklevel=1)
        return original(self, X, y)

    monkeypatch.setattr(MLPClassifier, method, warns)
    assert run_table(capsys, path, "answer").count("note: beware\n") == 1


def test_help_names_the_rule_of_tasks(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert f"up to {targets.MAX_NUMERIC_CLASSES} different" in capsys.readouterr().out


def test_process():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "fastmlp", "--max-iter", "5"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "fit, seconds" in done.stdout


def test_process_that_fails():
    for call in (["--data", "none.csv"], ["predict", "none", "x.csv", "--out", "y"]):
        done = subprocess.run(
            [sys.executable, "-m", "fastmlp", *call],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("fastmlp: error: ")


def test_a_column_that_occurs_twice(tmp_path, capsys):
    path = tmp_path / "twice.csv"
    path.write_text("a,y,y\n" + "1,2,3\n" * 30)
    assert main(["--data", str(path), "--target", "y"]) == 2
    assert "the column name 'y' occurs twice" in capsys.readouterr().err


def test_ctrl_c_in_a_fit_ends_the_program():
    code = (
        "import os, signal, sys, threading;"
        "from fastmlp._cli.fit import main;"
        "threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT)).start();"
        "sys.exit(main(['--hidden', '900,900', '--max-iter', '1000', '--no-compare']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert run.returncode == 130, run
    assert run.stderr.decode().strip().endswith("interrupted")
