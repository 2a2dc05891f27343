/* All bodies for one precision, then their table; included with FM_DOUBLE set. */
#include "real.h"
#include "simd.h"
#include "vecmath.inl.h"
#include "activations.inl.h"
#include "transpose.inl.h"
#include "outputs.inl.h"
#include "losses.inl.h"
#include "row_losses.inl.h"
#include "smoothing.inl.h"
#include "optimizers.inl.h"
#include "vectors.inl.h"
#include "rows.inl.h"
#include "random.inl.h"
#include "gemv.inl.h"
#include "tiles.inl.h"
#include "gemm.inl.h"
#include "calibration.inl.h"

#if FM_HAS_GEMM
#define N_LANES LANES
#define GEMM FN(gemm)
#define LANES_TIMES_COLUMN FN(lanes_times_column)
#define MULTIPLY_ADD FN(multiply_add)
#else
#define N_LANES 0
#define GEMM NULL
#define LANES_TIMES_COLUMN NULL
#define MULTIPLY_ADD NULL
#endif

static void FN(math)(fm_math f, const real *restrict x, real *restrict y, ptrdiff_t n)
{
#define CASE(name, function)                                                           \
    case FM_MATH_##name:                                                               \
        for (ptrdiff_t i = 0; i < n; ++i) y[i] = FN(function)(x[i]);                    \
        break;
    switch (f) {
        FM_MATH(CASE)
        case FM_N_MATH: break;
    }
#undef CASE
}

const FM_TABLE FN(table) = {
    FN(activate),          FN(activate_backward), FN(column_sums),    FN(output),
    FN(output_of_lanes),   FN(loss),              FN(sum),            FN(all_finite),
    FN(finish_gradient),   FN(update),            FN(dot),            FN(axpy_dot),
    FN(soft_threshold),    FN(limit_norms),       FN(average),        FN(dropout),
    FN(csr_dropout),       FN(add_noise),         FN(smoothed_log_loss),
    FN(gather_rows),       FN(cast_rows),         FN(csr_forward),    FN(csr_backward),
    N_LANES,               GEMM,                  LANES_TIMES_COLUMN, FN(transpose),
    FN(math),              MULTIPLY_ADD,          FN(read),
};
#undef N_LANES
#undef GEMM
#undef LANES_TIMES_COLUMN
#undef MULTIPLY_ADD
