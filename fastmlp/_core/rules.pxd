# Scalars of some rules, beside their sweep over the weights in C: corrections for each
# step, and the metric of a soft threshold.

from libc.math cimport pow, sqrt

from fastmlp._core.kernels cimport (
    FM_RULE_adam,
    FM_RULE_lion,
    FM_RULE_nadam,
    FM_RULE_sgd,
    fm_step,
)
from fastmlp._core.sums cimport update_t

cdef inline void correct_step(
    update_t *u, Py_ssize_t t, double *momentum_product
) noexcept nogil:
    """The bias corrections of step t, and what sgd's velocity holds of the rates"""
    cdef fm_step *step = &u.step
    if u.rule == FM_RULE_adam:
        step.learning_rate = (
            u.rate * sqrt(1 - pow(step.beta_2, t)) / (1 - pow(step.beta_1, t))
        )
    elif u.rule == FM_RULE_nadam:
        correct_nadam(u, t, momentum_product)
    elif u.rule == FM_RULE_sgd:
        u.velocity_rate = step.momentum * u.velocity_rate + u.rate


cdef inline double nadam_momentum(double beta_1, Py_ssize_t t) noexcept nogil:
    """The momentum of step t, which grows towards beta_1 (Dozat 2016)"""
    return beta_1 * (1 - 0.5 * pow(0.96, 0.004 * t))


cdef inline void correct_nadam(
    update_t *u, Py_ssize_t t, double *momentum_product
) noexcept nogil:
    """The corrections of nadam, by the product of the momenta so far"""
    cdef double now = nadam_momentum(u.step.beta_1, t)
    cdef double after = nadam_momentum(u.step.beta_1, t + 1)
    momentum_product[0] *= now
    u.step.gradient_rate = u.rate * (1 - now) / (1 - momentum_product[0])
    u.step.learning_rate = u.rate * after / (1 - momentum_product[0] * after)
    u.step.root = 1 / sqrt(1 - pow(u.step.beta_2, t))


cdef inline double threshold_rate(
    const update_t *u, const fm_step *step, double factor, bint *by_state
) noexcept nogil:
    """The rate of the soft threshold of l1, in the metric of the rule

    by_state: whether the rule divides by the root of its last vector of state, so that
    the threshold must be divided by it too.  factor: that of the learning rate.
    """
    by_state[0] = u.rule != FM_RULE_sgd and u.rule != FM_RULE_lion
    if u.rule == FM_RULE_adam:  # with the bias corrections
        return step.learning_rate
    if u.rule != FM_RULE_sgd:
        return u.rate * factor
    if step.nesterov:  # the rates with which its step holds past gradients
        return (step.momentum * u.velocity_rate + u.rate) * factor
    return u.velocity_rate * factor
