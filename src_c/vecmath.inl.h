/* Elementary functions on `real`.
 *
 * a) Scalar, branch-free C: the compiler turns a loop over any of them into vector code
 *    of the instruction set it compiles for.  Selections are written so that a NaN
 *    argument passes through.
 * b) Polynomials and the rational of tanh interpolate at Chebyshev points of the reduced
 *    range (|r| <= ln 2 / 2, q = s^2 <= (3 - sqrt(8))^2, |x| <= 0.625), their coefficients
 *    computed with 60 digits; what they leave out is below 1/8 ulp.  The rational of
 *    inverse_mills does so in (t - k) / (t + k), k = 2 (f32) or 3.5 (f64), and leaves out
 *    0.3 ulp in f64.
 * c) Bounds in ulp of listed functions (registry.h) are those that
 *    tests/core/test_vecmath.py checks, those of their parts were seen in dense samples.
 */

#ifndef FM_VECMATH_BITS
#define FM_VECMATH_BITS
#define FM_BITCAST(from, to, value, result)                                            \
    do {                                                                               \
        from value_ = (value);                                                         \
        memcpy(&(result), &value_, sizeof(to));                                        \
    } while (0)
#endif

static FM_ALWAYS_INLINE real FN(from_bits)(bits u)
{
    real x;
    FM_BITCAST(bits, real, u, x);
    return x;
}

static inline bits FN(to_bits)(real x)
{
    bits u;
    FM_BITCAST(real, bits, x, u);
    return u;
}

/* Adding this rounds to an integer, which is then in the low bits of the sum. */
#define ROUNDER (R(1.5) * (real)((bits)1 << MANTISSA_BITS))

/* 2^n for the integer n in the low bits of n + ROUNDER, -EXPONENT_BIAS < n; 0 for
 * n = -EXPONENT_BIAS */
static FM_ALWAYS_INLINE real FN(power_of_two)(real n_plus_rounder)
{
    bits u = FN(to_bits)(n_plus_rounder) + EXPONENT_BIAS;
    return FN(from_bits)(u << MANTISSA_BITS);
}

/* (exp(r) - 1 - r) / r^2, |r| <= ln 2 / 2 */
static FM_ALWAYS_INLINE real FN(exp_tail)(real r)
{
#if FM_DOUBLE
    real p = 0x1.1f731ea5352cap-29;
    p = p * r + 0x1.af4e196027428p-26;
    p = p * r + 0x1.27e4db57442fbp-22;
    p = p * r + 0x1.71de021a90822p-19;
    p = p * r + 0x1.a01a01a6dcaffp-16;
    p = p * r + 0x1.a01a01abef415p-13;
    p = p * r + 0x1.6c16c16c162ccp-10;
    p = p * r + 0x1.11111111100cep-7;
    p = p * r + 0x1.5555555555556p-5;
    p = p * r + 0x1.5555555555557p-3;
    return p * r + 0.5;
#else
    real p = 0x1.6d113cp-10f;
    p = p * r + 0x1.120ba2p-7f;
    p = p * r + 0x1.555520p-5f;
    p = p * r + 0x1.5554dcp-3f;
    return p * r + 0.5f;
#endif
}

/* x = n ln 2 + r + lost with integer n, |r| <= ln 2 / 2 and what the rounding of r lost;
 * returns r */
static FM_ALWAYS_INLINE real FN(reduce)(real x, real *n_rounded, real *lost)
{
    real n = (x * R(1.4426950408889634) + ROUNDER) - ROUNDER;
    real high = x - n * LN2_HI;
    real r = high - n * LN2_LO;
    *n_rounded = n;
    *lost = (high - r) - n * LN2_LO;
    return r;
}

/* exp(x); <= 1 ulp; exact at 0, +-inf; gradual underflow */
static FM_ALWAYS_INLINE real FN(exp)(real x)
{
    real n, half, lost, r, p;
    x = x > EXP_MAX ? EXP_MAX : x;
    x = x < EXP_MIN ? EXP_MIN : x;
    r = FN(reduce)(x, &n, &lost);
    p = R(1.0) + (r + (lost + r * r * FN(exp_tail)(r)));
    /* two factors, since 2^n itself may be beyond the range of normal numbers */
    half = n * R(0.5) + ROUNDER;
    return p * FN(power_of_two)(half) *
           FN(power_of_two)((n - (half - ROUNDER)) + ROUNDER);
}

/* exp(x) for x <= 0, <= 1 ulp; what is below the normal numbers may become 0 */
static FM_ALWAYS_INLINE real FN(exp_of_negative)(real x)
{
    real n, lost, r;
    x = x < EXP_ZERO ? EXP_ZERO : x;
    r = FN(reduce)(x, &n, &lost);
    return (R(1.0) + (r + (lost + r * r * FN(exp_tail)(r)))) *
           FN(power_of_two)(n + ROUNDER);
}

/* exp(x) for 0 <= x <= EXP_MODERATE, <= 1.1 ulp; larger x as EXP_MODERATE */
static FM_ALWAYS_INLINE real FN(exp_moderate)(real x)
{
    real n, lost, r;
    x = x > EXP_MODERATE ? EXP_MODERATE : x;
    r = FN(reduce)(x, &n, &lost);
    return (R(1.0) + (r + r * r * FN(exp_tail)(r))) * FN(power_of_two)(n + ROUNDER);
}

/* exp(x) - 1; <= 2 ulp; exact at +-0, +-inf */
static FM_ALWAYS_INLINE real FN(expm1)(real x)
{
    real n, lost, r, p, s, y, in_range;
    in_range = x > EXP_MAX ? EXP_MAX : x;
    in_range = in_range < EXPM1_MIN ? EXPM1_MIN : in_range;
    r = FN(reduce)(in_range, &n, &lost);
    p = r + r * r * FN(exp_tail)(r);
    /* 2 (2^(n-1) p + 2^(n-1) - 1/2): 2^n alone would overflow for the largest x */
    s = FN(power_of_two)((n - R(1.0)) + ROUNDER);
    y = R(2.0) * (s * p + (s - R(0.5)));
    return x == R(0.0) ? x : y;
}

/* exp(x) - 1 for x <= 0, <= 2 ulp; exact at 0 and -inf */
static FM_ALWAYS_INLINE real FN(expm1_of_negative)(real x)
{
    real n, lost, r, s;
    x = x < EXPM1_MIN ? EXPM1_MIN : x;
    r = FN(reduce)(x, &n, &lost);
    s = FN(power_of_two)(n + ROUNDER);
    return s * (r + r * r * FN(exp_tail)(r)) + (s - R(1.0));
}

/* tanh x, <= 2 ulp: x + x q P(q) / Q(q) with q = x^2 near 0, 1 - 2 / (exp(2 |x|) + 1)
 * beyond, with one division for either */
static FM_ALWAYS_INLINE real FN(tanh_)(real x)
{
    const real size = RM(fabs)(x);
    const int is_near = size < R(0.625);
    const real e = FN(exp_moderate)(R(2.0) * size);
    const real q = x * x;
#if FM_DOUBLE
    real p = -0x1.a185dc3f0eba7p-13, d = 0x1.b0ef95231a3eap-13;
    p = p * q - 0x1.4fd1e55bc0fa1p-6;
    p = p * q - 0x1.5555555555554p-2;
    d = d * q + 0x1.7d8fdcaba4cb0p-6;
    d = d * q + 0x1.d890f49acdb7bp-2;
#else
    real p = -0x1.942408p-10f, d = 0x1.9e52c8p-2f;
    p = p * q - 0x1.555544p-2f;
#endif
    d = d * q + R(1.0);
    const real y = (is_near ? p * q : R(2.0)) / (is_near ? d : e + R(1.0));
    return RM(copysign)(is_near ? size + size * y : R(1.0) - y, x);
}

/* log(u) + c for a normal u > 0 and a small c
 *
 * u = 2^k m with m in [sqrt(1/2), sqrt(2)), f = m - 1, s = f / (2 + f):
 * log m = f - s (f - s^2 (2/3 + 2/5 s^2 + ..)) */
static FM_ALWAYS_INLINE real FN(log_of)(real u, real c)
{
    const bits one = (bits)EXPONENT_BIAS << MANTISSA_BITS;
    const bits mantissa = ((bits)1 << MANTISSA_BITS) - 1;
    const real two_power = (real)((bits)1 << MANTISSA_BITS);
    bits i = FN(to_bits)(u) + (one - SQRT_HALF_BITS);
    real k = FN(from_bits)((i >> MANTISSA_BITS) | FN(to_bits)(two_power)) -
             (two_power + EXPONENT_BIAS);
    real f = FN(from_bits)((i & mantissa) + SQRT_HALF_BITS) - R(1.0);
    real s = f / (R(2.0) + f);
    real q = s * s;
    real half_square = R(0.5) * f * f;
#if FM_DOUBLE
    real t = 0x1.2b5f68a50d903p-3;
    t = t * q + 0x1.39fdcceb4bb45p-3;
    t = t * q + 0x1.7462b91b8df65p-3;
    t = t * q + 0x1.c71c62d5e53e0p-3;
    t = t * q + 0x1.2492492dfd86cp-2;
    t = t * q + 0x1.9999999995273p-2;
    t = t * q + 0x1.5555555555558p-1;
#else
    real t = 0x1.ddd4dap-3f;
    t = t * q + 0x1.245c28p-2f;
    t = t * q + 0x1.9999ecp-2f;
    t = t * q + 0x1.555554p-1f;
#endif
    return k * LN2_HI + (f - (half_square - (s * (half_square + t * q) + (k * LN2_LO + c))));
}

/* log(1 + x); <= 2 ulp; -inf at -1, NaN below; exact at +-0, +inf; c repairs the rounding
 * of 1 + x */
static FM_ALWAYS_INLINE real FN(log1p)(real x)
{
    real u = R(1.0) + x;
    real c = (u > R(2.0) ? R(1.0) - (u - x) : x - (u - R(1.0))) / u;
    real y = FN(log_of)(u, c);
    y = x > REAL_HUGE ? x : y;
    y = x == R(-1.0) ? -(real)INFINITY : y;
    y = x < R(-1.0) ? (real)NAN : y;
    return x == R(0.0) ? x : y;
}

/* log(1 + t) for 0 <= t <= 1; <= 2 ulp; NaN passes */
static FM_ALWAYS_INLINE real FN(log1p_unit)(real t)
{
    real u = R(1.0) + t;
    return FN(log_of)(u, (t - (u - R(1.0))) / u);
}

/* y exp(x + c), <= 1.5 ulp, underflow but at the end; -1200 < x <= 0, |c| <= |x| / 1000;
 * x of at most half the digits of a real, or c tiny */
static inline real FN(exp_product)(real x, real c, real y)
{
    const real n = ((x + c) * R(1.4426950408889634) + ROUNDER) - ROUNDER;
    const real high = x - n * LN2_HI, low = c - n * LN2_LO;
    const real r = high + low, lost = (high - r) + low;
    const real scaled = y + y * (r + (lost + r * r * FN(exp_tail)(r)));
    const real half = n * R(0.5) + ROUNDER;
    return scaled * FN(power_of_two)(half) *
           FN(power_of_two)((n - (half - ROUNDER)) + ROUNDER);
}

/* exp(-t^2 / 2) / (1 - Phi(t)) for 0 <= t <= NORMAL_END, Phi the normal distribution;
 * <= 2.2 ulp: sqrt(2 pi) t and the rational (2 D - t Q) / D, added up so that near 0 one
 * rounding is left; Q and D have positive coefficients; lost: of sqrt(2 pi), by rounding */
static inline real FN(inverse_mills)(real t)
{
#if FM_DOUBLE
    const real lost = -0x1.a6a0d6f814637p-53;
    real q = 0x1.244f883f5df51p-20, d = 0x1.244f883f5df51p-21;
    q = q * t + 0x1.09b2f4bdc68e9p-15;
    q = q * t + 0x1.da00f63844e45p-12;
    q = q * t + 0x1.0cad663de1b30p-8;
    q = q * t + 0x1.a7b1070ab29bep-6;
    q = q * t + 0x1.e08ae76adb190p-4;
    q = q * t + 0x1.8830cd0c8530cp-2;
    q = q * t + 0x1.be11e48505273p-1;
    q = q * t + 0x1.43cf9d69b92bap+0;
    q = q * t + 0x1.d25c218302f75p-1;
    d = d * t + 0x1.1525d0144771cp-16;
    d = d * t + 0x1.02b62190c3b2dp-12;
    d = d * t + 0x1.35077fea797cdp-9;
    d = d * t + 0x1.0394c8519637cp-6;
    d = d * t + 0x1.3f19aa48aeb2bp-4;
    d = d * t + 0x1.223d2550c3a9cp-2;
    d = d * t + 0x1.822378d1d00c1p-1;
    d = d * t + 0x1.6910f694de317p+0;
    d = d * t + 0x1.b04ba6548d1aep+0;
#else
    const real lost = -0x1.3b1f4ep-32f;
    real q = 0x1.227f3cp-8f, d = 0x1.227f3cp-9f;
    q = q * t + 0x1.9636ecp-5f;
    q = q * t + 0x1.048d44p-2f;
    q = q * t + 0x1.654b8ep-1f;
    q = q * t + 0x1.d25c22p-1f;
    d = d * t + 0x1.c3bb40p-6f;
    d = d * t + 0x1.4b482ep-3f;
    d = d * t + 0x1.17d14ap-1f;
    d = d * t + 0x1.10ecfep+0f;
#endif
    return R(2.0) + t * (R(2.5066282746310005) - (q / (d * t + R(1.0)) - lost));
}

/* y exp(-t^2 / 2), <= 1.5 ulp, 0 <= t <= NORMAL_END; t^2 / 2 in two parts, of which the
 * first is exact */
static inline real FN(bell)(real t, real y)
{
    const bits lower = ((bits)1 << ((MANTISSA_BITS + 2) / 2)) - 1;
    const real head = FN(from_bits)(FN(to_bits)(t) & ~lower);
    return FN(exp_product)(R(-0.5) * head * head, R(-0.5) * (t - head) * (t + head), y);
}
#undef ROUNDER
