"""Clusters of processes on this machine."""

import os
import signal
import threading
from contextlib import suppress

import dask
import numpy as np
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


def kills(cluster, client, n_kills, most_seconds):
    """Give the number of each kill of a worker, which comes at a random moment after"""
    rng = np.random.RandomState(0)
    for number in range(n_kills):
        filled_up(cluster, client)
        pids = client.run(os.getpid, on_error="ignore")
        pid = list(pids.values())[rng.randint(len(pids))]
        timer = threading.Timer(rng.uniform(0, most_seconds), killed, (pid,))
        timer.start()
        yield number
        timer.join()


def killed(pid):
    """Kill a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def filled_up(cluster, client):
    """Wait until both workers are there; replace those whose nanny gave up."""
    try:
        client.wait_for_workers(2, timeout=30)
    except TimeoutError:
        cluster.scale(0)
        cluster.scale(2)
        client.wait_for_workers(2, timeout=300)
