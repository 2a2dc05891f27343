"""The record of a fit as attributes of the estimator, and back."""

from __future__ import annotations

import numpy as np

from fastmlp._training.record import Record

# Attributes that are lists of a record, an entry an epoch.
CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_", "_history")
_RECORDED = (
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "validation_loss_curve_",
    "best_validation_score_",
    "_no_improvement_count",
    "_optimizer_state",
)


def forget(estimator):
    """Drop what earlier fits recorded."""
    estimator.t_, estimator._history = 0, []
    for name in _RECORDED:
        vars(estimator).pop(name, None)


def begin(estimator, plan, is_judged):
    """The record of a fit that begins: lists go on growing, baselines restart.

    ``partial_fit`` keeps the baselines of the loss too, where there are any.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With the record of earlier fits, whose lists are copied.
    plan : Plan
    is_judged : bool
        Whether there is validation data.
    """
    known = vars(estimator).get
    if plan.is_incremental and known("best_loss_") is not None:
        record = go_on(estimator)
        record.loss_curve = list(record.loss_curve)
        record.history = list(record.history)
    else:
        record = Record(t=int(known("t_", 0)), history=list(known("_history") or ()))
        if plan.is_stochastic:
            record.loss_curve = list(known("loss_curve_") or ())
            if not (is_judged and plan.early_stopping):
                record.best_loss = np.inf
    if is_judged:
        record.validation_scores = list(known("validation_scores_") or ())
        record.validation_losses = list(known("validation_loss_curve_") or ())
        record.best_score = -np.inf
    return record


def go_on(estimator):
    """The record of a stochastic solver that goes on; its lists are those it has."""
    known = vars(estimator).get
    return Record(
        t=int(known("t_", 0)),
        no_improvement_count=known("_no_improvement_count", 0),
        best_loss=known("best_loss_"),
        best_score=known("best_validation_score_"),
        loss_curve=known("loss_curve_") or [],
        validation_scores=known("validation_scores_"),
        validation_losses=known("validation_loss_curve_"),
        history=known("_history") or [],
    )


def publish(record, estimator):
    """Let an estimator have what a record holds; the lists are not copied."""
    state = vars(estimator)
    state["loss_"], state["n_iter_"] = record.loss, record.n_iter
    state["t_"], state["_history"] = record.t, record.history
    is_stochastic = record.loss_curve is not None
    if is_stochastic:
        state["loss_curve_"], state["best_loss_"] = record.loss_curve, record.best_loss
        state["_no_improvement_count"] = record.no_improvement_count
    if is_stochastic or record.validation_scores is not None:
        state["validation_scores_"] = record.validation_scores
        state["best_validation_score_"] = record.best_score
        if record.validation_losses is not None:
            state["validation_loss_curve_"] = record.validation_losses
        else:
            state.pop("validation_loss_curve_", None)
    if record.optimizer_state is not None:
        state["_optimizer_state"] = record.optimizer_state
    if record.stop_reason is not None:  # training has ended
        state["stop_reason_"] = record.stop_reason
