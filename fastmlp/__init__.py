"""Multi-layer perceptrons on the CPU behind scikit-learn's estimator interface."""

from importlib.metadata import version as _version

try:
    from fastmlp._mlp import MLPClassifier, MLPRegressor
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("fastmlp._core."):
        raise
    raise ImportError(
        "the compiled core of fastmlp is missing: this is a source folder that has not "
        "been built. Run `pip install .` in it, with the Python you are using now."
    ) from error
from fastmlp._show_versions import show_versions

__version__ = _version("fastmlp")
__all__ = ["MLPClassifier", "MLPRegressor", "__version__", "show_versions"]
