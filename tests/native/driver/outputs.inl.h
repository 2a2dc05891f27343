/* Output activations, and the loss of smoothed targets; after objectives.inl.h. */

static void FN(test_output)(const fm_objective *o, ptrdiff_t n, ptrdiff_t k)
{
    const ptrdiff_t ld = (n + 15) / 16 * 16 + n % 2 * 16;
    FN(random)(A, n * k, -4, 4);
    for (ptrdiff_t i = 0; i < n; ++i) {
        const real *z = A + i * k;
        double p[4 * MOST];
        if (o->output == FM_OUTPUT_softmax) FN(softmax_of)(z, k, p);
        for (ptrdiff_t j = 0; j < k; ++j) {
            double raw = (double)z[j], size = fabs(raw);
            if (o->loss == FM_LOSS_quantile && o->is_monotone) {
                const ptrdiff_t first = j - j % o->n_levels;
                const double unit = FN(step_unit)(o, j / o->n_levels);
                raw = (double)z[first];
                for (ptrdiff_t q = first + 1; q <= j; ++q)
                    raw += unit * log1p(exp((double)z[q] / unit));
                size = (1 + fabs((double)z[first]) + fabs(raw)) * (double)o->n_levels;
            }
            want[i * k + j] =
                o->output == FM_OUTPUT_softmax ? p[j] : FN(mean_of)(o, raw);
            bound[i * k + j] = o->output == FM_OUTPUT_softmax
                                   ? (double)(12 + k) * EPS * p[j]
                                   : EPS * (5 * fabs(want[i * k + j]) +
                                            4 * FN(slope_of)(o, raw) * size);
        }
    }
    while (next_call()) {
        real *z = TAKE(A, n * k);
        KERNELS->output(o, z, n, k);
        FN(check)(z, n, k, k);
    }
    for (ptrdiff_t i = 0; i < n * k; ++i) B[i] = A[i];
    FN(random)(A, k * ld, -4, 4);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) A[j * ld + i] = B[i * k + j];
    while (next_call()) {
        real *z = TAKE(A, k * ld), *out = TAKE(NULL, n * k);
        KERNELS->output_of_lanes(o, z, ld, out, n, k, 0);
        FN(check)(out, n, k, k);
    }
    while (next_call()) {
        real *z = TAKE(A, k * ld), *out = TAKE(NULL, n * k);
        KERNELS->output_of_lanes(NULL, z, ld, out, n, k, 0);
        if (n * k > 0 && memcmp(out, B, (size_t)(n * k) * sizeof(real)))
            fail("the outputs changed on the way");
    }
}

static void FN(test_output_sizes)(const fm_objective *o)
{
    now.detail = fm_output_name((int)o->output);
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k) && FN(y_width)(o, now.k) >= 0)
                FN(test_output)(o, now.n, now.k);
}

static void FN(test_outputs)(void)
{
    fm_objective o;
    START("output, output_of_lanes");
    for (int i = 0; FN(objective)(i, &o); ++i) {
        if (o.loss != FM_LOSS_squared_error && o.loss != FM_LOSS_log_loss &&
            o.loss != FM_LOSS_quantile)
            continue; /* the others change nothing */
        FN(test_output_sizes)(&o);
    }
    memset(&o, 0, sizeof(o));
    o.loss = FM_LOSS_squared_error;
    for (int output = FM_N_LOSS_OUTPUTS; output < FM_N_OUTPUTS; ++output) {
        o.output = (fm_output)output;
        FN(test_output_sizes)(&o);
    }
}

/* log_loss with smoothed targets (1 - s) [class is y] + s / k */
static void FN(test_smoothed)(ptrdiff_t n, ptrdiff_t k, int weighted)
{
    const double smoothing = 0.125;
    double total = 0, size = 0, p[MOST];
    FN(random)(A, n * k, -3, 3);
    for (ptrdiff_t i = 0; i < n; ++i) B[i] = (real)(random_bits() % (uint64_t)k);
    FN(random)(C, n, 0.5, 3);
    FN(random)(D, k, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i) {
        const double weight = weighted ? (double)C[i] : 1;
        const double log_sum = FN(softmax_of)(A + i * k, k, p);
        for (ptrdiff_t j = 0; j < k; ++j) {
            const double z = (double)A[i * k + j];
            const double target =
                (1 - smoothing) * (j == (ptrdiff_t)B[i]) + smoothing / (double)k;
            total += weight * target * (log_sum - z);
            size += weight * (fabs(z) + fabs(log_sum) + 4);
            want[i * k + j] = weight * (p[j] - target);
            bound[i * k + j] = EPS * (double)(16 + k) * weight * (p[j] + target);
        }
    }
    FN(sum_columns)(D, n, k);
    while (next_call()) {
        const real *y = GIVE(B, n), *w = weighted ? GIVE(C, n) : NULL;
        real *z = TAKE(A, n * k), *db = TAKE(D, k);
        FN(check_value)(KERNELS->smoothed_log_loss(y, w, z, db, n, k, (real)smoothing),
                        total, 16 * EPS * size, "loss", 0, 0);
        FN(check)(z, n, k, k);
        FN(check_sums)(db, k);
    }
}

static void FN(test_smoothing)(void)
{
    START("smoothed_log_loss");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 1; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k))
                FN(test_smoothed)(now.n, now.k, (int)(now.n + now.k) % 2);
}
