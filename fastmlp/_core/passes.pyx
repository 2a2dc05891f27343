# The passes of some rows through all layers, forward and back.
#
# A strip of rows goes through the product and the activation of a layer, or its
# derivative, at once, while it is in cache.  Where relu is part of the product, and
# nothing follows, all rows are one strip.

from cython cimport floating

cimport fastmlp._core.kernels as kernels
from fastmlp._core.custom cimport apply_function, function_t, multiply_slopes
from fastmlp._core.kernels cimport FM_relu, fm_activation, fm_next
from fastmlp._core.network cimport SUM_ROWS, data_t, layers_t, network_t
from fastmlp._core.noise cimport drop, has_dropout, stored_values
from fastmlp._core.products cimport product
from fastmlp._core.rows cimport csr_rows, rows_t, x_stride
from fastmlp._core.stage cimport stage_forward
from fastmlp._core.workspace cimport workspace_t

cdef enum:
    STRIP_BYTES = 131072
    STRIP_ROWS = 256
    FEW_UNITS = 4  # above a layer: their weights are read in no time, so strips fit L1


cdef inline Py_ssize_t strip_rows(
    Py_ssize_t n, Py_ssize_t fan_out, size_t itemsize
) noexcept nogil:
    """Rows of a strip: a multiple of SUM_ROWS whose outputs fit L2, but not few

    Each strip reads the weights anew, and a product copies them if they lie badly.
    """
    cdef Py_ssize_t fitting = <Py_ssize_t> (STRIP_BYTES // (fan_out * itemsize))
    return min(n, max(STRIP_ROWS, fitting // SUM_ROWS * SUM_ROWS))


cdef void activate_rows(
    const network_t *net, const layers_t *layers, const workspace_t *work,
    Py_ssize_t layer, Py_ssize_t at, Py_ssize_t n, const floating *precision,
) noexcept nogil:
    """a_l := f(z_l) for n rows of the workspace, from row `at` on"""
    cdef Py_ssize_t stride = work.stride[layer]
    cdef floating *z = <floating *> work.z[layer] + at * stride
    cdef floating *a = <floating *> work.a[layer] + at * stride
    cdef const function_t *f = <const function_t *> net.function[layer - 1]
    if f != NULL:
        apply_function(f, work.failure, z, a, n, stride)
    elif net.has_slopes:
        kernels.parametric(<fm_activation> net.activation[layer - 1],
                           <const floating *> z, a,
                           <const floating *> layers.slope[layer - 1], n,
                           net.width[layer], stride)
    else:
        kernels.activate(<fm_activation> net.activation[layer - 1],
                         <const floating *> z,
                         a, n, net.width[layer], stride, net.parameter[layer - 1])


cdef void slope_rows(
    const network_t *net, const layers_t *layers, const workspace_t *work,
    Py_ssize_t layer, Py_ssize_t at, Py_ssize_t n, floating *delta, floating *sums,
    Py_ssize_t sums_stride,
) noexcept nogil:
    """delta_l := delta_l f'(z_l) for n rows from row `at` on, and sums over SUM_ROWS

    sums: of the first slot, whose intercepts and slopes of all layers are together.
    """
    cdef Py_ssize_t stride = work.stride[layer], width = net.width[layer], done = 0, m
    cdef floating *z = <floating *> work.z[layer] + at * stride
    cdef floating *a = <floating *> work.a[layer] + at * stride
    cdef const floating *x = z if net.by_input[layer - 1] else a
    cdef const function_t *f = <const function_t *> net.function[layer - 1]
    cdef floating *db = sums + net.intercept_offset[layer - 1] - net.n_coefs
    cdef floating *dslopes = sums + net.slope_offset[layer - 1] - net.n_coefs
    if f != NULL:
        multiply_slopes(f, work.failure, z, a, delta, <floating *> work.scratch, n,
                        width)
    while done < n:
        m = min(<Py_ssize_t> SUM_ROWS, n - done)
        if f != NULL:
            kernels.column_sums(<const floating *> delta, db, m, width)
        elif net.has_slopes:
            kernels.parametric_backward(
                <fm_activation> net.activation[layer - 1],
                <const floating *> z + done * stride,
                <const floating *> layers.slope[layer - 1], delta, db, dslopes, m,
                width, stride)
        else:
            kernels.activate_backward(
                <fm_activation> net.activation[layer - 1], x + done * stride, delta,
                db, m, width, stride, net.parameter[layer - 1])
        delta += SUM_ROWS * stride
        db += sums_stride
        dslopes += sums_stride
        done += SUM_ROWS


cdef inline Py_ssize_t layer_strip(
    const network_t *net, Py_ssize_t layer, Py_ssize_t n, size_t itemsize
) noexcept nogil:
    """Rows of a strip for the outputs of a layer: all for a Python function"""
    cdef const function_t *f = NULL
    if 0 < layer < net.n_layers:
        f = <const function_t *> net.function[layer - 1]
    return n if f != NULL and f.is_python else strip_rows(n, net.width[layer], itemsize)


cdef void forward(
    const network_t *net, const data_t *data, const layers_t *layers,
    const workspace_t *work, rows_t rows, Py_ssize_t at, const floating *x,
    floating *z_last, floating *products, const floating *ahead,
) noexcept nogil:
    """z_l := a_(l-1) W_l + b_l, a_l := f(z_l), a_0 = x; z_last := z_L

    With an input stage a_0 is what it makes of x.  The rows begin at row `at` of the
    workspace; ahead: the rows of x, as many as these, that come next, or NULL.
    """
    cdef const floating *a = x
    cdef const floating *w
    cdef const floating *b
    cdef floating *z
    cdef Py_ssize_t layer, fan_in, fan_out, first, strip, n, ldw, ldz
    cdef Py_ssize_t lda = x_stride(data, work, rows)
    cdef fm_next next
    cdef bint is_hidden, is_csr, rectify, has_gemm = kernels.has_gemm()
    cdef floating *inputs
    if net.stage.n_outputs > 0:
        inputs = <floating *> work.a[0] + at * work.stride[0]
        stage_forward(&net.stage, <const floating *> layers.stage, x, lda, inputs,
                      work.stride[0], rows.n)
        a, lda, ahead = inputs, work.stride[0], NULL
    for layer in range(net.n_layers):
        is_hidden = layer < net.n_layers - 1
        is_csr = layer == 0 and data.is_sparse
        # a user-defined function has the number of identity there
        rectify = (has_gemm and is_hidden and net.activation[layer] == FM_relu
                   and not is_csr)
        fan_in, fan_out = net.width[layer], net.width[layer + 1]
        ldz = work.stride[layer + 1]
        w, ldw = <const floating *> layers.coef[layer], layers.coef_stride[layer]
        b = <const floating *> layers.intercept[layer]
        z = z_last
        if is_hidden:
            z = <floating *> work.z[layer + 1] + at * ldz
        strip = layer_strip(net, layer + 1, rows.n, sizeof(floating))
        if rectify and not has_dropout(work, layer + 1):
            strip = rows.n
        if is_csr:
            kernels.csr_forward(csr_rows(data, rows),
                                <const floating *> stored_values(data, work), w, b, z,
                                rows.n, fan_out, ldz)
        first = 0
        while first < rows.n:
            n = min(strip, rows.n - first)
            if not is_csr:
                if ahead != NULL:
                    next.x = ahead + first * lda
                product(False, n, fan_out, fan_in, a + first * lda, lda, w, ldw, b,
                        0, rectify, &next if ahead != NULL else NULL, z + first * ldz,
                        ldz, products)
            if is_hidden:
                if not rectify:
                    activate_rows(net, layers, work, layer + 1, at + first, n, x)
                if has_dropout(work, layer + 1):
                    drop(work.noise, layer + 1, rows.first + first,
                         <const floating *> work.a[layer + 1] + (at + first) * ldz, ldz,
                         <floating *> work.input[layer + 1] + (at + first) * ldz, ldz,
                         n, fan_out)
            first += n
        ahead = NULL
        if is_hidden:
            a, lda = <const floating *> work.input[layer + 1] + at * ldz, ldz


cdef inline bint is_one_relu(
    const network_t *net, const workspace_t *work, Py_ssize_t layer
) noexcept nogil:
    """Return whether relu_rows goes from the single output back to a layer"""
    return (
        layer > 0 and layer == net.n_layers - 1 and net.n_outputs == 1
        and kernels.has_gemm() and net.activation[layer - 1] == FM_relu
        and net.function[layer - 1] == 0 and not net.has_slopes
        and not has_dropout(work, layer)
    )


cdef void relu_rows(
    const network_t *net, const workspace_t *work, Py_ssize_t layer, Py_ssize_t at,
    Py_ssize_t n_rows, const floating *above, const floating *w, floating *delta,
    floating *slots,
) noexcept nogil:
    """The product and slope_rows at once, below a single output: slot by slot"""
    cdef Py_ssize_t stride = work.stride[layer], width = net.width[layer], first = 0
    cdef const floating *a = <const floating *> work.a[layer] + at * stride
    cdef floating *db = slots + net.intercept_offset[layer - 1] - net.n_coefs
    while first < n_rows:
        kernels.relu_backward_of_one(
            a + first * stride, above + first, w, delta + first * stride, db,
            min(<Py_ssize_t> SUM_ROWS, n_rows - first), width, stride)
        db += net.n_sums
        first += SUM_ROWS


cdef void backward(
    const network_t *net, const layers_t *layers, const size_t *transposed,
    const workspace_t *work, Py_ssize_t first_row, Py_ssize_t at, Py_ssize_t n_rows,
    floating *slots, floating *products,
) noexcept nogil:
    """delta_l := (delta_(l+1) W_(l+1)^T) f'(a_l) for n_rows, down to the first layer

    transposed: (n_layers,) addresses of W^T.
    With an input stage down to the inputs of that layer, which have no f.
    """
    cdef const ptrdiff_t *stride = work.stride
    cdef const floating *above
    cdef const floating *w
    cdef floating *delta
    cdef Py_ssize_t layer, fan_in, fan_out, first, strip, n, n_sums = net.n_sums
    cdef Py_ssize_t lowest = 0 if net.stage.n_outputs > 0 else 1
    for layer in range(net.n_layers - 1, lowest - 1, -1):
        fan_in, fan_out = net.width[layer], net.width[layer + 1]
        above = <const floating *> work.delta[layer + 1] + at * stride[layer + 1]
        delta = <floating *> work.delta[layer] + at * stride[layer]
        w = <const floating *> transposed[layer]
        if is_one_relu(net, work, layer):
            relu_rows(net, work, layer, at, n_rows, above, w, delta, slots)
            continue
        strip = layer_strip(net, layer, n_rows, sizeof(floating))
        if fan_out <= FEW_UNITS and layer > 0 and net.function[layer - 1] == 0:
            strip = min(strip, <Py_ssize_t> SUM_ROWS)
        first = 0
        while first < n_rows:
            n = min(strip, n_rows - first)
            product(False, n, fan_in, fan_out, above + first * stride[layer + 1],
                    stride[layer + 1], w, stride[layer], <const floating *> NULL, 0,
                    False, NULL, delta + first * stride[layer], stride[layer], products)
            if has_dropout(work, layer):
                drop(work.noise, layer, first_row + first,
                     <const floating *> delta + first * stride[layer], stride[layer],
                     delta + first * stride[layer], stride[layer], n, fan_in)
            if layer > 0:
                slope_rows(net, layers, work, layer, at + first, n,
                           delta + first * stride[layer],
                           slots + first // SUM_ROWS * n_sums, n_sums)
            first += n
