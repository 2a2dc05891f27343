"""Summaries of columns: what an encoder learns of them, of a table or of its parts.

a) A category is its distinct values and how often each one occurs. Those of several
   parts add up, so levels and counts are exact.
b) The quartiles of numbers are exact for one part. Of several, each part hands over at
   most ``MOST_POINTS`` of its values, each for a block of as many neighbours in
   ascending order. The rank of a merged quartile is off by half a block of each part at
   most: by one row in 2,000.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastmlp._tables.columns import size_error
from fastmlp._tables.levels import MOST_LEVELS, codes_of, is_missing, levels_of
from fastmlp._tables.scaling import robust_scale, scale_of_counts
from fastmlp._utils.warnings import warn

MOST_POINTS = 1024
_FEWEST_ROWS = 20  # from which a column of distinct values is remarkable


class NumberSummary(NamedTuple):
    """A column of numbers in some rows.

    Attributes
    ----------
    label : object
        Name or position of the column.
    n_rows : int
    points, counts : ndarray
        Values in ascending order, and for how many each one stands.
    ends : (float, float)
        The smallest and the largest value; 0 where there is none.
    scaling : (float, float) or None
        Median and scale, where these rows are all that there are.
    """

    label: object
    n_rows: int
    points: np.ndarray
    counts: np.ndarray
    ends: tuple
    scaling: tuple | None

    is_category, mixture = False, None

    @property
    def is_empty(self):
        """Return whether all cells are missing."""
        return not len(self.points)


class CategorySummary(NamedTuple):
    """A category in some rows.

    Attributes
    ----------
    label : object
    n_rows : int
    values : list
        Distinct plain values that occur.
    counts : ndarray
        How often each one does.
    n_missing : int
        Cells without a value, beside those among the values.
    mixture : str or None
        A text beside which there are numbers.
    """

    label: object
    n_rows: int
    values: list
    counts: np.ndarray
    n_missing: int
    mixture: str | None

    is_category = True

    @property
    def is_empty(self):
        """Return whether all cells are missing."""
        return all(map(is_missing, self.values))


def number_summary(column, rows, is_alone):
    """The summary of a column of numbers in some of its rows; None for all."""
    values = finite_numbers(column)
    values = values if rows is None else values[rows]
    n_rows, values = len(values), values[~np.isnan(values)]
    scaling = robust_scale(values.copy()) if is_alone else None
    values.sort()
    ends = (float(values[0]), float(values[-1])) if len(values) else (0.0, 0.0)
    edges = np.linspace(0, len(values), min(len(values), MOST_POINTS) + 1).astype(int)
    points = values[(edges[:-1] + edges[1:]) // 2]
    return NumberSummary(column.label, n_rows, points, np.diff(edges), ends, scaling)


def category_summary(column, rows):
    """The summary of a category in some of its rows; None for all."""
    places, values = column.factors()
    places = places if rows is None else places[rows]
    seen = np.bincount(places + 1, minlength=len(values) + 1)
    n_missing, seen = int(seen[0]), seen[1:]
    values = [value for value, n in zip(values, seen) if n]
    return CategorySummary(
        column.label, len(places), values, seen[seen > 0], n_missing, column.mixture
    )


def summaries_of(table, chosen, rows, is_alone):
    """The summary of each column of a table in some of its rows.

    Parameters
    ----------
    table : Table
    chosen : ndarray of bool or None
        Which columns are categories; None goes by their types.
    rows : ndarray of intp
    is_alone : bool
        Whether these rows are all that there are.
    """
    found = []
    for place in range(table.n_columns):
        column = table.read(place)
        if column.is_category if chosen is None else chosen[place]:
            found.append(category_summary(column, rows))
        else:
            found.append(number_summary(column, rows, is_alone))
    return found


def merged(parts, warns, warns_of_mixtures):
    """Median and scale of numbers, and levels and counts of categories.

    A column whose cells are all missing in a part is of the kind of the other parts.

    Parameters
    ----------
    parts : list of (list of summary or None)
        Of all columns for each part; None without rows.
    warns, warns_of_mixtures : bool

    Returns
    -------
    numbers : dict of int to (float, float)
    categories : dict of int to (ndarray, ndarray)

    Raises
    ------
    ValueError
        If a column is of numbers in one part and a category in another.
    """
    numbers, categories = {}, {}
    numbered = [(number, part) for number, part in enumerate(parts) if part is not None]
    for place, column in enumerate(zip(*(part for _, part in numbered))):
        known = [
            (number, of) for (number, _), of in zip(numbered, column) if not of.is_empty
        ]
        (first, kind), *others = known or [(0, column[0])]
        for number, of in others:
            if of.is_category != kind.is_category:
                raise _conflict((first, kind), (number, of))
        if not kind.is_category:
            numbers[place] = _merged_scale([of for _, of in known])
            continue
        if warns_of_mixtures:
            mixtures = [of.mixture for of in column if of.mixture is not None]
            warn_of_mixture(kind.label, mixtures[0] if mixtures else None)
        categories[place] = levels_and_counts(_merged_category(column), warns)
    return numbers, categories


def _conflict(*two):
    """The ValueError about a column of two kinds."""
    (first, kind), (second, other) = sorted(two, key=lambda of: of[1].is_category)
    return ValueError(
        f"Column {kind.label!r} holds numbers in partition {first}, but categories "
        f"such as {other.values[0]!r} in partition {second}. Give it one type in all "
        "of them, or name the categories by categorical_features."
    )


def _merged_scale(parts):
    """Median and scale of the numbers of some parts."""
    if len(parts) == 1 and parts[0].scaling is not None:
        return parts[0].scaling
    if not parts:
        return 0.0, 0.0
    low, high = zip(*(of.ends for of in parts))
    return scale_of_counts(
        np.concatenate([of.points for of in parts]),
        np.concatenate([of.counts for of in parts]),
        min(low),
        max(high),
    )


def _merged_category(parts):
    """The summary of a category over all parts."""
    counts, n_missing = {}, 0
    for of in parts:
        if not of.is_category:  # and empty
            n_missing += of.n_rows
            continue
        n_missing += of.n_missing
        for value, n in zip(of.values, of.counts.tolist()):
            counts[value] = counts.get(value, 0) + n
    return CategorySummary(
        parts[0].label,
        sum(of.n_rows for of in parts),
        list(counts),
        np.array(list(counts.values()), dtype=np.int64),
        n_missing,
        None,
    )


def finite_numbers(column):
    """The numbers of a column, NaN where missing; ValueError for infinite ones."""
    values = column.numbers()
    infinite = np.isinf(values)
    if infinite.any():
        raise size_error(values[infinite.argmax()], column.label)
    return values


def levels_and_counts(category, warns):
    """The levels of a category, and how often each code occurs.

    Parameters
    ----------
    category : CategorySummary
    warns : bool
        Whether to warn of one that identifies rows.
    """
    label, values = category.label, category.values
    levels = levels_of(values)
    if len(levels) >= MOST_LEVELS:
        raise ValueError(
            f"Column {label!r} has {len(levels)} levels, but a category may have "
            f"{MOST_LEVELS - 1}. Leave it out, or group its values."
        )
    if warns and len(levels) == category.n_rows >= _FEWEST_ROWS:
        warn(
            f"Column {label!r} is a category with as many levels as rows, "
            f"{len(levels)}. It says nothing about other rows: leave it out if it "
            "identifies a row, or convert it if it holds numbers or dates as text."
        )
    codes = codes_of(levels)
    counts = np.bincount(
        np.array([codes.get(value, 0) for value in values], dtype=np.intp),
        category.counts,
        minlength=len(levels) + 1,
    )
    counts[0] += category.n_missing
    return levels, counts.astype(np.int64)


def warn_of_mixture(label, text):
    """Warn of a category with numbers beside a text; None for one without."""
    if text is not None:
        warn(
            f"Column {label!r} holds numbers, and texts such as {text!r}; it is taken "
            "as categories. If the texts stand for missing values, replace them by "
            "None."
        )
