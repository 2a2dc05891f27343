"""C: a fitted model as one header, C99, without allocation."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastmlp._files.safetensors import atomic_write, check_path
from fastmlp._mlp.pipeline import as_model
from fastmlp._utils.numbers import dtype_name
from fastmlp._utils.spelling import suggests_keywords
from fastmlp.export import _c_literals as literals
from fastmlp.export import _c_template as template
from fastmlp.export._c_numbers import statistics, typical_rows, written_model
from fastmlp.export._c_table import table_source
from fastmlp.export._source import check_precision, snapshot
from fastmlp.export._table_source import table_model

if TYPE_CHECKING:
    from typing import Any

    from fastmlp._utils.annotations import DType, FilePath, MatrixLike

_DTYPES = ("float32", "float64", "int8")
_N_TEST_ROWS = 4
_TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "int8": 1e-5}


@suggests_keywords
def to_c(
    estimator: Any,
    path: FilePath | None = None,
    *,
    dtype: DType | None = None,
    name: str | None = None,
    X: MatrixLike | None = None,
) -> str:
    """Convert a fitted model to one header in C99.

    The weights are ``static const``; nothing is allocated, and only ``math.h`` is used.
    ``NAME_predict(x, out)`` writes what ``predict_proba`` returns for a row, or
    ``predict`` of a regressor; ``NAME_class(x)`` returns the place of the class in
    ``NAME_classes``; for several labels ``NAME_labels(x, labels)`` writes 0 and 1.
    ``NAME_self_test()`` is 0 if a few rows come out as in Python.

    For a model of a table all of them take ``(numbers, codes)`` in place of ``x``: raw
    numbers (double, NAN where missing) and the codes of the categories, which
    ``NAME_code_of_text(category, text)`` and ``NAME_code_of_number(category, number)``
    find, 0 for a missing or unknown level. ``NAME_number_names`` and
    ``NAME_categories`` tell the columns in their order. For ``loss="gaussian_nll"``
    the means are followed by the standard deviations.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, TabularMLPClassifier, \
            TabularMLPRegressor or Pipeline
        Fitted. A pipeline of scalers and an MLP becomes the model that `fold_scalers`
        makes of it.
    path : str or path-like, default=None
        Where to write the header; None writes none.
    dtype : {"float32", "float64", "int8"} or dtype, default=None
        Of the weights; None takes that of the estimator's. "int8" stores each column of
        weights as bytes with one scale, and computes in float32: a quarter of the
        memory, at an error that the header states. Where ``standardize_X`` or X tells
        the scales of the features, the header scales them before the first layer if
        that makes the error smaller.
    name : str, default=None
        Prefix of all names, a C identifier; None takes the stem of ``path``, or
        "model".
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features), \
            default=None
        Typical rows: on them the error of "int8" is measured, and the first of them are
        the rows of the self-test. None takes rows from a normal distribution: with the
        means and scales of ``standardize_X``, else the standard one; for a table, rows
        with the medians and scales of the training.

    Returns
    -------
    source : str
        The header.

    Raises
    ------
    TypeError
        If ``path`` is no path.
    ValueError
        If a step of a pipeline cannot be folded, if a weight or an output is not finite
        in the precision of the header, if the columns of ``X`` are not those of the
        fit, or if ``dtype``, ``name``, ``X`` or the classes have no form in C.

    Warns
    -----
    UserWarning
        If neither X nor ``standardize_X`` tells the scales of the features for "int8":
        the error in the header is then that of rows from a standard normal
        distribution.
    """
    if path is not None:
        check_path(path)
    found = table_model(estimator)
    if found is not None:
        source = table_source(
            found._table_snapshot(), dtype, _checked_name(name, path), X
        )
        return _written(source, path)
    estimator = as_model(estimator)
    model = snapshot(estimator)
    dtype = dtype_name(model.coefs[0].dtype if dtype is None else dtype)
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"dtype must be one of {_DTYPES}, got {dtype!r}.")
    name = _checked_name(name, path)
    check_precision(model.coefs + model.intercepts, _real(dtype))
    scaling = (getattr(estimator, "_scaling", None) or {}).get("X")
    rows = typical_rows(model, X, scaling, _real(dtype))
    scalings = [None]
    if dtype == "int8":
        if X is None and scaling is None:
            warnings.warn(
                "the error of int8 is measured on rows from a standard normal "
                "distribution; for features of other scales it may be much larger. "
                "Pass X, typical rows of the features.",
                UserWarning,
                stacklevel=3,
            )
        scalings += [scaling] * (scaling is not None) + statistics(X, rows)
    source = _source(model, dtype, name, rows, scalings, is_random=X is None)
    return _written(source, path)


def _checked_name(name, path):
    """The prefix of all names: the one that is asked for, or the stem of a path."""
    name = name or (re.sub(r"\W", "_", Path(path).stem) if path else "model")
    is_word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
    if not is_word or template.KEYWORDS.fullmatch(name):
        raise ValueError(f"name must be an identifier of C, got {name!r}.")
    return name


def _written(source, path):
    """The text of a header, after it is written to a path, if there is one."""
    if path is not None:
        atomic_write(path, [source.encode()])
    return source


def _real(dtype):
    """The precision of the arithmetic."""
    return np.dtype("float32" if dtype == "int8" else dtype)


def _source(model, dtype, name, X, scalings, is_random):
    """The text of the header, with the one of the scalings of the smallest error."""
    is_int8, real = dtype == "int8", X.dtype
    candidates = [written_model(model, is_int8, X, scaling) for scaling in scalings]
    candidates = [found for found in candidates if found and np.isfinite(found.error)]
    if not candidates:
        raise ValueError(
            f"weights or outputs are infinite in {dtype}; use dtype='float64'."
        )
    inputs, layers, expected, error = min(candidates, key=lambda found: found.error)
    rows = X[:_N_TEST_ROWS]
    names = {
        "name": name,
        "NAME": name.upper(),
        "real": "float" if real == np.float32 else "double",
        "f": "f" if real == np.float32 else "",
        "weight": "signed char" if is_int8 else "$real",
        "scale_parameter": "\n    const $real *scale," if is_int8 else "",
        "start": "0" if is_int8 else "b[j]",
        "finish": template.FINISH if is_int8 else "",
        "sizes": "-".join(map(str, model.units)),
        "dtype": dtype,
        "n_features": model.units[0],
        "parameters": "const $real *x",
        "arguments": "x",
        "n_outputs": expected.shape[1],
        "n_rows": len(rows),
        "n_error_rows": len(X),
        "error_rows": "random rows" if is_random else "rows",
        "stack": real.itemsize
        * (2 * max(model.units[1:]) + model.units[0] * (inputs is not None)),
        "max_error": literals.number(1.000001 * error, real),
        "tolerance": literals.number(_TOLERANCE[dtype], real),
        "row_arrays": "static const $real rows[$n_rows][${NAME}_N_FEATURES] = "
        f"{{\n    {literals.table(rows, real)}}};",
        "row_arguments": "rows[row]",
        "unit": "1",
        "expected": literals.table(expected[: len(rows)], real),
        "weights": "\n".join(
            [
                *_input_arrays(inputs, real),
                *(_arrays(i, layer, real) for i, layer in enumerate(layers)),
            ]
        ),
        "body": _body(model, is_int8, inputs is not None),
        "output": template.OUTPUTS[_output_name(model)],
    }
    parts = [template.HEAD]
    if is_int8:
        parts.append(template.ERROR)
    parts += [template.WEIGHTS, template.PREDICT]
    if model.is_multilabel:
        parts.append(template.LABELS)
    elif model.is_classifier:
        parts.append(template.CLASS)
        names |= literals.class_names(model.classes)
    parts.append(template.SELF_TEST)
    return template.filled("".join(parts), names)


def _output_name(model):
    """Which form of the output the model has."""
    if not model.is_binary:
        return model.output_activation
    return "binary" if len(model.classes) == 2 else "single"


def _input_arrays(inputs, real):
    """The arrays that scale the features, if the C code does."""
    if inputs is None:
        return []
    size = f"[{len(inputs.mean)}]"
    return ["/* features enter as (x - mean) * factor */"] + [
        literals.array("$real", what, size, literals.numbers(values, real))
        for what, values in zip(inputs._fields, inputs)
    ]


def _arrays(i, layer, real):
    """The arrays of layer i."""
    (fan_in, fan_out), is_int8 = layer.w.shape, layer.scale is not None
    kind = "signed char" if is_int8 else "$real"
    of = literals.integers(layer.w) if is_int8 else literals.numbers(layer.w, real)
    size = f"[{fan_out}]"
    texts = [
        f"/* layer {i + 1}: weights ({fan_in}, {fan_out}) row by row, intercepts */",
        literals.array(kind, f"w{i}", f"[{layer.w.size}]", of),
        literals.array("$real", f"b{i}", size, literals.numbers(layer.b, real)),
    ]
    if is_int8:
        scales = literals.numbers(layer.scale, real)
        texts.append(literals.array("$real", f"s{i}", size, scales))
    return "\n".join(texts)


def _body(model, is_int8, scales_inputs):
    """The calls of the layers, by turns from one array to the other."""
    widest = max((len(b) for b in model.intercepts[:-1]), default=0)
    last = len(model.coefs) - 1
    lines = [f"    $real {array}[{widest}];" for array in "ab"[: min(last, 2)]]
    if _output_name(model) in ("binary", "single"):
        lines.append("    $real p[1];")
    if scales_inputs:
        lines.append(f"    $real scaled[{model.units[0]}];")
    if scales_inputs or any(name != "identity" for name, _ in model.activations):
        lines.append("    int i;")
    source = "x"
    if scales_inputs:
        source = "scaled"
        lines.append(
            f"    for (i = 0; i < {model.units[0]}; ++i)\n        "
            "scaled[i] = (x[i] - ${name}_mean[i]) * ${name}_factor[i];"
        )
    for i, w in enumerate(model.coefs):
        target = "ab"[i % 2] if i < last else "out"
        if i == last and _output_name(model) in ("binary", "single"):
            target = "p"
        scale = f" ${{name}}_s{i}," if is_int8 else ""
        lines.append(
            f"    ${{name}}_dense({source}, ${{name}}_w{i}, ${{name}}_b{i},{scale} "
            f"{w.shape[0]}, {w.shape[1]}, {target});"
        )
        if i < last and model.activations[i][0] != "identity":
            name, parameter = model.activations[i]
            lines.append(_activation(name, parameter, w.shape[1], target))
        source = target
    return "\n".join(lines)


def _activation(name, parameter, n_units, target):
    """The loop of an activation over an array."""
    loop = f"    for (i = 0; i < {n_units}; ++i) "
    if getattr(name, "c_source", None) is not None:
        formula = name.c_source.replace("$", "$$")
        return (
            f"{loop}{{\n        const $real z = {target}[i];\n"
            f"        {target}[i] = ($real)({formula});\n    }}"
        )
    if name not in template.ACTIVATIONS:
        raise ValueError(
            f"the activation {name!r} has no export to C; one of your own needs "
            "c_source, an expression of z."
        )
    formula = template.ACTIVATIONS[name].format(
        z=f"{target}[i]", p=f"($real){parameter!r}"
    )
    return f"{loop}{target}[i] = {formula};"
