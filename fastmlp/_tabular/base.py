"""What the classifier and the regressor for tables share: the fit of a raw table."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import _check_y, check_is_fitted

from fastmlp._data.split import Samples
from fastmlp._data.validation import check_raw, check_sample_weight, named
from fastmlp._mlp.input_checks import restored_on_error
from fastmlp._mlp.parameters import check_parameters, hidden_sizes
from fastmlp._tables.encoder import TableEncoder
from fastmlp._tables.model import TabularModel, stage_of
from fastmlp._tables.predictor import make_table_predictor
from fastmlp._tables.snapshot import TableSnapshot
from fastmlp._tabular import model_files, parameters
from fastmlp._tabular.recipe import Recipe
from fastmlp._tabular.split import folds, holdout
from fastmlp._tabular.training import Settings, train
from fastmlp._training.record import as_arrays
from fastmlp._training.regularization import smoothed
from fastmlp._utils.spelling import suggests_keywords
from fastmlp._utils.threads import allowed_threads

PATIENCE = (2.0, 20.0)  # stop where the epoch is above 2 * best + 20


class BaseTabularMLP(BaseEstimator):
    """What classifier and regressor share."""

    def fit(self, X, y, sample_weight=None):
        """Fit the model to a table.

        Parameters
        ----------
        X : {DataFrame, Table, array-like} of shape (n_samples, n_features)
            Raw columns: numbers, texts, categories, bools, with missing values. pandas,
            polars and Arrow frames, arrays, lists of rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter, a column or the targets cannot be used. An earlier fit is
            then left as it was.
        """
        started = perf_counter()
        with restored_on_error(self):
            self._validate_params()
            random_state = check_random_state(self.random_state)
            dtype = np.dtype(self.dtype)
            y = self._checked_targets(X, y)
            encoded = self._encoded_targets(y, dtype)
            weight = self._row_weights(encoded, sample_weight, dtype)
            rows, held_out = self._rows(encoded, random_state)
            if weight is not None:
                for part in (*rows, *held_out):
                    if not weight[part].any():
                        raise ValueError(
                            "sample_weight is 0 for all training rows or all "
                            "validation rows. Give weights to more rows."
                        )
            data = X, encoded, weight
            settings = self._settings(self.n_epochs)
            task = self._train(data, rows, held_out, settings, random_state, started)
            self._take_record(task.record)
            if self.refit:
                rows = [np.arange(len(encoded), dtype=np.intp)] * self.n_members
                settings = self._settings(max(1, self.best_epoch_))
                task = self._train(data, rows, None, settings, random_state, started)
            self._model.weights = task.members().copy()
        return self

    def _validate_params(self):
        """Raise InvalidParameterError for a parameter that is not valid."""
        check_parameters(self, self._parameter_rules)
        hidden_sizes(self)
        if self.validation == "folds" and self.n_members < 2:
            raise ValueError(
                "validation='folds' trains a member for each fold and needs "
                f"n_members >= 2, got n_members={self.n_members}."
            )

    def _checked_targets(self, X, y):
        """The targets as an array of one row for each row of X."""
        check_raw(y, "y")
        with named("y"):
            y = _check_y(y, multi_output=True, y_numeric=self._targets_are_numbers)
            check_consistent_length(X, y)
        return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y

    def _row_weights(self, encoded, sample_weight, dtype):
        """The weights of the rows in the precision of the model, or None."""
        return check_sample_weight(sample_weight, len(encoded), dtype)

    def _rows(self, encoded, random_state):
        """The rows that each member trains on, and those that judge it."""
        n_rows, labels = len(encoded), self._strata(encoded)
        if self.validation == "folds":
            return folds(n_rows, labels, self.n_members, random_state)
        fraction = float(self.validation_fraction)
        train_rows, held_out = holdout(n_rows, labels, fraction, random_state)
        return [train_rows] * self.n_members, [held_out] * self.n_members

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

    def _settings(self, last_epoch):
        """What the parameters ask of the training."""
        return Settings(
            n_epochs=int(self.n_epochs),
            last_epoch=int(last_epoch),
            batch_size=None if self.batch_size == "auto" else int(self.batch_size),
            smoothing=float(getattr(self, "label_smoothing", 0.0)),
            patience=PATIENCE if self.early_stopping else None,
            max_time=self.max_time,
            n_threads=self.n_threads,
            verbose=self.verbose,
        )

    def _train(self, data, rows, held_out, settings, random_state, started):
        """Encode the table, train, and put weights for raw targets into the model."""
        X, encoded, weight = data
        encoder = TableEncoder(self.categorical_features, dtype=np.dtype(self.dtype))
        seen = rows[0] if len({id(of) for of in rows}) == 1 else None
        encoder.fit(X, seen)
        if encoder.n_numbers + sum(map(len, encoder.levels)) == 0:
            raise ValueError("X has no column with a value in the training rows.")
        recipe = self._recipe()
        objective, n_outputs = self._objective(encoded)
        network = recipe.network(
            stage_of(encoder, recipe.is_periodic), n_outputs, objective
        )
        scaling = self._scaling(
            network,
            encoded if seen is None else encoded[seen],
            weight if weight is None or seen is None else weight[seen],
        )
        samples = Samples(encoder.transform(X), encoded, weight)
        if scaling is not None:
            samples = scaling.samples(samples._replace(X=None))._replace(X=samples.X)
        targets = smoothed(samples.y, objective.loss, settings.smoothing)
        samples = samples._replace(y=targets)
        task = train(
            network,
            recipe,
            settings,
            samples,
            rows,
            held_out,
            encoder.tables,
            self._score(objective, weight),
            random_state=random_state,
            started=started,
        )
        task.check_finite()
        if scaling is not None:
            for params in task.members():
                scaling.fold(params)
        bounds = self._bounds(encoded if seen is None else encoded[seen], objective)
        self._model = TabularModel(
            encoder, recipe, n_outputs, objective, task.members(), bounds
        )
        self._take_columns()
        return task

    def _take_columns(self):
        """The attributes that tell of the columns."""
        encoder = self._model.encoder
        self.n_features_in_ = encoder.n_features_in
        vars(self).pop("feature_names_in_", None)
        if encoder.feature_names_in is not None:
            self.feature_names_in_ = encoder.feature_names_in

    def _scaling(self, network, targets, weight):
        """The standardisation of the targets, or None."""
        return None

    def _bounds(self, targets, objective):
        """The smallest and the largest prediction, or None."""
        return None

    def _take_record(self, record):
        """The attributes that tell of the training."""
        self.n_iter_, self.loss_curve_ = record.n_iter, record.loss_curve
        self.validation_scores_ = record.validation_scores
        self.best_validation_score_ = record.best_score
        scores = np.array(record.validation_scores)
        best = np.flatnonzero(scores == record.best_score)
        self.best_epoch_ = int(best[-1]) + 1 if len(best) else record.n_iter
        self.history_ = as_arrays(record.history)
        self.stop_reason_ = record.stop_reason

    def _outputs(self, X):
        """Mean outputs of the members for a raw table."""
        check_is_fitted(self, "_model")
        reader = type(self).__name__
        return self._model.outputs(X, reader, allowed_threads(self.n_threads))

    @suggests_keywords
    def compile(self, *, n_threads=None):
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
        check_is_fitted(self, "_model")
        n_threads = self.n_threads if n_threads is None else n_threads
        asked = type(self)(n_threads=n_threads)
        check_parameters(asked, {"n_threads": self._parameter_rules["n_threads"]})
        snapshot = TableSnapshot(
            self._model,
            getattr(self, "classes_", None),
            self._model.objective.loss.startswith("binary"),
        )
        return make_table_predictor(snapshot, allowed_threads(n_threads))

    def _file_content(self, tensors):
        """What a model file says of the estimator."""
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


BaseTabularMLP._parameter_rules = parameters.RULES
