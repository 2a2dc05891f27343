# The kernel tables of this process, and the names of the lists in src_c/registry.h.
#
# The C code is linked into this module only; the others reach it through the two
# pointers, so that there is one choice of instruction set (and one copy) a process.

import os


cdef list names_of(const char *(*name_of)(int) noexcept nogil):
    """The names of a list, in the order of its enum."""
    cdef int i = 0
    cdef list names = []
    while name_of(i) != NULL:
        names.append((<bytes> name_of(i)).decode())
        i += 1
    return names


available_isas = names_of(&fm_isa_name)
activation_names = names_of(&fm_activation_name)
activations_by_input = names_of(&fm_activation_by_input)  # d_f is a function of z
parametric_activations = names_of(&fm_activation_parametric)  # with learnt slopes
n_frequencies, n_periodic = FM_FREQUENCIES, FM_PERIODIC  # of an embedded number
loss_names = names_of(&fm_loss_name)
loss_outputs = dict(zip(loss_names, names_of(&fm_loss_output)))
output_names = names_of(&fm_output_name)
loss_output_names = output_names[:FM_N_LOSS_OUTPUTS]  # the others only predict
max_levels = FM_MAX_LEVELS
rule_names = names_of(&fm_rule_name)
rule_vectors = dict(zip(rule_names, map(int, names_of(&fm_rule_vectors))))
math_names = names_of(&fm_math_name)


def use_isa(name):
    """Switch the whole process to an instruction set; for tests and benchmarks.

    Parameters
    ----------
    name : str
        One of ``available_isas``.
    """
    global fm_f32, fm_f64, isa
    encoded = name.encode(errors="replace")
    cdef const fm_isa *chosen = fm_select_isa(encoded)
    if chosen == NULL:
        raise ImportError(
            f"FASTMLP_ISA must be one of {available_isas} on this machine, got "
            f"{name!r}. Unset it to use {available_isas[0]!r}."
        )
    fm_f32, fm_f64, isa = chosen.f32, chosen.f64, name


use_isa(os.environ.get("FASTMLP_ISA") or available_isas[0])


def pass_front_end(Py_ssize_t n):
    """Let 64 n empty instructions pass the front end; how many, 0 where none can."""
    return fm_pass_front_end(n)


def add_in_turn(Py_ssize_t n):
    """Do 64 n additions, each on the sum before; how many, 0 where none can."""
    return fm_add_in_turn(n)


def hand_over(Py_ssize_t n):
    """Let two threads raise a number n times in turn; how often they did."""
    with nogil:
        n = fm_hand_over(n)
    return n


cdef void parallel(
    fm_task task, void *context, Py_ssize_t n_items, int n_threads
) noexcept nogil:
    """task(context, item, worker) for all items"""
    fm_parallel(task, context, n_items, n_threads)


cdef unsigned int flush_denormals() noexcept nogil:
    """From now on this thread takes denormal numbers for 0; how it was before"""
    return fm_flush_denormals()


cdef void restore_denormals(unsigned int before) noexcept nogil:
    """Put back what flush_denormals returned"""
    fm_restore_denormals(before)


cdef void advise_pages(const void *at, size_t size, fm_advice advice) noexcept nogil:
    """Tell the system how the pages of some bytes will be read"""
    fm_advise_pages(at, size, advice)
