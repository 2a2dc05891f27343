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
    bint trans_a, bint trans_b,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating *a, Py_ssize_t row_length, const floating *b, floating beta,
    floating *c,
) noexcept nogil:
    """C := op(A) op(B) + beta C with C (m, n), op(A) (m, k), op(B) (k, n)

    row_length: values from a row of A to the next; B and C have no gaps.
    """
    cdef blas_int rows = <blas_int> m, columns = <blas_int> n, inner = <blas_int> k
    cdef blas_int lda = <blas_int> row_length
    cdef blas_int ldb = inner if trans_b else columns
    cdef char op_a = c'T' if trans_a else c'N'
    cdef char op_b = c'T' if trans_b else c'N'
    cdef floating one = 1
    if m == 0 or n == 0:
        return
    if floating is float:
        sgemm(&op_b, &op_a, &columns, &rows, &inner, &one, <float *> b, &ldb,
              <float *> a, &lda, &beta, c, &columns)
    else:
        dgemm(&op_b, &op_a, &columns, &rows, &inner, &one, <double *> b, &ldb,
              <double *> a, &lda, &beta, c, &columns)
