# The two phases of a training step over a block of rows.

from fastmlp._core.sums cimport sum_t


cdef void read_weights(sum_t *s) noexcept nogil
cdef void begin_batch(sum_t *s, Py_ssize_t first, Py_ssize_t stop) noexcept nogil
cdef void sum_rows(sum_t *s) noexcept nogil
cdef void sum_parts(sum_t *s) noexcept nogil
cdef double data_scale(const sum_t *s) noexcept nogil
cdef double penalty(const sum_t *s) noexcept nogil
