"""
What the hidden layers see
==========================

A hidden layer turns its inputs into other numbers, from which the next layer has it
easier. This example draws what three layers make of handwritten digits.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import HiddenFeatures, MLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
model = MLPClassifier((64, 32, 16), activation="tanh", random_state=0, max_iter=400)
model.fit(X_train, y_train)
print(f"accuracy on new digits: {model.score(X_test, y_test):.3f}")

# %%
# ``hidden_activations`` gives the outputs of a layer. The classes are drawn along the
# two main directions of each, and the figure next to the name says how well a straight
# cut in these two directions alone tells the ten classes apart. From layer to layer
# they move apart.

layers = {"pixels": (X_train, X_test)}
for layer in range(3):
    layers[f"hidden layer {layer + 1}"] = (
        model.hidden_activations(X_train, layer),
        model.hidden_activations(X_test, layer),
    )

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, (name, (train, test)) in zip(axes, layers.items()):
    plane = PCA(2, random_state=0).fit(train)
    cut = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    cut.fit(plane.transform(train), y_train)
    share = cut.score(plane.transform(test), y_test)
    points = axis.scatter(*plane.transform(test).T, c=y_test, s=8, cmap="tab10")
    axis.set(title=f"{name}: {share:.0%}", xticks=[], yticks=[])
figure.colorbar(points, ax=axes, label="digit")
plt.show()

# %%
# Each unit of the first layer looks for a pattern of pixels. These are the weights of
# 16 of them, red for ink that raises the sum and blue for ink that lowers it.

figure, axes = plt.subplots(2, 8, figsize=(9, 2.6), layout="constrained")
for axis, weights in zip(axes.flat, model.coefs_[0].T):
    most = abs(weights).max()
    axis.imshow(weights.reshape(8, 8), cmap="RdBu_r", vmin=-most, vmax=most)
    axis.set_axis_off()
plt.show()

# %%
# :class:`~fastmlp.HiddenFeatures` is the same as a transformer. Here features that were
# learnt from ten classes serve a linear model.

features = HiddenFeatures(model, layer=1)
linear = make_pipeline(features, StandardScaler(), LogisticRegression(max_iter=1000))
linear.fit(X_train, y_train)
print(f"linear model on the second layer: {linear.score(X_test, y_test):.3f}")
