"""
2. Learning: logistic regression by gradient descent
====================================================

A neuron that learns its weights from examples is called *logistic regression*. Three
parts make it, and they will serve every larger network as well: a *loss* that says how
wrong the outputs are, its *gradient*, and small steps against it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from fastmlp import MLPClassifier

rng = np.random.default_rng(0)
y = np.arange(200) % 2
X = rng.normal(size=(200, 2)) + np.where(y[:, None], [1.2, 0.6], [-0.8, -0.6])

# %%
# The loss
# --------
#
# For a row with the target :math:`y`, 0 or 1, and the output :math:`\hat y = \sigma(z)`
# the loss is the negative logarithm of the probability that the neuron gave to what
# happened:
#
# .. math:: L = -y \log \hat y - (1 - y) \log (1 - \hat y).
#
# It is 0 for a sure and right answer, 0.69 for 1/2, and grows without bound for a sure
# and wrong one.
#
# The gradient
# ------------
#
# The loss depends on a weight through a chain, :math:`w_i \to z \to \hat y \to L`, and
# the *chain rule* multiplies the derivatives of its links:
#
# .. math::
#    \frac{\partial L}{\partial w_i}
#    = \frac{\partial L}{\partial \hat y} \cdot \frac{\partial \hat y}{\partial z}
#    \cdot \frac{\partial z}{\partial w_i}
#    = \frac{\hat y - y}{\hat y (1 - \hat y)} \cdot \hat y (1 - \hat y) \cdot x_i
#    = (\hat y - y)\, x_i.
#
# The middle link is a property of the logistic function that is worth remembering:
# :math:`\sigma'(z) = \sigma(z)(1 - \sigma(z))`. The package confirms it, with a neuron
# that passes its input on (:math:`z = x`), for which ``input_gradient`` is
# :math:`\sigma'`.

single = MLPClassifier(()).partial_fit([[0.0]], [0], classes=[0, 1])
single.coefs_, single.intercepts_ = [np.ones((1, 1))], [np.zeros(1)]
z = np.array([[-2.0], [0.0], [1.0], [3.0]])
f = single.predict_proba(z)[:, 1]
print("s'(z)         ", single.input_gradient(z, output=1)[:, 0].round(6))
print("s(z)(1 - s(z))", (f * (1 - f)).round(6))

# %%
# A step
# ------
#
# Each weight moves a little against its slope: :math:`w_i \leftarrow w_i -
# \eta\,\partial L / \partial w_i`, with a *learning rate* :math:`\eta`. One row, one
# step: by hand, then by ``partial_fit``.

model = MLPClassifier((), solver="sgd", batch_size=1, momentum=0.0, alpha=0.0)
model.set_params(learning_rate_init=0.1, random_state=0)
model.partial_fit(X[:1], y[:1], classes=[0, 1])  # makes the arrays
model.coefs_, model.intercepts_ = [np.array([[-1.0], [1.0]])], [np.array([0.5])]
error = model.predict_proba(X[:1])[0, 1] - y[0]
by_hand = model.coefs_[0].ravel() - 0.1 * error * X[0]
model.partial_fit(X[:1], y[:1])
print("by hand:    ", by_hand)
print("partial_fit:", model.coefs_[0].ravel())

# %%
# Many steps
# ----------
#
# *Stochastic gradient descent* takes the rows one after the other, in random order, and
# makes a step for each. A walk through all rows is an *epoch*. The weights above were
# wrong on purpose, so that one sees the line turn.

path, losses = [], []
for _ in range(15):
    path.append(np.r_[model.coefs_[0].ravel(), model.intercepts_[0]])
    losses.append(model.loss_gradient(X, y)[0])
    model.partial_fit(X, y)  # one epoch

best = MLPClassifier((), solver="lbfgs", alpha=0.0, random_state=0).fit(X, y)
theirs = LogisticRegression(C=np.inf).fit(X, y)
print(
    "after 15 epochs:   ", np.r_[model.coefs_[0].ravel(), model.intercepts_[0]].round(2)
)
print(
    "the best weights:  ", np.r_[best.coefs_[0].ravel(), best.intercepts_[0]].round(2)
)
print("LogisticRegression:", np.r_[theirs.coef_.ravel(), theirs.intercept_].round(2))
print(f"accuracy: {model.score(X, y):.3f}")

# %%
# On the left, the line where the output is 1/2, after each of the first epochs. On the
# right, the loss falls towards the smallest loss that any weights have, which a solver
# of second order (``solver="lbfgs"``) finds exactly. Single rows disagree, so that
# steps of fixed size do not settle at the best weights but wander around them;
# :doc:`plot_07_batches` returns to that.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.scatter(*X.T, c=y, cmap="coolwarm", s=12, alpha=0.7)
xs = np.array([-4.0, 4.0])
for epoch in (0, 1, 2, 3, 14):
    w1, w2, b = path[epoch]
    color = plt.cm.viridis(0.9 - 0.9 * min(epoch, 4) / 4)
    left.plot(xs, -(w1 * xs + b) / w2, color=color, lw=2, label=f"epoch {epoch}")
left.set(xlim=(-4, 4), ylim=(-4, 4), xlabel="$x_1$", ylabel="$x_2$")
left.legend(loc="upper left", fontsize="small")
right.plot(losses, "o-", ms=4, label="stochastic gradient descent")
right.axhline(best.loss_gradient(X, y)[0], color="k", ls="--", label="smallest loss")
right.set(xlabel="epoch", ylabel="mean loss")
right.legend()
plt.show()
