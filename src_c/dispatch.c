/* Choice of the instruction set at run time. */
#include <string.h>

#include "isa.h"

#if FM_X86_64 && defined(_MSC_VER) && !defined(__clang__)
#include <immintrin.h>
#include <intrin.h>

/* The register sets that the operating system saves (XCR0) must hold those of the
 * instruction set as well. */
static int supports(int leaf7_bits, unsigned long long os_bits)
{
    int leaf1[4], leaf7[4];
    __cpuidex(leaf1, 1, 0);
    if (!(leaf1[2] & (1 << 27)) || !(leaf1[2] & (1 << 12))) return 0;
    __cpuidex(leaf7, 7, 0);
    return (leaf7[1] & leaf7_bits) == leaf7_bits && (_xgetbv(0) & os_bits) == os_bits;
}
int fm_is_intel(void)
{
    static volatile int is_intel = -1; /* the instruction takes long in virtual machines */
    if (is_intel < 0) {
        int name[4]; /* EAX, EBX, ECX, EDX */
        __cpuid(name, 0);
        is_intel = memcmp(name + 1, "GenuntelineI", 12) == 0;
    }
    return is_intel;
}
static int has_v3(void) { return supports(1 << 5, 0x6); }
static int has_v4(void)
{
    return supports((int)((1u << 5) | (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31)),
                    0xe6);
}
#elif FM_X86_64
int fm_is_intel(void) { return __builtin_cpu_is("intel") != 0; }
static int has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static int has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

#if !FM_X86_64
int fm_is_intel(void) { return 0; }
#endif
static int always(void) { return 1; }

static const struct {
    fm_isa isa;
    int (*available)(void);
} sets[] = {
#if FM_X86_64
    {{"v4", &fm_f32_v4_table, &fm_f64_v4_table}, has_v4},
    {{"v3", &fm_f32_v3_table, &fm_f64_v3_table}, has_v3},
#endif
    {{"base", &fm_f32_base_table, &fm_f64_base_table}, always},
};

enum { N_SETS = sizeof(sets) / sizeof(sets[0]) };

const fm_isa *fm_select_isa(const char *name)
{
    for (int i = 0; i < N_SETS; ++i)
        if (sets[i].available() && (!name || strcmp(name, sets[i].isa.name) == 0))
            return &sets[i].isa;
    return NULL;
}

const char *fm_isa_name(int i)
{
    for (int s = 0; s < N_SETS; ++s)
        if (sets[s].available() && i-- == 0) return sets[s].isa.name;
    return NULL;
}
