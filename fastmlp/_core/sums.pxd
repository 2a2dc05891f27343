# The state of a training step, which block.pyx sums up and step.pyx finishes.

from fastmlp._core.kernels cimport FM_LOSS_squared_error, fm_step
from fastmlp._core.network cimport data_t, layers_t, network_t
from fastmlp._core.rows cimport rows_t
from fastmlp._core.workspace cimport noise_t, workspace_t


cdef enum:                              # roles of a tensor, as in layout.ROLES
    COEFS = 0
    INTERCEPTS = 1
    SLOPES = 2
    STAGE = 3

ctypedef struct tensor_t:               # layout.Tensor
    Py_ssize_t role, layer
    Py_ssize_t start, n_rows, n_columns     # place and shape in the flat vector
    double rate                         # factor of the learning rate, 0 if it is fixed
    double decay                        # factor of the penalties
    double epsilon                      # factor of that of the rule

ctypedef struct part_t:                 # rows of a tensor
    Py_ssize_t tensor, first, n
    Py_ssize_t start, size              # in the flat vector
    Py_ssize_t holder                   # the thread whose replica has the last step
    double square                       # sum of squares of weights that are penalised
    double grad_square                  # sum of squares of their finished gradient

ctypedef struct replica_t:              # weights that a thread reads
    layers_t layers
    const size_t *transposed            # (n_layers,) W^T, 0 where it is not needed
    Py_ssize_t batch                    # the last one for which they were read, or 0

cdef enum:
    NOBODY = -1                         # of part_t.holder

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

ctypedef struct sum_t:
    const network_t *net
    const data_t *data
    const workspace_t *work
    replica_t *replicas                 # (n_replicas,)
    int n_replicas                      # 1, or 2 where there are two threads
    void *grad
    int n_threads
    rows_t rows                         # the current block
    Py_ssize_t n_items                  # of the first phase, each of whole slots
    Py_ssize_t n_shares                 # of a block, whose gradients are summed apart
    Py_ssize_t n_summed                 # shares of the first block of the batch
    # (n_shares - 1, n_coefs) gradients of the shares after the first one
    void *share_grads
    Py_ssize_t batch                    # its number
    Py_ssize_t stop                     # its end
    bint is_first, is_last              # whether the block is, in its batch
    bint waits                          # whether the gradient stays a sum for now
    double loss, weight                 # sums over the batch
    const tensor_t *tensors
    Py_ssize_t n_tensors
    part_t *parts
    Py_ssize_t n_parts
    # parts whose gradients are summed part by part; those of a stage, the last ones,
    # column by column, and they take their step after that
    Py_ssize_t n_early_parts
    update_t update
    noise_t noise
    double smoothing                    # of the targets of log_loss
    double clip_factor


cdef inline double mean_scale(const network_t *net, double weight) noexcept nogil:
    """Turns sums into means: over weights, and over outputs of squared errors"""
    if net.loss_function == NULL and net.objective.loss == FM_LOSS_squared_error:
        return 1 / (weight * net.n_outputs)
    return 1 / weight
