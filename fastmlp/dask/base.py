"""The base class of the estimators on a cluster of Dask, and their parameters."""

from __future__ import annotations

import inspect
from copy import deepcopy
from numbers import Integral

import numpy as np
from distributed import Client
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from fastmlp._mlp.constraints import NONE, Rule, interval, one_of
from fastmlp._utils.spelling import suggests_keywords
from fastmlp.dask import predictions

DEFAULTS = {"sync_every": "epoch", "average": "weights+moments", "client": None}
RULES = {
    "sync_every": [one_of(("epoch",)), interval(Integral, 1, np.inf, "[)")],
    "average": [one_of(("weights", "weights+moments"))],
    "client": [
        NONE,
        Rule("a distributed.Client", lambda value: isinstance(value, Client), Client),
    ],
}


def constructor(local, defaults=DEFAULTS):
    """An ``__init__`` with the parameters of a local class and those of Dask."""
    signature = inspect.signature(local.__init__)
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in defaults.items()
    ]
    signature = signature.replace(parameters=[*signature.parameters.values(), *own])

    def __init__(self, *args, **kwargs):  # noqa: N807
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        self._store(bound.arguments)

    __init__.__signature__ = signature
    __init__.__qualname__ = f"Dask{local.__name__}.__init__"  # for errors
    return suggests_keywords(__init__)


class DaskEstimator:
    """An estimator that trains and predicts on a cluster of Dask.

    A class of it names in ``_local_class`` that of the local estimator.
    """

    def predict(self, X):
        """Predict, lazily for a collection.

        Parameters
        ----------
        X : dask.array, dask.dataframe, list of delayed pieces, or plain data

        Returns
        -------
        y : dask.array, dask.dataframe.Series, list of delayed pieces, or ndarray
            A series has index and divisions of X.
        """
        return predictions.predicted(self.to_local(), X, "predict")

    def score(self, X, y, sample_weight=None):
        """Accuracy, or R2, from sums over the partitions.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        score : float
        """
        return predictions.score(self, self.to_local(), X, y, sample_weight)

    def to_local(self):
        """The fitted model as the local estimator, which knows no Dask.

        Returns
        -------
        model : object
            Of the local class.
        """
        check_is_fitted(self, self._weight_attributes)
        model, own = self._local(), set(self.get_params(deep=False))
        rest = {k: v for k, v in vars(self).items() if k not in own}
        rest.pop("_stream", None)
        vars(model).update(deepcopy(rest))
        return model

    def _local(self):
        """A local estimator of the same parameters."""
        params = self.get_params(deep=False)
        return self._local_class(
            **{name: value for name, value in params.items() if name not in DEFAULTS}
        )

    def __getstate__(self):
        state = super().__getstate__()
        return {**state, "client": None}  # it belongs to this process

    def __sklearn_clone__(self):
        params = self.get_params(deep=False)
        client = params.pop("client")
        params = {name: clone(value, safe=False) for name, value in params.items()}
        return type(self)(**params, client=client)


class DaskProbabilities:
    """The predictions of probabilities of a classifier."""

    def predict_proba(self, X):
        """Predict probabilities of the classes, lazily for a collection.

        Parameters
        ----------
        X : dask.array, dask.dataframe, list of delayed pieces, or plain data

        Returns
        -------
        proba : dask.array, dask.dataframe.DataFrame, list, or ndarray
        """
        return predictions.predicted(self.to_local(), X, "predict_proba")

    def predict_log_proba(self, X):
        """Predict logarithms of the probabilities, lazily for a collection.

        Parameters
        ----------
        X : as in predict_proba

        Returns
        -------
        log_proba : as of predict_proba
        """
        return predictions.predicted(self.to_local(), X, "predict_log_proba")


class DaskIntervals:
    """The predictions of intervals of a regressor."""

    @suggests_keywords
    def predict_interval(self, X, coverage=0.9):
        """Predict central intervals of the targets, lazily for a collection.

        Parameters
        ----------
        X : dask.array, dask.dataframe, list of delayed pieces, or plain data
        coverage : float, default=0.9
            Probability within the interval, as for the local estimator.

        Returns
        -------
        ends : dask.array, dask.dataframe.DataFrame, list, or ndarray
            Lower and upper end; a frame has a pair of columns for each target.

        Raises
        ------
        ValueError
            If the model predicts no intervals, or none of this coverage.
        """
        model = self.to_local()
        return predictions.predicted(model, X, "predict_interval", coverage=coverage)
