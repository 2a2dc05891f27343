"""A fit of a table: from an estimator and raw data to a model and its record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.utils import check_random_state

from fastmlp._core.network import Objective
from fastmlp._mlp.callbacks import listener_of
from fastmlp._mlp.checkpoints import identity
from fastmlp._mlp.input_checks import restored_on_error
from fastmlp._mlp.records import publish
from fastmlp._tables.model import TabularModel, stage_of
from fastmlp._tabular.calibration import divide_outputs
from fastmlp._tabular.importances import feature_importances
from fastmlp._utils.warnings import warn

OF_THE_END = ("best_epoch_", "feature_importances_", "stop_reason_", "temperature_")
FREE_PARAMETERS = ("max_time", "n_threads", "refit", "verbose")


def fit(estimator, data, options, kind):
    """Train an estimator; on an error its attributes stay as they were.

    Parameters
    ----------
    estimator : TabularMLPClassifier or TabularMLPRegressor
    data : tuple
        X, y and sample_weight.
    options : FitOptions
    kind : callable
        Makes the rows, TableRows where they are here, of the estimator, the data and
        the generator.
    """
    with restored_on_error(estimator):
        estimator._validate_params()
        random_state = check_random_state(estimator.random_state)
        if options.checkpoint is not None:
            options.checkpoint.rewind(random_state)
        rows = kind(estimator, data, random_state)
        for name in OF_THE_END:  # of an earlier fit
            vars(estimator).pop(name, None)
        task = _train(estimator, rows, options, random_state)
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
            _refit(estimator, rows, options, random_state, divisor)


def _train(estimator, rows, options, random_state):
    """Encode the table and train members; the estimator has the model by then.

    The options tell who follows the fit; a refit, without held-out rows, has nobody.
    """
    is_judged = rows.is_judged
    encoder = rows.encoded()
    recipe, settings = estimator._recipe(), estimator._settings(rows.n_rows)
    if not is_judged:
        last_epoch = max(1, estimator.best_epoch_)
        settings = replace(settings, last_epoch=last_epoch, patience=None)
    objective, n_outputs = estimator._objective_and_outputs(rows.no_targets)
    stage = stage_of(encoder, recipe.is_periodic)
    network = recipe.network(stage, n_outputs, Objective(*objective))
    objective, scaling = estimator._scaling(network, rows.statistics_of_targets)
    checkpoint = options.checkpoint if is_judged else None
    if checkpoint is not None:
        free = (*FREE_PARAMETERS, *rows.free_parameters)
        of_fit = identity(estimator, free, rows.digest(), encoder.dtype, network.units)
        checkpoint.compare(of_fit, random_state)
        checkpoint.identity["validation"] = rows.digest_of_judging()
    task = rows.task(
        network,
        recipe,
        settings,
        score=estimator._score(),
        random_state=random_state,
        scaling=scaling,
        listener=listener_of(estimator, options) if is_judged else None,
        checkpoint=checkpoint,
        started=options.started,
    )
    bounds = estimator._bounds(rows.range_of_targets(), objective)
    if is_judged:
        take_columns(estimator, encoder)
    weights, architecture = task.fitted_members(), recipe.architecture
    estimator._model = TabularModel(
        encoder, architecture, n_outputs, objective, weights, bounds
    )
    rows.train(task, recipe, settings)
    return task


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


def _refit(estimator, rows, options, random_state, divisor):
    """Train anew on all rows to the best epoch; else the model stays as it is."""
    model = estimator._model
    try:
        rows.train_all(len(model.weights))
        task = _train(estimator, rows, options, random_state)
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
