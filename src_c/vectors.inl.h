/* Sums of products over long vectors, in double. */

static void FN(own_lines)(real *x, ptrdiff_t n)
{
    const ptrdiff_t line = 64 / (ptrdiff_t)sizeof(real);
    volatile real *const values = x;
    for (ptrdiff_t i = 0; i < n; i += line) values[i] = values[i];
    if (n > 0) values[n - 1] = values[n - 1]; /* of the last line */
}

static double FN(dot)(const real *x, const real *y, ptrdiff_t n)
{
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (ptrdiff_t i = 0; i < n; ++i) total += (double)x[i] * (double)y[i];
    return total;
}

static double FN(axpy_dot)(real a, const real *restrict x, real *restrict y,
                           const real *restrict z, ptrdiff_t n)
{
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (ptrdiff_t i = 0; i < n; ++i) {
        y[i] += a * x[i];
        total += (double)y[i] * (double)z[i];
    }
    return total;
}
