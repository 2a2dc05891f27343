/* All bodies for one precision, then their table; included with FM_DOUBLE set. */
#include "real.h"
#include "simd.h"
#include "vecmath.inl.h"
#include "activations.inl.h"
#include "parametric.inl.h"
#include "stage.inl.h"
#include "transpose.inl.h"
#include "outputs.inl.h"
#include "losses.inl.h"
#include "row_losses.inl.h"
#include "smoothing.inl.h"
#include "optimizers.inl.h"
#include "vectors.inl.h"
#include "rows.inl.h"
#include "random.inl.h"
#include "parts.inl.h"
#include "narrow.inl.h"
#include "thin.inl.h"
#include "four_steps.inl.h"
#include "tiles.inl.h"
#include "gemm.inl.h"
#include "calibration.inl.h"

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
    .activate = FN(activate),
    .activate_backward = FN(activate_backward),
    .relu_backward_of_one = FN(relu_backward_of_one),
    .parametric = FN(parametric),
    .parametric_backward = FN(parametric_backward),
    .embed_numbers = FN(embed_numbers),
    .embed_number_backward = FN(embed_number_backward),
    .scale_numbers = FN(scale_numbers),
    .scale_number_backward = FN(scale_number_backward),
    .take_levels = FN(take_levels),
    .take_levels_backward = FN(take_levels_backward),
    .column_sums = FN(column_sums),
    .output = FN(output),
    .output_of_lanes = FN(output_of_lanes),
    .loss_delta = FN(loss_delta),
    .own_lines = FN(own_lines),
    .sum_values = FN(sum_values),
    .all_finite = FN(all_finite),
    .finish_gradient = FN(finish_gradient),
    .update = FN(update),
    .dot = FN(dot),
    .axpy_dot = FN(axpy_dot),
    .soft_threshold = FN(soft_threshold),
    .limit_norms = FN(limit_norms),
    .average = FN(average),
    .dropout = FN(dropout),
    .csr_dropout = FN(csr_dropout),
    .add_noise = FN(add_noise),
    .smoothed_log_loss = FN(smoothed_log_loss),
    .gather_rows = FN(gather_rows),
    .cast_rows = FN(cast_rows),
    .csr_forward = FN(csr_forward),
    .csr_backward = FN(csr_backward),
    .transpose = FN(transpose),
    .math = FN(math),
    .read = FN(read),
    .write = FN(write),
#if FM_HAS_GEMM
    .lanes = LANES,
    .gemm = FN(gemm),
    .is_narrow = FN(is_narrow),
    .narrow_of_lanes = FN(narrow_of_lanes),
    .multiply_add = FN(multiply_add),
#endif
};
