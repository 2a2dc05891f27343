# A network with its weights, ready for a few rows at any time.
#
# a) A single row costs about a microsecond, less than a look at it in Python: Forward
#    keeps what the call needs (one_row).
# b) A few rows cost less than a workspace: they take the one at hand (rows).
# c) A lock guards that workspace; a second thread that comes at the same time, networks
#    with functions of Python, and many rows take the way of blocks, with a workspace of
#    their own.  The GIL is released for a row that is long work.

import numpy as np

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.pythread cimport (
    NOWAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
)
from cython cimport floating

cimport fastmlp._core.kernels as kernels
from fastmlp._core.network cimport Data, Layers, Network, network_t
from fastmlp._core.passes cimport forward
from fastmlp._core.prediction cimport AS_PROBA, AS_RAW, both_classes
from fastmlp._core.rows cimport rows_t
from fastmlp._core.workspace cimport Workspace

from fastmlp._core.prediction import predict
from fastmlp._core.workspace import padded_rows

COPIED_BYTES = 2**20  # of the coefs of which a single row takes copies, at most
ROW_WORK = 2e5  # floating-point operations of a row from which the GIL is released

cdef enum:
    FEW_ROWS = 32  # for which the workspace at hand has room

cdef object new_array = np.empty, array_type = np.ndarray


cdef class Forward:
    """A network and its weights, to be applied to rows again and again.

    Parameters
    ----------
    net : Network
    coefs, intercepts : list of C-contiguous ndarray
        Kept, not copied; but see ``are_fixed``.
    dtype : dtype
        Of the weights and of X.
    slopes, stage
        As of Layers. With a stage X holds encoded rows, where NaN is a missing number.
    are_fixed : bool
        Whether the weights never change. Then a single row takes copies of the coefs,
        where they are small, in which no vector crosses a cache line.
    """

    def __cinit__(self):
        self.lock = PyThread_allocate_lock()
        if self.lock == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.lock != NULL:
            PyThread_free_lock(self.lock)

    def __init__(
        self, Network net, coefs, intercepts, dtype, slopes=(), stage=None,
        are_fixed=False,
    ):
        self.net = net
        self.dtype = np.dtype(dtype)
        self.layers = self.row_layers = Layers(
            coefs, intercepts, self.dtype, slopes, stage
        )
        if are_fixed and sum(w.nbytes for w in coefs) <= COPIED_BYTES:
            coefs = [padded_rows(w) for w in coefs]
            self.row_layers = Layers(coefs, intercepts, self.dtype, slopes, stage)
        self.is_checked = net.stage is None
        self.n_features = net.units[0] if net.stage is None else net.stage.n_columns
        self.n_outputs = net.c.n_outputs
        self.row = Data(np.zeros((1, self.n_features), dtype=self.dtype))
        self.work = Workspace(net, self.row, FEW_ROWS)
        self.is_brief = self.row.work_per_row(net.units) < 3 * ROW_WORK
        self.code = ord(self.dtype.char)
        self.shape = (1, self.n_outputs)
        self.proba_shape = (1, max(2, self.n_outputs))
        self.flat_shape = (self.n_outputs,)

    def one_row(self, X, int what, bint is_flat, out=None):
        """Outputs for X of one row, or None where the way of blocks must take over.

        Parameters
        ----------
        X : C-contiguous array of shape (1, n_features)
        what : {OUTPUTS, RAW, PROBA}
        is_flat : bool
            Whether the result has one dimension.
        out : ndarray, default=None
            Where to write.

        Returns
        -------
        out : ndarray or None
            None if X is anything else or not finite, if ``out`` does not fit or shares
            memory with X, if the workspace is in use, or if a function of the network
            is in Python.
        """
        cdef Py_buffer x
        cdef Py_buffer z
        cdef bint is_done = False
        if not acquire(X, &x, PyBUF_C_CONTIGUOUS, self.code):
            return None
        try:
            if not (x.ndim == 2 and x.shape[0] == 1 and x.shape[1] == self.n_features):
                return None
            shape = self.shape
            if what == AS_PROBA:
                shape = self.proba_shape
            elif is_flat:
                shape = self.flat_shape
            if out is None:
                out = new_array(shape, self.dtype)
            elif not isinstance(out, array_type) or out.shape != shape:
                return None
            if acquire(out, &z, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE, self.code):
                is_done = are_apart(&x, &z) and self.run(x.buf, z.buf, what)
                PyBuffer_Release(&z)
        finally:
            PyBuffer_Release(&x)
        return out if is_done else None

    def rows(self, Data data, int what, out=None, int n_threads=1):
        """``predict`` for all rows; a few of them in the workspace at hand.

        Parameters
        ----------
        data : Data
            In the dtype of the weights.
        what, out, n_threads
            As of ``predict``.

        Returns
        -------
        out : ndarray, or None if dense data are not finite
        """
        cdef bint is_dense = not data.c.is_sparse
        cdef bint is_at_hand = (
            is_dense and data.n_samples <= FEW_ROWS
            and PyThread_acquire_lock(self.lock, NOWAIT_LOCK)
        )
        try:
            return predict(
                self.net, data, self.layers, what=what, out=out,
                n_threads=1 if is_at_hand else n_threads,
                check_finite=is_dense and self.is_checked,
                work=self.work if is_at_hand else None,
            )
        finally:
            if is_at_hand:
                PyThread_release_lock(self.lock)

    cdef bint run(self, const void *x, void *out, int what) noexcept:
        """out := the outputs for one row in the dtype of the weights

        False if the row is not finite, the workspace in use, or a function in Python.
        """
        cdef bint is_done
        if self.net.has_python or not PyThread_acquire_lock(self.lock, NOWAIT_LOCK):
            return False
        if self.is_brief:
            is_done = self.apply_in_precision(x, out, what)
        else:
            with nogil:
                is_done = self.apply_in_precision(x, out, what)
        PyThread_release_lock(self.lock)
        return is_done

    cdef bint apply_in_precision(
        self, const void *x, void *out, int what
    ) noexcept nogil:
        """The same while the workspace is ours"""
        if self.code == c"f":
            return self.apply(<const float *> x, <float *> out, what)
        return self.apply(<const double *> x, <double *> out, what)

    cdef bint apply(self, const floating *x, floating *out, int what) noexcept nogil:
        """out := the outputs for one row; False if the row is not finite"""
        cdef const network_t *net = &self.net.c
        cdef floating *z = out
        cdef rows_t rows
        cdef unsigned int before
        if self.is_checked and not kernels.all_finite(x, self.n_features):
            return False
        before = kernels.flush_denormals()
        rows.order, rows.first, rows.n = NULL, 0, 1
        if what == AS_PROBA and self.n_outputs == 1:
            z = out + 1
        forward(net, &self.row.c, &self.row_layers.c, &self.work.c, rows, 0, x, z,
                <floating *> self.work.c.products, <const floating *> NULL)
        if what != AS_RAW:
            kernels.output(&net.objective, z, 1, net.n_outputs)
        if z != out:
            both_classes(out, 1)
        kernels.restore_denormals(before)
        return True


cdef bint acquire(object array, Py_buffer *view, int flags, char code) except -1:
    """Return whether an array has a dtype and lies so; then acquire its buffer"""
    try:
        PyObject_GetBuffer(array, view, flags | PyBUF_FORMAT)
    except (TypeError, BufferError, ValueError):
        return False
    if view.format != NULL and view.format[0] == code and view.format[1] == 0:
        return True
    PyBuffer_Release(view)
    return False


cdef inline bint are_apart(const Py_buffer *one, const Py_buffer *other) noexcept:
    """Return whether contiguous buffers share no memory"""
    return (
        <const char *> one.buf + one.len <= <const char *> other.buf
        or <const char *> other.buf + other.len <= <const char *> one.buf
    )
