/* Losses of one output each: value and derivative from z, which is what goes into the
 * canonical output activation, so that nothing overflows on the way.  p is the parameter
 * of the loss, unused by most.
 *
 * Cross entropies are clamped to what a probability within [eps, 1 - eps] gives: the
 * values that scikit-learn prints (sklearn/neural_network/_base.py clips p). */

#define UNUSED(x) (void)(x)

/* -log(eps) and -log(1 - eps) */
#define LOG_LOSS_MAX ((real)(MANTISSA_BITS * 0.6931471805599453))
#define LOG_LOSS_MIN REAL_EPS

static FM_ALWAYS_INLINE real FN(clamp_log_loss)(real x)
{
    x = x < LOG_LOSS_MIN ? LOG_LOSS_MIN : x;
    return x > LOG_LOSS_MAX ? LOG_LOSS_MAX : x;
}

/* (y - z)^2 / 2 */
static FM_ALWAYS_INLINE real FN(squared_error_value)(real z, real y, real p)
{
    UNUSED(p);
    return R(0.5) * (y - z) * (y - z);
}
static FM_ALWAYS_INLINE real FN(squared_error_delta)(real z, real y, real p)
{
    UNUSED(p);
    return z - y;
}

/* y log(y / exp(z)) - y + exp(z), with 0 log 0 = 0: half the deviance */
static FM_ALWAYS_INLINE real FN(poisson_value)(real z, real y, real p)
{
    UNUSED(p);
    real log_ratio = y > 0 ? FN(log_of)(y > 0 ? y : R(1.0), 0) - z : 0;
    return y * log_ratio - y + FN(exp)(z);
}
static FM_ALWAYS_INLINE real FN(poisson_delta)(real z, real y, real p)
{
    UNUSED(p);
    return FN(exp)(z) - y;
}

/* -y log p - (1 - y) log(1 - p) with p = logistic(z); -log p = max(-z, 0) + t and
 * -log(1 - p) = max(z, 0) + t with t = log(1 + exp(-|z|)) */
static FM_ALWAYS_INLINE real FN(binary_log_loss_value)(real z, real y, real p)
{
    UNUSED(p);
    real t = FN(log1p_unit)(FN(exp)(-RM(fabs)(z)));
    return y * FN(clamp_log_loss)(FN(relu_)(-z) + t) +
           (1 - y) * FN(clamp_log_loss)(FN(relu_)(z) + t);
}
static FM_ALWAYS_INLINE real FN(binary_log_loss_delta)(real z, real y, real p)
{
    UNUSED(p);
    return FN(sigmoid)(z) - y;
}

/* |r| with r = z - y; the derivative is 0 at r = 0 */
static FM_ALWAYS_INLINE real FN(absolute_error_value)(real z, real y, real p)
{
    UNUSED(p);
    return RM(fabs)(z - y);
}
static FM_ALWAYS_INLINE real FN(absolute_error_delta)(real z, real y, real p)
{
    UNUSED(p);
    const real r = z - y;
    return r > 0 ? R(1.0) : (r < 0 ? R(-1.0) : r);
}

/* r^2 / 2 for |r| <= p, else p (|r| - p / 2) */
static FM_ALWAYS_INLINE real FN(huber_value)(real z, real y, real p)
{
    const real size = RM(fabs)(z - y);
    return size <= p ? R(0.5) * size * size : p * (size - R(0.5) * p);
}
static FM_ALWAYS_INLINE real FN(huber_delta)(real z, real y, real p)
{
    const real r = z - y;
    return r > p ? p : (r < -p ? -p : r);
}

/* log cosh r = |r| + log(1 + exp(-2 |r|)) - log 2 */
static FM_ALWAYS_INLINE real FN(log_cosh_value)(real z, real y, real p)
{
    UNUSED(p);
    const real size = RM(fabs)(z - y);
    return size + (FN(log1p_unit)(FN(exp)(-2 * size)) - R(0.6931471805599453));
}
static FM_ALWAYS_INLINE real FN(log_cosh_delta)(real z, real y, real p)
{
    UNUSED(p);
    return FN(tanh_)(z - y);
}

/* y / a - log(y / a) - 1 with a = exp(z), half the deviance, from u = log(y / a) */
static FM_ALWAYS_INLINE real FN(gamma_value)(real z, real y, real p)
{
    UNUSED(p);
    const real u = FN(log_of)(y, 0) - z;
    return FN(expm1)(u) - u;
}
static FM_ALWAYS_INLINE real FN(gamma_delta)(real z, real y, real p)
{
    UNUSED(p);
    return -FN(expm1)(FN(log_of)(y, 0) - z);
}

/* y^(2-p) / ((1-p) (2-p)) - y a^(1-p) / (1-p) + a^(2-p) / (2-p) with a = exp(z), half the
 * deviance for 1 < p < 2 */
static FM_ALWAYS_INLINE real FN(tweedie_value)(real z, real y, real p)
{
    const real q = 1 - p, r = 2 - p;
    const real constant = FN(exp)(r * FN(log_of)(y > 0 ? y : R(1.0), 0)) / (q * r);
    const real linear = y * FN(exp)(q * z) / q;
    return (y > 0 ? constant - linear : R(0.0)) + FN(exp)(r * z) / r;
}
static FM_ALWAYS_INLINE real FN(tweedie_delta)(real z, real y, real p)
{
    const real linear = y * FN(exp)((1 - p) * z);
    return FN(exp)((2 - p) * z) - (y > 0 ? linear : R(0.0));
}

/* -y (1 - q)^p log q - (1 - y) q^p log(1 - q) with q = logistic(z) */
static FM_ALWAYS_INLINE real FN(binary_focal_value)(real z, real y, real p)
{
    const real t = FN(log1p_unit)(FN(exp)(-RM(fabs)(z)));
    const real if_positive = FN(relu_)(-z) + t, if_negative = FN(relu_)(z) + t;
    return y * FN(exp)(-p * if_negative) * if_positive +
           (1 - y) * FN(exp)(-p * if_positive) * if_negative;
}
static FM_ALWAYS_INLINE real FN(binary_focal_delta)(real z, real y, real p)
{
    const real t = FN(log1p_unit)(FN(exp)(-RM(fabs)(z)));
    const real if_positive = FN(relu_)(-z) + t, if_negative = FN(relu_)(z) + t;
    const real q = FN(sigmoid)(z), rest = FN(sigmoid)(-z);
    return (1 - y) * FN(exp)(-p * if_positive) * (p * rest * if_negative + q) -
           y * FN(exp)(-p * if_negative) * (p * q * if_positive + rest);
}

/* An element-wise loss over n values, with a weight each (stride 1) or one for all
 * (stride 0); the stride is known where this is inlined */
static FM_ALWAYS_INLINE double FN(element_losses)(fm_loss loss, real *restrict z,
                                                  const real *y, const real *w,
                                                  ptrdiff_t w_stride, ptrdiff_t n,
                                                  real p)
{
    double total = 0;
#define CASE(name, output)                                                             \
    case FM_LOSS_##name:                                                               \
        _Pragma("omp simd reduction(+ : total)")                                       \
        for (ptrdiff_t j = 0; j < n; ++j) {                                            \
            real raw = z[j];                                                           \
            total += w[j * w_stride] * FN(name##_value)(raw, y[j], p);                 \
            z[j] = w[j * w_stride] * FN(name##_delta)(raw, y[j], p);                   \
        }                                                                              \
        break;
    switch (loss) {
        FM_ELEMENT_LOSSES(CASE)
        default: break;
    }
#undef CASE
    return total;
}

/* One copy of it for rows without weights, of one weight and of a weight each */
static FM_NOINLINE double FN(losses_of_ones)(fm_loss loss, real *z, const real *y,
                                             ptrdiff_t n, real p)
{
    const real one = 1;
    return FN(element_losses)(loss, z, y, &one, 0, n, p);
}

static FM_NOINLINE double FN(losses_of_one_weight)(fm_loss loss, real *z, const real *y,
                                                   const real *w, ptrdiff_t n, real p)
{
    return FN(element_losses)(loss, z, y, w, 0, n, p);
}

static FM_NOINLINE double FN(losses_of_weights)(fm_loss loss, real *z, const real *y,
                                                const real *w, ptrdiff_t n, real p)
{
    return FN(element_losses)(loss, z, y, w, 1, n, p);
}

/* The same under an output activation that is not the canonical one */
#define CHUNK 256
static double FN(linked_losses)(const fm_objective *o, real *z, const real *y,
                                const real *w, ptrdiff_t w_stride, ptrdiff_t n, real p)
{
    real slope[CHUNK];
    double total = 0;
    for (ptrdiff_t j = 0; j < n; j += CHUNK) {
        const ptrdiff_t m = n - j < CHUNK ? n - j : CHUNK;
        FN(to_canonical)(o, z + j, slope, m);
        total += w_stride ? FN(losses_of_weights)(o->loss, z + j, y + j, w + j, m, p)
                          : FN(losses_of_one_weight)(o->loss, z + j, y + j, w, m, p);
        for (ptrdiff_t i = 0; i < m; ++i) z[j + i] *= slope[i];
    }
    return total;
}
#undef CHUNK

/* A row of a binary loss whose positive terms weigh c each */
static double FN(weighted_binary)(fm_loss loss, real *restrict z, const real *y, real w,
                                  const double *c, ptrdiff_t k, real p)
{
    double total = 0;
#define CASE(name)                                                                     \
    case FM_LOSS_##name:                                                               \
        for (ptrdiff_t j = 0; j < k; ++j) {                                            \
            const real raw = z[j], positive = (real)c[j] * y[j], negative = 1 - y[j];  \
            total += w * (positive * FN(name##_value)(raw, 1, p) +                     \
                          negative * FN(name##_value)(raw, 0, p));                     \
            z[j] = w * (positive * FN(name##_delta)(raw, 1, p) +                       \
                        negative * FN(name##_delta)(raw, 0, p));                       \
        }                                                                              \
        break;
    switch (loss) {
        CASE(binary_log_loss)
        CASE(binary_focal)
        default: break;
    }
#undef CASE
    return total;
}

#undef UNUSED
