"""
A cluster of Dask
=================

:class:`fastmlp.dask.DaskMLPClassifier` trains on data that are spread over the workers
of a cluster. Here the cluster is two workers within this process, so that the example
runs anywhere; on a real one only the address in ``Client`` differs.
"""

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster

from fastmlp import MLPClassifier
from fastmlp.dask import DaskMLPClassifier

options = {"threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
client = Client(LocalCluster(n_workers=2, **options))

# %%
# The data are made in four partitions; files of Parquet would be read in theirs. Each
# partition is a shard, which trains on its own rows; after each pass the weights of all
# shards are averaged.

X = da.random.default_rng(0).normal(size=(8000, 10), chunks=(2000, 10))
y = (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(int)
settings = {"hidden_layer_sizes": (32,), "tol": 1e-3, "random_state": 0}
model = DaskMLPClassifier(**settings)
model.fit(X, y)
print(f"accuracy over the partitions: {model.score(X, y):.3f}")

# %%
# Predictions are lazy arrays with the chunks of X. ``to_local`` gives the model that
# needs no cluster, with the same predictions.

labels = model.predict(X)
print(labels)
local = model.to_local()
same = np.array_equal(labels[:2000].compute(), local.predict(X[:2000].compute()))
print("the local model predicts the same:", same)

# %%
# The same on one machine. A batch counts the rows of a step of all shards together, so
# that both take as many steps in a pass.

alone = MLPClassifier(**settings)
alone.fit(X.compute(), y.compute())
fig, ax = plt.subplots()
ax.plot(model.loss_curve_, label="four shards")
ax.plot(alone.loss_curve_, label="one machine")
ax.set(xlabel="pass", ylabel="training loss")
ax.legend()

# %%

client.shutdown()
