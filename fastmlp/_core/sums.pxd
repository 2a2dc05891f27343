# The state of a training step, which batch.pyx sums up and step.pyx finishes.

from fastmlp._core.kernels cimport FM_LOSS_squared_error, fm_step
from fastmlp._core.network cimport data_t, layers_t, network_t, noise_t, workspace_t
from fastmlp._core.rows cimport rows_t


ctypedef struct part_t:                 # rows of a weight matrix, or all intercepts
    Py_ssize_t layer, first, n          # layer -1: the intercepts
    Py_ssize_t start, size              # in the flat vector; 0 values if all are fixed
    double square                       # sum of squares of these weights
    double grad_square                  # and of their finished gradient

cdef enum:
    NO_RULE = -1                        # of update_t: only the gradient is wanted

ctypedef struct update_t:               # the step that follows a batch
    int rule                            # fm_rule
    void *w
    void *m
    void *v
    double scale, decay                 # the gradient is scale g + decay w
    fm_step step                        # the other scalars of the rule
    double rate                         # learning rate without corrections of the rule
    double velocity_rate                # of past steps, as sgd's velocity holds them
    double weight_decay, l1, max_norm, clip_norm    # 0 for none
    const double *layer_rates           # (n_layers,) factors of the rate, NULL for ones

ctypedef struct sum_t:
    const network_t *net
    const data_t *data
    const layers_t *layers
    const workspace_t *work
    void *grad
    int n_threads
    rows_t rows                         # the current block
    Py_ssize_t n_items                  # pieces of the block, of whole slots
    Py_ssize_t stop                     # end of the batch
    bint is_first, is_last              # whether the block is, in its batch
    double loss, weight                 # sums over the batch
    part_t *parts
    Py_ssize_t n_parts
    update_t update
    noise_t noise
    double smoothing                    # of the targets of log_loss
    double clip_factor


cdef inline double mean_scale(const network_t *net, double weight) noexcept nogil:
    """Turns sums into means: over weights, and over outputs of squared errors"""
    if net.loss_function == NULL and net.objective.loss == FM_LOSS_squared_error:
        return 1 / (weight * net.n_outputs)
    return 1 / weight
