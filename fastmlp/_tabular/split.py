"""Which rows each member trains on, and which judge it."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split


def holdout(n_rows, labels, fraction, random_state):
    """Hold out a share of the rows.

    Parameters
    ----------
    n_rows : int
    labels : ndarray of shape (n_rows,) or None
        Class numbers, whose shares both parts keep; classes of a single row are trained
        on.
    fraction : float
    random_state : RandomState

    Returns
    -------
    train, held_out : ndarray of intp
        In ascending order.

    Raises
    ------
    ValueError
        If a part would be empty.
    """
    if n_rows < 2:
        raise ValueError(
            f"X has n_samples={n_rows}, but a part of the rows must be held out to "
            "choose the epoch: at least 2 are needed."
        )
    n_held_out = min(max(1, round(fraction * n_rows)), n_rows - 1)
    rows, alone = np.arange(n_rows, dtype=np.intp), np.empty(0, dtype=np.intp)
    if labels is not None:
        counts = np.bincount(labels)
        may_split = counts[labels] > 1
        n_classes = np.count_nonzero(counts > 1)
        room = np.count_nonzero(may_split) - n_held_out
        if n_classes <= n_held_out and n_classes <= room:
            rows, alone = rows[may_split], rows[~may_split]
            labels = labels[may_split]
        else:  # too few rows for each class to be in both parts
            labels = None
    train, held_out = train_test_split(
        rows, test_size=n_held_out, stratify=labels, random_state=random_state
    )
    return np.sort(np.r_[train, alone]), np.sort(held_out)


def folds(n_rows, labels, n_folds, random_state):
    """Split the rows into folds, each of which judges one member.

    Returns
    -------
    train, held_out : list of ndarray of intp

    Raises
    ------
    ValueError
        If there are fewer rows than folds.
    """
    if n_rows < n_folds:
        raise ValueError(
            f"X has n_samples={n_rows}, too few rows for n_members={n_folds} folds. "
            "Lower n_members or set validation='holdout'."
        )
    is_stratified = labels is not None and np.bincount(labels).max() >= n_folds
    kind = StratifiedKFold if is_stratified else KFold
    splitter = kind(n_folds, shuffle=True, random_state=random_state)
    stratify = labels if is_stratified else np.zeros(n_rows, dtype=np.intp)
    with warnings.catch_warnings():  # of rare classes, spread over some of the folds
        warnings.filterwarnings("ignore", "The least populated class")
        pairs = list(splitter.split(np.empty((n_rows, 0)), stratify))
    train, held_out = zip(*pairs)
    return [rows.astype(np.intp) for rows in train], [
        rows.astype(np.intp) for rows in held_out
    ]
