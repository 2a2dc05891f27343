# The stochastic solvers: one epoch of batches, each summed up and then followed by a
# step of the update rule.
#
# a) One call is one epoch; between blocks of about CALL_WORK operations it looks for
#    pending signals, so an interrupt leaves the weights of the last finished step.
# b) Scalars of a step (bias correction, 1/S, alpha/S) are formed in double.
# c) A batch whose weights sum to 0 is skipped: no step, no count.

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating
from libc.math cimport pow, sqrt

from fastmlp._core cimport kernels
from fastmlp._core.batch cimport BatchSum, add_block, begin_batch, data_scale, sum_t
from fastmlp._core.network cimport Data, Network, address_of, network_t

import numpy as np


cdef class Epoch:
    """Epochs of stochastic gradient descent or Adam on one flat vector.

    Parameters
    ----------
    net : Network
    data : Data
        With targets.
    params : ndarray of shape (n_params,)
        Changed in place.
    moments : list of ndarray of shape (n_params,)
        The velocity for sgd; first and second moment for adam.  Changed in place.
    batch_size : int
    alpha : float
        L2 penalty, divided by the weight of the batch.
    """

    cdef sum_t *sum
    cdef void *w
    cdef void *m
    cdef void *v
    cdef Py_ssize_t batch_size, n_rows, blocks_per_call
    cdef double alpha, learning_rate, momentum, beta_1, beta_2, epsilon, loss_sum
    cdef bint is_adam, nesterov
    cdef readonly double last_rate
    cdef readonly Py_ssize_t t, rows_done
    cdef tuple owners

    def __init__(self, Network net, Data data, params, moments, batch_size, alpha):
        cdef BatchSum batch = BatchSum(net, data, params, batch_size)
        self.owners = (batch, params, tuple(moments))
        self.sum = &batch.c
        self.blocks_per_call = batch.blocks_per_call
        self.w = <void *> address_of(params, data.dtype)
        self.m = <void *> address_of(moments[0], data.dtype)
        self.v = <void *> address_of(moments[len(moments) - 1], data.dtype)
        self.batch_size = batch_size
        self.alpha = alpha

    def use_sgd(self, learning_rate, momentum, nesterov):
        """Take steps of gradient descent with momentum."""
        self.is_adam = False
        self.learning_rate = self.last_rate = learning_rate
        self.momentum, self.nesterov = momentum, nesterov

    def use_adam(self, learning_rate, beta_1, beta_2, epsilon, t):
        """Take steps of Adam, the next of which is number t + 1."""
        self.is_adam = True
        self.learning_rate = self.last_rate = learning_rate
        self.beta_1, self.beta_2, self.epsilon, self.t = beta_1, beta_2, epsilon, t

    @property
    def loss(self):
        """Mean loss over the rows done so far, each batch before its step."""
        return self.loss_sum / self.rows_done if self.rows_done else np.inf

    def run(self, order=None, n_rows=None):
        """Train on all batches of one epoch.

        Parameters
        ----------
        order : ndarray of intp or None
            The rows in the order of training; None for the first n_rows as they are.
        n_rows : int or None
            Needed where there is no order.
        """
        cdef sum_t *batch = self.sum
        cdef Py_ssize_t _i
        batch.order = NULL
        if order is not None:
            batch.order = <const ptrdiff_t *> address_of(order, np.intp)
            n_rows = len(order)
        self.n_rows, self.rows_done, self.loss_sum = n_rows, 0, 0
        begin_batch(batch, 0, min(self.batch_size, self.n_rows))
        while self.rows_done < self.n_rows:
            with nogil:
                for _i in range(self.blocks_per_call):
                    if add_block(batch):
                        self.end_batch()
                        if self.rows_done >= self.n_rows:
                            break
            PyErr_CheckSignals()

    cdef void end_batch(self) noexcept nogil:
        """Take the step of the complete batch and begin the next one"""
        cdef Py_ssize_t stop = self.sum.stop
        if self.sum.weight != 0:
            if self.sum.data.is_float32:
                take_step(self, <float *> self.w)
            else:
                take_step(self, <double *> self.w)
        self.rows_done = stop
        begin_batch(self.sum, stop, min(stop + self.batch_size, self.n_rows))


cdef void take_step(Epoch e, floating *w) noexcept nogil:
    """Add the loss of the batch, then update coefficients and intercepts"""
    cdef sum_t *batch = e.sum
    cdef const network_t *net = batch.net
    cdef floating *g = <floating *> batch.grad
    cdef floating *m = <floating *> e.m
    cdef floating *v = <floating *> e.v
    cdef double scale = 1 / batch.weight, decay = e.alpha / batch.weight
    cdef double penalty = 0
    cdef Py_ssize_t start = 0, size = net.n_coefs
    cdef int _part
    if decay != 0:
        penalty = 0.5 * decay * kernels.sum_squares(<const floating *> w, net.n_coefs)
    e.loss_sum += (batch.loss * data_scale(batch) + penalty) * (
        batch.stop - e.rows_done
    )
    e.t += 1
    if e.is_adam:
        e.last_rate = (
            e.learning_rate * sqrt(1 - pow(e.beta_2, e.t)) / (1 - pow(e.beta_1, e.t))
        )
    for _part in range(2):  # coefficients, which decay; then intercepts
        if e.is_adam:
            kernels.adam_update(<const floating *> g + start, w + start, m + start,
                                v + start, size, scale, decay, e.last_rate, e.beta_1,
                                e.beta_2, e.epsilon)
        else:
            kernels.sgd_update(<const floating *> g + start, w + start, v + start, size,
                               scale, decay, e.learning_rate, e.momentum, e.nesterov)
        start, size, decay = net.n_coefs, net.n_trainable - net.n_coefs, 0
