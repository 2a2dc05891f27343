#if FM_HAS_GEMM

/* Dense products C := A B + S, row-major; S is a bias, or C itself to accumulate; relu may
 * end the sums.
 *
 * a) One outer-product tile serves all products of the network: it broadcasts entries of
 *    A against contiguous rows of B.  A is row-major (one stride, `across` = 0) or
 *    transposed (`across` = 1, the rows of the tile stand side by side).  B is always
 *    row-major: the network keeps its transposed weights at hand.
 * b) The loops over a tile are unrolled early, so that the sums stay in registers, and
 *    three rows of A are addressed from one pointer: x86 adds 0, 1 or 2 strides within
 *    the load.  More pointers spill (60 % of the speed, measured).
 * c) Every entry of C is a chain of multiply-adds over k in one order, whatever the
 *    number of rows of A and the tile it falls into: even blocks of bounded depth, each
 *    from first to last (single columns: vectors over k).  So a row alone gives the bits
 *    it gives among others.
 * d) Rows are spread over tiles evenly (32 = 6 + 6 + 5 + 5 + 5 + 5), and an odd number of
 *    vectors takes a panel of three: a tile of few sums waits for the latency of each.
 * e) A panel of B is read once a tile: where its rows collide in L1, or do not fit it, it
 *    is copied first (Goto and van de Geijn 2008), and so are the rows of a transposed A.
 * f) What is read next is fetched one line at a time, spread evenly over the steps of all
 *    panels: a burst fills the core's few slots for lines under way, and the loads of the
 *    product wait behind it.  Where a step has more than a line, the rest is left to the
 *    processor.
 */

#define BLOCK_K FM_GEMM_BLOCK_K
#define BLOCK_K_ACROSS 192 /* a line of A and one of B for each k stay in L1 together */
#define BLOCK_M FM_GEMM_BLOCK_M
#define BLOCK_N FM_GEMM_BLOCK_N
#define PACK_ROWS 12             /* rows of A that pay for a copy of a panel of B */
#define PACK_COLUMNS (6 * LANES) /* columns of B that pay for a copy of A */
#define L1_BYTES 32768
#define LINE_BYTES 64

#define UP_TO_8(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#if TILE_ROWS_2 > 8
#define TILE_SIZES(X) UP_TO_8(X) X(9) X(10) X(11) X(12)
#else
#define TILE_SIZES(X) UP_TO_8(X)
#endif

/* C (rows, vectors) := A B + S, or max(A B + S, 0); the last vector holds `last` values,
 * and may be read in full in the first `whole` rows of B; with `fetches` every step of k
 * asks for the line at `ahead` and moves it by `share` values */
static FM_ALWAYS_INLINE void FN(tile)(int rows, int vectors, int across, int fetches,
                                      ptrdiff_t k, ptrdiff_t whole, const real *a,
                                      ptrdiff_t stride, const real *b, ptrdiff_t ldb,
                                      const real *s, ptrdiff_t lds, int rectify,
                                      const real *ahead, ptrdiff_t share, real *c,
                                      ptrdiff_t ldc, ptrdiff_t last)
{
    V sum[12][8], right[8];
    const real *base[4];
    UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j)
    {
        sum[i][j] = !s ? V_ZERO()
                    : j < vectors - 1 || last == LANES
                        ? V_LOAD(s + i * lds + j * LANES)
                        : V_LOAD_FIRST(s + i * lds + j * LANES, last);
    }
    UNROLL for (int i = 0; i < rows; i += 3) base[i / 3] = a + i * (across ? 1 : stride);
#define STEP(last_vector)                                                              \
    UNROLL for (int j = 0; j < vectors; ++j) right[j] =                                \
        j < vectors - 1 ? V_LOAD(b + j * LANES) : last_vector;                         \
    UNROLL for (int i = 0; i < rows; ++i)                                              \
    {                                                                                  \
        const V left =                                                                 \
            V_SET(across ? base[0][i] : base[i / 3][(i % 3) * stride]);                \
        UNROLL for (int j = 0; j < vectors; ++j) sum[i][j] =                           \
            V_FMA(left, right[j], sum[i][j]);                                          \
    }                                                                                  \
    UNROLL for (int i = 0; i < rows; i += 3) base[i / 3] += across ? stride : 1;       \
    b += ldb;
    for (ptrdiff_t p = 0; p < whole; ++p) {
        if (fetches) {
            FM_PREFETCH_L2(ahead);
            ahead += share;
        }
        STEP(V_LOAD(b + j * LANES))
    }
    for (ptrdiff_t p = whole; p < k; ++p) {
        STEP(V_LOAD_FIRST(b + j * LANES, last))
    }
#undef STEP
    if (rectify)
        UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j)
            sum[i][j] = V_MAX(V_ZERO(), sum[i][j]);
    UNROLL for (int i = 0; i < rows; ++i)
    {
        real *end = c + i * ldc;
        UNROLL for (int j = 0; j < vectors - 1; ++j) V_STORE(end + j * LANES, sum[i][j]);
        V_STORE_FIRST(end + (vectors - 1) * LANES, last, sum[i][vectors - 1]);
    }
}

/* One panel of columns, tile by tile; packed tiles of A follow one another; one that
 * fetches asks for `n_runs` runs of k values from `ahead` on */
static FM_ALWAYS_INLINE void FN(panel)(int vectors, int most, int across, int fetches,
                                       ptrdiff_t packed, ptrdiff_t m, ptrdiff_t k,
                                       ptrdiff_t whole, const real *a, ptrdiff_t stride,
                                       const real *b, ptrdiff_t ldb, const real *s,
                                       ptrdiff_t lds, int rectify, const real *ahead,
                                       ptrdiff_t n_runs, real *c, ptrdiff_t ldc,
                                       ptrdiff_t last)
{
    for (ptrdiff_t n_tiles = (m + most - 1) / most; n_tiles > 0; --n_tiles) {
        const ptrdiff_t rows = (m + n_tiles - 1) / n_tiles;
        const ptrdiff_t share = fetches ? (n_runs + n_tiles - 1) / n_tiles : 0;
#define TILE(n)                                                                        \
    case n:                                                                            \
        if (n <= most)                                                                 \
            FN(tile)(n, vectors, across, fetches, k, whole, a, packed ? n : stride, b, \
                     ldb, s, lds, rectify, ahead, share, c, ldc, last);                \
        break;
        switch (rows) { TILE_SIZES(TILE) }
#undef TILE
        if (fetches) ahead += share * k;
        n_runs -= share;
        a += packed ? rows * k : rows * (across ? 1 : stride);
        if (s) s += rows * lds;
        c += rows * ldc;
        m -= rows;
    }
}

#define PANEL(name, vectors, across, fetches)                                          \
    static FM_NOINLINE void FN(name)(                                                  \
        ptrdiff_t packed, ptrdiff_t m, ptrdiff_t k, ptrdiff_t whole, const real *a,    \
        ptrdiff_t stride, const real *b, ptrdiff_t ldb, const real *s, ptrdiff_t lds,  \
        int rectify, const real *ahead, ptrdiff_t n_runs, real *c, ptrdiff_t ldc,      \
        ptrdiff_t last)                                                                \
    {                                                                                  \
        FN(panel)(vectors, TILE_ROWS_##vectors, across, fetches, packed, m, k, whole,  \
                  a, stride, b, ldb, s, lds, rectify, ahead, n_runs, c, ldc, last);    \
    }
PANEL(panel_1, 1, 0, 0)
PANEL(panel_2, 2, 0, 0)
PANEL(panel_3, 3, 0, 0)
PANEL(panel_1_across, 1, 1, 0)
PANEL(panel_2_across, 2, 1, 0)
PANEL(panel_3_across, 3, 1, 0)
PANEL(panel_1_ahead, 1, 0, 1)
PANEL(panel_2_ahead, 2, 0, 1)
PANEL(panel_3_ahead, 3, 0, 1)
PANEL(panel_1_across_ahead, 1, 1, 1)
PANEL(panel_2_across_ahead, 2, 1, 1)
PANEL(panel_3_across_ahead, 3, 1, 1)
#undef PANEL

/* How many rows of B, from the first, may be read in whole vectors: those that end
 * before the last value of B does; n columns from b on, `width` of them in the panel */
static inline ptrdiff_t FN(whole_rows)(ptrdiff_t k, ptrdiff_t n, ptrdiff_t ldb,
                                       ptrdiff_t width)
{
    const ptrdiff_t excess = (width + LANES - 1) / LANES * LANES - n;
    const ptrdiff_t rows = excess <= 0 ? k : k - (excess + ldb - 1) / ldb;
    return rows > 0 ? rows : 0;
}

/* c (n,) := a B + s for a single row: several vectors hide the latency of the sums */
static FM_NOINLINE void FN(row_times_matrix)(ptrdiff_t n, ptrdiff_t k, const real *a,
                                             ptrdiff_t stride, const real *b,
                                             ptrdiff_t ldb, const real *s, int rectify,
                                             real *c)
{
    for (ptrdiff_t left = (n + LANES - 1) / LANES; left > 0;) {
        const ptrdiff_t n_passes = (left + 7) / 8;
        const ptrdiff_t vectors = (left + n_passes - 1) / n_passes;
        const ptrdiff_t width = vectors * LANES < n ? vectors * LANES : n;
        const ptrdiff_t whole = FN(whole_rows)(k, n, ldb, width);
        const ptrdiff_t last = width - (vectors - 1) * LANES;
#define TILE(v)                                                                        \
    case v:                                                                            \
        FN(tile)(1, v, 1, 0, k, whole, a, stride, b, ldb, s, 0, rectify, NULL, 0, c,   \
                 0, last);                                                             \
        break;
        switch (vectors) { UP_TO_8(TILE) }
#undef TILE
        left -= vectors;
        n -= width;
        b += width;
        if (s) s += width;
        c += width;
    }
}

/* Vectors of the next panel of columns: two, but three of an odd number */
static inline ptrdiff_t FN(panel_vectors)(ptrdiff_t n)
{
    const ptrdiff_t vectors = (n + LANES - 1) / LANES;
    return vectors == 1 ? 1 : 2 + vectors % 2;
}

/* How many panels n columns take */
static inline ptrdiff_t FN(panels)(ptrdiff_t n)
{
    return n <= LANES ? 1 : (n + LANES - 1) / LANES / 2;
}

/* out := the panels of B, (k, vectors LANES) each, in whole vectors; row by row, as B is
 * read from memory */
static FM_NOINLINE void FN(pack_panels)(ptrdiff_t k, ptrdiff_t n, const real *b,
                                        ptrdiff_t ldb, real *restrict out)
{
    for (ptrdiff_t p = 0; p < k; ++p) {
        const real *from = b + p * ldb;
        real *panel = out;
        for (ptrdiff_t left = n; left > 0;) {
            const ptrdiff_t vectors = FN(panel_vectors)(left);
            real *to = panel + p * vectors * LANES;
            panel += k * vectors * LANES;
            for (ptrdiff_t j = 0; j < vectors; ++j, left -= LANES, from += LANES)
                V_STORE(to + j * LANES,
                        left >= LANES ? V_LOAD(from) : V_LOAD_FIRST(from, left));
        }
    }
}

/* out := the tiles of a transposed A, (k, rows) each; tiles as FN(panel) takes them */
static FM_NOINLINE void FN(pack_rows)(ptrdiff_t m, ptrdiff_t most, ptrdiff_t k,
                                      const real *a, ptrdiff_t stride,
                                      real *restrict out)
{
    for (ptrdiff_t n_tiles = (m + most - 1) / most; n_tiles > 0; --n_tiles) {
        const ptrdiff_t rows = (m + n_tiles - 1) / n_tiles;
#define PACK(n)                                                                        \
    case n:                                                                            \
        for (ptrdiff_t p = 0; p < k; ++p)                                              \
            memcpy(out + p * n, a + p * stride, n * sizeof(real));                     \
        break;
        switch (rows) { TILE_SIZES(PACK) }
#undef PACK
        out += rows * k;
        a += rows;
        m -= rows;
    }
}

/* Whether k rows of a panel, `ld` values apart, crowd each other out of L1: rows a
 * multiple of a power of two apart share its sets; or touch too many pages */
static inline int FN(is_crowded)(ptrdiff_t k, ptrdiff_t ld)
{
    const size_t distance = (size_t)ld * sizeof(real);
    const size_t power = distance & (~distance + 1);
    const size_t room = L1_BYTES / (power > LINE_BYTES ? power / LINE_BYTES : 1);
    return (size_t)k * LINE_BYTES * 2 > room || (distance >= 2048 && k > 64);
}

/* C := A B + S for one block of rows, columns and k; `panels` are those of B, or NULL */
static void FN(gemm_rows)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                          ptrdiff_t stride, int across, const real *b, ptrdiff_t ldb,
                          const real *panels, const real *s, ptrdiff_t lds,
                          int rectify, const real *ahead, real *c, ptrdiff_t ldc,
                          real *left)
{
    const int packs_a = across && n >= PACK_COLUMNS && FN(is_crowded)(k, stride);
    ptrdiff_t packed_for = 0; /* vectors of the panel whose tiles `left` holds */
    ptrdiff_t runs_left = across ? n : m; /* of k values to be fetched */
    while (n > 0) {
        const ptrdiff_t vectors = FN(panel_vectors)(n);
        const ptrdiff_t n_panels = FN(panels)(n);
        const ptrdiff_t n_runs = (runs_left + n_panels - 1) / n_panels;
        const ptrdiff_t width = vectors * LANES < n ? vectors * LANES : n;
        const ptrdiff_t last = width - (vectors - 1) * LANES;
        const ptrdiff_t whole = panels ? k : FN(whole_rows)(k, n, ldb, width);
        if (packs_a && packed_for != vectors) {
            const ptrdiff_t most = vectors == 3   ? TILE_ROWS_3
                                   : vectors == 2 ? TILE_ROWS_2
                                                  : TILE_ROWS_1;
            FN(pack_rows)(m, most, k, a, stride, left);
            packed_for = vectors;
        }
#define CALL(v, mode)                                                                  \
    FN(panel_##v##mode)(packs_a, m, k, whole, packs_a ? left : a, stride,              \
                        panels ? panels : b, panels ? vectors * LANES : ldb, s, lds,   \
                        rectify, ahead, n_runs, c, ldc, last)
#define CALL_FOR(mode)                                                                 \
    switch (vectors) {                                                                 \
    case 1: CALL(1, mode); break;                                                      \
    case 2: CALL(2, mode); break;                                                      \
    default: CALL(3, mode);                                                            \
    }
        if (across && ahead) {
            CALL_FOR(_across_ahead)
        } else if (across) {
            CALL_FOR(_across)
        } else if (ahead) {
            CALL_FOR(_ahead)
        } else {
            CALL_FOR()
        }
#undef CALL_FOR
#undef CALL
        if (ahead) ahead += n_runs * k;
        runs_left -= n_runs;
        n -= width;
        b += width;
        if (panels) panels += k * vectors * LANES;
        if (s) s += width;
        c += width;
    }
}

/* C := A B + S for one block of k */
static void FN(gemm_block)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                           ptrdiff_t stride, int across, const real *b, ptrdiff_t ldb,
                           const real *s, ptrdiff_t lds, int rectify,
                           const real *ahead, real *c, ptrdiff_t ldc, real *work)
{
    const int packs_b = m >= PACK_ROWS && FN(is_crowded)(k, ldb);
    for (ptrdiff_t j = 0; j < n; j += BLOCK_N) {
        const ptrdiff_t columns = n - j < BLOCK_N ? n - j : BLOCK_N;
        if (packs_b) FN(pack_panels)(k, columns, b + j, ldb, work);
        for (ptrdiff_t i = 0; i < m; i += BLOCK_M) {
            const int fetches = ahead && (across ? i : j) == 0;
            FN(gemm_rows)(m - i < BLOCK_M ? m - i : BLOCK_M, columns, k,
                          a + i * (across ? 1 : stride), stride, across, b + j, ldb,
                          packs_b ? work : NULL, s ? s + i * lds + j : s, lds, rectify,
                          fetches ? ahead + (i + j) * k : NULL, c + i * ldc + j, ldc,
                          work + BLOCK_K * BLOCK_N);
        }
    }
}

static inline ptrdiff_t FN(padded)(ptrdiff_t n) { return (n + LANES - 1) / LANES * LANES; }

/* Whether C^T = B^T A^T wastes fewer lanes than C = A B by a tenth */
static inline int FN(is_better_transposed)(ptrdiff_t m, ptrdiff_t n)
{
    return n <= FM_GEMM_NARROW && 10 * FN(padded)(m) * n < 9 * m * FN(padded)(n);
}

/* C (m, n) := A B for a transposed A and few columns, as C^T := B^T A^T, which has the
 * same sums */
static void FN(gemm_narrow)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t block,
                            const real *a, ptrdiff_t stride, const real *b,
                            ptrdiff_t ldb, real *c, ptrdiff_t ldc, real *work)
{
    real *result = work + BLOCK_K * (BLOCK_M + BLOCK_N); /* (n, NARROW_ROWS) */
    for (ptrdiff_t i = 0; i < m; i += FM_GEMM_NARROW_ROWS) {
        const ptrdiff_t rows = m - i < FM_GEMM_NARROW_ROWS ? m - i : FM_GEMM_NARROW_ROWS;
        const real *s = NULL;
        for (ptrdiff_t start = 0; start < k; start += block, s = result)
            FN(gemm_block)(n, rows, k - start < block ? k - start : block,
                           b + start * ldb, ldb, 1, a + i + start * stride, stride, s,
                           FM_GEMM_NARROW_ROWS, 0, NULL, result, FM_GEMM_NARROW_ROWS,
                           work);
        FN(transpose)(result, FM_GEMM_NARROW_ROWS, c + i * ldc, ldc, n, rows);
    }
}

/* C (m, n) := A B + S, or max(A B + S, 0); see table.inl.h */
static void FN(gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                     ptrdiff_t row_stride, ptrdiff_t k_stride, const real *b,
                     ptrdiff_t ldb, const real *s, ptrdiff_t lds, int rectify,
                     const real *ahead, real *c, ptrdiff_t ldc, real *work)
{
    const int across = k_stride != 1;
    const ptrdiff_t deepest = across ? BLOCK_K_ACROSS : BLOCK_K;
    const ptrdiff_t n_blocks = k > deepest ? (k + deepest - 1) / deepest : 1;
    const ptrdiff_t block = k > 0 ? (k + n_blocks - 1) / n_blocks : 1;
    if (n == 1 && !across && ldb == 1) {
        FN(matrix_times_column)(m, k, a, row_stride, b, s, lds, rectify, c, ldc);
        return;
    }
    if (n == 1 && row_stride == 1 && ldc == 1 && (!s || lds == 1)) {
        FN(row_times_matrix)(m, k, b, ldb, a, k_stride, s, rectify, c);
        return;
    }
    if (across && !s && !rectify && k > 0 && FN(is_better_transposed)(m, n)) {
        FN(gemm_narrow)(m, n, k, block, a, k_stride, b, ldb, c, ldc, work);
        return;
    }
    for (ptrdiff_t start = 0; start < k || start == 0; start += block, s = c, lds = ldc) {
        const ptrdiff_t depth = k - start < block ? k - start : block;
        const real *left = a + start * k_stride;
        const real *right = b + start * ldb;
        const real *next = ahead ? ahead + start * (across ? n : m) : NULL;
        const int is_last = start + depth >= k;
        if (m == 1) {
            FN(row_times_matrix)(n, depth, left, k_stride, right, ldb, s,
                                 rectify && is_last, c);
            continue;
        }
        FN(gemm_block)(m, n, depth, left, across ? k_stride : row_stride, across, right,
                       ldb, s, lds, rectify && is_last, next, c, ldc, work);
    }
}
#undef BLOCK_K
#undef BLOCK_K_ACROSS
#undef BLOCK_M
#undef BLOCK_N
#undef PACK_ROWS
#undef L1_BYTES
#undef LINE_BYTES
#undef TILE_SIZES
#undef UP_TO_8
#undef PACK_COLUMNS

#endif
