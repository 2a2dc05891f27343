"""Predictors of tables: fitted models, frozen for raw rows and whole tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fastmlp._core.forward import Forward
from fastmlp._core.network import Data
from fastmlp._core.prediction import OUTPUTS, class_numbers
from fastmlp._core.raw_row import RowPredictor
from fastmlp._data.rows import Frozen, copied
from fastmlp._model.frozen import FrozenModel, check_one_output_per_target
from fastmlp._tables.row_encoder import RowEncoder
from fastmlp._tables.snapshot import TableSnapshot

if TYPE_CHECKING:
    from typing import Any

    from fastmlp._utils.annotations import Array


class TabularPredictor(FrozenModel):
    """A fitted model of a table, frozen for fast prediction of raw rows.

    Made by ``compile()`` of a `TabularMLPRegressor` or by ``load_predictor``. It
    predicts the same bits as the model that it is made of; it is immutable, can be
    pickled, needs neither scikit-learn nor pandas, and may be used by many threads at
    once. That of a classifier is a `TabularClassifierPredictor`.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns.
    n_outputs_ : int
        Number of units of the output layer.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Where the model has them: the keys of a dict and the columns of a frame must be
        these.
    dtype : dtype
        Of the weights and of the arithmetic.
    n_threads : int
        Threads that share the blocks of many rows.
    """

    __slots__ = (
        "_encode",
        "_forwards",
        "_of_plain",
        "dtype",
        "n_features_in_",
        "n_outputs_",
    )
    dtype: np.dtype[Any]
    n_features_in_: int
    n_outputs_: int

    def __init__(self, snapshot: TableSnapshot, n_threads: int = 1) -> None:
        model, classes, is_multilabel = snapshot
        encoder, dtype = model.encoder, model.encoder.dtype
        bounds = model.bounds
        model = replace(
            model,
            weights=Frozen(dtype)(model.weights),
            bounds=None if bounds is None else Frozen(dtype)(bounds),
        )
        classes = None if classes is None else Frozen(None)(classes)
        network = model.network
        forwards = [
            Forward(
                network,
                *network.split(weights),
                dtype,
                network.slopes(weights),
                network.stage_weights(weights),
                are_fixed=True,
            )
            for weights in model.weights
        ]
        encode = RowEncoder(encoder, type(self).__name__)
        is_flat = classes is None and model.n_outputs == 1
        plain = RowPredictor(encode.of_plain, forwards, model.bounds, is_flat)
        self._put(
            _snapshot=TableSnapshot(model, classes, is_multilabel),
            _encode=encode,
            _of_plain=plain.predict,
            _forwards=forwards,
            dtype=dtype,
            n_features_in_=encoder.n_features_in,
            n_outputs_=model.n_outputs,
            n_threads=int(n_threads),
        )

    def __repr__(self):
        units = "-".join(map(str, self._snapshot.model.network.units))
        members = f", {len(self._forwards)} members" * (len(self._forwards) > 1)
        return f"<{type(self).__name__}: {units}, {self.dtype}{members}>"

    @property
    def feature_names_in_(self) -> Array:
        """Names of the columns, where the model has them."""
        names = self._snapshot.model.encoder.feature_names_in
        if names is None:
            raise AttributeError("the model was fitted without feature names")
        return names.copy()

    def predict(self, X: Any, *, out: Array | None = None) -> Array:
        """Predict values; of a classifier, classes.

        Parameters
        ----------
        X : dict, list, tuple, Series, ndarray, DataFrame or Table
            One raw row: a dict by the names of the columns, which may leave out what is
            missing, or its cells in order. Or many: a list of such rows, a
            two-dimensional array, or a frame of pandas, polars or pyarrow.
        out : ndarray, default=None
            Where to write: C-contiguous, of the shape and dtype of the result.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            Values, of length 1 for one row.

        Raises
        ------
        ValueError
            If X has other columns, or a column holds what it must not, such as a text
            among numbers; the message names the column. If ``out`` does not fit.
        """
        y = self._of_plain(X)
        if y is None:
            outputs = self._outputs(X)
            y = outputs[:, 0] if outputs.shape[1] == 1 else outputs
        return y if out is None else copied(y, out)

    def _outputs(self, X):
        """Outputs in two dimensions, for any kind of X."""
        row = _only_row(X)
        if row is not None:
            return self._of_many(self._encode(row))
        encoder = self._snapshot.model.encoder
        return self._of_many(encoder.transform(X, type(self).__name__))

    def _of_many(self, Z):
        """Outputs for encoded rows."""
        data, n_threads = Data(Z), self.n_threads
        return self._snapshot.model.mean(
            forward.rows(data, OUTPUTS, n_threads=n_threads)
            for forward in self._forwards
        )


class TabularClassifierPredictor(TabularPredictor):
    """A fitted classifier of a table, frozen; see `TabularPredictor`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, read-only; ``arange(n_labels)`` for several labels.
    """

    __slots__ = ("_has_one_class", "classes_")
    classes_: Array

    def __init__(self, snapshot: TableSnapshot, n_threads: int = 1) -> None:
        super().__init__(snapshot, n_threads)
        _, classes, is_multilabel = self._snapshot
        has_one_class = len(classes) == 1 and not is_multilabel
        self._put(classes_=classes, _has_one_class=has_one_class)

    def predict(self, X: Any, *, out: Array | None = None) -> Array:
        """Predict classes.

        Parameters
        ----------
        X : dict, list, tuple, Series, ndarray, DataFrame or Table
            One raw row or many, as of `TabularPredictor.predict`.
        out : ndarray, default=None
            Where to write: C-contiguous, of the shape and dtype of the result.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_labels)
            Labels, or an indicator matrix of ints for several labels.
        """
        outputs = self._of_plain(X)
        if outputs is None:
            outputs = self._outputs(X)
        if self._snapshot.is_multilabel:
            y = (outputs > 0.5).astype(int)
        elif self._has_one_class:
            y = np.repeat(self.classes_, len(outputs))
        else:
            y = self.classes_[class_numbers(outputs)]
        return y if out is None else copied(y, out)

    def predict_proba(self, X: Any, *, out: Array | None = None) -> Array:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : dict, list, tuple, Series, ndarray, DataFrame or Table
            One raw row or many, as of `TabularPredictor.predict`.
        out : ndarray, default=None
            Where to write: C-contiguous, of the shape and dtype of the result.

        Returns
        -------
        proba : ndarray of shape (n_rows, n_classes)
            In the order of ``classes_``; for several labels the probability of each.
        """
        proba = self._of_plain(X)
        if proba is None:
            proba = self._outputs(X)
        if self._has_one_class:
            proba = np.ones_like(proba[:, :1])
        return proba if out is None else copied(proba, out)


_ROWS = (dict, list, tuple)


def _only_row(X):
    """The only row of X, None where X is a frame or has several."""
    if isinstance(X, dict):
        return X
    if isinstance(X, list | tuple):
        if not X or (not isinstance(X[0], _ROWS) and getattr(X[0], "ndim", 0) == 0):
            return X
        return X[0] if len(X) == 1 else None
    if getattr(X, "ndim", 2) == 1 and hasattr(X, "tolist"):  # an array or a Series
        return X
    if isinstance(X, np.ndarray) and X.shape[:1] == (1,) and X.ndim == 2:
        return X[0]
    return None


def make_table_predictor(snapshot: TableSnapshot, n_threads: int = 1):
    """Make the predictor of a snapshot.

    Parameters
    ----------
    snapshot : TableSnapshot
    n_threads : int

    Returns
    -------
    predictor : TabularPredictor

    Raises
    ------
    ValueError
        If the model has several outputs per target: quantiles, or gaussian_nll.
    """
    check_one_output_per_target(snapshot.model.objective)
    is_classifier = snapshot.classes is not None
    kind = TabularClassifierPredictor if is_classifier else TabularPredictor
    return kind(snapshot, n_threads)
