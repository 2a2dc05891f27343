/* Losses from the raw output z, each with its canonical output activation, so that the
 * derivative is prediction - target for all of them and nothing overflows on the way.
 *
 * Cross entropies are clamped to what a probability within [eps, 1 - eps] gives: the
 * values that scikit-learn prints (sklearn/neural_network/_base.py clips p). */

/* -log(eps) and -log(1 - eps) */
#define LOG_LOSS_MAX ((real)(MANTISSA_BITS * 0.6931471805599453))
#define LOG_LOSS_MIN REAL_EPS

static inline real FN(clamp_log_loss)(real x)
{
    x = x < LOG_LOSS_MIN ? LOG_LOSS_MIN : x;
    return x > LOG_LOSS_MAX ? LOG_LOSS_MAX : x;
}

/* (y - z)^2 / 2 */
static inline real FN(squared_error_value)(real z, real y)
{
    return R(0.5) * (y - z) * (y - z);
}

/* y log(y / exp(z)) - y + exp(z), with 0 log 0 = 0 */
static inline real FN(poisson_value)(real z, real y)
{
    real log_ratio = y > 0 ? RM(log)(y > 0 ? y : R(1.0)) - z : 0;
    return y * log_ratio - y + FN(exp)(z);
}

/* -y log p - (1 - y) log(1 - p) with p = logistic(z); -log p = max(-z, 0) + t and
 * -log(1 - p) = max(z, 0) + t with t = log(1 + exp(-|z|)) */
static inline real FN(binary_log_loss_value)(real z, real y)
{
    real t = FN(log1p)(FN(exp)(-RM(fabs)(z)));
    return y * FN(clamp_log_loss)(FN(relu_)(-z) + t) +
           (1 - y) * FN(clamp_log_loss)(FN(relu_)(z) + t);
}

static inline real FN(squared_error_output)(real z) { return z; }
static inline real FN(poisson_output)(real z) { return FN(exp)(z); }
static inline real FN(binary_log_loss_output)(real z) { return FN(sigmoid)(z); }

/* z := softmax(z + b) over one row of k; returns log sum exp(z + b - max), *largest is
 * max(z + b) */
static inline real FN(softmax_row)(real *z, const real *b, ptrdiff_t k, real *largest)
{
    real m = -(real)INFINITY, total = 0;
#pragma omp simd reduction(max : m)
    for (ptrdiff_t j = 0; j < k; ++j) {
        z[j] += b[j];
        m = z[j] > m ? z[j] : m;
    }
#pragma omp simd reduction(+ : total)
    for (ptrdiff_t j = 0; j < k; ++j) {
        z[j] = FN(exp)(z[j] - m);
        total += z[j];
    }
    for (ptrdiff_t j = 0; j < k; ++j) z[j] /= total;
    *largest = m;
    return RM(log)(total);
}

static void FN(output)(fm_loss loss, real *z, const real *b, ptrdiff_t n, ptrdiff_t k)
{
#define CASE(name, output)                                                             \
    case FM_LOSS_##name:                                                               \
        for (ptrdiff_t i = 0; i < n; ++i, z += k)                                      \
            for (ptrdiff_t j = 0; j < k; ++j) z[j] = FN(name##_output)(z[j] + b[j]);   \
        break;
    switch (loss) {
        FM_ELEMENT_LOSSES(CASE)
        case FM_LOSS_log_loss:
            for (ptrdiff_t i = 0; i < n; ++i) {
                real largest;
                FN(softmax_row)(z + i * k, b, k, &largest);
            }
            break;
        case FM_N_LOSSES: break;
    }
#undef CASE
}

/* One row of an element-wise loss.  The strides of b and w are 0 or 1 and known where
 * this is inlined: a single output makes the whole batch one "row" whose bias is
 * constant and whose weights vary; otherwise it is the other way round. */
static FM_ALWAYS_INLINE double FN(element_losses)(fm_loss loss, real *restrict z,
                                                  const real *y, const real *b,
                                                  ptrdiff_t b_stride, const real *w,
                                                  ptrdiff_t w_stride, ptrdiff_t k)
{
    double total = 0;
#define CASE(name, output)                                                             \
    case FM_LOSS_##name:                                                               \
        _Pragma("omp simd reduction(+ : total)")                                       \
        for (ptrdiff_t j = 0; j < k; ++j) {                                            \
            real raw = z[j] + b[j * b_stride];                                         \
            total += w[j * w_stride] * FN(name##_value)(raw, y[j]);                    \
            z[j] = w[j * w_stride] * (FN(name##_output)(raw) - y[j]);                  \
        }                                                                              \
        break;
    switch (loss) {
        FM_ELEMENT_LOSSES(CASE)
        default: break;
    }
#undef CASE
    return total;
}

static void FN(add_column_sums)(const real *x, real *sums, ptrdiff_t n, ptrdiff_t k)
{
    if (k == 1) {
        real total = 0;
#pragma omp simd reduction(+ : total)
        for (ptrdiff_t i = 0; i < n; ++i) total += x[i];
        sums[0] += total;
        return;
    }
    for (ptrdiff_t i = 0; i < n; ++i, x += k)
        for (ptrdiff_t j = 0; j < k; ++j) sums[j] += x[j];
}

static double FN(loss)(fm_loss loss, const real *y, const real *w, const real *b,
                       real *z, real *db, ptrdiff_t n, ptrdiff_t k)
{
    const real one = 1;
    const ptrdiff_t w_step = w ? 1 : 0;
    double total = 0;
    if (!w) w = &one;
    if (loss == FM_LOSS_log_loss) {
        for (ptrdiff_t i = 0; i < n; ++i) {
            real *row = z + i * k, weight = w[i * w_step], largest, value;
            ptrdiff_t target = (ptrdiff_t)y[i];
            real raw = row[target] + b[target];
            value = FN(softmax_row)(row, b, k, &largest) + (largest - raw);
            total += weight * FN(clamp_log_loss)(value);
            row[target] -= 1;
            for (ptrdiff_t j = 0; j < k; ++j) row[j] *= weight;
        }
    } else if (k == 1 && w_step) {
        total = FN(element_losses)(loss, z, y, b, 0, w, 1, n);
    } else if (k == 1) {
        total = FN(element_losses)(loss, z, y, b, 0, w, 0, n);
    } else {
        for (ptrdiff_t i = 0; i < n; ++i)
            total += FN(element_losses)(loss, z + i * k, y + i * k, b, 1,
                                        w + i * w_step, 0, k);
    }
    FN(add_column_sums)(z, db, n, k);
    return total;
}
#undef LOG_LOSS_MAX
#undef LOG_LOSS_MIN
