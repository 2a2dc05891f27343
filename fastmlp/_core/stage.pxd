# The input stage: from encoded rows of a table to the inputs of the first layer.

from cython cimport floating


ctypedef struct stage_t:
    Py_ssize_t n_numbers, n_categories  # columns of an encoded row, in this order
    Py_ssize_t n_outputs                # inputs of the first layer; 0: no stage
    Py_ssize_t n_params
    bint is_periodic                    # whether numbers are embedded
    Py_ssize_t number_width, number_size    # outputs and weights of a number
    Py_ssize_t numbers                  # offset of their weights, behind the scale
    # (n_categories,) place and width of the table of each, and its first output
    const ptrdiff_t *table
    const ptrdiff_t *width
    const ptrdiff_t *output
    const int *is_trained               # (n_categories,) whether the table is


cdef class InputStage:
    cdef stage_t c
    cdef readonly tuple tables          # (number of rows, width, whether it is trained)
    cdef tuple owners


cdef void stage_forward(
    const stage_t *stage, const floating *params, const floating *x, Py_ssize_t ldx,
    floating *out, Py_ssize_t ldo, Py_ssize_t n,
) noexcept nogil
cdef void column_backward(
    const stage_t *stage, const floating *params, Py_ssize_t column, const floating *x,
    Py_ssize_t ldx, const floating *delta, Py_ssize_t ldd, floating *grad, Py_ssize_t n,
) noexcept nogil
cdef void clear_column(
    const stage_t *stage, Py_ssize_t column, floating *grad
) noexcept nogil
