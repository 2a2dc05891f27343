"""The input of a fitted model, from a table: its columns, as the model knows them."""

from __future__ import annotations

import re

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer

from fastmlp._cli.columns import (
    BOOLS,
    CATEGORIES,
    NUMBERS,
    TEXT_MARKS,
    as_categories,
    as_numbers,
    as_text,
    as_written,
    kind_of,
    texts_of,
)
from fastmlp._cli.table import (
    UsageError,
    header_hint,
    header_note,
    parse_number,
    read_table,
)
from fastmlp._mlp.pipeline import without_search
from fastmlp._tabular.base import BaseTabularMLP

_WITH_ZERO = re.compile(r"[+-]?\d+\.0", re.ASCII)


def read_input(model, path, options):
    """Read the columns of a table that a model needs, in its order.

    The kind of a column does not follow from the new cells, which may lack the one text
    among numbers, but from the encoders and scalers of the model.

    Parameters
    ----------
    model : estimator
        Fitted.
    path : str
    options : argparse.Namespace
        With the options of `add_format_options`.

    Returns
    -------
    X : DataFrame or ndarray
        A DataFrame where the model has names of features.
    notes : list of str
        The cells that reading left out, and how many values of which column the model
        does not know.

    Raises
    ------
    UsageError
        If a column is missing, or does not hold what the model takes.
    """
    table = read_table(path, options)  # which tells if there is no pandas
    import pandas as pd

    frame, notes = table.frame, list(table.notes)
    names = _names_of(model)
    is_nameless = names is None
    if is_nameless:
        names = list(frame.columns)
        expected = getattr(model, "n_features_in_", len(names))
        if len(names) != expected:
            raise UsageError(
                f"{path} has {len(names)} columns, but the model has {expected} "
                f"features without names{header_hint(table)}"
            )
        notes += header_note(table)
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise UsageError(
            f"{path} has no column {missing[0]!r}, which the model needs"
            + (f" (and {len(missing) - 1} more)" if len(missing) > 1 else "")
            + header_hint(table)
        )
    inner = without_search(getattr(model, "regressor_", model))
    takes_all = isinstance(inner, BaseTabularMLP)
    known = _columns_of_table if takes_all else _columns_of_pipeline
    encoders, numbers = known(inner, names)
    columns = {}
    for name in names:
        column = frame[name]
        try:
            if name in encoders:
                columns[name], unknown = _encoded(
                    name, column, encoders[name], takes_all
                )
                notes += [unknown] if unknown else []
            elif name in numbers:
                columns[name] = as_numbers(name, column, options.decimal)
            else:
                columns[name] = _inferred(name, column, options.decimal)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
    X = pd.DataFrame(columns)
    return (X.to_numpy() if is_nameless else X), notes


def _names_of(model):
    """The names of the features of a model, or None."""
    names = getattr(model, "feature_names_in_", None)
    if names is None and hasattr(model, "steps"):
        names = getattr(model[0], "feature_names_in_", None)
    return None if names is None else list(names)


def _columns_of_table(model, names):
    """The columns of a table as an estimator for tables knows them.

    Returns
    -------
    encoders : dict
        By name of a column: the levels that it has in training.
    numbers : set
        Names of columns of numbers.
    """
    encoder = model._model.encoder
    categories = [names[place] for place in encoder.category_columns]
    encoders = dict(zip(categories, encoder.levels))
    return encoders, {names[place] for place in encoder.number_columns}


def _columns_of_pipeline(model, names):
    """The columns of a table as a pipeline or a model of numbers knows them.

    Returns
    -------
    encoders : dict
        By name of a column: the categories that an encoder knows.
    numbers : set
        Names of columns that are scaled, or imputed by a number.
    """
    if not hasattr(model, "steps"):
        return {}, set(names) if hasattr(model, "coefs_") else set()
    first = model[0]
    parts = [(first, names)]
    if isinstance(first, ColumnTransformer):
        parts = [(part, columns) for _, part, columns in first.transformers_]
    encoders, numbers = {}, set()
    for part, columns in parts:
        if not isinstance(columns, list | np.ndarray) or not len(columns):
            continue
        columns = [c if isinstance(c, str) else names[c] for c in columns]
        steps = [step for _, step in part.steps] if hasattr(part, "steps") else [part]
        for step in steps:
            categories = getattr(step, "categories_", None)
            if categories is not None and len(categories) == len(columns):
                encoders.update(zip(columns, categories))
            elif _takes_numbers(step):
                numbers.update(columns)
            if not (isinstance(step, SimpleImputer) or _cleans_text(step)):
                break  # the next step sees other values than the table holds
    return encoders, numbers - set(encoders)


def _cleans_text(step):
    """Return whether a step is the one that the command line puts before an encoder."""
    return getattr(step, "func", None) is as_text


def _takes_numbers(step):
    """Return whether a fitted step has learnt numbers of its columns."""
    if isinstance(step, SimpleImputer):
        return step.statistics_.dtype.kind == "f"
    return hasattr(step, "coefs_") or getattr(step, "scale_", None) is not None


def _encoded(name, column, categories, takes_all):
    """The cells of a column as an encoder knows them, and words for unknown ones.

    Unless the encoder takes cells of all types, those of numbers must be numbers.
    """
    texts = texts_of(column)
    known = {as_written(c): c for c in categories if c == c and c is not None}
    are_objects = takes_all or all(isinstance(c, str) for c in known.values())
    values, unknown = [], []
    for text in texts.texts:
        value = _known_value(text, known)
        unknown.append(value is None)
        values.append(text if value is None else value)
    if not are_objects:
        wrong = [
            new and parse_number(text) is None
            for new, text in zip(unknown, texts.texts)
        ]
        if any(wrong):
            example = texts.texts[wrong.index(True)]
            raise UsageError(
                f"column {name!r} must hold numbers, as the model was fitted, but it "
                f"has {example!r}"
            )
        values = [float(v) if new else v for v, new in zip(values, unknown)]
    cells = np.empty(len(values), dtype=object)
    cells[:] = values
    cells = texts.values(cells)
    count = int(texts.values(unknown).sum())
    words = None
    if count:
        example = texts.texts[unknown.index(True)]
        words = (
            f"column {name!r}: {count:,} of {len(cells):,} values are unknown to the "
            f"model, such as {example!r}"
        )
    return (cells if are_objects else np.array(cells.tolist())), words


def _known_value(text, known):
    """The category that a text means, NaN for a missing cell, None if it is unknown."""
    spellings = [text, text.capitalize() if text.lower() in BOOLS else text]
    if _WITH_ZERO.fullmatch(text):  # whole numbers beside a gap, as pandas writes them
        spellings.append(text[:-2])
    for spelling in spellings:
        if spelling in known:
            return known[spelling]
    return np.nan if text in TEXT_MARKS else None


def _inferred(name, column, decimal):
    """The cells of a column of which the model tells nothing."""
    kind, _ = kind_of(column, decimal)
    if kind == NUMBERS:
        return as_numbers(name, column, decimal)
    if kind == CATEGORIES:
        cells = as_categories(column)
        if set(cells) <= {"True", "False"}:
            return cells == "True"
        return cells
    return column.tolist()  # dates, of which pandas sees the kind
