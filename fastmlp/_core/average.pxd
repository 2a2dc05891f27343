# The moving average of the weights over the steps of a solver.

from libc.math cimport pow

cimport fastmlp._core.kernels as kernels
from fastmlp._core.sums cimport sum_t

ctypedef struct average_t:
    void *mean                          # (n_params,), NULL if none is wanted
    double decay
    Py_ssize_t n                        # steps that are in it


cdef inline void add_weights(average_t *average, const sum_t *s) noexcept nogil:
    """Add the weights after a step to their moving average, if there is one"""
    cdef Py_ssize_t n_params = s.net.n_params
    cdef double rest, decay = average.decay
    if average.mean == NULL:
        return
    average.n += 1
    rest = 1 - (1 - decay) / (1 - pow(decay, average.n))
    if s.data.is_float32:
        kernels.average(<const float *> s.update.w, <float *> average.mean, n_params,
                        rest)
    else:
        kernels.average(<const double *> s.update.w, <double *> average.mean,
                        n_params, rest)
