# Prediction with the rows of X in the lanes of vectors.

from cython cimport floating

from fastmlp._core.kernels cimport fm_objective
from fastmlp._core.network cimport layers_t, network_t

cdef enum:
    LANE_ROWS = 48                      # rows of a strip: whole vectors of every width

ctypedef struct lanes_t:
    const size_t *intercept             # (n_layers,) addresses: (units, LANE_ROWS)
    size_t strips                       # (n_threads, 2, layer_size) values
    Py_ssize_t layer_size               # of the widest layer of a strip


cdef class Lanes:
    cdef lanes_t c
    cdef tuple owners


cdef void forward_lanes(
    const network_t *net, const layers_t *layers, const lanes_t *lanes, int worker,
    const fm_objective *objective, const floating *x, Py_ssize_t ldx, floating *out,
    Py_ssize_t n, floating *products, const floating *ahead,
) noexcept nogil
