"""The recipe: how a network for tables is built, started and trained.

It is RealMLP-TD of Holzmueller, Grinsztajn and Steinwart, "Better by default: strong
pre-tuned MLPs and boosted trees on tabular data", NeurIPS 2024.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from fastmlp._core.layout import layout_of
from fastmlp._core.network import Data, Layers, Network, Objective
from fastmlp._core.prediction import predict
from fastmlp._tables.model import Architecture, number_parts, stage_tensors
from fastmlp._training.members import Curves

BETA_1, BETA_2, EPSILON = 0.9, 0.95, 1e-8  # of Adam
START_ROWS = 2048  # on which the weights are started, the most of them
BIAS_ROWS = 5  # whose outputs make the intercept of a unit
FREQUENCY_SCALE, PROJECTION_LIMIT = 0.1, 0.25
ROUNDING = 100  # times the precision: what may be taken for rounding


@dataclass(frozen=True)
class Recipe(Architecture):
    """An architecture, and settings of its training.

    Attributes
    ----------
    learning_rate : float
        The highest rate.
    weight_decay, dropout : float
        The highest values; both are constant for half of the steps and then fall to 0.
    """

    learning_rate: float
    weight_decay: float
    dropout: float

    @property
    def architecture(self):
        """The architecture on its own, which is all that a fitted model needs."""
        names = [of.name for of in fields(Architecture)]
        return Architecture(**{name: getattr(self, name) for name in names})

    def dropouts(self):
        """The highest rates of dropout of the inputs of all layers."""
        return (0.0, *[self.dropout] * len(self.hidden)) if self.dropout else ()

    def curves(self, n_steps, network):
        """Rates, decays, dropout and epsilons of all steps.

        The reference adds epsilon to the root that is corrected for its bias, the core
        to the root as it is: in the first steps small gradients tell them apart.
        """
        dropouts = np.array(self.dropouts())
        corrections = np.sqrt(1 - BETA_2 ** np.arange(1.0, n_steps + 1))
        return Curves(
            n_steps,
            lambda progress: self.learning_rate * coslog(progress),
            lambda progress: self.weight_decay * flat_cosine(progress),
            (lambda progress: flat_cosine(progress)[:, None] * dropouts)
            if self.dropout
            else None,
            EPSILON * gradient_factor(network) * corrections,
        )


def gradient_factor(network):
    """The factor of the gradient of a step, against that of the mean of the losses.

    The core halves squared errors and adds up those of the outputs.
    """
    return network.units[-1] / 2 if network.loss == "squared_error" else 1.0


def coslog(progress, cycles=4):
    """Cosine cycles that grow longer, each twice as long as the one before."""
    return (1 - np.cos(2 * np.pi * np.log2(1 + (2**cycles - 1) * progress))) / 2


def flat_cosine(progress):
    """1 for the first half, then a cosine to 0."""
    return np.where(progress <= 0.5, 1.0, (1 + np.cos(np.pi * (2 * progress - 1))) / 2)


# Factors of the learning rate and of the weight decay.  The rate of a tensor multiplies
# its decay in the core, and the reference squares the factor there.
_FACTORS = {"intercepts": (0.1, 0.0), "slopes": (0.1, 0.1)}
_STAGE_FACTORS = {"scale": (6.0, 6.0), "numbers": (0.1, 0.1)}


def layout(network):
    """The tensors of a network with the factors of the recipe.

    Weights W of d inputs are used as W / sqrt(d) in the tangent parametrisation. The
    flat vector holds V = W / sqrt(d), whose steps under Adam are those of W if its rate
    is divided and its epsilon multiplied by sqrt(d).
    """
    tensors = []
    # factors per layer keep the intercepts of the layers apart
    for tensor in layout_of(network, [1.0] * (len(network.units) - 1)):
        if tensor.role == "coefs":
            root = np.sqrt(tensor.shape[0])
            rate, decay, epsilon = 1 / root, root, root
        elif tensor.role == "stage":
            rate, decay = _STAGE_FACTORS.get(tensor.name, (1.0, 1.0))
            rate, epsilon = rate * tensor.rate_factor, 1.0
        else:
            (rate, decay), epsilon = _FACTORS[tensor.role], 1.0
        tensors.append(
            tensor._replace(
                rate_factor=rate, decay_factor=decay, epsilon_factor=epsilon
            )
        )
    return tensors


def starting_weights(network, tables, X, rows, random_state):
    """Random weights that suit the data.

    Each unit of a layer gets outputs of variance 1 on some rows, and an intercept that
    takes minus a random convex combination of its outputs for 5 of them.

    Parameters
    ----------
    network : Network
    tables : list of ndarray or None
        Of each category: its fixed table, None for one that is trained.
    X : ndarray of shape (n_rows, n_columns)
        Encoded rows.
    rows : ndarray of intp
        Those of the training part.
    random_state : RandomState

    Returns
    -------
    params : ndarray of shape (n_params,)
    """
    params = np.zeros(network.n_params, dtype=X.dtype)
    coefs, intercepts = network.split(params)
    slopes, stage = network.slopes(params), network.stage_weights(params)
    for slope in slopes:
        slope[:] = 1
    _start_stage(network.stage, stage, tables, random_state)
    if len(rows) > START_ROWS:
        rows = rows[random_state.choice(len(rows), START_ROWS, replace=False)]
    data = Data(np.ascontiguousarray(X[rows]))
    for layer, (coef, intercept) in enumerate(zip(coefs, intercepts)):
        coef[:] = random_state.standard_normal(coef.shape) / np.sqrt(coef.shape[0])
        z = _before_activation(network, coefs, intercepts, slopes, stage, layer, data)
        spread = z.std(axis=0, dtype=np.float64)
        # where the inputs do not vary there is only rounding to scale by
        spread[spread <= ROUNDING * np.finfo(z.dtype).eps * np.abs(z).max()] = 1
        coef /= spread
        chosen = random_state.randint(len(z), size=(BIAS_ROWS, z.shape[1]))
        share = random_state.standard_exponential(chosen.shape)
        picked = np.take_along_axis(z, chosen, axis=0) / spread
        intercept[:] = -(share * picked).sum(axis=0) / share.sum(axis=0)
    return params


def _before_activation(network, coefs, intercepts, slopes, stage, layer, data):
    """Outputs of a layer without activation, for weights so far."""
    part = Network(
        network.units[: layer + 2],
        network.activations[:layer],
        Objective("squared_error"),
        has_slopes=True,
        stage=network.stage,
    )
    dtype = data.dtype
    layers = Layers(
        coefs[: layer + 1], intercepts[: layer + 1], dtype, slopes[:layer], stage
    )
    return predict(part, data, layers)


def _start_stage(stage, weights, tables, random_state):
    """The starting weights of an input stage, in place."""
    for name, tensor in stage_tensors(stage, weights).items():
        if name == "scale":
            tensor[:] = 1
        elif name == "numbers":
            _start_numbers(tensor, random_state)
        else:
            fixed = tables[int(name.removeprefix("table_"))]
            if fixed is None:
                fixed = random_state.standard_normal(tensor.shape)
            tensor[:] = fixed


def _start_numbers(tensor, random_state):
    """The starting weights of the embeddings of numbers; missing ones take 0."""
    _n, width = tensor.shape
    if width == 1:
        return
    frequency, phase, matrix, bias, _ = number_parts(tensor)
    frequency[:] = FREQUENCY_SCALE * random_state.standard_normal(frequency.shape)
    phase[:] = random_state.uniform(-np.pi, np.pi, phase.shape)
    for weights in (matrix, bias):
        weights[:] = random_state.uniform(
            -PROJECTION_LIMIT, PROJECTION_LIMIT, weights.shape
        )
