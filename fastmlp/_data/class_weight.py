"""Weights of classes, expanded to weights of rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from fastmlp._data.validation import check_sample_weight
from fastmlp._utils.numbers import is_finite


def positive_weights(weights, n_labels, is_multilabel):
    """The weights of the positive terms, one per label, or None."""
    if weights is None or isinstance(weights, str | Mapping):
        return None
    if any(isinstance(weight, Mapping) for weight in weights):
        return None
    if not is_multilabel:
        raise ValueError(
            "class_weight must be 'balanced' or one dict {class: weight} unless the "
            f"task is multi-label, got {weights!r}."
        )
    if len(weights) != n_labels:
        raise ValueError(
            f"class_weight must hold one weight for each of the {n_labels} labels, got "
            f"{len(weights)}: {weights!r}."
        )
    return tuple(float(weight) for weight in weights)


def expanded(class_weight, classes, is_multilabel, codes, sample_weight, total=None):
    """The weights of the rows times those of their classes, in float64.

    Parameters
    ----------
    class_weight : "balanced", dict or list of dict
    classes : ndarray
        The classes, or the numbers of the labels.
    is_multilabel : bool
    codes : ndarray of shape (n_samples, 1) or (n_samples, n_labels)
        The labels as numbers.
    sample_weight : float or array-like of shape (n_samples,) or None
    total : callable or None
        Where the rows are those of several processes: gives the sum of the arrays that
        all of them call it with.
    """
    codes = codes.astype(int)
    _check(class_weight, classes, is_multilabel)
    if isinstance(class_weight, str):
        n_codes = 2 if is_multilabel else len(classes)
        weight = _balanced(codes, n_codes, total or np.asarray)
    elif is_multilabel:
        weight = compute_sample_weight(class_weight, codes)
    else:
        # From all classes, since a batch of partial_fit may lack some.
        weight = compute_class_weight(class_weight, classes=classes, y=classes)
        weight = weight[codes[:, 0]]
    if sample_weight is None:
        return weight
    return weight * check_sample_weight(sample_weight, len(codes), np.float64)


def _balanced(codes, n_codes, total):
    """For each row the product over its labels of n_samples / (n_classes count)."""
    counts = total([np.bincount(column, minlength=n_codes) for column in codes.T])
    weight = np.ones(len(codes))
    for column, of_column in zip(codes.T, counts):
        n_present = np.count_nonzero(of_column)
        with np.errstate(divide="ignore"):  # of classes without rows
            weight *= (of_column.sum() / (n_present * of_column))[column]
    return weight


def _check(class_weight, classes, is_multilabel):
    """Raise ValueError for weights that do not fit the classes."""
    if isinstance(class_weight, str):
        return
    is_list = not isinstance(class_weight, Mapping)
    if is_list and not is_multilabel:
        raise ValueError(
            "class_weight must be 'balanced' or one dict {class: weight} unless the "
            f"task is multi-label, got {class_weight!r}."
        )
    if is_multilabel and not (is_list and len(class_weight) == len(classes)):
        raise ValueError(
            "class_weight must be 'balanced' or a list with one dict {0: weight, 1: "
            f"weight}} for each of the {len(classes)} labels, got {class_weight!r}."
        )
    known = [0, 1] if is_list else np.asarray(classes).tolist()
    for weights in class_weight if is_list else [class_weight]:
        unknown = [key for key in weights if key not in known]
        if unknown:
            raise ValueError(
                f"class_weight names {unknown}, which are not among the classes "
                f"{known}."
            )
        for key, weight in weights.items():
            if not is_finite(weight) or weight < 0:
                raise ValueError(
                    f"class_weight[{key!r}] must be a finite number >= 0, got "
                    f"{weight!r}."
                )
