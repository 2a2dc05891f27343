"""Keras 3: a fitted model as keras.Sequential, and back, with any backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastmlp._utils.spelling import suggests_keywords
from fastmlp.export._fitted import check_params, fitted_model
from fastmlp.export._keras_layers import FUNCTIONS, applied, described, known_kind
from fastmlp.export._signal import RefusedError, Signal, UnknownFunctionError
from fastmlp.export._source import layers_snapshot

if TYPE_CHECKING:
    from typing import Any

    from keras import Model, Sequential

    from fastmlp import MLPClassifier, MLPRegressor
    from fastmlp._utils.annotations import ArrayLike


def _keras():
    """Import Keras 3, or name the remedy."""
    try:
        import keras
    except ImportError as error:
        raise ImportError(
            "to_keras and from_keras need keras, pip install keras, and a backend, "
            "which the environment variable KERAS_BACKEND names, such as torch: "
            f"{error}"
        ) from error
    if int(keras.__version__.partition(".")[0]) < 3:
        raise ImportError(
            f"to_keras and from_keras need Keras 3, and {keras.__version__} is "
            'installed: pip install "keras>=3"'
        )
    return keras


@suggests_keywords
def to_keras(estimator: Any, *, logits: bool = False) -> Sequential:
    """Convert a fitted model to one of Keras 3.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline
        Fitted. A pipeline of scalers and an MLP becomes the model that `fold_scalers`
        makes of it.
    logits : bool, default=False
        Whether to leave out the output activation (softmax, sigmoid or exp), as losses
        with ``from_logits=True`` want it for further training.

    Returns
    -------
    model : keras.Sequential
        Of Dense layers in the dtype of the weights, which are copied. It is not
        compiled. It returns (n_samples, n_outputs): probabilities, a single column of
        that of the second class for two classes, or the values of a regressor.

    Raises
    ------
    ImportError
        If Keras 3 is not installed.
    ValueError
        If the model knows a single class, if an activation has no form in Keras, or if
        a step of a pipeline cannot be folded.

    See Also
    --------
    from_keras : The other direction.

    Notes
    -----
    Keras multiplies float64 in float32, unless its backend is TensorFlow, and JAX keeps
    float64 only with ``jax_enable_x64``: outputs are then those of float32.

    Examples
    --------
    >>> from fastmlp import MLPRegressor, to_keras
    >>> model = MLPRegressor(hidden_layer_sizes=(3,), dtype="float32")
    >>> made = to_keras(model.partial_fit([[0.0, 1.0]], [2.0]))
    >>> [layer.units for layer in made.layers]
    [3, 1]
    """
    model = layers_snapshot(estimator)
    keras = _keras()
    outputs = ("identity" if logits else model.output_activation, 0.0)
    dtype = model.coefs[0].dtype.name
    layers = [keras.Input((model.units[0],), dtype=dtype)]
    for w, (name, parameter) in zip(model.coefs, [*model.activations, outputs]):
        known = name in FUNCTIONS if isinstance(name, str) else False
        function = FUNCTIONS[name] if known else "linear"
        layers.append(keras.layers.Dense(w.shape[1], activation=function, dtype=dtype))
        if name == "leaky_relu":
            layers.append(keras.layers.LeakyReLU(negative_slope=parameter, dtype=dtype))
        elif name == "elu":
            layers.append(keras.layers.ELU(alpha=parameter, dtype=dtype))
        elif not known:
            raise ValueError(
                f"the activation {name!r} has no export to Keras; those of fastmlp "
                "have."
            )
    made = keras.Sequential(layers)
    made.set_weights([a for pair in zip(model.coefs, model.intercepts) for a in pair])
    return made


def from_keras(
    model: Model, *, classes: ArrayLike | None = None, **params: Any
) -> MLPClassifier | MLPRegressor:
    """Convert a feed-forward model of Keras 3 to a fitted model.

    Parameters
    ----------
    model : keras.Sequential or keras.Model
        Built, with layers one behind the other: Dense with an activation of fastmlp, in
        it or as a layer (Activation, ReLU, LeakyReLU, ELU, PReLU with one slope,
        Softmax); Normalization, Rescaling and BatchNormalization, which go into the
        weights; Flatten and Reshape, and layers that only training uses. At the end
        softmax makes a classifier of several classes, sigmoid one of two classes or,
        with several outputs, of labels, exponential a regressor with
        ``loss="poisson"``; none of them any other regressor. A softmax of two outputs
        becomes the sigmoid of their difference, the form of scikit-learn. The rates of
        Dropout become the parameter ``dropout``, for later training, but for one after
        the last Dense layer. An input with more axes than two is taken flattened, row
        by row.
    classes : array-like of shape (n_classes,), default=None
        Class labels in the order of the outputs; None takes 0, 1, ... If given, a model
        that ends in a Dense layer alone is a classifier whose outputs are logits.
        ``classes_`` holds them sorted, as in scikit-learn, and the outputs with them.
    **params
        Further parameters of the estimator, for later training; sizes and activations
        of the layers are those of the model.

    Returns
    -------
    estimator : MLPClassifier or MLPRegressor
        With copies of the weights, in their dtype; float16 becomes float32.

    Raises
    ------
    ImportError
        If Keras 3 is not installed.
    TypeError
        If the model is neither a Sequential nor made of Keras tensors, if a layer is of
        a kind that an MLP lacks, which is named, or if ``params`` holds what the model
        says.
    ValueError
        If the model is not built, if its layers branch or do not make an MLP, or if
        ``classes`` does not fit the outputs.

    See Also
    --------
    to_keras : The other direction.

    Examples
    --------
    >>> import keras
    >>> from fastmlp import from_keras
    >>> layers = [keras.Input((4,)), keras.layers.Dense(3, "relu")]
    >>> layers += [keras.layers.Dense(2, "softmax")]
    >>> model = from_keras(keras.Sequential(layers), classes=["no", "yes"])
    >>> model.hidden_layer_sizes, model.activation, model.classes_.tolist()
    ((3,), 'relu', ['no', 'yes'])
    """
    check_params(params, "model")
    keras = _keras()
    layers = _layers(keras, model)
    signal, last = Signal(_input_shape(model)), None
    rates = [0.0]
    for layer in layers:
        kind = known_kind(keras, layer)
        if kind == "Dense":
            rates.append(0.0)
        if kind == "Dropout":
            both = 1 - (1 - rates[-1]) * (1 - layer.rate)
            rates[-1] = both if rates[-1] else layer.rate
        try:
            changed = applied(keras, layer, signal)
        except RefusedError as error:
            raise _refused(layer, last, error) from None
        if changed is not signal:
            signal, last = changed, layer
    try:
        found = signal.finished()
    except RefusedError as error:
        raise _refused(layers[-1], last, error) from None
    rates = rates[:-1]
    dropout = rates if any(rates) else 0.0
    return fitted_model(*found, classes, {"dropout": dropout, **params})


def _refused(layer, last, error):
    """The ValueError that names a layer: the last one, if that was no activation."""
    named = last if isinstance(error, UnknownFunctionError) else layer
    return ValueError(f"{described(named)} cannot be taken: {error}.")


def _layers(keras, model):
    """The layers of a model in order, those of a Sequential in a Sequential too."""
    if type(model) is keras.Sequential:
        return [
            layer
            for child in model.layers
            for layer in (
                _layers(keras, child) if isinstance(child, keras.Model) else [child]
            )
        ]
    is_functional = type(model).__module__.startswith("keras.") and hasattr(
        model, "operations"
    )
    if not is_functional:
        raise TypeError(
            "expected a keras.Sequential or a keras.Model of inputs and outputs, got "
            f"{type(model)!r}."
        )
    # A layer of tensors knows what it is called on; operations without a layer, such
    # as keras.ops, are found as a gap.
    layers = [
        layer
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
    tensor = model.inputs[0]
    for layer in layers:
        try:
            is_next = len(model.inputs) == 1 and layer.input is tensor
            tensor = layer.output
        except (AttributeError, ValueError):  # it is called several times
            is_next = False
        if not is_next:
            raise ValueError(
                f"{described(layer)} does not follow the layer before it alone: from_"
                "keras takes layers one behind the other, without branches, other "
                "models or operations between them."
            )
    if [id(output) for output in model.outputs] != [id(tensor)]:
        raise ValueError(
            "the model has other outputs than that of its last layer; make a model of "
            "one output, keras.Model(inputs, output)."
        )
    return layers


def _input_shape(model):
    """The axes of a row of the input."""
    try:
        shape = model.input_shape
    except (AttributeError, ValueError):
        shape = None
    if not isinstance(shape, tuple) or not all(
        isinstance(n, int) and n > 0 for n in shape[1:]
    ):
        raise ValueError(
            f"the input of the model must have a known shape, got {shape!r}: begin "
            "with keras.Input(shape), or call the model on rows first."
        )
    return shape[1:]
