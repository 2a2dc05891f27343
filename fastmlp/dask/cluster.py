"""The cluster as a fit sees it: results in spite of dead workers, or a clear error."""

from __future__ import annotations

from concurrent.futures import CancelledError
from importlib.metadata import version

from distributed import Client, KilledWorker, default_client, wait
from distributed.comm import CommClosedError

MOST_DEATHS = 2  # of a task, in multiples of those that Dask allows
PATIENCE = 30.0  # seconds after which a wait looks at the workers
MOST_LOOKS = (
    30  # of full workers in sequence, over PATIENCE: a busy one pauses for moments
)
LOSSES = (CancelledError, CommClosedError, TimeoutError)


def client_of(client):
    """The client that was given, or the default one, after a check."""
    if client is None:
        try:
            client = default_client()
        except ValueError:
            raise ValueError(
                "there is no client of Dask: make one with "
                "client = distributed.Client(...), or pass client=..."
            ) from None
    if not isinstance(client, Client):
        raise TypeError(
            f"client must be a distributed.Client or None, got {client!r:.80}. An "
            "asynchronous one cannot be waited for."
        )
    if client.status != "running":
        raise ValueError(
            f"the client of Dask is {client.status}: make a new one, and pass it by "
            "set_params(client=...)."
        )
    if client.asynchronous:
        raise ValueError(
            "the client of Dask is asynchronous: make one with asynchronous=False."
        )
    return client


def _own_version():
    """The version of this package on a worker."""
    return version("fastmlp")


def check_versions(client):
    """Raise RuntimeError where a worker has another version, or none."""
    own, found = version("fastmlp"), client.run(_own_version, on_error="return")
    for worker, of_worker in found.items():
        is_gone = isinstance(of_worker, Exception)
        is_gone = is_gone and not isinstance(of_worker, ImportError)
        if of_worker != own and not is_gone:  # one that has died is no concern
            what = "no fastmlp" if isinstance(of_worker, Exception) else of_worker
            raise RuntimeError(
                f"fastmlp is {own} here, but the worker {worker} has {what}. Install "
                "the same version on the client and on all workers."
            )


def lost(error, what):
    """The error of a fit whose scheduler is gone."""
    return RuntimeError(
        f"{what}: the scheduler was lost, or its tasks were cancelled ({error}). "
        "Start a cluster, and go on from the last checkpoint by fit(resume=...)."
    )


def _watch(client, future, what):
    """Wait for a future; raise MemoryError if all workers stay paused meanwhile.

    A worker whose memory is full begins no task, so Dask alone would wait for ever.
    """
    n_looks = 0
    while n_looks < MOST_LOOKS:
        try:
            wait(future, timeout=PATIENCE / MOST_LOOKS if n_looks else PATIENCE)
            return
        except TimeoutError:
            workers = client.scheduler_info()["workers"].values()
        is_full = workers and all(of["status"] == "paused" for of in workers)
        n_looks = n_looks + 1 if is_full else 0
    raise MemoryError(
        f"{what}: the memory of all {len(workers)} worker(s) is full, so they begin no "
        "task. Give them more (memory_limit), start more workers, or make the "
        "partitions smaller (X.repartition, X.rechunk)."
    )


def result_of(client, future, others, what):
    """Wait for a future; ask again where workers died of no fault of its own.

    Parameters
    ----------
    client : Client
    future : Future or list of Future
    others : list of Future
        Those that it depends on. With it they are cancelled where the wait ends by an
        error or Ctrl-C.
    what : str
        In words, for errors.
    """
    futures = [*(future if isinstance(future, list) else [future]), *others]
    n_deaths = 0
    try:
        while True:
            try:
                _watch(client, future, what)
                return client.gather(future)
            except KilledWorker as error:
                n_deaths += 1
                if n_deaths > MOST_DEATHS:
                    raise RuntimeError(
                        f"{what}: workers died again and again, the last one in the "
                        f"task {error.task}. If they ran out of memory, make the "
                        "partitions smaller (X.repartition, X.rechunk)."
                    ) from error
                client.retry([f for f in futures if f.status == "error"])
    except LOSSES as error:
        raise lost(error, what) from error
    except BaseException:
        client.cancel(futures)
        raise
