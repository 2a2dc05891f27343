/* Kernels for AVX-512 (F, BW, DQ, VL), with the flags of meson.build. */
#include "isa.h"
#if FM_X86_64
#define FM_ISA v4
#include "kernels.inl.h"
#endif
