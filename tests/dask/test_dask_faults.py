"""Workers that die, errors in tasks, and interrupts."""

import os
import signal
import time

import dask.array as da
import numpy as np
import pytest
from distributed import Client
from helpers.dask_clusters import kills, made_cluster

from fastmlp import Activation
from fastmlp.dask import DaskMLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore")
SHORT = {"random_state": 3, "max_iter": 6, "hidden_layer_sizes": (8,)}


def fitted(data, callback=None, **options):
    X, y = data
    X, y = da.from_array(X, chunks=(200, 5)), da.from_array(y, chunks=200)
    return DaskMLPClassifier(**SHORT).fit(X, y, callback=callback, **options)


def assert_same(a, b):
    for left, right in zip(a.coefs_, b.coefs_, strict=True):
        np.testing.assert_array_equal(left, right)


def test_same_bits_on_three_workers_one_of_which_is_killed(client, data):
    expected = fitted(data)
    with made_cluster(3) as cluster, Client(cluster, timeout="30s") as own:
        assert_same(fitted(data), expected)

        def kill(record):
            if record.epoch == 2:
                os.kill(next(iter(own.run(os.getpid).values())), signal.SIGKILL)

        assert_same(fitted(data, kill), expected)


@pytest.mark.long
def test_thirty_kills(data):
    with made_cluster(2) as cluster, Client(cluster, timeout="30s") as own:
        expected = fitted(data)
        for _ in kills(cluster, own, 30, most_seconds=1.5):
            assert_same(fitted(data), expected)


def test_a_task_that_raises(client, data):
    def forward(z):
        if len(z) == 150:  # a batch of a shard, not the trial that comes before all
            raise RuntimeError("broken on purpose")
        return z.copy()

    def derivative(z, a):
        return np.ones_like(z)

    X, y = da.from_array(data[0], chunks=(200, 5)), da.from_array(data[1], chunks=200)
    own = Activation(forward, derivative)
    model = DaskMLPClassifier(activation=own, max_iter=2, batch_size=450)
    with pytest.raises(Exception, match="broken on purpose") as found:
        model.fit(X, y)
    assert "in round 1" in " ".join(found.value.__notes__)
    assert not hasattr(model, "coefs_")


def test_interrupt_leaves_a_model_and_nothing_running(client, data):
    def interrupt(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    model = fitted(data, interrupt)
    assert model.stop_reason_ == "interrupted"
    assert model.predict(data[0]).shape == (600,)
    end = time.monotonic() + 10
    while any(client.processing().values()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(client.processing().values())


def test_checkpoint_and_resume(client, data, tmp_path):
    expected, path = fitted(data), tmp_path / "fit.ckpt"

    def stop(record):
        if record.epoch == 4:
            record.stop()

    fitted(data, stop, checkpoint=path, checkpoint_every=2)
    assert_same(fitted(data, resume=path), expected)


def test_a_closed_client(data, cluster):
    client = Client(cluster, timeout="30s", set_as_default=False)
    client.close()
    with pytest.raises(ValueError, match="client of Dask is closed"):
        DaskMLPClassifier(client=client).fit(*data)
