#if FM_HAS_GEMM

/* Products of little depth, as those that lead back from an output layer of few units:
 * the time is that of storing C.  A strip of B stays in registers, for as many rows of C
 * as the first cache holds. */

#define THIN_K 6 /* the deepest; of 16 lanes 5, beyond which a panel is sooner */
#define L1_VALUES (16384 / (ptrdiff_t)sizeof(real)) /* of C */

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
    return n >= LANES && k > 0 && k <= (LANES == 16 ? 5 : THIN_K);
}

/* C (m, n) := A B where is_thin(n, k) */
static FM_NOINLINE void FN(gemm_thin)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                      const real *a, ptrdiff_t stride, const real *b,
                                      ptrdiff_t ldb, real *c, ptrdiff_t ldc)
{
    const ptrdiff_t most = k == 1 ? 8 : k == 2 ? 4 : k == 3 ? 3 : 2; /* 16 registers */
    const ptrdiff_t block = L1_VALUES / ldc > 8 ? L1_VALUES / ldc : 8;
    for (ptrdiff_t i = 0; i < m; i += block) {
        const ptrdiff_t rows = m - i < block ? m - i : block;
        for (ptrdiff_t j = 0; j < n; j += most * LANES) {
            const ptrdiff_t width = n - j < most * LANES ? n - j : most * LANES;
            const ptrdiff_t vectors = (width + LANES - 1) / LANES;
            const ptrdiff_t last = width - (vectors - 1) * LANES;
#define THIN(depth, v)                                                                 \
    case 8 * depth + v:                                                                \
        FN(thin_columns)(depth, v, rows, a + i * stride, stride, b + j, ldb,           \
                         c + i * ldc + j, ldc, last);                                  \
        break;
            switch (8 * k + vectors) {
                THIN(1, 1) THIN(1, 2) THIN(1, 3) THIN(1, 4) THIN(1, 5) THIN(1, 6)
                THIN(1, 7) THIN(1, 8)
                THIN(2, 1) THIN(2, 2) THIN(2, 3) THIN(2, 4)
                THIN(3, 1) THIN(3, 2) THIN(3, 3)
                THIN(4, 1) THIN(4, 2)
                THIN(5, 1) THIN(5, 2)
                THIN(6, 1) THIN(6, 2)
            }
#undef THIN
        }
    }
}
#undef THIN_K
#undef L1_VALUES

#endif
