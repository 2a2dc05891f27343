#if FM_HAS_GEMM

/* Products with a narrow side, as those beside an output layer of few units.
 *
 * a) A few columns of C would fill a part of a vector only, so vectors run over k: a sum
 *    has LANES parts, which are halved until one is left, and S comes last.  The order is
 *    the same for every row, whether it is alone, among others or in a lane.
 * b) Where k is small, the time of a product is that of storing C: the rows of B stay in
 *    registers, and the rows of C follow one another.
 */

#define NARROW_K 8192 /* the deepest product of several columns that a) takes */
#define ROWS 8        /* whose sums are formed together */
#define THIN_K 4      /* the deepest product of b) */

/* Whether a product with n columns is one of a); whatever its rows, so that their number
 * changes no bit.  A sum costs its multiply-adds and about a third more */
static int FN(is_narrow)(ptrdiff_t n, ptrdiff_t k)
{
    return n == 1 || (n > 1 && n <= LANES / 2 && k >= 4 * LANES && k <= NARROW_K);
}

static inline real FN(vector_sum)(V x)
{
    real lanes[LANES];
    V_STORE(lanes, x);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    return lanes[0];
}

/* out := the vector_sum of ROWS vectors */
#if defined(__AVX2__) && FM_DOUBLE
static FM_ALWAYS_INLINE void FN(vector_sums)(const V *x, real *out)
{
    __m256d part[ROWS], pair[ROWS / 2];
    UNROLL for (int i = 0; i < ROWS; ++i)
    {
#if defined(__AVX512F__)
        part[i] = _mm256_add_pd(_mm512_castpd512_pd256(x[i]),
                                _mm512_extractf64x4_pd(x[i], 1));
#else
        part[i] = x[i];
#endif
    }
    UNROLL for (int i = 0; i < ROWS; i += 4) UNROLL for (int j = 0; j < 2; ++j)
        pair[i / 2 + j] =
            _mm256_add_pd(_mm256_permute2f128_pd(part[i + j], part[i + j + 2], 0x20),
                          _mm256_permute2f128_pd(part[i + j], part[i + j + 2], 0x31));
    UNROLL for (int i = 0; i < ROWS / 2; i += 2)
        _mm256_storeu_pd(out + 2 * i,
                         _mm256_add_pd(_mm256_unpacklo_pd(pair[i], pair[i + 1]),
                                       _mm256_unpackhi_pd(pair[i], pair[i + 1])));
}
#elif defined(__AVX2__)
static FM_ALWAYS_INLINE void FN(vector_sums)(const V *x, real *out)
{
    __m256 part[ROWS], pair[4], quad[2];
    UNROLL for (int i = 0; i < ROWS; ++i)
    {
#if defined(__AVX512F__)
        part[i] = _mm256_add_ps(_mm512_castps512_ps256(x[i]),
                                _mm512_extractf32x8_ps(x[i], 1));
#else
        part[i] = x[i];
#endif
    }
    UNROLL for (int i = 0; i < 4; ++i) pair[i] =
        _mm256_add_ps(_mm256_permute2f128_ps(part[i], part[i + 4], 0x20),
                      _mm256_permute2f128_ps(part[i], part[i + 4], 0x31));
    UNROLL for (int i = 0; i < 2; ++i) quad[i] =
        _mm256_add_ps(_mm256_shuffle_ps(pair[2 * i], pair[2 * i + 1], 0x44),
                      _mm256_shuffle_ps(pair[2 * i], pair[2 * i + 1], 0xee));
    _mm256_storeu_ps(out, _mm256_add_ps(_mm256_shuffle_ps(quad[0], quad[1], 0x88),
                                        _mm256_shuffle_ps(quad[0], quad[1], 0xdd)));
}
#else
static FM_ALWAYS_INLINE void FN(vector_sums)(const V *x, real *out)
{
    for (int i = 0; i < ROWS; ++i) out[i] = FN(vector_sum)(x[i]);
}
#endif

/* c (m, n) := A B + S for the columns of B, one after the other in memory, and rows of A;
 * S and C row by row, their columns side by side */
static FM_NOINLINE void FN(rows_times_columns)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                               const real *a, ptrdiff_t lda,
                                               const real *columns, const real *s,
                                               ptrdiff_t lds, int rectify, real *c,
                                               ptrdiff_t ldc)
{
    const ptrdiff_t whole = k / LANES * LANES;
    for (ptrdiff_t i = 0; i < m; i += ROWS) {
        const ptrdiff_t rows = m - i < ROWS ? m - i : ROWS;
        const real *row[ROWS];
        UNROLL for (int r = 0; r < ROWS; ++r) row[r] = a + (i + (r < rows ? r : 0)) * lda;
        for (ptrdiff_t j = 0; j < n; ++j) {
            const real *b = columns + j * k;
            real sums[ROWS];
            V sum[ROWS];
            UNROLL for (int r = 0; r < ROWS; ++r) sum[r] = V_ZERO();
            for (ptrdiff_t p = 0; p < whole; p += LANES) {
                const V right = V_LOAD(b + p);
                UNROLL for (int r = 0; r < ROWS; ++r) sum[r] =
                    V_FMA(V_LOAD(row[r] + p), right, sum[r]);
            }
            if (whole < k) {
                const V right = V_LOAD_FIRST(b + whole, k - whole);
                UNROLL for (int r = 0; r < ROWS; ++r) sum[r] =
                    V_FMA(V_LOAD_FIRST(row[r] + whole, k - whole), right, sum[r]);
            }
            FN(vector_sums)(sum, sums);
            /* No branch on a sum: its sign cannot be foreseen */
            for (ptrdiff_t r = 0; r < rows; ++r)
                sums[r] += s ? s[(i + r) * lds + j] : 0;
            if (rectify)
                _Pragma("omp simd") for (int r = 0; r < ROWS; ++r) sums[r] =
                    FN(relu_)(sums[r]);
            for (ptrdiff_t r = 0; r < rows; ++r) c[(i + r) * ldc + j] = sums[r];
        }
    }
}

/* c (n,) := a B + s for one row and rows of B, a part of a vector each: the parts of the
 * sums of all columns */
static FM_NOINLINE void FN(row_times_columns)(ptrdiff_t n, ptrdiff_t k, const real *a,
                                              const real *b, ptrdiff_t ldb,
                                              const real *s, int rectify, real *c)
{
    /* the first `full` rows of B are read in whole vectors, which end before B does */
    const ptrdiff_t whole = k / LANES * LANES, behind = (LANES - n + ldb - 1) / ldb;
    const ptrdiff_t full = (k > behind ? k - behind : 0) / LANES * LANES;
    V part[LANES];
    ptrdiff_t p = 0;
    UNROLL for (int r = 0; r < LANES; ++r) part[r] = V_ZERO();
    for (; p < full; p += LANES)
        UNROLL for (int r = 0; r < LANES; ++r) part[r] =
            V_FMA(V_SET(a[p + r]), V_LOAD(b + (p + r) * ldb), part[r]);
    for (; p < whole; p += LANES)
        UNROLL for (int r = 0; r < LANES; ++r) part[r] =
            V_FMA(V_SET(a[p + r]), V_LOAD_FIRST(b + (p + r) * ldb, n), part[r]);
    if (whole < k) UNROLL for (int r = 0; r < LANES; ++r) part[r] =
        whole + r < k ? V_FMA(V_SET(a[whole + r]),
                              V_LOAD_FIRST(b + (whole + r) * ldb, n), part[r])
                      : V_ADD(part[r], V_ZERO()); /* as of zeros: -0 + 0 = 0 */
    UNROLL for (int half = LANES / 2; half > 0; half /= 2)
        UNROLL for (int r = 0; r < half; ++r) part[r] = V_ADD(part[r], part[r + half]);
    part[0] = V_ADD(part[0], s ? V_LOAD_FIRST(s, n) : V_ZERO());
    V_STORE_FIRST(c, n, rectify ? V_MAX(V_ZERO(), part[0]) : part[0]);
}

/* C (m, n) := A B + S where is_narrow(n, k); work: FM_GEMM_WORK values */
static void FN(gemm_narrow)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                            ptrdiff_t lda, const real *b, ptrdiff_t ldb, const real *s,
                            ptrdiff_t lds, int rectify, real *c, ptrdiff_t ldc,
                            real *work)
{
    const int is_column = n == 1 && ldb == 1;
    if (!is_column && m < 2 * ROWS) {
        for (ptrdiff_t i = 0; i < m; ++i)
            FN(row_times_columns)(n, k, a + i * lda, b, ldb, s ? s + i * lds : s, rectify,
                                  c + i * ldc);
        return;
    }
    if (!is_column)
        for (ptrdiff_t j = 0; j < n; ++j)
            for (ptrdiff_t p = 0; p < k; ++p) work[j * k + p] = b[p * ldb + j];
    FN(rows_times_columns)(m, n, k, a, lda, is_column ? b : work, s, lds, rectify, c, ldc);
}

/* C^T (n, m) := B^T A^T + s, or max(B^T A^T + s, 0), where is_narrow(n, k), for the rows
 * of A in m lanes, a multiple of LANES; a (k, m), s (n,), c (n, m) */
static void FN(narrow_of_lanes)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                                const real *b, const real *s, int rectify, real *c)
{
    const ptrdiff_t whole = k / LANES * LANES;
    for (ptrdiff_t j = 0; j < n; ++j, ++b, c += m)
        for (ptrdiff_t i = 0; i < m; i += LANES) {
            V part[LANES];
            UNROLL for (int r = 0; r < LANES; ++r) part[r] = V_ZERO();
            for (ptrdiff_t p = 0; p < whole; p += LANES)
                UNROLL for (int r = 0; r < LANES; ++r) part[r] =
                    V_FMA(V_LOAD(a + (p + r) * m + i), V_SET(b[(p + r) * n]), part[r]);
            if (whole < k)
                UNROLL for (int r = 0; r < LANES; ++r) part[r] =
                    whole + r < k ? V_FMA(V_LOAD(a + (whole + r) * m + i),
                                          V_SET(b[(whole + r) * n]), part[r])
                                  : V_ADD(part[r], V_ZERO());
            UNROLL for (int half = LANES / 2; half > 0; half /= 2)
                UNROLL for (int r = 0; r < half; ++r) part[r] =
                    V_ADD(part[r], part[r + half]);
            part[0] = V_ADD(part[0], V_SET(s[j]));
            V_STORE(c + i, rectify ? V_MAX(V_ZERO(), part[0]) : part[0]);
        }
}

/* C (m, n) := A B for rows of A of k values: some columns of C, in whole vectors */
static FM_ALWAYS_INLINE void FN(thin_columns)(int k, int vectors, ptrdiff_t m,
                                              const real *a, ptrdiff_t stride,
                                              const real *b, ptrdiff_t ldb, real *c,
                                              ptrdiff_t ldc)
{
    V right[THIN_K][4];
    UNROLL for (int p = 0; p < k; ++p) UNROLL for (int j = 0; j < vectors; ++j)
        right[p][j] = V_LOAD(b + p * ldb + j * LANES);
    for (ptrdiff_t i = 0; i < m; ++i, a += stride, c += ldc) {
        V sum[4];
        UNROLL for (int j = 0; j < vectors; ++j) sum[j] = V_ZERO();
        UNROLL for (int p = 0; p < k; ++p)
        {
            const V left = V_SET(a[p]);
            UNROLL for (int j = 0; j < vectors; ++j) sum[j] =
                V_FMA(left, right[p][j], sum[j]);
        }
        UNROLL for (int j = 0; j < vectors; ++j) V_STORE(c + j * LANES, sum[j]);
    }
}

/* Whether a product is one for gemm_thin, which stores whole vectors */
static inline int FN(is_thin)(ptrdiff_t n, ptrdiff_t k)
{
    return n >= LANES && k > 0 && k <= THIN_K;
}

/* C (m, n) := A B where is_thin(n, k); the last columns may be formed twice */
static FM_NOINLINE void FN(gemm_thin)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                      const real *a, ptrdiff_t stride, const real *b,
                                      ptrdiff_t ldb, real *c, ptrdiff_t ldc)
{
    const ptrdiff_t most = k <= 2 ? 4 : k == 3 ? 3 : 2; /* vectors, for 16 registers */
    const ptrdiff_t vectors = n >= most * LANES ? most : 1, width = vectors * LANES;
    for (ptrdiff_t j = 0; j < n; j += width) {
        if (n - j < width) j = n - width;
#define THIN(depth, v)                                                                 \
    case 8 * depth + v:                                                                \
        FN(thin_columns)(depth, v, m, a, stride, b + j, ldb, c + j, ldc);              \
        break;
        switch (8 * k + vectors) {
            THIN(1, 4) THIN(2, 4) THIN(3, 3) THIN(4, 2)
            THIN(1, 1) THIN(2, 1) THIN(3, 1) THIN(4, 1)
        }
#undef THIN
    }
}
#undef NARROW_K
#undef ROWS
#undef THIN_K

#endif
