#if FM_HAS_GEMM

/* Products with a single column, sums over k of LANES parts that are halved until one is
 * left: in the same order for every row, whether it is alone or in a lane. */

static inline real FN(vector_sum)(V x)
{
    real lanes[LANES];
    V_STORE(lanes, x);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    return lanes[0];
}

/* c (m,) := A b + s, or max(A b + s, 0), for contiguous rows of A: vectors run over k */
static FM_NOINLINE void FN(matrix_times_column)(ptrdiff_t m, ptrdiff_t k, const real *a,
                                                ptrdiff_t lda, const real *b,
                                                const real *s, ptrdiff_t lds,
                                                int rectify, real *c, ptrdiff_t ldc)
{
    const ptrdiff_t whole = k / LANES * LANES;
    for (ptrdiff_t i = 0; i < m; i += 8) {
        const ptrdiff_t rows = m - i < 8 ? m - i : 8;
        V sum[8];
        const real *row[8];
        UNROLL for (int r = 0; r < 8; ++r)
        {
            row[r] = a + (i + (r < rows ? r : 0)) * lda;
            sum[r] = V_ZERO();
        }
        for (ptrdiff_t p = 0; p < whole; p += LANES) {
            const V right = V_LOAD(b + p);
            UNROLL for (int r = 0; r < 8; ++r)
                sum[r] = V_FMA(V_LOAD(row[r] + p), right, sum[r]);
        }
        if (whole < k) {
            const V right = V_LOAD_FIRST(b + whole, k - whole);
            UNROLL for (int r = 0; r < 8; ++r)
                sum[r] = V_FMA(V_LOAD_FIRST(row[r] + whole, k - whole), right, sum[r]);
        }
        for (int r = 0; r < rows; ++r)
            c[(i + r) * ldc] = FN(vector_sum)(sum[r]) + (s ? s[(i + r) * lds] : 0);
        if (rectify)
            for (int r = 0; r < rows; ++r)
                c[(i + r) * ldc] = FN(relu_)(c[(i + r) * ldc]);
    }
}

/* The same for the rows of A in n lanes, a multiple of LANES; a (k, n), c (n,) */
static void FN(lanes_times_column)(ptrdiff_t n, ptrdiff_t k, const real *a, const real *b,
                                   real s, int rectify, real *c)
{
    const ptrdiff_t whole = k / LANES * LANES;
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        V part[LANES];
        UNROLL for (int r = 0; r < LANES; ++r) part[r] = V_ZERO();
        for (ptrdiff_t p = 0; p < whole; p += LANES)
            UNROLL for (int r = 0; r < LANES; ++r) part[r] =
                V_FMA(V_LOAD(a + (p + r) * n + i), V_SET(b[p + r]), part[r]);
        if (whole < k)
            UNROLL for (int r = 0; r < LANES; ++r) part[r] =
                whole + r < k ? V_FMA(V_LOAD(a + (whole + r) * n + i),
                                      V_SET(b[whole + r]), part[r])
                              : V_ADD(part[r], V_ZERO()); /* as of zeros: -0 + 0 = 0 */
        UNROLL for (int half = LANES / 2; half > 0; half /= 2)
            UNROLL for (int r = 0; r < half; ++r) part[r] =
                V_ADD(part[r], part[r + half]);
        V_STORE(c + i, V_ADD(part[0], V_SET(s)));
    }
    if (rectify)
        for (ptrdiff_t i = 0; i < n; ++i) c[i] = FN(relu_)(c[i]);
}

#endif
