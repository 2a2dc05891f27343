"""The line search of L-BFGS: Moré and Thuente (1994).

Line search algorithms with guaranteed sufficient decrease, ACM Transactions on
Mathematical Software 20(3), 286-307; its sections and cases are cited below.  The
constants are those of L-BFGS-B 3.0 (Zhu et al. 1997), for the same steps.
"""

from __future__ import annotations

import math
from typing import NamedTuple

DECREASE = 1e-3  # of the loss, as a share of what the first slope promises (1.1)
FLATNESS = 0.9  # of the slope, as a share of the first one (1.2)
PRECISION = 0.1  # of the interval, as a share of its end, where the search gives up
LONGEST = 1e10
SHRINKAGE = 0.66  # that two steps should bring the interval to
EXTRAPOLATION = (1.1, 4.0)  # least and most, of the last step


class _Trial(NamedTuple):
    """A step with the loss and its slope along the direction."""

    step: float
    loss: float
    slope: float

    def minus(self, line):
        """The trial with a line through the origin taken off the loss."""
        return _Trial(self.step, self.loss - self.step * line, self.slope - line)


class LineSearch:
    """Steps along a direction until one lowers and flattens the loss enough.

    Parameters
    ----------
    loss, slope : float
        At the start; the slope is below 0.
    step : float
        The first to try, above 0 and at most ``LONGEST``.

    Attributes
    ----------
    step : float
        To be tried next, or the last one where the search is over.
    """

    def __init__(self, loss, slope, step):
        self.step = step
        self.line = DECREASE * slope  # of sufficient decrease
        self.first = self.best = self.other = _Trial(0.0, loss, slope)
        self.low, self.high = 0.0, (1 + EXTRAPOLATION[1]) * step
        self.is_bracketed, self.must_decrease = False, True
        self.is_walled = False  # by an infinite loss, short of which it may not flatten
        self.width, self.width_before = LONGEST, 2 * LONGEST

    def ends(self, loss, slope):
        """Return whether the step is taken; else ``step`` is the next one.

        Parameters
        ----------
        loss, slope : float
            At the step.
        """
        trial = _Trial(self.step, loss, slope)
        if not (math.isfinite(loss) and math.isfinite(slope)):
            self.step = 0.5 * (self.best.step + self.step)
            self.is_walled = True
            return False
        enough = self.first.loss + self.step * self.line
        if self.must_decrease and loss <= enough and slope >= 0:
            self.must_decrease = False
        if self._is_good(trial, enough) or self._is_stuck(trial, enough):
            return True
        line = 0.0
        if self.must_decrease and self.best.loss >= loss > enough:
            line = self.line  # the modified function of section 3
        step = self._narrow(trial, line)
        if not math.isfinite(step):  # numbers too large or too small to tell
            step = 0.5 * (self.best.step + self.other.step)
        if self.is_bracketed:
            step = self._halved_if_slow(step)
            ends = sorted((self.best.step, self.other.step))
        else:
            ends = [step + by * (step - self.best.step) for by in EXTRAPOLATION]
        self.low, self.high = ends
        self.step = min(max(step, 0.0), LONGEST)
        if self._is_exhausted():
            self.step = self.best.step
            return self.best is trial  # whose loss is known
        return False

    def _is_good(self, trial, enough):
        """The strong Wolfe conditions."""
        is_flat = abs(trial.slope) <= -FLATNESS * self.first.slope
        return trial.loss <= enough and (is_flat or self.is_walled)

    def _is_stuck(self, trial, enough):
        """Return whether no better step can be found than this one."""
        falls = trial.loss <= enough and trial.slope <= self.line
        at_end = (trial.step == LONGEST and falls) or (trial.step == 0 and not falls)
        return at_end or self._is_exhausted()

    def _is_exhausted(self):
        """Return whether the interval leaves no room for the step."""
        if not self.is_bracketed:
            return False
        within = self.low < self.step < self.high
        return not within or self.high - self.low <= PRECISION * self.high

    def _narrow(self, trial, line):
        """Take a trial into the interval (section 4); the next step, unsafeguarded."""
        best, other, new = (t.minus(line) for t in (self.best, self.other, trial))
        step, brackets = _next_step(
            best, other, new, self.is_bracketed, (self.low, self.high)
        )
        self.is_bracketed = self.is_bracketed or brackets
        if new.loss > best.loss:
            self.other = trial
        else:
            if _turns(best, new):
                self.other = self.best
            self.best = trial
        return step

    def _halved_if_slow(self, step):
        """The middle of the interval if it has not shrunk enough in two steps."""
        width = abs(self.other.step - self.best.step)
        if width >= SHRINKAGE * self.width_before:
            step = 0.5 * (self.best.step + self.other.step)
        self.width_before, self.width = self.width, width
        return step


def _next_step(best, other, new, is_bracketed, limits):
    """The step by the cases of section 4; whether new and best bracket a minimum."""
    cubic = _cubic(best, new) if new.loss > best.loss else _cubic(new, best)
    if new.loss > best.loss:  # case 1
        length = new.step - best.step
        excess = best.slope - _ratio(new.loss - best.loss, length)
        quadratic = best.step + 0.5 * _ratio(best.slope, excess) * length
        if abs(cubic - best.step) < abs(quadratic - best.step):
            return cubic, True
        return 0.5 * (cubic + quadratic), True
    if _turns(best, new):  # case 2
        return max(cubic, _secant(new, best), key=lambda to: abs(to - new.step)), True
    if abs(new.slope) < abs(best.slope):  # case 3
        return _extrapolated(best, other, new, is_bracketed, limits), False
    if is_bracketed:  # case 4
        return _cubic(new, other), False
    return limits[new.step > best.step], False


def _extrapolated(best, other, new, is_bracketed, limits):
    """Case 3: the slope flattens, the minimum may lie beyond."""
    is_right = new.step > best.step
    steps = _cubic(new, best, beyond=limits[is_right]), _secant(new, best)
    choose = min if is_bracketed else max
    step = choose(steps, key=lambda to: abs(to - new.step))
    if not is_bracketed:
        return min(max(step, limits[0]), limits[1])
    farthest = new.step + SHRINKAGE * (other.step - new.step)
    return min(step, farthest) if is_right else max(step, farthest)


def _turns(a, b):
    """Return whether the slopes of two trials have opposite signs."""
    return b.slope * math.copysign(1.0, a.slope) < 0


def _ratio(a, b):
    """Return a / b, NaN where b is 0."""
    return a / b if b != 0 else math.nan


def _secant(a, b):
    """The step where a line through the slopes of two trials is 0."""
    return a.step + _ratio(a.slope, a.slope - b.slope) * (b.step - a.step)


def _cubic(a, b, beyond=None):
    """The minimum of the cubic through the losses and slopes of two trials.

    With beyond the minimum must lie on the far side of a, seen from b; beyond is
    returned where it does not.
    """
    theta = 3 * _ratio(a.loss - b.loss, b.step - a.step) + a.slope + b.slope
    size = max(abs(theta), abs(a.slope), abs(b.slope))
    square = _ratio(theta, size) ** 2 - _ratio(a.slope, size) * _ratio(b.slope, size)
    gamma = size * math.sqrt(max(square, 0.0))
    if b.step < a.step:
        gamma = -gamma
    share = _ratio((gamma - a.slope) + theta, ((gamma - a.slope) + gamma) + b.slope)
    if beyond is not None and not (share < 0 and gamma != 0):
        return beyond
    return a.step + share * (b.step - a.step)
