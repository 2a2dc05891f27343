"""Tables of the command line: reading, the task, and the columns as numbers."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

SUFFIXES = (".csv", ".csv.gz", ".parquet")
MAX_NUMERIC_CLASSES = 20
MAX_CATEGORIES = 100
MIN_ROWS = 10
MAX_SHOWN = 8
LARGEST = 1e100
REGRESSION = ("regression", "multi-output regression")


class UsageError(Exception):
    """What was asked for cannot be done; the message is one line for the user."""


class Problem(NamedTuple):
    """Data to learn from, and how their columns become numbers."""

    facts: list[str]
    X: object
    y: np.ndarray
    task: str
    prepare: object
    names: list[str]  # of the targets


def one_line(error):
    """The message of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def load_problem(path, names, task):
    """Read a table and split it into features and targets.

    Parameters
    ----------
    path : str
        File with one of the ``SUFFIXES``.
    names : list of str
        Columns to predict.
    task : {"auto", "classification", "regression"}
        "auto" takes text, categories and bools as classes; whole numbers as classes up
        to ``MAX_NUMERIC_CLASSES`` different ones; and any other numbers as quantities.
        Several targets are labels where all are 0 or 1, quantities otherwise.

    Returns
    -------
    problem : Problem

    Raises
    ------
    UsageError
        If the file or a column cannot be used.
    """
    frame = read_table(path)
    names = list(dict.fromkeys(names))
    _check_names(frame, names)
    facts = [f"{path}: {len(frame):,} rows, {frame.shape[1]} columns"]
    missing = frame[names].isna().any(axis=1)
    if missing.any():
        facts.append(f"{missing.sum():,} rows dropped: their target is missing")
        frame = frame[~missing]
    if len(frame) < MIN_ROWS:
        raise UsageError(
            f"{path}: {len(frame)} rows with a target, at least {MIN_ROWS} are needed"
        )
    y, task = _targets(frame, names, task)
    X = frame.drop(columns=names)
    prepare, kinds = _preparation(X)
    facts += [f"features: {kinds}", f"task: {task}"]
    columns = y.T if y.ndim == 2 else [y]
    ranges = [_describe(name, column, task) for name, column in zip(names, columns)]
    facts += ranges[:MAX_SHOWN]
    if len(names) > MAX_SHOWN:
        facts.append(f"and {len(names) - MAX_SHOWN} more targets")
    return Problem(facts, X, y, task, prepare, names)


def read_table(path):
    """Read the table of a file.

    Parameters
    ----------
    path : str
        With one of the ``SUFFIXES``.

    Returns
    -------
    frame : DataFrame

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UsageError(
            'reading a table needs pandas: pip install "fastmlp[table]"'
        ) from None
    if not path.lower().endswith(SUFFIXES):
        raise UsageError(f"{path}: the suffix must be one of {', '.join(SUFFIXES)}")
    if not Path(path).is_file():
        raise UsageError(f"{path}: no such file")
    twice = []
    try:
        if path.lower().endswith(".parquet"):
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, low_memory=False)
            # pandas renames a column that occurs twice, so look at the file
            header = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].dropna()
            twice = list(header[header.duplicated()])
    except ImportError:
        raise UsageError(
            'reading Parquet needs pyarrow: pip install "fastmlp[table]"'
        ) from None
    except Exception as error:  # the readers raise errors of many libraries
        raise UsageError(f"{path} cannot be read: {one_line(error)}") from None
    if frame.empty:
        raise UsageError(f"{path}: the table is empty")
    if twice:
        raise UsageError(f"the column name {twice[0]!r} occurs twice")
    return frame.rename(columns=str)


def _check_names(frame, names):
    """Raise UsageError unless the targets are columns, and others remain."""
    for name in names:
        if name in frame.columns:
            continue
        near = difflib.get_close_matches(name, frame.columns, cutoff=0.5)
        hint = f"near: {', '.join(near)}" if near else f"there are {_some(list(frame))}"
        if frame.shape[1] == 1:
            hint += "; are its cells separated by commas?"
        raise UsageError(f"there is no column {name!r}; {hint}")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise UsageError(f"the column name {twice!r} occurs twice")
    if frame.shape[1] == len(names):
        raise UsageError("the table has no other columns than the targets")


def _some(names):
    """The first few of some names."""
    return ", ".join(names[:MAX_SHOWN]) + (", ..." if len(names) > MAX_SHOWN else "")


def _targets(frame, names, task):
    """The targets as an array of one or two dimensions, and the task."""
    arrays = {name: _plain_target(name, frame[name]) for name in names}
    first = arrays[names[0]]
    if task == "auto":
        quantities = first.dtype.kind == "f" or (
            first.dtype.kind == "i" and len(np.unique(first)) > MAX_NUMERIC_CLASSES
        )
        if len(names) > 1:
            quantities = not all(_is_label(array) for array in arrays.values())
        task = "regression" if quantities else "classification"
    for name, array in arrays.items():
        if task == "regression" and array.dtype.kind == "O":
            raise UsageError(f"regression needs numbers; target {name!r} holds text")
        if task == "classification" and len(names) > 1 and not _is_label(array):
            raise UsageError(
                f"several targets must be labels 0 and 1 to be classified; {name!r} "
                "holds other values"
            )
        if (array == array[0]).all():
            what = "value" if task == "regression" else "class"
            raise UsageError(f"target {name!r} has one {what} only: {array[0]}")
    if task == "regression":
        y = np.column_stack([array.astype(float) for array in arrays.values()])
        return (y, REGRESSION[1]) if len(names) > 1 else (y[:, 0], REGRESSION[0])
    if len(names) > 1:
        y = np.column_stack([array.astype(int) for array in arrays.values()])
        return y, "multi-label classification"
    if first.dtype.kind == "f":  # scikit-learn refuses fractions as classes
        first = np.array([str(value) for value in first], dtype=object)
    kind = "binary" if len(np.unique(first)) == 2 else "multi-class"
    return first, f"{kind} classification"


def _plain_target(name, column):
    """A target as bool, int64, float64 or, for all else, an object array of str."""
    column = type(column)(column.tolist())  # pandas sees the kind of the values anew
    kind = column.dtype.kind
    if kind not in "biuf":
        return np.array([str(value) for value in column], dtype=object)
    values = column.to_numpy()
    if kind == "f":
        _check_size(f"target {name!r}", values)
        if (values == np.floor(values)).all() and np.abs(values).max() < 2**53:
            return values.astype(np.int64)  # as of whole numbers with missing cells
    return values if kind != "u" else values.astype(float)


def _check_size(what, values):
    """Raise UsageError for numbers whose squares could overflow."""
    if (np.abs(values) > LARGEST).any():
        raise UsageError(f"{what} holds infinite values or ones beyond {LARGEST:g}")


def _is_label(array):
    """Whether an array holds 0 and 1 only."""
    return array.dtype.kind in "bi" and np.isin(array, (0, 1)).all()


def _preparation(X):
    """The transformer of the features, and what it takes and leaves out in words."""
    from pandas.api import types

    numbers, categories, left_out = [], [], []
    for name, dtype in X.dtypes.items():
        if types.is_bool_dtype(dtype):
            categories.append(name)
        elif types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
            numbers.append(name)
        elif (
            types.is_string_dtype(dtype)
            or types.is_object_dtype(dtype)
            or isinstance(dtype, types.CategoricalDtype)
        ):
            categories.append(name)
        else:
            left_out.append(f"{name} ({dtype})")
    for name in numbers:
        values = X[name].to_numpy(dtype=float, na_value=np.nan)
        _check_size(f"column {name!r}", values)
    if not numbers and not categories:
        raise UsageError(f"no column can be used; left out: {_some(left_out)}")
    parts = [f"{len(numbers)} numbers", f"{len(categories)} categories"]
    parts.append(f"{X.isna().to_numpy().sum():,} cells missing")
    if left_out:
        parts.append(f"left out: {_some(left_out)}")
    impute = {"keep_empty_features": True}
    transformer = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(
                    SimpleImputer(strategy="median", **impute), StandardScaler()
                ),
                numbers,
            ),
            (
                "categories",
                make_pipeline(
                    FunctionTransformer(as_text, feature_names_out="one-to-one"),
                    SimpleImputer(strategy="most_frequent", **impute),
                    OneHotEncoder(
                        handle_unknown="ignore",
                        min_frequency=2,
                        max_categories=MAX_CATEGORIES,
                    ),
                ),
                categories,
            ),
        ]
    )
    return transformer, ", ".join(parts)


def as_text(X):
    """Turn cells into str, and every kind of missing cell into NaN.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
        Categories as text, bools, or values of a pandas category.

    Returns
    -------
    cells : ndarray of object of shape (n_samples, n_features)
    """
    cells = np.frompyfunc(str, 1, 1)(X.to_numpy(dtype=object))
    cells[X.isna().to_numpy()] = np.nan
    return cells


def _describe(name, column, task):
    """Classes and their shares, or the range, of one target."""
    if task in REGRESSION:
        return (
            f"target {name}: {column.min():.6g} to {column.max():.6g}, "
            f"mean {column.mean():.6g}, standard deviation {column.std():.6g}"
        )
    classes, counts = np.unique(column, return_counts=True)
    shares = [f"{c} {n / len(column):.1%}" for c, n in zip(classes, counts)]
    return f"target {name}: {len(classes)} classes: {_some(shares)}"
