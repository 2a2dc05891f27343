r"""
5. Computational graphs: the chain rule, gate by gate
=====================================================

Training needs the derivative of the loss with respect to every weight. A formula for
each would be long; *back-propagation* finds them all in one walk backward through the
computation. This page does it for expressions of a few gates, with the value (above,
green) and the gradient (below, red) on every edge.

The idea: write a computation as a *graph* of simple gates. A gate needs to know only
its own inputs, hence its *local* derivatives, also called slopes. Going backward, each
gate is told the derivative of the final result with respect to its output. It
multiplies this by its slopes and hands the products to its inputs. That is the chain
rule,

.. math::
   \frac{\partial L}{\partial x}
   = \frac{\partial L}{\partial z} \cdot \frac{\partial z}{\partial x},

once for each edge, and nothing else.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from fastmlp import MLPClassifier, plot_graph

# %%
# Back-propagation in twenty lines
# --------------------------------
#
# Going forward, a gate computes its value and its slopes. Going backward, it adds
# gradient times slope to each of its inputs. ``plot_graph`` draws any objects that have
# these five attributes.


class Node:
    """A given number, or a gate with its inputs and its slope in each of them."""

    def __init__(self, label, value, inputs=(), slopes=()):
        self.label, self.value, self.gradient = label, value, 0.0
        self.inputs, self.slopes = inputs, slopes


def add(*terms):
    """Sum: every slope is 1."""
    return Node("+", sum(t.value for t in terms), terms, (1.0,) * len(terms))


def mul(a, b):
    """Product: the slope in each factor is the other one."""
    return Node("*", a.value * b.value, (a, b), (b.value, a.value))


def maximum(a, b):
    """Larger of two: its slope is 1, that of the other 0."""
    first = a.value > b.value
    return Node("max", max(a.value, b.value), (a, b), (float(first), float(not first)))


def unary(label, a, value, slope):
    """Function of one number."""
    return Node(label, value, (a,), (slope,))


def backward(last):
    """Give every node the gradient of the last one."""
    order = []

    def visit(node):
        if node not in order:
            for before in node.inputs:
                visit(before)
            order.append(node)

    visit(last)
    last.gradient = 1.0
    for node in reversed(order):
        for before, slope in zip(node.inputs, node.slopes):
            before.gradient += node.gradient * slope
    return last


# %%
# First graph: f = (x + y) z
# --------------------------
#
# With x = -2, y = 5 and z = -4. Forward: q = x + y = 3, then f = q z = -12. Backward:
# the result has gradient 1. The product hands -4, the value of z, to q, and 3, the
# value of q, to z. The sum hands its -4 on to both x and y.

x, y, z = Node("x", -2.0), Node("y", 5.0), Node("z", -4.0)
first = backward(mul(add(x, y), z))
print("df/dx, df/dy, df/dz =", x.gradient, y.gradient, z.gradient)
plot_graph(first)
plt.show()

# %%
# What each gate does with a gradient
# -----------------------------------
#
# - **add distributes**: its slopes are 1, so every input gets the gradient as it is;
# - **mul switches**: each input gets the gradient times the *other* input;
# - **max routes**: the larger input gets the whole gradient, the other one 0. ReLU,
#   max(0, z), is such a gate;
# - **sigmoid** multiplies by :math:`\sigma(z)(1 - \sigma(z))`, at most 1/4.
#
# All three in one graph. Follow the 2 from the right: switched at the product with 2,
# distributed at the sum, then switched and routed.

a, b = Node("a", 3.0), Node("b", -4.0)
c, d = Node("c", 2.0), Node("d", -1.0)
patterns = backward(mul(add(mul(a, b), maximum(c, d)), Node("2", 2.0)))
plot_graph(patterns)
plt.show()

# %%
# Where a number goes to several gates, each sends back a gradient of its own, and they
# **add at the branch**: a change of x moves the result on both ways. Here x goes to a
# sum and to a product, f = (x + y) x, and indeed df/dx = 2x + y = 11.

x, y = Node("x", 3.0), Node("y", 5.0)
branch = backward(mul(add(x, y), x))
print("df/dx =", x.gradient)
plot_graph(branch)
plt.show()

# %%
# Second graph: a logistic neuron
# -------------------------------
#
# The lecture takes the neuron
#
# .. math:: f(w, x) = \frac{1}{1 + e^{-(w_0 + w_1 x_1 + w_2 x_2)}}
#
# apart into its smallest gates, with w = (-3, 2, -3) and x = (-1, -2). The target is y
# = 1, so the loss is L = -log f. Each gate has a slope that one can look up: exp has
# its own value, 1/v has -1/v^2, -log has -1/v.

w0, w1, w2 = Node("$w_0$", -3.0), Node("$w_1$", 2.0), Node("$w_2$", -3.0)
x1, x2 = Node("$x_1$", -1.0), Node("$x_2$", -2.0)
total = add(mul(w1, x1), mul(w2, x2), w0)
negative = unary("* -1", total, -total.value, -1.0)
power = unary("exp", negative, math.exp(negative.value), math.exp(negative.value))
below = unary("+ 1", power, power.value + 1, 1.0)
f = unary("1/v", below, 1 / below.value, -1 / below.value**2)
second = backward(unary("-log", f, -math.log(f.value), -1 / f.value))
print("f =", round(f.value, 4))
print("dL/dw =", [round(w.gradient, 2) for w in (w0, w1, w2)])
plot_graph(second)
plt.show()

# %%
# The four gates in the middle are the logistic function. As one gate its slope is
# :math:`f (1 - f)` = 0.7311 x 0.2689 = 0.1966, and -1.37 x 0.1966 = -0.269, the same as
# through the four. Gates may be as large as one likes, as long as they know their
# slopes.
#
# The package does this for its models: ``trace_step`` goes forward and backward with
# one row and takes a step, and ``plot_graph`` draws the trace. ``W1[0,0]`` is the
# weight from the first input to the first unit of layer 1, ``b1[0]`` the bias of that
# unit.

model = MLPClassifier((), solver="sgd", alpha=0.0, learning_rate_init=0.001)
model.partial_fit([[-1.0, -2.0]], [1], classes=[0, 1])  # makes the arrays
model.coefs_, model.intercepts_ = [np.array([[2.0], [-3.0]])], [np.array([-3.0])]
trace = model.trace_step([-1.0, -2.0], 1)
plot_graph(trace)
plt.show()

# %%
# The step of the lecture
# -----------------------
#
# A step with the learning rate 0.001 moves each weight against its gradient:

(layer,) = trace.layers
print("w0       :", layer.intercepts, "->", layer.new_intercepts.round(5))
print("w1 and w2:", layer.coefs.ravel(), "->", layer.new_coefs.ravel().round(5))
print(f"output   : {trace.outputs[0]:.4f} -> {trace.new_outputs[0]:.4f}")

# %%
# The slide prints -2.9973 and 1.9973 for the first two weights. They lost a 9: -3 +
# 0.001 x 0.269 is -2.99973, and the second is 1.99973. The slide's third weight,
# -3.00054, is right. Its new output, 0.7323, is that of the wrong weights; with the
# right ones it is 0.7314. Either way it came closer to the target 1.

model.coefs_ = [np.array([[1.9973], [-3.00054]])]
model.intercepts_ = [np.array([-2.9973])]
print(f"with the printed weights: {model.predict_proba([[-1.0, -2.0]])[0, 1]:.4f}")

# %%
# Third graph: two layers
# -----------------------
#
# Two inputs, two hidden units, one output, all logistic, no biases: twelve gates, then
# the loss. The slides show this network step by step in pictures. Their text has the
# output, 0.4711, the gradient of the last gates, and the output after a step with rate
# 0.001, 0.4714, but not the weights. The weights here are ours, chosen so that all
# these numbers come out.

model = MLPClassifier((2,), activation="logistic", solver="sgd", fit_intercept=False)
model.set_params(alpha=0.0, learning_rate_init=0.001)
model.partial_fit([[2.0, -1.0]], [1], classes=[0, 1])
model.coefs_ = [np.array([[1.0, 0.6], [-1.0, -0.5]]), np.array([[0.5], [-0.7]])]
third = model.trace_step([2.0, -1.0], 1)
plot_graph(third)
plt.show()

# %%
# The inputs go to two units each, and there the gradients add (:math:`\Sigma`).
#
# The slide rounds the output to 0.47 before it goes on: -1/0.47 = -2.128, times 0.47 x
# 0.53 = 0.2491, is -0.53. Without the rounding in between the gradient of the output is
# -2.1225; the product still rounds to -0.53.

output = third.layers[-1]
print(f"dL/d(output) = {output.output_gradients[0]:.4f}")
print(f"slope of the last sigmoid = {output.local_derivatives[0]:.4f}")
print(f"dL/d(last sum) = {output.deltas[0]:.4f}")
print(f"output {third.outputs[0]:.4f} -> {third.new_outputs[0]:.4f}")

# %%
# Any small model
# ---------------
#
# Three classes, ReLU, biases, a trained model: the same picture. It shows a flower that
# the model takes for another kind. One hidden unit is off for it: its value is 0 and so
# is the slope of its ReLU, so that nothing flows back through it and this flower
# teaches its weights nothing.

X, kinds = load_iris(return_X_y=True)
X = X[:, 2:] - X[:, 2:].mean(axis=0)
model = MLPClassifier((2,), solver="lbfgs", alpha=0.3, max_iter=1000, random_state=5)
model.fit(X, kinds)
plot_graph(model.trace_step(X[83], kinds[83]))
plt.show()

# %%
# :doc:`plot_06_backpropagation` does the same with matrices, for whole layers at once.
#
# - Rumelhart, Hinton and Williams, "Learning representations by
#   back-propagating errors", Nature 323, 1986.
# - The first two graphs come from Stanford's course CS231n, https://cs231n.github.io.
