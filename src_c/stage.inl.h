/* The input stage of tables: embeddings of numbers, rows of tables for categories.
 *
 * a) A number x takes the place of FM_PERIODIC + 1 inputs (periodic, bias, linear, dense:
 *    Holzmueller, Grinsztajn and Steinwart 2024): cos(2 pi w x + b) for FM_FREQUENCIES
 *    pairs w, b, brought to FM_PERIODIC values by a matrix and a bias, and x itself.  A
 *    missing one, NaN, takes as many learnt values.  All are multiplied by a scale.
 * b) Rows take the lanes, STAGE_ROWS at a time; where they are FEW_ROWS or less,
 *    frequencies do, row by row.  The bits are the same: MULTIPLY_ADD says where a
 *    product and a sum are contracted, and sums over frequencies have one order.
 * c) Angles are in turns, so that their reduction to half a turn is exact. */

#define STAGE_ROWS 16
#define FEW_ROWS 3 /* 10 numbers of one row: 0.6 us in place of 4 */
#define N_FREQUENCIES FM_FREQUENCIES
#define N_PERIODIC FM_PERIODIC
#if defined(__FMA__) || defined(__aarch64__)
#define MULTIPLY_ADD(a, b, c) RM(fma)(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif
/* x - the nearest integer, |x| below 2^(MANTISSA_BITS - 2) */
#define STAGE_ROUNDER (R(1.5) * (real)((bits)1 << MANTISSA_BITS))
static FM_ALWAYS_INLINE real FN(fraction)(real x)
{
    return x - ((x + STAGE_ROUNDER) - STAGE_ROUNDER);
}

/* sin(2 pi t) of t turns, |t| <= 1/4; <= 2 ulp of 1: the Taylor series in x = 2 pi t */
static FM_ALWAYS_INLINE real FN(sin_quarter)(real t)
{
    const real x = R(6.283185307179586) * t, q = x * x;
#if FM_DOUBLE
    real p = 1.9572941063391263e-20;
    p = p * q - 8.220635246624329e-18;
    p = p * q + 2.8114572543455206e-15;
    p = p * q - 7.647163731819816e-13;
    p = p * q + 1.6059043836821613e-10;
    p = p * q - 2.505210838544172e-08;
#else
    real p = -2.505210838544172e-08f;
#endif
    p = p * q + R(2.7557319223985893e-06);
    p = p * q - R(1.984126984126984e-04);
    p = p * q + R(8.333333333333333e-03);
    p = p * q - R(1.6666666666666666e-01);
    return x + x * q * p;
}

/* cos(2 pi t) and sin(2 pi t) for |t| <= 1/2 */
static FM_ALWAYS_INLINE real FN(cos_turns)(real t)
{
    return FN(sin_quarter)(R(0.25) - RM(fabs)(t));
}
static FM_ALWAYS_INLINE real FN(sin_turns)(real t)
{
    const real size = RM(fabs)(t);
    return RM(copysign)(FN(sin_quarter)(size > R(0.25) ? R(0.5) - size : size), t);
}

#define IN_TURNS R(0.15915494309189535) /* 1 / (2 pi) */

/* e (N_PERIODIC,) := the periodic embedding of one number, by its weights */
static FM_ALWAYS_INLINE void FN(embed_one)(real x, const real *weights, real *e)
{
    const real *phase = weights + N_FREQUENCIES, *matrix = phase + N_FREQUENCIES;
    const real *bias = matrix + N_FREQUENCIES * N_PERIODIC;
    real wave[N_FREQUENCIES];
    _Pragma("omp simd")
    for (int f = 0; f < N_FREQUENCIES; ++f) {
        const real turns = MULTIPLY_ADD(weights[f], x, phase[f] * IN_TURNS);
        wave[f] = FN(cos_turns)(FN(fraction)(turns));
    }
    for (int c = 0; c < N_PERIODIC; ++c) e[c] = bias[c];
    for (int f = 0; f < N_FREQUENCIES; ++f)
        for (int c = 0; c < N_PERIODIC; ++c)
            e[c] = MULTIPLY_ADD(wave[f], matrix[f * N_PERIODIC + c], e[c]);
}

static void FN(embed_numbers)(const real *x, ptrdiff_t ldx, const real *weights,
                              const real *scale, real *out, ptrdiff_t ldo, ptrdiff_t n,
                              ptrdiff_t k)
{
    for (ptrdiff_t start = 0; start < n; start += STAGE_ROWS) {
        const ptrdiff_t rows = n - start < STAGE_ROWS ? n - start : STAGE_ROWS;
        for (ptrdiff_t j = 0; j < k; ++j) {
            const real *w = weights + j * FM_NUMBER_SIZE;
            const real *phase = w + N_FREQUENCIES, *matrix = phase + N_FREQUENCIES;
            const real *bias = matrix + N_FREQUENCIES * N_PERIODIC;
            const real *missing = bias + N_PERIODIC;
            const real *s = scale + j * (N_PERIODIC + 1);
            const real *column = x + start * ldx + j;
            real *to = out + start * ldo + j * (N_PERIODIC + 1);
            real value[STAGE_ROWS] = {0}, e[N_PERIODIC][STAGE_ROWS];
            for (ptrdiff_t i = 0; i < rows; ++i) value[i] = column[i * ldx];
            for (int c = 0; c < N_PERIODIC; ++c)
                for (int i = 0; i < STAGE_ROWS; ++i) e[c][i] = bias[c];
            for (ptrdiff_t i = 0; i < rows && rows <= FEW_ROWS; ++i) {
                real of_row[N_PERIODIC];
                FN(embed_one)(value[i], w, of_row);
                for (int c = 0; c < N_PERIODIC; ++c) e[c][i] = of_row[c];
            }
            for (int f = 0; f < N_FREQUENCIES && rows > FEW_ROWS; ++f) {
                const real turns = phase[f] * IN_TURNS;
                const real *into = matrix + f * N_PERIODIC;
                _Pragma("omp simd")
                for (int i = 0; i < STAGE_ROWS; ++i) {
                    const real angle = MULTIPLY_ADD(w[f], value[i], turns);
                    const real wave = FN(cos_turns)(FN(fraction)(angle));
                    e[0][i] = MULTIPLY_ADD(wave, into[0], e[0][i]);
                    e[1][i] = MULTIPLY_ADD(wave, into[1], e[1][i]);
                    e[2][i] = MULTIPLY_ADD(wave, into[2], e[2][i]);
                }
            }
            for (ptrdiff_t i = 0; i < rows; ++i, to += ldo) {
                const int is_missing = value[i] != value[i];
                for (int c = 0; c < N_PERIODIC; ++c)
                    to[c] = s[c] * (is_missing ? missing[c] : e[c][i]);
                to[N_PERIODIC] =
                    s[N_PERIODIC] * (is_missing ? missing[N_PERIODIC] : value[i]);
            }
        }
    }
}

static void FN(embed_number_backward)(const real *x, ptrdiff_t ldx, const real *weights,
                                      const real *scale, const real *delta, ptrdiff_t ldd,
                                      real *dweights, real *dscale, ptrdiff_t n)
{
    const real *w = weights, *phase = w + N_FREQUENCIES;
    const real *matrix = phase + N_FREQUENCIES;
    const real *bias = matrix + N_FREQUENCIES * N_PERIODIC, *missing = bias + N_PERIODIC;
    real *dw = dweights, *dphase = dw + N_FREQUENCIES, *dmatrix = dphase + N_FREQUENCIES;
    real *dbias = dmatrix + N_FREQUENCIES * N_PERIODIC, *dmissing = dbias + N_PERIODIC;
    real value[FM_STAGE_CHUNK], d[N_PERIODIC + 1][FM_STAGE_CHUNK];
    for (ptrdiff_t start = 0; start < n; start += FM_STAGE_CHUNK) {
        const ptrdiff_t left = n - start;
        const ptrdiff_t rows = left < FM_STAGE_CHUNK ? left : FM_STAGE_CHUNK;
        real sum[N_PERIODIC + 1] = {0}, sum_missing[N_PERIODIC + 1] = {0}, sum_x = 0;
        for (ptrdiff_t i = 0; i < rows; ++i) {
            const real v = x[(start + i) * ldx];
            const real *from = delta + (start + i) * ldd;
            const int is_missing = v != v;
            value[i] = is_missing ? R(0.0) : v;
            for (int c = 0; c <= N_PERIODIC; ++c) {
                d[c][i] = is_missing ? R(0.0) : from[c];
                sum[c] += d[c][i];
                sum_missing[c] += is_missing ? from[c] : R(0.0);
            }
            sum_x += d[N_PERIODIC][i] * value[i];
        }
        for (int f = 0; f < N_FREQUENCIES; ++f) {
            const real turns = phase[f] * IN_TURNS;
            const real *into = matrix + f * N_PERIODIC;
            const real m0 = scale[0] * into[0], m1 = scale[1] * into[1];
            const real m2 = scale[2] * into[2];
            real s0 = 0, s1 = 0, s2 = 0, sum_phase = 0, sum_w = 0;
            _Pragma("omp simd reduction(+ : s0, s1, s2, sum_phase, sum_w)")
            for (ptrdiff_t i = 0; i < rows; ++i) {
                const real t = FN(fraction)(w[f] * value[i] + turns);
                const real wave = FN(cos_turns)(t);
                const real slope =
                    FN(sin_turns)(t) * (d[0][i] * m0 + d[1][i] * m1 + d[2][i] * m2);
                s0 += wave * d[0][i];
                s1 += wave * d[1][i];
                s2 += wave * d[2][i];
                sum_phase += slope;
                sum_w += slope * value[i];
            }
            dw[f] -= R(6.283185307179586) * sum_w;
            dphase[f] -= sum_phase;
            dmatrix[f * N_PERIODIC] += scale[0] * s0;
            dmatrix[f * N_PERIODIC + 1] += scale[1] * s1;
            dmatrix[f * N_PERIODIC + 2] += scale[2] * s2;
            dscale[0] += into[0] * s0;
            dscale[1] += into[1] * s1;
            dscale[2] += into[2] * s2;
        }
        for (int c = 0; c <= N_PERIODIC; ++c) {
            dmissing[c] += scale[c] * sum_missing[c];
            dscale[c] += missing[c] * sum_missing[c];
        }
        for (int c = 0; c < N_PERIODIC; ++c) {
            dbias[c] += scale[c] * sum[c];
            dscale[c] += bias[c] * sum[c];
        }
        dscale[N_PERIODIC] += sum_x;
    }
}
#undef STAGE_ROUNDER
#undef IN_TURNS

/* The simple form: a number is an input, a missing one a learnt value. */
static void FN(scale_numbers)(const real *x, ptrdiff_t ldx, const real *missing,
                              const real *scale, real *out, ptrdiff_t ldo, ptrdiff_t n,
                              ptrdiff_t k)
{
    for (ptrdiff_t i = 0; i < n; ++i, x += ldx, out += ldo)
        _Pragma("omp simd")
        for (ptrdiff_t j = 0; j < k; ++j)
            out[j] = scale[j] * (x[j] != x[j] ? missing[j] : x[j]);
}

static void FN(scale_number_backward)(const real *x, ptrdiff_t ldx, const real *missing,
                                      const real *scale, const real *delta, ptrdiff_t ldd,
                                      real *dmissing, real *dscale, ptrdiff_t n)
{
    real sum_x = 0, sum_missing = 0;
    for (ptrdiff_t i = 0; i < n; ++i, x += ldx, delta += ldd) {
        const int is_missing = *x != *x;
        sum_missing += is_missing ? *delta : R(0.0);
        sum_x += is_missing ? R(0.0) : *delta * *x;
    }
    *dmissing += *scale * sum_missing;
    *dscale += *missing * sum_missing + sum_x;
}

/* Codes are whole numbers within the table. */
static void FN(take_levels)(const real *codes, ptrdiff_t ldx, const real *table,
                            const real *scale, real *out, ptrdiff_t ldo, ptrdiff_t n,
                            ptrdiff_t k)
{
    for (ptrdiff_t i = 0; i < n; ++i, codes += ldx, out += ldo) {
        const real *level = table + (ptrdiff_t)*codes * k;
        for (ptrdiff_t j = 0; j < k; ++j) out[j] = scale[j] * level[j];
    }
}

static void FN(take_levels_backward)(const real *codes, ptrdiff_t ldx, const real *table,
                                     const real *scale, const real *delta, ptrdiff_t ldd,
                                     real *dtable, real *dscale, ptrdiff_t n, ptrdiff_t k)
{
    for (ptrdiff_t i = 0; i < n; ++i, codes += ldx, delta += ldd) {
        const ptrdiff_t at = (ptrdiff_t)*codes * k;
        for (ptrdiff_t j = 0; j < k; ++j) dscale[j] += table[at + j] * delta[j];
        if (dtable != NULL)
            for (ptrdiff_t j = 0; j < k; ++j) dtable[at + j] += scale[j] * delta[j];
    }
}
#undef STAGE_ROWS
#undef FEW_ROWS
#undef MULTIPLY_ADD
#undef N_FREQUENCIES
#undef N_PERIODIC
