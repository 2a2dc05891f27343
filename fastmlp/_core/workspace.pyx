# The memory in which the passes over a block of rows work.
#
# a) NumPy allocates one workspace per fit; a step allocates nothing.
# b) Rows of a layer begin on cache lines, an odd number of them apart: rows a multiple
#    of a power of two apart would share few sets of L1.  Outputs have no gaps.

import numpy as np

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of
from fastmlp._core.custom cimport Failures
from fastmlp._core.network cimport SUM_ROWS, Data, Network

LINE = 64  # bytes of a cache line and of an AVX-512 register


def aligned_empty(n, dtype):
    """An array whose first value begins a cache line.

    Parameters
    ----------
    n : int
        Values.
    dtype : dtype
        Its values are not set.

    Returns
    -------
    out : ndarray of shape (n,)
    """
    size = n * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, dtype=np.uint8)
    start = -int(address_of(memory, np.uint8)) % LINE
    return memory[start : start + size].view(dtype)


def padded_rows(matrix):
    """A copy of a matrix each of whose rows begins a cache line.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_columns)
        One of few columns is returned as it is: lines would hold little else but gaps.

    Returns
    -------
    out : C-contiguous ndarray of shape (n_rows, >= n_columns)
        Zeros behind the columns.
    """
    n_rows, n_columns = matrix.shape
    line = LINE // matrix.itemsize
    if n_columns <= line // 2:
        return matrix
    width = -(-n_columns // line) * line
    out = aligned_empty(n_rows * width, matrix.dtype).reshape(n_rows, width)
    out[:, :n_columns] = matrix
    out[:, n_columns:] = 0
    return out


def allocate(sizes):
    """Memory for lists of buffers, each of which begins a cache line.

    Parameters
    ----------
    sizes : dict of list of int
        Bytes of the buffers, by the name of their list.

    Returns
    -------
    memory : ndarray of uint8
    addresses : dict of list of int
    """
    n_lines = sum(-(-size // LINE) for of_list in sizes.values() for size in of_list)
    memory = aligned_empty(n_lines * LINE, np.uint8)
    start = int(address_of(memory, np.uint8))
    addresses = {}
    for name, of_list in sizes.items():
        addresses[name] = []
        for size in of_list:
            addresses[name].append(start)
            start += -(-size // LINE) * LINE
    return memory, addresses


cdef class Workspace:
    """Aligned memory for one block of rows: inputs, activations, deltas, sums.

    Parameters
    ----------
    net : Network
    data : Data
    n_rows : int
        Rows of the block.
    n_threads : int
        Threads that work on it at the same time.
    with_deltas : bool
        Whether there is a backward pass.
    dropout : sequence of float
        Rates of the inputs of each layer; dropped inputs have buffers of their own.
    """

    def __init__(
        self, Network net, Data data, n_rows, n_threads=1, with_deltas=False, dropout=()
    ):
        real = data.dtype.itemsize
        n_layers = net.c.n_layers
        n_slots = -(-n_rows // SUM_ROWS) if with_deltas else 0
        has_stage = net.stage is not None
        has_loss = net.c.loss_function != NULL and with_deltas
        dropped = [layer for layer, rate in enumerate(dropout) if layer and rate]
        for function in net.functions:
            function.check(data.dtype, with_deltas)
        is_own = [net.c.function[i] != 0 for i in range(n_layers - 1)]
        keeps_z = [
            is_own[i]
            or (with_deltas and (net.c.by_input[i] or net.c.has_slopes))
            for i in range(n_layers - 1)
        ]
        line = LINE // real
        stride = [(-(-n // line) // 2 * 2 + 1) * line for n in net.units]
        for i in range(n_layers - 1):
            if is_own[i]:  # user-defined functions see no gaps between the rows
                stride[i + 1] = net.units[i + 1]
        stride[n_layers] = net.c.n_outputs
        values = [n_rows * n for n in stride]  # of a layer
        hidden = range(1, n_layers)
        changed = range(not has_stage, n_layers)  # layers whose inputs have deltas
        memory, at = allocate({
            "a": [0 if data.c.is_sparse else real * values[0]]
            + [real * n for n in values[1:]],
            "encoded": [real * n_rows * data.c.n_features * has_stage],
            "delta": [real * values[i] * with_deltas for i in changed],
            "z": [real * values[i] * keeps_z[i - 1] for i in hidden],
            "y": [real * n_rows * data.c.y_width],
            "w": [real * n_rows],
            "slot_sums": [real * n_slots * net.c.n_sums],
            "products": [real * n_threads * kernels.FM_GEMM_WORK],
            "scratch": [
                real * n_rows * max(net.units) * (net.has_python and with_deltas)
            ],
            "loss_room": [real * 3 * n_rows * net.c.n_outputs * has_loss],
            "losses": [n_slots * sizeof(double)],
            "weights": [n_slots * sizeof(double)],
            "dropped": [real * values[layer] for layer in dropped],
        })
        a = at["a"]
        # the delta of the last layer takes the place of its outputs
        unchanged = [0] * (not has_stage)
        delta = [*unchanged, *at["delta"], a[n_layers]]
        z = [0, *(at["z"][i] if keeps_z[i] else a[i + 1] for i in range(n_layers - 1))]
        inputs = a[:n_layers]
        for layer, address in zip(dropped, at["dropped"]):
            inputs[layer] = address
        strides = np.array(stride, dtype=np.intp)
        self.owners = (memory, strides)
        self.c.n_rows = n_rows
        self.c.a = self.keep(a)
        self.c.z = self.keep(z)
        self.c.input = self.keep(inputs)
        self.c.delta = self.keep(delta)
        self.c.stride = <const ptrdiff_t *> address_of(strides, np.intp)
        self.c.x, self.c.ldx = a[0], stride[0]
        if has_stage:
            self.c.x, self.c.ldx = at["encoded"][0], data.c.n_features
        self.c.y, self.c.w = at["y"][0], at["w"][0]
        self.c.slot_sums = at["slot_sums"][0]
        self.c.products, self.c.scratch = at["products"][0], at["scratch"][0]
        self.c.loss_room = at["loss_room"][0]
        self.c.losses, self.c.weights = at["losses"][0], at["weights"][0]
        self.failures = Failures(memory)
        self.c.failure = &self.failures.c

    cdef const size_t *keep(self, addresses) except NULL:
        """An array of addresses that lives as long as the workspace"""
        array = np.array(addresses, dtype=np.uintp)
        self.owners += (array,)
        return <const size_t *> address_of(array, np.uintp)
