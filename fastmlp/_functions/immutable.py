"""The base class of user-defined activations and losses: they never change."""

from __future__ import annotations

import pickle

from fastmlp._functions.signatures import is_compiled, may_pickle


class Immutable:
    """A parameter of estimators that clone and deepcopy hand on as it is."""

    def __setattr__(self, name, value):
        raise AttributeError(
            f"{type(self).__name__} is immutable ({name!r}); make a new one."
        )

    def __delattr__(self, name):
        raise AttributeError(f"{type(self).__name__} is immutable ({name!r}).")

    def __sklearn_clone__(self):
        return self

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def _put(self, **values):
        vars(self).update(values)

    def _check_derivative(self, check):
        """Run a check of the derivative; its error says if the other wrt passes."""
        try:
            check(self)
        except ValueError as error:
            wrt = "input" if self.wrt == "output" else "output"
            other = object.__new__(type(self))
            given = {k: v for k, v in vars(self).items() if k != "function"}
            other._set(**{**given, "wrt": wrt})
            try:
                check(other)
            except ValueError:
                raise error from None
            raise ValueError(
                f"{error} It is right with respect to the {wrt}: did you mean "
                f"wrt={wrt!r}?"
            ) from None

    def _pickled(self, functions, rest):
        """The value of ``__reduce__``: the functions by reference, and all else."""
        if any(
            is_compiled(f) and not may_pickle(f) for f in functions if f is not None
        ):
            raise pickle.PicklingError(
                f"{self!r} holds an address in this process and cannot be pickled. "
                "Give compiled functions as ('module', 'name') of a Cython module, or "
                "register an activation with fastmlp.register_activation in a module "
                "that the other process imports."
            )
        return _rebuilt, (type(self), functions, rest)


def _rebuilt(kind, functions, rest):
    """An object of a pickle; it was checked when it was made."""
    made = object.__new__(kind)
    made._set(*functions, **rest)
    return made
