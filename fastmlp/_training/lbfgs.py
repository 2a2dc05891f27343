"""Training by L-BFGS (Liu and Nocedal 1989) on all rows at once.

The rules are those of L-BFGS-B 3.0 (Zhu et al. 1997) where no variable has a bound,
with the defaults of SciPy, which scikit-learn uses: the same steps up to rounding.  The
network has its own precision, all else is in double.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastmlp._core.batch import BatchSum, DeadlineError
from fastmlp._core.curvature import Curvature, dot
from fastmlp._core.network import Data
from fastmlp._functions.checks import is_from_function
from fastmlp._training.checkpoint.solver_states import LbfgsState
from fastmlp._training.line_search import LONGEST, LineSearch
from fastmlp._training.monitor import Monitor
from fastmlp._training.task import INTERRUPTED
from fastmlp._utils.warnings import warn

N_PAIRS = 10  # of steps and changes of the gradient
MOST_TRIALS = 20  # of a line search
EPSILON = float(np.finfo(float).eps)
FLAT = 1e7 * EPSILON  # relative fall of the loss at which training ends


def fit_lbfgs(task, kind=None):
    """Train by L-BFGS.

    Parameters
    ----------
    task : Task
    kind : callable or None
        Makes the objective, from the arguments of Objective, which None takes.
    """
    plan, record, checkpoint = task.plan, task.record, task.checkpoint
    monitor = Monitor(task)
    objective = (kind or Objective)(task, monitor.deadline)
    course = Course(len(objective.x))
    state = LbfgsState(monitor, objective, course)
    if checkpoint is not None:
        checkpoint.restore(monitor, state)

    def goes_on():
        if checkpoint is not None:
            checkpoint.epoch_ends(monitor, state)

    def iteration_ends():
        monitor.iteration_begins()
        return monitor.iteration_ends(objective.best_loss)

    try:
        end = minimize(
            objective,
            course,
            max_iter=plan.n_epochs,
            max_calls=plan.max_calls,
            tol=plan.tol,
            iteration_ends=iteration_ends,
            goes_on=goes_on,
        )
    except (KeyboardInterrupt, Exception) as reason:
        if not (
            isinstance(reason, KeyboardInterrupt | DeadlineError)
            or is_from_function(reason)
        ):
            monitor.failed()
            raise
        if is_from_function(reason) and not np.isfinite(objective.best_loss):
            monitor.failed()
            raise
        objective.take_best()
        record.loss = objective.best_loss
        if isinstance(reason, KeyboardInterrupt):
            monitor.interrupted()
        else:
            monitor.stop_reason = "error" if is_from_function(reason) else "max_time"
        monitor.finish()
        if isinstance(reason, KeyboardInterrupt):
            warn(INTERRUPTED)
        elif is_from_function(reason):
            task.error = reason
        else:
            monitor.time_is_up()
        return
    objective.put(objective.x)
    record.loss = objective.loss
    if end is STOPPED or (
        plan.on_divergence != "raise" and not np.isfinite(task.params).all()
    ):
        objective.take_best()
        record.loss = objective.best_loss
    if end is not STOPPED:
        monitor.stop_reason = end.reason
    limit = None
    if end.status > 0:
        more = ""
        if record.n_iter >= plan.n_epochs:
            more = f" Increase max_iter (now {plan.n_epochs})."
        limit = (
            f"lbfgs failed to converge after {record.n_iter} iteration(s) "
            f"(status={end.status}): {end.message}.{more} Scaling the data may "
            "also help, for example with sklearn.preprocessing.StandardScaler."
        )
    monitor.has_ended = monitor.has_ended or end is not STOPPED
    monitor.finish(limit)


class End(NamedTuple):
    """Why a minimisation ended.

    Attributes
    ----------
    status : int
        Of SciPy, -1 for a rule of ours.
    message : str
    reason : str
        The value of ``stop_reason_``.
    """

    status: int
    message: str
    reason: str


STOPPED = End(-1, "stopped", "callback")
SMALL_GRADIENT = End(0, "the gradient is within tol", "tol")
SMALL_DECREASE = End(0, "the loss falls no more", "tol")
MAX_ITER = End(1, "the limit of iterations is reached", "max_iter")
MAX_CALLS = End(1, "the limit of evaluations, max_fun, is exceeded", "max_fun")
NOT_FINITE = End(2, "the loss of the initial weights is infinite or NaN", "divergence")
ABNORMAL = End(2, "the loss falls in no direction that was tried", "line_search")


class Course:
    """How far a minimisation has come.

    Attributes
    ----------
    n_iter, n_calls : int
        Iterations and evaluations so far.
    curvature : Curvature
        Their steps and changes of the gradient.
    """

    def __init__(self, n):
        self.n_iter = self.n_calls = 0
        self.curvature = Curvature(N_PAIRS, n)

    def limit(self, max_iter, max_calls):
        """The end at a limit that is reached, or None."""
        if self.n_iter >= max_iter:
            return MAX_ITER
        return MAX_CALLS if self.n_calls > max_calls else None


def minimize(
    objective, course, *, max_iter, max_calls, tol, iteration_ends, goes_on=lambda: None
):
    """Minimise a function.

    Parameters
    ----------
    objective : callable
        Evaluates the function at its ``x``, a float64 array of shape (n,), into its
        ``loss`` and ``grad``; the minimum is left in all three.
    course : Course
        A new one, or one to go on with, where all three are as it left them.
    max_iter, max_calls : int
        The most iterations, and evaluations after which no other iteration begins.
    tol : float
        Largest absolute entry of the gradient at which the minimum is reached.
    iteration_ends : callable
        Called after each iteration; returns whether to stop.
    goes_on : callable
        Called after each iteration at which it did not end but for a limit: objective
        and course are what the next one would begin with.

    Returns
    -------
    End
    """
    x, grad, curvature = objective.x, objective.grad, course.curvature
    direction, x_before, grad_before = (np.empty_like(x) for _ in range(3))
    end = course.limit(max_iter, max_calls)
    if course.n_calls == 0:
        objective()
        course.n_calls = 1
        if not math.isfinite(objective.loss):
            return NOT_FINITE
        if _largest(grad) <= tol:
            return SMALL_GRADIENT
    while end is None:
        before, slope_before = objective.loss, curvature.descend(grad, direction)
        x_before[:], grad_before[:] = x, grad
        step = 1.0
        if course.n_iter == 0:  # the direction has no length of its own yet
            step = min(1 / math.sqrt(dot(direction, direction) or math.inf), LONGEST)
        search, is_over = LineSearch(before, slope_before, step), False
        n_trials = 0
        while -math.inf < slope_before < 0 and not is_over and n_trials < MOST_TRIALS:
            _move(x, x_before, search.step, direction)
            objective()
            n_trials += 1
            slope = dot(grad, direction)
            is_over = search.ends(objective.loss, slope)
        course.n_calls += n_trials
        if not is_over:
            x[:], grad[:], objective.loss = x_before, grad_before, before
            if curvature.n_known == 0:
                return ABNORMAL
            curvature.forget()
            continue
        course.n_iter += 1
        if iteration_ends():
            return STOPPED
        end = _convergence(objective, before, tol)
        if end is None:
            product = (slope - slope_before) * search.step
            if product > -EPSILON * slope_before * search.step:
                curvature.learn(direction, search.step, grad, grad_before, product)
            goes_on()
        end = course.limit(max_iter, max_calls) or end
    return end


def _convergence(objective, before, tol):
    """The end where the minimum is reached, or None; before: the loss one step ago."""
    loss = objective.loss
    if _largest(objective.grad) <= tol:
        return SMALL_GRADIENT
    if before - loss <= FLAT * max(abs(before), abs(loss), 1):
        return SMALL_DECREASE
    return None


def _move(x, start, step, direction):
    """Put start + step direction into x."""
    with np.errstate(all="ignore"):
        np.multiply(direction, step, out=x)
        x += start


def _largest(values):
    """The largest absolute value; NaN where one is."""
    return float(max(values.max(), -values.min()))


class Objective:
    """The loss over the training rows, and the best weights that it saw.

    Parameters
    ----------
    task : Task
    deadline : float
        On the clock of ``perf_counter``.
    """

    def __init__(self, task, deadline):
        part = task.samples.part(task.rows)
        weight = part.weight
        if weight is not None and weight.sum(dtype=np.float64) == 0:
            raise ValueError("sample_weight must not sum to zero with solver='lbfgs'.")
        self.deadline = deadline
        self.alpha = task.plan.alpha
        self.batch = BatchSum(
            task.network,
            task.data if task.rows is None else Data(*part),
            task.params,
            len(part.y),
            task.threads(len(part.y)),
            smoothing=task.plan.regularization.smoothing,
        )
        trained = slice(task.network.n_trainable)
        self.weights, self.gradient = task.params[trained], self.batch.grad[trained]
        self.x = self.weights.astype(float)
        self.grad = np.empty_like(self.x)
        self.loss = self.best_loss = np.inf
        self.best_x = self.x.copy()

    def __call__(self):
        deadline = self.deadline if np.isfinite(self.best_loss) else np.inf
        self.put(self.x)
        self.loss = self.loss_gradient(deadline)
        self.grad[:] = self.gradient
        if self.loss < self.best_loss:
            self.best_loss, self.best_x[:] = self.loss, self.x

    def loss_gradient(self, deadline):
        """The loss at the weights of the network; puts its gradient in place."""
        return self.batch.loss_gradient(self.alpha, deadline)

    def put(self, x):
        """Let the network have these weights."""
        with np.errstate(all="ignore"):  # beyond single precision they are infinite
            self.weights[:] = x

    def take_best(self):
        """Go back to the best weights."""
        self.put(self.best_x)
