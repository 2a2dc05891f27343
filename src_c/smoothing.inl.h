/* Label smoothing (Szegedy et al. 2016): the target of each class is
 * (1 - smoothing) [class is y] + smoothing / k.
 *
 * Its cross entropy is log sum exp(z) - (1 - smoothing) z_y - smoothing mean(z).  For two
 * classes and for labels the targets themselves are smoothed, before they get here.  The
 * loss is not clamped as log_loss is: no weight is ever pulled to infinity. */

static double FN(smoothed_log_loss)(const real *y, const real *w, real *z,
                                    real *restrict db, ptrdiff_t n, ptrdiff_t k,
                                    real smoothing)
{
    const real share = smoothing / (real)k;
    double total = 0;
    for (ptrdiff_t i = 0; i < n; ++i, z += k) {
        const real weight = w ? w[i] : 1, raw = z[(ptrdiff_t)y[i]];
        real largest, sum = 0;
        for (ptrdiff_t j = 0; j < k; ++j) sum += z[j] - raw;
        const real log_sum = FN(softmax_row)(z, k, &largest);
        z[(ptrdiff_t)y[i]] -= 1 - smoothing;
        for (ptrdiff_t j = 0; j < k; ++j) {
            z[j] = weight * (z[j] - share);
            db[j] += z[j];
        }
        total += weight * (log_sum + (largest - raw) - share * sum);
    }
    return total;
}
