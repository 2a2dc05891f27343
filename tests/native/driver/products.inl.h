/* Matrix products, and the limits of the machine that they are measured by. */

typedef enum { NO_S, ROW_S, MATRIX_S, C_S, COLUMN_S, N_S } FN(summand);

/* C := op(A) B + S, or max(C, 0), within k + 2 eps of the sum of the magnitudes; the
 * matrices have gaps between their rows where `gap` is not 0, and a product that
 * rectifies looks ahead too, to memory that is not there; a column S is for several rows
 * of a transposed A */
static void FN(test_product)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int across, int s_is,
                             ptrdiff_t gap)
{
    /* not where C might be formed transposed */
    const int rectify = !(across && s_is == NO_S) && (m + n + k + gap) % 2;
    const ptrdiff_t lda = (across ? m : k) + gap, ldb = n + gap, ldc = n + gap % 2;
    const ptrdiff_t a_size = across ? FN(extent_of)(k, m, lda) : FN(extent_of)(m, k, lda);
    const ptrdiff_t b_size = FN(extent_of)(k, n, ldb), c_size = FN(extent_of)(m, n, ldc);
    const ptrdiff_t lds = s_is == ROW_S      ? 0
                          : s_is == COLUMN_S ? 1
                          : s_is == C_S      ? ldc
                                             : n + 2 * gap;
    const ptrdiff_t s_size = s_is == NO_S || s_is == C_S ? 0
                             : s_is == ROW_S             ? n
                             : s_is == COLUMN_S          ? m
                                                         : FN(extent_of)(m, n, lds);
    if (s_is == COLUMN_S && (!across || m == 1)) return;
    now.m = m;
    now.n = n;
    now.k = k;
    FN(random)(A, a_size, -2, 2);
    FN(random)(B, b_size, -2, 2);
    FN(random)(C, c_size, -2, 2);
    FN(random)(D, s_size, -2, 2);
    for (ptrdiff_t i = 0; i < m; ++i)
        for (ptrdiff_t j = 0; j < n; ++j) {
            const double s = s_is == NO_S  ? 0
                             : s_is == C_S ? (double)C[i * ldc + j]
                                           : (double)D[i * lds + (lds == 1 ? 0 : j)];
            want[i * n + j] = s;
            bound[i * n + j] = fabs(s);
        }
    for (ptrdiff_t i = 0; i < m; ++i)
        for (ptrdiff_t p = 0; p < k; ++p) {
            const double left = (double)(across ? A[p * lda + i] : A[i * lda + p]);
            for (ptrdiff_t j = 0; j < n; ++j) {
                const double part = left * (double)B[p * ldb + j];
                want[i * n + j] += part;
                bound[i * n + j] += fabs(part);
            }
        }
    for (ptrdiff_t i = 0; i < m * n; ++i) {
        bound[i] *= (double)(k + 2) * EPS;
        if (rectify && want[i] < 0) want[i] = 0;
    }
    while (next_call()) {
        const real *a, *b, *s;
        real *c, *work;
        fm_next next = {0};
        if (!KERNELS->gemm) continue;
        a = GIVE(A, a_size);
        next.x = a + a_size;
        b = GIVE(B, b_size);
        c = TAKE(C, c_size);
        s = s_is == NO_S ? NULL : s_is == C_S ? c : GIVE(D, s_size);
        work = TAKE(NULL, FM_GEMM_WORK);
        KERNELS->gemm(m, n, k, a, across ? 1 : lda, across ? lda : 1, b, ldb, s, lds,
                      rectify, rectify && !across ? &next : NULL, c, ldc, work);
        FN(check)(c, m, n, ldc);
        FN(check_gaps)(c, C, m, n, ldc);
    }
}

static void FN(test_gemm)(void)
{
    /* past every block, rows that collide in the cache, few columns */
    static const ptrdiff_t large[][4] = {
        {200, 30, 400, 0}, {13, 600, 330, 1}, {1100, 10, 400, 0}, {70, 70, 700, 3},
        {1, 2000, 70, 0},  {2, 515, 321, 5},  {64, 256, 256, 0},  {25, 512, 200, 0},
        {256, 97, 130, 0}, {2000, 3, 65, 1},  {30, 1, 700, 0},    {1030, 16, 33, 2},
        {80, 1024, 150, 0}, {20, 1024, 150, 0}};
    static const ptrdiff_t few[] = {0, 1, 2, 5, 8, 17, 34};
    const int step = how_much == QUICK ? 3 : 1;
    unsigned turn = 0;
    START("gemm");
    for (int free = 0; free < 3; ++free)
        for (ptrdiff_t size = 0; size <= MOST; ++size)
            for (int i = 0; i < 7; i += step)
                for (int j = 0; j < 7; j += step)
                    for (int across = 0; across < 2; ++across)
                        for (int s = 0; s < N_S; ++s) {
                            const ptrdiff_t m = free == 0 ? size : few[i];
                            const ptrdiff_t n = free == 1 ? size : few[free ? i : j];
                            const ptrdiff_t k = free == 2 ? size : few[j];
                            if (how_much < FULL && s != (int)(turn++ / 3 % N_S)) continue;
                            FN(test_product)(free == 2 ? few[i] : m, free == 2 ? few[j] : n,
                                             k, across, s, turn % 4);
                        }
    for (size_t i = 0; i < sizeof(large) / sizeof(*large); ++i)
        for (int across = 0; across < 2; ++across)
            for (int s = 0; s < N_S; s += how_much == QUICK ? 3 : 1)
                FN(test_product)(large[i][0], large[i][1], large[i][2], across, s,
                                 large[i][3]);
}

/* Random A (m, k), B (k, n) and a summand for each column */
static void FN(random_rows)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k)
{
    now.m = m;
    now.n = n;
    now.k = k;
    FN(random)(A, m * k, -2, 2);
    FN(random)(B, k * n, -2, 2);
    FN(random)(D, n, -2, 2);
}

/* at := the transpose of a (m, k) */
static void FN(turn)(ptrdiff_t m, ptrdiff_t k, const real *a, real *at)
{
    for (ptrdiff_t r = 0; r < m; ++r)
        for (ptrdiff_t p = 0; p < k; ++p) at[p * m + r] = a[r * k + p];
}

/* c := A B + s, after a check that each row has the same bits alone */
static void FN(check_rows_alone)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                                 const real *b, const real *s, int rectify, real *c,
                                 real *alone, real *work)
{
    KERNELS->gemm(m, n, k, a, k, 1, b, n, s, 0, rectify, NULL, c, n, work);
    for (ptrdiff_t r = 0; r < m; ++r) {
        KERNELS->gemm(1, n, k, a + r * k, k, 1, b, n, s, 0, rectify, NULL, alone, n, work);
        if (memcmp(alone, c + r * n, (size_t)n * sizeof(real)))
            fail("other bits than row %td among others", r);
    }
}

/* A row of C has the same bits alone and among others, and from a transposed A */
static void FN(test_rows_alone)(void)
{
    static const ptrdiff_t rows[] = {2, 3, 7, 13, 32, 100}, columns[] = {1, 2, 5, 8, 17, 100};
    START("gemm of rows alone");
    for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 6; ++j)
            for (ptrdiff_t k = 1; k <= 700; k = k * (how_much == QUICK ? 5 : 2) + i + j) {
                const ptrdiff_t m = rows[i], n = columns[j];
                FN(random_rows)(m, n, k);
                FN(turn)(m, k, A, C);
                while (next_call()) {
                    const real *a, *across, *b, *s;
                    real *c, *other, *work;
                    if (!KERNELS->gemm) continue;
                    a = GIVE(A, m * k);
                    across = GIVE(C, m * k);
                    b = GIVE(B, k * n);
                    s = GIVE(D, n);
                    c = TAKE(NULL, m * n);
                    other = TAKE(NULL, m * n);
                    work = TAKE(NULL, FM_GEMM_WORK);
                    FN(check_rows_alone)(m, n, k, a, b, s, 0, c, other, work);
                    if (n < 16) continue; /* few columns have other sums */
                    KERNELS->gemm(m, n, k, across, 1, m, b, n, s, 0, 0, NULL, other, n,
                                  work);
                    if (memcmp(c, other, (size_t)(m * n) * sizeof(real)))
                        fail("other bits from a transposed A");
                }
            }
}

/* A product that moves rows of x into lanes gives the bits of one that does not, the
 * transpose of x, and whether x is finite; it looks for rows behind x as well */
static void FN(test_moves)(void)
{
    static const ptrdiff_t widths[] = {2, 3, 7, 12, 13, 33, 48, 100, 150, 128, 200};
    START("gemm that moves rows");
    for (ptrdiff_t k = 1; k <= MOST + 2; ++k)
        for (int i = 0; i < 11; i += how_much == QUICK ? 3 : 1) {
            const ptrdiff_t depth = k <= MOST ? k : 200 * (k - MOST); /* in blocks of k */
            const ptrdiff_t m = widths[i];
            const ptrdiff_t n = (k + i) % 9 ? 16 * (1 + (k + i) % 4) : 528; /* blocks of n */
            const ptrdiff_t rows = 4 * (1 + (k / 4 + i) % 12), ldx = depth + (k + i) % 3;
            const ptrdiff_t size = FN(extent_of)(rows, depth, ldx);
            const int is_finite = (k + i) % 2, rectify = k / 2 % 2;
            if (how_much == QUICK && k % 5 && k <= MOST) continue;
            now.m = m;
            now.n = n;
            now.k = depth;
            FN(random)(A, depth * m, -2, 2);
            FN(random)(B, depth * n, -2, 2);
            FN(random)(C, size, -2, 2);
            FN(random)(D, m, -2, 2);
            if (!is_finite) {
                const ptrdiff_t row = (ptrdiff_t)(random_bits() % (uint64_t)rows);
                const ptrdiff_t at = (ptrdiff_t)(random_bits() % (uint64_t)depth);
                C[row * ldx + at] = (real)(k % 4 < 2 ? NAN : -INFINITY);
            }
            while (next_call()) {
                const real *a, *b, *s, *x;
                real *c, *plain, *lanes, *work;
                fm_next next = {0};
                if (!KERNELS->gemm) continue;
                a = GIVE(A, depth * m);
                b = GIVE(B, depth * n);
                x = GIVE(C, size);
                s = GIVE(D, m);
                c = TAKE(NULL, m * n);
                plain = TAKE(NULL, m * n);
                lanes = TAKE(NULL, depth * rows);
                work = TAKE(NULL, FM_GEMM_WORK);
                next.x = x;
                next.ldx = ldx;
                next.n = rows;
                next.lanes = lanes;
                next.further = rows * ldx;
                KERNELS->gemm(m, n, depth, a, 1, m, b, n, s, 1, rectify, NULL, plain, n,
                              work);
                KERNELS->gemm(m, n, depth, a, 1, m, b, n, s, 1, rectify, &next, c, n, work);
                if (memcmp(c, plain, (size_t)(m * n) * sizeof(real)))
                    fail("other bits than without moving");
                if (!next.is_finite != !is_finite) fail("finite: %d", next.is_finite);
                for (ptrdiff_t row = 0; row < rows; ++row)
                    for (ptrdiff_t p = 0; p < depth; ++p)
                        if (memcmp(&lanes[p * rows + row], &x[row * ldx + p], sizeof(real)))
                            fail("row %td, value %td is not in its place", row, p);
            }
        }
}

/* Few columns of C: rows in lanes, rows alone, and few rows have the bits of many */
static void FN(test_narrow)(void)
{
    enum { SIZES = 14, ROWS = 48 };
    static const ptrdiff_t depths[SIZES] = {0,  1,  7,  16, 31, 32,  33,
                                            47, 64, 65, 70, 79, 128, 333};
    START("narrow_of_lanes");
    for (int i = 0; i < SIZES; ++i)
        for (ptrdiff_t n = 1; n <= 11; ++n)
            for (ptrdiff_t m = 16; m <= ROWS; m += 16) {
                const ptrdiff_t k = depths[i];
                const int rectify = (k / 2 + n + m / 16) % 2;
                FN(random_rows)(m, n, k);
                if (k % 3 == 0) { /* products that are -0, as is the summand */
                    for (ptrdiff_t j = 0; j < n; ++j) D[j] = -0.0;
                    for (ptrdiff_t j = 0; j < m * k; ++j)
                        A[j] = (real)(sqrt((double)TINY) * 0x1p-27);
                    for (ptrdiff_t j = 0; j < n * k; ++j) B[j] = -A[0];
                }
                FN(turn)(m, k, A, C);
                while (next_call()) {
                    const real *a, *lanes, *b, *s;
                    real *turned, *work, *rows, *alone;
                    if (!KERNELS->gemm) {
                        if (KERNELS->lanes || KERNELS->is_narrow ||
                            KERNELS->narrow_of_lanes)
                            fail("lanes without products");
                        continue;
                    }
                    a = GIVE(A, m * k);
                    lanes = GIVE(C, m * k);
                    b = GIVE(B, n * k);
                    s = GIVE(D, n);
                    turned = TAKE(NULL, m * n);
                    rows = TAKE(NULL, m * n);
                    alone = TAKE(NULL, n);
                    work = TAKE(NULL, FM_GEMM_WORK);
                    if (m % KERNELS->lanes) fail("%td lanes", KERNELS->lanes);
                    FN(check_rows_alone)(m, n, k, a, b, s, rectify, rows, alone, work);
                    if (!KERNELS->is_narrow(n, k)) continue;
                    KERNELS->narrow_of_lanes(m, n, k, lanes, b, s, rectify, turned);
                    for (ptrdiff_t r = 0; r < m; ++r)
                        for (ptrdiff_t j = 0; j < n; ++j)
                            if (memcmp(&turned[j * m + r], &rows[r * n + j], sizeof(real)))
                                fail("other bits than row %td in memory", r);
                }
            }
}

static void FN(test_calibration)(void)
{
    START("multiply_add, read, write");
    for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i) {
        uint64_t any = 0;
        FN(random)(A, now.n, -2, 2);
        for (ptrdiff_t j = 0; j < now.n; ++j) {
            uint64_t pattern = 0;
            memcpy(&pattern, &A[j], sizeof(real));
            any |= pattern;
        }
        while (next_call()) {
            real *written = TAKE(NULL, now.n);
            FN(check_value)(KERNELS->read(GIVE(A, now.n), now.n), (double)any, 0, "bits",
                            0, 0);
            KERNELS->write(2, written, now.n);
            for (ptrdiff_t j = 0; j < now.n; ++j)
                if (written[j] != 2) fail("%td was not written", j);
            if (KERNELS->multiply_add) {
                const double per_round = KERNELS->multiply_add(1);
                FN(check_value)(KERNELS->multiply_add(now.n), per_round * (double)now.n, 0,
                                "operations", 0, 0);
            }
        }
    }
}
