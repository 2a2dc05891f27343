"""Type checkers and editors see the public names, their arguments and results."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import jedi
import pytest

import fastmlp
import fastmlp.distributed
import fastmlp.runtime

PACKAGE = Path(fastmlp.__file__).parent
STUB = PACKAGE / "__init__.pyi"
SCRIPT = """\
import numpy as np
from fastmlp import EpochRecord, MLPClassifier, MLPRegressor, load_model, to_c
from fastmlp import TabularMLPClassifier, TabularMLPRegressor
from fastmlp.runtime import load_predictor

def watch(record: EpochRecord) -> None:
    print(record.loss, record.fitted_estimator())

X, y = np.zeros((4, 2)), ["a", "b", "a", "b"]
clf = MLPClassifier(
    (10, 5), solver="lion", activation=["relu", ("elu", 2.0)],
    learning_rate=("cosine", 0.1), batch_size="auto", n_iter_no_change=np.inf,
)
clf.fit(X, y, callback=watch, checkpoint="state").partial_fit(X, y, classes=["a"])
proba: np.ndarray = clf.predict_proba(X)
row: np.ndarray = clf.compile().predict(X)
table = TabularMLPClassifier(n_members=2, categorical_features=["a"], refit=True)
table.fit([{"a": "x", "b": None}], ["yes"], callback=watch).predict_proba(X)
numbers = TabularMLPRegressor(loss="quantile", quantile=[0.1, 0.9], dtype=np.float64)
ends: np.ndarray = numbers.fit(X, [1.0, 2.0, 3.0, 4.0]).predict_interval(X)
header: str = to_c(load_model("model"), dtype="int8")
n_features: int = load_predictor("model", n_threads=2).n_features_in_
"""
WRONG = """\
MLPClassifier(alpha="big")
MLPClassifier(hiden_layer_sizes=3)
MLPRegressor(solver="adamw")
clf.fit(X, y, checkpoint_every="all")
clf.compile(n_threads=1.5)
TabularMLPClassifier(validation="fold")
numbers.predict(X, return_std="yes")
load_predictor("model").classes
text: int = to_c(clf)
"""
SETTINGS = """\
[mypy]
ignore_missing_imports = True
follow_imports = silent
[mypy-matplotlib.*,onnx.*,pandas.*,torch.*]
follow_imports = skip
"""


def stub_imports():
    """{name: module} of the stub; each is re-exported by ``import X as X``."""
    found = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            assert [a.asname for a in node.names] == [a.name for a in node.names]
            found.update({alias.name: node.module for alias in node.names})
    return found


def test_the_stub_names_what_is_public():
    assert stub_imports() == fastmlp._MODULES
    assigned = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(STUB.read_text()).body
        if isinstance(node, ast.Assign)
    }
    assert sorted(assigned.pop("__all__")) == sorted(fastmlp.__all__)
    assert not assigned
    assert (PACKAGE / "py.typed").exists()


def test_mypy_accepts_right_calls_and_reports_each_wrong_one(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT + WRONG)
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    environment = dict(os.environ)
    if PACKAGE.parent.name != "site-packages":  # there mypy finds it by py.typed
        environment["MYPYPATH"] = str(PACKAGE.parent)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "script.py"],
        capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if ": error: " in line]
    first = SCRIPT.count("\n") + 1
    # an error for each class that an object may have counts once
    numbers = list(dict.fromkeys(int(line.split(":")[1]) for line in lines))
    assert numbers == list(range(first, first + WRONG.count("\n"))), done.stdout
    assert 'did you mean "hidden_layer_sizes"?' in lines[1]


@pytest.mark.parametrize(
    "code, expected",
    [
        ("from fastmlp import MLPC", ["MLPClassifier"]),
        (
            "from fastmlp import MLPClassifier\nMLPClassifier(learning_r",
            ["learning_rate=", "learning_rate_factors=", "learning_rate_init="],
        ),
        (
            "from fastmlp import MLPRegressor\nMLPRegressor().predict_i",
            ["predict_interval"],
        ),
        (
            "from fastmlp import MLPRegressor\nMLPRegressor().partial_fit(n_ep",
            ["n_epochs="],
        ),
        ("from fastmlp import to_c\nto_c(dty", ["dtype="]),
        (
            "from fastmlp import TabularMLPRegressor\nTabularMLPRegressor(n_m",
            ["n_members="],
        ),
        (
            "from fastmlp import MLPClassifier\nMLPClassifier().fit([], []).predict_l",
            ["predict_log_proba"],
        ),
    ],
)
def test_jedi_completes(code, expected):
    project = jedi.Project(PACKAGE.parent)
    found = jedi.Script(code, project=project).complete()
    assert [completion.name for completion in found] == expected


PUBLIC = [
    *sorted(fastmlp._MODULES.items()),
    *((name, "fastmlp.runtime") for name in fastmlp.runtime.__all__),
    *((name, "fastmlp.distributed") for name in fastmlp.distributed.__all__),
]


@pytest.mark.parametrize("name, module", PUBLIC)
def test_public_signatures_are_annotated(name, module):
    value = getattr(__import__(module, fromlist=[name]), name)
    members = [value]
    if isinstance(value, type):
        members = [
            member.fget if isinstance(member, property) else
            getattr(member, "__func__", getattr(member, "fn", member))
            for base in value.__mro__
            if base.__module__.startswith("fastmlp")
            for key, member in vars(base).items()
            if key == "__init__" or not key.startswith("_")
        ]  # fmt: skip
    for member in members:
        if not hasattr(member, "__code__"):
            continue
        if member.__module__ == "typing":  # the __init__ of a protocol
            continue
        while hasattr(member, "__wrapped__"):
            member = member.__wrapped__
        if member.__qualname__ == "BaseMLP.__init__":  # private; the two below it call
            continue
        code = member.__code__
        flags = bool(code.co_flags & 4) + bool(code.co_flags & 8)
        count = code.co_argcount + code.co_kwonlyargcount + flags
        names = {*code.co_varnames[:count], "return"} - {"self", "cls"}
        assert names <= set(member.__annotations__), member.__qualname__
