"""One row of a table as the matrix that a network takes, in microseconds.

A row takes a fast way: dict look-ups and arithmetic of Python. Where a value needs a
closer look, such as None, an unknown level, a text among numbers or a scalar of NumPy,
the row goes through a careful way, which gives the same bits and names a wrong value.
"""

from __future__ import annotations

from math import isfinite, isinf, sqrt
from operator import itemgetter
from struct import Struct

import numpy as np

from fastmlp._data.rows import check_width
from fastmlp._tabular.columns import number, plain, size_error
from fastmlp._tabular.scaling import FAR, bound, scaled_number
from fastmlp._tabular.table import check_keys

_PLAIN = frozenset([float, int, bool])


class RowEncoder:
    """Encodes single rows as a ``TableEncoder`` does.

    Parameters
    ----------
    encoder : TableEncoder
        After its fit.
    """

    def __init__(self, encoder):
        self._encoder, self._dtype = encoder, encoder.dtype
        names = encoder.names
        self._numbers_at = encoder.number_columns.tolist()
        self._categories_at = encoder.category_columns.tolist()
        self._labels = names or list(range(encoder.n_features_in))
        scaling = list(zip(encoder.medians.tolist(), encoder.scales.tolist()))
        self._medians, self._scales = zip(*scaling) if scaling else ((), ())
        self._known = encoder.codes
        self._width = len(self._labels)
        self._pack = Struct(f"={self._width}{self._dtype.char}").pack_into
        # Values below it in magnitude have z within FAR, whatever their column
        self._far = min(
            (bound(scale) - abs(median) for median, scale in scaling), default=FAR
        )
        at = self._numbers_at, self._categories_at
        self._pickers = dict.fromkeys((list, tuple), tuple(map(_picker, at)))
        if names is not None:
            self._pickers[dict] = tuple(
                _picker([names[place] for place in places]) for places in at
            )

    def __call__(self, row):
        """The matrix of one row.

        Parameters
        ----------
        row : dict, list, tuple, ndarray or DataFrame
            A dict may leave out what is missing.

        Returns
        -------
        Z : ndarray of shape (1, n_numbers + n_categories)
        """
        pickers = self._pickers.get(type(row))
        if pickers is None or len(row) != self._width:
            return self._careful(row)
        pick_numbers, pick_categories = pickers
        try:
            values = pick_numbers(row)
            codes = [
                known[value] for known, value in zip(self._known, pick_categories(row))
            ]
            # Scalars of NumPy would compute in their own precision.
            if not _PLAIN.issuperset(map(type, values)):
                return self._careful(row)
            cells = [
                (z := (x - median) * scale) / sqrt(1 + (third := z / 3) * third)
                for x, median, scale in zip(values, self._medians, self._scales)
            ]
        except (TypeError, KeyError, OverflowError):
            return self._careful(row)
        if cells and not (
            -self._far < min(values) <= max(values) < self._far and isfinite(sum(cells))
        ):
            return self._careful(row)
        out = np.empty((1, self._width), self._dtype)
        self._pack(out, 0, *cells, *codes)
        return out

    def _careful(self, row):
        """The matrix of a row that may hold anything."""
        if hasattr(row, "columns") or hasattr(row, "column_names"):
            return self._encoder.transform(row)
        if isinstance(row, dict):
            names = self._encoder.names
            check_keys(row, names or [])
            cells = [row.get(name) for name in names]
        else:
            cells = row.tolist() if hasattr(row, "tolist") else list(row)
            check_width(len(cells), len(self._labels), "the encoder")
        encoded = []
        for place, median, scale in zip(self._numbers_at, self._medians, self._scales):
            value = number(cells[place], self._labels[place])
            if isinf(value):
                raise size_error(value, self._labels[place])
            encoded.append(scaled_number(value, median, scale))
        for place, known in zip(self._categories_at, self._known):
            encoded.append(known.get(plain(cells[place], self._labels[place]), 0))
        return np.array([encoded], dtype=self._dtype)


def _picker(keys):
    """A function that picks the values of some keys, as a sequence."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda row: [row[key] for key in keys]
