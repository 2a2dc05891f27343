"""Clauses of docs/promises/promises.md that no other file tests."""

import inspect
import json
import pickle
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core import kernels

X, Y = load_iris(return_X_y=True)
PARAMS = {"hidden_layer_sizes": (20, 10), "max_iter": 40, "tol": 0.0, "random_state": 3}
INTERFACE = Path(__file__).parents[1] / "golden" / "interface.json"

pytestmark = pytest.mark.filterwarnings("ignore:.*converge")


def weights(estimator):
    return np.concatenate([w.ravel() for w in estimator.coefs_ + estimator.intercepts_])


def _is_ours(member):
    return (getattr(member, "__module__", None) or "").startswith("fastmlp")


def interface():
    """Parameters and defaults of what is public, by name."""
    found = {}
    for name in fastmlp.__all__:
        value = getattr(fastmlp, name)
        members = {"": value} if callable(value) else {}
        if not members:
            found[name] = [["", type(value).__name__, ""]]
        if inspect.isclass(value):
            members |= {
                f".{key}": member
                for key, member in inspect.getmembers(value, callable)
                if not key.startswith("_") and _is_ours(member)
            }
        for key, member in members.items():
            try:
                parameters = inspect.signature(member).parameters.values()
            except ValueError:  # of a builtin
                parameters = []
            found[name + key] = [
                [p.name, p.kind.name, "" if p.default is p.empty else repr(p.default)]
                for p in parameters
            ]
    return found


def test_interface():
    """Names, parameters, their order and defaults stay; more may come behind them.

    A release adds what is new: `python tests/project/test_promises.py` prints the file.
    """
    now, recorded = interface(), json.loads(INTERFACE.read_text())
    assert set(now) == set(recorded), "a name is gone, or is not recorded yet"
    for name, promised in recorded.items():
        by_kind = {}
        for parameter in now[name]:
            by_kind.setdefault(parameter[1], []).append(parameter)
        positional = [p for p in promised if p[1].startswith("POSITIONAL")]
        assert by_kind.get("POSITIONAL_OR_KEYWORD", [])[: len(positional)] == positional
        assert all(p in now[name] for p in promised), name


def test_another_process_gives_the_same_bits():
    code = (
        "import pickle, sys; estimator, X, Y = pickle.load(sys.stdin.buffer);"
        "import warnings; warnings.simplefilter('ignore');"
        "sys.stdout.buffer.write(pickle.dumps(estimator.fit(X, Y).coefs_))"
    )
    for solver in ("adam", "sgd", "lbfgs"):
        clf = MLPClassifier(**PARAMS, solver=solver)
        out = subprocess.run(
            [sys.executable, "-c", code],
            input=pickle.dumps((clf, X, Y)), capture_output=True, check=True,
        ).stdout  # fmt: skip
        for there, here in zip(pickle.loads(out), clf.fit(X, Y).coefs_):
            np.testing.assert_array_equal(there, here)


SOLVERS = ("lbfgs", *kernels.rule_vectors)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_pickled_and_cloned(kind, solver):
    estimator = kind(**PARAMS, solver=solver)
    once = weights(estimator.fit(X, Y))
    for other in (clone(estimator), pickle.loads(pickle.dumps(estimator))):
        np.testing.assert_array_equal(weights(other.fit(X, Y)), once)


@pytest.mark.parametrize("solver", SOLVERS)
def test_onlookers_change_nothing(capsys, solver):
    plain = MLPClassifier(**PARAMS, solver=solver).fit(X, Y)
    seen = []
    watched = MLPClassifier(**PARAMS, solver=solver, verbose=2)
    watched.fit(X, Y, X_val=X[::7], y_val=Y[::7], callback=seen.append)
    assert len(seen) == plain.n_iter_ > 9 and capsys.readouterr().out
    np.testing.assert_array_equal(weights(watched), weights(plain))


@pytest.mark.parametrize("activation", kernels.activation_names)
def test_instruction_sets_agree(activation):
    """40 epochs of 3 steps, whichever kernels do the work."""
    fitted, before = {}, kernels.isa
    try:
        for name in kernels.available_isas:
            kernels.use_isa(name)
            clf = MLPClassifier(**PARAMS, activation=activation, batch_size=50)
            fitted[name] = weights(clf.fit(X, Y))
    finally:
        kernels.use_isa(before)
    assert len(fitted) > 1 or platform.machine() not in ("x86_64", "AMD64")
    for other in fitted.values():
        np.testing.assert_allclose(other, fitted[before], rtol=0, atol=1e-9)


if __name__ == "__main__":
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in interface().items()]
    print("{\n" + ",\n".join(lines) + "\n}")
