# User-defined activations and losses.
#
# a) A function is called once per layer and block, or strip of a block, never per
#    value: on 20,000 values a C pointer costs as much as a loop of the core, and taking
#    the GIL back for a Python function 0.1 us.
# b) Compiled ones get flat arrays of n values, so the rows of their layers have no
#    gaps.
#    Python ones get 2-D arrays over the memory of the workspace, inputs read-only; an
#    array that a function keeps holds that memory, whose values change later.
# c) An exception of a Python function is kept in a Failures, one for each call of the
#    core, which looks at it when it has the GIL again; until then it calls no function.
# d) With a Python function among them all rows go through one thread, the caller's.

import numpy as np

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE
from cpython.pycapsule cimport (
    PyCapsule_GetContext,
    PyCapsule_GetName,
    PyCapsule_GetPointer,
)
from cython cimport floating
from libc.math cimport expm1
from libc.string cimport memcpy, memset

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of
from fastmlp._core.kernels cimport fm_loss, fm_objective, fm_output

from fastmlp._core.kernels import loss_names, output_names

ctypedef void (*unary_f32)(const float *, float *, ptrdiff_t, void *) noexcept nogil
ctypedef void (*unary_f64)(const double *, double *, ptrdiff_t, void *) noexcept nogil
ctypedef void (*binary_f32)(
    const float *, const float *, float *, ptrdiff_t, void *
) noexcept nogil
ctypedef void (*binary_f64)(
    const double *, const double *, double *, ptrdiff_t, void *
) noexcept nogil


cdef object as_array = np.asarray


cdef class Failures:
    """Exceptions of user-defined functions during one call of the core.

    Parameters
    ----------
    memory : object
        Owner of all memory that the call lets them see.
    """

    def __cinit__(self, memory):
        self.errors, self.memory = [], memory
        self.c.failed = False
        self.c.errors, self.c.memory = <void *> self.errors, <void *> memory

    cdef int check(self) except -1:
        """Raise the first error again"""
        if self.c.failed:
            error = self.errors[0]
            del self.errors[:]
            self.c.failed = False
            raise error
        return 0


cdef class Function:
    """A user-defined function and its derivative, as the core calls them.

    Parameters
    ----------
    name : str
        For errors.
    first, second : callable, dict or None
        Python functions ``first(z, out)`` and ``second(z, a, out)`` of 2-D arrays (a
        loss: both of ``(y, a, out)``), or for compiled functions dicts of "float32" and
        "float64" to capsules that hold their addresses.  No second: prediction only.
    by_input : bool
        Whether the gradient of a loss is one with respect to z.
    owners : tuple
        Objects that must live as long as the addresses are used.
    """

    def __init__(self, name, first, second, by_input=False, owners=()):
        self.name = name
        self.first, self.second = first, second
        self.is_python = self.c.is_python = not isinstance(first, dict)
        self.c.by_input = by_input
        self.c.owner = <void *> self
        self.owners = (*owners, first, second)
        self.dtypes = ("float32", "float64")
        if self.is_python:
            return
        self.dtypes = tuple(
            dtype for dtype in self.dtypes
            if dtype in first and (second is None or dtype in second)
        )
        take(first, "float32", &self.c.first_f32, &self.c.first_user_f32)
        take(first, "float64", &self.c.first_f64, &self.c.first_user_f64)
        if second is not None:
            take(second, "float32", &self.c.second_f32, &self.c.second_user_f32)
            take(second, "float64", &self.c.second_f64, &self.c.second_user_f64)

    def check(self, dtype, needs_second):
        """Raise ValueError if the function cannot serve in a precision, or training."""
        name = np.dtype(dtype).name
        if name not in self.dtypes:
            raise ValueError(
                f"{self.name} is compiled for {' and '.join(self.dtypes)} only; the "
                f"model computes in {name}. Pass a pair of functions, the first for "
                f"float32 and the second for float64, or set dtype={self.dtypes[0]!r}."
            )
        if needs_second and self.second is None:
            raise ValueError(
                f"{self.name} has no derivative: for prediction only. Pass one to "
                "train."
            )


def apply(Function f, z, a):
    """a := f(z), C-contiguous arrays of shape (n, k) in one dtype"""
    f.check(z.dtype, False)
    if z.dtype == np.float32:
        apply_to(f, z, a, <float *> NULL)
    else:
        apply_to(f, z, a, <double *> NULL)


cdef int apply_to(Function f, z, a, floating *precision) except -1:
    """apply in one precision"""
    cdef Failures failures = Failures((z, a))
    cdef Py_ssize_t n = z.shape[0], k = z.shape[1]
    apply_function(&f.c, &failures.c, <floating *> address_of(z, z.dtype),
                   <floating *> address_of(a, z.dtype), n, k)
    return failures.check()


def multiply(Function f, z, a, delta):
    """delta := delta f'(z), C-contiguous arrays of shape (n, k) in one dtype"""
    f.check(z.dtype, True)
    if z.dtype == np.float32:
        multiply_by_slopes(f, z, a, delta, <float *> NULL)
    else:
        multiply_by_slopes(f, z, a, delta, <double *> NULL)


cdef int multiply_by_slopes(Function f, z, a, delta, floating *precision) except -1:
    """multiply in one precision"""
    scratch = np.full_like(delta, np.nan)  # what a function leaves unwritten is seen
    cdef Failures failures = Failures((z, a, delta, scratch))
    cdef Py_ssize_t n = z.shape[0], k = z.shape[1]
    multiply_slopes(&f.c, &failures.c, <floating *> address_of(z, z.dtype),
                    <floating *> address_of(a, z.dtype),
                    <floating *> address_of(delta, z.dtype),
                    <floating *> address_of(scratch, z.dtype), n, k)
    return failures.check()


def losses(Function f, str output, y, z):
    """Losses of each output, and their derivatives with respect to z in place of z.

    Parameters
    ----------
    f : Function
    output : str
        Name of the output activation, whose input is z.
    y, z : C-contiguous ndarray of shape (n, k)
        In one dtype.

    Returns
    -------
    values : ndarray of shape (n, k)
    """
    f.check(z.dtype, True)
    room = np.full((3, *z.shape), np.nan, z.dtype)
    if z.dtype == np.float32:
        losses_in(f, output, y, z, room, <float *> NULL)
    else:
        losses_in(f, output, y, z, room, <double *> NULL)
    return room[0]


cdef int losses_in(Function f, str output, y, z, room, floating *precision) except -1:
    """losses in one precision, in the first part of the room"""
    cdef Failures failures = Failures((z, room))
    cdef fm_objective objective
    cdef Py_ssize_t n = z.shape[0], k = z.shape[1]
    memset(&objective, 0, sizeof(objective))
    name = "log_loss" if output == "softmax" else "squared_error"
    objective.loss = <fm_loss> (<int> loss_names.index(name))
    objective.output = <fm_output> (<int> output_names.index(output))
    objective.high = 1
    apply_loss(&objective, &f.c, &failures.c,
               <const floating *> address_of(y, z.dtype), k, <const floating *> NULL,
               <floating *> address_of(z, z.dtype),
               <floating *> address_of(room, z.dtype), n, k)
    return failures.check()


cdef int take(dict capsules, str dtype, void **function, void **user) except -1:
    """The address in a capsule, and that of its context"""
    cdef const char *name
    function[0] = user[0] = NULL
    if dtype in capsules:
        capsule = capsules[dtype]
        name = PyCapsule_GetName(capsule)
        function[0] = PyCapsule_GetPointer(capsule, name)
        user[0] = PyCapsule_GetContext(capsule)
    return 0


cdef void keep(failure_t *failure, const function_t *f, error) noexcept:
    """Note an error of a function"""
    failure.failed = True
    try:
        error.add_note(f"raised by {(<Function> f.owner).name}")
        error.fastmlp_function = (<Function> f.owner).name
    except Exception:  # an exception without attributes
        pass
    (<list> failure.errors).append(error)


@cython.final
@cython.freelist(8)
cdef class Rows:
    """Memory of the core as a buffer of shape (n, k), which holds its owner"""
    cdef object owner
    cdef void *values
    cdef bint is_float32, read_only
    cdef Py_ssize_t shape[2]
    cdef Py_ssize_t strides[2]

    def __getbuffer__(self, Py_buffer *view, int flags):
        if self.read_only and flags & PyBUF_WRITABLE:
            raise BufferError("inputs of activations and losses are read-only")
        view.buf, view.obj, view.readonly = self.values, self, self.read_only
        view.format = b"f" if self.is_float32 else b"d"
        view.itemsize = self.strides[1]
        view.len = self.shape[0] * self.strides[0]
        view.ndim, view.shape, view.strides = 2, self.shape, self.strides
        view.suboffsets, view.internal = NULL, NULL


cdef object array_over(
    const failure_t *failure, const floating *values, Py_ssize_t n, Py_ssize_t k,
    bint read_only,
):
    """A 2-D array over memory of the core"""
    cdef Rows rows = Rows.__new__(Rows)
    rows.owner, rows.values = <object> failure.memory, <void *> values
    rows.is_float32, rows.read_only = floating is float, read_only
    rows.shape[0], rows.shape[1] = n, k
    rows.strides[0], rows.strides[1] = k * sizeof(floating), sizeof(floating)
    return as_array(rows)


cdef void python_unary(
    const function_t *f, failure_t *failure, floating *z, floating *a, Py_ssize_t n,
    Py_ssize_t k,
) noexcept with gil:
    """a := first(z) in Python"""
    try:
        (<Function> f.owner).first(array_over(failure, z, n, k, True),
                                   array_over(failure, a, n, k, False))
    except BaseException as error:
        keep(failure, f, error)


cdef void python_slopes(
    const function_t *f, failure_t *failure, floating *z, floating *a, floating *delta,
    floating *scratch, Py_ssize_t n, Py_ssize_t k,
) noexcept with gil:
    """delta := delta second(z, a) in Python"""
    try:
        slopes = array_over(failure, scratch, n, k, False)
        (<Function> f.owner).second(array_over(failure, z, n, k, True),
                                    array_over(failure, a, n, k, True), slopes)
        changed = array_over(failure, delta, n, k, False)
        np.multiply(changed, slopes, out=changed)
    except BaseException as error:
        keep(failure, f, error)


cdef void python_losses(
    const function_t *f, failure_t *failure, const floating *y, floating *a,
    floating *values, floating *delta, Py_ssize_t n, Py_ssize_t k,
) noexcept with gil:
    """values := first(y, a), delta := second(y, a) in Python"""
    try:
        targets = array_over(failure, y, n, k, True)
        outputs = array_over(failure, a, n, k, True)
        (<Function> f.owner).first(targets, outputs,
                                   array_over(failure, values, n, k, False))
        (<Function> f.owner).second(targets, outputs,
                                    array_over(failure, delta, n, k, False))
    except BaseException as error:
        keep(failure, f, error)


cdef void apply_function(
    const function_t *f, failure_t *failure, floating *z, floating *a, Py_ssize_t n,
    Py_ssize_t k,
) noexcept nogil:
    """a := f(z); (n, k), without gaps"""
    if f.is_python:
        if not failure.failed:
            python_unary(f, failure, z, a, n, k)
    elif floating is float:
        (<unary_f32> f.first_f32)(z, a, n * k, f.first_user_f32)
    else:
        (<unary_f64> f.first_f64)(z, a, n * k, f.first_user_f64)


cdef void multiply_slopes(
    const function_t *f, failure_t *failure, floating *z, floating *a, floating *delta,
    floating *scratch, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """delta := delta f'(z); (n, k), without gaps; scratch for Python"""
    if f.is_python:
        if not failure.failed:
            python_slopes(f, failure, z, a, delta, scratch, n, k)
    elif floating is float:
        (<binary_f32> f.second_f32)(z, a, delta, n * k, f.second_user_f32)
    else:
        (<binary_f64> f.second_f64)(z, a, delta, n * k, f.second_user_f64)


cdef void apply_loss(
    const fm_objective *objective, const function_t *f, failure_t *failure,
    const floating *y, Py_ssize_t y_width, const floating *w, floating *z,
    floating *room,
    Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """The first (n, k) of room := w losses, z := w dloss / dz; room (3, n, k)

    y (n, k), or (n, 1) class numbers for several classes.
    """
    cdef floating *values = room
    cdef floating *a = room + n * k
    cdef floating *hot = room + 2 * n * k
    cdef Py_ssize_t i
    memcpy(a, z, n * k * sizeof(floating))
    kernels.output(objective, a, n, k)
    if y_width != k:
        memset(hot, 0, n * k * sizeof(floating))
        for i in range(n):
            hot[i * k + <Py_ssize_t> y[i]] = 1
        y = hot
    elif f.is_python:  # rows of the data have another owner
        memcpy(hot, y, n * k * sizeof(floating))
        y = hot
    if f.is_python:
        if failure.failed:
            return
        python_losses(f, failure, y, a, values, z, n, k)
        if failure.failed:
            return
    elif floating is float:
        (<binary_f32> f.first_f32)(y, a, values, n * k, f.first_user_f32)
        (<binary_f32> f.second_f32)(y, a, z, n * k, f.second_user_f32)
    else:
        (<binary_f64> f.first_f64)(y, a, values, n * k, f.first_user_f64)
        (<binary_f64> f.second_f64)(y, a, z, n * k, f.second_user_f64)
    if not f.by_input:
        chain(objective, a, z, n, k)
    if w != NULL:
        for i in range(n * k):
            values[i] *= w[i // k]
            z[i] *= w[i // k]


cdef void chain(
    const fm_objective *objective, const floating *a, floating *delta, Py_ssize_t n,
    Py_ssize_t k,
) noexcept nogil:
    """delta := dloss / dz from delta = dloss / da, by the output activation"""
    cdef Py_ssize_t i, j
    cdef floating total
    if objective.output == kernels.FM_OUTPUT_logistic:
        for i in range(n * k):
            delta[i] *= a[i] * (1 - a[i])
    elif objective.output == kernels.FM_OUTPUT_exp:
        for i in range(n * k):
            delta[i] *= a[i]
    elif objective.output == kernels.FM_OUTPUT_softplus:
        for i in range(n * k):
            delta[i] *= -expm1(-a[i])
    elif objective.output == kernels.FM_OUTPUT_softmax:
        for i in range(n):
            total = 0
            for j in range(k):
                total += a[i * k + j] * delta[i * k + j]
            for j in range(k):
                delta[i * k + j] = a[i * k + j] * (delta[i * k + j] - total)
