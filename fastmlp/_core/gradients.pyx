# Hidden activations and input gradients of a fitted network.
#
# a) Blocks of rows as in prediction.pyx, on the same forward pass.
# b) The backward pass goes one layer further down than that of training, and sums up no
#    gradients of weights; the transposed weights are made once a call, by NumPy.
# c) An input gradient starts from given seeds, dS / dz of the last layer, so that one
#    function serves every output, its activation included, and every sum of outputs.

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating
from libc.string cimport memcpy

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of
from fastmlp._core.custom cimport Function, function_t
from fastmlp._core.kernels cimport fm_activation
from fastmlp._core.network cimport Data, Layers, Network, data_t, layers_t, network_t
from fastmlp._core.passes cimport forward, slope_rows
from fastmlp._core.products cimport product
from fastmlp._core.rows cimport rows_t, x_block
from fastmlp._core.workspace cimport Workspace, workspace_t

from fastmlp._core.custom import multiply


cdef void forward_rows(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, const floating *precision,
) noexcept nogil:
    """Activations of all layers for some rows, in the workspace"""
    cdef const floating *x = NULL
    if not data.is_sparse:
        x = x_block(data, work.x, work.ldx, rows, precision)
    forward(net, data, layers, work, rows, 0, x, <floating *> work.a[net.n_layers],
            <floating *> work.products, <const floating *> NULL)


cdef void copy_activations(
    const workspace_t *work, Py_ssize_t layer, Py_ssize_t n_units, rows_t rows,
    floating *out,
) noexcept nogil:
    """out := the activations of a layer, without the gaps between the rows"""
    cdef const floating *a = <const floating *> work.a[layer]
    cdef Py_ssize_t i
    for i in range(rows.n):
        memcpy(out + i * n_units, a + i * work.stride[layer],
               n_units * sizeof(floating))


cdef void backward_rows(
    const network_t *net, const layers_t *layers, const layers_t *transposed,
    const workspace_t *work, rows_t rows, const floating *seeds, floating *sums,
    floating *out,
) noexcept nogil:
    """out := delta_1 W_1^T, where delta_l = (delta_(l+1) W_(l+1)^T) f'(a_l)

    sums: room for n_sums values.
    """
    cdef const floating *delta = seeds
    cdef floating *below
    cdef Py_ssize_t layer, fan_in, fan_out, ld = net.n_outputs
    for layer in range(net.n_layers - 1, -1, -1):
        fan_in, fan_out = net.width[layer], net.width[layer + 1]
        below = out if layer == 0 else <floating *> work.delta[layer]
        product(False, rows.n, fan_in, fan_out, delta, ld,
                <const floating *> transposed.coef[layer], fan_in,
                <const floating *> NULL, 0, False, NULL, below,
                fan_in if layer == 0 else work.stride[layer],
                <floating *> work.products)
        if layer > 0:
            ld = work.stride[layer]
            slope_rows(net, layers, work, layer, 0, rows.n, below, sums, 0)
        delta = below


def hidden_activations(Network net, Data data, Layers layers, Py_ssize_t layer):
    """Activations of a hidden layer.

    Parameters
    ----------
    net : Network
    data : Data
    layers : Layers
    layer : int
        From 1, the first hidden layer, to n_layers - 1.

    Returns
    -------
    out : ndarray of shape (n_samples, n_units)
    """
    cdef Workspace work = Workspace(
        net, data, net.block_rows(data.n_samples, data.dtype)
    )
    cdef Py_ssize_t n_units = net.c.width[layer], n_rows = data.n_samples
    cdef rows_t rows
    cdef unsigned int before
    out = np.empty((n_rows, n_units), dtype=data.dtype)
    cdef size_t at = address_of(out, data.dtype)
    rows.order, rows.first = NULL, 0
    while rows.first < n_rows:
        rows.n = min(work.c.n_rows, n_rows - rows.first)
        with nogil:
            before = kernels.flush_denormals()
            if data.c.is_float32:
                forward_rows(&net.c, &data.c, &layers.c, &work.c, rows, <float *> NULL)
                copy_activations(&work.c, layer, n_units, rows,
                                 <float *> at + rows.first * n_units)
            else:
                forward_rows(&net.c, &data.c, &layers.c, &work.c, rows, <double *> NULL)
                copy_activations(&work.c, layer, n_units, rows,
                                 <double *> at + rows.first * n_units)
            kernels.restore_denormals(before)
        work.failures.check()
        rows.first += rows.n
        PyErr_CheckSignals()
    return out


def input_gradient(Network net, Data data, Layers layers, coefs, seeds):
    """Gradient with respect to the inputs of a function of the outputs, row by row.

    Parameters
    ----------
    net : Network
    data : Data
    layers : Layers
    coefs : list of ndarray of shape (fan_in, fan_out)
    seeds : ndarray of shape (n_samples, n_outputs)
        Derivative of the function with respect to the outputs before their activation.

    Returns
    -------
    out : ndarray of shape (n_samples, n_features)
    """
    cdef Workspace work = Workspace(
        net, data, net.block_rows(data.n_samples, data.dtype), 1, True
    )
    turned = [np.ascontiguousarray(coef.T, dtype=data.dtype) for coef in coefs]
    cdef Layers transposed = Layers(turned, [coef[0] for coef in turned], data.dtype)
    cdef Py_ssize_t n_features = net.c.width[0], n_rows = data.n_samples
    cdef Py_ssize_t n_outputs = net.c.n_outputs
    cdef rows_t rows
    cdef unsigned int before
    if seeds.shape != (n_rows, n_outputs):
        raise ValueError("one seed per row and output is needed")
    sums = np.zeros(net.c.n_sums, dtype=data.dtype)
    out = np.empty((n_rows, n_features), dtype=data.dtype)
    cdef size_t at = address_of(out, data.dtype)
    cdef size_t seed = address_of(seeds, data.dtype)
    cdef size_t sum_at = address_of(sums, data.dtype)
    rows.order, rows.first = NULL, 0
    while rows.first < n_rows:
        rows.n = min(work.c.n_rows, n_rows - rows.first)
        with nogil:
            before = kernels.flush_denormals()
            if data.c.is_float32:
                forward_rows(&net.c, &data.c, &layers.c, &work.c, rows, <float *> NULL)
                backward_rows(&net.c, &layers.c, &transposed.c, &work.c, rows,
                              <const float *> seed + rows.first * n_outputs,
                              <float *> sum_at, <float *> at + rows.first * n_features)
            else:
                forward_rows(&net.c, &data.c, &layers.c, &work.c, rows, <double *> NULL)
                backward_rows(&net.c, &layers.c, &transposed.c, &work.c, rows,
                              <const double *> seed + rows.first * n_outputs,
                              <double *> sum_at,
                              <double *> at + rows.first * n_features)
            kernels.restore_denormals(before)
        work.failures.check()
        rows.first += rows.n
        PyErr_CheckSignals()
    return out


def activation_slopes(Network net, Py_ssize_t layer, z, a):
    """Derivatives of the activation of a hidden layer.

    Parameters
    ----------
    net : Network
    layer : int
        From 1, the first hidden layer, to n_layers - 1.
    z, a : ndarray of shape (n_rows, n_units)
        Its inputs and outputs.

    Returns
    -------
    slopes : ndarray of shape (n_rows, n_units)
    """
    cdef Py_ssize_t n_rows = len(a), n_units = net.c.width[layer]
    cdef Py_ssize_t ld = (n_units + 15) // 16 * 16  # kernels run on to whole vectors
    cdef fm_activation f = <fm_activation> net.c.activation[layer - 1]
    cdef const function_t *own = <const function_t *> net.c.function[layer - 1]
    if own != NULL:
        slopes = np.ones_like(a)
        multiply(<Function> own.owner, np.ascontiguousarray(z), a, slopes)
        return slopes
    padded = np.zeros((n_rows, ld), dtype=a.dtype)
    padded[:, :n_units] = z if net.c.by_input[layer - 1] else a
    slopes = np.ones((n_rows, ld), dtype=a.dtype)
    sums = np.zeros(n_units, dtype=a.dtype)
    cdef size_t x_at = address_of(padded, a.dtype)
    cdef size_t slopes_at = address_of(slopes, a.dtype)
    cdef size_t sums_at = address_of(sums, a.dtype)
    if a.dtype == np.float32:
        kernels.activate_backward(
            f, <const float *> x_at, <float *> slopes_at, <float *> sums_at, n_rows,
            n_units, ld, net.c.parameter[layer - 1])
    else:
        kernels.activate_backward(
            f, <const double *> x_at, <double *> slopes_at, <double *> sums_at, n_rows,
            n_units, ld, net.c.parameter[layer - 1])
    return np.ascontiguousarray(slopes[:, :n_units])
