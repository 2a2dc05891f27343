# The two phases of a training step over a block of rows, and the sums over a batch.

from fastmlp._core.custom cimport Failures
from fastmlp._core.network cimport Data, Network
from fastmlp._core.sums cimport sum_t
from fastmlp._core.workspace cimport Workspace


cdef class BatchSum:
    cdef sum_t c
    cdef readonly object grad
    cdef readonly Py_ssize_t blocks_per_call
    cdef Network net
    cdef Data data
    cdef Failures failures
    cdef bint shares_parts              # whether there are parts for several threads
    cdef object tensors, parts
    cdef tuple owners
    cdef set_layout(self, layout)
    cdef set_noise(self, Network net, Data data, Workspace work, dropout, input_noise)


cdef void read_weights(sum_t *s) noexcept nogil
cdef void begin_batch(sum_t *s, Py_ssize_t first, Py_ssize_t stop) noexcept nogil
cdef void sum_rows(sum_t *s) noexcept nogil
cdef void sum_parts(sum_t *s) noexcept nogil
cdef double data_scale(const sum_t *s) noexcept nogil
cdef double penalty(const sum_t *s) noexcept nogil
