# The step that follows a batch: an update rule, and the regularisation of the weights.
#
# a) A part of the weights takes its step while its gradient is in cache (finish_part);
#    those of an input stage after all the others (finish_late_parts).
# b) Clipping needs the norm of the whole gradient first: then the parts only finish
#    their gradients, and take the step in a second round (step_task).  The sums go part
#    by part, so they do not depend on the number of threads.
# c) Norms of columns need all parts of a matrix: a last round, matrix by matrix, whose
#    scratch is the gradient that is no longer needed (norm_task).
# d) Order: gradient with its L2 penalty, clipping, update with weight decay, soft
#    threshold, norms.  A tensor whose rate is multiplied by 0 keeps its bits.

from cython cimport floating
from libc.math cimport sqrt

cimport fastmlp._core.kernels as kernels
from fastmlp._core.kernels cimport fm_rule, fm_step
from fastmlp._core.replicas cimport keep_part
from fastmlp._core.rules cimport threshold_rate
from fastmlp._core.sums cimport COEFS, NO_RULE, part_t, sum_t, tensor_t, update_t

cdef double TINY_NORM = 1e-6  # as in PyTorch's clip_grad_norm_


cdef void finish_part(
    sum_t *s, part_t *part, int worker, floating *grad
) noexcept nogil:
    """The penalty of some weights, and their step or their finished gradient"""
    cdef const update_t *u = &s.update
    cdef const tensor_t *tensor = &s.tensors[part.tensor]
    cdef double decay = u.decay * tensor.decay, square
    if u.rule != NO_RULE and u.clip_norm == 0:
        step_part(s, part, worker, u.scale, decay, <const floating *> grad)
        return
    square = kernels.finish_gradient(<const floating *> u.w + part.start,
                                     grad + part.start, part.size, u.scale, decay)
    part.square = penalised(tensor, square)
    if u.clip_norm > 0:
        part.grad_square = 0
        if tensor.rate != 0:
            part.grad_square = kernels.sum_squares(
                <const floating *> grad + part.start, part.size)


cdef inline double penalised(const tensor_t *tensor, double square) noexcept nogil:
    """The share of a sum of squares in the penalty; 0, not NaN, without a penalty"""
    return tensor.decay * square if tensor.decay != 0 else 0


cdef void step_part(
    sum_t *s, part_t *part, int worker, double scale, double decay,
    const floating *grad,
) noexcept nogil:
    """The step of some weights along scale g + decay w"""
    cdef const update_t *u = &s.update
    cdef const tensor_t *tensor = &s.tensors[part.tensor]
    cdef floating *w = <floating *> u.w + part.start
    cdef fm_step step = u.step
    cdef double square
    if tensor.rate == 0:
        square = kernels.sum_squares(<const floating *> w, part.size)
        part.square = penalised(tensor, square)
        return
    step.epsilon *= tensor.epsilon
    step.learning_rate *= tensor.rate
    step.gradient_rate *= tensor.rate
    step.scale, step.decay = scale, decay
    step.keep = 1 - u.rate * tensor.rate * u.weight_decay * tensor.decay
    square = kernels.update(<fm_rule> u.rule, &step, grad + part.start, w,
                            <floating *> u.m + part.start,
                            <floating *> u.v + part.start, part.size)
    part.square = penalised(tensor, square)
    if u.l1 > 0 and tensor.decay > 0:
        shrink_values(u, &step, tensor, part.start, part.size, w)
    if u.max_norm == 0:
        keep_part(s, part, <const floating *> w, worker)


cdef void shrink_values(
    const update_t *u, const fm_step *step, const tensor_t *tensor, Py_ssize_t start,
    Py_ssize_t n, floating *w,
) noexcept nogil:
    """The soft threshold of the penalty l1 sum|w|, in the metric of the rule"""
    cdef bint by_state
    cdef double rate = threshold_rate(u, step, tensor.rate, &by_state)
    cdef const floating *v = NULL
    if by_state:
        v = <const floating *> u.v + start
    kernels.soft_threshold(w, v, n, rate * u.l1 * tensor.decay, step.root, step.epsilon)


cdef void finish_late_parts(sum_t *s) noexcept nogil:
    """finish_part for the parts of a stage, whose gradients are whole now"""
    if s.n_parts > s.n_early_parts:
        kernels.parallel(late_task, s, s.n_parts - s.n_early_parts, s.n_threads)


cdef void late_task(void *s, ptrdiff_t item, int worker) noexcept nogil:
    """finish_task, counted from the first part of a stage"""
    finish_task(s, item + (<sum_t *> s).n_early_parts, worker)


cdef void finish_step(sum_t *s) noexcept nogil:
    """The rounds that need the gradient, or the step, of all weights"""
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
        kernels.parallel(norm_task, s, s.n_tensors, s.n_threads)


cdef void step_task(void *s, ptrdiff_t item, int worker) noexcept nogil:
    """step_part along the clipped gradient, in the precision of the data"""
    cdef sum_t *total = <sum_t *> s
    cdef part_t *part = &total.parts[item]
    if total.data.is_float32:
        step_part(total, part, worker, total.clip_factor, 0,
                  <const float *> total.grad)
    else:
        step_part(total, part, worker, total.clip_factor, 0,
                  <const double *> total.grad)


cdef void norm_task(void *s, ptrdiff_t tensor, int worker) noexcept nogil:
    """limit_tensor in the precision of the data"""
    cdef sum_t *total = <sum_t *> s
    if total.data.is_float32:
        limit_tensor(total, tensor, worker, <float *> total.grad)
    else:
        limit_tensor(total, tensor, worker, <double *> total.grad)


cdef void limit_tensor(
    sum_t *s, Py_ssize_t number, int worker, floating *grad
) noexcept nogil:
    """Cut the norms of the columns of W, and take it over"""
    cdef const tensor_t *tensor = &s.tensors[number]
    cdef floating *w = <floating *> s.update.w
    cdef Py_ssize_t i
    if tensor.role != COEFS or tensor.rate == 0:
        return
    kernels.limit_norms(w + tensor.start, tensor.n_rows, tensor.n_columns,
                        s.update.max_norm, grad + tensor.start)
    for i in range(s.n_parts):
        if s.parts[i].tensor == number:
            keep_part(s, &s.parts[i], <const floating *> w + s.parts[i].start, worker)


cdef void finish_task(void *s, ptrdiff_t item, int worker) noexcept nogil:
    """finish_part in the precision of the data"""
    cdef sum_t *total = <sum_t *> s
    if total.data.is_float32:
        finish_part(total, &total.parts[item], worker, <float *> total.grad)
    else:
        finish_part(total, &total.parts[item], worker, <double *> total.grad)


cdef void take_step(sum_t *s) noexcept nogil:
    """The step along a gradient that is whole, as sum_parts takes it part by part"""
    kernels.parallel(finish_task, s, s.n_parts, s.n_threads)
    finish_step(s)
