"""The estimator for tables beside a linear model and gradient boosting."""

from __future__ import annotations

import shlex

import numpy as np
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits

from fastmlp._cli.fitting import better_threads, timed_fit
from fastmlp._cli.table import some
from fastmlp._cli.targets import REGRESSION
from fastmlp._mlp.model_files import save_model
from fastmlp._tabular.classifier import TabularMLPClassifier
from fastmlp._tabular.regressor import TabularMLPRegressor
from fastmlp._utils.threads import allowed_threads

OURS = "TabularMLP"
MOST_LEVELS = 255  # that HistGradientBoosting takes as a category
LEAST_SHARE = 0.005  # of the importance, of a column that is named
MOST_STEPS = 1000  # of the logistic regression, whose default is often too few


class Tabular:
    """The contest of ``--model tabular``.

    Parameters
    ----------
    problem : Problem
    parts : Parts
    options : argparse.Namespace

    Attributes
    ----------
    parts : Parts
        As they are.
    judged : tuple of str
        The parts whose scores are printed.
    models : dict of estimators
        The one of fastmlp first.
    """

    judged = ("test",)

    def __init__(self, problem, parts, options):
        self.problem, self.parts, self.options = problem, parts, options
        self.threads = {}
        self.is_regression = problem.task in REGRESSION
        kind = TabularMLPRegressor if self.is_regression else TabularMLPClassifier
        self.models = {
            OURS: kind(
                n_members=options.members,
                max_time=options.max_time,
                n_threads=options.threads,
                random_state=options.seed,
                verbose=True,
            )
        }
        if not options.no_compare:
            self.models["linear model"] = self._linear()
            self.models["HistGradientBoosting"] = self._boosting()

    def _linear(self):
        """A linear model of prepared features; a missing category is one of its own."""
        prepare = clone(self.problem.prepare)
        if self.problem.categories:
            prepare.set_params(categories__simpleimputer="passthrough")
        model = (
            Ridge() if self.is_regression else LogisticRegression(max_iter=MOST_STEPS)
        )
        return make_pipeline(prepare, self._for_each_target(model))

    def _boosting(self):
        """Gradient boosting, which takes categories as numbered ones, and gaps.

        What it would make of columns of type "category" by itself is the same, but
        that it refuses more than ``MOST_LEVELS`` levels, the rarest of which are one
        here, and columns without a value, which are left out here.
        """
        categories, numbers = self._columns_with_values()
        numbered = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            max_categories=MOST_LEVELS,
        )
        prepare = ColumnTransformer(
            [
                ("categories", numbered, categories),
                ("numbers", "passthrough", numbers),
            ]
        )
        kinds = HistGradientBoostingClassifier, HistGradientBoostingRegressor
        boosting = kinds[self.is_regression](
            categorical_features=np.arange(len(categories)),
            random_state=self.options.seed,
        )
        return make_pipeline(prepare, self._for_each_target(boosting))

    def _columns_with_values(self):
        """The positions of categories and of numbers that are not all missing."""
        X, chosen = self.parts.X_train, set(self.problem.categories)
        missing = X.isna().to_numpy() if hasattr(X, "isna") else np.isnan(X)
        are_categories = np.array([name in chosen for name in self.problem.columns])
        has_values = ~missing.all(axis=0)
        return [
            np.flatnonzero(has_values & of) for of in (are_categories, ~are_categories)
        ]

    def _for_each_target(self, model):
        """The model, or one for each target where there are several."""
        if self.problem.y.ndim == 1:
            return model
        several = MultiOutputRegressor if self.is_regression else MultiOutputClassifier
        return several(model)

    def facts(self):
        """The data to fit, in lines."""
        return [
            f"{len(self.parts.y_train):,} rows to train on, "
            f"{len(self.parts.y_test):,} to test on"
        ]

    def fit(self, name):
        """Fit a model and return the seconds that it took."""
        model, X, y = self.models[name], self.parts.X_train, self.parts.y_train
        if name == OURS:
            self.threads[name] = self.options.threads or allowed_threads(None)
        else:
            self.threads[name] = better_threads(model, X, y, self.options.threads)
        with threadpool_limits(self.threads[name]):
            seconds = timed_fit(model, X, y)
        print(f"  fitted in {seconds:.3g} seconds")
        return seconds

    def rows(self):
        """Rows of the table of results beside scores and seconds."""
        return {"threads, at most": {name: self.threads[name] for name in self.models}}

    def conclusions(self, seconds):
        """The findings of the model of fastmlp, in lines."""
        model = self.models[OURS]
        n_members = len(model._model.weights)
        return [
            f"{OURS}: {n_members} member{'s' if n_members > 1 else ''}, best epoch "
            f"{model.best_epoch_} of {model.n_iter_}",
            f"its most important columns: {some(self._important())}",
        ]

    def _important(self):
        """The columns and their shares of the importance, the largest first."""
        shares = self.models[OURS].feature_importances_
        names = self.problem.columns
        order = [i for i in np.argsort(-shares) if shares[i] >= LEAST_SHARE]
        return [f"{names[i]} {shares[i]:.0%}" for i in order]

    def save(self, path):
        """Write the model of fastmlp and return how to use it, in lines."""
        model = self.models[OURS].set_params(verbose=False)
        if self.problem.y.ndim == 2:
            model.target_names_ = self.problem.names  # for the columns of predictions
        save_model(model, path)
        X = "frame[model.feature_names_in_]"
        return [
            f"the model is saved: fastmlp predict {shlex.quote(path)} NEW.csv --out "
            "PRED.csv",
            f"or in Python: model = fastmlp.load_model({path!r}); model.predict("
            f"{X if hasattr(model, 'feature_names_in_') else 'X'})",
        ]
