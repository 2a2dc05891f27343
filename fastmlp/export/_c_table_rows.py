"""The rows of the self-test of a model of a table in C, and what they must give."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastmlp._data.rows import known_frame
from fastmlp._tables.scaling import scaled
from fastmlp._tables.table import read_table
from fastmlp.export import _c_literals as literals

_N_WRITTEN, _N_RANDOM = 4, 256


class SelfTestRows(NamedTuple):
    """Raw numbers and codes of rows, and the outputs that the C code has to return."""

    numbers: np.ndarray
    codes: np.ndarray
    expected: np.ndarray
    is_of_only_class: bool

    @classmethod
    def of(cls, snapshot, X, real):
        """Those of some raw rows, or random ones, in a precision."""
        encoder = snapshot.model.encoder
        found = _random_rows(encoder) if X is None else _rows(encoder, X)
        expected, is_only = _outputs(snapshot, *found, real)
        are_finite = np.isfinite(expected).all(axis=1)
        if not are_finite.all():
            which = "the random rows" if X is None else "X"
            raise ValueError(
                f"row {are_finite.argmin()} of {which} has an output that is infinite "
                f"in {real}; pass X, typical rows"
                + (", or use dtype='float64'." if real == np.float32 else ".")
            )
        return cls(*found, expected, is_only)

    def words(self, real):
        """Arrays and arguments of the self-test, from the first rows."""
        n_rows = min(_N_WRITTEN, len(self.expected))
        size = max(1.0, float(np.abs(self.expected).max()))
        arrays, arguments = [], []
        for name, kind, rows in (
            ("numbers", "double", [list(map(_number, row)) for row in self.numbers]),
            ("codes", "int", [list(map(str, row)) for row in self.codes.tolist()]),
        ):
            if rows[0]:
                texts = [f"{{{literals.lines(row)}}}" for row in rows[:n_rows]]
                arrays.append(
                    f"static const {kind} {name}[{n_rows}][{len(rows[0])}] = {{\n    "
                    + ",\n    ".join(texts)
                    + "};"
                )
            arguments.append(f"{name}[row]" if rows[0] else "0")
        return {
            "n_rows": n_rows,
            "row_arrays": "\n    ".join(arrays),
            "row_arguments": ", ".join(arguments),
            "expected": literals.table(self.expected[:n_rows], real),
            "unit": literals.number(size, real),
        }


def _number(value):
    """The literal of a raw number."""
    return "NAN" if value != value else literals.number(value, np.dtype(np.float64))


def _rows(encoder, X):
    """Numbers and codes of raw rows."""
    Z = encoder.transform(X, "to_c")
    table = read_table(known_frame(X), encoder.names)
    numbers = np.empty((len(Z), encoder.n_numbers))
    for column, at in zip(numbers.T, encoder.number_columns.tolist()):
        column[:] = table.read(at).numbers()
    return numbers, Z[:, encoder.n_numbers :].astype(int)


def _random_rows(encoder):
    """Rows that are scattered as in training, with some gaps."""
    generator = np.random.RandomState(0)
    noise = generator.normal(size=(_N_RANDOM, encoder.n_numbers))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        numbers = encoder.medians + noise / encoder.scales
    numbers = np.where(np.isfinite(numbers), numbers, encoder.medians)
    numbers[1::3, ::2] = np.nan
    codes = np.empty((_N_RANDOM, len(encoder.levels)), dtype=int)
    for column, levels in zip(codes.T, encoder.levels):
        column[:] = generator.randint(len(levels) + 1, size=_N_RANDOM)
    return numbers, codes


def _outputs(snapshot, numbers, codes, real):
    """The outputs for some rows in a precision, and whether there is only one class."""
    model, encoder = snapshot.model, copy.copy(snapshot.model.encoder)
    encoder.dtype = real
    bounds = None if model.bounds is None else model.bounds.astype(real)
    model = replace(
        model, encoder=encoder, weights=model.weights.astype(real), bounds=bounds
    )
    scaling = zip(numbers.T, encoder.medians.tolist(), encoder.scales.tolist())
    columns = [scaled(of.copy(), median, scale) for of, median, scale in scaling]
    columns += list(codes.T)
    outputs = model.encoded_outputs(np.column_stack(columns).astype(real))
    classes = snapshot.classes
    if classes is not None and len(classes) == 1 and not snapshot.is_multilabel:
        return np.ones_like(outputs[:, :1]), True
    if model.objective.loss == "gaussian_nll":
        mean, log_variance = np.split(outputs, 2, axis=1)
        outputs = np.hstack([mean, np.exp(0.5 * log_variance)])
    return outputs, False
