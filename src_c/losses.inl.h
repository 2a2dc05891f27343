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
    real log_ratio = y > 0 ? FN(log_of)(y > 0 ? y : R(1.0), 0) - z : 0;
    return y * log_ratio - y + FN(exp)(z);
}

/* -y log p - (1 - y) log(1 - p) with p = logistic(z); -log p = max(-z, 0) + t and
 * -log(1 - p) = max(z, 0) + t with t = log(1 + exp(-|z|)) */
static inline real FN(binary_log_loss_value)(real z, real y)
{
    real t = FN(log1p_unit)(FN(exp)(-RM(fabs)(z)));
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
    const real share = 1 / total;
    for (ptrdiff_t j = 0; j < k; ++j) z[j] *= share;
    *largest = m;
    return FN(log_of)(total, 0);
}

/* The same for a group of GROUP rows of few columns, transposed: z (k, GROUP), since a row
 * of 10 fills no vector */
static void FN(softmax_columns)(real *restrict z, ptrdiff_t k, real *restrict log_sum,
                                real *restrict largest)
{
    real total[GROUP] = {0};
    for (ptrdiff_t i = 0; i < GROUP; ++i) largest[i] = z[i];
    for (ptrdiff_t j = 1; j < k; ++j)
#pragma omp simd
        for (ptrdiff_t i = 0; i < GROUP; ++i) {
            const real value = z[j * GROUP + i];
            largest[i] = value > largest[i] ? value : largest[i];
        }
    for (ptrdiff_t j = 0; j < k; ++j)
        for (ptrdiff_t i = 0; i < GROUP; ++i) {
            z[j * GROUP + i] = FN(exp)(z[j * GROUP + i] - largest[i]);
            total[i] += z[j * GROUP + i];
        }
    for (ptrdiff_t i = 0; i < GROUP; ++i) {
        log_sum[i] = FN(log_of)(total[i], 0);
        total[i] = 1 / total[i];
    }
    for (ptrdiff_t j = 0; j < k; ++j)
        for (ptrdiff_t i = 0; i < GROUP; ++i) z[j * GROUP + i] *= total[i];
}

/* columns (k, GROUP) := n <= GROUP rows of z, the others 0 */
static inline void FN(to_columns)(const real *z, real *columns, ptrdiff_t n, ptrdiff_t k)
{
    if (n < GROUP) memset(columns, 0, (size_t)(k * GROUP) * sizeof(real));
    FN(transpose)(z, k, columns, GROUP, n, k);
}

/* Loss and delta of n <= GROUP rows of few classes under softmax; db := db + the column
 * sums of delta */
static double FN(narrow_log_losses)(real *z, const real *y, const real *w,
                                    ptrdiff_t w_step, real *db, ptrdiff_t n, ptrdiff_t k)
{
    real columns[NARROW * GROUP], target[GROUP] = {0}, weight[GROUP] = {0};
    real raw[GROUP] = {0}, log_sum[GROUP], largest[GROUP];
    double total = 0;
    FN(to_columns)(z, columns, n, k);
    for (ptrdiff_t i = 0; i < n; ++i) {
        target[i] = y[i];
        weight[i] = w[i * w_step];
    }
    for (ptrdiff_t j = 0; j < k; ++j)
#pragma omp simd
        for (ptrdiff_t i = 0; i < GROUP; ++i) {
            const real column = columns[j * GROUP + i];
            raw[i] = target[i] == (real)j ? column : raw[i];
        }
    FN(softmax_columns)(columns, k, log_sum, largest);
    for (ptrdiff_t i = 0; i < GROUP; ++i)
        raw[i] = weight[i] * FN(clamp_log_loss)(log_sum[i] + (largest[i] - raw[i]));
    for (ptrdiff_t i = 0; i < n; ++i) total += raw[i];
    for (ptrdiff_t j = 0; j < k; ++j) {
        real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (ptrdiff_t i = 0; i < GROUP; ++i) {
            const real hot = target[i] == (real)j ? R(1.0) : R(0.0);
            columns[j * GROUP + i] = weight[i] * (columns[j * GROUP + i] - hot);
            sum += columns[j * GROUP + i];
        }
        db[j] += sum;
    }
    FN(transpose)(columns, GROUP, z, k, k, n);
    return total;
}

/* The same for a row of any number of classes */
static double FN(wide_log_loss)(real *restrict z, ptrdiff_t y, real weight,
                                real *restrict db, ptrdiff_t k)
{
    real largest;
    const real raw = z[y];
    const real log_sum = FN(softmax_row)(z, k, &largest);
    z[y] -= 1;
    for (ptrdiff_t j = 0; j < k; ++j) {
        z[j] *= weight;
        db[j] += z[j];
    }
    return weight * FN(clamp_log_loss)(log_sum + (largest - raw));
}

static double FN(log_losses)(real *z, const real *y, const real *w, ptrdiff_t w_step,
                             real *db, ptrdiff_t n, ptrdiff_t k)
{
    double total = 0;
    if (k > NARROW)
        for (ptrdiff_t i = 0; i < n; ++i)
            total += FN(wide_log_loss)(z + i * k, (ptrdiff_t)y[i], w[i * w_step], db, k);
    else
        for (ptrdiff_t i = 0; i < n; i += GROUP)
            total += FN(narrow_log_losses)(z + i * k, y + i, w + i * w_step, w_step, db,
                                           n - i < GROUP ? n - i : GROUP, k);
    return total;
}

static void FN(softmax)(real *z, ptrdiff_t n, ptrdiff_t k)
{
    real columns[NARROW * GROUP], log_sum[GROUP], largest[GROUP];
    if (k > NARROW)
        for (ptrdiff_t i = 0; i < n; ++i) FN(softmax_row)(z + i * k, k, largest);
    else
        for (ptrdiff_t i = 0; i < n; i += GROUP) {
            const ptrdiff_t rows = n - i < GROUP ? n - i : GROUP;
            FN(to_columns)(z + i * k, columns, rows, k);
            FN(softmax_columns)(columns, k, log_sum, largest);
            FN(transpose)(columns, GROUP, z + i * k, k, k, rows);
        }
}

static void FN(output)(fm_loss loss, real *z, ptrdiff_t n, ptrdiff_t k)
{
#define CASE(name, output)                                                             \
    case FM_LOSS_##name:                                                               \
        for (ptrdiff_t i = 0; i < n * k; ++i) z[i] = FN(name##_output)(z[i]);          \
        break;
    switch (loss) {
        FM_ELEMENT_LOSSES(CASE)
        case FM_LOSS_log_loss: FN(softmax)(z, n, k); break;
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
        return FN(log_losses)(z, y, w, w_step, db, n, k);
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
