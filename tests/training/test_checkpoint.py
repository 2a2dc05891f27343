"""Checkpoint and resume: the same bits as a fit without interruption."""

import errno
import os
import sys
import time

import numpy as np
import pytest
from helpers.checkpoint_files import killed_fits
from helpers.models import TASKS, data
from scipy import sparse
from sklearn.base import clone

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class KilledError(Exception):
    pass


def killed_after(model, n_epochs, path, X, y, monkeypatch, every=1, **options):
    """Fit until an epoch begins that the fit does not survive."""
    from fastmlp._core.solvers import Epoch

    class Mortal(Epoch):
        n_runs = 0

        def run(self, *args, **kwargs):
            Mortal.n_runs += 1
            if Mortal.n_runs > n_epochs:
                raise KilledError
            super().run(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("fastmlp._training.epochs.Epoch", Mortal)
        with pytest.raises(KilledError):
            model.fit(X, y, checkpoint=path, checkpoint_every=every, **options)


def same_fit(a, b):
    """Raise unless two models and their histories are equal bit for bit."""
    for name in ("coefs_", "intercepts_"):
        for u, v in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_array_equal(u, v, strict=True)
    for name in (
        "loss_", "n_iter_", "t_", "loss_curve_", "best_loss_", "validation_scores_",
        "best_validation_score_", "_no_improvement_count",
    ):  # fmt: skip
        assert getattr(a, name) == getattr(b, name), name
    for u, v in zip(a._optimizer.moments, b._optimizer.moments, strict=True):
        np.testing.assert_array_equal(u, v, strict=True)
    assert {k: v for k, v in vars(a._optimizer).items() if k != "moments"} == {
        k: v for k, v in vars(b._optimizer).items() if k != "moments"
    }
    for u, v in zip(a._random_state.get_state(), b._random_state.get_state()):
        np.testing.assert_array_equal(u, v)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task(tmp_path, monkeypatch, task, dtype):
    X, y = data(task, dtype=dtype)
    kind = MLPClassifier if task in TASKS[:3] else MLPRegressor
    params = {"loss": "poisson"} if task == "poisson" else {}
    model = kind(hidden_layer_sizes=(6,), max_iter=9, random_state=0, **params)
    whole = clone(model).fit(X, y)
    part = clone(model)
    killed_after(part, 4, tmp_path / "c", X, y, monkeypatch)
    same_fit(part.fit(X, y, resume=tmp_path / "c"), whole)


def falling(epoch):
    """A learning rate."""
    return 0.01 / (1 + epoch)


VARIANTS = {
    "adam": {},
    "sgd": {"solver": "sgd"},
    "adaptive": {
        "solver": "sgd", "learning_rate": "adaptive", "tol": 10, "n_iter_no_change": 2,
    },
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "no shuffle": {"shuffle": False},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 4},
    "early, no shuffle": {"early_stopping": True, "shuffle": False},
    "stops": {"tol": 10.0, "n_iter_no_change": 6},
    "one layer, wide": {"hidden_layer_sizes": (), "batch_size": 7},
    "activation": {"activation": ("leaky_relu", 0.2)},
    "threads": {"n_threads": 2},
    "no seed": {"random_state": None},
    "cosine": {"learning_rate": "cosine"},
    "one cycle, sgd": {"learning_rate": "one_cycle", "solver": "sgd"},
    "plateau": {"learning_rate": "plateau", "tol": 10, "n_iter_no_change": 2},
    "callable": {"learning_rate": falling},
    "standardized": {"standardize_X": True},
    "split": {"validation_split": np.arange(0, 120, 5), "early_stopping": True},
    "share": {"validation_split": 0.25},
    "scoring": {"scoring": "loss", "early_stopping": True},
    "divergence": {"on_divergence": "reduce_lr"},
    "class_weight": {"class_weight": {"ant": 2.0, "bee": 0.5}},
    "array": {"hidden_layer_sizes": np.array([4, 3]), "alpha": np.float32(0.1)},
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant(tmp_path, monkeypatch, variant):
    X, y = data("multiclass")
    params = {"random_state": 1, "max_iter": 12, "batch_size": 16, **VARIANTS[variant]}
    path = tmp_path / "c"
    for weights in (None, np.linspace(0.1, 2, len(X))):
        for every, n_epochs in ((1, 3), (2, 5), (4, 9), (1, 1)):
            if n_epochs > 6 and variant in ("stops", "adaptive", "plateau"):
                n_epochs = 6
            np.random.seed(7)
            model = MLPClassifier(**params)
            whole = clone(model).fit(X, y, weights)
            np.random.seed(7)
            killed_after(
                clone(model), n_epochs, path, X, y, monkeypatch, every,
                sample_weight=weights,
            )  # fmt: skip
            np.random.seed(8)
            resumed = clone(model).fit(X, y, weights, resume=path)
            same_fit(resumed, whole)


def test_validation_data(tmp_path, monkeypatch):
    X, y = data("multiclass")
    path = tmp_path / "c"
    model = MLPClassifier(
        max_iter=9, random_state=0, early_stopping=True, on_divergence="warn"
    )
    given = {"X_val": X[:30], "y_val": y[:30], "sample_weight_val": np.ones(30)}
    whole = clone(model).fit(X, y, **given)
    killed_after(clone(model), 5, path, X, y, monkeypatch, **given)
    resumed = clone(model).fit(X, y, resume=path, **given)
    same_fit(resumed, whole)
    assert resumed.validation_loss_curve_ == whole.validation_loss_curve_
    history = {k: v for k, v in whole.history_.items() if k != "seconds"}
    for name, column in history.items():
        np.testing.assert_array_equal(resumed.history_[name], column)
    given["X_val"] = X[1:31]
    with pytest.raises(ValueError, match="the validation rows are not the same"):
        clone(model).fit(X, y, resume=path, **given)
    with pytest.raises(ValueError, match="the validation rows are not the same"):
        clone(model).fit(X, y, resume=path)


def test_a_planned_rate_fixes_max_iter(tmp_path):
    X, y = data("binary")
    model = MLPClassifier(max_iter=4, random_state=0, learning_rate="cosine")
    model.fit(X, y, checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match="max_iter was 4, now it is 8"):
        model.set_params(max_iter=8).fit(X, y, resume=tmp_path / "c")


def test_random_state_instance_sparse_and_warm_start(tmp_path, monkeypatch):
    X, y = data("multioutput")
    X = sparse.csr_array(np.where(np.abs(X) > 1, X, 0))
    path = tmp_path / "c"

    def make():
        model = MLPRegressor(
            max_iter=8, random_state=np.random.RandomState(5), warm_start=True
        )
        return model.fit(X, y)

    whole = make().fit(X, y)
    killed_after(make(), 5, path, X, y, monkeypatch)
    resumed = make()
    same_fit(resumed.fit(X, y, resume=path), whole)
    assert len(resumed.loss_curve_) == 16


def test_it_goes_on_past_max_iter(tmp_path):
    X, y = data("binary")
    path = tmp_path / "c"
    model = MLPClassifier(max_iter=10, random_state=0, tol=0)
    whole = clone(model).set_params(max_iter=20).fit(X, y)
    first = clone(model).fit(X, y, checkpoint=path, checkpoint_every=5)
    same_fit(clone(model).fit(X, y, resume=path), first)
    longer = clone(model).set_params(max_iter=20, n_threads=2, verbose=0)
    same_fit(longer.fit(X, y, checkpoint=path, resume=path), whole)
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_other_data_or_parameters_are_refused(tmp_path):
    X, y = data("regression")
    path = tmp_path / "c"
    model = MLPRegressor(
        hidden_layer_sizes=(5,), max_iter=4, random_state=0, activation="tanh"
    )
    model.fit(X, y, checkpoint=path)
    before = [w.copy() for w in model.coefs_]
    for params, reason in {
        ("alpha", 0.5): "alpha was 0.0001, now it is 0.5",
        ("activation", "relu"): "activation was 'tanh', now it is 'relu'",
        ("random_state", 1): "random_state was 0, now it is 1",
        (
            "hidden_layer_sizes",
            (5, 2),
        ): r"hidden_layer_sizes was \[5\], now it is \[5, 2\]",
        ("solver", "sgd"): "solver was 'adam', now it is 'sgd'",
        ("loss", "poisson"): "loss was 'squared_error', now it is 'poisson'",
    }.items():
        other = clone(model).set_params(**dict([params]))
        with pytest.raises(ValueError, match=f"was written by another fit: .*{reason}"):
            other.fit(X, np.abs(y), resume=path)
    changed = X.copy()
    changed[-1, -1] += 1e-12
    weights = np.ones(len(X))
    for data_ in ((changed, y), (X, y + 1e-9), (X[:-1], y[:-1]), (X, y, weights)):
        with pytest.raises(ValueError, match="X, y or sample_weight are not the same"):
            model.fit(*data_, resume=path)
    with pytest.raises(ValueError, match="X was cast to float64, now float32"):
        clone(model).fit(X.astype("f4"), y, resume=path)
    with pytest.raises(ValueError, match="the layers had the sizes"):
        clone(model).fit(X[:, 1:], y, resume=path)
    for a, b in zip(model.coefs_, before):  # the earlier fit is left as it was
        np.testing.assert_array_equal(a, b)
    clf = MLPClassifier(
        hidden_layer_sizes=(5,), max_iter=4, random_state=0, activation="tanh"
    )
    with pytest.raises(ValueError, match="was written by another fit"):
        clf.fit(X, y > 0, resume=path)


def test_bad_arguments(tmp_path):
    X, y = data("regression")
    model = MLPRegressor(max_iter=2)
    for options, message in (
        ({"checkpoint_every": 0}, "checkpoint_every must be an int >= 1"),
        ({"checkpoint_every": 1.5}, "checkpoint_every must be an int >= 1"),
        ({"checkpoint_every": True}, "checkpoint_every must be an int >= 1"),
        ({"checkpoint_every": 2}, "checkpoint_every=2 needs a file to write"),
        (
            {"checkpoint_every": 2, "resume": tmp_path / "c"},
            "checkpoint_every=2 needs a file to write",
        ),
        ({"checkpoint": 3}, "checkpoint must be a path or None"),
        ({"resume": b"x"}, "resume must be a path or None"),
        ({"checkpoint": tmp_path / "no" / "c"}, "there is no folder"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, **options)
    with pytest.raises(FileNotFoundError):
        model.fit(X, y, resume=tmp_path / "c")
    model.fit(X, y, checkpoint=tmp_path / "c")
    content = (tmp_path / "c").read_bytes()
    for bad in (content[:-1], content[:100], b"", content.replace(b"MT1", b"MT2")):
        (tmp_path / "c").write_bytes(bad)
        with pytest.raises(ValueError, match="is not a valid model file|too few"):
            model.fit(X, y, resume=tmp_path / "c")
    from fastmlp import save_model

    save_model(model, tmp_path / "c")
    with pytest.raises(ValueError, match="is not a checkpoint of fastmlp"):
        model.fit(X, y, resume=tmp_path / "c")


def test_a_full_disk_ends_the_fit_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    X, y = data("regression")
    path = tmp_path / "c"
    model = MLPRegressor(max_iter=6, random_state=0)
    model.fit(X, y, checkpoint=path, checkpoint_every=4)
    before = path.read_bytes()

    def full(fd):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        clone(model).fit(X, y, checkpoint=path)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_kill_9_at_random_moments(tmp_path):
    """50 processes are killed, each resumed until it ends: 50 equal models."""
    X, y = data("multiclass", 400)
    model = MLPClassifier(
        (20,), max_iter=25, random_state=0, batch_size=10, early_stopping=True,
        n_iter_no_change=100,
    )  # fmt: skip
    start = time.perf_counter()
    whole = clone(model).fit(X, y)
    seconds = time.perf_counter() - start
    n_resumed = 0
    for path in killed_fits(model, X, y, tmp_path, 1.5 * seconds, 50):
        n_resumed += path.exists()
        resume = path if path.exists() else None
        again = clone(model).fit(X, y, checkpoint=path, resume=resume)
        same_fit(again, whole)
        assert [p.name for p in tmp_path.glob(f"*{path.name}*")] == [path.name]
    assert n_resumed >= 25


def test_memory_mapped_data_in_float32(tmp_path, monkeypatch):
    X, y = data("multioutput")
    np.save(tmp_path / "X.npy", X)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = MLPRegressor(max_iter=7, random_state=0, dtype="float32")
    whole = clone(model).fit(X, y)
    killed_after(clone(model), 3, tmp_path / "c", X, y, monkeypatch)
    same_fit(clone(model).fit(X, y, resume=tmp_path / "c"), whole)
