"""The estimators that train on a cluster of Dask."""

from __future__ import annotations

import inspect
from copy import deepcopy
from numbers import Integral

import numpy as np
from distributed import Client
from sklearn.base import clone
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted

from fastmlp._mlp import fitting as local_fitting
from fastmlp._mlp import parameters
from fastmlp._mlp.base import for_stochastic_solvers
from fastmlp._mlp.callbacks import announced_fit, with_callbacks
from fastmlp._mlp.classifier import MLPClassifier
from fastmlp._mlp.constraints import NONE, Rule, constraints, interval, one_of
from fastmlp._mlp.input_checks import first_partial_fit, restored_on_error
from fastmlp._mlp.regressor import MLPRegressor
from fastmlp._training.checkpoint.file import make_checkpoint
from fastmlp._utils.spelling import suggests_keywords
from fastmlp.dask import fitting, predictions

_DEFAULTS = {"sync_every": "epoch", "average": "weights+moments", "client": None}
_RULES = {
    "sync_every": [one_of(("epoch",)), interval(Integral, 1, np.inf, "[)")],
    "average": [one_of(("weights", "weights+moments"))],
    "client": [
        NONE,
        Rule("a distributed.Client", lambda value: isinstance(value, Client), Client),
    ],
}


def _constructor(local):
    """An ``__init__`` with the parameters of a local class and those of Dask."""
    signature = inspect.signature(local.__init__)
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in _DEFAULTS.items()
    ]
    signature = signature.replace(parameters=[*signature.parameters.values(), *own])

    def __init__(self, *args, **kwargs):  # noqa: N807
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        self._store(bound.arguments)

    __init__.__signature__ = signature
    return suggests_keywords(__init__)


class _DaskMLP:
    """What both estimators share."""

    @suggests_keywords
    @with_callbacks
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        classes=None,
        coefs_init=None,
        intercepts_init=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        callback=None,
        checkpoint=None,
        checkpoint_every=1,
        resume=None,
    ):
        """Fit the model to data on the cluster.

        Parameters
        ----------
        X : dask.array, dask.dataframe, list of delayed pieces, or plain data
            Training data; each partition is a shard. Chunks may be CSR matrices.
        y : the same
            Targets, in the partitions of X.
        sample_weight : float or the same, default=None
            Weights of the rows.
        classes : array-like of shape (n_classes,), default=None
            All classes of a classifier; None takes those that are found.
        coefs_init, intercepts_init : list of array-like, default=None
            Weights to start from in place of random ones.
        X_val, y_val, sample_weight_val : as X, y, sample_weight, default=None
            Validation data; their targets are gathered, with ``scoring`` their
            features too.
        callback : callable, default=None
            Called at the end of each epoch, as by the local estimator.
        checkpoint, checkpoint_every, resume
            As in the local estimator: the file is the client's.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter or the data are not valid; it names the shard.
        RuntimeError
            If the scheduler is lost, if workers die again and again, or if they have
            another version of fastmlp.
        MemoryError
            If the workers pause for about a minute because their memory is full.
        """
        parameters.check_callback(callback)
        options = local_fitting.FitOptions(
            coefs_init=coefs_init,
            intercepts_init=intercepts_init,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            callback=callback,
            checkpoint=make_checkpoint(checkpoint, checkpoint_every, resume),
        )
        with restored_on_error(self):
            self._begin_classes(classes)
            scope = announced_fit(self, X, y, sample_weight, self.max_iter)
            with scope as options.context:
                error = fitting.fit(self, (X, y, sample_weight), options)
        if error is not None:
            raise error
        return self

    def _begin_classes(self, classes):
        """Take over the classes that were given, if there are any."""
        if classes is not None:
            raise ValueError("classes are those of a classifier; this is a regressor.")

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
        model : MLPClassifier or MLPRegressor
        """
        check_is_fitted(self, "coefs_")
        model, own = self._local(), set(self.get_params(deep=False))
        rest = {k: v for k, v in vars(self).items() if k not in own}
        rest.pop("_stream", None)
        vars(model).update(deepcopy(rest))
        return model

    def _local(self):
        """A local estimator of the same parameters."""
        params = self.get_params(deep=False)
        return self._local_class(
            **{name: value for name, value in params.items() if name not in _DEFAULTS}
        )

    def __getstate__(self):
        state = super().__getstate__()
        return {**state, "client": None}  # it belongs to this process

    def __sklearn_clone__(self):
        params = self.get_params(deep=False)
        client = params.pop("client")
        params = {name: clone(value, safe=False) for name, value in params.items()}
        return type(self)(**params, client=client)


class DaskMLPClassifier(_DaskMLP, MLPClassifier):
    """Multi-layer perceptron classifier that trains on a cluster of Dask.

    Local SGD: in each round every partition, a shard, trains from the same weights on
    its own rows, and the weights are averaged by their rows [1]_ [2]_. The model
    depends on data, partitions and ``random_state``, not on the number of workers nor
    on which of them die. ``solver="lbfgs"`` adds up the gradients of all shards.

    Parameters
    ----------
    sync_every : "epoch" or int, default="epoch"
        When weights are averaged: after each pass of a shard over its rows, or after so
        many steps.
    average : {"weights+moments", "weights"}, default="weights+moments"
        Whether the moments of the solver are averaged too; with "weights" each round
        starts with new ones, and sends less.
    client : distributed.Client or None, default=None
        None takes the default one. A pickle and ``to_local()`` hold none.
    batch_size : int or "auto", default="auto"
        Rows of a step of all shards together: each takes a batch of its part of them,
        of eight or more. The rate of all solvers but sgd grows by the root of what the
        batch shrinks by. "auto" is ``min(200, n_samples)``.
    **others
        The parameters of :class:`~fastmlp.MLPClassifier`. ``validation_split`` and
        ``validation_fraction`` are shares of each partition.

    Attributes
    ----------
    coefs_, intercepts_, classes_, loss_curve_ and others
        Those of :class:`~fastmlp.MLPClassifier`.

    References
    ----------
    .. [1] S. U. Stich, "Local SGD converges fast and communicates little", 2019,
       arXiv:1805.09767.
    .. [2] T. Lin et al., "Don't use large mini-batches, use local SGD", 2020,
       arXiv:1808.07217.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from fastmlp.dask import DaskMLPClassifier
    >>> client = Client(processes=False, dashboard_address=":0")  # doctest: +SKIP
    >>> X = da.random.default_rng(0).random((1000, 5), chunks=(250, 5))
    >>> y = (X.sum(axis=1) > 2.5).astype(int)
    >>> clf = DaskMLPClassifier(random_state=0).fit(X, y)  # doctest: +SKIP
    >>> clf.predict(X).compute()  # doctest: +SKIP
    """

    __module__ = "fastmlp.dask"
    _local_class = MLPClassifier
    _parameter_rules = MLPClassifier._parameter_rules | _RULES
    _parameter_constraints = constraints(parameters.RESOLVED_RULES | _parameter_rules)
    __init__ = _constructor(MLPClassifier)

    def _begin_classes(self, classes):
        if self.warm_start and hasattr(self, "classes_"):
            return
        for name in ("classes_", "_label_binarizer"):
            vars(self).pop(name, None)
        if classes is not None:
            self.classes_ = unique_labels(classes)

    @for_stochastic_solvers
    @suggests_keywords
    def partial_fit(
        self,
        X,
        y,
        sample_weight=None,
        classes=None,
        *,
        n_epochs=1,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        callback=None,
    ):
        """Update the model with some epochs over the given data.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur; needed in the first call.
        n_epochs : int, default=1
            Epochs over the data.
        X_val, y_val, sample_weight_val, callback
            As in ``fit``.

        Returns
        -------
        self : object
        """
        options = local_fitting.incremental_options(
            n_epochs, X_val, y_val, sample_weight_val, callback
        )
        with restored_on_error(self):
            if first_partial_fit(self, classes) and len(self.classes_) < 3:
                self._label_binarizer = LabelBinarizer().fit(self.classes_)
            error = fitting.fit(self, (X, y, sample_weight), options)
        if error is not None:
            raise error
        return self

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


class DaskMLPRegressor(_DaskMLP, MLPRegressor):
    """Multi-layer perceptron regressor that trains on a cluster of Dask.

    See :class:`DaskMLPClassifier` for the way it trains.

    Parameters
    ----------
    sync_every : "epoch" or int, default="epoch"
        When weights are averaged: after each pass of a shard over its rows, or after so
        many steps.
    average : {"weights+moments", "weights"}, default="weights+moments"
        Whether the moments of the solver are averaged too.
    client : distributed.Client or None, default=None
        None takes the default one.
    batch_size : int or "auto", default="auto"
        Rows of a step of all shards together: each takes a batch of its part of them,
        of eight or more. The rate of all solvers but sgd grows by the root of what the
        batch shrinks by. "auto" is ``min(200, n_samples)``.
    **others
        The parameters of :class:`~fastmlp.MLPRegressor`.

    Attributes
    ----------
    coefs_, intercepts_, loss_curve_ and others
        Those of :class:`~fastmlp.MLPRegressor`.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from fastmlp.dask import DaskMLPRegressor
    >>> client = Client(processes=False, dashboard_address=":0")  # doctest: +SKIP
    >>> X = da.random.default_rng(0).random((1000, 5), chunks=(250, 5))
    >>> regr = DaskMLPRegressor(random_state=0).fit(X, X.sum(axis=1))  # doctest: +SKIP
    """

    __module__ = "fastmlp.dask"
    _local_class = MLPRegressor
    _parameter_rules = MLPRegressor._parameter_rules | _RULES
    _parameter_constraints = constraints(parameters.RESOLVED_RULES | _parameter_rules)
    __init__ = _constructor(MLPRegressor)

    @for_stochastic_solvers
    @suggests_keywords
    def partial_fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        n_epochs=1,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        callback=None,
    ):
        """Update the model with some epochs over the given data.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        n_epochs : int, default=1
            Epochs over the data.
        X_val, y_val, sample_weight_val, callback
            As in ``fit``.

        Returns
        -------
        self : object
        """
        options = local_fitting.incremental_options(
            n_epochs, X_val, y_val, sample_weight_val, callback
        )
        error = fitting.fit(self, (X, y, sample_weight), options)
        if error is not None:
            raise error
        return self
