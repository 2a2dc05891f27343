# Memoryview faces of kernels and BLAS, for tests and benchmarks only.

import numpy as np

from cython cimport floating
from libc.stdint cimport uint32_t

cimport fastmlp._core.blas as blas
cimport fastmlp._core.kernels as kernels
cimport fastmlp._core.products as products
from fastmlp._core.kernels cimport (
    fm_activation,
    fm_csr_rows,
    fm_draw,
    fm_math,
    fm_rule,
    fm_step,
)
from fastmlp._core.network cimport Network

from fastmlp._core.kernels import activation_names, math_names, rule_names
from fastmlp._core.workspace import aligned_empty


cdef floating *start(floating[::1] x) noexcept:
    """The first element, or NULL of an empty view"""
    return &x[0] if x.shape[0] else NULL


def math(str name, floating[::1] x, floating[::1] out):
    """out := f(x)"""
    cdef fm_math f = <fm_math> (<int> math_names.index(name))
    kernels.math(f, <const floating *> start(x), start(out), x.shape[0])


cdef Py_ssize_t row_room(Py_ssize_t k, Py_ssize_t itemsize) noexcept:
    """Values from a row to the next in the workspace of a network"""
    return (k * itemsize + 63) // 64 * 64 // itemsize


def activate(str name, floating[:, ::1] z, Py_ssize_t k, double p=0.0):
    """z := f(z), k columns; rows have room as in a workspace  # z IN and OUT"""
    cdef fm_activation f = <fm_activation> (<int> activation_names.index(name))
    check_room(z.shape[1], k, sizeof(floating))
    if z.shape[0]:
        kernels.activate(f, <const floating *> &z[0, 0], &z[0, 0], z.shape[0], k,
                         z.shape[1], p)


def activate_backward(
    str name, floating[:, ::1] x, floating[:, ::1] delta, floating[::1] db,
    double p=0.0,
):
    """delta := delta f'(x), db += column sums; rows as above  # delta, db IN and OUT"""
    cdef fm_activation f = <fm_activation> (<int> activation_names.index(name))
    check_room(x.shape[1], db.shape[0], sizeof(floating))
    check_room(delta.shape[1], db.shape[0], sizeof(floating))
    if x.shape[0]:
        kernels.activate_backward(f, <const floating *> &x[0, 0], &delta[0, 0],
                                  start(db), x.shape[0], db.shape[0], x.shape[1], p)


def relu_backward_of_one(
    floating[:, ::1] x, floating[::1] above, floating[::1] w, floating[:, ::1] delta,
    floating[::1] db,
):
    """delta := (above w) relu'(x), db += column sums; rows as above  # db IN and OUT"""
    for room in (x.shape[1], delta.shape[1], w.shape[0]):
        check_room(room, db.shape[0], sizeof(floating))
    if x.shape[0]:
        kernels.relu_backward_of_one(
            <const floating *> &x[0, 0], <const floating *> start(above),
            <const floating *> start(w), &delta[0, 0], start(db), x.shape[0],
            db.shape[0], x.shape[1])


def parametric(str name, floating[:, ::1] z, floating[::1] slopes):
    """z := z + slopes (f(z) - z); rows as above  # z IN and OUT"""
    cdef fm_activation f = <fm_activation> (<int> activation_names.index(name))
    check_room(z.shape[1], slopes.shape[0], sizeof(floating))
    if z.shape[0]:
        kernels.parametric(f, <const floating *> &z[0, 0], &z[0, 0],
                           <const floating *> start(slopes), z.shape[0],
                           slopes.shape[0], z.shape[1])


def parametric_backward(
    str name, floating[:, ::1] z, floating[::1] slopes, floating[:, ::1] delta,
    floating[::1] db, floating[::1] dslopes,
):
    """delta := delta da/dz, and sums; rows as above  # delta, db, dslopes IN and OUT"""
    cdef fm_activation f = <fm_activation> (<int> activation_names.index(name))
    check_room(z.shape[1], slopes.shape[0], sizeof(floating))
    check_room(delta.shape[1], slopes.shape[0], sizeof(floating))
    if z.shape[0]:
        kernels.parametric_backward(f, <const floating *> &z[0, 0],
                                    <const floating *> start(slopes), &delta[0, 0],
                                    start(db), start(dslopes), z.shape[0],
                                    slopes.shape[0], z.shape[1])


def column_sums(floating[:, ::1] delta, floating[::1] db):
    """db += column sums of delta  # db IN and OUT"""
    if delta.shape[0]:
        kernels.column_sums(<const floating *> &delta[0, 0], start(db), delta.shape[0],
                            delta.shape[1])


cdef int check_room(Py_ssize_t width, Py_ssize_t k, Py_ssize_t itemsize) except -1:
    """Raise ValueError unless rows of k values have the room that kernels may touch"""
    if width < row_room(k, itemsize):
        raise ValueError(f"rows of {k} values need room for {row_room(k, itemsize)}")
    return 0


def output(loss, floating[::1] z, Py_ssize_t k):
    """z := output(z), z (n, k) flat; loss: a name or an Objective  # z IN and OUT"""
    cdef Network net = Network((1, k), [], loss)
    kernels.output(&net.c.objective, start(z), z.shape[0] // k, k)


def loss_delta(
    loss, floating[::1] y, floating[::1] w, floating[::1] z, floating[::1] db
):
    """z := w dloss/dz, db += column sums; the loss  # z, db IN and OUT"""
    cdef Py_ssize_t k = db.shape[0]
    cdef Network net = Network((1, k), [], loss)
    cdef floating *weights = start(w) if w is not None else NULL
    return kernels.loss_delta(&net.c.objective, <const floating *> start(y),
                              <const floating *> weights, start(z), start(db),
                              z.shape[0] // k, k)


def update(
    str rule, floating[::1] g, floating[::1] w, floating[::1] m, floating[::1] v,
    dict scalars,
):
    """One step by a rule; the sum of w^2 before  # w, m, v IN and OUT"""
    cdef fm_step step
    cdef int number = rule_names.index(rule)
    step = {
        "scale": 1, "decay": 0, "keep": 1, "learning_rate": 0, "momentum": 0,
        "beta_1": 0, "beta_2": 0, "epsilon": 0, "gradient_rate": 0, "root": 1,
        "nesterov": 0, **scalars,
    }
    return kernels.update(<fm_rule> number, &step, <const floating *> start(g),
                          start(w), start(m), start(v), w.shape[0])


def sgd_update(
    floating[::1] g, floating[::1] w, floating[::1] v, double scale, double decay,
    double learning_rate, double momentum, bint nesterov,
):
    """One step of SGD  # w, v IN and OUT"""
    return update("sgd", g, w, v, v, {
        "scale": scale, "decay": decay, "learning_rate": learning_rate,
        "momentum": momentum, "nesterov": nesterov,
    })


def adam_update(
    floating[::1] g, floating[::1] w, floating[::1] m, floating[::1] v, double scale,
    double decay, double learning_rate, double beta_1, double beta_2, double epsilon,
):
    """One step of Adam  # w, m, v IN and OUT"""
    return update("adam", g, w, m, v, {
        "scale": scale, "decay": decay, "learning_rate": learning_rate,
        "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon,
    })


def soft_threshold(
    floating[::1] w, floating[::1] v, double threshold, double root, double epsilon
):
    """w := sign(w) max(|w| - t, 0), t as in kernels.pxd; v may be None  # w IN, OUT"""
    cdef const floating *squares = NULL
    if v is not None:
        squares = <const floating *> start(v)
    kernels.soft_threshold(start(w), squares, w.shape[0], threshold, root, epsilon)


def limit_norms(floating[:, ::1] w, double max_norm, floating[::1] factor):
    """Cut the columns of w to a norm  # w IN and OUT"""
    kernels.limit_norms(&w[0, 0], w.shape[0], w.shape[1], max_norm, start(factor))


cdef fm_draw a_draw(key, Py_ssize_t step, Py_ssize_t stream, Py_ssize_t row) except *:
    """The key and counter of a random draw"""
    cdef fm_draw draw
    draw.key[0], draw.key[1] = key
    draw.step, draw.stream, draw.row = <uint32_t> step, <uint32_t> stream, row
    return draw


def dropout(
    key, Py_ssize_t step, Py_ssize_t stream, Py_ssize_t row, double rate,
    floating[:, ::1] x, floating[:, ::1] out,
):
    """out := x / (1 - rate), or 0 with probability rate  # out OUT"""
    cdef fm_draw draw = a_draw(key, step, stream, row)
    kernels.dropout(&draw, rate, <const floating *> &x[0, 0], x.shape[1], &out[0, 0],
                    out.shape[1], x.shape[0], x.shape[1])


def csr_dropout(
    key, Py_ssize_t step, Py_ssize_t row, double rate, floating[::1] values,
    const ptrdiff_t[::1] indices, const ptrdiff_t[::1] indptr,
    const ptrdiff_t[::1] order, floating[::1] out,
):
    """The same for the stored values of the rows in an order  # out OUT"""
    cdef fm_draw draw = a_draw(key, step, 0, row)
    kernels.csr_dropout(&draw, rate, csr_rows(indices, indptr, order),
                        <const floating *> start(values), start(out), order.shape[0])


def average(floating[::1] w, floating[::1] mean, double rest):
    """mean := w + rest (mean - w)  # mean IN and OUT"""
    kernels.average(<const floating *> start(w), start(mean), w.shape[0], rest)


def smoothed_log_loss(
    floating[::1] y, floating[::1] w, floating[::1] z, floating[::1] db,
    double smoothing,
):
    """loss_delta of log_loss with smoothed targets  # z, db IN and OUT"""
    cdef floating *weights = start(w) if w is not None else NULL
    return kernels.smoothed_log_loss(<const floating *> start(y),
                                     <const floating *> weights, start(z), start(db),
                                     y.shape[0], db.shape[0], smoothing)


def add_noise(
    key, Py_ssize_t step, Py_ssize_t stream, Py_ssize_t row, double sd,
    floating[:, ::1] x, floating[:, ::1] out,
):
    """out := x + sd e with standard normal e  # out OUT"""
    cdef fm_draw draw = a_draw(key, step, stream, row)
    kernels.add_noise(&draw, sd, <const floating *> &x[0, 0], x.shape[1], &out[0, 0],
                      out.shape[1], x.shape[0], x.shape[1])


cdef fm_csr_rows csr_rows(
    const ptrdiff_t[::1] indices, const ptrdiff_t[::1] indptr,
    const ptrdiff_t[::1] order,
):
    """The rows of a CSR matrix in an order"""
    cdef fm_csr_rows rows
    rows.indices = &indices[0] if indices.shape[0] else NULL
    rows.indptr = &indptr[0]
    rows.order = &order[0]
    rows.first = 0
    return rows


def csr_forward(
    floating[::1] values, const ptrdiff_t[::1] indices, const ptrdiff_t[::1] indptr,
    const ptrdiff_t[::1] order, floating[:, ::1] w, floating[::1] b,
    floating[:, ::1] z,
):
    """z := X[order] w + b for CSR X  # z OUT"""
    kernels.csr_forward(csr_rows(indices, indptr, order),
                        <const floating *> start(values), <const floating *> &w[0, 0],
                        <const floating *> &b[0], &z[0, 0], order.shape[0], w.shape[1],
                        w.shape[1])


def csr_backward(
    floating[::1] values, const ptrdiff_t[::1] indices, const ptrdiff_t[::1] indptr,
    const ptrdiff_t[::1] order, floating[:, ::1] delta, floating[:, ::1] dw,
):
    """dw += X[order]^T delta for CSR X  # dw IN and OUT"""
    kernels.csr_backward(csr_rows(indices, indptr, order),
                         <const floating *> start(values),
                         <const floating *> &delta[0, 0], delta.shape[1], &dw[0, 0],
                         order.shape[0], delta.shape[1])


def gemm(
    bint trans_a, floating[:, ::1] a, floating[:, ::1] b, double beta,
    floating[:, ::1] c,
):
    """c := op(a) b + beta c, by BLAS  # c IN and OUT"""
    blas.gemm(trans_a, c.shape[0], c.shape[1], b.shape[0], <const floating *> &a[0, 0],
              a.shape[1], <const floating *> &b[0, 0], b.shape[1], <floating> beta,
              &c[0, 0], c.shape[1])


def product_work(dtype):
    """Room for the copies that a product makes"""
    return aligned_empty(kernels.FM_GEMM_WORK, dtype)


def product(
    bint trans_a, floating[:, ::1] a, floating[:, ::1] b, floating[:, ::1] s,
    floating[:, ::1] c, floating[::1] work, bint rectify=False, Py_ssize_t times=1,
):
    """c := op(a) b + s, by the products of the core; s: None, c or one row  # c OUT

    rectify: then c := max(c, 0), with products of our own only.
    times: how often, one after the other.
    """
    cdef const floating *added = &s[0, 0] if s is not None else NULL
    cdef Py_ssize_t _i
    for _i in range(times):
        products.product(trans_a, c.shape[0], c.shape[1], b.shape[0],
                         <const floating *> &a[0, 0], a.shape[1],
                         <const floating *> &b[0, 0], b.shape[1], added,
                         c.shape[1] if added == &c[0, 0] else 0, rectify, NULL,
                         &c[0, 0], c.shape[1], &work[0])


def transpose(floating[:, ::1] x, floating[:, ::1] out):
    """out := the transpose of x; rows of out may be longer  # out OUT"""
    kernels.transpose(<const floating *> &x[0, 0], x.shape[1], &out[0, 0], out.shape[1],
                      x.shape[0], x.shape[1])


def multiply_add(dtype, Py_ssize_t n):
    """The floating-point operations that n rounds of multiply-adds in registers are

    Raises NotImplementedError where the products are left to BLAS.
    """
    if not kernels.has_gemm():
        raise NotImplementedError("no multiply-adds of our own in this instruction set")
    if dtype == np.float32:
        return kernels.multiply_add(n, <const float *> NULL)
    return kernels.multiply_add(n, <const double *> NULL)


def read(floating[::1] x, Py_ssize_t times=1):
    """Read x as fast as the memory gives it; the bytes read"""
    cdef Py_ssize_t _i
    for _i in range(times):
        kernels.read(<const floating *> start(x), x.shape[0])
    return x.nbytes * times


def write(floating[::1] x, Py_ssize_t times=1):
    """x := ones, as fast as the memory takes them  # x OUT"""
    cdef Py_ssize_t _i
    for _i in range(times):
        kernels.write(1, start(x), x.shape[0])


cdef inline void square(
    const floating *z, floating *a, ptrdiff_t n
) noexcept nogil:
    """a := z^2"""
    cdef ptrdiff_t i
    for i in range(n):
        a[i] = z[i] * z[i]


cdef inline void d_square(
    const floating *z, const floating *a, floating *delta, ptrdiff_t n
) noexcept nogil:
    """delta := 2 delta z"""
    cdef ptrdiff_t i
    for i in range(n):
        delta[i] *= 2 * z[i]


cdef void square_f32(
    const float *z, float *a, ptrdiff_t n, void *user
) noexcept nogil:
    square(z, a, n)


cdef void d_square_f32(
    const float *z, const float *a, float *delta, ptrdiff_t n, void *user
) noexcept nogil:
    d_square(z, a, delta, n)


cdef void square_f64(
    const double *z, double *a, ptrdiff_t n, void *user
) noexcept nogil:
    square(z, a, n)


cdef void d_square_f64(
    const double *z, const double *a, double *delta, ptrdiff_t n, void *user
) noexcept nogil:
    d_square(z, a, delta, n)


cdef inline void relu(
    const floating *z, floating *a, ptrdiff_t n
) noexcept nogil:
    """a := max(z, 0)"""
    cdef ptrdiff_t i
    for i in range(n):
        a[i] = z[i] if z[i] > 0 else 0


cdef inline void d_relu(
    const floating *z, const floating *a, floating *delta, ptrdiff_t n
) noexcept nogil:
    """delta := delta where a > 0, else 0"""
    cdef ptrdiff_t i
    for i in range(n):
        delta[i] = delta[i] if a[i] > 0 else 0


cdef void relu_f32(
    const float *z, float *a, ptrdiff_t n, void *user
) noexcept nogil:
    relu(z, a, n)


cdef void d_relu_f32(
    const float *z, const float *a, float *delta, ptrdiff_t n, void *user
) noexcept nogil:
    d_relu(z, a, delta, n)


cdef void relu_f64(
    const double *z, double *a, ptrdiff_t n, void *user
) noexcept nogil:
    relu(z, a, n)


cdef void d_relu_f64(
    const double *z, const double *a, double *delta, ptrdiff_t n, void *user
) noexcept nogil:
    d_relu(z, a, delta, n)


cdef void error_f64(
    const double *y, const double *a, double *out, ptrdiff_t n, void *user
) noexcept nogil:
    """out := (a - y)^2 / 2"""
    cdef ptrdiff_t i
    for i in range(n):
        out[i] = 0.5 * (a[i] - y[i]) * (a[i] - y[i])


cdef void d_error_f64(
    const double *y, const double *a, double *out, ptrdiff_t n, void *user
) noexcept nogil:
    """out := a - y"""
    cdef ptrdiff_t i
    for i in range(n):
        out[i] = a[i] - y[i]
