/* Kernels for AVX2 and FMA; setup.py compiles this file with their flags. */
#include "isa.h"
#if FM_X86_64
#define FM_ISA v3
#include "kernels.inl.h"
#endif
