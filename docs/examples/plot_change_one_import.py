"""
Change one import
=================

The classes of fastmlp have the names, parameters and attributes of scikit-learn's. The
same seed gives the same model: this example fits both and compares time, loss curve
and weights.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn import neural_network
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastmlp

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# Both are fitted to the same rows with the same seed.

models, seconds = {}, {}
for library in (neural_network, fastmlp):
    name = library.__name__.partition(".")[0]
    start = perf_counter()
    models[name] = library.MLPClassifier(random_state=0).fit(X_train, y_train)
    seconds[name] = perf_counter() - start
    print(
        f"{name:8} {seconds[name]:6.2f} s, {models[name].n_iter_} epochs, "
        f"accuracy {models[name].score(X_test, y_test):.4f}"
    )

# %%
# The loss curves lie on one another, and the weights agree to rounding.

ours, theirs = models["fastmlp"], models["sklearn"]
largest = max(np.abs(a - b).max() for a, b in zip(ours.coefs_, theirs.coefs_))
print(f"largest difference of a weight: {largest:.1e}")

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.plot(theirs.loss_curve_, lw=5, color="0.8", label="scikit-learn")
left.plot(ours.loss_curve_, lw=1.5, color="C0", label="fastmlp")
left.set(xlabel="epoch", ylabel="training loss", yscale="log")
left.legend()
right.barh(["scikit-learn", "fastmlp"], [seconds["sklearn"], seconds["fastmlp"]])
right.set_xlabel("seconds for the fit")
plt.show()

# %%
# The times above are those of the machine that built this page.
# :doc:`/development/benchmarks` says how to measure your own;
# :doc:`/promises/differences` lists the deliberate differences.
