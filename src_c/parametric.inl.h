/* Parametric activations: a = z + p (f(z) - z) with a learnt slope p for each unit, between
 * the identity (p = 0) and f (p = 1); Holzmueller, Grinsztajn and Steinwart 2024.
 *
 * What p multiplies, f(z) - z and f'(z) - 1, is formed at once, from one exponential and
 * without the rounding of f(z).  Adding one: an entry in registry.h and its function. */

/* of Klambauer et al. 2017: scale - 1, scale * alpha and that - 1 */
static FM_ALWAYS_INLINE real FN(selu_bend)(real z, real *slope)
{
    const int is_above = z > R(0.0);
    const real below = R(1.7580993408473768) *
                       FN(expm1_of_negative)(is_above ? R(0.0) : z);
    *slope = is_above ? R(0.0507009873554805) : below + R(0.7580993408473768);
    return is_above ? R(0.0507009873554805) * z : below - z;
}

/* With t = exp(-|z|) and u = 2 t^2, or t (t + 2) for z < 0, f(z) / z = tanh(log(1 +
 * exp(z))) is 1 - u / (1 + 2 t + u), or u / (u + 2) (Misra 2019) */
static FM_ALWAYS_INLINE real FN(mish_bend)(real z, real *slope)
{
    const int is_below = z < R(0.0);
    const real size = FN(at_most)(RM(fabs)(z), LOGISTIC_END);
    const real t = FN(exp_of_negative)(-size);
    const real u = is_below ? t * (t + R(2.0)) : R(2.0) * t * t;
    const real share = R(1.0) / (is_below ? u + R(2.0) : R(1.0) + R(2.0) * t + u);
    const real lost = (is_below ? R(2.0) : u) * share;
    const real steep = R(4.0) * size * t * (R(1.0) + t) * share * share;
    *slope = (is_below ? -steep : t * steep) - lost;
    return (is_below ? -z : -size) * lost;
}

static void FN(parametric)(fm_activation f, const real *z, real *a, const real *slopes,
                           ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld)
{
#define CASE(name)                                                                     \
    case FM_##name:                                                                    \
        for (ptrdiff_t i = 0; i < n; ++i, z += ld, a += ld)                            \
            _Pragma("omp simd")                                                        \
            for (ptrdiff_t j = 0; j < k; ++j) {                                        \
                real unused;                                                           \
                a[j] = z[j] + slopes[j] * FN(name##_bend)(z[j], &unused);              \
            }                                                                          \
        break;
    switch (f) {
        FM_PARAMETRIC(CASE)
        default: break;
    }
#undef CASE
}

/* As backward_rows of activations.inl.h, with the sums of the slopes too, and without
 * room behind the rows, which the slopes have not */
#define COLUMNS 128
static FM_ALWAYS_INLINE void FN(parametric_rows)(fm_activation f, int rows, const real *z,
                                                 const real *slopes, real *delta,
                                                 real *sum, real *slope_sum,
                                                 ptrdiff_t width, ptrdiff_t ld)
{
#define CASE(name)                                                                     \
    case FM_##name:                                                                    \
        _Pragma("omp simd")                                                            \
        for (ptrdiff_t j = 0; j < width; ++j) {                                        \
            real total = 0, slope_total = 0;                                           \
            _Pragma("GCC unroll 4") for (int i = 0; i < rows; ++i)                     \
            {                                                                          \
                real slope;                                                            \
                const real d = delta[i * ld + j];                                      \
                const real bend = FN(name##_bend)(z[i * ld + j], &slope);              \
                const real back = d + slopes[j] * slope * d;                           \
                delta[i * ld + j] = back;                                              \
                total += back;                                                         \
                slope_total += d * bend;                                               \
            }                                                                          \
            sum[j] += total;                                                           \
            slope_sum[j] += slope_total;                                               \
        }                                                                              \
        break;
    switch (f) {
        FM_PARAMETRIC(CASE)
        default: break;
    }
#undef CASE
}

static void FN(parametric_backward)(fm_activation f, const real *z, const real *slopes,
                                    real *delta, real *db, real *dslopes, ptrdiff_t n,
                                    ptrdiff_t k, ptrdiff_t ld)
{
    for (ptrdiff_t j = 0; j < k; j += COLUMNS) {
        const ptrdiff_t columns = k - j < COLUMNS ? k - j : COLUMNS;
        real sum[COLUMNS] = {0}, slope_sum[COLUMNS] = {0};
        ptrdiff_t i = 0;
        for (; i + 4 <= n; i += 4)
            FN(parametric_rows)(f, 4, z + i * ld + j, slopes + j, delta + i * ld + j, sum,
                                slope_sum, columns, ld);
        for (; i < n; ++i)
            FN(parametric_rows)(f, 1, z + i * ld + j, slopes + j, delta + i * ld + j, sum,
                                slope_sum, columns, ld);
        for (ptrdiff_t c = 0; c < columns; ++c) {
            db[j + c] += sum[c];
            dslopes[j + c] += slope_sum[c];
        }
    }
}
#undef COLUMNS
