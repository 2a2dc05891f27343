"""Functions and matrix products, for each instruction set and as in NumPy and SciPy."""

import numpy as np
import pytest
from cells import DTYPES
from scipy.special import expit

from fastmlp._core import kernels, testing

N = 20_000  # a batch of 200 rows at 100 units: within the second-level cache
REFERENCES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "logistic": expit,
    "softplus": lambda x, out: np.logaddexp(0, x, out=out),
}


@pytest.fixture
def values(name, dtype):
    """Arguments as they occur in a network, and room for the results."""
    x = np.random.RandomState(0).uniform(-4, 4, size=N)
    if name == "log1p":
        x = np.exp(x)
    x = x.astype(dtype)
    return x, np.empty_like(x)


@pytest.fixture
def use_isa():
    """The switch of the instruction set, undone at the end."""
    before = kernels.isa
    yield kernels.use_isa
    kernels.use_isa(before)


@pytest.mark.parametrize("isa", [*kernels.available_isas, "numpy and scipy"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", kernels.math_names)
def test_math(per_unit, benchmark, values, use_isa, name, dtype, isa):
    benchmark.group = f"{name}, {dtype}, {N} elements"
    x, out = values
    if isa in kernels.available_isas:
        use_isa(isa)
        call = (testing.math, name, x, out)
    elif name in REFERENCES:
        call = (REFERENCES[name], x, out)
    else:
        pytest.skip("NumPy and SciPy have no such function")
    per_unit(
        *call,
        units=N,
        unit="ns per element",
        rounds=200,
        iterations=5,
        warmup_rounds=20,
    )
    assert np.isfinite(out).all()


# rows, fan_in, fan_out of a batch and a layer
SHAPES = [(32, 64, 64), (200, 100, 10), (200, 100, 100), (256, 256, 256)]
SHAPES += [(512, 512, 512), (1024, 1024, 1024)]
PRODUCTS = {"forward": False, "weights": True}  # whether the first factor is transposed


@pytest.mark.parametrize("kind", ["own", "BLAS"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_product(per_unit, benchmark, shape, product, dtype, kind):
    """X W and X^T delta; BLAS with the threads it is given.

    The third product of a step, delta W^T, is one of the first kind, since the core
    keeps the transposed weights.
    """
    rows, fan_in, fan_out = shape
    x, w, delta = (
        np.random.RandomState(0).normal(size=size).astype(dtype)
        for size in ((rows, fan_in), (fan_in, fan_out), (rows, fan_out))
    )
    b, c = (w, delta) if product == "forward" else (delta, w)
    operations = 2 * rows * fan_in * fan_out
    benchmark.group = f"{product} product, {dtype}, {shape}"
    args = (PRODUCTS[product], x, b)
    if kind == "own":
        call = (testing.product, *args, None, np.empty_like(c))
        call = (*call, testing.product_work(np.dtype(dtype)))
    else:
        call = (testing.gemm, *args, 0.0, np.empty_like(c))
    per_unit(
        *call,
        units=operations / 1000,
        unit="ns per 1000 operations",
        rounds=20,
        iterations=max(1, int(1e7 / operations)),
        warmup_rounds=3,
    )
