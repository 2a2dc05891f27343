/* Kernels for the base of the platform: SSE2 on x86-64, NEON on arm64. */
#define FM_ISA base
#include "kernels.inl.h"
