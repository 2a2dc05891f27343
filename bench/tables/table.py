"""The tables: those that scikit-learn ships and folders of CSV files."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype
from sklearn import datasets
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

SHIPPED = ("iris", "wine", "breast_cancer", "digits", "diabetes")
MOST_CLASSES = 20  # a target of more different integers is a number
TEST_SHARE = 0.2
FIRST_SEED = 2000
TARGETS = "targets.json"


class Rows(NamedTuple):
    """A frame, categories as ``category`` and gaps as NaN, its target and the task."""

    X: pd.DataFrame
    y: np.ndarray
    task: str


class Table:
    """A table, which is read when its rows are asked for."""

    def __init__(self, name, path=None, facts=None):
        self.name, self.path, self.facts = name, path, facts or {}

    @cached_property
    def rows(self):
        """The rows; the columns are called x0, x1, ..., which every library takes."""
        frame, y, task = self._csv() if self.path else self._shipped()
        frame.columns = [f"x{i}" for i in range(frame.shape[1])]
        return Rows(frame, y, task)

    def _shipped(self):
        """A set of scikit-learn."""
        name = self.name.split("/")[-1]
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        task = "regression" if name == "diabetes" else "classification"
        return pd.DataFrame(X), y, task

    def _csv(self):
        """A file of CSV with what ``targets.json`` says about it."""
        frame = pd.read_csv(self.path, low_memory=False)
        frame = frame.dropna(subset=[self.facts.get("target", frame.columns[-1])])
        y = frame.pop(self.facts.get("target", frame.columns[-1]))
        task = self.facts.get("task") or task_of(y)
        named = set(self.facts.get("categorical", []))
        for column in frame.columns:
            values = frame[column]
            is_category = not is_numeric_dtype(values) or is_bool_dtype(values)
            if is_category or column in named:
                levels = values.astype(object).where(values.isna(), values.astype(str))
                frame[column] = levels.astype("category")
        y = y.astype(str) if task == "classification" else y.astype(float)
        return frame.reset_index(drop=True), y.to_numpy(), task

    def split(self, number):
        """The rows to train with and those to test with, the same on every machine.

        Classes keep their shares, unless one of them has a single row.
        """
        X, y, task = self.rows
        is_stratified = task == "classification" and min(_counts(y)) > 1
        cut = StratifiedShuffleSplit if is_stratified else ShuffleSplit
        cut = cut(1, test_size=TEST_SHARE, random_state=FIRST_SEED + number)
        return next(cut.split(X, y))


def _counts(y):
    """The number of rows of each class."""
    return np.unique(y, return_counts=True)[1]


def task_of(y):
    """The task of a target: words and few different integers are classes."""
    if not is_numeric_dtype(y) or is_bool_dtype(y):
        return "classification"
    is_label = is_integer_dtype(y) and y.nunique() <= MOST_CLASSES
    return "classification" if is_label else "regression"


def shipped():
    """The tables of scikit-learn."""
    return [Table(f"sklearn/{name}") for name in SHIPPED]


def in_folder(folder):
    """A table for each CSV file of a folder, the smallest file first.

    The target is the last column.  ``targets.json`` beside the files may say more: the
    name of a file without its ending -> the name of its target, or an object of
    ``target``, ``task`` (classification, regression) and ``categorical``, a list of
    columns.
    """
    folder = Path(folder)
    described = {}
    if (folder / TARGETS).is_file():
        described = json.loads((folder / TARGETS).read_text())
    tables = []
    for path in sorted(folder.glob("*.csv"), key=lambda path: path.stat().st_size):
        facts = described.get(path.stem, {})
        facts = {"target": facts} if isinstance(facts, str) else facts
        tables.append(Table(f"{folder.resolve().name}/{path.stem}", str(path), facts))
    return tables
