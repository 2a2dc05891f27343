"""A fit from the parameters of an estimator and its data to the attributes of a model.

The floors below know no estimator: they take a plan, plain data and functions, train,
and write a record.  This module makes the former and takes the latter over.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from numbers import Integral
from time import perf_counter
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from fastmlp._core.network import Data
from fastmlp._data.scaling import (
    Scaling,
    check_targets_scale,
    statistics,
    step_objectives,
)
from fastmlp._data.split import Samples
from fastmlp._data.validation import as_array, check_target_names
from fastmlp._mlp import parameters, records
from fastmlp._mlp.activations import initial_activations
from fastmlp._mlp.callbacks import listener_of
from fastmlp._mlp.checkpoints import fingerprint_of_validation, identity_of
from fastmlp._mlp.fast_partial_fit import Stream, restarts
from fastmlp._mlp.input_checks import restored_on_error
from fastmlp._mlp.planning import plan_of
from fastmlp._mlp.starting_weights import (
    packed,
    start_cold,
    start_warm,
    take_weights,
)
from fastmlp._mlp.validation_data import validation_of
from fastmlp._training.checkpoint.file import make_checkpoint
from fastmlp._training.epochs import fit_stochastic
from fastmlp._training.holdout import Holdout
from fastmlp._training.lbfgs import fit_lbfgs
from fastmlp._training.regularization import smoothed
from fastmlp._training.task import Task


class Trainer:
    """The parts of a fit that differ where other processes train the same model.

    This trainer is alone; each process sees rows of its own where a subclass is not.

    Attributes
    ----------
    knows_classes : bool
        Whether the estimator has ``classes_``, which the rows here need not hold all.
    total : callable or None
        Sums arrays over the processes; None where there is one.
    """

    knows_classes = False
    total = None
    statistics = staticmethod(statistics)
    validation = staticmethod(validation_of)
    task = Task

    def check(self, samples, units):
        """Raise ValueError for data that do not go with those of the others."""

    def train(self, task):
        """Train; returns optimizer, epoch and order where there are epochs."""
        return (fit_stochastic if task.plan.is_stochastic else fit_lbfgs)(task)


@dataclass
class FitOptions:
    """The arguments of one call of ``fit`` or ``partial_fit`` besides the data."""

    incremental: bool = False
    n_epochs: int = 1
    coefs_init: Any = None
    intercepts_init: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    groups: Any = None
    callback: Any = None
    context: Any = None
    checkpoint: Any = None
    trainer: Any = field(default_factory=Trainer)
    started: float = field(default_factory=perf_counter)

    @property
    def gives_weights(self):
        """Return whether the fit starts from weights that were passed."""
        return self.coefs_init is not None or self.intercepts_init is not None


def fit_options(callback, checkpoint, checkpoint_every, resume, **others):
    """The options of a call of ``fit``, after a check.

    ``others`` are those of FitOptions.
    """
    parameters.check_callback(callback)
    checkpoint = make_checkpoint(checkpoint, checkpoint_every, resume)
    return FitOptions(callback=callback, checkpoint=checkpoint, **others)


def incremental_options(n_epochs, X_val, y_val, sample_weight_val, callback):
    """The options of a call of ``partial_fit``, after a check."""
    is_count = isinstance(n_epochs, Integral) and not isinstance(n_epochs, bool)
    if not is_count or n_epochs < 1:
        raise ValueError(f"n_epochs must be an int >= 1, got {n_epochs!r}.")
    parameters.check_callback(callback)
    return FitOptions(
        incremental=True,
        n_epochs=int(n_epochs),
        X_val=X_val,
        y_val=y_val,
        sample_weight_val=sample_weight_val,
        callback=callback,
    )


def fit(estimator, X, y, sample_weight, options):
    """Train by any solver; on an error the attributes stay as they were.

    Returns what a user-defined function raised, to be raised again: the model then has
    the weights of the last whole batch.
    """
    with restored_on_error(estimator):
        estimator._validate_params()
        trainer, goes_on = options.trainer, is_warm(estimator, options)
        hidden, activations = hidden_layers(estimator, goes_on)
        dtype = estimator._training_dtype(not goes_on)
        check_target_names(y, options.y_val)
        knows = options.incremental or trainer.knows_classes
        exact = not trainer.knows_classes
        X, y = estimator._validate_input(X, y, knows, not goes_on, dtype, exact)
        weight = estimator._row_weights(y, sample_weight, X.dtype, trainer.total)
        samples = Samples(X, y, weight)
        take_random_state(estimator, goes_on)
        targets = estimator._targets()
        estimator.n_outputs_ = targets.n_outputs(y)
        units = (X.shape[1], *hidden, estimator.n_outputs_)
        trainer.check(samples, units)
        plan, network, params = start(
            estimator, options, units, activations, goes_on, X.dtype
        )
        if options.checkpoint is not None:
            identity = identity_of(estimator, samples, units)
            options.checkpoint.begin(identity, estimator._random_state)
        validation = trainer.validation(estimator, samples, options, targets)
        task = _task(
            estimator, plan, network, params, samples, validation, options, not goes_on
        )
        machinery = trainer.train(task)
        take_over(estimator, task)
        estimator._stream = None
        # a first call draws weights before the order of the rows, later ones do not
        may_repeat = goes_on or not restarts(estimator)
        if options.incremental and may_repeat and _may_stream(estimator, task):
            estimator._stream = Stream(estimator, task, targets, *machinery)
    return task.error


def is_warm(estimator, options):
    """Return whether a fit goes on from the weights of an earlier one."""
    asked = estimator.warm_start or options.incremental
    return bool(asked) and hasattr(estimator, "coefs_")


def hidden_layers(estimator, goes_on):
    """Units and activations of the hidden layers."""
    hidden = parameters.hidden_sizes(estimator)
    return hidden, estimator._take_activations(len(hidden), not goes_on)


def start(estimator, options, units, activations, goes_on, dtype):
    """The plan, the network and the flat vector of the weights to start from.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    options : FitOptions
    units : tuple of int
        Of all layers.
    activations : list
        Of the hidden layers.
    goes_on : bool
        Whether the weights are those of an earlier fit.
    dtype : dtype
    """
    objective = estimator._wanted_objective()
    network = estimator._network(units, activations, objective, trains=True)
    plan = plan_of(estimator, options, len(units) - 1)
    if goes_on:
        start_warm(estimator, network, options.incremental)
    else:
        initial = initial_activations(estimator, activations)
        start_cold(estimator, network, initial)
    take_weights(estimator, units, options.coefs_init, options.intercepts_init)
    return plan, network, packed(estimator, network, dtype)


def take_random_state(estimator, goes_on):
    """Restart the random generator, unless its stream continues."""
    continues = estimator.random_stream == "continue" and goes_on
    if not (continues and hasattr(estimator, "_random_state")):
        estimator._random_state = check_random_state(estimator.random_state)


def _task(estimator, plan, network, params, samples, validation, options, is_cold):
    """The task of a fit: rows, split, scaled, smoothed, and then the data of the core.

    The weights in ``params`` are changed to suit scaled data, unless they are new.
    """
    rows = None
    if validation is not None and validation.split is not None:
        rows = validation.split.train
    trainer = options.trainer
    scaling = scaling_of(estimator, network, samples, rows, is_cold, trainer.statistics)
    if scaling is not None:
        if options.gives_weights or not is_cold:
            scaling.unfold(params)
        samples = scaling.samples(samples)
    plan.regularization.check_rows(samples.X, rows)
    smoothing = plan.regularization.smoothing
    samples = samples._replace(y=smoothed(samples.y, network.loss, smoothing))
    data = Data(*samples)
    checkpoint = options.checkpoint
    if checkpoint is not None:
        checkpoint.identity["validation"] = fingerprint_of_validation(validation)
    return trainer.task(
        plan,
        network,
        params,
        samples,
        data,
        records.begin(estimator, plan, validation is not None),
        estimator._random_state,
        rows=rows,
        holdout=_holdout(validation, scaling, data),
        scaling=scaling,
        listener=listener_of(estimator, options),
        checkpoint=checkpoint,
        optimizer_state=known_optimizer_state(estimator)
        if options.incremental
        else None,
        started=options.started,
    )


def scaling_of(estimator, network, samples, rows, is_cold, statistics):
    """The standardisation that an estimator asks for, or None.

    The statistics are those of the first fit of the model, over its training rows and
    their weights; a warm start and ``partial_fit`` keep them. Random weights take
    standardised data, while given ones and those of an earlier fit take raw data.
    """
    known = getattr(estimator, "_scaling", None) or {}
    fit_intercept = bool(estimator.fit_intercept)
    standardizes_y = getattr(estimator, "standardize_y", False)
    if standardizes_y:
        output = estimator.output_activation
        check_targets_scale(network.objective, output, fit_intercept)
    found = {}
    for name, is_wanted in (("X", estimator.standardize_X), ("y", standardizes_y)):
        if is_wanted and known.get(name):
            found[name] = known[name]
        elif is_wanted:
            part = samples.part(rows)
            values = as_array(part.X) if name == "X" else part.y
            found[name] = statistics(values, part.weight, name, fit_intercept)
    estimator._scaling = found
    if not found:
        return None
    if standardizes_y and network.objective.is_monotone:
        scale = found["y"]["scale"]
        of_raw, of_scaled = step_objectives(network.objective, scale, is_cold)
        estimator._take_objective(of_raw)
        network.set_objective(of_scaled)
    return Scaling(network, **found)


def _holdout(validation, scaling, data):
    """The validation data in the units of training, or None."""
    if validation is None:
        return None
    samples, rows = validation.samples, validation.rows
    if rows is not None:  # of the data themselves
        samples = samples._replace(X=None)
    if scaling is not None:
        samples = scaling.samples(samples)
    return Holdout(None if rows is None else data, rows, samples, validation.score)


def known_optimizer_state(estimator):
    """The state of the solver to go on with, or None.

    It holds the weights in training beside their average, with a hash of the average:
    where other weights are in ``coefs_`` by now, those count, and a new average begins.
    """
    state = getattr(estimator, "_optimizer_state", None)
    average = None if state is None else state.get("averaging")
    if average is not None and average["digest"] != _digest(estimator):
        return {**state, "averaging": None}
    return state


def _digest(estimator):
    """A hash of the weights of an estimator."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (*estimator.coefs_, *estimator.intercepts_):
        digest.update(np.ascontiguousarray(array).view(np.uint8).reshape(-1))
    return digest.hexdigest()


def _may_stream(estimator, task):
    """Return whether the next ``partial_fit`` may reuse the objects of this one."""
    return not (
        task.error is not None
        or task.scaling is not None
        or task.holdout is not None
        or task.averaging is not None
        or issparse(task.samples.X)
        or estimator.label_smoothing
    )


def take_over(estimator, task):
    """Take over weights and record of a task that has ended."""
    task.check_finite()
    if task.scaling is not None:
        task.scaling.fold(task.params)
    estimator.coefs_, estimator.intercepts_ = task.network.split(task.params)
    average = None if task.averaging is None else task.averaging.next_start()
    if average is not None:
        average["digest"] = _digest(estimator)
        task.record.optimizer_state["averaging"] = average
    records.publish(task.record, estimator)
