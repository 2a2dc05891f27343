# The C kernels, one fused function each.

from cython cimport floating

from fastmlp._core.table cimport (
    FM_GEMM_WORK,
    FM_LOSS_squared_error,
    FM_MAX_LEVELS,
    FM_N_LOSS_OUTPUTS,
    FM_OUTPUT_exp,
    FM_OUTPUT_logistic,
    FM_OUTPUT_softmax,
    FM_OUTPUT_softplus,
    FM_RULE_adam,
    FM_RULE_lion,
    FM_RULE_nadam,
    FM_RULE_sgd,
    FM_relu,
    fm_activation,
    fm_activation_by_input,
    fm_activation_name,
    fm_csr_rows,
    fm_draw,
    fm_flush_denormals,
    fm_isa,
    fm_isa_name,
    fm_kernels_f32,
    fm_kernels_f64,
    fm_loss,
    fm_loss_name,
    fm_loss_output,
    fm_math,
    fm_math_name,
    fm_next,
    fm_objective,
    fm_output,
    fm_output_name,
    fm_parallel,
    fm_restore_denormals,
    fm_rule,
    fm_rule_name,
    fm_rule_vectors,
    fm_select_isa,
    fm_step,
    fm_task,
)


# The tables chosen at import (kernels.pyx).
cdef const fm_kernels_f32 *fm_f32
cdef const fm_kernels_f64 *fm_f64

# What like the tables stands in the module that holds the C code: the thread pool, and
# the treatment of denormals (a state to set for a native call, and to put back).
cdef void parallel(
    fm_task task, void *context, Py_ssize_t n_items, int n_threads
) noexcept nogil
cdef unsigned int flush_denormals() noexcept nogil
cdef void restore_denormals(unsigned int before) noexcept nogil


cdef inline void activate(
    fm_activation f, const floating *z, floating *a, Py_ssize_t n, Py_ssize_t k,
    Py_ssize_t ld, double p,
) noexcept nogil:
    """a := f(z), and anything in the room behind each row; a may be z"""
    if floating is float:
        fm_f32.activate(f, z, a, n, k, ld, <float> p)
    else:
        fm_f64.activate(f, z, a, n, k, ld, p)


cdef inline void activate_backward(
    fm_activation f, const floating *x, floating *delta, floating *db, Py_ssize_t n,
    Py_ssize_t k, Py_ssize_t ld, double p,
) noexcept nogil:
    """delta := delta f'(x), db += column sums of delta; x: a, or z as f wants it"""
    if floating is float:
        fm_f32.activate_backward(f, x, delta, db, n, k, ld, <float> p)
    else:
        fm_f64.activate_backward(f, x, delta, db, n, k, ld, p)


cdef inline void column_sums(
    const floating *delta, floating *db, Py_ssize_t n, Py_ssize_t k
) noexcept nogil:
    """db += column sums of delta"""
    if floating is float:
        fm_f32.column_sums(delta, db, n, k)
    else:
        fm_f64.column_sums(delta, db, n, k)


cdef inline void output(
    const fm_objective *objective, floating *z, Py_ssize_t n, Py_ssize_t k
) noexcept nogil:
    """z := output activation of z"""
    if floating is float:
        fm_f32.output(objective, z, n, k)
    else:
        fm_f64.output(objective, z, n, k)


cdef inline void output_of_lanes(
    const fm_objective *objective, floating *z, Py_ssize_t ld, floating *out,
    Py_ssize_t n, Py_ssize_t k, Py_ssize_t next_size,
) noexcept nogil:
    """out (n, k) := output activation, NULL for none, of z (k, n), which is lost

    next_size values behind out are written next.
    """
    if floating is float:
        fm_f32.output_of_lanes(objective, z, ld, out, n, k, next_size)
    else:
        fm_f64.output_of_lanes(objective, z, ld, out, n, k, next_size)


cdef inline double loss_delta(
    const fm_objective *objective, const floating *y, const floating *w, floating *z,
    floating *db, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """z := w dloss/dz, db += column sums of z; the weighted loss"""
    if floating is float:
        return fm_f32.loss(objective, y, w, z, db, n, k)
    else:
        return fm_f64.loss(objective, y, w, z, db, n, k)


cdef inline double sum_values(const floating *x, Py_ssize_t n) noexcept nogil:
    """sum of x"""
    if floating is float:
        return fm_f32.sum(x, n)
    else:
        return fm_f64.sum(x, n)


cdef inline bint all_finite(const floating *x, Py_ssize_t n) noexcept nogil:
    """Whether no value of x is infinite or NaN"""
    if floating is float:
        return fm_f32.all_finite(x, n)
    else:
        return fm_f64.all_finite(x, n)


cdef inline double finish_gradient(
    const floating *w, floating *g, Py_ssize_t n, double scale, double decay
) noexcept nogil:
    """g := scale g + decay w; the sum of w^2"""
    if floating is float:
        return fm_f32.finish_gradient(w, g, n, <float> scale, <float> decay)
    else:
        return fm_f64.finish_gradient(w, g, n, scale, decay)


cdef inline double update(
    fm_rule rule, const fm_step *step, const floating *g, floating *w, floating *m,
    floating *v, Py_ssize_t n,
) noexcept nogil:
    """One step by a rule with its state m, v; the sum of w^2 before it"""
    if floating is float:
        return fm_f32.update(rule, step, g, w, m, v, n)
    else:
        return fm_f64.update(rule, step, g, w, m, v, n)


cdef inline double dot(
    const floating *x, const floating *y, Py_ssize_t n
) noexcept nogil:
    """sum of x y"""
    if floating is float:
        return fm_f32.dot(x, y, n)
    else:
        return fm_f64.dot(x, y, n)


cdef inline double sum_squares(const floating *x, Py_ssize_t n) noexcept nogil:
    """sum of x^2"""
    return dot(x, x, n)


cdef inline double axpy_dot(
    double a, const floating *x, floating *y, const floating *z, Py_ssize_t n
) noexcept nogil:
    """y += a x; the sum of y z"""
    if floating is float:
        return fm_f32.axpy_dot(<float> a, x, y, z, n)
    else:
        return fm_f64.axpy_dot(a, x, y, z, n)


cdef inline void soft_threshold(
    floating *w, const floating *v, Py_ssize_t n, double threshold, double root,
    double epsilon,
) noexcept nogil:
    """w := sign(w) max(|w| - t, 0), t = threshold [/ (root sqrt(v) + epsilon)]"""
    if floating is float:
        fm_f32.soft_threshold(w, v, n, <float> threshold, <float> root, <float> epsilon)
    else:
        fm_f64.soft_threshold(w, v, n, threshold, root, epsilon)


cdef inline void limit_norms(
    floating *w, Py_ssize_t n, Py_ssize_t k, double max_norm, floating *factor,
) noexcept nogil:
    """Columns of w longer than max_norm are cut to it; factor (k,) is overwritten"""
    if floating is float:
        fm_f32.limit_norms(w, n, k, <float> max_norm, factor)
    else:
        fm_f64.limit_norms(w, n, k, max_norm, factor)


cdef inline void average(
    const floating *w, floating *mean, Py_ssize_t n, double rest,
) noexcept nogil:
    """mean := w + rest (mean - w)"""
    if floating is float:
        fm_f32.average(w, mean, n, <float> rest)
    else:
        fm_f64.average(w, mean, n, rest)


cdef inline void dropout(
    const fm_draw *draw, double rate, const floating *x, Py_ssize_t ldx, floating *out,
    Py_ssize_t ldo, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """out := x / (1 - rate), or 0 with probability rate"""
    if floating is float:
        fm_f32.dropout(draw, rate, x, ldx, out, ldo, n, k)
    else:
        fm_f64.dropout(draw, rate, x, ldx, out, ldo, n, k)


cdef inline void csr_dropout(
    const fm_draw *draw, double rate, fm_csr_rows rows, const floating *values,
    floating *out, Py_ssize_t n,
) noexcept nogil:
    """The same for the stored values of CSR rows, each at its place"""
    if floating is float:
        fm_f32.csr_dropout(draw, rate, rows, values, out, n)
    else:
        fm_f64.csr_dropout(draw, rate, rows, values, out, n)


cdef inline void add_noise(
    const fm_draw *draw, double sd, const floating *x, Py_ssize_t ldx, floating *out,
    Py_ssize_t ldo, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """out := x + sd e with standard normal e"""
    if floating is float:
        fm_f32.add_noise(draw, sd, x, ldx, out, ldo, n, k)
    else:
        fm_f64.add_noise(draw, sd, x, ldx, out, ldo, n, k)


cdef inline double smoothed_log_loss(
    const floating *y, const floating *w, floating *z, floating *db, Py_ssize_t n,
    Py_ssize_t k, double smoothing,
) noexcept nogil:
    """loss_delta of log_loss with smoothed targets"""
    if floating is float:
        return fm_f32.smoothed_log_loss(y, w, z, db, n, k, <float> smoothing)
    else:
        return fm_f64.smoothed_log_loss(y, w, z, db, n, k, smoothing)


cdef inline void gather_rows(
    const floating *x, const ptrdiff_t *order, floating *out, Py_ssize_t n,
    Py_ssize_t known, Py_ssize_t k, Py_ssize_t ldo,
) noexcept nogil:
    """out := x[order[:n]]; the order holds `known` rows"""
    if floating is float:
        fm_f32.gather_rows(x, order, out, n, known, k, ldo)
    else:
        fm_f64.gather_rows(x, order, out, n, known, k, ldo)


cdef inline void cast_rows(
    const double *x, const ptrdiff_t *order, Py_ssize_t first, floating *out,
    Py_ssize_t n, Py_ssize_t k, Py_ssize_t ldo,
) noexcept nogil:
    """out := rows of x in another precision"""
    if floating is float:
        fm_f32.cast_rows(x, order, first, out, n, k, ldo)
    else:
        fm_f64.cast_rows(x, order, first, out, n, k, ldo)


cdef inline void csr_forward(
    fm_csr_rows rows, const floating *values, const floating *w, const floating *b,
    floating *z, Py_ssize_t n, Py_ssize_t k, Py_ssize_t ldz,
) noexcept nogil:
    """z := X w + b for CSR rows X"""
    if floating is float:
        fm_f32.csr_forward(rows, values, w, b, z, n, k, ldz)
    else:
        fm_f64.csr_forward(rows, values, w, b, z, n, k, ldz)


cdef inline void csr_backward(
    fm_csr_rows rows, const floating *values, const floating *delta, Py_ssize_t ldd,
    floating *dw, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """dw += X^T delta for CSR rows X"""
    if floating is float:
        fm_f32.csr_backward(rows, values, delta, ldd, dw, n, k)
    else:
        fm_f64.csr_backward(rows, values, delta, ldd, dw, n, k)


cdef inline void transpose(
    const floating *x, Py_ssize_t ldx, floating *out, Py_ssize_t ldo, Py_ssize_t n,
    Py_ssize_t k,
) noexcept nogil:
    """out (k, n) := the transpose of x (n, k)"""
    if floating is float:
        fm_f32.transpose(x, ldx, out, ldo, n, k)
    else:
        fm_f64.transpose(x, ldx, out, ldo, n, k)


cdef inline Py_ssize_t lanes(const floating *precision) noexcept nogil:
    """Values in a vector of our own matrix products, 0 where there are none"""
    if floating is float:
        return fm_f32.lanes
    else:
        return fm_f64.lanes


cdef inline bint has_gemm() noexcept nogil:
    """Whether the instruction set has its own matrix products"""
    return fm_f32.gemm != NULL


cdef inline void gemm(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const floating *a,
    Py_ssize_t row_stride, Py_ssize_t k_stride, const floating *b, Py_ssize_t ldb,
    const floating *s, Py_ssize_t s_stride, bint rectify, fm_next *next,
    floating *c, Py_ssize_t ldc, floating *work,
) noexcept nogil:
    """C := A B + S with strided A, or max(C, 0)"""
    if floating is float:
        fm_f32.gemm(m, n, k, a, row_stride, k_stride, b, ldb, s, s_stride, rectify,
                    next, c, ldc, work)
    else:
        fm_f64.gemm(m, n, k, a, row_stride, k_stride, b, ldb, s, s_stride, rectify,
                    next, c, ldc, work)


cdef inline void lanes_times_column(
    Py_ssize_t n, Py_ssize_t k, const floating *a, const floating *b, floating s,
    bint rectify, floating *c,
) noexcept nogil:
    """c := A b + s, or max(c, 0), from the transpose a (k, n) of A"""
    if floating is float:
        fm_f32.lanes_times_column(n, k, a, b, s, rectify, c)
    else:
        fm_f64.lanes_times_column(n, k, a, b, s, rectify, c)


cdef inline void math(
    fm_math f, const floating *x, floating *y, Py_ssize_t n
) noexcept nogil:
    """y := f(x)"""
    if floating is float:
        fm_f32.math(f, x, y, n)
    else:
        fm_f64.math(f, x, y, n)


cdef inline double multiply_add(Py_ssize_t n, const floating *precision) noexcept nogil:
    """Operations that n rounds of multiply-adds in registers took"""
    if floating is float:
        return fm_f32.multiply_add(n)
    else:
        return fm_f64.multiply_add(n)


cdef inline double read(const floating *x, Py_ssize_t n) noexcept nogil:
    """A number that depends on all values of x"""
    if floating is float:
        return fm_f32.read(x, n)
    else:
        return fm_f64.read(x, n)
