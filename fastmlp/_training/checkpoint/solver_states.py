"""The state of a solver in a checkpoint: written, checked, and restored."""

from __future__ import annotations

from fastmlp._training.checkpoint.checks import (
    LBFGS_PARTS,
    STOCHASTIC_PARTS,
    WATCHED,
    check_lbfgs,
    check_stochastic,
)


class StochasticState:
    """The state of a solver that takes a step a batch.

    Parameters
    ----------
    monitor : Monitor
    order : ShuffledOrder, BlockOrder or MembersOrder
    """

    parts = STOCHASTIC_PARTS

    def __init__(self, monitor, order):
        self.monitor, self.order = monitor, order

    def content(self):
        """The parts, by name."""
        optimizer, averaging = self.monitor.optimizer, self.monitor.task.averaging
        watched = vars(self.monitor.divergence)
        return {
            "moments": list(optimizer.moments),
            "optimizer": {k: v for k, v in vars(optimizer).items() if k != "moments"},
            "averaging": None if averaging is None else averaging.state(),
            "divergence": {name: watched[name] for name in WATCHED},
            "order": self.order.current,
        }

    def check(self, saved):
        """Raise ValueError unless the parts fit the fit that is to go on."""
        check_stochastic(saved, self.monitor, self.order)

    def restore(self, saved):
        """Put all in place that a checkpoint has told."""
        optimizer, averaging = self.monitor.optimizer, self.monitor.task.averaging
        vars(self.monitor.divergence).update(saved["divergence"])
        vars(optimizer).update(saved["optimizer"])
        for moment, stored in zip(optimizer.moments, saved["moments"]):
            moment[:] = stored
        if averaging is not None:
            averaging.restore(saved["averaging"])
        self.order.current[:] = saved["order"]


class LbfgsState:
    """The state of lbfgs: its point, and the curvature that it has learnt.

    Parameters
    ----------
    monitor : Monitor
    objective : object
        With ``x``, ``grad``, ``loss``, ``best_x`` and ``best_loss``.
    course : Course
    """

    parts = LBFGS_PARTS

    def __init__(self, monitor, objective, course):
        self.monitor, self.objective, self.course = monitor, objective, course

    def content(self):
        """The parts, by name."""
        objective, course = self.objective, self.course
        steps, changes, products = course.curvature.pairs()
        lbfgs = {
            "x": objective.x,
            "grad": objective.grad,
            "loss": objective.loss,
            "best_x": objective.best_x,
            "best_loss": objective.best_loss,
            "n_calls": course.n_calls,
            "steps": steps,
            "changes": changes,
            "products": products,
        }
        return {"lbfgs": lbfgs}

    def check(self, saved):
        """Raise ValueError unless the parts fit the fit that is to go on."""
        x = self.objective.x
        check_lbfgs(
            saved["lbfgs"],
            x,
            saved["params"][: len(x)],
            self.course.curvature.n_pairs,
        )

    def restore(self, saved):
        """Put all in place that a checkpoint has told."""
        objective, course, lbfgs = self.objective, self.course, saved["lbfgs"]
        for name in ("x", "grad", "best_x"):
            getattr(objective, name)[:] = lbfgs[name]
        objective.loss, objective.best_loss = lbfgs["loss"], lbfgs["best_loss"]
        pairs = (lbfgs[name] for name in ("steps", "changes", "products"))
        course.curvature.remember(*pairs)
        course.n_iter, course.n_calls = saved["record"]["n_iter"], lbfgs["n_calls"]
