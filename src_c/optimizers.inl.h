/* Parameter updates: one sweep over a flat vector each, and what follows a step.
 *
 * The gradient arrives as plain sums over the batch; scale (one over the weight of the
 * batch) and decay (the L2 penalty, already scaled) are folded into the sweep, and so is
 * the sum of squares that the penalty in the loss needs: in `real` over CHUNK weights,
 * then in double. */

#define CHUNK 512

static double FN(sum_values)(const real *x, ptrdiff_t n)
{
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (ptrdiff_t i = 0; i < n; ++i) total += x[i];
    return total;
}

/* An exponent of ones is that of infinities and NaN. */
static int FN(all_finite)(const real *x, ptrdiff_t n)
{
    bits largest = 0; /* twice the bits, without the sign */
#pragma omp simd reduction(max : largest)
    for (ptrdiff_t i = 0; i < n; ++i) {
        const bits twice = FN(to_bits)(x[i]) << 1;
        largest = twice > largest ? twice : largest;
    }
    return largest < (bits)(2 * EXPONENT_BIAS + 1) << (MANTISSA_BITS + 1);
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
 * (Sutskever et al. 2013).  In this rule and all others `keep` is what decoupled weight
 * decay leaves of w: 1 - rate * weight_decay (Loshchilov and Hutter 2019). */
static double FN(sgd_update)(const fm_step *step, const real *restrict g,
                             real *restrict w, real *restrict v, ptrdiff_t n)
{
    const real scale = (real)step->scale, decay = (real)step->decay;
    const real keep = (real)step->keep, momentum = (real)step->momentum;
    const real learning_rate = (real)step->learning_rate;
    const real ahead = step->nesterov ? momentum : 1;
    const real push = step->nesterov ? learning_rate : 0;
    SWEEP(const real vi = momentum * v[i] - learning_rate * gi; v[i] = vi;
          w[i] = keep * wi + (ahead * vi - push * gi);)
    return total;
}

/* The decay rates of two moments, in the precision of the weights */
#define BETAS(step)                                                                    \
    const real scale = (real)(step)->scale, decay = (real)(step)->decay;               \
    const real keep = (real)(step)->keep, rate = (real)(step)->learning_rate;          \
    const real beta_1 = (real)(step)->beta_1, rest_1 = (real)(1 - (step)->beta_1);     \
    const real beta_2 = (real)(step)->beta_2, rest_2 = (real)(1 - (step)->beta_2);

/* m := b1 m + (1-b1) g; v := b2 v + (1-b2) g^2; w := w - rate m / (sqrt(v) + epsilon)
 * (Kingma and Ba 2014); the bias corrections are in the learning rate */
static double FN(adam_update)(const fm_step *step, const real *restrict g,
                              real *restrict w, real *restrict m, real *restrict v,
                              ptrdiff_t n)
{
    BETAS(step)
    const real epsilon = (real)step->epsilon;
    SWEEP(const real mi = beta_1 * m[i] + rest_1 * gi;
          const real vi = beta_2 * v[i] + rest_2 * (gi * gi); m[i] = mi; v[i] = vi;
          w[i] = keep * wi - rate * mi / (RM(sqrt)(vi) + epsilon);)
    return total;
}

/* The same moments; w := w - (rate_g g + rate m) / (root sqrt(v) + epsilon) (Dozat 2016);
 * root is 1 / sqrt(1 - b2^t), the corrections of the momentum are in the two rates */
static double FN(nadam_update)(const fm_step *step, const real *restrict g,
                               real *restrict w, real *restrict m, real *restrict v,
                               ptrdiff_t n)
{
    BETAS(step)
    const real epsilon = (real)step->epsilon, root = (real)step->root;
    const real rate_g = (real)step->gradient_rate;
    SWEEP(const real mi = beta_1 * m[i] + rest_1 * gi;
          const real vi = beta_2 * v[i] + rest_2 * (gi * gi); m[i] = mi; v[i] = vi;
          w[i] = keep * wi -
                 (rate_g * gi + rate * mi) / (root * RM(sqrt)(vi) + epsilon);)
    return total;
}

/* v := b2 v + (1-b2) g^2; w := w - rate g / (sqrt(v) + epsilon) (Tieleman and Hinton
 * 2012); for adagrad v := v + g^2 (Duchi et al. 2011) */
static FM_ALWAYS_INLINE double FN(square_root_update)(const fm_step *step,
                                                      const real *restrict g,
                                                      real *restrict w,
                                                      real *restrict v, ptrdiff_t n,
                                                      real beta_2, real rest_2)
{
    const real scale = (real)step->scale, decay = (real)step->decay;
    const real keep = (real)step->keep, rate = (real)step->learning_rate;
    const real epsilon = (real)step->epsilon;
    SWEEP(const real vi = beta_2 * v[i] + rest_2 * (gi * gi); v[i] = vi;
          w[i] = keep * wi - rate * gi / (RM(sqrt)(vi) + epsilon);)
    return total;
}

static double FN(rmsprop_update)(const fm_step *step, const real *restrict g,
                                 real *restrict w, real *restrict v, ptrdiff_t n)
{
    return FN(square_root_update)(step, g, w, v, n, (real)step->beta_2,
                                  (real)(1 - step->beta_2));
}

static double FN(adagrad_update)(const fm_step *step, const real *restrict g,
                                 real *restrict w, real *restrict v, ptrdiff_t n)
{
    return FN(square_root_update)(step, g, w, v, n, 1, 1);
}

/* w := w - rate sign(b1 m + (1-b1) g); m := b2 m + (1-b2) g (Chen et al. 2023) */
static double FN(lion_update)(const fm_step *step, const real *restrict g,
                              real *restrict w, real *restrict m, ptrdiff_t n)
{
    BETAS(step)
    SWEEP(const real ci = beta_1 * m[i] + rest_1 * gi;
          const real up = ci > 0 ? R(1.0) : ci; const real sign = ci < 0 ? R(-1.0) : up;
          m[i] = beta_2 * m[i] + rest_2 * gi; w[i] = keep * wi - rate * sign;)
    return total;
}
#undef BETAS
#undef SWEEP

static double FN(update)(fm_rule rule, const fm_step *step, const real *g, real *w,
                         real *m, real *v, ptrdiff_t n)
{
#define STATE_1 m
#define STATE_2 m, v
#define CASE(name, vectors)                                                            \
    case FM_RULE_##name: return FN(name##_update)(step, g, w, STATE_##vectors, n);
    switch (rule) {
        FM_RULES(CASE)
        case FM_N_RULES: break;
    }
#undef CASE
#undef STATE_1
#undef STATE_2
    return 0;
}
#undef CHUNK

/* The proximal operator of threshold * |w| (Parikh and Boyd 2014, section 6.5.2) in the
 * metric of the update: a rule that divides the gradient of a weight by
 * root sqrt(v) + epsilon divides the threshold by it too (Duchi et al. 2011, section 5; Yun
 * et al. 2021), so that training ends where the slope of the loss is that of the penalty.
 * v: NULL where the rule does not. */
static void FN(soft_threshold)(real *restrict w, const real *restrict v, ptrdiff_t n,
                               real threshold, real root, real epsilon)
{
    if (!v) {
        for (ptrdiff_t i = 0; i < n; ++i) {
            const real size = RM(fabs)(w[i]) - threshold;
            w[i] = RM(copysign)(size < 0 ? R(0.0) : size, w[i]);
        }
        return;
    }
    for (ptrdiff_t i = 0; i < n; ++i) {
        const real size =
            RM(fabs)(w[i]) - threshold / (root * RM(sqrt)(v[i]) + epsilon);
        w[i] = RM(copysign)(size < 0 ? R(0.0) : size, w[i]);
    }
}

/* Columns longer than max_norm are cut to it (Srivastava et al. 2014, section 5.1) */
static void FN(limit_norms)(real *restrict w, ptrdiff_t n, ptrdiff_t k, real max_norm,
                            real *restrict factor)
{
    for (ptrdiff_t j = 0; j < k; ++j) factor[j] = 0;
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) factor[j] += w[i * k + j] * w[i * k + j];
    for (ptrdiff_t j = 0; j < k; ++j) {
        const real norm = RM(sqrt)(factor[j]);
        factor[j] = norm > max_norm ? max_norm / norm : R(1.0);
    }
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) w[i * k + j] *= factor[j];
}

static void FN(average)(const real *restrict w, real *restrict mean, ptrdiff_t n,
                        real rest)
{
    for (ptrdiff_t i = 0; i < n; ++i) mean[i] = w[i] + rest * (mean[i] - w[i]);
}
