# What src_c/fastmlp.h declares: the only Cython file that names C symbols.

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

    enum:
        FM_GEMM_WORK
        FM_MAX_LEVELS
        FM_N_LOSS_OUTPUTS

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

    ctypedef struct fm_kernels_f32:
        void (*activate)(
            fm_activation, const float *, float *, ptrdiff_t, ptrdiff_t, ptrdiff_t,
            float
        ) noexcept nogil
        void (*activate_backward)(
            fm_activation, const float *, float *, float *, ptrdiff_t, ptrdiff_t,
            ptrdiff_t, float
        ) noexcept nogil
        void (*column_sums)(const float *, float *, ptrdiff_t, ptrdiff_t) noexcept nogil
        void (*output)(
            const fm_objective *, float *, ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*output_of_lanes)(
            const fm_objective *, float *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t,
            ptrdiff_t
        ) noexcept nogil
        double (*loss)(
            const fm_objective *, const float *, const float *, float *, float *,
            ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        double (*sum)(const float *, ptrdiff_t) noexcept nogil
        int (*all_finite)(const float *, ptrdiff_t) noexcept nogil
        double (*finish_gradient)(
            const float *, float *, ptrdiff_t, float, float
        ) noexcept nogil
        double (*update)(
            fm_rule, const fm_step *, const float *, float *, float *, float *,
            ptrdiff_t
        ) noexcept nogil
        double (*dot)(const float *, const float *, ptrdiff_t) noexcept nogil
        double (*axpy_dot)(
            float, const float *, float *, const float *, ptrdiff_t
        ) noexcept nogil
        void (*soft_threshold)(
            float *, const float *, ptrdiff_t, float, float, float
        ) noexcept nogil
        void (*limit_norms)(
            float *, ptrdiff_t, ptrdiff_t, float, float *
        ) noexcept nogil
        void (*average)(const float *, float *, ptrdiff_t, float) noexcept nogil
        void (*dropout)(
            const fm_draw *, double, const float *, ptrdiff_t, float *, ptrdiff_t,
            ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*csr_dropout)(
            const fm_draw *, double, fm_csr_rows, const float *, float *, ptrdiff_t
        ) noexcept nogil
        void (*add_noise)(
            const fm_draw *, double, const float *, ptrdiff_t, float *, ptrdiff_t,
            ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        double (*smoothed_log_loss)(
            const float *, const float *, float *, float *, ptrdiff_t, ptrdiff_t, float
        ) noexcept nogil
        void (*gather_rows)(
            const float *, const ptrdiff_t *, float *, ptrdiff_t, ptrdiff_t, ptrdiff_t,
            ptrdiff_t
        ) noexcept nogil
        void (*cast_rows)(
            const double *, const ptrdiff_t *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t,
            ptrdiff_t
        ) noexcept nogil
        void (*csr_forward)(
            fm_csr_rows, const float *, const float *, const float *, float *,
            ptrdiff_t, ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*csr_backward)(
            fm_csr_rows, const float *, const float *, ptrdiff_t, float *, ptrdiff_t,
            ptrdiff_t
        ) noexcept nogil
        ptrdiff_t lanes
        void (*gemm)(
            ptrdiff_t, ptrdiff_t, ptrdiff_t, const float *, ptrdiff_t, ptrdiff_t,
            const float *, ptrdiff_t, const float *, ptrdiff_t, int, fm_next *,
            float *, ptrdiff_t, float *
        ) noexcept nogil
        void (*lanes_times_column)(
            ptrdiff_t, ptrdiff_t, const float *, const float *, float, int, float *
        ) noexcept nogil
        void (*transpose)(
            const float *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*math)(fm_math, const float *, float *, ptrdiff_t) noexcept nogil
        double (*multiply_add)(ptrdiff_t) noexcept nogil
        double (*read)(const float *, ptrdiff_t) noexcept nogil

    ctypedef struct fm_kernels_f64:
        void (*activate)(
            fm_activation, const double *, double *, ptrdiff_t, ptrdiff_t, ptrdiff_t,
            double
        ) noexcept nogil
        void (*activate_backward)(
            fm_activation, const double *, double *, double *, ptrdiff_t, ptrdiff_t,
            ptrdiff_t, double
        ) noexcept nogil
        void (*column_sums)(
            const double *, double *, ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*output)(
            const fm_objective *, double *, ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*output_of_lanes)(
            const fm_objective *, double *, ptrdiff_t, double *, ptrdiff_t,
            ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        double (*loss)(
            const fm_objective *, const double *, const double *, double *, double *,
            ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        double (*sum)(const double *, ptrdiff_t) noexcept nogil
        int (*all_finite)(const double *, ptrdiff_t) noexcept nogil
        double (*finish_gradient)(
            const double *, double *, ptrdiff_t, double, double
        ) noexcept nogil
        double (*update)(
            fm_rule, const fm_step *, const double *, double *, double *, double *,
            ptrdiff_t
        ) noexcept nogil
        double (*dot)(const double *, const double *, ptrdiff_t) noexcept nogil
        double (*axpy_dot)(
            double, const double *, double *, const double *, ptrdiff_t
        ) noexcept nogil
        void (*soft_threshold)(
            double *, const double *, ptrdiff_t, double, double, double
        ) noexcept nogil
        void (*limit_norms)(
            double *, ptrdiff_t, ptrdiff_t, double, double *
        ) noexcept nogil
        void (*average)(const double *, double *, ptrdiff_t, double) noexcept nogil
        void (*dropout)(
            const fm_draw *, double, const double *, ptrdiff_t, double *, ptrdiff_t,
            ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*csr_dropout)(
            const fm_draw *, double, fm_csr_rows, const double *, double *, ptrdiff_t
        ) noexcept nogil
        void (*add_noise)(
            const fm_draw *, double, const double *, ptrdiff_t, double *, ptrdiff_t,
            ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        double (*smoothed_log_loss)(
            const double *, const double *, double *, double *, ptrdiff_t, ptrdiff_t,
            double
        ) noexcept nogil
        void (*gather_rows)(
            const double *, const ptrdiff_t *, double *, ptrdiff_t, ptrdiff_t,
            ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*cast_rows)(
            const double *, const ptrdiff_t *, ptrdiff_t, double *, ptrdiff_t,
            ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*csr_forward)(
            fm_csr_rows, const double *, const double *, const double *, double *,
            ptrdiff_t, ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*csr_backward)(
            fm_csr_rows, const double *, const double *, ptrdiff_t, double *, ptrdiff_t,
            ptrdiff_t
        ) noexcept nogil
        ptrdiff_t lanes
        void (*gemm)(
            ptrdiff_t, ptrdiff_t, ptrdiff_t, const double *, ptrdiff_t, ptrdiff_t,
            const double *, ptrdiff_t, const double *, ptrdiff_t, int, fm_next *,
            double *, ptrdiff_t, double *
        ) noexcept nogil
        void (*lanes_times_column)(
            ptrdiff_t, ptrdiff_t, const double *, const double *, double, int, double *
        ) noexcept nogil
        void (*transpose)(
            const double *, ptrdiff_t, double *, ptrdiff_t, ptrdiff_t, ptrdiff_t
        ) noexcept nogil
        void (*math)(fm_math, const double *, double *, ptrdiff_t) noexcept nogil
        double (*multiply_add)(ptrdiff_t) noexcept nogil
        double (*read)(const double *, ptrdiff_t) noexcept nogil

    ctypedef struct fm_isa:
        const char *name
        const fm_kernels_f32 *f32
        const fm_kernels_f64 *f64

    ctypedef void (*fm_task)(void *, ptrdiff_t, int) noexcept nogil

    const fm_isa *fm_select_isa(const char *)
    void fm_parallel(fm_task, void *, ptrdiff_t, int)
    unsigned int fm_flush_denormals()
    void fm_restore_denormals(unsigned int)
    const char *fm_isa_name(int)
    const char *fm_activation_name(int)
    const char *fm_activation_by_input(int)
    const char *fm_loss_name(int)
    const char *fm_loss_output(int)
    const char *fm_output_name(int)
    const char *fm_rule_name(int)
    const char *fm_rule_vectors(int)
    const char *fm_math_name(int)
