"""The network in plain float64 NumPy: oracle of the tests, second text of the reader.

Shapes: X (n_samples, n_features), dense or sparse; y (n_samples, n_outputs), or class
numbers (n_samples, 1) for log_loss; w (n_samples,), or None for ones; coefs[l]
(fan_in, fan_out) and intercepts[l] (fan_out,).  ``activation`` holds one pair (name, p)
for each hidden layer; leaky_relu reads p, its slope, and elu, its alpha.
"""

from itertools import pairwise

import numpy as np
from scipy.special import ndtr

from helpers import reference_losses

EPS = np.finfo(np.float64).eps


def logistic(z):
    t = np.exp(-np.abs(z))  # at most 1, so nothing overflows
    return np.where(z < 0, t, 1) / (1 + t)


def softmax(z):
    t = np.exp(z - z.max(axis=1, keepdims=True))
    return t / t.sum(axis=1, keepdims=True)


def cut(z):
    """z where the functions below still change: no product 0 * inf, no overflow"""
    return np.clip(z, -760, 760)


def mish_tanh(z):
    """tanh(log(1 + exp(z)))"""
    t = np.exp(-np.abs(z))
    u = t * (t + 2)
    return np.where(z < 0, u / (u + 2), (1 + 2 * t) / (1 + 2 * t + 2 * t * t))


def mish_rest(z):
    """1 - tanh(log(1 + exp(z)))"""
    t = np.exp(-np.abs(z))
    u = 2 * t * t
    return np.where(z < 0, 2 / (t * (t + 2) + 2), u / (1 + 2 * t + u))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

# name: a = f(z, p), and its derivative at z; at a kink it is the one from the left for
# relu and the one from the right for leaky_relu
ACTIVATIONS = {
    "identity": (lambda z, p: z, lambda z, p: np.ones_like(z)),
    "logistic": (lambda z, p: logistic(z), lambda z, p: logistic(z) * logistic(-z)),
    "tanh": (lambda z, p: np.tanh(z), lambda z, p: 1 - np.tanh(z) ** 2),
    "relu": (lambda z, p: np.maximum(z, 0), lambda z, p: np.where(z <= 0, 0.0, 1.0)),
    "softplus": (lambda z, p: np.logaddexp(0, z), lambda z, p: logistic(z)),
    "leaky_relu": (
        lambda z, p: np.where(z < 0, p * z, z),
        lambda z, p: np.where(z < 0, p, 1.0),
    ),
    "elu": (
        lambda z, p: np.where(z > 0, z, p * np.expm1(np.minimum(z, 0))),
        lambda z, p: np.where(z > 0, 1.0, p * np.exp(np.minimum(z, 0))),
    ),
    "selu": (
        lambda z, p: SELU_SCALE * ACTIVATIONS["elu"][0](z, SELU_ALPHA),
        lambda z, p: SELU_SCALE * ACTIVATIONS["elu"][1](z, SELU_ALPHA),
    ),
    "softsign": (
        lambda z, p: np.where(np.isinf(z), np.sign(z), z / (1 + np.abs(z))),
        lambda z, p: 1 / (1 + np.abs(z)) ** 2,
    ),
    "hard_sigmoid": (
        lambda z, p: np.clip((z + 3) / 6, 0, 1),
        lambda z, p: np.where((z > -3) & (z < 3), 1 / 6, 0.0 * cut(z)),
    ),
    "gelu": (
        lambda z, p: np.where(z < 0, cut(z), z) * ndtr(z),
        lambda z, p: ndtr(z) + cut(z) * np.exp(-(cut(z) ** 2) / 2) / np.sqrt(2 * np.pi),
    ),
    "silu": (
        lambda z, p: np.where(z < 0, cut(z), z) * logistic(z),
        lambda z, p: logistic(z) * (1 + cut(z) * logistic(-z)),
    ),
    "mish": (
        lambda z, p: np.where(z < 0, cut(z), z) * mish_tanh(z),
        lambda z, p: (
            mish_tanh(z) + cut(z) * logistic(z) * mish_rest(z) * (1 + mish_tanh(z))
        ),
    ),
}

# loss: its output activation; the losses with parameters are in reference_losses
OUTPUTS = {
    "squared_error": lambda z: z,
    "poisson": np.exp,
    "binary_log_loss": logistic,
    "log_loss": softmax,
}


def targets(loss, y, n_outputs):
    """y, or its class numbers one-hot"""
    return np.eye(n_outputs)[y[:, 0].astype(int)] if loss == "log_loss" else y


def losses(loss, z, y, eps=EPS):
    """Loss of each row and output, from the raw outputs z

    A probability counts as one within [eps, 1 - eps].
    """

    def clip(minus_log_p):
        return np.clip(minus_log_p, -np.log1p(-eps), -np.log(eps))

    y = targets(loss, y, z.shape[1])
    if loss == "squared_error":
        return (y - z) ** 2 / 2
    if loss == "poisson":  # y log(y / exp(z)) - y + exp(z), with 0 log 0 = 0
        return y * (np.log(np.where(y > 0, y, 1)) - z) - y + np.exp(z)
    if loss == "binary_log_loss":  # p = logistic(z): -log p = log(1 + exp(-z))
        return y * clip(np.logaddexp(0, -z)) + (1 - y) * clip(np.logaddexp(0, z))
    z = z - z.max(axis=1, keepdims=True)  # p = softmax(z): -log p = log sum exp(z) - z
    return y * clip(np.log(np.exp(z).sum(axis=1, keepdims=True)) - z)


def smoothed_losses(loss, z, y):
    """Cross entropies of targets between 0 and 1, one column per output"""
    if loss == "binary_log_loss":
        return losses(loss, z, y)
    z = z - z.max(axis=1, keepdims=True)
    return y * (np.log(np.exp(z).sum(axis=1, keepdims=True)) - z)


def forward(coefs, intercepts, X, activation, masks=None):
    """Inputs a and raw outputs z of each layer; z_l = a_l W_l + b_l, a_l+1 = f(z_l)

    With dropout the inputs are multiplied by a mask for each layer.
    """
    masks = masks or [None] * len(coefs)
    a, z = [masked(X, masks[0])], []
    names = [*activation, ("identity", 0)]
    for (name, p), W, b, mask in zip(names, coefs, intercepts, [*masks[1:], None]):
        z.append(a[-1] @ W + b)
        a.append(masked(ACTIVATIONS[name][0](z[-1], p), mask))
    return a[:-1], z


def masked(a, mask):
    """a times a mask, if there is one"""
    if mask is None:
        return a
    return a.multiply(mask).tocsr() if hasattr(a, "multiply") else a * mask


def predict(coefs, intercepts, X, activation, loss):
    z = forward(coefs, intercepts, X, activation)[1][-1]
    return OUTPUTS[loss](z) if loss in OUTPUTS else reference_losses.outputs(loss, z)


def loss_gradient(
    coefs, intercepts, X, y, w, alpha, activation, loss, of_step=False, masks=None,
    smoothing=0.0,
):  # fmt: skip
    """Mean loss with its L2 penalty, and the gradient as two lists

    With S the sum of w: loss = sum_i w_i loss_i / S + alpha / (2 S) sum(W^2), where a
    squared error is the mean over the outputs.  scikit-learn's stochastic solvers step
    along the sum over the outputs instead: ``of_step``.
    """
    w = np.ones(X.shape[0]) if w is None else w
    a, z = forward(coefs, intercepts, X, activation, masks)
    S, n_outputs = w.sum(), z[-1].shape[1]
    n_means = n_outputs if "squared_error" in (loss, getattr(loss, "loss", "")) else 1
    if smoothing:
        y = smoothed(y, loss, n_outputs, smoothing)
        values, delta = smoothed_losses(loss, z[-1], y), OUTPUTS[loss](z[-1]) - y
    elif loss in OUTPUTS:
        # The output activation of these is the one that makes dloss/dz this simple.
        values = losses(loss, z[-1], y)
        delta = OUTPUTS[loss](z[-1]) - targets(loss, y, n_outputs)
    else:
        values, delta = reference_losses.losses_and_delta(loss, z[-1], y)

    value = w @ values.sum(axis=1) / (S * n_means)
    value += alpha / (2 * S) * sum((W**2).sum() for W in coefs)

    delta = w[:, None] * delta
    delta /= S if of_step else S * n_means
    coef_grads, intercept_grads = [], []
    for layer in reversed(range(len(coefs))):
        coef_grads.insert(0, a[layer].T @ delta + alpha / S * coefs[layer])
        intercept_grads.insert(0, delta.sum(axis=0))
        if layer > 0:
            name, p = activation[layer - 1]
            delta = (delta @ coefs[layer].T) * ACTIVATIONS[name][1](z[layer - 1], p)
            delta = masked(delta, None if masks is None else masks[layer])
    return value, coef_grads, intercept_grads


def pack(coefs, intercepts):
    """One flat vector: all coefficients, then all intercepts"""
    return np.concatenate([x.ravel() for x in [*coefs, *intercepts]])


def unpack(flat, units):
    """Views of a flat vector: the list of coefs and the list of intercepts"""
    shapes = [*pairwise(units), *((n,) for n in units[1:])]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    parts = [x.reshape(s) for x, s in zip(np.split(flat, ends[:-1]), shapes)]
    return parts[: len(units) - 1], parts[len(units) - 1 :]


def sgd(params, v, g, learning_rate, momentum, nesterov):
    """params and velocity after a step (Sutskever et al. 2013)"""
    v = momentum * v - learning_rate * g
    return params + (momentum * v - learning_rate * g if nesterov else v), v


def adam(params, m, v, g, t, learning_rate, beta_1, beta_2, epsilon):
    """params and moments after step number t = 1, 2, .. (Kingma and Ba 2014)"""
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    rate = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return params - rate * m / (np.sqrt(v) + epsilon), m, v


def nadam(params, m, v, g, t, learning_rate, beta_1, beta_2, epsilon):
    """params and moments after step number t (Dozat 2016, momenta 0.96^(t/250))"""

    def momentum(i):
        return beta_1 * (1 - 0.5 * 0.96 ** (0.004 * i))

    product = np.prod([momentum(i) for i in range(1, t + 1)])
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    m_hat = momentum(t + 1) * m / (1 - product * momentum(t + 1))
    m_hat = m_hat + (1 - momentum(t)) * g / (1 - product)
    root = np.sqrt(v / (1 - beta_2**t))
    return params - learning_rate * m_hat / (root + epsilon), m, v


def rmsprop(params, v, g, learning_rate, beta_2, epsilon):
    """params and mean square after a step (Tieleman and Hinton 2012)"""
    v = beta_2 * v + (1 - beta_2) * g**2
    return params - learning_rate * g / (np.sqrt(v) + epsilon), v


def adagrad(params, v, g, learning_rate, epsilon):
    """params and sum of squares after a step (Duchi et al. 2011)"""
    v = v + g**2
    return params - learning_rate * g / (np.sqrt(v) + epsilon), v


def lion(params, m, g, learning_rate, beta_1, beta_2):
    """params and momentum after a step (Chen et al. 2023)"""
    step = np.sign(beta_1 * m + (1 - beta_1) * g)
    return params - learning_rate * step, beta_2 * m + (1 - beta_2) * g


def clipped(g, max_grad_norm):
    """A gradient cut to max_grad_norm, as by torch.nn.utils.clip_grad_norm_"""
    return g * min(1, max_grad_norm / (np.sqrt((g**2).sum()) + 1e-6))


def soft_threshold(W, threshold):
    """The proximal operator of threshold sum(abs(W)) (Parikh and Boyd 2014)"""
    return np.sign(W) * np.maximum(np.abs(W) - threshold, 0)


def limited(W, max_weight_norm):
    """Columns no longer than max_weight_norm"""
    norms = np.sqrt((W**2).sum(axis=0))
    return W * np.minimum(1, max_weight_norm / np.maximum(norms, 1e-300))


def smoothed(y, loss, n_outputs, smoothing):
    """Targets of a cross entropy, a share of each divided among its classes"""
    y, n_classes = targets(loss, y, n_outputs), n_outputs if loss == "log_loss" else 2
    return (1 - smoothing) * y + smoothing / n_classes


def philox(counter, key):
    """Four words from a counter of four and a key of two (Salmon et al. 2011)"""
    c, k = [int(x) for x in counter], [int(x) for x in key]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        low = 0xFFFFFFFF
        c = [(q >> 32) ^ c[1] ^ k[0], q & low, (p >> 32) ^ c[3] ^ k[1], p & low]
        k = [(k[0] + 0x9E3779B9) & low, (k[1] + 0xBB67AE85) & low]
    return c


def dropout_mask(key, step, stream, n_rows, n_units, rate):
    """Factors of the inputs of a layer: 0 or 1 / (1 - rate)"""
    threshold = int(rate * 65536 + 0.5)
    mask = np.empty((n_rows, n_units))
    for row in range(n_rows):
        for unit in range(n_units):
            group, place = divmod(unit, 64)
            half, place = divmod(place, 32)
            word, lane = divmod(place, 8)
            words = philox((8 * group + lane, row, step, stream), key)
            kept = (words[word] >> (16 * half)) & 0xFFFF >= threshold
            mask[row, unit] = kept * 65536 / (65536 - threshold)
    return mask


def epoch(params, units, step, X, y, w, order, batch_size, alpha, activation, loss):
    """params after ``params = step(params, gradient)`` for each batch; the mean loss

    A batch whose weights sum to 0 is passed over and does not count in the mean.
    """
    total, n_rows = 0.0, 0
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        weight = None if w is None else w[rows]
        if weight is not None and weight.sum() == 0:
            continue
        value, *grads = loss_gradient(
            *unpack(params, units), X[rows], y[rows], weight, alpha, activation, loss,
            of_step=True,
        )  # fmt: skip
        total, n_rows = total + value * len(rows), n_rows + len(rows)
        params = step(params, pack(*grads))
    return params, total / n_rows
