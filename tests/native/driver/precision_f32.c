/* The parts of the driver for float32. */
#define real float
#define FN(name) name##_f32
#define PRECISION f32
#define PRECISION_NAME "f32"
#define EPS 0x1p-23
#define LARGEST FLT_MAX
#define TINY 0x1p-126
#include "kernels.inl.h"
