# Prediction: what the short way of a few rows shares with the way of blocks.

from cython cimport floating

cdef enum:  # OUTPUTS, RAW and PROBA
    AS_OUTPUTS = 0
    AS_RAW = 1
    AS_PROBA = 2


cdef void both_classes(floating *out, Py_ssize_t n) noexcept nogil
