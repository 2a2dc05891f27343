"""The columns of a new table, as a fitted model knows them."""

import joblib
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from fastmlp import MLPClassifier, save_model
from fastmlp._cli.fit import main

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def run(capsys, *arguments):
    """Exit code and output of a run."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def trained(capsys, tmp_path, codes, numbers=None):
    """A table in which a column of codes decides y, and its file of a model."""
    rng = np.random.RandomState(0)
    c = np.array(codes)[rng.randint(0, len(codes), 400)]
    frame = pd.DataFrame(
        {"c": c, "b": rng.randn(400), "y": (c == codes[0]).astype(int)}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    call = ["--data", tmp_path / "t.csv", "--target", "y", "--no-compare"]
    call += ["--model", "mlp"]
    assert run(capsys, *call, "--save", tmp_path / "m")[0] == 0
    return frame


def predicted(capsys, tmp_path, name="new.csv"):
    """Predictions for a table, and the messages about it."""
    out = tmp_path / "p.csv"
    code, told = run(capsys, "predict", tmp_path / "m", tmp_path / name, "--out", out)
    assert code == 0, told
    return pd.read_csv(out)["prediction"].to_numpy(), told


@pytest.mark.parametrize(
    ("codes", "only"),
    [
        (["1", "2", "3", "A"], ["1", "2", "3"]),
        (["01234", "02345", "10001", "K1A0"], ["01234", "02345", "10001"]),
        (["1e5", "100000", "x"], ["1e5", "100000"]),
        (["None", "some", "many"], ["None", "some"]),
        (["TRUE", "FALSE"], ["TRUE", "FALSE"]),
    ],
)
@pytest.mark.parametrize("gap", [False, True])
def test_codes_stay_codes(capsys, tmp_path, codes, only, gap):
    frame = trained(capsys, tmp_path, codes)
    part = frame[frame["c"].isin(only)].head(60)
    new = part.copy()
    if gap:
        new.iloc[-1, 0] = None
    new.to_csv(tmp_path / "new.csv", index=False)
    y, told = predicted(capsys, tmp_path)
    assert (y == part["y"])[: 60 - gap].all()
    assert "unknown" not in told
    new.to_parquet(tmp_path / "n.parquet")
    again, told = predicted(capsys, tmp_path, "n.parquet")
    assert again.tolist() == y.tolist()
    assert "unknown" not in told


def test_codes_that_pandas_wrote_as_floats(capsys, tmp_path):
    frame = trained(capsys, tmp_path, ["1", "2", "3", "A"])
    part = frame[frame["c"] != "A"].head(60)
    part.assign(c=part["c"].astype(float)).to_csv(tmp_path / "new.csv", index=False)
    y, told = predicted(capsys, tmp_path)
    assert (y == part["y"]).all()
    assert "unknown" not in told


def test_numbers_of_parquet_are_read_as_codes(capsys, tmp_path):
    frame = trained(capsys, tmp_path, ["1", "2", "3", "A"])
    part = frame[frame["c"] != "A"].head(60)
    for kind in ("int64", "float64", "Int8", "category"):
        part.assign(c=part["c"].astype(int).astype(kind)).to_parquet(
            tmp_path / "n.parquet"
        )
        y, told = predicted(capsys, tmp_path, "n.parquet")
        assert (y == part["y"]).all()
        assert "unknown" not in told


def test_unknown_values_are_counted(capsys, tmp_path):
    frame = trained(capsys, tmp_path, ["red", "green", "blue"]).head(50)
    frame.loc[:2, "c"] = ["pink", "Red", " red "]
    frame.to_csv(tmp_path / "new.csv", index=False)
    _, told = predicted(capsys, tmp_path)
    note = "note: column 'c': 2 of 50 values are unknown to the model, such as 'pink'\n"
    assert note in told


def test_errors_name_the_column(capsys, tmp_path):
    frame = trained(capsys, tmp_path, ["x", "z"]).head(50)
    frame["b"] = frame["b"].astype(object)
    call = [
        "predict",
        tmp_path / "m",
        tmp_path / "new.csv",
        "--out",
        tmp_path / "p.csv",
    ]
    for cell, message in (
        ("1,234", "column 'b' must hold numbers, but row 4 has '1,234'"),
        ("inf", "column 'b' holds infinite values or ones beyond"),
    ):
        frame.loc[3, "b"] = cell
        frame.to_csv(tmp_path / "new.csv", index=False)
        code, told = run(capsys, *call)
        assert code == 2
        assert message in told
        assert not (tmp_path / "p.csv").exists()
    frame.loc[3, "b"] = "?"  # missing, which the pipeline fills
    frame.to_csv(tmp_path / "new.csv", index=False)
    assert len(predicted(capsys, tmp_path)[0]) == 50
    frame[["c"]].to_csv(tmp_path / "new.csv", index=False)
    code, told = run(capsys, *call)
    assert code == 2
    assert "has no column 'b', which the model needs" in told


def test_missing_cells_name_the_column(capsys, tmp_path):
    X = pd.DataFrame(np.random.RandomState(0).randn(50, 2), columns=["a", "b"])
    save_model(MLPClassifier(max_iter=2).fit(X, X["a"] > 0), tmp_path / "m")
    X.loc[7, "b"] = np.nan
    X.to_csv(tmp_path / "new.csv", index=False)
    code, told = run(
        capsys, "predict", tmp_path / "m", tmp_path / "new.csv", "--out", tmp_path / "p"
    )
    assert code == 2
    assert "new.csv: column 'b' has missing cells, which the model may not take" in told


def test_a_model_without_names_tells_of_a_missing_header(capsys, tmp_path):
    X = np.random.RandomState(0).randn(50, 2)
    model = MLPClassifier(max_iter=2).fit(X, X[:, 0] > 0)
    save_model(model, tmp_path / "m")
    np.savetxt(tmp_path / "new.csv", X, delimiter=",")
    y, told = predicted(capsys, tmp_path)
    assert len(y) == 49
    assert "note: the first line looks like cells, not like names of columns" in told
    call = [
        "predict",
        tmp_path / "m",
        tmp_path / "new.csv",
        "--out",
        tmp_path / "p.csv",
    ]
    code, told = run(capsys, *call, "--no-header")
    assert (code, "note" in told) == (0, False)
    got = pd.read_csv(tmp_path / "p.csv")["prediction"]
    assert got.tolist() == model.predict(X).tolist()


@pytest.mark.parametrize(
    ("encoder", "codes", "unknown"),
    [
        (OneHotEncoder(handle_unknown="ignore"), ["1", "02", "NO"], "7"),
        (OneHotEncoder(handle_unknown="ignore"), [" a", "b"], "c"),
        (OneHotEncoder(handle_unknown="ignore"), [1, 2, 3], 7),
        (OneHotEncoder(handle_unknown="ignore"), [1.5, 2.0], 7.0),
        (OneHotEncoder(handle_unknown="ignore"), [True, False], "maybe"),
        (
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            ["1", "x"],
            "7",
        ),
    ],
)
def test_pipelines_of_other_origin(capsys, tmp_path, encoder, codes, unknown):
    rng = np.random.RandomState(0)
    c = np.array(codes, dtype=type(codes[0]))[rng.randint(0, len(codes), 200)]
    X = pd.DataFrame({"a": rng.randn(200), "c": c, "extra": 1.0})
    prepare = ColumnTransformer(
        [
            ("a", make_pipeline(SimpleImputer(), StandardScaler()), ["a"]),
            ("c", encoder, ["c"]),
        ],
        remainder="passthrough",
    )
    model = make_pipeline(prepare, MLPClassifier(max_iter=60, random_state=0))
    model.fit(X, c == codes[0])
    joblib.dump(model, tmp_path / "m")
    X.to_csv(tmp_path / "new.csv", index=False)
    y, told = predicted(capsys, tmp_path)
    assert y.tolist() == model.predict(X).tolist()
    assert "unknown" not in told
    X["c"] = X["c"].astype(object)
    X.loc[0, "c"] = unknown
    X.to_csv(tmp_path / "new.csv", index=False)
    if codes[0] is True:
        code, told = run(
            capsys,
            "predict",
            tmp_path / "m",
            tmp_path / "new.csv",
            "--out",
            tmp_path / "p",
        )
        assert code == 2
        assert "column 'c' must hold numbers, as the model was fitted" in told
        return
    again, told = predicted(capsys, tmp_path)
    assert again[1:].tolist() == y[1:].tolist()
    assert "column 'c': 1 of 200 values are unknown to the model" in told
