"""Targets of the command line's tables: missing cells, classes, quantities."""

import datetime
import decimal

import numpy as np
import pytest

from fastmlp._cli.table import UsageError
from fastmlp._cli.targets import Targets

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
BIG = 2**63


def texts(*cells, task="auto", decimal="."):
    """A target of a CSV file."""
    return Targets(pd.DataFrame({"y": cells}, dtype=str), task, decimal)


def typed(cells, kind, task="auto"):
    """A target of a Parquet file."""
    frame = pa.table({"y": pa.array(cells, kind)}).to_pandas(types_mapper=pd.ArrowDtype)
    return Targets(frame, task, ".")


def learnt(targets):
    """The values that are left, their kind and the task."""
    y, task = targets.values_and_task()
    return y.tolist(), y.dtype.kind, task.removesuffix(" classification")


@pytest.mark.parametrize(
    ("cells", "values", "kind", "task"),
    [
        (["None", "NA", "", "x"], ["None", "NA", "x"], "O", "multi-class"),
        (["null", "nan"], ["null", "nan"], "O", "binary"),
        (["?", "-", "?"], ["?", "-", "?"], "O", "binary"),
        (["0", "1", "NA", ""], ["0", "1", "NA"], "O", "multi-class"),
        (["1.5", "NA", "2", "?"], [1.5, 2.0], "f", "regression"),
        (["1", "2.0", ""], [1, 2], "i", "binary"),
        (["true", "FALSE", ""], [True, False], "b", "binary"),
        (["True", "False", "NA"], ["True", "False", "NA"], "O", "multi-class"),
        (["007", "010", "007"], ["007", "010", "007"], "O", "binary"),
        (["1,234", "5"], ["1,234", "5"], "O", "binary"),
        ([f"{BIG}", f"{BIG + 1}"], [BIG, BIG + 1], "u", "binary"),
        ([f"{BIG - 1}", f"{BIG - 2}"], [BIG - 1, BIG - 2], "i", "binary"),
        ([f"{-BIG}", f"{1 - BIG}"], [-BIG, 1 - BIG], "i", "binary"),
        (["-1", f"{BIG}", f"{BIG + 1}"], ["-1", f"{BIG}", f"{BIG + 1}"], "O",
         "multi-class"),
        ([f"{10**30}", f"{10**30 + 1}"], [f"{10**30}", f"{10**30 + 1}"], "O", "binary"),
        ([f"{BIG}", f"{BIG + 1}", ""], [BIG, BIG + 1], "u", "binary"),
    ],
)  # fmt: skip
def test_targets_of_texts(cells, values, kind, task):
    targets = texts(*cells)
    assert learnt(targets) == (values, kind, task)
    assert targets.missing.sum() == len(cells) - len(values)


@pytest.mark.parametrize(
    ("cells", "values", "task"),
    [
        ([decimal.Decimal("1.00"), decimal.Decimal("2.00"), None], [1, 2], "binary"),
        ([decimal.Decimal("1.50"), decimal.Decimal("2.00")], [1.5, 2.0], "regression"),
        ([BIG, BIG + 1, None], [BIG, BIG + 1], "binary"),
        ([2**53 + 1, 2**53, None], [2**53 + 1, 2**53], "binary"),
        ([1.5, np.nan, None, 2.0], [1.5, 2.0], "regression"),
        ([1.0, np.nan, 2.0], [1, 2], "binary"),
        (["None", " NA", "", None], ["None", "NA"], "binary"),
        (["1", "2"], ["1", "2"], "binary"),
        ([True, None, False], [True, False], "binary"),
    ],
)
def test_targets_of_parquet(cells, values, task):
    kinds = {decimal.Decimal: pa.decimal128(5, 2)}
    kind = pa.uint64() if BIG in cells else kinds.get(type(cells[0]))
    got = learnt(typed(cells, kind))
    assert (got[0], got[2]) == (values, task)
    assert got[1] != "f" or task == "regression"


def test_many_ids_are_quantities():
    ids = [str(10**30 + i) for i in range(30)]
    assert learnt(texts(*ids, "5"))[1:] == ("f", "regression")
    assert learnt(texts(*map(str, range(30)), task="classification"))[1] == "i"


def test_what_is_not_plain_is_told():
    assert texts("1.5", "NA", "2").notes == ["target 'y': 'NA' is taken as missing"]
    (note,) = texts("0", "1", "NA").notes
    assert note.startswith(
        "target 'y': 'NA' is taken as a class; leave such cells empty"
    )
    assert texts("a", "NA").notes == []
    assert texts("0", "1", "NA", task="regression").missing.tolist() == [0, 0, 1]


def test_decimal_commas():
    assert learnt(texts("1,5", "-2,25", decimal=","))[0] == [1.5, -2.25]


@pytest.mark.parametrize(
    "targets",
    [
        lambda **task: texts("2020-01-01", "2020-01-02", "", **task),
        lambda **task: typed([datetime.date(2020, 1, i) for i in (1, 2)], None, **task),
        lambda **task: typed(
            pd.to_datetime(["2020-01-01", "2020-01-02"]), None, **task
        ),
        lambda **task: typed(
            [datetime.timedelta(1), datetime.timedelta(2)], None, **task
        ),
        lambda **task: typed(["10:30", None, "10:31"], None, **task),
    ],
)
def test_dates_are_refused_unless_classes_are_asked_for(targets):
    with pytest.raises(UsageError, match="target 'y' holds dates or times"):
        targets()
    assert learnt(targets(task="classification"))[2] == "binary"


@pytest.mark.parametrize(
    ("cells", "task", "message"),
    [
        (["1", "x"], "regression", "target 'y' holds text such as 'x'"),
        (["inf", "1"], "auto", "target 'y' holds infinite values"),
        (["1", "1"], "auto", "target 'y' has one class only: 1"),
    ],
)
def test_errors_name_the_target(cells, task, message):
    with pytest.raises(UsageError, match=message):
        texts(*cells, task=task).values_and_task()
