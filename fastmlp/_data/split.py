"""Samples, and the choice of those that are held out of training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.model_selection import train_test_split

from fastmlp._data.validation import as_array, check_some_weight


class Samples(NamedTuple):
    """Features, targets and weights of some rows, in the form of the core."""

    X: object
    y: np.ndarray
    weight: np.ndarray | None = None

    def part(self, rows):
        """Some of the rows; all of them for None."""
        if rows is None:
            return self
        return Samples(*(None if of is None else of[rows] for of in self))


def joined(parts):
    """Samples of several parts, one after the other; X may be None in all of them."""
    X = y = weight = None
    if parts[0].X is not None:
        arrays = [as_array(part.X) for part in parts]
        are_sparse = issparse(arrays[0])
        X = vstack(arrays, format="csr") if are_sparse else np.concatenate(arrays)
    y = np.concatenate([part.y for part in parts])
    if any(part.weight is not None for part in parts):
        ones = (np.ones(len(part.y), y.dtype) for part in parts)
        weight = np.concatenate(
            [
                one if part.weight is None else part.weight
                for one, part in zip(ones, parts)
            ]
        )
    return Samples(X, y, weight)


class Split(NamedTuple):
    """Row numbers of the training part and of the validation part."""

    train: np.ndarray
    held_out: np.ndarray

    def check(self, weight):
        """Raise ValueError if all rows of a part have a weight of zero."""
        if weight is not None:
            check_some_weight(weight[self.train], "the training part of the split")
            check_some_weight(weight[self.held_out], "the validation part of the split")


def fraction_split(n_samples, name, fraction, stratify, random_state):
    """Hold out a fraction of the rows, drawn as scikit-learn draws them.

    Parameters
    ----------
    n_samples : int
    name : str
        Of the parameter that gives the fraction, for errors.
    fraction : float
    stratify : ndarray or None
        A label for each row, whose shares both parts keep.
    random_state : RandomState
    """
    if fraction == 0:
        raise ValueError(
            f"{name} must be above 0 with early_stopping=True, got {fraction}."
        )
    train, held_out = train_test_split(
        np.arange(n_samples, dtype=np.intp),
        random_state=random_state,
        test_size=float(fraction),
        stratify=stratify,
    )
    if len(held_out) < 2:
        raise ValueError(
            f"The validation set is too small. Increase {name!r} or the size of your "
            "dataset."
        )
    return Split(train, held_out)


def chosen_split(chosen, X, labels, groups):
    """The last split of a splitter, or the rows of an index array and the others.

    Parameters
    ----------
    chosen : splitter, ndarray, list, tuple or range
        A value of ``validation_split``.
    X, labels, groups : array-like
        The arguments of a splitter.
    """
    n_samples = len(labels)
    if hasattr(chosen, "split"):
        X = getattr(X, "source", X)  # of CastRows the mapped array itself
        *_, (train, held_out) = chosen.split(X, labels, groups)
        train, held_out = (np.asarray(r, dtype=np.intp) for r in (train, held_out))
    else:
        held_out = _row_numbers(np.asarray(chosen), n_samples)
        train = np.setdiff1d(np.arange(n_samples, dtype=np.intp), held_out)
    for part, name in ((train, "training"), (held_out, "validation")):
        if len(part) == 0:
            raise ValueError(f"validation_split leaves no row in the {name} part.")
    return Split(train, held_out)


def _row_numbers(chosen, n_samples):
    """An index array or a mask as row numbers, after a check."""
    if chosen.ndim == 1 and chosen.dtype == bool and len(chosen) == n_samples:
        return np.flatnonzero(chosen)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
        raise ValueError(
            "validation_split must be a 1-D array of row numbers, a mask with one bool "
            f"per row ({n_samples}) or a splitter with a split method, got an array of "
            f"shape {chosen.shape} and dtype {chosen.dtype}."
        )
    out = (chosen < -n_samples) | (chosen >= n_samples)
    if out.any():
        raise ValueError(
            f"validation_split names row {chosen[out][0]}, but X has {n_samples} rows."
        )
    held_out = (chosen % n_samples).astype(np.intp)
    if len(np.unique(held_out)) < len(held_out):
        raise ValueError("validation_split names a row twice.")
    return held_out
