"""Held-out rows: how they are chosen, and how well the weights do on them."""

from __future__ import annotations

import inspect

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split

from fastmlp._core.network import Data, Layers
from fastmlp._core.prediction import activate_outputs, mean_loss, predict
from fastmlp._validation import as_array, check_some_weight


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
        split = _chosen_split if splits else _fraction_split
        rows, held_out = split(task)
        task.take_rows(rows)
        task.holdout = _held_out(task, held_out)
    elif estimator.scoring is not None or estimator.target_score is not None:
        name = "scoring" if estimator.scoring is not None else "target_score"
        raise ValueError(
            f"{name} needs validation data: pass X_val and y_val, set validation_split"
            " or, for sgd and adam, early_stopping=True."
        )


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


def _fraction_split(task):
    """Rows of the training and of the held-out part, drawn as scikit-learn does."""
    estimator, y = task.estimator, task.y
    stratify = None
    if estimator.validation_fraction == 0:
        raise ValueError(
            "validation_fraction must be above 0 with early_stopping=True, got "
            f"{estimator.validation_fraction}."
        )
    if estimator._stratifies():
        stratify = np.where(y[:, 0] != 0, "True", "False")
    rows, held_out = train_test_split(
        np.arange(len(y), dtype=np.intp),
        random_state=estimator._random_state,
        test_size=float(estimator.validation_fraction),
        stratify=stratify,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    return rows, held_out


def _chosen_split(task):
    """The last split of a splitter, or the rows of an index array and the others."""
    chosen, n_samples = task.estimator.validation_split, len(task.y)
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
        estimator = self.task.estimator
        if estimator.scoring == "loss":
            return loss, -loss
        activate_outputs(self.network, z)
        if self.scorer is None:
            return loss, estimator._validation_score(
                self.targets, z, self.sample_weight
            )
        if not np.isfinite(z).all():
            return loss, np.nan
        fitted = self.task.fitted_copy()
        vars(fitted).pop("feature_names_in_", None)  # X is an array by now
        y = estimator._decoded(self.y)
        return loss, float(self.scorer(fitted, self.X, y))

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
