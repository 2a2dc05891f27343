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
#define ROWS 8        /* whose sums with a column are formed together */
#if defined(__AVX2__) && !defined(__AVX512F__)
#define PAIR_ROWS 4 /* the same with two columns: 16 registers */
#else
#define PAIR_ROWS ROWS
#endif
#define THIN_K 4 /* the deepest product of b) */

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

/* out := the vector_sum of ROWS vectors.  Two vectors become one that holds the halves of
 * both: of each a half stays where it is, and the other comes to it by a shuffle, one for
 * both (x86 has a single unit for these). */
#if defined(__AVX512F__) && FM_DOUBLE
static FM_ALWAYS_INLINE V FN(halves)(int staying, V a, V b, __m512i moving)
{
    return V_ADD(OP(mask_blend)((__mmask8)staying, a, b), OP(permutex2var)(a, moving, b));
}
static FM_ALWAYS_INLINE void FN(vector_sums)(const V *x, real *out)
{
    const __m512i fours = _mm512_setr_epi64(4, 5, 6, 7, 8, 9, 10, 11);
    const __m512i twos = _mm512_setr_epi64(2, 3, 8, 9, 6, 7, 12, 13);
    const __m512i ones = _mm512_setr_epi64(1, 8, 3, 10, 5, 12, 7, 14);
    V four[ROWS / 2], two[ROWS / 4];
    UNROLL for (int i = 0; i < ROWS / 2; ++i) four[i] =
        FN(halves)(0xf0, x[i], x[i + ROWS / 2], fours);
    UNROLL for (int i = 0; i < ROWS / 4; ++i) two[i] =
        FN(halves)(0xcc, four[i], four[i + ROWS / 4], twos);
    V_STORE(out, FN(halves)(0xaa, two[0], two[1], ones));
}
#elif defined(__AVX512F__)
static FM_ALWAYS_INLINE V FN(halves)(int staying, V a, V b, __m512i moving)
{
    return V_ADD(OP(mask_blend)((__mmask16)staying, a, b),
                 OP(permutex2var)(a, moving, b));
}
static FM_ALWAYS_INLINE void FN(vector_sums)(const V *x, real *out)
{
    const __m512i eights =
        _mm512_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23);
    const __m512i fours =
        _mm512_setr_epi32(4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 24, 25, 26, 27);
    const __m512i twos =
        _mm512_setr_epi32(2, 3, 16, 17, 6, 7, 20, 21, 10, 11, 24, 25, 14, 15, 28, 29);
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14);
    V eight[ROWS / 2], four[ROWS / 4], two;
    UNROLL for (int i = 0; i < ROWS / 2; ++i) eight[i] =
        FN(halves)(0xff00, x[i], x[i + ROWS / 2], eights);
    UNROLL for (int i = 0; i < ROWS / 4; ++i) four[i] =
        FN(halves)(0xf0f0, eight[i], eight[i + ROWS / 4], fours);
    two = FN(halves)(0xcccc, four[0], four[1], twos);
    two = V_ADD(two, _mm512_permute_ps(two, 0xb1));
    _mm256_storeu_ps(out, _mm512_castps512_ps256(_mm512_permutexvar_ps(even, two)));
}
#elif defined(__AVX2__) && FM_DOUBLE
static FM_ALWAYS_INLINE void FN(vector_sums)(const V *x, real *out)
{
    UNROLL for (int i = 0; i < ROWS; i += 4)
    {
        V two[2];
        UNROLL for (int j = 0; j < 2; ++j)
        {
            const V a = x[i + j], b = x[i + j + 2];
            two[j] = V_ADD(OP(blend)(a, b, 0xc), OP(permute2f128)(a, b, 0x21));
        }
        V_STORE(out + i, V_ADD(OP(blend)(two[0], two[1], 0xa),
                               OP(shuffle)(two[0], two[1], 0x5)));
    }
}
#elif defined(__AVX2__)
static FM_ALWAYS_INLINE void FN(vector_sums)(const V *x, real *out)
{
    V four[ROWS / 2], two[ROWS / 4];
    UNROLL for (int i = 0; i < ROWS / 2; ++i)
    {
        const V a = x[i], b = x[i + ROWS / 2];
        four[i] = V_ADD(OP(blend)(a, b, 0xf0), OP(permute2f128)(a, b, 0x21));
    }
    UNROLL for (int i = 0; i < ROWS / 4; ++i)
    {
        const V a = four[2 * i], b = four[2 * i + 1];
        two[i] = V_ADD(OP(blend)(a, b, 0xcc), OP(shuffle)(a, b, 0x4e));
    }
    V_STORE(out, V_ADD(OP(shuffle)(two[0], two[1], 0x88),
                       OP(shuffle)(two[0], two[1], 0xdd)));
}
#elif FM_DOUBLE
static FM_ALWAYS_INLINE void FN(vector_sums)(const V *x, real *out)
{
    UNROLL for (int i = 0; i < ROWS; i += 2) V_STORE(out + i, NEON(paddq)(x[i], x[i + 1]));
}
#else
static FM_ALWAYS_INLINE void FN(vector_sums)(const V *x, real *out)
{
    V two[ROWS / 2];
    UNROLL for (int i = 0; i < ROWS / 2; ++i)
    {
        const V a = x[2 * i], b = x[2 * i + 1];
        two[i] = V_ADD(vcombine_f32(vget_low_f32(a), vget_low_f32(b)),
                       vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
    }
    UNROLL for (int i = 0; i < ROWS / 4; ++i)
        V_STORE(out + 4 * i, NEON(paddq)(two[2 * i], two[2 * i + 1]));
}
#endif

/* C := sums + S, or max(sums + S, 0), for `columns` times `rows` sums, of which the rows
 * before `first` are left out */
static FM_ALWAYS_INLINE void FN(store_sums)(int rows, int columns, ptrdiff_t first,
                                            real *sums, const real *s, ptrdiff_t lds,
                                            int rectify, real *c, ptrdiff_t ldc)
{
    if (lds == 0 || !s) /* without S, 0 is added: -0 + 0 = 0, as of a single row */
        UNROLL for (int j = 0; j < columns; ++j)
        {
            const real start = s ? s[j] : 0;
            UNROLL for (int r = 0; r < rows; ++r) sums[j * rows + r] += start;
        }
    else
        for (ptrdiff_t r = first; r < rows; ++r)
            UNROLL for (int j = 0; j < columns; ++j) sums[j * rows + r] += s[r * lds + j];
    /* No branch on a sum: its sign cannot be foreseen */
    if (rectify)
        UNROLL for (int i = 0; i < rows * columns; ++i) sums[i] = FN(relu_)(sums[i]);
    if (first == 0 && columns == 1 && ldc == 1)
        memcpy(c, sums, rows * sizeof(real));
    else
        for (ptrdiff_t r = first; r < rows; ++r)
            UNROLL for (int j = 0; j < columns; ++j) c[r * ldc + j] = sums[j * rows + r];
}

/* Some rows of C := A B + S for some columns of B, one after the other in memory; the
 * rows before `first` are left out */
static FM_ALWAYS_INLINE void FN(narrow_tile)(int rows, int columns, ptrdiff_t first,
                                             ptrdiff_t k, const real *a, ptrdiff_t lda,
                                             const real *b, const real *s, ptrdiff_t lds,
                                             int rectify, real *c, ptrdiff_t ldc)
{
    const ptrdiff_t whole = k / LANES * LANES;
    const real *row[ROWS];
    V sum[2 * ROWS], right[2];
    real sums[2 * ROWS];
    UNROLL for (int r = 0; r < rows; ++r) row[r] = a + r * lda;
    UNROLL for (int i = 0; i < 2 * ROWS; ++i) sum[i] = V_ZERO();
#define STEP(load, p)                                                                  \
    UNROLL for (int j = 0; j < columns; ++j) right[j] = load(b + j * k + p);           \
    UNROLL for (int r = 0; r < rows; ++r)                                              \
    {                                                                                  \
        V left = load(row[r] + p);                                                     \
        if (columns > 1) V_IN_REGISTER(left);                                          \
        UNROLL for (int j = 0; j < columns; ++j) sum[j * rows + r] =                   \
            V_FMA(left, right[j], sum[j * rows + r]);                                  \
    }
    for (ptrdiff_t p = 0; p < whole; p += LANES) {
        STEP(V_LOAD, p)
    }
#define LOAD_REST(x) V_LOAD_FIRST(x, k - whole)
    if (whole < k) {
        STEP(LOAD_REST, whole)
    }
#undef LOAD_REST
#undef STEP
    UNROLL for (int i = 0; i < rows * columns; i += ROWS)
        FN(vector_sums)(sum + i, sums + i);
    FN(store_sums)(rows, columns, first, sums, s, lds, rectify, c, ldc);
}

/* C (m, n) := A B + S for the columns of B, one after the other in memory, and rows of A;
 * S and C row by row, their columns side by side; a single column if rows are few.  The
 * last tile may begin with rows of the one before, which it leaves out. */
static FM_NOINLINE void FN(rows_times_columns)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                               const real *a, ptrdiff_t lda,
                                               const real *columns, const real *s,
                                               ptrdiff_t lds, int rectify, real *c,
                                               ptrdiff_t ldc)
{
#define TILE(rows, width, i, j, first)                                                 \
    FN(narrow_tile)(rows, width, first, k, a + (i) * lda, lda, columns + (j) * k,      \
                    s ? s + (i) * lds + (j) : s, lds, rectify, c + (i) * ldc + (j), ldc)
    if (m < ROWS) {
        const ptrdiff_t fours = m / 4 * 4, twos = m / 2 * 2;
        if (fours > 0) TILE(4, 1, 0, 0, 0);
        if (twos > fours) TILE(2, 1, fours, 0, 0);
        if (m > twos) TILE(1, 1, twos, 0, 0);
        return;
    }
    for (ptrdiff_t done = 0; done < m; done += ROWS) {
        const ptrdiff_t i = done + ROWS <= m ? done : m - ROWS, first = done - i;
        ptrdiff_t j = 0;
        for (; j + 1 < n; j += 2)
            for (ptrdiff_t r = 0; r < ROWS; r += PAIR_ROWS)
                if (first < r + PAIR_ROWS)
                    TILE(PAIR_ROWS, 2, i + r, j, first > r ? first - r : 0);
        if (j < n) TILE(ROWS, 1, i, j, first);
    }
#undef TILE
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
    if (!is_column && (m < 2 * ROWS || n * k > FM_GEMM_WORK)) {
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

/* C (m, n) := A B for rows of A of k values: some columns of C, `last` of them in the
 * last vector */
static FM_ALWAYS_INLINE void FN(thin_columns)(int k, int vectors, ptrdiff_t m,
                                              const real *a, ptrdiff_t stride,
                                              const real *b, ptrdiff_t ldb, real *c,
                                              ptrdiff_t ldc, ptrdiff_t last)
{
    V right[THIN_K][8];
    UNROLL for (int p = 0; p < k; ++p) UNROLL for (int j = 0; j < vectors; ++j)
        right[p][j] = j < vectors - 1 ? V_LOAD(b + p * ldb + j * LANES)
                                      : V_LOAD_FIRST(b + p * ldb + j * LANES, last);
    for (ptrdiff_t i = 0; i < m; ++i, a += stride, c += ldc) {
        V sum[8];
        UNROLL for (int j = 0; j < vectors; ++j) sum[j] = V_ZERO();
        UNROLL for (int p = 0; p < k; ++p)
        {
            const V left = V_SET(a[p]);
            UNROLL for (int j = 0; j < vectors; ++j) sum[j] =
                V_FMA(left, right[p][j], sum[j]);
        }
        UNROLL for (int j = 0; j < vectors - 1; ++j) V_STORE(c + j * LANES, sum[j]);
        V_STORE_FIRST(c + (vectors - 1) * LANES, last, sum[vectors - 1]);
    }
}

/* Whether a product is one for gemm_thin */
static inline int FN(is_thin)(ptrdiff_t n, ptrdiff_t k)
{
    return n >= LANES && k > 0 && k <= THIN_K;
}

/* C (m, n) := A B where is_thin(n, k) */
static FM_NOINLINE void FN(gemm_thin)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                      const real *a, ptrdiff_t stride, const real *b,
                                      ptrdiff_t ldb, real *c, ptrdiff_t ldc)
{
    const ptrdiff_t most = k == 1 ? 8 : k == 2 ? 4 : k == 3 ? 3 : 2; /* 16 registers */
    while (n > 0) {
        const ptrdiff_t width = n < most * LANES ? n : most * LANES;
        const ptrdiff_t vectors = (width + LANES - 1) / LANES;
        const ptrdiff_t last = width - (vectors - 1) * LANES;
#define THIN(depth, v)                                                                 \
    case 8 * depth + v:                                                                \
        FN(thin_columns)(depth, v, m, a, stride, b, ldb, c, ldc, last);                \
        break;
        switch (8 * k + vectors) {
            THIN(1, 1) THIN(1, 2) THIN(1, 3) THIN(1, 4) THIN(1, 5) THIN(1, 6)
            THIN(1, 7) THIN(1, 8)
            THIN(2, 1) THIN(2, 2) THIN(2, 3) THIN(2, 4)
            THIN(3, 1) THIN(3, 2) THIN(3, 3)
            THIN(4, 1) THIN(4, 2)
        }
#undef THIN
        n -= width;
        b += width;
        c += width;
    }
}
#undef NARROW_K
#undef ROWS
#undef PAIR_ROWS
#undef THIN_K

#endif
