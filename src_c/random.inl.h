/* Random numbers that are functions of where they are used: dropout and noise.
 *
 * a) Philox 4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy
 *    as 1, 2, 3"): four words from a counter and a key.  The counter is (units, row of the
 *    batch, step, stream), the key the seed, so that any thread can draw any number and
 *    nothing is stored between the forward and the backward pass.
 * b) PHILOX_LANES counters go together, so that each round is vector code; word w of
 *    counter c serves unit UNITS (c / PHILOX_LANES) + PHILOX_LANES w + c % PHILOX_LANES.
 * c) Dropout takes 16 bits a unit, so PHILOX_LANES counters serve 2 UNITS of them: the
 *    lower halves of the words come first.  The rate is rounded to a multiple of 2^-16, and
 *    what is kept is divided by what is left of that, so the mean is exact. */

#define PHILOX_LANES 8
#define UNITS (4 * PHILOX_LANES)

/* words (4, PHILOX_LANES) of the counters from `counter` on, `lanes` of them */
static FM_ALWAYS_INLINE void FN(philox)(const fm_draw *draw, uint32_t row,
                                        uint32_t counter, uint32_t *restrict words,
                                        int lanes)
{
    uint32_t key_0 = draw->key[0], key_1 = draw->key[1];
    uint32_t c0[PHILOX_LANES], c1[PHILOX_LANES], c2[PHILOX_LANES], c3[PHILOX_LANES];
#pragma omp simd
    for (int l = 0; l < lanes; ++l) {
        c0[l] = counter + (uint32_t)l;
        c1[l] = row;
        c2[l] = draw->step;
        c3[l] = draw->stream;
    }
    for (int round = 0; round < 10; ++round) {
#pragma omp simd
        for (int l = 0; l < lanes; ++l) {
            const uint64_t p0 = (uint64_t)c0[l] * UINT32_C(0xD2511F53);
            const uint64_t p1 = (uint64_t)c2[l] * UINT32_C(0xCD9E8D57);
            c0[l] = (uint32_t)(p1 >> 32) ^ c1[l] ^ key_0;
            c2[l] = (uint32_t)(p0 >> 32) ^ c3[l] ^ key_1;
            c1[l] = (uint32_t)p1;
            c3[l] = (uint32_t)p0;
        }
        key_0 += UINT32_C(0x9E3779B9);
        key_1 += UINT32_C(0xBB67AE85);
    }
    for (int l = 0; l < lanes; ++l) {
        words[l] = c0[l];
        words[lanes + l] = c1[l];
        words[2 * lanes + l] = c2[l];
        words[3 * lanes + l] = c3[l];
    }
}

/* rate * 2^16, and the factor of what is kept */
static inline uint32_t FN(threshold)(double rate, real *scale)
{
    const double threshold = rate * 65536 + 0.5;
    const uint32_t rounded = threshold < 65535 ? (uint32_t)threshold : 65535;
    *scale = (real)(65536.0 / (65536.0 - rounded));
    return rounded;
}

static void FN(dropout)(const fm_draw *draw, double rate, const real *x, ptrdiff_t ldx,
                        real *out, ptrdiff_t ldo, ptrdiff_t n, ptrdiff_t k)
{
    real scale;
    const uint32_t threshold = FN(threshold)(rate, &scale);
    uint32_t words[UNITS];
    for (ptrdiff_t i = 0; i < n; ++i, x += ldx, out += ldo)
        for (ptrdiff_t u = 0; u < k; u += 2 * UNITS) {
            const ptrdiff_t left = k - u, low = left < UNITS ? left : UNITS;
            const ptrdiff_t high = left - low < UNITS ? left - low : UNITS;
            FN(philox)(draw, (uint32_t)(draw->row + i), (uint32_t)(u / 8), words,
                       PHILOX_LANES);
#pragma omp simd
            for (ptrdiff_t j = 0; j < low; ++j)
                out[u + j] = (words[j] & 0xFFFF) < threshold ? R(0.0) : scale * x[u + j];
#pragma omp simd
            for (ptrdiff_t j = 0; j < high; ++j)
                out[u + UNITS + j] =
                    words[j] >> 16 < threshold ? R(0.0) : scale * x[u + UNITS + j];
        }
}

static void FN(csr_dropout)(const fm_draw *draw, double rate, fm_csr_rows rows,
                            const real *values, real *out, ptrdiff_t n)
{
    real scale;
    const uint32_t threshold = FN(threshold)(rate, &scale);
    uint32_t words[4];
    for (ptrdiff_t i = 0; i < n; ++i) {
        const ptrdiff_t row = FN(csr_row)(rows, i);
        for (ptrdiff_t s = rows.indptr[row]; s < rows.indptr[row + 1]; ++s) {
            const ptrdiff_t group = rows.indices[s] / (2 * UNITS);
            const ptrdiff_t unit = rows.indices[s] % (2 * UNITS);
            const ptrdiff_t counter = group * PHILOX_LANES + unit % PHILOX_LANES;
            FN(philox)(draw, (uint32_t)(draw->row + i), (uint32_t)counter, words, 1);
            const uint32_t word = words[unit % UNITS / PHILOX_LANES];
            const uint32_t half = unit < UNITS ? word & 0xFFFF : word >> 16;
            out[s] = half < threshold ? R(0.0) : scale * values[s];
        }
    }
}

/* sin(x), |x| <= pi/2, with an absolute error below 1e-9: the Taylor series */
static inline real FN(sine)(real x)
{
    const real q = x * x;
    real p = R(1.6059043836821613e-10);
    p = p * q - R(2.505210838544172e-08);
    p = p * q + R(2.7557319223985893e-06);
    p = p * q - R(1.984126984126984e-04);
    p = p * q + R(8.333333333333333e-03);
    p = p * q - R(1.6666666666666666e-01);
    return x + x * q * p;
}

/* e_0, e_1 := two standard normal numbers from two words (Box and Muller 1958).  The upper
 * 24 bits of a word count, in both precisions, so that they agree to rounding; the largest
 * number is 5.9. */
static inline void FN(normal_pair)(uint32_t word_0, uint32_t word_1, real *e_0, real *e_1)
{
    const real unit = R(5.9604644775390625e-08), turn = R(6.283185307179586);
    const real u = ((real)(int32_t)(word_0 >> 8) + R(0.5)) * unit;
    const real radius = RM(sqrt)(R(-2.0) * FN(log_of)(u < 1 ? u : R(1.0), 0));
    /* the angle, in turns from -1/2 on; cos and sin of it by the sine of a quarter turn */
    const real angle = (real)(int32_t)(word_1 >> 8) * unit - R(0.5);
    const real size = RM(fabs)(angle);
    const real folded = size > R(0.25) ? R(0.5) - size : size;
    *e_0 = radius * FN(sine)(turn * (R(0.25) - size));
    *e_1 = radius * RM(copysign)(FN(sine)(turn * folded), angle);
}

static void FN(add_noise)(const fm_draw *draw, double sd, const real *x, ptrdiff_t ldx,
                          real *out, ptrdiff_t ldo, ptrdiff_t n, ptrdiff_t k)
{
    const real scale = (real)sd;
    uint32_t words[UNITS];
    real noise[UNITS];
    for (ptrdiff_t i = 0; i < n; ++i, x += ldx, out += ldo)
        for (ptrdiff_t u = 0; u < k; u += UNITS) {
            FN(philox)(draw, (uint32_t)(draw->row + i), (uint32_t)(u / 4), words,
                       PHILOX_LANES);
            for (int half = 0; half < UNITS; half += 2 * PHILOX_LANES)
#pragma omp simd
                for (int l = half; l < half + PHILOX_LANES; ++l)
                    FN(normal_pair)(words[l], words[l + PHILOX_LANES], &noise[l],
                                    &noise[l + PHILOX_LANES]);
            for (ptrdiff_t j = 0; j < UNITS && j < k - u; ++j)
                out[u + j] = x[u + j] + scale * noise[j];
        }
}
#undef PHILOX_LANES
#undef UNITS
