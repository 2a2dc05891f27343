"""The plan of a fit: the parameters of an estimator, resolved once."""

from __future__ import annotations

from fastmlp._functions.losses import Loss
from fastmlp._mlp.regularization import regularization_of
from fastmlp._training.averaging import DEFAULTS
from fastmlp._training.plan import Plan, StepSettings


def step_settings(estimator):
    """Settings of the stochastic solvers, from the parameters of an estimator."""
    return StepSettings(
        schedule=estimator.learning_rate,
        learning_rate=float(estimator.learning_rate_init),
        power_t=float(estimator.power_t),
        momentum=float(estimator.momentum),
        nesterov=bool(estimator.nesterovs_momentum),
        beta_1=float(estimator.beta_1),
        beta_2=float(estimator.beta_2),
        epsilon=float(estimator.epsilon),
    )


def plan_of(estimator, options, n_layers):
    """The plan of one fit.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With valid parameters.
    options : FitOptions
    n_layers : int
        Layers of weights.

    Raises
    ------
    ValueError
        If parameters do not go together.
    """
    n_planned, batch_size = int(estimator.max_iter), estimator.batch_size
    shuffle = estimator.shuffle
    return Plan(
        solver=estimator.solver,
        steps=step_settings(estimator),
        regularization=regularization_of(estimator, n_layers),
        alpha=float(estimator.alpha),
        averaging=averaging_of(estimator),
        batch_size=None if batch_size == "auto" else int(batch_size),
        shuffle=shuffle if shuffle == "blocks" else bool(shuffle),
        n_threads=estimator.n_threads,
        n_epochs=options.n_epochs if options.incremental else n_planned,
        n_planned=n_planned,
        is_incremental=options.incremental,
        max_calls=int(estimator.max_fun),
        max_time=estimator.max_time,
        tol=float(estimator.tol),
        n_iter_no_change=estimator.n_iter_no_change,
        early_stopping=bool(estimator.early_stopping),
        target_score=estimator.target_score,
        on_divergence=estimator.on_divergence,
        verbose=estimator.verbose,
        fit_intercept=bool(estimator.fit_intercept),
        has_own_loss=isinstance(estimator.loss, Loss),
        scales_features=bool(estimator.standardize_X),
        scales_targets=getattr(estimator, "standardize_y", None),
    )


def averaging_of(estimator):
    """Kind and number of the average of the weights that is asked for, or None."""
    asked = estimator.weight_averaging
    if asked is None:
        return None
    kind, number = (asked, DEFAULTS[asked]) if isinstance(asked, str) else asked
    return kind, float(number)
