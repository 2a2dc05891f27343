"""The report of the command line on its fits."""

import re

import numpy as np
import pytest
from helpers.models import data, fitted
from sklearn import metrics

from fastmlp._cli import report
from fastmlp._cli.fit import main

pd = pytest.importorskip("pandas")


@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_scores_of_classes(task, strings):
    model = fitted(task, strings=strings)
    X, y = data(task, 80, strings=strings)
    proba = model.predict_proba(X)
    scores = report.scores_of(model, X, y, f"{task} classification", ["y"])
    area = metrics.roc_auc_score(
        y, proba if task == "multiclass" else proba[:, 1], multi_class="ovr"
    )
    assert scores == {
        "accuracy": model.score(X, y),
        "log loss": pytest.approx(metrics.log_loss(y, proba), rel=1e-12),
        "AUC": pytest.approx(area, rel=1e-12),
    }


def test_scores_of_rows_that_lack_classes_or_have_new_ones():
    model = fitted("multiclass", strings=False)
    X, y = data("multiclass", 80, strings=False)
    two, proba = y < 2, model.predict_proba(X)
    scores = report.scores_of(model, X[two], y[two], "multi-class classification", [""])
    areas = [metrics.roc_auc_score(y[two] == c, proba[two, c]) for c in (0, 1)]
    assert scores["AUC"] == pytest.approx(np.mean(areas), rel=1e-12)
    loss = -np.log(proba[two][np.arange(two.sum()), y[two]]).mean()
    assert scores["log loss"] == pytest.approx(loss, rel=1e-12)
    new = np.r_[y[:-1], 9]
    scores = report.scores_of(model, X, new, "multi-class classification", [""])
    assert scores["log loss"] == np.inf
    one = y == 1
    scores = report.scores_of(model, X[one], y[one], "multi-class classification", [""])
    assert np.isnan(scores["AUC"])


def test_scores_of_labels():
    model = fitted("multilabel")
    X, y = data("multilabel", 80)
    proba = model.predict_proba(X)
    names = list("abc")
    scores = report.scores_of(model, X, y, "multi-label classification", names)
    loss = np.mean([metrics.log_loss(y[:, i], proba[:, i]) for i in range(3)])
    assert scores == {
        "subset accuracy": model.score(X, y),
        "log loss": pytest.approx(loss, rel=1e-12),
        "AUC": pytest.approx(metrics.roc_auc_score(y, proba), rel=1e-12),
    }


@pytest.mark.parametrize("task", ["regression", "multioutput"])
def test_scores_of_quantities(task):
    model = fitted(task)
    X, y = data(task, 80)
    names = ["y"] if task == "regression" else list("abc")
    what = "regression" if task == "regression" else "multi-output regression"
    scores = report.scores_of(model, X, y, what, names)
    assert scores.pop("R2") == pytest.approx(model.score(X, y), rel=1e-12)
    errors = (model.predict(X) - y).reshape(len(y), -1)
    for i, name in enumerate(names):
        of = f" {name}" if len(names) > 1 else ""
        rmse = np.sqrt(np.mean(errors[:, i] ** 2))
        assert scores.pop("RMSE" + of) == pytest.approx(rmse, rel=1e-12)
        mae = np.mean(abs(errors[:, i]))
        assert scores.pop("MAE" + of) == pytest.approx(mae, rel=1e-12)
    assert scores == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98765, "0.9877"), (0, "0.0000"), (1e-5, "1e-05"), (np.nan, "-"),
     (np.inf, "inf"), (58180.31, "58180.3"), (-3.0, "-3.0000")],
)  # fmt: skip
def test_digits_of_scores(value, text):
    rows = report.score_rows(
        {"fastmlp": {p: {"s": value} for p in ("test", "training")}},
        ("test", "training"),
    )
    assert rows == {f"{p} s": {"fastmlp": text} for p in ("test", "training")}


@pytest.mark.parametrize(
    ("target", "scores"),
    [
        ("kind", ["accuracy", "log loss", "AUC"]),
        ("price", ["R2", "RMSE", "MAE"]),
    ],
)
def test_both_parts_are_judged(capsys, tmp_path, target, scores):
    rng = np.random.RandomState(0)
    x = rng.normal(size=200)
    frame = pd.DataFrame({"x": x, "z": x[::-1]})
    frame[target] = (x > 0).astype(int) if target == "kind" else 100 + x
    frame.to_csv(tmp_path / "t.csv", index=False)
    call = ["--data", str(tmp_path / "t.csv"), "--target", target]
    call += ["--model", "mlp", "--max-iter", "9"]
    assert main(call) == 0
    out = capsys.readouterr().out
    for score in scores:
        for part in ("test", "training"):
            (row,) = re.findall(rf"^{part} {score} +(\S+) +(\S+)$", out, re.M)
            assert row[0] == row[1]  # of fastmlp and of scikit-learn
    assert re.search(
        r"largest difference of the loss curves: \S+e-1\d \(9 epochs\)", out
    )
    call += ["--early-stopping"]
    assert main(call) == 0
    out = capsys.readouterr().out
    assert ("targets are scaled over the validation rows" in out) == (target == "price")
