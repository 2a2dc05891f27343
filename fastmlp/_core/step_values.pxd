# Values per step, which a run reads for each batch in place of a constant.

from cpython.pyport cimport PY_SSIZE_T_MAX

from fastmlp._core.addresses cimport address_of
from fastmlp._core.sums cimport sum_t

ctypedef struct step_values_t:
    Py_ssize_t n_steps                  # steps for which there are values
    const double *learning_rates        # each NULL if the value is constant
    const double *alphas
    const double *weight_decays
    const double *epsilons
    const double *dropouts              # (n_steps, n_layers)


cdef inline const double *read_array(
    step_values_t *values, object array
) except? NULL:
    """The address of an array of float64, NULL of None"""
    if array is None:
        return NULL
    values.n_steps = min(values.n_steps, <Py_ssize_t> len(array))
    return <const double *> address_of(array, "float64")


cdef inline int read_values(
    step_values_t *values, object learning_rate, object alpha, object weight_decay,
    object epsilon, object dropout,
) except -1:
    """Take the addresses of arrays, which the caller keeps"""
    values.n_steps = PY_SSIZE_T_MAX
    values.learning_rates = read_array(values, learning_rate)
    values.alphas = read_array(values, alpha)
    values.weight_decays = read_array(values, weight_decay)
    values.epsilons = read_array(values, epsilon)
    values.dropouts = read_array(values, dropout)
    return 0


cdef inline void set_values(
    const step_values_t *values, sum_t *s, double *alpha, Py_ssize_t step
) noexcept nogil:
    """Set the values of a step, those that are not constant"""
    if values.learning_rates != NULL:
        s.update.rate = values.learning_rates[step]
        s.update.step.learning_rate = s.update.rate
    if values.alphas != NULL:
        alpha[0] = values.alphas[step]
    if values.weight_decays != NULL:
        s.update.weight_decay = values.weight_decays[step]
    if values.epsilons != NULL:
        s.update.step.epsilon = values.epsilons[step]
    if values.dropouts != NULL:
        s.noise.dropout = values.dropouts + step * s.net.n_layers
