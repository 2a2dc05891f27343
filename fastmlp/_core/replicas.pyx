# The weights that each thread reads in a step.
#
# a) With one replica all threads read the weight matrices in the flat vector, and W^T
#    for the way back, which the step writes.
# b) Two threads have a replica each, unless it is large.  On an AMD EPYC (Zen 4) it
#    takes 27 ns to change a line that another cache holds too, if the cores share no
#    cache, else 7; to read or change one that the other core has changed, and nobody
#    has read since, takes 3 to 8 ns, or 1 to 2.  So no line is left in two caches: the
#    thread that takes the step of a part keeps the new weights in its replica; the
#    other one reads them when it begins the next batch, and writes a value of each line
#    back, after which the line is its own.

import numpy as np

from cython cimport floating
from libc.string cimport memcpy

cimport fastmlp._core.kernels as kernels
from fastmlp._core.network cimport Layers, Network
from fastmlp._core.sums cimport COEFS, NOBODY, part_t, replica_t, sum_t, tensor_t
from fastmlp._core.workspace cimport Workspace

from fastmlp._core.workspace import allocate


cdef class Replicas:
    """Weights for each thread.

    Parameters
    ----------
    net : Network
    layers : Layers
        The weights in the flat vector.
    work : Workspace
    dtype : dtype
    n_replicas : int
        With 1 the matrices of ``layers`` and of ``work`` themselves.
    """

    def __init__(self, Network net, Layers layers, Workspace work, dtype, n_replicas):
        cdef Py_ssize_t n_layers = net.c.n_layers, i, layer
        cdef const size_t[::1] coef, transposed
        structs = np.zeros(n_replicas * sizeof(replica_t), dtype=np.uint8)
        cdef unsigned char[::1] room = structs
        self.c, self.n = <replica_t *> &room[0], n_replicas
        self.owners = [structs, layers, work]
        for i in range(n_replicas):
            self.c[i].layers = layers.c
            self.c[i].transposed = work.c.transposed
        if n_replicas == 1:
            return
        real = dtype.itemsize
        strides = np.array(
            [work.c.stride[layer] for layer in range(n_layers + 1)], dtype=np.intp
        )
        cdef const ptrdiff_t[::1] coef_stride = strides[1:]
        sizes = {
            "coef": [real * net.units[i] * strides[i + 1] for i in range(n_layers)],
            "transposed": [
                real * strides[i] * net.units[i + 1] * (work.c.transposed[i] != 0)
                for i in range(n_layers)
            ],
        }
        for i in range(n_replicas):
            memory, at = allocate(sizes)
            coefs = np.array(at["coef"], dtype=np.uintp)
            turned = np.array(at["transposed"], dtype=np.uintp)
            turned[np.equal(sizes["transposed"], 0)] = 0
            coef, transposed = coefs, turned
            self.c[i].layers.coef = &coef[0]
            self.c[i].layers.coef_stride = &coef_stride[0]
            self.c[i].transposed = &transposed[0]
            self.owners += [memory, coefs, turned, strides]


cdef const replica_t *replica_of(const sum_t *s, int worker) noexcept nogil:
    """The weights that a thread reads"""
    return &s.replicas[worker if s.n_replicas > 1 else 0]


cdef void read_part(
    const sum_t *s, part_t *part, const floating *w, int worker
) noexcept nogil:
    """Take the weights of a part over into the replica of a thread"""
    cdef const tensor_t *tensor = &s.tensors[part.tensor]
    cdef const replica_t *replica = replica_of(s, worker)
    cdef Py_ssize_t layer = tensor.layer, width = tensor.n_columns, stride, i
    cdef floating *out
    if tensor.role != COEFS:
        return
    if s.n_replicas > 1:
        stride = replica.layers.coef_stride[layer]
        out = <floating *> replica.layers.coef[layer] + part.first * stride
        for i in range(part.n):
            memcpy(out + i * stride, w + i * width, width * sizeof(floating))
        part.reader = worker
    if replica.transposed[layer] != 0:
        kernels.transpose(w, width,
                          <floating *> replica.transposed[layer] + part.first,
                          s.work.stride[layer], part.n, width)


cdef void read_changes(const sum_t *s, floating *params, int worker) noexcept nogil:
    """Take over the parts whose last steps other threads have taken, once a batch"""
    cdef Py_ssize_t i
    cdef part_t *part
    cdef part_t theirs
    if s.replicas[worker].batch == s.batch:
        return
    s.replicas[worker].batch = s.batch
    for i in range(s.n_parts):
        part = &s.parts[i]
        if part.reader == worker or s.tensors[part.tensor].role != COEFS:
            continue
        if part.reader != NOBODY:
            kernels.own_lines(params + part.start, part.size)
        theirs = part[0]
        read_part(s, &theirs, <const floating *> params + part.start, worker)


cdef void read_all(const sum_t *s, const floating *params) noexcept nogil:
    """Take over weights that changed since the last step"""
    cdef Py_ssize_t i
    for i in range(s.n_parts):
        if s.n_replicas > 1:
            s.parts[i].reader = NOBODY
        else:
            read_part(s, &s.parts[i], params + s.parts[i].start, 0)
