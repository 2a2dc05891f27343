# The input stage: from encoded rows of a table to the inputs of the first layer.
#
# a) An encoded row holds the numbers, NaN where one is missing, and then the code of
#    each category: 0 for a missing or unknown level, else its number from 1 on.
# b) Its weights are the last ones of the flat vector: the scale of each output, then
#    what belongs to each number, then the tables of the categories, one by one.  A table
#    that is not trained, such as that of one-hot columns, is among them too.
# c) The gradient of what belongs to a column of the encoded rows is summed by one
#    thread, over all rows of a block, in their order.

import numpy as np

from cython cimport floating
from libc.string cimport memset

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of


cdef class InputStage:
    """Embeddings of numbers and categories, and a scale.

    Parameters
    ----------
    n_numbers : int
    tables : sequence of (int, int, bool)
        Number of rows, width, and whether it is trained, of the table of each category.
    is_periodic : bool
        Whether numbers have periodic embeddings; else they are inputs as they are.
    """

    def __init__(self, n_numbers, tables=(), is_periodic=True):
        self.tables = tuple((int(n), int(k), bool(t)) for n, k, t in tables)
        self.c.n_numbers, self.c.n_categories = n_numbers, len(self.tables)
        self.c.is_periodic = is_periodic
        self.c.number_width = kernels.FM_PERIODIC + 1 if is_periodic else 1
        self.c.number_size = kernels.FM_NUMBER_SIZE if is_periodic else 1
        widths = [width for _, width, _ in self.tables]
        sizes = [n_rows * width for n_rows, width, _ in self.tables]
        start = n_numbers * self.c.number_width
        output = np.cumsum([start, *widths], dtype=np.intp)
        self.c.n_outputs = output[len(widths)]
        self.c.numbers = self.c.n_outputs
        start = self.c.numbers + n_numbers * self.c.number_size
        table = np.cumsum([start, *sizes], dtype=np.intp)
        self.c.n_params = table[len(sizes)]
        width = np.array(widths, dtype=np.intp)
        is_trained = np.array([t for _, _, t in self.tables], dtype=np.intc)
        self.owners = (table, width, output, is_trained)
        self.c.table = <const ptrdiff_t *> address_of(table, np.intp)
        self.c.width = <const ptrdiff_t *> address_of(width, np.intp)
        self.c.output = <const ptrdiff_t *> address_of(output, np.intp)
        self.c.is_trained = <const int *> address_of(is_trained, np.intc)

    @property
    def n_columns(self):
        """Values of an encoded row."""
        return self.c.n_numbers + self.c.n_categories

    @property
    def n_outputs(self):
        """Inputs of the first layer."""
        return self.c.n_outputs

    @property
    def n_params(self):
        """Weights of the stage."""
        return self.c.n_params

    def tensors(self):
        """Name, shape, offset and whether it is trained, of each tensor of weights."""
        tensors = [("scale", (self.c.n_outputs,), 0, True)]
        shape = (self.c.n_numbers, self.c.number_size)
        tensors.append(("numbers", shape, self.c.numbers, True))
        for number, (n_rows, width, is_trained) in enumerate(self.tables):
            tensors.append((f"table_{number}", (n_rows, width), self.c.table[number],
                            is_trained))
        return [tensor for tensor in tensors if np.prod(tensor[1])]

    def check_codes(self, X):
        """Raise ValueError if a code of encoded rows names no row of its table."""
        for number, (n_rows, _, _) in enumerate(self.tables):
            codes = X[:, self.c.n_numbers + number]
            if len(codes) and not (0 <= codes.min() and codes.max() < n_rows):
                raise ValueError(
                    f"category {number} has codes outside of its {n_rows} levels"
                )

    def outputs(self, params, X):
        """The inputs of the first layer.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            The weights of the stage.
        X : ndarray of shape (n_rows, n_columns)
            Encoded rows, in the same dtype.

        Returns
        -------
        out : ndarray of shape (n_rows, n_outputs)
        """
        out = np.empty((len(X), self.c.n_outputs), dtype=X.dtype)
        if params.shape != (self.c.n_params,) or X.shape[1] != self.n_columns:
            raise ValueError("params or X are of a wrong shape for the stage")
        self.check_codes(X)
        cdef size_t w = address_of(params, X.dtype), x = address_of(X, X.dtype)
        cdef size_t to = address_of(out, X.dtype)
        cdef Py_ssize_t n = len(X), ldx = self.n_columns, ldo = self.c.n_outputs
        if X.dtype == np.float32:
            stage_forward(&self.c, <const float *> w, <const float *> x, ldx,
                          <float *> to, ldo, n)
        else:
            stage_forward(&self.c, <const double *> w, <const double *> x, ldx,
                          <double *> to, ldo, n)
        return out


cdef void stage_forward(
    const stage_t *stage, const floating *params, const floating *x, Py_ssize_t ldx,
    floating *out, Py_ssize_t ldo, Py_ssize_t n,
) noexcept nogil:
    """out := the inputs of the first layer for n encoded rows x"""
    cdef const floating *numbers = params + stage.numbers
    cdef Py_ssize_t i
    if stage.is_periodic:
        kernels.embed_numbers(x, ldx, numbers, params, out, ldo, n, stage.n_numbers)
    else:
        kernels.scale_numbers(x, ldx, numbers, params, out, ldo, n, stage.n_numbers)
    for i in range(stage.n_categories):
        kernels.take_levels(x + stage.n_numbers + i, ldx, params + stage.table[i],
                            params + stage.output[i], out + stage.output[i], ldo, n,
                            stage.width[i])


cdef void column_backward(
    const stage_t *stage, const floating *params, Py_ssize_t column, const floating *x,
    Py_ssize_t ldx, const floating *delta, Py_ssize_t ldd, floating *grad, Py_ssize_t n,
) noexcept nogil:
    """Add to the gradient of the weights of one column, from delta of the outputs"""
    cdef Py_ssize_t number = stage.numbers + column * stage.number_size
    cdef Py_ssize_t first = column * stage.number_width
    cdef Py_ssize_t category = column - stage.n_numbers
    cdef floating *table = NULL
    x += column
    if category >= 0:
        first = stage.output[category]
        if stage.is_trained[category]:
            table = grad + stage.table[category]
        kernels.take_levels_backward(
            x, ldx, params + stage.table[category], params + first, delta + first, ldd,
            table, grad + first, n, stage.width[category])
    elif stage.is_periodic:
        kernels.embed_number_backward(x, ldx, params + number, params + first,
                                      delta + first, ldd, grad + number, grad + first,
                                      n)
    else:
        kernels.scale_number_backward(x, ldx, params + number, params + first,
                                      delta + first, ldd, grad + number, grad + first,
                                      n)


cdef void clear_column(
    const stage_t *stage, Py_ssize_t column, floating *grad
) noexcept nogil:
    """Set the gradient of the weights of one column to 0"""
    cdef Py_ssize_t category = column - stage.n_numbers
    cdef size_t real = sizeof(floating)
    if category < 0:
        memset(grad + column * stage.number_width, 0, stage.number_width * real)
        memset(grad + stage.numbers + column * stage.number_size, 0,
               stage.number_size * real)
    else:
        memset(grad + stage.output[category], 0, stage.width[category] * real)
        memset(grad + stage.table[category], 0,
               (stage.table[category + 1] - stage.table[category]) * real)
