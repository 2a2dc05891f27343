"""A fitted model of a table with its classes, out of memory or out of a file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastmlp._tables.model import TabularModel


class TableSnapshot(NamedTuple):
    """A fitted model of a table, and what its outputs mean.

    Attributes
    ----------
    model : TabularModel
    classes : ndarray or None
        Of a classifier.
    is_multilabel : bool
        Whether the model predicts several labels at once.
    """

    model: TabularModel
    classes: np.ndarray | None = None
    is_multilabel: bool = False


def table_of_file(file):
    """The snapshot of a decoded model file.

    Parameters
    ----------
    file : dict
        As of ``read_model_file``.

    Raises
    ------
    ValueError
        If the parts of the file do not fit one another.
    """
    is_classifier = file["class"] == "TabularMLPClassifier"
    model = TabularModel.from_content(file["table"], is_classifier)
    classes = file["attributes"].get("classes_")
    if is_classifier != isinstance(classes, np.ndarray):
        raise ValueError("it has no classes_, or should have none.")
    if not is_classifier:
        return TableSnapshot(model)
    is_multilabel = model.objective.loss.startswith("binary")
    n_outputs = len(classes) if is_multilabel else max(2, len(classes))
    if classes.ndim != 1 or not len(classes) or model.n_outputs != n_outputs:
        raise ValueError(
            f"classes_ must name the classes of {model.n_outputs} outputs, got "
            f"{str(classes)[:200]}."
        )
    return TableSnapshot(model, classes, is_multilabel)
