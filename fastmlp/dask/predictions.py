"""Predictions of collections, block by block where the blocks are."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import dask
import dask.array
import numpy as np
from sklearn.base import is_classifier

from fastmlp._model import losses
from fastmlp.dask.cluster import client_of, result_of
from fastmlp.dask.partitions import is_frame, is_list_of_pieces, is_spread, shards_of
from fastmlp.dask.shards import n_rows_of

_N_PROBED = 2  # rows that tell the form of a prediction


def predicted(model, X, method, **options):
    """Predictions for a collection, lazily, or at once for plain data.

    Parameters
    ----------
    model : estimator
        Local and fitted.
    X : collection of Dask, list of delayed pieces, or plain data
    method : str
        Its method, as in "predict_proba".
    **options
        Further arguments of the method.

    Returns
    -------
    dask.array.Array, dask.dataframe.Series or DataFrame, list of Delayed, or ndarray
        An array for an array; for a frame a series (a frame where there are several
        columns) with its index and divisions.
    """
    if not is_spread(X):
        return getattr(model, method)(X, **options)
    probe = getattr(model, method)(_probe(model), **options)
    shared = dask.delayed(model, pure=True)
    call = (shared, method, options, probe)
    if is_list_of_pieces(X):
        return [dask.delayed(_of_block)(piece, *call) for piece in X]
    if is_frame(X):
        import pandas as pd

        names = _columns(model, probe, method)
        meta = _framed(probe, pd.RangeIndex(len(probe)), names).iloc[:0]
        return X.map_partitions(_of_frame, names, *call, meta=meta)
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    axes = {"chunks": (X.chunks[0], *((n,) for n in probe.shape[1:]))}
    if probe.ndim == 1:
        axes["drop_axis"] = 1
    elif probe.ndim == 3:
        axes["new_axis"] = 2
    meta = np.empty((0,) * probe.ndim, dtype=probe.dtype)
    task = partial(_of_block, method=method, options=options, probe=probe)
    return X.map_blocks(task, model=shared, dtype=probe.dtype, meta=meta, **axes)


def _probe(model):
    """Rows of zeros, or with gaps only for a model of tables."""
    if hasattr(model, "coefs_"):
        X = np.zeros((_N_PROBED, model.n_features_in_), dtype=model.coefs_[0].dtype)
    else:
        X = np.full((_N_PROBED, model.n_features_in_), np.nan)
    if not hasattr(model, "feature_names_in_"):
        return X
    import pandas as pd

    return pd.DataFrame(X, columns=model.feature_names_in_)


def _columns(model, probe, method):
    """The names of the columns of a framed prediction."""
    if probe.ndim == 1:
        return None
    if method.endswith("proba") and is_classifier(model):
        return list(model.classes_)
    return list(range(int(np.prod(probe.shape[1:]))))


def _framed(values, index, names):
    """A prediction as a series or a frame."""
    import pandas as pd

    if names is None:
        return pd.Series(values, index=index)
    values = values.reshape(len(index), len(names))
    return pd.DataFrame(values, index=index, columns=names)


def _of_block(X, model, method, options, probe):
    """The prediction of a block, which may have no rows."""
    return getattr(model, method)(X, **options) if n_rows_of(X) else probe[:0]


def _of_frame(X, names, *call):
    """The prediction of a partition of a frame."""
    return _framed(_of_block(X, *call), X.index, names)


class Part(NamedTuple):
    """The part of a block in the score.

    Attributes
    ----------
    weight : float
    right : float
        Weight of the rows that are predicted right.
    errors, mean, squares : ndarray of shape (n_targets,) or None
        Squared errors, mean of the targets and squared deviations from it.
    """

    weight: float
    right: float = 0.0
    errors: np.ndarray | None = None
    mean: np.ndarray | None = None
    squares: np.ndarray | None = None


def score(estimator, model, X, y, sample_weight):
    """Accuracy or R2 of a collection, from sums over the blocks.

    For quantiles, whose score needs the quantiles of all targets, these are gathered.
    """
    if not is_spread(X):
        return model.score(X, y, sample_weight)
    client = client_of(estimator.client)
    pieces = shards_of(client, X, y=y, sample_weight=sample_weight)
    shared = client.submit(_same, model, pure=False)
    of_quantiles = not is_classifier(model) and (
        model._fitted_objective().loss == "quantile"
    )
    task = _outputs if of_quantiles else _part
    futures = [client.submit(task, shared, *piece, pure=False) for piece in pieces]
    parts = [p for p in result_of(client, futures, [shared], "The score") if p]
    if of_quantiles:
        targets, outputs, weights = zip(*parts)
        weight = None if sample_weight is None else np.concatenate(weights)
        return losses.score(
            np.concatenate(targets), np.concatenate(outputs),
            model._fitted_objective(), weight,
        )  # fmt: skip
    total = sum(part.weight for part in parts)
    if is_classifier(model):
        return sum(part.right for part in parts) / total
    mean = sum(part.weight * part.mean for part in parts) / total
    squares = sum(p.squares + p.weight * (p.mean - mean) ** 2 for p in parts)
    errors = sum(part.errors for part in parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(squares > 0, 1 - errors / squares, (errors == 0) * 1.0)
    return float(np.mean(values))


def _same(model):
    """The model."""
    return model


def _outputs(model, X, y, sample_weight):
    """Targets, outputs and weights of a block."""
    if n_rows_of(X) == 0:
        return None
    if np.isscalar(sample_weight):
        sample_weight = np.full(n_rows_of(X), sample_weight)
    return np.asarray(y), model._outputs(X), sample_weight


def _part(model, X, y, sample_weight):
    """The part of a block in the score, or None without rows."""
    if n_rows_of(X) == 0:
        return None
    found, y = np.asarray(model.predict(X)), np.asarray(y)
    if len(y) != len(found) or y.size != found.size:
        raise ValueError(
            f"y has the shape {y.shape} in a partition, for which the predictions have "
            f"{found.shape}. Give y the rows of X and the targets of the fit."
        )
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    weight = np.broadcast_to(weight, len(y)).astype(np.float64)
    total = float(weight.sum())
    if is_classifier(model):
        y = y.reshape(found.shape)  # it may be a column
        right = (found == y).reshape(len(y), -1).all(axis=1)
        return Part(total, float(weight[right].sum()))
    y = y.reshape(len(y), -1).astype(np.float64)
    found = found.reshape(len(y), -1)
    if total == 0:
        return None
    mean = np.average(y, axis=0, weights=weight)
    return Part(
        total,
        errors=weight @ (y - found) ** 2,
        mean=mean,
        squares=weight @ (y - mean) ** 2,
    )
