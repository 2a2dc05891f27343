"""User-defined functions in all their forms, as the core calls them.

Compiled functions are known by their signature, in many spellings; Python functions by
the number of their arguments.
"""

from __future__ import annotations

import ctypes
import importlib
import inspect
import re

import numpy as np
from scipy import LowLevelCallable

PRECISIONS = ("float32", "float64")
UNARY = "void ({real} *, {real} *, ptrdiff_t, void *)"
BINARY = "void ({real} *, {real} *, {real} *, ptrdiff_t, void *)"
_INTEGERS = {
    "ptrdiff_t", "Py_ssize_t", "ssize_t", "intptr_t", "int64_t", "npy_intp",
    "npy_int64",
}  # fmt: skip
_INTEGERS |= {"long", "signed long"} if np.dtype("l").itemsize == 8 else set()
_INTEGERS |= {"long long", "signed long long", "long long int", "long int"}
_REALS = {"npy_double": "double", "npy_float64": "double", "npy_float32": "float"}


def is_reference(f):
    """Return whether this is ("module", "name")."""
    return (
        isinstance(f, tuple)
        and not isinstance(f, LowLevelCallable)
        and len(f) == 2
        and all(isinstance(part, str) for part in f)
    )


def may_pickle(f):
    """Return whether a compiled function is known by name, as a pair both of them."""
    return is_reference(f) or (
        isinstance(f, tuple)
        and not isinstance(f, LowLevelCallable)
        and all(map(is_reference, f))
    )


def is_compiled(f):
    """Return whether this is a compiled function of a known kind, or a pair of them."""
    kind = type(f)
    if isinstance(f, LowLevelCallable) or is_reference(f):
        return True
    if isinstance(f, tuple):
        return len(f) == 2 and all(map(is_compiled, f))
    return (
        kind.__name__ == "PyCapsule"
        or any(base is ctypes._CFuncPtr for base in kind.__mro__)
        or (kind.__module__ == "_cffi_backend" and "CData" in kind.__name__)
        or (kind.__name__ == "CFunc" and hasattr(f, "ctypes"))
    )


def _capsules(f, expected, what):
    """The addresses of a compiled function, by precision, if its signature is right."""
    if (
        isinstance(f, tuple)
        and not isinstance(f, LowLevelCallable)
        and not is_reference(f)
    ):
        found = [_capsules(part, expected, what) for part in f]
        if [list(part) for part in found] != [["float32"], ["float64"]]:
            raise TypeError(
                f"a pair of functions of {what} must be one of float, one of double, "
                f"in this order; got {' and '.join(next(iter(p)) for p in found)}."
            )
        return {**found[0], **found[1]}
    callable_ = _low_level(f, what)
    given = callable_.signature
    for precision, real in zip(PRECISIONS, ("float", "double")):
        if normalized(given) == normalized(expected.format(real=real)):
            return {precision: tuple.__getitem__(callable_, 0)}
    raise TypeError(
        f"a compiled function of {what} has the signature {given!r}; it must be "
        f"{_shown(expected)} with T double or float."
    )


def _shown(signature):
    """A signature with T for the type, and with const for inputs."""
    parts = signature.format(real="T").replace("void (", "").rstrip(")").split(", ")
    n_inputs = len([part for part in parts if part == "T *"]) - 1
    parts = ["const " + p if i < n_inputs else p for i, p in enumerate(parts)]
    return f"'void ({', '.join(parts)})'"


def _low_level(f, what):
    """A compiled function of any kind as a LowLevelCallable."""
    try:
        if isinstance(f, LowLevelCallable):
            return f
        if is_reference(f):
            module = importlib.import_module(f[0])
            exported = getattr(module, "__pyx_capi__", {})
            if f[1] not in exported:
                raise TypeError(
                    f"the module {f[0]!r} exports no C function {f[1]!r}; it exports "
                    f"{sorted(exported)}. Declare it in its .pxd file"
                )
            return LowLevelCallable(exported[f[1]])
        if type(f).__name__ == "CFunc":
            f = f.ctypes
        if getattr(f, "argtypes", ()) is None:
            raise TypeError(
                "set the restype (None) and argtypes of the ctypes function"
            )
        return LowLevelCallable(f)
    except (TypeError, ValueError, ImportError) as error:
        raise TypeError(
            f"a compiled function of {what} cannot be used: {error}."
        ) from (error)


def normalized(signature):
    """A signature in one spelling: no const, one name for each type."""
    text = re.sub(r"\b(const|volatile|restrict|__restrict)\b", " ", signature)
    text = text.replace("(*)", " ").replace("noexcept", " ").replace("nogil", " ")
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text)
    if match is None:
        return text
    types = []
    for part in match[2].split(","):
        words = part.replace("*", " * ").split()
        stars = words.count("*")
        base = " ".join(word for word in words if word != "*")
        base = "ptrdiff_t" if base in _INTEGERS and not stars else base
        types.append(_REALS.get(base, base) + " *" * stars)
    return f"{match[1]} ({', '.join(types)})"


def is_function(value):
    """Return whether a value may be the first of a pair of functions."""
    return is_compiled(value) or (callable(value) and not isinstance(value, str))


def as_pair(functions, names, what, signatures, python):
    """Both functions as the core takes them: capsules, or Python functions."""
    for f, name in zip(functions, names):
        if f is not None and not is_function(f):
            raise TypeError(
                f"{name} of {what} must be a Python function of arrays or a compiled "
                "function (scipy.LowLevelCallable, ctypes, cffi, numba cfunc, Cython "
                f"capsule or ('module', 'name')), got {f!r}."
            )
    if functions[0] is None:
        raise TypeError(f"{names[0]} of {what} must be a function, got None.")
    compiled = [is_compiled(f) for f in functions if f is not None]
    if all(compiled):
        return tuple(
            None if f is None else _capsules(f, signature, f"the {what} ({name})")
            for f, signature, name in zip(functions, signatures, names)
        )
    if any(compiled):
        raise TypeError(
            f"{names[0]} and {names[1]} of {what} must both be Python functions or "
            "both be compiled."
        )
    return python()


def _inputs(f, inputs, name, what):
    """How many arrays to pass, and whether ``out`` behind them.

    Parameters with a default are left to the function, unless they are called ``out``.
    ``inputs`` are the numbers allowed, the one to take of ``*args`` first.
    """
    most = max(inputs)
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a builtin or a ufunc
        return (f.nin, True) if isinstance(f, np.ufunc) else (inputs[0], False)
    names = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL and not names:
            return inputs[0], False
        positional = parameter.kind in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
        )
        if positional and (
            parameter.default is parameter.empty or parameter.name == "out"
        ):
            names.append(parameter.name)
    has_out = len(names) == most + 1 or (len(names) > 1 and names[-1] == "out")
    n = len(names) - has_out
    if n not in inputs:
        raise TypeError(
            f"{name} of {what} takes {len(names)} arguments, but it is called with "
            f"{' or '.join(map(str, sorted(inputs)))} arrays, and out if it takes it."
        )
    return n, has_out


def _writer(call, has_out, name, what):
    """A function that writes to its last argument, by one that may return instead.

    Parameters
    ----------
    call : callable
        Called with all arrays, ``out`` the last.
    has_out : bool
        Whether the user-defined function is given ``out``.
    name, what : str
    """

    def write(*arrays):
        out = arrays[-1]
        result = call(*arrays)
        if result is out or (result is None and has_out):
            return
        if result is None:
            raise ValueError(
                f"{name} of {what} returned None; return the values, or take `out` as "
                "the last argument and write them there."
            )
        shape = getattr(result, "shape", None)
        if shape != out.shape:
            raise ValueError(
                f"{name} of {what} returned "
                + (
                    f"an array of shape {shape}"
                    if shape is not None
                    else f"{type(result).__name__}"
                )
                + f" for one of shape {out.shape}; it must keep the shape."
            )
        np.copyto(out, result, casting="same_kind")

    return write


def unary(f, what):
    """forward(z, out) of any of its forms."""
    _, has_out = _inputs(f, (1,), "forward", what)
    return _writer(f if has_out else lambda z, out: f(z), has_out, "forward", what)


def slopes(f, wrt, what):
    """derivative(z, a, out) of any of its forms; None of None."""
    if f is None:
        return None
    n, has_out = _inputs(f, (1, 2), "derivative", what)
    if n == 2:
        call = f if has_out else lambda z, a, out: f(z, a)
    else:
        i = 0 if wrt == "input" else 1

        def call(*arrays):
            return f(arrays[i], arrays[2]) if has_out else f(arrays[i])

    return _writer(call, has_out, "derivative", what)


def binary(f, name, what):
    """A function (y, a, out) of any of its forms."""
    _, has_out = _inputs(f, (2,), name, what)
    call = f if has_out else lambda y, a, out: f(y, a)
    return _writer(call, has_out, name, what)


def checked_name(name, function, kind):
    """The name of a function, after a check."""
    if name is None:
        while isinstance(function, tuple) and not isinstance(
            function, LowLevelCallable
        ):
            function = function[-1]
        return str(
            function
            if isinstance(function, str)
            else getattr(function, "__name__", kind)
        )
    if not isinstance(name, str) or not name:
        raise TypeError(f"name must be a str or None, got {name!r}.")
    return name
