# The weights that each thread reads in a step.

from cython cimport floating

from fastmlp._core.network cimport Layers, Network
from fastmlp._core.sums cimport part_t, replica_t, sum_t
from fastmlp._core.workspace cimport Workspace


cdef class Replicas:
    cdef replica_t *c
    cdef int n
    cdef object owners

cdef const replica_t *replica_of(const sum_t *s, int worker) noexcept nogil
cdef void keep_part(
    const sum_t *s, part_t *part, const floating *w, int worker
) noexcept nogil
cdef void read_changes(const sum_t *s, floating *params, int worker) noexcept nogil
cdef void forget_replicas(const sum_t *s, const floating *params) noexcept nogil
