"""The estimators for tables that train on a cluster of Dask."""

from __future__ import annotations

from fastmlp._mlp.constraints import constraints
from fastmlp._tabular import fitting
from fastmlp._tabular.classifier import TabularMLPClassifier
from fastmlp._tabular.regressor import TabularMLPRegressor
from fastmlp._utils.spelling import suggests_keywords
from fastmlp.dask.base import (
    RULES,
    DaskEstimator,
    DaskIntervals,
    DaskProbabilities,
    constructor,
)
from fastmlp.dask.table_rows import ShardedRows

# A pass of a large shard would take its weights far from those of the others.
_DEFAULTS = {"sync_every": 200, "client": None}
_RULES = {name: RULES[name] for name in _DEFAULTS}


class _DaskTabularMLP(DaskEstimator):
    """The fit of classifier and regressor for tables."""

    @suggests_keywords
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        callback=None,
        checkpoint=None,
        checkpoint_every=1,
        resume=None,
    ):
        """Fit the model to a table on the cluster.

        Parameters
        ----------
        X : dask.dataframe, dask.array, list of delayed pieces, or plain data
            Raw columns of numbers, texts, categories and bools, with missing values;
            each partition is a shard. A delayed piece is a table that the local
            estimator takes.
        y : the same
            Targets, in the partitions of X.
        sample_weight : float or the same, default=None
            Weights of the rows.
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
            If a parameter, a column or the targets cannot be used; it names the shard.
        RuntimeError
            If the scheduler is lost, if workers die again and again, or if they have
            another version of fastmlp.
        MemoryError
            If the workers pause for about a minute because their memory is full.
        """
        return super().fit(
            X,
            y,
            sample_weight,
            callback=callback,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            resume=resume,
        )

    def _train(self, X, y, sample_weight, options):
        fitting.fit(self, (X, y, sample_weight), options, ShardedRows)


class DaskTabularMLPClassifier(
    DaskProbabilities, _DaskTabularMLP, TabularMLPClassifier
):
    """Classifier for tables that trains on a cluster of Dask.

    It takes what :class:`~fastmlp.TabularMLPClassifier` takes, a raw table with
    numbers, texts, categories and missing values, in partitions: a frame of Dask (from
    Parquet), an array of Dask, a list of delayed pieces, or plain data. It trains by
    the same recipe as local SGD, see :class:`DaskMLPClassifier`, and the model depends
    on data, partitions and ``random_state``, not on the number of workers nor on which
    of them die. One partition gives the local fit.

    Parameters
    ----------
    sync_every : "epoch" or int, default=200
        When weights and moments are averaged: after each pass of a shard over its rows,
        and with a number after so many steps too.
    client : distributed.Client or None, default=None
        None takes the default one. A pickle and ``to_local()`` hold none.
    batch_size : int or "auto", default="auto"
        Rows of a step of all shards together; "auto" goes by the number of all training
        rows.
    **others
        The parameters of :class:`~fastmlp.TabularMLPClassifier`. Validation rows and
        folds are shares of each partition.

    Attributes
    ----------
    classes_, best_epoch_, temperature_, feature_importances_ and others
        Those of :class:`~fastmlp.TabularMLPClassifier`.

    Notes
    -----
    Levels of categories and their counts are those of the training rows of all shards,
    and so are mean and spread of targets. Medians and quartiles are too for one
    partition; for several, each hands over at most 1,024 of its values of a column, and
    the rank of a quartile is off by one row in 2,000 at most. The weights start on
    2,048 rows, which are taken of all shards at even distances.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import pandas as pd
    >>> from distributed import Client
    >>> from fastmlp.dask import DaskTabularMLPClassifier
    >>> client = Client(processes=False, dashboard_address=":0")  # doctest: +SKIP
    >>> columns = {"colour": ["red", None, "blue"] * 100, "size": range(300)}
    >>> X = dd.from_pandas(pd.DataFrame(columns), npartitions=2)
    >>> y = X["size"] > 150
    >>> clf = DaskTabularMLPClassifier(random_state=0).fit(X, y)  # doctest: +SKIP
    >>> clf.predict(X).compute()  # doctest: +SKIP
    """

    __module__ = "fastmlp.dask"
    _local_class = TabularMLPClassifier
    _parameter_rules = TabularMLPClassifier._parameter_rules | _RULES
    _parameter_constraints = constraints(_parameter_rules)
    __init__ = constructor(TabularMLPClassifier, _DEFAULTS)


class DaskTabularMLPRegressor(DaskIntervals, _DaskTabularMLP, TabularMLPRegressor):
    """Regressor for tables that trains on a cluster of Dask.

    See :class:`DaskTabularMLPClassifier` for the data that it takes and the way it
    trains.

    Parameters
    ----------
    sync_every : "epoch" or int, default=200
        When weights and moments are averaged: after each pass of a shard over its rows,
        and with a number after so many steps too.
    client : distributed.Client or None, default=None
        None takes the default one. A pickle and ``to_local()`` hold none.
    batch_size : int or "auto", default="auto"
        Rows of a step of all shards together; "auto" goes by the number of all training
        rows.
    **others
        The parameters of :class:`~fastmlp.TabularMLPRegressor`. Validation rows and
        folds are shares of each partition.

    Attributes
    ----------
    best_epoch_, loss_curve_, feature_importances_ and others
        Those of :class:`~fastmlp.TabularMLPRegressor`.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from fastmlp.dask import DaskTabularMLPRegressor
    >>> client = Client(processes=False, dashboard_address=":0")  # doctest: +SKIP
    >>> X = da.random.default_rng(0).random((1000, 5), chunks=(500, 5))
    >>> model = DaskTabularMLPRegressor(random_state=0)
    >>> model.fit(X, X.sum(axis=1))  # doctest: +SKIP
    """

    __module__ = "fastmlp.dask"
    _local_class = TabularMLPRegressor
    _parameter_rules = TabularMLPRegressor._parameter_rules | _RULES
    _parameter_constraints = constraints(_parameter_rules)
    __init__ = constructor(TabularMLPRegressor, _DEFAULTS)
