"""The numbers of a C header: layers, scaled features, rows of the self-test."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastmlp._data.columns import finite_fault
from fastmlp._data.rows import checked_rows, is_sparse
from fastmlp.runtime import make_predictor

_N_RANDOM_ROWS = 256


class Layer(NamedTuple):
    """A layer as it is written; scale is that of each column of int8 weights."""

    w: np.ndarray
    b: np.ndarray
    scale: np.ndarray | None

    @property
    def weights(self):
        """The weights that the C code multiplies by."""
        return self.w if self.scale is None else self.w * self.scale

    @property
    def is_finite(self):
        """Return whether all numbers are within the precision of the header."""
        return all(np.isfinite(array).all() for array in (self.weights, self.b))


class Inputs(NamedTuple):
    """The offset that the C code takes from the features, and the factor after it."""

    mean: np.ndarray
    factor: np.ndarray

    def of(self, X):
        """The scaled rows, in the arithmetic of the C code."""
        return (X - self.mean) * self.factor


class Written(NamedTuple):
    """A model as it is written: its inputs (None for raw ones), layers and outputs."""

    inputs: Inputs | None
    layers: list
    expected: np.ndarray
    error: float


def typical_rows(model, X, scaling, real):
    """Rows for the self-test and the error, with finite outputs, in a precision."""
    n_features = model.units[0]
    if X is None:
        return _random_rows(model, scaling, real)
    X = checked_rows(X, model.feature_names, n_features, "to_c")
    if not X.shape[0]:
        raise ValueError(f"X must hold at least one row, got the shape {X.shape}.")
    X = X.toarray() if is_sparse(X) else X
    with np.errstate(over="ignore"):
        X = X.astype(np.float64).astype(real)
    if not np.isfinite(X).all():
        raise ValueError(finite_fault(X, model.feature_names))
    are_finite = np.isfinite(_outputs(model, X)).all(axis=1)
    if not are_finite.all():
        raise ValueError(
            f"row {are_finite.argmin()} of X has an output that is infinite in {real}; "
            "leave it out of X"
            + (", or use dtype='float64'." if real == np.float32 else ".")
        )
    return X


def _random_rows(model, scaling, real):
    """Rows of a normal distribution, as wide as outputs stay finite."""
    noise = np.random.RandomState(0).normal(size=(_N_RANDOM_ROWS, model.units[0]))
    scaling = scaling or {"mean": 0.0, "scale": 1.0}
    for width in 0.5 ** np.arange(64):
        with np.errstate(over="ignore"):
            X = (scaling["mean"] + width * scaling["scale"] * noise).astype(real)
        if np.isfinite(_outputs(model, X)).all():
            return X
    raise ValueError(
        f"the outputs of random rows are infinite in {real}; pass X, typical rows of "
        "the features."
    )


def statistics(X, rows):
    """Means and scales of typical rows, in a list; none of random rows."""
    if X is None:
        return []
    rows = rows.astype(np.float64)
    scale = rows.std(axis=0)
    return [{"mean": rows.mean(axis=0), "scale": np.where(scale > 0, scale, 1.0)}]


def _layer(w, b, is_int8, real):
    """A layer in the precision of the header, or as int8 with a scale per column."""
    if not is_int8:
        return Layer(w.astype(real), b.astype(real), None)
    scale = np.abs(w).max(axis=0) / 127
    scale[scale.astype(real) == 0] = 1
    return Layer(np.rint(w / scale), b.astype(real), scale.astype(real))


def _outputs(model, X):
    """The outputs that the C code has to return for some rows."""
    predictor = make_predictor(model._replace(dtype=X.dtype, feature_names=None))
    if model.is_classifier:
        return predictor.predict_proba(X)
    return predictor.predict(X).reshape(len(X), -1)


def written_model(model, is_int8, X, scaling):
    """A model in the precision of X, with its features scaled first if asked for.

    None if that takes numbers beyond the precision.
    """
    real, coefs, intercepts = X.dtype, list(model.coefs), list(model.intercepts)
    inputs = None
    if scaling is not None:
        w = coefs[0].astype(np.float64)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            factor = (1 / scaling["scale"]).astype(real)
            coefs[0] = w / factor[:, np.newaxis].astype(np.float64)
            inputs = Inputs(scaling["mean"].astype(real), factor)
        intercepts[0] = intercepts[0] + inputs.mean.astype(np.float64) @ w
    with np.errstate(over="ignore", invalid="ignore"):
        layers = [_layer(w, b, is_int8, real) for w, b in zip(coefs, intercepts)]
    if not all(layer.is_finite for layer in layers):
        return None
    written = model._replace(
        coefs=[layer.weights.astype(real) for layer in layers],
        intercepts=[layer.b for layer in layers],
    )
    expected = _outputs(written, X if inputs is None else inputs.of(X))
    error = np.abs(expected - _outputs(model, X.astype(np.float64))).max()
    return Written(inputs, layers, expected, float(error))
