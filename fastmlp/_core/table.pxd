# The declarations of src_c/fastmlp.h: the only Cython file that names C symbols.  The
# tables of kernels are in a file that the build writes (declare_kernels.py).

from libc.stdint cimport uint32_t


cdef extern from "fastmlp.h" nogil:
    ctypedef enum fm_activation:
        FM_relu
    ctypedef enum fm_loss:
        FM_LOSS_squared_error
        FM_LOSS_log_loss
        FM_LOSS_focal
        FM_LOSS_quantile
        FM_LOSS_gaussian_nll
    ctypedef enum fm_output:
        FM_OUTPUT_exp
        FM_OUTPUT_logistic
        FM_OUTPUT_softmax
        FM_OUTPUT_softplus
    ctypedef enum fm_rule:
        FM_RULE_sgd
        FM_RULE_adam
        FM_RULE_nadam
        FM_RULE_lion
    ctypedef enum fm_math:
        pass

    ctypedef enum fm_advice:
        FM_AS_USUAL
        FM_BY_ROWS
        FM_SOON

    enum:
        FM_FREQUENCIES
        FM_GEMM_WORK
        FM_MAX_LEVELS
        FM_NUMBER_SIZE
        FM_N_LOSS_OUTPUTS
        FM_PERIODIC

    ctypedef struct fm_objective:
        fm_loss loss
        fm_output output
        double parameter, low, high
        const double *levels
        ptrdiff_t n_levels
        int is_monotone
        const double *step_scale
        const double *positive

    ctypedef struct fm_csr_rows:
        const ptrdiff_t *indices
        const ptrdiff_t *indptr
        const ptrdiff_t *order
        ptrdiff_t first

    ctypedef struct fm_next:
        const void *x
        ptrdiff_t ldx, n
        void *lanes
        ptrdiff_t further
        int is_finite

    ctypedef struct fm_step:
        double scale, decay, keep, learning_rate, momentum, beta_1, beta_2, epsilon
        double gradient_rate, root
        int nesterov

    ctypedef struct fm_draw:
        uint32_t key[2]
        uint32_t step, stream
        ptrdiff_t row


include "kernel_table.pxi"  # fm_kernels_f32, fm_kernels_f64


cdef extern from "fastmlp.h" nogil:
    ctypedef struct fm_isa:
        const char *name
        const fm_kernels_f32 *f32
        const fm_kernels_f64 *f64

    ctypedef void (*fm_task)(void *, ptrdiff_t, int) noexcept nogil

    const fm_isa *fm_select_isa(const char *)
    void fm_parallel(fm_task, void *, ptrdiff_t, int)
    unsigned int fm_flush_denormals()
    void fm_restore_denormals(unsigned int)
    void fm_advise_pages(const void *, size_t, fm_advice)
    ptrdiff_t fm_pass_front_end(ptrdiff_t)
    ptrdiff_t fm_hand_over(ptrdiff_t)
    ptrdiff_t fm_add_in_turn(ptrdiff_t)
    const char *fm_isa_name(int)
    const char *fm_activation_name(int)
    const char *fm_activation_by_input(int)
    const char *fm_activation_parametric(int)
    const char *fm_loss_name(int)
    const char *fm_loss_output(int)
    const char *fm_output_name(int)
    const char *fm_rule_name(int)
    const char *fm_rule_vectors(int)
    const char *fm_math_name(int)
