"""A fit of a table: from an estimator and raw data to a model and its record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import _check_y

from fastmlp._core.network import Objective
from fastmlp._data.rows import check_is_read, known_frame
from fastmlp._data.split import Samples
from fastmlp._data.validation import check_raw, check_some_weight, named
from fastmlp._mlp.callbacks import listener_of
from fastmlp._mlp.checkpoints import identity
from fastmlp._mlp.input_checks import restored_on_error
from fastmlp._mlp.records import publish
from fastmlp._tables.encoder import TableEncoder
from fastmlp._tables.model import TabularModel, stage_of
from fastmlp._tabular.calibration import divide_outputs
from fastmlp._tabular.importances import feature_importances
from fastmlp._tabular.split import folds, holdout
from fastmlp._tabular.training import members_for, new_task, train
from fastmlp._training.checkpoint.file import fingerprint
from fastmlp._utils.warnings import warn

OF_THE_END = ("best_epoch_", "feature_importances_", "stop_reason_", "temperature_")
VALIDATION_FRACTION = 0.2
FREE_PARAMETERS = ("max_time", "n_threads", "refit", "verbose")


def fit(estimator, X, y, sample_weight, options):
    """Train an estimator; on an error its attributes stay as they were."""
    with restored_on_error(estimator):
        estimator._validate_params()
        random_state = check_random_state(estimator.random_state)
        if options.checkpoint is not None:
            options.checkpoint.rewind(random_state)
        X = known_frame(X)
        y = checked_targets(estimator, X, y)
        dtype = np.dtype(estimator.dtype)
        encoded = estimator._encoded_targets(y, dtype)
        weight = estimator._row_weights(encoded, sample_weight, dtype)
        samples = Samples(X, encoded, weight)
        rows, held_out = split_rows(estimator, encoded, random_state)
        _check_parts(estimator, samples, rows, held_out)
        for name in OF_THE_END:  # of an earlier fit
            vars(estimator).pop(name, None)
        task = _train(estimator, samples, rows, held_out, options, random_state)
        task.check_finite()
        divisor = estimator._temperature(task)
        divide_outputs(task, divisor)
        _take_over(estimator, task)
        _take_record(estimator, task.record)
        estimator.feature_importances_ = feature_importances(
            task, estimator._model.encoder
        )
        if estimator.refit and estimator.stop_reason_ not in (
            "interrupted",
            "max_time",
        ):
            _refit(estimator, samples, options, random_state, divisor)


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


def split_rows(estimator, encoded, random_state):
    """The rows that each member trains on, and those that judge it."""
    n_rows, labels = len(encoded), estimator._strata(encoded)
    validation, fraction = estimator.validation, estimator.validation_fraction
    n_members = estimator.n_members
    if n_members == "auto":
        n_members = members_for(n_rows, validation == "folds")
    if validation == "auto" and fraction is None and 1 < n_members <= n_rows:
        validation = "folds"
    if validation == "folds":
        return folds(n_rows, labels, n_members, random_state)
    fraction = VALIDATION_FRACTION if fraction is None else float(fraction)
    train_rows, held_out = holdout(n_rows, labels, fraction, random_state)
    return [train_rows] * n_members, [held_out] * n_members


def _check_parts(estimator, samples, rows, held_out):
    """Raise ValueError for a part without weights; warn of what a part lacks."""
    for train_rows, judging in zip(rows, held_out):
        if samples.weight is not None:
            check_some_weight(samples.weight[train_rows], "the training part")
            check_some_weight(samples.weight[judging], "the validation part")
    n_judging = len(np.unique(np.concatenate(held_out)))
    if n_judging == 1:
        warn(
            f"X has {len(samples.y)} rows, of which one is held out to choose the "
            "epoch: the choice is hardly better than chance. Give more rows, or raise "
            "validation_fraction."
        )
    estimator._warn_of_targets(samples.y, rows, held_out)


def _train(estimator, samples, rows, held_out, options, random_state):
    """Encode the table and train members; the estimator has the model by then.

    The options tell who follows the fit; a refit, without held-out rows, has nobody.
    """
    is_judged = held_out is not None
    is_shared = len({id(of_member) for of_member in rows}) == 1
    seen = rows[0] if is_shared and is_judged else None
    encoder = TableEncoder(
        estimator.categorical_features, dtype=np.dtype(estimator.dtype)
    )
    encoder.fit(samples.X, seen, warns=is_judged)
    if not encoder.n_numbers and not any(map(len, encoder.levels)):
        raise ValueError("X has no column with a value in the training rows.")
    samples = samples._replace(X=encoder.transform(samples.X))
    known = samples._replace(X=None).part(seen)  # without a copy of the table
    recipe, settings = estimator._recipe(), estimator._settings(len(samples.y))
    if not is_judged:
        last_epoch = max(1, estimator.best_epoch_)
        settings = replace(settings, last_epoch=last_epoch, patience=None)
    objective, n_outputs = estimator._objective_and_outputs(samples.y)
    stage = stage_of(encoder, recipe.is_periodic)
    network = recipe.network(stage, n_outputs, Objective(*objective))
    objective, scaling = estimator._scaling(network, known)
    checkpoint = options.checkpoint if is_judged else None
    if checkpoint is not None:
        of_fit = identity(estimator, FREE_PARAMETERS, samples, network.units)
        checkpoint.compare(of_fit, random_state)
        judging = np.concatenate(held_out)
        checkpoint.identity["validation"] = fingerprint(judging, judging, None)
    task = new_task(
        network,
        recipe,
        settings,
        samples if scaling is None else _scaled(samples, scaling),
        rows,
        held_out,
        encoder.tables,
        score=estimator._score(samples.weight),
        random_state=random_state,
        scaling=scaling,
        listener=listener_of(estimator, options) if is_judged else None,
        checkpoint=checkpoint,
        started=options.started,
    )
    bounds = estimator._bounds(known.y, objective)
    if is_judged:
        take_columns(estimator, encoder)
    weights, architecture = task.fitted_members(), recipe.architecture
    estimator._model = TabularModel(
        encoder, architecture, n_outputs, objective, weights, bounds
    )
    train(task, recipe, settings)
    return task


def _scaled(samples, scaling):
    """Samples with standardised targets; the rows are encoded already."""
    return samples._replace(y=scaling.targets(samples.y))


def take_columns(estimator, encoder):
    """The attributes that tell of the columns."""
    estimator.n_features_in_ = encoder.n_features_in
    vars(estimator).pop("feature_names_in_", None)
    if encoder.feature_names_in is not None:
        estimator.feature_names_in_ = encoder.feature_names_in


def _take_over(estimator, task):
    """The weights of a task that has ended."""
    vars(estimator).update(estimator._fitted_attributes(task))


def _take_record(estimator, record):
    """The attributes that tell of the training."""
    record.optimizer_state = None  # twice the weights, and nothing goes on with them
    publish(record, estimator)
    scores = np.array(record.validation_scores)
    best = np.flatnonzero(scores == record.best_score)
    estimator.best_epoch_ = int(best[-1]) + 1 if len(best) else record.n_iter


def _refit(estimator, samples, options, random_state, divisor):
    """Train anew on all rows to the best epoch; else the model stays as it is."""
    model = estimator._model
    all_rows = np.arange(len(samples.y), dtype=np.intp)
    rows = [all_rows] * len(model.weights)
    try:
        task = _train(estimator, samples, rows, None, options, random_state)
        reason = task.record.stop_reason
        if not np.isfinite(task.params).all():
            reason = "divergence"
    except KeyboardInterrupt:  # before the first epoch
        reason = "interrupted"
    if reason == "max_iter":
        divide_outputs(task, divisor)
        _take_over(estimator, task)
        return
    estimator._model = model
    warn(
        f"The refit on all rows did not come to its end ({reason}): the model is that "
        "of the training part."
    )
