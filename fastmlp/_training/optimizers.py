"""State and schedules of the stochastic solvers; the steps are the core's.

Each class is a few scalars over flat arrays, so that a model stores a plain dict
(``vars`` of the object) and rebuilds the object when it is asked for.
"""

from __future__ import annotations

from fastmlp._core.kernels import rule_vectors
from fastmlp._core.workspace import aligned_empty
from fastmlp._training.schedules import plateau_divisor


class _Optimizer:
    """Named scalars and the arrays of the moments.

    Attributes
    ----------
    solver : str
    t : int
        Steps taken.
    moments : list of ndarray of shape (n_params,)
    noise_seed : list of two int, or None
        The seed of dropout and noise, where there are any.
    averaging : dict or None
        The state of the average of the weights, where there is one.
    """

    scalars = ()  # settings that the rule takes

    def __init__(self, **state):
        vars(self).update(state)

    @classmethod
    def from_settings(cls, settings, n_params, dtype):
        """Start from the settings of a plan."""
        n_moments = rule_vectors[cls.solver_name]
        moments = [aligned_empty(n_params, dtype) for _ in range(n_moments)]
        for moment in moments:
            moment[:] = 0
        return cls(
            solver=cls.solver_name,
            learning_rate_init=settings.learning_rate,
            learning_rate=settings.learning_rate,
            t=0,
            noise_seed=None,
            averaging=None,
            moments=moments,
            **{name: getattr(settings, name) for name in cls.scalars},
            **cls.schedule(settings),
        )

    @staticmethod
    def schedule(settings):
        """The state of schedules that depend on the course of the fit."""
        value = settings.schedule
        is_name = isinstance(value, str)
        is_adaptive = is_name and value == "adaptive"
        return {
            "divisor": 5.0 if is_adaptive else plateau_divisor(value),
            "invscaling": is_name and value == "invscaling",
            "power_t": settings.power_t,
        }

    @property
    def rate(self):
        """Learning rate of the coming epoch."""
        return self.learning_rate

    def set_rate(self, rate):
        """Go on at another rate."""
        self.learning_rate = rate

    def prepare(self, epoch):
        """Hand the scalars of the coming epoch to the core."""
        scalars = {name: getattr(self, name) for name in self.scalars}
        epoch.use(self.solver, self.rate, self.t, **scalars)

    def epoch_ends(self, epoch, time_step):
        """Follow the core and the schedule; time_step counts the samples seen."""
        self.t = epoch.t
        if self.invscaling:
            shrinkage = (time_step + 1) ** self.power_t
            self.learning_rate = self.learning_rate_init / shrinkage

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


class SGDOptimizer(_Optimizer):
    """Stochastic gradient descent with momentum; its moment is the velocity."""

    solver_name = "sgd"
    scalars = ("momentum",)

    @classmethod
    def from_settings(cls, settings, n_params, dtype):
        """Start from the settings of a plan."""
        optimizer = super().from_settings(settings, n_params, dtype)
        optimizer.nesterov = settings.nesterov
        optimizer.velocity_rate = 0.0  # of past steps, as the velocity holds them
        return optimizer

    def prepare(self, epoch):
        """Hand the scalars of the coming epoch to the core."""
        epoch.use(
            "sgd",
            self.rate,
            self.t,
            momentum=self.momentum,
            nesterov=self.nesterov,
            velocity_rate=self.velocity_rate,
        )

    def start_again(self, rate):
        """Forget the velocity, and go on at another rate."""
        super().start_again(rate)
        self.velocity_rate = 0.0

    def epoch_ends(self, epoch, time_step):
        """Follow the core and the schedule."""
        super().epoch_ends(epoch, time_step)
        self.velocity_rate = epoch.velocity_rate


class AdamOptimizer(_Optimizer):
    """Adam (Kingma and Ba 2014); ``learning_rate`` is the corrected one of a step."""

    solver_name = "adam"
    scalars = ("beta_1", "beta_2", "epsilon")

    @staticmethod
    def schedule(settings):
        """As in scikit-learn, adaptive and invscaling do nothing."""
        return {"divisor": plateau_divisor(settings.schedule)}

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

    def epoch_ends(self, epoch, time_step):
        """Take over the number of steps and the rate of the last one."""
        self.t, self.learning_rate = epoch.t, epoch.last_rate


class NadamOptimizer(_Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016)."""

    solver_name = "nadam"
    scalars = ("beta_1", "beta_2", "epsilon")

    @classmethod
    def from_settings(cls, settings, n_params, dtype):
        """Start from the settings of a plan."""
        optimizer = super().from_settings(settings, n_params, dtype)
        optimizer.momentum_product = 1.0
        return optimizer

    def prepare(self, epoch):
        """Hand the scalars of the coming epoch to the core."""
        scalars = {name: getattr(self, name) for name in self.scalars}
        epoch.use(
            "nadam",
            self.rate,
            self.t,
            momentum_product=self.momentum_product,
            **scalars,
        )

    def start_again(self, rate):
        """Forget the moments and the steps, and go on at another rate."""
        super().start_again(rate)
        self.t, self.momentum_product = 0, 1.0

    def epoch_ends(self, epoch, time_step):
        """Follow the core and the schedule."""
        super().epoch_ends(epoch, time_step)
        self.momentum_product = epoch.momentum_product


class RMSPropOptimizer(_Optimizer):
    """RMSprop (Tieleman and Hinton 2012); its moment is the mean square."""

    solver_name = "rmsprop"
    scalars = ("beta_2", "epsilon")


class AdagradOptimizer(_Optimizer):
    """Adagrad (Duchi et al. 2011); its moment is the sum of squares."""

    solver_name = "adagrad"
    scalars = ("epsilon",)


class LionOptimizer(_Optimizer):
    """Lion (Chen et al. 2023)."""

    solver_name = "lion"
    scalars = ("beta_1", "beta_2")


OPTIMIZERS = {
    kind.solver_name: kind
    for kind in (
        SGDOptimizer,
        AdamOptimizer,
        NadamOptimizer,
        RMSPropOptimizer,
        AdagradOptimizer,
        LionOptimizer,
    )
}
STOCHASTIC = tuple(OPTIMIZERS)


def restored_optimizer(solver, state, n_params, dtype):
    """The optimizer of a stored state over copies of its moments.

    None where the state belongs to another solver or to another number of weights.
    """
    moments = state["moments"]
    if state["solver"] != solver or len(moments[0]) != n_params:
        return None
    moments = [m.astype(dtype) for m in moments]
    return OPTIMIZERS[solver](**{**state, "moments": moments})
