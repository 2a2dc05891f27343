"""Imputers and encoders to ONNX, for texts and for numbers in float32 and float64.

The converters of skl2onnx impute numbers in float32 only and no texts, and encode only
whole numbers and texts.
"""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import sklearn
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from fastmlp.export._nested import contained
from fastmlp.export._onnx_graph import needs_onnx
from fastmlp.export._skl2onnx import Container
from fastmlp.export._source import check_distinct

# No text, and what onnxruntime makes of NaN, pandas.NA and None in an array of texts.
# scikit-learn takes pandas.NA for NaN, but tells None from it.
NAN_MARKS, NONE_MARKS = ("", "nan", "<NA>"), ("None",)
_BOOL, _INT64 = 9, 7  # element types of ONNX


def converters(estimator, dtype):
    """Converters and calculators of shapes for skl2onnx, by class.

    Parameters
    ----------
    estimator : estimator
        The one to convert. The texts that its encoders know are no marks of missing
        cells.
    dtype : dtype
        Of all numbers.
    """
    encoders = (OneHotEncoder, OrdinalEncoder)
    known = {
        category
        for encoder in contained(estimator, encoders)
        for categories in getattr(encoder, "categories_", ())
        for category in categories.tolist()
        if isinstance(category, str)
    }
    marks = [
        [mark for mark in marks if mark not in known]
        for marks in (NAN_MARKS, NONE_MARKS)
    ]
    made = {
        SimpleImputer: _impute,
        OneHotEncoder: partial(_encode, columns=_one_hot_columns),
        OrdinalEncoder: partial(_encode, columns=_ordinal_columns),
        FunctionTransformer: _apply_function,
    }
    widths = {
        SimpleImputer: _width_of_imputer,
        OneHotEncoder: lambda step: int(sum(step._n_features_outs)),
        OrdinalEncoder: lambda step: len(step.categories_),
        FunctionTransformer: lambda step: None,
    }
    return (
        {
            kind: partial(_convert, convert=convert, dtype=dtype, marks=marks)
            for kind, convert in made.items()
        },
        {
            kind: partial(_set_shape, width=width, dtype=dtype)
            for kind, width in widths.items()
        },
    )


def is_as_text(step):
    """Return whether a step is that of the command line that makes texts of cells."""
    function = getattr(step, "func", None)
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__name__", "")
    return module.startswith("fastmlp.") and name == "as_text"


def is_missing(value):
    """Return whether this is None, NaN or pandas.NA."""
    is_nan = isinstance(value, float) and value != value
    return value is None or is_nan or type(value).__name__ == "NAType"


def _is_of_texts(variable):
    """Return whether an input of an operator holds texts."""
    from skl2onnx.common.data_types import StringTensorType

    return isinstance(variable.type, StringTensorType)


def _set_shape(operator, width, dtype):
    """Set the type of the output: texts stay texts, but for encoders."""
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        StringTensorType,
    )

    step, first = operator.raw_operator, operator.inputs[0]
    kind = DoubleTensorType if dtype == np.float64 else FloatTensorType
    is_encoder = isinstance(step, OneHotEncoder | OrdinalEncoder)
    if _is_of_texts(first) and not is_encoder:
        kind = StringTensorType
    n_columns = width(step)
    if n_columns is None:
        n_columns = sum(variable.type.shape[1] for variable in operator.inputs)
    operator.outputs[0].type = kind([first.get_first_dimension(), n_columns])


def _convert(scope, operator, container, convert, dtype, marks):
    """Add the nodes of a step."""
    graph = Container(scope, container)
    graph.real = needs_onnx().helper.np_dtype_to_tensor_dtype(dtype)
    graph.dtype = dtype
    graph.nan_marks, graph.none_marks = marks
    convert(
        graph, operator.raw_operator, operator.inputs, operator.outputs[0].full_name
    )


def _joined(graph, inputs):
    """All inputs side by side: the name and whether they hold texts."""
    are_texts = [_is_of_texts(variable) for variable in inputs]
    if any(are_texts) and not all(are_texts):
        raise ValueError(
            "columns of numbers and of texts go through one step together; give each "
            "kind a step of its own in the ColumnTransformer."
        )
    names = [_numbers(graph, variable) for variable in inputs]
    joined = graph.node("Concat", names, axis=1) if len(names) > 1 else names[0]
    return joined, are_texts[0]


def _numbers(graph, variable):
    """The name of an input; integers are cast to the dtype of all numbers."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    kind = DoubleTensorType if graph.dtype == np.float64 else FloatTensorType
    if _is_of_texts(variable) or isinstance(variable.type, kind):
        return variable.full_name
    return graph.node("Cast", [variable.full_name], to=graph.real)


def _apply_function(graph, step, inputs, output):
    """FunctionTransformer: the identity, or ``as_text`` on texts."""
    joined, is_text = _joined(graph, inputs)
    if step.func is not None and not (is_as_text(step) and is_text):
        raise ValueError(
            f"{step!r} has no form in ONNX: it calls a function of Python."
        )
    if step.func is None or not graph.none_marks:
        graph.node("Identity", [joined], output)
        return
    none = _cells_that_are(graph, joined, graph.none_marks)  # as_text makes it NaN
    nan = graph.constant(np.array([[NAN_MARKS[0]]], dtype=object))
    graph.node("Where", [none, nan, joined], output)


def _width_of_imputer(step):
    """Columns that an imputer returns."""
    return len(step.get_feature_names_out())


def _kept_columns(step):
    """Columns that an imputer keeps: those with a value, if not all."""
    missing = np.array([is_missing(value) for value in step.statistics_.tolist()])
    if step.keep_empty_features:
        missing[:] = False
    return np.flatnonzero(~missing)


def _impute(graph, step, inputs, output):
    """SimpleImputer: a value of each column in place of missing cells."""
    x, is_text = _joined(graph, inputs)
    kept = _kept_columns(step)
    values = step.statistics_[kept]
    if is_text and not all(isinstance(value, str) for value in values.tolist()):
        raise ValueError(
            f"{step!r} fills columns of texts with numbers; give each kind of column "
            "an imputer of its own."
        )
    missing = _missing_cells(graph, x, is_text, step.missing_values)
    if len(kept) < len(step.statistics_):
        columns = graph.constant(kept.astype(np.int64))
        x = graph.node("Gather", [x, columns], axis=1)
        of_kept = graph.node("Gather", [_as_int(graph, missing), columns], axis=1)
        of_kept = graph.node("Cast", [of_kept], to=_BOOL)
    else:
        of_kept = missing
    kind = object if is_text else graph.dtype
    fill = graph.constant(np.array([values.tolist()], dtype=kind))
    if step.indicator_ is None:
        graph.node("Where", [of_kept, fill, x], output)
        return
    if is_text:
        raise ValueError(f"{step!r}: add_indicator=True of texts has no form in ONNX.")
    filled = graph.node("Where", [of_kept, fill, x])
    columns = graph.constant(np.asarray(step.indicator_.features_, np.int64))
    marks = graph.node("Gather", [_as_int(graph, missing), columns], axis=1)
    marks = graph.node("Cast", [marks], to=graph.real)
    graph.node("Concat", [filled, marks], output, axis=1)


def _as_int(graph, x):
    """Bools as int64, which every operator takes."""
    return graph.node("Cast", [x], to=_INT64)


def _missing_cells(graph, x, is_text, missing_values):
    """Return whether each cell is missing."""
    if is_text:
        is_own = isinstance(missing_values, str)
        marks = [missing_values] if is_own else _marks(graph, missing_values)
        return _cells_that_are(graph, x, marks)
    if is_missing(missing_values):
        return _is_nan(graph, x)
    mark = graph.constant(np.array(missing_values, graph.dtype))
    return graph.node("Equal", [x, mark])


def _marks(graph, value):
    """The texts of None, or of NaN and pandas.NA."""
    return graph.none_marks if value is None else graph.nan_marks


def _cells_that_are(graph, x, texts):
    """Return whether each cell is one of some texts."""
    found = look_up(graph, x, texts, [1] * len(texts), 0)
    return graph.node("Cast", [found], to=_BOOL)


def _is_nan(graph, x):
    """Return whether cells are NaN; runtimes lack IsNaN of float64."""
    return graph.node("Not", [graph.node("Equal", [x, x])])


def look_up(graph, x, texts, numbers, default):
    """Numbers that belong to texts, int64."""
    return graph.node(
        "LabelEncoder",
        [x],
        domain="ai.onnx.ml",
        keys_strings=list(texts),
        values_int64s=[int(number) for number in numbers],
        default_int64=int(default),
    )


def _encode(graph, step, inputs, output, columns):
    """An encoder, column by column."""
    sizes = [variable.type.shape[1] for variable in inputs]
    if sum(sizes) != len(step.categories_):
        raise ValueError(f"{step!r} has {len(step.categories_)} columns, not {sizes}.")
    sources = [(variable, j) for variable, n in zip(inputs, sizes) for j in range(n)]
    encoded = []
    for (variable, j), column in zip(sources, columns(step), strict=True):
        x = _numbers(graph, variable)
        if variable.type.shape[1] > 1:
            place = graph.constant(np.array([j], np.int64))
            x = graph.node("Gather", [x, place], axis=1)
        codes, table, is_one_hot = column
        if not len(table) or (is_one_hot and not table.max(initial=-1) >= 0):
            continue
        place = _place(graph, x, codes, _is_of_texts(variable), len(codes))
        kind = np.int64 if is_one_hot else graph.dtype
        value = graph.node("Gather", [graph.constant(table.astype(kind)), place])
        if is_one_hot:
            numbers = graph.constant(np.arange(table.max() + 1)[np.newaxis])
            value = graph.node("Cast", [_equal(graph, value, numbers)], to=graph.real)
        encoded.append(value)
    graph.node("Concat", encoded, output, axis=1)


def _equal(graph, a, b):
    """Return whether numbers are equal."""
    return graph.node("Equal", [a, b])


def _place(graph, x, categories, is_text, unknown):
    """The number of the category of each cell; ``unknown`` for no category.

    A table with a value for each category and none for unknown cells makes the runtime
    raise an error for them.
    """
    values = categories.tolist()
    missing = [i for i, value in enumerate(values) if is_missing(value)]
    known = [i for i in range(len(values)) if i not in missing]
    if is_text:
        if not all(isinstance(values[i], str) for i in known):
            raise ValueError(
                f"the categories {values[:5]} are no texts, but X holds texts there."
            )
        keys, places = [values[i] for i in known], list(known)
        for i in missing:
            marks = _marks(graph, values[i])
            keys += marks
            places += [i] * len(marks)
        return look_up(graph, x, keys, places, unknown)
    try:
        numbers = np.array([values[i] for i in known]).astype(graph.dtype)
    except (TypeError, ValueError):
        raise ValueError(
            f"the categories {values[:5]} are no numbers, but X holds no text in their "
            "column: pass rows in which it has one."
        ) from None
    check_distinct(numbers)
    # Each hit counts unknown - place, which is never 0, so that no hit gives unknown.
    counts = np.array([[unknown - i] for i in known], dtype=graph.dtype)
    hits = graph.node(
        "Cast", [_equal(graph, x, graph.constant(numbers[None]))], to=graph.real
    )
    total = graph.node("MatMul", [hits, graph.constant(counts)])
    for i in missing:
        is_nan = graph.node("Cast", [_is_nan(graph, x)], to=graph.real)
        count = graph.constant(np.array(unknown - i, graph.dtype))
        total = graph.node("Add", [total, graph.node("Mul", [is_nan, count])])
    unknown = graph.constant(np.array(unknown, graph.dtype))
    return _as_int(graph, graph.node("Sub", [unknown, total]))


def _rows_of_categories(step, i):
    """Rows with each category of column i in turn, and the first ones elsewhere."""
    rows = np.empty((len(step.categories_[i]), len(step.categories_)), dtype=object)
    rows[:] = [categories[0] for categories in step.categories_]
    rows[:, i] = step.categories_[i]
    return rows


def _plain(step):
    """A copy of an encoder that takes and gives arrays without names."""
    step = copy.copy(step)
    for name in ("feature_names_in_", "_sklearn_output_config"):
        vars(step).pop(name, None)
    return step


def _one_hot_columns(step):
    """Of each column the categories and, for each and unknown cells, the output.

    The encoder itself tells where a category goes: dropped and infrequent ones too. -1
    is none. Where unknown cells are an error there is no value for them.
    """
    plain = _plain(step)
    plain.sparse_output = True
    start = 0
    for i, (categories, width) in enumerate(
        zip(step.categories_, step._n_features_outs)
    ):
        with sklearn.config_context(transform_output="default"):
            encoded = plain.transform(_rows_of_categories(step, i)).tocsc()
        encoded = encoded[:, start : start + width].tocoo()
        table = np.full(len(categories) + 1, -1)
        table[encoded.row[encoded.data != 0]] = encoded.col[encoded.data != 0]
        if step.handle_unknown in ("infrequent_if_exist", "warn"):
            rare = getattr(step, "infrequent_categories_", None)
            if rare is not None and rare[i] is not None:
                table[-1] = table[categories.tolist().index(rare[i][0])]
        elif step.handle_unknown == "error":
            table = table[:-1]
        start += width
        yield categories, table, True


def _ordinal_columns(step):
    """The same of an OrdinalEncoder."""
    plain = _plain(step)
    for i, categories in enumerate(step.categories_):
        with sklearn.config_context(transform_output="default"):
            table = plain.transform(_rows_of_categories(step, i))[:, i]
        if step.handle_unknown == "use_encoded_value":
            table = np.append(table, step.unknown_value)
        yield categories, np.asarray(table, dtype=np.float64), False
