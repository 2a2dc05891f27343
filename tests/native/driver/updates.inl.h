/* The rules of a step, and what follows one: penalties, norms, averages. */

/* A weight after a step and its state, with the sizes of what they are made of */
typedef struct {
    double w, w_size, state[2], state_size[2];
} FN(stepped);

static const fm_step FN(step) = {.scale = 0.25,
                                 .decay = 0.0625,
                                 .keep = 0.96875,
                                 .learning_rate = 0.125,
                                 .momentum = 0.875,
                                 .beta_1 = 0.875,
                                 .beta_2 = 0.9375,
                                 .epsilon = 0x1p-10,
                                 .gradient_rate = 0.0625,
                                 .root = 1.5};

/* One weight by a rule in plain C; all numbers of the step are exact in both precisions */
static FN(stepped) FN(step_of)(fm_rule rule, const fm_step *o, double g, double w,
                               double m, double v)
{
    const double sum = o->scale * g + o->decay * w;
    const double size = fabs(o->scale * g) + fabs(o->decay * w);
    const double rate = o->learning_rate, rest_1 = 1 - o->beta_1, rest_2 = 1 - o->beta_2;
    const double kept = o->keep * w, mean = o->beta_1 * m + rest_1 * sum;
    const double mean_size = fabs(o->beta_1 * m) + rest_1 * size;
    FN(stepped) s = {0};
    double root, step = 0, step_size = 0;
    switch (rule) {
        case FM_RULE_sgd:
            s.state[0] = o->momentum * m - rate * sum;
            s.state_size[0] = fabs(o->momentum * m) + rate * size;
            step = o->nesterov ? o->momentum * s.state[0] - rate * sum : s.state[0];
            step_size = 2 * s.state_size[0];
            break;
        case FM_RULE_adam:
        case FM_RULE_nadam:
            s.state[0] = mean;
            s.state_size[0] = mean_size;
            s.state[1] = o->beta_2 * v + rest_2 * sum * sum;
            s.state_size[1] = o->beta_2 * v + rest_2 * size * size;
            root = sqrt(s.state[1]);
            if (rule == FM_RULE_adam) {
                step = -rate * mean / (root + o->epsilon);
                step_size = rate * mean_size / (root + o->epsilon);
            } else {
                step = -(o->gradient_rate * sum + rate * mean) /
                       (o->root * root + o->epsilon);
                step_size = (o->gradient_rate * size + rate * mean_size) /
                            (o->root * root + o->epsilon);
            }
            step_size *= 1 + s.state_size[1] / s.state[1];
            break;
        case FM_RULE_rmsprop:
        case FM_RULE_adagrad:
            s.state[0] = rule == FM_RULE_adagrad ? m + sum * sum
                                                 : o->beta_2 * m + rest_2 * sum * sum;
            s.state_size[0] = m + size * size;
            root = sqrt(s.state[0]) + o->epsilon;
            step = -rate * sum / root;
            step_size = rate * size / root * (1 + s.state_size[0] / s.state[0]);
            break;
        case FM_RULE_lion:
            s.state[0] = o->beta_2 * m + rest_2 * sum;
            s.state_size[0] = fabs(o->beta_2 * m) + rest_2 * size;
            step = mean > 0 ? -rate : mean < 0 ? rate : 0;
            /* a sign that rounding decides may be either */
            step_size = rate + (fabs(mean) < 8 * EPS * mean_size ? 2 * rate / EPS : 0);
            break;
        default: fail("no reference for rule %d", (int)rule);
    }
    s.w = kept + step;
    s.w_size = fabs(kept) + step_size;
    return s;
}

/* FM_N_RULES means the gradient alone */
static void FN(test_update)(fm_rule rule, int nesterov, ptrdiff_t n)
{
    const int is_positive = rule == FM_RULE_rmsprop || rule == FM_RULE_adagrad;
    const int has_two = rule == FM_RULE_adam || rule == FM_RULE_nadam;
    double squares = 0;
    fm_step step = FN(step);
    step.nesterov = nesterov;
    FN(random)(A, n, -2, 2);                    /* g */
    FN(random)(B, n, -2, 2);                    /* w */
    FN(random)(C, n, is_positive ? 0.01 : -2, 2); /* m */
    FN(random)(D, n, 0.01, 2);                  /* v */
    for (ptrdiff_t i = 0; i < n; ++i) {
        const double g = (double)A[i], w = (double)B[i];
        FN(stepped) s = {0};
        if (rule == FM_N_RULES) {
            s.w = step.scale * g + step.decay * w;
            s.w_size = fabs(step.scale * g) + fabs(step.decay * w);
        } else {
            s = FN(step_of)(rule, &step, g, w, (double)C[i], (double)D[i]);
        }
        squares += w * w;
        want[i] = s.w;
        bound[i] = 6 * EPS * s.w_size;
        for (int j = 0; j < 2; ++j) {
            want[(j + 1) * n + i] = s.state[j];
            bound[(j + 1) * n + i] = 6 * EPS * s.state_size[j];
        }
    }
    while (next_call()) {
        double got;
        if (rule == FM_N_RULES) {
            const real *w = GIVE(B, n);
            real *g = TAKE(A, n);
            got = KERNELS->finish_gradient(w, g, n, (real)step.scale, (real)step.decay);
            FN(check)(g, 1, n, n);
        } else {
            const real *g = GIVE(A, n);
            real *w = TAKE(B, n), *m = TAKE(C, n), *v = has_two ? TAKE(D, n) : NULL;
            got = KERNELS->update(rule, &step, g, w, m, v, n);
            FN(check)(w, 1, n, n);
            for (ptrdiff_t i = 0; i < n; ++i) {
                FN(check_value)((double)m[i], want[n + i], bound[n + i], "m", i, 0);
                if (has_two)
                    FN(check_value)((double)v[i], want[2 * n + i], bound[2 * n + i], "v",
                                    i, 0);
            }
        }
        FN(check_value)(got, squares, (double)(n + 1) * EPS * squares, "sum of squares",
                        0, 0);
    }
}

static void FN(test_updates)(void)
{
#define NAME_OF(name, n_states) #name,
    static const char *const names[] = {"gradient", FM_RULES(NAME_OF)};
#undef NAME_OF
    START("updates");
    for (int rule = 0; rule <= FM_N_RULES; ++rule)
        for (int nesterov = 0; nesterov < (rule == FM_RULE_sgd ? 2 : 1); ++nesterov) {
            now.detail = names[rule == FM_N_RULES ? 0 : rule + 1];
            for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i)
                FN(test_update)((fm_rule)rule, nesterov, now.n);
        }
}

static void FN(test_threshold)(ptrdiff_t n, int has_v)
{
    const double threshold = 0.25, root = 1.5, epsilon = 0x1p-10;
    FN(random)(A, n, -1, 1);
    FN(random)(B, n, 0.01, 2);
    for (ptrdiff_t i = 0; i < n; ++i) {
        const double w = (double)A[i];
        const double t =
            has_v ? threshold / (root * sqrt((double)B[i]) + epsilon) : threshold;
        want[i] = fabs(w) <= t ? 0 : w > 0 ? w - t : w + t;
        bound[i] = 4 * EPS * (fabs(w) + t);
    }
    while (next_call()) {
        const real *v = has_v ? GIVE(B, n) : NULL;
        real *w = TAKE(A, n);
        KERNELS->soft_threshold(w, v, n, (real)threshold, (real)root, (real)epsilon);
        FN(check)(w, 1, n, n);
    }
}

static void FN(test_average)(ptrdiff_t n)
{
    const double rest = 0.875;
    FN(random)(A, n, -2, 2);
    FN(random)(B, n, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i) {
        const double w = (double)A[i], mean = (double)B[i];
        want[i] = w + rest * (mean - w);
        bound[i] = 3 * EPS * (fabs(w) + fabs(mean));
    }
    while (next_call()) {
        const real *w = GIVE(A, n);
        real *mean = TAKE(B, n);
        KERNELS->average(w, mean, n, (real)rest);
        FN(check)(mean, 1, n, n);
    }
}

static void FN(test_norms)(ptrdiff_t n, ptrdiff_t k)
{
    const double most = 2;
    FN(random)(A, n * k, -1, 1);
    for (ptrdiff_t j = 0; j < k; ++j) {
        double squares = 0, factor;
        for (ptrdiff_t i = 0; i < n; ++i)
            squares += (double)A[i * k + j] * (double)A[i * k + j];
        factor = sqrt(squares) > most ? most / sqrt(squares) : 1;
        for (ptrdiff_t i = 0; i < n; ++i) {
            want[i * k + j] = factor * (double)A[i * k + j];
            bound[i * k + j] = (double)(n + 4) * EPS * fabs(want[i * k + j]);
        }
    }
    while (next_call()) {
        real *w = TAKE(A, n * k), *factor = TAKE(NULL, k);
        KERNELS->limit_norms(w, n, k, (real)most, factor);
        FN(check)(w, n, k, k);
    }
}

static void FN(test_constraints)(void)
{
    START("soft_threshold");
    for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i)
        for (int has_v = 0; has_v < 2; ++has_v) FN(test_threshold)(now.n, has_v);
    START("average");
    for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i) FN(test_average)(now.n);
    START("limit_norms");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k)) FN(test_norms)(now.n, now.k);
}
