"""Fixtures shared by the tests."""

import copy
import os
import pickle
import signal

os.environ["SCIPY_ARRAY_API"] = "1"  # read by SciPy on import; one check asks for it
# Workers of pytest-xdist share the processors, which BLAS would take for each of them
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, share)))
# A shell starts its background jobs with Ctrl-C ignored, also for their children.
signal.signal(signal.SIGINT, signal.default_int_handler)

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from helpers import reference, reference_losses
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core import kernels, network


@pytest.fixture
def chosen_isa():
    """The instruction set in use, which a test may change."""
    before = kernels.isa
    yield before
    kernels.use_isa(before)


@pytest.fixture(params=kernels.available_isas)
def isa(request, chosen_isa):
    """Every instruction set of this machine in turn."""
    kernels.use_isa(request.param)
    return request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@dataclass
class Problem:
    """A network with random weights, and data for it."""

    units: tuple
    activation: list
    loss: object  # a name or an Objective
    X: object
    y: np.ndarray
    w: np.ndarray | None
    params: np.ndarray

    @property
    def network(self):
        return network.Network(self.units, self.activation, self.loss)

    @property
    def data(self):
        return network.Data(self.X, self.y, self.w)

    def wide(self):
        """coefs, intercepts, X, y, w as the reference takes them."""
        X, y = self.X.astype(np.float64), self.y.astype(np.float64)
        w = None if self.w is None else self.w.astype(np.float64)
        coefs, intercepts = reference.unpack(self.params.astype(np.float64), self.units)
        return coefs, intercepts, X, y, w


@pytest.fixture
def problem():
    """Makes problems: the values are the same for both dtypes, up to rounding."""

    def make(
        units, activation, loss, n_samples, dtype, is_sparse=False, weighted=False
    ):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(n_samples, units[0]))
        if is_sparse:
            X[rng.random(X.shape) < 0.6] = 0
            X[n_samples // 2] = 0  # an empty row
            X = sparse.csr_array(X)
        shape = (n_samples, units[-1])
        if isinstance(loss, str):
            y = {
                "squared_error": rng.normal(size=shape),
                "poisson": rng.poisson(1.5, size=shape),
                "binary_log_loss": rng.integers(2, size=shape),
                "log_loss": rng.integers(units[-1], size=(n_samples, 1)),
            }[loss]
        else:
            y = reference_losses.targets(rng, loss, n_samples, units[-1])
        w = rng.uniform(0.5, 3, size=n_samples).astype(dtype) if weighted else None
        coefs, intercepts = [], []
        for fan_in, fan_out in pairwise(units):
            coefs.append(rng.normal(scale=fan_in**-0.5, size=(fan_in, fan_out)))
            intercepts.append(rng.normal(scale=0.5, size=fan_out))
        params = reference.pack(coefs, intercepts)
        return Problem(
            units, activation, loss, X.astype(dtype), y.astype(dtype), w,
            params.astype(dtype),
        )  # fmt: skip

    return make


@cache
def _fitted(kind):
    """A fitted model of the data of ``wrong_calls``, with these."""
    from helpers.wrong_calls import X, Y  # which needs pandas

    model = MLPRegressor() if kind == "regressor" else MLPClassifier()
    model.set_params(hidden_layer_sizes=(5,), max_iter=5, random_state=0)
    with pytest.warns(ConvergenceWarning):
        return model.fit(X, Y), X


def _state(model):
    """All attributes, as bytes."""
    return {name: pickle.dumps(value) for name, value in vars(model).items()}


@pytest.fixture(params=["classifier", "regressor"])
def fitted(request):
    """A fitted model and a check that it is exactly as it was."""
    model, X = _fitted(request.param)
    model = copy.deepcopy(model)
    state, before = _state(model), model.predict(X)

    def unchanged():
        np.testing.assert_array_equal(model.predict(X), before)
        assert _state(model) == state

    return model, unchanged
