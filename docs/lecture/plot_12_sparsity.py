"""
12. ReLU is sparse
==================

ReLU answers 0 to every negative sum. So for any one row many units of a network are
silent. This page counts them, and looks at the claims that the lecture attaches to it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastmlp import MLPClassifier

X, y = load_digits(return_X_y=True)
X = (X - X.mean()) / X.std()
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# How many units are silent?
# --------------------------
#
# Two hidden layers of 64. The shares of the outputs that are exactly 0, before training
# and after it; and for the others the shares that are below 0.01 in size.

models = {}
for activation in ("relu", "tanh", "logistic"):
    model = MLPClassifier((64, 64), activation=activation, random_state=0)
    model.set_params(learning_rate_init=1e-9)  # the call below makes the weights
    model.partial_fit(X_train[:10], y_train[:10], classes=np.arange(10))
    fresh = [np.mean(model.hidden_activations(X_test, i) == 0) for i in (0, 1)]
    model.set_params(learning_rate_init=3e-3, max_iter=1000).fit(X_train, y_train)
    layers = [model.hidden_activations(X_test, i) for i in (0, 1)]
    exact = [np.mean(a == 0) for a in layers]
    near = [np.mean(np.abs(a) < 0.01) for a in layers]
    models[activation] = model
    print(
        f"{activation:8} exactly 0: fresh {fresh[0]:.0%}, {fresh[1]:.0%}, trained "
        f"{exact[0]:.0%}, {exact[1]:.0%}; near 0: {near[0]:.0%}, {near[1]:.0%}; "
        f"accuracy {model.score(X_test, y_test):.3f}"
    )

# %%
# About half of the fresh ReLU units are silent, since their sums are as often negative
# as positive. Training switches some of them on, and a good part of the outputs stays
# exactly 0. The other activations have no zeros at all, and few numbers next to 0.
#
# Which units speak?
# ------------------
#
# For each digit, how often each unit of the second layer is on. The units are ordered
# by the digit for which they are on most. Hardly a unit serves one digit alone; a digit
# is a pattern of units, and each unit takes part in several. The white ones at the
# right are on for no row at all. Such a unit is *dead*: its gradient is 0 for every
# row, so that training does not bring it back, unless the layer before it changes. In
# this sense the model is smaller than it looks, as the lecture says; dead units could
# be cut out without a change.

model = models["relu"]
on = model.hidden_activations(X_test) > 0
share = np.array([on[y_test == digit].mean(axis=0) for digit in range(10)])
is_dead = ~(model.hidden_activations(X_train) > 0).any(axis=0)
order = np.lexsort((-share.max(axis=0), share.argmax(axis=0), is_dead))
print("dead units in the second layer:", is_dead.sum())

figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
picture = axis.imshow(share[:, order], aspect="auto", cmap="Greys", vmin=0, vmax=1)
axis.set(xlabel="unit of the second layer", ylabel="digit", yticks=range(10))
figure.colorbar(picture, label="share of the rows\nwhere it is on")
plt.show()

# %%
# Does it protect from overfitting?
# ---------------------------------
#
# The lecture says that it may. Here is one measurement: 150 noisy digits to learn from,
# of which a tenth have a wrong label, and five seeds.

rng = np.random.default_rng(0)
rows = rng.choice(len(X_train), 150, replace=False)
X_few = X_train[rows] + rng.normal(0, 0.2, size=(150, 64))
y_few = np.where(rng.random(150) < 0.1, rng.integers(10, size=150), y_train[rows])
for activation in ("relu", "softplus", "tanh", "logistic"):
    scores = []
    for seed in range(5):
        model = MLPClassifier((64, 64), activation=activation, random_state=seed)
        model.set_params(solver="lbfgs", alpha=0.0, max_iter=1000).fit(X_few, y_few)
        scores.append(model.score(X_test, y_test))
    print(f"{activation:8} accuracy on new digits {np.mean(scores):.3f} "
          f"+- {np.std(scores):.3f}")  # fmt: skip

# %%
# All of them learnt the 150 rows by heart, wrong labels included, and ReLU is not
# ahead: tanh, which has no zeros, does best here. One measurement on one data set
# settles nothing, but one should not count on ReLU for this. There are means made for
# it: :doc:`/user_guide/regularization`.
#
# The likeness to nerve cells
# ---------------------------
#
# A cell does not fire at all below some input current, and above it the faster the
# stronger the current is. The simplest model of it, the leaky integrate-and-fire neuron
# (Lapicque 1907), charges up to a threshold, fires, and rests for a moment. With the
# time constant :math:`\tau` and the rest :math:`t_r` its rate is
#
# .. math:: r(I) = \frac{1}{t_r + \tau \log \frac{I}{I - I_0}} \quad (I > I_0),
# .. math:: r(I) = 0 \quad (I \le I_0).
#
# Next to it ReLU is a coarse sketch, but closer than the logistic function, which is
# never 0.

tau, rest, threshold = 0.02, 0.002, 1.0
current = np.linspace(0, 4, 801)
above = current > threshold
rate = np.zeros_like(current)
rate[above] = 1 / (rest + tau * np.log(current[above] / (current[above] - threshold)))
relu = MLPClassifier((1,)).partial_fit([[0.0]], [0], classes=[0, 1])
relu.coefs_[0][:], relu.intercepts_[0][:] = 55.0, -55.0 * 0.9

figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
axis.plot(current, rate, label="integrate and fire")
axis.plot(current, relu.hidden_activations(current[:, None]), "--", label="a ReLU unit")
axis.set(xlabel="input current / threshold", ylabel="pulses per second")
axis.legend()
plt.show()

# %%
# - Glorot, Bordes and Bengio, "Deep sparse rectifier neural networks",
#   AISTATS 2011.
# - Lapicque, "Recherches quantitatives sur l'excitation electrique des nerfs traitee
#   comme une polarisation", Journal de physiologie 9, 1907.
