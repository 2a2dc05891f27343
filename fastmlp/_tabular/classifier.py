"""The classifier for tables."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fastmlp._core.network import Objective
from fastmlp._data import validation
from fastmlp._data.class_weight import expanded
from fastmlp._mlp.constraints import one_of
from fastmlp._mlp.parameters import CLASSIFIER_RULES
from fastmlp._mlp.parameters import RULES as MLP_RULES
from fastmlp._mlp.targets import ClassTargets, predicted_codes
from fastmlp._tabular import parameters
from fastmlp._tabular.base import BaseTabularMLP


class _Accuracy:
    """The share of validation rows whose class is predicted."""

    is_loss = is_function = False
    name = "The accuracy"

    def __init__(self, targets, weight):
        self.targets, self.weight = targets, weight

    def __call__(self, outputs, y, task):
        weight = self.weight if self.weight is None else self.weight[task.holdout.rows]
        return self.targets.score(
            y > 0.5 if self.targets.is_multilabel else y, outputs, weight
        )


class _LogLoss:
    """Minus the loss on the validation rows."""

    is_loss, is_function = True, False
    name = "The loss"


class TabularMLPClassifier(ClassifierMixin, BaseTabularMLP):
    """Multi-layer perceptron for tables with numbers, categories and missing values."""

    _parameter_rules = parameters.RULES | {
        "scoring": [one_of(("log_loss", "accuracy"))],
        "label_smoothing": MLP_RULES["label_smoothing"],
        "class_weight": CLASSIFIER_RULES["class_weight"],
    }
    _targets_are_numbers = False
    _activation_and_rate = ("selu", 0.04)

    def __init__(
        self,
        *,
        n_members=1,
        categorical_features="from_dtype",
        scoring="log_loss",
        label_smoothing=0.0,
        class_weight=None,
        hidden_layer_sizes=(256, 256, 256),
        number_embedding="periodic",
        n_epochs=256,
        batch_size="auto",
        learning_rate_init="auto",
        weight_decay=0.02,
        dropout=0.15,
        validation="holdout",
        validation_fraction=0.2,
        early_stopping=True,
        refit=False,
        max_time=None,
        dtype="float32",
        n_threads=None,
        random_state=None,
        verbose=False,
    ):
        self.n_members = n_members
        self.categorical_features = categorical_features
        self.scoring = scoring
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.hidden_layer_sizes = hidden_layer_sizes
        self.number_embedding = number_embedding
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.validation = validation
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.refit = refit
        self.max_time = max_time
        self.dtype = dtype
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    def _targets(self):
        """The codec of the targets."""
        return ClassTargets(self.classes_, self._label_binarizer)

    def _encoded_targets(self, y, dtype):
        """Class numbers (n, 1), or 0 and 1 per label."""
        self._label_binarizer = validation.fit_binarizer(y)
        self.classes_ = self._label_binarizer.classes_
        if self._is_multilabel():
            return self._targets().encode(y, dtype)
        places = np.searchsorted(self.classes_, y)
        return np.ascontiguousarray(places[:, None], dtype=dtype)

    def _is_multilabel(self):
        """Whether the model predicts several labels at once."""
        return self._label_binarizer.y_type_.startswith("multilabel")

    def _strata(self, encoded):
        """Class numbers for the split."""
        return None if self._is_multilabel() else encoded[:, 0].astype(np.intp)

    def _row_weights(self, encoded, sample_weight, dtype):
        if self.class_weight is not None:
            sample_weight = expanded(
                self.class_weight,
                self.classes_,
                self._is_multilabel(),
                encoded
                if self._is_multilabel()
                else self.classes_[encoded[:, 0].astype(int)],
                sample_weight,
            )
        return super()._row_weights(encoded, sample_weight, dtype)

    def _objective(self, encoded):
        """The loss of the core, and the outputs of the network."""
        if self._is_multilabel():
            return Objective("binary_log_loss"), encoded.shape[1]
        return Objective("log_loss"), max(2, len(self.classes_))

    def _score(self, objective, weight):
        """The score that chooses the epoch."""
        return (
            _LogLoss()
            if self.scoring == "log_loss"
            else _Accuracy(self._targets(), weight)
        )

    def predict_proba(self, X):
        """Predict the probability of each class."""
        check_is_fitted(self, "_model")
        outputs = self._outputs(X)
        return (
            outputs[:, : len(self.classes_)] if not self._is_multilabel() else outputs
        )

    def predict(self, X):
        """Predict class labels."""
        check_is_fitted(self, "_model")
        if self._is_multilabel():
            return (self._outputs(X) > 0.5).astype(int)
        return self.classes_[
            predicted_codes(self._outputs(X), len(self.classes_), False)
        ]
