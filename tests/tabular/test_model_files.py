"""Model files of the estimators for tables: format version 2."""

import json
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import models
from helpers.damaged_files import (
    change_model,
    fuzz,
    fuzz_description,
    rebuilt,
    refuse,
    stored_objective,
)
from helpers.fitted_tables import (
    TASKS,
    assert_same,
    fitted,
    proba_or_values,
    table,
    targets,
)
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from fastmlp import TabularMLPClassifier, load_model, save_model
from fastmlp._tables.model import TabularModel
from fastmlp.runtime import load_predictor

pytestmark = pytest.mark.filterwarnings("ignore:y holds a single class")
X = table()
GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*/table_*.safetensors"))


def metadata(path):
    """The metadata of a file, and what they say of the model."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    found = json.loads(content[8 : 8 + length])["__metadata__"]
    return found, json.loads(found["model"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_golden_file_loads_and_predicts(path):
    expected = json.loads((path.parent / "tables.json").read_text())[path.stem]
    values = np.array(expected["values"])
    for model in (load_model(path), load_predictor(path)):
        got = proba_or_values(model, expected["X"])
        np.testing.assert_allclose(got, values, rtol=1e-5, atol=1e-6)


def test_there_are_golden_files():
    assert len(GOLDEN) >= 3


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_round_trip(tmp_path, task, dtype, n_members):
    model = fitted(task, dtype, n_members=n_members)
    path = tmp_path / "m"
    save_model(model, path)
    expected = proba_or_values(model, X)
    for copy in (False, True):
        loaded = load_model(path, copy=copy)
        assert type(loaded) is type(model)
        assert loaded.get_params() == model.get_params()
        np.testing.assert_array_equal(proba_or_values(loaded, X), expected, strict=True)
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X), strict=True)
        assert loaded.loss_curve_ == model.loss_curve_
        assert loaded.best_epoch_ == model.best_epoch_
        assert loaded.n_features_in_ == X.shape[1]
        assert loaded.feature_names_in_.tolist() == list(X)
        assert loaded.score(X, targets(task, X)) == model.score(X, targets(task, X))
        again = loaded.fit(X, targets(task, X))  # the parameters are whole
        np.testing.assert_array_equal(proba_or_values(again, X), expected)
    predictor = load_predictor(path)
    assert_same(proba_or_values(predictor, X), expected)
    save_model(load_model(path), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_versions(tmp_path):
    save_model(fitted("binary"), tmp_path / "table")
    save_model(models.fitted("binary"), tmp_path / "array")
    found, model = metadata(tmp_path / "table")
    assert found["format_version"] == "2" and model["class"] == "TabularMLPClassifier"
    assert metadata(tmp_path / "array")[0]["format_version"] == "1"


@pytest.mark.parametrize(
    "params",
    [
        {"categorical_features": ["c2", "whole", "c5", "c20", "code", "flag"]},
        {"categorical_features": [False] * 6 + [True] * 5},
        {"categorical_features": np.array([8, 7, 6, 5])},
        {"categorical_features": None},
        {"number_embedding": None, "hidden_layer_sizes": ()},
        {"class_weight": {"no": 2.0, "yes": 1.0}, "label_smoothing": 0.1},
        {"validation": "folds", "n_members": 2, "refit": True},
    ],
)
def test_parameters(tmp_path, params):
    numbers = X[["n0", "whole", "constant", "n1"]].rename(columns={"n1": "c2"})
    rows = X if params.get("categorical_features", "") is not None else numbers
    model = TabularMLPClassifier(
        **{"hidden_layer_sizes": (8,), "n_epochs": 2, "random_state": 0, **params}
    ).fit(rows, targets("binary", X))
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))
    for name, value in params.items():
        np.testing.assert_array_equal(getattr(loaded, name), value)


def test_columns_without_names_and_levels_of_every_type(tmp_path):
    rng = np.random.default_rng(0)
    n = 60
    columns = [
        rng.integers(3, size=n),
        rng.integers(3, size=n) + 0.5,
        rng.random(n) < 0.5,
        np.array(["ä", "", "\ud800", "x" * 100], dtype=object)[rng.integers(4, size=n)],
        2**64 - 1 - rng.integers(2, size=n).astype(np.uint64),
        np.full(n, None),
        rng.normal(size=n),
    ]
    rows = [list(row) for row in zip(*(of.tolist() for of in columns))]
    model = TabularMLPClassifier(
        hidden_layer_sizes=(8,),
        n_epochs=2,
        categorical_features=list(range(6)),
        random_state=0,
    ).fit(rows, columns[2])
    save_model(model, tmp_path / "m")
    for loaded in (load_model(tmp_path / "m"), load_predictor(tmp_path / "m")):
        np.testing.assert_array_equal(
            loaded.predict_proba(rows), model.predict_proba(rows)
        )
        assert not hasattr(loaded, "feature_names_in_")


def test_what_cannot_be_saved(tmp_path):
    path = tmp_path / "m"
    path.write_text("as it was")
    with pytest.raises(NotFittedError):
        save_model(TabularMLPClassifier(), path)
    model = fitted("binary")
    with pytest.raises(ValueError, match=r"optimizer=True is for partial_fit"):
        save_model(model, path, optimizer=True)
    model.set_params(class_weight=max)
    with pytest.raises(TypeError, match="params.class_weight is"):
        save_model(model, path)
    assert path.read_text() == "as it was"


def test_a_search_and_a_symbolic_link(tmp_path):
    search = GridSearchCV(fitted("binary"), {"dropout": [0.0, 0.1]}, cv=2)
    search.fit(X, targets("binary", X))
    target, link = tmp_path / "v1", tmp_path / "current"
    link.symlink_to("v1")
    save_model(search, link)
    assert link.is_symlink() and sorted(os.listdir(tmp_path)) == ["current", "v1"]
    np.testing.assert_array_equal(
        load_model(target).predict_proba(X), search.predict_proba(X)
    )


def test_a_file_of_two_processes(tmp_path):
    """The weights are mapped: a load takes little memory."""
    model = fitted("binary", hidden_layer_sizes=(1000, 1000), n_epochs=1)
    save_model(model, tmp_path / "m")
    tracemalloc.start()
    load_model(tmp_path / "m", check=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400_000 < 4_000_000 < (tmp_path / "m").stat().st_size
    script = "import fastmlp; print(fastmlp.load_model('m').n_features_in_)"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.stdout.strip() == str(X.shape[1]), run.stderr


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a file with everything in it."""
    path = tmp_path_factory.mktemp("file") / "m"
    save_model(fitted("multiclass", n_members=2), path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def of_numbers(tmp_path_factory):
    """The bytes of a file of a regression."""
    path = tmp_path_factory.mktemp("file") / "m"
    save_model(fitted("two outputs"), path)
    return path.read_bytes()


def of(part, **values):
    """A change of a part of the table: "encoder", "architecture" or "" for itself."""

    def change(model):
        parts = model["table"]["$dict"]
        if part:
            parts = parts[part]["$dict"]
        parts.update(values)

    return change_model(change)


def without(part, name):
    def change(model):
        parts = model["table"]["$dict"]
        (parts[part]["$dict"] if part else parts).pop(name)

    return change_model(change)


def tensor(name, **values):
    return lambda header, rest: header[name].update(values)


def swapped(one, other):
    def change(header, rest):
        header[one], header[other] = header[other], header[one]

    return change


def number(name, value):
    """A change of the first item of a tensor."""

    def change(header, rest):
        start = header[name]["data_offsets"][0]
        new = bytearray(rest)
        form = {"F64": "<d", "I64": "<q", "F32": "<f"}[header[name]["dtype"]]
        struct.pack_into(form, new, start, value)
        return bytes(new)

    return change


NAN = {"$float": "nan"}
HOSTILE = {
    "version": lambda h, r: h["__metadata__"].update(format_version="1"),
    "newer version": lambda h, r: h["__metadata__"].update(format_version="3"),
    "class": change_model(lambda m: m.update({"class": "MLPClassifier"})),
    "class of numbers": change_model(
        lambda m: m.update({"class": "TabularMLPRegressor"})
    ),
    "no table": change_model(lambda m: m.pop("table")),
    "table": change_model(lambda m: m.update(table=3)),
    "list": change_model(lambda m: m.update(table=[1, 2])),
    "deep table": change_model(
        lambda m: m.update(table=json.loads("[" * 500 + "]" * 500))
    ),
    "no weights": lambda h, r: h.pop("table.weights") and None,
    "weights": tensor("table.weights", shape=[4, -1]),
    "flat weights": lambda h, r: h["table.weights"].update(
        shape=[int(np.prod(h["table.weights"]["shape"]))]
    ),
    "other weights": lambda h, r: h["table.weights"].update(
        shape=h["table.weights"]["shape"][::-1]
    ),
    "no members": of("", weights={"$array": None, "more": 1}, n_outputs=10**9),
    "outputs": of("", n_outputs=0),
    "huge outputs": of("", n_outputs=2**60),
    "outputs that are no int": of("", n_outputs=3.0),
    "bool outputs": of("", n_outputs=True),
    "bounds": of("", bounds=[1]),
    "no bounds": without("", "bounds"),
    "objective": of("", objective={"$dict": {}}),
    "objective of numbers": of("", objective=stored_objective()),
    "hidden": of("architecture", hidden={"$tuple": [8, "8"]}),
    "negative": of("architecture", hidden={"$tuple": [8, -8]}),
    "huge": of("architecture", hidden={"$tuple": [2**62, 2**62]}),
    "many layers": of("architecture", hidden={"$tuple": [1] * 10**5}),
    "no hidden": of("architecture", hidden=None),
    "activation": of("architecture", activation="relu"),
    "unhashable activation": of("architecture", activation=[]),
    "periodic": of("architecture", is_periodic=1),
    "width": of("architecture", embedding_width=0),
    "huge width": of("architecture", embedding_width=2**62),
    "other width": of("architecture", embedding_width=9),
    "no width": without("architecture", "embedding_width"),
    "columns": of("encoder", n_features_in=10**12),
    "negative columns": of("encoder", n_features_in=-1),
    "no columns": without("encoder", "category_columns"),
    "dtype": of("encoder", dtype="float16"),
    "other dtype": of("encoder", dtype="float64"),
    "dtype of the parameters": change_model(
        lambda m: m["params"].update(dtype="float64")
    ),
    "names": of("encoder", feature_names_in={"$texts": ["a"], "kind": "O"}),
    "equal names": of("encoder", feature_names_in={"$texts": ["a"] * 11, "kind": "O"}),
    "U names": of(
        "encoder", feature_names_in={"$texts": list("abcdefghijk"), "kind": "U"}
    ),
    "number of names": of("encoder", feature_names_in=3),
    "levels": of("encoder", levels=[]),
    "levels that are no arrays": of("encoder", levels=[1, 2, 3, 4, 5]),
    "tables": of("encoder", tables=[None] * 4),
    "table that is none": of("encoder", tables=[3] * 5),
    "max_one_hot": of("encoder", max_one_hot="8"),
    "place of a column": number("table.encoder.category_columns", 10**9),
    "negative place": number("table.encoder.category_columns", -3),
    "same place": number("table.encoder.category_columns", 7),
    "NaN": number("table.encoder.medians", np.nan),
    "infinite scale": number("table.encoder.scales", np.inf),
    "negative scale": number("table.encoder.scales", -1.0),
    "order of levels": number("table.encoder.levels.4", 9),
    "more levels": lambda h, r: h["table.encoder.levels.4"].update(
        shape=[1, 3], dtype="I64"
    ),
    "unknown parameter": change_model(lambda m: m["params"].update(future=1)),
    "bad parameter": change_model(lambda m: m["params"].update(n_members=-1)),
    "sizes": change_model(lambda m: m["params"].update(hidden_layer_sizes="a")),
    "method": change_model(lambda m: m["attributes"].update(predict="x")),
    "history": change_model(lambda m: m["attributes"].update(history_=1)),
    "model": change_model(lambda m: m["attributes"].update(_model=1)),
    "columns again": change_model(lambda m: m["attributes"].update(n_features_in_=1)),
    "no classes": change_model(lambda m: m["attributes"].pop("classes_")),
    "classes": change_model(
        lambda m: m["attributes"].update(classes_={"$texts": ["a"], "kind": "U"})
    ),
    "no targets": change_model(lambda m: m.pop("targets")),
    "targets": change_model(lambda m: m.update(targets={"type": 3})),
    "targets of labels": change_model(
        lambda m: m["targets"].update(type="multilabel-indicator")
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file(content, tmp_path, name):
    path = tmp_path / "m"
    path.write_bytes(rebuilt(content, lambda header, rest: None))
    load_model(path)
    refuse(path, rebuilt(content, HOSTILE[name]))


@pytest.mark.parametrize(
    "change",
    [
        number("table.bounds", np.nan),
        number("table.bounds", 1e30),
        lambda h, r: h["table.bounds"].update(shape=[4]),
        swapped("table.bounds", "table.weights"),
        change_model(lambda m: m["attributes"].update(classes_={"$array": None})),
        of("", objective=stored_objective(loss="focal")),
        of("", objective=stored_objective(levels={"$tuple": [0.1, 0.5, 0.9]})),
    ],
)
def test_hostile_file_of_numbers(of_numbers, tmp_path, change):
    path = tmp_path / "m"
    refuse(path, rebuilt(of_numbers, change))
    with pytest.raises(ValueError, match="is not a valid model file"):
        load_predictor(path)


def test_truncation(content, tmp_path):
    sizes = {*range(20), *range(20, len(content), 97), *range(len(content))[-20:]}
    for size in sorted(sizes):
        refuse(tmp_path / "m", content[:size])


def test_fuzz(content, tmp_path):
    assert fuzz(content, tmp_path / "m", 300, 0) > 100


@pytest.mark.parametrize("part", [None, "table"])
def test_fuzz_of_the_description(content, tmp_path, part):
    def use(model):
        model.predict_proba(X[:3])
        model.compile().predict_proba(X.iloc[0].to_dict())

    n_loaded = fuzz_description(content, tmp_path / "m", 500, use, part)
    assert 0 < n_loaded < 400


def test_content_is_plain_data():
    model = fitted("multiclass", n_members=2)._model
    content = model.content()
    other = TabularModel.from_content(content, True)
    np.testing.assert_array_equal(
        other.outputs(X, "test"), model.outputs(X, "test"), strict=True
    )
    for name in content:
        with pytest.raises(ValueError, match=f"no {name}"):
            TabularModel.from_content(
                {key: of for key, of in content.items() if key != name}, True
            )
    with pytest.raises(ValueError, match="impossible _objective"):
        TabularModel.from_content(content, False)
    with pytest.raises(ValueError, match="expected .* of float32 for each member"):
        TabularModel.from_content(
            content | {"weights": content["weights"].astype(float)}, True
        )
    with pytest.raises(ValueError, match="is no dict"):
        TabularModel.from_content(pd.DataFrame(), True)
