"""One row of a table as the matrix that a network takes, in microseconds.

A plain row is encoded by the core. Where a value needs a closer look, such as a text
among numbers or a scalar of NumPy, the row goes through a careful way in Python, which
gives the same bits and names a wrong value.
"""

from __future__ import annotations

from math import isinf

import numpy as np

from fastmlp._core.raw_row import RowReader
from fastmlp._data.rows import check_names, check_width, column_names
from fastmlp._tables.columns import number, plain, size_error
from fastmlp._tables.scaling import bound, scaled_number
from fastmlp._tables.table import check_keys


class RowEncoder:
    """Encodes single rows as a ``TableEncoder`` does.

    Parameters
    ----------
    encoder : TableEncoder
        After its fit.
    reader : str, default="the encoder"
        The reader of the row, for the messages.

    Attributes
    ----------
    of_plain : RowReader
        Encodes rows of plain values.
    """

    def __init__(self, encoder, reader="the encoder"):
        self._names, self._dtype, self._reader = encoder.names, encoder.dtype, reader
        self._numbers_at = encoder.number_columns.tolist()
        self._categories_at = encoder.category_columns.tolist()
        self._labels = self._names or list(range(encoder.n_features_in))
        self._scaling = list(zip(encoder.medians.tolist(), encoder.scales.tolist()))
        self._codes = encoder.codes
        bounds = [bound(scale) for _, scale in self._scaling]
        self.of_plain = RowReader(
            self._names,
            np.array(self._numbers_at + self._categories_at, dtype=np.intp),
            np.array([encoder.medians, encoder.scales, bounds]),
            encoder.codes,
            self._dtype,
        )

    def __call__(self, row):
        """The matrix of one row.

        Parameters
        ----------
        row : dict, list, tuple, Series or ndarray of shape (n_features,)
            A dict may leave out what is missing.

        Returns
        -------
        Z : ndarray of shape (1, n_numbers + n_categories)

        Raises
        ------
        ValueError
            If the row has other columns, or a column holds what it must not.
        """
        Z = self.of_plain.encode(row)
        return self._careful(row) if Z is None else Z

    def _careful(self, row):
        """The matrix of a row that may hold anything."""
        if isinstance(row, dict):
            check_keys(row, self._names or [])
            cells = [row.get(name) for name in self._names]
        else:
            check_names(column_names(row), self._names)
            cells = row.tolist() if hasattr(row, "tolist") else list(row)
            check_width(len(cells), len(self._labels), self._reader)
        encoded = []
        for place, (median, scale) in zip(self._numbers_at, self._scaling):
            value = number(cells[place], self._labels[place])
            if isinf(value):
                raise size_error(value, self._labels[place])
            encoded.append(scaled_number(value, median, scale))
        for place, codes in zip(self._categories_at, self._codes):
            value = plain(cells[place], self._labels[place])
            encoded.append(codes.get(value, 0))
        return np.array([encoded], dtype=self._dtype)
