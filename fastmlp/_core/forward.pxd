# A network with its weights, ready for a few rows at any time.

from cpython.pythread cimport PyThread_type_lock
from cython cimport floating

from fastmlp._core.network cimport Data, Layers, Network
from fastmlp._core.workspace cimport Workspace


cdef class Forward:
    cdef readonly Network net
    cdef readonly Layers layers, row_layers
    cdef readonly object dtype
    cdef readonly Py_ssize_t n_features, n_outputs
    cdef Data row                       # tells the passes what a single row is
    cdef Workspace work
    cdef PyThread_type_lock lock        # of the workspace
    cdef bint is_brief                  # whether a row keeps the GIL
    cdef bint is_checked                # whether rows must be finite
    cdef char code                      # of the dtype in the buffer protocol
    cdef tuple shape, proba_shape, flat_shape

    cdef bint run(self, const void *x, void *out, int what) noexcept
    cdef bint apply_in_precision(
        self, const void *x, void *out, int what
    ) noexcept nogil
    cdef bint apply(self, const floating *x, floating *out, int what) noexcept nogil
