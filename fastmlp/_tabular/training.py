"""The training of a network for tables, or of several that are averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from fastmlp._core.network import Data
from fastmlp._tabular.recipe import layout, starting_weights
from fastmlp._training.epochs import run_epochs
from fastmlp._training.members import (
    Members,
    MembersHoldout,
    MembersOrder,
    MembersTask,
)
from fastmlp._training.optimizers import OPTIMIZERS
from fastmlp._training.plan import Plan, StepSettings
from fastmlp._training.record import Record
from fastmlp._training.regularization import Regularization, drawn_seed
from fastmlp._utils.threads import allowed_threads

BETA_1, BETA_2, EPSILON = 0.9, 0.95, 1e-8
# Rows up to which a batch has so many of them, beyond the last one LARGEST_BATCH.
BATCHES = ((1024, 64), (8192, 128), (30_000, 256), (100_000, 512))
LARGEST_BATCH = 1024


@dataclass(frozen=True)
class Settings:
    """What a fit is to do, apart from the network.

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


def batch_for(n_rows):
    """Rows of a batch for so many training rows."""
    for most, batch in BATCHES:
        if n_rows <= most:
            return batch
    return LARGEST_BATCH


def train(network, recipe, settings, samples, rows, held_out, tables, score, **others):
    """Train the members, and keep the epoch at which their mean is best.

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
    tables : list of ndarray or None
        Of each category: its fixed table, None for one that is trained.
    score : object or None
        As of Holdout.
    **others
        ``random_state``, ``listener``, ``checkpoint`` and ``started`` of Task.

    Returns
    -------
    task : MembersTask
        With the weights and the record.
    """
    n_rows = max(map(len, rows))
    plan = settings.plan(recipe, n_rows, held_out is not None)
    random_state, data = others["random_state"], Data(*samples)
    params = [
        starting_weights(network, tables, samples.X[of_member], random_state)
        for of_member in rows
    ]
    record, holdout = Record(loss_curve=[], best_loss=np.inf), None
    if held_out is not None:
        judged = samples.part(np.unique(np.concatenate(held_out)))._replace(X=None)
        link = link_of(network.output)
        holdout = MembersHoldout(data, held_out, judged, score, link)
        record.best_loss, record.best_score = None, -np.inf
        record.validation_scores, record.validation_losses = [], []
    others = {name: value for name, value in others.items() if name != "random_state"}
    task = MembersTask(
        plan,
        network,
        np.concatenate(params),
        samples,
        data,
        record,
        random_state,
        rows=rows,
        holdout=holdout,
        **others,
    )
    order = MembersOrder(rows, random_state)
    optimizer = OPTIMIZERS["adam"].from_settings(
        plan.steps, len(task.params), task.params.dtype
    )
    optimizer.noise_seed = drawn_seed(random_state)
    curves = [
        recipe.curves(settings.n_epochs * max(1, len(of_member) // plan.batch_size))
        for of_member in rows
    ]
    members = Members(
        task, optimizer, layout(network), curves, allowed_threads(settings.n_threads)
    )
    run_epochs(task, optimizer, members, order)
    return task


def link_of(output):
    """The inverse of an output activation, up to what it does not see."""
    return {
        "identity": lambda mean: mean,
        "softmax": lambda mean: np.log(np.maximum(mean, np.finfo(mean.dtype).tiny)),
        "exp": lambda mean: np.log(np.maximum(mean, np.finfo(mean.dtype).tiny)),
        "logistic": lambda mean: logit(
            np.clip(mean, np.finfo(mean.dtype).tiny, 1 - np.finfo(mean.dtype).epsneg)
        ),
    }[output]
