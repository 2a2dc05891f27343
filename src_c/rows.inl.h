/* Rows of a batch: gathered from a dense matrix, or multiplied straight from CSR. */

/* out := k values; with vectors, anything up to the end of the last one behind them */
static FM_ALWAYS_INLINE void FN(copy_row)(const real *row, real *out, ptrdiff_t k)
{
#if FM_HAS_GEMM
    ptrdiff_t j = 0;
    for (; j + LANES <= k; j += LANES) V_STORE(out + j, V_LOAD(row + j));
    if (j < k) V_STORE(out + j, V_LOAD_FIRST(row + j, k - j));
#else
    memcpy(out, row, (size_t)k * sizeof(real));
#endif
}

/* Rows are anywhere in memory: those AHEAD are asked for, by their first LINES lines,
 * which then come while others are copied; the last calls are for the next batch. Asking
 * for 16 rows makes a step over 784 features a quarter longer (measured).
 *
 * Asking for them between the tiles of the batch before took 20 to 40 % longer at 10^7 rows
 * of 50 features (measured, Zen 5, virtual): an address that no buffer translates is as
 * slow as its data, and the sums queue behind it, while a gather has many under way. */
#define AHEAD 8
#define LINES 8
#define LINE (64 / (ptrdiff_t)sizeof(real))
static void FN(gather_rows)(const real *x, const ptrdiff_t *order, real *out,
                            ptrdiff_t n, ptrdiff_t known, ptrdiff_t k, ptrdiff_t ldo)
{
    const ptrdiff_t near = k < LINES * LINE ? k : LINES * LINE;
    if (ldo == 1 && k == 1) {
        for (ptrdiff_t i = 0; i < n; ++i) out[i] = x[order[i]];
        return;
    }
    for (ptrdiff_t i = 0; i < n; ++i) {
        if (i + AHEAD < known)
            for (ptrdiff_t j = 0; j < near; j += LINE)
                FM_PREFETCH(x + order[i + AHEAD] * k + j);
        if (ldo % LINE == 0)
            FN(copy_row)(x + order[i] * k, out + i * ldo, k);
        else
            memcpy(out + i * ldo, x + order[i] * k, (size_t)k * sizeof(real));
    }
}
#undef AHEAD
#undef LINES
#undef LINE

static void FN(cast_rows)(const double *x, const ptrdiff_t *order, ptrdiff_t first,
                          real *out, ptrdiff_t n, ptrdiff_t k, ptrdiff_t ldo)
{
    for (ptrdiff_t i = 0; i < n; ++i) {
        const double *row = x + (order ? order[first + i] : first + i) * k;
        for (ptrdiff_t j = 0; j < k; ++j) out[i * ldo + j] = (real)row[j];
    }
}

static inline ptrdiff_t FN(csr_row)(fm_csr_rows rows, ptrdiff_t i)
{
    return rows.order ? rows.order[i] : rows.first + i;
}

static void FN(csr_forward)(fm_csr_rows rows, const real *values,
                            const real *restrict w, const real *b, real *restrict z,
                            ptrdiff_t n, ptrdiff_t k, ptrdiff_t ldz)
{
    for (ptrdiff_t i = 0; i < n; ++i, z += ldz) {
        const ptrdiff_t row = FN(csr_row)(rows, i);
        for (ptrdiff_t j = 0; j < k; ++j) z[j] = b[j];
        for (ptrdiff_t s = rows.indptr[row]; s < rows.indptr[row + 1]; ++s) {
            const real *source = w + rows.indices[s] * k;
            const real value = values[s];
            for (ptrdiff_t j = 0; j < k; ++j) z[j] += value * source[j];
        }
    }
}

static void FN(csr_backward)(fm_csr_rows rows, const real *values,
                             const real *restrict delta, ptrdiff_t ldd,
                             real *restrict dw, ptrdiff_t n, ptrdiff_t k)
{
    for (ptrdiff_t i = 0; i < n; ++i, delta += ldd) {
        const ptrdiff_t row = FN(csr_row)(rows, i);
        for (ptrdiff_t s = rows.indptr[row]; s < rows.indptr[row + 1]; ++s) {
            real *target = dw + rows.indices[s] * k;
            const real value = values[s];
            for (ptrdiff_t j = 0; j < k; ++j) target[j] += value * delta[j];
        }
    }
}
