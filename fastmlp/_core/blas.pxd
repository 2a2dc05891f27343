# SciPy's BLAS, row-major: the only file that names it.
#
# a) BLAS is column-major.  A row-major matrix is the transpose of the column-major one
#    in the same memory, so C = A B is asked for as C^T = B^T A^T.
# b) BLAS counts in blas_int (32 bits in SciPy's wheels): Network refuses layers wider
#    than that, and rows come in blocks.

from cython cimport floating
from scipy.linalg.cython_blas cimport dgemm, sgemm

ctypedef int blas_int


cdef inline void gemm(
    bint trans_a, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const floating *a,
    Py_ssize_t a_stride, const floating *b, Py_ssize_t b_stride, floating beta,
    floating *c, Py_ssize_t c_stride,
) noexcept nogil:
    """C := op(A) B + beta C with C (m, n), op(A) (m, k), B (k, n)

    The strides are values from a row to the next.
    """
    cdef blas_int rows = <blas_int> m, columns = <blas_int> n, inner = <blas_int> k
    cdef blas_int lda = <blas_int> a_stride, ldb = <blas_int> b_stride
    cdef blas_int ldc = <blas_int> c_stride
    cdef char op_a = c'T' if trans_a else c'N', op_b = c'N'
    cdef floating one = 1
    if m == 0 or n == 0:
        return
    if floating is float:
        sgemm(&op_b, &op_a, &columns, &rows, &inner, &one, <float *> b, &ldb,
              <float *> a, &lda, &beta, c, &ldc)
    else:
        dgemm(&op_b, &op_a, &columns, &rows, &inner, &one, <double *> b, &ldb,
              <double *> a, &lda, &beta, c, &ldc)
