"""
Bands of uncertainty
====================

A prediction without its spread is half an answer. Two models give the spread: one
learns quantiles, the other a mean and a standard deviation, both as functions of the
features.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastmlp import MLPRegressor

# %%
# The noise of these data grows with the distance from the middle.

rng = np.random.default_rng(0)
x = rng.uniform(-2, 2, size=4000)
sigma = 0.08 + 0.25 * np.abs(x)
y = np.sin(2 * x) + sigma * rng.normal(size=len(x))
X_train, y_train, X_test, y_test = x[:2000, None], y[:2000], x[2000:, None], y[2000:]

# %%
# Five quantiles are learnt at once. ``monotone_quantiles=True`` keeps them from
# crossing, for every x.

settings = {
    "hidden_layer_sizes": (40,),
    "learning_rate_init": 0.01,
    "standardize_X": True,
    "standardize_y": True,
    "early_stopping": True,
    "scoring": "loss",
    "n_iter_no_change": 30,
    "max_iter": 500,
    "random_state": 0,
}
levels = [0.05, 0.25, 0.5, 0.75, 0.95]
quantiles = MLPRegressor(
    "quantile", quantile=levels, monotone_quantiles=True, **settings
)
quantiles.fit(X_train, y_train)
normal = MLPRegressor("gaussian_nll", **settings).fit(X_train, y_train)

# %%
# A band of 90 % should hold 90 % of new rows: on the whole, and where the noise is
# small as well as where it is large.

for name, model in {"quantiles": quantiles, "normal": normal}.items():
    low, high = model.predict_interval(X_test, coverage=0.9).T
    inside = (low <= y_test) & (y_test <= high)
    outer = np.abs(X_test[:, 0]) > 1
    print(
        f"{name:9} holds {inside.mean():.1%}: {inside[~outer].mean():.1%} of the inner "
        f"rows, {inside[outer].mean():.1%} of the outer ones"
    )

# %%

grid = np.linspace(-2, 2, 300)[:, None]
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
for axis in axes:
    axis.plot(X_test[:, 0], y_test, ".", ms=2, color="0.7")
    axis.set_xlabel("x")
p = quantiles.predict(grid)
axes[0].fill_between(grid[:, 0], p[:, 0], p[:, 4], alpha=0.25, label="5 to 95 %")
axes[0].fill_between(grid[:, 0], p[:, 1], p[:, 3], alpha=0.4, label="25 to 75 %")
axes[0].plot(grid, p[:, 2], "k", label="median")
axes[0].set(title='loss="quantile"', ylabel="y")
mean, std = normal.predict(grid, return_std=True)
low, high = normal.predict_interval(grid, coverage=0.9).T
axes[1].fill_between(grid[:, 0], low, high, alpha=0.25, label="90 %")
axes[1].plot(grid, mean, "k", label="mean")
axes[1].set_title('loss="gaussian_nll"')
for axis in axes:
    axis.legend(loc="lower right")
plt.show()

# %%
# The learnt standard deviation beside the true one:

figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.plot(grid, std, label="learnt")
axis.plot(grid, 0.08 + 0.25 * np.abs(grid), "k--", lw=1, label="true")
axis.set(xlabel="x", ylabel="standard deviation", ylim=0)
axis.legend()
plt.show()
