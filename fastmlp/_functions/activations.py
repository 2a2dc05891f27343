"""User-defined activations, and the names by which they are known.

A function is checked when it is made, not in the middle of a fit: it is called on a few
values for shape, dtype and finiteness, and its derivative is compared with differences.
"""

from __future__ import annotations

import importlib
import pickle
import sys
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fastmlp._core.custom import Function, apply
from fastmlp._core.kernels import activation_names
from fastmlp._functions.checks import check_slopes, probe
from fastmlp._functions.immutable import Immutable
from fastmlp._functions.signatures import (
    BINARY,
    UNARY,
    as_pair,
    checked_name,
    is_function,
    slopes,
    unary,
)
from fastmlp._utils.numbers import real_array

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeAlias

    from fastmlp._utils.annotations import Array, ArrayLike

    Wrt: TypeAlias = Literal["output", "input"]

# name: (Activation, module that registered it); replaced as a whole, never changed
_registry = {}


class Activation(Immutable):
    """An activation of your own for the hidden layers.

    Parameters
    ----------
    forward : callable, compiled function or pair of compiled functions
        The activation, element by element. Either a Python function of a 2-D
        C-contiguous array, ``forward(z, out)`` or ``forward(z) -> a``, which is called
        once per layer and batch; z is read-only. Or a compiled function
        ``void f(const T *z, T *a, ptrdiff_t n, void *user)`` with T double or float,
        which runs without the GIL, in several threads at once, and must not use
        Python: a :class:`scipy.LowLevelCallable`, a ctypes or cffi function pointer, a
        numba ``cfunc``, a capsule of Cython, or ``("module", "name")`` of a function
        that a Cython module exports. A pair of them serves float32 and float64.
    derivative : callable or compiled function, default=None
        ``derivative(z, a, out)``, ``derivative(z, a) -> d`` or, of one argument,
        ``derivative(a) -> d`` (of z with ``wrt="input"``). Compiled:
        ``void df(const T *z, const T *a, T *delta, ptrdiff_t n, void *user)``, which
        multiplies delta in place. Both of them are Python or both are compiled. None
        serves prediction only.
    name : str, default=None
        For messages; None takes that of the function.
    wrt : {"output", "input"}, default="output"
        The argument of a derivative that takes one.
    onnx : callable, default=None
        ``onnx(graph, z, dtype) -> name``: adds nodes to the graph and returns the name
        of the output; ``graph.node(kind, inputs, **attributes)`` and
        ``graph.constant(array)`` return names. Needed for ``to_onnx``.
    c_source : str, default=None
        Expression in C99 of ``z``, such as ``"z > 0 ? z : 0"``. Needed for ``to_c``.
    torch : callable, default=None
        Returns a ``torch.nn.Module``. Needed for ``to_torch``.

    Raises
    ------
    TypeError
        If a function is neither Python nor compiled, or has another signature.
    ValueError
        If the function gives a wrong shape or is not finite, changes its input, or if
        the derivative does not agree with differences of it.

    Notes
    -----
    An exception in a Python function ends the fit; it is raised again, and the model
    keeps the weights of the last whole batch. With a Python function a fit runs in one
    thread. A pickle holds the functions by reference, so that they must be importable,
    or the registered name.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Activation, MLPRegressor
    >>> square = Activation(np.square, lambda z, a: 2 * z, name="square")
    >>> square([1.0, 3.0])
    array([1., 9.])
    >>> model = MLPRegressor(hidden_layer_sizes=(4, 3), activation=[square, "tanh"])
    """

    __module__ = "fastmlp"

    forward: Any
    derivative: Any
    name: str
    wrt: Wrt
    onnx: Callable[..., str] | None
    c_source: str | None
    torch: Callable[[], Any] | None

    def __init__(
        self,
        forward: Any,
        derivative: Any = None,
        *,
        name: str | None = None,
        wrt: Wrt = "output",
        onnx: Callable[..., str] | None = None,
        c_source: str | None = None,
        torch: Callable[[], Any] | None = None,
    ) -> None:
        self._set(forward, derivative, name, wrt, onnx, c_source, torch)
        what = f"activation {self.name!r}"
        for dtype in self.function.dtypes:
            probe(self.function, dtype, what)
        if derivative is not None:
            self._check_derivative(
                lambda made: check_slopes(made.function, made.function.dtypes[-1], what)
            )

    def _set(self, forward, derivative, name, wrt, onnx, c_source, torch):
        """Take over the arguments, without calling the functions."""
        name = checked_name(name, forward, "activation")
        if wrt not in ("output", "input"):
            raise ValueError(f"wrt must be 'output' or 'input', got {wrt!r}.")
        for key, value in (("onnx", onnx), ("torch", torch)):
            if value is not None and not callable(value):
                raise TypeError(f"{key} must be a callable or None, got {value!r}.")
        if c_source is not None and not isinstance(c_source, str):
            raise TypeError(f"c_source must be a str or None, got {c_source!r}.")
        what = f"activation {name!r}"
        first, second = as_pair(
            (forward, derivative),
            ("forward", "derivative"),
            what,
            (UNARY, BINARY),
            lambda: (unary(forward, what), slopes(derivative, wrt, what)),
        )
        self._put(
            forward=forward,
            derivative=derivative,
            name=name,
            wrt=wrt,
            onnx=onnx,
            c_source=c_source,
            torch=torch,
            function=Function(what, first, second, False, (forward, derivative)),
        )

    def __repr__(self):
        return f"<Activation {self.name!r}>"

    def __call__(self, z: ArrayLike) -> Array:
        """Evaluate the activation.

        Parameters
        ----------
        z : array-like
            Real numbers, in any shape.

        Returns
        -------
        a : ndarray
            Of the same shape, in float32 or float64.

        Raises
        ------
        TypeError
            If z holds anything but real numbers.
        ValueError
            If z is ragged, or holds a number that no float64 holds.
        """
        z = real_array(z, "z")
        dtype = z.dtype.name if z.dtype.name in self.function.dtypes else None
        rows = np.array(z, dtype or self.function.dtypes[-1], ndmin=1, order="C")
        rows = rows.reshape(1, -1)
        out = np.empty_like(rows)
        if rows.size:
            apply(self.function, rows, out)
        return out.reshape(z.shape)

    def _is_same(self, other):
        """Return whether another activation has the same functions and exports."""
        keys = ("forward", "derivative", "wrt", "onnx", "c_source", "torch")
        return all(getattr(self, key) == getattr(other, key) for key in keys)

    def __reduce__(self):
        registered = _registry.get(self.name)
        if registered is not None and registered[0] is self:
            return _by_name, (self.name, registered[1])
        rest = {k: getattr(self, k) for k in ("name", "wrt", "onnx", "c_source")}
        return self._pickled(
            (self.forward, self.derivative), {**rest, "torch": self.torch}
        )


def register_activation(
    name: str, activation: Activation | tuple[Any, Any]
) -> Activation:
    """Make an activation known by a name, for ``activation=`` and in pickles.

    Parameters
    ----------
    name : str
        An identifier; not the name of an activation of fastmlp. Registering another
        activation under a name replaces the earlier one for fits from then on.
    activation : Activation or pair (forward, derivative)
        The activation.

    Returns
    -------
    activation : Activation
        It, under that name.

    Raises
    ------
    ValueError
        If the name is taken or no identifier.
    TypeError
        If the activation is of another type.

    Warns
    -----
    UserWarning
        If other functions were registered under the name.

    Notes
    -----
    A pickle then holds the name and the module that registered it, which is imported
    on loading. A model file (``save_model``) holds the name alone: register the
    activation before ``load_model``.

    A fitted model keeps the activation that it was fitted with: predictions,
    ``compile``, ``partial_fit``, fits with ``warm_start`` and copies use it although
    another one is registered under its name by now. Then ``save_model`` refuses the
    model and a pickle holds its functions by reference. A model that was stored before
    takes the activation that is registered when it is loaded.

    Examples
    --------
    >>> from fastmlp import MLPRegressor, register_activation
    >>> import numpy as np
    >>> cube = register_activation("cube", (np.tanh, lambda a: 1 - a * a))
    >>> MLPRegressor(activation="cube").activation
    'cube'
    """
    global _registry
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"name must be a str that is an identifier, got {name!r}.")
    if name in activation_names:
        raise ValueError(f"{name!r} is an activation of fastmlp; take another name.")
    found = as_activation(activation)
    if found is None:
        raise TypeError(
            "activation must be a fastmlp.Activation or a pair (forward, derivative), "
            f"got {activation!r}."
        )
    if found.name != name:
        named = object.__new__(Activation)
        named._put(**{**vars(found), "name": name})
        found = named
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    if name in _registry:
        earlier = _registry[name][0]
        if found._is_same(earlier):
            return earlier
        warnings.warn(
            f"the activation {name!r} is registered anew, with other functions: models "
            "fitted before keep theirs, new fits take these, and so do stored models "
            "when they are loaded.",
            UserWarning,
            stacklevel=2,
        )
    _registry = {**_registry, name: (found, module)}
    return found


def registered_activations():
    """The registered activations by name; another object after each registration."""
    return _registry


def stored_name(activation):
    """The name by which a model file knows an activation.

    Raises
    ------
    TypeError
        If it is not registered.
    """
    name = activation.name
    if name in _registry and _registry[name][0] is activation:
        return name
    if name in _registry:
        raise TypeError(
            f"the name {name!r} is registered for another activation than that of the "
            "model, and a model file holds no functions. Register that of the model "
            "under another name and set `activation` to that, or fit anew."
        )
    raise TypeError(
        f"{activation!r} is not registered, and a model file holds no functions. Call "
        f"fastmlp.register_activation({name!r}, ...) and set activation={name!r} "
        "before saving, and register it before loading."
    )


def as_activation(value):
    """The Activation that a value is, names or describes, else None."""
    if isinstance(value, Activation):
        return value
    if isinstance(value, str):
        return _registry[value][0] if value in _registry else None
    if isinstance(value, tuple) and len(value) == 2 and is_function(value[0]):
        return (_of_pair if _is_hashable(value) else Activation)(*value)
    return None


def _is_hashable(value):
    """Return whether a value may be a key."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


@lru_cache(maxsize=64)
def _of_pair(forward, derivative):
    """The activation of a pair of functions, checked once."""
    return Activation(forward, derivative)


def _by_name(name, module):
    """The activation of a name in a pickle."""
    if name not in _registry:
        importlib.import_module(module)
    if name not in _registry:
        raise pickle.UnpicklingError(
            f"the activation {name!r} is not registered in this process, and "
            f"importing {module!r} did not register it. Call fastmlp."
            "register_activation in a module that both processes import."
        )
    return _registry[name][0]
