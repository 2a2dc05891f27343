"""Memory: X is not copied, a memory-mapped X may be larger than memory; denormals."""

import tracemalloc

import numpy as np
import pytest

from fastmlp import MLPClassifier, MLPRegressor, TabularMLPClassifier

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


def test_a_table_is_converted_once():
    X, y = data(n=150_000, p=50, dtype=np.float32)
    settings = {"hidden_layer_sizes": (8,), "n_epochs": 1, "n_members": 1}
    model = TabularMLPClassifier(**settings, random_state=0)
    # the encoded table; some numbers a row; the rows of the start
    assert peak_of(lambda: model.fit(X, y)) < 1.6 * X.nbytes


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


@pytest.fixture
def few(tmp_path):
    """A small X in memory and on disk, float64."""
    X, y = data(600, 5)
    np.save(tmp_path / "x.npy", X)
    return X, y, np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("judged", ["", "split", "given"])
@pytest.mark.parametrize("mapped_first", [True, False])
def test_a_checkpoint_of_a_mapped_x_goes_on_in_memory(
    few, tmp_path, solver, judged, mapped_first
):
    X, y, mapping = few
    first, second = (mapping, X) if mapped_first else (X, mapping)
    params = {"dtype": "float32", "random_state": 0, "solver": solver}
    if judged == "split":
        params |= {"validation_split": np.arange(50)}

    def fit(x, n_epochs, **options):
        if judged == "given":
            options |= {"X_val": x[:40], "y_val": y[:40]}
        return MLPClassifier((8,), max_iter=n_epochs, **params).fit(x, y, **options)

    expected = fit(X, 8)
    path = tmp_path / "c"
    fit(first, 4, checkpoint=path)
    resumed = fit(second, 8, resume=path)
    np.testing.assert_array_equal(resumed.coefs_[0], expected.coefs_[0])
    changed = np.array(X)
    changed[-1, -1] += 1.0
    np.save(tmp_path / "z.npy", changed)
    for other in (changed, np.load(tmp_path / "z.npy", mmap_mode="r")):
        with pytest.raises(ValueError, match="X, y or sample_weight are not the same"):
            fit(other, 8, resume=path)


class Seen:
    """A scorer and a splitter that remember what they are given."""

    def __init__(self):
        self.types, self.scored = set(), []

    def __call__(self, estimator, X, y):
        self.types.add(type(X))
        self.scored.append(X)
        assert X.dtype == np.float32 and X.mean(axis=0).shape == (5,)
        return estimator.score(X, y)

    def split(self, X, y=None, groups=None):
        self.types.add(type(X))
        assert (X[:3] + 1).shape == (3, 5)
        held_out = X[:, 0] > 1
        yield np.flatnonzero(~held_out), np.flatnonzero(held_out)


@pytest.mark.parametrize("judged", ["split", "fraction", "given"])
@pytest.mark.parametrize("standardize_X", [False, True])
def test_scorers_and_splitters_get_arrays(few, judged, standardize_X):
    X, y, mapping = few
    fits = []
    for x in (X, mapping):
        seen = Seen()
        params = {"dtype": "float32", "scoring": seen, "standardize_X": standardize_X}
        options = {"X_val": x[:90], "y_val": y[:90]} if judged == "given" else {}
        if judged == "split":
            params["validation_split"] = seen
        params["early_stopping"] = judged == "fraction"
        fits.append((model(**params).fit(x, y, **options), seen))
    (in_memory, there), (mapped, here) = fits
    assert there.types | here.types <= {np.ndarray, np.memmap}
    np.testing.assert_array_equal(there.scored[0], here.scored[0])
    assert in_memory.validation_scores_ == mapped.validation_scores_
    for one, other in zip(in_memory.coefs_, mapped.coefs_):
        np.testing.assert_array_equal(one, other)


def test_everything_that_reads_x_takes_a_mapped_one(few):
    """Warm start, partial_fit, validation data in memory for mapped rows, callbacks."""
    X, y, mapping = few

    def outcomes(x, x_val):
        records = []
        clf = model(dtype="float32", warm_start=True, standardize_X=True).fit(x, y)
        clf.fit(x, y, X_val=x_val, y_val=y, callback=lambda r: records.append(r.loss))
        clf.partial_fit(x, y, X_val=x_val, y_val=y).partial_fit(x, y)
        loss, gradients = clf.loss_gradient(x, y)[:2]
        own = model(dtype="float32", input_noise=0.1, class_weight="balanced").fit(x, y)
        plain = model(dtype="float32").partial_fit(x, y, classes=[0, 1])
        plain.partial_fit(x, y)
        scores = clf.score(x, y), clf.compile().predict_proba(x).sum()
        arrays = [*clf.coefs_, *own.coefs_, *plain.coefs_, *gradients]
        return [records, loss, clf.validation_loss_curve_, scores], arrays

    numbers, arrays = outcomes(X, X[:50].repeat(12, axis=0))
    mapped_numbers, mapped_arrays = outcomes(mapping, X[:50].repeat(12, axis=0))
    assert numbers == mapped_numbers
    for one, other in zip(arrays, mapped_arrays):
        np.testing.assert_array_equal(one, other)


def test_an_error_about_a_mapped_x_names_its_scale(few):
    X, y, mapping = few
    messages = []
    for x in (X, mapping):
        with (
            pytest.warns(match="diverged"),
            pytest.raises(ValueError, match=r"\|X\| reaches") as caught,
        ):
            MLPRegressor(
                solver="sgd", learning_rate_init=1e20, dtype="float32", random_state=0
            ).fit(x, y)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


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
