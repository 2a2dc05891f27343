"""shuffle="blocks": blocks of neighbouring rows in random order, for X on disk."""

import contextlib
import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse

from fastmlp import MLPClassifier, MLPRegressor, load_model, save_model
from fastmlp._core import batch
from fastmlp._core.network import Data
from fastmlp._training import epochs
from fastmlp._training import order as order_module
from fastmlp._training.order import BlockOrder
from fastmlp.distributed import fit_distributed, run_loopback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SIZE, MIXED = 32, 4  # rows of a block, blocks of a lot


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(order_module, "BLOCK_VALUES", 0)
    monkeypatch.setattr(order_module, "BLOCKS_MIXED", MIXED)


class Asked:
    """Data that note which rows they are asked for."""

    def __init__(self):
        self.rows = []

    def ask_for(self, first, stop):
        self.rows.append((int(first), int(stop)))


def make_data(n=1_000, p=6, dtype=np.float32):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)).astype(dtype)
    return X, (X[:, 0] > X[:, 1]).astype(int)


def weights(model):
    return np.concatenate([a.ravel() for a in model.coefs_ + model.intercepts_])


def fitted(X, y, **params):
    params = {"shuffle": "blocks", "max_iter": 4, "random_state": 0} | params
    return MLPClassifier((8,), **params).fit(X, y)


@pytest.mark.parametrize("n", [1, 31, 32, 33, 128, 129, 1_000])
def test_lots_of_whole_blocks(small_blocks, n):
    order = BlockOrder(np.arange(n), np.random.RandomState(0), Asked(), 6)
    for _ in range(3):
        rows = order.next().copy()
        np.testing.assert_array_equal(np.sort(rows), np.arange(n))
        start, n_blocks = 0, -(-n // SIZE)
        for first in range(0, n_blocks, MIXED):
            blocks = order.blocks[first : first + MIXED]
            lot = np.sort(
                np.concatenate([np.arange(n)[b * SIZE :][:SIZE] for b in blocks])
            )
            np.testing.assert_array_equal(np.sort(rows[start : start + len(lot)]), lot)
            start += len(lot)
        assert start == n


def test_orders_are_random_and_repeatable(small_blocks):
    orders = [
        BlockOrder(np.arange(1_000), np.random.RandomState(3), Asked(), 6)
        for _ in range(2)
    ]
    epochs = [[order.next().copy() for _ in range(2)] for order in orders]
    np.testing.assert_array_equal(epochs[0], epochs[1])
    assert (epochs[0][0] != epochs[0][1]).mean() > 0.9
    lot = epochs[0][0][: SIZE * MIXED]  # its blocks are mixed
    assert len(np.unique(lot[:SIZE] // SIZE)) > 1
    assert len(np.unique(lot // SIZE)) == MIXED


def test_blocks_have_as_many_values_whatever_the_precision():
    def size(n_features):
        rows, generator = np.arange(9), np.random.RandomState(0)
        return BlockOrder(rows, generator, Asked(), n_features).size

    assert (size(50), size(2**17), size(10**6)) == (2**17 // 50, 32, 32)


def test_blocks_are_asked_for_once_and_in_time(small_blocks):
    asked = Asked()
    order = BlockOrder(np.arange(1_000), np.random.RandomState(0), asked, 6)
    for _ in range(2):
        rows = order.next()
        asked.rows.clear()
        for done in range(0, 1_000, 20):
            order.ask(done)
            present = {row for first, stop in asked.rows for row in range(first, stop)}
            # the last block, which may be short, may be in any lot
            assert present.issuperset(rows[: done + SIZE * (MIXED - 1)])
            assert len(present) <= done + 3 * SIZE * MIXED
        assert sorted(asked.rows) == [
            (first, min(first + SIZE, 1_000)) for first in range(0, 1_000, SIZE)
        ]


def test_a_fit_asks_for_every_block(small_blocks, monkeypatch):
    X, y = make_data()
    asked = []
    ask = BlockOrder.ask
    monkeypatch.setattr(
        BlockOrder, "ask", lambda order, done: asked.append(done) or ask(order, done)
    )
    fitted(X, y, max_iter=3)
    assert asked.count(0) == 3


def test_rows_to_ask_for_are_checked():
    X, y = make_data(20)
    data = Data(X, y.astype(np.float32)[:, None])
    for rows in (data, Data(sparse.csr_matrix(X))):
        rows.expect(is_random=True)
        rows.ask_for(0, 20)
        rows.expect(is_random=False)
    with pytest.raises(ValueError, match="no rows 3 to 21"):
        data.ask_for(3, 21)


def test_other_orders_are_as_they_were():
    X, y = make_data(3_000)
    plain = fitted(X, y, shuffle=True)
    assert (weights(plain) != weights(fitted(X, y))).any()
    np.testing.assert_array_equal(
        weights(plain), weights(fitted(X, y, shuffle=np.True_))
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mapped_x_and_threads_give_the_same_bits(small_blocks, tmp_path, dtype):
    X, y = make_data(3_000, 40, dtype)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    params = {"dtype": "float32", "batch_size": 1_000}
    expected = weights(fitted(X, y, n_threads=1, **params))
    for x, n_threads in ((mapped, 1), (mapped, 3), (X, 3)):
        model = fitted(x, y, n_threads=n_threads, **params)
        np.testing.assert_array_equal(weights(model), expected)


def test_held_out_rows_stay_out(small_blocks):
    X, y = make_data()
    rows = np.arange(0, 1_000, 3)
    y = y.copy()
    clean = fitted(X, y, validation_split=rows)
    y[rows] = 1 - y[rows]
    X = X.copy()
    X[rows] += 5
    np.testing.assert_array_equal(
        weights(clean), weights(fitted(X, y, validation_split=rows))
    )


def test_sparse_rows(small_blocks):
    X, y = make_data()
    np.testing.assert_allclose(
        weights(fitted(sparse.csr_matrix(X), y)), weights(fitted(X, y)), rtol=1e-3
    )


def test_a_checkpoint_goes_on(small_blocks, tmp_path):
    X, y = make_data()
    whole = fitted(X, y, max_iter=6)
    path = tmp_path / "c"
    params = {"shuffle": "blocks", "random_state": 0}
    MLPClassifier((8,), max_iter=3, **params).fit(X, y, checkpoint=path)
    model = MLPClassifier((8,), max_iter=6, **params).fit(X, y, resume=path)
    np.testing.assert_array_equal(weights(model), weights(whole))


@pytest.mark.parametrize("random_stream", ["restart", "continue"])
def test_partial_fit_and_files(small_blocks, tmp_path, random_stream):
    X, y = make_data()
    params = {"shuffle": "blocks", "random_state": 0, "random_stream": random_stream}
    first, second = (MLPRegressor(hidden_layer_sizes=(8,), **params) for _ in range(2))
    for _ in range(3):  # by the machinery of the last call
        first.partial_fit(X, y)
    for _ in range(3):
        second.partial_fit(X, y)
        second = pickle.loads(pickle.dumps(second))  # anew each time
    np.testing.assert_array_equal(weights(first), weights(second))
    save_model(first, tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").shuffle == "blocks"


def fitted_on_ranks(n_ranks, X, y):
    """The model of each rank after two epochs, in which it has every n-th row."""
    params = {"shuffle": "blocks", "max_iter": 2, "random_state": 0}

    def train(comm):
        rows = slice(comm.rank, None, comm.size)
        return fit_distributed(
            MLPClassifier((8,), **params), X[rows], y[rows], comm=comm
        )

    return run_loopback(train, n_ranks)


def test_ranks_order_their_own_rows(small_blocks):
    X, y = make_data()
    (alone,) = fitted_on_ranks(1, X, y)
    np.testing.assert_array_equal(weights(alone), weights(fitted(X, y, max_iter=2)))
    first, second = fitted_on_ranks(2, X, y)
    np.testing.assert_array_equal(weights(first), weights(second))


class Recorder:
    """The data of an order, which records what the system is told of its pages."""

    def __init__(self, data, told):
        self.data, self.told = data, told

    def expect(self, is_random):
        self.told.append(is_random)
        self.data.expect(is_random)

    def ask_for(self, first, stop):
        self.told.append((first, stop))
        self.data.ask_for(first, stop)


@pytest.fixture
def told(small_blocks, monkeypatch):
    """The advice and the rows that the fits of a test give the system."""
    everything = []

    class Recorded(BlockOrder):
        def __init__(self, rows, random_state, data, n_features):
            data = Recorder(data, everything)
            super().__init__(rows, random_state, data, n_features)

    # else a call takes more rows of such a small network than two lots have
    monkeypatch.setattr(batch, "CALL_WORK", 1)
    monkeypatch.setattr(order_module, "BlockOrder", Recorded)
    monkeypatch.setattr(epochs, "BlockOrder", Recorded)
    return everything


def test_all_blocks_are_asked_for_and_the_advice_taken_back(told):
    X, y = make_data()
    fitted(X, y, max_iter=1)
    assert (told[0], told[-1]) == (True, False)
    rows = [row for first, stop in told[1:-1] for row in range(first, stop)]
    assert sorted(rows) == list(range(len(X)))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_advice_is_taken_back_after_an_error(told, error):
    def callback(record):
        raise error("no")

    X, y = make_data()
    model = MLPClassifier((8,), shuffle="blocks", max_iter=3, random_state=0)
    with contextlib.suppress(ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, callback=callback)
    assert (told[0], told[-1]) == (True, False)
    assert told.count(False) == 1


def test_ranks_ask_for_their_blocks(told):
    X, y = make_data()
    fitted_on_ranks(2, X, y)
    assert told.count(True) == told.count(False) == 2
    asked = [of for of in told if isinstance(of, tuple)]
    assert sum(stop - first for first, stop in asked) == 2 * len(X)
