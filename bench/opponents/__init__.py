"""The contestants: fastmlp and its opponents, each trained in a process of its own.

An entry of ``CONTESTANTS`` is the module, the class and the packages it needs.  The
class is made for a cell, a precision and a number of threads, which loads the data
and compiles what there is to compile; then

    train(epochs) -> seconds, losses of the epochs (lbfgs: iterations, the final loss)

trains anew from the same initial weights over the same orders of the rows, and

    check() -> loss of the first epoch (lbfgs: after CHECKED_ITERATIONS); asked of
        data of CHECKED_ITERATIONS batches

tells the loss, the L2 penalty included, by which it is compared.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

SUBJECT = "fastmlp"
REFERENCE = "scikit-learn"
CHECKED_ITERATIONS = 10


class Entry(NamedTuple):
    """The module of a contestant, its packages, and whether it has lbfgs."""

    module: str
    kind: str
    packages: tuple[str, ...]
    lbfgs: bool


CONTESTANTS = {
    "fastmlp": Entry("estimators", "FastMLP", ("fastmlp",), True),
    "scikit-learn": Entry("estimators", "ScikitLearn", ("scikit-learn",), True),
    "torch": Entry("pytorch", "Eager", ("torch",), False),
    "torch-compile": Entry("pytorch", "Compiled", ("torch",), False),
    "jax": Entry("jax_scan", "Scan", ("jax", "jaxlib"), True),
}
RIVALS = [name for name in CONTESTANTS if name != SUBJECT]
_MODULES = {"scikit-learn": "sklearn"}  # packages whose module has another name


def is_installed(name):
    """Return whether the packages of a contestant are there."""
    packages = CONTESTANTS[name].packages
    return all(find_spec(_MODULES.get(package, package)) for package in packages)


def present(names):
    """Those of the names that are installed; says which are not."""
    found = [name for name in names if is_installed(name)]
    for name in names:
        if name not in found:
            print(f"MISSING: {name} is not installed, no opponent")
    return found


def competes(name, cell):
    """Return whether a contestant has the solver of a cell."""
    return cell.solver != "lbfgs" or CONTESTANTS[name].lbfgs


def contestant(name):
    """The class of a contestant; imports its packages."""
    entry = CONTESTANTS[name]
    return getattr(import_module(f"opponents.{entry.module}"), entry.kind)
