"""
8. Four tasks: losses and output activations
============================================

The hidden layers of a network do not know what it is for. The task decides two things
at its end: the activation of the outputs, which makes them numbers of the right kind,
and the loss, which compares them with the targets.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import MLPClassifier, MLPRegressor

# %%
# ====================  ====================  =============  =========================
# task                  model                 outputs        loss of a row
# ====================  ====================  =============  =========================
# a number              ``MLPRegressor``      identity       half the squared error
# one of two classes    ``MLPClassifier``     logistic       binary cross-entropy
# one of K classes      ``MLPClassifier``     softmax        cross-entropy
# any of L labels       ``MLPClassifier``     L logistic     sum over the labels
# ====================  ====================  =============  =========================
#
# The package picks the row of this table by the targets. To look at outputs and losses
# alone, take a network that ignores its input and outputs its biases:


def constant(model, z, y):
    """Return a model whose values before the output activation are z for any row."""
    model.set_params(hidden_layer_sizes=(), alpha=0.0)
    kinds = {} if isinstance(model, MLPRegressor) else {"classes": np.arange(len(z))}
    if len(z) == 1 and kinds:
        kinds["classes"] = [0, 1]
    model.partial_fit(np.zeros((len(y), 1)), y, **kinds)
    model.intercepts_ = [np.array(z, dtype=float)]
    return model


row = np.zeros((1, 1))

# %%
# One of K classes
# ----------------
#
# *Softmax* makes probabilities of any K numbers: exponentials make them positive, and
# division by their sum makes them add up to 1, :math:`p_k = e^{z_k} / \sum_j e^{z_j}`.
# The loss is the *cross-entropy*, :math:`-\log p_k` of the class that was true. The
# lecture's example has p = (1/4, 1/4, 1/2) and the second class true. The slide leaves
# out the result; it is log 4 = 1.386.

model = constant(MLPClassifier(), np.log([1, 1, 2]), [0, 1, 2])
p = model.predict_proba(row)[0]
print("p =", p, " sum =", p.sum())
print(f"loss = {model.loss_gradient(row, [1])[0]:.4f}")

# %%
# One of two classes
# ------------------
#
# With K = 2 one probability is enough, since the other is 1 minus it. Softmax becomes
# the logistic function of the difference of the two z, and cross-entropy becomes
# :math:`-y \log \hat y - (1 - y) \log(1 - \hat y)`.

model = constant(MLPClassifier(), [np.log(1 / 3)], [0, 1])
print("p =", model.predict_proba(row)[0])
for target in (0, 1):
    print(f"y = {target}: loss = {model.loss_gradient(row, [target])[0]:.4f}")

# %%
# A number
# --------
#
# The output is the sum itself, and the loss :math:`\frac{1}{2} (y - \hat y)^2`. The
# half makes the derivative :math:`\hat y - y`.

model = constant(MLPRegressor(), [1.5], [0.0])
loss, _, (slope,) = model.loss_gradient(row, [3.0])
print(f"output {model.predict(row)[0]}, target 3: loss = {loss}, slope = {slope[0]}")

# %%
# Any of L labels
# ---------------
#
# A picture may show a dog *and* a tree. Each label is a yes-or-no question of its own:
# L logistic outputs, which need not add up to 1, and the sum of L binary losses.

model = constant(MLPClassifier(), np.log([1 / 3, 3, 1]), np.eye(3, dtype=int))
p = model.predict_proba(row)[0]
print("p =", p, " sum =", p.sum())
print(
    f"loss of labels 1 and 2: {model.loss_gradient(row, np.array([[1, 1, 0]]))[0]:.4f}"
)
print("by hand:               ", (-np.log([1 / 4, 3 / 4, 1 / 2])).sum().round(4))

# %%
# One formula at the end
# ----------------------
#
# In all four tasks the gradient at the sums of the outputs is the same, :math:`\delta =
# \hat y - y`: prediction minus target. Loss and output activation are made for one
# another; each is a log-likelihood with its canonical link, in the words of statistics.
# The pictures show the loss and its slope in z for a target of 1.

zs = np.linspace(-5, 5, 101)
curves = {}
for name, model, y in [
    ("squared error", MLPRegressor(), [1.0]),
    ("cross-entropy", MLPClassifier(), [1]),
]:
    model = constant(model, [0.0], y)
    found = []
    for z in zs:
        model.intercepts_[0][:] = z
        loss, _, (slope,) = model.loss_gradient(row, y)
        found.append((loss, slope[0]))
    curves[name] = np.array(found).T

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for name, (losses, slopes) in curves.items():
    axes[0].plot(zs, losses, label=name)
    axes[1].plot(zs, slopes, label=name)
axes[0].set(xlabel="z before the output activation", ylabel="loss", ylim=(0, 6))
axes[1].set(xlabel="z before the output activation", ylabel="slope", ylim=(-3, 3))
for axis in axes:
    axis.axvline(0, color="0.7", lw=0.8, zorder=0)
    axis.axhline(0, color="0.7", lw=0.8, zorder=0)
    axis.legend()
plt.show()

# %%
# The slope of cross-entropy stays within -1 and 1: a row that is badly wrong pulls
# firmly but not without bound, and one that is right pulls no more. Squared error on
# logistic outputs would lack the first: its slope has the factor :math:`\sigma'(z)` and
# vanishes where the output is sure and wrong.
#
# :doc:`/user_guide/uncertainty` has more losses (quantiles, counts, spreads), and
# :doc:`/user_guide/custom-functions` shows how to write your own.
