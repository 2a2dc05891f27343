/* Element by element: activations, functions, sums and updates. */

static double FN(slope_below)(void) { return (double)(real)0.01; }

/* f(z) in plain C */
static double FN(activation)(fm_activation f, double z)
{
    switch (f) {
        case FM_identity: return z;
        case FM_logistic: return 1 / (1 + exp(-z));
        case FM_tanh: return tanh(z);
        case FM_relu: return z > 0 ? z : 0;
        case FM_softplus: return log1p(exp(z));
        case FM_leaky_relu: return z > 0 ? z : FN(slope_below)() * z;
        default: fail("no reference for %s", fm_activation_name((int)f)); return 0;
    }
}

/* f'(z) from a = f(z) */
static double FN(derivative)(fm_activation f, double a)
{
    switch (f) {
        case FM_identity: return 1;
        case FM_logistic: return a * (1 - a);
        case FM_tanh: return (1 - a) * (1 + a);
        case FM_relu: return a > 0;
        case FM_softplus: return -expm1(-a);
        case FM_leaky_relu: return a > 0 ? 1 : FN(slope_below)();
        default: fail("no reference for %s", fm_activation_name((int)f)); return 0;
    }
}

/* Within 5 eps of f: 2 ulp of the kernel, and the roundings of the reference */
static void FN(test_activate)(fm_activation f, ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const ptrdiff_t whole = FN(whole)(k), ld = whole + gap;
    const ptrdiff_t size = FN(extent_of)(n, whole, ld);
    FN(random)(A, size, -6, 6);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            want[i * k + j] = FN(activation)(f, (double)A[i * ld + j]);
            bound[i * k + j] = 5 * EPS * fabs(want[i * k + j]);
        }
    while (next_call()) {
        real *z = TAKE(A, size);
        KERNELS->activate(f, z, n, k, ld, (real)0.01);
        FN(check)(z, n, k, ld);
        FN(check_gaps)(z, A, n, whole, ld);
    }
}

static void FN(test_backward)(fm_activation f, ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const ptrdiff_t whole = FN(whole)(k), ld = whole + gap;
    const ptrdiff_t size = FN(extent_of)(n, whole, ld);
    FN(random)(A, size, -6, 6);
    for (ptrdiff_t i = 0; i < size; ++i) A[i] = (real)FN(activation)(f, (double)A[i]);
    FN(random)(B, size, -2, 2);
    FN(random)(C, k, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            const double delta = (double)B[i * ld + j];
            want[i * k + j] = delta * FN(derivative)(f, (double)A[i * ld + j]);
            bound[i * k + j] = 5 * EPS * fabs(want[i * k + j]);
        }
    FN(sum_columns)(C, n, k);
    while (next_call()) {
        const real *a = GIVE(A, size);
        real *delta = TAKE(B, size), *db = TAKE(C, k);
        KERNELS->activate_backward(f, a, delta, db, n, k, ld, (real)0.01);
        FN(check)(delta, n, k, ld);
        FN(check_gaps)(delta, B, n, whole, ld);
        FN(check_sums)(db, k);
    }
}

/* NaN, infinities and numbers at the ends of the range: NaN alone gives NaN */
static void FN(test_extremes)(fm_activation f)
{
    const double values[] = {NAN,  INFINITY, -INFINITY, 0,   -0.0, 1e-310, 1e30,
                             -1e30, 700,     -700,      100, -100, 3e38,   -3e38};
    const ptrdiff_t n = sizeof(values) / sizeof(values[0]), whole = FN(whole)(n);
    for (ptrdiff_t i = 0; i < whole; ++i) A[i] = (real)values[i % n];
    while (next_call()) {
        real *z = TAKE(A, whole), *delta = TAKE(A, whole), *db = TAKE(B, n);
        KERNELS->activate(f, z, 1, n, whole, (real)0.01);
        for (ptrdiff_t i = 0; i < n; ++i)
            if (isnan(z[i]) != isnan(A[i]))
                fail("%g gives %g", (double)A[i], (double)z[i]);
        KERNELS->activate_backward(f, z, delta, db, 1, n, whole, (real)0.01);
        if (!isnan(delta[0]) || !isnan(db[0])) fail("a NaN is lost");
    }
}

static void FN(test_activations)(void)
{
    static const ptrdiff_t wide[][2] = {{1, 127}, {4, 128}, {5, 129}, {9, 300}};
    START("activate");
    for (int f = 0; f < FM_N_ACTIVATIONS; ++f) {
        now.detail = fm_activation_name(f);
        for (now.n = 0; now.n <= MOST; ++now.n)
            for (now.k = 0; now.k <= MOST; ++now.k)
                if (is_in_grid(now.n, now.k))
                    FN(test_activate)((fm_activation)f, now.n, now.k, now.n % 3);
        FN(test_extremes)((fm_activation)f);
    }
    START("activate_backward");
    for (int f = 0; f < FM_N_ACTIVATIONS; ++f) {
        now.detail = fm_activation_name(f);
        for (now.n = 0; now.n <= MOST; ++now.n)
            for (now.k = 0; now.k <= MOST; ++now.k)
                if (is_in_grid(now.n, now.k))
                    FN(test_backward)((fm_activation)f, now.n, now.k, now.n % 3);
        for (int i = 0; i < 4; ++i)
            FN(test_backward)((fm_activation)f, wide[i][0], wide[i][1], i);
    }
}

static double FN(function)(fm_math f, double x)
{
    switch (f) {
        case FM_MATH_exp: return exp(x);
        case FM_MATH_expm1: return expm1(x);
        case FM_MATH_log1p: return log1p(x);
        case FM_MATH_tanh: return tanh(x);
        case FM_MATH_logistic: return 1 / (1 + exp(-x));
        case FM_MATH_softplus: return log1p(exp(x));
        default: fail("no reference for %s", fm_math_name((int)f)); return 0;
    }
}

/* Lengths of flat vectors: 0 .. 70 and the ends of the blocks of sums */
static ptrdiff_t FN(length)(int i)
{
    static const ptrdiff_t longer[] = {255, 256, 257, 511, 512, 513, 1024, 1030};
    if (i <= MOST) return i;
    return i - MOST - 1 < 8 ? longer[i - MOST - 1] : -1;
}

static void FN(test_functions)(void)
{
    START("math");
    for (int f = 0; f < FM_N_MATH; ++f) {
        now.detail = fm_math_name(f);
        for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i) {
            FN(random)(A, now.n, f == FM_MATH_log1p ? -0.9 : -9, 9);
            for (ptrdiff_t j = 0; j < now.n; ++j) {
                want[j] = FN(function)((fm_math)f, (double)A[j]);
                bound[j] = 5 * EPS * fabs(want[j]);
            }
            while (next_call()) {
                const real *x = GIVE(A, now.n);
                real *y = TAKE(NULL, now.n);
                KERNELS->math((fm_math)f, x, y, now.n);
                FN(check)(y, 1, now.n, now.n);
            }
        }
    }
    START("sum");
    for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i) {
        double total = 0, size = 0;
        FN(random)(A, now.n, -3, 3);
        for (ptrdiff_t j = 0; j < now.n; ++j) {
            total += (double)A[j];
            size += fabs((double)A[j]);
        }
        while (next_call())
            FN(check_value)(KERNELS->sum(GIVE(A, now.n), now.n), total,
                            (double)now.n * 0x1p-52 * size, "sum", 0, 0);
    }
}

/* The rules of a step in plain C, from w, g and the moments m and v of one weight; the
 * results are known within a few eps of what is added up */
typedef struct {
    double w, m, v, w_size, m_size, v_size;
} FN(stepped);

static const double FN(scale) = 0.25, FN(decay) = 0.0625, FN(rate) = 0.125;
static const double FN(beta_1) = 0.875, FN(beta_2) = 0.9375, FN(epsilon) = 0x1p-10;

static FN(stepped) FN(sgd)(double w, double g, double v, int nesterov)
{
    const double momentum = FN(beta_1);
    const double sum = FN(scale) * g + FN(decay) * w;
    const double size = fabs(FN(scale) * g) + fabs(FN(decay) * w);
    FN(stepped) s = {0};
    s.m = momentum * v - FN(rate) * sum;
    s.m_size = fabs(momentum * v) + FN(rate) * size;
    s.w = w + (nesterov ? momentum * s.m - FN(rate) * sum : s.m);
    s.w_size = fabs(w) + 2 * s.m_size;
    return s;
}

static FN(stepped) FN(adam)(double w, double g, double m, double v)
{
    const double sum = FN(scale) * g + FN(decay) * w;
    const double size = fabs(FN(scale) * g) + fabs(FN(decay) * w);
    FN(stepped) s = {0};
    double root;
    s.m = FN(beta_1) * m + (1 - FN(beta_1)) * sum;
    s.m_size = fabs(FN(beta_1) * m) + (1 - FN(beta_1)) * size;
    s.v = FN(beta_2) * v + (1 - FN(beta_2)) * sum * sum;
    s.v_size = FN(beta_2) * v + (1 - FN(beta_2)) * size * size;
    root = sqrt(s.v) + FN(epsilon);
    s.w = w - FN(rate) * s.m / root;
    s.w_size = fabs(w) + FN(rate) * (s.m_size / root) * (1 + s.v_size / s.v);
    return s;
}

/* One sweep: 0, 1 sgd without and with Nesterov's form, 2 adam, 3 the gradient alone */
static void FN(test_update)(int rule, ptrdiff_t n)
{
    double squares = 0;
    FN(random)(A, n, -2, 2); /* g */
    FN(random)(B, n, -2, 2); /* w */
    FN(random)(C, n, -2, 2); /* m, or the velocity */
    FN(random)(D, n, 0.01, 2); /* v */
    for (ptrdiff_t i = 0; i < n; ++i) {
        const double g = (double)A[i], w = (double)B[i];
        FN(stepped) s = rule == 2 ? FN(adam)(w, g, (double)C[i], (double)D[i])
                                  : FN(sgd)(w, g, (double)C[i], rule == 1);
        squares += w * w;
        if (rule == 3) {
            s.w = FN(scale) * g + FN(decay) * w;
            s.w_size = fabs(FN(scale) * g) + fabs(FN(decay) * w);
        }
        want[i] = s.w;
        want[n + i] = s.m;
        want[2 * n + i] = s.v;
        bound[i] = 6 * EPS * s.w_size;
        bound[n + i] = 4 * EPS * s.m_size;
        bound[2 * n + i] = 6 * EPS * s.v_size;
    }
    while (next_call()) {
        const real scale = (real)FN(scale), decay = (real)FN(decay);
        real *rest = NULL;
        double got;
        if (rule == 3) {
            const real *w = GIVE(B, n);
            real *g = TAKE(A, n);
            got = KERNELS->finish_gradient(w, g, n, scale, decay);
            FN(check)(g, 1, n, n);
        } else {
            const real *g = GIVE(A, n);
            real *w = TAKE(B, n), *m = TAKE(C, n), *v = rule == 2 ? TAKE(D, n) : rest;
            if (rule == 2)
                got = KERNELS->adam_update(g, w, m, v, n, scale, decay, (real)FN(rate),
                                           (real)FN(beta_1), (real)(1 - FN(beta_1)),
                                           (real)FN(beta_2), (real)(1 - FN(beta_2)),
                                           (real)FN(epsilon));
            else
                got = KERNELS->sgd_update(g, w, m, n, scale, decay, (real)FN(rate),
                                          (real)FN(beta_1), rule);
            FN(check)(w, 1, n, n);
            for (ptrdiff_t i = 0; i < n; ++i) {
                FN(check_value)((double)m[i], want[n + i], bound[n + i], "m", i, 0);
                if (v)
                    FN(check_value)((double)v[i], want[2 * n + i], bound[2 * n + i], "v",
                                    i, 0);
            }
        }
        FN(check_value)(got, squares, (double)(n < 512 ? n : 512) * EPS * squares,
                        "sum of squares", 0, 0);
    }
}

static void FN(test_updates)(void)
{
    static const char *const names[] = {"sgd", "nesterov", "adam", "finish_gradient"};
    START("updates");
    for (int rule = 0; rule < 4; ++rule) {
        now.detail = names[rule];
        for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i) FN(test_update)(rule, now.n);
    }
}
