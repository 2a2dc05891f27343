"""Pipelines to ONNX by skl2onnx: the types of the inputs, and converters of our own."""

from __future__ import annotations

import copy
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from fastmlp._mlp.classifier import MLPClassifier
from fastmlp._mlp.regressor import MLPRegressor
from fastmlp.export import _onnx_preparation as preparation
from fastmlp.export._nested import contained
from fastmlp.export._onnx_graph import needs_onnx
from fastmlp.export._onnx_preparation import is_missing
from fastmlp.export._skl2onnx import register_skl2onnx

MODELS = (MLPClassifier, MLPRegressor)
_DTYPES = ("float32", "float64")


def convert(estimator, dtype, X):
    """The ModelProto of an estimator that holds models of fastmlp, or of any other.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    dtype : str or None
    X : array-like or DataFrame
        Rows that it can predict.
    """
    skl2onnx = needs_onnx("skl2onnx")
    check_is_fitted(estimator)
    if X is None:
        raise ValueError(
            "a pipeline needs X, a few rows of its input: they tell the types of the "
            "columns."
        )
    estimator.predict(X)  # the check of names, width and values
    dtype = _dtype_of(estimator, dtype)
    register_skl2onnx()
    estimator = _without_passthrough(copy.deepcopy(estimator))
    converters, shapes = preparation.converters(estimator, dtype)
    types = _initial_types(estimator, X, dtype)
    whole = estimator
    if _are_joined(types) and not contained(estimator, (ColumnTransformer,)):
        whole = Pipeline([("columns", FunctionTransformer()), ("model", estimator)])
    options = {}
    if hasattr(estimator, "classes_"):
        options[id(whole)] = {"zipmap": False}
    try:
        model = skl2onnx.convert_sklearn(
            whole,
            initial_types=types,
            custom_conversion_functions=converters,
            custom_shape_calculators=shapes,
            options=options,
        )
        needs_onnx().checker.check_model(model, full_check=True)
    except ImportError:
        raise
    except Exception as error:  # skl2onnx raises errors of many kinds
        raise ValueError(
            f"skl2onnx cannot convert this {type(estimator).__name__} in {dtype}: "
            f"{error}"
        ) from error
    return model


def _without_passthrough(estimator):
    """An estimator whose steps "passthrough" are transformers, changed in place."""
    for pipeline in contained(estimator, (Pipeline,)):
        pipeline.steps = [
            (name, FunctionTransformer() if step in (None, "passthrough") else step)
            for name, step in pipeline.steps
        ]
        for _, step in pipeline.steps:
            _without_passthrough(step)
    return estimator


def _dtype_of(estimator, dtype):
    """The dtype of all numbers: the one that is asked for, or that of the weights."""
    if dtype is None:
        fitted = [
            model for model in contained(estimator, MODELS) if hasattr(model, "coefs_")
        ]
        dtype = fitted[0].coefs_[0].dtype if fitted else np.float32
    dtype = np.dtype(dtype)
    if dtype.name not in _DTYPES:
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype}.")
    return dtype


def _initial_types(estimator, X, dtype):
    """Names and types of the inputs."""
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        StringTensorType,
    )

    number = DoubleTensorType if dtype == np.float64 else FloatTensorType
    columns, is_frame = _columns(estimator, X)
    texts = _columns_made_texts(estimator)
    kinds = [
        StringTensorType if name in texts or _is_text(name, column) else number
        for name, column in columns
    ]
    if not is_frame and len(set(kinds)) == 1:
        return [("X", kinds[0]([None, len(kinds)]))]
    return [
        (str(name), kind([None, 1]))
        for (name, _), kind in zip(columns, kinds, strict=True)
    ]


def _are_joined(types):
    """Return whether several columns of one kind go through all steps together.

    Most converters of skl2onnx take one input, or join several in float32.
    """
    return len(types) > 1 and len({type(kind) for _, kind in types}) == 1


def _columns(estimator, X):
    """Names and values of the columns of X, and whether it is a frame."""
    if issparse(X):
        return [(f"x{i}", X.data) for i in range(X.shape[1])], False
    names = getattr(X, "column_names", getattr(X, "columns", None))
    if names is not None:
        names = list(getattr(estimator, "feature_names_in_", names))
        return [(name, X[name]) for name in names], True
    if not isinstance(X, np.ndarray):
        X = np.array(X, dtype=object)
    return [(f"x{i}", X[:, i]) for i in range(X.shape[1])], False


def _is_text(name, column):
    """Return whether a column holds texts; ValueError for other cells than numbers."""
    kind = getattr(getattr(column, "dtype", None), "kind", "O")
    if kind in "iufb":
        return False
    cells = [cell for cell in np.asarray(column, dtype=object) if not is_missing(cell)]
    if all(isinstance(cell, str) for cell in cells):
        return bool(cells)
    if all(isinstance(cell, Real | np.bool_) for cell in cells):
        return False
    odd = [cell for cell in cells if not isinstance(cell, str | Real | np.bool_)]
    found = repr(odd[0]) if odd else "numbers and texts"
    raise ValueError(
        f"column {name!r} of X holds {found}; only columns of numbers or of texts have "
        "a type in ONNX."
    )


def _columns_made_texts(estimator):
    """Names of columns that the command line takes for categories of any kind."""
    names = set()
    for transformer in contained(estimator, (ColumnTransformer,)):
        for _, step, columns in transformer.transformers_:
            first = step[0] if isinstance(step, Pipeline) else step
            if preparation.is_as_text(first):
                names.update(columns)
    return names
