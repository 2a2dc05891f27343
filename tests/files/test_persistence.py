"""Model files, pickles and the other ways to store an estimator."""

import copy
import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from helpers.damaged_files import HOSTILE, change_model, rebuilt
from helpers.models import ACTIVATIONS, TASKS, data, fitted, proba_or_values
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor, load_model, save_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def same_state(a, b, skip=("_random_state", "_optimizer_state", "_history", "_stream")):
    """Raise unless two estimators have equal attributes, types included.

    A model file leaves out what ``skip`` names.
    """
    assert type(a) is type(b)
    assert vars(a).keys() - set(skip) == vars(b).keys() - set(skip)
    for name in vars(a).keys() - set(skip):
        one, other = vars(a)[name], vars(b)[name]
        if name == "_label_binarizer":
            assert one.y_type_ == other.y_type_
            assert one.sparse_input_ == other.sparse_input_
        elif name == "_scaling":
            assert repr(one) == repr(other)
        elif isinstance(one, list):
            assert len(one) == len(other)
            for u, v in zip(one, other):
                np.testing.assert_array_equal(u, v, strict=isinstance(u, np.ndarray))
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, strict=True)
        else:
            assert one == other or (one != one and other != other), name


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_round_trip_of_every_task(tmp_path, task, dtype, copies):
    model = fitted(task, dtype)
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors", copy=copies)
    same_state(model, loaded)
    X, y = data(task, dtype=dtype)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X), strict=True)
    np.testing.assert_array_equal(
        proba_or_values(loaded, X), proba_or_values(model, X), strict=True
    )
    assert loaded.score(X, y) == model.score(X, y)
    before = [w.copy() for w in loaded.coefs_]
    loaded.partial_fit(X, y)
    assert any((w != b).any() for w, b in zip(loaded.coefs_, before))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_round_trip_of_every_activation(tmp_path, activation):
    model = fitted("regression", activation=activation)
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert loaded.get_params() == model.get_params()
    X, _ = data("regression")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize(
    "params",
    [
        {"solver": "lbfgs"},
        {"early_stopping": True},
        {"n_iter_no_change": np.inf, "hidden_layer_sizes": ()},
        {"hidden_layer_sizes": np.array([4, 3]), "alpha": np.float32(0.5)},
        {"hidden_layer_sizes": [4], "max_iter": np.int64(20)},
        {"random_state": np.random.RandomState(3)},
    ],
)
def test_round_trip_of_parameters(tmp_path, params):
    X, y = data("binary")
    model = MLPClassifier(**{"max_iter": 5, **params}).fit(X, y)
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    for name, value in model.get_params().items():
        if name == "random_state" and value is not None:
            for a, b in zip(loaded.random_state.get_state(), value.get_state()):
                np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_array_equal(getattr(loaded, name), value)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("labels", [[1, 2**40], [-1.0, 2.0], [False, True], ["ä", "b"]])
def test_round_trip_of_classes(tmp_path, labels):
    X, y = data("binary", strings=False)
    for classes in (np.array(labels), np.array(labels, dtype=object)):
        if classes.dtype == object and not isinstance(labels[0], str):
            continue
        model = MLPClassifier(max_iter=2).fit(X, classes[y])
        save_model(model, tmp_path / "m")
        loaded = load_model(tmp_path / "m")
        np.testing.assert_array_equal(loaded.classes_, model.classes_, strict=True)
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X), strict=True)


def test_feature_names_and_pipelines(tmp_path):
    pd = pytest.importorskip("pandas")
    X, y = data("multiclass")
    frame = pd.DataFrame(X, columns=[f"größe {i}" for i in range(X.shape[1])])
    model = MLPClassifier(max_iter=2).fit(frame, y)
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert loaded.feature_names_in_.tolist() == list(frame.columns)
    np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match=r"\bX\b"):
        loaded.predict(frame.rename(columns={"größe 0": "other"}))
    pipeline = make_pipeline(StandardScaler(), model)
    with pytest.raises(NotFittedError, match="StandardScaler"):
        save_model(pipeline, tmp_path / "m")


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_optimizer_state_goes_on(tmp_path, solver):
    X, y = data("multioutput")
    model = MLPRegressor(max_iter=5, solver=solver, random_state=0).fit(X, y)
    model.set_params(random_state=None)
    save_model(model, tmp_path / "m", optimizer=True)
    loaded = load_model(tmp_path / "m")
    moments = model._optimizer.moments
    for a, b in zip(loaded._optimizer.moments, moments):
        np.testing.assert_array_equal(a, b)
    for m in (model, loaded):
        m.set_params(shuffle=False).partial_fit(X, y)
    for a, b in zip(model.coefs_, loaded.coefs_):
        np.testing.assert_array_equal(a, b)


def test_round_trip_of_weights_of_classes_and_of_scaling(tmp_path):
    X, y = data("binary", strings=False)
    model = MLPClassifier(
        max_iter=4, class_weight={0: 1.0, 1: 2.5}, standardize_X=True, random_state=0
    ).fit(X * 100, y)
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert loaded.class_weight == model.class_weight
    same_state(loaded, model)
    for one in (loaded, model):
        one.partial_fit(X * 100, y)
    scores = [one.predict_proba(X * 100) for one in (loaded, model)]
    np.testing.assert_allclose(*scores, atol=0.02)  # the moments start anew


def test_file_is_small_and_is_a_safetensors_file(tmp_path):
    safetensors = pytest.importorskip("safetensors")
    from safetensors.numpy import load_file

    rng = np.random.RandomState(0)
    X = rng.normal(size=(500, 64)).astype(np.float32)
    model = MLPClassifier(max_iter=200, tol=0, n_iter_no_change=np.inf)
    model.fit(X, rng.randint(10, size=500))
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    weights = sum(a.nbytes for a in model.coefs_ + model.intercepts_)
    assert os.path.getsize(path) <= weights + 4096
    tensors = load_file(path)
    for name in ("coefs_", "intercepts_"):
        for i, array in enumerate(getattr(model, name)):
            np.testing.assert_array_equal(tensors[f"{name}.{i}"], array, strict=True)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert file.metadata()["format"] == "fastmlp"


def test_weights_are_mapped_and_the_file_stays(tmp_path):
    X, _ = data("regression")
    model = fitted("regression")
    path = tmp_path / "m"
    save_model(model, path)
    before = path.read_bytes()
    loaded = load_model(path)
    base = loaded.coefs_[0]
    while isinstance(base, np.ndarray):
        base = base.base
    assert type(memoryview(base).obj).__name__ == "mmap"
    loaded.coefs_[0][:] = 0
    assert not np.allclose(loaded.predict(X), model.predict(X))
    assert path.read_bytes() == before
    save_model(fitted("regression", "float32"), path)  # replaced, not overwritten
    assert (loaded.coefs_[0] == 0).all() and (loaded.coefs_[1] == model.coefs_[1]).all()


def test_what_cannot_be_saved(tmp_path):
    path = tmp_path / "m"
    with pytest.raises(NotFittedError):
        save_model(MLPClassifier(), path)
    with pytest.raises(TypeError, match="expected a fastmlp"):
        save_model(object(), path)
    X, y = data("regression")
    model = MLPRegressor(max_iter=2).fit(X, y)
    model.extra_ = len
    with pytest.raises(TypeError, match="extra_ is <built-in function len>"):
        save_model(model, path)
    del model.extra_
    model.set_params(learning_rate=lambda epoch: 0.1)
    with pytest.raises(TypeError, match="params.learning_rate is <function"):
        save_model(model, path)
    clf = MLPClassifier(max_iter=2).fit(X, (y > 0).astype(int))
    clf.classes_ = np.array([b"a", b"b"])
    with pytest.raises(TypeError, match="classes_ is an array of dtype"):
        save_model(clf, path)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m"
    save_model(fitted("regression"), path)
    before = path.read_bytes()

    def full(fd):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        save_model(fitted("regression", "float32"), path)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    with pytest.raises(OSError):
        save_model(fitted("regression"), tmp_path / "missing" / "m")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_permissions_are_the_usual_ones(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    save_model(fitted("regression"), tmp_path / "m")
    modes = [os.stat(tmp_path / name).st_mode & 0o777 for name in ("plain", "m")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("task", TASKS)
def test_pickle(task, protocol):
    model = fitted(task, "float32")
    state = pickle.dumps(model, protocol)
    same_state(pickle.loads(state), model)
    assert state == pickle.dumps(model, protocol)
    weights = sum(a.nbytes for a in model.coefs_ + model.intercepts_)
    if protocol >= 4:  # weights, two moments; the random generator takes most of 9 KB
        assert len(state) < 3 * weights + 9000


def test_joblib_and_deepcopy(tmp_path):
    model = fitted("multilabel")
    joblib.dump(model, tmp_path / "m.joblib")
    same_state(joblib.load(tmp_path / "m.joblib"), model)
    joblib.dump(model, tmp_path / "m.joblib")
    mapped = joblib.load(tmp_path / "m.joblib", mmap_mode="r")
    X, _ = data("multilabel")
    np.testing.assert_array_equal(mapped.predict(X), model.predict(X))
    same_state(copy.deepcopy(model), model)


@pytest.mark.parametrize("task", TASKS)
def test_skops(task):
    skops = pytest.importorskip("skops.io")
    model = fitted(task)
    stored = skops.dumps(model)
    names = ["fastmlp.MLPClassifier", "fastmlp.MLPRegressor"]
    assert set(skops.get_untrusted_types(data=stored)) <= set(names)
    loaded = skops.loads(stored, trusted=names)
    same_state(loaded, model)
    X, y = data(task)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    loaded.partial_fit(X, y)


def test_another_version_warns(monkeypatch):
    for one in (fitted("binary"), fitted("binary").compile()):
        with monkeypatch.context() as patch:
            state = pickle.dumps(one)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                pickle.loads(state)
            patch.setattr("fastmlp._model.versions.version", lambda name: "9.9")
            with pytest.warns(fastmlp.ModelVersionWarning, match="is loaded by 9.9"):
                pickle.loads(state)


def test_loading_imports_nothing_named_in_the_file(tmp_path):
    path = tmp_path / "m"
    save_model(fitted("binary"), path)
    content = path.read_bytes()
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    assert b"fastmlp._mlp" not in header and b"sklearn" not in header
    model = json.loads(json.loads(header)["__metadata__"]["model"])
    assert model["class"] == "MLPClassifier"


def _names(**what):
    return change_model(lambda model: model.update(what))


NAMING_MODULES = {
    **HOSTILE,
    "class of a module": _names(**{"class": "antigravity"}),
    "dotted class": _names(**{"class": "antigravity.webbrowser"}),
    "pair": _names(**{"class": ["antigravity", "webbrowser"]}),
    "module beside": _names(module="antigravity"),
    "attribute": change_model(
        lambda m: m["attributes"].update(t_={"$class": "antigravity.webbrowser"})
    ),
    "parameter": change_model(
        lambda m: m["params"].update(random_state={"$import": "antigravity"})
    ),
    "functions": change_model(
        lambda m: m["params"].update(activation=["antigravity", "webbrowser"])
    ),
    "layer": _names(activations=[["antigravity.webbrowser", 0.0]] * 2),
}


def test_hostile_files_import_nothing(tmp_path):
    """In a process that has loaded one sound file and refused one other."""
    model = fitted("multiclass", hidden_layer_sizes=(4, 3))
    save_model(model, tmp_path / "sound", optimizer=True)
    content = (tmp_path / "sound").read_bytes()
    for i, change in enumerate([HOSTILE["bad parameter"], *NAMING_MODULES.values()]):
        (tmp_path / f"{i:02}").write_bytes(rebuilt(content, change))
    code = """
import sys
from importlib.metadata import version
from pathlib import Path
from fastmlp import load_model
*files, sound = sorted(Path(sys.argv[1]).iterdir())
load_model(sound)
version("numpy")  # imports what reads the metadata of packages
n_refused = 0
for i, path in enumerate(files):
    try:
        load_model(path)
    except ValueError as error:
        assert "is not a valid model file" in str(error), error
        n_refused += i > 0
    if i == 0:
        before = set(sys.modules)
assert set(sys.modules) == before, set(sys.modules) - before
assert "antigravity" not in sys.modules
print(n_refused)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(NAMING_MODULES) - 1  # a key beside is passed over


def test_the_core_is_missed_with_a_remedy(tmp_path):
    package = tmp_path / "fastmlp"
    package.mkdir()
    shutil.copy(fastmlp.__file__, package)
    (package / "_core").mkdir()
    (package / "_core" / "__init__.py").write_text("")
    run = subprocess.run(
        # -S: an editable install would be found before the folder
        [sys.executable, "-S", "-c", "from fastmlp import MLPClassifier"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "ImportError: the compiled core of fastmlp is missing" in run.stderr


def test_public_names():
    assert set(fastmlp.__all__) <= set(dir(fastmlp))
    for name in fastmlp.__all__:
        assert getattr(fastmlp, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fastmlp.nothing  # noqa: B018


FORMER = [
    ({"weight_averaging": "ema", "ema_decay": 0.9}, {"weight_averaging": ("ema", 0.9)}),
    ({"weight_averaging": "swa", "swa_start": 0.2}, {"weight_averaging": ("swa", 0.2)}),
    ({"ema_decay": 0.9, "swa_start": 0.5}, {"weight_averaging": None}),
    (
        {"clip_norm": 2.0, "max_norm": 3.0},
        {"max_grad_norm": 2.0, "max_weight_norm": 3.0},
    ),
    ({"layer_rates": [1.0, 0.5]}, {"learning_rate_factors": [1.0, 0.5]}),
]


@pytest.mark.parametrize("former, now", FORMER, ids=str)
def test_files_of_0_1_with_former_parameters_load(tmp_path, former, now):
    path = tmp_path / "model.safetensors"
    save_model(fitted("binary"), path)

    def as_it_was(model):
        for name in now:
            del model["params"][name]
        model["params"].update(weight_averaging=None)
        model["params"].update(former)

    path.write_bytes(rebuilt(path.read_bytes(), change_model(as_it_was)))
    params = load_model(path).get_params()
    assert {name: params[name] for name in now} == now


CLASSES = [name for name in fastmlp.__all__ if isinstance(getattr(fastmlp, name), type)]


@pytest.mark.parametrize("name", CLASSES)
def test_the_path_of_a_public_class_is_its_public_name(name):
    """Pickles and files of skops hold the path, so no module may be named in it."""
    kind = getattr(fastmlp, name)
    assert (kind.__module__, kind.__qualname__) == ("fastmlp", name)
    state = pickle.dumps(kind)
    assert b"fastmlp._" not in state
    assert pickle.loads(state) is kind


@pytest.mark.parametrize("task", TASKS)
def test_a_pickle_of_a_model_names_no_private_module(task):
    assert b"fastmlp._" not in pickle.dumps(fitted(task))
    assert type(fitted(task).compile()).__module__ == "fastmlp.runtime"
