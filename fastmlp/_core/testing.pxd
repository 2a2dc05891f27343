# Compiled functions of a user, for tests: two activations and a loss.

cdef void square_f32(const float *z, float *a, ptrdiff_t n, void *user) noexcept nogil
cdef void square_f64(const double *z, double *a, ptrdiff_t n, void *user) noexcept nogil
cdef void d_square_f32(
    const float *z, const float *a, float *delta, ptrdiff_t n, void *user
) noexcept nogil
cdef void d_square_f64(
    const double *z, const double *a, double *delta, ptrdiff_t n, void *user
) noexcept nogil
cdef void relu_f32(const float *z, float *a, ptrdiff_t n, void *user) noexcept nogil
cdef void relu_f64(const double *z, double *a, ptrdiff_t n, void *user) noexcept nogil
cdef void d_relu_f32(
    const float *z, const float *a, float *delta, ptrdiff_t n, void *user
) noexcept nogil
cdef void d_relu_f64(
    const double *z, const double *a, double *delta, ptrdiff_t n, void *user
) noexcept nogil
cdef void error_f64(
    const double *y, const double *a, double *out, ptrdiff_t n, void *user
) noexcept nogil
cdef void d_error_f64(
    const double *y, const double *a, double *out, ptrdiff_t n, void *user
) noexcept nogil
