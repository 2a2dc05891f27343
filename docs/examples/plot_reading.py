"""
Reading an MLP
==============

A network of a few layers can be looked into: its weights, the slope of its output in
each feature, the share of each feature in a prediction, and one step of training gate
by gate.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from fastmlp import LossCurveDisplay, MLPRegressor, WeightsDisplay, plot_network

frame, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
model = MLPRegressor(
    hidden_layer_sizes=(6,), activation="tanh", alpha=1.0, random_state=0, max_iter=2000
)
model.set_params(standardize_X=True, standardize_y=True, early_stopping=True)
model.fit(frame, y)
print(model.summary())

# %%
# Its shape, its training, its weights
# ------------------------------------

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
plot_network(model, ax=axes[0])
LossCurveDisplay.from_estimator(model, ax=axes[1])
plt.show()

# %%
# The weights of the first layer are those for standardised features, so that their
# sizes can be compared.

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
WeightsDisplay.from_estimator(model, layer=0, ax=axis)
plt.show()

# %%
# The slope in each feature
# -------------------------
#
# ``input_gradient`` is the derivative of the output with respect to each feature, for
# each row. Times the standard deviation of the feature it says how much the prediction
# changes with it. A linear model would have one value in each line; the spread is what
# the hidden layer adds.

slopes = model.input_gradient(frame) * frame.std().to_numpy()
order = np.abs(slopes).mean(axis=0).argsort()
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.boxplot(slopes[:, order], orientation="horizontal", showfliers=False)
axis.set_yticks(range(1, len(order) + 1), frame.columns[order])
axis.axvline(0, color="0.5", lw=1)
axis.set_xlabel("change of the prediction for one standard deviation")
plt.show()

# %%
# The share of each feature in a prediction
# -----------------------------------------
#
# ``integrated_gradients`` splits the difference between the prediction for a row and
# that for a baseline, here the mean of all rows, into one number for each feature. The
# numbers add up.

baseline = frame.mean().to_numpy()
patient = frame.iloc[[3]]
shares = model.integrated_gradients(patient, baseline=baseline)[0]
start = model.predict(frame.mean().to_frame().T)[0]
end = model.predict(patient)[0]
print(f"{start:.1f} + {shares.sum():.1f} = {start + shares.sum():.1f}; got {end:.1f}")

order = np.abs(shares).argsort()
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.barh(
    frame.columns[order], shares[order], color=np.where(shares[order] > 0, "C3", "C0")
)
axis.set_xlabel("share in the prediction, beside that of the mean patient")
plt.show()

# %%
# One step, gate by gate
# ----------------------
#
# ``trace_step`` takes one sample forward and backward through a small network, and
# takes one step of gradient descent. The table has the value of each gate, its local
# derivative, and the derivative of the loss with respect to it: the product of the
# local ones on the way.

small = MLPRegressor(
    hidden_layer_sizes=(2,), activation="tanh", solver="lbfgs", random_state=0
)
small.fit([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1.0, 1.0, 2.0])
trace = small.trace_step([1.0, 0.0], 0.5, learning_rate=0.1)
print(trace)

# %%

figure, axis = plt.subplots(figsize=(10, 5), layout="constrained")
trace.plot(ax=axis)
plt.show()
