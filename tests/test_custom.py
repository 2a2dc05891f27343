"""Activations and losses written by the user."""

import copy
import ctypes
import functools
import gc
import pickle
import subprocess
import sys
import textwrap
import threading
import tracemalloc

import numpy as np
import pytest
import reference
from scipy import LowLevelCallable
from scipy.special import expit
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import fastmlp
from fastmlp import Activation, Loss, MLPClassifier, MLPRegressor, register_activation
from fastmlp import _function_forms as forms
from fastmlp import _functions as functions
from fastmlp._core import batch, custom, kernels, network, testing

TESTING = "fastmlp._core.testing"
SQUARE = ((TESTING, "square_f32"), (TESTING, "square_f64"))
D_SQUARE = ((TESTING, "d_square_f32"), (TESTING, "d_square_f64"))
RNG = np.random.RandomState(0)
X = RNG.normal(size=(300, 6))
T = np.tanh(X[:, 0]) + 0.1 * X[:, 1]
Y = (X[:, :3].argmax(axis=1) + (X[:, 4] > 1)) % 3
PARAMS = {"random_state": 0, "max_iter": 4, "tol": 0.0, "batch_size": 50}

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*converged yet"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]


def relu(z, out):
    np.maximum(z, 0, out=out)


def d_relu(z, a, out):
    np.greater(a, 0, out=out)


def swish(z):
    return z * expit(z)


def d_swish(z):
    return expit(z) * (1 + z * expit(-z))


def squared(y, a):
    return (a - y) ** 2 / 2


def d_squared(y, a):
    return a - y


RELU = Activation(relu, d_relu, name="relu by hand")
COMPILED_RELU = Activation(
    ((TESTING, "relu_f32"), (TESTING, "relu_f64")),
    ((TESTING, "d_relu_f32"), (TESTING, "d_relu_f64")),
    name="compiled relu",
)
SWISH = Activation(swish, d_swish, wrt="input")
SQUARED = Loss(squared, d_squared)


@pytest.fixture
def clean_registry(monkeypatch):
    monkeypatch.setattr(functions, "_registry", {})


# The same numbers as the core


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("hidden", [(10,), (7, 5)])
def test_relu_by_hand_gives_the_bits_of_the_core(hidden, solver, dtype):
    made = [
        MLPClassifier(hidden, activation, solver=solver, dtype=dtype.name, **PARAMS)
        for activation in (RELU, (relu, d_relu), COMPILED_RELU, "relu")
    ]
    own, pair, compiled, core = (model.fit(X, Y) for model in made)
    for model in (own, pair, compiled):
        for a, b in zip(
            model.coefs_ + model.intercepts_, core.coefs_ + core.intercepts_
        ):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(model.predict_proba(X), core.predict_proba(X))
    own_loss, core_loss = own.loss_gradient(X, Y), core.loss_gradient(X, Y)
    assert own_loss[0] == core_loss[0]
    np.testing.assert_array_equal(own_loss[1][0], core_loss[1][0])


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.3},
        {"dropout": [0.2, 0.3, 0.1], "n_threads": 2, "batch_size": 150},
        {"input_noise": 0.1, "weight_decay": 0.1, "l1": 1e-3},
        {"max_norm": 1.0, "clip_norm": 0.5, "layer_rates": [1, 0.5, 2]},
        {"weight_averaging": "ema", "label_smoothing": 0.1},
        {"weight_averaging": "swa", "solver": "nadam"},
        {"solver": "lion", "learning_rate": "cosine"},
        {"early_stopping": True, "standardize_X": True},
    ],
    ids=lambda settings: "-".join(settings),
)
@pytest.mark.parametrize("activation", [RELU, COMPILED_RELU], ids=["numpy", "compiled"])
def test_relu_by_hand_beside_the_controls(activation, settings, dtype):
    params = {**PARAMS, "dtype": dtype.name, **settings}
    own = MLPClassifier((7, 5), [activation, "gelu"], **params).fit(X, Y)
    core = MLPClassifier((7, 5), ["relu", "gelu"], **params).fit(X, Y)
    for a, b in zip(own.coefs_ + own.intercepts_, core.coefs_ + core.intercepts_):
        np.testing.assert_array_equal(a, b)
    assert own.loss_curve_ == core.loss_curve_
    np.testing.assert_array_equal(own.predict_proba(X), core.predict_proba(X))


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("hidden", [("own",), ("own", "tanh"), ("gelu", "own", "own")])
@pytest.mark.parametrize("kind", ["numpy", "compiled"])
def test_gradient(problem, kind, hidden, is_sparse, dtype):
    square = Activation(SQUARE, D_SQUARE, name="square")
    if kind == "numpy":
        square = Activation(np.square, lambda z, a: 2 * z)
    reference.ACTIVATIONS["own"] = (lambda z, p: z * z, lambda z, p: 2 * z)
    try:
        units = (6, 5, 4, 7)[: len(hidden) + 1]
        p = problem(
            (*units, 3), [(name, 0) for name in hidden], "log_loss", 300, dtype,
            is_sparse, True,
        )  # fmt: skip
        p.params *= 0.5  # probabilities above the precision, at which log_loss is cut
        expected, *grads = reference.loss_gradient(*p.wide(), 0.5, p.activation, p.loss)
    finally:
        del reference.ACTIVATIONS["own"]
    activations = [(square if name == "own" else name, 0.0) for name in hidden]
    net = network.Network(p.units, activations, p.loss)
    total = batch.BatchSum(net, p.data, p.params, 300, n_threads=2)
    value, grads = total.loss_gradient(0.5), reference.pack(*grads)
    tolerance = 60 * np.finfo(dtype).eps
    assert abs(value - expected) <= tolerance * expected
    assert np.abs(total.grad - grads).max() <= tolerance * np.abs(grads).max()


def test_compiled_function_is_shared_by_threads(problem, dtype):
    square = Activation(SQUARE, D_SQUARE)
    p = problem((6, 9, 3), [], "log_loss", 900, dtype)
    grads = []
    for n_threads in (1, 2, 3):
        net = network.Network(p.units, [(square, 0.0)], p.loss)
        total = batch.BatchSum(
            net, p.data, np.ones(net.n_params, dtype), 900, n_threads
        )
        grads.append((total.loss_gradient(0.1), total.grad.copy()))
    for value, grad in grads[1:]:
        assert value == grads[0][0]
        np.testing.assert_array_equal(grad, grads[0][1])


def test_many_threads_with_python_functions_do_not_lock_up():
    models = [
        MLPRegressor(
            "squared_error", (200,), SWISH, n_threads=2, batch_size=3000, max_iter=2
        )
        for _ in range(4)
    ]
    many = RNG.normal(size=(3000, 100))
    target = many[:, 0]
    threads = [threading.Thread(target=m.fit, args=(many, target)) for m in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert all(hasattr(model, "coefs_") for model in models)
    assert models[0].predict(many).shape == (3000,)


def test_a_list_mixes_kinds():
    model = MLPRegressor(
        "squared_error", (4, 3, 2), [SWISH, "tanh", ("elu", 0.5)], **PARAMS
    ).fit(X, T)
    z = X
    for f, W, b in zip(
        (swish, np.tanh, lambda z: np.where(z > 0, z, 0.5 * np.expm1(z)), lambda z: z),
        model.coefs_,
        model.intercepts_,
    ):
        z = f(z @ W + b)
    np.testing.assert_allclose(model.predict(X), z[:, 0], rtol=1e-12)
    np.testing.assert_allclose(
        model.hidden_activations(X, 0),
        swish(X @ model.coefs_[0] + model.intercepts_[0]),
    )
    step = 1e-6 * np.eye(6)[0]
    slope = (model.predict(X + step) - model.predict(X - step)) / 2e-6
    np.testing.assert_allclose(model.input_gradient(X)[:, 0], slope, atol=1e-8)
    model.trace_step(X[0], T[0])
    model.activation[0] = "relu"  # a list may be changed in place
    assert not np.allclose(model.predict(X), z[:, 0])


# What the functions are given


KEPT = """
import numpy as np
from fastmlp import Activation, Loss, MLPRegressor

kept = []

def forward(z, out):
    kept.append((z, out))
    np.tanh(z, out=out)

def derivative(z, a, out):
    kept.append((z, a, out))
    np.subtract(1, a * a, out=out)

def value(y, a, out):
    kept.append((y, a, out))
    np.square(a - y, out=out)

def gradient(y, a, out):
    kept.append((y, a, out))
    np.multiply(2, a - y, out=out)

act, loss = Activation(forward, derivative), Loss(value, gradient)
X = np.random.RandomState(0).normal(size=(4000, 30))
Y = np.tile(X[:, :1], 100)
model = MLPRegressor(loss, (1000,), act, batch_size=1000, max_iter=1, dtype=DTYPE)
calls = [
    lambda: model.fit(X, Y),
    lambda: model.partial_fit(X.copy(), Y.copy()),
    lambda: model.set_params(solver="lbfgs", max_iter=2).fit(X.copy(), Y.copy()),
    lambda: model.predict(X.astype(model.coefs_[0].dtype)),
    lambda: model.predict(X[:1].astype(model.coefs_[0].dtype)),
    lambda: model.compile().predict(X),
    lambda: model.loss_gradient(X.copy(), Y.copy()),
    lambda: model.hidden_activations(X),
    lambda: model.input_gradient(X, 0),
    lambda: act(np.ones((1000, 1000))),
]
for call in calls:
    call()
    X, Y = X.copy(), Y.copy()
    for arrays in kept:  # dangling ones would end the process
        for array in arrays:
            assert np.isfinite(array.sum())
            if array is arrays[-1]:
                array[:] = 0
            else:
                assert not array.flags.writeable
                try:
                    array.flags.writeable = True
                except ValueError:
                    pass
                else:
                    raise AssertionError("an input can be made writeable")
    kept.clear()
print("sound")
"""


def test_arrays_that_a_function_keeps_stay_valid(dtype):
    code = KEPT.replace("DTYPE", repr(dtype.name))
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert run.stdout == "sound\n", (run.returncode, run.stderr[-800:])


def test_memory_of_kept_arrays_is_given_back():
    kept = []
    act = Activation(lambda z: (kept.append(z), np.tanh(z))[1])
    act(np.ones((1000, 1000)))
    gc.collect()
    tracemalloc.start()
    try:
        start = tracemalloc.get_traced_memory()[0]
        act(np.ones((1000, 1000)))
        assert tracemalloc.get_traced_memory()[0] - start > 7_000_000
        del kept[:]
        assert tracemalloc.get_traced_memory()[0] - start < 100_000
    finally:
        tracemalloc.stop()


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


def address(name):
    """The address of a function that the testing module exports."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = testing.__pyx_capi__[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return get(capsule, get_name(capsule))


REAL = ctypes.POINTER(ctypes.c_double)
END = (ctypes.c_ssize_t, ctypes.c_void_p)


def by_ctypes():
    unary, binary = (ctypes.CFUNCTYPE(None, *[REAL] * n, *END) for n in (2, 3))
    return unary(address("square_f64")), binary(address("d_square_f64"))


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
        ((lambda z: z.astype(complex), None), ValueError, "Cannot cast"),
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
        ((("no_such_module", "f"), None), TypeError, "No module named"),
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
    with pytest.raises(ValueError, match="pointers cannot be pickled"):
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


# Errors within a fit


class Failing:
    """ReLU that raises at its k-th call."""

    def __init__(self):
        self.calls, self.last = 0, np.inf

    def __call__(self, z, out):
        self.calls += 1
        if self.calls > self.last:
            raise ZeroDivisionError("on purpose")
        np.maximum(z, 0, out=out)


@pytest.mark.parametrize("k", [0, 1, 2, 5, 6, 7, 13])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_an_error_leaves_the_weights_of_the_last_batch(k, solver):
    f = Failing()
    act = Activation(f, d_relu, name="failing")
    model = MLPRegressor(
        "squared_error", (4,), act, solver=solver, shuffle=False, **PARAMS
    )
    f.calls, f.last = 0, k  # 6 batches an epoch
    with pytest.raises(ZeroDivisionError, match="on purpose") as caught:
        model.fit(X, T)
    assert caught.value.__notes__ == ["raised by activation 'failing'"]
    assert f.calls == k + 1
    if k == 0:
        assert not hasattr(model, "coefs_")
        return
    f.last = np.inf
    core = MLPRegressor(
        "squared_error", (4,), "relu", solver=solver, shuffle=False, **PARAMS
    )
    epochs, batches = divmod(k, 6)
    if epochs:
        core.set_params(max_iter=epochs).fit(X, T)
        np.testing.assert_array_equal(model.loss_curve_, core.loss_curve_)
    if batches:
        core.partial_fit(X[: 50 * batches], T[: 50 * batches])
    for a, b in zip(model.coefs_ + model.intercepts_, core.coefs_ + core.intercepts_):
        np.testing.assert_array_equal(a, b)
    model.predict(X)
    model.fit(X, T)


def test_an_error_in_partial_fit():
    f = Failing()
    act = Activation(f, d_relu)
    model = MLPClassifier((4,), act, **PARAMS)
    model.partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y)
    before = [w.copy() for w in model.coefs_]
    for calls, changed in ((0, False), (3, True)):
        f.calls, f.last = 0, calls
        with pytest.raises(ZeroDivisionError):
            model.partial_fit(X, Y)
        f.last = np.inf
        same = all(np.array_equal(a, b) for a, b in zip(before, model.coefs_))
        assert same is not changed
    model.partial_fit(X, Y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_an_error_in_lbfgs_and_in_prediction():
    f = Failing()
    model = MLPRegressor(
        "squared_error", (4,), Activation(f, d_relu), solver="lbfgs", **PARAMS
    )
    f.calls, f.last = 0, 3
    with pytest.raises(ZeroDivisionError):
        model.fit(X, T)
    for call in (model.predict, model.hidden_activations, model.input_gradient):
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            call(X)
        with pytest.raises(ZeroDivisionError):
            call(X[:1])
    f.last = np.inf
    assert np.isfinite(model.predict(X)).all()


def test_an_interrupt_within_a_function():
    calls = []

    def forward(z, out):
        calls.append(1)
        if len(calls) == 40:
            raise KeyboardInterrupt
        np.maximum(z, 0, out=out)

    model = MLPRegressor("squared_error", (4,), Activation(forward, d_relu), **PARAMS)
    calls.clear()
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.set_params(max_iter=100).fit(X, T)
    assert model.n_iter_ == 6  # of 6 batches each
    assert np.isfinite(model.predict(X)).all()


def broken_off(model, y, path):
    """Fit until the third epoch, at the end of which the hook fails."""

    def hook(record):
        if record.epoch == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.fit(X, y, checkpoint=path, checkpoint_every=1, callback=hook)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"activation": ["gelu", RELU]}, "activation"), ({"loss": "log_loss"}, "loss")],
)
def test_resume(tmp_path, change, message):
    brier = Loss(squared, d_squared, "softmax", name="brier")
    act = ["gelu", SWISH]
    whole = MLPClassifier((5, 4), act, loss=brier, dropout=0.2, **PARAMS).fit(X, Y)
    model = clone(whole)
    broken_off(model, Y, tmp_path / "c")
    other = clone(whole).set_params(**change)
    with pytest.raises(ValueError, match=message):
        other.fit(X, Y, resume=tmp_path / "c")
    model = clone(whole).fit(X, Y, resume=tmp_path / "c")
    assert model.n_iter_ == 4
    for a, b in zip(model.coefs_, whole.coefs_):
        np.testing.assert_array_equal(a, b)


# Parameters of estimators


def test_immutable_and_never_copied():
    for thing in (RELU, SQUARED):
        assert copy.deepcopy(thing) is thing and copy.copy(thing) is thing
        assert clone(thing, safe=False) is thing
        with pytest.raises(AttributeError, match="immutable"):
            thing.name = "other"
        with pytest.raises(AttributeError, match="immutable"):
            del thing.name
    model = clone(MLPRegressor(SQUARED, activation=[RELU]))
    assert model.loss is SQUARED and model.activation[0] is RELU
    assert "relu by hand" in repr(model)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_grid_search(backend):
    from joblib import parallel_config

    # functions of a module that the other processes can import
    sine = Activation(np.sin, np.cos, wrt="input")
    compiled = Activation(SQUARE, D_SQUARE, name="square")
    grid = {"activation": [sine, compiled, "tanh", ["elu"]]}
    with parallel_config(backend):
        search = GridSearchCV(
            MLPClassifier((5,), max_iter=3), grid, cv=2, n_jobs=2, error_score="raise"
        ).fit(X, Y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_pickle_by_reference():
    model = MLPRegressor(SQUARED, (5,), [RELU], **PARAMS).fit(X, T)
    for own in (model, MLPRegressor(activation=(SQUARE[1], D_SQUARE[1]))):
        again = pickle.loads(pickle.dumps(own))
        assert type(again) is MLPRegressor
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict(X), model.predict(X)
    )
    again = pickle.loads(pickle.dumps(Activation(SQUARE, D_SQUARE, name="square")))
    assert again.name == "square" and again([3.0]) == 9
    with pytest.raises(pickle.PicklingError, match="register an activation"):
        pickle.dumps(Activation(*by_ctypes()))
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        pickle.dumps(Activation(lambda z: z))


def test_registered_name(clean_registry, tmp_path):
    with pytest.raises(ValueError, match="'softplus', .*'mish'"):
        MLPRegressor(activation="swish").fit(X, T)
    swish_too = register_activation("swish", SWISH)
    assert swish_too.name == "swish"
    model = MLPRegressor("squared_error", (5,), "swish", **PARAMS).fit(X, T)
    own = MLPRegressor("squared_error", (5,), SWISH, **PARAMS).fit(X, T)
    np.testing.assert_array_equal(model.predict(X), own.predict(X))
    assert pickle.loads(pickle.dumps(swish_too)) is swish_too
    assert pickle.loads(pickle.dumps(model)).activation == "swish"
    with pytest.raises(ValueError, match="'gauss'"):
        MLPRegressor(activation="gauss").fit(X, T)
    path = tmp_path / "model.safetensors"
    for kind in ("swish", [swish_too]):
        fastmlp.save_model(model.set_params(activation=kind), path)
        np.testing.assert_array_equal(
            fastmlp.load_model(path).predict(X), model.predict(X)
        )
    from fastmlp.runtime import load_predictor

    np.testing.assert_array_equal(load_predictor(path).predict(X), own.predict(X))
    with pytest.raises(TypeError, match="is not registered, and a model file holds no"):
        fastmlp.save_model(own.set_params(activation=RELU), path)
    stored = pickle.dumps(swish_too)
    functions._registry.clear()
    with pytest.raises(pickle.UnpicklingError, match="not registered in this process"):
        pickle.loads(stored)
    with pytest.raises(ValueError, match="register_activation before loading"):
        fastmlp.load_model(path)


def scaled_tanh(scale):
    return Activation(
        functools.partial(_scaled_tanh, scale), functools.partial(_slope, scale)
    )


def _scaled_tanh(scale, z):
    return scale * np.tanh(z)


def _slope(scale, a):
    return scale - a * a / scale


def predictions(model):
    """What a model gives by each of its paths, for the same rows."""
    from fastmlp.runtime import Predictor

    compiled = model.compile()
    assert isinstance(compiled, Predictor)
    paths = {
        "many rows": model.predict(X),
        "one row": np.concatenate([model.predict(X[i : i + 1]) for i in range(9)]),
        "list": model.predict(X.tolist()),
        "compile": compiled.predict(X),
        "pickle": pickle.loads(pickle.dumps(model)).predict(X),
        "pickled predictor": pickle.loads(pickle.dumps(compiled)).predict(X),
        "copy": copy.deepcopy(model).predict(X),
        "hidden": model.hidden_activations(X) @ model.coefs_[1][:, 0]
        + model.intercepts_[1],
        "gradient": model.input_gradient(X)[:, 0],
    }
    np.testing.assert_allclose(paths["many rows"], paths["list"], rtol=1e-12)
    np.testing.assert_allclose(paths["many rows"], paths["compile"], rtol=1e-12)
    np.testing.assert_allclose(paths["many rows"], paths["hidden"], rtol=1e-9)
    np.testing.assert_allclose(paths["many rows"][:9], paths["one row"], rtol=1e-12)
    return paths


@pytest.mark.parametrize("activation", ["bent", ["bent"]], ids=["name", "list"])
@pytest.mark.parametrize("end", ["fit", "partial_fit", "load"])
def test_a_fitted_model_keeps_the_activation_of_a_name(
    clean_registry, tmp_path, end, activation
):
    register_activation("bent", scaled_tanh(1.0))
    model = MLPRegressor("squared_error", (5,), activation, **PARAMS)
    model = model.partial_fit(X, T) if end == "partial_fit" else model.fit(X, T)
    path = tmp_path / "model.safetensors"
    fastmlp.save_model(model, path)
    if end == "load":
        model = fastmlp.load_model(path)
    stored = pickle.dumps(model)
    before, others = predictions(model), [copy.deepcopy(model), copy.deepcopy(model)]
    with pytest.warns(UserWarning, match="'bent' is registered anew.*before keep the"):
        register_activation("bent", scaled_tanh(0.25))
    for name, values in predictions(model).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)
    with pytest.raises(TypeError, match="'bent' stands for another activation than"):
        fastmlp.save_model(model, tmp_path / "other")
    # what is stored by name takes the new one
    for again in (fastmlp.load_model(path), pickle.loads(stored)):
        assert not np.allclose(again.predict(X), before["many rows"])
    # training goes on with that of the model
    other = others[0].set_params(activation=scaled_tanh(1.0))
    for _ in range(3):  # the second and third are streams
        model.partial_fit(X, T)
        other.partial_fit(X, T)
        np.testing.assert_array_equal(model.predict(X), other.predict(X))
    warm = others[1].set_params(warm_start=True).fit(X, T)
    cold = clone(warm).fit(X, T)
    named = {one: vars(one)["_named_activations"]["bent"] for one in (warm, cold)}
    assert named[warm].forward.args == (1.0,) and named[cold].forward.args == (0.25,)
    # a new fit takes the new one
    model.fit(X, T)
    assert vars(model)["_named_activations"] == {"bent": named[cold]}
    np.testing.assert_array_equal(model.predict(X), cold.predict(X))
    predictions(model)
    fastmlp.save_model(model, path)
    model.set_params(activation="relu").fit(X, T)
    assert "_named_activations" not in vars(model)


def test_a_name_put_in_after_the_fit_means_what_is_registered(clean_registry):
    register_activation("bent", scaled_tanh(1.0))
    model = MLPRegressor("squared_error", (5,), "tanh", **PARAMS).fit(X, T)
    tanh = predictions(model)
    model.set_params(activation="bent")
    np.testing.assert_allclose(predictions(model)["many rows"], tanh["many rows"])
    with pytest.warns(UserWarning, match="registered anew"):
        register_activation("bent", scaled_tanh(0.25))
    bent = predictions(model)
    assert not np.allclose(bent["many rows"], tanh["many rows"])
    np.testing.assert_array_equal(bent["compile"], bent["many rows"])


def test_the_same_functions_registered_again(clean_registry):
    first = register_activation("swish", (swish, lambda z, a: d_swish(z)))
    same = (first.forward, first.derivative)
    assert register_activation("swish", same) is first
    with pytest.warns(UserWarning, match="'swish' is registered anew"):
        assert register_activation("swish", SWISH) is not first


def test_a_checkpoint_of_a_named_activation(clean_registry, tmp_path):
    register_activation("swish", SWISH)
    whole = MLPClassifier((5, 4), ["swish", "tanh"], warm_start=True, **PARAMS)
    whole.fit(X, Y)
    model = clone(whole)
    broken_off(model, Y, tmp_path / "c")
    model = clone(whole).fit(X, Y, resume=tmp_path / "c")
    np.testing.assert_array_equal(model.coefs_[0], whole.coefs_[0])
    whole.fit(X, Y, checkpoint=tmp_path / "d")  # of a model that keeps activations


@pytest.mark.parametrize(
    ("name", "activation", "message"),
    [
        ("relu", RELU, "is an activation of fastmlp"),
        ("two words", RELU, "an identifier"),
        (3, RELU, "an identifier"),
        ("mine", "relu", "must be a fastmlp.Activation or a pair"),
        ("mine", relu, "must be a fastmlp.Activation or a pair"),
    ],
)
def test_wrong_registration(clean_registry, name, activation, message):
    with pytest.raises((TypeError, ValueError), match=message):
        register_activation(name, activation)
    assert functions.registered_activations() == {}


def test_unpickling_imports_the_module_that_registers(tmp_path):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from fastmlp import register_activation
            sine = register_activation("sine", (np.sin, lambda z, a: np.cos(z)))
            """
        )
    )
    write = "import pickle, mine; print(pickle.dumps(mine.sine).hex())"
    read = "import pickle, sys; print(pickle.loads(bytes.fromhex(sys.argv[1])))"

    def run(code, *arguments):
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert run(read, run(write)) == "<Activation 'sine'>"


# Losses


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_squared_error_by_hand(solver, weighted, dtype):
    weight = RNG.uniform(0.5, 2, size=300) if weighted else None
    params = {**PARAMS, "dtype": dtype.name, "solver": solver}
    own = MLPRegressor(SQUARED, (5,), **params).fit(X, T, weight)
    core = MLPRegressor("squared_error", (5,), **params).fit(X, T, weight)
    rtol = 1e3 * np.finfo(dtype).eps
    np.testing.assert_allclose(own.loss_, core.loss_, rtol)
    np.testing.assert_allclose(own.coefs_[0], core.coefs_[0], rtol, rtol)
    assert own.out_activation_ == "identity"


@pytest.mark.parametrize(
    ("wrt", "gradient"),
    [("output", lambda y, a: -y / a), ("input", lambda y, a: a - y)],
)
def test_log_loss_by_hand(wrt, gradient):
    loss = Loss(
        lambda y, a: -y * np.log(np.where(y > 0, a, 1)), gradient, "softmax", wrt=wrt
    )
    weight = RNG.uniform(0.5, 2, size=300)
    own = MLPClassifier((5,), loss=loss, **PARAMS).fit(X, Y, weight)
    core = MLPClassifier((5,), **PARAMS).fit(X, Y, weight)
    np.testing.assert_allclose(own.loss_curve_, core.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(own.predict_proba(X), core.predict_proba(X), rtol=1e-8)


def test_binary_and_multilabel_loss_by_hand():
    loss = Loss(
        lambda y, a: -y * np.log(a) - (1 - y) * np.log1p(-a),
        lambda y, a: a - y,
        "logistic",
        wrt="input",
    )
    for y in (Y > 0, np.column_stack([Y > 0, Y > 1]).astype(int)):
        own = MLPClassifier((5,), loss=loss, early_stopping=True, **PARAMS).fit(X, y)
        core = MLPClassifier((5,), early_stopping=True, **PARAMS).fit(X, y)
        np.testing.assert_allclose(own.loss_curve_, core.loss_curve_, rtol=1e-10)
        np.testing.assert_allclose(
            own.validation_loss_curve_, core.validation_loss_curve_, rtol=1e-10
        )


@pytest.mark.parametrize("output", ["exp", "softplus", "logistic"])
def test_output_activations_of_losses(output):
    loss = Loss(squared, d_squared, output)
    target = np.stack([expit(T), expit(X[:, 2])], axis=1)
    model = MLPRegressor(loss, (4,), alpha=0.0, **PARAMS).fit(X, target)
    value, coef_grads, _ = model.loss_gradient(X, target)
    expected = ((model.predict(X) - target) ** 2).sum(axis=1).mean() / 2
    assert value == pytest.approx(expected, rel=1e-12)
    step = 1e-6
    model.coefs_[1] = model.coefs_[1].copy()
    sides = []
    for sign in (1, -1):
        model.coefs_[1][2, 1] += sign * step
        sides.append(model.loss_gradient(X, target)[0])
        model.coefs_[1][2, 1] -= sign * step
    difference = (sides[0] - sides[1]) / (2 * step)
    assert coef_grads[1][2, 1] == pytest.approx(difference, abs=1e-9)


def test_compiled_loss():
    compiled = Loss(
        (TESTING, "error_f64"), (TESTING, "d_error_f64"), name="half square"
    )
    own = MLPRegressor(compiled, (5,), **PARAMS).fit(X, T)
    python = MLPRegressor(SQUARED, (5,), **PARAMS).fit(X, T)
    np.testing.assert_allclose(own.coefs_[0], python.coefs_[0], rtol=1e-12)
    again = pickle.loads(pickle.dumps(own))
    np.testing.assert_array_equal(again.predict(X), own.predict(X))


def test_an_error_in_a_loss_leaves_the_weights_of_the_last_batch():
    calls = []

    def value(y, a):
        calls.append(1)
        if len(calls) > 4:
            raise ZeroDivisionError("on purpose")
        return squared(y, a)

    loss = object.__new__(Loss)
    loss._set(value, d_squared, "identity", None, "output")
    model = MLPRegressor(loss, (4,), shuffle=False, **PARAMS)
    with pytest.raises(ZeroDivisionError):
        model.fit(X, T)
    core = MLPRegressor(SQUARED, (4,), shuffle=False, **PARAMS)
    core.partial_fit(X[:200], T[:200])
    np.testing.assert_array_equal(model.coefs_[0], core.coefs_[0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((squared, lambda y, a: y - a), ValueError, "the worst point is net input = "),
        ((squared, None), TypeError, "needs a gradient"),
        ((squared, 3), TypeError, "gradient of .*must be a Python function"),
        ((lambda y: y, d_squared), TypeError, "takes 1 arguments, but .* 2 arrays"),
        ((squared, lambda y, a: 0.0), ValueError, "returned float"),
        ((lambda y, a: np.sum(a), d_squared), ValueError, "must keep the shape"),
        ((lambda y, a: np.log(a - a), d_squared), ValueError, "must be finite"),
        ((squared, d_squared, "relu"), ValueError, "output_activation must be one of"),
        (((TESTING, "square_f64"), d_squared), TypeError, "both"),
    ],
)
def test_wrong_loss(arguments, error, message):
    with pytest.raises(error, match=message):
        Loss(*arguments)


def test_losses_where_they_do_not_fit():
    with pytest.raises(ValueError, match="several classes need output_activation='sof"):
        MLPClassifier(loss=SQUARED).fit(X, Y)
    with pytest.raises(ValueError, match="need output_activation='logistic'"):
        MLPClassifier(loss=SQUARED).fit(X, Y > 0)
    softmax = Loss(squared, d_squared, "softmax")
    with pytest.raises(ValueError, match="for regression it must be one of"):
        MLPRegressor(softmax).fit(X, T)
    with pytest.raises(ValueError, match="brings its output activation"):
        MLPRegressor(SQUARED, out_activation="exp").fit(X, T)
    with pytest.raises(ValueError, match="a fastmlp.Loss"):
        MLPRegressor(squared).fit(X, T)
    model = MLPRegressor(SQUARED, (3,), **PARAMS).fit(X, T)
    with pytest.raises(ValueError, match="trace_step knows the losses"):
        model.trace_step(X[0], T[0])
    with pytest.raises(ValueError, match="this one has loss=<Loss 'squared'>"):
        model.predict_interval(X)
    with pytest.raises(ValueError, match="label_smoothing.*of your own takes its targ"):
        MLPClassifier(loss=softmax, label_smoothing=0.1).fit(X, Y)


@pytest.mark.parametrize(
    ("output", "name"), [("softmax", "log_loss"), ("softplus", "squared_error")]
)
def test_a_file_holds_no_loss(tmp_path, output, name):
    kind, y = (MLPClassifier, Y) if output == "softmax" else (MLPRegressor, T)
    model = kind(loss=Loss(squared, d_squared, output), **PARAMS).fit(X, y)
    expected, path = model.predict(X), tmp_path / "model.safetensors"
    with pytest.raises(TypeError, match="<Loss 'squared'>, and a model file holds no"):
        fastmlp.save_model(model, path)
    fastmlp.save_model(model.set_params(loss=name), path)
    np.testing.assert_array_equal(fastmlp.load_model(path).predict(X), expected)


def test_functions_of_the_core():
    z = np.linspace(-2, 2, 12).reshape(3, 4)
    a, delta = np.empty_like(z), np.ones_like(z)
    custom.apply(RELU.function, z, a)
    custom.multiply(RELU.function, z, a, delta)
    np.testing.assert_array_equal(a, np.maximum(z, 0))
    np.testing.assert_array_equal(delta, z > 0)
    assert set(kernels.activations_by_input) == {"gelu", "silu", "mish"}


# Exports


def test_export_to_c():
    act = Activation(swish, d_swish, wrt="input", c_source="z / (1 + exp(-z))")
    model = MLPRegressor("squared_error", (4, 3), [act, "tanh"], **PARAMS).fit(X, T)
    assert "(z / (1 + exp(-z)))" in fastmlp.to_c(model)
    with pytest.raises(ValueError, match="c_source"):
        fastmlp.to_c(model.set_params(activation=SWISH))
    with pytest.raises(ValueError, match="the model has .*<Activation 'swish'>"):
        fastmlp.to_sklearn(model.set_params(activation=[SWISH, "tanh"]))


def test_export_to_onnx():
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    def nodes(graph, z, dtype):
        return graph.node("Mul", [z, graph.node("Sigmoid", [z])])

    act = Activation(swish, d_swish, wrt="input", onnx=nodes)
    model = MLPRegressor("squared_error", (4,), act, **PARAMS).fit(X, T)
    (out,) = ReferenceEvaluator(fastmlp.to_onnx(model)).run(None, {"X": X})
    np.testing.assert_allclose(out.ravel(), model.predict(X), rtol=1e-9)
    with pytest.raises(ValueError, match="needs onnx"):
        fastmlp.to_onnx(model.set_params(activation=SWISH))


# Lists of activations of the core


@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_a_list_of_equal_names_is_the_name(activation):
    one = MLPClassifier((5, 4), activation, **PARAMS).fit(X, Y)
    many = MLPClassifier((5, 4), [activation] * 2, **PARAMS).fit(X, Y)
    for a, b in zip(one.coefs_, many.coefs_):
        np.testing.assert_array_equal(a, b)


def test_initial_weights_follow_the_layers():
    params = {"max_iter": 1, "random_state": 0, "learning_rate_init": 1e-12}
    units = (6, 500, 400, 1)
    for activation, factors in (
        (["logistic", "relu"], (2, 6, 6)),
        (["relu", "logistic"], (6, 2, 2)),
        ([SWISH, "tanh"], (6, 6, 6)),
    ):
        model = MLPRegressor("squared_error", (500, 400), activation, **params).fit(
            X, T
        )
        for coef, factor, n in zip(
            model.coefs_, factors, np.add(units[:-1], units[1:])
        ):
            bound = np.sqrt(factor / n)
            assert 0.95 * bound < np.abs(coef).max() <= bound * (1 + 1e-6)
