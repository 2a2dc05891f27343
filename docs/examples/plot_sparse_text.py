"""
Sparse text
===========

A bag of words is a matrix of thousands of columns in which nearly all cells are zero.
fastmlp trains on it as it is: the matrix never becomes dense.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from fastmlp import MLPClassifier

# %%
# Texts are made up from a vocabulary, so that nothing is downloaded: reviews of three
# kinds of goods. Whether a word is praise depends on the kind: a *light* laptop is
# good, a *light* meal is not. A linear model gives each word one weight and cannot say
# that.

rng = np.random.default_rng(0)
goods = {
    "laptop": ["screen", "keyboard", "battery", "fan", "disk", "port", "charger"],
    "meal": ["soup", "waiter", "menu", "dessert", "table", "sauce", "bread"],
    "film": ["actor", "plot", "scene", "ending", "director", "music", "ticket"],
}
praise = {
    "laptop": ["light", "thin", "quiet", "cool", "fast"],
    "meal": ["warm", "hearty", "rich", "slow", "heavy"],
    "film": ["loud", "dark", "long", "wild", "strange"],
}
ballast = np.array([f"word{i}" for i in range(20_000)])


def review():
    """Make a review and tell whether it is good."""
    kind = rng.choice(list(goods))
    is_good = rng.random() < 0.5
    others = [word for other in praise for word in praise[other] if other != kind]
    words = [*rng.choice(goods[kind], 3), *ballast[rng.integers(20_000, size=10)]]
    words += list(rng.choice(praise[kind] if is_good else others, 3))
    return " ".join(rng.permutation(words)), is_good


texts, is_good = map(np.array, zip(*(review() for _ in range(6000))))
print(texts[0][:76], "...")

# %%

words = CountVectorizer(dtype=np.float32, binary=True)
X = words.fit_transform(texts)
print(
    f"{X.shape[0]} x {X.shape[1]} cells, {X.nnz / np.prod(X.shape):.2%} of them filled"
)
X_train, X_test, y_train, y_test = train_test_split(X, is_good, random_state=0)

linear = LogisticRegression(max_iter=200).fit(X_train, y_train)
print(f"linear model: accuracy {linear.score(X_test, y_test):.3f}")

model = MLPClassifier(
    (32,), early_stopping=True, learning_rate_init=0.003, random_state=0
)
start = perf_counter()
model.fit(X_train, y_train)
print(
    f"network: accuracy {model.score(X_test, y_test):.3f} after {model.n_iter_} epochs "
    f"in {perf_counter() - start:.1f} s, weights in {model.coefs_[0].dtype}"
)

# %%
# The effect of a word in company
# -------------------------------
#
# The probability of a good review is asked for, word by word, in each kind of goods.

adjectives = [word for words_of_kind in praise.values() for word in words_of_kind]
effects = np.array(
    [
        [
            model.predict_proba(
                words.transform([f"{' '.join(goods[kind][:3])} {word}"])
            )
            for word in adjectives
        ]
        for kind in goods
    ]
)[:, :, 0, 1]
figure, axis = plt.subplots(figsize=(8, 2.6), layout="constrained")
image = axis.imshow(effects, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
axis.set_xticks(range(len(adjectives)), adjectives, rotation=60, ha="right")
axis.set_yticks(range(3), goods)
figure.colorbar(image, label="P(good)")
plt.show()
