# The network and its data, shared with the modules that compute.
#
# Each class wraps a struct of sizes and addresses, which the nogil functions take, and
# keeps the arrays alive that the addresses point into.

from fastmlp._core.custom cimport Failures, failure_t, function_t
from fastmlp._core.kernels cimport fm_draw, fm_objective


ctypedef struct network_t:
    Py_ssize_t n_layers, n_outputs, n_coefs, n_params, n_trainable
    fm_objective objective
    const ptrdiff_t *width              # (n_layers + 1,) units
    const ptrdiff_t *coef_offset        # (n_layers,) in the flat vector
    const ptrdiff_t *intercept_offset   # (n_layers,)
    const int *activation               # (n_layers - 1,)
    const int *by_input                 # (n_layers - 1,) whether f' is a function of z
    const double *parameter             # (n_layers - 1,)
    const size_t *function              # (n_layers - 1,) function_t of users, or NULL
    const function_t *loss_function     # a loss of the user, or NULL

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
    const size_t *intercept

cdef enum:
    SUM_ROWS = 32                       # rows whose sums stand in one slot

ctypedef struct noise_t:                # what training does to the inputs of layers
    fm_draw draw                        # seed, and number of the step
    Py_ssize_t start                    # first row of the batch
    const double *dropout               # (n_layers,) rates
    double input_noise                  # standard deviation
    bint is_on_input                    # whether rows of a dense x are changed
    void *values                        # of CSR after dropout, or NULL

ctypedef struct workspace_t:            # addresses of arrays for a block of rows
    Py_ssize_t n_rows
    size_t x, y, w                      # rows gathered from the data
    const size_t *a                     # (n_layers + 1,) outputs of each layer
    # (n_layers + 1,) its inputs, where they are kept; else they stand where the outputs
    # will
    const size_t *z
    # (n_layers,) inputs of each layer: a, or what dropout leaves of it
    const size_t *input
    const noise_t *noise                # NULL for none
    const size_t *delta                 # (n_layers + 1,) dloss / dz of each layer
    const size_t *transposed            # (n_layers,) W^T of each layer but the first
    # (n_layers + 1,) from a row of x, a, delta to the next, and from a row of W^T
    const ptrdiff_t *stride
    size_t intercept_grads              # (n_slots, units): their sums over SUM_ROWS
    size_t losses, weights              # (n_slots,) double
    size_t scratch                      # a layer of a block, for Python functions
    size_t loss_room                    # (3, n_rows, n_outputs), for losses of the user
    failure_t *failure
    size_t products                     # (n_threads, FM_GEMM_WORK)


cdef class Network:
    cdef network_t c
    cdef readonly tuple units
    cdef readonly str loss
    cdef readonly object objective
    cdef readonly Py_ssize_t n_targets
    cdef readonly bint has_python       # whether a function of the user is in Python
    cdef readonly tuple functions       # those of the user
    cdef tuple owners


cdef class Data:
    cdef data_t c
    cdef readonly Py_ssize_t n_samples, n_targets
    cdef readonly object dtype, targets
    cdef object values                  # dense rows, or the stored values of CSR
    cdef tuple owners


cdef class Layers:
    cdef layers_t c
    cdef tuple owners


cdef class Workspace:
    cdef workspace_t c
    cdef Failures failures
    cdef tuple owners
    cdef const size_t *keep(self, addresses) except NULL
