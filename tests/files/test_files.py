"""Model files at unusual places: links, pipes, and files of other kinds."""

import io
import os
import pickle
import subprocess
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
from helpers.models import data, fitted

from fastmlp import (
    MLPClassifier,
    MLPRegressor,
    load_model,
    save_model,
    to_c,
    to_onnx,
)
from fastmlp.runtime import load_predictor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path, is_absolute):
    folder = tmp_path / "models"
    folder.mkdir()
    target, link, second = folder / "v1", tmp_path / "current", tmp_path / "newest"
    save_model(fitted("binary"), target)
    target.chmod(0o640)
    link.symlink_to(target if is_absolute else Path("models", "v1"))
    second.symlink_to(link)
    model = fitted("multiclass")
    save_model(model, second)
    assert second.is_symlink() and link.is_symlink() and not target.is_symlink()
    assert load_model(target).classes_.tolist() == model.classes_.tolist()
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.rglob("*")) == [
        "current", "models", "newest", "v1",
    ]  # fmt: skip
    target.unlink()  # a link to a file that is still to come
    save_model(model, link)
    assert link.is_symlink() and target.is_file()


def test_other_writers_keep_a_symbolic_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    X, y = data("regression", 20)
    model = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(target)
    left_over = tmp_path / ".target.part-old.tmp"  # of a writer that was killed
    left_over.write_text("")
    model.fit(X, y, checkpoint=tmp_path / "folder" / "link")
    assert not left_over.exists()
    model.set_params(max_iter=4).fit(X, y, resume=link)
    assert model.n_iter_ == 4
    source = to_c(model, link)
    assert target.read_text() == source and link.is_symlink()


def test_links_that_lead_nowhere_and_files_that_are_none(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError):
        save_model(fitted("binary"), loop)
    assert loop.is_symlink()
    save_model(fitted("binary"), os.devnull)
    assert not Path(os.devnull).is_file()
    with pytest.raises(IsADirectoryError):
        save_model(fitted("binary"), tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    source = to_c(fitted("binary"), pipe, name="net")
    assert reader.communicate()[0] == source and pipe.is_fifo()


def write_bytes(content):
    """A function that writes what another one makes of a model."""
    return lambda model, path: path.write_bytes(content(model))


def bytes_of(save):
    """The bytes that a function of NumPy writes."""
    memory = io.BytesIO()
    save(memory, np.ones(3))
    return memory.getvalue()


OTHERS = {
    "pickle": (write_bytes(pickle.dumps), "it is a pickle"),
    "old pickle": (write_bytes(partial(pickle.dumps, protocol=2)), "it is a pickle"),
    "joblib": (joblib.dump, "it is a pickle.*joblib.load"),
    **{
        str(way): (partial(joblib.dump, compress=way), "it is compressed.*joblib.load")
        for way in (3, ("gzip", 1), ("bz2", 3), ("xz", 3), ("lzma", 3))
    },
    "zip": (write_bytes(lambda model: bytes_of(np.savez)), "it is a zip archive"),
    "npy": (write_bytes(lambda model: bytes_of(np.save)), "it is an array"),
}


@pytest.mark.parametrize("way", OTHERS)
@pytest.mark.parametrize("copies", [False, True])
def test_a_file_of_another_kind_is_named(tmp_path, way, copies):
    write, message = OTHERS[way]
    path = tmp_path / "model.joblib"
    write(fitted("binary"), path)
    for load in (load_model, load_predictor):
        with pytest.raises(ValueError, match=rf"model\.joblib is not .*{message}"):
            load(path, copy=copies)


def test_an_onnx_file_and_a_checkpoint_are_named(tmp_path):
    X, y = data("binary", 20)
    checkpoint = tmp_path / "fit.ckpt"
    MLPClassifier((3,), max_iter=2).fit(X, y, checkpoint=checkpoint)
    with pytest.raises(ValueError, match=r"it is a checkpoint of a fit.*resume="):
        load_model(checkpoint)
    pytest.importorskip("onnx")
    to_onnx(fitted("binary"), tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="it is an ONNX model"):
        load_model(tmp_path / "m.onnx")
