/* Kernels for AVX-512 (F, BW, DQ, VL); setup.py compiles this file with their flags. */
#include "isa.h"
#if FM_X86_64
#define FM_ISA v4
#include "kernels.inl.h"
#endif
