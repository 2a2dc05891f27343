"""The problem that the command line solves: features, targets and task."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from fastmlp._cli.columns import (
    CATEGORIES,
    NUMBERS,
    as_categories,
    as_numbers,
    as_text,
    kind_of,
)
from fastmlp._cli.table import (
    MAX_SHOWN,
    UsageError,
    check_names,
    header_hint,
    header_note,
    read_table,
    some,
)
from fastmlp._cli.targets import REGRESSION, Targets

MAX_CATEGORIES = 100
MIN_ROWS = 10


class Problem(NamedTuple):
    """Data to learn from, and how their columns become features of an MLP."""

    facts: list[str]
    X: object
    y: np.ndarray
    task: str
    prepare: object
    names: list[str]  # of the targets
    columns: list[str]  # names of the columns of X
    categories: list[str]  # those that hold categories; the others hold numbers


def load_problem(options):
    """Read a table and split it into features and targets.

    Parameters
    ----------
    options : argparse.Namespace
        With ``data``, the file; ``target`` and ``drop``, names of columns to predict
        and to leave out; ``task``; and the options of `add_format_options`. The task
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
    table = read_table(options.data, options)
    frame = table.frame
    names = list(dict.fromkeys(options.target))
    check_names(table, names)
    dropped = _dropped(table, options.drop, names)
    if frame.shape[1] == len(names) + len(dropped):
        raise UsageError("the table has no other columns than the targets")
    facts = [f"{options.data}: {len(frame):,} rows, {frame.shape[1]} columns"]
    facts += table.notes + header_note(table)
    targets = Targets(frame[names], options.task, options.decimal)
    kept = ~targets.missing
    if not kept.all():
        facts.append(f"{(~kept).sum():,} rows dropped: their target is missing")
    if kept.sum() < MIN_ROWS:
        raise UsageError(
            f"{options.data}: {kept.sum()} rows with a target, at least {MIN_ROWS} are "
            f"needed{header_hint(table)}"
        )
    y, task = targets.values_and_task()
    X = frame.drop(columns=names + dropped)[kept].reset_index(drop=True)
    X, categories, words = _features(X, dropped, options.decimal)
    facts += [*words, *targets.notes, f"task: {task}"]
    values = y.T if y.ndim == 2 else [y]
    ranges = [_describe(name, of, task) for name, of in zip(names, values)]
    facts += ranges[:MAX_SHOWN]
    if len(names) > MAX_SHOWN:
        facts.append(f"and {len(names) - MAX_SHOWN} more targets")
    columns = list(X.columns)
    numbers = [name for name in columns if name not in set(categories)]
    prepare = _transformer(numbers, categories)
    return Problem(facts, X, y, task, prepare, names, columns, categories)


def _dropped(table, lists, targets):
    """The columns of --drop: each use names one, or several between commas."""
    names = []
    for text in lists or ():
        is_one = text in table.frame.columns
        names += [text] if is_one else [name.strip() for name in text.split(",")]
    names = list(dict.fromkeys(names))
    check_names(table, names)
    both = [name for name in names if name in targets]
    if both:
        raise UsageError(f"column {both[0]!r} is both --target and --drop")
    return names


def _features(raw, dropped, decimal):
    """The features with their types, names of the categories, and both in words."""
    import pandas as pd

    numbers, categories, left_out, notes = {}, {}, list(dropped), []
    for name in raw:
        kind, remark = kind_of(raw[name], decimal)
        if kind == NUMBERS:
            numbers[name] = as_numbers(name, raw[name], decimal)
        elif kind == CATEGORIES:
            categories[name] = as_categories(raw[name])
        else:
            left_out.append(f"{name} ({kind})")
        if remark:
            notes.append(
                f"column {name!r} {remark}: its cells are taken as categories (mend "
                "them, or leave the column out by --drop)"
            )
    if not numbers and not categories:
        raise UsageError(f"no column can be used; left out: {some(left_out)}")
    types = numbers | categories
    X = pd.DataFrame({name: types[name] for name in raw if name in types})
    parts = [f"{len(numbers)} numbers", f"{len(categories)} categories"]
    parts.append(f"{X.isna().to_numpy().sum():,} cells missing")
    if left_out:
        parts.append(f"left out: {some(left_out)}")
    words = [f"features: {', '.join(parts)}", *notes[:MAX_SHOWN]]
    if len(notes) > MAX_SHOWN:
        words.append(f"and {len(notes) - MAX_SHOWN} more columns like these")
    return X, list(categories), words


def _transformer(numbers, categories):
    """The transformer of columns of numbers and of categories."""
    impute = {"keep_empty_features": True}
    return ColumnTransformer(
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


def _describe(name, column, task):
    """Classes and their shares, or the range, of one target."""
    if task in REGRESSION:
        return (
            f"target {name}: {column.min():.6g} to {column.max():.6g}, "
            f"mean {column.mean():.6g}, standard deviation {column.std():.6g}"
        )
    classes, counts = np.unique(column, return_counts=True)
    shares = [f"{c} {n / len(column):.1%}" for c, n in zip(classes, counts)]
    return f"target {name}: {len(classes)} classes: {some(shares)}"
