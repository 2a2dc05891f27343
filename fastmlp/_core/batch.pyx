# Loss and gradient over the rows of a batch.
#
# a) Blocks: a batch is summed up in blocks of rows that fit the cache, so the workspace
#    is bounded for any batch size (lbfgs takes the whole data as one batch) and a call
#    can stop between two blocks to serve Ctrl-C.
# b) Strips: in the forward pass a strip of rows goes through the product and the
#    activation of a layer at once, while it is in L1.

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating
from libc.string cimport memset

from fastmlp._core cimport kernels
from fastmlp._core.kernels cimport fm_activation, fm_csr_rows
from fastmlp._core.network cimport (
    Data,
    Layers,
    Network,
    Workspace,
    address_of,
    data_t,
    layers_t,
    network_t,
    workspace_t,
)
from fastmlp._core.products cimport product

CALL_WORK = 1e8  # floating-point operations between two looks at pending signals

cdef enum:
    STRIP_BYTES = 16384


cdef const floating *block_of(
    const void *values, Py_ssize_t width, size_t gathered, rows_t rows,
    const floating *precision,
) noexcept nogil:
    """Rows of a dense array: in place if consecutive, else gathered; NULL of NULL"""
    cdef const floating *source = <const floating *> values
    if values == NULL:
        return NULL
    if rows.order == NULL:
        return source + rows.first * width
    kernels.gather_rows(source, rows.order + rows.first, <floating *> gathered, rows.n,
                        width)
    return <const floating *> gathered


cdef inline fm_csr_rows csr_rows(const data_t *data, rows_t rows) noexcept nogil:
    """The rows of a CSR matrix"""
    cdef fm_csr_rows csr
    csr.indices, csr.indptr = data.indices, data.indptr
    csr.order = rows.order + rows.first if rows.order != NULL else NULL
    csr.first = rows.first
    return csr


cdef inline Py_ssize_t strip_rows(
    Py_ssize_t n, Py_ssize_t width, size_t itemsize
) noexcept nogil:
    """Rows of a strip: a multiple of the rows of a tile whose outputs fit L1"""
    if not kernels.has_gemm():
        return n
    return min(n, max(24, <Py_ssize_t> (STRIP_BYTES // (width * itemsize)) // 24 * 24))


cdef void forward(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, const floating *x, floating *z_last,
) noexcept nogil:
    """a_l := f(a_(l-1) W_l + b_l), a_0 = x; z_last := a_(L-1) W_L"""
    cdef const floating *a = x
    cdef const floating *w
    cdef floating *z
    cdef Py_ssize_t layer, fan_in, fan_out, first, strip, n
    for layer in range(net.n_layers):
        fan_in, fan_out = net.width[layer], net.width[layer + 1]
        w = <const floating *> layers.coef[layer]
        z = <floating *> work.a[layer + 1] if layer < net.n_layers - 1 else z_last
        strip = strip_rows(rows.n, fan_out, sizeof(floating))
        if layer == 0 and data.is_sparse:
            kernels.csr_forward(csr_rows(data, rows), <const floating *> data.x, w, z,
                                rows.n, fan_out)
        first = 0
        while first < rows.n:
            n = min(strip, rows.n - first)
            if layer > 0 or not data.is_sparse:
                product(False, False, n, fan_out, fan_in, a + first * fan_in, w, False,
                        z + first * fan_out, <floating *> work.products)
            if layer < net.n_layers - 1:
                kernels.activate(<fm_activation> net.activation[layer],
                                 z + first * fan_out,
                                 <const floating *> layers.intercept[layer], n, fan_out,
                                 net.parameter[layer])
            first += n
        a = z


cdef void backward(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, const floating *x, floating *grad,
    bint is_first,
) noexcept nogil:
    """dW_l (+)= a_(l-1)^T delta_l; delta_(l-1) := (delta_l W_l^T) f'(a_(l-1))"""
    cdef floating *upstream = <floating *> work.scratch
    cdef floating *products = <floating *> work.products
    cdef const floating *delta
    cdef floating *a
    cdef Py_ssize_t layer, fan_in, fan_out
    for layer in range(net.n_layers - 1, 0, -1):
        fan_in, fan_out = net.width[layer], net.width[layer + 1]
        delta = <const floating *> work.a[layer + 1]
        a = <floating *> work.a[layer]
        product(True, False, fan_in, fan_out, rows.n, <const floating *> a, delta,
                not is_first, grad + net.coef_offset[layer], products)
        product(False, True, rows.n, fan_in, fan_out, delta,
                <const floating *> layers.coef[layer], False, upstream, products)
        kernels.activate_backward(<fm_activation> net.activation[layer - 1],
                                  <const floating *> upstream, a,
                                  grad + net.intercept_offset[layer - 1], rows.n,
                                  fan_in, net.parameter[layer - 1])
    fan_in, fan_out = net.width[0], net.width[1]
    delta = <const floating *> work.a[1]
    if not data.is_sparse:
        product(True, False, fan_in, fan_out, rows.n, x, delta, not is_first, grad,
                products)
        return
    if is_first:
        memset(grad, 0, fan_in * fan_out * sizeof(floating))
    kernels.csr_backward(csr_rows(data, rows), <const floating *> data.x, delta, grad,
                         rows.n, fan_out)


cdef void add_rows(sum_t *s, rows_t rows, floating *grad) noexcept nogil:
    """Add loss, weight and gradient of some rows"""
    cdef const network_t *net = s.net
    cdef const data_t *data = s.data
    cdef const workspace_t *work = s.work
    cdef Py_ssize_t last = net.n_layers - 1
    cdef floating *z = <floating *> work.a[net.n_layers]
    cdef const floating *x = NULL
    cdef const floating *y = block_of(data.y, data.y_width, work.y, rows, grad)
    cdef const floating *w = block_of(data.w, 1, work.w, rows, grad)
    if not data.is_sparse:
        x = block_of(data.x, data.n_features, work.x, rows, grad)
    if s.is_empty:
        memset(grad + net.n_coefs, 0, (net.n_params - net.n_coefs) * sizeof(floating))
    forward(net, data, s.layers, work, rows, x, z)
    s.loss += kernels.loss_delta(net.loss, y, w,
                                 <const floating *> s.layers.intercept[last], z,
                                 grad + net.intercept_offset[last], rows.n,
                                 net.n_outputs)
    s.weight += kernels.sum_values(w, rows.n) if w != NULL else <double> rows.n
    backward(net, data, s.layers, work, rows, x, grad, s.is_empty)


cdef void begin_batch(sum_t *s, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    """Start the batch of the rows first to stop"""
    s.row, s.stop = first, stop
    s.loss = s.weight = 0
    s.is_empty = True


cdef bint add_block(sum_t *s) noexcept nogil:
    """Add the next block of rows; whether the batch is complete"""
    cdef rows_t rows
    rows.order, rows.first = s.order, s.row
    rows.n = min(s.work.n_rows, s.stop - s.row)
    if s.data.is_float32:
        add_rows(s, rows, <float *> s.grad)
    else:
        add_rows(s, rows, <double *> s.grad)
    s.is_empty = False
    s.row += rows.n
    return s.row >= s.stop


cdef double data_scale(const sum_t *s) noexcept nogil:
    """What makes means of the sums: over weights, and outputs of squared errors"""
    if s.net.loss == kernels.FM_LOSS_squared_error:
        return 1 / (s.weight * s.net.n_outputs)
    return 1 / s.weight


cdef double finish(
    const sum_t *s, const floating *w, floating *g, double scale, double decay
) noexcept nogil:
    """g := scale g + decay W, 0 where fixed; the penalty decay sum(W^2) / 2"""
    cdef const network_t *net = s.net
    cdef Py_ssize_t rest = net.n_params - net.n_coefs
    kernels.finish_gradient(w, g, net.n_coefs, scale, decay)
    kernels.finish_gradient(w + net.n_coefs, g + net.n_coefs, rest, scale, 0)
    memset(g + net.n_trainable, 0, (net.n_params - net.n_trainable) * sizeof(floating))
    return 0.5 * decay * kernels.sum_squares(w, net.n_coefs) if decay != 0 else 0


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
    """

    def __init__(self, Network net, Data data, params, batch_size):
        cdef Layers layers = Layers(*net.split(params), data.dtype)
        rows = net.block_rows(batch_size, data.dtype)
        cdef Workspace work = Workspace(net, data, rows)
        self.grad = np.empty(net.c.n_params, dtype=data.dtype)
        self.owners = (net, data, layers, work, params)
        self.c.net, self.c.data = &net.c, &data.c
        self.c.layers, self.c.work = &layers.c, &work.c
        self.c.grad = <void *> address_of(self.grad, data.dtype)
        per_block = rows * data.work_per_row(net.units) + 20.0 * net.c.n_params
        self.blocks_per_call = max(1, int(CALL_WORK / per_block))

    def loss_gradient(self, alpha):
        """Mean loss over all rows and, in ``grad``, its gradient.

        Both hold the L2 penalty ``alpha / (2 S) sum(W^2)``, S the sum of the weights.
        The gradient is that of the loss: for squared errors over several outputs both
        are means over the outputs.

        Parameters
        ----------
        alpha : float

        Returns
        -------
        loss : float
        """
        cdef sum_t *s = &self.c
        cdef bint complete = False
        cdef Py_ssize_t _i
        cdef double scale, decay, penalty
        _, data, _, _, params = self.owners
        cdef size_t w = address_of(params, data.dtype)
        s.order = NULL
        begin_batch(s, 0, data.n_samples)
        while not complete:
            with nogil:
                for _i in range(self.blocks_per_call):
                    complete = add_block(s)
                    if complete:
                        break
            PyErr_CheckSignals()
        scale, decay = data_scale(s), alpha / s.weight
        if s.data.is_float32:
            penalty = finish(s, <const float *> w, <float *> s.grad, scale, decay)
        else:
            penalty = finish(s, <const double *> w, <double *> s.grad, scale, decay)
        return s.loss * scale + penalty
