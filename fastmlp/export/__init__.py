"""Fitted models for other runtimes: ONNX, C, PyTorch, Keras and scikit-learn."""

from fastmlp.export._c import to_c
from fastmlp.export._from_onnx import from_onnx
from fastmlp.export._keras import from_keras, to_keras
from fastmlp.export._onnx import to_onnx
from fastmlp.export._skl2onnx import register_skl2onnx
from fastmlp.export._sklearn import from_sklearn, to_sklearn
from fastmlp.export._torch import from_torch, to_torch

__all__ = [
    "from_keras",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "register_skl2onnx",
    "to_c",
    "to_keras",
    "to_onnx",
    "to_sklearn",
    "to_torch",
]
