"""Training and prediction on a cluster of Dask.

Each partition of the data is a shard.  In a round all shards train from the same
weights, which are then averaged: local SGD.  A round is made of pure tasks and added up
in the order of the shards, so the model depends on data, partitions and seed alone.
"""

try:
    import dask.array  # noqa: F401
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"fastmlp.dask needs Dask, of which {error.name} is missing: "
        'pip install "fastmlp[dask]"'
    ) from error

from fastmlp.dask.estimators import DaskMLPClassifier, DaskMLPRegressor
from fastmlp.dask.tabular_estimators import (
    DaskTabularMLPClassifier,
    DaskTabularMLPRegressor,
)

__all__ = [
    "DaskMLPClassifier",
    "DaskMLPRegressor",
    "DaskTabularMLPClassifier",
    "DaskTabularMLPRegressor",
]
