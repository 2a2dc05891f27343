"""
3. Why deep, and why much data
==============================

Neurons side by side make a *layer*; layers behind one another make a network. Those
between the inputs and the output are *hidden*. A network with one hidden layer is
called simple or shallow, one with several of them deep. Why should one want more of it?
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import MLPRegressor, plot_network

# %%
# Two networks
# ------------
#
# A small one with two hidden units, and a larger one with two hidden layers of 48. Each
# line in the picture is a weight; each hidden unit and the output have a bias too.


def network(units):
    """Return an untrained network."""
    model = MLPRegressor(hidden_layer_sizes=units, activation="tanh", alpha=0.0)
    model.set_params(learning_rate_init=0.005, tol=1e-5, max_iter=3000, random_state=0)
    return model


sizes = {"small": (2,), "large": (48, 48)}
X, y = np.zeros((2, 3)), np.arange(2.0)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for axis, units in zip(axes, sizes.values()):
    plot_network(network(units).partial_fit(X, y), ax=axis)
plt.show()

# %%
# Bias and variance
# -----------------
#
# Both learn the same smooth function of three features from noisy examples, with 30 to
# 3,000 of them. The error on new rows has two causes beside the noise. *Bias*: no
# choice of weights fits the function. *Variance*: with few examples many choices fit
# them, and the one that training finds follows the noise.

rng = np.random.default_rng(0)


def sample(n_rows, noise=0.5):
    """Draw rows of the task."""
    X = rng.uniform(-1.5, 1.5, size=(n_rows, 3))
    y = np.sin(2 * X[:, 0]) + 0.3 * X[:, 1] * X[:, 2] + rng.normal(0, noise, n_rows)
    return X, y


X_new, y_new = sample(3000, noise=0.0)
counts = [30, 100, 300, 1000, 3000]
seen, unseen = ({name: np.zeros(len(counts)) for name in sizes} for _ in range(2))
for i, n_rows in enumerate(counts):
    for _ in range(2):  # mean of two draws
        X, y = sample(n_rows)
        for name, units in sizes.items():
            model = network(units).fit(X, y)
            seen[name][i] += np.mean((model.predict(X) - y) ** 2) / 2
            error = np.mean((model.predict(X_new) - y_new) ** 2) + 0.5**2
            unseen[name][i] += error / 2

print("mean squared error on new rows; the noise alone has", 0.5**2)
print("rows ", *(f"{n:6}" for n in counts))
for name, errors in unseen.items():
    print(name, *(f"{error:6.3f}" for error in errors))

# %%
# From 300 rows on, the small network does equally well on the rows that it has seen and
# on new ones, and more rows do not help it: it has bias. The large one learns few rows
# by heart and is worse than the small one on new rows: it has variance. With many rows
# both of its errors come close to the noise. This is the case for deep learning: a
# large model and much data. The price is the computation, and what is left for this
# package to do is to make it cheap.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
for axis, name in zip(axes, sizes):
    axis.plot(counts, unseen[name], "o-", label="new rows")
    axis.plot(counts, seen[name], "o--", label="rows of the training")
    axis.axhline(0.5**2, color="0.5", lw=1, label="noise")
    axis.set(xscale="log", yscale="log", xlabel="rows", title=f"{name} network")
    axis.legend()
axes[0].set_ylabel("mean squared error")
plt.show()

# %%
# With few rows one does not need to give up the large network. *Regularisation* takes
# some of its freedom: here the L2 penalty, which adds ``alpha`` / 2 times the sum of
# the squared weights to the loss. With a fitting alpha, which one chooses by
# validation, the large network beats the small one on 100 rows too.
# :doc:`/user_guide/regularization` has more such means.

X, y = sample(100)
for alpha in (0.0, 0.1, 1.0, 10.0):
    model = network((48, 48)).set_params(alpha=alpha).fit(X, y)
    error = np.mean((model.predict(X_new) - y_new) ** 2) + 0.5**2
    print(f"100 rows, alpha {alpha:4}: error {error:.3f}")

# %%
# Depth is more than size. Earlier systems computed *features* by rules that people
# wrote, such as edges in a picture, and learnt only the last step. A deep network takes
# the raw pixels, and each of its layers learns features of the features before it, as
# :doc:`plot_13_representations` shows. In theory one hidden layer that is wide enough
# can approximate any continuous function (Cybenko 1989; Hornik 1991), but it may need
# exponentially more units than a deeper network (Telgarsky 2016).
#
# - Cybenko, "Approximation by superpositions of a sigmoidal function",
#   Mathematics of Control, Signals and Systems 2, 1989.
# - Hornik, "Approximation capabilities of multilayer feedforward networks", Neural
#   Networks 4, 1991.
# - Telgarsky, "Benefits of depth in neural networks", COLT 2016, arXiv:1602.04485.
