"""Clusters that lose, gain or slow down parts during a fit, and clients that leave."""

import gc
import signal
import subprocess
import sys
import time

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster, get_worker
from helpers.dask_clusters import made_cluster

from fastmlp import Activation
from fastmlp.dask import DaskMLPClassifier, cluster

pytestmark = pytest.mark.filterwarnings("ignore")
SHORT = {"random_state": 3, "max_iter": 4, "hidden_layer_sizes": (8,)}


def in_threads(n_workers):
    """A cluster within this process, which starts at once."""
    return LocalCluster(
        n_workers=n_workers, threads_per_worker=1, processes=False,
        dashboard_address=":0",
    )  # fmt: skip


def fitted(data, callback=None, checkpoint=None, resume=None, **params):
    X, y = data
    X, y = da.from_array(X, chunks=(100, 5)), da.from_array(y, chunks=100)
    model = DaskMLPClassifier(**SHORT, **params)
    return model.fit(X, y, callback=callback, checkpoint=checkpoint, resume=resume)


def assert_same(a, b):
    for left, right in zip(a.coefs_, b.coefs_, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.fixture(scope="module")
def expected(data):
    with in_threads(1) as made, Client(made):
        return fitted(data)


@pytest.mark.parametrize("n_workers", [2, 3])
def test_same_bits_on_any_number_of_workers(data, expected, n_workers):
    with in_threads(n_workers) as made, Client(made):
        assert_same(fitted(data), expected)


def test_a_worker_that_joins_late(data, expected):
    with in_threads(1) as made, Client(made) as client:

        def join(record):
            if record.epoch == 2:
                made.scale(2)
                client.wait_for_workers(2, timeout=60)

        assert_same(fitted(data, join), expected)
        assert len(client.scheduler_info()["workers"]) == 2


def test_a_slow_worker(data):
    with in_threads(2) as made, Client(made) as client:
        slow = next(iter(client.scheduler_info()["workers"]))

        def forward(z):
            try:
                if get_worker().address == slow:
                    time.sleep(0.02)
            except ValueError:  # the trial at the client
                pass
            return np.tanh(z)

        own = Activation(forward, lambda z, a: 1 - a * a)
        late = fitted(data, activation=own)
        slow = None
        assert_same(late, fitted(data, activation=own))


def test_the_scheduler_is_lost_in_a_round(data, tmp_path):
    path = tmp_path / "fit.ckpt"
    made = in_threads(2)
    client = Client(made)

    def lose(record):
        if record.epoch == 2:
            made.close(timeout=10)

    with pytest.raises(RuntimeError, match="scheduler was lost") as found:
        fitted(data, lose, checkpoint=path)
    assert "resume" in str(found.value)
    client.close(timeout=1)
    with in_threads(1) as made, Client(made):
        again = fitted(data, resume=path)
        assert_same(again, fitted(data))


def test_another_version_on_a_worker(data, monkeypatch):
    with in_threads(1) as made, Client(made):
        monkeypatch.setattr(cluster, "_own_version", lambda: "0.0.1")
        with pytest.raises(RuntimeError, match=r"worker .* has 0\.0\.1"):
            fitted(data)


def test_a_task_that_raises_names_shard_and_round(data):
    X, y = data
    with in_threads(2) as made, Client(made):

        def forward(z):
            if len(z) == 90:  # the third shard alone has that many rows
                raise RuntimeError("broken on purpose")
            return z.copy()

        own = Activation(forward, lambda z, a: np.ones_like(z))
        X = da.from_array(X[:290], chunks=((100, 100, 90), 5))
        # a step of all shards takes all rows
        model = DaskMLPClassifier(activation=own, max_iter=2, batch_size=290)
        with pytest.raises(RuntimeError, match="broken on purpose") as found:
            model.fit(X, da.from_array(y[:290], chunks=((100, 100, 90),)))
    assert "shard 2 in round 1" in " ".join(found.value.__notes__)


def test_paused_workers_end_the_fit(data, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with in_threads(1) as made, Client(made) as client:

        def pause(record):
            if record.epoch == 2:
                client.run(_pause)

        with pytest.raises(MemoryError, match=r"Round 3: the memory of all 1 worker"):
            fitted(data, pause)


def _pause(dask_worker):
    """Make the worker see its memory as full."""
    dask_worker.memory_manager.memory_pause_fraction = 1e-6
    time.sleep(0.5)


CLIENT = """
import sys, dask.array as da
from distributed import Client
from fastmlp.dask import DaskMLPClassifier

client = Client(sys.argv[1], timeout="60s")
X = da.random.default_rng(0).random((2000, 5), chunks=(500, 5))
y = (X[:, 0] > 0.5).astype(int)
model = DaskMLPClassifier((8,), max_iter=100_000, n_iter_no_change=100_000)
model.fit(X, y, callback=lambda record: print(record.epoch, flush=True))
print(model.stop_reason_, flush=True)
client.close()
"""


@pytest.mark.long
def test_ctrl_c_at_a_client_leaves_nothing_running():
    with made_cluster(2) as made, Client(made, timeout="60s") as client:
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, made.scheduler_address],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline().strip() == "1"
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=120)[0]
        assert rest.split()[-1] == "interrupted"
        assert process.returncode == 0
        end = time.monotonic() + 30
        while any(client.processing().values()) and time.monotonic() < end:
            time.sleep(0.1)
        assert not any(client.processing().values())
        assert not any(client.has_what().values())


@pytest.mark.long
def test_a_worker_that_its_nanny_kills_for_its_memory(data):
    X, y = data
    settings = {
        "distributed.worker.memory.terminate": 0.95,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.target": False,
        "distributed.scheduler.allowed-failures": 0,
    }
    with dask.config.set(settings):
        made = LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, memory_limit="600MB",
            dashboard_address=":0",
        )  # fmt: skip
    with made, Client(made, timeout="60s") as client:

        def forward(z):
            try:
                get_worker()
            except ValueError:  # the trial at the client
                return z.copy()
            full = np.ones(100_000_000)  # 800 MB
            time.sleep(60)
            return z * full[0]

        own = Activation(forward, lambda z, a: np.ones_like(z))
        model = DaskMLPClassifier(activation=own, max_iter=2)
        with pytest.raises(RuntimeError, match="died again and again") as found:
            model.fit(da.from_array(X, chunks=(300, 5)), da.from_array(y, chunks=300))
        message = str(found.value)
        assert "Round 1" in message and "make the partitions smaller" in message
        assert not hasattr(model, "coefs_")
        del found  # whose frames hold the shards
        gc.collect()
        client.wait_for_workers(1, timeout=120)
        end = time.monotonic() + 60
        while _is_busy(client) and time.monotonic() < end:
            time.sleep(0.1)
        assert not _is_busy(client)


def _is_busy(client):
    """Return whether a task runs or a worker holds a result."""
    return any(client.processing().values()) or any(client.has_what().values())
