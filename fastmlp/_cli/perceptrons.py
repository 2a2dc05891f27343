"""The drop-in MLP beside scikit-learn's, both on features that are prepared once."""

from __future__ import annotations

import joblib
from sklearn import neural_network
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import fastmlp
from fastmlp._cli.fitting import (
    Parts,
    better_threads,
    errors_for_users,
    timed_fit,
)
from fastmlp._cli.report import comparison
from fastmlp._cli.targets import REGRESSION


class Perceptrons:
    """The contest of ``--model mlp``.

    Parameters
    ----------
    problem : Problem
    parts : Parts
        Raw rows.
    options : argparse.Namespace

    Attributes
    ----------
    parts : Parts
        Prepared rows.
    judged : tuple of str
        The parts whose scores are printed.
    models : dict of estimators
        The one of fastmlp first.
    """

    judged = ("test", "training")

    def __init__(self, problem, parts, options):
        self.problem, self.options = problem, options
        with errors_for_users():
            self.parts = Parts(
                problem.prepare.fit_transform(parts.X_train),
                problem.prepare.transform(parts.X_test),
                parts.y_train,
                parts.y_test,
            )
        libraries = {"fastmlp": fastmlp, "scikit-learn": neural_network}
        if options.no_compare:
            del libraries["scikit-learn"]
        self.models = {name: self._model(of) for name, of in libraries.items()}
        self.threads = {}

    def _model(self, library):
        """The estimator of a library; quantities are standardised for it."""
        options, regression = self.options, self.problem.task in REGRESSION
        kind = library.MLPRegressor if regression else library.MLPClassifier
        mlp = kind(
            hidden_layer_sizes=options.hidden,
            max_iter=options.max_iter,
            random_state=options.seed,
            early_stopping=options.early_stopping,
        )
        if not regression:
            return mlp
        if library is fastmlp:
            return mlp.set_params(standardize_y=True)
        return TransformedTargetRegressor(mlp, transformer=StandardScaler())

    def facts(self):
        """The data and the network to fit, in lines."""
        return [
            f"{self.parts.X_train.shape[0]:,} rows to train on, "
            f"{self.parts.X_test.shape[0]:,} to test on, "
            f"{self.parts.X_train.shape[1]} features once prepared",
            f"hidden layers: {', '.join(map(str, self.options.hidden))}; at most "
            f"{self.options.max_iter} epochs",
        ]

    def fit(self, name):
        """Fit a model and return the seconds that it took."""
        model, (X, _, y, _) = self.models[name], self.parts
        self.threads[name] = better_threads(model, X, y, api="blas")
        _be_verbose(model, True)
        with threadpool_limits(self.threads[name], "blas"):
            seconds = timed_fit(model, X, y, self._reworded)
        _be_verbose(model, False)
        return seconds

    def _reworded(self, message):
        """The note for a warning."""
        if "Maximum iterations" not in message:
            return message
        message = "not converged yet: --max-iter N trains for longer"
        if self.options.early_stopping:
            return message
        return (
            f"{message}; where the test scores are behind the training scores, "
            "--early-stopping serves better: it ends the fit by held-out rows"
        )

    def rows(self):
        """Rows of the table of results beside scores and seconds."""
        mlps = {name: _perceptrons(of)[-1] for name, of in self.models.items()}
        return {
            "epochs": {name: mlp.n_iter_ for name, mlp in mlps.items()},
            "threads, at most": self.threads,
        }

    def conclusions(self, seconds):
        """How far the two libraries are apart, in lines."""
        if len(self.models) == 1:
            return []
        curves = [_perceptrons(of)[-1].loss_curve_ for of in self.models.values()]
        return comparison(curves, seconds, self._remark())

    def _remark(self):
        """Why the losses of the two libraries differ, or nothing."""
        if self.problem.task not in REGRESSION or not self.options.early_stopping:
            return ""
        return (
            "; scikit-learn's targets are scaled over the validation rows too, "
            "fastmlp's over the rows that train"
        )

    def save(self, path):
        """Write the model of fastmlp and return how to load it, in lines."""
        pipeline = Pipeline(
            [("prepare", self.problem.prepare), ("mlp", self.models["fastmlp"])]
        )
        pipeline.target_names_ = self.problem.names  # for the columns of predictions
        joblib.dump(pipeline, path)
        return [f"the fitted pipeline is saved: joblib.load({path!r})"]


def _perceptrons(model):
    """The perceptrons inside a model, the fitted one last."""
    if isinstance(model, TransformedTargetRegressor):
        fitted = getattr(model, "regressor_", None)
        return [model.regressor] if fitted is None else [model.regressor, fitted]
    return [model]


def _be_verbose(model, verbose):
    """Switch the printing of a model on or off."""
    for mlp in _perceptrons(model):
        mlp.set_params(verbose=verbose)
