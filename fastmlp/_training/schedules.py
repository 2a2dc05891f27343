"""Learning rates planned over the course of a fit.

A schedule is a function of the progress of a fit, which may lie between two epochs. The
rate is set once an epoch, between two calls of the core: it is the function at whole
epochs. With few epochs a cycle is therefore a staircase; its steps average the rates
that each batch would have had.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import NamedTuple

# Name and default of the parameter of each schedule, as in ("cosine", 0.1).
PARAMETERS = {
    "cosine": ("floor", 0.0),
    "one_cycle": ("rise", 0.3),
    "warmup_cosine": ("warmup", 0.1),
    "plateau": ("factor", 0.1),
}
_START, _END = 25.0, 1e4  # divisors of the rate at both ends of a cycle


class Progress(NamedTuple):
    """How far a fit has come.

    Attributes
    ----------
    done : float
        Epochs; a whole number at the begin of an epoch. From ``planned`` on the last
        rate stays.
    planned : int
        Epochs.
    """

    done: float
    planned: int

    @property
    def t(self):
        """The share that is done, in [0, 1) during the planned epochs."""
        return self.done / self.planned


def parsed(learning_rate):
    """The name and the parameter of a value of ``learning_rate``."""
    if isinstance(learning_rate, tuple):
        return learning_rate
    if isinstance(learning_rate, str):
        return learning_rate, PARAMETERS.get(learning_rate, (None, None))[1]
    return None, None


def plateau_divisor(learning_rate):
    """The divisor of the rate when the loss is flat; None for other schedules."""
    name, factor = parsed(learning_rate)
    return 1.0 / factor if name == "plateau" else None


def schedule(learning_rate, peak):
    """The rate as a function of the progress; None for schedules that watch the loss.

    Parameters
    ----------
    learning_rate : str, (str, float) or callable
        - "cosine": ``peak`` falls along half a cosine to ``floor * peak`` [1]_.
        - "warmup_cosine": rises linearly over the share ``warmup`` of the epochs [2]_,
          then as "cosine" with floor 0.
        - "one_cycle": rises from ``peak / 25`` to ``peak`` over the share ``rise`` of
          the epochs and falls to ``peak / 250000``, both along half a cosine [3]_.
        - callable: gives the rate of an epoch itself; it counts epochs from 1.
    peak : float
        ``learning_rate_init``.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm
       restarts", 2017, arXiv:1608.03983.
    .. [2] P. Goyal et al., "Accurate, large minibatch SGD", 2017, arXiv:1706.02677.
    .. [3] L. N. Smith and N. Topin, "Super-convergence", 2018, arXiv:1708.07120; the
       ends of the cycle are those of PyTorch's OneCycleLR.
    """
    if callable(learning_rate):
        return lambda progress: _rate_of_epoch(learning_rate, int(progress.done) + 1)
    name, share = parsed(learning_rate)
    curve = _CURVES.get(name)
    return None if curve is None else lambda progress: curve(progress, peak, share)


class Schedule:
    """The learning rates of a fit, if they are planned.

    Parameters
    ----------
    settings : StepSettings
    n_planned : int
        Epochs.
    first_epoch : int
        Epochs that earlier parts of the same training have done.
    """

    def __init__(self, settings, n_planned, first_epoch):
        self.curve, self.is_planned = settings.curve, settings.curve is not None
        self.n_planned, self.first_epoch = n_planned, first_epoch

    def rate(self, n_done):
        """The rate after some epochs of this fit, where it is planned."""
        return self.curve(Progress(self.first_epoch + n_done, self.n_planned))


def _cosine(progress, peak, floor):
    return _between(peak, floor * peak, progress.t)


def _warmup_cosine(progress, peak, share):
    done, n_epochs = progress
    n_warm = min(max(1, round(share * n_epochs)), n_epochs - 1) if share else 0
    if done < n_warm:
        return peak * (done + 1) / (n_warm + 1)
    return _between(peak, 0.0, (done - n_warm) / (n_epochs - n_warm))


def _one_cycle(progress, peak, rise):
    done, n_epochs = progress
    top = rise * (n_epochs - 1)
    if done < top:
        return _between(peak / _START, peak, done / top)
    after = (done - top) / max(n_epochs - 1 - top, 1)
    return _between(peak, peak / _START / _END, after)


_CURVES = {
    "cosine": _cosine,
    "warmup_cosine": _warmup_cosine,
    "one_cycle": _one_cycle,
}


def _between(first, last, share):
    """Half a cosine from the first to the last value, never quite the end of cosine."""
    share = min(share, 1.0)
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _rate_of_epoch(function, epoch):
    """The rate that a user-defined function gives, after a check."""
    rate = function(epoch)
    if not isinstance(rate, Real) or not 0 < rate < math.inf:
        raise ValueError(
            "learning_rate as a function of the epoch must return a finite number > 0; "
            f"for epoch {epoch} it returned {rate!r}."
        )
    return float(rate)
