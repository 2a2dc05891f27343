/* Every kernel for one precision under one instruction set: FM_DOUBLE is 0 or 1, FM_ISA
 * the name of the set. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__) || defined(_M_X64)
#include <immintrin.h>
#endif
#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define FM_NEON 1
#include <arm_neon.h>
#else
#define FM_NEON 0
#endif

#include "fastmlp.h"
#include "isa.h"

#define FM_PASTE_(precision, isa, name) fm_##precision##_##isa##_##name
#define FM_PASTE(precision, isa, name) FM_PASTE_(precision, isa, name)

#if defined(_MSC_VER) && !defined(__clang__)
#define FM_ALWAYS_INLINE __forceinline
#define FM_NOINLINE __declspec(noinline)
#define FM_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#define FM_PREFETCH_L2(address) _mm_prefetch((const char *)(address), _MM_HINT_T1)
#else
#define FM_ALWAYS_INLINE inline __attribute__((always_inline))
#define FM_NOINLINE __attribute__((noinline))
#define FM_PREFETCH(address) __builtin_prefetch(address)
#define FM_PREFETCH_L2(address) __builtin_prefetch(address, 0, 2)
#endif

#define UNROLL _Pragma("GCC unroll 16")

#if FM_DOUBLE
#define FM_TABLE fm_kernels_f64
#else
#define FM_TABLE fm_kernels_f32
#endif
#include "all_kernels.inl.h"
