r"""
1. A neuron
===========

A nerve cell collects signals through its *synapses*, the contacts with other cells. One
synapse passes a signal on strongly, another weakly, and some of them inhibit. The cell
adds up what arrives, and if that is enough it fires: it sends a signal of its own to
the cells behind it.

McCulloch and Pitts made arithmetic of this in 1943. An artificial neuron takes numbers
:math:`x_1, \ldots, x_d`, multiplies each with a *weight* :math:`w_i`, which plays the
synapse, adds a *bias* :math:`b`, and sends the sum :math:`z` through an *activation*
:math:`f`:

.. math:: z = w_1 x_1 + \ldots + w_d x_d + b, \qquad a = f(z).

========================  ==============================================
nerve cell                artificial neuron
========================  ==============================================
strength of a synapse     weight: positive excites, negative inhibits
collecting in the cell    sum :math:`z`
how easily it fires       bias :math:`b`
rate of firing            output :math:`a = f(z)`
========================  ==============================================

The likeness ends there. Real cells work with pulses in time and chemistry, and nothing
below depends on how they do it.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import MLPClassifier

# %%
# One neuron as a model
# ---------------------
#
# A network without hidden layers that tells two classes apart is one neuron. Its
# activation is the *logistic function*, which squeezes any sum into a number between 0
# and 1, to be read as the probability of class 1:
#
# .. math:: \sigma(z) = \frac{1}{1 + e^{-z}}.
#
# The weights of a model are its attributes ``coefs_`` and ``intercepts_``. Training
# sets them; here they are set by hand.


def neuron(weights, bias):
    """Return a neuron with given weights."""
    model = MLPClassifier(hidden_layer_sizes=())
    model.partial_fit(np.zeros((1, len(weights))), [0], classes=[0, 1])  # makes arrays
    model.coefs_ = [np.array(weights, dtype=float)[:, None]]
    model.intercepts_ = [np.array([bias], dtype=float)]
    return model


model = neuron([2.0, -1.0], 0.5)
x = np.array([1.0, 3.0])
z = x @ [2.0, -1.0] + 0.5
print(f"by hand:    z = {z}, a = {1 / (1 + np.exp(-z)):.4f}")
print(f"by fastmlp: a = {model.predict_proba([x])[0, 1]:.4f}")

# %%
# The left picture shows the activation, the right one the output of this neuron for all
# inputs. The output is 1/2 on a straight line, where :math:`z = 0`. It rises along the
# arrow, the weights, and it rises faster the longer the arrow is. The bias shifts the
# line; without it the line goes through the origin.

identity = neuron([1.0], 0.0)  # z = x
zs = np.linspace(-8, 8, 200)
side = np.linspace(-3, 3, 121)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
outputs = model.predict_proba(plane)[:, 1].reshape(121, 121)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(zs, identity.predict_proba(zs[:, None])[:, 1])
left.set(xlabel="sum z", ylabel="output a", title="the logistic function")
left.grid(alpha=0.3)
picture = right.contourf(side, side, outputs, np.linspace(0, 1, 11), cmap="RdBu_r")
right.contour(side, side, outputs, [0.5], colors="k")
start = -0.5 * np.array([2.0, -1.0]) / 5  # the point of the line next to the origin
right.annotate(
    "",
    start + np.array([1.2, -0.6]),
    start,
    arrowprops={"width": 2, "headwidth": 9, "fc": "k"},
)
right.text(start[0] + 1.3, start[1] - 0.8, "w")
right.set(xlabel="$x_1$", ylabel="$x_2$", title="one neuron", aspect="equal")
figure.colorbar(picture, ax=right, label="output a")
plt.show()

# %%
# What a neuron can say, and what it cannot
# -----------------------------------------
#
# With large weights the neuron is nearly a switch, and some switches compute logic.

corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
switches = {
    "x1 and x2": neuron([20, 20], -30),
    "x1 or x2": neuron([20, 20], -10),
    "not x1": neuron([-20, 0], 10),
}
print("            00 01 10 11")
for name, switch in switches.items():
    print(f"{name:10}", *(f"{a:2.0f}" for a in switch.predict_proba(corners)[:, 1]))

# %%
# "One or the other, but not both" (xor) is beyond a single neuron, since no straight
# line parts its corners, as Minsky and Papert pointed out in 1969. The best it can do
# is to answer 1/2 everywhere: there the slope of its loss in every weight is 0, so that
# no small change improves it (:doc:`plot_08_losses` defines the loss). One hidden layer
# solves it: two neurons compute "or" and "not both", and a third one joins them by
# "and".

blank = neuron([0.0, 0.0], 0.0).set_params(alpha=0.0)
loss, coef_grads, intercept_grads = blank.loss_gradient(corners, [0, 1, 1, 0])
print(f"one neuron at 1/2: loss {loss:.4f}, slope", coef_grads[0].ravel())

network = MLPClassifier((2,), activation="logistic")
network.partial_fit(corners, [0, 1, 1, 0], classes=[0, 1])
network.coefs_ = [np.array([[20.0, -20.0], [20.0, -20.0]]), np.array([[20.0], [20.0]])]
network.intercepts_ = [np.array([-10.0, 30.0]), np.array([-30.0])]
print("two layers:", network.predict_proba(corners)[:, 1].round(3))

# %%
# Weights by hand are for logic. :doc:`plot_02_logistic_regression` learns them from
# data.
#
# - McCulloch and Pitts, "A logical calculus of the ideas immanent in nervous
#   activity", Bulletin of Mathematical Biophysics 5, 1943.
# - Minsky and Papert, "Perceptrons", MIT Press, 1969.
