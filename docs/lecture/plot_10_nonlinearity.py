"""
10. Why not linear?
===================

Without a bend in between, layers are pointless: a product of matrices is one matrix.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from fastmlp import MLPClassifier

# %%
# Layers that collapse
# --------------------
#
# With the identity as activation, :math:`W^{(3)} (W^{(2)} (W^{(1)} x)) = (W^{(3)}
# W^{(2)} W^{(1)}) x`. The network below has 150 times the weights of a single layer and
# says exactly the same as one.

X, y = make_moons(300, noise=0.2, random_state=0)
deep = MLPClassifier((16, 16), activation="identity", solver="lbfgs", random_state=0)
deep.fit(X, y)

one = MLPClassifier(()).partial_fit(X, y, classes=[0, 1])
(W1, W2, W3), (b1, b2, b3) = deep.coefs_, deep.intercepts_
one.coefs_ = [W1 @ W2 @ W3]
one.intercepts_ = [(b1 @ W2 + b2) @ W3 + b3]
difference = np.abs(one.predict_proba(X) - deep.predict_proba(X)).max()
print("weights:", sum(w.size for w in deep.coefs_), "and", one.coefs_[0].size)
print(f"largest difference of a probability: {difference:.1e}")

# %%
# A bend and more layers
# ----------------------
#
# With ReLU each unit folds the plane along a line, and the next layer folds what is
# folded already. The pieces on which the network is linear multiply, and so do the
# shapes that it can draw. The dashed lines are the folds: a unit switches on or off
# there.

networks = {
    "identity, (16, 16)": deep,
    "relu, (4)": MLPClassifier((4,), solver="lbfgs", random_state=1),
    "relu, (16, 16)": MLPClassifier((16, 16), solver="lbfgs", random_state=1),
}
xs, ys = np.linspace(-2, 3, 201), np.linspace(-1.5, 2, 141)
plane = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)

figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
for axis, (name, model) in zip(axes, networks.items()):
    if not hasattr(model, "coefs_"):
        model.set_params(alpha=0.1, max_iter=2000).fit(X, y)
    p = model.predict_proba(plane)[:, 1].reshape(len(ys), len(xs))
    axis.contourf(xs, ys, p, np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.6)
    axis.contour(xs, ys, p, [0.5], colors="k")
    n_pieces = 1
    if model.activation == "relu":
        layers = range(len(model.hidden_layer_sizes))
        on = np.hstack([model.hidden_activations(plane, layer) > 0 for layer in layers])
        n_pieces = len(np.unique(on, axis=0))
        for column in on.T:
            if 0 < column.mean() < 1:
                fold = column.reshape(len(ys), len(xs)).astype(float)
                axis.contour(xs, ys, fold, [0.5], colors="0.3", linestyles=":",
                             linewidths=0.7)  # fmt: skip
    axis.scatter(*X.T, c=y, cmap="coolwarm", s=8, edgecolor="k", linewidth=0.2)
    axis.set(title=f"{name}: {model.score(X, y):.0%}", xticks=[], yticks=[])
    print(f"{name:20} linear on {n_pieces} pieces of the picture")
plt.show()

# %%
# The folds of the second layer are lines only between the folds of the first; across
# one they bend. So deep networks have many more pieces than shallow ones with as many
# units (Montufar and others 2014).
#
# - Montufar, Pascanu, Cho and Bengio, "On the number of linear regions of
#   deep neural networks", NeurIPS 2014, arXiv:1402.1869.
