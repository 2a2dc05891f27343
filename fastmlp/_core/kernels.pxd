# The C kernels, one fused function each: how the other modules call C.

from cython cimport floating

from fastmlp._core.table cimport (
    FM_AS_USUAL,
    FM_BY_ROWS,
    FM_FREQUENCIES,
    FM_GEMM_WORK,
    FM_LOSS_squared_error,
    FM_MAX_LEVELS,
    FM_N_LOSS_OUTPUTS,
    FM_NUMBER_SIZE,
    FM_OUTPUT_exp,
    FM_OUTPUT_logistic,
    FM_OUTPUT_softmax,
    FM_OUTPUT_softplus,
    FM_PERIODIC,
    FM_RULE_adam,
    FM_RULE_lion,
    FM_RULE_nadam,
    FM_RULE_sgd,
    FM_SOON,
    FM_relu,
    fm_activation,
    fm_activation_by_input,
    fm_activation_name,
    fm_activation_parametric,
    fm_add_in_turn,
    fm_advice,
    fm_advise_pages,
    fm_csr_rows,
    fm_draw,
    fm_flush_denormals,
    fm_hand_over,
    fm_isa,
    fm_isa_name,
    fm_kernels_f32,
    fm_kernels_f64,
    fm_loss,
    fm_loss_name,
    fm_loss_output,
    fm_math,
    fm_math_name,
    fm_next,
    fm_objective,
    fm_output,
    fm_output_name,
    fm_parallel,
    fm_pass_front_end,
    fm_restore_denormals,
    fm_rule,
    fm_rule_name,
    fm_rule_vectors,
    fm_select_isa,
    fm_step,
    fm_task,
)


# The tables chosen at import (kernels.pyx).
cdef const fm_kernels_f32 *fm_f32
cdef const fm_kernels_f64 *fm_f64

# Functions that must be, like the tables, in the one module that holds the C code: the
# thread pool, the treatment of denormals (a state to set for a native call, and to put
# back), and advice about pages.
cdef void parallel(
    fm_task task, void *context, Py_ssize_t n_items, int n_threads
) noexcept nogil
cdef unsigned int flush_denormals() noexcept nogil
cdef void restore_denormals(unsigned int before) noexcept nogil
cdef void advise_pages(const void *at, size_t size, fm_advice advice) noexcept nogil


# One function for each kernel, by the name and with the arguments that it has in
# src_c/kernel_table.inl.h.
include "kernel_calls.pxi"


cdef inline double sum_squares(const floating *x, Py_ssize_t n) noexcept nogil:
    """sum of x^2"""
    return dot(x, x, n)


cdef inline Py_ssize_t lanes(const floating *precision) noexcept nogil:
    """Values in a vector of our own matrix products, 0 where there are none"""
    if floating is float:
        return fm_f32.lanes
    else:
        return fm_f64.lanes


cdef inline bint has_gemm() noexcept nogil:
    """Return whether the instruction set has its own matrix products"""
    return fm_f32.gemm != NULL
