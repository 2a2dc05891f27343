# The passes over a block of rows, and the sums over a batch of them.

from cython cimport floating

from fastmlp._core.network cimport data_t, layers_t, network_t, workspace_t


ctypedef struct rows_t:                 # the rows of one block
    const ptrdiff_t *order              # NULL: consecutive rows
    Py_ssize_t first, n

ctypedef struct sum_t:
    const network_t *net
    const data_t *data
    const layers_t *layers
    const workspace_t *work
    void *grad
    const ptrdiff_t *order
    Py_ssize_t row, stop
    bint is_empty
    double loss, weight


cdef class BatchSum:
    cdef sum_t c
    cdef readonly object grad
    cdef readonly Py_ssize_t blocks_per_call
    cdef tuple owners


cdef const floating *block_of(
    const void *values, Py_ssize_t width, size_t gathered, rows_t rows,
    const floating *precision,
) noexcept nogil
cdef void forward(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, const floating *x, floating *z_last,
) noexcept nogil
cdef void begin_batch(sum_t *s, Py_ssize_t first, Py_ssize_t stop) noexcept nogil
cdef bint add_block(sum_t *s) noexcept nogil
cdef double data_scale(const sum_t *s) noexcept nogil
