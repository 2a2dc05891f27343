"""
A raw table in two lines
========================

A table with texts, categories, numbers of wild scales and gaps goes into
:class:`~fastmlp.TabularMLPClassifier` as it is. Beside it is scikit-learn's
gradient boosting, which many take first for such a table.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from fastmlp import TabularMLPClassifier

# %%
# The table is made up, so that this page needs no download: flats, and whether they
# were let within a week. A third of the columns are texts, and a tenth of the cells is
# missing.

rng = np.random.default_rng(0)
n = 3000
frame = pd.DataFrame(
    {
        "district": rng.choice(["Altstadt", "Hafen", "Nord", "Süd", "Wald"], n),
        "heating": rng.choice(["gas", "heat pump", "oil", "wood"], n),
        "rooms": rng.integers(1, 7, n).astype(float),
        "area": rng.normal(75, 22, n).clip(18, 200).round(),
        "rent": rng.lognormal(6.9, 0.35, n).round(),
        "lift": rng.random(n) < 0.5,
    }
)
fair = 6.1 + 0.009 * frame["area"]
fair += frame["district"].map(
    {"Altstadt": 0.35, "Hafen": 0.25, "Nord": -0.1, "Süd": 0.1, "Wald": -0.2}
)
bargain = fair - np.log(frame["rent"]) + 0.2 * (frame["heating"] == "heat pump")
let = bargain + 0.15 * frame["lift"] + rng.logistic(0, 0.06, n) > 0
target = np.where(let, "let", "empty")
for column in ["district", "heating", "area", "rooms"]:
    frame.loc[rng.random(n) < 0.1, column] = None
frame.head()

# %%
# Two lines are enough: one makes the model, one fits it. The gradient boosting wants
# its texts as pandas' categories.

X_train, X_test, y_train, y_test = train_test_split(frame, target, random_state=0)
texts = {"district": "category", "heating": "category"}
boosting = HistGradientBoostingClassifier(random_state=0)

results = {}
for name, model, kinds in [
    ("fastmlp", TabularMLPClassifier(random_state=0), {}),
    ("gradient boosting", boosting, texts),
]:
    start = perf_counter()
    model.fit(X_train.astype(kinds), y_train)
    seconds = perf_counter() - start
    p = model.predict_proba(X_test.astype(kinds))
    accuracy = accuracy_score(y_test, model.classes_[p.argmax(axis=1)])
    results[name] = accuracy, log_loss(y_test, p), seconds
    print(
        f"{name:18} accuracy {accuracy:.3f}, log loss {log_loss(y_test, p):.3f}, "
        f"{seconds:.1f} s"
    )

# %%
# The accuracy is the share of flats that are put in the right class; the log loss
# judges the probabilities, and smaller is better. The network takes more time for its
# fit. The rule behind this table is smooth, which suits a network; tables with sharp
# steps suit trees. :doc:`/user_guide/tables` says what the network sees of each column.

figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained", sharey=True)
titles = ["accuracy", "log loss", "seconds for the fit"]
for axis, title, values in zip(axes, titles, zip(*results.values())):
    bars = axis.barh(list(results), values, color=["C0", "0.7"])
    axis.bar_label(bars, fmt="%.3g", padding=3)
    axis.set_title(title)
    axis.margins(x=0.2)
plt.show()
