"""Types of the parameters of the estimators for tables, for annotations only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from fastmlp._utils.annotations import Array, ArrayLike

# a frame has no type of its own here
TableLike: TypeAlias = ArrayLike | Sequence[Mapping[str, Any]] | Any
CategoricalFeatures: TypeAlias = (
    Literal["from_dtype"]
    | Sequence[str]
    | Sequence[int]
    | Sequence[bool]
    | Array
    | None
)
Validation: TypeAlias = Literal["auto", "holdout", "folds"]
NumberEmbedding: TypeAlias = Literal["periodic"] | None
ClassifierScoring: TypeAlias = Literal["log_loss", "accuracy"]
