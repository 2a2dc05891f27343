"""Calibrated probabilities: a temperature for the outputs of a classification."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from fastmlp._core.prediction import activate_outputs, mean_loss

# Of the logarithm of a temperature: its bounds, and the variance of the normal prior
# around 0, which keeps few validation rows from deciding much.
LOWEST, HIGHEST, PRIOR_VARIANCE = -1.0, 2.0, 0.25


def temperature(task):
    """The temperature that suits the validation rows of a task best.

    Outputs before their activation are divided by it. A network that was trained until
    its validation loss was least is often too sure of itself, which a temperature above
    1 corrects (Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural
    networks"). It minimises the loss of the mean of the members, with a prior.

    Parameters
    ----------
    task : MembersTask
        With the weights that are kept.

    Returns
    -------
    temperature : float
        1 where the loss is not a finite number.
    """
    network, holdout = task.network, task.holdout
    outputs = holdout.outputs_of_members(task)

    def cost(logarithm):
        scaled = [z * z.dtype.type(np.exp(-logarithm)) for z in outputs]
        for z in scaled:
            activate_outputs(network, z)
        raw = holdout.mean_of_members(scaled, network.objective)
        loss = mean_loss(network, raw, holdout.y, holdout.weight)
        return len(holdout.y) * loss + logarithm**2 / (2 * PRIOR_VARIANCE)

    found = minimize_scalar(cost, bounds=(LOWEST, HIGHEST), method="bounded")
    return float(np.exp(found.x)) if np.isfinite(found.fun) else 1.0


def divide_outputs(task, divisor):
    """Fold a temperature into the last layer of each member, in place."""
    if divisor == 1:
        return
    for params in task.members():
        coefs, intercepts = task.network.split(params)
        coefs[-1][:] = coefs[-1] / divisor
        intercepts[-1][:] = intercepts[-1] / divisor
