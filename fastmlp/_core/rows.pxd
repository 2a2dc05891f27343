# Rows of the data, as a pass over a block of them finds them: in place or gathered.

from cython cimport floating

cimport fastmlp._core.kernels as kernels
from fastmlp._core.kernels cimport fm_csr_rows
from fastmlp._core.network cimport data_t
from fastmlp._core.workspace cimport workspace_t


ctypedef struct rows_t:                 # rows of the data
    const ptrdiff_t *order              # NULL: consecutive rows
    Py_ssize_t n_ordered                # length of the order
    Py_ssize_t first, n


cdef inline const floating *block_of(
    const void *values, Py_ssize_t width, size_t gathered, Py_ssize_t stride,
    rows_t rows, const floating *precision,
) noexcept nogil:
    """Rows of a dense array: in place if consecutive, else gathered; NULL of NULL

    Gathered rows are `stride` values apart.
    """
    cdef const floating *source = <const floating *> values
    if values == NULL:
        return NULL
    if rows.order == NULL:
        return source + rows.first * width
    kernels.gather_rows(source, rows.order + rows.first, <floating *> gathered, rows.n,
                        rows.n_ordered - rows.first, width, stride)
    return <const floating *> gathered


cdef inline const floating *x_block(
    const data_t *data, size_t gathered, Py_ssize_t stride, rows_t rows,
    const floating *precision,
) noexcept nogil:
    """The same for the features, which may be in another precision"""
    if not data.is_wide:
        return block_of(data.x, data.n_features, gathered, stride, rows, precision)
    kernels.cast_rows(<const double *> data.x, rows.order, rows.first,
                      <floating *> gathered, rows.n, data.n_features, stride)
    return <const floating *> gathered


cdef inline fm_csr_rows csr_rows(const data_t *data, rows_t rows) noexcept nogil:
    """The rows of a CSR matrix"""
    cdef fm_csr_rows csr
    csr.indices, csr.indptr = data.indices, data.indptr
    csr.order = rows.order + rows.first if rows.order != NULL else NULL
    csr.first = rows.first
    return csr


cdef inline Py_ssize_t x_stride(
    const data_t *data, const workspace_t *work, rows_t rows
) noexcept nogil:
    """Values from a row of x to the next, where x_block puts them"""
    return data.n_features if is_in_place(data, work, rows) else work.ldx


cdef inline bint is_in_place(
    const data_t *data, const workspace_t *work, rows_t rows
) noexcept nogil:
    """Return whether rows of a dense x are used in place"""
    if work.noise != NULL and work.noise.is_on_input:
        return False
    return rows.order == NULL and not data.is_wide


cdef inline Py_ssize_t ceil_div(Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    """Pieces of a size that cover n"""
    return (n + size - 1) // size
