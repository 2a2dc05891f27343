/* Rows of a batch: gathered, cast, multiplied straight from CSR, and transposes. */

enum { ROWS = 90 };

static void FN(random_order)(ptrdiff_t *order, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; ++i) order[i] = (ptrdiff_t)(random_bits() % ROWS);
}

/* Rows of whole cache lines may be written up to their end, others not */
static void FN(test_gather)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld)
{
    const ptrdiff_t whole = FN(whole)(k);
    const ptrdiff_t width = ld % FN(whole)(1) == 0 ? whole : k;
    const ptrdiff_t size = FN(extent_of)(n, width, ld);
    const ptrdiff_t known = n + now.k % 3 * 9;
    ptrdiff_t order[MOST + 19];
    FN(random)(A, ROWS * k, -2, 2);
    FN(random)(B, size, -2, 2);
    FN(random_order)(order, known);
    while (next_call()) {
        const real *x = GIVE(A, ROWS * k);
        const ptrdiff_t *rows = GIVE_INDICES(order, known);
        real *out = TAKE(B, size);
        KERNELS->gather_rows(x, rows, out, n, known, k, ld);
        for (ptrdiff_t i = 0; i < n; ++i)
            if (k && memcmp(out + i * ld, A + order[i] * k, (size_t)k * sizeof(real)))
                fail("row %td is another", i);
        FN(check_gaps)(out, B, n, width, ld);
    }
}

static void FN(test_cast)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld, int ordered)
{
    static double x[ROWS * MOST];
    const ptrdiff_t size = FN(extent_of)(n, k, ld), first = 5;
    ptrdiff_t order[MOST + 6];
    for (ptrdiff_t i = 0; i < ROWS * k; ++i) x[i] = uniform(-2, 2);
    FN(random)(B, size, -2, 2);
    FN(random_order)(order, n + first);
    while (next_call()) {
        const double *from = take(x, ROWS * k, sizeof(double), INPUT);
        const ptrdiff_t *rows = ordered ? GIVE_INDICES(order, n + first) : NULL;
        real *out = TAKE(B, size);
        KERNELS->cast_rows(from, rows, first, out, n, k, ld);
        for (ptrdiff_t i = 0; i < n; ++i)
            for (ptrdiff_t j = 0; j < k; ++j) {
                const ptrdiff_t row = ordered ? order[first + i] : first + i;
                if (out[i * ld + j] != (real)x[row * k + j]) fail("(%td, %td)", i, j);
            }
        FN(check_gaps)(out, B, n, k, ld);
    }
}

static void FN(test_gathering)(void)
{
    START("gather_rows");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k)) {
                const ptrdiff_t k = now.k, whole = FN(whole)(k);
                FN(test_gather)(now.n, k, k);
                FN(test_gather)(now.n, k, k + 1);
                FN(test_gather)(now.n, k, whole);
                FN(test_gather)(now.n, k, whole + FN(whole)(1));
            }
    START("cast_rows");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k)) {
                FN(test_cast)(now.n, now.k, now.k, 0);
                FN(test_cast)(now.n, now.k, now.k + 3, 1);
            }
}

/* A CSR matrix of ROWS rows with up to 5 values each, some empty; n of its rows with k
 * columns of weights: forward and backward */
static void FN(test_csr)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap, int ordered)
{
    static ptrdiff_t indices[ROWS * 5], indptr[ROWS + 1], order[MOST + 1];
    static double want_w[MOST * MOST], bound_w[MOST * MOST];
    const ptrdiff_t features = 1 + n % MOST, ld = k + gap;
    const ptrdiff_t size = FN(extent_of)(n, k, ld);
    const ptrdiff_t first = ordered ? 0 : 3;
    ptrdiff_t stored = 0;
    for (ptrdiff_t i = 0; i < ROWS; ++i) {
        indptr[i] = stored;
        for (uint64_t left = random_bits() % 6; left > 0; --left)
            indices[stored++] = (ptrdiff_t)(random_bits() % (uint64_t)features);
    }
    indptr[ROWS] = stored;
    FN(random_order)(order, n);
    FN(random)(A, stored, -2, 2);
    FN(random)(B, features * k, -2, 2);
    FN(random)(C, k, -2, 2);
    FN(random)(D, size, -2, 2);
    for (ptrdiff_t f = 0; f < features * k; ++f) {
        want_w[f] = (double)B[f];
        bound_w[f] = fabs((double)B[f]);
    }
    for (ptrdiff_t i = 0; i < n; ++i) {
        const ptrdiff_t row = ordered ? order[i] : first + i;
        for (ptrdiff_t j = 0; j < k; ++j) {
            want[i * k + j] = (double)C[j];
            bound[i * k + j] = fabs((double)C[j]);
        }
        for (ptrdiff_t s = indptr[row]; s < indptr[row + 1]; ++s)
            for (ptrdiff_t j = 0; j < k; ++j) {
                const ptrdiff_t weight = indices[s] * k + j;
                const double part = (double)A[s] * (double)B[weight];
                const double back = (double)A[s] * (double)D[i * ld + j];
                want[i * k + j] += part;
                bound[i * k + j] += fabs(part);
                want_w[weight] += back;
                bound_w[weight] += fabs(back);
            }
    }
    for (ptrdiff_t i = 0; i < n * k; ++i) bound[i] *= 6 * EPS;
    while (next_call()) {
        const fm_csr_rows rows = {GIVE_INDICES(indices, stored),
                                  GIVE_INDICES(indptr, ROWS + 1),
                                  ordered ? GIVE_INDICES(order, n) : NULL, first};
        const real *values = GIVE(A, stored), *w = GIVE(B, features * k);
        const real *b = GIVE(C, k), *delta = GIVE(D, size);
        real *z = TAKE(D, size), *dw = TAKE(B, features * k);
        KERNELS->csr_forward(rows, values, w, b, z, n, k, ld);
        FN(check)(z, n, k, ld);
        FN(check_gaps)(z, D, n, k, ld);
        KERNELS->csr_backward(rows, values, delta, ld, dw, n, k);
        for (ptrdiff_t f = 0; f < features * k; ++f)
            FN(check_value)((double)dw[f], want_w[f],
                            (double)(2 + 5 * n) * EPS * bound_w[f], "dw", f, 0);
    }
}

static void FN(test_sparse)(void)
{
    START("csr");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k))
                FN(test_csr)(now.n, now.k, now.n % 2 * 3, now.k % 2);
}

static void FN(test_transpose)(void)
{
    START("transpose");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k) {
            const ptrdiff_t n = now.n, k = now.k, ldx = k + n % 3, ldo = n + k % 2;
            const ptrdiff_t size = FN(extent_of)(n, k, ldx);
            const ptrdiff_t out_size = FN(extent_of)(k, n, ldo);
            if (how_much == QUICK && !is_in_grid(n, k)) continue;
            FN(random)(A, size, -2, 2);
            FN(random)(B, out_size, -2, 2);
            while (next_call()) {
                const real *x = GIVE(A, size);
                real *out = TAKE(B, out_size);
                KERNELS->transpose(x, ldx, out, ldo, n, k);
                for (ptrdiff_t i = 0; i < n; ++i)
                    for (ptrdiff_t j = 0; j < k; ++j)
                        if (out[j * ldo + i] != A[i * ldx + j]) fail("(%td, %td)", i, j);
                FN(check_gaps)(out, B, k, n, ldo);
            }
        }
}
