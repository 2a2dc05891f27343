"""
7. Small batches of rows
========================

The gradient of the mean loss asks for all rows before the first step. Nobody waits that
long: *stochastic* gradient descent takes a few rows, a *batch*, makes a step, and takes
the next few. The lecture names 32 as an example. Why does that work, and how many are
few?
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastmlp import MLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)

# %%
# A batch is a sample of the gradient
# -----------------------------------
#
# The gradient of a batch is right on average, and the more rows it has the nearer it is
# to the gradient of all. As with any mean, the error falls with the root of the number
# of rows: a hundred times the work for a tenth of the error. So large batches are a
# poor bargain early in the training, when the direction is clear anyway.

model = MLPClassifier((40,), solver="sgd", alpha=0.0, random_state=0)
model.partial_fit(X_train[:50], y_train[:50], classes=np.arange(10))


def gradient(rows):
    """Gradient of the loss on some rows as one vector."""
    _, coefs, intercepts = model.loss_gradient(X_train[rows], y_train[rows])
    return np.concatenate([g.ravel() for g in coefs + intercepts])


rng = np.random.default_rng(0)
full = gradient(np.arange(len(X_train)))
sizes = [1, 4, 16, 64, 256]
errors = []
for size in sizes:
    draws = [gradient(rng.choice(len(X_train), size)) for _ in range(100)]
    errors.append(np.mean([np.linalg.norm(g - full) for g in draws]))
    relative = errors[-1] / np.linalg.norm(full)
    print(f"batch of {size:3}: error {relative:5.2f} times the length of the gradient")

# %%
# Training with batches of three sizes
# ------------------------------------
#
# The same learning rate, 15 epochs each. A batch of 1 makes 1,347 steps in an epoch, a
# batch of all rows makes one.

curves, seconds = {}, {}
for size in (1, 32, len(X_train)):
    model = MLPClassifier((40,), solver="sgd", momentum=0.0, learning_rate_init=0.1)
    model.set_params(batch_size=size, random_state=0)
    start = perf_counter()
    losses = []
    for _ in range(15):
        model.partial_fit(X_train, y_train, classes=np.arange(10))
        losses.append(model.loss_gradient(X_train, y_train)[0])
    seconds[size], curves[size] = perf_counter() - start, losses
    score = model.score(X_test, y_test)
    print(
        f"batch of {size:4}: {seconds[size]:.2f} s, accuracy on new digits {score:.3f}"
    )

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.loglog(sizes, errors, "o-", label="measured")
left.loglog(
    sizes, errors[0] / np.sqrt(sizes), "k--", lw=1, label="1 / root of the size"
)
left.set(xlabel="rows in the batch", ylabel="error of the gradient")
left.legend()
for size, losses in curves.items():
    right.semilogy(range(1, 16), losses, label=f"batch of {size}")
right.set(xlabel="epoch", ylabel="training loss")
right.legend()
plt.show()

# %%
# One step for all rows has hardly begun after 15 epochs. Single rows learn most in each
# epoch, but each step pays for its overhead, and products of matrices are faster than
# as many products with a vector. Some tens of rows are the usual compromise. The
# default here is scikit-learn's, 200 rows, with the solver *Adam* (Kingma and Ba 2015),
# which scales the step of each weight by the size of its recent gradients.

model = MLPClassifier((40,), random_state=0, max_iter=500).fit(X_train, y_train)
score = model.score(X_test, y_test)
print(f"defaults: {model.n_iter_} epochs, accuracy on new digits {score:.3f}")

# %%
# - Bottou, "Stochastic gradient learning in neural networks", Neuro-Nimes 1991.
# - Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015,
#   arXiv:1412.6980.
