# The memory in which the passes over a block of rows work.

from fastmlp._core.custom cimport Failures, failure_t
from fastmlp._core.kernels cimport fm_draw


ctypedef struct noise_t:                # what training does to the inputs of layers
    fm_draw draw                        # seed, and number of the step
    Py_ssize_t start                    # first row of the batch
    const double *dropout               # (n_layers,) rates of the coming step
    const int *drops                    # (n_layers,) whether the rate may be above 0
    double input_noise                  # standard deviation
    bint is_on_input                    # whether rows of a dense x are changed
    void *values                        # of CSR after dropout, or NULL

ctypedef struct workspace_t:            # addresses of arrays for a block of rows
    Py_ssize_t n_rows
    size_t x, y, w                      # rows gathered from the data
    Py_ssize_t ldx                      # values from a gathered row of x to the next
    const size_t *a                     # (n_layers + 1,) outputs of each layer
    # (n_layers + 1,) its inputs, if they are kept; else outputs overwrite them
    const size_t *z
    # (n_layers,) inputs of each layer: a, or what dropout leaves of it
    const size_t *input
    const noise_t *noise                # NULL for none
    const size_t *delta                 # (n_layers + 1,) dloss / dz of each layer
    # (n_layers + 1,) from a row of x, a, delta to the next, and from a row of W^T
    const ptrdiff_t *stride
    # (n_slots, n_sums) gradients of intercepts and slopes, summed over SUM_ROWS
    size_t slot_sums
    size_t losses, weights              # (n_slots,) double
    size_t scratch                      # a layer of a block, for Python functions
    size_t loss_room                    # (3, n_rows, n_outputs), of a user-defined loss
    failure_t *failure
    size_t products                     # (n_threads, FM_GEMM_WORK)


cdef class Workspace:
    cdef workspace_t c
    cdef Failures failures
    cdef tuple owners
    cdef const size_t *keep(self, addresses) except NULL
