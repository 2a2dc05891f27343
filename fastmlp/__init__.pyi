"""The public names, for type checkers and editors; they are imported on first use."""

from fastmlp._functions.activations import Activation as Activation
from fastmlp._functions.activations import register_activation as register_activation
from fastmlp._functions.losses import Loss as Loss
from fastmlp._inspection.display import LossCurveDisplay as LossCurveDisplay
from fastmlp._inspection.display import WeightsDisplay as WeightsDisplay
from fastmlp._inspection.graph_display import plot_graph as plot_graph
from fastmlp._inspection.network_display import NetworkDisplay as NetworkDisplay
from fastmlp._inspection.network_display import plot_network as plot_network
from fastmlp._inspection.representation import HiddenFeatures as HiddenFeatures
from fastmlp._inspection.trace import StepTrace as StepTrace
from fastmlp._mlp.callbacks import EpochRecord as EpochRecord
from fastmlp._mlp.classifier import MLPClassifier as MLPClassifier
from fastmlp._mlp.model_files import load_model as load_model
from fastmlp._mlp.model_files import save_model as save_model
from fastmlp._mlp.pipeline import fold_scalers as fold_scalers
from fastmlp._mlp.regressor import MLPRegressor as MLPRegressor
from fastmlp._model.versions import ModelVersionWarning as ModelVersionWarning
from fastmlp._tabular.classifier import TabularMLPClassifier as TabularMLPClassifier
from fastmlp._tabular.regressor import TabularMLPRegressor as TabularMLPRegressor
from fastmlp._utils.show_versions import show_versions as show_versions
from fastmlp.export import from_keras as from_keras
from fastmlp.export import from_onnx as from_onnx
from fastmlp.export import from_sklearn as from_sklearn
from fastmlp.export import from_torch as from_torch
from fastmlp.export import register_skl2onnx as register_skl2onnx
from fastmlp.export import to_c as to_c
from fastmlp.export import to_keras as to_keras
from fastmlp.export import to_onnx as to_onnx
from fastmlp.export import to_sklearn as to_sklearn
from fastmlp.export import to_torch as to_torch

__version__: str
__all__ = [
    "Activation",
    "EpochRecord",
    "HiddenFeatures",
    "Loss",
    "LossCurveDisplay",
    "MLPClassifier",
    "MLPRegressor",
    "ModelVersionWarning",
    "NetworkDisplay",
    "StepTrace",
    "TabularMLPClassifier",
    "TabularMLPRegressor",
    "WeightsDisplay",
    "__version__",
    "fold_scalers",
    "from_keras",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "load_model",
    "plot_graph",
    "plot_network",
    "register_activation",
    "register_skl2onnx",
    "save_model",
    "show_versions",
    "to_c",
    "to_keras",
    "to_onnx",
    "to_sklearn",
    "to_torch",
]
