"""Batches and rates of the shards, by which they step together as one machine."""

from __future__ import annotations

FEWEST_ROWS = 8  # of a batch, unless it is asked to be smaller: steps cost time


def of_shards(setting, solver, n_train):
    """The setting of the tasks of a stochastic solver.

    The batches of all shards together have ``batch_size`` rows, so a pass has as many
    steps as on one machine. The gradient of a smaller batch has more noise. A mean of
    steps of sgd loses it again. The other solvers divide by the size of the gradient,
    which is mostly noise, before the mean is formed, so their rate grows by as much.

    Parameters
    ----------
    setting : Setting
        As for one machine.
    solver : str
    n_train : list of int
        Training rows of each shard.

    Returns
    -------
    setting : Setting
        The same for a single shard.
    """
    batch_size, share = batch_of_shard(setting.batch_size or 200, n_train)
    factor = 1.0 if solver == "sgd" else share**-0.5
    penalties = setting.regularization
    penalties = penalties._replace(weight_decay=penalties.weight_decay / factor)
    if solver == "lion":  # the others form the threshold from the gradients too
        penalties = penalties._replace(l1=penalties.l1 / factor)
    return setting._replace(
        batch_size=batch_size,
        alpha=setting.alpha * share,  # the core divides it by the rows of a batch
        regularization=penalties,
        rate_factor=factor,
    )


def batch_of_shard(together, n_train):
    """Rows of a batch of the largest shard, and their share of those of all shards.

    Parameters
    ----------
    together : int
        Rows of a batch on one machine.
    n_train : list of int
        Training rows of each shard.
    """
    n_rows = sum(n_train)
    together = min(together, n_rows)
    fewest = min(together, FEWEST_ROWS)
    batch_size = max(together * max(n_train) // n_rows, fewest)
    return batch_size, batch_size / together
