#if FM_HAS_GEMM

/* Dense products C := A B + S, row-major; S is a bias, or C itself to accumulate; relu may
 * end the sums.
 *
 * a) One outer-product tile serves all products of the network: it broadcasts entries of
 *    A against contiguous rows of B.  A is row-major (one stride, `across` = 0) or
 *    transposed (`across` = 1, the rows of the tile are side by side).  B is always
 *    row-major: the network keeps its transposed weights at hand.
 * b) Every entry of C is a chain of multiply-adds over k in one order, whatever the
 *    number of rows of A and the tile it falls into: even blocks of bounded depth, each
 *    from first to last (few columns: narrow.inl.h).  So a row alone gives the bits it
 *    gives among others.
 * c) Rows are spread over tiles evenly (32 = 6 + 6 + 5 + 5 + 5 + 5), and no panel has a
 *    vector alone but of a single one: a tile of few sums waits for the latency of each.
 *    AVX-512 has room for panels of four, whose 6 rows take 10 loads for 24 multiply-adds
 *    where 12 rows of two take 14.  With AVX2, 4 rows of three (four_steps.inl.h)
 *    take 7 for 12, 6 rows of two 8.
 * d) A panel of B is read once a tile: with FM_PACKS, where its rows collide in a cache or
 *    their vectors cross lines, it is copied first (Goto and van de Geijn 2008), and with
 *    FM_PACKS_ACROSS so are the rows of a transposed A.  Few rows of A do not pay for a
 *    copy: then blocks of k are shorter where the rows of B collide in L2.
 * e) The next panel of a large B, which may be far away, is fetched beside the sums: its
 *    short rows are not what a processor foresees.  Or the next rows are fetched, or moved
 *    into lanes (tiles.inl.h).
 */

#define BLOCK_K FM_GEMM_BLOCK_K
#define BLOCK_K_ACROSS 192 /* a line of A and one of B for each k stay in L1 together */
#define BLOCK_M FM_GEMM_BLOCK_M
#define BLOCK_N FM_GEMM_BLOCK_N
#define PACK_ROWS 64             /* rows of A that pay for a copy of a panel of B */
#define PACK_COLUMNS (6 * LANES) /* columns of B that pay for a copy of A */
#define L1_BYTES 32768
#define L2_BYTES 524288    /* 8 ways of 1,024 sets: of L2, what a panel of B may take */
#define LARGE_BYTES 65536  /* of B, above which its panels are copied or fetched */

/* Vectors of the next panel of columns; see (c) */
static inline ptrdiff_t FN(panel_vectors)(ptrdiff_t n)
{
    const ptrdiff_t vectors = (n + LANES - 1) / LANES;
#if PANEL_VECTORS == 4
    return vectors <= 4 ? vectors : vectors <= 6 || vectors == 9 ? 3 : 4;
#elif PANEL_VECTORS == 3
    return vectors <= 3 ? vectors : vectors == 4 ? 2 : 3;
#else
    return vectors == 1 ? 1 : 2 + vectors % 2;
#endif
}

/* How many panels n columns take */
static inline ptrdiff_t FN(panels)(ptrdiff_t n)
{
    const ptrdiff_t vectors = (n + LANES - 1) / LANES;
#if PANEL_VECTORS == 2
    return vectors == 1 ? 1 : vectors / 2;
#else
    return (vectors + PANEL_VECTORS - 1) / PANEL_VECTORS;
#endif
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

/* The power of two in the bytes between rows `ld` values apart: rows share the sets of a
 * cache that are a multiple of it apart */
static inline size_t FN(power_apart)(ptrdiff_t ld)
{
    const size_t distance = (size_t)ld * sizeof(real);
    return distance & (~distance + 1);
}

/* Whether k rows of a panel, `ld` values apart, crowd each other out of L1, or touch too
 * many pages */
static inline int FN(is_crowded)(ptrdiff_t k, ptrdiff_t ld)
{
    const size_t power = FN(power_apart)(ld);
    const size_t room = L1_BYTES / (power > LINE_BYTES ? power / LINE_BYTES : 1);
    return (size_t)k * LINE_BYTES * 2 > room ||
           ((size_t)ld * sizeof(real) >= 2048 && k > 64);
}

/* How many rows of B, `ldb` values apart, do not crowd each other out of L2; not few */
static inline ptrdiff_t FN(rows_in_l2)(ptrdiff_t ldb)
{
    const size_t power = FN(power_apart)(ldb);
    const ptrdiff_t rows = L2_BYTES / (ptrdiff_t)(power > LINE_BYTES ? power : LINE_BYTES);
    return rows > 64 ? rows : 64;
}

/* Whether the panels of k rows of B are copied for m rows of A: where B is large and its
 * vectors cross lines, or where the rows of a panel crowd each other out of L1.  Panels
 * of four vectors are read less often, so that L2 will do for them. */
static inline int FN(packs_panels)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int across,
                                   const real *b, ptrdiff_t ldb)
{
    const size_t row = (size_t)ldb * sizeof(real), vector = LANES * sizeof(real);
    const int crosses = vector > 16 && ((uintptr_t)b | row) % vector != 0;
    if (!FM_PACKS || m < PACK_ROWS) return 0;
    if (crosses && n * k * (ptrdiff_t)sizeof(real) > LARGE_BYTES) return 1;
#ifdef TILE_ROWS_4
    return !across && k > FN(rows_in_l2)(ldb);
#else
    (void)across;
    return FN(is_crowded)(k, ldb);
#endif
}

/* C := A B + S for one block of rows, columns and k; `panels` are those of B, or NULL;
 * `beside` may be NULL */
static void FN(gemm_rows)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                          ptrdiff_t stride, int across, const real *b, ptrdiff_t ldb,
                          const real *panels, const real *s, ptrdiff_t lds,
                          int rectify, FN(beside) *beside, real *c, ptrdiff_t ldc,
                          real *left)
{
    const int packs_a =
        across && n >= PACK_COLUMNS && FN(is_crowded)(k, stride) && FM_PACKS_ACROSS;
    const int fetches_b = !panels && n * k * (ptrdiff_t)sizeof(real) > LARGE_BYTES;
    ptrdiff_t packed_for = 0; /* vectors of the panel whose tiles `left` holds */
    ptrdiff_t left_to_fetch = m; /* rows of k values */
    const int is_column = across && lds == 1;
    while (n > 0) {
        const ptrdiff_t vectors = FN(panel_vectors)(n);
        const ptrdiff_t n_panels = FN(panels)(n);
        const ptrdiff_t n_fetched = (left_to_fetch + n_panels - 1) / n_panels;
        const ptrdiff_t width = vectors * LANES < n ? vectors * LANES : n;
        const ptrdiff_t last = width - (vectors - 1) * LANES;
        const ptrdiff_t whole = panels ? k : FN(whole_rows)(k, n, ldb, width);
        FN(beside) fetched, *also = beside;
        int does = FN(nothing);
        if (packs_a && packed_for != vectors) {
            const ptrdiff_t most = FN(tile_rows_across)[vectors - 1];
            FN(pack_rows)(m, most, k, a, stride, left);
            packed_for = vectors;
        }
        if (beside && across && beside->done < beside->n) {
            does = FN(moves);
        } else if (beside && !across && n_fetched > 0) {
            does = FN(fetches);
            beside->ldx = LINES(vectors) * LINE_VALUES;
            beside->n = (n_fetched * k + beside->ldx - 1) / beside->ldx;
        } else if (fetches_b && width < n) {
            does = FN(fetches);
            fetched.x = b + width;
            fetched.ldx = ldb;
            fetched.n = k;
            also = &fetched;
        }
        FN(panel_call) *const *const panel_of =
            does == FN(moves)     ? FN(panels_that_move)
            : does == FN(fetches) ? (across ? FN(panels_across_that_fetch)
                                            : FN(panels_that_fetch))
                                  : (across ? FN(panels_across) : FN(panels_of_rows));
        panel_of[vectors - 1](packs_a, m, k, whole, packs_a ? left : a, stride,
                              panels ? panels : b, panels ? vectors * LANES : ldb, s,
                              lds, rectify, also, c, ldc, last);
        left_to_fetch -= n_fetched;
        n -= width;
        b += width;
        if (panels) panels += k * vectors * LANES;
        if (s && !is_column) s += width;
        c += width;
    }
}

/* C := A B + S for one block of k */
static void FN(gemm_block)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                           ptrdiff_t stride, int across, const real *b, ptrdiff_t ldb,
                           int packs_b, const real *s, ptrdiff_t lds, int rectify,
                           FN(beside) *beside, real *c, ptrdiff_t ldc, real *work)
{
    const int is_column = across && lds == 1;
    for (ptrdiff_t j = 0; j < n; j += BLOCK_N) {
        const ptrdiff_t columns = n - j < BLOCK_N ? n - j : BLOCK_N;
        if (packs_b) FN(pack_panels)(k, columns, b + j, ldb, work);
        for (ptrdiff_t i = 0; i < m; i += BLOCK_M) {
            FN(gemm_rows)(m - i < BLOCK_M ? m - i : BLOCK_M, columns, k,
                          a + i * (across ? 1 : stride), stride, across, b + j, ldb,
                          packs_b ? work : NULL,
                          s ? s + i * lds + (is_column ? 0 : j) : s, lds, rectify,
                          across || j == 0 ? beside : NULL, c + i * ldc + j, ldc,
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
static void FN(gemm_transposed)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t block,
                            const real *a, ptrdiff_t stride, const real *b,
                            ptrdiff_t ldb, real *c, ptrdiff_t ldc, real *work)
{
    real *result = work + BLOCK_K * (BLOCK_M + BLOCK_N); /* (n, NARROW_ROWS) */
    for (ptrdiff_t i = 0; i < m; i += FM_GEMM_NARROW_ROWS) {
        const ptrdiff_t rows = m - i < FM_GEMM_NARROW_ROWS ? m - i : FM_GEMM_NARROW_ROWS;
        const real *s = NULL;
        for (ptrdiff_t start = 0; start < k; start += block, s = result) {
            const ptrdiff_t depth = k - start < block ? k - start : block;
            const real *left = b + start * ldb, *right = a + i + start * stride;
            if (n == 2 || n == 3)
                FN(rows_times_matrix)(n, rows, depth, left, ldb, right, stride, s,
                                      FM_GEMM_NARROW_ROWS, result, FM_GEMM_NARROW_ROWS);
            else
                FN(gemm_block)(n, rows, depth, left, ldb, 1, right, stride, 0, s,
                               FM_GEMM_NARROW_ROWS, 0, NULL, result,
                               FM_GEMM_NARROW_ROWS, work);
        }
        FN(turn_few)(rows, n, result, FM_GEMM_NARROW_ROWS, c + i * ldc, ldc);
    }
}

/* Moves the rows for which a product by few units had no tiles */
static void FN(move_rest)(FN(beside) *beside, ptrdiff_t k)
{
    const ptrdiff_t done = beside->done;
    FN(transpose)(beside->x + done * beside->ldx, beside->ldx, beside->lanes + done,
                  beside->n, beside->n - done, k);
    while (beside->done < beside->n) FN(next_rows)(beside, k);
}

/* The depth of the blocks of k: as even as can be, none above `deepest` */
static inline ptrdiff_t FN(even_block)(ptrdiff_t k, ptrdiff_t deepest)
{
    const ptrdiff_t n_blocks = k > deepest ? (k + deepest - 1) / deepest : 1;
    return k > 0 ? (k + n_blocks - 1) / n_blocks : 1;
}

static inline real FN(vector_sum)(V x)
{
    real lanes[LANES], sum = 0;
    V_STORE(lanes, x);
    for (int l = 0; l < LANES; ++l) sum += lanes[l];
    return sum;
}

/* C (m, n) := A B + S, or max(A B + S, 0); see kernel_table.inl.h */
static void FN(gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                     ptrdiff_t row_stride, ptrdiff_t k_stride, const real *b,
                     ptrdiff_t ldb, const real *s, ptrdiff_t lds, int rectify,
                     fm_next *next, real *c, ptrdiff_t ldc, real *work)
{
    const int across = k_stride != 1;
    ptrdiff_t block = FN(even_block)(k, across ? BLOCK_K_ACROSS : BLOCK_K);
    int packs_b = 0;
    FN(beside) beside; /* not cleared: a fifth of a small product's own time here */
    if (!across && FN(is_narrow)(n, k)) {
        FN(gemm_narrow)(m, n, k, a, row_stride, b, ldb, s, lds, rectify, c, ldc, work);
        return;
    }
    if (!across && !s && !rectify && FN(is_thin)(n, k)) {
        FN(gemm_thin)(m, n, k, a, row_stride, b, ldb, c, ldc);
        return;
    }
    if (n == 1 && row_stride == 1 && ldc == 1 && (!s || lds == 1)) {
        FN(row_times_matrix)(m, k, b, ldb, a, k_stride, s, rectify, c);
        return;
    }
    if (across && !s && !rectify && k > 0 && !next && FN(is_better_transposed)(m, n)) {
        FN(gemm_transposed)(m, n, k, block, a, k_stride, b, ldb, c, ldc, work);
        return;
    }
    beside.zeros = V_ZERO();
    packs_b = FN(packs_panels)(m, n, block, across, b, ldb);
    if (FM_PACKS && !packs_b && !across && block > FN(rows_in_l2)(ldb))
        block = FN(even_block)(k, FN(rows_in_l2)(ldb));
    for (ptrdiff_t start = 0; start < k || start == 0; start += block, s = c, lds = ldc) {
        const ptrdiff_t depth = k - start < block ? k - start : block;
        const real *left = a + start * k_stride;
        const real *right = b + start * ldb;
        const int is_last = start + depth >= k;
        if (next && across) {
            beside.x = (const real *)next->x + start;
            beside.ldx = next->ldx;
            beside.n = next->n;
            beside.done = 0;
            beside.further = next->further;
            beside.lanes = (real *)next->lanes + start * next->n;
        } else if (next) {
            beside.x = (const real *)next->x + start * m;
        }
        if (m == 1)
            FN(row_times_matrix)(n, depth, left, k_stride, right, ldb, s,
                                 rectify && is_last, c);
        else
            FN(gemm_block)(m, n, depth, left, across ? k_stride : row_stride, across,
                           right, ldb, packs_b, s, lds, rectify && is_last,
                           next ? &beside : NULL, c, ldc, work);
        if (next && across) FN(move_rest)(&beside, depth);
    }
    if (next && across) next->is_finite = FN(vector_sum)(beside.zeros) == 0;
}
#undef BLOCK_K
#undef BLOCK_K_ACROSS
#undef BLOCK_M
#undef BLOCK_N
#undef PACK_ROWS
#undef PACK_COLUMNS
#undef L1_BYTES
#undef L2_BYTES
#undef LARGE_BYTES
#undef LINE_BYTES /* of tiles.inl.h, as those below */
#undef LINE_VALUES
#undef LINES
#undef TILE_SIZES
#undef UP_TO_8

#endif
