# The stochastic solvers: one epoch of batches, each summed up and then followed by a
# step of the update rule.
#
# a) One call is one epoch; between blocks of about CALL_WORK operations it looks for
#    pending signals, so an interrupt leaves the weights of the last finished step.
# b) Scalars of a step (bias correction, 1/S, alpha/S) are formed in double.
# c) A batch whose weights sum to 0 is skipped: no step, no count.
# d) The step number is part of what dropout and noise depend on, so it is counted for
#    every rule and goes on over calls of partial_fit.

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY

cimport fastmlp._core.kernels as kernels

from fastmlp._core.addresses cimport address_of
from fastmlp._core.average cimport add_weights, average_t
from fastmlp._core.batch cimport BatchSum
from fastmlp._core.block cimport (
    begin_batch,
    data_scale,
    penalty,
    read_weights,
    sum_parts,
    sum_rows,
)
from fastmlp._core.custom cimport Failures
from fastmlp._core.network cimport Data, Network, data_t
from fastmlp._core.rows cimport ceil_div
from fastmlp._core.rules cimport correct_step
from fastmlp._core.step cimport take_step
from fastmlp._core.step_values cimport read_values, set_values, step_values_t
from fastmlp._core.sums cimport sum_t, update_t

from fastmlp._core.kernels import rule_names
from fastmlp._core.layout import layout_of

from time import perf_counter

import numpy as np


cdef class Epoch:
    """Epochs of a stochastic solver on one flat vector.

    Parameters
    ----------
    net : Network
    data : Data
        With targets.
    params : ndarray of shape (n_params,)
        Changed in place.
    moments : list of ndarray of shape (n_params,)
        The state of the rule: as many as ``rule_vectors`` says.  Changed in place.
    batch_size : int
    alpha : float
        L2 penalty, divided by the weight of the batch.
    n_threads : int
    **noise : float
        ``smoothing``, ``dropout`` and ``input_noise`` of BatchSum.
    """

    cdef sum_t *sum
    cdef Failures failures
    cdef Py_ssize_t batch_size, n_rows, blocks_per_call
    cdef double alpha, loss_sum
    cdef readonly Py_ssize_t t, rows_done, rows_counted
    cdef readonly double momentum_product
    cdef Data data                      # the rows of now
    cdef BatchSum batch
    cdef bint is_stopped
    cdef average_t average
    cdef step_values_t values
    cdef const double *dropout          # the rates where they are constant
    cdef object owners, mean, arrays    # of what the addresses lead to
    cdef object ask

    def __init__(
        self, Network net, Data data, params, moments, batch_size, alpha, n_threads=1,
        **noise,
    ):
        cdef BatchSum batch = BatchSum(
            net, data, params, batch_size, n_threads, **noise
        )
        self.data = data
        self.batch = batch
        self.owners = (params, tuple(moments))
        self.sum = &batch.c
        self.dropout = self.sum.noise.dropout
        self.failures = batch.failures
        self.blocks_per_call = batch.blocks_per_call
        self.sum.update.m = <void *> address_of(moments[0], data.dtype)
        self.sum.update.v = <void *> address_of(moments[len(moments) - 1], data.dtype)
        self.batch_size = batch_size
        self.alpha = alpha
        read_values(&self.values, None, None, None, None, None)

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
            or data.n_targets != data.n_samples or self.sum.noise.values != NULL
        ):
            raise ValueError("the data are of another kind than those before")
        self.sum.data = &data.c
        self.data = data

    def use(
        self, rule, learning_rate, t, *, momentum=0.0, nesterov=False, beta_1=0.0,
        beta_2=0.0, epsilon=0.0, momentum_product=1.0, velocity_rate=0.0,
    ):
        """Take steps by a rule, the next of which is number t + 1.

        Parameters
        ----------
        rule : str
            One of ``rule_names``.
        learning_rate : float
        t : int
        momentum, nesterov, beta_1, beta_2, epsilon
            Scalars of the rule.
        momentum_product : float
            Of nadam: the product of the momenta of the steps so far.
        velocity_rate : float
            Of sgd: the sum of the rates of the steps so far, each times the momentum
            once for each step since then, as the velocity holds their gradients.
        """
        cdef update_t *update = &self.sum.update
        update.rule = rule_names.index(rule)
        update.step.learning_rate = update.rate = learning_rate
        update.step.momentum, update.step.nesterov = momentum, nesterov
        update.step.beta_1, update.step.beta_2 = beta_1, beta_2
        update.step.epsilon, update.step.root = epsilon, 1
        update.velocity_rate = velocity_rate
        self.t, self.momentum_product = t, momentum_product

    def regularize(
        self, *, weight_decay=0.0, l1=0.0, max_norm=0.0, clip_norm=0.0,
        layer_rates=None, layer_decays=None,
    ):
        """Regularise the weights at each step; 0 does nothing.

        Parameters
        ----------
        weight_decay : float
            Times the learning rate, the share of a weight that is taken away.
        l1 : float
            Times the learning rate, what is taken from the size of a weight.
        max_norm : float
            Largest norm of the weights into a unit.
        clip_norm : float
            Largest norm of the gradient.
        layer_rates : sequence of float of length n_layers, or None
            Factors of the learning rate; a layer with 0 stays as it is.
        layer_decays : sequence of float of length n_layers, or None
            Factors of alpha, weight_decay and l1.
        """
        cdef update_t *update = &self.sum.update
        update.weight_decay, update.l1 = weight_decay, l1
        update.max_norm, update.clip_norm = max_norm, clip_norm
        self.use_layout(layout_of(self.batch.net, layer_rates, layer_decays))

    def use_layout(self, layout):
        """Take the factors of a layout, for example of ``layout_of`` with some changed.

        Parameters
        ----------
        layout : list of Tensor
        """
        self.batch.set_layout(layout)

    def vary(
        self, *, learning_rate=None, alpha=None, weight_decay=None, epsilon=None,
        dropout=None,
    ):
        """Take a value for each step of the coming runs, in place of a constant.

        Parameters
        ----------
        learning_rate, alpha, weight_decay, epsilon : ndarray of (n_steps,) or None
            One float64 for each batch of a run; None for what is constant.
        dropout : ndarray of shape (n_steps, n_layers) or None
            Rates; above 0 only where those that the Epoch was made with are.
        """
        cdef Py_ssize_t n_layers = self.sum.net.n_layers, layer
        cdef step_values_t values
        if dropout is not None:
            if dropout.ndim != 2 or dropout.shape[1] != n_layers:
                raise ValueError("dropout needs a rate for each step and layer")
            for layer in range(n_layers):
                if dropout[:, layer].any() and (
                    self.sum.work.noise == NULL or not self.sum.noise.drops[layer]
                ):
                    raise ValueError(f"layer {layer} was made without dropout")
        read_values(&values, learning_rate, alpha, weight_decay, epsilon, dropout)
        self.values, self.sum.noise.dropout = values, self.dropout
        self.arrays = (learning_rate, alpha, weight_decay, epsilon, dropout)

    def seed(self, key):
        """Give dropout and noise their seed.

        Parameters
        ----------
        key : sequence of two int
            Of 32 bits each.
        """
        self.sum.noise.draw.key[0], self.sum.noise.draw.key[1] = key

    def average_into(self, mean, decay, n_averaged):
        """Keep a moving average of the weights after each step.

        With the weights w_i after step i, it is the mean of them with the weights
        decay^(n - i), so that the first ones count no more than they should.

        Parameters
        ----------
        mean : ndarray of shape (n_params,)
            Changed in place.
        decay : float
        n_averaged : int
            Steps that are already in it.
        """
        self.average.mean = <void *> address_of(mean, self.data.dtype)
        self.average.decay, self.average.n = decay, n_averaged
        self.mean = mean

    def read_ahead(self, ask):
        """Have somebody ask for rows that may be on disk, as runs go through the order.

        Parameters
        ----------
        ask : callable or None
            Called by a run now and then with the number of rows that are done.
        """
        self.ask = ask

    @property
    def n_averaged(self):
        """Steps that are in the moving average."""
        return self.average.n

    @property
    def last_rate(self):
        """Learning rate of the last step, for Adam with its bias corrections."""
        return self.sum.update.step.learning_rate

    @property
    def velocity_rate(self):
        """The sum of past rates that ``use`` takes to go on with sgd."""
        return self.sum.update.velocity_rate

    @property
    def loss(self):
        """Mean loss over the rows so far, each batch before its step.

        Batches without weight, which take no step, do not count.
        """
        return self.loss_sum / self.rows_counted if self.rows_counted else np.inf

    def run(self, order=None, n_rows=None, double deadline=INFINITY):
        """Train on all batches of one epoch.

        It ends early, between two batches or blocks, after the deadline if a step was
        taken, and where the loss is no longer a number.  An exception of a
        user-defined function is raised again, with the weights of the last whole batch.

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
            batch.rows.n_ordered = n_rows = len(order)
        self.n_rows, self.rows_done = n_rows, 0
        if ceil_div(self.n_rows, self.batch_size) > self.values.n_steps:
            raise ValueError(f"there are values for {self.values.n_steps} steps only")
        self.loss_sum, self.rows_counted, self.is_stopped = 0, 0, False
        begin_batch(batch, 0, min(self.batch_size, self.n_rows))
        read_weights(batch)
        while self.rows_done < self.n_rows:
            if self.ask is not None:
                self.ask(self.rows_done)
            with nogil:
                before = kernels.flush_denormals()
                for _i in range(self.blocks_per_call):
                    self.next_block()
                    if self.rows_done >= self.n_rows or batch.work.failure.failed:
                        break
                kernels.restore_denormals(before)
            self.failures.check()
            PyErr_CheckSignals()
            if self.loss_sum != self.loss_sum or self.is_stopped:
                break
            if deadline < INFINITY and self.rows_counted and perf_counter() > deadline:
                break

    def stop(self):
        """Let a run in another thread end early, as after its deadline."""
        self.is_stopped = True

    cdef void next_block(self) noexcept nogil:
        """Add a block of rows; after the last one of a batch take the step"""
        cdef sum_t *batch = self.sum
        if batch.rows.n == 0:
            batch.noise.draw.step = <unsigned int> self.t
            set_values(
                &self.values, batch, &self.alpha, self.rows_done // self.batch_size
            )
        sum_rows(batch)
        if batch.work.failure.failed:  # the weights stay those of the last whole batch
            return
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
            add_weights(&self.average, batch)
        self.rows_done = batch.stop
        begin_batch(batch, batch.stop, min(batch.stop + self.batch_size, self.n_rows))

    def accumulate(self, rows):
        """Sum the gradient over the rows of one batch, without a step.

        Followed by ``apply`` it gives the bits that ``run`` gives with this batch, if
        it has no more rows than ``batch_size``. Gradients and weights of several calls,
        of several processes too, may be added before that.

        Parameters
        ----------
        rows : ndarray of intp, or slice with start and stop

        Returns
        -------
        gradient : ndarray of shape (n_params,)
            Of the loss, as a sum over the rows, each times its weight; a new array.
        weight : float
            Sum of the weights of the rows.
        """
        cdef sum_t *batch = self.sum
        cdef Py_ssize_t first, stop, _i
        cdef unsigned int before
        batch.rows.order = NULL
        if isinstance(rows, slice):
            first, stop, _ = rows.indices(self.data.n_samples)
        else:
            batch.rows.order = <const ptrdiff_t *> address_of(rows, np.intp)
            first, stop = 0, len(rows)
            batch.rows.n_ordered = stop
        if first >= stop:
            raise ValueError("a batch needs a row at least")
        begin_batch(batch, first, stop)
        read_weights(batch)
        batch.noise.draw.step = <unsigned int> self.t
        batch.is_last, batch.waits = False, True
        try:
            while not batch.is_last:
                with nogil:
                    before = kernels.flush_denormals()
                    for _i in range(self.blocks_per_call):
                        sum_rows(batch)
                        if batch.work.failure.failed:
                            break
                        sum_parts(batch)
                        if batch.is_last:
                            break
                    kernels.restore_denormals(before)
                self.failures.check()
                PyErr_CheckSignals()
        finally:
            batch.waits = False
        gradient = self.batch.grad.copy()
        gradient[batch.net.n_trainable :] = 0
        return gradient, batch.weight

    @property
    def accumulated_loss(self):
        """Sum of the losses of the last ``accumulate``, each times its weight.

        It is without penalty; for squared errors a sum over the outputs too.
        """
        return self.sum.loss

    def apply(self, gradient, double weight):
        """Take the step along a gradient: that of a batch, or a sum of several.

        Parameters
        ----------
        gradient : ndarray of shape (n_params,)
        weight : float
            With 0 there is no step.
        """
        cdef unsigned int before
        if gradient.shape != self.batch.grad.shape or (
            gradient.dtype != self.batch.grad.dtype
        ):
            raise ValueError("the gradient is of a wrong shape or dtype")
        if weight == 0:
            return
        self.batch.grad[:] = gradient
        self.sum.weight = weight
        with nogil:
            before = kernels.flush_denormals()
            self.prepare_step()
            take_step(self.sum)
            add_weights(&self.average, self.sum)
            kernels.restore_denormals(before)

    cdef void prepare_step(self) noexcept nogil:
        """The scalars of the step: bias corrections, 1/S and alpha/S"""
        cdef update_t *update = &self.sum.update
        update.scale = 1 / self.sum.weight
        update.decay = self.alpha / self.sum.weight
        self.t += 1
        correct_step(update, self.t, &self.momentum_product)
