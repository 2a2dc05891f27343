"""Multi-layer perceptrons on the CPU behind scikit-learn's estimator interface."""

from importlib import import_module as _import_module


def _is_main_interpreter():
    """Return whether this is the interpreter that the process began with."""
    for name in ("_interpreters", "_xxsubinterpreters"):  # from Python 3.13 on, before
        try:
            interpreters = _import_module(name)
        except ImportError:
            continue
        return interpreters.get_current() == interpreters.get_main()
    return True  # this Python makes no other


# Before the core and NumPy are loaded, since each refuses it in words of its own.
if not _is_main_interpreter():
    raise ImportError(
        "fastmlp cannot be imported in a sub-interpreter: its compiled modules, like "
        "those of NumPy and SciPy, hold one state per process. Import it in the main "
        "interpreter (with mod_wsgi: WSGIApplicationGroup %{GLOBAL}), or use processes."
    )

try:
    import fastmlp._core.kernels as _kernels  # noqa: F401
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("fastmlp._core."):
        raise
    raise ImportError(
        f"the compiled core of fastmlp is missing: {__path__[0]} is a source folder, "
        "which hides an installed fastmlp. Run `python setup.py develop` there with "
        "this Python, or import from another working directory."
    ) from error

# The module of each public name.  They are imported on first use, so that
# `import fastmlp.runtime` does without scikit-learn.
_MODULES = {
    "Activation": "fastmlp._functions.activations",
    "Loss": "fastmlp._functions.losses",
    "EpochRecord": "fastmlp._mlp.callbacks",
    "HiddenFeatures": "fastmlp._inspection.representation",
    "LossCurveDisplay": "fastmlp._inspection.display",
    "MLPClassifier": "fastmlp._mlp.classifier",
    "MLPRegressor": "fastmlp._mlp.regressor",
    "ModelVersionWarning": "fastmlp._model.versions",
    "NetworkDisplay": "fastmlp._inspection.network_display",
    "StepTrace": "fastmlp._inspection.trace",
    "TabularMLPClassifier": "fastmlp._tabular.classifier",
    "TabularMLPRegressor": "fastmlp._tabular.regressor",
    "WeightsDisplay": "fastmlp._inspection.display",
    "fold_scalers": "fastmlp._mlp.pipeline",
    "from_keras": "fastmlp.export",
    "from_onnx": "fastmlp.export",
    "from_sklearn": "fastmlp.export",
    "from_torch": "fastmlp.export",
    "load_model": "fastmlp._mlp.model_files",
    "plot_graph": "fastmlp._inspection.graph_display",
    "plot_network": "fastmlp._inspection.network_display",
    "register_activation": "fastmlp._functions.activations",
    "register_skl2onnx": "fastmlp.export",
    "save_model": "fastmlp._mlp.model_files",
    "show_versions": "fastmlp._utils.show_versions",
    "to_c": "fastmlp.export",
    "to_keras": "fastmlp.export",
    "to_onnx": "fastmlp.export",
    "to_sklearn": "fastmlp.export",
    "to_torch": "fastmlp.export",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name):
    """Import a public name on first use (PEP 562)."""
    if name == "__version__":
        value = _import_module("importlib.metadata").version("fastmlp")
    elif name in _MODULES:
        value = getattr(_import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module 'fastmlp' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    """All public names, also those not imported yet."""
    return sorted({*globals(), *__all__})
