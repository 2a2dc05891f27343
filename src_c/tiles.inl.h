#if FM_HAS_GEMM

/* Tiles of C := A B + S (gemm.inl.h), and panels of tiles.
 *
 * a) The loops over a tile are unrolled early, so that the sums stay in registers, and
 *    three rows of A are addressed from one pointer: x86 adds 0, 1 or 2 strides within
 *    the load.  More pointers spill (60 % of the speed, measured).
 * b) What is read next is fetched a few lines at a time, spread evenly over the steps of
 *    a panel: a burst fills the core's few slots for lines under way, and the loads of the
 *    product wait behind it.
 * c) Or rows are moved into lanes, transposed: a step copies one value of each of four
 *    rows through integer registers, which the sums leave idle.  Moving 64 features beside
 *    a product by 100 units takes a third of the time of a transpose by itself (measured).
 *    With AVX2 transposing squares between the tiles takes as long as that (Zen 3).
 * d) NEON multiplies by a lane of a vector.  So a load takes LANES values of A, over k, or
 *    over the rows of a transposed A, of which the last ones are read once more where
 *    rows are no multiple of LANES; the chain of each sum is the same.  The instructions a
 *    multiply-add are in bench/README.md.
 */

#define LINE_BYTES 64
#define LINE_VALUES (LINE_BYTES / (ptrdiff_t)sizeof(real))
#define LINES(vectors) (((vectors) * LANES + LINE_VALUES - 1) / LINE_VALUES)
#define MOVED 4 /* rows of a tile */

#define UP_TO_8(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#if TILE_ROWS_1 > 8
#define TILE_SIZES(X) UP_TO_8(X) X(9) X(10) X(11) X(12)
#else
#define TILE_SIZES(X) UP_TO_8(X)
#endif
#ifdef TILE_ROWS_4
#define PANEL_SIZES(X) X(1) X(2) X(3) X(4)
#else
#define PANEL_SIZES(X) X(1) X(2) X(3)
#endif

/* The work of a tile beside its sums: it asks for as many lines at x as its vectors fill,
 * goes on by ldx values and does so again, `n` times over the tiles of a panel; or MOVED
 * rows of x, from row `done` on, go to columns of `lanes`, and those `further` values on
 * are asked for */
enum { FN(nothing), FN(fetches), FN(moves) };
typedef struct {
    const real *x;
    ptrdiff_t ldx, n, done, further;
    real *lanes; /* (k, n) */
    V zeros;     /* the sum of 0 x over moved rows, NaN where one is not finite */
} FN(beside);

#define BEGINS_LINE(p, values)                                                         \
    ((uintptr_t)(p) % LINE_BYTES < (size_t)(values) * sizeof(real))

/* Through an integer register: unlike a sum, it is never kept in one of a vector */
static FM_ALWAYS_INLINE void FN(move)(const real *from, real *to)
{
    bits value;
    memcpy(&value, from, sizeof(value));
    memcpy(to, &value, sizeof(value));
}

/* Goes on to the next rows to move */
static FM_ALWAYS_INLINE void FN(next_rows)(FN(beside) *beside, ptrdiff_t k)
{
    const ptrdiff_t ldx = beside->ldx, whole = k / LANES * LANES;
    const real *x = beside->x + beside->done * ldx;
    V zeros[MOVED];
    UNROLL for (int i = 0; i < MOVED; ++i) zeros[i] = V_ZERO();
    for (ptrdiff_t p = 0; p < whole; p += LANES)
        UNROLL for (int i = 0; i < MOVED; ++i) zeros[i] =
            V_FMA(V_LOAD(x + i * ldx + p), V_ZERO(), zeros[i]);
    if (whole < k)
        UNROLL for (int i = 0; i < MOVED; ++i) zeros[i] =
            V_FMA(V_LOAD_FIRST(x + i * ldx + whole, k - whole), V_ZERO(), zeros[i]);
    UNROLL for (int i = 0; i < MOVED; ++i) beside->zeros =
        V_ADD(beside->zeros, zeros[i]);
    beside->done += MOVED;
}

/* C (rows, vectors) := A B + S, or max(A B + S, 0); the last vector holds `last` values,
 * and may be read in full in the first `whole` rows of B; `does` is what is done beside */
static FM_ALWAYS_INLINE void FN(tile)(int rows, int vectors, int across, int does,
                                      ptrdiff_t k, ptrdiff_t whole, const real *a,
                                      ptrdiff_t stride, const real *b, ptrdiff_t ldb,
                                      const real *s, ptrdiff_t lds, int rectify,
                                      FN(beside) *beside, ptrdiff_t pause, real *c,
                                      ptrdiff_t ldc, ptrdiff_t last)
{
    V sum[12][8], right[8];
    const real *base[4], *x = NULL, *x_third = NULL;
    real *to = NULL;
    ptrdiff_t ldx = 0, ldo = 0, further = 0;
    UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j)
    {
        sum[i][j] = !s                   ? V_ZERO()
                    : across && lds == 1 ? V_SET(s[i])
                    : j < vectors - 1 || last == LANES
                        ? V_LOAD(s + i * lds + j * LANES)
                        : V_LOAD_FIRST(s + i * lds + j * LANES, last);
    }
    UNROLL for (int i = 0; i < rows; i += 3) base[i / 3] = a + i * (across ? 1 : stride);
    if (does == FN(fetches)) {
        x = beside->x;
        ldx = beside->ldx;
    } else if (does == FN(moves)) {
        ldx = beside->ldx;
        x = beside->x + beside->done * ldx;
        x_third = x + 2 * ldx;
        to = beside->lanes + beside->done;
        ldo = beside->n;
        further = beside->further;
    }
#if FM_FROM_LANE
    V part[12]; /* values of A, by rows; across: of LANES rows each */
#define LOAD_ACROSS                                                                    \
    if (across && rows >= LANES)                                                       \
        UNROLL for (int i = 0; i < rows; i += LANES) part[i / LANES] =                 \
            V_LOAD(base[0] + (i + LANES <= rows ? i : rows - LANES));
#define ACROSS(i)                                                                      \
    (rows < LANES                        ? base[0][i]                                  \
     : i / LANES * LANES + LANES <= rows ? part[i / LANES][i % LANES]                  \
                                         : part[i / LANES][i - (rows - LANES)])
#else
#define LOAD_ACROSS
#define ACROSS(i) base[0][i]
#endif
#define STEP(last_vector)                                                              \
    UNROLL for (int j = 0; j < vectors; ++j)                                           \
    {                                                                                  \
        right[j] = j < vectors - 1 ? V_LOAD(b + j * LANES) : last_vector;              \
        if (rows == 2 || rows == 3) V_IN_REGISTER(right[j]);                           \
    }                                                                                  \
    LOAD_ACROSS                                                                        \
    UNROLL for (int i = 0; i < rows; ++i)                                              \
    {                                                                                  \
        const V left =                                                                 \
            V_SET(across ? ACROSS(i) : base[i / 3][(i % 3) * stride]);                 \
        UNROLL for (int j = 0; j < vectors; ++j) sum[i][j] =                           \
            V_FMA(left, right[j], sum[i][j]);                                          \
    }                                                                                  \
    UNROLL for (int i = 0; i < rows; i += 3) base[i / 3] += across ? stride : 1;       \
    b += ldb;
#define FETCH                                                                          \
    UNROLL for (int j = 0; j < LINES(vectors); ++j)                                    \
        FM_PREFETCH_L2(x + j * LINE_VALUES);                                           \
    x += ldx;
    ptrdiff_t n_single = whole;
#if FM_FROM_LANE
    if (!across) {
        const ptrdiff_t in_lanes = whole / LANES * LANES;
        const real *row[12];
        ptrdiff_t wait = 0;
        UNROLL for (int i = 0; i < rows; ++i) row[i] = base[i / 3] + (i % 3) * stride;
        for (ptrdiff_t p = 0; p < in_lanes; p += LANES) {
            if (does == FN(fetches) && (wait -= LANES) < 0) {
                FETCH
                wait = pause;
            }
            UNROLL for (int i = 0; i < rows; ++i) part[i] = V_LOAD(row[i] + p);
            UNROLL for (int q = 0; q < LANES; ++q)
            {
                UNROLL for (int j = 0; j < vectors; ++j) right[j] = V_LOAD(b + j * LANES);
                b += ldb;
                UNROLL for (int i = 0; i < rows; ++i)
                    UNROLL for (int j = 0; j < vectors; ++j) sum[i][j] =
                        V_FMA(right[j], V_SET(part[i][q]), sum[i][j]);
            }
        }
        UNROLL for (int i = 0; i < rows; i += 3) base[i / 3] += in_lanes;
        n_single -= in_lanes;
    }
#endif
    while (n_single > 0) {
        ptrdiff_t n_steps = n_single;
        if (does == FN(fetches)) {
            if (n_steps > pause) n_steps = pause;
            FETCH
        }
        n_single -= n_steps;
#if FM_FOUR_STEPS /* rows are moved between the sums of single steps */
        if (rows == 4 && vectors == 3 && does != FN(moves)) {
            for (; n_steps >= 4; n_steps -= 4) {
                FN(four_steps)(across, base[0], stride, b, ldb, sum);
                base[0] += across ? 4 * stride : 4;
                b += 4 * ldb;
            }
            base[1] = base[0] + 3 * (across ? 1 : stride); /* the fourth row */
        }
#endif
        for (; n_steps > 0; --n_steps) {
            if (does == FN(moves)) {
                if (BEGINS_LINE(x, 1)) {
                    FM_PREFETCH_L2(x + further);
                    FM_PREFETCH_L2(x + ldx + further);
                    FM_PREFETCH_L2(x_third + further);
                    FM_PREFETCH_L2(x_third + ldx + further);
                }
                FN(move)(x, to);
                FN(move)(x + ldx, to + 1);
                FN(move)(x_third, to + 2);
                FN(move)(x_third + ldx, to + 3);
                ++x;
                ++x_third;
                to += ldo;
            }
            STEP(V_LOAD(b + j * LANES))
        }
    }
    if (does == FN(fetches)) beside->x = x;
    for (ptrdiff_t p = whole; p < k; ++p) {
        STEP(V_LOAD_FIRST(b + j * LANES, last))
    }
#undef STEP
#undef FETCH
#undef LOAD_ACROSS
#undef ACROSS
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

/* One panel of columns, tile by tile; packed tiles of A follow one another.  A panel that
 * moves rows ends when all are moved.  Returns how many rows of C are left. */
static FM_ALWAYS_INLINE ptrdiff_t FN(panel)(
    int vectors, int most, int across, int does, ptrdiff_t packed, ptrdiff_t m,
    ptrdiff_t k, ptrdiff_t whole, const real *a, ptrdiff_t stride, const real *b,
    ptrdiff_t ldb, const real *s, ptrdiff_t lds, int rectify, FN(beside) *beside, real *c,
    ptrdiff_t ldc, ptrdiff_t last)
{
    ptrdiff_t n_tiles = (m + most - 1) / most, pause = 1; /* between two fetches */
    if (does == FN(fetches) && n_tiles * k > beside->n) pause = n_tiles * k / beside->n;
    if (FM_FOUR_STEPS && vectors == 3 && pause > 4) pause -= pause % 4;
    for (; n_tiles > 0; --n_tiles) {
        const ptrdiff_t rows = (m + n_tiles - 1) / n_tiles;
#define TILE(n)                                                                        \
    case n:                                                                            \
        if (n <= most)                                                                 \
            FN(tile)(n, vectors, across, does, k, whole, a, packed ? n : stride, b,    \
                     ldb, s, lds, rectify, beside, pause, c, ldc, last);               \
        break;
        switch (rows) { TILE_SIZES(TILE) }
#undef TILE
        if (does == FN(moves)) FN(next_rows)(beside, k);
        a += packed ? rows * k : rows * (across ? 1 : stride);
        if (s) s += rows * lds;
        c += rows * ldc;
        m -= rows;
        if (does == FN(moves) && beside->done == beside->n) break;
    }
    return m;
}

/* Panels by their vectors, by what is done beside */
typedef void FN(panel_call)(ptrdiff_t packed, ptrdiff_t m, ptrdiff_t k, ptrdiff_t whole,
                            const real *a, ptrdiff_t stride, const real *b,
                            ptrdiff_t ldb, const real *s, ptrdiff_t lds, int rectify,
                            FN(beside) *beside, real *c, ptrdiff_t ldc,
                            ptrdiff_t last);
#define PANEL(name, vectors, most, across, does)                                       \
    static FM_NOINLINE void FN(name)(                                                  \
        ptrdiff_t packed, ptrdiff_t m, ptrdiff_t k, ptrdiff_t whole, const real *a,    \
        ptrdiff_t stride, const real *b, ptrdiff_t ldb, const real *s, ptrdiff_t lds,  \
        int rectify, FN(beside) *beside, real *c, ptrdiff_t ldc, ptrdiff_t last)       \
    {                                                                                  \
        FN(panel)(vectors, most, across, FN(does), packed, m, k, whole, a, stride, b,  \
                  ldb, s, lds, rectify, beside, c, ldc, last);                         \
    }
#define PANEL_THAT_MOVES(v)                                                            \
    static FM_NOINLINE void FN(panel_##v##_across_moves)(                              \
        ptrdiff_t packed, ptrdiff_t m, ptrdiff_t k, ptrdiff_t whole, const real *a,    \
        ptrdiff_t stride, const real *b, ptrdiff_t ldb, const real *s, ptrdiff_t lds,  \
        int rectify, FN(beside) *beside, real *c, ptrdiff_t ldc, ptrdiff_t last)       \
    {                                                                                  \
        const ptrdiff_t left = FN(panel)(                                              \
            v, TILE_ROWS_##v##_ACROSS, 1, FN(moves), packed, m, k, whole, a, stride,   \
            b, ldb, s, lds, rectify, beside, c, ldc, last);                            \
        const ptrdiff_t done = m - left;                                               \
        if (left > 0)                                                                  \
            FN(panel_##v##_across)(packed, left, k, whole,                             \
                                   a + done * (packed ? k : 1), stride, b, ldb,        \
                                   s ? s + done * lds : s, lds, rectify, NULL,         \
                                   c + done * ldc, ldc, last);                         \
    }
#define PANELS(v)                                                                      \
    PANEL(panel_##v, v, TILE_ROWS_##v, 0, nothing)                                     \
    PANEL(panel_##v##_fetches, v, TILE_ROWS_##v, 0, fetches)                           \
    PANEL(panel_##v##_across, v, TILE_ROWS_##v##_ACROSS, 1, nothing)                   \
    PANEL(panel_##v##_across_fetches, v, TILE_ROWS_##v##_ACROSS, 1, fetches)           \
    PANEL_THAT_MOVES(v)
PANEL_SIZES(PANELS)
#define NAME(v) FN(panel_##v),
static FN(panel_call) *const FN(panels_of_rows)[] = {PANEL_SIZES(NAME)};
#undef NAME
#define NAME(v) FN(panel_##v##_fetches),
static FN(panel_call) *const FN(panels_that_fetch)[] = {PANEL_SIZES(NAME)};
#undef NAME
#define NAME(v) FN(panel_##v##_across),
static FN(panel_call) *const FN(panels_across)[] = {PANEL_SIZES(NAME)};
#undef NAME
#define NAME(v) FN(panel_##v##_across_fetches),
static FN(panel_call) *const FN(panels_across_that_fetch)[] = {PANEL_SIZES(NAME)};
#undef NAME
#define NAME(v) FN(panel_##v##_across_moves),
static FN(panel_call) *const FN(panels_that_move)[] = {PANEL_SIZES(NAME)};
#undef NAME
#define ROWS(v) TILE_ROWS_##v##_ACROSS,
static const ptrdiff_t FN(tile_rows_across)[] = {PANEL_SIZES(ROWS)};
#undef ROWS
#undef PANELS
#undef PANEL_THAT_MOVES
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

/* C (rows, n) := A B + S for one to three rows, which lie side by side: many vectors hide
 * the latency of the sums, and a cache gives neighbouring lines sooner */
static FM_ALWAYS_INLINE void FN(few_times_matrix)(int rows, ptrdiff_t n, ptrdiff_t k,
                                                  const real *a, ptrdiff_t stride,
                                                  const real *b, ptrdiff_t ldb,
                                                  const real *s, ptrdiff_t lds,
                                                  int rectify, real *c, ptrdiff_t ldc)
{
    const ptrdiff_t most = rows == 1 ? 8 : rows == 2 ? VECTORS_OF_2 : VECTORS_OF_3;
    for (ptrdiff_t left = (n + LANES - 1) / LANES; left > 0;) {
        const ptrdiff_t n_passes = (left + most - 1) / most;
        const ptrdiff_t vectors = (left + n_passes - 1) / n_passes;
        const ptrdiff_t width = vectors * LANES < n ? vectors * LANES : n;
        const ptrdiff_t whole = FN(whole_rows)(k, n, ldb, width);
        const ptrdiff_t last = width - (vectors - 1) * LANES;
#define TILE(v)                                                                        \
    case v:                                                                            \
        if (v <= most)                                                                 \
            FN(tile)(rows, v, 1, FN(nothing), k, whole, a, stride, b, ldb, s, lds,     \
                     rectify, NULL, 1, c, ldc, last);                                  \
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

/* A single row, whose result is c (n,) */
static FM_NOINLINE void FN(row_times_matrix)(ptrdiff_t n, ptrdiff_t k, const real *a,
                                             ptrdiff_t stride, const real *b,
                                             ptrdiff_t ldb, const real *s, int rectify,
                                             real *c)
{
    FN(few_times_matrix)(1, n, k, a, stride, b, ldb, s, 0, rectify, c, 0);
}

/* Two or three rows */
static FM_NOINLINE void FN(rows_times_matrix)(ptrdiff_t rows, ptrdiff_t n, ptrdiff_t k,
                                              const real *a, ptrdiff_t stride,
                                              const real *b, ptrdiff_t ldb, const real *s,
                                              ptrdiff_t lds, real *c, ptrdiff_t ldc)
{
    if (rows == 2)
        FN(few_times_matrix)(2, n, k, a, stride, b, ldb, s, lds, 0, c, ldc);
    else
        FN(few_times_matrix)(3, n, k, a, stride, b, ldb, s, lds, 0, c, ldc);
}
#undef MOVED
#undef BEGINS_LINE

#endif
