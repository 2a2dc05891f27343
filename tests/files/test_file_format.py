"""The model file: golden files of earlier versions, and files that are not sound."""

import json
import os
import tracemalloc
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
from helpers.damaged_files import (
    HOSTILE,
    change_model,
    fuzz,
    fuzz_description,
    rebuilt,
    refuse,
    stored_objective,
)
from helpers.models import data, fitted, proba_or_values
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPRegressor, load_model, save_model, to_c, to_onnx
from fastmlp.runtime import load_predictor

GOLDEN = sorted(
    path
    for path in (Path(__file__).parents[1] / "golden").glob("*/*.safetensors")
    if not path.stem.startswith("table_")
)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_golden_file_loads_and_predicts(path):
    expected = json.loads((path.parent / "predictions.json").read_text())[path.stem]
    model = load_model(path)
    X = np.array(expected["X"])
    rtol = 1e-5 if model.coefs_[0].dtype == np.float32 else 1e-12
    values = np.array(expected["values"])
    np.testing.assert_allclose(proba_or_values(model, X), values, rtol=rtol, atol=rtol)
    if hasattr(model, "predict_proba"):
        assert model.predict(X).tolist() == expected["predict"]
    model.partial_fit(*data(path.stem, 20, model.coefs_[0].dtype))


def test_there_are_golden_files_of_every_task():
    assert len(GOLDEN) >= 6


def test_a_release_can_make_its_golden_files(tmp_path):
    """The script, whose files of this version must have the names of earlier ones."""
    folder = GOLDEN[0].parents[1]
    run_path(str(folder / "make.py"))["main"]("now", tmp_path)
    names = {path.name for path in (tmp_path / "now").iterdir()}
    for version in {path.parent for path in GOLDEN}:
        assert {path.name for path in version.iterdir()} <= names


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a file with everything in it."""
    params = {"hidden_layer_sizes": (4, 3), "max_iter": 9, "early_stopping": True}
    model = fitted("multiclass", "float32", **params)
    path = tmp_path_factory.mktemp("file") / "m"
    save_model(model, path, optimizer=True)
    return path.read_bytes()


def test_rebuilt_file_without_a_change_loads(content, tmp_path):
    path = tmp_path / "m"
    path.write_bytes(rebuilt(content, lambda header, rest: None))
    load_model(path)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file(content, tmp_path, name):
    path = tmp_path / "m"
    path.write_bytes(rebuilt(content, HOSTILE[name]))
    with pytest.raises(ValueError, match="is not a valid model file: "):
        load_model(path)


NO_OBJECTIVES = {
    "number": -0.0,
    "text": "foo",
    "list": [],
    "empty": {"$dict": {}},
    "key": stored_objective(more=1),
    "loss": stored_objective(loss="foo"),
    "no loss": stored_objective(loss=None),
    "unhashable loss": stored_objective(loss=[]),
    "loss of classes": stored_objective(loss="focal"),
    "output": stored_objective(output="relu"),
    "unhashable output": stored_objective(output={"$dict": {}}),
    "softmax": stored_objective(output="softmax"),
    "huge parameter": stored_objective(parameter=10**400),
    "parameter": stored_objective(parameter="x"),
    "no bounds": stored_objective(bounds=None),
    "bounds": stored_objective(bounds={"$tuple": [1.0, 0.0]}),
    "three bounds": stored_objective(bounds={"$tuple": [0.0, 1.0, 2.0]}),
    "huge bounds": stored_objective(bounds={"$tuple": [0.0, 10**400]}),
    "no levels": stored_objective(levels={"$tuple": []}),
    "levels": stored_objective(levels={"$tuple": [0.9, 0.1]}),
    "many levels": stored_objective(
        levels={"$tuple": [i / 1000 for i in range(1, 999)]}
    ),
    "levels out of range": stored_objective(levels={"$tuple": [0.1, 2.0]}),
    "is_monotone": stored_objective(is_monotone=1),
    "positive": stored_objective(positive={"$tuple": ["a"]}),
    "step_scale": stored_objective(is_monotone=True, step_scale=0.5),
    "negative steps": stored_objective(step_scale={"$tuple": [-1.0]}),
}


@pytest.mark.parametrize("name", NO_OBJECTIVES)
def test_hostile_objective(tmp_path, name):
    X, y = data("regression", 40)
    model = MLPRegressor(hidden_layer_sizes=(2,), max_iter=2, loss="huber")
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    path = tmp_path / "m"
    save_model(model, path)
    content = path.read_bytes()
    path.write_bytes(rebuilt(content, change_model(lambda m: None)))
    assert load_predictor(path).predict(X[:1]).shape == (1,)
    change = change_model(
        lambda m: m["attributes"].update(_objective=NO_OBJECTIVES[name])
    )
    path.write_bytes(rebuilt(content, change))
    for load in (load_model, load_predictor):
        with pytest.raises(ValueError, match=f"{path} is not a valid model file: it h"):
            load(path)


@pytest.mark.parametrize("parameter", [10**400, float("inf"), True, "x"])
def test_hostile_activation_for_a_predictor(content, tmp_path, parameter):
    change = change_model(lambda m: m.update(activations=[["relu", parameter]] * 2))
    (tmp_path / "m").write_bytes(rebuilt(content, change))
    for load in (load_model, load_predictor):
        with pytest.raises(ValueError, match="it has impossible activations"):
            load(tmp_path / "m")


@pytest.mark.parametrize("path", [0, 1, True, 2.5, b"m", None, ["m"]])
def test_a_path_is_a_path(path, tmp_path):
    """A number would be taken as an open file, and that be closed."""
    model = fitted("binary")
    calls = [
        lambda: load_model(path),
        lambda: load_predictor(path),
        lambda: save_model(model, path),
    ]
    if path is not None:
        calls += [lambda: to_c(model, path), lambda: to_onnx(model, path)]
    for call in calls:
        with pytest.raises(TypeError, match="path must be a str or an os.PathLike"):
            call()
    os.fstat(0)
    os.fstat(1)


def test_truncation(content, tmp_path):
    sizes = {*range(20), *range(20, len(content), 41), *range(len(content))[-20:]}
    for size in sorted(sizes):
        refuse(tmp_path / "m", content[:size])


def test_fuzz(content, tmp_path):
    assert fuzz(content, tmp_path / "m", 2000, 0) > 700
    tracemalloc.start()
    fuzz(content, tmp_path / "m", 300, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.long
def test_fuzz_for_long(content, tmp_path):
    assert fuzz(content, tmp_path / "m", 100_000, 2) > 10_000


def test_fuzz_of_the_description(content, tmp_path):
    X, _ = data("multiclass", 3, "float32")
    n_loaded = fuzz_description(
        content, tmp_path / "m", 2000, lambda model: model.predict_proba(X)
    )
    assert 0 < n_loaded < 1500


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "missing")
    with pytest.raises(ValueError, match="0 bytes are too few"):
        (tmp_path / "m").write_bytes(b"")
        load_model(tmp_path / "m")
    with pytest.raises(ValueError, match="is not a valid model file"):
        (tmp_path / "m").write_bytes(b"PK\x03\x04" + b"x" * 100)
        load_model(tmp_path / "m")


def test_files_of_safetensors_itself(tmp_path):
    numpy_files = pytest.importorskip("safetensors.numpy")
    numpy_files.save_file({"coefs_.0": np.ones((2, 2))}, tmp_path / "m")
    with pytest.raises(ValueError, match="is not a valid model file"):
        load_model(tmp_path / "m")
    model = fitted("binary")
    save_model(model, tmp_path / "m")
    tensors = numpy_files.load_file(tmp_path / "m")
    numpy_files.save_file(tensors, tmp_path / "m")
    with pytest.raises(ValueError, match="has no __metadata__"):
        load_model(tmp_path / "m")
