/* Hidden activations: every f beside its derivative, the derivative from a = f(z) or, for
 * those listed as FM_ACTIVATIONS_BY_INPUT, from z.
 *
 * p is the parameter of the activation, unused by most.  Adding one: an entry in
 * registry.h and the two lines here.  Products with z are formed before the exponential
 * underflows, and z is cut where f no longer changes, so that infinities give limits. */

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

static inline real FN(at_most)(real x, real limit) { return x > limit ? limit : x; }

/* z Phi(z), Phi the normal distribution, <= 4 ulp; for z < 0 from its tail (Hendrycks and
 * Gimpel 2016) */
static inline real FN(gelu_)(real z)
{
    const real t = FN(at_most)(RM(fabs)(z), NORMAL_END);
    const real tail = FN(bell)(t, t / FN(inverse_mills)(t));
    return z < R(0.0) ? -tail : z - tail;
}

/* z / (1 + exp(-z)), <= 3 ulp (Elfwing et al. 2017) */
static inline real FN(silu_)(real z)
{
    const real t = FN(at_most)(RM(fabs)(z), LOGISTIC_END);
    const real scaled = FN(exp_product)(-t, 0, -t);
    return (z < R(0.0) ? scaled : z) / (R(1.0) + FN(exp_product)(-t, 0, R(1.0)));
}

/* z tanh(log(1 + exp(z))), <= 4 ulp (Misra 2019); with t = exp(-|z|) the tanh is
 * 1 - 2 t^2 / (1 + 2 t + 2 t^2), or t - t^2 (1 + t) / (2 + 2 t + t^2) for z < 0 */
static inline real FN(mish_)(real z)
{
    const int is_negative = z < R(0.0);
    const real size = FN(at_most)(RM(fabs)(z), LOGISTIC_END);
    const real t = FN(exp_product)(-size, 0, R(1.0));
    const real scaled = FN(exp_product)(-size, 0, -size);
    const real upper = is_negative ? t * (R(1.0) + t) : R(2.0) * t * t;
    const real lower = is_negative ? t * (t + R(2.0)) + R(2.0) : R(2.0) * t + R(1.0) + upper;
    return (is_negative ? scaled : z) * (R(1.0) - upper / lower);
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

static inline real FN(elu)(real z, real p) { return z > 0 ? z : p * FN(expm1)(z); }
static inline real FN(d_elu)(real a, real p) { return a > 0 ? R(1.0) : a + p; }

/* scale and scale * alpha of Klambauer et al. 2017 */
#define SELU_ABOVE R(1.0507009873554805)
#define SELU_BELOW R(1.7580993408473768)
static inline real FN(selu)(real z, real p)
{
    UNUSED(p);
    return z > 0 ? SELU_ABOVE * z : SELU_BELOW * FN(expm1)(z);
}
static inline real FN(d_selu)(real a, real p)
{
    UNUSED(p);
    return a > 0 ? SELU_ABOVE : a + SELU_BELOW;
}
#undef SELU_ABOVE
#undef SELU_BELOW

/* z / (1 + |z|) */
static inline real FN(softsign)(real z, real p)
{
    UNUSED(p);
    const real size = FN(at_most)(RM(fabs)(z), REAL_HUGE);
    return RM(copysign)(size / (R(1.0) + size), z);
}
static inline real FN(d_softsign)(real a, real p)
{
    UNUSED(p);
    return (1 - RM(fabs)(a)) * (1 - RM(fabs)(a));
}

/* z / 6 + 1/2, cut to [0, 1] */
static inline real FN(hard_sigmoid)(real z, real p)
{
    UNUSED(p);
    return FN(at_most)(FN(relu_)((z + R(3.0)) / R(6.0)), R(1.0));
}
static inline real FN(d_hard_sigmoid)(real a, real p)
{
    UNUSED(p);
    return a > 0 && a < 1 ? R(1.0) / R(6.0) : R(0.0) * a;
}

static inline real FN(gelu)(real z, real p) { UNUSED(p); return FN(gelu_)(z); }
static inline real FN(d_gelu)(real z, real p) /* Phi(z) + z phi(z) */
{
    UNUSED(p);
    const real t = FN(at_most)(RM(fabs)(z), NORMAL_END);
    const real tail = FN(bell)(t, 1 / FN(inverse_mills)(t) - R(0.3989422804014327) * t);
    return z < 0 ? tail : 1 - tail;
}

static inline real FN(silu)(real z, real p) { UNUSED(p); return FN(silu_)(z); }
static inline real FN(d_silu)(real z, real p) /* s + z s (1 - s), s = logistic(z) */
{
    UNUSED(p);
    const real size = FN(at_most)(RM(fabs)(z), LOGISTIC_END);
    const real t = FN(exp)(-size);
    const real s = 1 / (1 + t); /* of |z| */
    const real slope = t * s * (1 - size * s);
    return z < 0 ? slope : 1 - slope;
}

static inline real FN(mish)(real z, real p) { UNUSED(p); return FN(mish_)(z); }
/* with q = tanh(log(1 + exp(z))) and s = logistic(z): q + z s (1 - q^2) */
static inline real FN(d_mish)(real z, real p)
{
    UNUSED(p);
    const int is_negative = z < 0;
    const real size = FN(at_most)(RM(fabs)(z), LOGISTIC_END);
    const real t = FN(exp)(-size);
    const real u = is_negative ? t * (t + 2) : 2 * t * t;
    const real share = 1 / (is_negative ? u + 2 : 1 + 2 * t + u);
    const real slope = 4 * size * t * (1 + t) * share * share;
    return is_negative ? u * share - slope : 1 + (t * slope - u * share);
}

#undef UNUSED

/* Rows of the workspace have room for whole vectors, and values behind their end have no
 * meaning: loops over a row go on to the next multiple of ROOM. */
#define ROOM (64 / (ptrdiff_t)sizeof(real))
#define WHOLE(k) (((k) + ROOM - 1) / ROOM * ROOM)

static void FN(activate)(fm_activation f, const real *z, real *a, ptrdiff_t n,
                         ptrdiff_t k, ptrdiff_t ld, real p)
{
    const ptrdiff_t whole = WHOLE(k);
#define CASE(name)                                                                     \
    case FM_##name:                                                                    \
        for (ptrdiff_t i = 0; i < n; ++i, z += ld, a += ld)                            \
            _Pragma("omp simd")                                                        \
            for (ptrdiff_t j = 0; j < whole; ++j) a[j] = FN(name)(z[j], p);            \
        break;
    switch (f) {
        FM_ACTIVATIONS(CASE)
        case FM_N_ACTIVATIONS: break;
    }
#undef CASE
}

/* delta := delta f'(x) for rows 0 .. rows-1 of some columns, and their sums; `rows` is
 * known where this is inlined: the sums are read and written once for all of them */
#define COLUMNS 128
static FM_ALWAYS_INLINE void FN(backward_rows)(fm_activation f, int rows, const real *x,
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
                const real d = delta[i * ld + j] * FN(d_##name)(x[i * ld + j], p);     \
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

static void FN(activate_backward)(fm_activation f, const real *x, real *delta, real *db,
                                  ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld, real p)
{
    for (ptrdiff_t j = 0; j < k; j += COLUMNS) {
        const ptrdiff_t columns = k - j < COLUMNS ? k - j : COLUMNS;
        real sum[COLUMNS] = {0};
        ptrdiff_t i = 0;
        for (; i + 4 <= n; i += 4)
            FN(backward_rows)(f, 4, x + i * ld + j, delta + i * ld + j, sum,
                              WHOLE(columns), ld, p);
        for (; i < n; ++i)
            FN(backward_rows)(f, 1, x + i * ld + j, delta + i * ld + j, sum,
                              WHOLE(columns), ld, p);
        for (ptrdiff_t c = 0; c < columns; ++c) db[j + c] += sum[c];
    }
}

/* Rows 0 .. rows-1 of relu_backward_of_one, as backward_rows */
static FM_ALWAYS_INLINE void FN(relu_rows)(int rows, const real *x, const real *above,
                                           const real *w, real *delta, real *sum,
                                           ptrdiff_t width, ptrdiff_t ld)
{
    _Pragma("omp simd")
    for (ptrdiff_t j = 0; j < width; ++j) {
        real total = 0;
        _Pragma("GCC unroll 4") for (int i = 0; i < rows; ++i)
        {
            const real product = above[i] * w[j] + 0; /* + 0: not -0, as of a product */
            const real d = product * FN(d_relu)(x[i * ld + j], 0);
            delta[i * ld + j] = d;
            total += d;
        }
        sum[j] += total;
    }
}

/* One pass where two would read and write delta: its time is that of memory */
static void FN(relu_backward_of_one)(const real *x, const real *above, const real *w,
                                     real *delta, real *db, ptrdiff_t n, ptrdiff_t k,
                                     ptrdiff_t ld)
{
    for (ptrdiff_t j = 0; j < k; j += COLUMNS) {
        const ptrdiff_t columns = k - j < COLUMNS ? k - j : COLUMNS;
        real sum[COLUMNS] = {0};
        ptrdiff_t i = 0;
        for (; i + 4 <= n; i += 4)
            FN(relu_rows)(4, x + i * ld + j, above + i, w + j, delta + i * ld + j, sum,
                          WHOLE(columns), ld);
        for (; i < n; ++i)
            FN(relu_rows)(1, x + i * ld + j, above + i, w + j, delta + i * ld + j, sum,
                          WHOLE(columns), ld);
        for (ptrdiff_t c = 0; c < columns; ++c) db[j + c] += sum[c];
    }
}

/* db := db + the column sums of delta, in the order of activate_backward, without room
 * behind the rows */
static FM_ALWAYS_INLINE void FN(sum_columns)(int rows, const real *delta, real *db,
                                             ptrdiff_t k)
{
    _Pragma("omp simd")
    for (ptrdiff_t j = 0; j < k; ++j) {
        real total = 0;
        _Pragma("GCC unroll 4") for (int i = 0; i < rows; ++i) total += delta[i * k + j];
        db[j] += total;
    }
}

static void FN(column_sums)(const real *delta, real *db, ptrdiff_t n, ptrdiff_t k)
{
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4) FN(sum_columns)(4, delta + i * k, db, k);
    for (; i < n; ++i) FN(sum_columns)(1, delta + i * k, db, k);
}
#undef COLUMNS
#undef ROOM
#undef WHOLE
