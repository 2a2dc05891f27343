"""Learning rates planned over the epochs of a fit.

The rate is set once an epoch, between two calls of the core. With few epochs a cycle is
therefore a staircase; its steps average the rates that each batch would have had.
"""

from __future__ import annotations

import math
from numbers import Real

# Name and default of the parameter of each schedule, as in ("cosine", 0.1).
PARAMETERS = {
    "cosine": ("floor", 0.0),
    "one_cycle": ("rise", 0.3),
    "warmup_cosine": ("warmup", 0.1),
    "plateau": ("factor", 0.1),
}
_START, _END = 25.0, 1e4  # divisors of the rate at both ends of a cycle


def parsed(learning_rate):
    """The name and the parameter of a value of ``learning_rate``."""
    if isinstance(learning_rate, tuple):
        return learning_rate
    if isinstance(learning_rate, str):
        return learning_rate, PARAMETERS.get(learning_rate, (None, None))[1]
    return None, None


def plateau_divisor(learning_rate):
    """What a rate is divided by where the loss is flat; None for other schedules."""
    name, factor = parsed(learning_rate)
    return 1.0 / factor if name == "plateau" else None


def schedule(learning_rate, peak, n_epochs):
    """The rate as a function of the epoch, from 0 on; None for other schedules.

    Parameters
    ----------
    learning_rate : str, (str, float) or callable
        - "cosine": ``peak`` falls along half a cosine to ``floor * peak`` [1]_.
        - "warmup_cosine": rises linearly over the share ``warmup`` of the epochs [2]_,
          then as "cosine" with floor 0.
        - "one_cycle": rises from ``peak / 25`` to ``peak`` over the share ``rise`` of
          the epochs and falls to ``peak / 250000``, both along half a cosine [3]_.
        - callable: gives the rate itself; it counts epochs from 1.
    peak : float
        ``learning_rate_init``.
    n_epochs : int
        Epochs that are planned; the last rate stays afterwards.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm
       restarts", 2017, arXiv:1608.03983.
    .. [2] P. Goyal et al., "Accurate, large minibatch SGD", 2017, arXiv:1706.02677.
    .. [3] L. N. Smith and N. Topin, "Super-convergence", 2018, arXiv:1708.07120; the
       ends of the cycle are those of PyTorch's OneCycleLR.
    """
    if callable(learning_rate):
        return lambda epoch: _checked(learning_rate(epoch + 1), epoch + 1)
    name, share = parsed(learning_rate)
    if name == "cosine":
        return lambda epoch: _between(peak, share * peak, epoch / n_epochs)
    if name == "warmup_cosine":
        n_warm = min(max(1, round(share * n_epochs)), n_epochs - 1) if share else 0

        def warmup_cosine(epoch):
            if epoch < n_warm:
                return peak * (epoch + 1) / (n_warm + 1)
            return _between(peak, 0.0, (epoch - n_warm) / (n_epochs - n_warm))

        return warmup_cosine
    if name == "one_cycle":
        top = share * (n_epochs - 1)

        def one_cycle(epoch):
            if epoch < top:
                return _between(peak / _START, peak, epoch / top)
            after = (epoch - top) / max(n_epochs - 1 - top, 1)
            return _between(peak, peak / _START / _END, after)

        return one_cycle
    return None


def _between(first, last, share):
    """Half a cosine from the first to the last value, never quite the end of cosine."""
    share = min(share, 1.0)
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _checked(rate, epoch):
    """The rate that a user's function gave, after a check."""
    if not isinstance(rate, Real) or not 0 < rate < math.inf:
        raise ValueError(
            "learning_rate as a function of the epoch must return a finite number > 0; "
            f"for epoch {epoch} it returned {rate!r}."
        )
    return float(rate)
