# Single rows of a table as Python has them: encoded, and through a fitted network.
#
# a) Plain rows take this way: dicts, lists and tuples of float, int, bool, str, None.
#    What needs a closer look is left to the caller, who names what is wrong with it.
# b) Numbers are scaled and clipped by the operations of `scaled_number`, in their order
#    and in float64.  This module is compiled without contraction of a product and a
#    sum, so the bits are the same.
# c) Of 15 cells, loops and look-ups in Python take 3 us, those here 0.5.

import numpy as np

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.dict cimport PyDict_CheckExact, PyDict_GetItemWithError
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.list cimport PyList_CheckExact
from cpython.long cimport PyLong_AsDouble, PyLong_Check
from cpython.object cimport PyObject
from cpython.pythread cimport (
    NOWAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from cpython.sequence cimport PySequence_GetItem
from cpython.tuple cimport PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_CheckExact
from cython cimport floating
from libc.math cimport INFINITY, NAN, fabs, sqrt

from fastmlp._core.addresses cimport address_of
from fastmlp._core.forward cimport Forward
from fastmlp._core.prediction cimport AS_OUTPUTS

NOT_PLAIN = (TypeError, OverflowError)  # a value without hash, a huge int

cdef object new_array = np.empty
cdef object absent = object()


cdef class RowReader:
    """Encodes plain rows.

    Parameters
    ----------
    names : list of str or None
        Keys of a dict, in the order of the columns.
    places : ndarray of intp of shape (n_columns,)
        The columns that are numbers, and then those that are categories.
    scaling : C-contiguous ndarray of float64 of shape (3, n_numbers)
        Median, scale, and the largest distance from the median, of each number.
    codes : sequence of dict
        For each category the codes of its levels.
    dtype : dtype
        Of the encoded row, float32 or float64.
    """

    cdef object dtype
    cdef tuple keys, codes, shape, owners
    cdef bint is_float32
    cdef const double *scaling
    cdef const ptrdiff_t *places
    cdef Py_ssize_t n_numbers, n_categories, n_columns

    def __init__(self, names, places, scaling, codes, dtype):
        self.codes, self.dtype = tuple(codes), np.dtype(dtype)
        self.keys = None if names is None else tuple([names[at] for at in places])
        self.owners = (places, scaling)
        self.places = <const ptrdiff_t *> address_of(places, np.intp)
        self.scaling = <const double *> address_of(scaling, np.float64)
        self.n_numbers, self.n_categories = scaling.shape[1], len(codes)
        self.n_columns = self.n_numbers + self.n_categories
        if len(places) != self.n_columns:
            raise ValueError("each column needs a place")
        self.shape = (1, self.n_columns)
        self.is_float32 = self.dtype == np.float32

    def encode(self, row):
        """The encoded row.

        Parameters
        ----------
        row : dict, list or tuple

        Returns
        -------
        Z : ndarray of shape (1, n_columns), or None if the row is not plain
        """
        cdef Py_buffer z
        cdef bint is_plain
        out = new_array(self.shape, self.dtype)
        PyObject_GetBuffer(out, &z, PyBUF_WRITABLE)
        try:
            is_plain = self.read_in_precision(row, z.buf)
        except NOT_PLAIN:
            is_plain = False
        finally:
            PyBuffer_Release(&z)
        return out if is_plain else None

    cdef bint read_in_precision(self, object row, void *out) except -1:
        """out := the encoded row; False if it is not plain"""
        if self.is_float32:
            return self.read(row, <float *> out)
        return self.read(row, <double *> out)

    cdef bint read(self, object row, floating *out) except -1:
        """out := the encoded row; False if it is not plain"""
        cdef const double *median = self.scaling
        cdef const double *scale = median + self.n_numbers
        cdef const double *far = scale + self.n_numbers
        cdef bint is_dict = PyDict_CheckExact(row)
        cdef Py_ssize_t i, code
        cdef double x
        if not (is_dict or PyList_CheckExact(row) or PyTuple_CheckExact(row)):
            return False
        if len(row) != self.n_columns or (is_dict and self.keys is None):
            return False
        for i in range(self.n_numbers):
            x = plain_number(self.cell(row, is_dict, i))
            if fabs(x) == INFINITY:
                return False
            x = smooth_clip(x - median[i], scale[i], far[i])
            out[i] = <floating> x
        for i in range(self.n_categories):
            value = self.cell(row, is_dict, self.n_numbers + i)
            code = code_of(<dict> self.codes[i], value)
            if code < 0:
                return False
            out[self.n_numbers + i] = <floating> code
        return True

    cdef inline object cell(self, object row, bint is_dict, Py_ssize_t i):
        """The cell of a column of the encoded row; `absent` where there is no key"""
        cdef PyObject *value
        if not is_dict:
            return PySequence_GetItem(row, self.places[i])
        value = PyDict_GetItemWithError(row, self.keys[i])
        return absent if value == NULL else <object> value


cdef class RowPredictor:
    """Outputs of networks for plain rows.

    Parameters
    ----------
    reader : RowReader
    forwards : sequence of Forward
        The members, whose outputs are averaged.
    bounds : C-contiguous ndarray of shape (2, n_outputs) or None
        The smallest and the largest outputs.
    is_flat : bool
        Whether the result has one dimension.
    """

    cdef RowReader reader
    cdef tuple forwards, shape
    cdef object dtype, encoded, outputs, bounds
    cdef void *z                        # an encoded row
    cdef void *of_member                # its outputs
    cdef const void *bound
    cdef PyThread_type_lock lock        # of both
    cdef Py_ssize_t n_outputs

    def __cinit__(self):
        self.lock = PyThread_allocate_lock()
        if self.lock == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.lock != NULL:
            PyThread_free_lock(self.lock)

    def __init__(self, RowReader reader, forwards, bounds, bint is_flat):
        cdef Forward first = forwards[0]
        self.reader, self.forwards, self.bounds = reader, tuple(forwards), bounds
        self.dtype, self.n_outputs = reader.dtype, first.n_outputs
        for forward in forwards:
            if forward.dtype != self.dtype or forward.n_features != reader.n_columns:
                raise ValueError("the networks need other rows")
        self.encoded = np.empty(reader.n_columns, dtype=self.dtype)
        self.outputs = np.empty(self.n_outputs, dtype=self.dtype)
        self.z = <void *> address_of(self.encoded, self.dtype)
        self.of_member = <void *> address_of(self.outputs, self.dtype)
        self.bound = NULL
        if bounds is not None:
            self.bound = <const void *> address_of(bounds, self.dtype)
        self.shape = (self.n_outputs,)
        if not is_flat:
            self.shape = (1, self.n_outputs)

    def predict(self, row):
        """Outputs for a row, or None if it is not plain or memory is in use.

        Parameters
        ----------
        row : dict, list or tuple

        Returns
        -------
        out : ndarray or None
        """
        cdef Py_buffer out
        cdef bint is_done = False
        if not PyThread_acquire_lock(self.lock, NOWAIT_LOCK):
            return None
        try:
            if not self.reader.read_in_precision(row, self.z):
                return None
            result = new_array(self.shape, self.dtype)
            PyObject_GetBuffer(result, &out, PyBUF_WRITABLE)
            if self.reader.is_float32:
                is_done = self.fill(<float *> out.buf)
            else:
                is_done = self.fill(<double *> out.buf)
            PyBuffer_Release(&out)
        except NOT_PLAIN:
            return None
        finally:
            PyThread_release_lock(self.lock)
        return result if is_done else None

    cdef bint fill(self, floating *out) noexcept:
        """out := the mean of the members within the bounds; False if one is in use"""
        cdef const floating *low = <const floating *> self.bound
        cdef floating *of_member = <floating *> self.of_member
        cdef Py_ssize_t i, j, n_members = len(self.forwards)
        for i in range(n_members):
            if not (<Forward> self.forwards[i]).run(
                self.z, of_member if i else out, AS_OUTPUTS
            ):
                return False
            for j in range(self.n_outputs if i else 0):
                out[j] += of_member[j]
        for j in range(self.n_outputs):
            out[j] /= <floating> n_members
            if low != NULL and out[j] < low[j]:
                out[j] = low[j]
            if low != NULL and out[j] > low[self.n_outputs + j]:
                out[j] = low[self.n_outputs + j]
        return True


cdef inline double plain_number(object value) except? -1:
    """A plain number, NaN for None; infinity for all else"""
    if PyFloat_Check(value):
        return PyFloat_AS_DOUBLE(value)
    if PyLong_Check(value):
        return PyLong_AsDouble(value)
    return NAN if value is None else INFINITY


cdef inline Py_ssize_t code_of(dict codes, object value) except? -1:
    """The code of a plain value, 0 for None and unknown texts; below 0 for all else"""
    cdef PyObject *code = PyDict_GetItemWithError(codes, value)
    if code != NULL:
        return <object> code
    return 0 if value is None or PyUnicode_CheckExact(value) else -2


cdef inline double smooth_clip(double x, double scale, double far) noexcept nogil:
    """z / sqrt(1 + (z / 3)^2) of z = scale times x, which is held within +-far"""
    cdef double z, third
    if x > far:
        x = far
    elif x < -far:
        x = -far
    z = x * scale
    third = z / 3
    return z / sqrt(1 + third * third)
