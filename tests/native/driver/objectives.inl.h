/* Losses, in plain C as the textbooks write them: in the mean a = g(z), where the kernels
 * work on the scale of the canonical activation. */

/* A value or a derivative, and the size of what it is made of: a result is right within
 * a few eps of that size */
typedef struct {
    double value, size, delta, delta_size;
} FN(term);

static double FN(logistic)(double z) { return 1 / (1 + exp(-z)); }

static double FN(mean_of)(const fm_objective *o, double z)
{
    switch (o->output) {
        case FM_OUTPUT_exp: return exp(z);
        case FM_OUTPUT_logistic: return o->low + (o->high - o->low) * FN(logistic)(z);
        case FM_OUTPUT_softplus: return log1p(exp(z));
        case FM_OUTPUT_tanh: return tanh(z);
        case FM_OUTPUT_relu: return z > 0 ? z : 0;
        default: return z;
    }
}

static double FN(slope_of)(const fm_objective *o, double z)
{
    switch (o->output) {
        case FM_OUTPUT_exp: return exp(z);
        case FM_OUTPUT_logistic:
            return (o->high - o->low) * FN(logistic)(z) * FN(logistic)(-z);
        case FM_OUTPUT_softplus: return FN(logistic)(z);
        case FM_OUTPUT_tanh: return 1 - tanh(z) * tanh(z);
        case FM_OUTPUT_relu: return z > 0;
        default: return 1;
    }
}

/* The units of the steps between the quantiles of a target */
static double FN(step_unit)(const fm_objective *o, ptrdiff_t target)
{
    return o->step_scale ? (double)(real)o->step_scale[target] : 1;
}

static double FN(log_or_0)(double y) { return y > 0 ? log(y) : 0; }

/* One output: its loss and dloss/dz, and the sizes of the terms of both */
static FN(term) FN(element)(const fm_objective *o, double z, double y)
{
    const double p = o->parameter, a = FN(mean_of)(o, z), r = a - y;
    const double q = FN(logistic)(z), log_q = -log1p(exp(-z)), log_rest = -log1p(exp(z));
    double d = 0, d_size = 0; /* dloss/da */
    FN(term) t = {0};
    switch (o->loss) {
        case FM_LOSS_squared_error:
            t.value = r * r / 2;
            t.size = (fabs(a) + fabs(y)) * (fabs(a) + fabs(y));
            d = r;
            d_size = fabs(a) + fabs(y);
            break;
        case FM_LOSS_absolute_error:
            t.value = fabs(r);
            t.size = fabs(a) + fabs(y);
            d = r > 0 ? 1 : r < 0 ? -1 : 0;
            d_size = 1;
            break;
        case FM_LOSS_huber:
            t.value = fabs(r) <= p ? r * r / 2 : p * (fabs(r) - p / 2);
            t.size = (p + fabs(r)) * (fabs(a) + fabs(y) + p);
            d = r > p ? p : r < -p ? -p : r;
            d_size = fabs(a) + fabs(y);
            break;
        case FM_LOSS_log_cosh:
            t.value = fabs(r) + log1p(exp(-2 * fabs(r))) - log(2);
            t.size = fabs(a) + fabs(y) + 1;
            d = tanh(r);
            d_size = fabs(a) + fabs(y);
            break;
        case FM_LOSS_poisson:
            t.value = (y > 0 ? y * log(y / a) : 0) - y + a;
            t.size = y * (1 + fabs(FN(log_or_0)(y)) + fabs(log(a))) + a;
            d = 1 - y / a;
            d_size = (1 + y / a) * (1 + fabs(log(a)));
            break;
        case FM_LOSS_gamma:
            t.value = log(a / y) + y / a - 1;
            t.size = (1 + y / a) * (1 + fabs(log(a)) + fabs(log(y)));
            d = 1 / a - y / (a * a);
            d_size = t.size / a;
            break;
        case FM_LOSS_tweedie: {
            const double factors[] = {pow(y, 2 - p) / ((1 - p) * (2 - p)),
                                      y * pow(a, 1 - p) / (1 - p),
                                      pow(a, 2 - p) / (2 - p)};
            const double wide = 1 + fabs(FN(log_or_0)(y)) + fabs(log(a));
            t.value = factors[0] - factors[1] + factors[2];
            t.size = wide * (fabs(factors[0]) + fabs(factors[1]) + fabs(factors[2]));
            d = pow(a, 1 - p) - y * pow(a, -p);
            d_size = wide * (pow(a, 1 - p) + y * pow(a, -p));
            break;
        }
        case FM_LOSS_binary_log_loss:
            t.value = -y * log_q - (1 - y) * log_rest;
            t.size = 1 + fabs(t.value);
            t.delta = q - y;
            t.delta_size = q + y;
            return t;
        case FM_LOSS_binary_focal: {
            const double positive = pow(1 - q, p), negative = pow(q, p);
            const double wide = 1 + p * (1 + fabs(log_q) + fabs(log_rest));
            t.value = -y * positive * log_q - (1 - y) * negative * log_rest;
            t.size = wide * (1 + fabs(t.value));
            t.delta = y * (p * positive * q * log_q - positive * (1 - q)) +
                      (1 - y) * (-p * negative * (1 - q) * log_rest + negative * q);
            t.delta_size = wide * (y * positive + (1 - y) * negative);
            return t;
        }
        default: fail("no reference for %s", fm_loss_name((int)o->loss));
    }
    t.delta = d * FN(slope_of)(o, z);
    t.delta_size = (d_size + fabs(d)) * FN(slope_of)(o, z) * (1 + fabs(z));
    return t;
}

/* p := softmax of k values; returns the logarithm of the sum of their exponentials */
static double FN(softmax_of)(const real *z, ptrdiff_t k, double *p)
{
    double largest = -INFINITY, total = 0;
    for (ptrdiff_t j = 0; j < k; ++j) /* GCC 12 for arm64 fails on fmax here */
        if ((double)z[j] > largest) largest = (double)z[j];
    for (ptrdiff_t j = 0; j < k; ++j) total += p[j] = exp((double)z[j] - largest);
    for (ptrdiff_t j = 0; j < k; ++j) p[j] /= total;
    return largest + log(total);
}

/* The loss of rows of outputs z (n, k) with weights w or NULL into want and bound (the
 * deltas); returns the total, and in *within how near it is known */
static double FN(reference_loss)(const fm_objective *o, const real *y, const real *w,
                                 const real *z, ptrdiff_t n, ptrdiff_t k, double *within)
{
    long double total = 0;
    double size = 0, p[MOST * 4];
    for (ptrdiff_t i = 0; i < n; ++i, z += k) {
        const double weight = w ? (double)w[i] : 1;
        double *delta = want + i * k, *delta_bound = bound + i * k;
        if (o->loss == FM_LOSS_log_loss || o->loss == FM_LOSS_focal) {
            const ptrdiff_t c = (ptrdiff_t)y[i];
            const double gamma = o->loss == FM_LOSS_focal ? o->parameter : 0;
            const double log_sum = FN(softmax_of)(z, k, p);
            const double log_p = (double)z[c] - log_sum;
            double rest = 0, slope;
            for (ptrdiff_t j = 0; j < k; ++j) rest += j == c ? 0 : p[j];
            /* alone, a class has nothing to lose: both sides are 0 */
            if (k == 1 && gamma > 0) rest = 0;
            const double factor = gamma > 0 ? pow(rest, gamma) : 1;
            slope = factor * (gamma > 0 && rest > 0 ? gamma * p[c] * log_p / rest : 0) -
                    factor;
            total += -weight * factor * log_p;
            size += weight * (1 + gamma) * (double)(16 + k) *
                    (fabs(log_sum) + fabs((double)z[c]) + 1);
            for (ptrdiff_t j = 0; j < k; ++j) {
                const double hot = j == c;
                delta[j] = weight * (j == c ? slope * rest : -slope * p[j]);
                delta_bound[j] = EPS * (double)(16 + k) * weight * (hot + p[j]) *
                                 (1 + gamma) * (1 + gamma * (1 + fabs(log_p)));
            }
        } else if (o->loss == FM_LOSS_quantile) {
            const ptrdiff_t levels = o->n_levels, targets = k / levels;
            for (ptrdiff_t t = 0; t < targets; ++t) {
                double eta[MOST], slope[MOST], above = 0, above_size = 0, steps = 0;
                const double unit = FN(step_unit)(o, t);
                for (ptrdiff_t q = 0; q < levels; ++q) {
                    const double z_q = (double)z[t * levels + q];
                    const double raw = q && o->is_monotone ? z_q / unit : z_q;
                    const double step =
                        q && o->is_monotone ? unit * log1p(exp(raw)) : raw;
                    eta[q] = q && o->is_monotone ? eta[q - 1] + step : step;
                    slope[q] = q && o->is_monotone ? FN(logistic)(raw) : 1;
                    steps += fabs(step);
                }
                for (ptrdiff_t q = levels - 1; q >= 0; --q) {
                    const double tau = (double)(real)o->levels[q];
                    const double r = (double)y[i * targets + t] - FN(mean_of)(o, eta[q]);
                    const double d = (r > 0 ? -tau : 1 - tau) * FN(slope_of)(o, eta[q]);
                    total += weight * (r < 0 ? (tau - 1) * r : tau * r);
                    size += weight * 12 * (fabs(r) + (1 + steps) * (1 + fabs(
                            FN(mean_of)(o, eta[q]))) + fabs((double)y[i * targets + t]));
                    above = o->is_monotone ? above + d : d;
                    above_size = (o->is_monotone ? above_size : 0) +
                                 fabs(FN(slope_of)(o, eta[q])) * (1 + steps);
                    delta[t * levels + q] = weight * above * slope[q];
                    delta_bound[t * levels + q] =
                        EPS * (double)(8 + levels) * weight * above_size * slope[q];
                }
            }
        } else if (o->loss == FM_LOSS_gaussian_nll) {
            for (ptrdiff_t j = 0; j < k / 2; ++j) {
                const double s = (double)z[k / 2 + j], target = (double)y[i * (k / 2) + j];
                const double r = (double)z[j] - target, precision = exp(-s);
                const double wide = fabs((double)z[j]) + fabs(target);
                total += weight * (s + r * r * precision + log(2 * acos(-1))) / 2;
                size += weight * 16 * (fabs(s) + wide * wide * precision + 2);
                delta[j] = weight * r * precision;
                delta[k / 2 + j] = weight * (1 - r * r * precision) / 2;
                delta_bound[j] = 8 * EPS * weight * wide * precision;
                delta_bound[k / 2 + j] =
                    8 * EPS * weight * (1 + wide * wide * precision);
            }
        } else {
            for (ptrdiff_t j = 0; j < k; ++j) {
                const double target = (double)y[i * k + j];
                FN(term) t = FN(element)(o, (double)z[j], target);
                if (o->positive) { /* the term of y and that of 1 - y apart */
                    const FN(term) one = FN(element)(o, (double)z[j], 1);
                    const FN(term) none = FN(element)(o, (double)z[j], 0);
                    const double c = (double)(real)o->positive[j] * target;
                    const double rest = 1 - target;
                    t.value = c * one.value + rest * none.value;
                    t.size = c * one.size + rest * none.size;
                    t.delta = c * one.delta + rest * none.delta;
                    t.delta_size = c * one.delta_size + rest * none.delta_size;
                }
                total += weight * t.value;
                size += weight * 16 * t.size;
                delta[j] = weight * t.delta;
                delta_bound[j] = 16 * EPS * weight * t.delta_size;
            }
        }
    }
    /* the kernels add up in double, in any order */
    *within = EPS * size + (double)(n * k) * 0x1p-53 * size / 12;
    return (double)total;
}

static double FN(target)(const fm_objective *o, ptrdiff_t k)
{
    switch (o->loss) {
        case FM_LOSS_log_loss:
        case FM_LOSS_focal: return (double)(random_bits() % (uint64_t)k);
        case FM_LOSS_binary_log_loss:
        case FM_LOSS_binary_focal: return (double)(random_bits() % 2);
        case FM_LOSS_poisson: return (double)(random_bits() % 5);
        case FM_LOSS_tweedie: return random_bits() % 4 ? uniform(0.1, 6) : 0;
        case FM_LOSS_gamma: return uniform(0.1, 6);
        default: return uniform(-4, 4);
    }
}

/* Values of y a row, for k outputs; -1 where k outputs are no whole number of targets */
static ptrdiff_t FN(y_width)(const fm_objective *o, ptrdiff_t k)
{
    if (o->loss == FM_LOSS_log_loss || o->loss == FM_LOSS_focal) return k ? 1 : -1;
    if (o->loss == FM_LOSS_quantile)
        return k % o->n_levels == 0 ? k / o->n_levels : -1;
    if (o->loss == FM_LOSS_gaussian_nll) return k % 2 == 0 ? k / 2 : -1;
    return k;
}

static void FN(test_loss)(const fm_objective *o, ptrdiff_t n, ptrdiff_t k, int weighted)
{
    const ptrdiff_t width = FN(y_width)(o, k);
    double total, within;
    if (width < 0) return;
    FN(random)(A, n * k, -3, 3);                                     /* z */
    for (ptrdiff_t i = 0; i < n * width; ++i) B[i] = (real)FN(target)(o, k); /* y */
    FN(random)(C, n, 0.5, 3);                                        /* w */
    FN(random)(D, k, -2, 2);                                         /* db */
    total = FN(reference_loss)(o, B, weighted ? C : NULL, A, n, k, &within);
    FN(sum_columns)(D, n, k);
    while (next_call()) {
        const real *y = GIVE(B, n * width), *w = weighted ? GIVE(C, n) : NULL;
        real *z = TAKE(A, n * k), *db = TAKE(D, k);
        fm_objective mine = *o;
        mine.levels = take(o->levels, o->n_levels, sizeof(double), INPUT);
        if (o->positive) mine.positive = take(o->positive, k, sizeof(double), INPUT);
        FN(check_value)(KERNELS->loss_delta(&mine, y, w, z, db, n, k), total, within,
                        "loss", 0, 0);
        FN(check)(z, n, k, k);
        FN(check_sums)(db, k);
    }
}

/* z beyond every range, for the sanitizers; NaN and infinity may give anything */
static void FN(test_loss_extremes)(const fm_objective *o)
{
    static const double values[] = {NAN, INFINITY, -INFINITY, 0, 1e-310, 1e30, -1e30,
                                    700, -700,     100,       -100, 3e38};
    const ptrdiff_t k = 12, width = FN(y_width)(o, k);
    if (width < 0) return;
    for (ptrdiff_t i = 0; i < 3 * k; ++i)
        A[i] = (real)(i < k ? values[i] : i < 2 * k ? values[3 + i % 3] : uniform(-90, 90));
    for (ptrdiff_t i = 0; i < 3 * width; ++i) B[i] = (real)FN(target)(o, k);
    FN(random)(C, 3, 0.5, 3);
    while (next_call()) {
        const real *y = GIVE(B, 3 * width), *w = GIVE(C, 3);
        real *z = TAKE(A, 3 * k), *db = TAKE(D, k);
        KERNELS->output(o, z, 3, k);
        memcpy(z, A, 3 * (size_t)k * sizeof(real));
        KERNELS->loss_delta(o, y, w, z, db, 3, k);
        if (!isnan(z[0]) || !isnan(db[0])) fail("a NaN is lost");
    }
}

static const double FN(levels)[] = {0.1, 0.25, 0.5, 0.75, 0.9};

/* The i-th combination of loss, output activation and the rest; 0 past the last */
static int FN(objective)(int i, fm_objective *o)
{
    static double positive[4 * MOST], step_scale[4 * MOST];
    for (int loss = 0; loss < FM_N_LOSSES; ++loss)
        for (int output = 0; output < FM_N_LOSS_OUTPUTS; ++output)
            for (int variant = 0; variant < 9; ++variant) {
                const char *canonical = fm_loss_output(loss);
                const char *name = fm_output_name(output);
                const int is_own = !strcmp(canonical, name);
                const int is_binary = loss == FM_LOSS_binary_log_loss ||
                                      loss == FM_LOSS_binary_focal;
                const int is_quantile = loss == FM_LOSS_quantile;
                if (!is_own && (is_binary || !strcmp(canonical, "softmax") ||
                                !strcmp(name, "softmax") || !strcmp(name, "identity") ||
                                loss == FM_LOSS_gaussian_nll))
                    continue;
                if (variant >= (is_quantile ? 9 : is_binary ? 2 : 1)) continue;
                if (i--) continue;
                memset(o, 0, sizeof(*o));
                o->loss = (fm_loss)loss;
                o->output = (fm_output)output;
                o->parameter = loss == FM_LOSS_tweedie ? 1.5 : loss == FM_LOSS_huber ? 1.25
                                                                                     : 2;
                o->low = is_binary ? 0 : 0.5;
                o->high = is_binary ? 1 : 3;
                o->levels = FN(levels);
                o->n_levels = is_quantile ? (ptrdiff_t[]){1, 2, 5}[variant / 3] : 1;
                o->is_monotone = is_quantile && variant % 3;
                if (is_quantile && variant % 3 == 2) {
                    for (int j = 0; j < 4 * MOST; ++j) step_scale[j] = 0.25 + j % 5;
                    o->step_scale = step_scale;
                }
                if (is_binary && variant) {
                    for (int j = 0; j < 4 * MOST; ++j) positive[j] = 0.5 + j % 7;
                    o->positive = positive;
                }
                return 1;
            }
    return 0;
}

static void FN(test_losses)(void)
{
    fm_objective o;
    unsigned turn = 0;
    START("loss");
    for (int i = 0; FN(objective)(i, &o); ++i) {
        now.detail = fm_loss_name((int)o.loss);
        for (now.n = 0; now.n <= MOST; ++now.n)
            for (now.k = 0; now.k <= MOST; ++now.k)
                if (how_much == FULL) {
                    FN(test_loss)(&o, now.n, now.k, 0);
                    FN(test_loss)(&o, now.n, now.k, 1);
                } else if (is_in_grid(now.n, now.k) && (now.n + now.k + i) % 3 == 0) {
                    FN(test_loss)(&o, now.n, now.k, (int)(turn++ % 2));
                }
        FN(test_loss)(&o, 300, 1, 0); /* beyond one chunk */
        FN(test_loss)(&o, 300, 1, 1);
        FN(test_loss)(&o, 5, 270, 1);
        FN(test_loss_extremes)(&o);
    }
}
