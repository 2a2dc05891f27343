"""Clusters of processes on this machine."""

import dask
from distributed import LocalCluster

SETTINGS = {
    "distributed.comm.timeouts.connect": "30s",
    "distributed.scheduler.allowed-failures": 3,
    "distributed.worker.memory.terminate": False,
}


def made_cluster(n_workers, **options):
    options = {"threads_per_worker": 1, "dashboard_address": ":0"} | options
    with dask.config.set(SETTINGS):
        return LocalCluster(n_workers=n_workers, processes=True, **options)
