"""PyTorch: eager with autograd and the fused optimizers, and a compiled step.

Rows, orders and rates are tensors before the clock starts.  The optimizers are made
those of scikit-learn by their settings: PyTorch's Adam adds epsilon to the root of
the corrected moment, so epsilon / sqrt(1 - beta_2^t) is what it is given for step t;
the L2 penalty is its weight decay of alpha / rows.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from cells import (
    ALPHA,
    BETA_1,
    BETA_2,
    EPSILON,
    MOMENTUM,
    RATE,
    Draws,
    adam_rate,
    make_data,
)
from torch.nn import functional

from opponents.variants import ORDERS, fastest

ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
}


def data_loss(cell, coefs, intercepts, x, y):
    """The mean loss of a batch, without the penalty."""
    for coef, intercept in zip(coefs[:-1], intercepts[:-1]):
        x = ACTIVATIONS[cell.activation](torch.addmm(intercept, x, coef))
    z = torch.addmm(intercepts[-1], x, coefs[-1])
    if cell.loss == "squared_error":
        return functional.mse_loss(z, y) * 0.5
    if cell.loss == "log_loss":
        return functional.cross_entropy(z, y)
    loss = functional.binary_cross_entropy_with_logits(z, y)
    return loss * z.shape[1] if z.shape[1] > 1 else loss


class Network:
    """Data, orders and initial weights as tensors."""

    has_fixed_cost = False

    def __init__(self, cell, dtype, threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.cell, self.dtype = cell, getattr(torch, dtype)
        X, y = make_data(cell, dtype)
        if cell.loss != "log_loss":
            y = y.astype(dtype).reshape(cell.n, -1)
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        self.draws = Draws(cell)
        self.orders = [torch.from_numpy(self.draws.next_order()) for _ in range(ORDERS)]
        self.make()

    def reset(self):
        """The initial weights, and no moments."""
        with torch.no_grad():
            parts = (*self.draws.coefs, *self.draws.intercepts)
            for tensor, values in zip((*self.coefs, *self.intercepts), parts):
                tensor.copy_(torch.from_numpy(values))

    def batches_at_once(self, order):
        """The batches of an epoch, gathered together."""
        X, y = self.X.index_select(0, order), self.y.index_select(0, order)
        return zip(X.split(self.cell.batch), y.split(self.cell.batch))

    def batches_singly(self, order):
        """The batches of an epoch, gathered one by one."""
        for rows in order.split(self.cell.batch):
            yield self.X.index_select(0, rows), self.y.index_select(0, rows)

    def run(self, variant, epochs, step=None):
        """Seconds of some epochs and their losses."""
        self.reset()
        batches, own_step = variant
        step = step or own_step
        losses = []
        start = time.perf_counter()
        for epoch in range(epochs):
            total = torch.zeros((), dtype=torch.float64)
            for x, y in batches(self.orders[epoch % ORDERS]):
                total.add_(step(x, y), alpha=len(x))
            losses.append(total)
        seconds = time.perf_counter() - start
        return seconds, [float(total) / self.cell.n for total in losses]

    def seconds(self, variant):
        """Seconds of an epoch, after a first one that compiles."""
        self.run(variant, 1)
        return min(self.run(variant, 2)[0] / 2 for _ in range(3))

    def train(self, epochs):
        """Seconds of some epochs and their losses, without the penalty."""
        return self.run(self.chosen, epochs)

    def check(self):
        """The loss by which the contestants are compared."""
        step = self.chosen[1]

        def penalised(x, y):
            penalty = sum((coef.detach() ** 2).sum() for coef in self.coefs)
            value = 0.5 * ALPHA / len(x) * penalty
            return step(x, y) + value

        return self.run(self.chosen, 1, penalised)[1][0]


class Eager(Network):
    """Autograd and the fused Adam or SGD."""

    def make(self):
        """The optimizer, and where the rows are gathered."""
        self.coefs, self.intercepts = (
            [torch.zeros(w.shape, dtype=self.dtype, requires_grad=True) for w in part]
            for part in (self.draws.coefs, self.draws.intercepts)
        )
        variants = {
            "by epoch": (self.batches_at_once, self.step),
            "by batch": (self.batches_singly, self.step),
        }
        self.variant, self.chosen = fastest(variants, self.seconds)

    def reset(self):
        """The initial weights and a new optimizer."""
        super().reset()
        groups = [{"params": self.coefs}, {"params": self.intercepts}]
        if self.cell.solver == "sgd":
            self.optimizer = torch.optim.SGD(
                groups, lr=RATE, momentum=MOMENTUM, nesterov=True, fused=True
            )
        else:
            self.optimizer = torch.optim.Adam(
                groups, lr=RATE, betas=(BETA_1, BETA_2), fused=True
            )
        self.t = 0

    def loss_and_gradient(self, x, y):
        """The loss, and the gradient in ``grad`` of the weights."""
        loss = data_loss(self.cell, self.coefs, self.intercepts, x, y)
        loss.backward()
        return loss.detach()

    def step(self, x, y):
        """One step; the loss before it."""
        loss = self.loss_and_gradient(x, y)
        groups = self.optimizer.param_groups
        groups[0]["weight_decay"] = ALPHA / len(x)
        if self.cell.solver == "adam":
            self.t += 1
            epsilon = EPSILON / math.sqrt(1 - BETA_2**self.t)
            groups[0]["eps"] = groups[1]["eps"] = epsilon
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss


class Compiled(Network):
    """``torch.compile`` of the whole step: gradient and update in one graph.

    The weights are one vector.  Found slower on one core: lists of weights (by a
    twentieth), the fused optimizer after a compiled loss (to half the speed), and the
    rows gathered inside.
    """

    variant = "whole step, flat"

    def make(self):
        """The compiled step for full batches and for the last one."""
        parts = [*self.draws.coefs, *self.draws.intercepts]
        sizes, shapes = [w.size for w in parts], [w.shape for w in parts]
        n_layers = len(self.draws.coefs)

        def unpack(flat):
            pieces = [w.view(shape) for w, shape in zip(flat.split(sizes), shapes)]
            return pieces[:n_layers], pieces[n_layers:]

        self.flat = torch.zeros(sum(sizes), dtype=self.dtype)
        self.coefs, self.intercepts = unpack(self.flat)
        self.alpha = torch.zeros_like(self.flat)
        self.alpha[: sum(sizes[:n_layers])] = ALPHA
        self.moments = [torch.zeros_like(self.flat) for _ in range(2)]
        self.rates = []
        torch._dynamo.reset()
        update = sgd_update if self.cell.solver == "sgd" else adam_update

        def step(flat, alpha, moments, x, y, rate):
            grad, loss = torch.func.grad_and_value(
                lambda flat: data_loss(self.cell, *unpack(flat), x, y)
            )(flat)
            update(flat, grad + alpha * flat / len(x), *moments, rate)
            return loss

        self.compiled = torch.compile(step, dynamic=False, fullgraph=True)
        self.chosen = (self.batches_at_once, self.step)

    def reset(self):
        """The initial weights, moments of zero."""
        super().reset()
        for moment in self.moments:
            moment.zero_()
        self.t = 0

    def run(self, variant, epochs, step=None):
        """Seconds of some epochs and their losses; the rates are made before."""
        n = epochs * len(self.cell.batches)
        if n > len(self.rates):
            steps = np.arange(1, n + 1)
            rates = np.full(n, RATE) if self.cell.solver == "sgd" else adam_rate(steps)
            self.rates = list(torch.tensor(rates, dtype=self.dtype))
        with torch.no_grad():
            return super().run(variant, epochs, step)

    def step(self, x, y):
        """One compiled step; the loss before it."""
        rate = self.rates[self.t]
        self.t += 1
        return self.compiled(self.flat, self.alpha, self.moments, x, y, rate)


def adam_update(w, grad, m, v, rate):
    """One step of Adam in place."""
    m.mul_(BETA_1).add_(grad, alpha=1 - BETA_1)
    v.mul_(BETA_2).addcmul_(grad, grad, value=1 - BETA_2)
    w.sub_(rate * m / (v.sqrt() + EPSILON))


def sgd_update(w, grad, v, _, rate):
    """One step of Nesterov's momentum in place."""
    v.mul_(MOMENTUM).sub_(rate * grad)
    w.add_(MOMENTUM * v - rate * grad)
