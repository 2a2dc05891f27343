/* Output activations, and the way from what goes into them to the scale on which a loss
 * is written.
 *
 * Every loss is written once, as a function of what goes into its canonical output
 * activation, identity or exp (losses.inl.h), where it is short and stable.  Under
 * another activation g the argument is eta = g(z), or log g(z) where the canonical one
 * is exp, and dloss/dz = dloss/deta * deta/dz. */

#define GROUP 16  /* rows of a softmax that go together */
#define NARROW 48 /* the most columns for which they do */
#define LINE (64 / (ptrdiff_t)sizeof(real))

/* z := softmax(z) over a row of k; returns log sum exp(z - max), *largest is max(z) */
static real FN(softmax_row)(real *z, ptrdiff_t k, real *largest)
{
    real m = -(real)INFINITY, total = 0;
#pragma omp simd reduction(max : m)
    for (ptrdiff_t j = 0; j < k; ++j) m = z[j] > m ? z[j] : m;
#pragma omp simd reduction(+ : total)
    for (ptrdiff_t j = 0; j < k; ++j) {
        z[j] = FN(exp_of_negative)(z[j] - m);
        total += z[j];
    }
    const real share = 1 / total;
    for (ptrdiff_t j = 0; j < k; ++j) z[j] *= share;
    *largest = m;
    return FN(log_of)(total, 0);
}

/* The same for a group of GROUP rows of few columns, transposed, since a row of 10 fills no
 * vector: z (k, GROUP), its rows ld apart; log_sum may be NULL */
static void FN(softmax_columns)(real *restrict z, ptrdiff_t ld, ptrdiff_t k,
                                real *restrict log_sum, real *restrict largest)
{
    real total[GROUP] = {0};
    for (ptrdiff_t i = 0; i < GROUP; ++i) largest[i] = z[i];
    for (ptrdiff_t j = 1; j < k; ++j)
#pragma omp simd
        for (ptrdiff_t i = 0; i < GROUP; ++i) {
            const real value = z[j * ld + i];
            largest[i] = value > largest[i] ? value : largest[i];
        }
    for (ptrdiff_t j = 0; j < k; ++j)
        for (ptrdiff_t i = 0; i < GROUP; ++i) {
            z[j * ld + i] = FN(exp_of_negative)(z[j * ld + i] - largest[i]);
            total[i] += z[j * ld + i];
        }
    if (log_sum)
        for (ptrdiff_t i = 0; i < GROUP; ++i) log_sum[i] = FN(log_of)(total[i], 0);
    for (ptrdiff_t i = 0; i < GROUP; ++i) total[i] = 1 / total[i];
    for (ptrdiff_t j = 0; j < k; ++j)
        for (ptrdiff_t i = 0; i < GROUP; ++i) z[j * ld + i] *= total[i];
}

/* columns (k, GROUP) := n <= GROUP rows of z, the others 0 */
static inline void FN(to_columns)(const real *z, real *columns, ptrdiff_t n, ptrdiff_t k)
{
    if (n < GROUP) memset(columns, 0, (size_t)(k * GROUP) * sizeof(real));
    FN(transpose)(z, k, columns, GROUP, n, k);
}

/* softmax_columns for a row by itself: the same bits, as the sum follows the same order */
static void FN(softmax_short_row)(real *z, ptrdiff_t k)
{
    real each[NARROW], m = z[0], total = 0;
    for (ptrdiff_t j = 1; j < k; ++j) m = z[j] > m ? z[j] : m;
    for (ptrdiff_t j = 0; j < k; j += GROUP) {
        for (ptrdiff_t i = 0; i < GROUP; ++i) each[j + i] = j + i < k ? z[j + i] - m : 0;
        for (ptrdiff_t i = 0; i < GROUP; ++i)
            each[j + i] = FN(exp_of_negative)(each[j + i]);
    }
    for (ptrdiff_t j = 0; j < k; ++j) total += each[j];
    total = 1 / total;
    for (ptrdiff_t j = 0; j < k; ++j) z[j] = each[j] * total;
}

static void FN(softmax)(real *z, ptrdiff_t n, ptrdiff_t k)
{
    real columns[NARROW * GROUP], largest[GROUP];
    if (k > NARROW)
        for (ptrdiff_t i = 0; i < n; ++i) FN(softmax_row)(z + i * k, k, largest);
    else
        for (ptrdiff_t i = 0; i < n; i += GROUP) {
            const ptrdiff_t rows = n - i < GROUP ? n - i : GROUP;
            if (rows < GROUP / 2) {
                for (; i < n; ++i) FN(softmax_short_row)(z + i * k, k);
                return;
            }
            FN(to_columns)(z + i * k, columns, rows, k);
            FN(softmax_columns)(columns, GROUP, k, NULL, largest);
            FN(transpose)(columns, GROUP, z + i * k, k, k, rows);
        }
}

/* The activation with which the formulas of a loss are written */
static inline fm_output FN(canonical)(fm_loss loss)
{
#define CANONICAL(name, output) FM_OUTPUT_##output,
    static const fm_output outputs[] = {FM_LOSSES(CANONICAL)};
#undef CANONICAL
    return outputs[loss];
}

/* log softplus(z), which is z - exp(z) / 2 + .. for z -> -inf */
static FM_ALWAYS_INLINE real FN(log_softplus)(real z)
{
    const real y = FN(log_of)(FN(softplus_)(z > EXPM1_MIN ? z : EXPM1_MIN), 0);
    return z >= EXPM1_MIN ? y : z;
}

/* its derivative */
static FM_ALWAYS_INLINE real FN(d_log_softplus)(real z)
{
    const real bounded = z > EXPM1_MIN ? z : EXPM1_MIN;
    const real d = FN(sigmoid)(bounded) / FN(softplus_)(bounded);
    return z >= EXPM1_MIN ? d : R(1.0);
}

/* z := eta and slope := d eta / dz for n values, for an activation that is not the
 * canonical one */
static void FN(to_canonical)(const fm_objective *o, real *restrict z,
                             real *restrict slope, ptrdiff_t n)
{
    const real low = (real)o->low, span = (real)(o->high - o->low);
    if (FN(canonical)(o->loss) == FM_OUTPUT_identity) {
        if (o->output == FM_OUTPUT_exp)
            for (ptrdiff_t i = 0; i < n; ++i) slope[i] = z[i] = FN(exp)(z[i]);
        else if (o->output == FM_OUTPUT_softplus)
            for (ptrdiff_t i = 0; i < n; ++i) {
                slope[i] = FN(sigmoid)(z[i]);
                z[i] = FN(softplus_)(z[i]);
            }
        else
            for (ptrdiff_t i = 0; i < n; ++i) {
                const real share = FN(sigmoid)(z[i]);
                slope[i] = span * share * FN(sigmoid)(-z[i]);
                z[i] = low + span * share;
            }
    } else if (o->output == FM_OUTPUT_softplus) {
        for (ptrdiff_t i = 0; i < n; ++i) {
            slope[i] = FN(d_log_softplus)(z[i]);
            z[i] = FN(log_softplus)(z[i]);
        }
    } else {
        for (ptrdiff_t i = 0; i < n; ++i) {
            const real share = FN(sigmoid)(z[i]);
            real a = low + span * share;
            a = a < REAL_TINY ? REAL_TINY : a;
            slope[i] = span * share * FN(sigmoid)(-z[i]) / a;
            z[i] = a == a ? FN(log_of)(a, 0) : a;
        }
    }
}

/* z := z_0, z_0 + s(z_1), z_0 + s(z_1) + s(z_2), ..: levels that never cross, with
 * s(z) = scale softplus(z / scale) of a target; slope (n,) or NULL: the derivatives of
 * the steps */
static inline void FN(add_steps)(const fm_objective *o, ptrdiff_t target, real *z,
                                 real *slope)
{
    const real scale = o->step_scale ? (real)o->step_scale[target] : 1;
    if (slope) slope[0] = 1;
    for (ptrdiff_t q = 1; q < o->n_levels; ++q) {
        const real raw = z[q] / scale;
        if (slope) slope[q] = FN(sigmoid)(raw);
        z[q] = z[q - 1] + scale * FN(softplus_)(raw);
    }
}

static void FN(output)(const fm_objective *o, real *z, ptrdiff_t n, ptrdiff_t k)
{
    const real low = (real)o->low, span = (real)(o->high - o->low);
    const ptrdiff_t size = n * k;
    if (o->loss == FM_LOSS_quantile && o->is_monotone)
        for (ptrdiff_t i = 0, target = 0; i + o->n_levels <= size; i += o->n_levels) {
            FN(add_steps)(o, target, z + i, NULL);
            if (++target * o->n_levels >= k) target = 0;
        }
    switch (o->output) {
        case FM_OUTPUT_identity: break;
        case FM_OUTPUT_exp:
            for (ptrdiff_t i = 0; i < size; ++i) z[i] = FN(exp)(z[i]);
            break;
        case FM_OUTPUT_logistic:
            for (ptrdiff_t i = 0; i < size; ++i) z[i] = low + span * FN(sigmoid)(z[i]);
            break;
        case FM_OUTPUT_softplus:
            for (ptrdiff_t i = 0; i < size; ++i) z[i] = FN(softplus_)(z[i]);
            break;
        case FM_OUTPUT_tanh:
            for (ptrdiff_t i = 0; i < size; ++i) z[i] = FN(tanh_)(z[i]);
            break;
        case FM_OUTPUT_relu:
            for (ptrdiff_t i = 0; i < size; ++i) z[i] = FN(relu_)(z[i]);
            break;
        case FM_OUTPUT_softmax: FN(softmax)(z, n, k); break;
        case FM_N_OUTPUTS: break;
    }
}

static void FN(output_of_lanes)(const fm_objective *o, real *z, ptrdiff_t ld, real *out,
                                ptrdiff_t n, ptrdiff_t k, ptrdiff_t next_size)
{
    const int in_lanes = o && o->output == FM_OUTPUT_softmax && k <= NARROW;
    real largest[GROUP];
    if (in_lanes)
        for (ptrdiff_t i = 0; i < n; i += GROUP)
            FN(softmax_columns)(z + i, ld, k, NULL, largest);
    FN(transpose)(z, ld, out, k, k, n);
    if (o && !in_lanes) FN(output)(o, out, n, k);
    for (ptrdiff_t i = 0; i < next_size; i += LINE) FM_PREFETCH(out + n * k + i);
}
#undef LINE
