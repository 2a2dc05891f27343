"""Checkpoint and resume with lbfgs: the same bits, and files that were changed."""

import random
import sys
import time

import numpy as np
import pytest
from helpers.checkpoint_files import (
    content_of,
    drop,
    fuzz,
    killed_fits,
    put,
    rewritten,
    say,
    unchanged,
)
from helpers.models import TASKS, data
from scipy import sparse
from sklearn.base import clone

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._core.curvature import Curvature

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
X, Y = data("multiclass")
HELD_OUT = np.arange(0, 120, 5)
PARAMS = {"solver": "lbfgs", "hidden_layer_sizes": (6,), "random_state": 0, "tol": 0.0}


class KilledError(Exception):
    pass


def killed_after(model, n_iter, path, X, y, every=1, **options):
    """Fit until an iteration that the fit does not survive."""

    def hook(record):
        if record.epoch > n_iter:
            raise KilledError

    with pytest.raises(KilledError):
        model.fit(
            X, y, checkpoint=path, checkpoint_every=every, callback=hook, **options
        )


def same_fit(a, b):
    """Raise unless two models and their histories are equal bit for bit."""
    for name in ("coefs_", "intercepts_"):
        for u, v in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_array_equal(u, v, strict=True)
    names = ("loss_", "n_iter_", "validation_scores_", "best_validation_score_")
    for name in names:
        assert getattr(a, name, None) == getattr(b, name, None), name
    for name in a.history_.keys() - {"seconds"}:
        np.testing.assert_array_equal(a.history_[name], b.history_[name])
    for u, v in zip(a._random_state.get_state(), b._random_state.get_state()):
        np.testing.assert_array_equal(u, v)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task(tmp_path, task, dtype):
    X, y = data(task, dtype=dtype)
    kind = MLPClassifier if task in TASKS[:3] else MLPRegressor
    params = {"loss": "poisson"} if task == "poisson" else {}
    model = kind(max_iter=9, **PARAMS, **params)
    whole = clone(model).fit(X, y)
    assert whole.n_iter_ == 9
    part = clone(model)
    killed_after(part, 4, tmp_path / "c", X, y)
    begun = []
    part.fit(
        X, y, resume=tmp_path / "c", callback=lambda record: begun.append(record.epoch)
    )
    assert begun == [5, 6, 7, 8, 9]
    same_fit(part, whole)


VARIANTS = {
    "plain": {},
    "no layer": {"hidden_layer_sizes": ()},
    "split": {"validation_split": HELD_OUT},
    "share": {"validation_split": 0.25},
    "scoring": {"validation_split": HELD_OUT, "scoring": "loss"},
    "stops by score": {
        "validation_split": HELD_OUT,
        "early_stopping": True,
        "n_iter_no_change": 4,
    },
    "converges": {"tol": 3e-3, "alpha": 5.0},
    "no seed": {"random_state": None},
    "threads": {"n_threads": 2},
    "standardized": {"standardize_X": True},
    "class_weight": {"class_weight": "balanced"},
    "no intercept": {"fit_intercept": False},
    "warm": {"warm_start": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant(tmp_path, variant):
    """Before and after the room for pairs is full, between two writes and after one."""
    path = tmp_path / "c"
    params = {**PARAMS, "max_iter": 40, **VARIANTS[variant]}
    weights = np.linspace(0.1, 2, len(X))
    for every, n_iter in ((1, 1), (1, 6), (4, 11), (3, 22)):
        np.random.seed(7)
        whole = MLPClassifier(**params).fit(X, Y, weights)
        assert whole.n_iter_ > n_iter
        assert variant not in ("stops by score", "converges") or whole.n_iter_ < 40
        np.random.seed(7)
        killed_after(
            MLPClassifier(**params), n_iter, path, X, Y, every, sample_weight=weights
        )
        np.random.seed(8)
        same_fit(MLPClassifier(**params).fit(X, Y, weights, resume=path), whole)
    # the file of a fit that ended by itself is of an iteration before
    np.random.seed(7)
    MLPClassifier(**params).fit(X, Y, weights, checkpoint=path)
    same_fit(MLPClassifier(**params).fit(X, Y, weights, resume=path), whole)


def test_the_rows_may_be_sparse_or_given_for_validation(tmp_path):
    rows = sparse.csr_array(np.where(np.abs(X) > 1, X, 0))
    model = MLPClassifier(max_iter=20, **PARAMS)
    given = {"X_val": rows[:30], "y_val": Y[:30]}
    whole = clone(model).fit(rows, Y, **given)
    killed_after(clone(model), 13, tmp_path / "c", rows, Y, **given)
    same_fit(clone(model).fit(rows, Y, resume=tmp_path / "c", **given), whole)
    with pytest.raises(ValueError, match="the validation rows are not the same"):
        clone(model).fit(rows, Y, resume=tmp_path / "c")


def test_it_goes_on_past_the_limits(tmp_path):
    path = tmp_path / "c"
    whole = MLPClassifier(max_iter=30, **PARAMS).fit(X, Y)
    for limits in ({"max_iter": 12}, {"max_iter": 30, "max_fun": 14}):
        first = MLPClassifier(**PARAMS, **limits).fit(X, Y, checkpoint=path)
        assert first.n_iter_ < 30
        same_fit(MLPClassifier(**PARAMS, **limits).fit(X, Y, resume=path), first)
        more = MLPClassifier(max_iter=30, n_threads=2, **PARAMS)
        same_fit(more.fit(X, Y, checkpoint=path, resume=path), whole)


def test_the_file_is_that_of_another_solver(tmp_path):
    path = tmp_path / "c"
    model = MLPClassifier(max_iter=3, **PARAMS).fit(X, Y, checkpoint=path)
    with pytest.raises(ValueError, match="solver was 'lbfgs', now it is 'adam'"):
        clone(model).set_params(solver="adam").fit(X, Y, resume=path)
    with pytest.raises(ValueError, match="alpha was 0.0001, now it is 0.5"):
        clone(model).set_params(alpha=0.5).fit(X, Y, resume=path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_kill_9_at_random_moments(tmp_path):
    model = MLPClassifier(max_iter=40, **PARAMS)
    start = time.perf_counter()
    whole = clone(model).fit(X, Y, checkpoint=tmp_path / "whole")
    seconds = time.perf_counter() - start
    n_resumed = 0
    for path in killed_fits(model, X, Y, tmp_path, seconds, 20):
        resume = path if path.exists() else None
        n_resumed += path.exists()
        same_fit(clone(model).fit(X, Y, checkpoint=path, resume=resume), whole)
    assert n_resumed >= 10


def test_pairs_are_remembered_in_order():
    rng = np.random.default_rng(0)
    ring, other = Curvature(3, 5), Curvature(4, 5)
    for known in range(6):
        assert len(ring.pairs()[2]) == min(known, 3)
        other.remember(*ring.pairs())
        grad, out, expected = rng.normal(size=5), np.empty(5), np.empty(5)
        assert other.descend(grad, out) == ring.descend(grad, expected)
        np.testing.assert_array_equal(out, expected)
        direction, before = rng.normal(size=(2, 5))
        ring.learn(direction, 0.5, before + direction, before, direction @ direction)
    steps, changes, products = ring.pairs()
    small = Curvature(2, 5)
    with pytest.raises(ValueError, match="more pairs than room"):
        small.remember(steps, changes, products)
    with pytest.raises(ValueError, match="wrong shape"):
        small.remember(steps[:2], changes, products[:2])
    with pytest.raises(ValueError, match="wrong shape"):
        small.remember(steps[:2, 1:], changes[:2, 1:], products[:2])
    assert small.n_known == 0


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Tensors and metadata of a checkpoint after 12 iterations."""
    path = tmp_path_factory.mktemp("file") / "c"
    MLPClassifier(max_iter=12, **PARAMS).fit(X, Y, checkpoint=path)
    return content_of(path)


def test_the_file_holds_no_more_than_it_needs(content):
    n = len(content[0]["params"])
    tensors = {name: a for name, a in content[0].items() if name.startswith("lbfgs")}
    assert sum(a.nbytes for a in tensors.values()) == 8 * (23 * n + 10)


def test_the_best_weights_are_those_of_the_file(content, tmp_path):
    """They are what a fit has that ends before it evaluates anything."""

    def change(tensors, state):
        tensors["lbfgs.best_x"] += 1
        state["lbfgs"]["$dict"]["best_loss"] = 0.125  # not the last one

    rewritten(tmp_path / "c", content, change)
    model = MLPClassifier(max_iter=40, max_time=1e-9, **PARAMS)
    model.fit(X, Y, resume=tmp_path / "c")
    assert (model.n_iter_, model.loss_) == (12, 0.125)
    packed = np.hstack([w.ravel() for w in model.coefs_ + model.intercepts_])
    np.testing.assert_array_equal(packed, content[0]["lbfgs.best_x"] + 1)


HOSTILE = {
    "x short": (put("lbfgs.x", lambda a: a[1:]), "'lbfgs.x' must be an array of"),
    "x single": (put("lbfgs.x", lambda a: a.astype("f4")), "'lbfgs.x' must be an"),
    "x": (put("lbfgs.x", np.nan), "'lbfgs.x' must be finite"),
    "other x": (put("lbfgs.x", 7.0), "'lbfgs.x' must be the same as 'params'"),
    "grad": (put("lbfgs.grad", np.inf), "'lbfgs.grad' must be finite"),
    "best_x": (put("lbfgs.best_x", lambda a: a[None]), "'lbfgs.best_x' must be"),
    "many pairs": (
        put("lbfgs.products", lambda a: np.r_[a, a]), "of at most 10 products",
    ),
    "few products": (put("lbfgs.products", lambda a: a[1:]), "'lbfgs.steps' must"),
    "no product": (put("lbfgs.products", 0.0), "'lbfgs.products' must be finite and"),
    "nan product": (put("lbfgs.products", np.nan), "must be finite and above 0"),
    "integer products": (
        put("lbfgs.products", lambda a: a.astype(int)), "an array of float64 of",
    ),
    "matrix of products": (put("lbfgs.products", lambda a: a[None]), "at most 10"),
    "few steps": (put("lbfgs.steps", lambda a: a[1:]), "'lbfgs.steps' must be an"),
    "narrow": (put("lbfgs.changes", lambda a: a[:, 1:]), "'lbfgs.changes' must be an"),
    "steps": (put("lbfgs.steps", np.inf), "'lbfgs.steps' must be finite"),
    "no change": (put("lbfgs.changes", lambda a: 0 * a), "of finite squares above 0"),
    "large": (put("lbfgs.changes", lambda a: 1e200 + a), "of finite squares above 0"),
    "loss": (say("lbfgs", loss="1"), "'lbfgs.loss' must be a finite float"),
    "nan loss": (say("lbfgs", loss={"$float": "nan"}), "must be a finite float"),
    "best_loss": (say("lbfgs", best_loss={"$float": "inf"}), "'lbfgs.best_loss' must"),
    "calls": (say("lbfgs", n_calls=0), "'lbfgs.n_calls' must be an int >= 1"),
    "count": (say("record", no_improvement_count=13), "from 0 to n_iter (12)"),
    "one more": (say("lbfgs", minimize=1), "'lbfgs' must be a dict of"),
    "one less": (drop("lbfgs", "grad"), "'lbfgs' must be a dict of"),
    "none": (lambda t, s: s.update(lbfgs=None), "'lbfgs' must be a dict of"),
    "record loss": (say("record", loss=None), "'record.loss' must be a float"),
    "samples": (say("record", t=-1), "'record.t' must be an int >= 0"),
    "curve": (say("record", loss_curve=[1.0]), "'record.loss_curve' must be None"),
    "moments": (lambda t, s: s.update(moments=[]), "it holds 'moments'"),
    "no lbfgs": (lambda t, s: s.pop("lbfgs"), "it has no 'averaging'"),
    "stochastic": (
        lambda t, s: (
            s.pop("lbfgs"),
            s.update(moments=0, optimizer=0, averaging=0, divergence=0, order=0),
        ),
        "its 'lbfgs' must be there for this solver",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file(content, tmp_path, name):
    change, message = HOSTILE[name]
    rewritten(tmp_path / "c", content, change)
    new = MLPClassifier(max_iter=14, **PARAMS)
    for model in (new, clone(new).fit(X, Y)):
        before = vars(model).copy()
        with pytest.raises(ValueError, match="is not a sound checkpoint: ") as caught:
            model.fit(X, Y, resume=tmp_path / "c")
        assert message in str(caught.value)
        unchanged(model, before)


def test_fuzz(content, tmp_path):
    """Mutations of the state and of the tensors, under a right checksum."""
    n_refused, n_resumed = fuzz(
        content,
        tmp_path / "c",
        lambda: MLPClassifier(max_iter=14, **PARAMS),
        X,
        Y,
        random.Random(1),
        200,
    )
    assert n_refused > 100 and n_resumed > 10
