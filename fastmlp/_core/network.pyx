# The network and its data: sizes, addresses and memory; batch.pyx computes with them.
#
# a) Precision: classes and structs are free of it.  Numbers live in NumPy arrays whose
#    addresses are kept; the fused functions cast them once per block.
# b) Memory: NumPy allocates one workspace per fit; a step allocates nothing.
# c) Layers are addressed one by one, so prediction reads whatever stands in coefs_;
#    during training the addresses point into one flat vector: all coefficients, then
#    all intercepts (scikit-learn's packing order).
# d) Rows of the workspace begin on cache lines, an odd number of them apart: rows a
#    multiple of a power of two apart would share few sets of L1.  Outputs have no gaps.

from collections import namedtuple

import numpy as np
from scipy.sparse import issparse

cimport fastmlp._core.kernels as kernels
from fastmlp._core.addresses cimport address_of
from fastmlp._core.custom cimport Failures, Function
from fastmlp._core.kernels cimport fm_loss, fm_output

from fastmlp._core.kernels import (
    activation_names,
    activations_by_input,
    loss_names,
    loss_outputs,
    max_levels,
    output_names,
)

LINE = 64  # bytes of a cache line and of an AVX-512 register
CACHE_SHARE = 512 * 1024  # bytes of activations in a block of rows
LARGE_WEIGHTS = 256 * 1024  # bytes of a layer from which few rows share the cache
MIN_BLOCK, MAX_BLOCK = 512, 1024  # rows
CALL_WORK = 1e8  # floating-point operations between two looks at pending signals
BLOCK_WORK = 5e9  # floating-point operations of a block, about 50 ms
MOST_UNITS = 2**27  # 16 rows of so many are within 32-bit indices
MOST_PARAMS = 2**48  # whose bytes can still be counted


def address_of_function(Function function):
    """The address of the struct of a function, 0 of None."""
    return 0 if function is None else <size_t> &function.c


# What is minimised: the name of a loss and of the output activation (None for its own),
# the parameter of the loss (delta of huber, power of tweedie, gamma of the focal ones),
# the range of a logistic output, the levels of quantiles and whether they must not
# cross, the weights of the positive terms of a binary loss (None for ones), and for
# each target the unit of the steps between its quantiles (None for ones).
Objective = namedtuple(
    "Objective",
    (
        "loss",
        "output",
        "parameter",
        "bounds",
        "levels",
        "is_monotone",
        "positive",
        "step_scale",
    ),
    defaults=(None, 0.0, (0.0, 1.0), (0.5,), False, None, None),
    module="fastmlp._core.network",
)


cdef class Network:
    """Sizes, activations and loss of a multi-layer perceptron.

    Parameters
    ----------
    units : sequence of int
        Number of inputs, of units of each hidden layer, and of outputs.
    activations : sequence of (str or object, float)
        Name and parameter of the activation of each hidden layer; one of the user is an
        object with the attribute ``function``, a Function.
    loss : str or Objective
        Name of a loss, which implies the output activation, or all about it.
    fit_intercept : bool
        Whether training changes the intercepts.
    loss_function : Function or None
        A loss of the user that takes the place of the named one; the output activation
        stays.
    """

    def __init__(
        self, units, activations, loss, fit_intercept=True,
        Function loss_function=None,
    ):
        units = tuple(int(n) for n in units)
        if max(units) > MOST_UNITS:
            raise ValueError(
                f"a layer may have at most {MOST_UNITS} units, got {max(units)}"
            )
        sizes = [fan_in * fan_out for fan_in, fan_out in zip(units, units[1:])]
        if sum(sizes) + sum(units) > MOST_PARAMS:
            raise ValueError(
                f"a network may have at most {MOST_PARAMS} weights, got {sum(sizes)} "
                f"for layers of {list(units)} units"
            )
        n_layers = len(sizes)
        width = np.array(units, dtype=np.intp)
        ends = np.cumsum([0, *sizes, *units[1:]], dtype=np.intp)
        functions = [getattr(name, "function", None) for name, _ in activations]
        activation = np.array(
            [
                activation_names.index(name) if function is None else 0
                for (name, _), function in zip(activations, functions)
            ],
            dtype=np.intc,
        )
        by_input = np.array(
            [name in activations_by_input for name, _ in activations], dtype=np.intc
        )
        parameter = np.array([p for _, p in activations], dtype=np.float64)
        addresses = np.array(list(map(address_of_function, functions)), dtype=np.uintp)
        self.units = units
        self.owners = (width, ends, activation, by_input, parameter, addresses)
        functions.append(loss_function)
        self.functions = tuple(f for f in functions if f is not None)
        self.has_python = any([f.is_python for f in self.functions])
        self.c.n_layers = n_layers
        self.c.n_outputs = units[n_layers]
        self.c.n_coefs = sum(sizes)
        self.c.n_params = self.c.n_coefs + sum(units[1:])
        self.c.n_trainable = self.c.n_params if fit_intercept else self.c.n_coefs
        self.c.width = <const ptrdiff_t *> address_of(width, np.intp)
        self.c.coef_offset = <const ptrdiff_t *> address_of(ends, np.intp)
        self.c.intercept_offset = &self.c.coef_offset[self.c.n_layers]
        self.c.activation = <const int *> address_of(activation, np.intc)
        self.c.by_input = <const int *> address_of(by_input, np.intc)
        self.c.parameter = <const double *> address_of(parameter, np.float64)
        self.c.function = <const size_t *> address_of(addresses, np.uintp)
        self.c.loss_function = NULL
        if loss_function is not None:
            self.c.loss_function = &loss_function.c

        self.set_objective(Objective(loss) if isinstance(loss, str) else loss)

    def set_objective(self, objective):
        """Take over the loss and its parameters."""
        loss, output, parameter, bounds, levels, is_monotone = objective[:6]
        positive, step_scale = objective.positive, objective.step_scale
        output = loss_outputs[loss] if output is None else output
        n_outputs = self.c.n_outputs
        levels = np.array(levels, dtype=np.float64)
        group = {"quantile": len(levels), "gaussian_nll": 2}.get(loss, 1)
        if not 0 < len(levels) <= max_levels or n_outputs % group:
            raise ValueError(f"{n_outputs} outputs do not fit {objective}")
        self.loss, self.objective = loss, objective
        is_class_number = loss in ("log_loss", "focal")
        self.n_targets = 1 if is_class_number else n_outputs // group
        self.c.objective.loss = <fm_loss> (<int> loss_names.index(loss))
        self.c.objective.output = <fm_output> (<int> output_names.index(output))
        self.c.objective.parameter = parameter
        self.c.objective.low, self.c.objective.high = bounds
        self.c.objective.levels = <const double *> address_of(levels, np.float64)
        self.c.objective.n_levels = len(levels)
        self.c.objective.is_monotone = is_monotone
        self.c.objective.positive = NULL
        if positive is not None:
            positive = np.array(positive, dtype=np.float64)
            if not loss.startswith("binary") or positive.shape != (n_outputs,):
                raise ValueError("positive needs one weight per binary output")
            self.c.objective.positive = <const double *> address_of(
                positive, np.float64
            )
        self.c.objective.step_scale = NULL
        if step_scale is not None:
            step_scale = np.array(step_scale, dtype=np.float64)
            if not is_monotone or step_scale.shape != (self.n_targets,):
                raise ValueError("step_scale needs one unit per target of quantiles")
            self.c.objective.step_scale = <const double *> address_of(
                step_scale, np.float64
            )
        self.owners += (levels, positive, step_scale)

    @property
    def output(self):
        """Name of the output activation."""
        return output_names[self.c.objective.output]

    @property
    def n_params(self):
        """Length of the flat vector of coefficients and intercepts."""
        return self.c.n_params

    @property
    def n_trainable(self):
        """How many of them, from the start, training changes."""
        return self.c.n_trainable

    def split(self, flat):
        """Views of a flat vector: the list of coefs and the list of intercepts."""
        coefs, intercepts = [], []
        cdef Py_ssize_t i, start, size
        for i in range(self.c.n_layers):
            fan_in, fan_out = self.c.width[i], self.c.width[i + 1]
            start = self.c.coef_offset[i]
            size = fan_in * fan_out
            coefs.append(flat[start : start + size].reshape(fan_in, fan_out))
            start = self.c.intercept_offset[i]
            intercepts.append(flat[start : start + fan_out])
        return coefs, intercepts

    def has_large_weights(self, dtype):
        """Whether those of a layer leave no room for much else in L2."""
        largest = max(a * b for a, b in zip(self.units, self.units[1:]))
        return largest * dtype.itemsize > LARGE_WEIGHTS

    def block_rows(self, batch_size, dtype):
        """Rows of a block: as many as keep the activations in cache."""
        fitting = CACHE_SHARE // (sum(self.units) * dtype.itemsize)
        brief = int(BLOCK_WORK / (6 * self.c.n_coefs)) // SUM_ROWS * SUM_ROWS
        rows = max(MIN_BLOCK, min(MAX_BLOCK, fitting // 16 * 16))
        return min(batch_size, max(SUM_ROWS, min(rows, brief)))


class CastRows:
    """Rows of a float64 array that are read as float32, batch by batch.

    Parameters
    ----------
    source : C-contiguous ndarray of float64, of shape (n_samples, n_features)
        For example a memory-mapped one, larger than memory.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, source):
        self.source = source
        self.shape = source.shape

    def __len__(self):
        return len(self.source)

    def __getitem__(self, rows):
        return self.source[rows].astype(self.dtype)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.source, dtype=dtype or self.dtype)


cdef class Data:
    """Rows to train on or to predict, with their targets and weights.

    Parameters
    ----------
    X : C-contiguous ndarray, CastRows or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_targets), or (n_samples, 1) class numbers for
        log_loss and focal, or None
    sample_weight : ndarray of shape (n_samples,) or None
        All in the same dtype, float32 or float64; nothing is copied but CSR indices.
    """

    def __init__(self, X, y=None, sample_weight=None):
        self.n_samples, self.c.n_features = X.shape
        self.dtype = X.dtype
        self.c.is_float32 = X.dtype == np.float32
        if not self.c.is_float32 and X.dtype != np.float64:
            raise TypeError(f"expected float32 or float64, got {X.dtype}")
        self.c.is_sparse = issparse(X)
        if self.c.is_sparse:
            indices = np.ascontiguousarray(X.indices, dtype=np.intp)
            indptr = np.ascontiguousarray(X.indptr, dtype=np.intp)
            self.c.indices = <const ptrdiff_t *> address_of(indices, np.intp)
            self.c.indptr = <const ptrdiff_t *> address_of(indptr, np.intp)
            X = X.data
            self.owners = (indices, indptr, y, sample_weight)
        else:
            self.owners = (y, sample_weight)
        self.c.is_wide = isinstance(X, CastRows)
        self.values = X.source if self.c.is_wide else X
        self.c.x = <const void *> address_of(self.values, self.values.dtype)
        if y is not None:
            self.targets = y
            self.c.y = <const void *> address_of(y, self.dtype)
            self.n_targets, self.c.y_width = y.shape
        if sample_weight is not None:
            if sample_weight.shape != (self.n_samples,):
                raise ValueError("one weight per row is needed")
            self.c.w = <const void *> address_of(sample_weight, self.dtype)

    def work_per_row(self, units):
        """Floating-point operations that training on one row takes, about."""
        products = sum(fan_in * fan_out for fan_in, fan_out in zip(units, units[1:]))
        if self.c.is_sparse:
            stored = self.values.size / max(self.n_samples, 1)
            products += (stored - units[0]) * units[1]
        return 6.0 * products + 20.0 * sum(units)


cdef class Layers:
    """Addresses of the weight matrices and intercepts of a network."""

    def __init__(self, coefs, intercepts, dtype):
        coef = np.array([address_of(w, dtype) for w in coefs], dtype=np.uintp)
        intercept = np.array([address_of(b, dtype) for b in intercepts], dtype=np.uintp)
        self.owners = (coef, intercept, tuple(coefs), tuple(intercepts))
        self.c.coef = <const size_t *> address_of(coef, np.uintp)
        self.c.intercept = <const size_t *> address_of(intercept, np.uintp)


def _allocate(sizes):
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
    memory = np.empty((n_lines + 1) * LINE, dtype=np.uint8)
    start = int(address_of(memory, np.uint8))
    start += -start % LINE
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
        Whether there is a backward pass, which needs the transposed weights too.
    dropout : sequence of float
        Rates of the inputs of each layer; what they leave stands beside them.
    """

    def __init__(
        self, Network net, Data data, n_rows, n_threads=1, with_deltas=False, dropout=()
    ):
        real = data.dtype.itemsize
        n_layers = net.c.n_layers
        n_slots = -(-n_rows // SUM_ROWS) if with_deltas else 0
        n_intercepts = net.c.n_params - net.c.n_coefs
        has_loss = net.c.loss_function != NULL and with_deltas
        dropped = [layer for layer, rate in enumerate(dropout) if layer and rate]
        for function in net.functions:
            function.check(data.dtype, with_deltas)
        is_own = [net.c.function[i] != 0 for i in range(n_layers - 1)]
        keeps_z = [
            is_own[i] or (with_deltas and net.c.by_input[i])
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
        memory, at = _allocate({
            "a": [0 if data.c.is_sparse else real * values[0]]
            + [real * n for n in values[1:]],
            "delta": [real * values[i] * with_deltas for i in hidden],
            "z": [real * values[i] * keeps_z[i - 1] for i in hidden],
            "transposed": [
                real * stride[i] * net.units[i + 1] * with_deltas for i in hidden
            ],
            "y": [real * n_rows * data.c.y_width],
            "w": [real * n_rows],
            "intercept_grads": [real * n_slots * n_intercepts],
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
        delta = [0, *at["delta"], a[n_layers]]
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
        self.c.transposed = self.keep([0, *at["transposed"]])
        self.c.stride = <const ptrdiff_t *> address_of(strides, np.intp)
        self.c.x = a[0]
        self.c.y, self.c.w = at["y"][0], at["w"][0]
        self.c.intercept_grads = at["intercept_grads"][0]
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
