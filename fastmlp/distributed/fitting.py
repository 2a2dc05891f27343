"""A fit over several ranks, from the data of each to one model on all of them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import _num_samples

from fastmlp._data import validation
from fastmlp._data.rows import column_names, known_frame
from fastmlp._data.scaling import statistics
from fastmlp._mlp import fitting, parameters
from fastmlp._mlp.base import BaseMLP
from fastmlp._mlp.input_checks import restored_on_error
from fastmlp._mlp.validation_data import validation_of
from fastmlp._training.record import Record
from fastmlp.distributed.communicators import communicator_of
from fastmlp.distributed.epochs import RankTask, follow_epochs, lead_epochs
from fastmlp.distributed.group import together
from fastmlp.distributed.lbfgs import follow_lbfgs, lead_lbfgs

if TYPE_CHECKING:
    from typing import Any

    from fastmlp._mlp.annotations import Callback
    from fastmlp._utils.annotations import ArrayLike, MatrixLike, Weights

Model = TypeVar("Model", bound=BaseMLP)

# Parameters that may differ from rank to rank: only rank 0 uses them, or each its own.
OF_A_RANK = (
    "random_state",
    "n_threads",
    "verbose",
    "max_time",
    "scoring",
    "target_score",
    "validation_fraction",
    "early_stopping",
)


def fit_distributed(
    estimator: Model,
    X: MatrixLike,
    y: ArrayLike,
    sample_weight: Weights = None,
    *,
    comm: Any = None,
    X_val: MatrixLike | None = None,
    y_val: ArrayLike | None = None,
    sample_weight_val: Weights = None,
    callback: Callback | None = None,
) -> Model:
    """Fit one model to the rows of several ranks, which take every step together.

    Each rank calls this function with rows of its own and an estimator of the same
    parameters. A batch has the same share of the rows of every rank; their gradients
    are summed, and all ranks take the same step. So the model is that of one process
    with the same batches, up to the rounding of sums in another order. With "lbfgs"
    the batch is the whole data.

    Rank 0 judges the epochs and decides, by the loss over all ranks and by the
    validation data, which it alone needs. At the end all ranks have its model, bit
    for bit. If a rank fails, the fit ends on all of them.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        ``batch_size`` counts the rows of all ranks together. Set ``n_threads`` to the
        cores that a rank has.
    X : {array-like, sparse matrix, DataFrame} of shape (n_rows_of_rank, n_features)
        The rows of this rank, at least one.
    y : array-like of shape (n_rows_of_rank,) or (n_rows_of_rank, n_outputs)
        Their targets; a rank need not have all classes.
    sample_weight : float or array-like of shape (n_rows_of_rank,), default=None
        Their weights.
    comm : mpi4py.MPI.Comm or Communicator, default=None
        The ranks; None is ``MPI.COMM_WORLD``.
    X_val : {array-like, sparse matrix, DataFrame} of shape (n_val, n_features), \
            default=None
        Validation data on rank 0; other ranks ignore theirs. ``early_stopping`` needs
        them.
    y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
        Targets of the validation data.
    sample_weight_val : float or array-like of shape (n_val,), default=None
        Weights of the validation rows.
    callback : callable, default=None
        Called on rank 0 at the end of each epoch, as in ``fit``.

    Returns
    -------
    estimator : MLPClassifier or MLPRegressor
        The same object, fitted.

    Raises
    ------
    ValueError
        On all ranks, if their data or parameters do not go together.
    RankError
        If another rank failed; that rank raises its own error.

    Notes
    -----
    Each rank shuffles its own rows and draws its own dropout and noise, so with these
    the model depends on the number of ranks. ``standardize_X`` and ``standardize_y``
    take the statistics of the rows of all ranks. Checkpoints are not written; a
    callback may save ``record.fitted_estimator()``.

    Examples
    --------
    Two ranks that are threads, in place of ``mpiexec -n 2 python script.py``:

    >>> from sklearn.datasets import load_iris
    >>> from fastmlp import MLPClassifier
    >>> from fastmlp.distributed import fit_distributed, run_loopback
    >>> X, y = load_iris(return_X_y=True)
    >>> def train(comm):
    ...     clf = MLPClassifier((10,), solver="lbfgs", random_state=0)
    ...     rows = slice(comm.rank, None, comm.size)
    ...     return fit_distributed(clf, X[rows], y[rows], comm=comm)
    >>> first, second = run_loopback(train, size=2)
    >>> bool((first.predict_proba(X) == second.predict_proba(X)).all())
    True
    """
    _check_estimator(estimator)
    with together(communicator_of(comm)) as group, restored_on_error(estimator):
        trainer = DistributedTrainer(group, estimator)
        trainer.begin(X, y)
        parameters.check_callback(callback)
        options = fitting.FitOptions(trainer=trainer)
        if group.is_leader:
            options.X_val, options.y_val = X_val, y_val
            options.sample_weight_val, options.callback = sample_weight_val, callback
        fitting.fit(estimator, X, y, sample_weight, options)
    return estimator


@dataclass
class Ending:
    """The last word of rank 0: what the fit led to."""

    params: np.ndarray
    record: Record
    averaging: dict | None


class DistributedTrainer(fitting.Trainer):
    """A fit whose rows are those of several ranks.

    Parameters
    ----------
    group : Group
    estimator : MLPClassifier or MLPRegressor
    """

    knows_classes = True

    def __init__(self, group, estimator):
        self.group, self.estimator, self.n_rows = group, estimator, None
        self.names = None

    def begin(self, X, y):
        """Compare parameters and rows of the ranks, and learn all classes."""
        self.names = column_names(known_frame(X))
        mine = (_num_samples(X), _plain(self.estimator.get_params(deep=False)))
        shared = self.group.share(mine)
        self.n_rows = [n_rows for n_rows, _ in shared]
        self.group.check(_fault_of_parameters([known for _, known in shared]))
        self.group.check(_fault_of_rows(self.n_rows))
        self.group.check(_fault_of_settings(self.estimator, self.group.size))
        if is_classifier(self.estimator):
            self._learn_classes(np.asarray(y))

    def _learn_classes(self, y):
        """Let the estimator have the classes of all ranks."""
        estimator = self.estimator
        is_indicator = y.ndim == 2 and y.shape[1] > 1
        labels = validation.of_labels(validation.unique_labels, y)
        shared = self.group.share((is_indicator, labels))
        kinds = [indicator for indicator, _ in shared]
        if any(kinds) != all(kinds):
            self.group.check(
                "y is an indicator matrix of labels on some ranks and a vector on "
                "others: pass the same kind on all."
            )
        if estimator.warm_start and hasattr(estimator, "coefs_"):
            return
        if is_indicator:
            binarizer = validation.fit_binarizer(y)
        else:
            try:
                classes = np.unique(np.concatenate([of_rank for _, of_rank in shared]))
            except TypeError:
                self.group.check("the labels of y are of types that have no order.")
            kind = "multiclass" if len(classes) > 2 else "binary"
            binarizer = validation.binarizer_of(kind, classes)
        estimator._label_binarizer = binarizer
        estimator.classes_ = binarizer.classes_

    def check(self, samples, units):
        """Raise ValueError on all ranks if their data differ in kind."""
        facts = {
            "columns in X": samples.X.shape[1],
            "columns in y": samples.y.shape[1],
            "names of the columns of X": self.names,
            "dtype of X": str(samples.X.dtype),
            "layers": units,
        }
        shared = self.group.share(facts)
        for name, value in shared[0].items():
            for rank, others in enumerate(shared):
                if others[name] != value:
                    self.group.check(
                        f"the ranks have different {name}: {value} on rank 0, "
                        f"{others[name]} on rank {rank}. Pass data of the same kind on "
                        "all."
                    )

    def statistics(self, values, weight, name, fit_intercept):
        """Mean and scale of columns over the rows of all ranks."""
        gather = None if self.group.size == 1 else self.group.share
        return statistics(values, weight, name, fit_intercept, gather)

    def validation(self, estimator, samples, options, targets):
        """The validation data, on rank 0."""
        if not self.group.is_leader:
            return None
        if options.X_val is None and estimator.early_stopping:
            raise ValueError(
                "early_stopping=True needs X_val and y_val on rank 0 in a fit over "
                "several ranks."
            )
        return validation_of(estimator, samples, options, targets)

    def task(self, *arguments, **others):
        """The task of this rank."""
        return RankTask(*arguments, n_rows=self.n_rows, rank=self.group.rank, **others)

    def train(self, task):
        """Train; all ranks then have the weights and the record of rank 0."""
        group, is_stochastic = self.group, task.plan.is_stochastic
        copy = deepcopy(task.random_state)  # the draws of rank 0 are those of a fit
        seeds = group.share(copy.randint(0, 2**32, size=group.size, dtype=np.uint32))
        if not group.is_leader:
            task.random_state = np.random.RandomState(seeds[0][group.rank])
            follow = follow_epochs if is_stochastic else follow_lbfgs
            end = follow(task, group)
            task.params[:], task.record = end.params, end.record
            task.averaging = SimpleNamespace(next_start=lambda: end.averaging)
            return None
        machinery = (lead_epochs if is_stochastic else lead_lbfgs)(task, group)
        if task.error is not None:
            raise task.error
        averaging = None if task.averaging is None else task.averaging.next_start()
        group.share(Ending(task.params, task.record, averaging))
        return machinery


def _check_estimator(estimator):
    """Raise TypeError for what cannot be trained here."""
    if not isinstance(estimator, BaseMLP):
        raise TypeError(
            "fit_distributed trains an MLPClassifier or MLPRegressor, got "
            f"{type(estimator).__name__}. Put what prepares the data before it on each "
            "rank."
        )


def _plain(params):
    """The parameters that must agree and can be compared, as text."""
    kinds = (bool, int, float, str, tuple, list, dict, type(None), np.generic)
    return {
        name: repr(value)
        for name, value in params.items()
        if name not in OF_A_RANK and isinstance(value, kinds)
    }


def _fault_of_parameters(of_ranks):
    """What to say of parameters that differ, or None."""
    for rank, params in enumerate(of_ranks):
        for name in params.keys() & of_ranks[0].keys():
            if params[name] != of_ranks[0][name]:
                return (
                    f"the ranks have different parameters: {name}={of_ranks[0][name]} "
                    f"on rank 0, {params[name]} on rank {rank}. Make them the same."
                )
    return None


def _fault_of_rows(n_rows):
    """What to say of ranks without rows, or None."""
    empty = [rank for rank, n in enumerate(n_rows) if n == 0]
    if not empty:
        return None
    return (
        f"rank {empty[0]} has no rows ({len(empty)} of {len(n_rows)} ranks have none). "
        "Give each rank a row at least, or train on fewer ranks, for example with "
        "comm.Split."
    )


def _fault_of_settings(estimator, size):
    """What to say of parameters that need all rows in one place, or None."""
    if estimator.validation_split is not None:
        return (
            "validation_split cannot split the rows of several ranks: pass X_val and "
            "y_val on rank 0."
        )
    weights = getattr(estimator, "class_weight", None)
    if size > 1 and isinstance(weights, str):
        return (
            f"class_weight={weights!r} counts the rows of one process: pass a dict of "
            "weights, or sample_weight."
        )
    return None
