# The step that follows a batch.

from cython cimport floating

from fastmlp._core.sums cimport part_t, sum_t


cdef void finish_part(
    sum_t *s, part_t *part, int worker, floating *grad
) noexcept nogil
cdef void finish_late_parts(sum_t *s) noexcept nogil
cdef void finish_step(sum_t *s) noexcept nogil
cdef void take_step(sum_t *s) noexcept nogil
