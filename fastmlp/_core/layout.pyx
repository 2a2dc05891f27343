# The layout of the flat vector of weights, and how threads share it.
#
# a) A tensor is a weight matrix, or intercepts, slopes or a tensor of the input stage,
#    with its factors of the learning rate, of the penalties and of the epsilon of the
#    rule; the step knows no other difference between weights.
# b) A part is some rows of a tensor: what one thread sums and updates at a time.

from collections import namedtuple

import numpy as np

from fastmlp._core.network cimport Data, Network
from fastmlp._core.rows cimport ceil_div
from fastmlp._core.sums cimport NOBODY, part_t, tensor_t

PART_BYTES = 512 * 1024
PART_ROWS = 24  # the rows of a part are a multiple of it, and of those of all tiles

# Weights that belong together: their place in the flat vector, what they are (one of
# ROLES), and the factors of the learning rate (0: they are fixed), of the penalties and
# of the epsilon of the rule.
Tensor = namedtuple(
    "Tensor",
    (
        "name",
        "shape",
        "offset",
        "role",
        "layer",
        "rate_factor",
        "decay_factor",
        "epsilon_factor",
    ),
    defaults=(1.0,),
    module="fastmlp._core.layout",
)
ROLES = ("coefs", "intercepts", "slopes", "stage")


def layout_of(Network net, rate_factors=None, decay_factors=None):
    """Tensors of the flat vector, in their order.

    Parameters
    ----------
    net : Network
    rate_factors : sequence of float or None
        Factor of the learning rate of each layer; None for ones.
    decay_factors : sequence of float or None
        Factor of the penalties of the coefs of each layer; None for ones.

    Returns
    -------
    tensors : list of Tensor
        Without ``rate_factors`` the intercepts of all layers are one tensor, which
        takes a step in one sweep.
    """
    rates = [1.0] * net.c.n_layers if rate_factors is None else rate_factors
    decays = [1.0] * net.c.n_layers if decay_factors is None else decay_factors
    if len(rates) != net.c.n_layers or len(decays) != net.c.n_layers:
        raise ValueError("one factor per layer is needed")
    is_fixed = net.c.n_trainable == net.c.n_coefs
    tensors, intercepts = [], []
    for layer, shape in enumerate(zip(net.units, net.units[1:])):
        tensors.append(Tensor(f"coefs_{layer}", shape, net.c.coef_offset[layer],
                              "coefs", layer, rates[layer], decays[layer]))
        intercepts.append(Tensor(f"intercepts_{layer}", shape[1:],
                                 net.c.intercept_offset[layer], "intercepts",
                                 layer, 0.0 if is_fixed else rates[layer], 0.0))
    if rate_factors is None:
        first = intercepts[0]
        shape = (sum(net.units[1:]),)
        intercepts = [first._replace(name="intercepts", shape=shape, layer=None)]
    slopes = [
        Tensor(f"slopes_{layer}", (width,), net.c.slope_offset[layer], "slopes", layer,
               rates[layer], 0.0)
        for layer, width in enumerate(net.units[1 : net.c.n_layers])
        if net.c.has_slopes
    ]
    stage_tensors = () if net.stage is None else net.stage.tensors()
    stage = [
        Tensor(name, shape, net.c.n_coefs + net.c.n_sums + offset, "stage", None,
               1.0 if is_trained else 0.0, 0.0)
        for name, shape, offset, is_trained in stage_tensors
    ]
    return tensors + intercepts + slopes + stage


def _as_matrix(shape):
    """A shape of one dimension or two as one of two."""
    return (1, *shape) if len(shape) == 1 else shape


def _array_of(structs, names, numbers, size):
    """Structs of Py_ssize_t and then double, from lists, as an array of a dtype."""
    names, numbers = names.split(), numbers.split()
    fields = [(name, np.intp) for name in names] + [(name, float) for name in numbers]
    dtype = np.dtype(fields, align=True)
    if dtype.itemsize != size:
        raise RuntimeError("a struct has another layout than its NumPy dtype")
    return np.array(structs, dtype=dtype)


def tensor_array(layout):
    """The tensors of a layout as an array of tensor_t."""
    tensors = [
        (ROLES.index(tensor.role), tensor.layer or 0, tensor.offset,
         *_as_matrix(tensor.shape), tensor.rate_factor, tensor.decay_factor,
         tensor.epsilon_factor)
        for tensor in layout
    ]
    return _array_of(tensors, "role layer start n_rows n_columns",
                     "rate decay epsilon",
                     sizeof(tensor_t))


def part_array(layout, Data data, is_shared):
    """The parts of the weights that phase two hands out, as an array of part_t.

    They depend on the work alone, not on the number of threads, since the penalty is
    summed part by part.
    """
    parts = []
    for number, tensor in enumerate(layout):
        n_rows, width = _as_matrix(tensor.shape)
        rows = PART_BYTES // (width * data.dtype.itemsize)
        if is_shared:
            rows = min(rows, ceil_div(n_rows, 4))
        rows = ceil_div(max(rows, 1), PART_ROWS) * PART_ROWS
        if tensor.layer == 0 and data.c.is_sparse:
            rows = n_rows
        for first in range(0, n_rows, rows):
            n, start = min(rows, n_rows - first), tensor.offset + first * width
            parts.append((number, first, n, start, n * width, NOBODY, 0.0, 0.0))
    return _array_of(parts, "tensor first n start size holder", "square grad_square",
                     sizeof(part_t))
