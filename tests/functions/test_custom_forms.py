"""The forms of a user-defined activation, and the errors about wrong ones."""

import ctypes

import numpy as np
import pytest
from helpers.custom_functions import (
    D_SQUARE,
    PARAMS,
    REAL,
    SQUARE,
    TESTING,
    T,
    X,
    address,
    by_ctypes,
    d_relu,
    d_squared,
    d_swish,
    relu,
    squared,
    swish,
)
from scipy import LowLevelCallable
from scipy.special import expit
from sklearn.base import clone

from fastmlp import Activation, Loss, MLPRegressor
from fastmlp._core import testing
from fastmlp._functions import signatures as forms

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*converged yet"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]


# The forms of a function


@pytest.mark.parametrize(
    ("forward", "derivative", "wrt"),
    [
        (np.tanh, lambda a: 1 - a * a, "output"),
        (np.tanh, lambda z: 1 / np.cosh(z) ** 2, "input"),
        (np.tanh, lambda x, out: np.subtract(1, x * x, out=out), "output"),
        (
            lambda *arrays: np.tanh(arrays[0]),
            lambda *arrays: 1 - arrays[0] ** 2,
            "output",
        ),
        (lambda z: np.tanh(z), lambda z, a: 1 - a * a, "output"),
        (lambda z, out=None: np.tanh(z, out=out), lambda z, a: 1 - a * a, "input"),
        (
            lambda z, scale=1.0: np.tanh(scale * z),
            lambda a, scale=1.0: 1 - a * a,
            "output",
        ),
    ],
)
def test_forms_of_python_functions(forward, derivative, wrt):
    act = Activation(forward, derivative, wrt=wrt)
    own = MLPRegressor("squared_error", (5,), act, **PARAMS).fit(X, T)
    core = MLPRegressor("squared_error", (5,), "tanh", **PARAMS).fit(X, T)
    np.testing.assert_allclose(own.loss_curve_, core.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(act([0.5, 1.0]), np.tanh([0.5, 1.0]))


def by_cffi():
    ffi = pytest.importorskip("cffi").FFI()
    unary = "void(*)(const double *, double *, ptrdiff_t, void *)"
    binary = "void(*)(const double *, const double *, double *, long, void *)"
    return (
        ffi.cast(unary, address("square_f64")),
        ffi.cast(binary, address("d_square_f64")),
    )


def by_numba():
    numba = pytest.importorskip("numba")
    real = numba.types.CPointer(numba.types.float64)
    end = (numba.types.intp, numba.types.voidptr)

    @numba.cfunc(numba.types.void(real, real, *end))
    def square(z, a, n, user):
        for i in range(n):
            a[i] = z[i] * z[i]

    @numba.cfunc(numba.types.void(real, real, real, *end))
    def d_square(z, a, delta, n, user):
        for i in range(n):
            delta[i] *= 2 * z[i]

    return square, d_square


KINDS = {
    "module": lambda: (SQUARE[1], D_SQUARE[1]),
    "capsule": lambda: tuple(
        testing.__pyx_capi__[name] for name in ("square_f64", "d_square_f64")
    ),
    "LowLevelCallable": lambda: tuple(
        LowLevelCallable(testing.__pyx_capi__[name])
        for name in ("square_f64", "d_square_f64")
    ),
    "ctypes": by_ctypes,
    "cffi": by_cffi,
    "numba": by_numba,
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_compiled_functions(kind):
    own = MLPRegressor(
        "squared_error", (5,), Activation(*KINDS[kind](), name="square"), **PARAMS
    )
    python = MLPRegressor(
        "squared_error", (5,), (np.square, lambda z, a: 2 * z), **PARAMS
    ).fit(X, T)
    np.testing.assert_allclose(own.fit(X, T).predict(X), python.predict(X), rtol=1e-10)
    with pytest.raises(ValueError, match=r"compiled for float64 only.*float32"):
        clone(own).set_params(dtype="float32").fit(X, T)


def test_user_data():
    @ctypes.CFUNCTYPE(None, REAL, REAL, ctypes.c_ssize_t, ctypes.c_void_p)
    def scaled(z, a, n, user):
        for i in range(n):
            a[i] = z[i] * ctypes.cast(user, REAL)[0]

    scale = ctypes.c_double(3.0)
    user = ctypes.cast(ctypes.pointer(scale), ctypes.c_void_p)
    act = Activation(LowLevelCallable(scaled, user_data=user), name="scaled")
    np.testing.assert_array_equal(act([1.0, 2.0]), [3.0, 6.0])


@pytest.mark.parametrize(
    "signature",
    [
        "void (const double *, double *, ptrdiff_t, void *)",
        "void (double const *, double *, Py_ssize_t, void *)",
        "void(double*,double*,long,void*)",
        "void (*)(const double *, double * , int64_t, void * )",
        "void (npy_float64 *, npy_double *, npy_intp, void *)",
    ],
)
def test_signatures_are_normalised(signature):
    expected = forms.UNARY.format(real="double")
    assert forms.normalized(signature) == forms.normalized(expected)


# Wrong functions


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((swish, expit), ValueError, r"the worst point is z = .*gives .*differences"),
        (
            (np.square, lambda z, a: 2 * a),
            ValueError,
            "does not agree with differences",
        ),
        ((swish, lambda z, a: 1.0), ValueError, "derivative of .* returned float"),
        ((swish, lambda z, a: a[:1]), ValueError, r"shape \(1, 25\) for one of shape"),
        ((lambda z: z[0], d_relu), ValueError, "it must keep the shape"),
        ((lambda z: z.astype(complex), None), ValueError, "failed on a trial array"),
        ((lambda z: np.log(z), None), ValueError, "be finite, but is -inf at z = 0"),
        ((lambda z: z - z.mean(), None), ValueError, "element by element"),
        ((lambda z: z.__imul__(2), None), ValueError, "Inputs must not be changed"),
        ((lambda z: 1 / 0, None), ValueError, "ZeroDivisionError: division by zero"),
        ((lambda: 0, None), TypeError, "takes 0 arguments"),
        ((lambda z, a, b: 0, None), TypeError, "takes 3 arguments"),
        ((3, None), TypeError, "must be a Python function of arrays or a compiled"),
        ((relu, 3), TypeError, "derivative of .*must be a Python function"),
        ((None, None), TypeError, "got None"),
        ((relu, D_SQUARE), TypeError, "must both be Python functions or"),
        ((D_SQUARE, SQUARE), TypeError, r"it must be 'void \(const T \*, T \*, "),
        ((SQUARE[::-1], D_SQUARE), TypeError, "one of float, one of double"),
        ((("fastmlp", "nothing"), None), TypeError, "exports no C function 'nothing'"),
        (
            (("no_such_module", "f"), None),
            TypeError,
            "of the activation.*cannot be used",
        ),
        ((SQUARE[1], (TESTING, "d_error_f64")), ValueError, "does not agree"),
    ],
)
def test_wrong_activation(arguments, error, message):
    with pytest.raises(error, match=message):
        Activation(*arguments)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"wrt": "both"}, "wrt must be 'output' or 'input'"),
        ({"name": 3}, "name must be a str"),
        ({"onnx": "Relu"}, "onnx must be a callable"),
        ({"torch": "ReLU"}, "torch must be a callable"),
        ({"c_source": len}, "c_source must be a str"),
    ],
)
def test_wrong_keywords(keywords, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Activation(relu, d_relu, **keywords)


def test_ctypes_without_signature():
    library = ctypes.CDLL(None)
    with pytest.raises(TypeError, match="argtypes"):
        Activation(library.memset)


def test_no_derivative_serves_prediction():
    act = Activation(np.sin, name="sine")
    with pytest.raises(ValueError, match=r"'sine' has no derivative.*prediction only"):
        MLPRegressor(activation=act).fit(X, T)
    model = (
        MLPRegressor("squared_error", (3,), **PARAMS)
        .fit(X, T)
        .set_params(activation=act)
    )
    expected = np.sin(X @ model.coefs_[0] + model.intercepts_[0]) @ model.coefs_[1]
    np.testing.assert_allclose(
        model.predict(X), (expected + model.intercepts_[1])[:, 0]
    )


@pytest.mark.parametrize("value", [relu, (relu,), (relu, d_relu, 1), [relu], len])
def test_what_is_no_activation(value):
    with pytest.raises(ValueError, match="a fastmlp.Activation or a pair of functions"):
        MLPRegressor("squared_error", (3,), value).fit(X, T)


def test_a_kink_may_have_any_slope_between():
    def forward(z):
        return np.maximum(z, 0)

    for slope in (0.0, 0.5, 1.0):
        Activation(forward, lambda z, a, s=slope: np.where(z == 0, s, z > 0))
    with pytest.raises(ValueError, match=r"worst point is z = 0: .* between 0 and 1"):
        Activation(forward, lambda z, a: np.where(z == 0, 2, z > 0))


@pytest.mark.parametrize(
    ("make", "wrt"),
    [
        (lambda **k: Activation(lambda z: np.logaddexp(0, z), expit, **k), "input"),
        (lambda **k: Activation(swish, lambda z: d_swish(z), **k), "input"),
        (lambda **k: Activation(np.tanh, lambda a: 1 - a * a, **k), "output"),
        (
            lambda **k: Loss(
                lambda y, a: -y * np.log(a), lambda y, a: a - y, "softmax", **k
            ),
            "input",
        ),
        (
            lambda **k: Loss(
                lambda y, a: -y * np.log(a), lambda y, a: -y / a, "softmax", **k
            ),
            "output",
        ),
    ],
)
def test_a_derivative_with_respect_to_the_other(make, wrt):
    make(wrt=wrt)
    other = {"input": "output", "output": "input"}[wrt]
    with pytest.raises(ValueError, match=f"worst point .*did you mean wrt='{wrt}'"):
        make(wrt=other)


def test_a_wrong_derivative_gets_no_hint_of_wrt():
    for make in (
        lambda: Activation(np.tanh, lambda a: a),
        lambda: Activation(swish, lambda z, a: a),
        lambda: Loss(squared, lambda y, a: y - a, "softmax"),
    ):
        with pytest.raises(ValueError, match="worst point") as caught:
            make()
        assert "wrt=" not in str(caught.value)


@pytest.mark.parametrize(
    ("z", "error", "message"),
    [
        (1j, TypeError, "z must hold real numbers, got an array of dtype complex128"),
        (np.datetime64("2020-01-01"), TypeError, "z must hold real .*datetime64"),
        (np.timedelta64(3, "s"), TypeError, "z must hold real numbers.*timedelta64"),
        (["1", "2"], TypeError, "z must hold real numbers.*U1"),
        (None, TypeError, "z must hold real numbers.*object"),
        ([1j, 10**400], TypeError, "z must hold real numbers.*object"),
        (10**400, ValueError, "z must hold numbers that float64 holds"),
        ([[1, 2], [3]], ValueError, "z must be an array of real numbers: .*inhomogen"),
    ],
)
def test_an_activation_called_with_no_real_numbers(z, error, message):
    with pytest.raises(error, match=message):
        Activation(np.tanh)(z)


@pytest.mark.parametrize(
    "z", [0.5, [1, 2], [[True], [False]], np.array([1, 2], object), np.zeros((0, 3))]
)
def test_an_activation_called_with_real_numbers(z):
    a = Activation(np.tanh)(z)
    assert a.dtype == np.float64
    np.testing.assert_array_equal(a, np.tanh(np.asarray(z, float)))


@pytest.mark.parametrize("activation", ["swishy", ["relu", "swishy"]])
def test_an_unknown_name_tells_how_to_make_it_known(activation):
    with pytest.raises(ValueError, match=r"by fastmlp\.register_activation\('swishy'"):
        MLPRegressor("squared_error", (3, 2), activation).fit(X, T)
    with pytest.raises(ValueError) as caught:
        MLPRegressor("squared_error", (3,), ("swishy", 3)).fit(X, T)
    assert "register_activation" not in str(caught.value)


def test_a_pair_of_bare_pointers_cannot_be_cloned():
    pair = by_ctypes()
    with pytest.raises(ValueError):  # of ctypes
        clone(MLPRegressor(activation=pair))
    act = Activation(*pair, name="square")
    assert clone(MLPRegressor(activation=act)).activation is act


def nothing(*arrays):
    """A function that forgets its return."""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((nothing,), "forward of activation 'nothing' returned None"),
        ((lambda z: None,), "forward of .* returned None; return the values, or take"),
        ((np.tanh, nothing), "derivative of activation 'tanh' returned None"),
        ((np.tanh, lambda a: None), "derivative of .* returned None"),
        ((np.tanh, lambda z, a: None), "derivative of .* returned None"),
        ((lambda z, out: None,), "must be finite, but is nan"),
        ((np.tanh, lambda z, a, out: None), "the derivative gives nan"),
    ],
)
def test_an_activation_that_returns_none(arguments, message):
    with pytest.raises(ValueError, match=message):
        Activation(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((nothing, d_squared), "value of loss 'nothing' returned None"),
        ((lambda y, a: None, d_squared), "value of .* returned None; return the val"),
        ((squared, lambda y, a: None), "gradient of .* returned None; return the val"),
        ((lambda y, a, out: None, d_squared), "must be finite, but is nan"),
        ((squared, lambda y, a, out: None), "does not agree with differences"),
    ],
)
def test_a_loss_that_returns_none(arguments, message):
    with pytest.raises(ValueError, match=message):
        Loss(*arguments)


@pytest.mark.parametrize("failing", ["forward", "derivative", "value", "gradient"])
def test_none_in_the_middle_of_a_fit(failing):
    done = []

    def until_the_fit(name, f):
        return lambda *arrays: None if done and name == failing else f(*arrays)

    act = Activation(
        until_the_fit("forward", swish), until_the_fit("derivative", d_swish),
        wrt="input",
    )  # fmt: skip
    loss = Loss(until_the_fit("value", squared), until_the_fit("gradient", d_squared))
    model = MLPRegressor(loss, (4,), act, **PARAMS).fit(X, T)
    before = [w.copy() for w in model.coefs_]
    done.append(True)
    with pytest.raises(ValueError, match=f"{failing} of .* returned None; return"):
        model.fit(X, T)
    for a, b in zip(model.coefs_, before):
        np.testing.assert_array_equal(a, b)
    if failing == "forward":
        with pytest.raises(ValueError, match="forward of .* returned None; return"):
            model.predict(X)
