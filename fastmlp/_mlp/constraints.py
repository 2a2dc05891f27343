"""Kinds of rules for parameters, and the same as scikit-learn's constraints."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from fastmlp._utils.numbers import is_finite


class InvalidParameterError(ValueError, TypeError):
    """A constructor parameter is of a wrong type or out of range."""


class Rule(NamedTuple):
    """A rule that a parameter must meet, in words and as a test.

    Attributes
    ----------
    text : str
    accepts : callable
    constraint : object
        Its entry in scikit-learn's ``_parameter_constraints``; ``...`` where
        scikit-learn has no constraint of this kind.
    names : tuple of str
        The allowed texts.
    """

    text: str
    accepts: Callable[[object], bool]
    constraint: object = ...
    names: tuple = ()


class RuleConstraint(HasMethods):
    """A rule for which scikit-learn has no constraint.

    scikit-learn takes objects of its own classes only. Of these it is a HasMethods, for
    which the tests of scikit-learn make up a bare object as an invalid value.
    """

    def __init__(self, rule):
        self.rule, self.methods = rule, []

    def is_satisfied_by(self, val):
        """Return whether a value is as the rule says."""
        return bool(self.rule.accepts(val))

    def __str__(self):
        return self.rule.text


def interval(kind, low, high, closed):
    """A number of some kind between two bounds; '[' and ']' include them."""
    text = f"{closed[0]}{low}, {high}{closed[1]}"

    def accepts(value):
        if not isinstance(value, kind) or value != value:
            return False
        if kind is Real and not is_finite(value):
            return False
        above = value >= low if closed[0] == "[" else value > low
        return above and (value <= high if closed[1] == "]" else value < high)

    ends = {"[]": "both", "[)": "left", "(]": "right", "()": "neither"}
    bounds = (None if np.isinf(bound) else bound for bound in (low, high))
    return Rule(
        f"{'an int' if kind is Integral else 'a float'} in the range {text}",
        accepts,
        Interval(kind, *bounds, closed=ends[closed]),
    )


def one_of(names):
    """A name out of a list."""
    listed = ", ".join(repr(name) for name in names)
    return Rule(
        f"a str among {{{listed}}}",
        lambda value: isinstance(value, str) and value in names,
        StrOptions(set(names)),
        tuple(names),
    )


NONE = Rule("None", lambda value: value is None, None)
BOOLEAN = Rule("a bool", lambda value: isinstance(value, bool | np.bool_), "boolean")


def invalid(estimator, name, text, hint=""):
    """The error about one parameter."""
    value = getattr(estimator, name)
    return InvalidParameterError(
        f"The {name!r} parameter of {type(estimator).__name__} must be {text}. "
        f"Got {value!r} instead.{hint}"
    )


class _Alternatives(list):
    """The constraints of a parameter that were derived from its rules."""


def constraints(rules):
    """The rules as scikit-learn's ``_parameter_constraints``."""
    return {
        name: _Alternatives(
            RuleConstraint(rule) if rule.constraint is ... else rule.constraint
            for rule in alternatives
        )
        for name, alternatives in rules.items()
    }


def check_own_constraints(estimator):
    """Check the parameters that a subclass constrains in scikit-learn's way."""
    own = {
        name: alternatives
        for name, alternatives in estimator._parameter_constraints.items()
        if not isinstance(alternatives, _Alternatives)
    }
    if own:
        params = estimator.get_params(deep=False)
        validate_parameter_constraints(own, params, type(estimator).__name__)
