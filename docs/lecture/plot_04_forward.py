"""
4. Forward: from the inputs to the prediction
=============================================

To predict, a network computes its layers one after the other. This page does it for the
example of the lecture, to its printed digits, and finds where the slide errs.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import MLPClassifier, plot_network

# %%
# One layer is a matrix product
# -----------------------------
#
# The units of a layer all see the same inputs. Put the weights of each unit in a row of
# a matrix :math:`W^{(\ell)}`, and all sums of the layer are one product:
#
# .. math::
#    \begin{aligned}
#    I^{(1)} &= W^{(1)} x, & O^{(1)} &= \sigma(I^{(1)}), \\
#    I^{(2)} &= W^{(2)} O^{(1)}, & O^{(2)} &= \sigma(I^{(2)}).
#    \end{aligned}
#
# The lecture leaves the biases out, and so does ``fit_intercept=False``. It has four
# features, three hidden units and one output, with these weights:

W1 = np.array([[1, 0, 1, 0], [0, -1, 0.5, -1], [-1, -1, 0, 0.5]])
W2 = np.array([[-1.0, 1.0, -1.0]])

# %%
# Like scikit-learn, the package keeps a *row* for each input and a *column* for each
# unit, so that many rows of data are one product too: ``X @ coefs_[0]``. Hence the
# transposes.

model = MLPClassifier((3,), activation="logistic", fit_intercept=False)
model.partial_fit(np.zeros((1, 4)), [0], classes=[0, 1])  # makes the arrays
model.coefs_ = [W1.T, W2.T]
print(model.summary())

figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
plot_network(model, ax=axis)
plt.show()

# %%
# The example
# -----------
#
# The slide gives x = (1, -1, 3, -2) and prints I1 = (4, 0.5, 1). Let us see.

for x in ([1, -1, 3, -2], [1, -1, 3, 2]):
    trace = model.trace_step(np.array(x, dtype=float), 1)
    hidden, output = trace.layers
    print("x  =", x)
    print("I1 =", hidden.net_inputs)
    print("O1 =", hidden.outputs.round(2))
    print("I2 =", output.net_inputs.round(2))
    print("O2 =", output.outputs.round(2), end="\n\n")

# %%
# With -2 as the last feature the sums of the second and the third unit are 4.5 and -1,
# not 0.5 and 1. The printed sums, and every number after them, are those of **+2**: the
# minus sign of the slide is a misprint. With +2 all digits agree: O1 = (0.98, 0.62,
# 0.73), I2 = -1.09, and the output 0.25. The right output for the x as it is printed is
# 0.43.
#
# The target of the example is y = 1, so that the output 0.25 is a poor prediction. What
# would improve it? The weights should change, each in the right direction and by the
# right amount. The next two pages find both.
#
# ``predict_proba`` computes the same for many rows at once. It is what a trained model
# does in use.

rows = np.array([[1.0, -1.0, 3.0, -2.0], [1.0, -1.0, 3.0, 2.0]])
print(model.predict_proba(rows)[:, 1].round(2))

# %%
# Where do the first weights come from? They are drawn at random, so that the units of a
# layer differ: units that begin equal get equal gradients and stay equal. The lecture
# draws from the normal distribution with variance 1. With many inputs such sums become
# large and a logistic unit is stuck near 0 or 1, so that today's rule is a variance
# that shrinks with the number of inputs (Glorot and Bengio 2010), here by default.

rng = np.random.default_rng(0)
X = rng.normal(size=(500, 100))
model = MLPClassifier((50,), activation="logistic", random_state=0)
model.partial_fit(X[:1], [0], classes=[0, 1])
for name, scale in {"variance 1": 1.0, "Glorot": model.coefs_[0].std()}.items():
    model.coefs_[0] = rng.normal(0, scale, size=(100, 50))
    a = model.hidden_activations(X)
    share = np.mean((a < 0.02) | (a > 0.98))
    print(f"{name:10}: {share:.0%} of the hidden outputs within 0.02 of 0 or 1")

# %%
# - Glorot and Bengio, "Understanding the difficulty of training deep feedforward
#   neural networks", AISTATS 2010.
