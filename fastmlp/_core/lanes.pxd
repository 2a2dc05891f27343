# Prediction with the rows of X in the lanes of vectors.

from cython cimport floating

from fastmlp._core.kernels cimport fm_objective
from fastmlp._core.network cimport layers_t, network_t
from fastmlp._core.workspace cimport workspace_t

cdef enum:
    LANE_ROWS = 48                      # rows of a strip: whole vectors of every width

ctypedef struct lanes_t:
    size_t strips                       # (n_threads, 3, strip_size) values
    Py_ssize_t strip_size               # of the widest layer


cdef class Lanes:
    cdef lanes_t c
    cdef workspace_t work
    cdef ptrdiff_t stride
    cdef object memory


cdef bint forward_lanes(
    const network_t *net, const layers_t *layers, const lanes_t *lanes, int worker,
    const fm_objective *objective, const floating *x, Py_ssize_t ldx, Py_ssize_t n,
    bint check_finite, floating *out, floating *products,
) noexcept nogil
