"""Targets of the command line's tables: which cells are missing, and the task."""

from __future__ import annotations

import re
from decimal import Decimal
from numbers import Integral, Real

import numpy as np

from fastmlp._cli.columns import (
    BOOLS,
    NUMBER_MARKS,
    arrow_type,
    check_size,
    is_number_type,
    is_text_type,
    is_when,
    texts_of,
)
from fastmlp._cli.table import UsageError, parse_number

MAX_NUMERIC_CLASSES = 20
REGRESSION = ("regression", "multi-output regression")
_WHOLE = re.compile(r"[+-]?\d{1,100}", re.ASCII)


class Targets:
    """The targets of a table.

    Parameters
    ----------
    frame : DataFrame
        The targets only, as a ``Table`` holds them.
    task : {"auto", "classification", "regression"}
    decimal : {".", ","}
        The mark in numbers of a CSV file.

    Attributes
    ----------
    missing : ndarray of bool of shape (n_samples,)
        The rows of which a target is missing.
    notes : list of str
        Facts that a user might not expect.
    """

    def __init__(self, frame, task, decimal):
        self.task, self.decimal = task, decimal
        self.n_targets = frame.shape[1]
        self.notes = []
        self.missing = np.zeros(len(frame), dtype=bool)
        self.cells = {}
        for name in frame:
            self.cells[name], missing = self._cells(name, frame[name])
            self.missing |= missing

    def _cells(self, name, column):
        """The cells of a target as objects, and which of them are missing."""
        kind = arrow_type(column)
        missing = column.isna().to_numpy()
        if self.task != "classification" and not missing.all() and is_when(column):
            raise UsageError(
                f"target {name!r} holds dates or times, which are no quantities; "
                "--task classification takes each of them as a class"
            )
        if kind is None:
            return self._cells_of_texts(name, column)
        cells = column.to_numpy(object, na_value=None)
        if is_number_type(kind):
            return cells, missing | (cells != cells)  # NaN is missing
        if is_text_type(kind):
            texts = texts_of(column)
            return texts.values(_objects(texts.texts)), texts.values(
                [text == "" for text in texts.texts]
            )
        return cells, missing

    def _cells_of_texts(self, name, column):
        """The cells of a target of a CSV file, and which of them are missing."""
        texts = texts_of(column)
        values = self._values(name, {text for text in texts.texts if text})
        cells = [values.get(text) for text in texts.texts]
        return texts.values(_objects(cells)), texts.values(
            [cell is None for cell in cells]
        )

    def _values(self, name, texts):
        """Values of the different texts of a target; None for a gap.

        Only an empty cell is always missing: "None" and "NA" may be classes. Where the
        other cells are quantities, they can be nothing but gaps.
        """
        if {text.lower() for text in texts} <= BOOLS:
            return {text: text.lower() == "true" for text in texts}
        values = {text: self._number(text) for text in texts}
        marks = sorted(text for text in texts if values[text] is None)
        numbers = {number for number in values.values() if number is not None}
        if not numbers or any(mark.lower() not in NUMBER_MARKS for mark in marks):
            return {text: text for text in texts}
        quantities = self._are_quantities(numbers)
        if marks:
            meaning = "missing" if quantities else "a class"
            remedy = (
                "" if quantities else "; leave such cells empty if they are missing"
            )
            self.notes.append(
                f"target {name!r}: {marks[0]!r} is taken as {meaning}{remedy}"
            )
        if quantities or not (marks or any(map(_is_padded, texts))):
            return values
        return {text: text for text in texts}

    def _number(self, text):
        """The number of a text, exactly where it is whole; None for other texts."""
        return int(text) if _WHOLE.fullmatch(text) else parse_number(text, self.decimal)

    def _are_quantities(self, numbers):
        """Return whether the numbers of a target are quantities, not classes."""
        if self.n_targets > 1 or self.task != "auto":
            return self.n_targets > 1 or self.task == "regression"
        are_whole = all(isinstance(n, int) or n.is_integer() for n in numbers)
        return not are_whole or len(numbers) > MAX_NUMERIC_CLASSES

    def values_and_task(self):
        """The targets of the rows that have them all, and the task in words.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        task : str
        """
        arrays = {n: _array(cells[~self.missing]) for n, cells in self.cells.items()}
        first, *others = arrays.values()
        task = self.task
        if task == "auto":
            quantities = first.dtype.kind == "f" or (
                first.dtype.kind in "iu" and len(np.unique(first)) > MAX_NUMERIC_CLASSES
            )
            if others:
                quantities = not all(map(_is_label, arrays.values()))
            task = "regression" if quantities else "classification"
        for name, array in arrays.items():
            _check(name, array, task, alone=not others)
        if task == "regression":
            y = np.column_stack([array.astype(float) for array in arrays.values()])
            return (y, REGRESSION[1]) if others else (y[:, 0], REGRESSION[0])
        if others:
            y = np.column_stack([array.astype(int) for array in arrays.values()])
            return y, "multi-label classification"
        if first.dtype.kind == "f":  # scikit-learn refuses fractions as classes
            first = _objects([str(value) for value in first])
        kind = "binary" if len(np.unique(first)) == 2 else "multi-class"
        return first, f"{kind} classification"


def _check(name, array, task, alone):
    """Raise UsageError unless a target can be learnt."""
    if task == "regression" and array.dtype.kind == "O":
        example = next((v for v in array if parse_number(v, ".") is None), array[0])
        raise UsageError(
            f"regression needs numbers; target {name!r} holds text such as {example!r}"
        )
    if task == "classification" and not alone and not _is_label(array):
        raise UsageError(
            f"several targets must be labels 0 and 1 to be classified; {name!r} "
            "holds other values"
        )
    if array.dtype.kind == "f":
        check_size(f"target {name!r}", array)
    if (array == array[0]).all():
        what = "value" if task == "regression" else "class"
        raise UsageError(f"target {name!r} has one {what} only: {array[0]}")


def _objects(values):
    """A list as an array of objects."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _is_padded(text):
    """Return whether a text is a code such as 007, whose zeros a number would lose."""
    return len(text) > 1 and text[0] == "0" and text.isdecimal()


def _array(cells):
    """Cells as an array of bool, int64, uint64, float64 or else of str as objects."""
    kinds = set(map(type, cells))
    if kinds == {bool}:
        return cells.astype(bool)
    if bool in kinds or not all(issubclass(kind, Real | Decimal) for kind in kinds):
        return _objects([str(cell) for cell in cells])
    values = cells.astype(float)
    are_ids = all(issubclass(kind, Integral) for kind in kinds)
    if not are_ids:  # whole floats are those of a column with missing cells
        are_ids = (np.abs(values) < 2**53).all() and (values == np.floor(values)).all()
    if not are_ids:
        return values
    ids = [int(cell) for cell in cells]
    for kind in (np.int64, np.uint64):
        if np.iinfo(kind).min <= min(ids) and max(ids) <= np.iinfo(kind).max:
            return np.array(ids, kind)
    if len(set(ids)) <= MAX_NUMERIC_CLASSES:
        return _objects([str(number) for number in ids])
    return values


def _is_label(array):
    """Return whether an array holds 0 and 1 only."""
    return array.dtype.kind in "biu" and np.isin(array, (0, 1)).all()
