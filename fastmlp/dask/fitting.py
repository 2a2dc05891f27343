"""A fit on the cluster, by the machinery of a local one.

What a local fit learns from its rows comes from tasks on the shards; the plan, the
monitor and the record are the same.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from fastmlp._data.split import Samples
from fastmlp._mlp import records
from fastmlp._mlp.callbacks import listener_of
from fastmlp._mlp.checkpoints import identity_of_data
from fastmlp._mlp.fitting import (
    hidden_layers,
    is_warm,
    known_optimizer_state,
    scaling_of,
    start,
    take_over,
    take_random_state,
)
from fastmlp._mlp.input_checks import restored_on_error
from fastmlp._mlp.validation_data import Score
from fastmlp._training.averaging import begin_averaging
from fastmlp._training.epochs import run_epochs
from fastmlp._training.lbfgs import fit_lbfgs
from fastmlp._training.optimizers import OPTIMIZERS, restored_optimizer
from fastmlp._training.regularization import drawn_seed
from fastmlp.dask import batches, shards, table, training
from fastmlp.dask.rounds import (
    Cluster,
    ShardedEpoch,
    ShardedHoldout,
    ShardedObjective,
    ShardedOrder,
    ShardedTask,
)

# In place of rows, for those who ask for statistics.
_NOWHERE = Samples(np.empty((0, 0)), np.empty((0, 0)))


def fit(estimator, data, options):
    """Train by any solver; on an error the attributes stay as they were.

    Parameters
    ----------
    estimator : DaskMLPClassifier or DaskMLPRegressor
    data : tuple
        X, y and sample_weight.
    options : FitOptions

    Returns
    -------
    Exception or None
        What a user-defined function raised, to be raised again.
    """
    with restored_on_error(estimator):
        estimator._validate_params()
        cluster = Cluster(estimator.client)
        _check_options(estimator, options)
        goes_on = is_warm(estimator, options)
        hidden, activations = hidden_layers(estimator, goes_on)
        dtype = estimator._training_dtype(not goes_on)
        if not goes_on:
            for name in ("n_features_in_", "feature_names_in_"):
                vars(estimator).pop(name, None)
        exact = goes_on and not options.incremental
        samples, facts, dtype = table.prepare(cluster, estimator, data, dtype, exact)
        take_random_state(estimator, goes_on)
        targets = estimator._targets()
        width = table.width_of_targets(cluster, samples)
        estimator.n_outputs_ = targets.n_outputs(np.empty((0, width)))
        units = (estimator.n_features_in_, *hidden, estimator.n_outputs_)
        plan, network, params = start(
            estimator, options, units, activations, goes_on, dtype
        )
        _begin_checkpoint(cluster, estimator, options, samples, dtype, units)
        task = _task(
            estimator, plan, network, params, options, not goes_on, cluster, samples,
            facts, targets,
        )  # fmt: skip
        _train(task)
        take_over(estimator, task)
        estimator._stream = None
    return task.error


def _check_options(estimator, options):
    """Raise ValueError for what has no meaning where the rows are elsewhere."""
    split = estimator.validation_split
    if split is not None and not isinstance(split, float):
        raise ValueError(
            "validation_split must be a share of the rows in (0, 1) on Dask, where it "
            f"is taken of each partition, got {split!r:.80}. Pass X_val and y_val for "
            "rows of your choice."
        )
    if estimator.shuffle == "blocks":
        raise ValueError(
            "shuffle must be a bool on Dask, where each worker holds the rows of its "
            "partitions in memory, got 'blocks'. Pass shuffle=True."
        )
    if (options.X_val is None) != (options.y_val is None):
        raise ValueError("X_val and y_val must be passed together.")
    if options.X_val is None and options.sample_weight_val is not None:
        raise ValueError("sample_weight_val needs X_val and y_val.")
    if options.X_val is not None and split is not None and not options.incremental:
        raise ValueError(
            "X_val cannot be passed together with validation_split: one of them "
            "chooses the validation data."
        )
    if options.incremental and options.X_val is None and estimator.early_stopping:
        raise ValueError(
            "partial_fit does not support early_stopping=True without X_val and y_val."
        )


def _begin_checkpoint(cluster, estimator, options, samples, dtype, units):
    """Compare the fit with the checkpoint to go on from."""
    if options.checkpoint is None:
        return
    digest = table.digest_of(cluster, samples)
    identity = identity_of_data(estimator, digest, dtype, units, ("client",))
    options.checkpoint.begin(identity, estimator._random_state)


def _task(
    estimator, plan, network, params, options, is_cold, cluster, samples, facts, targets
):
    """The task of a fit: split, scaled, smoothed."""
    name, fraction = _fraction(estimator, options)
    cluster.splits, cluster.n_train = table.split_shards(
        cluster, samples, targets, fraction, name, estimator._random_state
    )
    cluster.samples = samples
    if not cluster.filled:
        raise ValueError("the split leaves no row to train on.")
    is_sparse = any(of.is_sparse for of in facts)
    if is_sparse:
        plan.regularization.check_rows(csr_matrix((0, network.units[0])), None)
    setting = training.Setting(
        _arguments(estimator, network),
        plan.regularization,
        plan.batch_size,
        plan.alpha,
        plan.n_threads,
    )
    scaling = scaling_of(
        estimator,
        network,
        _NOWHERE,
        None,
        is_cold,
        table.Statistics(cluster, is_sparse),
    )
    setting = setting._replace(network=_arguments(estimator, network))
    if scaling is not None and (options.gives_weights or not is_cold):
        scaling.unfold(params)
    if plan.is_stochastic:
        setting = batches.of_shards(setting, plan.solver, cluster.n_train)
    held_out = None
    if options.X_val is not None:
        held_out = _passed(cluster, estimator, options, params.dtype)
    elif fraction is not None:
        held_out = samples, cluster.splits
    elif not options.incremental and (
        estimator.scoring is not None or estimator.target_score is not None
    ):
        asked = "scoring" if estimator.scoring is not None else "target_score"
        raise ValueError(
            f"{asked} needs validation data: pass X_val and y_val, set validation_split"
            " or, for sgd and adam, early_stopping=True."
        )
    smoothing = plan.regularization.smoothing
    cluster.samples = table.in_units_of_training(
        cluster, samples, scaling, network.loss, smoothing
    )
    holdout = _holdout(cluster, estimator, setting, held_out, scaling, targets)
    if options.checkpoint is not None:
        options.checkpoint.identity["validation"] = _validation_digest(holdout)
    return ShardedTask(
        plan,
        network,
        params,
        None,
        None,
        records.begin(estimator, plan, holdout is not None),
        estimator._random_state,
        holdout=holdout,
        scaling=scaling,
        listener=listener_of(estimator, options),
        checkpoint=options.checkpoint,
        optimizer_state=known_optimizer_state(estimator)
        if options.incremental
        else None,
        started=options.started,
        cluster=cluster,
        setting=setting,
        sync_every=estimator.sync_every,
        averages_moments=estimator.average == "weights+moments",
    )


def _fraction(estimator, options):
    """The share of each shard to hold out, by the parameter that gives it, or None."""
    if options.X_val is not None or options.incremental:
        return "validation_split", None
    if estimator.validation_split is not None:
        return "validation_split", float(estimator.validation_split)
    if estimator.early_stopping and estimator.solver != "lbfgs":
        return "validation_fraction", float(estimator.validation_fraction)
    return "validation_fraction", None


def _arguments(estimator, network):
    """The arguments by which a worker makes the network again."""
    function = getattr(estimator.loss, "function", None)
    return (
        tuple(network.units),
        estimator._take_activations(len(network.units) - 2, False),
        network.objective,
        bool(estimator.fit_intercept),
        function,
    )


def _passed(cluster, estimator, options, dtype):
    """The shards of X_val and y_val, and a split that holds all of their rows out."""
    data = (options.X_val, options.y_val, options.sample_weight_val)
    try:
        samples = table.encoded(cluster, estimator, data, dtype)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"The validation data (X_val, y_val): {error}") from error
    return samples, [cluster.submit(shards.all_held_out, of) for of in samples]


def _holdout(cluster, estimator, setting, held_out, scaling, targets):
    """The validation data in the units of training, or None."""
    if held_out is None:
        return None
    samples, splits = held_out
    needs_features = estimator.scoring not in (None, "loss")
    parts = [
        cluster.submit(shards.held_out_of, of, split, needs_features)
        for of, split in zip(samples, splits)
    ]
    found = cluster.result(parts, [], "The validation rows")
    if not any(part is not None for part in found):
        raise ValueError("The validation data hold no row.")
    raw = shards.joined(found)
    score = Score(estimator, targets, raw)
    scaled = raw._replace(X=None)
    if scaling is not None:
        scaled = scaling.samples(scaled)
        samples = table.in_units_of_training(cluster, samples, scaling)
    return ShardedHoldout(cluster, setting, list(zip(samples, splits)), scaled, score)


def _validation_digest(holdout):
    """A hash of the targets of the validation rows, or None."""
    if holdout is None:
        return None
    return shards.fingerprint(np.empty((0, 0)), holdout.y, holdout.weight)


def _train(task):
    """Train by the solver of the plan."""
    if not task.plan.is_stochastic:
        fit_lbfgs(task, ShardedObjective)
        return
    plan, optimizer = task.plan, None
    if task.optimizer_state is not None:
        optimizer = restored_optimizer(
            plan.solver, task.optimizer_state, len(task.params), task.params.dtype
        )
    if optimizer is None:
        optimizer = OPTIMIZERS[plan.solver].from_settings(
            plan.steps, len(task.params), task.params.dtype
        )
    if plan.regularization.is_random and optimizer.noise_seed is None:
        optimizer.noise_seed = drawn_seed(task.random_state)
    task.averaging = begin_averaging(task, optimizer)
    order = ShardedOrder(task)
    epoch = ShardedEpoch(task, optimizer, order)
    run_epochs(task, optimizer, epoch, order)
    if plan.shuffle:
        task.random_state.set_state(order.final_state())
