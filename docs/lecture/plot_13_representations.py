"""
13. Learnt representations, layer by layer
==========================================

Before deep learning people wrote down which features of a picture matter. A network
finds them: each hidden layer turns its inputs into numbers of its own, a
*representation*, from which the next layer has it easier. This page follows handwritten
digits through three layers.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastmlp import MLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
model = MLPClassifier((49, 25, 16), activation="tanh", random_state=0, max_iter=1000)
model.set_params(learning_rate_init=0.005)
model.fit(X_train, y_train)
print(f"accuracy on new digits: {model.score(X_test, y_test):.3f}")

# %%
# Digits on their way
# -------------------
#
# A row for each of five digits: its 64 pixels, the outputs of the hidden layers (in
# squares of 49, 25 and 16 units, in no special order), and the probabilities of the ten
# classes. Compare the two threes in the last rows.

first = [np.flatnonzero(y_test == digit)[0] for digit in (0, 1, 7)]
rows = [*first, *np.flatnonzero(y_test == 3)[[0, 4]]]
stages = [X_test, *(model.hidden_activations(X_test, layer) for layer in range(3))]
titles = ["pixels", "layer 1", "layer 2", "layer 3", "output"]
figure, axes = plt.subplots(
    5, 5, figsize=(8, 7.5), layout="constrained", width_ratios=[1, 1, 1, 1, 1.6]
)
for line, row in zip(axes, rows):
    for axis, stage in zip(line, stages):
        side = int(np.sqrt(stage.shape[1]))
        axis.imshow(stage[row].reshape(side, side), cmap="RdBu_r", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
    line[4].bar(range(10), model.predict_proba(X_test[[row]])[0], color="C0")
    line[4].set(ylim=(0, 1), xticks=range(10), yticks=[])
for axis, title in zip(axes[0], titles):
    axis.set_title(title)
plt.show()

# %%
# What is alike, and for whom
# ---------------------------
#
# The new digits, sorted by class, and the angle between any two of them, as seen from
# the mean of all: red where they point the same way, blue where they point in opposite
# ways. In the pixels the squares of the ten classes can only be guessed at. From layer
# to layer they stand out. The printed measures say the same: how alike two digits of
# one class and of two classes are on average, and the share of new digits that are
# nearest to the mean of their own class.

order = np.argsort(y_test, kind="stable")
same = y_test[:, None] == y_test
trained = [X_train, *(model.hidden_activations(X_train, layer) for layer in range(3))]
figure, axes = plt.subplots(1, 4, figsize=(12, 3.5), layout="constrained")
for axis, title, stage, train in zip(axes, titles, stages, trained):
    stage, train = stage - train.mean(axis=0), train - train.mean(axis=0)
    unit = stage / np.linalg.norm(stage, axis=1, keepdims=True)
    cosine = unit @ unit.T
    means = np.array([train[y_train == digit].mean(axis=0) for digit in range(10)])
    distances = np.linalg.norm(stage[:, None] - means, axis=2)
    nearest = np.mean(distances.argmin(axis=1) == y_test)
    inside, across = cosine[same].mean(), cosine[~same].mean()
    print(f"{title:8} one class {inside:.2f}, two classes {across:.2f}, "
          f"nearest mean {nearest:.3f}")  # fmt: skip
    picture = axis.imshow(cosine[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set(title=title, xticks=[], yticks=[])
figure.colorbar(picture, ax=axes, label="cosine of the angle")
plt.show()

# %%
# What a unit looks for
# ---------------------
#
# Above, the weights of ten units of the first layer, as pictures: red where ink raises
# the sum, blue where it lowers it. Below, for the same units, the mean of the 20 new
# digits to which each answers most.

answers = model.hidden_activations(X_test, 0)
chosen = np.argsort(-answers.var(axis=0))[:10]
figure, axes = plt.subplots(2, 10, figsize=(10, 2.3), layout="constrained")
for (top, bottom), unit in zip(axes.T, chosen):
    weights = model.coefs_[0][:, unit].reshape(8, 8)
    most = np.abs(weights).max()
    top.imshow(weights, cmap="RdBu_r", vmin=-most, vmax=most)
    best = np.argsort(-answers[:, unit])[:20]
    bottom.imshow(X_test[best].mean(axis=0).reshape(8, 8), cmap="Greys")
for axis in axes.flat:
    axis.set_axis_off()
plt.show()

# %%
# Some units answer to one digit in its usual place, others to a stroke that several
# digits share. Ten of them together tell the digits apart. In networks for photographs
# the steps are finer, from edges to textures, parts and objects (Zeiler and Fergus
# 2014).
#
# :doc:`/auto_examples/plot_representations` uses such a representation as the features
# of another model.
#
# - Bengio, Courville and Vincent, "Representation learning: a review and
#   new perspectives", IEEE Transactions on Pattern Analysis and Machine Intelligence
#   35, 2013.
# - Zeiler and Fergus, "Visualizing and understanding convolutional networks",
#   ECCV 2014, arXiv:1311.2901.
