/* Losses of a whole row of outputs, and the choice among all losses. */

/* Loss and delta of n <= GROUP rows of few classes under softmax; db := db + the column
 * sums of delta */
static double FN(narrow_log_losses)(real *z, const real *y, const real *w,
                                    ptrdiff_t w_step, real *db, ptrdiff_t n, ptrdiff_t k)
{
    real columns[NARROW * GROUP], target[GROUP] = {0}, weight[GROUP] = {0};
    real raw[GROUP] = {0}, log_sum[GROUP], largest[GROUP];
    double total = 0;
    FN(to_columns)(z, columns, n, k);
    for (ptrdiff_t i = 0; i < n; ++i) {
        target[i] = y[i];
        weight[i] = w[i * w_step];
    }
    for (ptrdiff_t j = 0; j < k; ++j)
#pragma omp simd
        for (ptrdiff_t i = 0; i < GROUP; ++i) {
            const real column = columns[j * GROUP + i];
            raw[i] = target[i] == (real)j ? column : raw[i];
        }
    FN(softmax_columns)(columns, GROUP, k, log_sum, largest);
    for (ptrdiff_t i = 0; i < GROUP; ++i)
        raw[i] = weight[i] * FN(clamp_log_loss)(log_sum[i] + (largest[i] - raw[i]));
    for (ptrdiff_t i = 0; i < n; ++i) total += raw[i];
    for (ptrdiff_t j = 0; j < k; ++j) {
        real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (ptrdiff_t i = 0; i < GROUP; ++i) {
            const real hot = target[i] == (real)j ? R(1.0) : R(0.0);
            columns[j * GROUP + i] = weight[i] * (columns[j * GROUP + i] - hot);
            sum += columns[j * GROUP + i];
        }
        db[j] += sum;
    }
    FN(transpose)(columns, GROUP, z, k, k, n);
    return total;
}

/* The same for a row of any number of classes */
static double FN(wide_log_loss)(real *restrict z, ptrdiff_t y, real weight,
                                real *restrict db, ptrdiff_t k)
{
    real largest;
    const real raw = z[y];
    const real log_sum = FN(softmax_row)(z, k, &largest);
    z[y] -= 1;
    for (ptrdiff_t j = 0; j < k; ++j) {
        z[j] *= weight;
        db[j] += z[j];
    }
    return weight * FN(clamp_log_loss)(log_sum + (largest - raw));
}

static double FN(log_losses)(real *z, const real *y, const real *w, ptrdiff_t w_step,
                             real *db, ptrdiff_t n, ptrdiff_t k)
{
    double total = 0;
    if (k > NARROW)
        for (ptrdiff_t i = 0; i < n; ++i)
            total += FN(wide_log_loss)(z + i * k, (ptrdiff_t)y[i], w[i * w_step], db, k);
    else
        for (ptrdiff_t i = 0; i < n; i += GROUP)
            total += FN(narrow_log_losses)(z + i * k, y + i, w + i * w_step, w_step, db,
                                           n - i < GROUP ? n - i : GROUP, k);
    return total;
}

/* -(1 - p)^gamma log p of the class under softmax, by rows.  1 - p is the sum of the other
 * probabilities, so that neither it nor log p cancels where p is near 1. */
static double FN(focal_loss)(real *restrict z, ptrdiff_t y, real weight, real gamma,
                             real *restrict db, ptrdiff_t k)
{
    real largest, rest = 0;
    const real raw = z[y];
    const real log_sum = FN(softmax_row)(z, k, &largest);
    for (ptrdiff_t j = 0; j < k; ++j) rest += j == y ? 0 : z[j];
    const real log_p = rest < R(0.5)   ? FN(log1p)(-rest)
                       : rest == rest ? (raw - largest) - log_sum
                                      : rest;
    const real bounded = rest < REAL_TINY ? REAL_TINY : rest;
    const real factor = FN(exp)(gamma * FN(log_of)(bounded, 0));
    /* dloss / dlog p, and d log p / dz_j = [j == y] - p_j */
    const real slope = weight * factor * (gamma * z[y] * log_p / bounded - 1);
    for (ptrdiff_t j = 0; j < k; ++j) {
        z[j] = j == y ? slope * rest : -slope * z[j];
        db[j] += z[j];
    }
    return -weight * factor * log_p;
}

/* The pinball losses of one target: levels tau (n,), r (tau - [r < 0]) with r = y - a; the
 * derivative is 0 at r = 0 */
static double FN(pinball)(const fm_objective *o, ptrdiff_t target, real *z, real y,
                          real weight)
{
    const ptrdiff_t n = o->n_levels;
    real step_slope[FM_MAX_LEVELS], slope[FM_MAX_LEVELS];
    double total = 0;
    if (o->is_monotone) FN(add_steps)(o, target, z, step_slope);
    if (o->output != FM_OUTPUT_identity) FN(to_canonical)(o, z, slope, n);
    for (ptrdiff_t q = 0; q < n; ++q) {
        const real tau = (real)o->levels[q], r = y - z[q];
        total += weight * (r < 0 ? (tau - 1) * r : tau * r);
        z[q] = weight * (r > 0 ? -tau : (r < 0 ? 1 - tau : r));
        if (o->output != FM_OUTPUT_identity) z[q] *= slope[q];
    }
    if (o->is_monotone) { /* a step moves all levels above it */
        real above = 0;
        for (ptrdiff_t q = n - 1; q >= 0; --q) {
            above += z[q];
            z[q] = above * step_slope[q];
        }
    }
    return total;
}

/* log sigma + (y - mean)^2 / (2 sigma^2) + log(2 pi) / 2 over a row of k means and k log
 * variances s = 2 log sigma */
static double FN(gaussian_nll)(real *restrict z, const real *y, real weight, ptrdiff_t k)
{
    double total = 0;
    for (ptrdiff_t j = 0; j < k; ++j) {
        const real s = z[k + j], r = z[j] - y[j], precision = FN(exp)(-s);
        const real square = r * r * precision;
        total += weight * (R(0.5) * (s + square) + R(0.9189385332046727));
        z[j] = weight * r * precision;
        z[k + j] = weight * R(0.5) * (1 - square);
    }
    return total;
}

static void FN(add_column_sums)(const real *x, real *sums, ptrdiff_t n, ptrdiff_t k)
{
    if (k == 1) {
        real total = 0;
#pragma omp simd reduction(+ : total)
        for (ptrdiff_t i = 0; i < n; ++i) total += x[i];
        sums[0] += total;
        return;
    }
    for (ptrdiff_t i = 0; i < n; ++i, x += k)
        for (ptrdiff_t j = 0; j < k; ++j) sums[j] += x[j];
}

static double FN(loss_delta)(const fm_objective *o, const real *y, const real *w,
                             real *z, real *db, ptrdiff_t n, ptrdiff_t k)
{
    const real one = 1, p = (real)o->parameter;
    const ptrdiff_t w_step = w ? 1 : 0;
    double total = 0;
    if (!w) w = &one;
    if (o->loss == FM_LOSS_log_loss) {
        return FN(log_losses)(z, y, w, w_step, db, n, k);
    } else if (o->loss == FM_LOSS_focal) {
        for (ptrdiff_t i = 0; i < n; ++i)
            total += FN(focal_loss)(z + i * k, (ptrdiff_t)y[i], w[i * w_step], p, db, k);
        return total;
    } else if (o->loss == FM_LOSS_quantile) {
        const ptrdiff_t n_targets = k / o->n_levels;
        for (ptrdiff_t i = 0; i < n; ++i)
            for (ptrdiff_t t = 0; t < n_targets; ++t)
                total += FN(pinball)(o, t, z + i * k + t * o->n_levels,
                                     y[i * n_targets + t], w[i * w_step]);
    } else if (o->loss == FM_LOSS_gaussian_nll) {
        for (ptrdiff_t i = 0; i < n; ++i)
            total += FN(gaussian_nll)(z + i * k, y + i * (k / 2), w[i * w_step], k / 2);
    } else if (o->positive) {
        for (ptrdiff_t i = 0; i < n; ++i)
            total += FN(weighted_binary)(o->loss, z + i * k, y + i * k, w[i * w_step],
                                         o->positive, k, p);
    } else if (o->output != FN(canonical)(o->loss)) {
        if (!w_step || k == 1)
            total = FN(linked_losses)(o, z, y, w, w_step, n * k, p);
        else
            for (ptrdiff_t i = 0; i < n; ++i)
                total += FN(linked_losses)(o, z + i * k, y + i * k, w + i, 0, k, p);
    } else if (!w_step) {
        total = FN(losses_of_ones)(o->loss, z, y, n * k, p);
    } else if (k == 1) {
        total = FN(losses_of_weights)(o->loss, z, y, w, n, p);
    } else {
        for (ptrdiff_t i = 0; i < n; ++i)
            total +=
                FN(losses_of_one_weight)(o->loss, z + i * k, y + i * k, w + i, k, p);
    }
    FN(add_column_sums)(z, db, n, k);
    return total;
}
#undef GROUP
#undef NARROW
#undef LOG_LOSS_MAX
#undef LOG_LOSS_MIN
