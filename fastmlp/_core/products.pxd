# The choice between our matrix products and SciPy's BLAS: the only place it is made.
#
# Ours wherever the instruction set has them (AVX2, AVX-512, NEON); BLAS elsewhere.
# Measured with bench/bench_kernels.py (test_product) on AVX2, one thread, beside
# OpenBLAS 0.3.30: 1.1 to 2.5 times its speed up to 200 rows and 100 units, even from
# 256 to 512, and 0.87 to 0.98 of it at 1,024 rows and units.  Ours start no threads,
# and give a row of X W the same bits whatever the batch, for which those last percents
# are given up.

from cython cimport floating
from libc.string cimport memcpy

cimport fastmlp._core.blas as blas
cimport fastmlp._core.kernels as kernels


cdef inline void product(
    bint trans_a, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating *a, Py_ssize_t lda, const floating *b, Py_ssize_t ldb,
    const floating *s, Py_ssize_t s_stride, bint rectify,
    kernels.fm_next *next, floating *c, Py_ssize_t ldc, floating *work,
) noexcept nogil:
    """C := op(A) B + S, with C and S (m, n), op(A) (m, k), B (k, n)

    S is C, one row for all (s_stride 0) or NULL for none; with trans_a it may be one
    column (s_stride 1), where has_gemm() only.
    rectify: then C := max(C, 0), where has_gemm() only.
    next: what is read next, or NULL; see kernel_table.inl.h.
    lda, ldb, ldc: values from a row to the next.
    """
    cdef Py_ssize_t i
    if kernels.has_gemm():
        kernels.gemm(m, n, k, a, 1 if trans_a else lda, lda if trans_a else 1, b, ldb,
                     s, s_stride, rectify, next, c, ldc, work)
        return
    if s != NULL and s != c:
        for i in range(m):
            memcpy(c + i * ldc, s + i * s_stride, n * sizeof(floating))
    blas.gemm(trans_a, m, n, k, a, lda, b, ldb, <floating> (s != NULL), c, ldc)
