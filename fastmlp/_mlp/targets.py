"""Targets as the core takes them, and back: what tells classifier from regressor.

Each class encodes and decodes targets, counts the outputs of a network for them, scores
its outputs and says by what a split is stratified.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score

from fastmlp._core.network import Objective
from fastmlp._core.prediction import class_numbers
from fastmlp._data import validation
from fastmlp._model import losses


class ClassTargets:
    """Class labels, or an indicator matrix of labels.

    Parameters
    ----------
    classes : ndarray
    binarizer : LabelBinarizer
        Fitted: knows the kind of task, and reads an indicator matrix.
    """

    def __init__(self, classes, binarizer):
        self.classes, self.binarizer = classes, binarizer
        self.is_multiclass = binarizer.y_type_ == "multiclass"
        self.is_multilabel = binarizer.y_type_.startswith("multilabel")

    def encode(self, y, dtype):
        """Class numbers (n, 1), or 0 and 1 per label (n, L)."""
        if self.is_multilabel != (y.ndim == 2):
            raise ValueError(
                "y must be a label indicator matrix of shape (n_samples, n_labels) for "
                "a multi-label model and a vector of labels for any other; got y of "
                f"shape {y.shape}."
            )
        if self.is_multilabel:
            encoded = self.binarizer.transform(y).astype(bool)
        else:
            order = np.argsort(self.classes)  # which a user may have replaced
            if y.dtype.kind in "iu" and self.classes.dtype.kind in "iu":
                y = y.astype(self.classes.dtype)  # not by way of float64
            places = np.searchsorted(self.classes, y, sorter=order)
            encoded = order[places][:, None]
        return np.ascontiguousarray(encoded, dtype=dtype)

    def encode_plain(self, y, dtype):
        """Encoded plain labels; None where they need a closer look."""
        known = self.classes
        if y.ndim != 1 or y.dtype != known.dtype or y.dtype.kind not in "iu":
            return None
        places = known.searchsorted(y)
        if not (known.take(places, mode="clip") == y).all():
            return None
        return places.astype(dtype)[:, None]

    def decode(self, y):
        """Labels of encoded targets."""
        codes = y.astype(int)
        return codes if self.is_multilabel else self.classes[codes[:, 0]]

    def n_outputs(self, y):
        """One output per class or label, a single one for two classes."""
        return len(self.classes) if self.is_multiclass else y.shape[1]

    def stratify(self, y):
        """The labels by which a split is stratified: those of two classes."""
        if self.n_outputs(y) > 1:
            return None
        return np.where(y[:, 0] != 0, "True", "False")

    def score(self, y, outputs, weight):
        """Accuracy on encoded targets."""
        codes = predicted_codes(outputs, len(self.classes), self.is_multilabel)
        return accuracy_score(y.astype(int), codes, sample_weight=weight)


def predicted_codes(outputs, n_classes, is_multilabel):
    """Class numbers (n,) or label indicators (n, L) of the outputs."""
    if outputs.shape[1] > 1 and not is_multilabel:
        return class_numbers(outputs)
    codes = (outputs > 0.5).astype(int)
    if outputs.shape[1] > 1:
        return codes
    return np.minimum(codes[:, 0], n_classes - 1)


class NumberTargets:
    """Numbers: one or several targets.

    Parameters
    ----------
    objective : Objective
        The function that training minimises.
    may_be_anything : bool
        Whether targets are not limited to the range of the loss.
    """

    def __init__(self, objective, may_be_anything=False):
        self.objective, self.checked = objective, objective
        if may_be_anything:
            self.checked = Objective("squared_error")
        self.is_located = (
            objective.loss in losses.LOCATION_LOSSES
            and objective.output is None
            and not may_be_anything
        )

    def encode(self, y, dtype):
        """Targets (n, n_targets), after a check of their range."""
        return validation.check_targets(y, dtype, self.checked)

    def encode_plain(self, y, dtype):
        """Encoded plain targets; None where they need a closer look."""
        if y.dtype != dtype or y.ndim > 2 or not self.is_located:
            return None
        if not np.isfinite(y.sum()):
            return None
        return np.ascontiguousarray(y).reshape(len(y), -1)

    def decode(self, y):
        """Targets as predict gives them."""
        return y[:, 0] if y.shape[1] == 1 else y

    def n_outputs(self, y):
        """Units of the output layer: some for each target."""
        return y.shape[1] * losses.outputs_per_target(self.objective)

    def stratify(self, y):
        """The labels by which a split is stratified: there are none."""
        return None

    def score(self, y, outputs, weight):
        """R2 of the means, or D2 of the quantiles."""
        return losses.score(y, outputs, self.objective, weight)
