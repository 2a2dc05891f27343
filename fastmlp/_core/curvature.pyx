# The inverse Hessian of L-BFGS, as its last steps and changes of the gradient tell it.
#
# a) The two loops of Nocedal (1980) over the pairs of a step s and a change y of the
#    gradient: from the newest pair down q -= a y with a = s q / (s y), and from the
#    oldest up q += (a - b) s with b = y q / (s y).
# b) Each sweep that adds to q also takes the product that the next one begins with, so
#    every pair is read twice from memory, not four times.
# c) All is in the precision of the network, the sums in double.

import numpy as np

from cython cimport floating

cimport fastmlp._core.kernels as kernels
from fastmlp._core.network cimport address_of


def dot(x, y):
    """Sum of the products of two vectors of one length and precision, in double."""
    if len(x) != len(y):
        raise ValueError("vectors differ in length")
    if x.dtype == np.float32:
        return kernels.dot(<const float *> address_of(x, np.float32),
                           <const float *> address_of(y, np.float32), len(x))
    return kernels.dot(<const double *> address_of(x, np.float64),
                       <const double *> address_of(y, np.float64), len(x))


cdef double descend(
    const floating *steps, const floating *changes, const double *products,
    double *shares, Py_ssize_t n_pairs, Py_ssize_t n_known, Py_ssize_t newest,
    double scale, const floating *grad, floating *out, Py_ssize_t n,
) noexcept nogil:
    """out := -H grad; its product with grad.  The pairs stand in a ring of n_pairs."""
    cdef Py_ssize_t i, pair = newest, following
    cdef double product
    cdef floating factor = <floating> scale
    for i in range(n):
        out[i] = -grad[i]
    if n_known == 0:
        return kernels.dot(out, grad, n)
    product = kernels.dot(out, steps + pair * n, n)
    for i in range(n_known):  # from the newest to the oldest
        shares[pair] = product / products[pair]
        following = (pair + n_pairs - 1) % n_pairs
        product = kernels.axpy_dot(
            -shares[pair], changes + pair * n, out,
            steps + following * n if i < n_known - 1 else changes + pair * n, n)
        if i < n_known - 1:
            pair = following
    for i in range(n):
        out[i] *= factor
    product *= scale
    for i in range(n_known):  # and back
        following = (pair + 1) % n_pairs
        product = kernels.axpy_dot(
            shares[pair] - product / products[pair], steps + pair * n, out,
            changes + following * n if i < n_known - 1 else grad, n)
        pair = following
    return product


cdef class Curvature:
    """The last pairs of L-BFGS, and the directions that follow from them.

    Parameters
    ----------
    n_pairs : int
        Pairs to remember.
    n : int
        Length of the vectors.
    dtype : dtype
        float32 or float64.
    """

    cdef object steps, changes, products, shares
    cdef readonly Py_ssize_t n_known
    cdef Py_ssize_t n_pairs, n, newest
    cdef double scale

    def __init__(self, Py_ssize_t n_pairs, Py_ssize_t n, dtype):
        self.n_pairs, self.n = n_pairs, n
        self.steps = np.empty((n_pairs, n), dtype)
        self.changes = np.empty((n_pairs, n), dtype)
        self.products, self.shares = np.empty(n_pairs), np.empty(n_pairs)
        self.forget()

    def forget(self):
        """Drop all pairs: the next direction is that of steepest descent."""
        self.n_known, self.newest = 0, -1

    def learn(self, direction, step, grad, grad_before, product):
        """Remember a pair, in place of the oldest where all room is taken.

        Parameters
        ----------
        direction : ndarray of shape (n,)
        step : float
            The step that was taken along it.
        grad, grad_before : ndarray of shape (n,)
            After the step and before it.
        product : float
            Of the step with the change of the gradient; above 0.
        """
        self.newest = (self.newest + 1) % self.n_pairs
        self.n_known = min(self.n_known + 1, self.n_pairs)
        np.multiply(direction, step, out=self.steps[self.newest])
        change = np.subtract(grad, grad_before, out=self.changes[self.newest])
        self.products[self.newest] = product
        self.scale = product / dot(change, change)

    def descend(self, grad, out):
        """Fill out with minus the inverse Hessian times grad; returns their product.

        Parameters
        ----------
        grad, out : ndarray of shape (n,)

        Returns
        -------
        slope : float
            Of the function along out.
        """
        cdef const void *g = <const void *> address_of(grad, self.steps.dtype)
        cdef void *d = <void *> address_of(out, self.steps.dtype)
        cdef const void *s = <const void *> address_of(self.steps, self.steps.dtype)
        cdef const void *y = <const void *> address_of(self.changes, self.steps.dtype)
        cdef double *products = <double *> address_of(self.products, np.float64)
        cdef double *shares = <double *> address_of(self.shares, np.float64)
        cdef bint is_float32 = self.steps.dtype == np.float32
        cdef double slope
        cdef unsigned int before
        if len(grad) != self.n or len(out) != self.n:
            raise ValueError("vectors are of a wrong length")
        with nogil:
            before = kernels.flush_denormals()
            if is_float32:
                slope = descend(<const float *> s, <const float *> y, products, shares,
                                self.n_pairs, self.n_known, self.newest, self.scale,
                                <const float *> g, <float *> d, self.n)
            else:
                slope = descend(<const double *> s, <const double *> y, products,
                                shares, self.n_pairs, self.n_known, self.newest,
                                self.scale, <const double *> g, <double *> d, self.n)
            kernels.restore_denormals(before)
        return slope
