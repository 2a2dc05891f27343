"""The nodes of an ONNX graph from the raw columns of a table to the first layer.

a) Members go side by side along a first axis, so that their number adds no node.
b) Numbers are scaled in float64, as in training, whatever the dtype of the graph.
c) Categories that are numbers are compared with all their levels at once; those that
   are texts have a LabelEncoder each.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from fastmlp._tables.scaling import bound
from fastmlp.export._onnx_preparation import look_up
from fastmlp.export._source import check_distinct

_DOUBLE, _INT64, _STRING = 11, 7, 8  # element types of ONNX


class ColumnInputs:
    """Raw columns, and what they give to the first layer.

    Parameters
    ----------
    graph : object
        With ``node``, ``constant``, ``taken`` and ``opset`` of ``_Helper``.
    encoder : TableEncoder
    dtype : dtype

    Attributes
    ----------
    inputs : list of (name, element type, shape)
        One for each column, or one for all where columns without names are numbers.
    """

    def __init__(self, graph, encoder, dtype):
        self.graph, self.encoder, self.dtype = graph, encoder, dtype
        self.real = graph.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        self.category_columns = encoder.category_columns.tolist()
        self.texts = {
            column
            for column, levels in zip(self.category_columns, encoder.levels)
            if levels.dtype == object
        }
        columns = range(encoder.n_features_in)
        numeric = [column for column in columns if column not in self.texts]
        self.places = {column: place for place, column in enumerate(numeric)}
        if encoder.names is None and not self.texts:
            self.inputs = [("X", self.real, ["n_samples", len(columns)])]
        else:
            names = encoder.names or [f"x{column}" for column in columns]
            self.inputs = [
                (name, _STRING if at in self.texts else self.real, ["n_samples", 1])
                for at, name in enumerate(names)
            ]
        graph.taken.update(name for name, *_ in self.inputs)
        if len(self.inputs) == 1:
            self.numbers = self.inputs[0][0]
        elif numeric:
            self.numbers = self._joined([self.inputs[at][0] for at in numeric], axis=1)

    def first_layer(self, weights):
        """The inputs of the first layer (n_members, n, n_inputs), and their order.

        Parameters
        ----------
        weights : TableWeights
            Of all members.

        Returns
        -------
        x : str
        rows : ndarray of int of shape (n_inputs,)
            The row of the first matrix that belongs to each input.
        """
        widths = [table.shape[2] for table in weights.tables]
        n_numbers, width = weights.missing.shape[1:]
        starts = np.cumsum([n_numbers * width, *widths])
        blocks = self._of_numbers(weights) if n_numbers else []
        order = sorted(
            range(len(widths)), key=lambda at: (widths[at], self._is_text(at))
        )
        for width, group in groupby(order, widths.__getitem__):
            if width:
                group = list(group)
                rows = starts[group][:, np.newaxis] + np.arange(width)
                blocks.append((self._of_levels(weights.tables, group), rows.ravel()))
        names, rows = zip(*blocks)
        return self._joined(names, axis=2), np.concatenate(rows)

    def _of_numbers(self, weights):
        """Inputs that numbers give, and their rows of the first matrix, in blocks."""
        embedding, (_, n_numbers, width) = weights.embedding, weights.missing.shape
        missing = weights.missing[:, np.newaxis]
        rows = np.arange(n_numbers * width).reshape(n_numbers, width)
        x = self._cells(self.encoder.number_columns.tolist())
        is_known = self._node("Equal", x, x)  # runtimes lack IsNaN of float64
        x = self._scaled(x)
        plain = self._node("Where", is_known, x, self._constant(missing[..., -1]))
        blocks = [(plain, rows[:, -1])]
        if embedding is None:
            return blocks
        frequency, phase, shift = (
            self._constant(array[:, np.newaxis])
            for array in (embedding.frequency, embedding.phase, embedding.shift)
        )
        last = self.graph.constant(np.array([2], np.int64))
        angle = self._node("Mul", self._node("Unsqueeze", x, last), frequency)
        wave = self._node("Cos", self._node("Add", angle, phase))
        mixing = self._constant(embedding.mixing)
        mixed = self._node("Einsum", wave, mixing, equation="mnfk,mfkj->mnfj")
        mixed = self._node("Add", mixed, shift)
        is_known = self._node("Unsqueeze", is_known, last)
        of_missing = self._constant(missing[..., :-1])
        mixed = self._node("Where", is_known, mixed, of_missing)
        return [*blocks, (self._flat(mixed, rows[:, :-1].size), rows[:, :-1].ravel())]

    def _scaled(self, x):
        """Robust scale and smooth clip of numbers (n, n_numbers)."""
        medians, scales = self.encoder.medians, self.encoder.scales
        far = np.array([bound(scale) for scale in scales.tolist()])
        numbers = medians, -far, far, scales, np.array(3.0), np.array(1.0)
        median, low, high, scale, three, one = map(self.graph.constant, numbers)
        is_cast = self.dtype != np.float64
        z = self._node("Cast", x, to=_DOUBLE) if is_cast else x
        z = self._node("Max", self._node("Sub", z, median), low)
        z = self._node("Mul", self._node("Min", z, high), scale)
        third = self._node("Div", z, three)
        square = self._node("Mul", third, third)
        z = self._node("Div", z, self._node("Sqrt", self._node("Add", square, one)))
        return self._node("Cast", z, to=self.real) if is_cast else z

    def _of_levels(self, tables, group):
        """Inputs of categories with tables of one width, those that are texts last."""
        levels = [self.encoder.levels[at] for at in group]
        starts = np.cumsum([0, *[len(of) + 1 for of in levels[:-1]]])
        n_numeric = sum(not self._is_text(at) for at in group)
        places = []
        if n_numeric:
            codes = self._codes_of_numbers(group[:n_numeric], levels[:n_numeric])
            offsets = self.graph.constant(starts[:n_numeric].astype(np.int64))
            places.append(self._node("Add", codes, offsets))
        for at, of, start in list(zip(group, levels, starts.tolist()))[n_numeric:]:
            name, *_ = self.inputs[self.category_columns[at]]
            codes = range(start + 1, start + 1 + len(of))
            places.append(look_up(self.graph, name, of, codes, start))
        table = self._constant(np.concatenate([tables[at] for at in group], axis=1))
        x = self._node("Gather", table, self._joined(places, axis=1), axis=1)
        return self._flat(x, sum(tables[at].shape[2] for at in group))

    def _codes_of_numbers(self, group, levels):
        """Codes of categories that are numbers, 0 where there is no such level."""
        names, exact = self.encoder.names, levels
        levels = [of.astype(self.dtype) for of in exact]
        for at, of, known in zip(group, levels, exact):
            column = self.category_columns[at]
            check_distinct(of, known, column if names is None else names[column])
        sizes = list(map(len, levels))
        owners = np.repeat(np.arange(len(sizes)), sizes)
        codes = np.zeros((len(owners), len(sizes)))
        codes[np.arange(len(owners)), owners] = np.concatenate(
            [np.arange(1, size + 1) for size in sizes]
        )
        cells = self._cells([self.category_columns[group[owner]] for owner in owners])
        hits = self._node("Equal", cells, self._constant(np.concatenate(levels)))
        hits = self._node("Cast", hits, to=self.real)
        found = self._node("MatMul", hits, self._constant(codes))
        return self._node("Cast", found, to=_INT64)

    def _is_text(self, category):
        """Return whether the levels of a category are texts."""
        return self.category_columns[category] in self.texts

    def _cells(self, columns):
        """The cells (n, len(columns)) of columns of numbers."""
        places = [self.places[column] for column in columns]
        if places == list(range(len(self.places))):
            return self.numbers
        places = self.graph.constant(np.array(places, np.int64))
        return self._node("Gather", self.numbers, places, axis=1)

    def _node(self, kind, *inputs, **attributes):
        """Add a node; returns the name of its output."""
        return self.graph.node(kind, inputs, **attributes)

    def _constant(self, array):
        """Add a constant in the dtype of the graph; returns its name."""
        return self.graph.constant(array.astype(self.dtype))

    def _joined(self, names, axis):
        """Arrays side by side."""
        return self._node("Concat", *names, axis=axis) if len(names) > 1 else names[0]

    def _flat(self, x, size):
        """An array (n_members, n, a, b) as (n_members, n, a * b)."""
        return self._node(
            "Reshape", x, self.graph.constant(np.array([0, 0, size], np.int64))
        )
