/* Elementary functions on `real`.
 *
 * a) Scalar, branch-free C: the compiler turns a loop over any of them into vector code
 *    of the instruction set it compiles for.  Selections are written so that a NaN
 *    argument passes through.
 * b) Series: Taylor polynomials on the reduced range (|r| <= ln 2 / 2), and the series
 *    of atanh for the logarithm, cut where the next term is below 1/8 ulp.
 * c) Bounds in ulp are those that tests/test_vecmath.py checks.
 */

#ifndef FM_VECMATH_BITS
#define FM_VECMATH_BITS
#define FM_BITCAST(from, to, value, result)                                            \
    do {                                                                               \
        from value_ = (value);                                                         \
        memcpy(&(result), &value_, sizeof(to));                                        \
    } while (0)
#endif

static inline real FN(from_bits)(bits u)
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

/* Adding this rounds to an integer, which then stands in the low bits of the sum. */
#define ROUNDER (R(1.5) * (real)((bits)1 << MANTISSA_BITS))

/* 2^n for the integer n in the low bits of n + ROUNDER, -EXPONENT_BIAS < n */
static inline real FN(power_of_two)(real n_plus_rounder)
{
    bits u = FN(to_bits)(n_plus_rounder) + EXPONENT_BIAS;
    return FN(from_bits)(u << MANTISSA_BITS);
}

/* exp(r) - 1 - r - r^2/2 over r^3, |r| <= ln 2 / 2 */
static inline real FN(exp_tail)(real r)
{
#if FM_DOUBLE
    real p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
#else
    real p = R(1.0) / R(5040.0);
#endif
    p = p * r + R(1.0) / R(720.0);
    p = p * r + R(1.0) / R(120.0);
    p = p * r + R(1.0) / R(24.0);
    return p * r + R(1.0) / R(6.0);
}

/* x = n ln 2 + r + c with integer n, |r| <= ln 2 / 2 and c what the rounding of r lost;
 * returns r */
static inline real FN(reduce)(real x, real *n_rounded, real *c)
{
    real n = (x * R(1.4426950408889634) + ROUNDER) - ROUNDER;
    real high = x - n * LN2_HI;
    real r = high - n * LN2_LO;
    *n_rounded = n;
    *c = (high - r) - n * LN2_LO;
    return r;
}

/* exp(x); <= 1 ulp; exact at 0, +-inf; gradual underflow */
static inline real FN(exp)(real x)
{
    real n, c, half, r, p;
    x = x > EXP_MAX ? EXP_MAX : x;
    x = x < EXP_MIN ? EXP_MIN : x;
    r = FN(reduce)(x, &n, &c);
    p = R(1.0) + (r + (c + r * r * (R(0.5) + r * FN(exp_tail)(r))));
    /* two factors, since 2^n itself may be beyond the range of normal numbers */
    half = n * R(0.5) + ROUNDER;
    return p * FN(power_of_two)(half) *
           FN(power_of_two)((n - (half - ROUNDER)) + ROUNDER);
}

/* exp(x) - 1; <= 2 ulp; exact at +-0, +-inf */
static inline real FN(expm1)(real x)
{
    real n, c, r, p, s, y, in_range;
    in_range = x > EXP_MAX ? EXP_MAX : x;
    in_range = in_range < EXPM1_MIN ? EXPM1_MIN : in_range;
    r = FN(reduce)(in_range, &n, &c);
    p = r + (c + r * r * (R(0.5) + r * FN(exp_tail)(r)));
    /* 2 (2^(n-1) p + 2^(n-1) - 1/2): 2^n alone would overflow for the largest x */
    s = FN(power_of_two)((n - R(1.0)) + ROUNDER);
    y = R(2.0) * (s * p + (s - R(0.5)));
    return x == R(0.0) ? x : y;
}

/* log(1 + x); <= 2 ulp; -inf at -1, NaN below; exact at +-0, +inf
 *
 * 1 + x = 2^k m with m in [sqrt(1/2), sqrt(2)), f = m - 1, s = f / (2 + f):
 * log m = f - s (f - s^2 (2/3 + 2/5 s^2 + ..)), and c repairs the rounding of 1 + x. */
static inline real FN(log1p)(real x)
{
    const bits one = (bits)EXPONENT_BIAS << MANTISSA_BITS;
    const bits mantissa = ((bits)1 << MANTISSA_BITS) - 1;
    const real two_power = (real)((bits)1 << MANTISSA_BITS);
    real u = R(1.0) + x;
    real c = (u > R(2.0) ? R(1.0) - (u - x) : x - (u - R(1.0))) / u;
    bits i = FN(to_bits)(u) + (one - SQRT_HALF_BITS);
    real k = FN(from_bits)((i >> MANTISSA_BITS) | FN(to_bits)(two_power)) -
             (two_power + EXPONENT_BIAS);
    real f = FN(from_bits)((i & mantissa) + SQRT_HALF_BITS) - R(1.0);
    real s = f / (R(2.0) + f);
    real q = s * s;
    real t, y;
#if FM_DOUBLE
    t = 2.0 / 23.0;
    t = t * q + 2.0 / 21.0;
    t = t * q + 2.0 / 19.0;
    t = t * q + 2.0 / 17.0;
    t = t * q + 2.0 / 15.0;
    t = t * q + 2.0 / 13.0;
    t = t * q + 2.0 / 11.0;
#else
    t = R(2.0) / R(11.0);
#endif
    t = t * q + R(2.0) / R(9.0);
    t = t * q + R(2.0) / R(7.0);
    t = t * q + R(2.0) / R(5.0);
    t = t * q + R(2.0) / R(3.0);
    t = t * q;
    {
        real half_square = R(0.5) * f * f;
        y = k * LN2_LO + c;
        y = s * (half_square + t) + y;
        y = k * LN2_HI + (f - (half_square - y));
    }
    y = x > REAL_HUGE ? x : y;
    y = x == R(-1.0) ? -(real)INFINITY : y;
    y = x < R(-1.0) ? (real)NAN : y;
    return x == R(0.0) ? x : y;
}
#undef ROUNDER
