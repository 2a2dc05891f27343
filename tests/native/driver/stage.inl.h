/* The input stage of tables, and parametric activations, in plain C. */

/* x - the nearest integer */
static double FN(fraction)(double x) { return x - floor(x + 0.5); }

/* f(z) - z and, as *slope, f'(z) - 1 */
static double FN(bend)(fm_activation f, double z, double *slope)
{
    double size;
    const double a = FN(activation)(f, z);
    *slope = FN(derivative)(f, FN(is_by_input)(f) ? z : a, &size) - 1;
    return a - z;
}

/* slopes C, sums D; rows have room, slopes none */
static void FN(test_parametric)(fm_activation f, ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const ptrdiff_t whole = FN(whole)(k), ld = whole + gap;
    const ptrdiff_t size = FN(extent_of)(n, whole, ld);
    double slope;
    FN(random)(A, size, -6, 6);
    FN(random)(B, size, -6, 6);
    FN(random)(C, k, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            const double z = (double)A[i * ld + j], p = (double)C[j];
            const double bent = p * FN(bend)(f, z, &slope);
            want[i * k + j] = z + bent;
            bound[i * k + j] = EPS * (fabs(z + bent) + 7 * fabs(bent) + 3 * fabs(p * z));
        }
    while (next_call()) {
        const int is_in_place = now.where == AT_START || now.where == ON_HEAP;
        real *a = TAKE(is_in_place ? A : B, size);
        const real *z = is_in_place ? a : GIVE(A, size), *slopes = GIVE(C, k);
        KERNELS->parametric(f, z, a, slopes, n, k, ld);
        FN(check)(a, n, k, ld);
        FN(check_gaps)(a, is_in_place ? A : B, n, whole, ld);
    }
}

static void FN(test_parametric_backward)(fm_activation f, ptrdiff_t n, ptrdiff_t k,
                                         ptrdiff_t gap)
{
    static double want_slopes[4096], bound_slopes[4096];
    const ptrdiff_t whole = FN(whole)(k), ld = whole + gap;
    const ptrdiff_t size = FN(extent_of)(n, whole, ld);
    FN(random)(A, size, -6, 6);
    FN(random)(B, size, -2, 2);
    FN(random)(C, k, -2, 2);
    FN(random)(D, k, -2, 2);
    for (ptrdiff_t j = 0; j < k; ++j) {
        double total = (double)D[j], sizes = fabs(total);
        for (ptrdiff_t i = 0; i < n; ++i) {
            const double d = (double)B[i * ld + j], z = (double)A[i * ld + j];
            const double p = (double)C[j];
            double slope;
            const double bend = FN(bend)(f, z, &slope);
            want[i * k + j] = d + p * d * slope;
            bound[i * k + j] = 12 * EPS * fabs(d) * (1 + fabs(p));
            total += d * bend;
            sizes += fabs(d) * (fabs(bend) + fabs(z));
        }
        want_slopes[j] = total;
        bound_slopes[j] = (double)(n + 8) * EPS * sizes;
    }
    FN(sum_columns)(D, n, k);
    while (next_call()) {
        const real *z = GIVE(A, size), *slopes = GIVE(C, k);
        real *delta = TAKE(B, size), *db = TAKE(D, k), *dslopes = TAKE(D, k);
        KERNELS->parametric_backward(f, z, slopes, delta, db, dslopes, n, k, ld);
        FN(check)(delta, n, k, ld);
        FN(check_gaps)(delta, B, n, whole, ld);
        FN(check_sums)(db, k);
        for (ptrdiff_t j = 0; j < k; ++j)
            FN(check_value)((double)dslopes[j], want_slopes[j], bound_slopes[j], "slope",
                            j, 0);
    }
}

static void FN(test_parametric_activations)(void)
{
    static const ptrdiff_t wide[][2] = {{1, 127}, {4, 128}, {5, 129}, {9, 300}};
#define NAMED(name) FM_##name,
    static const fm_activation all[] = {FM_PARAMETRIC(NAMED)};
#undef NAMED
    const int count = sizeof(all) / sizeof(all[0]);
    START("parametric");
    for (int f = 0; f < count; ++f) {
        now.detail = fm_activation_name((int)all[f]);
        for (now.n = 0; now.n <= MOST; ++now.n)
            for (now.k = 0; now.k <= MOST; ++now.k)
                if (is_in_grid(now.n, now.k))
                    FN(test_parametric)(all[f], now.n, now.k, now.n % 3);
    }
    START("parametric_backward");
    for (int f = 0; f < count; ++f) {
        now.detail = fm_activation_name((int)all[f]);
        for (now.n = 0; now.n <= MOST; ++now.n)
            for (now.k = 0; now.k <= MOST; ++now.k)
                if (is_in_grid(now.n, now.k))
                    FN(test_parametric_backward)(all[f], now.n, now.k, now.n % 3);
        for (int i = 0; i < 4; ++i)
            FN(test_parametric_backward)(all[f], wide[i][0], wide[i][1], i);
    }
}

/* Encoded numbers, some missing; rows ldx apart */
static void FN(random_numbers)(real *x, ptrdiff_t size)
{
    FN(random)(x, size, -3, 3);
    for (ptrdiff_t i = 0; i < size; ++i)
        if (random_bits() % 5 == 0) x[i] = (real)NAN;
}

enum { WIDTH = FM_PERIODIC + 1 };

/* The angle of a wave in turns; *size: what its roundings go with */
static double FN(angle)(const real *w, int f, double x, double *size)
{
    const double turns = 1 / (2 * acos(-1));
    *size = fabs((double)w[f] * x) + fabs((double)w[FM_FREQUENCIES + f]) * turns;
    return (double)w[f] * x + (double)w[FM_FREQUENCIES + f] * turns;
}

/* The embeddings of k numbers: x A, weights B, scale C */
static void FN(test_embed)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const ptrdiff_t ldx = k + gap, ldo = WIDTH * k + gap;
    const ptrdiff_t x_size = FN(extent_of)(n, k, ldx);
    const ptrdiff_t out_size = FN(extent_of)(n, WIDTH * k, ldo);
    FN(random_numbers)(A, x_size);
    FN(random)(B, k * FM_NUMBER_SIZE, -2, 2);
    FN(random)(C, k * WIDTH, -2, 2);
    FN(random)(D, out_size, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            const real *w = B + j * FM_NUMBER_SIZE, *matrix = w + 2 * FM_FREQUENCIES;
            const real *bias = matrix + FM_FREQUENCIES * FM_PERIODIC;
            const double x = (double)A[i * ldx + j];
            for (int c = 0; c < WIDTH; ++c) {
                double e = c < FM_PERIODIC ? (double)bias[c] : x, size = fabs(e), off = 0;
                for (int f = 0; c < FM_PERIODIC && f < FM_FREQUENCIES; ++f) {
                    double turns;
                    const double t = FN(fraction)(FN(angle)(w, f, x, &turns));
                    const double m = (double)matrix[f * FM_PERIODIC + c];
                    e += m * cos(2 * acos(-1) * t);
                    size += fabs(m);
                    off += fabs(m) * (3 + 20 * turns);
                }
                if (isnan(x)) {
                    e = (double)bias[FM_PERIODIC + c];
                    size = off = 0;
                }
                want[(i * k + j) * WIDTH + c] = (double)C[j * WIDTH + c] * e;
                bound[(i * k + j) * WIDTH + c] =
                    EPS * fabs((double)C[j * WIDTH + c]) * (17 * size + off + fabs(e));
            }
        }
    while (next_call()) {
        const real *x = GIVE(A, x_size), *w = GIVE(B, k * FM_NUMBER_SIZE);
        const real *scale = GIVE(C, k * WIDTH);
        real *out = TAKE(D, out_size);
        KERNELS->embed_numbers(x, ldx, w, scale, out, ldo, n, k);
        FN(check)(out, n, WIDTH * k, ldo);
        FN(check_gaps)(out, D, n, WIDTH * k, ldo);
    }
}

/* add to a sum and the bound of its roundings */
static void FN(add)(double *total, double *size, double part, double part_size)
{
    *total += part;
    *size += part_size;
}

/* The gradients of one number in want_sum, those of its weights before the scale's:
 * x A, weights and scale B, delta C, the gradients before D */
static void FN(test_embed_backward)(ptrdiff_t n, ptrdiff_t ldx, ptrdiff_t gap)
{
    enum { SIZE_OF = FM_NUMBER_SIZE, ALL = FM_NUMBER_SIZE + WIDTH };
    const ptrdiff_t ldd = WIDTH + gap, x_size = FN(extent_of)(n, 1, ldx);
    const ptrdiff_t size = FN(extent_of)(n, WIDTH, ldd);
    const real *w = B, *matrix = w + 2 * FM_FREQUENCIES;
    const real *bias = matrix + FM_FREQUENCIES * FM_PERIODIC, *scale = B + SIZE_OF;
    const int at_matrix = 2 * FM_FREQUENCIES;
    const int at_bias = at_matrix + FM_FREQUENCIES * FM_PERIODIC;
    const int at_missing = at_bias + FM_PERIODIC;
    const double pi = acos(-1);
    FN(random_numbers)(A, x_size);
    FN(random)(B, ALL, -2, 2);
    FN(random)(C, size, -2, 2);
    FN(random)(D, ALL, -2, 2);
    for (int i = 0; i < ALL; ++i) {
        want_sum[i] = (double)D[i];
        bound_sum[i] = fabs((double)D[i]);
    }
    for (ptrdiff_t i = 0; i < n; ++i) {
        const double x = (double)A[i * ldx];
        const real *delta = C + i * ldd;
        double *dscale = want_sum + SIZE_OF, *scale_size = bound_sum + SIZE_OF;
        for (int c = 0; c < WIDTH; ++c) {
            const double d = (double)delta[c], s = (double)scale[c];
            const double fixed = isnan(x)         ? (double)bias[FM_PERIODIC + c]
                                 : c == FM_PERIODIC ? x
                                                    : (double)bias[c];
            const int at = isnan(x) ? at_missing + c : at_bias + c;
            FN(add)(dscale + c, scale_size + c, d * fixed, fabs(d * fixed));
            if (isnan(x) || c < FM_PERIODIC)
                FN(add)(want_sum + at, bound_sum + at, d * s, fabs(d * s));
        }
        for (int f = 0; !isnan(x) && f < FM_FREQUENCIES; ++f) {
            double turns, back = 0, back_size = 0;
            const double t = FN(fraction)(FN(angle)(w, f, x, &turns));
            const double wave = cos(2 * pi * t), rough = 1 + 20 * turns;
            for (int c = 0; c < FM_PERIODIC; ++c) {
                const double m = (double)matrix[f * FM_PERIODIC + c];
                const double d = (double)delta[c], s = (double)scale[c];
                const int at = at_matrix + f * FM_PERIODIC + c;
                FN(add)(want_sum + at, bound_sum + at, wave * d * s, rough * fabs(d * s));
                FN(add)(dscale + c, scale_size + c, wave * d * m, rough * fabs(d * m));
                FN(add)(&back, &back_size, d * s * m, fabs(d * s * m));
            }
            back *= sin(2 * pi * t);
            FN(add)(want_sum + FM_FREQUENCIES + f, bound_sum + FM_FREQUENCIES + f, -back,
                    rough * back_size);
            FN(add)(want_sum + f, bound_sum + f, -2 * pi * back * x,
                    2 * pi * rough * back_size * fabs(x));
        }
    }
    for (int i = 0; i < ALL; ++i) bound_sum[i] *= (double)(n + 20) * EPS;
    while (next_call()) {
        const real *x = GIVE(A, x_size), *weights = GIVE(B, SIZE_OF);
        const real *scales = GIVE(B + SIZE_OF, WIDTH), *delta = GIVE(C, size);
        real *dweights = TAKE(D, SIZE_OF), *dscale = TAKE(D + SIZE_OF, WIDTH);
        KERNELS->embed_number_backward(x, ldx, weights, scales, delta, ldd, dweights,
                                       dscale, n);
        FN(check_sums)(dweights, SIZE_OF);
        for (int c = 0; c < WIDTH; ++c)
            FN(check_value)((double)dscale[c], want_sum[SIZE_OF + c],
                            bound_sum[SIZE_OF + c], "scale", c, 0);
    }
}

/* The simple form, forward: x A, missing B, scale C */
static void FN(test_scale)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const ptrdiff_t ldx = k + gap, ldo = k + 2 * gap;
    const ptrdiff_t x_size = FN(extent_of)(n, k, ldx), size = FN(extent_of)(n, k, ldo);
    FN(random_numbers)(A, x_size);
    FN(random)(B, k, -2, 2);
    FN(random)(C, k, -2, 2);
    FN(random)(D, size, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            const real x = A[i * ldx + j];
            want[i * k + j] = (double)C[j] * (double)(isnan(x) ? B[j] : x);
            bound[i * k + j] = EPS * fabs(want[i * k + j]);
        }
    while (next_call()) {
        const real *x = GIVE(A, x_size), *missing = GIVE(B, k), *scale = GIVE(C, k);
        real *out = TAKE(D, size);
        KERNELS->scale_numbers(x, ldx, missing, scale, out, ldo, n, k);
        FN(check)(out, n, k, ldo);
        FN(check_gaps)(out, D, n, k, ldo);
    }
}

/* and back, for one number: x A, missing and scale B, delta C, gradients D */
static void FN(test_scale_backward)(ptrdiff_t n, ptrdiff_t ldx, ptrdiff_t ldd)
{
    const ptrdiff_t x_size = FN(extent_of)(n, 1, ldx), size = FN(extent_of)(n, 1, ldd);
    FN(random_numbers)(A, x_size);
    FN(random)(B, 2, -2, 2);
    FN(random)(C, size, -2, 2);
    FN(random)(D, 2, -2, 2);
    for (int i = 0; i < 2; ++i) {
        want_sum[i] = (double)D[i];
        bound_sum[i] = fabs((double)D[i]);
    }
    for (ptrdiff_t i = 0; i < n; ++i) {
        const double d = (double)C[i * ldd], scaled = (double)B[1] * d;
        const real x = isnan(A[i * ldx]) ? B[0] : A[i * ldx];
        if (isnan(A[i * ldx])) FN(add)(want_sum, bound_sum, scaled, fabs(scaled));
        FN(add)(want_sum + 1, bound_sum + 1, d * (double)x, fabs(d * (double)x));
    }
    for (int i = 0; i < 2; ++i) bound_sum[i] *= (double)(n + 4) * EPS;
    while (next_call()) {
        const real *x = GIVE(A, x_size), *missing = GIVE(B, 1), *scale = GIVE(B + 1, 1);
        const real *delta = GIVE(C, size);
        real *dmissing = TAKE(D, 1), *dscale = TAKE(D + 1, 1);
        KERNELS->scale_number_backward(x, ldx, missing, scale, delta, ldd, dmissing,
                                       dscale, n);
        FN(check_sums)(dmissing, 1);
        FN(check_value)((double)*dscale, want_sum[1], bound_sum[1], "scale", 0, 0);
    }
}

enum { LEVELS = 7 };

/* Rows of a table (LEVELS, k): codes A, table B, scale C */
static void FN(test_levels)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const ptrdiff_t ldx = 1 + gap, ldo = k + gap, table_size = LEVELS * k;
    const ptrdiff_t x_size = FN(extent_of)(n, 1, ldx), size = FN(extent_of)(n, k, ldo);
    for (ptrdiff_t i = 0; i < x_size; ++i) A[i] = (real)(random_bits() % LEVELS);
    FN(random)(B, table_size, -2, 2);
    FN(random)(C, k, -2, 2);
    FN(random)(D, size, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            const double level = (double)B[(ptrdiff_t)A[i * ldx] * k + j];
            want[i * k + j] = (double)C[j] * level;
            bound[i * k + j] = EPS * fabs(want[i * k + j]);
        }
    while (next_call()) {
        const real *codes = GIVE(A, x_size), *table = GIVE(B, table_size);
        const real *scale = GIVE(C, k);
        real *out = TAKE(D, size);
        KERNELS->take_levels(codes, ldx, table, scale, out, ldo, n, k);
        FN(check)(out, n, k, ldo);
        FN(check_gaps)(out, D, n, k, ldo);
    }
}

/* and back: codes A, the table and behind it the scale B, delta C, the gradients of both
 * D; the gradient of a fixed table is not asked for */
static void FN(test_levels_backward)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap,
                                     int trained)
{
    const ptrdiff_t ldx = 1 + gap, ldd = k + gap, table_size = LEVELS * k;
    const ptrdiff_t x_size = FN(extent_of)(n, 1, ldx), size = FN(extent_of)(n, k, ldd);
    const ptrdiff_t both = table_size + k;
    for (ptrdiff_t i = 0; i < x_size; ++i) A[i] = (real)(random_bits() % LEVELS);
    FN(random)(B, both, -2, 2);
    FN(random)(C, size, -2, 2);
    FN(random)(D, both, -2, 2);
    for (ptrdiff_t i = 0; i < both; ++i) {
        want_sum[i] = (double)D[i];
        bound_sum[i] = fabs((double)D[i]);
    }
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            const ptrdiff_t at = (ptrdiff_t)A[i * ldx] * k + j, scale = table_size + j;
            const double d = (double)C[i * ldd + j];
            const double to_level = d * (double)B[scale], to_scale = d * (double)B[at];
            FN(add)(want_sum + at, bound_sum + at, to_level, fabs(to_level));
            FN(add)(want_sum + scale, bound_sum + scale, to_scale, fabs(to_scale));
        }
    for (ptrdiff_t i = 0; i < both; ++i) bound_sum[i] *= (double)(n + 2) * EPS;
    while (next_call()) {
        const real *codes = GIVE(A, x_size), *table = GIVE(B, table_size);
        const real *scale = GIVE(B + table_size, k), *delta = GIVE(C, size);
        real *dtable = trained ? TAKE(D, table_size) : NULL;
        real *dscale = TAKE(D + table_size, k);
        KERNELS->take_levels_backward(codes, ldx, table, scale, delta, ldd, dtable,
                                      dscale, n, k);
        if (trained) FN(check_sums)(dtable, table_size);
        for (ptrdiff_t j = 0; j < k; ++j)
            FN(check_value)((double)dscale[j], want_sum[table_size + j],
                            bound_sum[table_size + j], "scale", j, 0);
    }
}

static void FN(test_stage)(void)
{
    START("embed_numbers");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= 5; ++now.k)
            FN(test_embed)(now.n, now.k, now.n % 3);
    START("embed_number_bwd");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 1; now.k <= 3; ++now.k)
            FN(test_embed_backward)(now.n, now.k, now.n % 3);
    /* and around the rows that are summed up together */
    for (now.n = FM_STAGE_CHUNK - 1; now.n <= FM_STAGE_CHUNK + 1; ++now.n)
        FN(test_embed_backward)(now.n, 1, 0);
    START("scale_numbers");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k)) FN(test_scale)(now.n, now.k, now.n % 3);
    START("scale_number_bwd");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 1; now.k <= 3; ++now.k)
            FN(test_scale_backward)(now.n, now.k, 1 + now.n % 3);
    START("take_levels");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k)) FN(test_levels)(now.n, now.k, now.n % 3);
    START("take_levels_bwd");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k))
                FN(test_levels_backward)(now.n, now.k, now.n % 3, now.n % 2);
}
