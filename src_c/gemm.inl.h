#if FM_HAS_GEMM

/* Dense products C := A B + S, row-major; S is a bias, or C itself to accumulate.
 *
 * a) One outer-product tile serves all products of the network: it broadcasts entries of
 *    A, addressed by a row and a column stride, against contiguous rows of B.  A
 *    transposed A is only other strides; a transposed B is gathered panel by panel.
 * b) The loops over a tile are unrolled early, so that the sums stay in registers, and
 *    rows of A are addressed from one pointer for three of them: x86 adds 0, 1 or 2
 *    strides within the load.  More pointers spill (60 % of the speed, measured).
 * c) Every entry of C is summed over k in one order, whatever the number of rows of A
 *    and wherever its row stands: even blocks of at most BLOCK_K, each from first to
 *    last (single columns: vectors over k).  So a row alone gives the bits it gives
 *    among others.
 * d) Where B does not fit L2 beside the rest, blocks of it are packed into panels and A
 *    is packed tile by tile (Goto and van de Geijn 2008).
 * e) AVX2 has 16 registers and takes tiles of 6 rows, AVX-512 has 32 and takes 12.
 */

#define BLOCK_K FM_GEMM_BLOCK_K
#define BLOCK_N FM_GEMM_BLOCK_N
#define PACK_ROWS 192     /* rows of A that pay for packing a block of B */
#define PACK_BYTES 262144 /* size of the rows of B from which it pays */
#define PANEL (2 * LANES)

#define UNROLL_ROWS _Pragma("GCC unroll 12")
#define UNROLL_COLUMNS _Pragma("GCC unroll 4")

/* C (rows, vectors) := A B + S; `last` masks the last vector */
static FM_ALWAYS_INLINE void FN(tile)(int rows, int vectors, ptrdiff_t k, const real *a,
                                      ptrdiff_t row_stride, ptrdiff_t k_stride,
                                      const real *b, ptrdiff_t ldb, const real *s,
                                      ptrdiff_t lds, real *c, ptrdiff_t ldc,
                                      V_MASK last)
{
    V sum[12][4];
    const real *base[4];
    UNROLL_ROWS for (int i = 0; i < rows; ++i)
        UNROLL_COLUMNS for (int j = 0; j < vectors; ++j) sum[i][j] = V_ZERO();
    UNROLL_ROWS for (int i = 0; i < (rows + 2) / 3; ++i) base[i] = a + 3 * i * row_stride;
    for (ptrdiff_t p = 0; p < k; ++p, b += ldb) {
        V right[4];
        UNROLL_COLUMNS for (int j = 0; j < vectors; ++j)
            right[j] = j == vectors - 1 ? V_LOAD_MASK(b + j * LANES, last)
                                        : V_LOAD(b + j * LANES);
        UNROLL_ROWS for (int i = 0; i < rows; ++i) {
            V left = V_SET(base[i / 3][(i % 3) * row_stride]);
            UNROLL_COLUMNS for (int j = 0; j < vectors; ++j)
                sum[i][j] = V_FMA(left, right[j], sum[i][j]);
        }
        UNROLL_ROWS for (int i = 0; i < (rows + 2) / 3; ++i) base[i] += k_stride;
    }
    UNROLL_ROWS for (int i = 0; i < rows; ++i)
        UNROLL_COLUMNS for (int j = 0; j < vectors; ++j) {
            const V_MASK mask = j == vectors - 1 ? last : V_MASK_ALL;
            V value = sum[i][j];
            if (s) value = V_ADD(value, V_LOAD_MASK(s + i * lds + j * LANES, mask));
            V_STORE_MASK(c + i * ldc + j * LANES, mask, value);
        }
}

/* One panel of columns, by tiles from many rows at a time to one */
static FM_ALWAYS_INLINE void FN(panel)(int vectors, ptrdiff_t m, ptrdiff_t k,
                                       const real *a, ptrdiff_t row_stride,
                                       ptrdiff_t k_stride, const real *b, ptrdiff_t ldb,
                                       const real *s, ptrdiff_t lds, real *c,
                                       ptrdiff_t ldc, V_MASK last)
{
    ptrdiff_t i = 0;
#define TILES(rows)                                                                    \
    for (; i + rows <= m; i += rows)                                                   \
        FN(tile)(rows, vectors, k, a + i * row_stride, row_stride, k_stride, b, ldb,   \
                 s ? s + i * lds : s, lds, c + i * ldc, ldc, last);
    TILES(TILE_ROWS)
#if TILE_ROWS > 8
    TILES(8)
#endif
    TILES(4)
    TILES(2)
    TILES(1)
#undef TILES
}

/* The same for any width up to PANEL */
static FM_NOINLINE void FN(any_panel)(ptrdiff_t width, ptrdiff_t m, ptrdiff_t k,
                                      const real *a, ptrdiff_t row_stride,
                                      ptrdiff_t k_stride, const real *b, ptrdiff_t ldb,
                                      const real *s, ptrdiff_t lds, real *c,
                                      ptrdiff_t ldc)
{
    if (width > LANES)
        FN(panel)(2, m, k, a, row_stride, k_stride, b, ldb, s, lds, c, ldc,
                  V_MASK_OF(width - LANES));
    else
        FN(panel)(1, m, k, a, row_stride, k_stride, b, ldb, s, lds, c, ldc,
                  V_MASK_OF(width));
}

/* c (n,) := a B + s for a single row: several vectors hide the latency of the sums */
static FM_NOINLINE void FN(row_times_matrix)(ptrdiff_t n, ptrdiff_t k, const real *a,
                                             ptrdiff_t k_stride, const real *b,
                                             ptrdiff_t ldb, const real *s, real *c)
{
    ptrdiff_t j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES)
        FN(tile)(1, 4, k, a, 0, k_stride, b + j, ldb, s ? s + j : s, 0, c + j, 0,
                 V_MASK_ALL);
    for (; j + 2 * LANES <= n; j += 2 * LANES)
        FN(tile)(1, 2, k, a, 0, k_stride, b + j, ldb, s ? s + j : s, 0, c + j, 0,
                 V_MASK_ALL);
    for (; j < n; j += LANES)
        FN(tile)(1, 1, k, a, 0, k_stride, b + j, ldb, s ? s + j : s, 0, c + j, 0,
                 V_MASK_OF(n - j < LANES ? n - j : LANES));
}

static inline real FN(vector_sum)(V x)
{
    real lanes[LANES];
    V_STORE(lanes, x);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    return lanes[0];
}

/* c (m,) := A b + s for a single column and contiguous rows of A: vectors run over k, and
 * every row is summed in the same order */
static FM_NOINLINE void FN(matrix_times_column)(ptrdiff_t m, ptrdiff_t k, const real *a,
                                                ptrdiff_t lda, const real *b,
                                                const real *s, ptrdiff_t lds, real *c,
                                                ptrdiff_t ldc)
{
    const ptrdiff_t whole = k / LANES * LANES;
    const V_MASK rest = V_MASK_OF(k - whole);
    for (ptrdiff_t i = 0; i < m; i += 4) {
        const ptrdiff_t rows = m - i < 4 ? m - i : 4;
        V sum[4];
        const real *row[4];
        for (int r = 0; r < 4; ++r) {
            row[r] = a + (i + (r < rows ? r : 0)) * lda;
            sum[r] = V_ZERO();
        }
        for (ptrdiff_t p = 0; p < whole; p += LANES) {
            const V right = V_LOAD(b + p);
            UNROLL_COLUMNS for (int r = 0; r < 4; ++r)
                sum[r] = V_FMA(V_LOAD(row[r] + p), right, sum[r]);
        }
        if (whole < k) {
            const V right = V_LOAD_MASK(b + whole, rest);
            UNROLL_COLUMNS for (int r = 0; r < 4; ++r)
                sum[r] = V_FMA(V_LOAD_MASK(row[r] + whole, rest), right, sum[r]);
        }
        for (int r = 0; r < rows; ++r)
            c[(i + r) * ldc] = FN(vector_sum)(sum[r]) + (s ? s[(i + r) * lds] : 0);
    }
}

/* out (k, width) := a panel whose entry (p, q) stands at x + p k_stride + q stride; one
 * of the strides is 1 */
static FM_NOINLINE void FN(pack)(ptrdiff_t k, ptrdiff_t width, const real *x,
                                 ptrdiff_t k_stride, ptrdiff_t stride,
                                 real *restrict out)
{
    const ptrdiff_t squares = stride == 1 ? 0 : width / SQUARE * SQUARE;
    const ptrdiff_t depth = k / SQUARE * SQUARE;
    if (stride == 1) {
        for (ptrdiff_t p = 0; p < k; ++p)
            memcpy(out + p * width, x + p * k_stride, (size_t)width * sizeof(real));
        return;
    }
    for (ptrdiff_t q = 0; q < squares; q += SQUARE) {
        for (ptrdiff_t p = 0; p < depth; p += SQUARE)
            FN(transpose_square)(x + p + q * stride, stride, out + p * width + q, width);
        for (ptrdiff_t p = depth; p < k; ++p)
            for (ptrdiff_t i = q; i < q + SQUARE; ++i)
                out[p * width + i] = x[p + i * stride];
    }
    for (ptrdiff_t q = squares; q < width; ++q)
        for (ptrdiff_t p = 0; p < k; ++p) out[p * width + q] = x[p + q * stride];
}

/* C (m, n) := A B + S over one block of k, B in panels at `panels`: A is copied tile by
 * tile, since its rows may stand a multiple of 4096 bytes apart */
static void FN(packed_block)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                             ptrdiff_t row_stride, ptrdiff_t k_stride,
                             const real *panels, real *restrict left, const real *s,
                             ptrdiff_t lds, real *c, ptrdiff_t ldc)
{
    for (ptrdiff_t i = 0; i < m; i += TILE_ROWS) {
        const ptrdiff_t rows = m - i < TILE_ROWS ? m - i : TILE_ROWS;
        FN(pack)(k, rows, a + i * row_stride, k_stride, row_stride, left);
        for (ptrdiff_t j = 0; j < n; j += PANEL) {
            const ptrdiff_t width = n - j < PANEL ? n - j : PANEL;
            FN(any_panel)(width, rows, k, left, 1, rows, panels + j * k, width,
                          s ? s + i * lds + j : s, lds, c + i * ldc + j, ldc);
        }
    }
}

/* C (m, n) := A B + S; see table.inl.h */
static void FN(gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                     ptrdiff_t row_stride, ptrdiff_t k_stride, const real *b,
                     ptrdiff_t b_k_stride, ptrdiff_t b_stride, const real *s,
                     ptrdiff_t lds, real *c, ptrdiff_t ldc, real *work)
{
    const ptrdiff_t n_blocks = k > BLOCK_K ? (k + BLOCK_K - 1) / BLOCK_K : 1;
    const ptrdiff_t block = (k + n_blocks - 1) / n_blocks;
    if (n == 1 && k_stride == 1 && b_k_stride == 1) {
        FN(matrix_times_column)(m, k, a, row_stride, b, s, lds, c, ldc);
        return;
    }
    if (n == 1 && row_stride == 1 && ldc == 1 && (!s || lds == 1)) {
        FN(row_times_matrix)(m, k, b, b_k_stride, a, k_stride, s, c);
        return;
    }
    for (ptrdiff_t i_block = 0; i_block < n_blocks; ++i_block, s = c, lds = ldc) {
        const ptrdiff_t start = i_block * block;
        const ptrdiff_t depth = k - start < block ? k - start : block;
        const int is_large =
            m >= PACK_ROWS && (size_t)(depth * n) * sizeof(real) > PACK_BYTES;
        const real *left = a + start * k_stride;
        for (ptrdiff_t first = 0; first < n; first += BLOCK_N) {
            const ptrdiff_t columns = n - first < BLOCK_N ? n - first : BLOCK_N;
            const real *right = b + start * b_k_stride + first * b_stride;
            const real *initial = s ? s + first : s;
            if (m == 1 && b_stride == 1) {
                FN(row_times_matrix)(columns, depth, left, k_stride, right, b_k_stride,
                                     initial, c + first);
                continue;
            }
            for (ptrdiff_t j = 0; j < columns; j += PANEL) {
                const ptrdiff_t width = columns - j < PANEL ? columns - j : PANEL;
                const int is_packed = is_large || b_stride != 1;
                const real *panel = right + j * b_stride;
                real *copy = is_large ? work + j * depth : work;
                if (is_packed)
                    FN(pack)(depth, width, panel, b_k_stride, b_stride, copy);
                if (!is_large)
                    FN(any_panel)(width, m, depth, left, row_stride, k_stride,
                                  is_packed ? copy : panel,
                                  is_packed ? width : b_k_stride,
                                  s ? initial + j : s, lds, c + first + j, ldc);
            }
            if (is_large)
                FN(packed_block)(m, columns, depth, left, row_stride, k_stride, work,
                                 work + BLOCK_K * BLOCK_N, initial, lds, c + first, ldc);
        }
    }
}
#undef PANEL
#undef BLOCK_K
#undef BLOCK_N
#undef PACK_ROWS
#undef PACK_BYTES
#undef UNROLL_ROWS
#undef UNROLL_COLUMNS

#endif
