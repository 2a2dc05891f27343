"""Faults from outside: Ctrl-C, user code that raises, fork, exit, interpreters.

The other tests of Ctrl-C, on large data, are in ``test_interrupts.py``.
"""

import copy
import os
import signal
import subprocess
import sys
import time
import warnings
import weakref
from importlib.util import find_spec

import joblib
import numpy as np
import pytest

import fastmlp
from fastmlp import Activation, Loss, MLPClassifier, MLPRegressor
from fastmlp._core import kernels
from fastmlp._core.batch import THREAD_WORK
from fastmlp._mlp import fast_predict

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.RandomState(0)
X = RNG.randn(4000, 40)
Y = RNG.randint(0, 3, 4000)
HIDDEN = (64, 32)
PATIENCE = 0.1  # seconds of processor time from the signal to the return


class Alarm:
    """Raises KeyboardInterrupt some seconds of processor time after the start.

    Once more 5 s later, so that a test whose first one was lost fails, not hangs.
    """

    def __enter__(self):
        self.before = signal.signal(signal.SIGPROF, signal.default_int_handler)
        return self

    def start(self, seconds):
        self.due = time.process_time() + seconds
        signal.setitimer(signal.ITIMER_PROF, seconds, 5)  # again if it was lost

    def waited(self):
        """Processor time since the signal was due."""
        return time.process_time() - self.due

    def __exit__(self, *exception):
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self.before)


def _weights(model):
    return np.hstack([array.ravel() for array in model.coefs_ + model.intercepts_])


def _check_books(model):
    """The record of a fit agrees, and the model predicts and trains on."""
    assert np.isfinite(_weights(model)).all()
    assert np.isfinite(model.predict_proba(X[:50])).all()
    if model.solver != "lbfgs":
        assert len(model.loss_curve_) == len(model.history_["loss"])
        assert 0 <= model.n_iter_ <= len(model.loss_curve_)
    assert model.t_ >= 0
    model.set_params(max_iter=1, warm_start=True).fit(X[:50], np.arange(50) % 3)


def _relu(z):
    return np.maximum(z, 0)


def _relu_derivative(a):
    return (a > 0).astype(a.dtype)


METHODS = {
    **{solver: {"solver": solver} for solver in ("lbfgs", *kernels.rule_vectors)},
    "whole batch": {"solver": "sgd", "batch_size": 4000},
    "holdout": {"early_stopping": True},
    "scorer": {"early_stopping": True, "scoring": "accuracy"},
    "float32": {"dtype": "float32", "standardize_X": True},
    "ema": {"weight_averaging": "ema"},
    "swa": {"weight_averaging": ("swa", 0.0)},
    "regularised": {
        "dropout": 0.2,
        "l1": 1e-5,
        "max_weight_norm": 3.0,
        "input_noise": 0.1,
    },
    "own": {"activation": (_relu, _relu_derivative)},
    "n_threads": {"n_threads": 2, "batch_size": 1000},
    "partial_fit": {},
    "partial_fit sgd": {"solver": "sgd"},
    "stream": {},
    "predict": {},
    "predictor": {},
}
assert THREAD_WORK < 1000 * 6 * (40 * 64 + 64 * 32)
N_MOMENTS = 10
assert N_MOMENTS * len(METHODS) >= 200


def _call(model, method):
    """A call of some 200 ms."""
    if method.startswith("partial_fit"):
        return lambda: model.partial_fit(X, Y, n_epochs=10**4)
    if method == "stream":  # many short calls, most of them by the short way
        X_one, y_one = X[:200].copy(), Y[:200].copy()

        def stream():
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message="Training interrupted")
                while True:
                    model.partial_fit(X_one, y_one)

        return stream
    if method.startswith("predict"):
        proba = (model if method == "predict" else model.compile()).predict_proba

        def predict():
            while True:
                proba(X)

        return predict
    return lambda: model.fit(X, Y)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs an interval timer")
@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_at_random_moments(method):
    """200 moments in all: the model is that of before or a usable newer one."""
    rng = np.random.RandomState([*METHODS].index(method))
    waits, outcomes = [], []
    params = {"max_iter": 10**6, "n_threads": 1, "random_state": 0}
    params["n_iter_no_change"] = 10**6
    for _ in range(N_MOMENTS):
        model = MLPClassifier(HIDDEN, **{**params, "max_iter": 1}).fit(X[:300], Y[:300])
        model.set_params(**{**params, **METHODS[method]})
        before, call = _weights(model), _call(model, method)
        seconds = rng.choice([0.002, 0.02, 0.1]) * rng.uniform(0.05, 1)
        with warnings.catch_warnings(record=True) as caught, Alarm() as alarm:
            warnings.simplefilter("always")
            raised = False
            alarm.start(seconds)
            try:
                call()
            except (KeyboardInterrupt, UserWarning):
                raised = True
            waits.append(alarm.waited())
        warned = any("interrupted by user" in str(w.message) for w in caught)
        assert raised != warned, "an interrupt is told of once"
        if raised and method != "stream":
            np.testing.assert_array_equal(_weights(model), before)
        outcomes.append(raised)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _check_books(model)
    assert max(waits) < PATIENCE
    if method in ("adam", "sgd", "lbfgs", "partial_fit", "partial_fit sgd"):
        assert not all(outcomes), "most moments are within the training"


def test_a_model_that_goes_runs_no_code_of_python():
    """There, as in a callback of a weak reference, a Ctrl-C would be swallowed."""
    model = MLPClassifier((4,), max_iter=1).fit(X[:50], Y[:50])
    model.predict(X[:1])
    gone, key, called = weakref.ref(model), id(model), []
    assert key in fast_predict._prepared
    sys.setprofile(lambda frame, event, argument: called.append((event, frame.f_code)))
    del model
    sys.setprofile(None)
    assert gone() is None
    assert key not in fast_predict._prepared
    # the build of the coverage reports functions of Cython too; those meet no Ctrl-C
    files = {code.co_filename for event, code in called if event == "call"}
    assert not {file for file in files if not file.endswith(".pyx")}


class BrokenError(Exception):
    """The exception that the functions of these tests raise."""


class Fuse:
    """A callable that raises at its k-th call."""

    def __init__(self, k, answer):
        self.k, self.answer = k, answer

    def __call__(self, *arguments):
        self.k -= 1
        if self.k == 0:
            raise BrokenError
        return self.answer(*arguments) if callable(self.answer) else self.answer


RAISING = [
    (what, solver, k)
    for what in ("callback", "scorer", "schedule")
    for solver in ("adam", "sgd", "lbfgs")
    for k in (1, 2, 7)
    if (what, solver) != ("schedule", "lbfgs")  # which has no learning rate
]
# A splitter is called once a fit.
RAISING += [("splitter", solver, 1) for solver in ("adam", "sgd", "lbfgs")]


@pytest.mark.parametrize("what, solver, k", RAISING)
@pytest.mark.parametrize("warm_start", [False, True])
def test_user_code_that_raises(what, warm_start, solver, k):
    small, labels = X[:200], Y[:200]
    params = {"solver": solver, "max_iter": 12, "tol": 0.0, "random_state": 0}
    model = MLPClassifier((8,), **params, warm_start=warm_start)
    model.fit(small, labels, X_val=small[:40], y_val=labels[:40])
    state = joblib.hash(vars(model))
    options, broken = {}, {}
    if what == "callback":
        options["callback"] = Fuse(k, None)
    elif what == "scorer":
        broken["scoring"] = Fuse(k, lambda model, X, y: model.score(X, y))
        options |= {"X_val": small[:40], "y_val": labels[:40]}
    elif what == "schedule":
        broken["learning_rate"] = Fuse(k, 1e-3)
    else:

        class Splitter:
            split = Fuse(k, None)

        broken["validation_split"] = Splitter()
    good = {name: getattr(model, name) for name in broken}
    with pytest.raises(BrokenError):
        model.set_params(**broken).fit(small, labels, **options)
    assert joblib.hash(vars(model.set_params(**good))) == state
    model.fit(small, labels)


def _squared(y, a):
    return (y - a) ** 2 / 2


def _squared_gradient(y, a):
    return a - y


def _with_a_fuse(what):
    """A fuse that is not lit, and the parameter of a regressor that holds it."""
    fuse = Fuse(0, {"activation": _relu, "loss": _squared}[what])
    if what == "activation":
        return fuse, Activation(fuse, _relu_derivative, name="fused")
    return fuse, Loss(fuse, _squared_gradient, name="fused")


@pytest.mark.parametrize("k", [1, 2, 4, 5, 7])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("what", ["activation", "loss"])
def test_a_function_of_the_net_that_raises(what, warm_start, solver, k):
    """The weights are those of the k - 1 whole batches before, or those of before."""
    fuse, function = _with_a_fuse(what)
    params = {"solver": solver, "max_iter": 3, "tol": 0.0, "random_state": 0}
    params |= {"batch_size": 50, "shuffle": False, "warm_start": warm_start}
    params |= {"hidden_layer_sizes": (8,), what: function}
    rows, y = X[:200], X[:200, 0]
    model = MLPRegressor(**params).fit(rows, y)
    fuse.k = 0
    expected, state = copy.deepcopy(model), joblib.hash(vars(model))
    n_epochs, n_batches = divmod(k - 1, 4)
    if n_epochs:
        expected.set_params(max_iter=n_epochs).fit(rows, y)
        if n_batches:
            expected.partial_fit(rows[: 50 * n_batches], y[: 50 * n_batches])
    elif n_batches:  # an epoch of fewer rows
        expected.set_params(max_iter=1)
        expected.fit(rows[: 50 * n_batches], y[: 50 * n_batches])
    fuse.k = k
    with pytest.raises(BrokenError) as caught:
        model.fit(rows, y)
    assert caught.value.__notes__ == [f"raised by {what} 'fused'"]
    np.testing.assert_array_equal(_weights(model), _weights(expected))
    if k == 1:
        fuse.k = 0
        assert joblib.hash(vars(model)) == state
    assert np.isfinite(model.predict(rows)).all()
    model.fit(rows, y)


@pytest.mark.parametrize("k", [1, 2, 7])
@pytest.mark.parametrize("what", ["activation", "loss"])
def test_a_function_of_the_net_that_raises_in_lbfgs(what, k):
    """An evaluation is a batch; the k-th has no step before it if k is 1."""
    fuse, function = _with_a_fuse(what)
    params = {"solver": "lbfgs", "max_iter": 12, "random_state": 0, what: function}
    rows, y = X[:200], X[:200, 0]
    model = MLPRegressor(hidden_layer_sizes=(8,), **params).fit(rows, y)
    before = _weights(model)
    fuse.k = k
    with pytest.raises(BrokenError) as caught:
        model.fit(rows, y)
    assert caught.value.__notes__ == [f"raised by {what} 'fused'"]
    assert np.array_equal(_weights(model), before) is (k == 1)
    assert np.isfinite(model.predict(rows)).all()
    model.fit(rows, y)
    np.testing.assert_array_equal(_weights(model), before)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_callback_that_raises_in_partial_fit(k):
    model, small, labels = MLPRegressor(random_state=0), X[:200].copy(), X[:200, 0]
    for n_calls in range(3):  # the long way first, then the short one
        model.partial_fit(small, labels)
        state = joblib.hash(vars(model))
        with pytest.raises(BrokenError):
            model.partial_fit(small, labels, n_epochs=5, callback=Fuse(k, None))
        assert joblib.hash(vars(model)) == state, n_calls


def _run(code, timeout=60):
    """Run a script in a new process; what it printed."""
    prelude = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from fastmlp import MLPClassifier, MLPRegressor
X = np.random.RandomState(0).randn(1500, 70)
Y = np.random.RandomState(1).randint(0, 5, 1500)
def model(**params):
    params = {"max_iter": 5, "batch_size": 400, "n_threads": 2, **params}
    return MLPClassifier((90, 61), random_state=0, **params)
def weights(model):
    return np.hstack([array.ravel() for array in model.coefs_])
"""
    done = subprocess.run(
        [sys.executable, "-c", prelude + code],
        capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_fork_before_during_and_after_a_fit(n_threads):
    """Ten children while another thread trains; each trains and predicts as ever."""
    out, _ = _run(f"""
n_threads = {n_threads}
def child(expected):
    pid = os.fork()
    if pid:
        return pid
    try:
        done = model(n_threads=n_threads).fit(X, Y)
        same = np.array_equal(weights(done), expected)
        done.predict(X)
        os._exit(0 if same else 3)
    finally:
        os._exit(4)
pid = os.fork()  # before anything was trained
expected = weights(model(n_threads=n_threads).fit(X, Y))
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
stop = []
trained = model(max_iter=10**6, tol=0.0, n_threads=n_threads)
thread = threading.Thread(
    target=lambda: trained.fit(X, Y, callback=lambda record: stop and record.stop())
)
thread.start()
for _ in range(10):
    time.sleep(0.013)
    assert os.waitpid(child(expected), 0)[1] == 0
stop.append(1)
thread.join(30)
assert not thread.is_alive()
assert np.array_equal(weights(model(n_threads=n_threads).fit(X, Y)), expected)
assert os.waitpid(child(expected), 0)[1] == 0
print("survived")
""")
    assert out == "survived\n"


@pytest.mark.parametrize("what", ["fit", "predict", "partial_fit"])
def test_daemon_threads_at_exit(what):
    """The interpreter ends while threads train or predict."""
    out, err = _run(f"""
trained = model().fit(X, Y)
def forever():
    mine = model(max_iter=10**9, tol=0.0)
    if {what!r} == "fit":
        mine.fit(X, Y)
    while {what!r} == "predict":
        trained.predict_proba(X)
    mine.partial_fit(X, Y, classes=range(5))
    while True:
        mine.partial_fit(X, Y)
for _ in range(4):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.2)
print("ends")
""")
    assert out == "ends\n"
    assert "Fatal" not in err


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("is_first", [True, False])
def test_sub_interpreters(n, is_first):
    """A second interpreter is told that it cannot, before NumPy is reached."""
    if not any(map(find_spec, ("_interpreters", "_xxsubinterpreters"))):
        pytest.skip("this Python makes no second interpreter")
    script = f"""
try:
    from _interpreters import create, exec as run  # from Python 3.13 on
except ImportError:
    from _xxsubinterpreters import create, run_string as run
code = '''
import sys
# The finder of an editable install would start a process, which cannot be done here.
sys.meta_path = [f for f in sys.meta_path if not hasattr(f, "_build_path")]
sys.path.insert(0, {os.path.dirname(os.path.dirname(fastmlp.__file__))!r})
for module in ("fastmlp", "fastmlp.runtime", "fastmlp._core.kernels"):
    try:
        __import__(module)
    except ImportError as error:
        assert error.name is None, error  # not by way of a module that is missing
        assert "fastmlp cannot be imported in a sub-interpreter" in str(error), error
    else:
        raise AssertionError(module)
assert "numpy" not in sys.modules and "fastmlp" not in sys.modules
'''
for _ in range({n}):
    failed = run(create(), code)  # the newer one does not raise
    assert failed is None, failed
"""
    if is_first:  # the main interpreter has loaded nothing yet, and still can
        script += "import fastmlp; print('goes on')"
        command = [sys.executable, "-W", "ignore", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "goes on\n"
    else:
        out, _ = _run(script + "model().fit(X, Y)\nprint('goes on')")
        assert out == "goes on\n"
