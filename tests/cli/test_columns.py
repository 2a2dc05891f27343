"""Columns of the command line's tables: kinds, numbers, categories, dates."""

import datetime
import decimal

import numpy as np
import pytest

from fastmlp._cli import columns
from fastmlp._cli.fit import main

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
QUICK = ["--model", "mlp", "--max-iter", "2", "--hidden", "5", "--no-compare"]


def column(*cells):
    """A column of a CSV file."""
    return pd.Series(cells, dtype=str)


def arrow(values, kind=None):
    """A column of a Parquet file."""
    array = pa.array(values, kind)
    return pd.Series(array.to_pandas(types_mapper=pd.ArrowDtype), name="c")


@pytest.mark.parametrize(
    ("cells", "kind", "remark"),
    [
        (["1", "-2.5", "+1e3", ".5", "7."], "numbers", None),
        (["1", "?", "", "NA", "None", "#DIV/0!", "-", "unknown"], "numbers", None),
        (["", "NA", ""], "numbers", None),
        (["inf", "1"], "numbers", None),
        (["True", "false", ""], "categories", None),
        (["a", "b", "?"], "categories", None),
        (["None", "Mild"], "categories", None),
        (["1_000", "2", "3"], "categories", "'1_000'"),
        (["1", "2", "3", "A"], "categories", "'A'"),
        (["1", "1,234", "2"], "categories", "'1,234'"),
        (["1,234", "12,000"], "categories", "'1,234'"),
        (["12%", "5 %"], "categories", "'12%'"),
        (["$5", "$6.50"], "categories", "'$5'"),
        (["3 €", "4 €"], "categories", "'3 €'"),
        (["01234", "K1A0", "AB", "CD"], "categories", None),
        (["٣", "1", "2"], "categories", "'٣'"),
    ],
)
def test_kinds_of_texts(cells, kind, remark):
    got, words = columns.kind_of(column(*cells))
    assert got == kind
    assert (words is None) == (remark is None)
    if remark:
        assert words == f"looks like numbers, but holds texts such as {remark}"


def test_decimal_commas():
    assert columns.kind_of(column("1,5", "2"), ",") == ("numbers", None)
    assert columns.as_numbers("c", column("1,5", "-0,25"), ",").tolist() == [
        1.5,
        -0.25,
    ]
    kind, words = columns.kind_of(column("1.234", "2,5", "3"), ",")
    assert kind == "categories" and "'1.234'" in words


@pytest.mark.parametrize(
    "cell",
    [
        "2020-01-31", "2020/1/31", "2020.01.31", "31.12.2020", "12/31/2020", "1/2/20",
        "31-12-2020", "2020-01", "31.12.20", "2020-01-31 10:30", "2020-01-31T10:30:00Z",
        "2020-01-31 10:30:00.123+02:00", "2020-01-31 10:30:00 UTC", "10:30", "10:30:59",
        "1:05 pm", "12 Jan 2020", "12-JAN-20", "January 12, 2020", "1/2/2020 9:00 AM",
    ],
)  # fmt: skip
def test_dates_and_times_of_texts(cell):
    assert columns.kind_of(column(cell, cell, "", "?")) == (
        "dates or times",
        None,
    )


@pytest.mark.parametrize(
    "cell",
    ["1.2.3", "10.20.30.40", "2020-13-01", "1234-56-78", "555-1234", "3-4", "A-1",
     "May", "20200131"],
)  # fmt: skip
def test_texts_that_are_no_dates(cell):
    assert columns.kind_of(column(cell, cell))[0] != "dates or times"


@pytest.mark.parametrize(
    ("values", "type_", "kind"),
    [
        ([1, None], pa.int8(), "numbers"),
        ([2**64 - 1, None], pa.uint64(), "numbers"),
        ([1.5, np.nan], pa.float32(), "numbers"),
        ([decimal.Decimal("1.50"), None], pa.decimal128(5, 2), "numbers"),
        ([True, None], pa.bool_(), "categories"),
        (["a", None], pa.string(), "categories"),
        (["a", None], pa.dictionary(pa.int8(), pa.string()), "categories"),
        (["2020-01-01", None], pa.string(), "dates or times"),
        ([datetime.date(2020, 1, 1), None], pa.date32(), "date32[day]"),
        ([datetime.time(1, 2), None], pa.time64("us"), "time64[us]"),
        ([datetime.datetime(2020, 1, 1), None], pa.timestamp("us"), "timestamp[us]"),
        ([datetime.timedelta(1), None], pa.duration("us"), "duration[us]"),
        ([[1], [2]], pa.list_(pa.int64()), "list<item: int64>"),
        ([b"x", None], pa.binary(), "binary"),
    ],
)
def test_kinds_of_parquet(values, type_, kind):
    got, _ = columns.kind_of(arrow(values, type_))
    assert got.replace("element", "item") == kind
    if got == "numbers":
        numbers = columns.as_numbers("c", arrow(values, type_))
        assert numbers.dtype == np.float64
        expected = [np.nan if v is None else float(v) for v in values]
        np.testing.assert_array_equal(numbers, expected)


def test_numbers_as_texts_of_parquet_are_told():
    assert columns.kind_of(arrow(["1", "2"])) == (
        "categories",
        "holds numbers as texts",
    )


@pytest.mark.parametrize("has_pyarrow", [True, False])
def test_numbers_are_read_to_the_last_bit(monkeypatch, has_pyarrow):
    if not has_pyarrow:  # which a CSV file does not need
        monkeypatch.setattr(columns, "_plain_numbers", lambda *_: None)
    rng = np.random.RandomState(0)
    values = np.r_[
        rng.normal(size=500) * 10.0 ** rng.randint(-300, 90, 500), 0.1, 1 / 3
    ]
    read = columns.as_numbers("c", column(*map(repr, values.tolist())))
    assert read.tobytes() == values.tobytes()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "x"], "column 'c' must hold numbers, but row 2 has 'x'"),
        (["inf", "1"], "column 'c' holds infinite values"),
        (["1", "1e200"], "column 'c' holds infinite values or ones beyond 1e[+]100"),
    ],
)
def test_errors_name_the_column(cells, message):
    with pytest.raises(columns.UsageError, match=message):
        columns.as_numbers("c", column(*cells))


def test_categories_are_the_same_whichever_way_a_frame_was_read():
    frames = [
        pd.DataFrame({"c": ["1", "2", " ", "x "], "b": ["TRUE", "false", "", "true"]}),
        pd.DataFrame({"c": [1.0, 2, None, "x"], "b": [True, False, None, True]}),
        pd.DataFrame(
            {
                "c": pd.Categorical(["1", "2", None, "x"]),
                "b": pd.Series([True, False, None, True], dtype="boolean"),
            }
        ),
    ]
    texts = [[["1", "True"], ["2", "False"], ["nan", "nan"], ["x", "True"]]] * 3
    assert [columns.as_text(frame).astype(str).tolist() for frame in frames] == texts
    numbers = pd.DataFrame({"c": [decimal.Decimal("2.00"), 1.5, np.inf]})
    assert columns.as_text(numbers)[:, 0].tolist() == ["2", "1.5", "inf"]


def fit(capsys, path, *options):
    """The output of a fit to the column y of a table."""
    assert main(["--data", str(path), "--target", "y", *QUICK, *options]) == 0
    return capsys.readouterr().out


def test_dates_are_left_out_and_named_in_both_formats(capsys, tmp_path):
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(i) for i in range(40)]
    frame = pd.DataFrame({"x": np.arange(40.0), "day": days, "y": np.arange(40) % 2})
    frame["at"] = [datetime.time(i % 24, 5) for i in range(40)]
    frame["when"] = pd.to_datetime(frame["day"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    out = fit(capsys, tmp_path / "t.csv", "--save", str(tmp_path / "m"))
    kind = "(dates or times)"
    assert f"left out: day {kind}, at {kind}, when {kind}\n" in out
    out = fit(capsys, tmp_path / "t.parquet")
    assert "left out: day (date32[day]), at (time64[us]), when (timestamp[" in out
    frame[["x"]].to_csv(tmp_path / "new.csv", index=False)  # the dates are not needed
    call = [
        "predict",
        tmp_path / "m",
        tmp_path / "new.csv",
        "--out",
        tmp_path / "p.csv",
    ]
    assert main([*map(str, call)]) == 0


def test_missing_marks_among_numbers(capsys, tmp_path):
    x = np.random.RandomState(0).normal(size=600)
    cells = ["?" if i % 17 == 0 else f" {v:.4f}" for i, v in enumerate(x)]
    frame = pd.DataFrame({"x": cells, "y": np.where(x > 0, " >50K", " <=50K")})
    frame["w"] = np.where(x > 1, " ?", " Private")
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = fit(capsys, tmp_path / "t.csv", "--max-iter", "150", "--hidden", "50")
    missing = 36 + int((x > 1).sum())
    assert f"features: 1 numbers, 1 categories, {missing} cells missing\n" in out
    assert "target y: 2 classes: <=50K " in out
    assert "looks like numbers" not in out
    assert float(re_score(out, "test accuracy")) > 0.9


def re_score(out, name):
    """The score of a row of the results."""
    return next(li for li in out.splitlines() if li.startswith(name)).split()[-1]


def test_texts_that_look_like_numbers_are_told(capsys, tmp_path):
    frame = pd.DataFrame({f"c{i}": ["1,234", "5"] * 20 for i in range(10)})
    frame["y"] = [0, 1] * 20
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = fit(capsys, tmp_path / "t.csv")
    assert (
        "column 'c0' looks like numbers, but holds texts such as '1,234': its cells "
        "are taken as categories (mend them, or leave the column out by --drop)\n"
        in out
    )
    assert "and 2 more columns like these\n" in out


def test_decimals_of_parquet_are_numbers(capsys, tmp_path):
    x = np.random.RandomState(0).normal(size=300)
    price = pa.array([decimal.Decimal(f"{v:.3f}") for v in x], pa.decimal128(10, 3))
    table = pa.table({"price": price, "b": x[::-1], "y": pa.array((x > 0).astype(int))})
    pq.write_table(table, tmp_path / "t.parquet")
    out = fit(capsys, tmp_path / "t.parquet", "--max-iter", "150", "--hidden", "50")
    assert "features: 2 numbers, 0 categories" in out
    assert float(re_score(out, "test accuracy")) > 0.9
