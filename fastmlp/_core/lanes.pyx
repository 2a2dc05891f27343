# Prediction with the rows of X in the lanes of vectors.
#
# a) The way of passes.pyx has the units of a layer in the lanes, of which 100 units of
#    float32 leave 12 of 112 empty with AVX-512, and 10 outputs 6 of 16.  Here all is
#    transposed, (units, rows), so that lanes are full whatever the widths; the price is
#    the transpose of X.
# b) Every sum takes the same terms in the same order as there: the bits are the same.

import numpy as np

from cython cimport floating

cimport fastmlp._core.kernels as kernels
from fastmlp._core.kernels cimport FM_relu, fm_activation, fm_objective
from fastmlp._core.network cimport Layers, Network, address_of, layers_t, network_t
from fastmlp._core.products cimport product

from fastmlp._core.network import LINE

STRIP_BYTES = 512 * 1024  # of two layers of a strip, the most that stays in the cache
# in multiply-adds, about:
TRANSPOSE_WORK = 8  # of one value
START_WORK = 1e6  # of the preparations for a call


def lanes_pay(Network net, dtype, n_rows):
    """Whether full lanes save more than the transposes take."""
    cdef Py_ssize_t lanes, layer
    if dtype == np.float32:
        lanes = kernels.lanes(<const float *> NULL)
    else:
        lanes = kernels.lanes(<const double *> NULL)
    if lanes == 0 or net.has_large_weights(dtype):
        return False
    if 2 * max(net.units) * LANE_ROWS * dtype.itemsize > STRIP_BYTES:
        return False
    for layer in range(net.c.n_layers - 1):
        if net.c.function[layer] != 0:  # those of users take rows of units
            return False
    saved = -TRANSPOSE_WORK * (net.units[0] + net.c.n_outputs)
    for fan_in, fan_out in zip(net.units, net.units[1:]):
        if fan_out > 1:  # a single column has vectors over its inputs
            saved += fan_in * (-fan_out % lanes)
    return n_rows * saved > START_WORK


cdef class Lanes:
    """Intercepts in all lanes, and room for the strips of threads.

    Parameters
    ----------
    net : Network
    layers : Layers
    dtype : dtype
    n_threads : int
    """

    def __init__(self, Network net, Layers layers, dtype, n_threads):
        real = dtype.itemsize
        self.c.layer_size = max(net.units) * LANE_ROWS
        starts = np.cumsum([0, *net.units[1:]]) * LANE_ROWS
        size = sum(net.units[1:]) * LANE_ROWS + n_threads * 2 * self.c.layer_size
        memory = np.zeros(size + LINE // real, dtype=dtype)
        starts += -address_of(memory, dtype) % LINE // real
        for start, end, values in zip(starts, starts[1:], layers.intercepts):
            memory[start:end].reshape(-1, LANE_ROWS)[:] = values[:, np.newaxis]
        intercept = (address_of(memory, dtype) + starts * real).astype(np.uintp)
        self.owners = (memory, intercept)
        self.c.intercept = <const size_t *> address_of(intercept, np.uintp)
        self.c.strips = intercept[net.c.n_layers]


cdef void forward_lanes(
    const network_t *net, const layers_t *layers, const lanes_t *lanes, int worker,
    const fm_objective *objective, const floating *x, Py_ssize_t ldx, floating *out,
    Py_ssize_t n, floating *products, const floating *ahead,
) noexcept nogil:
    """out := outputs for n rows of x, ldx values apart

    objective: whose output activation is applied, NULL for none; ahead: as many rows,
    in one piece, that come next, or NULL.
    """
    cdef floating *strip = <floating *> lanes.strips + worker * 2 * lanes.layer_size
    cdef floating *a
    cdef floating *z
    cdef const floating *w
    cdef const floating *b
    cdef Py_ssize_t layer, fan_in, fan_out, size, m, first = 0
    cdef bint is_hidden, rectify
    while first < n:
        m = min(<Py_ssize_t> LANE_ROWS, n - first)
        a, z = strip, strip + lanes.layer_size
        kernels.transpose(x, ldx, a, LANE_ROWS, m, net.width[0])
        for layer in range(net.n_layers):
            is_hidden = layer < net.n_layers - 1
            rectify = is_hidden and net.activation[layer] == FM_relu
            fan_in, fan_out = net.width[layer], net.width[layer + 1]
            w = <const floating *> layers.coef[layer]
            b = <const floating *> lanes.intercept[layer]
            if fan_out == 1:
                kernels.lanes_times_column(LANE_ROWS, fan_in, <const floating *> a, w,
                                           b, rectify, z)
            else:
                product(True, fan_out, LANE_ROWS, fan_in, w, fan_out,
                        <const floating *> a, LANE_ROWS, b, LANE_ROWS, rectify,
                        ahead if layer == 0 else <const floating *> NULL, z, LANE_ROWS,
                        products)
            if is_hidden and not rectify:
                size = fan_out * LANE_ROWS
                kernels.activate(<fm_activation> net.activation[layer],
                                 <const floating *> z, z, 1, size, size,
                                 net.parameter[layer])
            a, z = z, a
        kernels.output_of_lanes(objective, a, LANE_ROWS, out, m, net.n_outputs)
        x += m * ldx
        out += m * net.n_outputs
        if ahead != NULL:
            ahead += m * net.width[0]
        first += m
