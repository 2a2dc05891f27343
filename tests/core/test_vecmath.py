"""Elementary functions: errors in ulp against wider precision, special values."""

from functools import cache

import numpy as np
import pytest

from fastmlp._core import kernels, testing

MAX_ULP = {"exp": 1, "gelu": 4, "silu": 4, "mish": 4}
DEFAULT_MAX_ULP = 2
PI = "3.14159265358979323846264338327950288"


def logistic(x):
    t = np.exp(-np.abs(x))
    return np.where(x < 0, t, 1) / (1 + t)


def normal_tail(t):
    """exp(t^2 / 2) (1 - Phi(t)) for t >= 0, to the precision of its argument

    Phi(t) - 1/2 = phi(t) (t + t^3 / 3 + t^5 / (3 5) + ..) near 0, else the continued
    fraction of Laplace (Abramowitz and Stegun 26.2.10, 26.2.14).
    """
    phi = 1 / np.sqrt(2 * np.longdouble(PI)).astype(t.dtype)
    near = np.minimum(t, 2)
    term = total = near
    for k in range(3, 79, 2):
        term = term * near * near / k
        total = total + term
    near = np.exp(near * near / 2) / 2 - phi * total
    far = np.maximum(t, 2)
    fraction = far
    for k in range(140, 0, -1):
        fraction = far + k / fraction
    return np.where(t < 2, near, phi / fraction)


def gelu(x):
    t = np.abs(x)
    t = np.minimum(t, 45)
    head = t.astype(np.float32).astype(t.dtype)  # its square is exact
    bell = np.exp(-head * head / 2) * np.exp(-(t - head) * (t + head) / 2)
    tail = t * bell * normal_tail(t)
    return np.where(x < 0, -tail, x - tail)


def silu(x):
    return np.where(x < 0, np.maximum(x, -800), x) * logistic(x)


def mish(x):
    t = np.exp(-np.abs(x))
    u = t * (t + 2)
    tanh = np.where(x < 0, u / (u + 2), (1 + 2 * t) / (1 + 2 * t + 2 * t * t))
    return np.where(x < 0, np.maximum(x, -800), x) * tanh


WIDE = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "logistic": logistic,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "gelu": gelu,
    "silu": silu,
    "mish": mish,
}


def wide_type(dtype):
    """A type whose own errors are far below one ulp of dtype."""
    return np.dtype(np.float64 if dtype == np.float32 else np.longdouble)


def core(name, x):
    out = np.empty_like(x)
    testing.math(name, x, out)
    return out


def wide(name, x):
    with np.errstate(all="ignore"):  # overflow, and logarithms of what has none
        return WIDE[name](x.astype(wide_type(x.dtype)))


@cache
def samples(name, dtype):
    """Arguments for the whole range, and the exact results."""
    rng = np.random.default_rng(0)
    span, n = (105 if dtype == np.float32 else 750), 250_000
    any_bits = np.frombuffer(rng.bytes(n * dtype.itemsize), dtype=dtype)
    sizes = np.exp(rng.uniform(-30, 5, n)) * rng.choice([-1, 1], n)
    edges = [0.0, -0.0, 1.0, -1.0, np.finfo(dtype).max, np.finfo(dtype).min]
    parts = [rng.uniform(-span, span, n), rng.uniform(-9, 9, n), sizes, edges]
    parts.append(rng.uniform(-7, -2.5, n))  # where the tail of gelu rounds most
    x = np.concatenate([np.array(p, dtype=dtype) for p in parts] + [any_bits])
    return x, wide(name, x)


def check_ulp(name, x, exact):
    out = core(name, x)
    with np.errstate(all="ignore"):
        rounded = exact.astype(x.dtype)
        ulp = np.spacing(np.maximum(np.abs(rounded), np.finfo(x.dtype).tiny))
        error = np.abs(out - exact) / ulp
    special = ~np.isfinite(rounded)
    np.testing.assert_array_equal(out[special], rounded[special])
    error[special] = 0
    worst = error.argmax()  # the first NaN, if there is one
    assert error[worst] <= MAX_ULP.get(name, DEFAULT_MAX_ULP), (
        f"{name}({x[worst]!r}) = {out[worst]!r} is {error[worst]:.3f} ulp off, "
        f"isa {kernels.isa}"
    )


@pytest.mark.parametrize("name", kernels.math_names)
def test_error_in_ulp(name, dtype, isa):
    if np.finfo(wide_type(dtype)).eps > np.finfo(dtype).eps / 64:
        pytest.skip("long double is no wider than double here")
    check_ulp(name, *samples(name, dtype))


@pytest.mark.long
@pytest.mark.parametrize("name", kernels.math_names)
def test_every_float32(name, chosen_isa):
    chunk = np.arange(2**16, dtype=np.uint32)  # fits the cache
    for start in range(0, 2**32, len(chunk)):
        x = (chunk + np.uint32(start)).view(np.float32)
        exact = wide(name, x)
        for isa in kernels.available_isas:
            kernels.use_isa(isa)
            check_ulp(name, x, exact)


INF, NAN = np.inf, np.nan
LIKE_RELU = [
    (0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -0.0), (1e4, 1e4), (-1e4, -0.0),
]  # fmt: skip
# name: (x, f(x)) that hold to the bit, signs of zeros included
SPECIAL = {
    "exp": [(0.0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (1e4, INF), (-1e4, 0)],
    "expm1": [
        (0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1), (1e4, INF), (-1e4, -1),
    ],
    "log1p": [
        (0.0, 0.0), (-0.0, -0.0), (INF, INF), (-1, -INF), (-1.5, NAN), (-1e4, NAN),
        (-INF, NAN),
    ],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1), (-INF, -1), (1e4, 1), (-1e4, -1)],
    "logistic": [
        (0.0, 0.5), (-0.0, 0.5), (INF, 1), (-INF, 0), (1e4, 1), (-1e4, 0),
    ],
    "softplus": [(INF, INF), (-INF, 0), (1e4, 1e4), (-1e4, 0)],
    "gelu": LIKE_RELU,
    "silu": LIKE_RELU,
    "mish": LIKE_RELU,
}  # fmt: skip


@pytest.mark.parametrize("name", kernels.math_names)
def test_special_values(name, dtype, isa):
    x, expected = np.array([*SPECIAL[name], (NAN, NAN)], dtype=dtype).T
    # one by one for the tail of the loop, 16 times over for its vector body
    for times in (1, 16):
        for value, f in zip(x, expected):
            out = core(name, np.full(times, value))
            np.testing.assert_array_equal(out, f, err_msg=f"{name}({value})")
            if not np.isnan(f):
                np.testing.assert_array_equal(np.signbit(out), np.signbit(f))
        np.testing.assert_array_equal(
            core(name, np.tile(x, times)), [*expected] * times
        )


@pytest.mark.parametrize("name", kernels.math_names)
def test_subnormals(name, dtype, isa):
    info = np.finfo(dtype)
    size = np.geomspace(info.smallest_subnormal, info.tiny, 99).astype(dtype)
    x = np.concatenate([size, -size])
    check_ulp(name, x, wide(name, x))
    if name in ("exp", "logistic"):  # f(0) is the rounded value of f near 0
        np.testing.assert_array_equal(core(name, x), core(name, np.zeros(1, dtype))[0])


def test_reference_of_gelu():
    # two formulas that share nothing, in the middle of their ranges and where they meet
    from scipy.special import log_ndtr

    t = np.linspace(0, 12, 500)
    known = np.exp(log_ndtr(-t) + t * t / 2)
    np.testing.assert_allclose(normal_tail(t.astype(np.longdouble)), known, rtol=1e-13)
    at_two = normal_tail(np.nextafter(np.longdouble(2), [np.longdouble(1), 3]))
    np.testing.assert_allclose(at_two[0], at_two[1], rtol=1e-18)


def test_tanh_near_zero(dtype, isa):
    # The formula at hand, 2 / (1 + exp(-2 x)) - 1, has no correct digit left there.
    x = np.geomspace(1e-30, 1e-3, 200, dtype=dtype)
    x = np.concatenate([x, -x])
    exact = wide("tanh", x)
    with np.errstate(under="ignore"):
        naive = 2 / (1 + np.exp(-2 * x)) - 1
        assert np.max(np.abs(naive / exact - 1)) > 0.5
        error = np.max(np.abs(core("tanh", x) / exact - 1))
    assert error <= 2 * np.finfo(dtype).eps
