"""The estimators that train on a cluster of Dask."""

from __future__ import annotations

from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import unique_labels

from fastmlp._mlp import parameters
from fastmlp._mlp.callbacks import announced_fit, with_callbacks
from fastmlp._mlp.classifier import MLPClassifier
from fastmlp._mlp.constraints import constraints
from fastmlp._mlp.fitting import fit_options
from fastmlp._mlp.input_checks import restored_on_error
from fastmlp._mlp.regressor import MLPRegressor
from fastmlp._utils.spelling import suggests_keywords
from fastmlp.dask import fitting
from fastmlp.dask.base import (
    RULES,
    DaskEstimator,
    DaskIntervals,
    DaskProbabilities,
    constructor,
)


class _DaskMLP(DaskEstimator):
    """The fit of classifier and regressor."""

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
        options = fit_options(
            callback,
            checkpoint,
            checkpoint_every,
            resume,
            coefs_init=coefs_init,
            intercepts_init=intercepts_init,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
        )
        with restored_on_error(self):
            self._begin_classes(classes)
            scope = announced_fit(self, X, y, sample_weight, self.max_iter)
            with scope as options.context:
                error = self._train(X, y, sample_weight, options)
        if error is not None:
            raise error
        return self

    def _train(self, X, y, sample_weight, options):
        return fitting.fit(self, (X, y, sample_weight), options)

    def _begin_classes(self, classes):
        """Take over the classes that were given, if there are any."""
        if classes is not None:
            raise ValueError("classes are those of a classifier; this is a regressor.")


class DaskMLPClassifier(DaskProbabilities, _DaskMLP, MLPClassifier):
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
    _parameter_rules = MLPClassifier._parameter_rules | RULES
    _parameter_constraints = constraints(parameters.RESOLVED_RULES | _parameter_rules)
    __init__ = constructor(MLPClassifier)

    def _begin_classes(self, classes):
        if self.warm_start and hasattr(self, "classes_"):
            return
        for name in ("classes_", "_label_binarizer"):
            vars(self).pop(name, None)
        if classes is not None:
            self.classes_ = unique_labels(classes)

    def _begin_labels(self, y):
        if len(self.classes_) < 3:
            self._label_binarizer = LabelBinarizer().fit(self.classes_)


class DaskMLPRegressor(DaskIntervals, _DaskMLP, MLPRegressor):
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
    _parameter_rules = MLPRegressor._parameter_rules | RULES
    _parameter_constraints = constraints(parameters.RESOLVED_RULES | _parameter_rules)
    __init__ = constructor(MLPRegressor)
