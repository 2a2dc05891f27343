"""Held-out rows: how they are chosen, and how well the weights do on them."""

from __future__ import annotations

import inspect
import math
from numbers import Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split

from fastmlp._core.network import Data, Layers
from fastmlp._core.prediction import activate_outputs, mean_loss, predict
from fastmlp._data.validation import as_array, check_some_weight

# Scores of a regression that compare its errors with those of a constant.
_BESIDE_A_CONSTANT = (None, "r2", "explained_variance", "d2_absolute_error_score")


def hold_out(task):
    """Give a task the rows that judge it: those passed, those split off, or none."""
    estimator, options = task.estimator, task.options
    given = (options.X_val, options.y_val, options.sample_weight_val)
    if (options.X_val is None) != (options.y_val is None):
        raise ValueError("X_val and y_val must be passed together.")
    if options.X_val is None and options.sample_weight_val is not None:
        raise ValueError("sample_weight_val needs X_val and y_val.")
    splits = estimator.validation_split is not None
    if options.X_val is not None:
        if splits and not options.incremental:
            raise ValueError(
                "X_val cannot be passed together with validation_split: one of them "
                "chooses the validation data."
            )
        task.holdout = _given(task, *given)
    elif options.incremental:
        if estimator.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True without X_val and "
                "y_val."
            )
    elif splits or (estimator.early_stopping and estimator.solver != "lbfgs"):
        rows, held_out = _chosen_split(task) if splits else _stopping_split(task)
        task.take_rows(rows)
        task.holdout = _held_out(task, held_out)
    elif estimator.scoring is not None or estimator.target_score is not None:
        name = "scoring" if estimator.scoring is not None else "target_score"
        raise ValueError(
            f"{name} needs validation data: pass X_val and y_val, set validation_split"
            " or, for sgd and adam, early_stopping=True."
        )
    if task.holdout is not None:
        task.holdout.check_targets()


def _given(task, X, y, sample_weight):
    """The rows that were passed as X_val, y_val and sample_weight_val."""
    estimator, dtype = task.estimator, task.params.dtype
    try:
        X, y = estimator._validate_input(X, y, True, False, dtype, exact=False)
        sample_weight = estimator._plain_weights(y, sample_weight, dtype)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"The validation data (X_val, y_val): {error}") from error
    return Holdout(task, Data(X, y, sample_weight), None, X, y, sample_weight)


def _held_out(task, rows):
    """Rows of the data themselves."""
    weight = task.sample_weight
    weight = None if weight is None else weight[rows]
    check_some_weight(weight, "the validation part of the split")
    X = None if task.estimator.scoring in (None, "loss") else task.X[rows]
    return Holdout(task, task.data, rows, X, task.y[rows], weight)


def _stopping_split(task):
    """Rows of the training and of the held-out part for early stopping."""
    estimator = task.estimator
    if estimator.validation_fraction == 0:
        raise ValueError(
            "validation_fraction must be above 0 with early_stopping=True, got "
            f"{estimator.validation_fraction}."
        )
    return _random_split(task, estimator.validation_fraction, "validation_fraction")


def _random_split(task, share, name):
    """Rows of the training and of the held-out part, drawn as scikit-learn does."""
    estimator, y = task.estimator, task.y
    stratify = None
    if estimator._stratifies():
        stratify = np.where(y[:, 0] != 0, "True", "False")
    rows, held_out = train_test_split(
        np.arange(len(y), dtype=np.intp),
        random_state=estimator._random_state,
        test_size=float(share),
        stratify=stratify,
    )
    if len(held_out) < 2:
        raise ValueError(
            f"The validation set is too small. Increase {name!r} or the size of your "
            "dataset."
        )
    return rows, held_out


def _chosen_split(task):
    """A random share, the last split of a splitter, or the rows of an index array."""
    chosen, n_samples = task.estimator.validation_split, len(task.y)
    if isinstance(chosen, Real):
        return _random_split(task, chosen, "validation_split")
    if hasattr(chosen, "split"):
        y = task.estimator._decoded(task.y)
        X = getattr(task.X, "source", task.X)  # of CastRows the mapped array itself
        *_, (rows, held_out) = chosen.split(X, y, task.options.groups)
        rows, held_out = (np.asarray(r, dtype=np.intp) for r in (rows, held_out))
    else:
        held_out = _indices(np.asarray(chosen), n_samples)
        rows = np.setdiff1d(np.arange(n_samples, dtype=np.intp), held_out)
    for part, name in ((rows, "training"), (held_out, "validation")):
        if len(part) == 0:
            raise ValueError(f"validation_split leaves no row in the {name} part.")
    return rows, held_out


def _indices(chosen, n_samples):
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


class Holdout:
    """The held-out rows, how the weights do on them, and the best weights.

    Parameters
    ----------
    task : Task
    data : Data
    rows : ndarray of intp or None
        The held-out rows of ``data``; None for all.
    X : array or None
        Their features, where they are not rows of the data or a scorer asks for them.
    y, sample_weight : ndarray
        Their targets and weights.
    """

    def __init__(self, task, data, rows, X, y, sample_weight):
        self.task, self.network, self.params = task, task.network, task.params
        self.data, self.rows, self.X = data, rows, X
        self.y, self.sample_weight = y, sample_weight
        self.targets = y  # in the units that training takes
        self.layers = None  # the addresses of self.judged
        self.judged = None
        self.scorer = _scorer(task.estimator, sample_weight)
        if self.scorer is not None:
            self.X = as_array(X)
        self.best_params = None

    def judge(self):
        """Mean loss without penalty, and score: NaN where there are no numbers."""
        params = self.task.current_params
        if params is not self.judged:
            self.layers = Layers(*self.network.split(params), params.dtype)
            self.judged = params
        z = predict(self.network, self.data, self.layers, self.rows, activated=False)
        loss = mean_loss(self.network, z.copy(), self.targets, self.sample_weight)
        if self.task.estimator.scoring == "loss":
            return loss, -loss
        activate_outputs(self.network, z)
        if not np.isfinite(z).all():
            return loss, np.nan
        score = self._score(z)
        if math.isnan(score):
            self._check_can_judge()
        return loss, score

    def _score(self, outputs):
        """The score of finite outputs."""
        estimator = self.task.estimator
        if self.scorer is None:
            return estimator._validation_score(
                self.targets, outputs, self.sample_weight
            )
        fitted = self.task.fitted_copy()
        vars(fitted).pop("feature_names_in_", None)  # X is an array by now
        return float(self.scorer(fitted, self.X, estimator._decoded(self.y)))

    @property
    def has_score(self):
        """Whether the score was a number after some epoch of this fit."""
        return self.task.estimator.best_validation_score_ > -np.inf

    def _check_can_judge(self):
        """Raise ValueError where a score that decides is NaN for any model.

        The scores of scikit-learn are NaN because of the targets alone. One of a
        function may be so for some predictions only, and the fit goes on.
        """
        if self.decides and not callable(self.task.estimator.scoring):
            raise self._cannot_judge("NaN")

    def check_targets(self):
        """Raise ValueError where the score that decides is the same for any model.

        That is 0 where it compares the model with a constant that is perfect.
        """
        estimator = self.task.estimator
        if estimator.scoring not in _BESIDE_A_CONSTANT or is_classifier(estimator):
            return
        y = self.task.training_part()[1]
        if not self.decides or len(self.y) < 2 or np.ptp(self.y, axis=0).any():
            return
        if np.ptp(y, axis=0).any():  # else there is nothing to learn
            raise self._cannot_judge("0 for every model but a perfect one")

    @property
    def decides(self):
        """Whether the score ends a fit, or chooses the weights."""
        task = self.task
        return task.stops_by_score or task.estimator.target_score is not None

    def _cannot_judge(self, value):
        """The error about a score that is the same for all epochs."""
        y = self.task.estimator._decoded(self.y)
        values = np.unique(y)
        held = f"{len(values)} different values"
        if len(values) == 1:
            held = f"only the value {values[0]!s}"
        return ValueError(
            f"{named_score(self.task.estimator)} is {value} on the validation data, so "
            f"it cannot judge the epochs: the targets of their {len(y)} row(s) hold "
            f"{held}. Pass validation data for which it is defined, or set "
            "scoring='loss'."
        )

    def standardize(self, scaling):
        """Take the data in the units of training; scorers still see the raw ones."""
        self.targets = scaling.targets(self.y)
        if self.rows is not None:
            self.data = self.task.data
        else:
            X = scaling.features(self.X)
            self.data = Data(X, self.targets, self.sample_weight)

    def keep(self):
        """Remember the current weights as the best so far."""
        self.best_params = self.task.current_params.copy()


def named_score(estimator):
    """The score of the validation data in words."""
    if estimator.scoring is not None:
        return f"scoring={estimator.scoring!r}"
    return "The accuracy" if is_classifier(estimator) else "The R2 or D2 score"


def _scorer(estimator, sample_weight):
    """A function of (estimator, X, y) for ``scoring``, None for the built-in ones."""
    scoring = estimator.scoring
    if scoring is None or (isinstance(scoring, str) and scoring == "loss"):
        return None
    scorer = get_scorer(scoring)
    if sample_weight is None:
        return scorer
    if "sample_weight" not in inspect.signature(scorer).parameters:
        raise ValueError(
            f"scoring={scoring!r} takes no sample_weight, but the validation rows have "
            "weights. Give the callable that parameter, or use a name of a scorer."
        )
    return lambda fitted, X, y: scorer(fitted, X, y, sample_weight=sample_weight)
