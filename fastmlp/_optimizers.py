"""State and schedules of the stochastic solvers; the steps are the core's.

Each class is a few scalars over flat arrays, so that an estimator stores a plain dict
(``vars`` of the object) and rebuilds the object when it is asked for.
"""

from __future__ import annotations

import numpy as np

from fastmlp._schedules import plateau_divisor


class _Optimizer:
    """Named scalars and the arrays of the moments."""

    def __init__(self, **state):
        vars(self).update(state)

    def start_again(self, rate):
        """Forget the moments, and go on at another rate."""
        for moment in self.moments:
            moment[:] = 0
        self.set_rate(rate)

    def trigger_stopping(self, say):
        """Say whether to stop, or lower a rate that waits for a plateau and go on."""
        if self.divisor is None:
            say("Stopping.")
            return True
        if self.rate <= 1e-6:
            say("Learning rate too small. Stopping.")
            return True
        self.set_rate(self.rate / self.divisor)
        say(f"Setting learning rate to {self.rate:f}")
        return False


def _is(estimator, name):
    """Whether the schedule of an estimator has this name."""
    value = estimator.learning_rate
    return isinstance(value, str) and value == name


class SGDOptimizer(_Optimizer):
    """Stochastic gradient descent with momentum.

    Attributes
    ----------
    learning_rate : float
        The current rate.
    moments : list of one ndarray of shape (n_params,)
        The velocity.
    """

    n_moments = 1

    @property
    def rate(self):
        """Learning rate of the coming epoch."""
        return self.learning_rate

    def set_rate(self, rate):
        """Go on at another rate."""
        self.learning_rate = rate

    @classmethod
    def from_parameters(cls, estimator, n_params, dtype):
        """Start from the parameters of an estimator."""
        return cls(
            learning_rate_init=float(estimator.learning_rate_init),
            learning_rate=float(estimator.learning_rate_init),
            invscaling=_is(estimator, "invscaling"),
            divisor=5.0
            if _is(estimator, "adaptive")
            else plateau_divisor(estimator.learning_rate),
            momentum=float(estimator.momentum),
            nesterov=bool(estimator.nesterovs_momentum),
            power_t=float(estimator.power_t),
            moments=[np.zeros(n_params, dtype=dtype)],
        )

    def prepare(self, epoch):
        """Hand the scalars of the coming epoch to the core."""
        epoch.use_sgd(self.learning_rate, self.momentum, self.nesterov)

    def epoch_ends(self, epoch, time_step):
        """Follow the schedule; time_step counts the samples seen."""
        if self.invscaling:
            shrinkage = (time_step + 1) ** self.power_t
            self.learning_rate = self.learning_rate_init / shrinkage


class AdamOptimizer(_Optimizer):
    """Adam (Kingma and Ba 2014).

    Attributes
    ----------
    learning_rate : float
        The bias-corrected rate of the last step.
    t : int
        Steps taken.
    moments : list of two ndarrays of shape (n_params,)
        First and second moment.
    """

    n_moments = 2

    @property
    def rate(self):
        """Learning rate of the coming epoch, before the bias corrections."""
        return self.learning_rate_init

    def set_rate(self, rate):
        """Go on at another rate."""
        self.learning_rate_init = rate

    def start_again(self, rate):
        """Forget the moments and the steps, and go on at another rate."""
        super().start_again(rate)
        self.t = 0

    @classmethod
    def from_parameters(cls, estimator, n_params, dtype):
        """Start from the parameters of an estimator."""
        return cls(
            learning_rate_init=float(estimator.learning_rate_init),
            learning_rate=float(estimator.learning_rate_init),
            beta_1=float(estimator.beta_1),
            beta_2=float(estimator.beta_2),
            epsilon=float(estimator.epsilon),
            divisor=plateau_divisor(estimator.learning_rate),
            t=0,
            moments=[np.zeros(n_params, dtype=dtype) for _ in range(2)],
        )

    def prepare(self, epoch):
        """Hand the scalars of the coming epoch to the core."""
        epoch.use_adam(
            self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon, self.t
        )

    def epoch_ends(self, epoch, time_step):
        """Take over the number of steps and the rate of the last one."""
        self.t, self.learning_rate = epoch.t, epoch.last_rate


OPTIMIZERS = {"sgd": SGDOptimizer, "adam": AdamOptimizer}


def restored_optimizer(solver, state, n_params, dtype):
    """The optimizer of a stored state over copies of its moments.

    None where the state belongs to another solver or to another number of weights.
    """
    kind = OPTIMIZERS[solver]
    moments = state["moments"]
    if len(moments) != kind.n_moments or len(moments[0]) != n_params:
        return None
    return kind(**{**state, "moments": [m.astype(dtype) for m in moments]})
