"""The plain data of a fitted model that an export starts from."""

from __future__ import annotations

import numpy as np

from fastmlp._mlp.pipeline import as_model


def snapshot(estimator):
    """Take the snapshot of a fitted estimator; the arrays of an MLP are not copied.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or what ``fold_scalers`` takes

    Raises
    ------
    TypeError
        If it is something else.
    NotFittedError
        If it has no weights.
    ValueError
        If an output activation or several outputs per target cannot be exported, or if
        a step of a pipeline cannot be folded.
    """
    taken = as_model(estimator)._snapshot()
    own = taken.own_out_activation
    if taken.is_classifier and taken.output_activation != own:
        raise ValueError(
            f"out_activation_ was set to {taken.output_activation!r} after the fit, "
            "but an export knows a classifier with its own output activation, "
            f"{own!r}. Set out_activation_ back to that for the export, or use "
            "compile() or fastmlp.save_model, which keep it."
        )
    if taken.objective is not None:
        raise ValueError(
            "an export knows one output per target with the output activation identity "
            f"or exp; this model has loss={taken.objective.loss!r} and out_activation_="
            f"{taken.output_activation!r}. Save it with fastmlp.save_model."
        )
    known = ("softmax", "logistic") if taken.is_classifier else ("identity", "exp")
    if taken.output_activation not in known:
        raise ValueError(
            f"an export of a {type(estimator).__name__} knows the output activations "
            f"{known}, got out_activation_={taken.output_activation!r}."
        )
    return taken


def layers_snapshot(estimator):
    """The snapshot of a fitted estimator, for layers whose output is a probability.

    Raises
    ------
    ValueError
        Also if the model knows a single class.
    """
    model = snapshot(estimator)
    if model.is_binary and len(model.classes) == 1:
        raise ValueError(
            f"the model knows a single class, {model.classes[0]!r}, whose probability "
            "is always 1: there is nothing to convert."
        )
    return model


def check_precision(arrays, dtype):
    """Raise ValueError unless all weights are finite in a dtype."""
    with np.errstate(over="ignore"):
        are_finite = all(np.isfinite(array.astype(dtype)).all() for array in arrays)
    if not are_finite:
        raise ValueError(
            f"the weights must be finite in {dtype} to be exported"
            + ("; use dtype='float64'." if dtype == np.float32 else ".")
        )


def check_distinct(numbers, levels=None, column=None):
    """Raise ValueError if the dtype has made two categories equal.

    The message names the column and two of its levels, where they are given.
    """
    if len(np.unique(numbers)) < len(numbers):
        is_narrow = numbers.dtype == np.float32
        remedy = "use dtype='float64'" if is_narrow else "make them texts"
        where = "categories"
        if levels is not None:  # in ascending order
            at = (numbers[1:] == numbers[:-1]).argmax()
            first, second = levels[at : at + 2].tolist()
            where += f" {first} and {second} of column {column!r}"
        raise ValueError(f"{where} are not distinct in {numbers.dtype}; {remedy}.")
