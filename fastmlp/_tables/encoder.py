"""A table as the matrix that a network takes: scaled numbers and codes of categories.

a) What a column is, numbers or a category, is decided by the whole of X; medians,
   scales and levels are those of the rows of the training part.
b) The matrix is filled column by column, so that beside it there are a few columns in
   float64 at most.
"""

from __future__ import annotations

import numpy as np

from fastmlp._data.rows import check_width, compare_names, known_frame
from fastmlp._tables.content import is_count, read_content
from fastmlp._tables.levels import MOST_LEVELS, are_levels, codes_of, is_missing
from fastmlp._tables.scaling import one_hot_table, robust_scale, scaled
from fastmlp._tables.summaries import (
    category_summary,
    finite_numbers,
    levels_and_counts,
    merged,
    warn_of_mixture,
)
from fastmlp._tables.table import read_table
from fastmlp._utils.numbers import float_dtype
from fastmlp._utils.spelling import did_you_mean
from fastmlp._utils.warnings import warn


class TableEncoder:
    """Numbers and categories of a table as a matrix.

    Parameters
    ----------
    categorical_features : "from_dtype", None, list or mask, default="from_dtype"
        Which columns are categories: those of text, objects, categories and bools;
        none; those of the names or positions in a list; those where a mask is True. By
        type, a column of objects that are numbers or missing is one of numbers.
    max_one_hot : float, default=8
        The largest number of levels that are one-hot columns.
    dtype : dtype, default=float32
        Of the matrix, float32 or float64.

    Attributes
    ----------
    n_features_in, n_numbers : int
        Columns of the table, and how many of them are numbers.
    feature_names_in : ndarray of object or None
    number_columns, category_columns : ndarray of int
        Positions in the table, in ascending order.
    medians, scales : ndarray of float64 of shape (n_numbers,)
    levels : list of ndarray
        For each category the values that it has in training, in ascending order.
    codes : list of dict
        For each category the codes of its levels, from 1.
    tables : list of ndarray or None
        For each category the inputs of the network, a row for each code, or None where
        they are an embedding that is to be learnt.
    """

    def __init__(
        self, categorical_features="from_dtype", max_one_hot=8, dtype=np.float32
    ):
        self.categorical_features = categorical_features
        self.max_one_hot = max_one_hot
        self.dtype = float_dtype(dtype)

    def fit(self, X, rows=None, warns=True):
        """Take over columns, scales and levels.

        Parameters
        ----------
        X : DataFrame, Table, ndarray, or list of rows or dicts
        rows : ndarray of int or bool, default=None
            Rows of the training part; None for all.
        warns : bool, default=True
            Whether to warn of odd columns; False for the second fit to the same table.

        Returns
        -------
        self : TableEncoder

        Raises
        ------
        ValueError
            If a column cannot be used; self is as it was.
        """
        table = read_table(X)
        n_columns = table.n_columns
        chosen = chosen_columns(self.categorical_features, table.names, n_columns)
        numbers, categories = {}, {}
        for place in range(n_columns):
            column = table.read(place)
            if column.is_category if chosen is None else chosen[place]:
                if warns and chosen is None:
                    warn_of_mixture(column.label, column.mixture)
                found = category_summary(column, rows)
                categories[place] = levels_and_counts(found, warns)
            else:
                values = finite_numbers(column)
                numbers[place] = robust_scale(values if rows is None else values[rows])
        self._take(table.names, n_columns, numbers, categories)
        return self

    def fit_parts(self, names, parts, warns=True):
        """Take over columns, scales and levels of the parts of a table.

        Levels and how often they occur are exact; the quartiles of numbers are those of
        ``summaries.merged``.

        Parameters
        ----------
        names : list of str or None
            Of the columns.
        parts : list of (list of summary or None)
            Those of ``summaries.summaries_of`` for each part, None without rows.
        warns : bool, default=True

        Returns
        -------
        self : TableEncoder

        Raises
        ------
        ValueError
            If a column cannot be used; self is as it was.
        """
        by_type = isinstance(self.categorical_features, str)
        numbers, categories = merged(parts, warns, warns and by_type)
        self._take(names, len(numbers) + len(categories), numbers, categories)
        return self

    def _take(self, names, n_columns, numbers, categories):
        """Take over what was found of each column, by its position.

        Parameters
        ----------
        names : list of str or None
        n_columns : int
        numbers : dict of int to (float, float)
            Median and scale.
        categories : dict of int to (ndarray, ndarray)
            Levels and counts.
        """
        tables = [
            one_hot_table(counts) if len(levels) <= self.max_one_hot else None
            for levels, counts in categories.values()
        ]
        self._use(
            names=names,
            n_columns=n_columns,
            number_columns=np.array(list(numbers), dtype=np.intp),
            category_columns=np.array(list(categories), dtype=np.intp),
            scaling=np.array(list(numbers.values())).reshape(-1, 2),
            levels=[levels for levels, _ in categories.values()],
            tables=[of if of is None else of.astype(self.dtype) for of in tables],
        )

    def _use(
        self,
        names,
        n_columns,
        number_columns,
        category_columns,
        scaling,
        levels,
        tables,
    ):
        """Set what a fit finds."""
        self.feature_names_in = None if names is None else np.array(names, dtype=object)
        self.n_features_in, self.n_numbers = n_columns, len(number_columns)
        self.number_columns, self.category_columns = number_columns, category_columns
        self.medians, self.scales = np.ascontiguousarray(scaling.T)
        self.levels, self.tables = levels, tables
        self.codes = [codes_of(of) for of in levels]

    def __getstate__(self):
        state = vars(self).copy()
        state.pop("codes", None)  # follow from levels, and JSON has texts as keys only
        return state

    def __setstate__(self, state):
        vars(self).update(state)
        if "levels" in state:
            self.codes = [codes_of(of) for of in self.levels]

    @property
    def names(self):
        """The names of the columns as a list, or None."""
        known = self.feature_names_in
        return None if known is None else known.tolist()

    def transform(self, X, reader="the encoder"):
        """The matrix of a table.

        Parameters
        ----------
        X : DataFrame, Table, ndarray, or list of rows or dicts
            With the columns of ``fit``. Dicts may leave out what is missing.
        reader : str, default="the encoder"
            The reader of X, for the messages.

        Returns
        -------
        Z : ndarray of shape (n_rows, n_numbers + n_categories)
            First the numbers, NaN where missing, then the code of each category, 0
            where it is missing or no level.

        Raises
        ------
        ValueError
            If X has other columns, or a column holds what it must not.
        """
        X = known_frame(X)
        compare_names(X, self.names, reader)
        table = read_table(X, self.names)
        check_width(table.n_columns, self.n_features_in, reader)
        width = self.n_numbers + len(self.category_columns)
        Z = np.empty((table.n_rows, width), dtype=self.dtype)
        scaling = zip(self.medians.tolist(), self.scales.tolist())
        for out, (at, of) in enumerate(zip(self.number_columns.tolist(), scaling)):
            Z[:, out] = scaled(finite_numbers(table.read(at)), *of)
        known = zip(self.codes, self.levels)
        for out, (at, of) in enumerate(
            zip(self.category_columns.tolist(), known), self.n_numbers
        ):
            Z[:, out] = _codes(table.read(at), *of)
        return Z

    def content(self):
        """All that there is to keep, as plain data.

        Returns
        -------
        content : dict
            Of numbers, texts, and arrays and lists of such.
        """
        return {
            "max_one_hot": self.max_one_hot,
            "dtype": self.dtype.name,
            "n_features_in": self.n_features_in,
            "feature_names_in": self.feature_names_in,
            "category_columns": self.category_columns.astype(np.int64),
            "medians": self.medians,
            "scales": self.scales,
            "levels": list(self.levels),
            "tables": list(self.tables),
        }

    @classmethod
    def from_content(cls, content):
        """The encoder that ``content`` came from.

        Raises
        ------
        ValueError
            If the parts do not fit one another.
        """
        most, dtype, n_columns, names, chosen, *scaling, levels, tables = read_content(
            content, _KINDS, "encoder"
        )
        shape = (n_columns - len(chosen),) if chosen.ndim == 1 else ()
        if not (
            is_count(n_columns)
            and all(of.shape == shape and of.dtype == np.float64 for of in scaling)
            and all(np.isfinite(of).all() for of in scaling)
            and (scaling[1] >= 0).all()
            and chosen.dtype == np.int64
            and (np.diff(chosen, prepend=-1, append=n_columns) > 0).all()
            and (names is None or _are_names(names, n_columns))
        ):
            raise ValueError("its columns do not fit one another.")
        if dtype not in ("float32", "float64"):
            raise ValueError(f"its encoder has the impossible dtype {dtype!r}.")
        if not (
            len(chosen) == len(levels) == len(tables)
            and all(map(are_levels, levels))
            and all(len(of) < MOST_LEVELS for of in levels)
            and all(_is_table(*of, dtype) for of in zip(tables, levels))
        ):
            raise ValueError(
                "its levels and tables of categories do not fit one another."
            )
        encoder = cls(chosen.tolist(), most, dtype)
        chosen = chosen.astype(np.intp)
        encoder._use(
            names=None if names is None else names.tolist(),
            n_columns=n_columns,
            number_columns=np.setdiff1d(np.arange(n_columns, dtype=np.intp), chosen),
            category_columns=chosen,
            scaling=np.column_stack(scaling),
            levels=levels,
            tables=tables,
        )
        return encoder


_KINDS = {
    "max_one_hot": (int, float),
    "dtype": str,
    "n_features_in": int,
    "feature_names_in": (np.ndarray, type(None)),
    "category_columns": np.ndarray,
    "medians": np.ndarray,
    "scales": np.ndarray,
    "levels": list,
    "tables": list,
}


def _are_names(names, n_columns):
    """Return whether this is an array of as many different texts."""
    return (
        names.dtype == object
        and names.shape == (n_columns,)
        and all(isinstance(name, str) for name in names)
        and len(set(names)) == n_columns
    )


def _is_table(table, levels, dtype):
    """Return whether these can be the inputs for the codes of a category."""
    return table is None or (
        isinstance(table, np.ndarray)
        and table.dtype == dtype
        and table.ndim == 2
        and len(table) == len(levels) + 1
    )


def chosen_columns(categorical_features, names, n_columns):
    """A mask of the columns that are categories; None where their types say it.

    Parameters
    ----------
    categorical_features : "from_dtype", None, list or mask
    names : list of str or None
    n_columns : int

    Raises
    ------
    ValueError
        If a column is not there or named twice, or a mask has another length.
    """
    mask = np.zeros(n_columns, dtype=bool)
    if categorical_features is None:
        return mask
    if isinstance(categorical_features, str):
        if categorical_features == "from_dtype":
            return None
        raise ValueError(
            "categorical_features must be 'from_dtype', None, a list of names or "
            f"positions, or a mask, got {categorical_features!r}. For a single column "
            f"pass [{categorical_features!r}]."
        )
    given = [
        of.item() if isinstance(of, np.generic) else of for of in categorical_features
    ]
    if given and all(isinstance(of, bool) for of in given):
        if len(given) != n_columns:
            raise ValueError(
                f"categorical_features is a mask of {len(given)} values, but X has "
                f"{n_columns} columns."
            )
        return np.array(given)
    for of in given:
        place = _position(of, names, n_columns)
        if mask[place]:
            raise ValueError(f"categorical_features names column {of!r} twice.")
        mask[place] = True
    return mask


def _position(of, names, n_columns):
    """The position of a column that is given by name or position."""
    if isinstance(of, str):
        if names is None:
            raise ValueError(
                f"categorical_features names column {of!r}, but the columns of X have "
                "no names. Give their positions, or pass a frame."
            )
        if of not in names:
            raise ValueError(
                f"categorical_features names column {of!r}, which X does not have."
                f"{did_you_mean(of, names)}"
            )
        return names.index(of)
    if isinstance(of, bool) or not isinstance(of, int):
        raise ValueError(
            "categorical_features must hold names, positions or one bool for each "
            f"column, got {of!r}."
        )
    if not -n_columns <= of < n_columns:
        raise ValueError(
            f"categorical_features gives position {of}, but X has {n_columns} columns."
        )
    return of


def _codes(column, known, levels):
    """The codes of a category's cells; a warning if all are of another kind."""
    places, values = column.factors()
    codes = np.array([known.get(value, 0) for value in values] + [0])
    if len(levels) and not codes.any():
        present = [value for value in values if not is_missing(value)]
        are_texts = isinstance(levels[0], str)
        if present and all(isinstance(of, str) != are_texts for of in present):
            warn(
                f"All values of column {column.label!r} are unknown: it holds values "
                f"such as {present[0]!r}, while in training it held values such as "
                f"{levels.tolist()[0]!r}. Convert it to what it was."
            )
    return codes[places]
