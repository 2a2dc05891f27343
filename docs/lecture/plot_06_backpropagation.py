"""
6. Back-propagation: whole layers at once
=========================================

The gates of a layer do the same thing side by side. So the backward walk of
:doc:`plot_05_graphs` becomes a few products of matrices, and this is how every
framework computes it.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import MLPClassifier

# %%
# Four equations
# --------------
#
# Forward, for one row: :math:`I^{(\ell)} = W^{(\ell)} O^{(\ell-1)}` and
# :math:`O^{(\ell)} = f(I^{(\ell)})`, with :math:`O^{(0)} = x`. Backward, write
# :math:`\delta^{(\ell)} = \partial L / \partial I^{(\ell)}` for the gradient at the
# sums of a layer. With two layers, from the output to the inputs:
#
# .. math::
#    \begin{aligned}
#    \delta^{(2)} &= \frac{\partial L}{\partial O^{(2)}} \odot f'(I^{(2)}), &
#    \frac{\partial L}{\partial W^{(2)}} &= \delta^{(2)} {O^{(1)}}^T, \\
#    \delta^{(1)} &= \bigl( {W^{(2)}}^T \delta^{(2)} \bigr) \odot f'(I^{(1)}), &
#    \frac{\partial L}{\partial W^{(1)}} &= \delta^{(1)} x^T,
#    \end{aligned}
#
# where :math:`\odot` multiplies element by element. Each factor has one origin:
#
# - :math:`\partial L / \partial O^{(2)}` depends on the loss alone;
# - :math:`f'` depends on the activation alone;
# - :math:`{W^{(2)}}^T \delta^{(2)}` was computed in the layer above. It collects what
#   all units above send back: here the gradients add at the branches;
# - :math:`O^{(1)}` and :math:`x` were computed on the way forward: here mul switches.
#
# More layers repeat the second line. The bias is the weight of a constant 1, so that
# its gradient is :math:`\delta` itself.
#
# By hand and by the package
# --------------------------
#
# Three classes, two hidden layers of tanh, twenty rows. A row of each array is a row of
# the data, hence the transposes beside the formulas above. The loss is the mean over
# the rows.

rng = np.random.default_rng(0)
X, y = rng.normal(size=(20, 4)), np.arange(20) % 3
model = MLPClassifier((6, 5), activation="tanh", alpha=0.0, random_state=0)
model.partial_fit(X, y, classes=[0, 1, 2])
W, b = model.coefs_, model.intercepts_

O1 = np.tanh(X @ W[0] + b[0])
O2 = np.tanh(O1 @ W[1] + b[1])
I3 = O2 @ W[2] + b[2]
p = np.exp(I3) / np.exp(I3).sum(axis=1, keepdims=True)

delta3 = (p - np.eye(3)[y]) / len(X)  # of the loss and softmax together
delta2 = delta3 @ W[2].T * (1 - O2**2)
delta1 = delta2 @ W[1].T * (1 - O1**2)
by_hand = [X.T @ delta1, O1.T @ delta2, O2.T @ delta3]

loss, coef_grads, intercept_grads = model.loss_gradient(X, y)
for number, (ours, theirs) in enumerate(zip(by_hand, coef_grads), 1):
    print(f"layer {number}: {ours.shape}, difference {np.abs(ours - theirs).max():.1e}")
print("biases: ", np.abs(delta1.sum(axis=0) - intercept_grads[0]).max() < 1e-15)

# %%
# Is it the derivative? Move a weight up and down a little and see how much the loss
# changes. This check knows nothing of the chain rule. It also shows what
# back-propagation saves: differences need two forward passes for *each* weight,
# back-propagation needs about the work of two more passes for *all* of them.

step, largest = 1e-5, 0.0
for coef, grad in zip(model.coefs_, coef_grads):
    for index in np.ndindex(coef.shape):
        kept = coef[index]
        losses = []
        for change in (step, -step):
            coef[index] = kept + change
            losses.append(model.loss_gradient(X, y)[0])
        coef[index] = kept
        slope = (losses[0] - losses[1]) / (2 * step)
        largest = max(largest, abs(slope - grad[index]))
n_weights = sum(coef.size for coef in model.coefs_)
print(f"{n_weights} weights, largest difference {largest:.1e}")

# %%
# One step, drawn by layers
# -------------------------
#
# The network of the third graph again. The tables have the weights before and after a
# step of gradient descent, W minus 0.5 times the gradient; the boxes have sum z, output
# a and :math:`\delta` of each unit.

model = MLPClassifier((2,), activation="logistic", solver="sgd", fit_intercept=False)
model.set_params(alpha=0.0, learning_rate_init=0.5)
model.partial_fit([[2.0, -1.0]], [1], classes=[0, 1])
model.coefs_ = [np.array([[1.0, 0.6], [-1.0, -0.5]]), np.array([[0.5], [-0.7]])]
trace = model.trace_step([2.0, -1.0], 1)
trace.plot()
plt.show()

# %%
# Twenty such steps bring the output close to the target. Training on many rows is the
# same, with gradients that are means over rows: :doc:`plot_07_batches`.

model.set_params(momentum=0.0)
outputs = []
for _ in range(20):
    outputs.append(model.predict_proba([[2.0, -1.0]])[0, 1])
    model.partial_fit([[2.0, -1.0]], [1])
figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
axis.plot(outputs, "o-", ms=4)
axis.axhline(1, color="k", ls="--", lw=1)
axis.set(xlabel="steps", ylabel="output", ylim=(0.4, 1.05))
plt.show()
