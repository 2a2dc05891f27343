# Loss and gradient over the rows of a batch, block by block.
#
# Blocks of rows fit the cache, so the workspace is bounded for any batch size (lbfgs
# takes the whole data as one batch) and a call can stop between two blocks to serve
# Ctrl-C.

from time import perf_counter

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of
from fastmlp._core.block cimport (
    begin_batch,
    data_scale,
    penalty,
    read_weights,
    sum_parts,
    sum_rows,
)
from fastmlp._core.network cimport SUM_ROWS, Data, Layers, Network
from fastmlp._core.replicas cimport Replicas
from fastmlp._core.rows cimport ceil_div
from fastmlp._core.sums cimport NO_RULE, STAGE, part_t, sum_t, tensor_t
from fastmlp._core.workspace cimport Workspace

from fastmlp._core.layout import layout_of, part_array, tensor_array
from fastmlp._core.network import CALL_WORK
from fastmlp._core.workspace import aligned_empty

THREAD_WORK = 8e6  # operations of a batch from which threads pay (about 80 us)


class DeadlineError(Exception):
    """The deadline has passed; a TimeoutError may come from a user-defined function."""


cdef class BatchSum:
    """Loss and gradient summed over the rows of a batch, block by block.

    Parameters
    ----------
    net : Network
    data : Data
        With targets.
    params : ndarray of shape (n_params,)
        The flat vector of weights, read when a run or a call begins.
    batch_size : int
        The largest batch that will be asked for, in rows.
    n_threads : int
        Threads that share a block.
    smoothing : float
        Share of the targets of log_loss that all classes divide among them.
    dropout : sequence of float
        Rates of the inputs of each layer; () for none.
    input_noise : float
        Standard deviation of what is added to dense features.
    """

    def __init__(
        self, Network net, Data data, params, batch_size, n_threads=1, *, smoothing=0.0,
        dropout=(), input_noise=0.0,
    ):
        cdef Layers layers = net.layers(params)
        if data.n_targets != data.n_samples or len(params) != net.c.n_params:
            raise ValueError("targets or params are of a wrong length for the network")
        n_columns = net.units[0] if net.stage is None else net.stage.n_columns
        if data.c.n_features != n_columns:
            raise ValueError("X has a wrong number of columns for the network")
        if net.stage is not None and (
            data.c.is_sparse or data.c.is_wide or input_noise
            or (dropout and dropout[0])
        ):
            raise ValueError("an input stage takes dense rows without noise")
        if net.stage is not None:
            net.stage.check_codes(data.values)
        if net.loss in ("log_loss", "focal"):
            classes = data.targets
            if classes.shape[1] != 1 or not (
                0 <= classes.min() and classes.max() < net.c.n_outputs
            ):
                raise ValueError(f"{net.loss} needs class numbers, one column of them")
        elif data.c.y_width != net.n_targets:
            raise ValueError("targets need one column per output of the network")
        row_work = data.work_per_row(net.units)
        rows = net.block_rows(batch_size, data.dtype)
        n_threads = 1 if net.has_python else min(n_threads, ceil_div(rows, SUM_ROWS))
        cdef Workspace work = Workspace(net, data, rows, n_threads, True, dropout)
        self.shares_parts = batch_size * row_work >= THREAD_WORK
        self.grad = aligned_empty(net.c.n_params, data.dtype)
        self.set_shares(net, data, rows)
        cdef Replicas replicas = Replicas(
            net, layers, work, data.dtype,
            n_threads == 2 and self.shares_parts and not data.c.is_sparse,
        )
        noise = self.set_noise(net, data, work, dropout, input_noise)
        self.net, self.data = net, data
        self.owners = (replicas, work, params, noise)
        self.failures = work.failures
        self.c.net, self.c.data = &net.c, &data.c
        self.c.work = &work.c
        self.c.replicas, self.c.n_replicas = replicas.c, replicas.n
        self.n_shares, self.n_replicas = self.c.n_shares, replicas.n
        self.c.grad = <void *> address_of(self.grad, data.dtype)
        self.set_layout(layout_of(net))
        self.c.n_threads = n_threads
        self.c.smoothing = smoothing if net.loss == "log_loss" else 0
        self.c.update.rule = NO_RULE
        self.c.update.w = <void *> address_of(params, data.dtype)
        self.c.update.m = self.c.update.v = self.c.update.w
        per_block = rows * row_work + 20.0 * net.c.n_params
        self.blocks_per_call = max(1, int(CALL_WORK / per_block))

    cdef set_shares(self, Network net, Data data, rows):
        """Divide the rows of a block where that moves fewer values between threads.

        With shares two threads read a half of the gradient each, and write it twice;
        without them about a quarter of the inputs and deltas of all layers. A large
        gradient is better summed part by part, while the part is in cache.
        """
        values = rows * (2 * sum(net.units) - net.units[0] - net.c.n_outputs)
        has_shares = (
            self.shares_parts and not data.c.is_sparse
            and 4 * net.c.n_coefs <= values
        )
        self.c.n_shares = 2 if has_shares else 1
        self.share_grads = aligned_empty(
            (self.c.n_shares - 1) * net.c.n_coefs, data.dtype
        )
        self.c.share_grads = <void *> address_of(self.share_grads, data.dtype)

    cdef set_layout(self, layout):
        """Take over tensors, whose parts phase two hands out"""
        self.tensors = tensor_array(layout)
        self.parts = part_array(layout, self.data, self.shares_parts)
        self.c.tensors = <const tensor_t *> address_of(self.tensors, self.tensors.dtype)
        self.c.n_tensors = len(self.tensors)
        self.c.parts = <part_t *> address_of(self.parts, self.parts.dtype)
        self.c.n_parts = len(self.parts)
        roles = self.tensors["role"][self.parts["tensor"]]
        self.c.n_early_parts = np.count_nonzero(roles != STAGE)

    cdef set_noise(self, Network net, Data data, Workspace work, dropout, input_noise):
        """Let the rows pass dropout and noise; returns the arrays to keep alive."""
        if not any(dropout) and not input_noise:
            return None
        rates, values = np.zeros(net.c.n_layers), None
        rates[: len(dropout)] = dropout
        drops = np.array(rates > 0, dtype=np.intc)
        self.c.noise.dropout = <const double *> address_of(rates, np.float64)
        self.c.noise.drops = <const int *> address_of(drops, np.intc)
        self.c.noise.input_noise = input_noise
        self.c.noise.is_on_input = not data.c.is_sparse and (rates[0] or input_noise)
        if data.c.is_sparse and rates[0]:
            values = np.empty_like(data.values)
            self.c.noise.values = <void *> address_of(values, data.dtype)
        work.c.noise = &self.c.noise
        return rates, drops, values

    def loss_gradient(self, double alpha, double deadline=INFINITY):
        """Mean loss over all rows and, in ``grad``, its gradient.

        Both hold the L2 penalty ``alpha / (2 S) sum(W^2)``, S the sum of the weights.
        The gradient is that of the loss: for squared errors over several outputs both
        are means over the outputs.

        Parameters
        ----------
        alpha : float
        deadline : float
            In the seconds of ``time.perf_counter``; DeadlineError after it.

        Returns
        -------
        loss : float
        """
        cdef sum_t *s = &self.c
        cdef Py_ssize_t _i
        cdef unsigned int before
        s.rows.order = NULL
        begin_batch(s, 0, self.data.n_samples)
        s.is_last = False
        while not s.is_last:
            with nogil:
                before = kernels.flush_denormals()
                if s.rows.n == 0:
                    read_weights(s)
                for _i in range(self.blocks_per_call):
                    sum_rows(s)
                    if s.work.failure.failed:
                        break
                    s.update.scale, s.update.decay = data_scale(s), alpha / s.weight
                    sum_parts(s)
                    if s.is_last:
                        break
                kernels.restore_denormals(before)
            self.failures.check()
            PyErr_CheckSignals()
            if deadline < INFINITY and perf_counter() > deadline:
                raise DeadlineError
        self.grad[self.net.c.n_trainable :] = 0
        return s.loss * data_scale(s) + penalty(s)
