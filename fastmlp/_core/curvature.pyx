# The inverse Hessian of L-BFGS, as its last steps and changes of the gradient tell it.
#
# a) The two loops of Nocedal (1980) over the pairs of a step s and a change y of the
#    gradient: from the newest pair down q -= a y with a = s q / (s y), and from the
#    oldest up q += (a - b) s with b = y q / (s y).
# b) Each sweep that adds to q also takes the product that the next one begins with, so
#    every pair is read twice from memory, not four times.
# c) All is in double, for networks of either precision: the rounding of a step would
#    lead away from the path of SciPy.

import numpy as np

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of


def dot(x, y):
    """Sum of the products of two float64 vectors of the same length."""
    if len(x) != len(y):
        raise ValueError("vectors differ in length")
    return kernels.dot(<const double *> address_of(x, np.float64),
                       <const double *> address_of(y, np.float64), len(x))


cdef double descend(
    const double *steps, const double *changes, const double *products,
    double *shares, Py_ssize_t n_pairs, Py_ssize_t n_known, Py_ssize_t newest,
    double scale, const double *grad, double *out, Py_ssize_t n,
) noexcept nogil:
    """out := -H grad; its product with grad.  The pairs are in a ring of n_pairs."""
    cdef Py_ssize_t i, pair = newest, following
    cdef double product
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
        out[i] *= scale
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
    """

    cdef object steps, changes, products, shares
    cdef readonly Py_ssize_t n_known, n_pairs
    cdef Py_ssize_t n, newest
    cdef double scale

    def __init__(self, Py_ssize_t n_pairs, Py_ssize_t n):
        if n_pairs < 1:
            raise ValueError("one pair is the least")
        self.n_pairs, self.n = n_pairs, n
        self.steps = np.empty((n_pairs, n))
        self.changes = np.empty((n_pairs, n))
        self.products, self.shares = np.empty(n_pairs), np.empty(n_pairs)
        self.forget()

    def forget(self):
        """Drop all pairs: the next direction is that of steepest descent."""
        self.n_known, self.newest = 0, -1

    def learn(self, direction, step, grad, grad_before, product):
        """Remember a pair, in place of the oldest where all room is taken.

        A pair whose change has no finite square above 0 tells nothing and is left out.

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
        cdef Py_ssize_t pair = (self.newest + 1) % self.n_pairs
        cdef double square
        if not len(direction) == len(grad) == len(grad_before) == self.n:
            raise ValueError("vectors are of a wrong length")
        with np.errstate(all="ignore"):
            np.multiply(direction, step, out=self.steps[pair])
            change = np.subtract(grad, grad_before, out=self.changes[pair])
        square = dot(change, change)
        if not 0 < square < np.inf:
            if self.n_known == self.n_pairs:  # the oldest pair is overwritten
                self.n_known -= 1
            return
        self.products[pair], self.scale = product, product / square
        self.newest, self.n_known = pair, min(self.n_known + 1, self.n_pairs)

    def pairs(self):
        """The pairs so far, from the oldest to the newest.

        Returns
        -------
        steps, changes : ndarray of shape (n_known, n)
        products : ndarray of shape (n_known,)
        """
        oldest = self.newest + 1 - self.n_known
        order = (oldest + np.arange(self.n_known)) % self.n_pairs
        return self.steps[order], self.changes[order], self.products[order]

    def remember(self, steps, changes, products):
        """Put pairs in place of all others: what ``pairs`` returned."""
        n_known = len(products)
        if n_known > self.n_pairs:
            raise ValueError("there are more pairs than room")
        if not steps.shape == changes.shape == (n_known, self.n):
            raise ValueError("the pairs are of a wrong shape")
        self.forget()
        if n_known == 0:
            return
        self.steps[:n_known], self.changes[:n_known] = steps, changes
        self.products[:n_known] = products
        self.n_known, self.newest = n_known, n_known - 1
        newest = self.changes[self.newest]
        self.scale = self.products[self.newest] / dot(newest, newest)

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
        cdef const double *g = <const double *> address_of(grad, np.float64)
        cdef double *d = <double *> address_of(out, np.float64)
        cdef const double *s = <const double *> address_of(self.steps, np.float64)
        cdef const double *y = <const double *> address_of(self.changes, np.float64)
        cdef double *products = <double *> address_of(self.products, np.float64)
        cdef double *shares = <double *> address_of(self.shares, np.float64)
        cdef double slope
        if len(grad) != self.n or len(out) != self.n:
            raise ValueError("vectors are of a wrong length")
        with nogil:
            slope = descend(s, y, products, shares, self.n_pairs, self.n_known,
                            self.newest, self.scale, g, d, self.n)
        return slope
