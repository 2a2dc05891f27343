"""Types of public arguments, for annotations only: nothing imports this at run time."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import sparray, spmatrix

__all__ = ["Array", "ArrayLike", "DType", "FilePath", "MatrixLike", "Weights"]

Array: TypeAlias = NDArray[Any]
MatrixLike: TypeAlias = ArrayLike | spmatrix | sparray
Weights: TypeAlias = float | ArrayLike | None
DType: TypeAlias = str | np.dtype[Any] | type[np.float32] | type[np.float64]
FilePath: TypeAlias = str | os.PathLike[str]
