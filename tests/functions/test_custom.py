"""User-defined activations in a fit: the core's numbers, and the arrays they see."""

import gc
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from helpers import reference
from helpers.custom_functions import (
    COMPILED_RELU,
    D_SQUARE,
    PARAMS,
    RELU,
    SQUARE,
    SWISH,
    T,
    X,
    Y,
    d_relu,
    relu,
    swish,
)

from fastmlp import Activation, MLPClassifier, MLPRegressor
from fastmlp._core import batch, network

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*converged yet"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]


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
        {
            "max_weight_norm": 1.0,
            "max_grad_norm": 0.5,
            "learning_rate_factors": [1, 0.5, 2],
        },
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
    many = np.random.RandomState(1).normal(size=(3000, 100))
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


# The arguments of the functions


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
