/* One precision and one instruction set: `real`, the type `bits` of its width, FN() for
 * the generated names, RM() for names of <math.h>, and the constants of vecmath.inl.h.
 * Included by kernels.inl.h with FM_DOUBLE set; no include guard. */

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "fastmlp must not be compiled with -ffinite-math-only or -ffast-math"
#endif

#undef real
#undef bits
#undef FN
#undef RM
#undef R
#undef MANTISSA_BITS
#undef EXPONENT_BIAS
#undef REAL_EPS
#undef REAL_HUGE
#undef REAL_TINY
#undef LN2_HI
#undef LN2_LO
#undef EXP_MIN
#undef EXP_MAX
#undef EXP_ZERO
#undef EXPM1_MIN
#undef EXP_MODERATE
#undef SQRT_HALF_BITS
#undef NORMAL_END
#undef LOGISTIC_END

#if FM_DOUBLE

#define real double
#define bits uint64_t
#define FN(name) FM_PASTE(f64, FM_ISA, name)
#define RM(name) name
#define R(x) x
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define REAL_EPS 2.220446049250313e-16
#define REAL_HUGE 1.7976931348623157e308
#define REAL_TINY 2.2250738585072014e-308 /* the smallest normal number */
/* ln 2 in two parts; the first has 32 zero bits, so n * LN2_HI is exact */
#define LN2_HI 0x1.62e42feep-1
#define LN2_LO 0x1.a39ef35793c76p-33
#define EXP_MIN (-746.0)
#define EXP_MAX 710.0
#define EXP_ZERO (-709.3) /* rounds to -EXPONENT_BIAS ln 2 */
#define EXPM1_MIN (-40.0)
#define EXP_MODERATE 64.0
#define SQRT_HALF_BITS UINT64_C(0x3fe6a09e667f3bcd)
/* |z| from which z (1 - Phi(|z|)) and z / (1 + exp(|z|)) are 0 */
#define NORMAL_END 40.0
#define LOGISTIC_END 760.0

#else

#define real float
#define bits uint32_t
#define FN(name) FM_PASTE(f32, FM_ISA, name)
#define RM(name) name##f
#define R(x) x##f
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define REAL_EPS 1.1920929e-7f
#define REAL_HUGE 3.4028235e38f
#define REAL_TINY 1.17549435e-38f
/* ln 2 in two parts; the first has 15 zero bits, so n * LN2_HI is exact */
#define LN2_HI 0x1.63p-1f
#define LN2_LO (-0x1.bd0106p-13f)
#define EXP_MIN (-104.0f)
#define EXP_MAX 89.0f
#define EXP_ZERO (-88.3f)
#define EXPM1_MIN (-20.0f)
#define EXP_MODERATE 64.0f
#define SQRT_HALF_BITS UINT32_C(0x3f3504f3)
#define NORMAL_END 16.0f
#define LOGISTIC_END 120.0f

#endif
