"""A fit over several ranks, from the data of each to one model on all of them."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.utils.validation import _num_samples

from fastmlp._data import validation
from fastmlp._data.rows import column_names, known_frame
from fastmlp._data.scaling import statistics
from fastmlp._mlp import fitting, parameters
from fastmlp._mlp.base import BaseMLP
from fastmlp._mlp.callbacks import announced_fit, with_callbacks
from fastmlp._mlp.input_checks import restored_on_error
from fastmlp._mlp.validation_data import takes_split, validation_of
from fastmlp._training.checkpoint.file import make_checkpoint
from fastmlp._training.record import Record
from fastmlp.distributed import agreement
from fastmlp.distributed.checkpoints import SharedCheckpoint
from fastmlp.distributed.communicators import communicator_of
from fastmlp.distributed.epochs import RankTask, follow_epochs, lead_epochs
from fastmlp.distributed.group import together
from fastmlp.distributed.holdout import SharedHoldout, shared_validation
from fastmlp.distributed.lbfgs import follow_lbfgs, lead_lbfgs

if TYPE_CHECKING:
    from typing import Any

    from fastmlp._mlp.annotations import Callback
    from fastmlp._utils.annotations import ArrayLike, FilePath, MatrixLike, Weights

Model = TypeVar("Model", bound=BaseMLP)


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
    checkpoint: FilePath | None = None,
    checkpoint_every: int = 1,
    resume: FilePath | None = None,
) -> Model:
    """Fit one model to the rows of several ranks, which take every step together.

    Each rank calls this function with rows of its own and an estimator of the same
    parameters. A batch has the same share of the rows of every rank; their gradients
    are summed, and all ranks take the same step. So the model is that of one process
    with the same batches, up to the rounding of sums in another order. With "lbfgs"
    the batch is the whole data.

    Rank 0 judges the epochs and decides, by the loss over all ranks and by the
    validation data: those that it was passed, or rows that every rank holds out. At
    the end all ranks have its model, bit for bit. If a rank fails, the fit ends on all
    of them.

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
        Validation data on rank 0, which take the place of the rows that
        ``early_stopping`` would hold out; other ranks ignore theirs.
    y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
        Targets of the validation data.
    sample_weight_val : float or array-like of shape (n_val,), default=None
        Weights of the validation rows.
    callback : callable, default=None
        Called on rank 0 at the end of each epoch, as in ``fit``; if it stops training,
        all ranks stop.
    checkpoint : str or path-like, default=None
        File for the state of the fit, which rank 0 writes after each
        ``checkpoint_every`` epochs; other ranks ignore theirs.
    checkpoint_every : int, default=1
        Epochs (iterations of lbfgs) between two writes; needs ``checkpoint``.
    resume : str or path-like, default=None
        File of ``checkpoint`` to go on from, which rank 0 reads. As many ranks with
        the same rows and parameters as before get the model of a fit without
        interruption, bit for bit where sums are formed in one order
        (``MPICommunicator(comm, ordered=True)``).

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
    take the statistics of the rows of all ranks, ``class_weight="balanced"`` their
    counts of the classes.

    With ``early_stopping`` or ``validation_split`` each rank holds out that share of
    its rows (or, of an array or a splitter, those rows), and the score is that of all
    of them. Each rank predicts its own; targets and outputs are gathered, and features
    where another ``scoring`` needs them.

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
        parameters.check_callback(callback)
        trainer = DistributedTrainer(group, estimator)
        options = fitting.FitOptions(trainer=trainer)
        if group.is_leader:
            options.X_val, options.y_val = X_val, y_val
            options.sample_weight_val, options.callback = sample_weight_val, callback
            made = make_checkpoint(checkpoint, checkpoint_every, resume)
            options.checkpoint = made
        trainer.begin(X, y, options)
        fit = _announced if group.is_leader else fitting.fit
        fit(estimator, X, y, sample_weight, options)
    return estimator


@with_callbacks
def _announced(estimator, X, y, sample_weight, options):
    """Fit, and tell the callbacks that scikit-learn has set."""
    announcement = announced_fit(estimator, X, y, sample_weight, estimator.max_iter)
    with announcement as options.context:
        return fitting.fit(estimator, X, y, sample_weight, options)


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
        self.names = self.takes_split = None

    def begin(self, X, y, options):
        """Compare parameters and rows of the ranks, and learn all classes."""
        group, estimator = self.group, self.estimator
        self.names = column_names(known_frame(X))
        passed = options.X_val, options.y_val, options.sample_weight_val
        of_leader = all(of is None for of in passed), options.checkpoint is not None
        known = agreement.plain(estimator.get_params(deep=False))
        shared = group.share((_num_samples(X), known, of_leader))
        self.n_rows, params, (of_leader, *_) = zip(*shared)
        group.check(agreement.fault_of_parameters(params))
        group.check(agreement.fault_of_rows(self.n_rows))
        has_no_data, has_checkpoint = of_leader
        self.takes_split = has_no_data and takes_split(estimator)
        if has_checkpoint:
            options.checkpoint = SharedCheckpoint(group, options.checkpoint)
        if is_classifier(estimator):
            self._learn_classes(np.asarray(y))

    def total(self, arrays):
        """The sum of arrays over the ranks."""
        return np.sum(self.group.share(arrays), axis=0)

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
            "kinds of X": "sparse" if issparse(samples.X) else "dense",
            "columns in X": samples.X.shape[1],
            "columns in y": samples.y.shape[1],
            "names of the columns of X": self.names,
            "dtype of X": str(samples.X.dtype),
            "layers": units,
        }
        self.group.check(agreement.fault_of_facts(self.group.share(facts)))

    def statistics(self, values, weight, name, fit_intercept):
        """Mean and scale of columns over the rows of all ranks."""
        gather = None if self.group.size == 1 else self.group.share
        return statistics(values, weight, name, fit_intercept, gather)

    def validation(self, estimator, samples, options, targets):
        """The validation data that were passed to rank 0, or rows of all ranks."""
        group = self.group
        if self.takes_split:
            found = shared_validation(group, estimator, samples, options, targets)
            self.n_rows = group.share(len(found.split.train))
            return found
        if not group.is_leader:
            return None
        return validation_of(estimator, samples, options, targets)

    def task(self, *arguments, holdout, checkpoint, **others):
        """The task of this rank."""
        group = self.group
        if self.takes_split:
            holdout = SharedHoldout(group, holdout)
        if checkpoint is not None:
            checkpoint = checkpoint.of_training()
        return RankTask(
            *arguments,
            holdout=holdout,
            checkpoint=checkpoint,
            n_rows=self.n_rows,
            rank=group.rank,
            **others,
        )

    def train(self, task):
        """Train; all ranks then have the weights and the record of rank 0."""
        group, is_stochastic = self.group, task.plan.is_stochastic
        task.random_state = group.generator(task.random_state)
        if not group.is_leader:
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
