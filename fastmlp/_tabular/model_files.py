"""Estimators for tables as model files hold them, and back."""

from __future__ import annotations

from fastmlp._files.values import encode
from fastmlp._mlp.model_files import encoded_parameters
from fastmlp._mlp.restoration import (
    BINARIZER,
    is_fitted_name,
    restore_targets,
    with_parameters,
)
from fastmlp._tables.snapshot import table_of_file
from fastmlp._tabular.fitting import take_columns

_OF_COLUMNS = ("n_features_in_", "feature_names_in_")  # which the encoder has


def file_content(estimator, tensors):
    """The description of a fitted estimator; its arrays go into ``tensors``."""
    binarizer = getattr(estimator, BINARIZER, None)
    kind = "TabularMLPRegressor" if binarizer is None else "TabularMLPClassifier"
    model = {
        "class": kind,
        "params": encoded_parameters(estimator.get_params(deep=False), tensors),
        "attributes": {
            name: encode(value, name, tensors)
            for name, value in vars(estimator).items()
            if is_fitted_name(name) and name not in _OF_COLUMNS
        },
        "table": encode(estimator._model.content(), "table", tensors),
    }
    if binarizer is not None:
        sparse = bool(binarizer.sparse_input_)
        model["targets"] = {"type": binarizer.y_type_, "sparse": sparse}
    return model


def of_file(kind, file):
    """An estimator of a class out of a decoded model file, checked."""
    snapshot = table_of_file(file)
    estimator = with_parameters(kind, file["params"])
    for name, value in file["attributes"].items():
        if not is_fitted_name(name) or hasattr(kind, name) or name in _OF_COLUMNS:
            raise ValueError(f"it has the impossible attribute {name!r}.")
        vars(estimator)[name] = value
    estimator._validate_params()
    encoder = snapshot.model.encoder
    if estimator.dtype != encoder.dtype:
        raise ValueError(f"it has dtype={estimator.dtype!r}, but other weights.")
    restore_targets(estimator, file["targets"])
    if snapshot.classes is not None:
        of_labels = getattr(getattr(estimator, BINARIZER, None), "y_type_", None)
        if (
            of_labels is None
            or of_labels.startswith("multilabel") != snapshot.is_multilabel
        ):
            raise ValueError(f"it has impossible targets {file['targets']!r}.")
    estimator._model = snapshot.model
    take_columns(estimator, snapshot.model.encoder)
    return estimator
