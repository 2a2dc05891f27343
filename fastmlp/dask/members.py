"""The training of the members of a tabular model on a shard, by pure functions."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from fastmlp._core.network import Data, Objective
from fastmlp._core.stage import InputStage
from fastmlp._tabular.recipe import layout
from fastmlp._tabular.training import starts
from fastmlp._training.members import (
    Members,
    MembersHoldout,
    MembersTask,
    steps_per_epoch,
)
from fastmlp.dask.shards import at
from fastmlp.dask.training import Sums, threads_of


class MembersSetting(NamedTuple):
    """The settings that all tasks of a fit share.

    Attributes
    ----------
    recipe : Recipe
    n_numbers : int
    tables : tuple
        As of InputStage.
    n_outputs : int
    objective : Objective
        In the units of training.
    plan : Plan
        With the batch of a shard.
    n_steps : int
        Of the whole fit.
    rate_factor : float, default=1.0
        By which the learning rate is multiplied.
    """

    recipe: Any
    n_numbers: int
    tables: tuple
    n_outputs: int
    objective: Any
    plan: Any
    n_steps: int
    rate_factor: float = 1.0

    def network(self):
        """The network of a member."""
        stage = InputStage(self.n_numbers, self.tables, self.recipe.is_periodic)
        objective = Objective(*self.objective)
        return self.recipe.network(stage, self.n_outputs, objective)

    def task(self, params, samples, rows):
        """The task of the members on a shard."""
        plan = replace(
            self.plan,
            batch_size=min(self.plan.batch_size, max(map(len, rows))),
            n_threads=threads_of(self.plan.n_threads),
        )
        data, state = Data(*samples), None
        return MembersTask(
            plan, self.network(), params, samples, data, None, state, rows=rows
        )


@lru_cache(maxsize=2)
def _curves(recipe, n_steps, n_outputs, objective):
    """The curves of a fit, which each task takes its steps of."""
    network = replace(recipe, is_periodic=False).network(
        InputStage(1, (), False), n_outputs, Objective(*objective)
    )
    return recipe.curves(n_steps, network)


def started(setting, tables, samples, split, state):
    """Weights of all members to start from, and the state of the generator after.

    Parameters
    ----------
    setting : MembersSetting
    tables : list of ndarray or None
        Of each category: its fixed table, None for one that is trained.
    samples : Samples
    split : TableSplit or int
        Or the number of members, all of which start on all of the rows.
    state : tuple
        Of the generator.
    """
    random_state = np.random.RandomState()
    random_state.set_state(state)
    if isinstance(split, int):
        rows = [np.arange(len(samples.y), dtype=np.intp)] * split
    else:
        rows = split.orders
    params = starts(setting.network(), tables, samples, rows, random_state)
    return params, random_state.get_state()


def trained(n_epochs, n_moments, step, span, seed, where, *of_workers):
    """Train all members on some batches of an epoch; as ``training.trained``."""
    begun, (shard, round_number) = perf_counter(), where
    setting, samples, order, ((params, *moments), _, seconds) = of_workers
    with at(shard, round_number):
        params, moments = params.copy(), [vector.copy() for vector in moments]
        rows, _ = order.after(n_epochs)
        task = setting.task(params, samples, rows)
        members = Members(
            task,
            moments,
            layout(task.network),
            _curves(
                setting.recipe, setting.n_steps, setting.n_outputs, setting.objective
            ),
            task.plan.n_threads,
        )
        arguments, keywords = step
        members.use(*arguments, **keywords)
        members.seed((seed[0], (seed[1] + shard * len(rows)) % 2**32))
        if span is not None:
            batch_size = task.batch_size()
            first, last = span[0], sum(span)
            last = min(last, steps_per_epoch(rows, batch_size))
            rows = [of[first * batch_size : last * batch_size] for of in rows]
        members.run(rows, None, begun + seconds)
        sums = Sums(
            members.loss,
            members.rows_counted,
            members.rows_done,
            members.t,
            members.last_rate,
            velocity_rate=0.0,
            momentum_product=1.0,
            n_averaged=0,
        )
        return [params, *moments], sums


def judged(what, setting, shard, samples, split, params):
    """Outputs for the held-out rows: the result of a method of MembersHoldout."""
    if samples is None or not len(split.held_out):
        return None
    with at(shard):
        task = setting.task(params, samples, split.orders)
        known = samples._replace(X=None).part(split.held_out)
        holdout = MembersHoldout(task.data, split.judging, known, None)
        return getattr(holdout, what)(task)
