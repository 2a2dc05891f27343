"""Versions and build facts for bug reports."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import scipy

from fastmlp._core.kernels import available_isas, isa


def show_versions() -> None:
    """Print the versions of Python and the packages, BLAS and instruction set.

    Examples
    --------
    >>> from fastmlp import show_versions
    >>> show_versions()  # doctest: +SKIP
    """
    packages = ("fastmlp", "numpy", "scipy", "scikit-learn", "threadpoolctl")
    facts = {"python": sys.version.split()[0], "platform": platform.platform()}
    for name in packages:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    blas = scipy.show_config("dicts")["Build Dependencies"]["blas"]
    facts["BLAS of scipy"] = f"{blas['name']} {blas['version']}"
    facts["integer width"] = f"{np.dtype(np.intp).itemsize * 8} bit"
    facts["instruction set"] = f"{isa} of {', '.join(available_isas)}"
    for name, value in facts.items():
        print(f"{name:>16}: {value}")
