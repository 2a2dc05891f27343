/* Parametric activations: a = z + p (f(z) - z) with a learnt slope p for each unit, between
 * the identity (p = 0) and f (p = 1); Holzmueller, Grinsztajn and Steinwart 2024. */


/* f' from z for both kinds of activations */
static FM_ALWAYS_INLINE real FN(slope_of_selu)(real z, real a)
{
    (void)z;
    return FN(d_selu)(a, 0);
}
static FM_ALWAYS_INLINE real FN(slope_of_mish)(real z, real a)
{
    (void)a;
    return FN(d_mish)(z, 0);
}

static void FN(parametric)(fm_activation f, const real *z, real *a, const real *slopes,
                           ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld)
{
#define CASE(name)                                                                     \
    case FM_##name:                                                                    \
        for (ptrdiff_t i = 0; i < n; ++i, z += ld, a += ld)                            \
            _Pragma("omp simd")                                                        \
            for (ptrdiff_t j = 0; j < k; ++j)                                          \
                a[j] = z[j] + slopes[j] * (FN(name)(z[j], 0) - z[j]);                  \
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
#define CASE(name)                                                                     \
    case FM_##name:                                                                    \
        for (ptrdiff_t i = 0; i < n; ++i, z += ld, delta += ld)                        \
            _Pragma("omp simd")                                                        \
            for (ptrdiff_t j = 0; j < k; ++j) {                                        \
                const real a = FN(name)(z[j], 0);                                      \
                const real d = delta[j];                                               \
                const real back =                                                      \
                    d + slopes[j] * d * (FN(slope_of_##name)(z[j], a) - R(1.0));       \
                dslopes[j] += d * (a - z[j]);                                          \
                delta[j] = back;                                                       \
                db[j] += back;                                                         \
            }                                                                          \
        break;
    switch (f) {
        FM_PARAMETRIC(CASE)
        default: break;
    }
#undef CASE
}
