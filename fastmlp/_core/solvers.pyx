# The stochastic solvers: one epoch of batches, each summed up and then followed by a
# step of the update rule.
#
# a) One call is one epoch; between blocks of about CALL_WORK operations it looks for
#    pending signals, so an interrupt leaves the weights of the last finished step.
# b) Scalars of a step (bias correction, 1/S, alpha/S) are formed in double.
# c) A batch whose weights sum to 0 is skipped: no step, no count.

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY, pow, sqrt

cimport fastmlp._core.kernels as kernels

from fastmlp._core.batch cimport (
    ADAM,
    SGD,
    BatchSum,
    begin_batch,
    data_scale,
    penalty,
    read_weights,
    sum_parts,
    sum_rows,
    sum_t,
    update_t,
)
from fastmlp._core.network cimport Data, Network, address_of, data_t

from time import perf_counter

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
    cdef Py_ssize_t batch_size, n_rows, blocks_per_call
    cdef double alpha, learning_rate, loss_sum
    cdef readonly Py_ssize_t t, rows_done, rows_counted
    cdef tuple owners

    def __init__(
        self, Network net, Data data, params, moments, batch_size, alpha, n_threads=1
    ):
        cdef BatchSum batch = BatchSum(net, data, params, batch_size, n_threads)
        self.owners = (batch, params, tuple(moments))
        self.sum = &batch.c
        self.blocks_per_call = batch.blocks_per_call
        self.sum.update.m = <void *> address_of(moments[0], data.dtype)
        self.sum.update.v = <void *> address_of(moments[len(moments) - 1], data.dtype)
        self.batch_size = batch_size
        self.alpha = alpha

    def use_data(self, Data data):
        """Go on with other rows, of the same kind as before and checked as they were.

        Parameters
        ----------
        data : Data
            With as many features and targets a row, in the same precision.
        """
        cdef const data_t *old = self.sum.data
        if (
            data.c.is_float32 != old.is_float32 or data.c.is_sparse != old.is_sparse
            or data.c.n_features != old.n_features or data.c.y_width != old.y_width
            or data.n_targets != data.n_samples
        ):
            raise ValueError("the data are of another kind than those before")
        self.sum.data = &data.c
        self.owners = (*self.owners[:3], data)

    def use_sgd(self, learning_rate, momentum, nesterov):
        """Take steps of gradient descent with momentum."""
        cdef update_t *update = &self.sum.update
        update.rule = SGD
        update.learning_rate = self.learning_rate = learning_rate
        update.momentum, update.nesterov = momentum, nesterov

    def use_adam(self, learning_rate, beta_1, beta_2, epsilon, t):
        """Take steps of Adam, the next of which is number t + 1."""
        cdef update_t *update = &self.sum.update
        update.rule = ADAM
        update.learning_rate = self.learning_rate = learning_rate
        update.beta_1, update.beta_2, update.epsilon = beta_1, beta_2, epsilon
        self.t = t

    @property
    def last_rate(self):
        """Learning rate of the last step, for Adam with its bias corrections."""
        return self.sum.update.learning_rate

    @property
    def loss(self):
        """Mean loss over the rows so far, each batch before its step.

        Batches without weight, which take no step, do not count.
        """
        return self.loss_sum / self.rows_counted if self.rows_counted else np.inf

    def run(self, order=None, n_rows=None, double deadline=INFINITY):
        """Train on all batches of one epoch.

        It ends early, between two batches or blocks, after the deadline if a step was
        taken, and where the loss is no longer a number.

        Parameters
        ----------
        order : ndarray of intp or None
            The rows in the order of training; None for the first n_rows as they are.
        n_rows : int or None
            Needed where there is no order.
        deadline : float
            In the seconds of ``time.perf_counter``.
        """
        cdef sum_t *batch = self.sum
        cdef Py_ssize_t _i
        cdef unsigned int before
        batch.rows.order = NULL
        if order is not None:
            batch.rows.order = <const ptrdiff_t *> address_of(order, np.intp)
            n_rows = len(order)
        self.n_rows, self.rows_done = n_rows, 0
        self.loss_sum, self.rows_counted = 0, 0
        begin_batch(batch, 0, min(self.batch_size, self.n_rows))
        read_weights(batch)
        while self.rows_done < self.n_rows:
            with nogil:
                before = kernels.flush_denormals()
                for _i in range(self.blocks_per_call):
                    self.next_block()
                    if self.rows_done >= self.n_rows:
                        break
                kernels.restore_denormals(before)
            PyErr_CheckSignals()
            if self.loss_sum != self.loss_sum:
                break
            if deadline < INFINITY and self.rows_counted and perf_counter() > deadline:
                break

    cdef void next_block(self) noexcept nogil:
        """Add a block of rows; after the last one of a batch take the step"""
        cdef sum_t *batch = self.sum
        sum_rows(batch)
        if batch.is_last and batch.weight != 0:
            self.prepare_step()
        if not batch.is_last or batch.weight != 0:
            sum_parts(batch)
        if not batch.is_last:
            return
        if batch.weight != 0:
            self.loss_sum += (batch.loss * data_scale(batch) + penalty(batch)) * (
                batch.stop - self.rows_done
            )
            self.rows_counted += batch.stop - self.rows_done
        self.rows_done = batch.stop
        begin_batch(batch, batch.stop, min(batch.stop + self.batch_size, self.n_rows))

    cdef void prepare_step(self) noexcept nogil:
        """The scalars of the step: bias corrections, 1/S and alpha/S"""
        cdef update_t *update = &self.sum.update
        update.scale = 1 / self.sum.weight
        update.decay = self.alpha / self.sum.weight
        self.t += 1
        if update.rule == ADAM:
            update.learning_rate = (
                self.learning_rate * sqrt(1 - pow(update.beta_2, self.t))
                / (1 - pow(update.beta_1, self.t))
            )
