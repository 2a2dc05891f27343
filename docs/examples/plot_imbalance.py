"""
A rare class
============

With one positive in twenty rows, a model that never says "positive" is right in 95 %
of the cases. ``class_weight`` moves the balance between misses and false alarms. This
example shows what it changes, and what it does not.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
    precision_score,
    recall_score,
)
from sklearn.model_selection import train_test_split

from fastmlp import MLPClassifier

X, y = make_classification(
    6000, 20, n_informative=6, weights=[0.95], flip_y=0.01, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# The same network is fitted with three weights of the rare class. *Recall* is the share
# of the positives that are found, *precision* the share of the alarms that are right.

weights = {"none": None, "5 to 1": {0: 1.0, 1: 5.0}, "balanced": "balanced"}
scores = {}
for name, class_weight in weights.items():
    model = MLPClassifier(
        (32,),
        class_weight=class_weight,
        standardize_X=True,
        early_stopping=True,
        scoring="loss",
        random_state=0,
    )
    model.fit(X_train, y_train)
    scores[name] = p = model.predict_proba(X_test)[:, 1]
    found = p > 0.5
    print(
        f"{name:9} recall {recall_score(y_test, found):.2f}, "
        f"precision {precision_score(y_test, found):.2f}, "
        f"average precision {average_precision_score(y_test, p):.3f}, "
        f"Brier score {brier_score_loss(y_test, p):.3f}"
    )

# %%
# The curves of precision over recall lie close together: the models rank the rows
# alike. The weight moves the point at which the threshold of 0.5 cuts the curve. It
# also makes the probabilities of the rare class too large, as the Brier score shows. So
# there are two ways: weigh the class and keep the threshold, or train without weights
# and choose the threshold.

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for name, p in scores.items():
    precision, recall, _ = precision_recall_curve(y_test, p)
    (line,) = axis.plot(recall, precision, label=name)
    found = p > 0.5
    point = recall_score(y_test, found), precision_score(y_test, found)
    axis.plot(*point, "o", color=line.get_color(), ms=9)
axis.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
axis.legend(title="class_weight")
plt.show()

# %%
# :doc:`/user_guide/imbalance` lists the forms of ``class_weight``.
