# The network and its data, shared with the modules that compute.
#
# Each class wraps a struct of sizes and addresses, which the nogil functions take, and
# keeps the arrays alive that the addresses point into.

from fastmlp._core.custom cimport function_t
from fastmlp._core.kernels cimport fm_advice, fm_objective
from fastmlp._core.stage cimport stage_t


ctypedef struct network_t:
    Py_ssize_t n_layers, n_outputs, n_coefs, n_params, n_trainable
    fm_objective objective
    const ptrdiff_t *width              # (n_layers + 1,) units
    const ptrdiff_t *coef_offset        # (n_layers,) in the flat vector
    const ptrdiff_t *intercept_offset   # (n_layers,)
    const int *activation               # (n_layers - 1,)
    const int *by_input                 # (n_layers - 1,) whether f' is a function of z
    const double *parameter             # (n_layers - 1,)
    const size_t *function              # (n_layers - 1,) function_t, NULL if built in
    const function_t *loss_function     # a user-defined loss, or NULL
    Py_ssize_t n_sums                   # intercepts and slopes, which follow the coefs
    bint has_slopes                     # whether hidden units have learnt slopes
    const ptrdiff_t *slope_offset       # (n_layers - 1,) in the flat vector
    stage_t stage                       # its weights end the flat vector

ctypedef struct data_t:
    Py_ssize_t n_features, y_width
    bint is_sparse, is_float32
    bint is_wide                        # x is float64, to be read as float32
    const void *x                       # dense rows, or the stored values of CSR
    const ptrdiff_t *indices
    const ptrdiff_t *indptr
    const void *y
    const void *w                       # NULL for ones

ctypedef struct layers_t:
    const size_t *coef                  # (n_layers,) addresses
    const ptrdiff_t *coef_stride        # from a row of them to the next; see Layers
    const size_t *intercept
    const size_t *slope                 # (n_layers - 1,) 0 where there are none
    size_t stage

cdef enum:
    SUM_ROWS = 32                       # rows whose sums make one slot


cdef class Network:
    cdef network_t c
    cdef readonly tuple units, activations
    cdef readonly str loss
    cdef readonly object objective
    cdef readonly Py_ssize_t n_targets
    cdef readonly bint has_python       # whether a user-defined function is in Python
    cdef readonly tuple functions       # user-defined ones
    cdef readonly object stage          # InputStage or None
    cdef tuple owners


cdef class Data:
    cdef data_t c
    cdef readonly Py_ssize_t n_samples, n_targets
    cdef readonly object dtype, targets
    cdef object values                  # dense rows, or the stored values of CSR
    cdef tuple owners
    cdef advise(self, Py_ssize_t first, Py_ssize_t stop, fm_advice advice)


cdef class Layers:
    cdef layers_t c
    cdef tuple owners
