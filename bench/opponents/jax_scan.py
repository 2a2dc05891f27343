"""JAX: a whole epoch in one compiled call, ``jit`` around ``lax.scan``.

The rows are gathered inside the call from data on the device, the state is donated,
rates and orders are on the device before the clock starts, and nothing is read back
before it stops.  The last short batch is a step after the scan, in the same call.
"""

from __future__ import annotations

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from cells import ALPHA, BETA_1, BETA_2, EPSILON, MOMENTUM, RATE, Draws, adam_rate
from cells import dense_targets, make_data
from jax import lax
from opponents import CHECKED_ITERATIONS
from opponents.variants import ORDERS, fastest
from scipy.optimize import minimize

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "logistic": jax.nn.sigmoid}
# Where the rows of a batch are gathered: in its step, or for the epoch at once.
VARIANTS = ("by batch", "by epoch")


def data_loss(cell, params, x, y):
    """The mean loss of a batch, without the penalty."""
    coefs, intercepts = params
    for coef, intercept in zip(coefs[:-1], intercepts[:-1]):
        x = ACTIVATIONS[cell.activation](x @ coef + intercept)
    z = x @ coefs[-1] + intercepts[-1]
    if cell.loss == "squared_error":
        value = 0.5 * (z - y) ** 2 / z.shape[1]
    elif cell.loss == "log_loss":
        value = jax.nn.logsumexp(z, axis=1) - jnp.sum(z * y, axis=1)
    else:
        value = jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))
    return jnp.sum(value) / len(x)


def penalty(params, n):
    """The L2 penalty of a batch of n rows."""
    return 0.5 * ALPHA / n * sum(jnp.sum(coef**2) for coef in params[0])


def step_of(cell, penalised, state, batch):
    """One step of Adam or of SGD with Nesterov's momentum; the loss before it."""
    x, y, rate = batch
    params, moments = state
    loss, (d_coefs, d_intercepts) = jax.value_and_grad(partial(data_loss, cell))(
        params, x, y
    )
    if penalised:
        loss += penalty(params, len(x))
    decay = ALPHA / len(x)
    d_coefs = [d + decay * coef for d, coef in zip(d_coefs, params[0])]
    grad = (d_coefs, d_intercepts)
    if cell.solver == "sgd":
        v = jax.tree.map(lambda v, g: MOMENTUM * v - rate * g, moments[0], grad)
        params = jax.tree.map(
            lambda w, v, g: w + MOMENTUM * v - rate * g, params, v, grad
        )
        return (params, (v,)), loss
    m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, moments[0], grad)
    v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, moments[1], grad)
    params = jax.tree.map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v) + EPSILON), params, m, v
    )
    return (params, (m, v)), loss


def epoch_of(cell, variant, penalised, state, X, Y, order, rates):
    """All steps of an epoch; the state and the mean loss."""
    n_full, batch = cell.n // cell.batch, cell.batch
    full, rest = order[: n_full * batch], order[n_full * batch :]
    step = partial(step_of, cell, penalised)
    if variant == "by batch":

        def scanned(state, xs):
            rows, rate = xs
            return step(state, (X[rows], Y[rows], rate))

        xs = (full.reshape(n_full, batch), rates[:n_full])
    else:
        scanned = step
        xs = (
            X[full].reshape(n_full, batch, -1),
            Y[full].reshape(n_full, batch, -1),
            rates[:n_full],
        )
    state, losses = lax.scan(scanned, state, xs)
    total = jnp.sum(losses) * batch
    if len(rest):
        state, loss = step(state, (X[rest], Y[rest], rates[n_full]))
        total += loss * len(rest)
    return state, total / cell.n


class Scan:
    """One compiled call per epoch; for lbfgs SciPy's L-BFGS-B over a compiled loss."""

    has_fixed_cost = False

    def __init__(self, cell, dtype, threads):
        jax.config.update(
            "jax_enable_x64", dtype == "float64" or cell.solver == "lbfgs"
        )
        self.cell, self.dtype = cell, dtype
        X, y = make_data(cell, dtype)
        self.X, self.Y = jnp.asarray(X), jnp.asarray(dense_targets(cell, y, dtype))
        self.draws = Draws(cell)
        if cell.solver == "lbfgs":
            self.has_fixed_cost, self.variant = True, "SciPy's L-BFGS-B"
            self._compile_lbfgs()
            return
        self.orders = [jnp.asarray(self.draws.next_order()) for _ in range(ORDERS)]
        self.rates = []
        epochs = {
            variant: jax.jit(partial(epoch_of, cell, variant, False), donate_argnums=0)
            for variant in VARIANTS
        }
        self.variant, self.epoch = fastest(epochs, self._seconds)

    def _initial(self):
        """The initial state, in buffers of its own."""
        params = tuple(
            [jnp.array(w, dtype=self.dtype) for w in weights]
            for weights in (self.draws.coefs, self.draws.intercepts)
        )
        n_moments = 1 if self.cell.solver == "sgd" else 2
        moments = tuple(jax.tree.map(jnp.zeros_like, params) for _ in range(n_moments))
        return jax.block_until_ready((params, moments))

    def _rates_of(self, epochs):
        """The rates of all steps of each epoch, on the device."""
        n = len(self.cell.batches)
        for epoch in range(len(self.rates), epochs):
            steps = np.arange(epoch * n + 1, (epoch + 1) * n + 1)
            rates = np.full(n, RATE) if self.cell.solver == "sgd" else adam_rate(steps)
            self.rates.append(jnp.asarray(rates, dtype=self.dtype))
        return jax.block_until_ready(self.rates[:epochs])

    def _run(self, epoch, epochs):
        """Seconds of some epochs and their losses."""
        rates, state, losses = self._rates_of(epochs), self._initial(), []
        start = time.perf_counter()
        for i in range(epochs):
            order = self.orders[i % ORDERS]
            state, loss = epoch(state, self.X, self.Y, order, rates[i])
            losses.append(loss)
        jax.block_until_ready((state, losses))
        seconds = time.perf_counter() - start
        return seconds, [float(loss) for loss in losses]

    def _seconds(self, epoch):
        """Seconds of an epoch, after a first one that compiles."""
        self._run(epoch, 1)
        return min(self._run(epoch, 2)[0] / 2 for _ in range(3))

    def train(self, epochs):
        """Seconds of some epochs and their losses, without the penalty."""
        if self.cell.solver == "lbfgs":
            return self._run_lbfgs(epochs)
        return self._run(self.epoch, epochs)

    def check(self):
        """The loss by which the contestants are compared."""
        if self.cell.solver == "lbfgs":
            return self._run_lbfgs(CHECKED_ITERATIONS)[1][0]
        epoch = partial(epoch_of, self.cell, self.variant, True)
        _, with_penalty = self._run(jax.jit(epoch, donate_argnums=0), 1)
        return with_penalty[0]

    def _compile_lbfgs(self):
        """The loss of a flat vector and its gradient, in one call."""
        cell, dtype = self.cell, self.dtype
        parts = [*self.draws.coefs, *self.draws.intercepts]
        ends = np.cumsum([w.size for w in parts])
        self.packed = np.concatenate([w.ravel() for w in parts]).astype(dtype)

        @jax.jit
        def value_and_grad(packed, X, Y):
            def loss(flat):
                pieces = jnp.split(flat, ends[:-1])
                weights = [x.reshape(w.shape) for x, w in zip(pieces, parts)]
                k = len(self.draws.coefs)
                params = (weights[:k], weights[k:])
                return data_loss(cell, params, X, Y) + penalty(params, len(X))

            value, grad = jax.value_and_grad(loss)(packed.astype(dtype))
            return value, grad.astype(jnp.float64)

        self.value_and_grad = value_and_grad
        self._run_lbfgs(1)

    def _run_lbfgs(self, iterations):
        """Seconds of some iterations and the final loss."""

        def objective(packed):
            value, grad = self.value_and_grad(packed, self.X, self.Y)
            return float(value), np.asarray(grad)

        options = {"maxiter": iterations, "maxfun": 15000, "gtol": 0.0}
        start = time.perf_counter()
        result = minimize(
            objective, self.packed, method="L-BFGS-B", jac=True, options=options
        )
        seconds = time.perf_counter() - start
        if result.nit != iterations:
            raise RuntimeError(f"stopped after {result.nit} of {iterations} iterations")
        return seconds, [float(result.fun)]
