# Loss and gradient over the rows of a batch, block by block.

from fastmlp._core.custom cimport Failures
from fastmlp._core.network cimport Data, Network
from fastmlp._core.sums cimport sum_t
from fastmlp._core.workspace cimport Workspace


cdef class BatchSum:
    cdef sum_t c
    cdef readonly object grad
    cdef object share_grads
    cdef readonly Py_ssize_t blocks_per_call, n_shares, n_replicas
    cdef Network net
    cdef Data data
    cdef Failures failures
    cdef bint shares_parts              # whether there are parts for several threads
    cdef object tensors, parts
    cdef tuple owners
    cdef set_shares(self, Network net, Data data, rows)
    cdef set_layout(self, layout)
    cdef set_noise(self, Network net, Data data, Workspace work, dropout, input_noise)
