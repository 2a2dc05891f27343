/* Kernels for AVX2 and FMA, with the flags of meson.build. */
#include "isa.h"
#if FM_X86_64
#define FM_ISA v3
#include "kernels.inl.h"
#endif
