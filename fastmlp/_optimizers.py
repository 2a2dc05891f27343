"""State and schedules of the stochastic solvers; the steps are the core's.

Each class is a few scalars over flat arrays, so that an estimator stores a plain dict
(``vars`` of the object) and rebuilds the object when it is asked for.
"""

from __future__ import annotations

import numpy as np


class _Optimizer:
    """Named scalars and the arrays of the moments."""

    def __init__(self, **state):
        vars(self).update(state)


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

    @classmethod
    def from_parameters(cls, estimator, n_params, dtype):
        """Start from the parameters of an estimator."""
        return cls(
            learning_rate_init=float(estimator.learning_rate_init),
            learning_rate=float(estimator.learning_rate_init),
            lr_schedule=estimator.learning_rate,
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
        if self.lr_schedule == "invscaling":
            shrinkage = (time_step + 1) ** self.power_t
            self.learning_rate = self.learning_rate_init / shrinkage

    def trigger_stopping(self, message, verbose):
        """Say whether to stop, or lower an adaptive rate and go on."""
        is_adaptive = self.lr_schedule == "adaptive"
        if not is_adaptive or self.learning_rate <= 1e-6:
            if verbose:
                reason = " Learning rate too small." if is_adaptive else ""
                print(f"{message}{reason} Stopping.")
            return True
        self.learning_rate /= 5.0
        if verbose:
            print(f"{message} Setting learning rate to {self.learning_rate:f}")
        return False


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

    @classmethod
    def from_parameters(cls, estimator, n_params, dtype):
        """Start from the parameters of an estimator."""
        return cls(
            learning_rate_init=float(estimator.learning_rate_init),
            learning_rate=float(estimator.learning_rate_init),
            beta_1=float(estimator.beta_1),
            beta_2=float(estimator.beta_2),
            epsilon=float(estimator.epsilon),
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

    def trigger_stopping(self, message, verbose):
        """Stop: Adam has no rate to lower."""
        if verbose:
            print(f"{message} Stopping.")
        return True


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
