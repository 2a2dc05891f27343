#undef FM_FOUR_STEPS
#if defined(__AVX2__) && !defined(__AVX512F__) && defined(__x86_64__) && defined(__GNUC__)

/* Steps of the tile of 4 rows x 3 vectors, which does most of the sums with AVX2.
 *
 * Its 12 sums, 3 vectors of B and 1 value of A fill the 16 registers, and GCC 12 spills
 * sums if it unrolls the loop over k.  So it is unrolled in assembly: 81 instructions for
 * four steps, where one step of the loop takes 23.  Beside a busy hyperthread, which takes
 * half of the front end, that counts: products take 0.87 to 0.98 of the time there, and
 * 0.98 to 1.02 alone (Zen 3).  Multiply-adds that read the third vector themselves save
 * another 4 instructions, but some products then take 1.7 times as long.  Each sum adds
 * its terms in the order of the loop, so the bits are the same.
 *
 * The 12 sums, read and written, and 6 addresses are 30 operands, the most that GCC
 * takes.  The address sanitizer does not see what is read here; the guard pages of the
 * driver (tests/native) and valgrind do.
 */

#define FM_FOUR_STEPS 1
#if FM_DOUBLE
#define SUFFIX "d" /* of instructions */
#define SIZE "8"
#else
#define SUFFIX "s"
#define SIZE "4"
#endif
/* Rows of x, x_1 bytes apart, x_3 for three of them */
#define ROW_0(x) "(%[" x "])"
#define ROW_1(x) "(%[" x "],%[" x "_1])"
#define ROW_2(x) "(%[" x "],%[" x "_1],2)"
#define ROW_3(x) "(%[" x "],%[" x "_3])"

#define LOAD(row)                                                                      \
    "vmovup" SUFFIX " " row ", %%ymm12\n\t"                                            \
    "vmovup" SUFFIX " 32" row ", %%ymm13\n\t"                                          \
    "vmovup" SUFFIX " 64" row ", %%ymm14\n\t"
#define ADD_PRODUCT(vector, sum)                                                       \
    "vfmadd231p" SUFFIX " %%ymm" vector ", %%ymm15, %[sum" sum "]\n\t"
#define ADD_PRODUCTS(value, i)                                                         \
    "vbroadcasts" SUFFIX " " value ", %%ymm15\n\t"                                     \
    ADD_PRODUCT("12", i "0") ADD_PRODUCT("13", i "1") ADD_PRODUCT("14", i "2")
#define STEP_OF_ROWS(q)                                                                \
    LOAD(ROW_##q("b"))                                                                 \
    ADD_PRODUCTS(#q "*" SIZE ROW_0("a"), "0")                                          \
    ADD_PRODUCTS(#q "*" SIZE ROW_1("a"), "1")                                          \
    ADD_PRODUCTS(#q "*" SIZE ROW_2("a"), "2")                                          \
    ADD_PRODUCTS(#q "*" SIZE ROW_3("a"), "3")
#define STEP_ACROSS(q)                                                                 \
    LOAD(ROW_##q("b"))                                                                 \
    ADD_PRODUCTS("0*" SIZE ROW_##q("a"), "0")                                          \
    ADD_PRODUCTS("1*" SIZE ROW_##q("a"), "1")                                          \
    ADD_PRODUCTS("2*" SIZE ROW_##q("a"), "2")                                          \
    ADD_PRODUCTS("3*" SIZE ROW_##q("a"), "3")
#define OPERAND(i, j) [sum##i##j] "+x"(sum[i][j])
#define OPERANDS(i) OPERAND(i, 0), OPERAND(i, 1), OPERAND(i, 2)
#define RUN(steps)                                                                     \
    __asm__ volatile(steps                                                             \
                     : OPERANDS(0), OPERANDS(1), OPERANDS(2), OPERANDS(3)              \
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
        RUN(STEP_OF_ROWS(0) STEP_OF_ROWS(1) STEP_OF_ROWS(2) STEP_OF_ROWS(3));
}
#undef SUFFIX
#undef SIZE
#undef ROW_0
#undef ROW_1
#undef ROW_2
#undef ROW_3
#undef LOAD
#undef ADD_PRODUCT
#undef ADD_PRODUCTS
#undef STEP_OF_ROWS
#undef STEP_ACROSS
#undef OPERAND
#undef OPERANDS
#undef RUN

#else
#define FM_FOUR_STEPS 0
#endif
