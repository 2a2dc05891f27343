# Shuffling as NumPy's RandomState does it, an order in place.
#
# a) The stream is RandomState.shuffle's, which NumPy has frozen: from the last position
#    down, i changes places with a position drawn from 0 .. i by masked rejection.
# b) To shuffle an order in place is to shuffle positions and to index the order by
#    them: the same swaps, and no array beside it.
# c) Draws do not depend on the order, so some come before their swaps, and the places
#    they lead to are fetched into the cache meanwhile: 10^7 rows do not fit there.
# d) The generator is called through the table of functions that NumPy offers to
#    extensions (numpy.random, "bitgen_t"), under the generator's lock.

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint32_t, uint64_t

from fastmlp._core.addresses cimport address_of

import numpy as np


cdef extern from *:
    """
    #include <stdint.h>
    typedef struct {
        void *state;
        uint64_t (*next_uint64)(void *);
        uint32_t (*next_uint32)(void *);
        double (*next_double)(void *);
        uint64_t (*next_raw)(void *);
    } fm_bitgen;
    #if defined(__GNUC__)
    #define fm_fetch(place) __builtin_prefetch(place, 1)
    #else
    #define fm_fetch(place) ((void)(place))
    #endif
    """
    ctypedef struct fm_bitgen:
        void *state
        uint64_t (*next_uint64)(void *) noexcept nogil
        uint32_t (*next_uint32)(void *) noexcept nogil
    void fm_fetch(ptrdiff_t *place) noexcept nogil

cdef enum:
    DRAWN = 128                         # draws before their swaps

MOST_ROWS = 2**32  # from here on positions take 64 bits of the stream


def shuffle(order, random_state):
    """Shuffle an order of rows in place, by the numbers that RandomState would take.

    Parameters
    ----------
    order : C-contiguous ndarray of intp
    random_state : numpy.random.RandomState
    """
    cdef ptrdiff_t *position = <ptrdiff_t *> address_of(order, np.intp)
    cdef Py_ssize_t n = len(order)
    cdef fm_bitgen *generator
    generators = getattr(random_state, "_bit_generator", None)
    is_plain = type(random_state) is np.random.RandomState  # no shuffle of its own
    if not is_plain or generators is None or n >= MOST_ROWS:
        random_state.shuffle(order)
        return
    generator = <fm_bitgen *> PyCapsule_GetPointer(generators.capsule, "BitGenerator")
    with generators.lock, nogil:
        swap_all(position, n, generator)


cdef void swap_all(
    ptrdiff_t *position, Py_ssize_t n, fm_bitgen *generator
) noexcept nogil:
    """The swaps of a shuffle, for n < 2^32"""
    cdef uint32_t partner[DRAWN]
    cdef uint32_t mask, drawn
    cdef Py_ssize_t i = n - 1, j, n_drawn, wanted
    cdef ptrdiff_t moved
    mask = <uint32_t> i if n > 0 else 0
    mask |= mask >> 1
    mask |= mask >> 2
    mask |= mask >> 4
    mask |= mask >> 8
    mask |= mask >> 16
    while i > 0:
        n_drawn, wanted = 0, min(<Py_ssize_t> DRAWN, i)
        while n_drawn < wanted:
            if <uint32_t> (i - n_drawn) <= mask >> 1:
                mask >>= 1
            drawn = generator.next_uint32(generator.state) & mask
            # One draw in four is rejected, by no branch, which nobody could predict.
            partner[n_drawn] = drawn
            fm_fetch(position + min(drawn, <uint32_t> i))
            n_drawn += drawn <= <uint32_t> (i - n_drawn)
        for j in range(n_drawn):
            moved = position[partner[j]]
            position[partner[j]] = position[i - j]
            position[i - j] = moved
        i -= n_drawn
