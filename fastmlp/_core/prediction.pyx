# Prediction: blocks of rows through all layers.
#
# a) Blocks: a block of rows goes through all layers while its activations are in cache,
#    so memory is bounded for any number of rows; threads share the blocks.  A row's
#    outputs depend neither on its block nor on the thread (see gemm.inl.h b).
# b) X is read once: whether it is finite is seen block by block, just before the block
#    is used (check_finite), in lanes strip by strip.  One thread fetches the next block
#    into cache during the first product, unless it would push this one out.
# c) Rows take the lanes of vectors where that is less work (lanes.pyx): the same bits.

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of
from fastmlp._core.custom cimport Failures, apply_loss
from fastmlp._core.kernels cimport fm_objective
from fastmlp._core.lanes cimport LANE_ROWS, Lanes, forward_lanes, lanes_t
from fastmlp._core.network cimport Data, Layers, Network, data_t, layers_t, network_t
from fastmlp._core.passes cimport forward
from fastmlp._core.rows cimport rows_t, x_block, x_stride
from fastmlp._core.sums cimport mean_scale
from fastmlp._core.workspace cimport Workspace, workspace_t

from fastmlp._core.lanes import lanes_pay
from fastmlp._core.network import CALL_WORK

BLOCK_BYTES = 192 * 1024  # of a block's activations, or of its X gathered for lanes
FORWARD_THREAD_WORK = 2e6  # operations of a forward pass from which threads pay
FETCHED_BYTES = 256 * 1024  # of a block of X, up to which it is fetched ahead
STRIPS = 128  # of LANE_ROWS, the most in a block of rows in lanes
MIN_STRIPS = 4  # in a block where several threads share them, if there are as many
SHARES = 8  # blocks of each of several threads, of MIN_STRIPS or more

OUTPUTS, RAW, PROBA = range(3)  # what to predict; PROBA: both classes of a binary model

ctypedef struct predict_t:
    const network_t *net
    const data_t *data
    const layers_t *layers
    const workspace_t *work
    const lanes_t *lanes                # NULL: the units take the lanes
    rows_t rows                         # all of them
    Py_ssize_t block                    # rows of a block
    Py_ssize_t n_columns                # of out
    int what
    bint check_finite
    bint fetches_ahead
    bint is_infinite                    # whether a value of X was found not to be
    void *out


cdef void both_classes(floating *out, Py_ssize_t n) noexcept nogil:
    """out (n, 2) := the probabilities of both classes, from those in its second half"""
    cdef const floating *z = out + n
    cdef floating p
    cdef Py_ssize_t i
    for i in range(n):
        p = z[i]
        out[2 * i] = 1 - p
        out[2 * i + 1] = p


cdef void block_item(
    predict_t *p, Py_ssize_t item, int worker, floating *out
) noexcept nogil:
    """Predict one block of rows"""
    cdef rows_t rows = p.rows
    cdef Py_ssize_t done = item * p.block, at = worker * p.block
    cdef const network_t *net = p.net
    cdef const floating *x = NULL
    cdef const floating *ahead = NULL
    cdef floating *z
    cdef floating *products = <floating *> p.work.products
    cdef const fm_objective *objective = &net.objective if p.what != AS_RAW else NULL
    cdef Py_ssize_t ldx = p.work.ldx
    rows.first += done
    rows.n = min(p.block, p.rows.n - done)
    out += rows.first * p.n_columns
    z = out if p.n_columns == net.n_outputs else out + rows.n
    if not p.data.is_sparse:
        x = x_block(p.data, p.work.x + at * ldx * sizeof(floating), ldx, rows, out)
        if p.check_finite and p.lanes == NULL and not kernels.all_finite(
            x, rows.n * p.data.n_features
        ):
            p.is_infinite = True
            return
        if p.fetches_ahead and p.rows.n - done >= 2 * rows.n:
            ahead = x + rows.n * p.data.n_features
    products += worker * kernels.FM_GEMM_WORK
    if p.lanes == NULL:
        forward(net, p.data, p.layers, p.work, rows, at, x, z, products, ahead)
        if objective != NULL:
            kernels.output(objective, z, rows.n, net.n_outputs)
    elif not forward_lanes(net, p.layers, p.lanes, worker, objective, x,
                           x_stride(p.data, p.work, rows), rows.n, p.check_finite, z,
                           products):
        p.is_infinite = True
        return
    if z != out:
        both_classes(out, rows.n)


cdef void block_task(void *p, ptrdiff_t item, int worker) noexcept nogil:
    """block_item in the precision of the data"""
    if (<predict_t *> p).data.is_float32:
        block_item(<predict_t *> p, item, worker, <float *> (<predict_t *> p).out)
    else:
        block_item(<predict_t *> p, item, worker, <double *> (<predict_t *> p).out)


def lane_block_rows(Network net, dtype, n_rows, is_in_place, n_threads):
    """Rows of a block in lanes: many, as they pass strip by strip."""
    strips = STRIPS
    if not is_in_place:
        strips = BLOCK_BYTES // (LANE_ROWS * max(1, net.units[0]) * dtype.itemsize)
    if n_threads > 1:
        shared = n_rows // (LANE_ROWS * SHARES * n_threads)
        strips = min(strips, max(MIN_STRIPS, shared))
    return LANE_ROWS * max(1, min(strips, STRIPS))


def block_rows(Network net, dtype, n_rows):
    """Rows of a block: few enough for L2, or many where weights are large."""
    if net.has_large_weights(dtype):
        return net.block_rows(n_rows, dtype)
    rows = BLOCK_BYTES // (sum(net.units) * dtype.itemsize) // 24 * 24
    return min(n_rows, max(24, min(rows, 480)))


def predict(
    Network net, Data data, Layers layers, order=None, bint activated=True, *,
    what=None, out=None, int n_threads=1, bint check_finite=False, Workspace work=None,
):
    """Outputs of the network for the rows of the data.

    Parameters
    ----------
    net : Network
    data : Data
    layers : Layers
    order : ndarray of intp or None
        Rows to predict, in this order; None for all of them.
    activated : bool
        Whether to apply the output activation.
    what : {OUTPUTS, RAW, PROBA} or None
        In place of ``activated``; PROBA gives both columns of a binary model.
    out : C-contiguous ndarray of shape (n_rows, n_columns) or None
        Where to put them.
    n_threads : int
        Threads that share the blocks of rows.
    check_finite : bool
        Whether to look for infinite values and NaN in dense data on the way.
    work : Workspace or None
        To work in, with room for all rows; a new one where there is none.

    Returns
    -------
    out : ndarray of shape (n_rows, n_columns), or None if data are not finite
    """
    cdef predict_t p
    cdef Lanes lanes
    cdef Py_ssize_t n_rows = data.n_samples if order is None else len(order)
    cdef Py_ssize_t n_items, per_call, first_item = 0
    cdef int threads
    cdef unsigned int before
    work_of_training = n_rows * data.work_per_row(net.units)
    if net.has_python or work_of_training < 3 * FORWARD_THREAD_WORK:
        n_threads = 1
    p.what = (AS_OUTPUTS if activated else AS_RAW) if what is None else what
    in_lanes = (
        n_rows > 0 and not data.c.is_sparse
        and lanes_pay(net, data.dtype, n_rows, work is not None)
    )
    is_in_place = order is None and not data.c.is_wide
    if in_lanes:
        p.block = lane_block_rows(net, data.dtype, n_rows, is_in_place, n_threads)
    else:
        p.block = max(1, block_rows(net, data.dtype, n_rows))
    n_items = (n_rows + p.block - 1) // p.block
    threads = max(1, min(n_threads, n_items))
    if in_lanes:
        lanes = Lanes(net, data.dtype, 0 if is_in_place else p.block * threads, threads)
        p.lanes, p.work = &lanes.c, &lanes.work
    else:
        if work is None:
            work = Workspace(net, data, p.block * threads, threads)
        p.lanes, p.work = NULL, &work.c
    p.n_columns = net.c.n_outputs
    if p.what == AS_PROBA and net.c.n_outputs == 1:
        p.n_columns = 2
    if out is None:
        out = np.empty((n_rows, p.n_columns), dtype=data.dtype)
    p.net, p.data, p.layers = &net.c, &data.c, &layers.c
    p.rows.order, p.rows.first, p.rows.n = NULL, 0, n_rows
    p.check_finite, p.is_infinite = check_finite, False
    p.fetches_ahead = (
        threads == 1 and is_in_place and not in_lanes
        and p.block * data.c.n_features * data.dtype.itemsize <= FETCHED_BYTES
    )
    p.out = <void *> address_of(out, data.dtype)
    if check_finite and not is_in_place:
        raise ValueError("check_finite needs all rows, in the precision of the network")
    if order is not None:
        p.rows.order = <const ptrdiff_t *> address_of(order, np.intp)
        p.rows.n_ordered = n_rows
    per_block = p.block * data.work_per_row(net.units) + 1
    per_call = max(1, int(CALL_WORK / per_block)) * threads
    while first_item < n_items and not p.is_infinite:
        with nogil:
            before = kernels.flush_denormals()
            kernels.parallel(block_task, &p, min(per_call, n_items - first_item),
                             threads)
            kernels.restore_denormals(before)
        if not in_lanes:  # these have no user-defined functions
            work.failures.check()
        first_item += per_call
        p.rows.first += per_call * p.block
        p.rows.n -= per_call * p.block
        PyErr_CheckSignals()
    return None if p.is_infinite else out


def class_numbers(outputs):
    """The column of the largest output of each row, the first of equal ones.

    As in NumPy a NaN counts as the largest.

    Parameters
    ----------
    outputs : C-contiguous ndarray of shape (n_rows, n_columns)

    Returns
    -------
    codes : ndarray of intp of shape (n_rows,)
    """
    codes = np.empty(len(outputs), dtype=np.intp)
    cdef size_t at = address_of(outputs, outputs.dtype)
    cdef ptrdiff_t *code = <ptrdiff_t *> address_of(codes, np.intp)
    cdef Py_ssize_t n = outputs.shape[0], k = outputs.shape[1]
    cdef bint is_float32 = outputs.dtype == np.float32
    with nogil:
        if is_float32:
            number_rows(<const float *> at, code, n, k)
        else:
            number_rows(<const double *> at, code, n, k)
    return codes


cdef inline void number_rows(
    const floating *outputs, ptrdiff_t *code, Py_ssize_t n, Py_ssize_t k
) noexcept nogil:
    """code (n,) := the column of the largest of each row; outputs (n, k)"""
    cdef Py_ssize_t i
    for i in range(n):
        code[i] = largest(outputs + i * k, k)


cdef inline Py_ssize_t largest(const floating *z, Py_ssize_t k) noexcept nogil:
    """Place of the first NaN, or of the first of the largest values"""
    cdef Py_ssize_t j, best = 0
    for j in range(k):
        if z[j] != z[j]:
            return j
        if z[j] > z[best]:
            best = j
    return best


def activate_outputs(Network net, z):
    """z := the output activation of z, in place.

    Parameters
    ----------
    net : Network
    z : ndarray of shape (n_rows, n_outputs)
    """
    cdef size_t at = address_of(z, z.dtype)
    if z.dtype == np.float32:
        kernels.output(&net.c.objective, <float *> at, len(z), net.c.n_outputs)
    else:
        kernels.output(&net.c.objective, <double *> at, len(z), net.c.n_outputs)


cdef double own_loss(Network net, z, y, w) except? -1:
    """Weighted sum of a user-defined loss; z is overwritten"""
    cdef Py_ssize_t n = len(z), k = net.c.n_outputs, y_width = y.shape[1]
    room = np.empty((3, n, k), dtype=z.dtype)
    cdef Failures failures = Failures((z, room))
    cdef size_t z_at = address_of(z, z.dtype), y_at = address_of(y, z.dtype)
    cdef size_t w_at = 0 if w is None else address_of(w, z.dtype)
    cdef size_t room_at = address_of(room, z.dtype)
    if z.dtype == np.float32:
        apply_loss(&net.c.objective, net.c.loss_function, &failures.c,
                   <const float *> y_at, y_width, <const float *> w_at,
                   <float *> z_at, <float *> room_at, n, k)
    else:
        apply_loss(&net.c.objective, net.c.loss_function, &failures.c,
                   <const double *> y_at, y_width, <const double *> w_at,
                   <double *> z_at, <double *> room_at, n, k)
    failures.check()
    return room[0].sum(dtype=np.float64)


def mean_loss(Network net, z, y, w=None):
    """Weighted mean of the loss over rows, without penalty.

    Parameters
    ----------
    net : Network
    z : ndarray of shape (n_rows, n_outputs)
        The outputs before their activation; overwritten.
    y : ndarray of shape (n_rows, n_outputs), or (n_rows, 1) class numbers for log_loss
    w : ndarray of shape (n_rows,) or None
        All in one dtype.

    Returns
    -------
    loss : float
    """
    cdef Py_ssize_t n = len(z)
    cdef double loss, weight = n
    cdef size_t at = address_of(z, z.dtype), y_at = address_of(y, z.dtype), w_at = 0
    sums = np.zeros(net.c.n_outputs, dtype=z.dtype)
    cdef size_t sums_at = address_of(sums, z.dtype)
    if w is not None:
        w_at, weight = address_of(w, z.dtype), w.sum(dtype=np.float64)
    if net.c.loss_function != NULL:
        return own_loss(net, z, y, w) / weight
    if z.dtype == np.float32:
        loss = kernels.loss_delta(
            &net.c.objective, <const float *> y_at, <const float *> w_at, <float *> at,
            <float *> sums_at, n, net.c.n_outputs)
    else:
        loss = kernels.loss_delta(
            &net.c.objective, <const double *> y_at, <const double *> w_at,
            <double *> at, <double *> sums_at, n, net.c.n_outputs)
    return loss * mean_scale(&net.c, weight)
