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
from cells import (
    ALPHA,
    BETA_1,
    BETA_2,
    EPSILON,
    MOMENTUM,
    RATE,
    Draws,
    adam_rate,
    dense_targets,
    make_data,
)
from jax import lax
from scipy.optimize import minimize

from opponents import CHECKED_ITERATIONS
from opponents.variants import ORDERS, fastest

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "logistic": jax.nn.sigmoid}


class Tree:
    """The weights as they are: lists of coefficients and intercepts."""

    def __init__(self, draws):
        self.parts = (draws.coefs, draws.intercepts)

    def initial(self, dtype):
        """The initial weights, in buffers of their own."""
        return tuple([jnp.array(w, dtype=dtype) for w in part] for part in self.parts)

    def unpack(self, params):
        """Coefficients and intercepts."""
        return params

    def penalise(self, grad, params, decay):
        """The gradient with decay times the coefficients."""
        coefs = [g + decay * w for g, w in zip(grad[0], params[0])]
        return coefs, grad[1]


class Flat:
    """The weights in one vector: fewer, longer updates."""

    def __init__(self, draws):
        parts = [*draws.coefs, *draws.intercepts]
        self.n_layers, self.shapes = len(draws.coefs), [w.shape for w in parts]
        self.ends = np.cumsum([w.size for w in parts])
        self.values = np.concatenate([w.ravel() for w in parts])
        self.is_coef = np.arange(self.ends[-1]) < self.ends[self.n_layers - 1]

    def initial(self, dtype):
        """The initial weights, in a buffer of their own."""
        return jnp.array(self.values, dtype=dtype)

    def unpack(self, params):
        """Coefficients and intercepts."""
        pieces = jnp.split(params, self.ends[:-1])
        weights = [x.reshape(shape) for x, shape in zip(pieces, self.shapes)]
        return weights[: self.n_layers], weights[self.n_layers :]

    def penalise(self, grad, params, decay):
        """The gradient with decay times the coefficients."""
        return grad + jnp.where(self.is_coef, decay, 0.0).astype(grad.dtype) * params


# The weights, and whether the rows are gathered for the epoch at once.
VARIANTS = {
    "tree, rows by epoch": (Tree, True),
    "tree, rows by batch": (Tree, False),
    "flat, rows by batch": (Flat, False),
}


def data_loss(cell, params, x, y):
    """The mean loss of a batch, without the penalty."""
    coefs, intercepts = params
    for coef, intercept in zip(coefs[:-1], intercepts[:-1]):
        x = ACTIVATIONS[cell.activation](x @ coef + intercept)
    z = x @ coefs[-1] + intercepts[-1]
    if cell.loss == "squared_error":
        value = 0.5 * (z - y) ** 2
    elif cell.loss == "log_loss":
        value = jax.nn.logsumexp(z, axis=1) - jnp.sum(z * y, axis=1)
    else:
        value = jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))
    return jnp.sum(value) / len(x)


def penalty(params, n):
    """The L2 penalty of a batch of n rows."""
    return 0.5 * ALPHA / n * sum(jnp.sum(coef**2) for coef in params[0])


def step_of(cell, layout, penalised, state, batch):
    """One step of Adam or of SGD with Nesterov's momentum; the loss before it."""
    x, y, rate = batch
    params, moments = state

    def loss_of(params):
        return data_loss(cell, layout.unpack(params), x, y)

    loss, grad = jax.value_and_grad(loss_of)(params)
    if penalised:
        loss += penalty(layout.unpack(params), len(x))
    grad = layout.penalise(grad, params, ALPHA / len(x))
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


def epoch_of(cell, layout, by_epoch, penalised, state, X, Y, order, rates):
    """All steps of an epoch; the state and the mean loss."""
    n_full, batch = cell.n // cell.batch, cell.batch
    full, rest = order[: n_full * batch], order[n_full * batch :]
    step = partial(step_of, cell, layout, penalised)

    def gathering_step(state, xs):
        rows, rate = xs
        return step(state, (X[rows], Y[rows], rate))

    if by_epoch:
        batches = (
            X[full].reshape(n_full, batch, -1),
            Y[full].reshape(n_full, batch, -1),
        )
        state, losses = lax.scan(step, state, (*batches, rates[:n_full]))
    else:
        batches = full.reshape(n_full, batch)
        state, losses = lax.scan(gathering_step, state, (batches, rates[:n_full]))
    total = jnp.sum(losses) * batch
    if len(rest):
        state, loss = gathering_step(state, (rest, rates[n_full]))
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
        compiled = {name: self._compiled(name, False) for name in VARIANTS}
        self.variant, self.chosen = fastest(compiled, self._seconds)

    def _compiled(self, variant, penalised):
        """The layout of the weights and the compiled epoch."""
        kind, by_epoch = VARIANTS[variant]
        layout = kind(self.draws)
        epoch = partial(epoch_of, self.cell, layout, by_epoch, penalised)
        return layout, jax.jit(epoch, donate_argnums=0)

    def _initial(self, layout):
        """The initial state, in buffers of its own."""
        params = layout.initial(self.dtype)
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

    def _run(self, compiled, epochs):
        """Seconds of some epochs and their losses."""
        layout, epoch = compiled
        rates, state, losses = self._rates_of(epochs), self._initial(layout), []
        start = time.perf_counter()
        for i in range(epochs):
            order = self.orders[i % ORDERS]
            state, loss = epoch(state, self.X, self.Y, order, rates[i])
            losses.append(loss)
        jax.block_until_ready((state, losses))
        seconds = time.perf_counter() - start
        return seconds, [float(loss) for loss in losses]

    def _seconds(self, compiled):
        """Seconds of an epoch, after a first one that compiles."""
        self._run(compiled, 1)
        return min(self._run(compiled, 2)[0] / 2 for _ in range(3))

    def train(self, epochs):
        """Seconds of some epochs and their losses, without the penalty."""
        if self.cell.solver == "lbfgs":
            return self._run_lbfgs(epochs)
        return self._run(self.chosen, epochs)

    def check(self):
        """The loss by which the contestants are compared."""
        if self.cell.solver == "lbfgs":
            return self._run_lbfgs(CHECKED_ITERATIONS)[1][0]
        return self._run(self._compiled(self.variant, True), 1)[1][0]

    def _compile_lbfgs(self):
        """The loss of a flat vector and its gradient, in one call."""
        cell, layout = self.cell, Flat(self.draws)
        self.packed = layout.values.astype(self.dtype)

        @jax.jit
        def value_and_grad(packed, X, Y):
            def loss(params):
                weights = layout.unpack(params)
                return data_loss(cell, weights, X, Y) + penalty(weights, len(X))

            value, grad = jax.value_and_grad(loss)(packed.astype(self.dtype))
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
