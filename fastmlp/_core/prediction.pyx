# Prediction: blocks of rows through all layers.

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating

cimport fastmlp._core.kernels as kernels
from fastmlp._core.batch cimport data_scale, forward, rows_t, sum_t, x_block
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

from fastmlp._core.batch import CALL_WORK


cdef void predict_rows(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, bint activated, floating *z,
) noexcept nogil:
    """z := the outputs for some rows"""
    cdef const floating *x = NULL
    if not data.is_sparse:
        x = x_block(data, work.x, work.stride[0], rows, z)
    forward(net, data, layers, work, rows, 0, x, z, <floating *> work.products)
    if activated:
        kernels.output(net.loss, z, rows.n, net.n_outputs)


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
    cdef Py_ssize_t _i, blocks_per_call
    cdef rows_t rows
    cdef unsigned int before
    out = np.empty((n_rows, net.c.n_outputs), dtype=data.dtype)
    cdef size_t z = address_of(out, data.dtype)
    per_block = work.c.n_rows * data.work_per_row(net.units) + 1
    blocks_per_call = max(1, int(CALL_WORK / per_block))
    rows.order, rows.first = NULL, 0
    if order is not None:
        rows.order = <const ptrdiff_t *> address_of(order, np.intp)
    while rows.first < n_rows:
        with nogil:
            before = kernels.flush_denormals()
            for _i in range(blocks_per_call):
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
            kernels.restore_denormals(before)
        PyErr_CheckSignals()
    return out


def activate_outputs(Network net, z):
    """z := the output activation of z, in place.

    Parameters
    ----------
    net : Network
    z : ndarray of shape (n_rows, n_outputs)
    """
    cdef size_t at = address_of(z, z.dtype)
    if z.dtype == np.float32:
        kernels.output(net.c.loss, <float *> at, len(z), net.c.n_outputs)
    else:
        kernels.output(net.c.loss, <double *> at, len(z), net.c.n_outputs)


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
    cdef sum_t s
    cdef Py_ssize_t n = len(z)
    cdef size_t at = address_of(z, z.dtype), y_at = address_of(y, z.dtype), w_at = 0
    sums = np.zeros(net.c.n_outputs, dtype=z.dtype)
    cdef size_t sums_at = address_of(sums, z.dtype)
    s.net, s.weight = &net.c, n
    if w is not None:
        w_at, s.weight = address_of(w, z.dtype), w.sum(dtype=np.float64)
    if z.dtype == np.float32:
        s.loss = kernels.loss_delta(
            net.c.loss, <const float *> y_at, <const float *> w_at, <float *> at,
            <float *> sums_at, n, net.c.n_outputs)
    else:
        s.loss = kernels.loss_delta(
            net.c.loss, <const double *> y_at, <const double *> w_at, <double *> at,
            <double *> sums_at, n, net.c.n_outputs)
    return s.loss * data_scale(&s)
