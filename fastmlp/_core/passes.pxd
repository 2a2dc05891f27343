# The passes of some rows through all layers, forward and back.

from cython cimport floating

from fastmlp._core.network cimport data_t, layers_t, network_t
from fastmlp._core.rows cimport rows_t
from fastmlp._core.workspace cimport workspace_t


cdef void forward(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, Py_ssize_t at, const floating *x,
    floating *z_last, floating *products, const floating *ahead,
) noexcept nogil
cdef void slope_rows(
    const network_t *net, const layers_t *layers, const workspace_t *work,
    Py_ssize_t layer, Py_ssize_t at, Py_ssize_t n, floating *delta,
    floating *sums, Py_ssize_t sums_stride,
) noexcept nogil
cdef void backward(
    const network_t *net, const layers_t *layers, const size_t *transposed,
    const workspace_t *work, Py_ssize_t first_row, Py_ssize_t at, Py_ssize_t n_rows,
    floating *slots, floating *products,
) noexcept nogil
