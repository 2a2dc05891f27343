"""The best constant prediction, which a trained model should beat.

The constant is the class frequencies, or the mean, median, quantiles or variance of the
targets, whichever the loss asks for.  Between mean and median (huber, log_cosh) the
better of the two is taken, and for focal losses the class frequencies: no constant is
better than the best one, so a model that does not beat these does not beat that.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse
from scipy.special import logit

from fastmlp._core.kernels import loss_outputs
from fastmlp._core.prediction import mean_loss, predict
from fastmlp._model.losses import LOCATION_LOSSES

PIECE = 2**18  # outputs that are computed at a time
GROWTH = 10.0  # of the loss, from which training has diverged
USUAL = 10.0  # magnitude of data up to which a network needs no scaling


def shortfall(task):
    """The fault of a trained model and a remedy, in words; None for a sound model.

    Parameters
    ----------
    task : Task
        With the weights that are kept in ``params``.
    """
    rows, epoch_loss = _counted_rows(task), task.record.loss
    if rows is None or task.plan.has_own_loss or not np.isfinite(epoch_loss):
        return None
    constant = best_constant_loss(task, rows)
    # that of the epoch is an estimate from above, unless other weights were kept
    is_of_epoch = not task.stops_by_score and task.averaging is None
    if not np.isfinite(constant) or (is_of_epoch and epoch_loss < constant):
        return None
    layers = task.network.layers(task.params)
    n_threads = task.threads(len(rows))

    def outputs(part):
        return predict(
            task.network, task.data, layers, part, activated=False, n_threads=n_threads
        )

    loss = _mean_loss(task, rows, outputs)
    if not loss >= constant:
        return None
    return (
        f"On the training data the loss of the model, {loss:.4g}, is no better than "
        f"that of the best constant prediction, {constant:.4g}. "
        + " ".join(_remedies(task, rows, loss))
    )


def _counted_rows(task):
    """Training rows with a weight; None where their targets leave nothing to learn."""
    rows = task.order()
    if task.samples.weight is not None:
        weight = task.samples.weight[rows]
        if (weight < 0).any():
            return None
        rows = rows[weight > 0]
    y = task.samples.y[rows]
    rounding = 1000 * np.finfo(y.dtype).eps * np.abs(y).max(axis=0, initial=0)
    if len(y) == 0 or (np.ptp(y, axis=0) <= rounding).all():
        return None
    return rows


def best_constant_loss(task, rows):
    """The loss of the best constant prediction for some rows, without penalty."""
    y = task.samples.y[rows]
    weight = None if task.samples.weight is None else task.samples.weight[rows]
    losses = []
    for z in _constants(task.network, y, weight, task.plan.fit_intercept):
        z = z.astype(task.params.dtype)
        losses.append(
            _mean_loss(task, rows, lambda part, z=z: np.tile(z, (len(part), 1)))
        )
    return min(losses)


def _mean_loss(task, rows, outputs):
    """The mean loss of outputs before their activation, a function of row numbers."""
    size = max(1, PIECE // task.network.units[-1])
    total = n_counted = 0.0
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        weight = None if task.samples.weight is None else task.samples.weight[part]
        count = len(part) if weight is None else weight.sum(dtype=np.float64)
        loss = mean_loss(task.network, outputs(part), task.samples.y[part], weight)
        total, n_counted = total + count * loss, n_counted + count
    return total / n_counted


def _constants(network, y, weight, fit_intercept):
    """Outputs before their activation, one of which is the best constant."""
    objective, n_outputs = network.objective, network.units[-1]
    loss, tiny = objective.loss, float(np.finfo(y.dtype).tiny)
    if not fit_intercept:  # the one constant that such a network can give
        return [np.zeros(n_outputs)]
    if loss in ("log_loss", "focal"):
        counts = np.bincount(y[:, 0].astype(np.intp), weight, minlength=n_outputs)
        return [np.log(np.maximum(counts / counts.sum(), tiny))]
    mean = np.average(y.astype(np.float64), axis=0, weights=weight)
    if loss.startswith("binary"):
        positive = mean * (1.0 if objective.positive is None else objective.positive)
        share = positive / (positive + 1 - mean)
        return [np.log(np.maximum(share, tiny)) - np.log(np.maximum(1 - share, tiny))]
    if loss == "gaussian_nll":
        variance = np.average((y - mean) ** 2, axis=0, weights=weight)
        return [np.r_[mean, np.log(np.maximum(variance, tiny))]]
    if loss == "quantile":
        values = _quantiles(y, weight, objective.levels)
        return [_steps(_before_activation(objective, values, tiny), objective).ravel()]
    values = [mean]
    if loss in ("absolute_error", "huber", "log_cosh"):
        values.append(_quantiles(y, weight, (0.5,))[:, 0])
    return [_before_activation(objective, value, tiny) for value in values]


def _quantiles(y, weight, levels):
    """Weighted quantiles of each column, of shape (n_columns, n_levels)."""
    weight = np.ones(len(y)) if weight is None else weight.astype(np.float64)
    order = np.argsort(y, axis=0)
    found = []
    for column, places in zip(y.T, order.T):
        shares = np.cumsum(weight[places])
        at = np.searchsorted(shares, np.array(levels) * shares[-1])
        found.append(column[places[np.minimum(at, len(column) - 1)]])
    return np.array(found, dtype=np.float64)


def _before_activation(objective, values, tiny):
    """The outputs that the output activation makes these values of."""
    output = objective.output or loss_outputs[objective.loss]
    if output == "exp":
        return np.log(np.maximum(values, tiny))
    if output == "softplus":
        return _softplus_inverse(values, tiny)
    if output == "logistic":
        low, high = objective.bounds
        return logit(np.clip((values - low) / (high - low), 1e-15, 1 - 1e-15))
    return values


def _softplus_inverse(values, tiny):
    """Outputs z with softplus(z) the values, or the nearest that a float holds."""
    values = np.maximum(values, tiny)
    return values + np.log(-np.expm1(-values))


def _steps(values, objective):
    """The outputs of quantiles: where they must not cross, the steps between them."""
    if not objective.is_monotone:
        return values
    units = 1.0
    if objective.step_scale is not None:
        units = np.array(objective.step_scale)[:, None]
    steps = units * _softplus_inverse(np.diff(values, axis=1) / units, 1e-30)
    return np.hstack([values[:, :1], steps])


def _remedies(task, rows, loss):
    """Sentences about what may help."""
    n_iter, rate_init = task.record.n_iter, task.plan.steps.learning_rate
    curve = [row[0] for row in task.record.history[-n_iter:]]
    smallest = np.nanmin(curve) if n_iter else loss
    sentences = []
    if loss > GROWTH * abs(smallest):
        sentences.append(
            f"Training diverged: the loss was {smallest:.4g} before. Lower "
            f"learning_rate_init (now {rate_init:g})."
        )
    sentences += [*_remedy_of_targets(task, rows), *_remedy_of_features(task)]
    if sentences:
        return sentences
    rate = f" or another learning_rate_init (now {rate_init:g})"
    return [
        f"Try more epochs (max_iter){rate if task.plan.is_stochastic else ''} and "
        "less regularization; where y does not depend on X, a constant is the best "
        "prediction there is."
    ]


def _remedy_of_targets(task, rows):
    """Yield the remedy for the scale of the targets of a regression, if needed."""
    objective = task.network.objective
    if task.plan.scales_targets is not False:
        return
    y = task.samples.y[rows].astype(np.float64)
    mean, spread = y.mean(axis=0), y.std(axis=0)
    worst = np.argmax(np.maximum(np.abs(mean), spread))
    mean, spread = mean[worst], spread[worst]
    if max(abs(mean), spread) <= USUAL and spread >= 1 / USUAL:
        return
    scale = f"y has the mean {mean:.4g} and the standard deviation {spread:.4g}, but"
    output = objective.output or loss_outputs[objective.loss]
    if objective.loss in LOCATION_LOSSES and output == "identity":
        yield f"{scale} training starts from outputs near 0: set standardize_y=True."
    elif output in ("exp", "softplus"):
        yield f"{scale} training starts from outputs near 1: divide y by its mean."


def _remedy_of_features(task):
    """Yield the remedy for the scale of the features, if needed."""
    if task.plan.scales_features:
        return
    X = task.samples.part(task.rows).X
    with np.errstate(over="ignore"):
        if issparse(X):
            squares = np.bincount(X.indices, X.data.astype(np.float64) ** 2)
        else:
            squares = np.einsum("ij,ij->j", X, X, dtype=np.float64)
    largest = np.sqrt(squares.max(initial=0) / X.shape[0])
    if not 1 / USUAL <= largest <= USUAL:
        yield (
            f"The root mean squares of the features reach {largest:.3g}: set "
            "standardize_X=True."
        )
