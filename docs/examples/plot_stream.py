"""
Streams with partial_fit
========================

Rows arrive in small batches, and what they follow changes on the way. Each batch is
predicted first and learnt from afterwards, so that every error is one on unseen rows.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import MLPRegressor

rng = np.random.default_rng(0)
n_batches, n_rows, n_features = 600, 32, 8
first = rng.normal(size=n_features)
second = rng.normal(size=n_features)


def batch(number):
    """Make the rows of a batch; the rule changes in batch 300."""
    rule = first if number < 300 else second
    X = rng.normal(size=(n_rows, n_features))
    return X, np.sin(X @ rule) + X[:, 0] + 0.1 * rng.normal(size=n_rows)


# %%
# Two networks follow the stream: one learns from each batch, the other stops after 300.
# ``random_stream="continue"`` shuffles each batch in another way; with an int seed,
# scikit-learn shuffles all of them alike.

params = {
    "hidden_layer_sizes": (64,),
    "learning_rate_init": 0.005,
    "random_state": 0,
    "random_stream": "continue",
}
learner, frozen = MLPRegressor(**params), MLPRegressor(**params)
errors = {"learns on": [], "stops after 300": []}
seconds = []
for number in range(n_batches):
    X, y = batch(number)
    if number:
        errors["learns on"].append(np.mean((learner.predict(X) - y) ** 2))
        errors["stops after 300"].append(np.mean((frozen.predict(X) - y) ** 2))
    start = perf_counter()
    learner.partial_fit(X, y)
    seconds.append(perf_counter() - start)
    if number < 300:
        frozen.partial_fit(X, y)

print(f"median time of a call: {1e6 * np.median(seconds):.0f} microseconds")
for name, values in errors.items():
    print(f"{name}: error over the last 100 batches {np.mean(values[-100:]):.3f}")

# %%

figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
for name, values in errors.items():
    axis.plot(np.convolve(values, np.ones(20) / 20, "valid"), label=name)
axis.axvline(300, color="0.5", ls="--", lw=1)
axis.text(305, axis.get_ylim()[1] * 0.93, "the rule changes")
axis.set(xlabel="batch", ylabel="squared error, mean of 20 batches", ylim=0)
axis.legend()
plt.show()

# %%
# Calls of one shape take a short path, which the time above shows. If the features
# differ in scale, give a large first batch and ``standardize_X=True``: see the section
# on streams in :doc:`/user_guide/control`.
