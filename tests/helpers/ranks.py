"""Fits over several ranks that are threads, and the data of each."""

import numpy as np

from fastmlp.distributed import fit_distributed, run_loopback

N, SHARE = 120, 10  # rows of a rank, and of its part of a batch


def make_data(n=2 * N, n_classes=3, dtype=np.float64):
    rng = np.random.RandomState(0)
    X = rng.randn(n, 6).astype(dtype)
    scores = X @ rng.randn(6, n_classes)
    return X, scores.argmax(axis=1), scores[:, :2].astype(dtype)


def parts_of(n, size):
    """The rows of each rank where every batch has the same share of all ranks."""
    return np.arange(n).reshape(-1, size, SHARE).swapaxes(0, 1).reshape(size, -1)


def fit_ranks(estimator, X, y, parts, weight=None, **options):
    """The models of all ranks; an error of one is raised."""

    def train(comm):
        rows = parts[comm.rank]
        model = type(estimator)(**estimator.get_params())
        w = None if weight is None else weight[rows]
        return fit_distributed(model, X[rows], y[rows], w, comm=comm, **options)

    models = run_loopback(train, len(parts))
    for model in models:
        if isinstance(model, BaseException):
            raise model
    return models


def flat(model):
    return np.concatenate([a.ravel() for a in model.coefs_ + model.intercepts_])
