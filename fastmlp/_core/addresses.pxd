# Addresses of the arrays that Python hands to the core.
#
# In place of memoryviews, whose run-time code takes as long to compile as one of our
# modules.

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer


cdef inline size_t address_of(object array, object dtype) except? 0:
    """The address of the first element, after a check of layout and dtype."""
    cdef Py_buffer view
    cdef size_t address
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(
            f"expected a C-contiguous {getattr(dtype, '__name__', dtype)} array, got "
            f"one of {array.dtype} with strides {array.strides}"
        )
    # __array_interface__ runs Python code in which NumPy would swallow a Ctrl-C.
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    address = <size_t> view.buf
    PyBuffer_Release(&view)  # the caller keeps the array
    return address
