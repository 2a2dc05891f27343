"""One sample through a network and back, gate by gate, for learners."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import issparse

from fastmlp._core import gradients
from fastmlp._core.batch import BatchSum
from fastmlp._core.network import Data, Layers, Network, Objective
from fastmlp._core.prediction import activate_outputs
from fastmlp._data.rows import check_names, column_names, known_frame
from fastmlp._data.validation import check_raw, named
from fastmlp._functions.losses import Loss
from fastmlp._inspection.summary import layer_facts
from fastmlp._inspection.trace_display import draw_trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOSSES = ("squared_error", "poisson", "log_loss", "binary_log_loss")


class Gate(NamedTuple):
    """One operation: its value going forward, and what comes back through it."""

    layer: int
    unit: int
    gate: str
    value: float
    local_derivative: float
    gradient: float


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """One layer of a trace; arrays of shape (n_units,) unless said.

    Attributes
    ----------
    activation : str
        Name of f, also of the output activation.
    inputs : ndarray of shape (fan_in,)
        The inputs of the layer.
    net_inputs : ndarray
        z = inputs W + b.
    outputs : ndarray
        a = f(z).
    local_derivatives : ndarray
        f'(z); for softmax the diagonal p (1 - p) of its Jacobian.
    output_gradients : ndarray
        dL / da.
    deltas : ndarray
        dL / dz.
    coef_gradients : ndarray of shape (fan_in, n_units)
        dL / dW, penalty included.
    intercept_gradients : ndarray
        dL / db.
    coefs, new_coefs : ndarray of shape (fan_in, n_units)
        W before and after the step.
    intercepts, new_intercepts : ndarray
        b before and after the step.
    """

    activation: str
    inputs: np.ndarray
    net_inputs: np.ndarray
    outputs: np.ndarray
    local_derivatives: np.ndarray
    output_gradients: np.ndarray
    deltas: np.ndarray
    coef_gradients: np.ndarray
    intercept_gradients: np.ndarray
    coefs: np.ndarray
    new_coefs: np.ndarray
    intercepts: np.ndarray
    new_intercepts: np.ndarray


@dataclass(frozen=True, eq=False)
class StepTrace:
    """A forward pass, a backward pass and a step of gradient descent on one sample.

    ``print`` shows the table of gates and the weights before and after; ``plot`` draws
    them; :func:`plot_graph` draws the gates with value and gradient on every edge.

    Attributes
    ----------
    layers : list of LayerTrace
        From the first hidden layer to the outputs.
    loss, new_loss : float
        Loss of the sample before and after the step, penalty included.
    penalty : float
        L2 penalty that is part of the loss before the step.
    outputs, new_outputs : ndarray of shape (n_outputs,)
        Outputs of the network before and after the step.
    learning_rate : float
        Rate of the step.
    names : list of str
        Names of the features.
    """

    __module__ = "fastmlp"

    layers: list
    loss: float
    new_loss: float
    penalty: float
    outputs: np.ndarray
    new_outputs: np.ndarray
    learning_rate: float
    names: list = field(repr=False)

    def gates(self) -> list[Gate]:
        """The operations in forward order.

        For each unit: the products of weights and inputs, the sum (net input) and the
        activation; the last gate is the loss. ``local_derivative`` is that of the
        operation with respect to what enters it: of a product to its weight (the
        input), of a sum 1, of an activation f'(z). ``gradient`` is dL / d value.

        Returns
        -------
        gates : list of Gate
            Tuples (layer, unit, gate, value, local_derivative, gradient); layers count
            from 1.
        """
        out = []
        for number, layer in enumerate(self.layers, 1):
            names = self.names
            if number > 1:
                names = [f"a{number - 1}[{i}]" for i in range(len(layer.inputs))]
            for j, delta in enumerate(layer.deltas):
                for name, x, w in zip(names, layer.inputs, layer.coefs[:, j]):
                    out.append(Gate(number, j, f"w * {name}", w * x, x, delta))
                out.append(Gate(number, j, "+ b", layer.intercepts[j], 1.0, delta))
                out.append(Gate(number, j, "sum z", layer.net_inputs[j], 1.0, delta))
                out.append(
                    Gate(
                        number,
                        j,
                        "activation a",
                        layer.outputs[j],
                        layer.local_derivatives[j],
                        layer.output_gradients[j],
                    )
                )
        out.append(Gate(len(self.layers) + 1, 0, "loss L", self.loss, 1.0, 1.0))
        return out

    def __str__(self):
        rows = [("layer", "unit", "gate", "value", "local derivative", "gradient")]
        rows += [
            (str(g.layer), str(g.unit), g.gate, *(f"{v:.5g}" for v in g[3:]))
            for g in self.gates()
        ]
        steps = [("layer", "weight", "before", "gradient", "after")]
        for number, layer in enumerate(self.layers, 1):
            for j in range(len(layer.deltas)):
                steps += [
                    (str(number), f"W[{i}, {j}]", *(f"{v:.6g}" for v in values))
                    for i, values in enumerate(
                        zip(
                            layer.coefs[:, j],
                            layer.coef_gradients[:, j],
                            layer.new_coefs[:, j],
                        )
                    )
                ]
                values = (
                    layer.intercepts[j],
                    layer.intercept_gradients[j],
                    layer.new_intercepts[j],
                )
                steps.append((str(number), f"b[{j}]", *(f"{v:.6g}" for v in values)))
        before, after = (
            ", ".join(f"{v:.4f}" for v in values)
            for values in (self.outputs, self.new_outputs)
        )
        return "\n".join(
            [
                *_table(rows),
                "",
                f"Step of gradient descent, learning rate {self.learning_rate:g}",
                *_table(steps),
                "",
                f"output {before} -> {after}, loss {self.loss:.6g} -> "
                f"{self.new_loss:.6g}",
            ]
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the units with z, a and delta, and the weights before and after.

        The weights are in tables between the units: a row for each input of a layer
        and the bias, a column for each unit. Colours show their signs and sizes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, in smaller letters if there is little room; None makes new
            ones in a figure that is as large as the network needs.

        Returns
        -------
        ax : matplotlib Axes
        """
        return draw_trace(self, ax)


def _table(rows):
    """Rows of text as aligned lines."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            cell.rjust(w) if i > 2 else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def trace_step(estimator, x, y, learning_rate):
    """Trace one sample through a fitted estimator; see its method of this name."""
    rate = estimator.learning_rate_init if learning_rate is None else learning_rate
    if not isinstance(rate, Real) or not 0 < rate < np.inf:
        raise ValueError(f"learning_rate must be a finite number > 0, got {rate!r}.")
    check_raw(x, "x")
    names = getattr(estimator, "feature_names_in_", None)
    with named("x"):
        check_names(column_names(known_frame(x)), names)
    x = x.toarray() if issparse(x) else np.asarray(x)
    estimator = copy.copy(estimator)
    vars(estimator).pop("feature_names_in_", None)  # a vector has none
    X, target = estimator._one_sample(x.reshape(1, -1), y)
    X, target = X.astype(np.float64), target.astype(np.float64)
    _, fitted, _, coefs = estimator._fitted_network(X)
    is_known = fitted.objective == Objective(fitted.loss) and fitted.loss in _LOSSES
    if not is_known or isinstance(estimator.loss, Loss):
        raise ValueError(
            f"trace_step knows the losses {', '.join(_LOSSES)} with their own output "
            f"activations, but the model has loss={estimator.loss!r}, out_activation_="
            f"{estimator.out_activation_!r}."
        )
    network = Network(fitted.units, estimator._activations(fitted), fitted.loss, True)
    coefs = [coef.astype(np.float64) for coef in coefs]
    intercepts = [np.array(b, dtype=np.float64) for b in estimator.intercepts_]
    alpha, has_intercepts = float(estimator.alpha), bool(estimator.fit_intercept)
    loss, outputs, grads, deltas = _pass(network, X, target, coefs, intercepts, alpha)
    new_coefs = [w - rate * g for w, g in zip(coefs, grads)]
    new_intercepts = [b - rate * d * has_intercepts for b, d in zip(intercepts, deltas)]
    new_loss, new_outputs, *_ = _pass(
        network, X, target, new_coefs, new_intercepts, alpha
    )
    layers, a, n_layers = [], X, len(coefs)
    facts = layer_facts(estimator)
    core_layers = Layers(coefs, intercepts, X.dtype)
    for i in range(n_layers):
        z = a @ coefs[i] + intercepts[i]
        if i < n_layers - 1:
            above = gradients.hidden_activations(network, Data(X), core_layers, i + 1)
            slopes = gradients.activation_slopes(network, i + 1, z, above)[0]
            back = coefs[i + 1] @ deltas[i + 1]
        else:
            above = outputs[None]
            slopes, back = _output_slopes(network.loss, outputs, deltas[i], target[0])
        layers.append(
            LayerTrace(
                activation=facts[i + 1].activation,
                inputs=a[0],
                net_inputs=z[0],
                outputs=above[0],
                local_derivatives=slopes,
                output_gradients=back,
                deltas=deltas[i],
                coef_gradients=grads[i],
                intercept_gradients=deltas[i] * has_intercepts,
                coefs=coefs[i],
                new_coefs=new_coefs[i],
                intercepts=intercepts[i],
                new_intercepts=new_intercepts[i],
            )
        )
        a = above
    names = [f"x{i}" for i in range(X.shape[1])] if names is None else list(names)
    return StepTrace(
        layers,
        loss,
        new_loss,
        _penalty(coefs, alpha),
        outputs,
        new_outputs,
        float(rate),
        names,
    )


def _pass(network, X, target, coefs, intercepts, alpha):
    """Loss, outputs, gradients of the weights and dL / dz of each layer.

    The gradient of the intercepts is that of the net inputs, since there is one sample.
    """
    params = np.hstack([array.ravel() for array in coefs + intercepts])
    batch = BatchSum(network, Data(X, target), params, 1)
    loss = batch.loss_gradient(0.0)
    # sgd takes the sum over the outputs where the loss is half their mean square
    scale = network.units[-1] if network.loss == "squared_error" else 1
    grads, deltas = network.split(batch.grad * scale)
    layers = Layers(coefs, intercepts, X.dtype)
    n_hidden = len(coefs) - 1
    a = X
    if n_hidden:
        a = gradients.hidden_activations(network, Data(X), layers, n_hidden)
    z = np.ascontiguousarray(a @ coefs[-1] + intercepts[-1])
    activate_outputs(network, z)
    grads = [grad + alpha * coef for grad, coef in zip(grads, coefs)]
    return loss * scale + _penalty(coefs, alpha), z[0], grads, deltas


def _penalty(coefs, alpha):
    """The L2 penalty of the weights, for one sample."""
    return float(0.5 * alpha * sum(np.sum(coef**2) for coef in coefs))


def _output_slopes(loss, outputs, deltas, target):
    """Derivatives of the output activation, and dL / da of the outputs."""
    if loss == "log_loss":
        back = np.zeros_like(outputs)
        k = int(target[0])
        back[k] = -1 / outputs[k]
        return outputs * (1 - outputs), back
    slopes = np.ones_like(outputs)
    if loss == "binary_log_loss":
        slopes = outputs * (1 - outputs)
    elif loss == "poisson":
        slopes = outputs
    with np.errstate(divide="ignore", invalid="ignore"):
        return slopes, deltas / slopes
