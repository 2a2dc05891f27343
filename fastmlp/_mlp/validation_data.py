"""The validation data of a fit: what was passed or split off, and its score."""

from __future__ import annotations

import inspect
from numbers import Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer

from fastmlp._data.split import Samples, chosen_split, fraction_split
from fastmlp._data.validation import as_array
from fastmlp._mlp.callbacks import fitted_copy

# Scores of a regression that compare its errors with those of a constant.
_BESIDE_A_CONSTANT = (None, "r2", "explained_variance", "d2_absolute_error_score")


class Validation:
    """Validation rows, with their score.

    Parameters
    ----------
    split : Split or None
        The parts of the data; None where the samples were passed apart.
    samples : Samples
        The validation rows, raw.
    score : Score
    """

    def __init__(self, split, samples, score):
        self.split, self.samples, self.score = split, samples, score
        self.rows = None if split is None else split.held_out


def validation_of(estimator, samples, options, targets):
    """The validation data that judge a fit: passed, split off, or None.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    samples : Samples
        All rows of the fit.
    options : FitOptions
    targets : ClassTargets or NumberTargets
    """
    if (options.X_val is None) != (options.y_val is None):
        raise ValueError("X_val and y_val must be passed together.")
    if options.X_val is None and options.sample_weight_val is not None:
        raise ValueError("sample_weight_val needs X_val and y_val.")
    splits, split = estimator.validation_split is not None, None
    if options.X_val is not None:
        if splits and not options.incremental:
            raise ValueError(
                "X_val cannot be passed together with validation_split: one of them "
                "chooses the validation data."
            )
        held_out = _passed(estimator, samples.X.dtype, options)
    elif options.incremental:
        if estimator.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True without X_val and "
                "y_val."
            )
        return None
    elif takes_split(estimator):
        split = split_of(estimator, samples, options, targets)
        split.check(samples.weight)
        if not needs_features(estimator):
            samples = samples._replace(X=None)
        held_out = samples.part(split.held_out)
    elif estimator.scoring is not None or estimator.target_score is not None:
        name = "scoring" if estimator.scoring is not None else "target_score"
        raise ValueError(
            f"{name} needs validation data: pass X_val and y_val, set validation_split"
            " or, for sgd and adam, early_stopping=True."
        )
    else:
        return None
    score = Score(estimator, targets, held_out)
    train = samples.y if split is None else samples.y[split.train]
    score.check_targets(train)
    return Validation(split, held_out, score)


def _passed(estimator, dtype, options):
    """The rows that were passed as X_val, y_val and sample_weight_val."""
    try:
        X, y = estimator._validate_input(
            options.X_val, options.y_val, True, False, dtype, exact=False
        )
        weight = estimator._plain_weights(y, options.sample_weight_val, dtype)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"The validation data (X_val, y_val): {error}") from error
    return Samples(X, y, weight)


def takes_split(estimator):
    """Return whether ``fit`` splits validation data off, if it gets none."""
    by_default = estimator.early_stopping and estimator.solver != "lbfgs"
    return estimator.validation_split is not None or by_default


def needs_features(estimator):
    """Return whether the score predicts from the features of the validation rows."""
    return estimator.scoring not in (None, "loss")


def split_of(estimator, samples, options, targets):
    """The split by ``validation_split``, or by the fraction of early stopping."""
    X, y, _ = samples
    name, chosen = "validation_split", estimator.validation_split
    if chosen is None:
        name, chosen = "validation_fraction", estimator.validation_fraction
    if isinstance(chosen, Real):
        labels, generator = targets.stratify(y), estimator._random_state
        return fraction_split(len(y), name, chosen, labels, generator)
    return chosen_split(chosen, X, targets.decode(y), options.groups)


class Score:
    """The validation score of an estimator, as training asks for it.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    targets : ClassTargets or NumberTargets
    samples : Samples
        The validation rows, raw.
    """

    def __init__(self, estimator, targets, samples):
        self.estimator, self.targets, self.samples = estimator, targets, samples
        scoring = estimator.scoring
        self.is_loss = isinstance(scoring, str) and scoring == "loss"
        self.is_function = callable(scoring)
        self.name = "The R2 or D2 score"
        if scoring is not None:
            self.name = f"scoring={scoring!r}"
        elif is_classifier(estimator):
            self.name = "The accuracy"
        self.scorer = None
        if scoring is not None and not self.is_loss:
            self.scorer = _scorer(scoring, samples.weight)
            self.X = as_array(samples.X)

    def __call__(self, outputs, y, task):
        """The score of finite outputs for targets in the units of training."""
        if self.scorer is None:
            return self.targets.score(y, outputs, self.samples.weight)
        fitted = fitted_copy(self.estimator, task)
        vars(fitted).pop("feature_names_in_", None)  # X is an array by now
        score = self.scorer(fitted, self.X, self.targets.decode(self.samples.y))
        try:
            return float(score)
        except (TypeError, ValueError):
            raise TypeError(
                f"{self.name} must return a number, got {score!r:.80}."
            ) from None

    def check_targets(self, y_train):
        """Raise ValueError where the score that decides is the same for any model.

        That is 0 where it compares the model with a constant that is perfect.
        """
        estimator, y = self.estimator, self.samples.y
        scoring = estimator.scoring
        if self.is_function or scoring not in _BESIDE_A_CONSTANT:
            return
        decides = estimator.early_stopping or estimator.target_score is not None
        if is_classifier(estimator) or not decides or len(y) < 2:
            return
        # with constant targets to train on there is nothing to learn
        if not np.ptp(y, axis=0).any() and np.ptp(y_train, axis=0).any():
            raise self.cannot_judge("0 for every model but a perfect one")

    def cannot_judge(self, value):
        """The error about a score that is the same for all epochs."""
        y = self.targets.decode(self.samples.y)
        values = np.unique(y)
        held = f"{len(values)} different values"
        if len(values) == 1:
            held = f"only the value {values[0]!s}"
        return ValueError(
            f"{self.name} is {value} on the validation data, so "
            f"it cannot judge the epochs: the targets of their {len(y)} row(s) hold "
            f"{held}. Pass validation data for which it is defined, or set "
            "scoring='loss'."
        )


def _scorer(scoring, sample_weight):
    """A function of (estimator, X, y) for a value of ``scoring``."""
    scorer = get_scorer(scoring)
    if sample_weight is None:
        return scorer
    if "sample_weight" not in inspect.signature(scorer).parameters:
        raise ValueError(
            f"scoring={scoring!r} takes no sample_weight, but the validation rows have "
            "weights. Give the callable that parameter, or use a name of a scorer."
        )
    return lambda fitted, X, y: scorer(fitted, X, y, sample_weight=sample_weight)
