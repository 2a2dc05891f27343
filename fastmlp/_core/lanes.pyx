# Prediction with the rows of X in the lanes of vectors.
#
# a) The way of passes.pyx has the units of a layer in the lanes, of which 100 units of
#    float32 leave 12 of 112 empty with AVX-512, and 10 outputs 6 of 16.  Here all is
#    transposed, (units, rows), so that lanes are full whatever the widths; the price is
#    the transpose of X.
# b) Every sum takes the same terms in the same order as there: the bits are the same.
# c) The first product of a strip moves the rows of the next one into lanes beside its
#    sums (tiles.inl.h c), and sees whether they are finite.

import numpy as np

from cython cimport floating
from libc.string cimport memset

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of
from fastmlp._core.kernels cimport FM_relu, fm_activation, fm_next, fm_objective
from fastmlp._core.network cimport Network, layers_t, network_t
from fastmlp._core.products cimport product

from fastmlp._core.workspace import LINE, aligned_empty

LANES_BYTES = 512 * 1024  # of two layers of some rows, the most that stays in the cache
# in multiply-adds, about:
TRANSPOSE_WORK = 8  # of one value
WORKSPACE_WORK = 1e6  # of a Workspace, which lanes need not


def lanes_pay(Network net, dtype, n_rows, has_workspace):
    """Return whether rows in lanes take less work than units in lanes."""
    cdef Py_ssize_t lanes, layer, fan_in, fan_out
    cdef bint is_float32 = dtype == np.float32, is_narrow
    if is_float32:
        lanes = kernels.lanes(<const float *> NULL)
    else:
        lanes = kernels.lanes(<const double *> NULL)
    if lanes == 0 or net.has_large_weights(dtype):
        return False
    if net.stage is not None or net.c.has_slopes:  # which take rows of units
        return False
    if 2 * max(net.units) * LANE_ROWS * dtype.itemsize > LANES_BYTES:
        return False
    for layer in range(net.c.n_layers - 1):
        if net.c.function[layer] != 0:  # user-defined ones take rows of units
            return False
    work = TRANSPOSE_WORK * (net.units[0] + net.c.n_outputs)
    padded_work = 0
    for layer in range(net.c.n_layers):
        fan_in, fan_out = net.c.width[layer], net.c.width[layer + 1]
        work += fan_in * fan_out
        padded_work += fan_in * fan_out
        if is_float32:
            is_narrow = kernels.is_narrow(fan_out, fan_in, <const float *> NULL)
        else:
            is_narrow = kernels.is_narrow(fan_out, fan_in, <const double *> NULL)
        if not is_narrow:  # whose vectors have few empty lanes
            padded_work += fan_in * ((fan_out + lanes - 1) // lanes * lanes - fan_out)
    work *= -(-n_rows // LANE_ROWS) * LANE_ROWS
    padded_work *= n_rows
    return work < padded_work + WORKSPACE_WORK * (not has_workspace)


cdef class Lanes:
    """Room for the strips of threads: two layers and the next rows of X; a workspace.

    A Workspace with all its arrays takes longer to set up than some strips to predict.

    Parameters
    ----------
    net : Network
    dtype : dtype
    n_rows : int
        Rows of X that are gathered at the same time.
    n_threads : int
    """

    def __init__(self, Network net, dtype, n_rows, n_threads):
        real = dtype.itemsize
        line = LINE // real
        self.c.strip_size = max(net.units) * LANE_ROWS
        self.stride = -(-net.units[0] // line) * line
        n_strips = n_threads * 3 * self.c.strip_size
        n_x = n_rows * self.stride
        size = n_strips + n_x + n_threads * kernels.FM_GEMM_WORK
        self.memory = aligned_empty(size, dtype)
        self.c.strips = address_of(self.memory, dtype)
        # a last strip of few rows has lanes that nothing was put into
        memset(<void *> self.c.strips, 0, n_strips * real)
        self.work.x = self.c.strips + n_strips * real
        self.work.products = self.work.x + n_x * real
        self.work.stride, self.work.ldx = &self.stride, self.stride


cdef bint to_lanes(
    const floating *x, Py_ssize_t ldx, Py_ssize_t n, Py_ssize_t k, bint check_finite,
    floating *strip,
) noexcept nogil:
    """strip := the rows of x; returns whether they are finite, if asked"""
    kernels.transpose(x, ldx, strip, LANE_ROWS, n, k)
    return not check_finite or kernels.all_finite(x, n * ldx)


cdef bint forward_lanes(
    const network_t *net, const layers_t *layers, const lanes_t *lanes, int worker,
    const fm_objective *objective, const floating *x, Py_ssize_t ldx, Py_ssize_t n,
    bint check_finite, floating *out, floating *products,
) noexcept nogil:
    """out := outputs for n rows of x, ldx values apart; False if x was found infinite

    objective: whose output activation is applied, NULL for none.  An x that is checked
    is contiguous.
    """
    cdef Py_ssize_t size = lanes.strip_size, layer, fan_in, fan_out, m, rest
    cdef floating *x_strip = <floating *> lanes.strips + worker * 3 * size
    cdef floating *next_strip = x_strip + size
    cdef floating *other = next_strip + size
    cdef floating *a
    cdef floating *z
    cdef const floating *w
    cdef const floating *b
    cdef bint is_hidden, rectify, moves
    cdef fm_next next
    next.ldx, next.n, next.is_finite = ldx, LANE_ROWS, True
    if not to_lanes(x, ldx, min(<Py_ssize_t> LANE_ROWS, n), net.width[0], check_finite,
                    x_strip):
        return False
    while n > 0:
        m = min(<Py_ssize_t> LANE_ROWS, n)
        rest = n - m
        moves = rest >= LANE_ROWS and not kernels.is_narrow(
            net.width[1], net.width[0], x
        )
        next.x, next.lanes = x + m * ldx, next_strip
        next.further = LANE_ROWS * ldx if rest >= 2 * LANE_ROWS else 0
        a, z = x_strip, other
        for layer in range(net.n_layers):
            is_hidden = layer < net.n_layers - 1
            rectify = is_hidden and net.activation[layer] == FM_relu
            fan_in, fan_out = net.width[layer], net.width[layer + 1]
            w = <const floating *> layers.coef[layer]
            b = <const floating *> layers.intercept[layer]
            if kernels.is_narrow(fan_out, fan_in, x):
                kernels.narrow_of_lanes(LANE_ROWS, fan_out, fan_in,
                                        <const floating *> a, w, b, rectify, z)
            else:
                product(True, fan_out, LANE_ROWS, fan_in, w, fan_out,
                        <const floating *> a, LANE_ROWS, b, 1, rectify,
                        &next if layer == 0 and moves else NULL, z, LANE_ROWS, products)
            if is_hidden and not rectify:
                kernels.activate(<fm_activation> net.activation[layer],
                                 <const floating *> z, z, 1, fan_out * LANE_ROWS,
                                 fan_out * LANE_ROWS, net.parameter[layer])
            a, z = z, a
        kernels.output_of_lanes(objective, a, LANE_ROWS, out, m, net.n_outputs,
                                min(<Py_ssize_t> LANE_ROWS, rest) * net.n_outputs)
        x += m * ldx
        out += m * net.n_outputs
        n = rest
        if n > 0 and not moves and not to_lanes(
            x, ldx, min(<Py_ssize_t> LANE_ROWS, n), net.width[0], check_finite,
            next_strip,
        ):
            return False
        if check_finite and not next.is_finite:
            return False
        x_strip, next_strip = next_strip, x_strip
    return True
