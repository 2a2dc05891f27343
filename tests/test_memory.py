"""Memory: X is not copied, a memory-mapped X may be larger than memory; denormals."""

import tracemalloc

import numpy as np
import pytest

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(n=40_000, p=100, dtype=np.float64):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n, p)).astype(dtype)
    return X, (X[:, 0] > 0).astype(int)


def peak_of(call):
    """Bytes that a call allocates at most at a time."""
    call()  # what is allocated once, for example by imports
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def model(**params):
    return MLPClassifier((16,), max_iter=2, random_state=0, **params)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_does_not_copy_x(dtype):
    X, y = data(dtype=dtype)
    # targets, order of the rows, label encoding: some numbers a row; and the workspace
    assert peak_of(lambda: model().fit(X, y)) < 60 * len(X) + 5e6 < X.nbytes


@pytest.fixture
def mapped(tmp_path):
    X, y = data()
    path = tmp_path / "x.bin"
    X.tofile(path)
    return X, y, np.memmap(path, dtype=np.float64, mode="r", shape=X.shape)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_mapped_x_is_cast_by_batches(mapped, shuffle):
    X, y, mapping = mapped
    params = {"dtype": "float32", "shuffle": shuffle}
    cast = model(**params).fit(X, y)
    by_batches = model(**params).fit(mapping, y)
    assert by_batches.coefs_[0].dtype == np.float32
    for ours, theirs in zip(by_batches.coefs_, cast.coefs_):
        np.testing.assert_array_equal(ours, theirs)
    # a chunk of rows for the check of the range, beside what any fit needs
    peak = peak_of(lambda: model(**params).fit(mapping, y))
    assert peak < 60 * len(X) + 1.2e7 < X.nbytes / 2


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_other_solvers_on_a_mapped_x(mapped, solver):
    X, y, mapping = mapped
    fits = [
        model(dtype="float32", solver=solver, early_stopping=solver == "sgd").fit(x, y)
        for x in (X, mapping)
    ]
    np.testing.assert_array_equal(fits[0].coefs_[0], fits[1].coefs_[0])


def test_a_mapped_x_beyond_float32(mapped, tmp_path):
    X, y, _ = mapped
    X[30_000, 3] = 1e39
    X.tofile(tmp_path / "x.bin")
    mapping = np.memmap(tmp_path / "x.bin", dtype=np.float64, mode="r", shape=X.shape)
    with pytest.raises(
        ValueError, match=r"too large for float32 \(rows 28672 to 32767"
    ):
        model(dtype="float32").fit(mapping, y)


def keeps_denormals():
    smallest = np.array([5e-324])
    return bool((smallest > 0).all() and (smallest * 1 > 0).all())


@pytest.mark.parametrize("n_threads", [1, 2])
def test_denormals_are_flushed_within_calls_only(n_threads):
    X = np.full((2000, 200), 1e-310)
    y = np.zeros(2000)
    first = np.full((200, 300), 1.0)
    regressor = MLPRegressor(
        hidden_layer_sizes=(300,),
        activation="identity",
        max_iter=1,
        n_threads=n_threads,
        batch_size=2000,
    )
    assert keeps_denormals()
    regressor.fit(
        X,
        y,
        coefs_init=[first, np.zeros((300, 1))],
        intercepts_init=[np.zeros(300), np.zeros(1)],
    )
    assert keeps_denormals()
    # 200 features of 1e-310 make 2e-308, a denormal number
    regressor.coefs_ = [first, np.ones((300, 1))]
    regressor.intercepts_ = [np.zeros(300), np.zeros(1)]
    np.testing.assert_array_equal(regressor.predict(X[:3]), 0)
    assert keeps_denormals()
