/* The parts of the driver for float64. */
#define real double
#define FN(name) name##_f64
#define PRECISION f64
#define PRECISION_NAME "f64"
#define EPS 0x1p-52
#define LARGEST DBL_MAX
#define TINY 0x1p-1022
#include "kernels.inl.h"
