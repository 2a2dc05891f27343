"""Clusters of processes, with the helpers of all tests here."""

import warnings

import numpy as np
import pytest

pytest.importorskip("distributed")
from distributed import Client
from helpers.dask_clusters import made_cluster


@pytest.fixture(scope="session")
def cluster():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = made_cluster(2)
        yield made
        made.close(timeout=20)


@pytest.fixture
def client(cluster):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Client(cluster, timeout="30s") as made:
            yield made


@pytest.fixture(scope="session")
def data():
    rng = np.random.RandomState(0)
    X = rng.randn(600, 5)
    return X, (X @ rng.randn(5, 3)).argmax(axis=1)
