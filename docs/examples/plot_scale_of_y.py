"""
Regression and the scale of y
=============================

A fresh network gives outputs of about 1, and its solver takes steps of about 0.001. A
target in the hundred thousands is out of reach for it. This is the most frequent
reason for a regression that fails, and ``standardize_y=True`` is the remedy.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from fastmlp import MLPRegressor

# %%
# Prices of used cars, by age, distance driven and power: made up, in plain units.

rng = np.random.default_rng(0)
n = 2000
age, power = rng.uniform(0, 15, n), rng.normal(90, 25, n).clip(40, 250)
distance = age * rng.lognormal(9.4, 0.4, n)
price = 400 * power * np.exp(-0.14 * age - distance / 400_000)
price *= rng.lognormal(0, 0.08, n)
X = np.column_stack([age, distance, power])
X_train, X_test, y_train, y_test = train_test_split(X, price, random_state=0)
print(f"prices from {price.min():.0f} to {price.max():.0f}")

# %%
# The first model gets the numbers as they are. fastmlp notices that it is no better
# than a constant, and says what to do.

models = {"as they are": MLPRegressor(hidden_layer_sizes=(50,), random_state=0)}
models["standardize_X"] = MLPRegressor(
    hidden_layer_sizes=(50,), standardize_X=True, random_state=0
)
models["standardize_X and _y"] = MLPRegressor(
    hidden_layer_sizes=(50,),
    standardize_X=True,
    standardize_y=True,
    random_state=0,
    max_iter=500,
)
for name, model in models.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X_train, y_train)
    print(f"{name}: R2 {model.score(X_test, y_test):.3f}")
    for warning in caught:
        print(f"    {warning.category.__name__}: {warning.message}")

# %%
# Both scales are folded into the weights after the fit: ``coefs_``, ``predict`` and
# every export take raw features and give raw prices. There is no scaler to keep with
# the model.

print(models["standardize_X and _y"].predict([[3.0, 40_000.0, 100.0]]).round())

# %%

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained", sharey=True)
for axis, (name, model) in zip(axes, models.items()):
    axis.plot(y_test, model.predict(X_test), ".", ms=3)
    axis.axline((0, 0), slope=1, color="0.5", lw=1)
    axis.set(title=name, xlabel="price")
axes[0].set_ylabel("predicted price")
plt.show()

# %%
# Targets that differ by factors rather than by amounts, as prices do, may be better
# learnt with ``loss="gamma"``, which judges relative errors: see
# :doc:`/user_guide/uncertainty`.
