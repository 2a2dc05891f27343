#if FM_HAS_GEMM

/* Products with few columns, as those of an output layer of few units.
 *
 * A few columns of C would fill a part of a vector only.  So they are taken in groups
 * of 1, 2, 3, 4, 7 or 8 (5 = 4 + 1), and a group fills a vector with sums in parts: 4
 * columns in 16 lanes have 4 parts each, side by side.  One load repeats 4 values of a
 * row of A, and B is brought into that order first.  In the end the parts are halved
 * until one is left, and S comes last.  The order is the same for every row, whether it
 * is alone, among others or in a lane.
 */

/* The most columns.  With NEON a group of two takes 3.6 instructions a multiply-add (GCC
 * 12), so several columns go as a panel. */
#if FM_NEON
#define NARROW_N 1
#else
#define NARROW_N 8
#endif
#define NARROW_K 8192                /* the deepest product of several columns */
#define ROWS (LANES > 8 ? LANES : 8) /* of the largest tile */
#define L1_VALUES (24576 / (ptrdiff_t)sizeof(real)) /* of A, which all groups read */

/* Whether a product with n columns is one of these; whatever its rows, so that their
 * number changes no bit.  Columns that fill more than five eighths of a vector go as a
 * panel: 6 of 8 lanes took 0.8 to 1.3 times its time, 7 of 8 1.0 to 1.5 (Emerald Rapids). */
static int FN(is_narrow)(ptrdiff_t n, ptrdiff_t k)
{
    return n == 1 || (n > 1 && n <= NARROW_N && 8 * n <= 5 * LANES && k >= LANES &&
                      k <= NARROW_K);
}

/* How many of n columns the next group takes */
static inline int FN(group)(ptrdiff_t n) { return n == 5 || n == 6 ? 4 : (int)n; }

/* The groups that there are */
#if LANES == 16
#define GROUPS(X) X(1) X(2) X(3) X(4) X(7) X(8)
#elif LANES == 8
#define GROUPS(X) X(1) X(2) X(3) X(4)
#elif LANES == 4 && !FM_NEON
#define GROUPS(X) X(1) X(2)
#else
#define GROUPS(X) X(1)
#endif

/* The parts of each sum of a group */
static FM_ALWAYS_INLINE int FN(parts)(int columns)
{
    return LANES / (columns > 4 ? 8 : columns > 2 ? 4 : columns);
}

/* How many values k rows of a group are in the order of their lanes */
static inline ptrdiff_t FN(packed)(int columns, ptrdiff_t k)
{
    const ptrdiff_t parts = FN(parts)(columns);
    return (k + parts - 1) / parts * LANES;
}

/* out := a group of columns of B, FN(packed) values.  Lanes for which there is no column
 * hold any values, which end in no sum. */
static FM_ALWAYS_INLINE void FN(pack_group)(int columns, ptrdiff_t k, const real *b,
                                            ptrdiff_t ldb, real *out)
{
    const int parts = FN(parts)(columns), width = LANES / parts;
    const INDEX index = FN(transposing)(parts, width);
    ptrdiff_t p = 0;
    if (columns == 1) {
        for (; p < k; ++p) out[p] = b[p * ldb];
        return;
    }
    /* rows are read in full where another one follows */
    for (; p + parts < k; p += parts)
        V_STORE(out + p * width,
                V_PERMUTE(ldb == width ? V_LOAD(b + p * ldb)
                                       : FN(load_rows)(width, b + p * ldb, ldb),
                          index));
    for (; p < k; p += parts) {
        real rows[LANES];
        V_STORE(rows, V_ZERO());
        for (ptrdiff_t r = 0; r < parts && p + r < k; ++r)
            memcpy(rows + r * width, b + (p + r) * ldb, columns * sizeof(real));
        V_STORE(out + p * width, V_PERMUTE(V_LOAD(rows), index));
    }
}

/* sum += A B in parts, for rows of A and a group of columns of B that pack_group
 * brought into order */
static FM_ALWAYS_INLINE void FN(add_products)(int rows, int columns, ptrdiff_t k,
                                              const real *a, ptrdiff_t lda,
                                              const real *b, V *sum)
{
    const int parts = FN(parts)(columns);
    const ptrdiff_t whole = k / parts * parts;
    const real *base[(ROWS + 2) / 3];
    UNROLL for (int r = 0; r < rows; r += 3) base[r / 3] = a + r * lda;
    for (ptrdiff_t p = 0; p < whole; p += parts, b += LANES) {
        V right = V_LOAD(b);
        V_IN_REGISTER(right);
        UNROLL for (int r = 0; r < rows; ++r) sum[r] =
            V_FMA(FN(repeat)(parts, base[r / 3] + r % 3 * lda + p), right, sum[r]);
    }
    if (whole < k) {
        const V right = columns == 1 ? V_LOAD_FIRST(b, k - whole) : V_LOAD(b);
        real rest[LANES];
        UNROLL for (int r = 0; r < rows; ++r)
        {
            const V left = V_LOAD_FIRST(a + r * lda + whole, k - whole);
            V_STORE(rest, left);
            sum[r] =
                V_FMA(columns == 1 ? left : FN(repeat)(parts, rest), right, sum[r]);
        }
    }
}

/* `columns` values at x, as often as a sum has parts, one after the other */
static FM_ALWAYS_INLINE V FN(repeated)(int columns, const real *x)
{
    const int parts = FN(parts)(columns);
    real each[LANES];
    if (columns * parts == LANES) return FN(repeat)(columns, x);
    V_STORE(each, V_ZERO());
    UNROLL for (int r = 0; r < parts; ++r)
        memcpy(each + r * columns, x, columns * sizeof(real));
    return V_LOAD(each);
}

/* C := sums + S, or max(sums + S, 0), from sums in parts; the rows before `first` are
 * left out */
static FM_ALWAYS_INLINE void FN(finish_rows)(int rows, int columns, ptrdiff_t first,
                                             V *sum, INDEX to_rows, V start,
                                             const real *s, ptrdiff_t lds, V least,
                                             real *c, ptrdiff_t ldc)
{
    const int parts = FN(parts)(columns), end = rows < parts ? rows : parts;
    if (rows < parts) UNROLL for (int r = rows; r < parts; ++r) sum[r] = V_ZERO();
    UNROLL for (int i = 0; i < rows; i += parts)
    {
        real each[LANES];
        V sums = FN(sums_of_parts)(parts, sum + i);
        if (columns > 1) sums = V_PERMUTE(sums, to_rows);
        if (s && lds > 0) {
            V_STORE(each, V_ZERO());
            for (ptrdiff_t r = 0; r < end; ++r)
                memcpy(each + r * columns, s + (i + r) * lds, columns * sizeof(real));
            start = V_LOAD(each);
        }
        sums = V_MAX(least, V_ADD(sums, start));
        if (ldc == columns && first <= i && end == parts) {
            if (columns * parts == LANES)
                V_STORE(c + i * ldc, sums);
            else
                V_STORE_FIRST(c + i * ldc, columns * parts, sums);
        } else {
            V_STORE(each, sums);
            for (ptrdiff_t r = first > i ? first - i : 0; r < end; ++r)
                memcpy(c + (i + r) * ldc, each + r * columns, columns * sizeof(real));
        }
    }
}

/* C (m, columns) := A B + S for a group of columns of B in order.  Where rows are no
 * multiple of a tile's, the last one begins with rows of the one before. */
static FM_ALWAYS_INLINE void FN(group_of_rows)(int columns, ptrdiff_t m, ptrdiff_t k,
                                               const real *a, ptrdiff_t lda,
                                               const real *b, const real *s,
                                               ptrdiff_t lds, int rectify, real *c,
                                               ptrdiff_t ldc)
{
    const INDEX to_rows = FN(transposing)(columns, FN(parts)(columns));
    const V start = s && lds == 0 ? FN(repeated)(columns, s) : V_ZERO();
    const V least = V_SET(rectify ? 0 : (real)-INFINITY);
    V sum[ROWS];
#define TILES(rows)                                                                    \
    if (m >= rows) {                                                                   \
        for (ptrdiff_t done = 0; done < m; done += rows) {                             \
            const ptrdiff_t i = done + rows <= m ? done : m - rows;                    \
            UNROLL for (int r = 0; r < rows; ++r) sum[r] = V_ZERO();                   \
            FN(add_products)(rows, columns, k, a + i * lda, lda, b, sum);              \
            FN(finish_rows)(rows, columns, done - i, sum, to_rows, start,              \
                            s ? s + i * lds : s, lds, least, c + i * ldc, ldc);        \
        }                                                                              \
        return;                                                                        \
    }
#if LANES == 16
    TILES(16)
#endif
    TILES(8)
    TILES(4)
    TILES(2)
    TILES(1)
#undef TILES
}

#define GROUP(columns)                                                                 \
    static FM_NOINLINE void FN(rows_times_##columns)(                                  \
        ptrdiff_t m, ptrdiff_t k, const real *a, ptrdiff_t lda, const real *b,         \
        const real *s, ptrdiff_t lds, int rectify, real *c, ptrdiff_t ldc)             \
    {                                                                                  \
        FN(group_of_rows)(columns, m, k, a, lda, b, s, lds, rectify, c, ldc);          \
    }
GROUPS(GROUP)
#undef GROUP

/* C (m, 1) := A b + S for a column that does not fit into `work`, a block after the
 * other */
static FM_NOINLINE void FN(rows_times_deep)(ptrdiff_t m, ptrdiff_t k, const real *a,
                                            ptrdiff_t lda, const real *b, ptrdiff_t ldb,
                                            const real *s, ptrdiff_t lds, int rectify,
                                            real *c, ptrdiff_t ldc, real *work)
{
    const ptrdiff_t most = FM_GEMM_WORK / LANES * LANES;
    const V least = V_SET(rectify ? 0 : (real)-INFINITY);
    for (ptrdiff_t i = 0; i < m; ++i) {
        V sum[LANES];
        sum[0] = V_ZERO();
        for (ptrdiff_t p = 0; p < k; p += most) {
            const ptrdiff_t depth = k - p < most ? k - p : most;
            FN(pack_group)(1, depth, b + p * ldb, ldb, work);
            FN(add_products)(1, 1, depth, a + i * lda + p, lda, work, sum);
        }
        FN(finish_rows)(1, 1, 0, sum, FN(transposing)(1, LANES),
                        V_SET(s ? s[i * lds] : 0), NULL, 0, least, c + i * ldc, ldc);
    }
}

_Static_assert(NARROW_N * NARROW_K <= FM_GEMM_WORK / 2, "groups do not fit into work");

/* C (m, n) := A B + S where is_narrow(n, k); work: FM_GEMM_WORK values */
static void FN(gemm_narrow)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                            ptrdiff_t lda, const real *b, ptrdiff_t ldb, const real *s,
                            ptrdiff_t lds, int rectify, real *c, ptrdiff_t ldc,
                            real *work)
{
    real *group = work; /* those in order, one after the other */
    ptrdiff_t block = m;
    if (n == 1 && ldb == 1) {
        FN(rows_times_1)(m, k, a, lda, b, s, lds, rectify, c, ldc);
        return;
    }
    if (n == 1 && k > FM_GEMM_WORK) {
        FN(rows_times_deep)(m, k, a, lda, b, ldb, s, lds, rectify, c, ldc, work);
        return;
    }
    for (ptrdiff_t j = 0, width; j < n; j += width) {
        width = FN(group)(n - j);
        switch (width) {
#define GROUP(columns)                                                                 \
    case columns: FN(pack_group)(columns, k, b + j, ldb, group); break;
            GROUPS(GROUP)
#undef GROUP
        }
        group += FN(packed)((int)width, k);
    }
    if (FN(group)(n) < n) { /* rows of A that the second group finds in L1 */
        block = L1_VALUES / k / ROWS * ROWS;
        if (block < ROWS) block = ROWS;
    }
    for (ptrdiff_t i = 0; i < m; i += block) {
        const ptrdiff_t rows = m - i < block ? m - i : block;
        group = work;
        for (ptrdiff_t j = 0, width; j < n; j += width) {
            width = FN(group)(n - j);
            switch (width) {
#define GROUP(columns)                                                                 \
    case columns:                                                                      \
        FN(rows_times_##columns)(rows, k, a + i * lda, lda, group,                     \
                                 s ? s + i * lds + j : s, lds, rectify,                \
                                 c + i * ldc + j, ldc);                                \
        break;
                GROUPS(GROUP)
#undef GROUP
            }
            group += FN(packed)((int)width, k);
        }
    }
}

/* C^T (columns, m) := B^T A^T + s, or max(B^T A^T + s, 0), for a group of columns */
static FM_ALWAYS_INLINE void FN(group_of_lanes)(int columns, ptrdiff_t m, ptrdiff_t k,
                                                const real *a, const real *b,
                                                ptrdiff_t ldb, const real *s,
                                                int rectify, real *c)
{
    const int parts = FN(parts)(columns);
    const ptrdiff_t whole = k / parts * parts;
    for (ptrdiff_t i = 0; i < m; i += LANES) {
        V sum[LANES]; /* (columns, parts) */
        UNROLL for (int l = 0; l < columns * parts; ++l) sum[l] = V_ZERO();
        for (ptrdiff_t p = 0; p < whole; p += parts)
            UNROLL for (int part = 0; part < parts; ++part)
            {
                const V left = V_LOAD(a + (p + part) * m + i);
                UNROLL for (int j = 0; j < columns; ++j) sum[j * parts + part] =
                    V_FMA(left, V_SET(b[(p + part) * ldb + j]), sum[j * parts + part]);
            }
        if (whole < k)
            UNROLL for (int part = 0; part < parts; ++part)
                UNROLL for (int j = 0; j < columns; ++j) sum[j * parts + part] =
                    whole + part < k
                        ? V_FMA(V_LOAD(a + (whole + part) * m + i),
                                V_SET(b[(whole + part) * ldb + j]),
                                sum[j * parts + part])
                        : V_ADD(sum[j * parts + part], V_ZERO()); /* -0 + 0 = 0 */
        UNROLL for (int j = 0; j < columns; ++j)
        {
            V *const x = sum + j * parts;
#define HALVE(half)                                                                    \
    if (half < parts)                                                                  \
        UNROLL for (int i = 0; i < half; ++i) x[i] = V_ADD(x[i], x[i + half]);
            HALVE(8) HALVE(4) HALVE(2) HALVE(1)
#undef HALVE
            x[0] = V_ADD(x[0], V_SET(s[j]));
            V_STORE(c + j * m + i, rectify ? V_MAX(V_ZERO(), x[0]) : x[0]);
        }
    }
}

/* C^T (n, m) := B^T A^T + s, or max(B^T A^T + s, 0), where is_narrow(n, k), for the
 * rows of A in m lanes, a multiple of LANES; a (k, m), s (n,), c (n, m) */
static void FN(narrow_of_lanes)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                                const real *b, const real *s, int rectify, real *c)
{
    for (ptrdiff_t j = 0, width; j < n; j += width) {
        width = FN(group)(n - j);
        switch (width) {
#define GROUP(columns)                                                                 \
    case columns:                                                                      \
        FN(group_of_lanes)(columns, m, k, a, b + j, n, s + j, rectify, c + j * m);     \
        break;
            GROUPS(GROUP)
#undef GROUP
        }
    }
}

/* C (m, columns) := X^T for the rows of X of a group, m of whose values are taken; as
 * many rows as a vector has room for are in memory */
static FM_ALWAYS_INLINE void FN(turn_group)(int columns, ptrdiff_t m, const real *x,
                                            ptrdiff_t ldx, real *c)
{
    const int parts = FN(parts)(columns);
    const INDEX index = FN(transposing)(columns, parts);
    ptrdiff_t i = 0;
    for (; i + parts <= m; i += parts)
        V_STORE_FIRST(c + i * columns, columns * parts,
                      V_PERMUTE(FN(load_rows)(parts, x + i, ldx), index));
    for (; i < m; ++i)
        for (int j = 0; j < columns; ++j) c[i * columns + j] = x[j * ldx + i];
}

/* The same for n rows of X, and rows of C ldc apart; a transpose takes longer for 2 to 4 */
static void FN(turn_few)(ptrdiff_t m, ptrdiff_t n, const real *x, ptrdiff_t ldx,
                         real *c, ptrdiff_t ldc)
{
    if (ldc == n) switch (n) {
#define GROUP(columns)                                                                 \
    case columns:                                                                      \
        if (columns < 2 || columns > 4) break;                                         \
        FN(turn_group)(columns, m, x, ldx, c);                                         \
        return;
            GROUPS(GROUP)
#undef GROUP
        }
    FN(transpose)(x, ldx, c, ldc, n, m);
}

#undef NARROW_N
#undef NARROW_K
#undef ROWS
#undef L1_VALUES
#undef GROUPS

#endif
