# User-defined activations and losses, as the core calls them.

from cython cimport floating

from fastmlp._core.kernels cimport fm_objective


ctypedef struct function_t:             # first: f(z) or the loss; second: derivative
    bint is_python
    bint by_input                       # the gradient of a loss is one of z, not of a
    void *first_f32
    void *first_f64
    void *second_f32
    void *second_f64
    void *first_user_f32
    void *first_user_f64
    void *second_user_f32
    void *second_user_f64
    void *owner                         # the Function

ctypedef struct failure_t:              # what Python functions raised in a call
    bint failed
    void *errors                        # a list
    void *memory                        # owner of what the functions see


cdef class Failures:
    cdef failure_t c
    cdef readonly list errors
    cdef object memory
    cdef int check(self) except -1


cdef class Function:
    cdef function_t c
    cdef readonly object first, second
    cdef readonly str name
    cdef readonly bint is_python
    cdef readonly tuple dtypes
    cdef tuple owners


cdef void apply_function(
    const function_t *f, failure_t *failure, floating *z, floating *a, Py_ssize_t n,
    Py_ssize_t k,
) noexcept nogil
cdef void multiply_slopes(
    const function_t *f, failure_t *failure, floating *z, floating *a, floating *delta,
    floating *scratch, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil
cdef void apply_loss(
    const fm_objective *objective, const function_t *f, failure_t *failure,
    const floating *y, Py_ssize_t y_width, const floating *w, floating *z,
    floating *room,
    Py_ssize_t n, Py_ssize_t k,
) noexcept nogil
