"""fastmlp and scikit-learn, through their public fit."""

from __future__ import annotations

import time
import warnings

import numpy as np
from cells import SEED, make_data
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

from opponents import CHECKED_ITERATIONS


class Estimator:
    """A whole fit: checks, weights and permutations are inside the clock."""

    has_fixed_cost = True
    variant = "fit"

    def __init__(self, cell, dtype, threads):
        self.cell = cell
        self.X, self.y = make_data(cell, dtype)
        kind = "MLPRegressor" if cell.task == "regression" else "MLPClassifier"
        self.model = getattr(self.library(), kind)(
            hidden_layer_sizes=cell.hidden,
            activation=cell.activation,
            solver=cell.solver,
            batch_size=cell.batch,
            tol=0,
            n_iter_no_change=np.inf,
            random_state=SEED,
            **self.options_for(threads),
        )

    @staticmethod
    def options_for(threads):
        """Arguments beyond those of scikit-learn."""
        return {}

    def train(self, epochs):
        """Seconds of a fit and its losses."""
        self.model.set_params(max_iter=epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            start = time.perf_counter()
            self.model.fit(self.X, self.y)
            seconds = time.perf_counter() - start
        if self.model.n_iter_ != epochs:
            raise RuntimeError(f"stopped after {self.model.n_iter_} of {epochs} epochs")
        if self.cell.solver == "lbfgs":
            return seconds, [self.model.loss_]
        return seconds, self.model.loss_curve_

    def check(self):
        """The loss by which the contestants are compared."""
        is_lbfgs = self.cell.solver == "lbfgs"
        _, losses = self.train(CHECKED_ITERATIONS if is_lbfgs else 1)
        return losses[0]


class FastMLP(Estimator):
    """The subject."""

    @staticmethod
    def library():
        """The module of the estimators."""
        import fastmlp

        return fastmlp

    @staticmethod
    def options_for(threads):
        """Its own threads; those of BLAS are set for the process."""
        return {"n_threads": threads}


class ScikitLearn(Estimator):
    """The reference: its threads are those of BLAS."""

    @staticmethod
    def library():
        """The module of the estimators."""
        return neural_network
