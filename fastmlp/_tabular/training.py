"""The training of a network for tables, or of several that are averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmlp._core.network import Data
from fastmlp._core.workspace import aligned_empty
from fastmlp._tabular.recipe import (
    BETA_1,
    BETA_2,
    EPSILON,
    layout,
    starting_weights,
)
from fastmlp._training.epochs import run_epochs
from fastmlp._training.members import (
    Members,
    MembersHoldout,
    MembersOrder,
    MembersTask,
    steps_per_epoch,
)
from fastmlp._training.optimizers import OPTIMIZERS
from fastmlp._training.plan import Plan, StepSettings
from fastmlp._training.record import Record
from fastmlp._training.regularization import Regularization, drawn_seed, smoothed
from fastmlp._utils.threads import allowed_threads

# Rows up to which a batch has so many of them, beyond the last one LARGEST_BATCH.
BATCHES = ((1024, 64), (8192, 128), (30_000, 256), (100_000, 512))
LARGEST_BATCH = 1024
# Epochs: LONGEST up to FEW_ROWS rows, from there on half as many for four times the
# rows, but SHORTEST at least.
LONGEST, SHORTEST, FEW_ROWS = 256, 16, 500
# Members: SEVERAL up to so many rows, where they cost little and help most.
SEVERAL, MEMBERS_ROWS = 5, 2000


@dataclass(frozen=True)
class Settings:
    """The settings of a fit, apart from the network.

    Attributes
    ----------
    n_epochs : int
        Epochs over which the schedule is laid.
    last_epoch : int
        Epochs to train, at most.
    batch_size : int or None
        None chooses it by the number of rows.
    smoothing : float
        Of the targets of a classification.
    patience : (float, float) or None
        Training stops where the epoch is above factor * best + more.
    max_time : float or None
        Seconds.
    n_threads : int or None
    verbose : bool or int
    """

    n_epochs: int
    last_epoch: int
    batch_size: int | None
    smoothing: float
    patience: tuple | None
    max_time: float | None
    n_threads: int | None
    verbose: bool | int

    def plan(self, recipe, n_rows, is_judged):
        """The plan of the training floor."""
        factor, more = self.patience or (1.0, np.inf)
        return Plan(
            solver="adam",
            steps=StepSettings(
                schedule="constant",
                learning_rate=recipe.learning_rate,
                power_t=0.5,
                momentum=0.0,
                nesterov=False,
                beta_1=BETA_1,
                beta_2=BETA_2,
                epsilon=EPSILON,
            ),
            regularization=Regularization(
                self.smoothing, recipe.dropouts(), 0.0, 0.0, 0.0, 0.0, 0.0, None
            ),
            alpha=0.0,
            averaging=None,
            batch_size=min(self.batch_size or batch_for(n_rows), n_rows),
            shuffle=True,
            n_threads=self.n_threads,
            n_epochs=self.last_epoch,
            n_planned=self.n_epochs,
            is_incremental=False,
            max_calls=0,
            max_time=self.max_time,
            tol=0.0,
            n_iter_no_change=more,
            early_stopping=is_judged,
            target_score=None,
            on_divergence="raise",
            verbose=self.verbose,
            fit_intercept=True,
            has_own_loss=False,
            scales_features=False,
            scales_targets=None,
            is_scheduled=True,
            keeps_later=True,
            patience_growth=factor - 1,
        )


def epochs_for(n_rows):
    """Epochs for so many rows."""
    epochs = round(LONGEST * np.sqrt(FEW_ROWS / n_rows))
    return int(np.clip(epochs, SHORTEST, LONGEST))


def members_for(n_rows, in_folds):
    """Members for so many rows; folds need several."""
    return SEVERAL if in_folds or n_rows <= MEMBERS_ROWS else 1


def batch_for(n_rows):
    """Rows of a batch for so many training rows."""
    for most, batch in BATCHES:
        if n_rows <= most:
            return batch
    return LARGEST_BATCH


def starts(network, tables, samples, rows, random_state):
    """Random weights of all members, one after the other.

    Parameters
    ----------
    network : Network
    tables : list of ndarray or None
        Of each category: its fixed table, None for one that is trained.
    samples : Samples
        Encoded rows, and targets in the units of training.
    rows : list of ndarray of intp
        The rows that each member trains on.
    random_state : RandomState
    """
    return np.concatenate(
        [_start(network, tables, samples, of, random_state) for of in rows],
        out=aligned_empty(len(rows) * network.n_params, samples.X.dtype),
    )


def new_record(is_judged):
    """The record of a fit that begins."""
    record = Record(loss_curve=[], best_loss=np.inf)
    if is_judged:
        record.best_loss, record.best_score = None, -np.inf
        record.validation_scores, record.validation_losses = [], []
    return record


def new_task(network, recipe, settings, samples, rows, held_out, params, **others):
    """The task of some members.

    Parameters
    ----------
    network : Network
    recipe : Recipe
    settings : Settings
    samples : Samples
        Encoded rows, and targets in the units of training.
    rows : list of ndarray of intp
        The rows that each member trains on.
    held_out : list of ndarray of intp, or None
        The rows that judge each member; None keeps the last epoch.
    params : ndarray
        The weights to start from.
    **others
        ``score`` of Holdout; ``random_state`` and more of Task.

    Returns
    -------
    task : MembersTask
    """
    random_state, score = others.pop("random_state"), others.pop("score")
    is_judged = held_out is not None
    targets = smoothed(samples.y, network.loss, settings.smoothing)
    data, holdout = Data(samples.X, targets, samples.weight), None
    if is_judged:
        judged = samples._replace(X=None).part(np.unique(np.concatenate(held_out)))
        holdout = MembersHoldout(data, held_out, judged, score)
    return MembersTask(
        settings.plan(recipe, max(map(len, rows)), is_judged),
        network,
        params,
        samples,
        data,
        new_record(is_judged),
        random_state,
        rows=rows,
        holdout=holdout,
        **others,
    )


def _start(network, tables, samples, rows, random_state):
    """Random weights of a member, with the mean of targets behind a logarithm."""
    params = starting_weights(network, tables, samples.X, rows, random_state)
    if network.output == "exp":
        known = samples._replace(X=None).part(rows)
        mean = np.average(known.y, axis=0, weights=known.weight)
        _, intercepts = network.split(params)
        intercepts[-1] += np.log(np.maximum(mean, np.finfo(params.dtype).eps))
    return params


def new_optimizer(task):
    """The optimizer of a task that begins, with the seed of its noise."""
    optimizer = OPTIMIZERS["adam"].from_settings(
        task.plan.steps, len(task.params), task.params.dtype
    )
    optimizer.noise_seed = drawn_seed(task.random_state)
    return optimizer


def train(task, recipe, settings):
    """Train the members of a task; where it is judged, the best epoch is kept.

    A task that is not judged keeps the last one.
    """
    order = MembersOrder(task.rows, task.random_state)
    optimizer = new_optimizer(task)
    n_steps = settings.n_epochs * steps_per_epoch(task.rows, task.plan.batch_size)
    members = Members(
        task,
        optimizer.moments,
        layout(task.network),
        recipe.curves(n_steps, task.network),
        allowed_threads(settings.n_threads),
    )
    run_epochs(task, optimizer, members, order)
