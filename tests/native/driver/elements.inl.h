/* Element by element: activations, functions and sums. */

/* the parameter of every activation: slope of leaky_relu, alpha of elu */
static double FN(parameter)(void) { return (double)(real)0.3; }

/* The normal density and distribution, with what rounding takes from the arguments of
 * exp and erfc, which the tails multiply by z^2, put back */
static double FN(normal_density)(double z)
{
    const double square = z * z, lost = fma(z, z, -square);
    return exp(-square / 2) * (1 - lost / 2) / sqrt(2 * acos(-1));
}
static double FN(normal)(double z)
{
    const double half_root = 0x1.6a09e667f3bcdp-1, lower = -0x1.bdd3413b26456p-55;
    const double x = z * half_root, lost = fma(z, half_root, -x) + z * lower;
    return erfc(-x) / 2 + exp(-x * x) / sqrt(acos(-1)) * lost;
}
static double FN(sigmoid_of)(double z) { return 1 / (1 + exp(-z)); }

/* of selu, Klambauer et al. 2017 */
static const double FN(selu_scale) = 1.0507009873554805, FN(selu_alpha) = 1.6732632423543772;

/* f(z) in plain C */
static double FN(activation)(fm_activation f, double z)
{
    const double p = FN(parameter)();
    switch (f) {
        case FM_identity: return z;
        case FM_logistic: return FN(sigmoid_of)(z);
        case FM_tanh: return tanh(z);
        case FM_relu: return z > 0 ? z : 0;
        case FM_softplus: return log1p(exp(z));
        case FM_leaky_relu: return z > 0 ? z : p * z;
        case FM_elu: return z > 0 ? z : p * expm1(z);
        case FM_selu: return FN(selu_scale) * (z > 0 ? z : FN(selu_alpha) * expm1(z));
        case FM_softsign: return z / (1 + fabs(z));
        case FM_hard_sigmoid: return fmin(fmax(z / 6 + 0.5, 0), 1);
        case FM_gelu: return z * FN(normal)(z);
        case FM_silu: return z * FN(sigmoid_of)(z);
        case FM_mish: return z * tanh(log1p(exp(z)));
        default: fail("no reference for %s", fm_activation_name((int)f)); return 0;
    }
}

static int FN(is_by_input)(fm_activation f)
{
    return f == FM_gelu || f == FM_silu || f == FM_mish;
}

/* f'(z) from x: a = f(z), or z where is_by_input; *size: what it is made of */
static double FN(derivative)(fm_activation f, double x, double *size)
{
    const double p = FN(parameter)(), s = FN(sigmoid_of)(x);
    double d = 1, more = 0;
    switch (f) {
        case FM_identity: break;
        case FM_logistic: d = x * (1 - x); break;
        case FM_tanh: d = (1 - x) * (1 + x); break;
        case FM_relu: d = x > 0; break;
        case FM_softplus: d = -expm1(-x); break;
        case FM_leaky_relu: d = x > 0 ? 1 : p; break;
        case FM_elu: d = x > 0 ? 1 : x + p; break;
        case FM_selu:
            more = FN(selu_scale) * FN(selu_alpha);
            d = x > 0 ? FN(selu_scale) : x + more;
            break;
        case FM_softsign: d = (1 - fabs(x)) * (1 - fabs(x)); break;
        case FM_hard_sigmoid: d = x > 0 && x < 1 ? 1.0 / 6 : 0; break;
        case FM_gelu:
            more = fabs(x) * FN(normal_density)(x);
            d = FN(normal)(x) + x * FN(normal_density)(x);
            break;
        case FM_silu:
            more = fabs(x) * s * (1 - s) + s;
            d = s + x * s * (1 - s);
            break;
        case FM_mish: {
            const double q = tanh(log1p(exp(x)));
            more = fabs(x) * s * (1 - q * q) + fabs(q);
            d = q + x * s * (1 - q * q);
            break;
        }
        default: fail("no reference for %s", fm_activation_name((int)f));
    }
    *size = fabs(d) + more;
    return d;
}

/* Within 7 eps of f: 4 ulp of the kernel, and the roundings of the reference; and within
 * eps where z / 6 + 1 / 2 comes out of nothing */
static void FN(test_activate)(fm_activation f, ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const ptrdiff_t whole = FN(whole)(k), ld = whole + gap;
    const ptrdiff_t size = FN(extent_of)(n, whole, ld);
    FN(random)(A, size, -6, 6);
    FN(random)(B, size, -6, 6);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            const double a = FN(activation)(f, (double)A[i * ld + j]);
            want[i * k + j] = a;
            bound[i * k + j] = EPS * (7 * fabs(a) + (f == FM_hard_sigmoid));
        }
    while (next_call()) {
        const int is_in_place = now.where == AT_START || now.where == ON_HEAP;
        real *a = TAKE(is_in_place ? A : B, size);
        const real *z = is_in_place ? a : GIVE(A, size);
        KERNELS->activate(f, z, a, n, k, ld, (real)FN(parameter)());
        FN(check)(a, n, k, ld);
        FN(check_gaps)(a, is_in_place ? A : B, n, whole, ld);
    }
}

static void FN(test_backward)(fm_activation f, ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const ptrdiff_t whole = FN(whole)(k), ld = whole + gap;
    const ptrdiff_t size = FN(extent_of)(n, whole, ld);
    FN(random)(A, size, -6, 6);
    if (!FN(is_by_input)(f))
        for (ptrdiff_t i = 0; i < size; ++i) A[i] = (real)FN(activation)(f, (double)A[i]);
    FN(random)(B, size, -2, 2);
    FN(random)(C, k, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            const double delta = (double)B[i * ld + j];
            double parts;
            want[i * k + j] = delta * FN(derivative)(f, (double)A[i * ld + j], &parts);
            bound[i * k + j] = 6 * EPS * fabs(delta) * parts;
        }
    FN(sum_columns)(C, n, k);
    while (next_call()) {
        const real *x = GIVE(A, size);
        real *delta = TAKE(B, size), *db = TAKE(C, k);
        KERNELS->activate_backward(f, x, delta, db, n, k, ld, (real)FN(parameter)());
        FN(check)(delta, n, k, ld);
        FN(check_gaps)(delta, B, n, whole, ld);
        FN(check_sums)(db, k);
    }
}

static void FN(test_relu_backward_of_one)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const ptrdiff_t whole = FN(whole)(k), ld = whole + gap;
    const ptrdiff_t size = FN(extent_of)(n, whole, ld);
    FN(random)(A, size, -6, 6);
    for (ptrdiff_t i = 0; i < size; ++i) A[i] = A[i] > 0 ? A[i] : 0; /* as relu's */
    FN(random)(B, size, -2, 2);
    FN(random)(C, k, -2, 2);
    FN(random)(D, n + whole, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            want[i * k + j] = A[i * ld + j] > 0 ? (double)D[i] * (double)D[n + j] : 0;
            bound[i * k + j] = EPS * fabs(want[i * k + j]);
        }
    FN(sum_columns)(C, n, k);
    while (next_call()) {
        const real *x = GIVE(A, size), *above = GIVE(D, n), *w = GIVE(D + n, whole);
        real *delta = TAKE(B, size), *db = TAKE(C, k);
        KERNELS->relu_backward_of_one(x, above, w, delta, db, n, k, ld);
        FN(check)(delta, n, k, ld);
        FN(check_gaps)(delta, B, n, whole, ld);
        FN(check_sums)(db, k);
    }
}

static void FN(test_column_sums)(ptrdiff_t n, ptrdiff_t k)
{
    FN(random)(A, n * k, -2, 2);
    FN(random)(C, k, -2, 2);
    for (ptrdiff_t i = 0; i < n * k; ++i) {
        want[i] = (double)A[i];
        bound[i] = 0;
    }
    FN(sum_columns)(C, n, k);
    while (next_call()) {
        const real *delta = GIVE(A, n * k);
        real *db = TAKE(C, k);
        KERNELS->column_sums(delta, db, n, k);
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
        KERNELS->activate(f, z, z, 1, n, whole, (real)0.01);
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
    START("column_sums");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k)) FN(test_column_sums)(now.n, now.k);
    START("relu_backward_of_one");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k))
                FN(test_relu_backward_of_one)(now.n, now.k, now.n % 3);
    for (int i = 0; i < 4; ++i)
        FN(test_relu_backward_of_one)(wide[i][0], wide[i][1], i);
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
        case FM_MATH_gelu: return x * FN(normal)(x);
        case FM_MATH_silu: return x * FN(sigmoid_of)(x);
        case FM_MATH_mish: return x * tanh(log1p(exp(x)));
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
                bound[j] = 7 * EPS * fabs(want[j]);
            }
            while (next_call()) {
                const real *x = GIVE(A, now.n);
                real *y = TAKE(NULL, now.n);
                KERNELS->math((fm_math)f, x, y, now.n);
                FN(check)(y, 1, now.n, now.n);
            }
        }
    }
    START("sums");
    for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i) {
        double total = 0, size = 0, squares = 0, product = 0, product_size = 0;
        FN(random)(A, now.n, -3, 3);
        FN(random)(B, now.n, -3, 3);
        for (ptrdiff_t j = 0; j < now.n; ++j) {
            total += (double)A[j];
            size += fabs((double)A[j]);
            squares += (double)A[j] * (double)A[j];
            product += (double)A[j] * (double)B[j];
            product_size += fabs((double)A[j] * (double)B[j]);
        }
        while (next_call()) {
            const real *x = GIVE(A, now.n);
            FN(check_value)(KERNELS->sum_values(x, now.n), total,
                            (double)now.n * 0x1p-52 * size, "sum", 0, 0);
            FN(check_value)(KERNELS->dot(x, x, now.n), squares,
                            (double)(now.n + 1) * EPS * squares, "sum of squares", 0, 0);
            FN(check_value)(KERNELS->dot(x, GIVE(B, now.n), now.n), product,
                            (double)(now.n + 1) * EPS * product_size, "product", 0, 0);
        }
    }
    START("axpy_dot");
    for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i) {
        const double a = -0.625;
        double product = 0, size = 0;
        FN(random)(A, now.n, -3, 3);
        FN(random)(B, now.n, -3, 3);
        FN(random)(C, now.n, -3, 3);
        for (ptrdiff_t j = 0; j < now.n; ++j) {
            want[j] = (double)B[j] + a * (double)A[j];
            bound[j] = 2 * EPS * (fabs((double)B[j]) + fabs(a * (double)A[j]));
            product += want[j] * (double)C[j];
            size += (fabs((double)B[j]) + fabs(a * (double)A[j])) * fabs((double)C[j]);
        }
        while (next_call()) {
            const real *x = GIVE(A, now.n), *z = GIVE(C, now.n);
            real *y = TAKE(B, now.n);
            FN(check_value)(KERNELS->axpy_dot((real)a, x, y, z, now.n), product,
                            (double)(now.n + 3) * EPS * size, "product", 0, 0);
            FN(check)(y, 1, now.n, now.n);
        }
    }
    START("own_lines");
    for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i) {
        FN(random)(A, now.n, -3, 3);
        for (ptrdiff_t j = 0; j < now.n; ++j) want[j] = (double)A[j], bound[j] = 0;
        while (next_call()) {
            real *x = TAKE(A, now.n);
            KERNELS->own_lines(x, now.n);
            FN(check)(x, 1, now.n, now.n);
        }
    }
    START("all_finite");
    for (int i = 0; (now.n = FN(length)(i)) >= 0; ++i) {
        static const real odd[] = {(real)INFINITY, -(real)INFINITY, (real)NAN};
        /* at every place of a short one, and at none */
        for (ptrdiff_t at = 0; at <= now.n; at += now.n - at > MOST ? MOST : 1) {
            FN(random)(A, now.n, -3, 3);
            for (ptrdiff_t j = 0; j < now.n; j += 5) A[j] = LARGEST;
            if (at < now.n) A[at] = odd[at % 3];
            while (next_call())
                FN(check_value)(KERNELS->all_finite(GIVE(A, now.n), now.n), at == now.n, 0,
                                "finite", at, 0);
        }
    }
}
