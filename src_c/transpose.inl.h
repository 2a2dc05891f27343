/* Transposes, by squares in registers: the weights W^T that the backward products read.
 *
 * A square of 8 x 8 floats takes 8 loads, 24 shuffles and 8 stores with AVX, about a third
 * of the cycles of the scalar loop. */

#undef SQUARE

#if FM_NEON && FM_DOUBLE
#define SQUARE 2
static FM_ALWAYS_INLINE void FN(transpose_square)(const real *x, ptrdiff_t ldx, real *out,
                                                  ptrdiff_t ldo)
{
    const V a = V_LOAD(x), b = V_LOAD(x + ldx);
    V_STORE(out, vtrn1q_f64(a, b));
    V_STORE(out + ldo, vtrn2q_f64(a, b));
}
#elif FM_NEON
#define SQUARE 4
static FM_ALWAYS_INLINE void FN(transpose_square)(const real *x, ptrdiff_t ldx, real *out,
                                                  ptrdiff_t ldo)
{
    const V a = V_LOAD(x), b = V_LOAD(x + ldx);
    const V c = V_LOAD(x + 2 * ldx), d = V_LOAD(x + 3 * ldx);
    const V e = vzip1q_f32(a, c), f = vzip2q_f32(a, c);
    const V g = vzip1q_f32(b, d), h = vzip2q_f32(b, d);
    V_STORE(out, vzip1q_f32(e, g));
    V_STORE(out + ldo, vzip2q_f32(e, g));
    V_STORE(out + 2 * ldo, vzip1q_f32(f, h));
    V_STORE(out + 3 * ldo, vzip2q_f32(f, h));
}
#elif FM_HAS_GEMM && FM_DOUBLE
#define SQUARE 4
static FM_ALWAYS_INLINE void FN(transpose_square)(const real *x, ptrdiff_t ldx, real *out,
                                                  ptrdiff_t ldo)
{
    const __m256d a = _mm256_loadu_pd(x), b = _mm256_loadu_pd(x + ldx);
    const __m256d c = _mm256_loadu_pd(x + 2 * ldx), d = _mm256_loadu_pd(x + 3 * ldx);
    const __m256d e = _mm256_unpacklo_pd(a, b), f = _mm256_unpackhi_pd(a, b);
    const __m256d g = _mm256_unpacklo_pd(c, d), h = _mm256_unpackhi_pd(c, d);
    _mm256_storeu_pd(out, _mm256_permute2f128_pd(e, g, 0x20));
    _mm256_storeu_pd(out + ldo, _mm256_permute2f128_pd(f, h, 0x20));
    _mm256_storeu_pd(out + 2 * ldo, _mm256_permute2f128_pd(e, g, 0x31));
    _mm256_storeu_pd(out + 3 * ldo, _mm256_permute2f128_pd(f, h, 0x31));
}
#elif FM_HAS_GEMM
#define SQUARE 8
static FM_ALWAYS_INLINE void FN(transpose_square)(const real *x, ptrdiff_t ldx, real *out,
                                                  ptrdiff_t ldo)
{
    __m256 half[8], pair[8]; /* rows i and i + 4 side by side */
    _Pragma("GCC unroll 8") for (int i = 0; i < 8; ++i)
    {
        const real *from = x + (i % 4) * ldx + i / 4 * 4;
        half[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)),
                                       _mm_loadu_ps(from + 4 * ldx), 1);
    }
    _Pragma("GCC unroll 2") for (int i = 0; i < 8; i += 4)
    {
        pair[i] = _mm256_unpacklo_ps(half[i], half[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(half[i], half[i + 1]);
        pair[i + 2] = _mm256_unpacklo_ps(half[i + 2], half[i + 3]);
        pair[i + 3] = _mm256_unpackhi_ps(half[i + 2], half[i + 3]);
        _mm256_storeu_ps(out + i * ldo, _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44));
        _mm256_storeu_ps(out + (i + 1) * ldo,
                         _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee));
        _mm256_storeu_ps(out + (i + 2) * ldo,
                         _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44));
        _mm256_storeu_ps(out + (i + 3) * ldo,
                         _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee));
    }
}
#else
#define SQUARE 4
static FM_ALWAYS_INLINE void FN(transpose_square)(const real *x, ptrdiff_t ldx, real *out,
                                                  ptrdiff_t ldo)
{
    for (int i = 0; i < SQUARE; ++i)
        for (int j = 0; j < SQUARE; ++j) out[j * ldo + i] = x[i * ldx + j];
}
#endif

/* The edge of a matrix: n rows of k values, SQUARE at most, by way of a whole square */
static FM_NOINLINE void FN(transpose_edge)(const real *x, ptrdiff_t ldx, real *out,
                                           ptrdiff_t ldo, ptrdiff_t n, ptrdiff_t k)
{
#if FM_HAS_GEMM && SQUARE == LANES
    real from[SQUARE * SQUARE], to[SQUARE * SQUARE];
    for (ptrdiff_t i = 0; i < n; ++i)
        V_STORE(from + i * SQUARE, V_LOAD_FIRST(x + i * ldx, k));
    for (ptrdiff_t i = n; i < SQUARE; ++i) V_STORE(from + i * SQUARE, V_ZERO());
    FN(transpose_square)(from, SQUARE, to, SQUARE);
    for (ptrdiff_t j = 0; j < k; ++j)
        V_STORE_FIRST(out + j * ldo, n, V_LOAD(to + j * SQUARE));
#else
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) out[j * ldo + i] = x[i * ldx + j];
#endif
}

static void FN(transpose)(const real *x, ptrdiff_t ldx, real *out, ptrdiff_t ldo,
                          ptrdiff_t n, ptrdiff_t k)
{
    for (ptrdiff_t i = 0; i < n; i += SQUARE)
        for (ptrdiff_t j = 0; j < k; j += SQUARE) {
            const real *from = x + i * ldx + j;
            real *to = out + j * ldo + i;
            if (i + SQUARE <= n && j + SQUARE <= k)
                FN(transpose_square)(from, ldx, to, ldo);
            else
                FN(transpose_edge)(from, ldx, to, ldo, n - i < SQUARE ? n - i : SQUARE,
                                   k - j < SQUARE ? k - j : SQUARE);
        }
}
