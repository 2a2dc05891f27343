"""L-BFGS: its directions, its line search, and its iterates beside SciPy's."""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy import optimize
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core.curvature import Curvature, dot
from fastmlp._training.lbfgs import MOST_TRIALS, Course, minimize
from fastmlp._training.line_search import DECREASE, FLATNESS, LineSearch


class Function:
    """A function of a vector in the form that minimize takes."""

    def __init__(self, value, gradient, start):
        self.value, self.gradient = value, gradient
        self.x, self.grad = np.array(start), np.empty_like(start)
        self.loss, self.n_calls = np.inf, 0

    def __call__(self):
        self.n_calls += 1
        self.loss = float(self.value(self.x))
        self.grad[:] = self.gradient(self.x)


def run(value, gradient, start, tol=1e-5, max_iter=200, max_calls=15000):
    """Our minimisation: how it ended, the function and the iterates."""
    function, path = Function(value, gradient, start), []
    end = minimize(
        function,
        Course(len(start)),
        max_iter=max_iter,
        max_calls=max_calls,
        tol=tol,
        iteration_ends=lambda: path.append(function.x.copy()),
    )
    return end, function, path


RNG = np.random.default_rng(0)  # of the functions, drawn once
CURVES = RNG.normal(size=(30, 30))
QUADRATIC = CURVES @ CURVES.T + 0.1 * np.eye(30)
LINEAR = RNG.normal(size=30)
FUNCTIONS = {
    "rosenbrock": (optimize.rosen, optimize.rosen_der, 2 * RNG.normal(size=5)),
    "quadratic": (
        lambda x: 0.5 * x @ QUADRATIC @ x - LINEAR @ x,
        lambda x: QUADRATIC @ x - LINEAR,
        np.zeros(30),
    ),
    "waves": (
        lambda x: np.sum(x**2 / 50 + np.cos(3 * x)),
        lambda x: x / 25 - 3 * np.sin(3 * x),
        10 * RNG.normal(size=10),
    ),
    "sharp": (
        lambda x: np.sum(np.abs(x) ** 1.5),
        lambda x: 1.5 * np.sign(x) * np.abs(x) ** 0.5,
        10 * RNG.normal(size=10),
    ),
    "far": (
        lambda x: np.sum(np.sqrt(1 + 100 * x * x)),
        lambda x: 100 * x / np.sqrt(1 + 100 * x * x),
        100 * RNG.normal(size=10),
    ),
    "steep": (
        lambda x: np.sum(np.exp(x) - x),
        lambda x: np.exp(x) - 1,
        5 * RNG.normal(size=10),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_same_iterates_as_scipy(name):
    value, gradient, start = FUNCTIONS[name]
    end, function, path = run(value, gradient, start)
    theirs = []
    result = optimize.minimize(
        value,
        start,
        method="L-BFGS-B",
        jac=gradient,
        callback=lambda x: theirs.append(x.copy()),
        options={"gtol": 1e-5, "maxiter": 200},
    )
    assert end.status == result.status == 0
    assert len(path) == result.nit
    assert function.n_calls == result.nfev
    np.testing.assert_allclose(path, theirs, rtol=1e-7, atol=1e-7)


def test_the_limits_end_it_as_in_scipy():
    value, gradient, start = FUNCTIONS["rosenbrock"]
    for limit in (
        {"max_iter": 1},
        {"max_iter": 7},
        {"max_calls": 1},
        {"max_calls": 12},
    ):
        end, function, path = run(value, gradient, start, **limit)
        names = {"max_iter": "maxiter", "max_calls": "maxfun"}
        result = optimize.minimize(
            value,
            start,
            method="L-BFGS-B",
            jac=gradient,
            options={names[name]: number for name, number in limit.items()},
        )
        assert end.status == result.status == 1
        assert (len(path), function.n_calls) == (result.nit, result.nfev)
        np.testing.assert_allclose(function.x, result.x, rtol=1e-9)


def test_a_limit_comes_before_the_minimum():
    """As in SciPy, where both are reached in one iteration."""
    value, gradient, start = FUNCTIONS["quadratic"]
    end, function, path = run(value, gradient, start)
    assert end.status == 0
    for ours, theirs, limit in (
        ("max_iter", "maxiter", len(path)),
        ("max_calls", "maxfun", function.n_calls - 1),
    ):
        limited, *_ = run(value, gradient, start, **{ours: limit})
        result = optimize.minimize(
            value,
            start,
            method="L-BFGS-B",
            jac=gradient,
            options={"gtol": 1e-5, theirs: limit},
        )
        assert limited.status == result.status == 1 and "limit" in limited.message


def test_ends_that_are_no_limit():
    end, function, path = run(lambda x: x @ x, lambda x: 2 * x, np.full(3, 1e-6))
    assert end.status == 0 and "gradient" in end.message
    assert not path and function.n_calls == 1
    end, *_ = run(*FUNCTIONS["quadratic"], tol=0.0, max_iter=10**4)
    assert end.status == 0 and "falls no more" in end.message
    start = np.ones(3)
    for value, gradient in (
        (lambda x: x @ x, lambda x: -2 * x),  # a wrong gradient
        (lambda x: x @ x, lambda x: np.full(3, np.nan)),
        (lambda x: 1.0, lambda x: 0 * x),
    ):
        end, function, path = run(value, gradient, start, tol=-1.0)
        assert end.status == 2 and not path
        assert function.n_calls <= 1 + MOST_TRIALS
        np.testing.assert_array_equal(function.x, start)
        assert function.loss == pytest.approx(value(start), nan_ok=True)


def test_a_wall_is_met_by_halving():
    """No other step than a shorter one leads away from infinity."""

    def value(x):
        return x @ x - 1e3 * x[0] if abs(x).max() < 3 else np.inf

    def gradient(x):
        return 2 * x - 1e3 * np.eye(4)[0] if abs(x).max() < 3 else np.full(4, np.nan)

    _, function, path = run(value, gradient, np.ones(4))
    assert 2.9 < function.x[0] < 3 and np.isfinite(function.loss)
    assert function.loss <= min(map(value, path))


def test_no_start_where_there_is_no_loss():
    for loss in (np.nan, np.inf):
        end, function, path = run(lambda x, loss=loss: loss, lambda x: x, np.ones(3))
        assert end.status == 2 and "initial weights" in end.message
        assert not path and function.n_calls == 1
        np.testing.assert_array_equal(function.x, 1)


def test_memory_is_forgotten_before_giving_up():
    """If the learnt direction fails, steepest descent is tried."""
    calls, scales = [], np.array([1.0, 10.0])

    def value(x):
        calls.append(1)
        fails = 4 <= len(calls) < 4 + MOST_TRIALS
        return np.nan if fails else 0.5 * x @ (scales * x)

    end, function, path = run(value, lambda x: scales * x, np.array([3.0, -4.0]))
    assert end.status == 0 and function.n_calls > 4 + MOST_TRIALS
    assert len(path) > 2
    np.testing.assert_allclose(function.x, 0, atol=1e-4)


def test_a_function_without_minimum_goes_on_as_in_scipy():
    def value(x):
        return -x.sum()

    def gradient(x):
        return -np.ones_like(x)

    limits = {"max_iter": 20, "max_calls": 10**4}
    end, function, path = run(value, gradient, np.zeros(3), **limits)
    result = optimize.minimize(
        value, np.zeros(3), method="L-BFGS-B", jac=gradient, options={"maxiter": 20}
    )
    assert end.status == result.status == 1
    assert (len(path), function.n_calls) == (result.nit, result.nfev)
    np.testing.assert_allclose(function.x, result.x, rtol=1e-12)


def inverse_hessian(pairs, n):
    """The matrix that the pairs make, by the update of BFGS in its dense form."""
    step, change = pairs[-1]
    hessian = np.eye(n) * (step @ change) / (change @ change)
    for step, change in pairs:
        left = np.eye(n) - np.outer(step, change) / (step @ change)
        hessian = left @ hessian @ left.T + np.outer(step, step) / (step @ change)
    return hessian


@pytest.mark.parametrize("n", [1, 7, 600])
def test_directions(n, isa):
    rng = np.random.default_rng(n)
    curvature, pairs = Curvature(4, n), []
    scales = rng.uniform(0.5, 2, n)
    for known in range(7):
        grad, out = rng.normal(size=n), np.empty(n)
        slope = curvature.descend(grad, out)
        expected = -grad
        if known:
            expected = -inverse_hessian(pairs[-4:], n) @ grad
        eps = np.finfo(float).eps
        size = np.linalg.norm(expected)
        np.testing.assert_allclose(out, expected, rtol=0, atol=300 * eps * size)
        bound = 300 * eps * size * np.linalg.norm(grad)
        assert slope == pytest.approx(expected @ grad, rel=0, abs=bound)
        assert curvature.n_known == min(known, 4)
        direction = rng.normal(size=n)
        after = grad + scales * 0.25 * direction
        step, change = 0.25 * direction, after - grad
        curvature.learn(direction, 0.25, after, grad, float(step @ change))
        pairs.append((step, change))
    curvature.forget()
    curvature.descend(grad, out)
    np.testing.assert_array_equal(out, -grad)


def test_vectors_are_checked():
    curvature, long = Curvature(2, 3), np.zeros(4)
    with pytest.raises(ValueError, match="pair"):
        Curvature(0, 3)
    for wrong in range(3):
        vectors = [long if i == wrong else np.zeros(3) for i in range(3)]
        with pytest.raises(ValueError, match="length"):
            curvature.learn(vectors[0], 1.0, vectors[1], vectors[2], 1.0)
    assert curvature.n_known == 0
    with pytest.raises(ValueError, match="length"):
        curvature.descend(np.zeros(4), np.zeros(3))
    with pytest.raises(ValueError, match="length"):
        dot(np.zeros(4), np.zeros(3))
    for wrong in (np.zeros(3, np.float32), np.zeros(6)[::2]):
        with pytest.raises(TypeError, match="C-contiguous float64"):
            curvature.descend(np.zeros(3), wrong)
        with pytest.raises(TypeError, match="C-contiguous"):
            dot(np.zeros(3), wrong)


def test_a_change_that_tells_nothing_is_left_out():
    rng = np.random.default_rng(1)
    curvature, out = Curvature(2, 3), np.empty(3)
    grads = rng.normal(size=(4, 3))
    direction = np.ones(3)
    for after, before in ((grads[0], grads[0]), (grads[0], -np.inf * grads[1])):
        curvature.learn(direction, 1.0, after, before, 1e-20)
        assert curvature.n_known == 0
    for k in (1, 2):
        curvature.learn(grads[k], 0.5, 2 * grads[k], grads[k], 1.0)
    assert curvature.n_known == 2
    curvature.learn(direction, 1.0, grads[0], grads[0], 1e-20)  # in the oldest's room
    assert curvature.n_known == 1
    alone = Curvature(2, 3)
    alone.learn(grads[2], 0.5, 2 * grads[2], grads[2], 1.0)
    slope, expected = curvature.descend(grads[3], out), np.empty(3)
    assert slope == alone.descend(grads[3], expected)
    np.testing.assert_array_equal(out, expected)


def test_large_numbers_in_single_precision_are_learnt():
    """The gradient is beyond 1e19, and its square beyond single precision."""
    rng = np.random.default_rng(0)
    X = (1e10 * rng.normal(size=(60, 3))).astype(np.float32)
    y = (X @ [1.0, -2.0, 0.5]).astype(np.float32)
    params = {"solver": "lbfgs", "alpha": 0.0, "random_state": 0, "max_iter": 50}
    model = MLPRegressor(hidden_layer_sizes=(), **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert model.n_iter_ > 1
    np.testing.assert_allclose(model.coefs_[0][:, 0], [1, -2, 0.5], rtol=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_losses_of_straight_pieces(loss, dtype):
    """The gradient may stay the same to the bit from step to step."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2)).astype(dtype)
    y = (X[:, 0] > 0).astype(dtype)
    params = {"solver": "lbfgs", "alpha": 0.0, "random_state": 0, "max_iter": 300}
    with np.errstate(all="raise"):
        model = MLPRegressor(loss, (), **params).fit(X, y)
    assert np.isfinite(model.coefs_[0]).all() and model.loss_ < 0.3


# The functions of Moré and Thuente (1994), section 5, and starts of their tables.
def _rational(t):
    return -t / (t * t + 2), (t * t - 2) / (t * t + 2) ** 2


def _powers(t):
    return (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4, (
        5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3
    )


def _yanai(t, left=0.001, right=0.001):
    scale = [np.sqrt(1 + b * b) - b for b in (left, right)]
    roots = np.sqrt((1 - t) ** 2 + right**2), np.sqrt(t * t + left**2)
    slope = scale[0] * (t - 1) / roots[0] + scale[1] * t / roots[1]
    return scale[0] * roots[0] + scale[1] * roots[1], slope


@pytest.mark.parametrize("start", [1e-3, 1e-1, 1e1, 1e3])
@pytest.mark.parametrize(
    "function",
    [
        _rational,
        _powers,
        _yanai,
        partial(_yanai, right=0.01),
        partial(_yanai, left=0.01),
    ],
)
def test_a_line_search_ends_where_wolfe_says(function, start):
    loss, slope = function(0.0)
    assert slope < 0
    search, n_trials, is_over = LineSearch(loss, slope, start), 0, False
    while not is_over:
        n_trials += 1
        assert n_trials <= MOST_TRIALS
        trial = function(search.step)
        is_over = search.ends(*trial)
    assert trial[0] <= loss + DECREASE * search.step * slope
    # the first slope of _powers is so small that the interval ends the search before
    if function is not _powers:
        assert abs(trial[1]) <= -FLATNESS * slope


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fit_takes_the_steps_of_scipy_on_its_own_loss(dtype):
    """The whole way, the penalty and the packing of the weights included."""
    X = np.random.default_rng(0).normal(size=(80, 5)).astype(dtype)
    y = (X[:, :2] ** 2).astype(dtype)
    params = {"hidden_layer_sizes": (6,), "alpha": 0.5, "activation": "tanh"}
    model = MLPRegressor(solver="lbfgs", max_iter=25, random_state=0, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = MLPRegressor(
            solver="sgd", max_iter=1, learning_rate_init=1e-30, random_state=0, **params
        ).fit(X, y)
        packed = np.hstack([a.ravel() for a in start.coefs_ + start.intercepts_])
        model.fit(X, y)
    result = optimize.minimize(
        lambda w: model._loss_grad_lbfgs(w, X, y, None, *[None] * 4),
        packed.astype(float),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": 25, "gtol": model.tol},
    )
    ours = np.hstack([a.ravel() for a in model.coefs_ + model.intercepts_])
    assert ours.dtype == dtype and model.n_iter_ == result.nit == 25
    tolerance = {"float32": 1e-6, "float64": 1e-12}[dtype]  # weights of about 3
    np.testing.assert_allclose(ours, result.x, rtol=0, atol=tolerance)


def test_the_warning_says_why():
    X = np.random.default_rng(0).normal(size=(50, 3))
    model = MLPClassifier((4,), solver="lbfgs", max_iter=3, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"3 iteration\(s\) \(status=1\): the li"
    ):
        model.fit(X, X[:, 0] > 0)
    model.set_params(max_iter=1000, max_fun=2)
    with pytest.warns(ConvergenceWarning, match=r"max_fun, is exceeded\. Scaling"):
        model.fit(X, X[:, 0] > 0)
