"""The layers of a fitted model in words: names, sizes, parameters."""

from __future__ import annotations

from typing import NamedTuple

from sklearn.utils.validation import check_is_fitted

from fastmlp._functions.activations import as_activation


class LayerFacts(NamedTuple):
    """Name, size and activation of one layer, and its number of parameters."""

    name: str
    n_units: int
    activation: str
    shape: tuple | None
    n_params: int


def layer_facts(estimator):
    """The input and each layer of a fitted model."""
    check_is_fitted(estimator, "coefs_")
    coefs, intercepts, units = estimator._layers()
    names = [_activation_name(estimator.activation, i) for i in range(len(coefs) - 1)]
    names.append(_output_name(estimator.out_activation_))
    facts = [LayerFacts("input", units[0], "", None, 0)]
    for i, (coef, intercept, activation) in enumerate(zip(coefs, intercepts, names)):
        name = "output" if i == len(coefs) - 1 else f"hidden {i + 1}"
        n_params = coef.size + (intercept.size if estimator.fit_intercept else 0)
        facts.append(LayerFacts(name, coef.shape[1], activation, coef.shape, n_params))
    return facts


class Summary(str):
    """A text that an interactive session shows as ``print`` does."""

    __slots__ = ()

    def __repr__(self):
        return str(self)


def summary(estimator):
    """The layer table of a fitted model as text."""
    facts = layer_facts(estimator)
    rows = [("layer", "units", "activation", "weights", "parameters")]
    for layer in facts:
        shape = "" if layer.shape is None else " x ".join(map(str, layer.shape))
        count = f"{layer.n_params:,}" if layer.shape else ""
        rows.append((layer.name, str(layer.n_units), layer.activation, shape, count))
    dtype = estimator._layers()[0][0].dtype
    total = sum(layer.n_params for layer in facts)
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(
            cell.rjust(width) if i in (1, 4) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    end = f"{total:,} parameters in {dtype}, {total * dtype.itemsize:,} bytes"
    head = [type(estimator).__name__, rule, lines[0], rule]
    return Summary("\n".join([*head, *lines[1:], rule, end]))


def _output_name(name):
    """``out_activation_`` as one text."""
    if not isinstance(name, tuple):
        return name
    kind, *rest = name
    if kind == "logistic":
        low, high = rest
        return f"logistic({low:g}, {high:g})"
    return " ".join([kind, *map(_output_name, rest)])  # monotone quantiles


def _activation_name(activation, layer):
    """The name of the activation of a hidden layer, with its parameter."""
    if isinstance(activation, list):
        activation = activation[layer]
    if isinstance(activation, tuple) and isinstance(activation[0], str):
        return f"{activation[0]}({activation[1]:g})"
    if isinstance(activation, tuple):
        activation = as_activation(activation)
    return str(getattr(activation, "name", activation))
