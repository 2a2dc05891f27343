"""A network on its way through the operations of another framework.

A signal is what the rows of the input have become: the outputs of a layer, and what was
done to them since then. The latter is kept in several readings, after(f(before(z))),
with a function f of one number and two maps of the columns to scale * z + shift, since
only what follows tells where an activation begins and ends: 0.5 z is a scaling, unless
it becomes 0.5 z (1 + erf(z / sqrt(2))). At the next layer the reading is taken whose f
is an activation; ``before`` goes into the weights of the layer before, ``after`` into
those of the layer behind.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastmlp._core.kernels import activation_names
from fastmlp._mlp.pipeline import LARGEST_ROUNDING
from fastmlp.export._recognition import POINTS, recognised

_MOST_READINGS = 12
# The output activations that may come before a head, or end the network without one.
_OUTPUTS = {
    None: ("identity", "logistic", "exp"),
    "softmax": ("identity",),
    "binary": ("logistic",),
}
ANY = object()  # the shape of rows that no one has told yet


class RefusedError(Exception):
    """An operation that an MLP lacks; the text says why."""


class UnknownFunctionError(RefusedError):
    """The function on the outputs of a layer is no activation."""


class Affine(NamedTuple):
    """The map of columns from z to scale * z + shift, by numbers or vectors."""

    scale: Any
    shift: Any

    def then(self, scale, shift):
        """The map that applies this one first."""
        return Affine(self.scale * scale, self.shift * scale + shift)


_NOTHING = Affine(1.0, 0.0)


class _Reading(NamedTuple):
    """after(f(before(z))), with the values of f at the points."""

    before: Affine
    values: np.ndarray
    after: Affine

    @property
    def is_line(self):
        """Return whether f is the identity."""
        return self.values is POINTS


class _Layer(NamedTuple):
    """A layer, the one before it, and its activation once that is known."""

    previous: _Layer | None
    coef: np.ndarray
    intercept: np.ndarray
    is_double: bool
    activation: Any = None


class Signal:
    """The rows of the input, as the nodes so far have changed them.

    Parameters
    ----------
    shape : tuple of int or ANY
        The axes behind that of the rows: (n_features,) for a matrix.
    n_rows : int or None
        Where the graph is made for a certain number of rows.
    is_half : bool
        Whether constants are as coarse as those of float16.
    layer : _Layer, default=None
        That whose outputs these are; None is the input.
    readings : list of _Reading
    head : {None, "softmax", "binary"}
        The last step, which ends a network: a softmax over the columns, or both
        probabilities out of one.
    """

    def __init__(
        self, shape, n_rows=None, is_half=False, layer=None, head=None, readings=None
    ):
        self.shape, self.n_rows, self.is_half = shape, n_rows, is_half
        self.layer, self.head = layer, head
        self._readings = readings or [_Reading(_NOTHING, POINTS, _NOTHING)]

    def _with(self, readings=None, **changes):
        """A signal with other readings or attributes."""
        names = ("shape", "n_rows", "is_half", "layer", "head")
        kept = {name: getattr(self, name) for name in names}
        return Signal(**{**kept, "readings": readings or self._readings, **changes})

    @property
    def n_numbers(self):
        """Numbers that this signal holds for itself."""
        maps = [m for r in self._readings for m in (*r.before, *r.after)]
        return sum(map(np.size, maps))

    @property
    def is_comparison(self):
        """Return whether this is true or false."""
        return self._readings[0].values.dtype == bool

    def reshaped(self, shape):
        """The same numbers in another shape."""
        return self if shape == self.shape else self._with(shape=shape)

    def _check_is_no_head(self):
        if self.head is not None:
            raise RefusedError(
                "it follows the output activation, which must be the last"
            )

    def affine(self, scale, shift):
        """Map z to scale * z + shift, by numbers or by vectors with one a column."""
        self._check_is_no_head()
        if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
            raise RefusedError("its constants must be finite")
        is_scalar = np.ndim(scale) == 0 and np.ndim(shift) == 0
        if is_scalar and (scale, shift) == _NOTHING:
            return self
        whole, partial = [], []
        for reading in self._readings:
            before, values, after = reading
            if reading.is_line:
                whole.append(_Reading(before.then(scale, shift), POINTS, _NOTHING))
            else:
                partial.append(_Reading(before, values, after.then(scale, shift)))
            if is_scalar and after is _NOTHING:
                with np.errstate(all="ignore"):
                    absorbed = scale * values.astype(float) + shift
                whole.append(_Reading(before, absorbed, _NOTHING))
        return self._with((whole + partial)[:_MOST_READINGS])

    def by_column(self, array):
        """A constant as a float, or as a vector with one number for each column.

        Parameters
        ----------
        array : ndarray
            As NumPy's broadcasting takes it beside the rows.
        """
        if array.dtype.kind not in "fiub":
            raise RefusedError(f"its constant has the dtype {array.dtype}")
        size, shape = array.size, self.shape
        n_axes = 2 if shape is ANY else 1 + len(shape)
        is_row = array.ndim <= n_axes and size == math.prod(array.shape[1 - n_axes :])
        n_columns = size if shape is ANY else math.prod(shape)
        is_same = size and is_row and bool((array == array.flat[0]).all())
        if is_same and size in (1, n_columns):
            return np.float64(array.flat[0])
        if not is_row or size != n_columns or size == 0 or n_axes == 1:
            raise RefusedError(
                f"its constant of shape {array.shape} does not have one number for "
                "each column"
            )
        return array.astype(np.float64).ravel()

    def _plain(self):
        """Readings that end with f, by their first map."""
        return {id(r.before): r for r in self._readings if r.after is _NOTHING}

    def dense(self, coef, intercept):
        """The outputs of a layer.

        Parameters
        ----------
        coef : ndarray of shape (fan_in, fan_out)
        intercept : ndarray of shape (fan_out,)
        """
        self._check_is_no_head()
        if self.shape is not ANY and self.shape != coef.shape[:1]:
            raise RefusedError(
                f"its weights of shape {coef.shape} do not fit rows of shape "
                f"{self.shape}"
            )
        is_double = coef.dtype == np.float64
        finished, after = self._finished(activation_names)
        if finished is None:
            # Raw numbers as large as the mean lose digits that the scale divides.
            rounding = np.abs(after.shift).max() * np.finfo(np.float32).eps
            is_double |= bool(rounding > LARGEST_ROUNDING)
        if after is not _NOTHING:
            scale, shift = np.broadcast_arrays(*after, coef[:, 0])[:2]
            intercept = intercept + shift.astype(np.float64) @ coef
            coef = scale[:, None].astype(np.float64) * coef
        layer = _Layer(finished, coef, intercept, is_double)
        return Signal(coef.shape[1:], self.n_rows, self.is_half, layer)

    def softmax(self):
        """Softmax, or its logarithm, over the columns."""
        self._check_is_no_head()
        if self.shape is ANY or len(self.shape) != 1:
            raise RefusedError(f"a softmax takes a matrix of rows, not {self.shape}")
        return self._with(head="softmax")

    def with_rest(self, rest):
        """Both probabilities of two classes; ``rest`` must be 1 minus this signal."""
        self._check_is_no_head()
        if self.layer is not rest.layer or (self.shape, rest.shape) != ((1,), (1,)):
            raise RefusedError("it joins the outputs of branches")
        for key, (_, values, _) in rest._plain().items():
            mine = self._plain().get(key)
            if mine is not None and np.allclose(values, 1 - mine.values, 0, 1e-12):
                return self._with([mine], shape=(2,), head="binary")
        raise RefusedError("it joins columns that are not 1 - p and p")

    def _finished(self, names):
        """The layer with its activation, and the map that the next one has to take."""
        if self.layer is None:
            return None, self._readings[0].before
        # First the bare function, then with a map before it, then with one behind it.
        for before, values, after in sorted(
            self._readings,
            key=lambda r: (r.after is not _NOTHING, r.before is not _NOTHING),
        ):
            found = recognised(values, names, self.is_half)
            if found is not None:
                previous, coef, intercept, is_double, _ = self.layer
                if before is not _NOTHING:
                    intercept = intercept.astype(np.float64)
                    intercept = before.scale * intercept + before.shift
                    coef = coef.astype(np.float64) * before.scale
                return _Layer(previous, coef, intercept, is_double, found), after
        raise UnknownFunctionError(
            "with it, what is done to the outputs of the layer is none of the "
            f"activations {', '.join(names)}"
        )

    def finished(self):
        """The network that ends here.

        Returns
        -------
        coefs, intercepts : list of ndarray
            In float32, or in float64 if a layer is in it or needs it.
        activations : list of str or tuple
        output : {None, "logistic", "softmax", "exp"}
        """
        if self.layer is None:
            raise RefusedError("no layer leads to the output")
        last, after = self._finished(_OUTPUTS[self.head])
        if after is not _NOTHING:
            raise RefusedError(f"the output activation {last.activation} is scaled")
        layers = [last]
        while layers[-1].previous is not None:
            layers.append(layers[-1].previous)
        layers.reverse()
        output = "softmax" if self.head == "softmax" else last.activation
        dtype = np.float64 if any(layer.is_double for layer in layers) else np.float32
        return (
            [np.array(layer.coef, dtype, order="C") for layer in layers],
            [np.array(layer.intercept, dtype) for layer in layers],
            [layer.activation for layer in layers[:-1]],
            None if output == "identity" else output,
        )


def elementwise(function, args):
    """A function of numbers, applied to signals and constants element by element.

    Parameters
    ----------
    function : callable
    args : list of Signal or float
        At least one signal; constants are the same for all columns.
    """
    signals = [arg for arg in args if isinstance(arg, Signal)]
    first = signals[0]
    for signal in signals:
        signal._check_is_no_head()
        if signal.layer is not first.layer or signal.shape != first.shape:
            raise RefusedError("it joins what comes from different layers or shapes")
    if first.layer is None:
        raise RefusedError("it is an activation before the first layer")
    if any(np.ndim(arg) for arg in args if not isinstance(arg, Signal)):
        raise RefusedError(
            "inside an activation, its constants differ between the columns"
        )
    readings = []
    plain = [signal._plain() for signal in signals]
    for key, reading in plain[0].items():
        if not all(key in others for others in plain):
            continue
        values = iter(others[key].values for others in plain)
        with np.errstate(all="ignore"):
            made = function(
                *[next(values) if isinstance(arg, Signal) else arg for arg in args]
            )
        made = np.broadcast_to(made, POINTS.shape)
        if made.dtype != bool:
            made = made.astype(float)
        readings.append(_Reading(reading.before, made, _NOTHING))
    if not readings:
        raise RefusedError("columns are scaled between two activations without a layer")
    return first._with(readings)
