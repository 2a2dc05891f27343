"""The methods: estimators with default parameters and one thread.

``METHODS`` maps a name to how it is made and the package that it needs; ``own`` makes
one of an estimator of this package from a text.  Each gets a frame with categories as
``category`` and gaps as NaN, and targets as floats or as codes 0, 1, ... of the classes
of the training rows.  Where a library wants something else, its method converts.
"""

from __future__ import annotations

import ast
import shlex
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.compose import make_column_selector as columns
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MOST_LEVELS = 255  # that HistGradientBoosting takes as a category


@dataclass(frozen=True)
class Method:
    """A method, whose ``make(is_classifier, seed)`` gives an estimator."""

    make: object
    package: str
    needs: str = ""  # a name that its package must have
    text: str = ""  # what it was made of, if of a text

    @property
    def is_installed(self):
        """Return whether its package is installed and has the estimators."""
        if find_spec(self.package) is None:
            return False
        return not self.needs or hasattr(import_module(self.package), self.needs)

    @property
    def version(self):
        """Package and version."""
        name = {"sklearn": "scikit-learn"}.get(self.package, self.package)
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            return f"{name}, not installed as a package"


class Converted:
    """An estimator that sees the frame through a function of it."""

    def __init__(self, model, convert):
        self.model, self.convert = model, convert

    def fit(self, X, y):
        """Fit the estimator to the converted frame."""
        self.model.fit(self.convert(X), y)
        return self

    def predict(self, X):
        """The predictions."""
        return self.model.predict(self.convert(X))

    def predict_proba(self, X):
        """The probabilities."""
        return self.model.predict_proba(self.convert(X))


def piped(model):
    """An estimator of arrays behind the usual pipeline.

    Gaps in numbers get the median, then numbers are standardised; categories are
    one-hot, with a gap as a level of its own.  Targets of a regression are
    standardised.
    """
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    prepare = ColumnTransformer(
        [
            ("numbers", numbers, columns(dtype_exclude="category")),
            (
                "categories",
                OneHotEncoder(handle_unknown="ignore"),
                columns(dtype_include="category"),
            ),
        ],
        sparse_threshold=0,
    )
    pipeline = make_pipeline(prepare, model)
    if hasattr(model, "predict_proba"):
        return pipeline
    return TransformedTargetRegressor(pipeline, transformer=StandardScaler())


def linear(is_classifier, seed):
    """Logistic or ridge regression."""
    return piped(LogisticRegression(max_iter=1000) if is_classifier else Ridge())


def hist_gradient_boosting(is_classifier, seed):
    """scikit-learn's gradient boosting."""
    kinds = HistGradientBoostingRegressor, HistGradientBoostingClassifier
    return Converted(kinds[is_classifier](random_state=seed), few_levels)


def few_levels(X):
    """The frame with the codes of a category of too many levels as numbers."""
    wide = [
        c for c in X.select_dtypes("category") if len(X[c].cat.categories) > MOST_LEVELS
    ]
    return X.assign(**{c: X[c].cat.codes.replace(-1, float("nan")) for c in wide})


def lightgbm(is_classifier, seed):
    """LightGBM, categories as they are."""
    import lightgbm

    kinds = lightgbm.LGBMRegressor, lightgbm.LGBMClassifier
    return kinds[is_classifier](random_state=seed, n_jobs=1, verbose=-1)


def xgboost(is_classifier, seed):
    """XGBoost, categories as they are."""
    import xgboost

    kinds = xgboost.XGBRegressor, xgboost.XGBClassifier
    kind = kinds[is_classifier]
    model = kind(random_state=seed, n_jobs=1, enable_categorical=True, verbosity=0)
    return Converted(model, some_levels)


def some_levels(X):
    """The frame with a category of no levels, which is all gaps, as numbers."""
    empty = [c for c in X.select_dtypes("category") if not len(X[c].cat.categories)]
    return X.assign(**{c: float("nan") for c in empty})


class CatBoost:
    """CatBoost with its own treatment of categories, which must have no gaps."""

    def __init__(self, kind, seed):
        self.kind, self.seed = kind, seed

    def fit(self, X, y):
        """Fit with the categories of the frame."""
        model = self.kind(
            random_seed=self.seed,
            thread_count=1,
            cat_features=[*X.select_dtypes("category")],
            verbose=False,
            allow_writing_files=False,
        )
        self.model = Converted(model, filled).fit(X, y)
        return self

    def predict(self, X):
        """The predictions."""
        return self.model.predict(X)

    def predict_proba(self, X):
        """The probabilities."""
        return self.model.predict_proba(X)


def filled(X):
    """The frame with gaps in categories as a level of their own."""
    level = "(missing)"
    return X.assign(
        **{
            c: X[c].cat.add_categories(level).fillna(level)
            for c in X.select_dtypes("category")
        }
    )


def catboost(is_classifier, seed):
    """CatBoost."""
    import catboost

    kinds = catboost.CatBoostRegressor, catboost.CatBoostClassifier
    return CatBoost(kinds[is_classifier], seed)


def realmlp(is_classifier, seed):
    """RealMLP-TD of pytabkit, which takes no gaps in numbers: they get the median."""
    import pytabkit

    kinds = pytabkit.RealMLP_TD_Regressor, pytabkit.RealMLP_TD_Classifier
    model = kinds[is_classifier](
        random_state=seed, device="cpu", n_threads=1, verbosity=0
    )
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    fill = ColumnTransformer(
        [("numbers", fill, columns(dtype_exclude="category"))],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    return make_pipeline(fill.set_output(transform="pandas"), model)


def ours(is_classifier, seed, kinds, params, is_piped):
    """An estimator of the path ``module:CLASSIFIER/REGRESSOR``."""
    module, _, names = kinds.rpartition(":")
    names = names.split("/")
    kind = getattr(import_module(module), names[0 if is_classifier else -1])
    known = kind().get_params()
    usual = {"random_state": seed, "n_threads": 1}
    usual = {name: value for name, value in usual.items() if name in known}
    model = kind(**{**usual, **params})
    return piped(model) if is_piped else model


def own(text, is_piped=False):
    """A method from ``NAME: CLASSIFIER/REGRESSOR parameter=value ...``.

    One class serves both tasks where only one is named.  Values are Python literals, or
    texts.  The classes are those of fastmlp, or ``module:CLASSIFIER/REGRESSOR``.
    """
    name, colon, rest = text.partition(":")
    words = shlex.split(rest)
    if not colon or not words or not all("=" in word for word in words[1:]):
        raise ValueError(
            "must be 'NAME: CLASSIFIER/REGRESSOR parameter=value ...', got "
            + repr(text)
        )
    pairs = [word.partition("=") for word in words[1:]]
    params = {key: _value(value) for key, _, value in pairs}
    kinds = words[0] if ":" in words[0] else f"fastmlp:{words[0]}"
    make = partial(ours, kinds=kinds, params=params, is_piped=is_piped)
    package = kinds.partition(":")[0].partition(".")[0]
    return name.strip(), Method(make, package, text=rest.strip())


def _value(text):
    """A Python literal, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


MLP = own("mlp: MLPClassifier/MLPRegressor", is_piped=True)[1]
TABULAR = "TabularMLPClassifier"
KINDS = f"{TABULAR}/TabularMLPRegressor"
DEFAULT = own(f"tabular: {KINDS}")[1]
ONE = own(f"tabular-1: {KINDS} n_members=1")[1]
FIVE = own(f"tabular-5: {KINDS} n_members=5")[1]
METHODS = {
    "linear": Method(linear, "sklearn"),
    "mlp": MLP,
    "tabular": replace(DEFAULT, needs=TABULAR),
    "tabular-1": replace(ONE, needs=TABULAR),
    "tabular-5": replace(FIVE, needs=TABULAR),
    "hist-gradient-boosting": Method(hist_gradient_boosting, "sklearn"),
    "lightgbm": Method(lightgbm, "lightgbm"),
    "xgboost": Method(xgboost, "xgboost"),
    "catboost": Method(catboost, "catboost"),
    "realmlp": Method(realmlp, "pytabkit"),
}
