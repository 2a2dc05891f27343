# Loss and gradient over the rows of a batch, and the step that follows.
#
# a) Blocks: a batch is summed up in blocks of rows that fit the cache, so the workspace
#    is bounded for any batch size (lbfgs takes the whole data as one batch) and a call
#    can stop between two blocks to serve Ctrl-C.
# b) Two phases a block.  In the first, threads share the rows: each takes some through
#    all layers and back (rows_item).  In the second they share the weights: each forms
#    the gradient of some rows of a matrix, over all rows of the block, and takes their
#    step while they are in cache (part_item); or that of what belongs to a column of
#    the input stage, whose step comes when all columns are done (column_item).
# c) Same bits for any number of threads: a row's outputs do not depend on the rows
#    beside it, a weight's gradient is summed by one thread, and sums over rows (losses,
#    intercepts, slopes) go through slots of SUM_ROWS rows each, which are added in
#    order.

from time import perf_counter

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating
from libc.math cimport INFINITY
from libc.string cimport memset

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of
from fastmlp._core.custom cimport apply_loss
from fastmlp._core.network cimport SUM_ROWS, Data, Layers, Network, data_t, network_t
from fastmlp._core.noise cimport drop_stored, has_dropout, noisy_x, stored_values
from fastmlp._core.passes cimport backward, forward
from fastmlp._core.products cimport product
from fastmlp._core.rows cimport (
    block_of,
    ceil_div,
    csr_rows,
    is_in_place,
    rows_t,
    x_block,
    x_stride,
)
from fastmlp._core.stage cimport clear_column, column_backward, stage_t
from fastmlp._core.step cimport (
    finish_late_parts,
    finish_part,
    finish_step,
    transpose_all,
)
from fastmlp._core.sums cimport (
    INTERCEPTS,
    NO_RULE,
    SLOPES,
    STAGE,
    mean_scale,
    part_t,
    sum_t,
    tensor_t,
)
from fastmlp._core.workspace cimport Workspace, workspace_t

from fastmlp._core.layout import layout_of, part_array, tensor_array
from fastmlp._core.network import CALL_WORK
from fastmlp._core.workspace import aligned_empty

THREAD_WORK = 8e6  # operations of a batch from which threads pay (about 80 us)


class DeadlineError(Exception):
    """The deadline has passed; a TimeoutError may come from a user-defined function."""


cdef inline double loss_delta(
    const sum_t *s, const floating *y, const floating *w, floating *z, floating *db,
    Py_ssize_t n,
) noexcept nogil:
    """kernels.loss_delta, or the same with smoothed targets"""
    if s.smoothing > 0:
        return kernels.smoothed_log_loss(y, w, z, db, n, s.net.n_outputs, s.smoothing)
    return kernels.loss_delta(&s.net.objective, y, w, z, db, n, s.net.n_outputs)


cdef inline Py_ssize_t item_start(const sum_t *s, Py_ssize_t item) noexcept nogil:
    """The row of the block where an item starts; the last slot may hold few rows"""
    return item * ceil_div(s.rows.n, SUM_ROWS) // s.n_items * SUM_ROWS


cdef void rows_item(
    sum_t *s, Py_ssize_t item, int worker, floating *precision
) noexcept nogil:
    """Activations, deltas and sums of some rows of the block"""
    cdef const network_t *net = s.net
    cdef const data_t *data = s.data
    cdef const workspace_t *work = s.work
    cdef Py_ssize_t at = item_start(s, item), last = net.n_layers - 1
    cdef Py_ssize_t n_outputs = net.n_outputs, first = 0, slot = at // SUM_ROWS, n
    cdef Py_ssize_t n_sums = net.n_sums
    cdef floating *products = <floating *> work.products + worker * kernels.FM_GEMM_WORK
    cdef floating *slots = <floating *> work.slot_sums + slot * n_sums
    cdef floating *z = <floating *> work.a[net.n_layers] + at * n_outputs
    cdef floating *room = <floating *> work.loss_room + 3 * at * n_outputs
    cdef double *losses = <double *> work.losses + slot
    cdef double *weights = <double *> work.weights + slot
    cdef const floating *x = NULL
    cdef const floating *y
    cdef const floating *w
    cdef rows_t rows = s.rows
    cdef size_t real = sizeof(floating)
    rows.first += at
    rows.n = min(rows.n, item_start(s, item + 1)) - at
    y = block_of(data.y, data.y_width, work.y + at * data.y_width * real, data.y_width,
                 rows, precision)
    w = block_of(data.w, 1, work.w + at * real, 1, rows, precision)
    if not data.is_sparse:
        x = x_block(data, work.x + at * work.ldx * real, work.ldx, rows, precision)
    if work.noise != NULL and not data.is_sparse:
        n = data.n_features  # from a row of x to the next
        if rows.order != NULL or data.is_wide:
            n = work.ldx
        x = noisy_x(work.noise, rows.first, x, n, <floating *> work.x + at * work.ldx,
                    work.ldx, rows.n, data.n_features)
    elif has_dropout(work, 0):
        drop_stored(work.noise, rows.first, csr_rows(data, rows),
                    <const floating *> data.x, rows.n)
    memset(slots, 0, ceil_div(rows.n, SUM_ROWS) * n_sums * real)
    forward(net, data, s.layers, work, rows, at, x, z, products,
            <const floating *> NULL)
    if net.loss_function != NULL:
        apply_loss(&net.objective, net.loss_function, work.failure, y, data.y_width, w,
                   z, room, rows.n, n_outputs)
    while first < rows.n:
        n = min(<Py_ssize_t> SUM_ROWS, rows.n - first)
        if net.loss_function != NULL:
            losses[first // SUM_ROWS] = kernels.sum_values(
                <const floating *> room + first * n_outputs, n * n_outputs)
            kernels.column_sums(
                <const floating *> z + first * n_outputs,
                slots + first // SUM_ROWS * n_sums
                + net.intercept_offset[last] - net.n_coefs, n, n_outputs)
        else:
            losses[first // SUM_ROWS] = loss_delta(
                s, y + first * data.y_width, w + first if w != NULL else w,
                z + first * n_outputs,
                slots + first // SUM_ROWS * n_sums
                + net.intercept_offset[last] - net.n_coefs, n)
        weights[first // SUM_ROWS] = (
            kernels.sum_values(w + first, n) if w != NULL else <double> n
        )
        first += n
    backward(net, s.layers, work, rows.first, at, rows.n, slots, products)


cdef void part_item(
    sum_t *s, Py_ssize_t item, int worker, floating *grad
) noexcept nogil:
    """Gradient of some weights over the rows of the block, and their step"""
    cdef const workspace_t *work = s.work
    cdef part_t *part = &s.parts[item]
    cdef const tensor_t *tensor = &s.tensors[part.tensor]
    cdef Py_ssize_t layer = tensor.layer, fan_out = tensor.n_columns, lda
    cdef const floating *x
    cdef const floating *delta
    cdef floating *products = <floating *> work.products + worker * kernels.FM_GEMM_WORK
    cdef floating *sums = grad + part.start
    cdef bint in_slots = tensor.role == INTERCEPTS or tensor.role == SLOPES
    if s.is_first and (in_slots or (layer == 0 and s.data.is_sparse)):
        memset(sums, 0, part.size * sizeof(floating))
    if in_slots:
        add_slots(s, part, sums)
    else:
        delta = <const floating *> work.delta[layer + 1]
        if layer == 0 and s.data.is_sparse:
            kernels.csr_backward(csr_rows(s.data, s.rows),
                                 <const floating *> stored_values(s.data, work),
                                 delta, work.stride[1], sums, s.rows.n, fan_out)
        else:
            x, lda = <const floating *> work.input[layer], work.stride[layer]
            if layer == 0 and s.net.stage.n_outputs == 0:
                lda = x_stride(s.data, work, s.rows)
                if is_in_place(s.data, work, s.rows):
                    x = <const floating *> s.data.x + s.rows.first * lda
            product(True, part.n, fan_out, s.rows.n, x + part.first, lda, delta,
                    work.stride[layer + 1],
                    <const floating *> NULL if s.is_first else sums,
                    fan_out, False, NULL, sums, fan_out, products)
    if s.is_last and not s.waits:
        finish_part(s, part, grad)


cdef void add_slots(const sum_t *s, const part_t *part, floating *sums) noexcept nogil:
    """sums += those of the slots of the block, for some intercepts or slopes"""
    cdef Py_ssize_t n_sums = s.net.n_sums, slot, i
    cdef const floating *slots = <const floating *> s.work.slot_sums
    slots += part.start - s.net.n_coefs
    for slot in range(ceil_div(s.rows.n, SUM_ROWS)):
        for i in range(part.size):
            sums[i] += slots[slot * n_sums + i]


cdef void column_item(sum_t *s, Py_ssize_t column, floating *grad) noexcept nogil:
    """Gradient of the weights of one column of the input stage, as part_item"""
    cdef const workspace_t *work = s.work
    cdef Py_ssize_t ldx = x_stride(s.data, work, s.rows)
    cdef const floating *x = <const floating *> work.x
    if is_in_place(s.data, work, s.rows):
        x = <const floating *> s.data.x + s.rows.first * ldx
    grad += s.net.n_coefs + s.net.n_sums
    if s.is_first:
        clear_column(&s.net.stage, column, grad)
    column_backward(&s.net.stage, <const floating *> s.layers.stage, column, x, ldx,
                    <const floating *> work.delta[0], work.stride[0], grad, s.rows.n)


cdef void read_weights(sum_t *s) noexcept nogil:
    """Take over weights that changed since the last step"""
    if s.data.is_float32:
        transpose_all(s, <const float *> s.update.w)
    else:
        transpose_all(s, <const double *> s.update.w)


cdef void rows_task(void *s, ptrdiff_t item, int worker) noexcept nogil:
    """rows_item in the precision of the data"""
    if (<sum_t *> s).data.is_float32:
        rows_item(<sum_t *> s, item, worker, <float *> NULL)
    else:
        rows_item(<sum_t *> s, item, worker, <double *> NULL)


cdef void part_task(void *s, ptrdiff_t item, int worker) noexcept nogil:
    """part_item or column_item in the precision of the data"""
    cdef sum_t *total = <sum_t *> s
    cdef Py_ssize_t column = item - total.n_early_parts
    if total.data.is_float32:
        if column < 0:
            part_item(total, item, worker, <float *> total.grad)
        else:
            column_item(total, column, <float *> total.grad)
    elif column < 0:
        part_item(total, item, worker, <double *> total.grad)
    else:
        column_item(total, column, <double *> total.grad)


cdef void begin_batch(sum_t *s, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    """Start the batch of the rows first to stop"""
    s.rows.first, s.rows.n, s.stop = first, 0, stop
    s.loss = s.weight = 0
    s.is_first = True
    s.noise.start = first


cdef void sum_rows(sum_t *s) noexcept nogil:
    """Phase one for the next block: its rows; adds up losses and weights"""
    cdef Py_ssize_t n_slots, slot
    s.is_first = s.rows.n == 0
    s.rows.first += s.rows.n
    s.rows.n = min(s.work.n_rows, s.stop - s.rows.first)
    s.is_last = s.rows.first + s.rows.n >= s.stop
    n_slots = ceil_div(s.rows.n, SUM_ROWS)
    s.n_items = min(n_slots, s.n_threads)
    kernels.parallel(rows_task, s, s.n_items, s.n_threads)
    for slot in range(n_slots):
        s.loss += (<const double *> s.work.losses)[slot]
        s.weight += (<const double *> s.work.weights)[slot]


cdef void sum_parts(sum_t *s) noexcept nogil:
    """Phase two for the block: its gradient, and after the last block the step"""
    cdef const stage_t *stage = &s.net.stage
    cdef Py_ssize_t n_columns = stage.n_numbers + stage.n_categories
    kernels.parallel(part_task, s, s.n_early_parts + n_columns, s.n_threads)
    if not s.is_last or s.waits:
        return
    finish_late_parts(s)
    if s.update.rule != NO_RULE:
        finish_step(s)


cdef double data_scale(const sum_t *s) noexcept nogil:
    """The factor that turns sums over a batch into means"""
    return mean_scale(s.net, s.weight)


cdef double penalty(const sum_t *s) noexcept nogil:
    """decay sum(W^2) / 2 of the weights before the step"""
    cdef double total = 0
    cdef Py_ssize_t i
    for i in range(s.n_parts):
        total += s.parts[i].square
    return 0.5 * s.update.decay * total


cdef class BatchSum:
    """Loss and gradient summed over the rows of a batch, block by block.

    Parameters
    ----------
    net : Network
    data : Data
        With targets.
    params : ndarray of shape (n_params,)
        The flat vector of weights, read at each block.
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
        noise = self.set_noise(net, data, work, dropout, input_noise)
        self.net, self.data = net, data
        self.owners = (layers, work, params, noise)
        self.failures = work.failures
        self.c.net, self.c.data = &net.c, &data.c
        self.c.layers, self.c.work = &layers.c, &work.c
        self.c.grad = <void *> address_of(self.grad, data.dtype)
        self.set_layout(layout_of(net))
        self.c.n_threads = n_threads
        self.c.smoothing = smoothing if net.loss == "log_loss" else 0
        self.c.update.rule = NO_RULE
        self.c.update.w = <void *> address_of(params, data.dtype)
        self.c.update.m = self.c.update.v = self.c.update.w
        per_block = rows * row_work + 20.0 * net.c.n_params
        self.blocks_per_call = max(1, int(CALL_WORK / per_block))

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
