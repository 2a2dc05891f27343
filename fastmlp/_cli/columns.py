"""Columns of the command line's tables: their kinds, and their cells as values.

A column holds numbers, categories, or what the model cannot use, such as dates. A CSV
file does not say which, so its texts tell; Parquet has types.
"""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import NamedTuple

import numpy as np

from fastmlp._cli.table import UsageError, parse_number
from fastmlp._utils.numbers import written

NUMBERS, CATEGORIES = "numbers", "categories"
LARGEST = 1e100
# Cells that pandas takes as missing, and UCI's "?". "None" is not among them: among
# texts it is a word, such as "no basement".
TEXT_MARKS = frozenset(
    [
        *[
            "",
            "?",
            "#N/A",
            "#N/A N/A",
            "#NA",
            "<NA>",
            "N/A",
            "NA",
            "n/a",
            "NULL",
            "null",
        ],
        *["NaN", "nan", "-NaN", "-nan", "1.#IND", "1.#QNAN", "-1.#IND"],
        "-1.#QNAN",
    ]
)
# Among numbers these mean a missing cell too, in upper or lower case.
NUMBER_MARKS = frozenset(mark.lower() for mark in TEXT_MARKS) | frozenset(
    [
        *["-", "--", ".", "*", "none", "nil", "missing", "unknown"],
        *["#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"],
    ]
)
BOOLS = frozenset(["true", "false"])
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_NUMBER_OF_MONTH = "(0?[1-9]|1[0-2])"
_DAY = r"(0?[1-9]|[12]\d|3[01])"
_TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[ap]m)?"
_ZONE = r" ?(z|utc|gmt|[+-]\d{2}:?(\d{2})?)?"
_DATE = "|".join(
    [
        rf"\d{{4}}(?P<a>[-/.]){_NUMBER_OF_MONTH}(?P=a){_DAY}",
        r"(19|20)\d{2}-(0[1-9]|1[0-2])",
        rf"{_DAY}(?P<b>[-/.]){_DAY}(?P=b)(19|20)\d{{2}}",
        rf"{_DAY}/{_DAY}/\d{{2}}",
        r"[0-3]\d\.[01]\d\.\d{2}",
        rf"\d{{1,2}}[ -]{_MONTH}[ -]\d{{2}}(\d{{2}})?",
        rf"{_MONTH} \d{{1,2}},? \d{{4}}",
    ]
)
_WHEN = re.compile(rf"({_DATE})([t ]+{_TIME}{_ZONE})?|{_TIME}", re.I | re.ASCII)
# A number in other writing: "1,234", "12 %", "$5", "(3.50)"
_WRITTEN = re.compile(r"[(+-]?\s?[$€£¥]?\s?[+-]?\d[\d.,' ]*\s?[%$€£¥]?\)?", re.ASCII)


class Texts(NamedTuple):
    """The distinct texts of a column, and which of them each cell is."""

    codes: np.ndarray
    texts: list[str]  # the last one is "", for missing cells

    def values(self, distinct):
        """The cells, given the value of each distinct text."""
        return np.asarray(distinct)[self.codes]

    def share(self, of, among):
        """The share of the cells whose texts are ``of`` in those that are ``among``."""
        counts = np.bincount(self.codes, minlength=len(self.texts))
        return (counts * of * among).sum() / max((counts * among).sum(), 1)


def texts_of(column):
    """The texts of a column, whatever its type."""
    import pandas as pd

    codes, values = pd.factorize(column)
    codes = np.where(codes < 0, len(values), codes)  # missing cells: the last text
    values = np.asarray(values, dtype=object).tolist()
    return Texts(codes, [*map(as_written, values), ""])


def as_written(value):
    """A value as it would be written in a CSV file, without blanks around it."""
    return value.strip() if isinstance(value, str) else written(value)


def arrow_type(column):
    """The type of a Parquet column; None for the texts of a CSV file."""
    return getattr(column.dtype, "pyarrow_dtype", None)


def is_number_type(kind):
    """Return whether an Arrow type holds numbers."""
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def is_text_type(kind):
    """Return whether an Arrow type holds texts."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return is_text_type(kind.value_type)
    return types.is_string(kind) or types.is_large_string(kind)


def kind_of(column, decimal="."):
    """The kind of a column.

    Parameters
    ----------
    column : Series
        Of a ``Table``.
    decimal : {".", ","}, default="."
        The mark in numbers of a CSV file.

    Returns
    -------
    kind : str
        ``NUMBERS``, ``CATEGORIES`` or, for what cannot be used, words for it.
    remark : str or None
        A note about a column that looks like numbers and holds texts.
    """
    kind = arrow_type(column)
    if kind is not None and not is_text_type(kind):
        from pyarrow import types

        if types.is_boolean(kind) or types.is_dictionary(kind):
            return CATEGORIES, None
        return (NUMBERS if is_number_type(kind) else str(kind)), None
    if kind is None and _plain_numbers(column, decimal) is not None:
        return NUMBERS, None
    texts = texts_of(column)
    numeric = np.array([parse_number(t, decimal) is not None for t in texts.texts])
    if kind is None and _are_numbers(texts.texts, numeric):
        return NUMBERS, None
    present = np.array([t not in TEXT_MARKS for t in texts.texts])
    when = np.array([_WHEN.fullmatch(t) is not None for t in texts.texts])
    if texts.share(when, present) > 0.5:
        return "dates or times", None
    odd = present & ~numeric
    like = numeric | [_WRITTEN.fullmatch(t) is not None for t in texts.texts]
    if texts.share(like, present) <= 0.5:
        return CATEGORIES, None
    if not odd.any():
        return CATEGORIES, "holds numbers as texts"
    example = texts.texts[int(odd.argmax())]
    return CATEGORIES, f"looks like numbers, but holds texts such as {example!r}"


def _plain_numbers(column, decimal):
    """The cells of a CSV column if all are numbers or usually missing, else None.

    It finds nothing that a look at each text would not find, but sooner: most tables
    are long columns of distinct numbers.
    """
    try:
        import pyarrow as pa
        from pyarrow import compute
    except ImportError:
        return None
    if decimal != ".":
        return None
    cells, missing = pa.array(column), pa.array(column.isin(TEXT_MARKS))
    try:
        cells = compute.if_else(missing, pa.scalar(None, cells.type), cells)
        return compute.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None


def _are_numbers(texts, numeric):
    """Return whether the texts of a CSV column are numbers or missing."""
    if not numeric.any():
        return all(text in TEXT_MARKS for text in texts)
    rest = (text.lower() for text, known in zip(texts, numeric) if not known)
    return all(text in NUMBER_MARKS for text in rest)


def as_numbers(name, column, decimal="."):
    """The cells of a column as float64, NaN where missing.

    Parameters
    ----------
    name : str
        Of the column, for errors.
    column : Series
    decimal : {".", ","}, default="."

    Returns
    -------
    values : ndarray of shape (n_samples,)

    Raises
    ------
    UsageError
        If a cell is no number, or too large.
    """
    values, kind = None, arrow_type(column)
    if kind is None:
        values = _plain_numbers(column, decimal)
    elif is_number_type(kind):
        values = column.to_numpy(float, na_value=np.nan)
    if values is None:
        texts = texts_of(column)
        numbers = [_number(t, decimal) for t in texts.texts]
        wrong = texts.values([number is None for number in numbers])
        if wrong.any():
            row = int(wrong.argmax())
            raise UsageError(
                f"column {name!r} must hold numbers, but row {row + 1} has "
                f"{texts.texts[texts.codes[row]]!r}"
            )
        values = texts.values(np.array(numbers, float))
    check_size(f"column {name!r}", values)
    return values


def _number(text, decimal):
    """The number that a text is, NaN for a missing cell, None for another text."""
    number, text = parse_number(text, decimal), text.lower()
    if number is None and text in BOOLS:
        return float(text == "true")
    return np.nan if number is None and text in NUMBER_MARKS else number


def check_size(what, values):
    """Raise UsageError for numbers whose squares could overflow."""
    if (np.abs(values) > LARGEST).any():
        raise UsageError(f"{what} holds infinite values or ones beyond {LARGEST:g}")


def as_text(X):
    """Turn cells into str, and every kind of missing cell into NaN.

    Blanks around a text are dropped, whole floats lose their fraction and all ways to
    write a bool become one, so that a frame has the same categories whichever way it
    was read.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
        Categories as text, bools, numbers or values of a pandas category.

    Returns
    -------
    cells : ndarray of object of shape (n_samples, n_features)
    """
    return np.column_stack([as_categories(X[name]) for name in X])


def as_categories(column):
    """The cells of a column as str, NaN where missing."""
    texts = texts_of(column)
    distinct = np.empty(len(texts.texts), dtype=object)
    distinct[:] = [_category(text) for text in texts.texts]
    return texts.values(distinct)


def _category(text):
    """The category that a text is, NaN for a missing cell."""
    if text.lower() in BOOLS:
        return text.capitalize()
    return np.nan if text in TEXT_MARKS else text


def is_when(column):
    """Return whether a column holds dates, times or spans of time."""
    kind = arrow_type(column)
    if kind is None or is_text_type(kind):
        return kind_of(column)[0] == "dates or times"
    return isinstance(column.dropna().iloc[0], date | time | timedelta)
