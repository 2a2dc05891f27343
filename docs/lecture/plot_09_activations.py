"""
9. Activations and their derivatives
====================================

The activation of a hidden unit bends its sum. Going forward its values matter; going
backward only its derivative does, which every gradient on its way has to pass.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import Activation, MLPRegressor

# %%
# Five activations
# ----------------
#
# ==========  ====================================  ===========================
# name        :math:`f(z)`                          :math:`f'(z)`
# ==========  ====================================  ===========================
# logistic    :math:`1 / (1 + e^{-z})`              :math:`f (1 - f)`
# tanh        :math:`2 / (1 + e^{-2z}) - 1`         :math:`1 - f^2`
# relu        :math:`\max(0, z)`                    1 for z > 0, else 0
# softplus    :math:`\log(1 + e^z)`                 :math:`1 / (1 + e^{-z})`
# leaky_relu  z for z >= 0, else :math:`\alpha z`   1 for z >= 0, else
#                                                   :math:`\alpha`
# ==========  ====================================  ===========================
#
# A network with one hidden unit whose weights are 1 *is* its activation:
# ``hidden_activations`` gives f, and ``input_gradient`` its derivative.


def unit(activation):
    """Return a network whose output is the activation of its input."""
    model = MLPRegressor(hidden_layer_sizes=(1,), activation=activation)
    model.partial_fit([[0.0]], [0.0])
    model.coefs_ = [np.ones((1, 1)), np.ones((1, 1))]
    model.intercepts_ = [np.zeros(1), np.zeros(1)]
    return model


z = np.linspace(-5, 5, 501)[:, None]
names = ["logistic", "tanh", "relu", "softplus", ("leaky_relu", 0.1)]
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for name in names:
    model = unit(name)
    label = name if isinstance(name, str) else "leaky_relu, slope 0.1"
    line = "-" if isinstance(name, str) else "--"
    axes[0].plot(z, model.hidden_activations(z), line, label=label)
    axes[1].plot(z, model.input_gradient(z), line, label=label)
axes[0].set(xlabel="z", title="f(z)", ylim=(-1.2, 3.2))
axes[1].set(xlabel="z", title="f'(z)", ylim=(-0.05, 1.1))
for axis in axes:
    axis.grid(alpha=0.3)
axes[0].legend(loc="upper left")
plt.show()

# %%
# Two of them are flat at both ends. The lecture calls their derivative zero outside of
# [-4, 4]. How near to zero is it?

for name in ("logistic", "tanh"):
    slopes = unit(name).input_gradient([[0.0], [4.0], [8.0]]).ravel()
    print(
        f"{name:8} slope at 0: {slopes[0]:.2f}, 4: {slopes[1]:.4f}, 8: {slopes[2]:.1e}"
    )

# %%
# Two details. ReLU has no derivative at 0. The lecture takes 0 there, for leaky ReLU 1,
# and so does this package; either lies between the slopes on both sides, and a sum is
# exactly 0 so rarely that the choice does not matter. And tanh by the formula in the
# table loses all digits next to 0, where it subtracts 1 from almost 1; the package
# computes it another way.

tiny = np.array([[1e-17]])
print("slopes at 0:", unit("relu").input_gradient([[0.0]])[0],
      unit(("leaky_relu", 0.1)).input_gradient([[0.0]])[0])  # fmt: skip
print("tanh(1e-17):", unit("tanh").hidden_activations(tiny)[0], "by the formula:",
      2 / (1 + np.exp(-2 * tiny[0])) - 1)  # fmt: skip

# %%
# What they cost
# --------------
#
# ReLU needs no exponential, which the lecture counts in its favour. That is true of the
# function by itself. In a network the products of matrices take their time too, and
# with vector instructions an exponential is cheap, so that the difference is small.

rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 100))
for name in names:
    model = MLPRegressor(hidden_layer_sizes=(100, 100), activation=name, n_threads=1)
    predictor = model.partial_fit(X[:200], X[:200, 0]).compile(n_threads=1)
    times = []
    for _ in range(15):
        start = perf_counter()
        predictor.predict(X)
        times.append(perf_counter() - start)
    label = name if isinstance(name, str) else name[0]
    print(f"{label:10} {1e3 * min(times):.2f} ms for 2,000 rows")

# %%
# One of your own
# ---------------
#
# The lecture writes ReLU as a function of PyTorch, with a forward and a backward
# method. The code on the slide is refused by PyTorch today, which wants both methods to
# be static and to take a context. Here an activation is a pair of NumPy functions, f
# and its derivative, which is checked by differences when it is made. PyTorch's
# backward multiplies by the gradient from above itself; here the package does.

relu = Activation(
    lambda z: np.maximum(z, 0.0), lambda z, a: (z > 0).astype(z.dtype), name="my_relu"
)
y = np.abs(X[:300, 0])
for activation in ("relu", relu):
    model = MLPRegressor(hidden_layer_sizes=(20,), activation=activation)
    model.set_params(random_state=0, solver="lbfgs", max_iter=20, tol=0.1)
    model.fit(X[:300, :5], y)
    print(activation, f"loss {model.loss_:.10f}")

# %%
# :doc:`/user_guide/custom-functions` shows the same compiled, by numba or in C.
#
# - Glorot, Bordes and Bengio, "Deep sparse rectifier neural networks",
#   AISTATS 2011.
# - Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network
#   acoustic models", ICML 2013 (leaky ReLU).
