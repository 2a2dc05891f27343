# Prediction: what the short way of a few rows shares with the way of blocks.

from cython cimport floating

from fastmlp._core.network cimport network_t

cdef enum:  # OUTPUTS, RAW and PROBA
    AS_OUTPUTS = 0
    AS_RAW = 1
    AS_PROBA = 2


cdef void finish_rows(
    const network_t *net, int what, Py_ssize_t n_columns, floating *z, floating *out,
    Py_ssize_t n,
) noexcept nogil
