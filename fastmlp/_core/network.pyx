# The network: forward and backward products over blocks of rows.
#
# a) Precision: classes and structs are free of it.  Numbers live in NumPy arrays whose
#    addresses are kept; the fused functions cast them once per block.
# b) Blocks: a batch is summed up in blocks of rows that fit the cache, so the workspace
#    is bounded for any batch size (lbfgs takes the whole data as one batch) and a call
#    can stop between two blocks to serve Ctrl-C.
# c) Memory: NumPy allocates one workspace per fit; a step allocates nothing.
# d) Layers are addressed one by one, so prediction reads whatever stands in coefs_;
#    during training the addresses point into one flat vector: all coefficients, then
#    all intercepts (scikit-learn's packing order).

import numpy as np
from scipy.sparse import issparse

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating
from libc.string cimport memset

from fastmlp._core cimport blas, kernels
from fastmlp._core.kernels cimport fm_activation, fm_csr_rows, fm_loss

from fastmlp._core.kernels import activation_names, loss_names

ALIGNMENT = 64  # bytes, one cache line and one AVX-512 register
CACHE_SHARE = 512 * 1024  # bytes of activations in a block of rows
MIN_BLOCK, MAX_BLOCK = 256, 1024  # rows
CALL_WORK = 1e8  # floating-point operations between two looks at pending signals


cdef size_t address_of(object array, object dtype) except? 0:
    """The address of the first element, after a check of layout and dtype."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"expected a C-contiguous {np.dtype(dtype)} array")
    return array.__array_interface__["data"][0]


cdef class Network:
    """Sizes, activations and loss of a multi-layer perceptron.

    Parameters
    ----------
    units : sequence of int
        Number of inputs, of units of each hidden layer, and of outputs.
    activations : sequence of (str, float)
        Name and parameter of the activation of each hidden layer.
    loss : str
        Name of the loss; it implies the output activation.
    fit_intercept : bool
        Whether training changes the intercepts.
    """

    def __init__(self, units, activations, loss, fit_intercept=True):
        units = tuple(int(n) for n in units)
        if max(units) > np.iinfo(np.intc).max:
            raise ValueError(
                f"a layer may have at most {np.iinfo(np.intc).max} units, the reach of "
                f"BLAS; got {max(units)}"
            )
        sizes = [fan_in * fan_out for fan_in, fan_out in zip(units, units[1:])]
        n_layers = len(sizes)
        width = np.array(units, dtype=np.intp)
        ends = np.cumsum([0, *sizes, *units[1:]], dtype=np.intp)
        activation = np.array(
            [activation_names.index(name) for name, _ in activations], dtype=np.intc
        )
        parameter = np.array([p for _, p in activations], dtype=np.float64)
        self.units = units
        self.loss = loss
        self.owners = (width, ends, activation, parameter)
        self.c.n_layers = n_layers
        self.c.n_outputs = units[n_layers]
        self.c.n_coefs = sum(sizes)
        self.c.n_params = self.c.n_coefs + sum(units[1:])
        self.c.n_trainable = self.c.n_params if fit_intercept else self.c.n_coefs
        self.c.loss = <fm_loss> (<int> loss_names.index(loss))
        self.c.width = <const ptrdiff_t *> address_of(width, np.intp)
        self.c.coef_offset = <const ptrdiff_t *> address_of(ends, np.intp)
        self.c.intercept_offset = &self.c.coef_offset[self.c.n_layers]
        self.c.activation = <const int *> address_of(activation, np.intc)
        self.c.parameter = <const double *> address_of(parameter, np.float64)

    @property
    def n_params(self):
        """Length of the flat vector of coefficients and intercepts."""
        return self.c.n_params

    @property
    def n_trainable(self):
        """How many of them, from the start, training changes."""
        return self.c.n_trainable

    def split(self, flat):
        """Views of a flat vector: the list of coefs and the list of intercepts."""
        coefs, intercepts = [], []
        cdef Py_ssize_t i, start
        for i in range(self.c.n_layers):
            fan_in, fan_out = self.c.width[i], self.c.width[i + 1]
            start = self.c.coef_offset[i]
            coefs.append(flat[start : start + fan_in * fan_out].reshape(fan_in, fan_out))
            start = self.c.intercept_offset[i]
            intercepts.append(flat[start : start + fan_out])
        return coefs, intercepts

    def block_rows(self, batch_size, dtype):
        """Rows of a block: as many as keep the activations in cache."""
        fitting = CACHE_SHARE // (sum(self.units) * dtype.itemsize)
        return min(batch_size, max(MIN_BLOCK, min(MAX_BLOCK, fitting // 16 * 16)))


cdef class Data:
    """Rows to train on or to predict, with their targets and weights.

    Parameters
    ----------
    X : C-contiguous ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_outputs), or (n_samples, 1) class numbers for
        log_loss, or None
    sample_weight : ndarray of shape (n_samples,) or None
        All in the same dtype, float32 or float64; nothing is copied but CSR indices.
    """

    def __init__(self, X, y=None, sample_weight=None):
        self.n_samples, self.c.n_features = X.shape
        self.dtype = X.dtype
        self.c.is_float32 = X.dtype == np.float32
        if not self.c.is_float32 and X.dtype != np.float64:
            raise TypeError(f"expected float32 or float64, got {X.dtype}")
        self.c.is_sparse = issparse(X)
        if self.c.is_sparse:
            indices = X.indices.astype(np.intp, copy=False)
            indptr = X.indptr.astype(np.intp, copy=False)
            self.c.indices = <const ptrdiff_t *> address_of(indices, np.intp)
            self.c.indptr = <const ptrdiff_t *> address_of(indptr, np.intp)
            X = X.data
            self.owners = (X, indices, indptr, y, sample_weight)
        else:
            self.owners = (X, y, sample_weight)
        self.c.x = <const void *> address_of(X, self.dtype)
        if y is not None:
            self.c.y = <const void *> address_of(y, self.dtype)
            self.c.y_width = y.shape[1]
        if sample_weight is not None:
            self.c.w = <const void *> address_of(sample_weight, self.dtype)

    def work_per_row(self, units):
        """Floating-point operations that training on one row takes, about."""
        products = sum(fan_in * fan_out for fan_in, fan_out in zip(units, units[1:]))
        if self.c.is_sparse:
            stored = self.owners[0].size / max(self.n_samples, 1)
            products += (stored - units[0]) * units[1]
        return 6.0 * products + 20.0 * sum(units)


cdef class Layers:
    """Addresses of the weight matrices and intercepts of a network."""

    def __init__(self, coefs, intercepts, dtype):
        coef = np.array([address_of(w, dtype) for w in coefs], dtype=np.uintp)
        intercept = np.array([address_of(b, dtype) for b in intercepts], dtype=np.uintp)
        self.owners = (coef, intercept, tuple(coefs), tuple(intercepts))
        self.c.coef = <const size_t *> address_of(coef, np.uintp)
        self.c.intercept = <const size_t *> address_of(intercept, np.uintp)


cdef class Workspace:
    """Aligned memory for one block of rows: inputs, activations, deltas, targets."""

    def __init__(self, Network net, Data data, n_rows):
        widths = [0 if data.c.is_sparse else net.units[0]]
        widths.extend(net.units[1:])
        widths.extend([max(net.units[1:]), data.c.y_width, 1])
        step = ALIGNMENT // data.dtype.itemsize
        sizes = [-(-n_rows * width // step) * ALIGNMENT for width in widths]
        memory = np.empty(sum(sizes) + ALIGNMENT, dtype=np.uint8)
        start = int(address_of(memory, np.uint8))
        start += -start % ALIGNMENT
        starts = np.cumsum([start, *sizes], dtype=np.uintp)
        self.owners = (memory, starts)
        self.c.n_rows = n_rows
        self.c.a = <size_t *> address_of(starts, np.uintp)
        self.c.x = self.c.a[0]
        self.c.scratch = self.c.a[net.c.n_layers + 1]
        self.c.y = self.c.a[net.c.n_layers + 2]
        self.c.w = self.c.a[net.c.n_layers + 3]


cdef const floating *block_of(
    const void *values, Py_ssize_t width, size_t gathered, rows_t rows,
    const floating *precision,
) noexcept nogil:
    """The rows of a dense array: in place if consecutive, else gathered; NULL of NULL"""
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


cdef void forward(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, const floating *x, floating *z_last,
) noexcept nogil:
    """a_l := f(a_(l-1) W_l + b_l), a_0 = x; z_last := a_(L-1) W_L"""
    cdef const floating *a = x
    cdef const floating *w
    cdef floating *z
    cdef Py_ssize_t l, fan_in, fan_out
    for l in range(net.n_layers):
        fan_in, fan_out = net.width[l], net.width[l + 1]
        w = <const floating *> layers.coef[l]
        z = <floating *> work.a[l + 1] if l < net.n_layers - 1 else z_last
        if l == 0 and data.is_sparse:
            kernels.csr_forward(csr_rows(data, rows), <const floating *> data.x, w, z,
                                rows.n, fan_out)
        else:
            blas.gemm(False, False, rows.n, fan_out, fan_in, a, w, <floating> 0, z)
        if l < net.n_layers - 1:
            kernels.activate(<fm_activation> net.activation[l], z,
                             <const floating *> layers.intercept[l], rows.n, fan_out,
                             net.parameter[l])
        a = z


cdef void backward(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, const floating *x, floating *grad,
    bint is_first,
) noexcept nogil:
    """dW_l (+)= a_(l-1)^T delta_l; delta_(l-1) := (delta_l W_l^T) f'(a_(l-1))"""
    cdef floating keep = 0 if is_first else 1
    cdef floating *upstream = <floating *> work.scratch
    cdef const floating *delta
    cdef floating *a
    cdef Py_ssize_t l, fan_in, fan_out
    for l in range(net.n_layers - 1, 0, -1):
        fan_in, fan_out = net.width[l], net.width[l + 1]
        delta = <const floating *> work.a[l + 1]
        a = <floating *> work.a[l]
        blas.gemm(True, False, fan_in, fan_out, rows.n, <const floating *> a, delta,
                  keep, grad + net.coef_offset[l])
        blas.gemm(False, True, rows.n, fan_in, fan_out, delta,
                  <const floating *> layers.coef[l], <floating> 0, upstream)
        kernels.activate_backward(<fm_activation> net.activation[l - 1],
                                  <const floating *> upstream, a,
                                  grad + net.intercept_offset[l - 1], rows.n, fan_in,
                                  net.parameter[l - 1])
    fan_in, fan_out = net.width[0], net.width[1]
    delta = <const floating *> work.a[1]
    if not data.is_sparse:
        blas.gemm(True, False, fan_in, fan_out, rows.n, x, delta, keep, grad)
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
        cdef Py_ssize_t i
        cdef double scale, decay, penalty
        net, data, _, _, params = self.owners
        cdef size_t w = address_of(params, data.dtype)
        s.order = NULL
        begin_batch(s, 0, data.n_samples)
        while not complete:
            with nogil:
                for i in range(self.blocks_per_call):
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


cdef void predict_rows(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, bint activated, floating *z,
) noexcept nogil:
    """z := the outputs for some rows"""
    cdef const floating *b = <const floating *> layers.intercept[net.n_layers - 1]
    cdef const floating *x = NULL
    if not data.is_sparse:
        x = block_of(data.x, data.n_features, work.x, rows, z)
    forward(net, data, layers, work, rows, x, z)
    if activated:
        kernels.output(net.loss, z, b, rows.n, net.n_outputs)
    else:
        kernels.activate(<fm_activation> 0, z, b, rows.n, net.n_outputs, 0)


def predict(Network net, Data data, Layers layers, order=None, bint activated=True):
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

    Returns
    -------
    out : ndarray of shape (n_rows, n_outputs)
    """
    cdef Py_ssize_t n_rows = data.n_samples if order is None else len(order)
    cdef Workspace work = Workspace(net, data, net.block_rows(n_rows, data.dtype))
    cdef Py_ssize_t i, blocks_per_call
    cdef rows_t rows
    out = np.empty((n_rows, net.c.n_outputs), dtype=data.dtype)
    cdef size_t z = address_of(out, data.dtype)
    per_block = work.c.n_rows * data.work_per_row(net.units)
    blocks_per_call = max(1, int(CALL_WORK / per_block))
    rows.order, rows.first = NULL, 0
    if order is not None:
        rows.order = <const ptrdiff_t *> address_of(order, np.intp)
    while rows.first < n_rows:
        with nogil:
            for i in range(blocks_per_call):
                rows.n = min(work.c.n_rows, n_rows - rows.first)
                if data.c.is_float32:
                    predict_rows(&net.c, &data.c, &layers.c, &work.c, rows, activated,
                                 <float *> z + rows.first * net.c.n_outputs)
                else:
                    predict_rows(&net.c, &data.c, &layers.c, &work.c, rows, activated,
                                 <double *> z + rows.first * net.c.n_outputs)
                rows.first += rows.n
                if rows.first >= n_rows:
                    break
        PyErr_CheckSignals()
    return out
