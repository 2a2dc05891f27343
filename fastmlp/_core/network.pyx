# The network and its data: sizes, addresses and memory; block.pyx computes with them.
#
# a) Precision: classes and structs are free of it.  Numbers live in NumPy arrays whose
#    addresses are kept; the fused functions cast them once per block.
# b) Layers are addressed one by one, so prediction reads the arrays of coefs_;
#    during training the addresses point into one flat vector: all coefficients, then
#    all intercepts (scikit-learn's packing order), then slopes and input stage, if any.

from collections import namedtuple

import numpy as np
from scipy.sparse import issparse

from fastmlp._core.addresses cimport address_of
from fastmlp._core.custom cimport Function
from fastmlp._core.kernels cimport (
    FM_AS_USUAL,
    FM_BY_ROWS,
    FM_SOON,
    advise_pages,
    fm_advice,
    fm_loss,
    fm_output,
)
from fastmlp._core.stage cimport InputStage

from fastmlp._core.kernels import (
    activation_names,
    activations_by_input,
    loss_names,
    loss_outputs,
    max_levels,
    output_names,
    parametric_activations,
)

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


# The objective: the name of a loss and of the output activation (None for its own),
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
        Name and parameter of the activation of each hidden layer; a user-defined one is
        an object with the attribute ``function``, a Function.
    loss : str or Objective
        Name of a loss, which implies the output activation, or all about it.
    fit_intercept : bool
        Whether training changes the intercepts.
    loss_function : Function or None
        A user-defined loss that takes the place of the named one; the output activation
        stays.
    has_slopes : bool
        Whether each hidden unit has a learnt slope p: z + p (f(z) - z), not f(z).
    stage : InputStage or None
        The maker of the inputs of the first layer from encoded rows.
    """

    def __init__(
        self, units, activations, loss, fit_intercept=True,
        Function loss_function=None, *, bint has_slopes=False, InputStage stage=None,
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
        if stage is not None and stage.n_outputs != units[0]:
            raise ValueError("the stage needs an output for each input of the network")
        names = {name for name, _ in activations}
        if has_slopes and not names <= set(parametric_activations):
            raise ValueError(f"slopes need activations of {parametric_activations}")
        slopes = ends[len(sizes) + n_layers] + np.cumsum(
            [0, *units[1:n_layers]], dtype=np.intp
        )
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
        self.units, self.activations = units, tuple(activations)
        self.owners = (width, ends, activation, by_input, parameter, addresses, slopes)
        functions.append(loss_function)
        self.functions = tuple(f for f in functions if f is not None)
        self.has_python = any([f.is_python for f in self.functions])
        self.c.n_layers = n_layers
        self.c.n_outputs = units[n_layers]
        self.c.n_coefs = sum(sizes)
        self.c.n_sums = sum(units[1:]) + sum(units[1:n_layers]) * has_slopes
        self.c.n_params = self.c.n_coefs + self.c.n_sums
        self.stage, self.c.has_slopes = stage, has_slopes
        self.c.slope_offset = <const ptrdiff_t *> address_of(slopes, np.intp)
        if stage is not None:
            self.c.stage = stage.c
            self.c.n_params += stage.n_params
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

    def slopes(self, flat):
        """Views of a flat vector: the slopes of each hidden layer, () without them."""
        if not self.c.has_slopes:
            return ()
        starts = [self.c.slope_offset[i] for i in range(self.c.n_layers - 1)]
        widths = self.units[1 : self.c.n_layers]
        return tuple(flat[at : at + n] for at, n in zip(starts, widths))

    def stage_weights(self, flat):
        """A view of a flat vector: the weights of the input stage."""
        return flat[self.c.n_coefs + self.c.n_sums :]

    def layers(self, flat):
        """The Layers of a flat vector, whose changes they see."""
        return Layers(
            *self.split(flat), flat.dtype, self.slopes(flat), self.stage_weights(flat)
        )

    def has_large_weights(self, dtype):
        """Return whether those of a layer leave no room for much else in L2."""
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

    def ask_for(self, Py_ssize_t first, Py_ssize_t stop):
        """Let the system read dense rows that may be on disk, while others are used."""
        if not 0 <= first <= stop <= self.n_samples:
            raise ValueError(f"there are no rows {first} to {stop}")
        self.advise(first, stop, FM_SOON)

    def expect(self, bint is_random):
        """Say whether rows that were not asked for come alone or with their neighbours.

        In place of a few that are missing the system would read megabytes.
        """
        self.advise(0, self.n_samples, FM_BY_ROWS if is_random else FM_AS_USUAL)

    cdef advise(self, Py_ssize_t first, Py_ssize_t stop, fm_advice advice):
        """Tell the system how some dense rows will be read."""
        cdef Py_ssize_t size
        if not self.c.is_sparse:
            size = self.c.n_features * self.values.itemsize
            advise_pages(
                <const char *> self.c.x + first * size, (stop - first) * size, advice
            )

    def work_per_row(self, units):
        """Floating-point operations that training on one row takes, about."""
        products = sum(fan_in * fan_out for fan_in, fan_out in zip(units, units[1:]))
        if self.c.is_sparse:
            stored = self.values.size / max(self.n_samples, 1)
            products += (stored - units[0]) * units[1]
        return 6.0 * products + 20.0 * sum(units)


cdef class Layers:
    """Addresses of the weight matrices and intercepts of a network.

    Parameters
    ----------
    coefs, intercepts : list of C-contiguous ndarray
        Rows of the coefs may be longer than the layer is wide (``padded_rows``) where
        ``forward`` alone reads them, for dense rows.
    dtype : dtype
    slopes : sequence of ndarray
        Of the hidden layers, if they have slopes.
    stage : ndarray or None
        The weights of the input stage, if there is one.
    """

    def __init__(self, coefs, intercepts, dtype, slopes=(), stage=None):
        coef = np.array([address_of(w, dtype) for w in coefs], dtype=np.uintp)
        intercept = np.array([address_of(b, dtype) for b in intercepts], dtype=np.uintp)
        slope = np.array([address_of(p, dtype) for p in slopes], dtype=np.uintp)
        stride = np.array([w.shape[1] for w in coefs], dtype=np.intp)
        weights = (tuple(coefs), tuple(intercepts), tuple(slopes), stage)
        self.owners = (coef, stride, intercept, slope, weights)
        self.c.slope = <const size_t *> address_of(slope, np.uintp)
        self.c.stage = 0 if stage is None else address_of(stage, dtype)
        self.c.coef = <const size_t *> address_of(coef, np.uintp)
        self.c.coef_stride = <const ptrdiff_t *> address_of(stride, np.intp)
        self.c.intercept = <const size_t *> address_of(intercept, np.uintp)
