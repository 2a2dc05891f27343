# The two phases of a training step over a block of rows.
#
# a) In phase one threads share the rows: each takes some through all layers and back
#    (rows_item).  In phase two they share the weights: each forms the gradient of some
#    rows of a matrix, over all rows of the block, and takes their step while they are
#    in cache (part_item); or that of what belongs to a column of the input stage, whose
#    step comes when all columns are done (column_item).
# b) Shares: where weights are few beside the activations of a block, its rows are two
#    shares whose gradients of weights are summed apart.  Two threads that have replicas
#    of the weights (replicas.pyx) then take a share each through phase one, gradient
#    included (share_item): of what the other one has written they read half a gradient
#    and half the weights after the step, not its activations and deltas.
# c) Same bits for any number of threads: a row's outputs do not depend on the rows
#    beside it, a share's gradient of a weight is summed by one thread, shares depend on
#    sizes alone, and sums over rows (losses, intercepts, slopes) go through slots of
#    SUM_ROWS rows each, which are added in order, as shares are.

from cython cimport floating
from libc.string cimport memset

cimport fastmlp._core.kernels as kernels
from fastmlp._core.custom cimport apply_loss
from fastmlp._core.network cimport SUM_ROWS, data_t, network_t
from fastmlp._core.noise cimport drop_stored, has_dropout, noisy_x, stored_values
from fastmlp._core.passes cimport backward, forward
from fastmlp._core.products cimport product
from fastmlp._core.replicas cimport forget_replicas, read_changes, replica_of
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
from fastmlp._core.step cimport finish_late_parts, finish_part, finish_step
from fastmlp._core.sums cimport (
    COEFS,
    INTERCEPTS,
    NO_RULE,
    SLOPES,
    mean_scale,
    part_t,
    replica_t,
    sum_t,
    tensor_t,
)
from fastmlp._core.workspace cimport workspace_t


cdef inline double loss_delta(
    const sum_t *s, const floating *y, const floating *w, floating *z, floating *db,
    Py_ssize_t n,
) noexcept nogil:
    """kernels.loss_delta, or the same with smoothed targets"""
    if s.smoothing > 0:
        return kernels.smoothed_log_loss(y, w, z, db, n, s.net.n_outputs, s.smoothing)
    return kernels.loss_delta(&s.net.objective, y, w, z, db, n, s.net.n_outputs)


cdef inline Py_ssize_t start_of(
    const sum_t *s, Py_ssize_t item, Py_ssize_t n_items
) noexcept nogil:
    """The row of the block where an item starts; the last slot may hold few rows"""
    return min(s.rows.n, item * ceil_div(s.rows.n, SUM_ROWS) // n_items * SUM_ROWS)


cdef inline bint takes_shares(const sum_t *s) noexcept nogil:
    """Return whether threads take a share each through phase one"""
    return s.n_shares > 1 and s.n_replicas > 1


cdef inline Py_ssize_t shares_of(const sum_t *s) noexcept nogil:
    """The shares of the current block: one where it has few rows"""
    return min(s.n_shares, ceil_div(s.rows.n, SUM_ROWS))


cdef inline floating *share_gradient(
    const sum_t *s, Py_ssize_t share, floating *grad
) noexcept nogil:
    """Where the gradients of the weight matrices are summed over a share"""
    if share == 0:
        return grad
    return <floating *> s.share_grads + (share - 1) * s.net.n_coefs


cdef void rows_item(
    sum_t *s, Py_ssize_t item, int worker, floating *precision
) noexcept nogil:
    """Activations, deltas and sums of some rows of the block"""
    cdef const network_t *net = s.net
    cdef const data_t *data = s.data
    cdef const workspace_t *work = s.work
    cdef const replica_t *replica = replica_of(s, worker)
    cdef Py_ssize_t at = start_of(s, item, s.n_items), last = net.n_layers - 1
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
    read_changes(s, <floating *> s.update.w, worker)
    rows.first += at
    rows.n = start_of(s, item + 1, s.n_items) - at
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
    forward(net, data, &replica.layers, work, rows, at, x, z, products,
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
    backward(net, &replica.layers, replica.transposed, work, rows.first, at, rows.n,
             slots, products)


cdef void share_item(
    sum_t *s, Py_ssize_t share, int worker, floating *grad
) noexcept nogil:
    """rows_item for a share of the block, and the gradient of its weights"""
    cdef part_t whole
    cdef const tensor_t *tensor
    rows_item(s, share, worker, grad)
    for whole.tensor in range(s.n_tensors):
        tensor = &s.tensors[whole.tensor]
        if tensor.role == COEFS:
            whole.first, whole.n = 0, tensor.n_rows
            whole.start, whole.size = tensor.start, tensor.n_rows * tensor.n_columns
            add_products(s, &whole, share, s.n_items, worker, grad)


cdef void add_products(
    const sum_t *s, const part_t *part, Py_ssize_t share, Py_ssize_t n_shares,
    int worker, floating *grad,
) noexcept nogil:
    """Gradient of some rows of a weight matrix over the rows of a share"""
    cdef const workspace_t *work = s.work
    cdef Py_ssize_t layer = s.tensors[part.tensor].layer
    cdef Py_ssize_t fan_out = s.net.width[layer + 1], lda = work.stride[layer]
    cdef Py_ssize_t ldd = work.stride[layer + 1]
    cdef Py_ssize_t at = start_of(s, share, n_shares)
    cdef Py_ssize_t n = start_of(s, share + 1, n_shares) - at
    cdef const floating *x = <const floating *> work.input[layer]
    cdef const floating *delta = <const floating *> work.delta[layer + 1] + at * ldd
    cdef floating *products = <floating *> work.products + worker * kernels.FM_GEMM_WORK
    cdef floating *sums = share_gradient(s, share, grad) + part.start
    if layer == 0 and s.data.is_sparse:
        if s.is_first:
            memset(sums, 0, part.size * sizeof(floating))
        kernels.csr_backward(csr_rows(s.data, s.rows),
                             <const floating *> stored_values(s.data, work),
                             delta, ldd, sums, n, fan_out)
        return
    if layer == 0 and s.net.stage.n_outputs == 0:
        lda = x_stride(s.data, work, s.rows)
        if is_in_place(s.data, work, s.rows):
            x = <const floating *> s.data.x + s.rows.first * lda
    product(True, part.n, fan_out, n, x + at * lda + part.first, lda, delta, ldd,
            <const floating *> NULL if s.is_first else sums, fan_out, False, NULL, sums,
            fan_out, products)


cdef void part_item(
    sum_t *s, Py_ssize_t item, int worker, floating *grad
) noexcept nogil:
    """Gradient of some weights over the rows of the block, and their step"""
    cdef part_t *part = &s.parts[item]
    cdef Py_ssize_t share, role = s.tensors[part.tensor].role
    cdef floating *sums = grad + part.start
    cdef floating *theirs
    if role == INTERCEPTS or role == SLOPES:
        if s.is_first:
            memset(sums, 0, part.size * sizeof(floating))
        add_slots(s, part, sums)
    elif not takes_shares(s):
        for share in range(shares_of(s)):
            add_products(s, part, share, shares_of(s), worker, grad)
    if not s.is_last:
        return
    if role == COEFS:
        for share in range(1, s.n_summed):
            theirs = share_gradient(s, share, grad) + part.start
            if takes_shares(s):  # where they change next (replicas.pyx)
                kernels.own_lines(theirs, part.size)
            kernels.column_sums(<const floating *> theirs, sums, 1, part.size)
    if not s.waits:
        finish_part(s, part, worker, grad)


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
    column_backward(&s.net.stage, <const floating *> s.replicas.layers.stage, column, x,
                    ldx, <const floating *> work.delta[0], work.stride[0], grad,
                    s.rows.n)


cdef void read_weights(sum_t *s) noexcept nogil:
    """Have threads read the weights anew, which may have changed since the last step"""
    if s.data.is_float32:
        forget_replicas(s, <const float *> s.update.w)
    else:
        forget_replicas(s, <const double *> s.update.w)


cdef void rows_task(void *s, ptrdiff_t item, int worker) noexcept nogil:
    """share_item or rows_item in the precision of the data"""
    cdef sum_t *total = <sum_t *> s
    if total.data.is_float32:
        if takes_shares(total):
            share_item(total, item, worker, <float *> total.grad)
        else:
            rows_item(total, item, worker, <float *> NULL)
    elif takes_shares(total):
        share_item(total, item, worker, <double *> total.grad)
    else:
        rows_item(total, item, worker, <double *> NULL)


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
    s.batch += 1
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
    if s.is_first:
        s.n_summed = shares_of(s)
    n_slots = ceil_div(s.rows.n, SUM_ROWS)
    s.n_items = shares_of(s) if takes_shares(s) else min(n_slots, s.n_threads)
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
