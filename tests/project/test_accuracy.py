"""The benchmark of accuracy: measures, ranks, ratios, results, and failures shown."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

BENCH = Path(__file__).parents[2] / "bench"
if not BENCH.is_dir():
    pytest.skip("the folder bench is not here", allow_module_level=True)
pd = pytest.importorskip("pandas")

sys.path.insert(0, str(BENCH))  # as for its scripts, and for these imports only
import accuracy
from tables import measures, report
from tables.comparison import Comparison
from tables.methods import METHODS, few_levels, filled, own, piped, some_levels
from tables.picture import picture
from tables.results import Results
from tables.table import Table, in_folder, shipped
from tables.trial import Process, trial

sys.path.remove(str(BENCH))


def result(method, table="a", split=0, **figures):
    """A result of a classification, or of a regression where ``rmse`` is given."""
    task = "regression" if "rmse" in figures else "classification"
    usual = {"n_train": 800, "n_test": 200, "fit_seconds": 1.0, "predict_seconds": 0.1}
    if task == "classification":
        usual |= {"error": 0.1, "log_loss": 0.5, "auc": 0.9}
    entry = {"table": table, "split": split, "method": method, "text": "", "task": task}
    return {**entry, **usual, **figures}


def failure(method, table="a", split=0):
    entry = {"table": table, "split": split, "method": method, "text": ""}
    return {**entry, "failure": "ValueError: no"}


def test_measures_of_classes():
    y = np.array([0, 0, 1, 2])
    proba = np.array(
        [[0.8, 0.2, 0, 0], [0.4, 0.6, 0, 0], [0.2, 0.7, 0.1, 0], [1, 0, 0, 0]]
    )
    found = measures.of_classes(y, proba)
    assert found["error"] == 0.5
    least = np.finfo(np.float32).eps
    expected = -np.log([0.8, 0.4, 0.7, least]).mean()
    assert found["log_loss"] == pytest.approx(expected)
    # Pairs in the right order against the rest: 2 of 4, 3 of 3, two ties of 3 for the
    # classes 0, 1 and 2; the rows have no class 3.
    assert found["auc"] == pytest.approx((2 / 4 + 1 + 1 / 3) / 3)
    assert measures.auc(np.zeros(3, int), proba[:3]) is None


def test_measure_of_numbers():
    assert measures.of_numbers(np.array([1.0, 2.0]), np.array([1.0, 4.0])) == {
        "rmse": pytest.approx(np.sqrt(2))
    }


def test_ranks_with_ties():
    entries = [
        result("x", error=0.1, log_loss=0.3),
        result("y", error=0.1, log_loss=0.2),
        result("z", error=0.3, log_loss=0.1),
        result("x", "b", rmse=1.0),
        result("y", "b", rmse=3.0),
        result("z", "b", rmse=2.0),
    ]
    found = Comparison(entries, ["x", "y", "z"])
    assert found.mean_ranks(["a"], "error") == {"x": 1.5, "y": 1.5, "z": 3.0}
    assert found.mean_ranks(["a", "b"], "error") == {"x": 1.25, "y": 2.25, "z": 2.5}
    assert found.mean_ranks(["a", "b"], "loss") == {"x": 2.0, "y": 2.5, "z": 1.5}
    assert found.of_task("regression") == ["b"]


def test_rounding_errors_decide_no_tie():
    errors = {"x": [0.1, 0.2, 0.3], "y": [0.2, 0.2, 0.2], "z": [0.3, 0.3, 0.0]}
    entries = [
        result(method, split=split, error=error)
        for method, values in errors.items()
        for split, error in enumerate(values)
    ]
    found = Comparison(entries, errors)
    assert found.mean_ranks(["a"], "error") == {"x": 2.0, "y": 2.0, "z": 2.0}
    assert [(line.won, line.lost) for line in found.lines("x")] == [(0, 0)] * 3
    stars = report.details(found, "error", "error")[1].count("*")
    assert stars == 3


def test_ratios_are_geometric_means():
    entries = [
        result("x", "a", error=0.2, fit_seconds=8.0),
        result("y", "a", error=0.1, fit_seconds=1.0),
        result("x", "b", rmse=10.0, fit_seconds=2.0),
        result("y", "b", rmse=80.0, fit_seconds=1.0),
    ]
    found = Comparison(entries, ["x", "y"])
    first, second = sorted(found.lines("y"), key=lambda line: line.method)
    assert first.error_ratio == pytest.approx((2 * 1 / 8) ** 0.5)
    assert first.fit_ratio == pytest.approx(4.0)
    assert (first.won, first.lost) == (1, 1)
    assert (second.error_ratio, second.won, second.lost) == (1.0, 0, 0)
    # 8 s and 2 s for 800 rows each
    assert first.fit_per_1000 == pytest.approx(5.0)


def test_no_ratio_to_nothing():
    """Without an error, half a wrong label counts; a tiny log loss as 0.01."""
    entries = [
        result("x", error=0.0, log_loss=1e-7),
        result("y", error=0.01, log_loss=0.02),
    ]
    found = Comparison(entries, ["x", "y"])
    assert found.ratio(["a"], "error", "x", "y") == pytest.approx(0.5 / 200 / 0.01)
    assert found.ratio(["a"], "loss", "x", "y") == pytest.approx(0.5)


def test_only_what_all_were_run_on():
    entries = [result("x", split=split, error=split / 10) for split in range(3)]
    entries += [result("y", split=1), result("x", "b")]
    found = Comparison(entries, ["x", "y"])
    assert found.figures["a"]["x"].error == 0.1
    assert found.left_out == {"b": ["y"]}
    assert "LEFT OUT: b: no y" in report.text(found, "x")


def test_a_failure_is_shown_and_ranks_last():
    entries = [result("x", error=0.9), result("x", split=1, error=0.9)]
    entries += [result("y"), failure("y", split=1), failure("z"), failure("z", split=1)]
    found = Comparison(entries, ["x", "y", "z"])
    assert found.mean_ranks(["a"], "error") == {"x": 1.0, "y": 2.5, "z": 2.5}
    text = report.text(found, "x")
    assert "FAILED: y on a, split 1: ValueError: no" in text
    assert [line.failed for line in found.lines("x")] == [0, 1, 1]
    assert found.lines("x")[1].error_ratio is None
    nothing = report.text(Comparison(entries[3:], ["y", "z"]), "y")
    assert "FAILED" in nothing and "nothing to compare" in report.text(
        Comparison([failure("z")], ["z"]), "z"
    )


def test_picture(tmp_path):
    pytest.importorskip("matplotlib")
    lines = Comparison([result("x"), failure("y")], ["x", "y"]).lines("x")
    picture(lines, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_results_are_kept_and_joined(tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "new" / "second.jsonl"
    Results(first).add(result("x", error=0.5))
    Results(first).add(result("x", error=0.25))
    both = Results(second, [first])
    both.add(result("y"))
    assert both.get("a", 0, "x")["error"] == 0.25
    assert Results(second).get("a", 0, "x") is None
    assert both.agrees("x", "") and not both.agrees("x", "other")
    with pytest.raises(FileNotFoundError, match="third"):
        Results(second, [tmp_path / "third"])


@pytest.fixture
def folder(tmp_path):
    """Two tables with a category and gaps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    frame = pd.DataFrame({"number [%]": x, "word": rng.choice(["a", "b"], size=60)})
    frame["code"] = rng.integers(3, size=60)
    frame.loc[::7, "number [%]"] = np.nan
    frame.loc[::9, "word"] = None
    frame.assign(label=np.where(x > 0, "yes", "no")).to_csv(
        tmp_path / "c.csv", index=False
    )
    frame.insert(0, "price", 3 * x)
    frame.to_csv(tmp_path / "regression.csv", index=False)
    facts = {"regression": {"target": "price", "categorical": ["code"]}}
    (tmp_path / "targets.json").write_text(json.dumps(facts))
    return tmp_path


def test_tables_of_a_folder(folder):
    classes, numbers = in_folder(folder)
    assert classes.name == f"{folder.name}/c"
    X, y, task = classes.rows
    assert task == "classification" and set(y) == {"yes", "no"}
    assert [*X.columns] == ["x0", "x1", "x2"]
    assert [str(X[c].dtype) for c in X] == ["float64", "category", "int64"]
    assert X["x1"].isna().sum() == 7
    X, y, task = numbers.rows
    assert task == "regression" and y.dtype == float
    assert [str(X[c].dtype) for c in X] == ["float64", "category", "category"]


def test_splits_are_fixed_and_stratified():
    table = Table("sklearn/iris")
    train, test = table.split(1)
    assert np.bincount(table.rows.y[test]).tolist() == [10, 10, 10]
    assert not set(train) & set(test)
    np.testing.assert_array_equal(table.split(1)[1], test)
    assert (table.split(0)[1] != test).any()
    assert len(shipped()) == 5


def test_frames_for_libraries(folder):
    X = in_folder(folder)[0].rows.X
    assert set(filled(X)["x1"]) == {"a", "b", "(missing)"}
    ids = pd.DataFrame({"x0": pd.Categorical([f"id{i}" for i in range(300)] + [None])})
    assert few_levels(ids)["x0"].isna().sum() == 1
    assert few_levels(ids)["x0"].nunique() == 300
    assert few_levels(X)["x1"].dtype == "category"
    gaps = pd.DataFrame({"x0": pd.Categorical([None, None])})
    assert some_levels(gaps)["x0"].dtype == float
    assert some_levels(X)["x1"].dtype == "category"


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("name", ["linear", "mlp", "hist-gradient-boosting"])
def test_trials(name, folder):
    for table in in_folder(folder):
        with threadpool_limits(1):
            found = trial(METHODS[name], table, 0)
        assert found["n_train"] == 48 and found["n_test"] == 12
        assert found.get("error", found.get("rmse")) < 2
        assert found["fit_seconds"] > 0 and found["predict_seconds"] > 0


def test_a_class_that_only_the_test_rows_have():
    table = Table("sklearn/iris")
    y = np.array(["b", "c", "d"])[table.rows.y]
    y[1] = "a"  # before all others
    table.rows = table.rows._replace(y=y)
    table.split = lambda number: (np.arange(0, 150, 2), np.arange(1, 150, 2))
    found = trial(METHODS["linear"], table, 0)
    assert 1 / 75 <= found["error"] < 0.2
    assert found["log_loss"] > -np.log(measures.LEAST_PROBABILITY) / 75


def test_own():
    name, method = own(
        "wide: MLPClassifier/MLPRegressor hidden_layer_sizes=(7,) activation=tanh", True
    )
    assert name == "wide"
    model = method.make(True, 3)[-1]
    assert (model.hidden_layer_sizes, model.activation) == ((7,), "tanh")
    assert (model.random_state, model.n_threads) == (3, 1)
    assert type(method.make(False, 3).regressor[-1]).__name__ == "MLPRegressor"
    model = own("tree: sklearn.tree:DecisionTreeClassifier")[1].make(True, 5)
    assert model.random_state == 5
    for wrong in ("MLPClassifier", "x:", "x: MLPClassifier tanh"):
        with pytest.raises(ValueError, match="must be 'NAME:"):
            own(wrong)
    assert hasattr(piped(model), "predict_proba")


def test_a_process(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)  # the process gets it from here
    table = Table("sklearn/iris")
    dummy = own("bad: sklearn.dummy:DummyClassifier strategy=nonsense")[1]
    process = Process(dummy)
    try:
        found = process.run(table, 0)
        assert found["failure"].startswith("InvalidParameterError: The 'strategy'")
        process.process.kill()
        assert process.run(table, 0) == {
            "failure": "the process ended with exit code -9"
        }
        found = process.run(table, 0, max_seconds=0.0)
        assert found == {"failure": "took more than 0 s"}
    finally:
        process.close()


class Here:
    """In place of a process."""

    ran = []

    def __init__(self, method):
        self.method = method

    def run(self, table, split, max_seconds):
        self.ran.append((table.name, split))
        if self.method.text.endswith("nonsense"):
            return {"failure": "ValueError: nonsense"}
        return trial(self.method, table, split)

    def close(self):
        pass


def test_the_script_resumes(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(accuracy, "Process", Here)
    Here.ran.clear()
    file = tmp_path / "out" / "results.jsonl"
    arguments = ["--folder", str(folder), "--splits", "1", "--results", str(file)]
    arguments += ["--methods", "linear", "--own"]
    bad = "bad: sklearn.dummy:DummyClassifier strategy=nonsense"
    assert accuracy.main([*arguments, bad]) == 0
    out = capsys.readouterr().out
    assert f"{folder.name}/c" in out and "FAILED: bad" in out
    assert len(Here.ran) == 4
    assert accuracy.main([*arguments, bad]) == 0
    assert len(Here.ran) == 4
    assert accuracy.main([*arguments, bad, "--splits", "2"]) == 0
    assert len(Here.ran) == 8
    assert accuracy.main([*arguments, bad, "--retry", "--tables", "regression"]) == 0
    assert len(Here.ran) == 9
    capsys.readouterr()
    assert accuracy.main([*arguments, "bad: sklearn.dummy:DummyClassifier"]) == 2
    assert "WRONG: the results have another bad" in capsys.readouterr().out
    only = ["--folder", str(folder), "--methods", "none", "--show", "linear,x"]
    only += ["--also", str(file), "--results", str(tmp_path / "other"), "--base", "x"]
    assert accuracy.main(only) == 0
    out = capsys.readouterr().out
    assert "NO RESULTS: x" in out and "bad" not in out


def test_missing_methods_are_named(monkeypatch, capsys):
    monkeypatch.setattr("tables.methods.find_spec", lambda name: None)
    chosen = accuracy.options(["--methods", "linear,catboost"])
    assert accuracy.chosen_methods(chosen) == {}
    assert capsys.readouterr().out == (
        "MISSING: linear is not installed\nMISSING: catboost is not installed\n"
    )
    with pytest.raises(SystemExit):
        accuracy.options(["--own", "nothing"])
