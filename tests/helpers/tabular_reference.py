"""The network for tables in plain NumPy: oracle of the tests, text for the reader.

The recipe is RealMLP (Holzmueller, Grinsztajn, Steinwart 2024, arXiv 2407.04491).  All
arrays have one precision, float64 or float32.  A row of the encoded matrix X holds the
numbers, NaN = missing, then a code for each category, 0 = missing or unseen; y holds
class numbers (n_samples, 1) for log_loss, else (n_samples, n_outputs).

A dict of parameters holds a list of arrays for each role, in the order of ``tensors``.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from helpers import reference

# role: factors of the rate and of the decay
FACTORS = {
    "coef": (1, 1),
    "intercept": (0.1, 0),
    "slope": (0.1, 0.01),
    "scale": (6, 36),
    "missing": (0.1, 0.01),
    "frequency": (0.1, 0.01),
    "phase": (0.1, 0.01),
    "mixing": (0.1, 0.01),
    "shift": (0.1, 0.01),
    "table": (1, 1),
}
PERIODIC = ("frequency", "phase", "mixing", "shift")  # w, b, W2 and b2


@dataclass
class Structure:
    """The parts of a network that do not change while it learns.

    A table is an array of fixed rows or the shape of rows that are trained.  Without
    frequencies a number goes in as it is.  In the tangent form z = a W / sqrt(fan_in)
    + b, in the folded form z = a V + b with V = W / sqrt(fan_in).
    """

    n_numbers: int
    tables: list
    hidden: tuple
    n_outputs: int
    activation: str = "selu"
    loss: str = "log_loss"
    smoothing: float = 0.0
    n_frequencies: int = 16
    n_mixed: int = 3
    is_parametric: bool = True
    is_tangent: bool = True

    @property
    def number_width(self):
        return self.n_mixed + 1 if self.n_frequencies else 1

    @property
    def widths(self):
        """Columns of the input of layer 0 that come from each table"""
        return [np.shape(t)[1] if is_fixed(t) else t[1] for t in self.tables]

    @property
    def units(self):
        n_inputs = self.n_numbers * self.number_width + sum(self.widths)
        return (n_inputs, *self.hidden, self.n_outputs)

    def gain(self, fan_in):
        """The factor of W"""
        return fan_in**-0.5 if self.is_tangent else 1.0


def is_fixed(table):
    return isinstance(table, np.ndarray)


def tensors(structure):
    """Role and shape of every array of parameters, in the order of the flat vector"""
    F, k, j = structure.n_numbers, structure.n_frequencies, structure.n_mixed
    units = structure.units
    shapes = [("coef", shape) for shape in pairwise(units)]
    shapes += [("intercept", (n,)) for n in units[1:]]
    if structure.is_parametric:
        shapes += [("slope", (n,)) for n in structure.hidden]
    shapes += [("scale", (units[0],)), ("missing", (F, structure.number_width))]
    if k:
        shapes += [("frequency", (F, k)), ("phase", (F, k))]
        shapes += [("mixing", (F, k, j)), ("shift", (F, j))]
    return shapes + [("table", t) for t in structure.tables if not is_fixed(t)]


def pack(params, structure):
    """One flat vector"""
    rest = {role: iter(arrays) for role, arrays in params.items()}
    return np.concatenate([next(rest[role]).ravel() for role, _ in tensors(structure)])


def unpack(flat, structure):
    """Views of a flat vector: the list of arrays of each role"""
    params, start = {role: [] for role in FACTORS}, 0
    for role, shape in tensors(structure):
        end = start + int(np.prod(shape))
        params[role].append(flat[start:end].reshape(shape))
        start = end
    return params


def table_rows(params, structure):
    """The rows of each table, fixed or trained"""
    trained = iter(params["table"])
    return [t if is_fixed(t) else next(trained) for t in structure.tables]


def slopes_of(params, structure):
    """The slopes of each hidden layer, or None"""
    return params["slope"] or [None] * len(structure.hidden)


def robust_scale(x):
    """Median and factor of each column, NaN ignored"""
    low, median, high = np.nanquantile(x, [0.25, 0.5, 0.75], axis=0)
    spread = high - low
    half_range = (np.nanmax(x, axis=0) - np.nanmin(x, axis=0)) / 2
    spread = np.where(spread == 0, half_range, spread)
    return median, np.where(spread == 0, 0, 1 / np.where(spread == 0, 1, spread))


def smooth_clip(z):
    """z within (-3, 3)"""
    return z / np.sqrt(1 + z**2 / 9)


def periodic_embedding(x, frequency, phase, mixing, shift):
    """cos(2 pi x w + b) W2 + b2 of each number: (n, F) to (n, F, n_mixed)"""
    c = np.cos(2 * np.pi * (x[:, :, None] * frequency) + phase)
    return np.einsum("nfk,fkj->nfj", c, mixing) + shift


def periodic_gradient(x, frequency, phase, mixing, delta):
    """Gradients of frequency, phase, mixing and shift; delta (n, F, n_mixed)"""
    angle = 2 * np.pi * (x[:, :, None] * frequency) + phase
    d_angle = -np.sin(angle) * np.einsum("nfj,fkj->nfk", delta, mixing)
    return (
        2 * np.pi * np.einsum("nfk,nf->fk", d_angle, x),
        d_angle.sum(axis=0),
        np.einsum("nfk,nfj->fkj", np.cos(angle), delta),
        delta.sum(axis=0),
    )


def embed_numbers(x, params, structure):
    """[periodic embedding, x] of each number, or its learnt row where it is missing"""
    known = np.nan_to_num(x)
    blocks = known[:, :, None]
    if structure.n_frequencies:
        periodic = periodic_embedding(known, *(params[role][0] for role in PERIODIC))
        blocks = np.concatenate([periodic, blocks], axis=2)
    return np.where(np.isnan(x)[:, :, None], params["missing"][0], blocks)


def stage_inputs(X, params, structure):
    """The input of layer 0 before the scaling layer"""
    x, codes = np.split(X, [structure.n_numbers], axis=1)
    blocks = [embed_numbers(x, params, structure).reshape(len(X), -1)]
    rows = table_rows(params, structure)
    blocks += [table[codes[:, i].astype(int)] for i, table in enumerate(rows)]
    return np.concatenate(blocks, axis=1).astype(X.dtype, copy=False)


def stage_gradient(X, params, structure, delta):
    """Gradients of the stage, from that of its output after the scaling layer"""
    x, codes = np.split(X, [structure.n_numbers], axis=1)
    grads = {"scale": [(delta * stage_inputs(X, params, structure)).sum(axis=0)]}
    ends = np.cumsum([structure.n_numbers * structure.number_width, *structure.widths])
    d_numbers, *d_tables = np.split(delta * params["scale"][0], ends[:-1], axis=1)

    d_numbers = d_numbers.reshape(len(X), structure.n_numbers, structure.number_width)
    missing = np.isnan(x)[:, :, None]
    grads["missing"] = [np.where(missing, d_numbers, 0).sum(axis=0)]
    if structure.n_frequencies:
        d_periodic = np.where(missing, 0, d_numbers)[:, :, :-1]
        parts = periodic_gradient(
            np.nan_to_num(x), *(params[role][0] for role in PERIODIC[:3]), d_periodic
        )
        grads |= {role: [part] for role, part in zip(PERIODIC, parts)}

    grads["table"] = []
    for table, code, d_rows in zip(structure.tables, codes.T, d_tables):
        if not is_fixed(table):
            grads["table"].append(np.zeros(table, X.dtype))
            np.add.at(grads["table"][-1], code.astype(int), d_rows)
    return grads


def activate(z, slope, name):
    """a = z + p (f(z) - z)"""
    f = reference.ACTIVATIONS[name][0](z, None)
    return f if slope is None else z + slope * (f - z)


def activation_gradient(z, slope, name, delta):
    """Gradients of z and of the slope p, which is None for a = f(z)"""
    f, d_f = (function(z, None) for function in reference.ACTIVATIONS[name])
    if slope is None:
        return delta * d_f, None
    return delta * (1 - slope + slope * d_f), (delta * (f - z)).sum(axis=0)


def forward(X, params, structure, masks=None):
    """Input a and output z of each layer; masks multiply a of the hidden layers"""
    a, z = [stage_inputs(X, params, structure) * params["scale"][0]], []
    slopes = slopes_of(params, structure)
    for layer, (W, b) in enumerate(zip(params["coef"], params["intercept"])):
        z.append(a[-1] @ W * structure.gain(len(W)) + b)
        if layer < len(structure.hidden):
            a.append(activate(z[-1], slopes[layer], structure.activation))
            a[-1] = a[-1] if masks is None else a[-1] * masks[layer]
    return a, z


def loss_delta(z, y, structure):
    """Mean loss over the rows and its gradient for z

    The cross entropy is that of smoothed labels, (1 - s) onehot + s / n_classes; the
    squared error is the mean over the outputs, without a factor of 1/2.
    """
    n_samples, n_outputs = z.shape
    if structure.loss == "squared_error":
        return ((z - y) ** 2).mean(), 2 * (z - y) / z.size
    y = reference.smoothed(y, "log_loss", n_outputs, structure.smoothing)
    y = y.astype(z.dtype)
    value = reference.smoothed_losses("log_loss", z, y).sum() / n_samples
    return value, (reference.softmax(z) - y) / n_samples


def loss_gradient(flat, structure, X, y, masks=None):
    """Mean loss and its gradient as a flat vector"""
    params = unpack(flat, structure)
    a, z = forward(X, params, structure, masks)
    value, delta = loss_delta(z[-1], y, structure)
    slopes = slopes_of(params, structure)
    grads = {"coef": [], "intercept": [], "slope": []}
    for layer in reversed(range(len(z))):
        W = params["coef"][layer]
        gain = structure.gain(len(W))
        grads["coef"].insert(0, a[layer].T @ delta * gain)
        grads["intercept"].insert(0, delta.sum(axis=0))
        delta = delta @ W.T * gain
        if layer > 0:
            delta = delta if masks is None else delta * masks[layer - 1]
            delta, d_slope = activation_gradient(
                z[layer - 1], slopes[layer - 1], structure.activation, delta
            )
            grads["slope"].insert(0, d_slope)
    grads |= stage_gradient(X, params, structure, delta)
    return value, pack(grads, structure)


def coslog4(t):
    """The rate at t in [0, 1): four periods, each twice as long as the one before"""
    return (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t))) / 2


def flat_cos(t):
    """1 in the first half, then down to 0 along a cosine"""
    return 1.0 if t <= 0.5 else (1 + math.cos(math.pi * (2 * t - 1))) / 2


def factor_vectors(structure, dtype=np.float64):
    """Flat vectors: factors of the rate, of the decay and of epsilon

    An array V = W / sqrt(n) has sqrt(n) times the gradient of W.
    """
    rates, decays, epsilons = [], [], []
    for role, shape in tensors(structure):
        rate, decay = FACTORS[role]
        is_folded = role == "coef" and not structure.is_tangent
        root = shape[0] ** 0.5 if is_folded else 1.0
        size = int(np.prod(shape))
        rates.append(np.full(size, rate / root, dtype))
        decays.append(np.full(size, decay, dtype))
        epsilons.append(np.full(size, root, dtype))
    return [np.concatenate(parts) for parts in (rates, decays, epsilons)]


def adam(params, m, v, g, t, rate, beta_1, beta_2, epsilon, decay):
    """params and moments after step number t = 1, 2, .. (Loshchilov and Hutter 2019)

    PyTorch's form: epsilon is added to the corrected root.  The decay comes first.
    """
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    root = np.sqrt(v) / (1 - beta_2**t) ** 0.5
    params = params * (1 - decay)
    return params - rate / (1 - beta_1**t) * m / (root + epsilon), m, v


def train(flat, structure, batches, n_steps, rate, decay=0.0, masks=None):
    """params after a step for each batch (X, y), n_steps the whole length of the plan

    masks holds for each batch those of its hidden layers.
    """
    rates, decays, epsilons = factor_vectors(structure, flat.dtype)
    m = v = np.zeros_like(flat)
    for step, (X, y) in enumerate(batches):
        t = step / n_steps
        now = rate * coslog4(t)
        _, g = loss_gradient(flat, structure, X, y, masks and masks[step])
        flat, m, v = adam(
            flat, m, v, g, step + 1, now * rates, 0.9, 0.95, 1e-8 * epsilons,
            now * decay * flat_cos(t) * decays,
        )  # fmt: skip
    return flat


def start_layer(a, W, rows, weights, gain):
    """W and b of a layer from its inputs a

    Each column of W is divided by the deviation of its outputs; an intercept is minus a
    mean of the outputs in some rows, (n_units, 5), by their weights.
    """
    W = W / np.maximum((a @ W * gain).std(axis=0), 1e-30)
    z = a @ W * gain
    shares = weights / weights.sum(axis=1, keepdims=True)
    return W, -(z[rows, np.arange(len(rows))[:, None]] * shares).sum(axis=1)


def data_driven_start(X, params, structure, rows, weights):
    """params with the coefs and intercepts that the rows of X ask for

    The coefs come in as draws of N(0, 1).  For each layer there are row numbers and, as
    their weights, exponential draws, both (n_units, 5).
    """
    params = {role: list(arrays) for role, arrays in params.items()}
    a = stage_inputs(X, params, structure) * params["scale"][0]
    slopes = slopes_of(params, structure)
    for layer, W in enumerate(params["coef"]):
        gain = structure.gain(len(W))
        W, b = start_layer(a, W, rows[layer], weights[layer], gain)
        params["coef"][layer], params["intercept"][layer] = W, b
        if layer < len(structure.hidden):
            a = activate(a @ W * gain + b, slopes[layer], structure.activation)
    return params
