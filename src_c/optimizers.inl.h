/* Parameter updates: one sweep over a flat vector each.
 *
 * The gradient arrives as plain sums over the batch; scale (one over the weight of the
 * batch) and decay (the L2 penalty, already scaled) are folded into the sweep, and so is
 * the sum of squares that the penalty in the loss needs: in `real` over CHUNK weights,
 * then in double. */

#define CHUNK 512

static double FN(sum)(const real *x, ptrdiff_t n)
{
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (ptrdiff_t i = 0; i < n; ++i) total += x[i];
    return total;
}

/* BODY for every i < n, with the sum of w[i] * w[i] before it in `total` */
#define SWEEP(BODY)                                                                    \
    double total = 0;                                                                  \
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {                             \
        const ptrdiff_t stop = n - start < CHUNK ? n : start + CHUNK;                  \
        real squares = 0;                                                              \
        _Pragma("omp simd reduction(+ : squares)")                                     \
        for (ptrdiff_t i = start; i < stop; ++i) {                                     \
            const real wi = w[i];                                                      \
            const real gi = scale * g[i] + decay * wi;                                 \
            squares += wi * wi;                                                        \
            BODY                                                                       \
        }                                                                              \
        total += squares;                                                              \
    }

static double FN(finish_gradient)(const real *restrict w, real *restrict g, ptrdiff_t n,
                                  real scale, real decay)
{
    SWEEP(g[i] = gi;)
    return total;
}

/* v := momentum v - rate g; w := w + v, or w + momentum v - rate g for Nesterov's form
 * (Sutskever et al. 2013) */
static double FN(sgd_update)(const real *restrict g, real *restrict w, real *restrict v,
                             ptrdiff_t n, real scale, real decay, real learning_rate,
                             real momentum, int nesterov)
{
    const real ahead = nesterov ? momentum : 1;
    const real push = nesterov ? learning_rate : 0;
    SWEEP(const real vi = momentum * v[i] - learning_rate * gi; v[i] = vi;
          w[i] = wi + (ahead * vi - push * gi);)
    return total;
}

/* m := b1 m + (1-b1) g; v := b2 v + (1-b2) g^2; w := w - rate m / (sqrt(v) + epsilon)
 * (Kingma and Ba 2014); the bias corrections are in learning_rate */
static double FN(adam_update)(const real *restrict g, real *restrict w, real *restrict m,
                              real *restrict v, ptrdiff_t n, real scale, real decay,
                              real learning_rate, real beta_1, real one_minus_beta_1,
                              real beta_2, real one_minus_beta_2, real epsilon)
{
    SWEEP(const real mi = beta_1 * m[i] + one_minus_beta_1 * gi;
          const real vi = beta_2 * v[i] + one_minus_beta_2 * (gi * gi); m[i] = mi;
          v[i] = vi; w[i] = wi - learning_rate * mi / (RM(sqrt)(vi) + epsilon);)
    return total;
}
#undef SWEEP
#undef CHUNK
