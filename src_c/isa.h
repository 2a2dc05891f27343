/* Which instruction sets this build holds, and their tables (see dispatch.c). */
#ifndef FASTMLP_ISA_H
#define FASTMLP_ISA_H

#include "fastmlp.h"

#if defined(__x86_64__) || defined(_M_X64)
#define FM_X86_64 1
#else
#define FM_X86_64 0
#endif

extern const fm_kernels_f32 fm_f32_base_table;
extern const fm_kernels_f64 fm_f64_base_table;
#if FM_X86_64
extern const fm_kernels_f32 fm_f32_v3_table, fm_f32_v4_table;
extern const fm_kernels_f64 fm_f64_v3_table, fm_f64_v4_table;
#endif

#endif
