/* Hidden activations: every f beside its derivative, the derivative from a = f(z).
 *
 * p is the parameter of the activation, unused by most.  Adding one: an entry in
 * lists.h and the two lines here. */

#define UNUSED(x) (void)(x)

static FM_ALWAYS_INLINE real FN(relu_)(real z) { return z < R(0.0) ? R(0.0) : z; }

/* 1 / (1 + exp(-z)), <= 2 ulp; the last line repairs the rounding of 1 + t, with the
 * chord of 1 / d over [1, 2], which is near enough for a correction */
static FM_ALWAYS_INLINE real FN(sigmoid)(real z)
{
    real t = FN(exp)(-RM(fabs)(z));
    real d = R(1.0) + t;
    real q = (z < R(0.0) ? t : R(1.0)) / d;
    return q - q * (t - (d - R(1.0))) * (R(1.5) - R(0.5) * d);
}

/* log(1 + exp(z)), <= 2 ulp */
static FM_ALWAYS_INLINE real FN(softplus_)(real z)
{
    return FN(relu_)(z) + FN(log1p_unit)(FN(exp)(-RM(fabs)(z)));
}

static inline real FN(identity)(real z, real p) { UNUSED(p); return z; }
static inline real FN(d_identity)(real a, real p) { UNUSED(a); UNUSED(p); return 1; }

static inline real FN(logistic)(real z, real p) { UNUSED(p); return FN(sigmoid)(z); }
static inline real FN(d_logistic)(real a, real p) { UNUSED(p); return a * (1 - a); }

static inline real FN(tanh)(real z, real p) { UNUSED(p); return FN(tanh_)(z); }
static inline real FN(d_tanh)(real a, real p) { UNUSED(p); return (1 - a) * (1 + a); }

static inline real FN(relu)(real z, real p) { UNUSED(p); return FN(relu_)(z); }
static inline real FN(d_relu)(real a, real p) { UNUSED(p); return a == 0 ? 0 : R(1.0); }

static inline real FN(softplus)(real z, real p) { UNUSED(p); return FN(softplus_)(z); }
static inline real FN(d_softplus)(real a, real p) { UNUSED(p); return -FN(expm1)(-a); }

static inline real FN(leaky_relu)(real z, real p) { return z < 0 ? p * z : z; }
static inline real FN(d_leaky_relu)(real a, real p) { return a < 0 ? p : R(1.0); }

#undef UNUSED

/* Rows of the workspace have room for whole vectors, and what stands behind their end is
 * nobody's: loops over a row run on to the next multiple of ROOM. */
#define ROOM (64 / (ptrdiff_t)sizeof(real))
#define WHOLE(k) (((k) + ROOM - 1) / ROOM * ROOM)

static void FN(activate)(fm_activation f, real *restrict z, ptrdiff_t n, ptrdiff_t k,
                         ptrdiff_t ldz, real p)
{
    const ptrdiff_t whole = WHOLE(k);
#define CASE(name)                                                                     \
    case FM_##name:                                                                    \
        for (ptrdiff_t i = 0; i < n; ++i, z += ldz)                                    \
            for (ptrdiff_t j = 0; j < whole; ++j) z[j] = FN(name)(z[j], p);            \
        break;
    switch (f) {
        FM_ACTIVATIONS(CASE)
        case FM_N_ACTIVATIONS: break;
    }
#undef CASE
}

/* delta := delta f'(a) for rows 0 .. rows-1 of some columns, and their sums; `rows` is
 * known where this is inlined: the sums are read and written once for all of them */
#define COLUMNS 128
static FM_ALWAYS_INLINE void FN(backward_rows)(fm_activation f, int rows, const real *a,
                                               real *delta, real *sum, ptrdiff_t width,
                                               ptrdiff_t ld, real p)
{
#define CASE(name)                                                                     \
    case FM_##name:                                                                    \
        _Pragma("omp simd")                                                            \
        for (ptrdiff_t j = 0; j < width; ++j) {                                        \
            real total = 0;                                                            \
            _Pragma("GCC unroll 4") for (int i = 0; i < rows; ++i)                     \
            {                                                                          \
                const real d = delta[i * ld + j] * FN(d_##name)(a[i * ld + j], p);     \
                delta[i * ld + j] = d;                                                 \
                total += d;                                                            \
            }                                                                          \
            sum[j] += total;                                                           \
        }                                                                              \
        break;
    switch (f) {
        FM_ACTIVATIONS(CASE)
        case FM_N_ACTIVATIONS: break;
    }
#undef CASE
}

static void FN(activate_backward)(fm_activation f, const real *a, real *delta, real *db,
                                  ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld, real p)
{
    for (ptrdiff_t j = 0; j < k; j += COLUMNS) {
        const ptrdiff_t columns = k - j < COLUMNS ? k - j : COLUMNS;
        real sum[COLUMNS] = {0};
        ptrdiff_t i = 0;
        for (; i + 4 <= n; i += 4)
            FN(backward_rows)(f, 4, a + i * ld + j, delta + i * ld + j, sum,
                              WHOLE(columns), ld, p);
        for (; i < n; ++i)
            FN(backward_rows)(f, 1, a + i * ld + j, delta + i * ld + j, sum,
                              WHOLE(columns), ld, p);
        for (ptrdiff_t c = 0; c < columns; ++c) db[j + c] += sum[c];
    }
}
#undef COLUMNS
#undef ROOM
#undef WHOLE
