"""PyTorch: a fitted model as torch.nn.Sequential, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastmlp._utils.spelling import suggests_keywords
from fastmlp.export._fitted import check_params, fitted_model
from fastmlp.export._source import layers_snapshot

if TYPE_CHECKING:
    from typing import Any

    from torch.nn import Sequential

    from fastmlp import MLPClassifier, MLPRegressor
    from fastmlp._utils.annotations import ArrayLike

_MODULES = {
    "logistic": "Sigmoid",
    "tanh": "Tanh",
    "relu": "ReLU",
    "softplus": "Softplus",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "softsign": "Softsign",
    "hard_sigmoid": "Hardsigmoid",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
}
_WITH_PARAMETER = {"leaky_relu": "negative_slope", "elu": "alpha"}
_PASSED = ("Identity", "AlphaDropout")  # the identity once training is over
_LINEAR_FROM = 20.0  # threshold of Softplus beyond which float64 has 9 digits of it


def _torch():
    """Import torch, or name the remedy."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "to_torch and from_torch need torch: pip install torch"
        ) from (error)
    return torch


@suggests_keywords
def to_torch(estimator: Any, *, logits: bool = False) -> Sequential:
    """Convert a fitted model to a module of PyTorch.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline
        Fitted. A pipeline of scalers and an MLP becomes the model that `fold_scalers`
        makes of it.
    logits : bool, default=False
        Whether to leave out the output activation (softmax, sigmoid or exp), as the
        losses of PyTorch want it for further training.

    Returns
    -------
    module : torch.nn.Sequential
        In evaluation mode and in the dtype of the weights, which are copied. It returns
        (n_samples, n_outputs): probabilities, a single column of that of the second
        class for two classes, or the values of a regressor.

    Raises
    ------
    ImportError
        If torch is not installed.
    ValueError
        If the model knows a single class, if an activation has no module, or if a step
        of a pipeline cannot be folded.
    """
    model = layers_snapshot(estimator)
    torch = _torch()
    layers = []
    for i, (w, b) in enumerate(zip(model.coefs, model.intercepts)):
        dtype = torch.float32 if w.dtype == np.float32 else torch.float64
        linear = torch.nn.Linear(*w.shape, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.array(w.T, order="C")))
            linear.bias.copy_(torch.from_numpy(np.array(b)))
        layers.append(linear)
        if i < len(model.activations):
            layers += _activation(torch.nn, *model.activations[i])
    if not logits:
        layers += {
            "identity": list,
            "softmax": lambda: [torch.nn.Softmax(dim=1)],
            "logistic": lambda: [torch.nn.Sigmoid()],
            "exp": lambda: [_exponential(torch)],
        }[model.output_activation]()
    return torch.nn.Sequential(*layers).eval()


def _activation(nn, name, parameter):
    """The module of an activation, in a list; identity needs none."""
    if name == "identity":
        return []
    if getattr(name, "torch", None) is not None:
        return [name.torch()]
    if name not in _MODULES:
        raise ValueError(
            f"the activation {name!r} has no export to torch; one of your own needs "
            "torch, a function that makes a module."
        )
    kind = getattr(nn, _MODULES[name])
    return [kind(parameter) if name in _WITH_PARAMETER else kind()]


def _exponential(torch):
    """A module that applies exp."""

    class Exp(torch.nn.Module):
        def forward(self, z):
            return torch.exp(z)

    return Exp()


def from_torch(
    module: Sequential, *, classes: ArrayLike | None = None, **params: Any
) -> MLPClassifier | MLPRegressor:
    """Convert a feed-forward module of PyTorch to a fitted model.

    Parameters
    ----------
    module : torch.nn.Sequential
        Linear layers with an activation after each but the last: none, Sigmoid, Tanh,
        ReLU, Softplus, LeakyReLU, ELU, SELU, GELU, SiLU, Mish, Softsign or
        Hardsigmoid. At the end Softmax (or
        LogSoftmax) makes a classifier of several classes, Sigmoid one of two classes
        or, with several outputs, of labels; none of them a regressor. A softmax of two
        outputs becomes the sigmoid of their difference, the form of scikit-learn.
        The rates of Dropout become the parameter ``dropout``, for later training;
        AlphaDropout, and Dropout after the last linear layer, are passed over. Linear
        layers that all lack a bias give ``fit_intercept=False``.
    classes : array-like of shape (n_classes,), default=None
        Class labels in the order of the outputs; None takes 0, 1, ... If given, a
        module that ends in a linear layer is a classifier whose outputs are logits.
        ``classes_`` holds them sorted, as in scikit-learn, and the outputs with them.
    **params
        Further parameters of the estimator, for later training; sizes and activations
        of the layers are those of the module.

    Returns
    -------
    estimator : MLPClassifier or MLPRegressor
        With copies of the weights, in their dtype.

    Raises
    ------
    TypeError
        If a layer is of a kind that an MLP lacks, such as a subclass of Linear, has
        parameters beside weight and bias, has forward hooks, or is not real, or if
        ``params`` holds what the module says.
    ValueError
        If the layers do not make an MLP, if a layer has an option that an MLP lacks,
        such as ``Softplus(beta=2)``, or if ``classes`` does not fit the outputs.
    """
    check_params(params, "module")
    linear, activations, output, dropout = _sorted_layers(_flattened(module))
    coefs = [_array(layer.weight).T.copy() for layer in linear]
    intercepts = [
        np.zeros(len(layer.weight), w.dtype)
        if layer.bias is None
        else _array(layer.bias)
        for layer, w in zip(linear, coefs)
    ]
    found = {
        "dropout": dropout if any(dropout) else 0.0,
        "fit_intercept": any(layer.bias is not None for layer in linear),
    }
    return fitted_model(
        coefs, intercepts, activations, output, classes, {**found, **params}
    )


def _name(layer):
    """The name of the class of a layer."""
    return type(layer).__name__


def _array(tensor):
    """A parameter as an array of its own."""
    torch = _torch()
    if not tensor.is_floating_point():
        raise TypeError(f"the weights must be real floats, got {tensor.dtype}.")
    kind = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    return np.array(tensor.detach().to("cpu", kind).numpy())


def _flattened(module):
    """The layers of nested Sequentials in order."""
    if type(module) is not _torch().nn.Sequential:
        return [module]
    _check_hooks(module)
    # children() would leave out a layer that occurs again, such as one shared ReLU.
    return [layer for child in module for layer in _flattened(child)]


def _check_hooks(layer):
    """Raise TypeError if a layer has hooks that may change what it computes."""
    if layer._forward_hooks or layer._forward_pre_hooks:
        raise TypeError(
            f"a {_name(layer)} has forward hooks, which may change its output; remove "
            "them first, by remove() of the handle that registering them returned."
        )


def _sorted_layers(layers):
    """Linear layers, hidden activations, the output activation or None, and dropout.

    The rates of dropout are those of the input and of each hidden layer.
    """
    names = {module: name for name, module in _MODULES.items()}
    names |= {"Softmax": "softmax", "LogSoftmax": "softmax", "Exp": "exp"}
    linear, between, rates = [], [], [0.0]
    for layer in layers:
        name = _known_name(layer, ("Linear", "Dropout", *names, *_PASSED))
        if name == "Linear":
            linear.append(layer)
            between.append("identity")
            rates.append(0.0)
        elif name == "Dropout":
            both = 1 - (1 - rates[-1]) * (1 - layer.p)
            rates[-1] = both if rates[-1] else layer.p
        elif name not in _PASSED:
            if not linear or between[-1] != "identity":
                raise ValueError(f"{name} must follow a Linear layer.")
            between[-1] = _with_parameter(names[name], layer)
    if not linear:
        raise ValueError("the module has no Linear layer.")
    output = None if between[-1] == "identity" else between[-1]
    if any(name in ("softmax", "exp") for name in between[:-1]):
        raise ValueError("Softmax and Exp are for the output layer only.")
    if output not in (None, "softmax", "exp", "logistic"):
        raise ValueError(f"the output activation cannot be {output!r}.")
    return linear, between[:-1], output, rates[:-1]


def _known_name(layer, known):
    """The name of a layer, if it computes what torch.nn has under that name."""
    name, nn = _name(layer), _torch().nn
    # Exp is that of to_torch: torch.nn has none.
    is_own = name == "Exp" and type(layer).__module__ == __name__
    if name not in known or not (is_own or type(layer) is getattr(nn, name, None)):
        what = f"{type(layer).__module__}.{type(layer).__qualname__}"
        raise TypeError(
            f"a layer is a {name} ({what}); an MLP is made of these of torch.nn: "
            f"{', '.join(known)}."
        )
    others = {n for n, _ in layer.named_parameters()} - {"weight", "bias"}
    if others:
        raise TypeError(
            f"a {name} has the parameters {sorted(others)}, from which a hook makes "
            "its weight; first make the weight a parameter, for example by "
            "torch.nn.utils.remove_weight_norm or torch.nn.utils.prune.remove."
        )
    _check_hooks(layer)
    return name


def _with_parameter(name, layer):
    """The activation of a layer, with its parameter if it has one."""
    if name in _WITH_PARAMETER:
        return name, float(getattr(layer, _WITH_PARAMETER[name]))
    if name == "gelu" and layer.approximate != "none":
        raise ValueError(
            f"GELU must have approximate='none', got {layer.approximate!r}."
        )
    if name == "softplus" and layer.beta != 1:
        raise ValueError(f"Softplus must have beta=1, got {layer.beta}.")
    if name == "softplus" and layer.threshold < _LINEAR_FROM:
        raise ValueError(
            f"Softplus must have threshold={_LINEAR_FROM:g} (the default of torch) or "
            f"more, got {layer.threshold}: below, it is another function."
        )
    if name == "softmax" and layer.dim not in (None, 1, -1):
        raise ValueError(
            f"{_name(layer)} must have dim=1, over the outputs, got dim={layer.dim}."
        )
    return name
