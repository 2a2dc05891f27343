/* Two rates that tell, one beside the other, whether a busy hyperthread shares this core:
 * it takes half of the front end, which empty instructions fill, but hardly slows a chain
 * of additions, one a cycle on every core, which is the clock. */
#include "fastmlp.h"

enum { AT_ONCE = 64 };

ptrdiff_t fm_pass_front_end(ptrdiff_t n)
{
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__aarch64__))
    for (ptrdiff_t i = 0; i < n; ++i)
        __asm__ volatile(".rept 64\n\tnop\n\t.endr");
    return n * AT_ONCE;
#else
    (void)n;
    return 0;
#endif
}

ptrdiff_t fm_add_in_turn(ptrdiff_t n)
{
#if defined(__GNUC__) && defined(__x86_64__)
    ptrdiff_t sum = 0;
    for (ptrdiff_t i = 0; i < n; ++i)
        __asm__ volatile(".rept 64\n\tadd %1, %0\n\t.endr" : "+r"(sum) : "r"(i) : "cc");
    return n * AT_ONCE;
#elif defined(__GNUC__) && defined(__aarch64__)
    ptrdiff_t sum = 0;
    for (ptrdiff_t i = 0; i < n; ++i)
        __asm__ volatile(".rept 64\n\tadd %0, %0, %1\n\t.endr" : "+r"(sum) : "r"(i));
    return n * AT_ONCE;
#else
    (void)n;
    return 0;
#endif
}
