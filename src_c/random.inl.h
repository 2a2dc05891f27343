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

/* The words of PHILOX_LANES counters.  A product of 32 by 32 bits takes a lane of 64, of
 * which it reads the lower half: so the words stay in such lanes, and what is in the
 * upper halves does not matter. */
#if defined(__AVX512F__)
static FM_ALWAYS_INLINE void FN(philox_words)(const fm_draw *draw, uint32_t row,
                                              uint32_t counter, uint32_t *words)
{
    const __m512i m0 = _mm512_set1_epi64(0xD2511F53), m1 = _mm512_set1_epi64(0xCD9E8D57);
    uint32_t key_0 = draw->key[0], key_1 = draw->key[1];
    __m512i c0 = _mm512_add_epi64(_mm512_set1_epi64(counter),
                                  _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
    __m512i c1 = _mm512_set1_epi64(row), c2 = _mm512_set1_epi64(draw->step);
    __m512i c3 = _mm512_set1_epi64(draw->stream);
    for (int round = 0; round < 10; ++round) {
        const __m512i p0 = _mm512_mul_epu32(c0, m0), p1 = _mm512_mul_epu32(c2, m1);
        c0 = _mm512_xor_si512(_mm512_srli_epi64(p1, 32),
                              _mm512_xor_si512(c1, _mm512_set1_epi64(key_0)));
        c2 = _mm512_xor_si512(_mm512_srli_epi64(p0, 32),
                              _mm512_xor_si512(c3, _mm512_set1_epi64(key_1)));
        c1 = p1;
        c3 = p0;
        key_0 += UINT32_C(0x9E3779B9);
        key_1 += UINT32_C(0xBB67AE85);
    }
    _mm256_storeu_si256((__m256i *)words, _mm512_cvtepi64_epi32(c0));
    _mm256_storeu_si256((__m256i *)(words + 8), _mm512_cvtepi64_epi32(c1));
    _mm256_storeu_si256((__m256i *)(words + 16), _mm512_cvtepi64_epi32(c2));
    _mm256_storeu_si256((__m256i *)(words + 24), _mm512_cvtepi64_epi32(c3));
}
#elif defined(__AVX2__)
/* the lower halves of 0, 1, 4, 5 and of 2, 3, 6, 7, in order */
static FM_ALWAYS_INLINE void FN(store_words)(uint32_t *words, __m256i x, __m256i y)
{
    const __m256 both =
        _mm256_shuffle_ps(_mm256_castsi256_ps(x), _mm256_castsi256_ps(y), 0x88);
    _mm256_storeu_si256((__m256i *)words, _mm256_castps_si256(both));
}
static FM_ALWAYS_INLINE void FN(philox_words)(const fm_draw *draw, uint32_t row,
                                              uint32_t counter, uint32_t *words)
{
    const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);
    const __m256i first = _mm256_set1_epi64x(counter);
    uint32_t key_0 = draw->key[0], key_1 = draw->key[1];
    __m256i c0[2], c1[2], c2[2], c3[2];
    c0[0] = _mm256_add_epi64(first, _mm256_setr_epi64x(0, 1, 4, 5));
    c0[1] = _mm256_add_epi64(first, _mm256_setr_epi64x(2, 3, 6, 7));
    c1[0] = c1[1] = _mm256_set1_epi64x(row);
    c2[0] = c2[1] = _mm256_set1_epi64x(draw->step);
    c3[0] = c3[1] = _mm256_set1_epi64x(draw->stream);
    for (int round = 0; round < 10; ++round) {
        const __m256i k0 = _mm256_set1_epi64x(key_0), k1 = _mm256_set1_epi64x(key_1);
        for (int h = 0; h < 2; ++h) {
            const __m256i p0 = _mm256_mul_epu32(c0[h], m0), p1 = _mm256_mul_epu32(c2[h], m1);
            c0[h] = _mm256_xor_si256(_mm256_srli_epi64(p1, 32), _mm256_xor_si256(c1[h], k0));
            c2[h] = _mm256_xor_si256(_mm256_srli_epi64(p0, 32), _mm256_xor_si256(c3[h], k1));
            c1[h] = p1;
            c3[h] = p0;
        }
        key_0 += UINT32_C(0x9E3779B9);
        key_1 += UINT32_C(0xBB67AE85);
    }
    FN(store_words)(words, c0[0], c0[1]);
    FN(store_words)(words + 8, c1[0], c1[1]);
    FN(store_words)(words + 16, c2[0], c2[1]);
    FN(store_words)(words + 24, c3[0], c3[1]);
}
#else
static FM_ALWAYS_INLINE void FN(philox_words)(const fm_draw *draw, uint32_t row,
                                              uint32_t counter, uint32_t *words)
{
    FN(philox)(draw, row, counter, words, PHILOX_LANES);
}
#endif

/* rate * 2^16, and the factor of what is kept */
static inline uint32_t FN(threshold)(double rate, real *scale)
{
    const double threshold = rate * 65536 + 0.5;
    const uint32_t rounded = threshold < 65535 ? (uint32_t)threshold : 65535;
    *scale = (real)(65536.0 / (65536.0 - rounded));
    return rounded;
}

/* out := x / (1 - rate) or 0 for `low` units by the lower halves of the words, and for
 * `high` units UNITS further by the upper ones */
static FM_ALWAYS_INLINE void FN(drop_units)(const uint32_t *words, uint32_t threshold,
                                            real scale, const real *x, real *out,
                                            ptrdiff_t low, ptrdiff_t high)
{
#pragma omp simd
    for (ptrdiff_t j = 0; j < low; ++j) {
        const real kept = scale * x[j];
        out[j] = (words[j] & 0xFFFF) < threshold ? R(0.0) : kept;
    }
#pragma omp simd
    for (ptrdiff_t j = 0; j < high; ++j) {
        const real kept = scale * x[UNITS + j];
        out[UNITS + j] = words[j] >> 16 < threshold ? R(0.0) : kept;
    }
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
            FN(philox_words)(draw, (uint32_t)(draw->row + i), (uint32_t)(u / 8), words);
            if (left >= 2 * UNITS)
                FN(drop_units)(words, threshold, scale, x + u, out + u, UNITS, UNITS);
            else
                FN(drop_units)(words, threshold, scale, x + u, out + u, low, left - low);
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
            FN(philox_words)(draw, (uint32_t)(draw->row + i), (uint32_t)(u / 4), words);
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
