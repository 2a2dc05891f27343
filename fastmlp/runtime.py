"""Prediction without scikit-learn: what a service needs of a fitted model.

``import fastmlp.runtime`` loads NumPy, SciPy and the compiled core, nothing else.

Examples
--------
>>> from fastmlp import MLPClassifier
>>> from fastmlp.runtime import Predictor
>>> model = MLPClassifier((), solver="lbfgs").fit([[0.0], [1.0]], ["no", "yes"])
>>> predictor = model.compile()
>>> isinstance(predictor, Predictor)
True
>>> predictor.predict([[2.0], [-1.0]])
array(['yes', 'no'], dtype='<U3')
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastmlp._core.forward import Forward
from fastmlp._core.network import Data, Network
from fastmlp._core.prediction import (
    OUTPUTS,
    PROBA,
    RAW,
    class_numbers,
)
from fastmlp._data.columns import finite_fault
from fastmlp._data.rows import (
    PIECE,
    Frozen,
    check_apart,
    check_out,
    checked_rows,
    copied,
    is_dense,
    native,
    pieces,
)
from fastmlp._model.frozen import FrozenModel, check_one_output_per_target
from fastmlp._model.model_file import read_model_file, snapshot_of_file
from fastmlp._model.snapshot import Snapshot
from fastmlp._tables.predictor import (
    TabularClassifierPredictor,
    TabularPredictor,
    make_table_predictor,
)
from fastmlp._tables.snapshot import table_of_file
from fastmlp._utils.spelling import suggests_keywords
from fastmlp._utils.threads import checked_threads

if TYPE_CHECKING:
    from typing import Any

    from fastmlp._utils.annotations import Array, FilePath, MatrixLike

__all__ = [
    "ClassifierPredictor",
    "Predictor",
    "TabularClassifierPredictor",
    "TabularPredictor",
    "load_predictor",
]


class Predictor(FrozenModel):
    """A fitted model, frozen for fast prediction.

    Made by ``compile()`` of an estimator or by ``load_predictor``. It predicts the same
    bits as the estimator does for X in the dtype of the weights; it is immutable, can
    be pickled, and may be used by many threads at once. One row as a C-contiguous array
    in that dtype takes the shortest way. That of a classifier is a
    `ClassifierPredictor`.

    Attributes
    ----------
    n_features_in_ : int
        Number of features.
    n_outputs_ : int
        Number of units of the output layer.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Where the model has them: the columns of a DataFrame must be these.
    dtype : dtype
        Of the weights and of the arithmetic. X is converted to it.
    n_threads : int
        Threads that share the blocks of many rows.
    """

    __slots__ = (
        "_flat",
        "_forward",
        "_one_row",
        "dtype",
        "n_features_in_",
        "n_outputs_",
    )
    dtype: np.dtype[Any]
    n_features_in_: int
    n_outputs_: int

    def __init__(self, snapshot: Snapshot, n_threads: int = 1) -> None:
        model = snapshot
        dtype = np.dtype(model.dtype or model.coefs[0].dtype)
        freeze = Frozen(dtype)
        model = model._replace(
            coefs=[freeze(w) for w in model.coefs],
            intercepts=[freeze(b) for b in model.intercepts],
            dtype=dtype,
            classes=None if model.classes is None else Frozen(None)(model.classes),
        )
        network = Network(model.units, model.activations, model.loss)
        forward = Forward(network, model.coefs, model.intercepts, dtype, are_fixed=True)
        self._put(
            _snapshot=model,
            _forward=forward,
            _one_row=forward.one_row,
            _flat=model.units[-1] == 1,
            dtype=dtype,
            n_features_in_=model.units[0],
            n_outputs_=model.units[-1],
            n_threads=int(n_threads),
        )

    def __repr__(self):
        units = "-".join(map(str, self._snapshot.units))
        return f"<{type(self).__name__}: {units}, {self.dtype}>"

    @property
    def feature_names_in_(self) -> Array:
        """Names of the features, where the model has them."""
        if self._snapshot.feature_names is None:
            raise AttributeError("the model was fitted without feature names")
        return np.array(self._snapshot.feature_names, dtype=object)

    def predict(self, X: MatrixLike, *, out: Array | None = None) -> Array:
        """Predict values; of a classifier, classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        out : ndarray, default=None
            Where to write: C-contiguous, of the shape and dtype of the result.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Values; ``out`` itself if that is given.

        Raises
        ------
        ValueError
            If X has another number of features or other names, or is not finite, or if
            ``out`` does not fit or shares memory with X.
        """
        return self._values(X, OUTPUTS, out)

    def _values(self, X, what, out):
        """Outputs, in one dimension where there is one output."""
        values = self._one_row(X, what, self._flat, out)
        if values is not None:
            return values
        if not self._flat:
            return self._outputs(X, what, out)
        if out is None:
            return self._outputs(X, what)[:, 0]
        X = self._rows(X)
        check_out(out, (X.shape[0],), self.dtype)
        self._fill(X, what, out[:, np.newaxis])
        return out

    def _outputs(self, X, what, out=None):
        """Outputs in two dimensions, for any kind of X."""
        outputs = self._one_row(X, what, False, out)
        if outputs is not None:
            return outputs
        X = self._rows(X)
        width = self.n_outputs_
        if what == PROBA and width == 1:
            width = 2
        if out is None:
            out = np.empty((X.shape[0], width), dtype=self.dtype)
        else:
            check_out(out, (X.shape[0], width), self.dtype)
        return self._fill(X, what, out)

    def _fill(self, X, what, out):
        """Fill out with the outputs for rows that are checked; returns it."""
        check_apart(X, out)
        for rows in pieces(X.shape[0], self._rows_at_once(X)):
            self._predict(X, rows, what, out)
        return out

    def _rows_at_once(self, X):
        """Rows to convert at a time; 0 for all, where nothing is to be converted."""
        if X.dtype == self.dtype and (not is_dense(X) or X.flags.c_contiguous):
            return 0
        return max(1, PIECE // (self.n_features_in_ * self.dtype.itemsize))

    def _predict(self, X, rows, what, out):
        """Fill out with the outputs for a slice of rows, or for all if it is None."""
        n_rows = X.shape[0]
        with np.errstate(over="ignore"):
            X = native(X[rows] if rows else X, self.dtype)
        is_finite = is_dense(X) or np.isfinite(X.data).all()
        if is_finite:
            out = out[rows] if rows else out
            is_finite = (
                self._forward.rows(Data(X), what, out, self.n_threads) is not None
            )
        if not is_finite:
            is_whole = X.shape[0] == n_rows
            raise ValueError(finite_fault(X, self._snapshot.feature_names, is_whole))

    def _rows(self, X):
        """X as an array of numbers or a CSR matrix of the right width."""
        names = self._snapshot.feature_names
        return checked_rows(X, names, self.n_features_in_, "Predictor")


def make_predictor(snapshot: Snapshot, n_threads: int = 1) -> Predictor:
    """Make the predictor of a snapshot.

    Parameters
    ----------
    snapshot : fastmlp._model.snapshot.Snapshot
    n_threads : int

    Returns
    -------
    predictor : Predictor

    Raises
    ------
    ValueError
        If the model has several outputs per target: quantiles, or gaussian_nll.
    """
    if snapshot.objective is not None:
        check_one_output_per_target(snapshot.objective)
    kind = ClassifierPredictor if snapshot.is_classifier else Predictor
    return kind(snapshot, n_threads)


class ClassifierPredictor(Predictor):
    """A fitted classifier, frozen for fast prediction; see `Predictor`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, read-only; ``arange(n_labels)`` for several labels.
    """

    __slots__ = ("_has_one_class", "classes_")
    classes_: Array

    def __init__(self, snapshot: Snapshot, n_threads: int = 1) -> None:
        super().__init__(snapshot, n_threads)
        classes = self._snapshot.classes
        self._put(classes_=classes, _has_one_class=len(classes) == 1)

    def predict(self, X: MatrixLike, *, out: Array | None = None) -> Array:
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        out : ndarray, default=None
            Where to write: C-contiguous, of the shape and dtype of the result.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, or an indicator matrix of ints for several labels.
        """
        y = self._labels(self._outputs(X, OUTPUTS))
        return y if out is None else copied(y, out)

    def predict_proba(self, X: MatrixLike, *, out: Array | None = None) -> Array:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        out : ndarray of shape (n_samples, n_classes), default=None
            Where to write: C-contiguous, of the dtype of the model.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; for several labels the probability of each.
        """
        if self._has_one_class:
            proba = np.ones_like(self._outputs(X, OUTPUTS))
            return proba if out is None else copied(proba, out)
        proba = self._one_row(X, PROBA, False, out)
        if proba is not None:
            return proba
        return self._outputs(X, PROBA, out)

    def decision_function(self, X: MatrixLike, *, out: Array | None = None) -> Array:
        """Evaluate the output layer before its activation: the logits.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        out : ndarray, default=None
            Where to write: C-contiguous, of the shape and dtype of the result.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            For two classes the logit of the second one.
        """
        return self._values(X, RAW, out)

    def _labels(self, outputs):
        """Labels of the outputs of a classifier."""
        model = self._snapshot
        if model.is_multilabel:
            return (outputs > 0.5).astype(int)
        if model.is_binary:
            codes = (outputs[:, 0] > 0.5).astype(np.intp)
            return model.classes[np.minimum(codes, len(model.classes) - 1)]
        return model.classes[class_numbers(outputs)]


@suggests_keywords
def load_predictor(
    path: FilePath, *, n_threads: int = 1, check: bool = True, copy: bool = False
) -> Predictor | TabularPredictor:
    """Load a file of ``fastmlp.save_model`` for prediction, without scikit-learn.

    Parameters
    ----------
    path : str or path-like
        The file.
    n_threads : int, default=1
        Threads that share the blocks of many rows.
    check : bool, default=True
        Whether to verify the checksum, which reads the whole file.
    copy : bool, default=False
        Whether to read the weights into memory; by default they are mapped. Single rows
        take copies of weights of up to 1 MB, here too.

    Returns
    -------
    predictor : Predictor or TabularPredictor

    Raises
    ------
    TypeError
        If ``path`` is no path.
    ValueError
        If ``n_threads`` is not an int >= 1, or if the file is truncated, damaged,
        hostile, or of a newer format.
    """
    n_threads = checked_threads(n_threads)
    model = read_model_file(path, check=check, copy=copy)
    try:
        if "table" in model:
            return make_table_predictor(table_of_file(model), n_threads)
        return make_predictor(snapshot_of_file(model), n_threads)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not a valid model file: {error}") from None
