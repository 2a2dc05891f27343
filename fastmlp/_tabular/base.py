"""The base class of the classifier and the regressor for tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from sklearn.utils.validation import check_is_fitted

from fastmlp._mlp.callbacks import announced_fit, with_callbacks
from fastmlp._mlp.constraints import check_own_constraints
from fastmlp._mlp.estimator import Estimator
from fastmlp._mlp.fitting import fit_options
from fastmlp._mlp.parameters import check_parameters, hidden_sizes
from fastmlp._tables.predictor import make_table_predictor
from fastmlp._tables.snapshot import TableSnapshot
from fastmlp._tabular import fitting, model_files
from fastmlp._tabular.recipe import Recipe
from fastmlp._tabular.rows import TableRows
from fastmlp._tabular.training import Settings, epochs_for
from fastmlp._utils.spelling import suggests_keywords
from fastmlp._utils.threads import allowed_threads

if TYPE_CHECKING:
    from fastmlp._mlp.annotations import Callback
    from fastmlp._tables.predictor import TabularPredictor
    from fastmlp._tabular.annotations import TableLike
    from fastmlp._utils.annotations import ArrayLike, FilePath, Weights

PATIENCE = (2.0, 20.0)  # stop where the epoch is above 2 * best + 20

Model = TypeVar("Model", bound="BaseTabularMLP")


class BaseTabularMLP(Estimator):
    """The base class of classifier and regressor."""

    _weight_attributes = ("_model",)

    @suggests_keywords
    @with_callbacks
    def fit(
        self: Model,
        X: TableLike,
        y: ArrayLike,
        sample_weight: Weights = None,
        *,
        callback: Callback | None = None,
        checkpoint: FilePath | None = None,
        checkpoint_every: int = 1,
        resume: FilePath | None = None,
    ) -> Model:
        """Fit the model to a table.

        Parameters
        ----------
        X : {DataFrame, Table, array-like} of shape (n_samples, n_features)
            Raw columns of numbers, texts, categories and bools, with missing values: a
            frame of pandas, polars or Arrow, an array, or a list of rows or dicts.
            Dates are refused; give what counts of them as numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels of any type or a multi-label indicator matrix; for regression
            numbers.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows, in training and validation.
        callback : callable, default=None
            Called at the end of each epoch but those of ``refit`` with an
            :class:`~fastmlp.EpochRecord`: ``epoch``, ``loss``, ``validation_loss``,
            ``validation_score``, ``learning_rate``, ``seconds`` and
            ``fitted_estimator()``, which gives a copy with the current weights. To end
            the training, raise StopIteration or call ``record.stop()``.
        checkpoint : str or path-like, default=None
            File for the state of the fit, written as a whole after each
            ``checkpoint_every`` epochs, so that a fit that is killed can go on. No
            state is written while ``refit`` trains on all rows: that part begins anew.
        checkpoint_every : int, default=1
            Epochs between two writes; needs ``checkpoint``.
        resume : str or path-like, default=None
            File of ``checkpoint`` to go on from, with the same data and parameters (but
            for ``max_time``, ``verbose``, ``n_threads`` and ``refit``): the model has
            the same bits as that of a fit without interruption.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter, a column or the targets cannot be used, or if ``resume`` is
            the file of another fit. An earlier fit is then left as it was.

        Warns
        -----
        ConvergenceWarning
            If ``max_time`` or a divergence ended the fit.
        UserWarning
            If Ctrl-C ended the fit, whose best weights so far are kept; if a column
            says nothing about other rows, or targets leave little to learn or judge.
        """
        options = fit_options(callback, checkpoint, checkpoint_every, resume)
        announcement = announced_fit(self, X, y, sample_weight, self.n_epochs)
        with announcement as options.context:
            self._train(X, y, sample_weight, options)
        return self

    def _train(self, X, y, sample_weight, options):
        """Train on rows that are here."""
        fitting.fit(self, (X, y, sample_weight), options, TableRows)

    def _validate_params(self):
        """Raise InvalidParameterError for a parameter that is not valid."""
        check_parameters(self, self._parameter_rules)
        check_own_constraints(self)
        if self.validation == "folds" and self.n_members == 1:
            raise ValueError(
                "validation='folds' trains a member for each fold and needs "
                f"n_members >= 2, got n_members={self.n_members}."
            )

    def _recipe(self):
        """The recipe that the parameters ask for."""
        activation, rate = self._activation_and_rate
        if self.learning_rate_init != "auto":
            rate = float(self.learning_rate_init)
        return Recipe(
            hidden_sizes(self),
            activation,
            self.number_embedding is not None,
            rate,
            float(self.weight_decay),
            float(self.dropout),
        )

    def _settings(self, n_rows):
        """The settings of the training, for so many rows in all."""
        is_auto = self.n_epochs == "auto"
        n_epochs = epochs_for(n_rows) if is_auto else int(self.n_epochs)
        return Settings(
            n_epochs=n_epochs,
            last_epoch=n_epochs,
            batch_size=None if self.batch_size == "auto" else int(self.batch_size),
            smoothing=float(getattr(self, "label_smoothing", 0.0)),
            patience=PATIENCE if self.early_stopping else None,
            max_time=self.max_time,
            n_threads=self.n_threads,
            verbose=self.verbose,
        )

    def _fitted_attributes(self, task, read_only=False):
        """The model with copies of the current weights of a task."""
        weights = task.fitted_members()
        weights.setflags(write=not read_only)
        return {"_model": replace(self._model, weights=weights)}

    def _temperature(self, task):
        """The divisor of the outputs; 1 leaves them as they are."""
        return 1.0

    def _outputs(self, X):
        """Mean outputs of the members for a raw table."""
        check_is_fitted(self, "_model")
        reader = type(self).__name__
        return self._model.outputs(X, reader, allowed_threads(self.n_threads))

    def _fitted_objective(self):
        """The objective by which the fitted model predicts."""
        check_is_fitted(self, "_model")
        return self._model.objective

    def _table_snapshot(self):
        """The fitted model and what its outputs mean; no array is copied."""
        check_is_fitted(self, "_model")
        return TableSnapshot(
            self._model,
            getattr(self, "classes_", None),
            self._model.objective.loss.startswith("binary"),
        )

    @suggests_keywords
    def compile(self, *, n_threads: int | None = None) -> TabularPredictor:
        """Freeze the fitted model for fast prediction of raw rows.

        Parameters
        ----------
        n_threads : int or None, default=None
            Threads that share the blocks of many rows; None takes the ``n_threads`` of
            the estimator.

        Returns
        -------
        predictor : fastmlp.runtime.TabularPredictor
            Holds copies of the weights, so that later training does not change it. It
            needs no scikit-learn: unpickle it in a process that never imports that.
        """
        snapshot = self._table_snapshot()
        n_threads = self.n_threads if n_threads is None else n_threads
        asked = type(self)(n_threads=n_threads)
        check_parameters(asked, {"n_threads": self._parameter_rules["n_threads"]})
        return make_table_predictor(snapshot, allowed_threads(n_threads))

    def _file_content(self, tensors):
        """The description of the estimator in a model file."""
        check_is_fitted(self, "_model")
        return model_files.file_content(self, tensors)

    @classmethod
    def _of_file(cls, file):
        """The estimator of a decoded model file."""
        return model_files.of_file(cls, file)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
