"""The regressor for tables."""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin

from fastmlp._core.network import Objective
from fastmlp._data.scaling import Scaling, statistics
from fastmlp._mlp.targets import NumberTargets
from fastmlp._tabular.base import BaseTabularMLP
from fastmlp._tabular.classifier import _LogLoss


class TabularMLPRegressor(RegressorMixin, BaseTabularMLP):
    """Multi-layer perceptron for tables with numbers, categories and missing values."""

    _targets_are_numbers = True
    _activation_and_rate = ("mish", 0.2)

    def __init__(
        self,
        *,
        n_members=1,
        categorical_features="from_dtype",
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

    def _encoded_targets(self, y, dtype):
        return NumberTargets(Objective("squared_error")).encode(y, dtype)

    def _strata(self, encoded):
        return None

    def _objective(self, encoded):
        return Objective("squared_error"), encoded.shape[1]

    def _score(self, objective, weight):
        return _LogLoss()

    def _scaling(self, network, targets, weight):
        return Scaling(network, y=statistics(targets, weight, "y", True))

    def _bounds(self, targets, objective):
        return np.stack([targets.min(axis=0), targets.max(axis=0)])

    def predict(self, X):
        """Predict targets."""
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs
