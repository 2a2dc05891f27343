"""Prediction: the short way of the estimators, and the Predictor."""

import pickle
import subprocess
import sys
import threading
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from helpers.models import (
    ACTIVATIONS,
    N_FEATURES,
    TASKS,
    data,
    fitted,
    needs_products,
    proba_or_values,
)
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from fastmlp import MLPClassifier, MLPRegressor, save_model
from fastmlp.runtime import Predictor, load_predictor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

METHODS = ("predict", "predict_proba", "decision_function")


def long_way(model, X, method):
    """Predictions of the estimator when the short way is closed."""

    class Closed(type(model)):
        def _snapshot(self):
            if sys._getframe(1).f_code.co_name == "_of":
                raise RuntimeError("closed")
            return super()._snapshot()

    closed = Closed()
    vars(closed).update(vars(model))
    return getattr(closed, method)(X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_short_and_long_way_and_predictor_agree(task, dtype):
    model = fitted(task, dtype)
    predictor = model.compile()
    X, _ = data(task, 300, dtype)
    for rows in (X[:1], X[:2], X, X[5:6]):
        for method in METHODS[: 2 if hasattr(model, "classes_") else 1]:
            expected = long_way(model, rows, method)
            for one in (model, predictor):
                got = getattr(one, method)(rows)
                np.testing.assert_array_equal(got, expected, strict=True)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@needs_products
def test_rows_do_not_depend_on_their_company(activation, dtype):
    for task in ("multiclass", "binary", "multioutput"):
        model = fitted(task, dtype, activation=activation)
        X, _ = data(task, 101, dtype)
        predictor = model.compile()
        whole = proba_or_values(model, X)
        for n in (1, 2, 3, 7, 24, 50):
            for one in (model, predictor):
                parts = [proba_or_values(one, X[i : i + n]) for i in range(0, 101, n)]
                np.testing.assert_array_equal(np.concatenate(parts), whole)
        order = np.random.RandomState(0).permutation(101)
        np.testing.assert_array_equal(proba_or_values(model, X[order]), whole[order])
        scores = sparse.csr_array(X)
        np.testing.assert_array_equal(
            proba_or_values(model, scores)[7:8], proba_or_values(model, scores[7:8])
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [(64, 100, 10), (700, 300, 3), (30, 1), (600, 1, 70)])
@needs_products
def test_threads_and_splits_give_the_same_bits(units, dtype):
    rng = np.random.RandomState(0)
    model = MLPRegressor(hidden_layer_sizes=units[1:-1])
    sizes = list(pairwise(units))
    model.coefs_ = [(rng.normal(size=s) / s[0] ** 0.5).astype(dtype) for s in sizes]
    model.intercepts_ = [rng.normal(size=s[1]).astype(dtype) for s in sizes]
    model.out_activation_ = "identity"
    X = rng.normal(size=(3001, units[0])).astype(dtype)
    whole = model.compile(n_threads=1).predict(X)
    for n_threads in (2, 3, 8):
        threaded = model.compile(n_threads=n_threads)
        assert threaded.n_threads == n_threads
        np.testing.assert_array_equal(threaded.predict(X), whole)
        model.set_params(n_threads=n_threads)
        np.testing.assert_array_equal(model.predict(X), whole)
    for n in (1, 10, 997):
        starts = range(0, min(40 * n, len(X)), n)
        pieces = np.concatenate([model.predict(X[i : i + n]) for i in starts])
        np.testing.assert_array_equal(pieces, whole[: len(pieces)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [(100,), (9, 5), (600, 1, 70)])
def test_copies_of_small_weights_give_the_same_bits(hidden, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 30)).astype(dtype)
    X[rng.random(X.shape) < 0.5] = 0
    model = MLPClassifier(hidden, max_iter=2, random_state=0)
    model.fit(X, rng.integers(0, 10, len(X)))
    predictor = model.compile()
    forward = predictor._forward
    assert forward.row_layers is not forward.layers
    for rows in (X[:1], X[:3], X[:40], X):
        expected = model.predict_proba(rows)
        np.testing.assert_array_equal(predictor.predict_proba(rows), expected)
        table = sparse.csr_matrix(rows)
        expected = model.predict_proba(table)
        np.testing.assert_array_equal(predictor.predict_proba(table), expected)


def test_large_weights_are_not_copied():
    X = np.ones((10, 30), np.float32)
    model = MLPClassifier((600, 600), max_iter=1).fit(X, np.arange(10) % 2)
    forward = model.compile()._forward
    assert forward.row_layers is forward.layers


@pytest.mark.parametrize("task", TASKS)
def test_decision_function_gives_the_logits(task):
    model = fitted(task)
    predictor = model.compile()
    X, _ = data(task)
    if task in ("regression", "multioutput", "poisson"):
        for name in ("decision_function", "predict_proba", "classes_"):
            assert not hasattr(predictor, name)
        return
    z = predictor.decision_function(X)
    proba = predictor.predict_proba(X)
    if task == "multiclass":
        shifted = np.exp(z - z.max(axis=1, keepdims=True))
        expected = shifted / shifted.sum(axis=1, keepdims=True)
    else:
        expected = 1 / (1 + np.exp(-z))
        proba = proba[:, 1] if task == "binary" else proba
    assert z.shape == expected.shape
    np.testing.assert_allclose(proba, expected, rtol=1e-12)
    np.testing.assert_array_equal(predictor.classes_, model.classes_)


@pytest.mark.parametrize("task", TASKS)
def test_out(task):
    model = fitted(task, "float32")
    predictor = model.compile()
    X, _ = data(task, 40, "float32")
    for method in METHODS[: 3 if hasattr(model, "classes_") else 1]:
        function = getattr(predictor, method)
        for rows in (X, X[:1]):
            expected = function(rows)
            out = np.empty_like(expected)
            assert function(rows, out=out) is out
            np.testing.assert_array_equal(out, expected)
            read_only = out.copy()
            read_only.setflags(write=False)
            other = out.view(np.uint8) if out.dtype.kind != "U" else out.astype("U30")
            strided = np.repeat(out, 2, axis=0)[::2]
            bads = [out[:0], other, [1], 3, read_only, out[..., None]]
            bads += [strided] if len(out) > 1 else []
            for bad in bads:
                with pytest.raises(ValueError, match="^out must be a writeable"):
                    function(rows, out=bad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_out_that_overlaps_X(dtype):
    X, _ = data("multioutput", 40, dtype)
    y = np.hstack([X, X])[:, :N_FEATURES]
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    predictor = model.fit(X, y).compile()
    expected = predictor.predict(X)
    memory = np.zeros((90, N_FEATURES), dtype)
    for start in (0, 1, 7, 39):
        memory[10:50] = X
        with pytest.raises(ValueError, match="out must not share memory with X"):
            predictor.predict(memory[10:50], out=memory[10 + start : 50 + start])
        np.testing.assert_array_equal(memory[10:50], X)
    memory[:40] = X
    predictor.predict(memory[:40], out=memory[40:80])  # beside it
    np.testing.assert_array_equal(memory[40:80], expected)
    flat = memory.reshape(-1)
    row, after = memory[10:11], 11 * N_FEATURES
    for start in (after - N_FEATURES, after - 1, after - 2 * N_FEATURES + 1):
        out = flat[start : start + N_FEATURES].reshape(1, -1)
        with pytest.raises(ValueError, match="out must not share memory with X"):
            predictor.predict(row, out=out)
    kept, alone = row.copy(), predictor.predict(row)
    predictor.predict(row, out=memory[11:12])
    predictor.predict(row, out=memory[9:10])
    for beside in (memory[11:12], memory[9:10]):
        np.testing.assert_array_equal(beside, alone)
    np.testing.assert_array_equal(row, kept)
    out = np.full_like(row, 7)
    with pytest.raises(ValueError, match="NaN"):
        predictor.predict(np.full_like(row, np.nan), out=out)
    np.testing.assert_array_equal(out, 7)
    X32 = X.astype("f4")
    with pytest.raises(ValueError, match="out must not share memory with X"):
        values = np.zeros((40, N_FEATURES))
        view = values.reshape(-1).view("f4")[: X.size].reshape(X.shape)
        view[:] = X32
        out = values if dtype == "float64" else view
        predictor.predict(view, out=out)
    matrix = sparse.csr_array(X)
    with pytest.raises(ValueError, match="out must not share memory with X"):
        predictor.predict(matrix, out=matrix.data[: y.size].reshape(y.shape))
    column = MLPRegressor(max_iter=2).fit(X, X[:, 0]).compile()
    with pytest.raises(ValueError, match="out must not share memory with X"):
        column.predict(X, out=X.reshape(-1)[3:43])
    proba = MLPClassifier(max_iter=2).fit(X, X[:, 0] > 0).compile()
    with pytest.raises(ValueError, match="out must not share memory with X"):
        proba.predict_proba(X, out=X.reshape(-1)[: 2 * len(X)].reshape(-1, 2))


def test_out_of_one_output_asks_for_the_number_of_rows():
    X, y = data("regression", 30)
    predictor = MLPRegressor(max_iter=2).fit(X, y).compile()
    for bad in (3, [1.0], "x", np.zeros(29), np.zeros((30, 1)), np.zeros(30, "i")):
        with pytest.raises(ValueError, match=r"float64 array of shape \(30,\), got"):
            predictor.predict(X, out=bad)


@pytest.mark.parametrize("n", [0, -1, False, True, 1.5, None, [], np.inf, "2"])
def test_n_threads_of_load_predictor(tmp_path, n):
    save_model(fitted("regression"), tmp_path / "m")
    with pytest.raises(ValueError, match="n_threads must be an int >= 1, got "):
        load_predictor(tmp_path / "m", n_threads=n)
    assert load_predictor(tmp_path / "m", n_threads=np.int64(3)).n_threads == 3
    assert load_predictor(tmp_path / "m", n_threads=10**12).n_threads == 256


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_kinds_of_input(task):
    pd = pytest.importorskip("pandas")
    pl = pytest.importorskip("polars")
    X, y = data(task, 60)
    X = np.round(X, 1)
    names = [f"f{i}" for i in range(N_FEATURES)]
    frame = pd.DataFrame(X, columns=names)
    kind = MLPClassifier if task == "multiclass" else MLPRegressor
    plain = kind(max_iter=5, random_state=0).fit(X, y)
    named = kind(max_iter=5, random_state=0).fit(frame, y)
    expected = plain.predict(X)
    kinds = [
        X,
        X.tolist(),
        np.asfortranarray(X),
        X[:, ::-1][:, ::-1],
        X.astype(object),
        X.astype(">f8"),
    ]
    for one in (plain, plain.compile()):
        for rows in kinds:
            np.testing.assert_array_equal(one.predict(rows), expected)
        np.testing.assert_array_equal(
            one.predict(X.astype(int)), one.predict(X.astype(int).astype(float))
        )
        for form in (sparse.csr_array, sparse.csc_matrix, sparse.csr_matrix):
            got = one.predict(form(X))
            if task == "regression":
                np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
            else:
                np.testing.assert_array_equal(got, expected)
    frames = [frame, pl.DataFrame(X, schema=names), frame.astype({"f0": "float32"})]
    for one in (named, named.compile()):
        for rows in frames[:2]:
            np.testing.assert_array_equal(one.predict(rows), expected)
            np.testing.assert_array_equal(one.predict(rows[:1]), expected[:1])
        np.testing.assert_array_equal(
            one.predict(frames[2]), one.predict(frames[2].astype(float))
        )
        whole = frame.astype(int)
        np.testing.assert_array_equal(
            one.predict(whole), one.predict(whole.astype(float))
        )
        assert one.predict(frame.iloc[[3]]).tolist() == expected[3:4].tolist()
        for bad in (frame[names[::-1]], frame.rename(columns={"f1": "g"})):
            for rows in (bad, bad.iloc[:1]):
                with pytest.raises(ValueError):
                    one.predict(rows)
    with pytest.warns(UserWarning):
        named.predict(X[:1])
    with pytest.warns(UserWarning):
        plain.predict(frame.iloc[:1])


def test_no_rows():
    X, _ = data("multiclass")
    predictor = fitted("multiclass").compile()
    assert predictor.predict_proba(X[:0]).shape == (0, 4)
    assert predictor.predict(X[:0]).shape == (0,)


# The fault is told in words of scikit-learn or NumPy; that it is in X, in ours.
BAD = {
    "features": np.ones((1, 3)),
    "NaN": np.full((1, 7), np.nan),
    "infinity": np.full((2, 7), -np.inf),
    "both infinities": np.array([[np.inf, -np.inf] * 3 + [0]]),
    "one dimension": np.ones(7),
    "three dimensions": np.ones((1, 7, 1)),
    "texts": [["a"] * 7],
    "complex": np.ones((1, 7), complex),
    "list": [[1, 2], [3]],
    "sparse NaN": sparse.csr_array(np.full((1, 7), np.nan)),
    "sparse features": sparse.csr_array((1, 3)),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bad_input(name, dtype):
    X = BAD[name]
    if isinstance(X, np.ndarray) and X.dtype == float:
        X = X.astype(dtype)
    model = fitted("multiclass", dtype)
    for one in (model, model.compile()):
        for method in (one.predict, one.predict_proba):
            with pytest.raises(ValueError, match=r"\bX\b"):
                method(X)


def test_infinite_value_in_any_block():
    model = fitted("regression", "float32")
    X = np.zeros((5000, N_FEATURES), np.float32)
    for one in (model, model.compile(n_threads=2)):
        for i in (0, 2500, 4999):
            X[i, -1] = np.inf
            with pytest.raises(ValueError, match=r"\bX\b"):
                one.predict(X)
            X[i, -1] = 0
        one.predict(X)


def test_large_values_are_finite():
    for dtype in (np.float32, np.float64):
        model = fitted("binary", dtype.__name__)
        X = np.full((3, N_FEATURES), np.finfo(dtype).max)  # their sum overflows
        proba = model.predict_proba(X)
        np.testing.assert_array_equal(proba, long_way(model, X, "predict_proba"))
        model.compile().predict(X)
    with pytest.raises(ValueError, match="too large for"):
        fitted("binary", "float32").compile().predict(np.full((1, N_FEATURES), 1e300))


def test_what_is_assigned_counts_at_once():
    X, y = data("multioutput")
    model = MLPRegressor(hidden_layer_sizes=5, max_iter=5, random_state=0).fit(X, y)
    for rows in (X[:1], X):
        before = model.predict(rows)
        model.coefs_[0][:] *= 2  # in place
        changed = model.predict(rows)
        assert not np.allclose(before, changed)
        np.testing.assert_array_equal(changed, long_way(model, rows, "predict"))
        model.intercepts_[1] = model.intercepts_[1] + 1.0
        np.testing.assert_allclose(model.predict(rows), changed + 1)
        model.coefs_ = [w / 2 for w in model.coefs_]
        np.testing.assert_array_equal(
            model.predict(rows), long_way(model, rows, "predict")
        )
        for name, value in (("activation", "tanh"), ("dtype", "float32")):
            model.set_params(**{name: value})
            np.testing.assert_array_equal(
                model.predict(rows), long_way(model, rows, "predict"), strict=True
            )
        model.set_params(activation="relu", dtype="auto").partial_fit(X, y)
        np.testing.assert_array_equal(
            model.predict(rows), long_way(model, rows, "predict")
        )
    state = dict(vars(model))
    model.predict(X[:1])
    assert vars(model).keys() == state.keys()  # no cache in the estimator
    model.coefs_[0] = model.coefs_[0][:, ::-1]
    np.testing.assert_array_equal(
        model.predict(X[:1]), long_way(model, X[:1], "predict")
    )
    del model.coefs_
    with pytest.raises(NotFittedError):
        model.predict(X[:1])


def test_integer_weights_and_mixed_dtypes():
    X, y = data("regression")
    model = MLPRegressor(hidden_layer_sizes=3, max_iter=2).fit(X, y)
    model.coefs_[0] = np.ones((N_FEATURES, 3), int)
    for rows in (X[:1], X.astype(np.float32), X[:1].astype(np.float32)):
        np.testing.assert_array_equal(
            model.predict(rows), long_way(model, rows, "predict"), strict=True
        )
    single = fitted("regression", "float32")
    assert single.predict(X[:1]).dtype == np.float64  # X is, and both are mixed so
    assert single.compile().predict(X[:1]).dtype == np.float32


def test_one_class():
    X, _ = data("binary")
    model = MLPClassifier(max_iter=2).fit(X, np.zeros(len(X)))
    for one in (model, model.compile()):
        assert one.predict_proba(X[:1]).tolist() == [[1.0]]
        assert one.predict(X[:2]).tolist() == [0, 0]


@pytest.mark.parametrize("task", TASKS)
def test_predictor_is_frozen_and_can_be_pickled(task):
    X, y = data(task)
    model = pickle.loads(pickle.dumps(fitted(task)))
    predictor = model.compile(n_threads=3)
    expected = proba_or_values(predictor, X)
    model.partial_fit(X, y)
    model.coefs_[0][:] = 0
    np.testing.assert_array_equal(proba_or_values(predictor, X), expected)
    copy = pickle.loads(pickle.dumps(predictor))
    assert copy.n_threads == 3 and repr(copy) == repr(predictor)
    np.testing.assert_array_equal(proba_or_values(copy, X), expected, strict=True)
    for name in ("n_threads", "dtype", "new", "_forward"):
        with pytest.raises(AttributeError, match="Predictor cannot be changed"):
            setattr(predictor, name, 1)
        with pytest.raises(AttributeError, match="Predictor cannot be changed"):
            delattr(predictor, name)
    if hasattr(model, "classes_"):
        with pytest.raises(ValueError):
            predictor.classes_[0] = predictor.classes_[1]
        assert predictor.classes_.tolist() == model.classes_.tolist()


def test_compile_checks():
    with pytest.raises(NotFittedError):
        MLPClassifier().compile()
    for n_threads in (0, "a", 1.5):
        with pytest.raises(ValueError, match="n_threads"):
            fitted("binary").compile(n_threads=n_threads)


def test_eight_threads_share_a_predictor_and_an_estimator():
    X, _ = data("multiclass", 200)
    model = fitted("multiclass")
    predictor = model.compile(n_threads=2)
    whole = model.predict_proba(X)
    expected = [model.predict_proba(X[i : i + 1])[0] for i in range(200)]
    wrong = []

    def work(seed):
        rng = np.random.RandomState(seed)
        for _ in range(400):
            i = rng.randint(200)
            one = (model, predictor)[rng.randint(2)]
            if (one.predict_proba(X[i : i + 1]) != expected[i]).any():
                wrong.append(i)
        if (predictor.predict_proba(X) != whole).any():
            wrong.append(-1)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong


@pytest.mark.parametrize("task", TASKS)
def test_runtime_needs_no_scikit_learn(tmp_path, task):
    model = fitted(task, "float32")
    X, _ = data(task, 5, "float32")
    save_model(model, tmp_path / "m")
    (tmp_path / "p.pickle").write_bytes(pickle.dumps(model.compile()))
    np.save(tmp_path / "X.npy", X)
    script = """
import pickle, sys
import numpy as np
import fastmlp.runtime
for name in ("sklearn", "joblib", "pandas"):
    assert name not in sys.modules, name
    sys.modules[name] = None  # importing it raises
from scipy import sparse
X = np.load("X.npy")
for p in (fastmlp.runtime.load_predictor("m"), pickle.load(open("p.pickle", "rb"))):
    y = p.predict(X)
    assert (p.predict(X[:1]) == y[:1]).all()
    assert (p.predict(sparse.csr_array(X)) == y).all() or y.dtype.kind == "f"
    assert p.predict(X.tolist()).shape == y.shape
np.save("y.npy", y)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    y = np.load(tmp_path / "y.npy")
    np.testing.assert_array_equal(y, model.predict(X), strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_load_predictor(tmp_path, task, dtype):
    model = fitted(task, dtype)
    save_model(model, tmp_path / "m")
    X, _ = data(task, dtype=dtype)
    for copy in (True, False):
        predictor = load_predictor(tmp_path / "m", copy=copy, n_threads=2)
        np.testing.assert_array_equal(predictor.predict(X), model.predict(X))
        np.testing.assert_array_equal(
            proba_or_values(predictor, X), proba_or_values(model, X), strict=True
        )
    assert predictor.n_threads == 2
    (tmp_path / "m").write_bytes((tmp_path / "m").read_bytes()[:-1])
    with pytest.raises(ValueError, match="is not a valid model file"):
        load_predictor(tmp_path / "m")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_memory_mapped_rows_take_bounded_memory(tmp_path, dtype):
    n = 400_000
    X = np.lib.format.open_memmap(
        tmp_path / "X.npy", "w+", dtype=dtype, shape=(n, N_FEATURES * 2)
    )
    X[:] = np.random.RandomState(0).randint(-3, 4, size=X.shape)
    X.flush()
    model = MLPRegressor(dtype="float32")
    model.coefs_ = [np.linspace(0, 1, 2 * N_FEATURES, dtype=np.float32)[:, None]]
    model.intercepts_, model.out_activation_ = [np.ones(1, np.float32)], "identity"
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    out = np.lib.format.open_memmap(
        tmp_path / "out.npy", "w+", dtype=np.float32, shape=(n,)
    )
    results = {}
    for name, function in {
        "estimator": lambda: model.predict(X),
        "predictor": lambda: model.compile().predict(X, out=out),
    }.items():
        tracemalloc.start()
        results[name] = function()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20_000_000 + (n * 4 if name == "estimator" else 0) * 2
    np.testing.assert_array_equal(results["estimator"], out)
    np.testing.assert_allclose(out, X @ model.coefs_[0][:, 0] + 1, rtol=1e-4, atol=1e-5)


def test_subclass_that_cannot_be_a_key():
    class Odd(MLPRegressor):
        def __eq__(self, other):
            return True

        __hash__ = None

    X, y = data("regression")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = Odd(max_iter=2, random_state=0).fit(X, y)
        plain = MLPRegressor(max_iter=2, random_state=0).fit(X, y)
    np.testing.assert_array_equal(odd.predict(X[:1]), plain.predict(X[:1]))
    assert isinstance(odd, BaseEstimator) and isinstance(odd.compile(), Predictor)


def test_names_of_the_features():
    X, y = data("binary", 40)
    frame = pd.DataFrame(X, columns=[f"column {i}" for i in range(X.shape[1])])
    named = MLPClassifier((3,), max_iter=1, random_state=0).fit(frame, y).compile()
    np.testing.assert_array_equal(named.feature_names_in_, frame.columns)
    assert not hasattr(fitted("binary").compile(), "feature_names_in_")


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 70])
@needs_products
def test_few_rows_in_the_workspace_at_hand(n):
    """Around the 32 rows that it holds; several threads take it in turn."""
    model = fitted("multiclass")
    X, _ = data("multiclass", n)
    predictor, expected = model.compile(), model.predict_proba(np.vstack([X, X]))[:n]
    out = np.empty_like(expected)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(predictor.predict_proba, [X] * 200):
            np.testing.assert_array_equal(result, expected)
    assert predictor.predict_proba(X, out=out) is out
    np.testing.assert_array_equal(out, expected)
