"""Validation rows of all ranks: each predicts its own, rank 0 judges them together."""

from __future__ import annotations

from functools import partial

import numpy as np

from fastmlp._core.prediction import predict
from fastmlp._data.split import joined
from fastmlp._data.validation import as_array, check_some_weight
from fastmlp._mlp.validation_data import (
    Score,
    Validation,
    needs_features,
    split_of,
)
from fastmlp._training.holdout import Holdout


def shared_validation(group, estimator, samples, options, targets):
    """The validation data of a fit whose ranks hold out rows of their own.

    Rank 0 gets targets and weights of all of them, and features where the score
    predicts from these; the others know their own rows.

    Parameters
    ----------
    group : Group
    estimator, samples, options, targets
        As of ``validation_of``.
    """
    estimator._random_state = group.generator(estimator._random_state)
    split = split_of(estimator, samples, options, targets)
    with_features = group.share(needs_features(estimator))[0]
    mine = samples if with_features else samples._replace(X=None)
    mine = mine.part(split.held_out)
    if with_features:
        mine = mine._replace(X=as_array(mine.X))
    y = samples.y[split.train]
    is_weighted = samples.weight is None or samples.weight[split.train].any()
    parts = group.share((mine, np.stack([y.min(0), y.max(0)]), is_weighted))
    held_out, extremes, are_weighted = zip(*parts)
    held_out = joined(held_out)
    check_some_weight(are_weighted, "the training part of the split")
    check_some_weight(held_out.weight, "the validation part of the split")
    if not group.is_leader:
        return Validation(split, mine, None)
    score = Score(estimator, targets, held_out)
    score.check_targets(np.concatenate(extremes))
    return Validation(split, held_out, score)


class SharedHoldout(Holdout):
    """The validation rows of all ranks, which rank 0 judges.

    Parameters
    ----------
    group : Group
    own : Holdout
        With the rows of this rank; on rank 0 with the targets of all.
    """

    def __init__(self, group, own):
        self.group, self.data, self.rows = group, own.data, own.rows
        self.y, self.weight, self.score = own.y, own.weight, own.score

    def raw_outputs(self, task):
        """Outputs for the rows of all ranks, as rank 0; the others ``answer``."""
        params = task.current_params
        self.group.share(("judge", params))
        outputs = self.answer(task.network, params)
        if any(z is None for z in outputs):
            raise KeyboardInterrupt
        return np.concatenate(outputs)

    def answer(self, network, params):
        """The outputs of each rank for its rows, before their activation.

        Those of a rank that Ctrl-C has interrupted are None: rank 0 then ends the fit.
        """
        layers = network.layers(params)
        try:
            z = predict(network, self.data, layers, self.rows, activated=False)
        except KeyboardInterrupt:
            z = None
        return self.group.share(z)


def answers(task):
    """The action of another rank than 0 when rank 0 judges, by its command."""
    holdout = task.holdout
    return {} if holdout is None else {"judge": partial(holdout.answer, task.network)}
