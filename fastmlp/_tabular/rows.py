"""The rows of a fit: their targets and weights, their parts, and their encoded form."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import _check_y

from fastmlp._data.rows import check_is_read, known_frame
from fastmlp._data.scaling import statistics
from fastmlp._data.split import Samples
from fastmlp._data.validation import check_raw, check_some_weight, named
from fastmlp._tables.encoder import TableEncoder
from fastmlp._tabular.split import folds, holdout
from fastmlp._tabular.training import SEVERAL, members_for, new_task, starts, train
from fastmlp._training.checkpoint.file import fingerprint
from fastmlp._utils.warnings import warn

VALIDATION_FRACTION = 0.2


class TableRows:
    """The rows of a fit, all of them here.

    Learns the targets of an estimator, and splits the rows.

    Parameters
    ----------
    estimator : TabularMLPClassifier or TabularMLPRegressor
    data : tuple
        X, y and sample_weight.
    random_state : RandomState

    Attributes
    ----------
    is_judged : bool
        Whether rows are held out.
    n_rows : int
    no_targets : ndarray of shape (0, n_targets)
    free_parameters : tuple of str
        Further ones that an epoch does not depend on.
    """

    free_parameters = ()

    def __init__(self, estimator, data, random_state):
        X, y, sample_weight = data
        X = known_frame(X)
        y = checked_targets(estimator, X, y)
        dtype = np.dtype(estimator.dtype)
        estimator._learn_targets(y, dtype)
        y = estimator._targets().encode(y, dtype)
        weight = estimator._row_weights(y, sample_weight, dtype)
        self.raw, self.samples = Samples(X, y, weight), None
        self.n_rows, self.no_targets = len(y), y[:0]
        self.encoder = TableEncoder(estimator.categorical_features, dtype=dtype)
        n_members, fraction = chosen_validation(estimator, len(y))
        self.rows, self.held_out = split_rows(
            len(y), estimator._strata(y), n_members, fraction, random_state
        )
        for train_rows, judging in zip(self.rows, self.held_out):
            if weight is not None:
                check_weights(weight[train_rows], weight[judging])
        warn_of_one(len(y), len(np.unique(np.concatenate(self.held_out))))
        estimator._warn_of_targets(y, self.rows, self.held_out)

    @property
    def is_judged(self):
        """Return whether rows are held out."""
        return self.held_out is not None

    def train_all(self, n_members):
        """Train each member on all rows from now on, and judge by none."""
        self.rows = [np.arange(self.n_rows, dtype=np.intp)] * n_members
        self.held_out = None

    def _seen(self):
        """The rows whose medians, scales and levels count; None for all."""
        is_shared = len({id(of_member) for of_member in self.rows}) == 1
        return self.rows[0] if is_shared and self.is_judged else None

    def encoded(self):
        """Encode the rows; returns the encoder."""
        X = self.raw.X
        self.encoder.fit(X, self._seen(), warns=self.is_judged)
        check_some_column(self.encoder)
        self.samples = self.raw._replace(X=self.encoder.transform(X))
        return self.encoder

    def _known(self):
        """Targets and weights of the rows that count for statistics."""
        return self.samples._replace(X=None).part(self._seen())  # no copy of the table

    def statistics_of_targets(self):
        """Mean and scale of the targets."""
        known = self._known()
        return statistics(known.y, known.weight, "y", True)

    def range_of_targets(self):
        """The smallest and the largest targets, (2, n_targets)."""
        y = self._known().y
        return np.stack([y.min(axis=0), y.max(axis=0)])

    def digest(self):
        """A hash of the encoded rows."""
        return fingerprint(*self.samples)

    def digest_of_judging(self):
        """A hash of the choice of the validation rows."""
        judging = np.concatenate(self.held_out)
        return fingerprint(judging, judging, None)

    def task(self, network, recipe, settings, *, scaling, random_state, **others):
        """The task of the members, with weights to start from."""
        samples = self.samples
        if scaling is not None:
            samples = samples._replace(y=scaling.targets(samples.y))
        params = starts(network, self.encoder.tables, samples, self.rows, random_state)
        return new_task(
            network,
            recipe,
            settings,
            samples,
            self.rows,
            self.held_out,
            params,
            scaling=scaling,
            random_state=random_state,
            **others,
        )

    def train(self, task, recipe, settings):
        """Train the members of a task."""
        train(task, recipe, settings)


def checked_targets(estimator, X, y):
    """The targets as an array of one row for each row of X."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    check_raw(y, "y")
    are_numbers = estimator._targets_are_numbers
    with named("y"):
        y = _check_y(y, multi_output=True, y_numeric=are_numbers)
    check_is_read(X, "X")
    check_consistent_length(X, y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return y


def chosen_validation(estimator, n_rows):
    """The number of members, and the share of the rows to hold out; None for folds."""
    validation, fraction = estimator.validation, estimator.validation_fraction
    n_members = estimator.n_members
    if n_members == "auto":
        n_members = members_for(n_rows, validation == "folds")
    if validation == "auto" and fraction is None and SEVERAL <= n_members <= n_rows:
        validation = "folds"
    if validation == "folds":
        return n_members, None
    return n_members, VALIDATION_FRACTION if fraction is None else float(fraction)


def split_rows(n_rows, labels, n_members, fraction, random_state):
    """The rows that each member trains on, and those that judge it.

    Parameters
    ----------
    n_rows : int
    labels : ndarray of shape (n_rows,) or None
        Class numbers, whose shares the parts keep.
    n_members : int
    fraction : float or None
        Of the rows to hold out; None gives each member a fold.
    random_state : RandomState
    """
    if fraction is None:
        return folds(n_rows, labels, n_members, random_state)
    train_rows, held_out = holdout(n_rows, labels, fraction, random_state)
    return [train_rows] * n_members, [held_out] * n_members


def check_weights(of_training, of_judging):
    """Raise ValueError for a part of the rows without weight."""
    check_some_weight(of_training, "the training part")
    check_some_weight(of_judging, "the validation part")


def warn_of_one(n_rows, n_judging):
    """Warn of a single row that chooses the epoch."""
    if n_judging == 1:
        warn(
            f"X has {n_rows} rows, of which one is held out to choose the epoch: the "
            "choice is hardly better than chance. Give more rows, or raise "
            "validation_fraction."
        )


def check_some_column(encoder):
    """Raise ValueError unless a column has values."""
    if not encoder.n_numbers and not any(map(len, encoder.levels)):
        raise ValueError("X has no column with a value in the training rows.")
