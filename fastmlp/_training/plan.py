"""The plan of a fit: settings that no step changes, apart from the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from fastmlp._training.regularization import Regularization
from fastmlp._training.schedules import schedule


@dataclass(frozen=True)
class StepSettings:
    """Settings of the stochastic solvers.

    Attributes
    ----------
    schedule : str, (str, float) or callable
        A value of ``learning_rate``.
    learning_rate : float
        The rate to start from.
    power_t : float
        Of the schedule "invscaling".
    momentum, beta_1, beta_2, epsilon : float
    nesterov : bool
    """

    schedule: str | tuple | Callable
    learning_rate: float
    power_t: float
    momentum: float
    nesterov: bool
    beta_1: float
    beta_2: float
    epsilon: float

    @cached_property
    def curve(self):
        """The rate as a function of the progress, or None."""
        return schedule(self.schedule, self.learning_rate)


@dataclass(frozen=True)
class Plan:
    """The settings of one fit, resolved and checked.

    Attributes
    ----------
    solver : str
    steps : StepSettings
    regularization : Regularization
    alpha : float
        Weight of the L2 penalty.
    averaging : (str, float) or None
        ("ema", decay) or ("swa", start).
    batch_size : int or None
        None for at most 200 rows.
    shuffle : bool or "blocks"
    n_threads : int or None
    n_epochs : int
        The most epochs, or iterations of lbfgs, of this fit.
    n_planned : int
        Epochs over which schedules and averages are planned.
    is_incremental : bool
        Whether this is a part of a longer training, which goes on with the state of the
        solver and sees a part of the data.
    max_calls : int
        Evaluations of the loss after which lbfgs begins no other iteration.
    max_time : float or None
        Seconds.
    tol : float
    n_iter_no_change : float
        Epochs without an improvement by ``tol`` that are allowed.
    early_stopping : bool
        Whether the validation score decides when to stop and which weights to keep.
    target_score : float or None
        Validation score at which training stops.
    on_divergence : {"raise", "warn", "reduce_lr"}
    verbose : bool or int
    fit_intercept : bool
    has_own_loss : bool
        Whether the loss is user-defined.
    scales_features : bool
        Whether features are standardised.
    scales_targets : bool or None
        Whether targets are; None where they cannot be, as they are classes.
    is_scheduled : bool
        Whether the fit is meant to take all its epochs, so that their end tells nothing
        of its convergence.
    keeps_later : bool
        Whether early stopping keeps the last of several epochs with the best score.
    patience_growth : float
        The epochs that each one up to the best adds to ``n_iter_no_change``.
    """

    solver: str
    steps: StepSettings
    regularization: Regularization
    alpha: float
    averaging: tuple | None
    batch_size: int | None
    shuffle: bool | str
    n_threads: int | None
    n_epochs: int
    n_planned: int
    is_incremental: bool
    max_calls: int
    max_time: float | None
    tol: float
    n_iter_no_change: float
    early_stopping: bool
    target_score: float | None
    on_divergence: str
    verbose: bool | int
    fit_intercept: bool
    has_own_loss: bool
    scales_features: bool
    scales_targets: bool | None
    is_scheduled: bool = False
    keeps_later: bool = False
    patience_growth: float = 0.0

    @property
    def is_stochastic(self):
        """Return whether the solver takes a step for each batch."""
        return self.solver != "lbfgs"
