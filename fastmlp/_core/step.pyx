# The step that follows a batch: an update rule, and what regularises the weights.
#
# a) A part of the weights takes its step while its gradient is in cache (finish_part).
# b) Clipping needs the norm of the whole gradient first: then the parts only finish
#    their gradients, and take the step in a second round (step_task).  The sums go part
#    by part, so they do not depend on the number of threads.
# c) Norms of columns need all parts of a matrix: a last round, layer by layer, whose
#    scratch is the gradient that is no longer needed (norm_task).
# d) Order: gradient with its L2 penalty, clipping, update with weight decay, soft
#    threshold, norms.  A layer whose rate is multiplied by 0 keeps its bits.

from cython cimport floating
from libc.math cimport sqrt

cimport fastmlp._core.kernels as kernels
from fastmlp._core.kernels cimport (
    FM_RULE_adam,
    FM_RULE_lion,
    FM_RULE_sgd,
    fm_rule,
    fm_step,
)
from fastmlp._core.sums cimport NO_RULE, part_t, sum_t, update_t

cdef double TINY_NORM = 1e-6  # as in PyTorch's clip_grad_norm_


cdef void finish_part(
    sum_t *s, part_t *part, Py_ssize_t start, Py_ssize_t size, floating *grad
) noexcept nogil:
    """The penalty of some weights, and their step or their finished gradient"""
    cdef const update_t *u = &s.update
    cdef double decay = u.decay if part.layer >= 0 else 0
    part.start, part.size = start, size
    if u.rule != NO_RULE and u.clip_norm == 0:
        step_part(s, part, u.scale, decay, <const floating *> grad)
        return
    part.square = kernels.finish_gradient(<const floating *> u.w + start, grad + start,
                                          size, u.scale, decay)
    if u.clip_norm > 0:
        part.grad_square = gradient_square(s, part, <const floating *> grad + start)
    if part.layer < 0:
        part.square = 0


cdef double gradient_square(
    const sum_t *s, const part_t *part, const floating *g
) noexcept nogil:
    """Sum of squares of a finished gradient, without that of layers that are frozen"""
    cdef const double *rates = s.update.layer_rates
    cdef Py_ssize_t layer, width
    cdef double square = 0
    if rates == NULL or part.size == 0:
        return kernels.sum_squares(g, part.size)
    if part.layer >= 0:
        return kernels.sum_squares(g, part.size) if rates[part.layer] != 0 else 0
    for layer in range(s.net.n_layers):
        width = s.net.width[layer + 1]
        if rates[layer] != 0:
            square += kernels.sum_squares(g, width)
        g += width
    return square


cdef void step_part(
    sum_t *s, part_t *part, double scale, double decay, const floating *grad
) noexcept nogil:
    """The step of some weights along scale g + decay w"""
    cdef Py_ssize_t layer, width, start = part.start
    if part.layer >= 0:
        part.square = step_values(s, part.layer, True, start, part.size, scale, decay,
                                  grad)
        if s.update.max_norm == 0:
            transpose_part(s, part, <const floating *> s.update.w + start)
        return
    part.square = 0
    if s.update.layer_rates == NULL:
        step_values(s, 0, False, start, part.size, scale, decay, grad)
    elif part.size > 0:
        for layer in range(s.net.n_layers):
            width = s.net.width[layer + 1]
            step_values(s, layer, False, start, width, scale, decay, grad)
            start += width


cdef double step_values(
    sum_t *s, Py_ssize_t layer, bint are_weights, Py_ssize_t start, Py_ssize_t n,
    double scale, double decay, const floating *grad,
) noexcept nogil:
    """The step of values of one layer; returns the sum of their squares before it"""
    cdef const update_t *u = &s.update
    cdef fm_step step = u.step
    cdef floating *w = <floating *> u.w + start
    cdef double square, factor = 1
    step.scale, step.decay, step.keep = scale, decay, 1
    if u.layer_rates != NULL:
        if u.layer_rates[layer] == 0:
            return kernels.sum_squares(<const floating *> w, n)
        factor = u.layer_rates[layer]
        step.learning_rate *= factor
        step.gradient_rate *= factor
    if are_weights:
        step.keep = 1 - u.rate * factor * u.weight_decay
    square = kernels.update(<fm_rule> u.rule, &step, grad + start, w,
                            <floating *> u.m + start, <floating *> u.v + start, n)
    if are_weights and u.l1 > 0:
        shrink_values(u, &step, factor, start, n, w)
    return square


cdef void shrink_values(
    const update_t *u, const fm_step *step, double factor, Py_ssize_t start,
    Py_ssize_t n, floating *w,
) noexcept nogil:
    """The soft threshold of the penalty l1 sum|w|, in the metric of the rule"""
    cdef const floating *v = <const floating *> u.v + start
    cdef double rate = u.rate * factor
    if u.rule == FM_RULE_sgd:  # the rates with which its step holds past gradients
        v = NULL
        rate = u.velocity_rate * factor
        if step.nesterov:
            rate = (step.momentum * u.velocity_rate + u.rate) * factor
    elif u.rule == FM_RULE_lion:
        v = NULL
    elif u.rule == FM_RULE_adam:  # with the bias corrections
        rate = step.learning_rate
    kernels.soft_threshold(w, v, n, rate * u.l1, step.root, step.epsilon)


cdef void transpose_part(
    const sum_t *s, const part_t *part, const floating *w
) noexcept nogil:
    """The columns of W^T that belong to some rows of W; W^T of layer 0 is not needed"""
    cdef Py_ssize_t fan_out
    if part.layer > 0:
        fan_out = s.net.width[part.layer + 1]
        kernels.transpose(w, fan_out,
                          <floating *> s.work.transposed[part.layer] + part.first,
                          s.work.stride[part.layer], part.n, fan_out)


cdef void transpose_all(sum_t *s, const floating *params) noexcept nogil:
    """W^T of all layers, from the flat vector"""
    cdef part_t *part
    cdef Py_ssize_t i
    for i in range(s.n_parts):
        part = &s.parts[i]
        if part.layer > 0:
            transpose_part(s, part, params + s.net.coef_offset[part.layer]
                           + part.first * s.net.width[part.layer + 1])


cdef void finish_step(sum_t *s) noexcept nogil:
    """What has to wait until the gradient, or the step, of all weights is known"""
    cdef Py_ssize_t i
    cdef double square = 0, norm
    if s.update.clip_norm > 0:
        for i in range(s.n_parts):
            square += s.parts[i].grad_square
        norm = sqrt(square)
        s.clip_factor = s.update.clip_norm / (norm + TINY_NORM)
        if s.clip_factor > 1:
            s.clip_factor = 1
        kernels.parallel(step_task, s, s.n_parts, s.n_threads)
    if s.update.max_norm > 0:
        kernels.parallel(norm_task, s, s.net.n_layers, s.n_threads)


cdef void step_task(void *s, ptrdiff_t item, int worker) noexcept nogil:
    """step_part along the clipped gradient, in the precision of the data"""
    cdef sum_t *total = <sum_t *> s
    cdef part_t *part = &total.parts[item]
    if total.data.is_float32:
        step_part(total, part, total.clip_factor, 0, <const float *> total.grad)
    else:
        step_part(total, part, total.clip_factor, 0, <const double *> total.grad)


cdef void norm_task(void *s, ptrdiff_t layer, int worker) noexcept nogil:
    """limit_layer in the precision of the data"""
    cdef sum_t *total = <sum_t *> s
    if total.data.is_float32:
        limit_layer(total, layer, <float *> total.grad)
    else:
        limit_layer(total, layer, <double *> total.grad)


cdef void limit_layer(sum_t *s, Py_ssize_t layer, floating *grad) noexcept nogil:
    """Cut the norms of the columns of W, and transpose it"""
    cdef Py_ssize_t start = s.net.coef_offset[layer]
    cdef floating *w = <floating *> s.update.w + start
    cdef part_t whole
    if s.update.layer_rates != NULL and s.update.layer_rates[layer] == 0:
        return
    kernels.limit_norms(w, s.net.width[layer], s.net.width[layer + 1],
                        s.update.max_norm, grad + start)
    whole.layer, whole.first, whole.n = layer, 0, s.net.width[layer]
    transpose_part(s, &whole, <const floating *> w)
