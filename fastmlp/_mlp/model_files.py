"""Model files: an estimator as one safetensors-compatible file, and back.

The file holds the parameters, the weights and the other attributes of a fit.  Its
promises are in docs/promises/file-format.md.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from fastmlp._files import safetensors
from fastmlp._files.values import encode, to_json
from fastmlp._functions.activations import as_activation, stored_name
from fastmlp._functions.losses import Loss
from fastmlp._mlp.restoration import (
    BINARIZER,
    OPTIMIZER,
    OTHER_PRIVATE,
    is_fitted_name,
    restored,
)
from fastmlp._model.model_file import (
    FORMAT_VERSION,
    TABLES_VERSION,
    WEIGHTS,
    read_model_file,
)
from fastmlp._utils.numbers import dtype_name
from fastmlp._utils.spelling import suggests_keywords

if TYPE_CHECKING:
    from typing import Any

    from fastmlp import (
        MLPClassifier,
        MLPRegressor,
        TabularMLPClassifier,
        TabularMLPRegressor,
    )
    from fastmlp._utils.annotations import FilePath

_LEFT_OUT = ("_skl_callbacks", "_sklearn_output_config")


@suggests_keywords
def save_model(estimator: Any, path: FilePath, *, optimizer: bool = False) -> None:
    """Save a fitted estimator to a file that runs no code on loading.

    The file is compatible with safetensors [1]_; ``docs/promises/file-format.md``
    describes it and says which later versions of fastmlp read it. It is written as a
    whole or not at all.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, Pipeline or an estimator for tables
        Fitted, or with weights put in by hand. Of a pipeline of scalers and an MLP the
        file holds the model that `fold_scalers` makes of it.
    path : str or path-like
        Where to write; the customary suffix is ``.safetensors``. Of a symbolic link
        the target is replaced, and the link stays.
    optimizer : bool, default=False
        Whether to store what ``partial_fit`` needs to go on as if nothing had happened:
        the moments of the solver (once or twice the weights) and the random generator.
        Estimators for tables have no ``partial_fit``.

    Raises
    ------
    NotFittedError
        If the estimator has no weights.
    TypeError
        If it is no estimator of fastmlp, if ``path`` is no path, or if a parameter or
        attribute is of a type that the format does not know, such as a function.
    ValueError
        If a step of a pipeline cannot be folded into the weights, or for
        ``optimizer=True`` of an estimator for tables.
    OSError
        If the file cannot be written; an earlier one is left as it was.

    References
    ----------
    .. [1] https://github.com/huggingface/safetensors

    Examples
    --------
    >>> import os, tempfile
    >>> from fastmlp import MLPRegressor, load_model, save_model
    >>> model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs")
    >>> model = model.fit([[0.0], [1.0]], [1.0, 3.0])
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> save_model(model, path)
    >>> load_model(path).predict([[2.0]]).round(2)
    array([5.])
    """
    from fastmlp._mlp.pipeline import as_model, without_search

    tensors, of_table = {}, without_search(estimator)
    if hasattr(of_table, "_file_content"):
        if optimizer:
            raise ValueError(
                f"optimizer=True is for partial_fit, which a {type(of_table).__name__} "
                "does not have. Leave it at False."
            )
        model, format_version = of_table._file_content(tensors), TABLES_VERSION
    else:
        model = _content(as_model(estimator), optimizer, tensors)
        format_version = FORMAT_VERSION
    safetensors.write(
        path,
        tensors,
        {
            "format": "fastmlp",
            "format_version": str(format_version),
            "fastmlp_version": version("fastmlp"),
            "numpy_version": np.__version__,
            "model": to_json(model),
        },
    )


def _content(estimator, optimizer, tensors):
    """The text of a model's file; its arrays go into ``tensors``."""
    kind = _kind_of(estimator)
    snapshot = estimator._snapshot()
    params = estimator.get_params(deep=False)
    params["activation"] = _storable(params["activation"])
    if isinstance(params["loss"], Loss):
        raise TypeError(
            f"the model has loss={params['loss']!r}, and a model file holds no "
            "functions. Pickle the model, or set loss to a name before saving: "
            "predictions do not depend on it once the model is fitted."
        )
    for name, arrays in zip(WEIGHTS, (snapshot.coefs, snapshot.intercepts)):
        tensors.update({f"{name}.{i}": array for i, array in enumerate(arrays)})
    model = {
        "class": kind,
        "activations": [[_storable(f), p] for f, p in snapshot.activations],
        "params": encoded_parameters(params, tensors),
        "attributes": {},
    }
    for name, value in vars(estimator).items():
        if name == BINARIZER:
            model["targets"] = {
                "type": value.y_type_,
                "sparse": bool(value.sparse_input_),
            }
        elif _is_stored(name, params, optimizer):
            model["attributes"][name] = encode(value, name, tensors)
    return model


def encoded_parameters(params, tensors):
    """Parameters of a constructor as the file holds them."""
    params = {**params, "dtype": dtype_name(params["dtype"])}
    return {k: encode(v, f"params.{k}", tensors) for k, v in params.items()}


def _storable(activation):
    """An activation as a file holds it: a user-defined one by its name."""
    if isinstance(activation, list):
        return [_storable(entry) for entry in activation]
    own = None if isinstance(activation, str) else as_activation(activation)
    return activation if own is None else stored_name(own)


def _kind_of(estimator):
    """The name of the estimator's public class."""
    from fastmlp import MLPClassifier

    is_classifier = isinstance(estimator, MLPClassifier)
    return "MLPClassifier" if is_classifier else "MLPRegressor"


def _is_stored(name, params, optimizer):
    """Return whether an attribute goes into the file beside weights and parameters."""
    if name in params or name in WEIGHTS or name in _LEFT_OUT or name == "loss":
        return False
    if name in OPTIMIZER:
        return optimizer
    return name in OTHER_PRIVATE or is_fitted_name(name)


@suggests_keywords
def load_model(
    path: FilePath, *, check: bool = True, copy: bool = False
) -> MLPClassifier | MLPRegressor | TabularMLPClassifier | TabularMLPRegressor:
    """Load an estimator from a file of ``save_model``; runs no code of the file.

    Parameters
    ----------
    path : str or path-like
        The file.
    check : bool, default=True
        Whether to verify the checksum, which reads the whole file. Sizes and types are
        checked in any case.
    copy : bool, default=False
        Whether to read the weights into memory. By default they are mapped: they are
        read when used, shared with other processes, and changing them changes a
        private copy, never the file. Do not truncate a file that is mapped; replacing
        it, as ``save_model`` does, is safe.

    Returns
    -------
    estimator : MLPClassifier, MLPRegressor or an estimator for tables

    Raises
    ------
    TypeError
        If ``path`` is no path.
    ValueError
        If the file is truncated, damaged, hostile, of a newer format, or of another
        kind, such as a pickle; the message says which.

    See Also
    --------
    fastmlp.runtime.load_predictor : The same without scikit-learn, for prediction only.
    """
    import fastmlp

    model = read_model_file(path, check=check, copy=copy)
    kind = getattr(fastmlp, model["class"])
    try:
        return kind._of_file(model) if "table" in model else restored(kind, model)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a valid model file: {error}") from None
