"""
11. Vanishing gradients, measured
=================================

Back-propagation multiplies by a slope and by weights in each layer. The slope of the
logistic function is at most 1/4. Ten layers down, little may be left: the gradient
*vanishes*, and the first layers learn nothing. This page measures it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from fastmlp import MLPClassifier

X, y = load_digits(return_X_y=True)
X = (X - X.mean()) / X.std()
DEPTH = 10
activations = ["logistic", "tanh", "relu"]


def network(activation, depth):
    """Return a network with initial weights, drawn by the rule for its activation."""
    model = MLPClassifier((32,) * depth, activation=activation, alpha=0.0)
    # Glorot's variance for logistic and tanh, He's, twice of that, for ReLU
    model.set_params(
        weight_init="he_normal" if activation == "relu" else "glorot_normal"
    )
    model.set_params(random_state=0, learning_rate_init=1e-3)
    return model


# %%
# Before training
# ---------------
#
# Ten hidden layers of 32 units with fresh weights. For each layer: the mean size of
# the gradient of its weights, over the digits.

sizes = {}
for activation in activations:
    model = network(activation, DEPTH)
    model.set_params(learning_rate_init=1e-12)  # the call below makes the weights
    model.partial_fit(X[:2], y[:2], classes=np.arange(10))
    _, grads, _ = model.loss_gradient(X, y)
    sizes[activation] = [np.sqrt(np.mean(grad**2)) for grad in grads]
    low, high = sizes[activation][0], sizes[activation][-2]
    print(f"{activation:8} first layer {low:.1e}, last hidden layer {high:.1e}")

# %%
# With logistic units each layer costs about a factor of four. With tanh and Glorot's
# weights, or ReLU and He's, the gradient keeps its size: these rules for the variance
# of the first weights were made for that.
#
# The effect on training
# ----------------------
#
# The same digits, 40 epochs of Adam, networks of growing depth. The deep
# logistic networks have hardly begun when the others are done.

depths = [1, 2, 4, 6, 8]
scores = {activation: [] for activation in activations}
for activation in activations:
    for depth in depths:
        model = network(activation, depth)
        for _ in range(40):
            model.partial_fit(X[:1200], y[:1200], classes=np.arange(10))
        scores[activation].append(model.score(X[1200:], y[1200:]))
    print(f"{activation:8}", *(f"{score:.2f}" for score in scores[activation]))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for activation in activations:
    left.semilogy(range(1, DEPTH + 2), sizes[activation], "o-", ms=4, label=activation)
    right.plot(depths, scores[activation], "o-", ms=4, label=activation)
left.set(xlabel="layer, from the inputs to the outputs", ylabel="size of the gradient")
right.set(xlabel="hidden layers", ylabel="accuracy on new digits", ylim=(0, 1.02))
left.legend()
plt.show()

# %%
# Why a factor of four?
# ---------------------
#
# Near 0 the slope of the logistic function is 1/4, and farther out it is smaller. The
# weights do not make up for it: by Glorot's rule a product with the matrix keeps the
# length of a vector, roughly. The sizes of the deltas of one row, by ``trace_step``,
# fall accordingly.

model = network("logistic", DEPTH)
model.partial_fit(X[:2], y[:2], classes=np.arange(10))
trace = model.trace_step(X[0], y[0])
slopes = [layer.local_derivatives.mean() for layer in trace.layers[:-1]]
deltas = [np.linalg.norm(layer.deltas) for layer in trace.layers[:-1]]
print("mean slope of a layer:     ", np.round(slopes, 2))
print("delta / delta of next layer:", np.round(np.divide(deltas[:-1], deltas[1:]), 2))

# %%
# The remedies: ReLU, whose slope is 1 wherever it is on; initial weights that fit the
# activation; an optimizer that scales steps, as Adam does; and, beyond plain MLPs,
# normalisation of layers and connections that skip some.
#
# - Hochreiter, "Untersuchungen zu dynamischen neuronalen Netzen", diploma thesis,
#   Technical University of Munich, 1991.
# - Glorot and Bengio, "Understanding the difficulty of training deep feedforward
#   neural networks", AISTATS 2010.
# - He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015,
#   arXiv:1502.01852.
