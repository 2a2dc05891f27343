"""Laws that hold for every network and data set, over random ones (hypothesis).

The oracle is the plain NumPy network of ``reference.py``.
"""

import warnings

import numpy as np
import pytest
from helpers import reference, reference_losses
from helpers.models import needs_products
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core.batch import THREAD_WORK
from fastmlp._core.kernels import activation_names
from fastmlp._core.network import Objective
from fastmlp._model.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES

# The same examples in every run; as many as fit a quarter of a minute.
settings.register_profile(
    "fastmlp",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("fastmlp")
TOLERANCE = {"float64": 1e-8, "float32": 2e-3}
KINKS = {"relu": [0], "leaky_relu": [0], "selu": [0], "hard_sigmoid": [-3, 3]}
TASKS = ("binary", "multiclass", "multilabel", "one", "many")
# Sums in another order; weights after an epoch or three along such sums.
ORDER = {"float64": 1e-13, "float32": 1e-5}
LAYOUTS = ("c", "f", "strided", "csr", "csc", "list", "readonly", "unaligned")


def laid_out(X, layout):
    """The same numbers in another layout of memory."""
    if layout == "f":
        return np.asfortranarray(X)
    if layout == "strided":
        wide = np.full((2 * len(X), 2 * X.shape[1]), np.nan, dtype=X.dtype)
        wide[::2, ::2] = X
        return wide[::2, ::2]
    if layout in ("csr", "csc"):
        return getattr(sparse, f"{layout}_array")(X)
    if layout == "list":
        return X.tolist()
    if layout == "readonly":
        X = X.copy()
        X.setflags(write=False)
    if layout == "unaligned":
        room = np.zeros(X.nbytes + 1, dtype=np.uint8)
        room[1:] = np.frombuffer(X.tobytes(), dtype=np.uint8)
        X = room[1:].view(X.dtype).reshape(X.shape)
    return X


@st.composite
def problems(draw, dtypes=("float64", "float32"), rows=(2, 40), tasks=TASKS):
    """A model by its parameters, and data for it."""
    rng = np.random.RandomState(draw(st.integers(0, 2**16)))
    n_samples = draw(st.integers(*rows))
    n_features = draw(st.integers(1, 20))
    dtype = draw(st.sampled_from(dtypes))
    X = rng.randn(n_samples, n_features).astype(dtype)
    X[rng.rand(*X.shape) < draw(st.sampled_from([0, 0, 0.5]))] = 0
    task = draw(st.sampled_from(tasks))
    n_outputs = draw(st.integers(2, 9))
    y = {
        "binary": lambda: np.arange(n_samples) % 2,
        "multiclass": lambda: np.arange(n_samples) % (n_outputs + 1),
        "multilabel": lambda: rng.randint(0, 2, (n_samples, n_outputs)),
        "one": lambda: rng.randn(n_samples),
        "many": lambda: rng.randn(n_samples, n_outputs),
    }[task]()
    params = {
        "hidden_layer_sizes": tuple(draw(st.lists(st.integers(1, 40), max_size=3))),
        "activation": draw(st.sampled_from([*activation_names, ("leaky_relu", 0.3)])),
        "alpha": draw(st.sampled_from([0.0, 1e-4, 0.5])),
        "dtype": draw(st.sampled_from(["auto", dtype])),
        "fit_intercept": draw(st.booleans()),
        "random_state": draw(st.integers(0, 99)),
        "batch_size": draw(st.integers(1, n_samples)),
        "max_iter": draw(st.integers(1, 3)),
        "learning_rate_init": 0.01,
        "tol": 0.0,
    }
    kind = MLPRegressor if task in ("one", "many") else MLPClassifier
    losses = REGRESSION_LOSSES if kind is MLPRegressor else CLASSIFICATION_LOSSES
    params["loss"] = draw(st.sampled_from(losses))
    if params["loss"] == "focal":
        params["focal_gamma"] = 1.5
    elif params["loss"] == "huber":
        params["huber_delta"] = 0.7
    elif params["loss"] == "tweedie":
        params["tweedie_power"] = 1.3
    elif params["loss"] == "quantile":
        params["quantile"] = draw(st.sampled_from([0.3, (0.1, 0.5, 0.75)]))
        params["monotone_quantiles"] = draw(st.booleans())
    if params["loss"] in ("poisson", "tweedie"):
        y = rng.poisson(1.5, y.shape).astype(float)
    elif params["loss"] == "gamma":
        y = rng.gamma(2.0, size=y.shape)
    weight = draw(st.sampled_from([None, "real", "whole"]))
    if weight is not None:
        weight = {
            "real": rng.uniform(0.1, 3, n_samples),
            "whole": rng.randint(1, 4, n_samples).astype(float),
        }[weight]
    return kind(**params), X, y, weight


def fit(model, X, y, weight=None, **params):
    """Fit a copy with some other parameters; a problem that diverges is no example."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return type(model)(**{**model.get_params(), **params}).fit(X, y, weight)
        except ValueError as error:
            assume("non-finite parameter weights" not in str(error))
            raise


def outputs(model, X):
    """All that a model predicts: probabilities, values, means beside deviations."""
    if isinstance(model, MLPClassifier):
        return model.predict_proba(X)
    if model.loss == "gaussian_nll":
        return np.c_[model.predict(X, return_std=True)]
    return model.predict(X)


def weights(model):
    return np.hstack([array.ravel() for array in model.coefs_ + model.intercepts_])


def oracle(model, y):
    """Activations, loss and encoded targets as the reference takes them."""
    activation = model.activation
    pair = activation
    if not isinstance(activation, tuple):
        pair = (activation, 1.0 if activation == "elu" else 0.01)
    if isinstance(model, MLPClassifier):
        loss = "" if model.out_activation_ == "softmax" else "binary_"
        loss += model.loss
        if model.loss == "focal":
            loss = Objective(loss, parameter=model.focal_gamma)
        y = np.searchsorted(model.classes_, y) if y.ndim == 1 else y
    else:
        loss = model.loss
        parameter = {"huber": model.huber_delta, "tweedie": model.tweedie_power}
        if loss not in reference.OUTPUTS:
            loss = Objective(loss, parameter=parameter.get(loss, 0.0))
        if model.loss == "quantile":
            levels = tuple(np.atleast_1d(model.quantile).tolist())
            loss = loss._replace(levels=levels, is_monotone=model.monotone_quantiles)
    return [pair] * (len(model.coefs_) - 1), loss, y.reshape(len(y), -1).astype(float)


def wide(arrays):
    return [array.astype(float) for array in arrays]


def stands_near_a_kink(z, activations, loss, y, eps):
    """Return whether the rounding of a net input or output may choose another slope."""

    def near(distance, size):
        return ((distance > 0) & (distance < 100 * eps * (1 + size))).any()

    for (name, _), net_input in zip(activations, z):
        for kink in KINKS.get(name, []):
            if near(np.abs(net_input - kink), np.abs(net_input).max()):
                return True
    if getattr(loss, "loss", loss) not in ("absolute_error", "quantile"):
        return False
    a = reference_losses.outputs(loss, z[-1])
    a = a.reshape(*y.shape, len(loss.levels))
    return near(np.abs(a - y[:, :, None]), np.abs(a).max())


def check_against_the_oracle(model, X, y, weight, layout="c"):
    """Outputs, loss and gradient of a fitted model."""
    tolerance = TOLERANCE[str(model.coefs_[0].dtype)]
    eps = np.finfo(model.coefs_[0].dtype).eps
    activations, loss, targets = oracle(model, y)
    coefs, intercepts = wide(model.coefs_), wide(model.intercepts_)
    expected = reference.predict(coefs, intercepts, X.astype(float), activations, loss)
    laid = laid_out(X, layout)
    raw = outputs(model, laid)
    if isinstance(model, MLPClassifier) and expected.shape[1] == 1:
        expected = np.c_[1 - expected, expected]
    if model.loss == "gaussian_nll":
        mean, log_variance = np.hsplit(expected, 2)
        expected = np.c_[mean, np.exp(log_variance / 2)]
    expected = expected.reshape(raw.shape)
    np.testing.assert_allclose(raw, expected, rtol=tolerance, atol=tolerance)

    z = reference.forward(coefs, intercepts, X.astype(float), activations)[1]
    assume(not stands_near_a_kink(z, activations, loss, targets, eps))
    if model.loss in CLASSIFICATION_LOSSES:  # probabilities count from eps to 1 - eps
        assume(np.abs(z[-1]).max() < -np.log(eps) / 2)
    value, coef_grads, intercept_grads = model.loss_gradient(laid, y, weight)
    expected = reference.loss_gradient(
        coefs, intercepts, X.astype(float), targets, weight, model.alpha, activations,
        loss,
    )  # fmt: skip
    np.testing.assert_allclose(value, expected[0], rtol=tolerance, atol=tolerance)
    size = 1 + max(np.abs(grad).max() for grad in expected[1])
    for ours, theirs in zip(coef_grads, expected[1]):
        np.testing.assert_allclose(ours, theirs, atol=tolerance * size)
    if model.fit_intercept:
        for ours, theirs in zip(intercept_grads, expected[2]):
            np.testing.assert_allclose(ours, theirs, atol=tolerance * size)


@settings(max_examples=80)
@given(problems(), st.sampled_from(LAYOUTS))
def test_forward_and_gradient_are_those_of_the_oracle(problem, layout):
    model, X, y, weight = problem
    check_against_the_oracle(fit(model, X, y, weight), X, y, weight, layout)


def check_an_epoch(problem, solver):
    """Step by step, in the order of the rows."""
    model, X, y, weight = problem
    model.set_params(solver=solver, shuffle=False, max_iter=1, fit_intercept=True)
    start = fit(model, X, y, learning_rate_init=1e-300, solver="sgd")
    init = {
        "coefs_init": [w.copy() for w in start.coefs_],
        "intercepts_init": [b.copy() for b in start.intercepts_],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, weight, **init)
    activations, loss, targets = oracle(start, y)
    units = (X.shape[1], *(len(b) for b in start.intercepts_))
    params = reference.pack(start.coefs_, start.intercepts_)
    state = {"m": np.zeros_like(params), "v": np.zeros_like(params), "t": 0}

    def step(params, gradient):
        if solver == "sgd":
            params, state["v"] = reference.sgd(
                params, state["v"], gradient, 0.01, 0.9, True
            )
            return params
        state["t"] += 1
        params, state["m"], state["v"] = reference.adam(
            params, state["m"], state["v"], gradient, state["t"], 0.01, 0.9, 0.999, 1e-8
        )
        return params

    params, value = reference.epoch(
        params, units, step, X, targets, weight, np.arange(len(X)), model.batch_size,
        model.alpha, activations, loss,
    )  # fmt: skip
    np.testing.assert_allclose(model.loss_, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(weights(model), params, rtol=1e-12, atol=1e-12)


@given(problems(dtypes=("float64",)), st.sampled_from(["adam", "sgd"]))
def test_epochs_are_those_of_the_oracle(problem, solver):
    check_an_epoch(problem, solver)


def for_threads(X):
    """Parameters with which a fit takes threads."""
    hidden = (120, 100)
    assert len(X) * 6 * hidden[0] * hidden[1] > THREAD_WORK
    return {"hidden_layer_sizes": hidden, "batch_size": len(X), "max_iter": 2}


@settings(max_examples=15)
@given(
    problems(dtypes=("float64",), rows=(130, 400)),
    st.integers(2, 5),
    st.sampled_from(["adam", "sgd"]),
)
def test_epochs_in_threads_are_those_of_the_oracle(problem, n_threads, solver):
    model, X, *_ = problem
    model.set_params(n_threads=n_threads, **for_threads(X))
    check_an_epoch(problem, solver)


@needs_products
@given(problems(), st.randoms(use_true_random=False))
def test_order_of_rows(problem, random):
    """Rows are predicted the same, whatever rows are beside them; so are gradients."""
    model, X, y, weight = problem
    order = np.arange(len(X))
    random.shuffle(order)
    fitted = fit(model, X, y, weight)
    np.testing.assert_array_equal(outputs(fitted, X[order]), outputs(fitted, X)[order])
    weight_of = None if weight is None else weight[order]
    a = fitted.loss_gradient(X, y, weight)
    b = fitted.loss_gradient(X[order], y[order], weight_of)
    tolerance = ORDER[str(fitted.coefs_[0].dtype)]
    assert a[0] == pytest.approx(b[0], rel=tolerance, abs=tolerance)
    size = 1 + max(np.abs(grad).max() for grad in a[1])
    for one, other in zip(a[1] + a[2], b[1] + b[2]):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * size)


@given(problems(dtypes=("float64",)), st.randoms(use_true_random=False))
def test_order_of_rows_in_lbfgs(problem, random):
    """Which takes all rows at once."""
    model, X, y, weight = problem
    order = np.arange(len(X))
    random.shuffle(order)
    weight_of = None if weight is None else weight[order]
    a = fit(model, X, y, weight, solver="lbfgs")
    b = fit(model, X[order], y[order], weight_of, solver="lbfgs")
    np.testing.assert_allclose(weights(b), weights(a), rtol=1e-6, atol=1e-9)


@given(problems(dtypes=("float64",)), st.randoms(use_true_random=False))
def test_order_of_features(problem, random):
    """With the first weights reordered alike, training gives the same model."""
    model, X, y, weight = problem
    order = np.arange(X.shape[1])
    random.shuffle(order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = fit(model, X, y, weight, solver="sgd", learning_rate_init=1e-300)
        coefs = [w.copy() for w in start.coefs_]
        model.set_params(solver="sgd", learning_rate_init=1e-3)
        plain = fit_from(model, X, y, weight, coefs)
        moved = fit_from(model, X[:, order], y, weight, [coefs[0][order], *coefs[1:]])
    np.testing.assert_allclose(
        moved.coefs_[0], plain.coefs_[0][order], rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(
        outputs(moved, X[:, order]), outputs(plain, X), rtol=1e-6, atol=1e-9
    )


def fit_from(model, X, y, weight, coefs):
    return type(model)(**model.get_params()).fit(X, y, weight, coefs_init=coefs)


@given(problems(), st.integers(-6, 6))
def test_scale_of_the_weights(problem, exponent):
    """All weights times a power of two: the same bits, for any solver."""
    model, X, y, weight = problem
    weight = np.ones(len(X)) if weight is None else weight
    factor = 2.0**exponent
    for solver in ("sgd", "adam", "lbfgs"):
        params = {"solver": solver, "alpha": 0.0}
        a = fit(model, X, y, weight, **params)
        b = fit(model, X, y, factor * weight, **params)
        np.testing.assert_array_equal(weights(a), weights(b))
        assert a.loss_ == b.loss_


@given(problems(), st.integers(-8, 8))
def test_scale_of_the_features(problem, exponent):
    """Features times a power of two and weights by it: the same outputs, bit by bit."""
    model, X, y, weight = problem
    fitted = fit(model, X, y, weight)
    expected, factor = outputs(fitted, X), X.dtype.type(2.0**exponent)
    fitted.coefs_ = [fitted.coefs_[0] / factor, *fitted.coefs_[1:]]
    np.testing.assert_array_equal(outputs(fitted, X * factor), expected)


@given(problems(dtypes=("float64",), rows=(2, 25)))
def test_weight_k_is_k_equal_rows(problem):
    model, X, y, _ = problem
    counts = 1 + np.arange(len(X)) % 3
    rows = np.repeat(np.arange(len(X)), counts)
    fitted = fit(model, X, y)
    a = fitted.loss_gradient(X, y, counts)
    b = fitted.loss_gradient(X[rows], y[rows])
    assert a[0] == pytest.approx(b[0], rel=1e-10)
    for ours, theirs in zip(a[1] + a[2], b[1] + b[2]):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-10)
    whole = {"batch_size": len(rows), "solver": "sgd", "shuffle": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the batch size is clipped
        a, b = fit(model, X, y, counts, **whole), fit(model, X[rows], y[rows], **whole)
    np.testing.assert_allclose(weights(a), weights(b), rtol=1e-6, atol=1e-9)


@needs_products
@settings(max_examples=15)
@given(problems(rows=(130, 400)), st.integers(2, 5))
def test_threads_change_no_bit(problem, n_threads):
    model, X, y, weight = problem
    for solver in ("adam", "lbfgs"):
        params = {"solver": solver, **for_threads(X)}
        one = fit(model, X, y, weight, n_threads=1, **params)
        many = fit(model, X, y, weight, n_threads=n_threads, **params)
        np.testing.assert_array_equal(weights(many), weights(one))
        np.testing.assert_array_equal(outputs(many, X), outputs(one, X))


@settings(max_examples=10)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("layout", LAYOUTS[1:])
@given(st.data())
def test_layouts_change_no_bit(layout, dtype, data):
    """Of X, in training and in prediction; a list is read as float64."""
    model, X, y, weight = data.draw(problems(dtypes=(dtype,)))
    model.set_params(dtype=dtype)
    laid = laid_out(X, layout)
    a, b = fit(model, X, y, weight), fit(model, laid, y, weight)
    if layout in ("csr", "csc"):  # whose products sum up in another order
        tolerance = {"float64": 1e-10, "float32": 1e-4}[dtype]
        for one, other in ((b, laid), (a, laid)):
            np.testing.assert_allclose(
                outputs(one, other), outputs(a, X), rtol=tolerance, atol=tolerance
            )
        return
    np.testing.assert_array_equal(weights(b), weights(a))
    np.testing.assert_array_equal(outputs(a, laid), outputs(a, X))


# Classes of labels cannot be declared before the data.
DECLARED = tuple(task for task in TASKS if task != "multilabel")


@given(problems(tasks=DECLARED), st.sampled_from(["adam", "sgd"]), st.integers(1, 4))
def test_partial_fit_over_pieces_is_an_epoch_over_the_whole(problem, solver, n_epochs):
    """Without shuffling, and with the penalty that the batches share."""
    model, X, y, weight = problem
    batch = model.batch_size
    model.set_params(solver=solver, shuffle=False, max_iter=n_epochs)
    model.set_params(n_iter_no_change=100)
    first = {}
    if isinstance(model, MLPClassifier):
        first = {"classes": np.unique(y)}
    whole = fit(model, X, y, weight)
    pieces = type(model)(**model.get_params())
    for epoch in range(n_epochs):
        for start in range(0, len(X), batch):
            rows = slice(start, start + batch)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                pieces.partial_fit(
                    X[rows], y[rows], None if weight is None else weight[rows],
                    **first if not epoch else {},
                )  # fmt: skip
    np.testing.assert_array_equal(weights(pieces), weights(whole))
    again = type(model)(**model.get_params())
    again.partial_fit(X, y, weight, n_epochs=n_epochs, **first)
    np.testing.assert_array_equal(weights(again), weights(whole))
