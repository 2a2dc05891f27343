# The weights that each thread reads in a step.
#
# a) With one replica all threads read the weight matrices in the flat vector, and W^T
#    for the way back, which the step writes.
# b) Two threads have a replica each, unless it is large, so that no cache line of
#    weights is left in the caches of both.  Nanoseconds a line, of many in a row, that
#    the other core has used last (AMD EPYC, Zen 4):
#                                            cores that share a cache   others
#        change it after both have read it              7                 27
#        read or change it after a change             1 to 2            3 to 8
#    The thread that takes the step of a part keeps the new weights in its replica.  The
#    other one reads them when it begins the next batch, and writes a value of each line
#    back: a line that it had only read would be one of the first row.

import numpy as np

from cython cimport floating
from libc.string cimport memcpy

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of
from fastmlp._core.network cimport Layers, Network
from fastmlp._core.sums cimport COEFS, NOBODY, part_t, replica_t, sum_t, tensor_t
from fastmlp._core.workspace cimport Workspace

from fastmlp._core.workspace import allocate

REPLICA_BYTES = 3 * 1024 * 1024  # W and W^T: larger ones do not stay in the caches


cdef class Replicas:
    """Weights for each thread.

    Parameters
    ----------
    net : Network
    layers : Layers
        The weights in the flat vector.
    work : Workspace
        Its rows of a layer are as far apart as those of the replicas.
    dtype : dtype
    may_be_two : bool
        Whether two replicas are of use, if they are small.
    """

    def __init__(self, Network net, Layers layers, Workspace work, dtype, may_be_two):
        cdef Py_ssize_t n_layers = net.c.n_layers, i
        cdef size_t place
        strides = [work.c.stride[i] for i in range(n_layers + 1)]
        lowest = 0 if net.stage is not None else 1  # the way back ends there
        sizes = {
            "coef": [net.units[i] * strides[i + 1] for i in range(n_layers)],
            "transposed": [
                strides[i] * net.units[i + 1] * (i >= lowest) for i in range(n_layers)
            ],
        }
        sizes = {k: [n * dtype.itemsize for n in of] for k, of in sizes.items()}
        is_small = sum(map(sum, sizes.values())) <= REPLICA_BYTES
        self.n = 2 if may_be_two and is_small else 1
        if self.n == 1:
            sizes["coef"] = [0] * n_layers
        structs = np.zeros(self.n * sizeof(replica_t), dtype=np.uint8)
        place = address_of(structs, np.uint8)
        self.c = <replica_t *> place
        self.owners = [structs, layers, work]
        for i in range(self.n):
            memory, at = allocate(sizes)
            coefs = np.array(at["coef"], dtype=np.uintp)
            transposed = np.array(at["transposed"], dtype=np.uintp)
            transposed[:lowest] = 0
            self.owners += [memory, coefs, transposed]
            self.c[i].layers = layers.c
            self.c[i].transposed = <const size_t *> address_of(transposed, np.uintp)
            if self.n > 1:
                self.c[i].layers.coef = <const size_t *> address_of(coefs, np.uintp)
                self.c[i].layers.coef_stride = work.c.stride + 1


cdef const replica_t *replica_of(const sum_t *s, int worker) noexcept nogil:
    """The weights that a thread reads"""
    return &s.replicas[worker if s.n_replicas > 1 else 0]


cdef void copy_part(
    const sum_t *s, const part_t *part, const floating *w, int worker
) noexcept nogil:
    """Copy some rows of W to the replica of a thread, and to its W^T"""
    cdef const tensor_t *tensor = &s.tensors[part.tensor]
    cdef const replica_t *replica = replica_of(s, worker)
    cdef Py_ssize_t layer = tensor.layer, width = tensor.n_columns, stride, i
    cdef floating *out
    if s.n_replicas > 1:
        stride = replica.layers.coef_stride[layer]
        out = <floating *> replica.layers.coef[layer] + part.first * stride
        for i in range(part.n):
            memcpy(out + i * stride, w + i * width, width * sizeof(floating))
    if replica.transposed[layer] != 0:
        kernels.transpose(w, width,
                          <floating *> replica.transposed[layer] + part.first,
                          s.work.stride[layer], part.n, width)


cdef void keep_part(
    const sum_t *s, part_t *part, const floating *w, int worker
) noexcept nogil:
    """Keep new weights of a part in the replica of the thread that has made them"""
    if s.tensors[part.tensor].role == COEFS:
        copy_part(s, part, w, worker)
        part.holder = worker


cdef void read_changes(const sum_t *s, floating *params, int worker) noexcept nogil:
    """Copy the parts whose last steps the other thread has taken, once a batch"""
    cdef replica_t *replica = &s.replicas[worker]
    cdef bint is_new = replica.batch == 0
    cdef Py_ssize_t i
    cdef const part_t *part
    if s.n_replicas == 1 or replica.batch == s.batch:
        return
    replica.batch = s.batch
    for i in range(s.n_parts):
        part = &s.parts[i]
        if part.holder == worker or s.tensors[part.tensor].role != COEFS:
            continue
        if part.holder != NOBODY:
            kernels.own_lines(params + part.start, part.size)
        elif not is_new:
            continue
        copy_part(s, part, <const floating *> params + part.start, worker)


cdef void forget_replicas(const sum_t *s, const floating *params) noexcept nogil:
    """Have threads read weights anew, which may have changed since the last step"""
    cdef Py_ssize_t i
    for i in range(s.n_replicas):
        s.replicas[i].batch = 0
    for i in range(s.n_parts):
        s.parts[i].holder = NOBODY
        if s.n_replicas == 1 and s.tensors[s.parts[i].tensor].role == COEFS:
            copy_part(s, &s.parts[i], params + s.parts[i].start, 0)
