/* Rows of a batch: gathered from a dense matrix, or multiplied straight from CSR. */

static void FN(gather_rows)(const real *x, const ptrdiff_t *order, real *out,
                            ptrdiff_t n, ptrdiff_t k, ptrdiff_t ldo)
{
    for (ptrdiff_t i = 0; i < n; ++i) {
        const real *row = x + order[i] * k;
        if (k == 1)
            out[i * ldo] = *row;
        else
            memcpy(out + i * ldo, row, (size_t)k * sizeof(real));
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
