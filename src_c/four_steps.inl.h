#undef FM_FOUR_STEPS
#if PANEL_VECTORS == 3 && defined(__GNUC__)

/* Steps of the tile of 4 rows x 3 vectors, which does most of the sums with AVX2.
 *
 * Its 12 sums, 3 vectors of B and 1 value of A fill the 16 registers, and compilers spill
 * sums if they unroll the loop over k.  So it is unrolled in assembly: 80 instructions for
 * four steps, where one step of the loop takes 23.  Beside a busy hyperthread, which takes
 * half of the front end, the number of instructions decides: products take 0.87 to 0.98 of
 * the time there, and 0.98 to 1.02 alone (Zen 3).  Multiply-adds that read the third
 * vector themselves save another 4 instructions, but some products then take 1.7 times as
 * long.  Each sum adds its terms in the order of the loop, so the bits are the same.
 */

#define FM_FOUR_STEPS 1
#if FM_DOUBLE
#define TYPE "d"
#define PLACE_1 "8"
#define PLACE_2 "16"
#define PLACE_3 "24"
#else
#define TYPE "s"
#define PLACE_1 "4"
#define PLACE_2 "8"
#define PLACE_3 "12"
#endif
#define PLACE_0 ""
#define STRIDES_0(x) "(%[" x "])"
#define STRIDES_1(x) "(%[" x "],%[" x "_1])"
#define STRIDES_2(x) "(%[" x "],%[" x "_1],2)"
#define STRIDES_3(x) "(%[" x "],%[" x "_3])"

#define VECTORS(row)                                                                   \
    "vmovup" TYPE " " row ", %%ymm12\n\t"                                              \
    "vmovup" TYPE " 32" row ", %%ymm13\n\t"                                            \
    "vmovup" TYPE " 64" row ", %%ymm14\n\t"
#define MULTIPLY_ADD(vector, sum)                                                      \
    "vfmadd231p" TYPE " %%ymm" vector ", %%ymm15, %[sum" sum "]\n\t"
#define ROW(value, i)                                                                  \
    "vbroadcasts" TYPE " " value ", %%ymm15\n\t" MULTIPLY_ADD("12", i "0")             \
        MULTIPLY_ADD("13", i "1") MULTIPLY_ADD("14", i "2")
#define STEP(q)                                                                        \
    VECTORS(STRIDES_##q("b"))                                                          \
    ROW(PLACE_##q STRIDES_0("a"), "0")                                                 \
    ROW(PLACE_##q STRIDES_1("a"), "1")                                                 \
    ROW(PLACE_##q STRIDES_2("a"), "2")                                                 \
    ROW(PLACE_##q STRIDES_3("a"), "3")
#define STEP_ACROSS(q)                                                                 \
    VECTORS(STRIDES_##q("b"))                                                          \
    ROW(PLACE_0 STRIDES_##q("a"), "0")                                                 \
    ROW(PLACE_1 STRIDES_##q("a"), "1")                                                 \
    ROW(PLACE_2 STRIDES_##q("a"), "2")                                                 \
    ROW(PLACE_3 STRIDES_##q("a"), "3")
#define SUM(i, j) [sum##i##j] "+x"(sum[i][j])
#define SUMS(i) SUM(i, 0), SUM(i, 1), SUM(i, 2)
#define RUN(steps)                                                                     \
    __asm__ volatile(steps                                                             \
                     : SUMS(0), SUMS(1), SUMS(2), SUMS(3)                              \
                     : [a] "r"(a), [a_1] "r"(a_1), [a_3] "r"(3 * a_1), [b] "r"(b),     \
                       [b_1] "r"(b_1), [b_3] "r"(3 * b_1)                              \
                     : "xmm12", "xmm13", "xmm14", "xmm15", "memory")

/* sum (4, 3) := sum + A B over four k; A row-major, or transposed (`across`) */
static FM_ALWAYS_INLINE void FN(four_steps)(int across, const real *a, ptrdiff_t stride,
                                            const real *b, ptrdiff_t ldb, V (*sum)[8])
{
    const ptrdiff_t a_1 = stride * (ptrdiff_t)sizeof(real);
    const ptrdiff_t b_1 = ldb * (ptrdiff_t)sizeof(real);
    if (across)
        RUN(STEP_ACROSS(0) STEP_ACROSS(1) STEP_ACROSS(2) STEP_ACROSS(3));
    else
        RUN(STEP(0) STEP(1) STEP(2) STEP(3));
}
#undef TYPE
#undef PLACE_0
#undef PLACE_1
#undef PLACE_2
#undef PLACE_3
#undef STRIDES_0
#undef STRIDES_1
#undef STRIDES_2
#undef STRIDES_3
#undef VECTORS
#undef MULTIPLY_ADD
#undef ROW
#undef STEP
#undef STEP_ACROSS
#undef SUM
#undef SUMS
#undef RUN

#else
#define FM_FOUR_STEPS 0
#endif
