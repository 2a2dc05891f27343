"""User-defined losses; they are checked when they are made, as activations are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastmlp._core.custom import Function
from fastmlp._core.kernels import loss_output_names
from fastmlp._functions.checks import check_gradient
from fastmlp._functions.immutable import Immutable
from fastmlp._functions.signatures import BINARY, as_pair, binary, checked_name

if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

    LossOutput: TypeAlias = Literal[
        "identity", "exp", "softplus", "logistic", "softmax"
    ]
    Wrt: TypeAlias = Literal["output", "input"]


class Loss(Immutable):
    """A loss of your own.

    Parameters
    ----------
    value : callable, compiled function or pair of compiled functions
        The loss of each output, element by element: ``value(y, a, out)`` or
        ``value(y, a) -> losses`` of 2-D arrays (n, n_outputs), a behind the output
        activation; for several classes y is one-hot. Compiled: ``void f(const T *y,
        const T *a, T *out, ptrdiff_t n, void *user)``, see :class:`Activation`.
        The loss of a row is the sum over its outputs, that of a batch the mean over
        its rows by their weights.
    gradient : callable or compiled function
        Its derivative in the same form, with respect to a or, with ``wrt="input"``, to
        what enters the output activation.
    output_activation : {"identity", "exp", "softplus", "logistic", "softmax"}, \
            default="identity"
        Output activation. A classifier needs "softmax" for more than two classes, else
        "logistic"; a regressor takes the others.
    name : str, default=None
        For messages; None takes that of the function.
    wrt : {"output", "input"}, default="output"
        The variable of the gradient: the outputs a, or the values before
        their activation. The latter is safer where a may round to 0 or 1.

    Raises
    ------
    TypeError, ValueError
        As for :class:`Activation`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Loss, MLPRegressor
    >>> cubic = Loss(
    ...     lambda y, a: np.abs(a - y) ** 3 / 3,
    ...     lambda y, a: (a - y) * np.abs(a - y),
    ...     name="cubic",
    ... )
    >>> MLPRegressor(loss=cubic)
    MLPRegressor(loss=<Loss 'cubic'>)
    """

    __module__ = "fastmlp"

    value: Any
    gradient: Any
    output_activation: LossOutput
    name: str
    wrt: Wrt

    def __init__(
        self,
        value: Any,
        gradient: Any,
        output_activation: LossOutput = "identity",
        *,
        name: str | None = None,
        wrt: Wrt = "output",
    ) -> None:
        self._set(value, gradient, output_activation, name, wrt)
        self._check_derivative(lambda made: check_gradient(made, f"loss {self.name!r}"))

    def _set(self, value, gradient, output_activation, name, wrt):
        """Take over the arguments, without calling the functions."""
        name = checked_name(name, value, "loss")
        what = f"loss {name!r}"
        if wrt not in ("output", "input"):
            raise ValueError(f"wrt must be 'output' or 'input', got {wrt!r}.")
        if output_activation not in loss_output_names:
            raise ValueError(
                f"output_activation must be one of {loss_output_names}, got "
                f"{output_activation!r}."
            )
        if gradient is None:
            raise TypeError(f"{what} needs a gradient.")
        first, second = as_pair(
            (value, gradient),
            ("value", "gradient"),
            what,
            (BINARY, BINARY),
            lambda: (
                binary(value, "value", what),
                binary(gradient, "gradient", what),
            ),
        )
        self._put(
            value=value,
            gradient=gradient,
            output_activation=output_activation,
            name=name,
            wrt=wrt,
            function=Function(what, first, second, wrt == "input", (value, gradient)),
        )

    def __repr__(self):
        return f"<Loss {self.name!r}>"

    def __reduce__(self):
        rest = {k: getattr(self, k) for k in ("output_activation", "name", "wrt")}
        return self._pickled((self.value, self.gradient), rest)
