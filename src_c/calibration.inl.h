/* The best rates of the machine, for the limit model of the benchmarks. */

/* Independent chains: more than latency times throughput, fewer than registers */
#if FM_NEON
#define SUMS 24
#else
#define SUMS 12
#endif

#if FM_HAS_GEMM
/* n rounds of SUMS multiply-adds that stay in registers; returns the operations done,
 * as a number that depends on their results so that none is left out */
static double FN(multiply_add)(ptrdiff_t n)
{
    const V factor = V_SET(R(0.5)), term = V_SET(R(1.0));
    V sum[SUMS];
    real lanes[LANES];
    for (int i = 0; i < SUMS; ++i) sum[i] = V_SET((real)i);
    for (ptrdiff_t round = 0; round < n; ++round)
        _Pragma("GCC unroll 24") for (int i = 0; i < SUMS; ++i)
            sum[i] = V_FMA(sum[i], factor, term);
    for (int i = 1; i < SUMS; ++i) sum[0] = V_FMA(sum[i], term, sum[0]);
    V_STORE(lanes, sum[0]);
    return 2.0 * SUMS * LANES * (double)n + (lanes[0] < 0);
}
#endif

/* Read n values; returns a number that depends on all of them */
static double FN(read)(const real *x, ptrdiff_t n)
{
    const ptrdiff_t part = n / 4; /* one sum would take one vector a cycle */
    bits any = 0, second = 0, third = 0, fourth = 0;
#pragma omp simd reduction(| : any, second, third, fourth)
    for (ptrdiff_t i = 0; i < part; ++i) {
        any |= FN(to_bits)(x[i]);
        second |= FN(to_bits)(x[i + part]);
        third |= FN(to_bits)(x[i + 2 * part]);
        fourth |= FN(to_bits)(x[i + 3 * part]);
    }
    for (ptrdiff_t i = 4 * part; i < n; ++i) any |= FN(to_bits)(x[i]);
    return (double)(any | second | third | fourth);
}

/* x := n times `value` */
static void FN(write)(real value, real *x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; ++i) x[i] = value;
}
#undef SUMS
