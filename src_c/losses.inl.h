/* Losses from the raw output z, each with its canonical output activation, so that the
 * derivative is prediction - target for all of them and nothing overflows on the way.
 *
 * Cross entropies are clamped to what a probability within [eps, 1 - eps] gives: the
 * values that scikit-learn prints (sklearn/neural_network/_base.py clips p). */

#define GROUP 16  /* rows of a softmax that go together */
#define NARROW 48 /* the most columns for which they do */

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

/* z := softmax(z) over a row of k; returns log sum exp(z - max), *largest is max(z) */
static real FN(softmax_row)(real *z, ptrdiff_t k, real *largest)
{
    real m = -(real)INFINITY, total = 0;
#pragma omp simd reduction(max : m)
    for (ptrdiff_t j = 0; j < k; ++j) m = z[j] > m ? z[j] : m;
#pragma omp simd reduction(+ : total)
    for (ptrdiff_t j = 0; j < k; ++j) {
        z[j] = FN(exp)(z[j] - m);
        total += z[j];
    }
    for (ptrdiff_t j = 0; j < k; ++j) z[j] /= total;
    *largest = m;
    return RM(log)(total);
}

/* The same for GROUP rows of few columns: they stand side by side in vectors, since a
 * row of 10 fills none; n <= GROUP of them are real */
static void FN(softmax_group)(real *restrict z, ptrdiff_t n, ptrdiff_t k,
                              real *restrict log_sum, real *restrict largest)
{
    real columns[NARROW * GROUP], total[GROUP];
    for (ptrdiff_t i = 0; i < GROUP; ++i) {
        largest[i] = -(real)INFINITY;
        total[i] = 0;
    }
    for (ptrdiff_t j = 0; j < k; ++j) {
        real *column = columns + j * GROUP;
        for (ptrdiff_t i = 0; i < GROUP; ++i) column[i] = i < n ? z[i * k + j] : 0;
        for (ptrdiff_t i = 0; i < GROUP; ++i)
            largest[i] = column[i] > largest[i] ? column[i] : largest[i];
    }
    for (ptrdiff_t j = 0; j < k; ++j) {
        real *column = columns + j * GROUP;
        for (ptrdiff_t i = 0; i < GROUP; ++i) {
            column[i] = FN(exp)(column[i] - largest[i]);
            total[i] += column[i];
        }
    }
    for (ptrdiff_t i = 0; i < GROUP; ++i) log_sum[i] = FN(log1p)(total[i] - 1);
    for (ptrdiff_t j = 0; j < k; ++j)
        for (ptrdiff_t i = 0; i < n; ++i)
            z[i * k + j] = columns[j * GROUP + i] / total[i];
}

/* z := softmax(z) over rows of k, n <= GROUP of them */
static void FN(softmax_rows)(real *z, ptrdiff_t n, ptrdiff_t k, real *log_sum,
                             real *largest)
{
    if (k <= NARROW)
        FN(softmax_group)(z, n, k, log_sum, largest);
    else
        for (ptrdiff_t i = 0; i < n; ++i)
            log_sum[i] = FN(softmax_row)(z + i * k, k, largest + i);
}

/* Loss and delta of n <= GROUP rows under softmax */
static double FN(log_losses)(real *z, const real *y, const real *w, ptrdiff_t w_step,
                             ptrdiff_t n, ptrdiff_t k)
{
    real log_sum[GROUP], largest[GROUP], raw[GROUP];
    double total = 0;
    for (ptrdiff_t i = 0; i < n; ++i) raw[i] = z[i * k + (ptrdiff_t)y[i]];
    FN(softmax_rows)(z, n, k, log_sum, largest);
    for (ptrdiff_t i = 0; i < n; ++i) {
        const real weight = w[i * w_step];
        total += weight * FN(clamp_log_loss)(log_sum[i] + (largest[i] - raw[i]));
        z[i * k + (ptrdiff_t)y[i]] -= 1;
        if (weight != 1)
            for (ptrdiff_t j = 0; j < k; ++j) z[i * k + j] *= weight;
    }
    return total;
}

static void FN(output)(fm_loss loss, real *z, ptrdiff_t n, ptrdiff_t k)
{
#define CASE(name, output)                                                             \
    case FM_LOSS_##name:                                                               \
        for (ptrdiff_t i = 0; i < n * k; ++i) z[i] = FN(name##_output)(z[i]);          \
        break;
    switch (loss) {
        FM_ELEMENT_LOSSES(CASE)
        case FM_LOSS_log_loss:
            for (ptrdiff_t i = 0; i < n; i += GROUP) {
                real log_sum[GROUP], largest[GROUP];
                FN(softmax_rows)(z + i * k, n - i < GROUP ? n - i : GROUP, k, log_sum,
                                 largest);
            }
            break;
        case FM_N_LOSSES: break;
    }
#undef CASE
}

/* An element-wise loss over n values, with a weight each (stride 1) or one for all
 * (stride 0); the stride is known where this is inlined */
static FM_ALWAYS_INLINE double FN(element_losses)(fm_loss loss, real *restrict z,
                                                  const real *y, const real *w,
                                                  ptrdiff_t w_stride, ptrdiff_t n)
{
    double total = 0;
#define CASE(name, output)                                                             \
    case FM_LOSS_##name:                                                               \
        _Pragma("omp simd reduction(+ : total)")                                       \
        for (ptrdiff_t j = 0; j < n; ++j) {                                            \
            real raw = z[j];                                                           \
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

static double FN(loss)(fm_loss loss, const real *y, const real *w, real *z, real *db,
                       ptrdiff_t n, ptrdiff_t k)
{
    const real one = 1;
    const ptrdiff_t w_step = w ? 1 : 0;
    double total = 0;
    if (!w) w = &one;
    if (loss == FM_LOSS_log_loss) {
        for (ptrdiff_t i = 0; i < n; i += GROUP)
            total += FN(log_losses)(z + i * k, y + i, w + i * w_step, w_step,
                                    n - i < GROUP ? n - i : GROUP, k);
    } else if (!w_step) {
        total = FN(element_losses)(loss, z, y, w, 0, n * k);
    } else if (k == 1) {
        total = FN(element_losses)(loss, z, y, w, 1, n);
    } else {
        for (ptrdiff_t i = 0; i < n; ++i)
            total += FN(element_losses)(loss, z + i * k, y + i * k, w + i, 0, k);
    }
    FN(add_column_sums)(z, db, n, k);
    return total;
}
#undef GROUP
#undef NARROW
#undef LOG_LOSS_MAX
#undef LOG_LOSS_MIN
