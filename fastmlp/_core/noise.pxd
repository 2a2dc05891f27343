# Dropout and noise between two layers, in training only.
#
# a) Their numbers are functions of seed, step, layer, row of the batch and unit
#    (src_c/random.inl.h): the backward pass draws the masks again, any thread any row.
# b) Dropped activations have a buffer of their own: the derivative needs the activation
#    itself.

from cython cimport floating

cimport fastmlp._core.kernels as kernels
from fastmlp._core.kernels cimport fm_csr_rows, fm_draw
from fastmlp._core.network cimport data_t
from fastmlp._core.workspace cimport noise_t, workspace_t

cdef enum:
    INPUT_NOISE = 1  # streams: this one, and 2 l for dropout before layer l


cdef inline bint has_dropout(const workspace_t *work, Py_ssize_t layer) noexcept nogil:
    """Return whether training drops some of the inputs of a layer"""
    return work.noise != NULL and work.noise.drops[layer]


cdef inline void drop(
    const noise_t *noise, Py_ssize_t layer, Py_ssize_t row, const floating *x,
    Py_ssize_t ldx, floating *out, Py_ssize_t ldo, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """out := what dropout before a layer leaves of x, whose first row is `row`"""
    cdef fm_draw draw = noise.draw
    draw.row, draw.stream = row - noise.start, <unsigned int> (2 * layer)
    kernels.dropout(&draw, noise.dropout[layer], x, ldx, out, ldo, n, k)


cdef inline const floating *noisy_x(
    const noise_t *noise, Py_ssize_t row, const floating *x, Py_ssize_t ldx,
    floating *out, Py_ssize_t ldo, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    """Rows of a dense x after noise and dropout: out, or x itself without either"""
    cdef fm_draw draw = noise.draw
    if not noise.is_on_input:
        return x
    if noise.input_noise > 0:
        draw.row, draw.stream = row - noise.start, INPUT_NOISE
        kernels.add_noise(&draw, noise.input_noise, x, ldx, out, ldo, n, k)
        x, ldx = out, ldo
    if noise.drops[0]:
        drop(noise, 0, row, x, ldx, out, ldo, n, k)
    return out


cdef inline void drop_stored(
    const noise_t *noise, Py_ssize_t row, fm_csr_rows rows, const floating *values,
    Py_ssize_t n,
) noexcept nogil:
    """The stored values of rows of a sparse x after dropout"""
    cdef fm_draw draw = noise.draw
    draw.row, draw.stream = row - noise.start, 0
    kernels.csr_dropout(&draw, noise.dropout[0], rows, values,
                        <floating *> noise.values, n)


cdef inline const void *stored_values(
    const data_t *data, const workspace_t *work
) noexcept nogil:
    """The stored values of a sparse x, after dropout where there is any"""
    if work.noise != NULL and work.noise.values != NULL:
        return work.noise.values
    return data.x
