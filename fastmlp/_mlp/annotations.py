"""Types of the estimators' parameters, for annotations only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from numpy.random import RandomState

from fastmlp._functions.activations import Activation
from fastmlp._functions.losses import Loss
from fastmlp._mlp.callbacks import EpochRecord
from fastmlp._utils.annotations import Array


class Splitter(Protocol):
    """A splitter of scikit-learn."""

    def split(
        self, X: Any, y: Any = ..., groups: Any = ...
    ) -> Iterator[tuple[Any, Any]]:
        """Yield the row numbers of both parts, split after split."""


HiddenLayerSizes: TypeAlias = int | Iterable[int]
# a name, a name with its parameter, a pair of functions
HiddenActivation: TypeAlias = str | tuple[Any, Any] | Activation
HiddenActivations: TypeAlias = HiddenActivation | list[Any]
Solver: TypeAlias = Literal[
    "lbfgs", "sgd", "adam", "nadam", "rmsprop", "adagrad", "lion"
]
Shuffle: TypeAlias = bool | Literal["blocks"]
BatchSize: TypeAlias = int | Literal["auto"]
Schedule: TypeAlias = Literal[
    "constant",
    "invscaling",
    "adaptive",
    "cosine",
    "warmup_cosine",
    "one_cycle",
    "plateau",
]
LearningRate: TypeAlias = Schedule | tuple[Schedule, float] | Callable[[int], float]
RandomSource: TypeAlias = int | RandomState | None
WeightInit: TypeAlias = Literal[
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_normal",
    "orthogonal",
    "standard_normal",
]
ClassWeight: TypeAlias = (
    Literal["balanced"]
    | Mapping[Any, float]
    | Sequence[Mapping[Any, float]]
    | Sequence[float]
    | Array
    | None
)
ValidationSplit: TypeAlias = float | Sequence[int] | Array | Splitter | None
Scoring: TypeAlias = str | Callable[..., float] | None
OnDivergence: TypeAlias = Literal["raise", "warn", "reduce_lr"]
RandomStream: TypeAlias = Literal["restart", "continue"]
ClassifierLoss: TypeAlias = Literal["log_loss", "focal"] | Loss
NumberLoss: TypeAlias = Literal[
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "quantile",
    "poisson",
    "gamma",
    "tweedie",
    "gaussian_nll",
]
RegressorLoss: TypeAlias = NumberLoss | Loss
OutputActivation: TypeAlias = (
    Literal["identity", "exp", "softplus", "logistic"]
    | tuple[Literal["logistic"], float, float]
    | None
)
Factors: TypeAlias = Sequence[float] | Array
WeightAveraging: TypeAlias = (
    Literal["ema", "swa"] | tuple[Literal["ema", "swa"], float] | None
)
Callback: TypeAlias = Callable[[EpochRecord], object]
