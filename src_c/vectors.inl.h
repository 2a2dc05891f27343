/* Sums of products over long vectors: in `real` over CHUNK values, in double beyond, which
 * keeps the error of single precision small. */
#define CHUNK 512

static double FN(dot)(const real *x, const real *y, ptrdiff_t n)
{
    double total = 0;
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        const ptrdiff_t stop = n - start < CHUNK ? n : start + CHUNK;
        real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (ptrdiff_t i = start; i < stop; ++i) sum += x[i] * y[i];
        total += sum;
    }
    return total;
}

static double FN(axpy_dot)(real a, const real *restrict x, real *restrict y,
                           const real *restrict z, ptrdiff_t n)
{
    double total = 0;
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        const ptrdiff_t stop = n - start < CHUNK ? n : start + CHUNK;
        real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (ptrdiff_t i = start; i < stop; ++i) {
            y[i] += a * x[i];
            sum += y[i] * z[i];
        }
        total += sum;
    }
    return total;
}
#undef CHUNK
