"""Prediction with rows in lanes: the bits of the way with units in lanes."""

import numpy as np
import pytest
from helpers.models import needs_products
from helpers.reference_losses import OBJECTIVES

from fastmlp import Activation, MLPClassifier
from fastmlp._core import kernels, lanes, network, prediction

OWN = [name for name in kernels.available_isas if name != "base"]
WAYS = ("units", "rows")


@pytest.fixture(params=OWN)
def own_isa(request, chosen_isa):
    """Every instruction set with products of our own."""
    kernels.use_isa(request.param)
    return request.param


@pytest.fixture
def predict(monkeypatch):
    """Predicts with units or with rows in lanes."""

    def with_lanes_of(way, *args, **options):
        asked = []

        def lanes_pay(*_):
            asked.append(way)
            return way == "rows"

        monkeypatch.setattr(prediction, "lanes_pay", lanes_pay)
        result = prediction.predict(*args, **options)
        assert asked, "too few rows, or none that lanes take"
        return result

    return with_lanes_of


def parts_of(p):
    """Network, data and layers of a problem."""
    layers = network.Layers(*p.network.split(p.params), p.X.dtype)
    return p.network, network.Data(p.X), layers


@pytest.mark.parametrize("activation", kernels.activation_names)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_in_lanes_give_the_same_bits(predict, problem, own_isa, activation, dtype):
    for units, loss in (
        ((1, 1, 2), "log_loss"),
        ((5, 7, 3), "log_loss"),
        ((64, 100, 10), "log_loss"),
        ((30, 3, 1, 9, 4), "binary_log_loss"),
        ((13, 17, 33, 60), "log_loss"),
        ((700, 20, 1), "binary_log_loss"),
        ((9, 70, 1), "squared_error"),
        ((6, 49), "poisson"),
    ):
        hidden = [(activation, 0.3)] * (len(units) - 2)
        # the last strip of LANE_ROWS has one row, or all but one
        for n in (1, 48, 193, 480 + 47):
            parts = parts_of(problem(units, hidden, loss, n, np.dtype(dtype)))
            for what in (prediction.OUTPUTS, prediction.RAW, prediction.PROBA):
                a, b = (predict(way, *parts, what=what) for way in WAYS)
                assert np.isfinite(a).all()
                assert a.shape == b.shape and a.tobytes() == b.tobytes(), units


@pytest.mark.parametrize("name", OBJECTIVES)
def test_all_output_activations(predict, problem, own_isa, name):
    for dtype in map(np.dtype, ("float32", "float64")):
        p = problem((8, 11, 6), [("tanh", 0.0)], OBJECTIVES[name], 300, dtype)
        a, b = (predict(way, *parts_of(p)) for way in WAYS)
        np.testing.assert_array_equal(a, b, strict=True)


def test_both_classes_with_threads(predict, problem, own_isa):
    n = 40_000
    p = problem((9, 20, 1), [("relu", 0.0)], "binary_log_loss", n, np.dtype(float))
    work = network.Data(p.X).work_per_row(p.units)
    assert n * work > 3 * prediction.FORWARD_THREAD_WORK  # or one thread does it all
    options = {"what": prediction.PROBA}
    expected = predict("units", *parts_of(p), **options)
    assert expected.shape == (n, 2)
    for n_threads in (2, 5):
        got = predict("rows", *parts_of(p), n_threads=n_threads, **options)
        np.testing.assert_array_equal(got, expected)


def test_minus_zero(predict, problem, own_isa):
    """-0 + 0 is 0: single columns of 16 k inputs have no such sum, others have."""
    for n_features in (16, 17, 32, 33):
        p = problem((n_features, 1), [], "squared_error", 200, np.dtype("float32"))
        p.X[:], p.params[:-1], p.params[-1] = 1e-30, -1e-30, -0.0
        a, b = (predict(way, *parts_of(p)) for way in WAYS)
        assert a.tobytes() == b.tobytes() and not a.any()


def test_sparse_rows_keep_units_in_lanes(problem, own_isa, monkeypatch):
    monkeypatch.setattr(prediction, "lanes_pay", lambda *_: True)
    p = problem((30, 20, 3), [("relu", 0.0)], "log_loss", 500, np.dtype(float), True)
    net, data, layers = parts_of(p)
    dense = network.Data(p.X.toarray())
    np.testing.assert_allclose(
        prediction.predict(net, data, layers),
        prediction.predict(net, dense, layers),
        rtol=1e-12,
    )


def test_threads_orders_and_wide_rows(predict, problem, own_isa):
    p = problem((30, 20, 3), [("relu", 0.0)], "log_loss", 2000, np.dtype("float32"))
    net, data, layers = parts_of(p)
    assert 2000 * data.work_per_row(p.units) > 3 * prediction.FORWARD_THREAD_WORK
    expected = predict("units", net, data, layers)
    for n_threads in (2, 5):
        got = predict("rows", net, data, layers, n_threads=n_threads)
        np.testing.assert_array_equal(got, expected)
    order = np.random.default_rng(0).permutation(2000)[:777]
    got = predict("rows", net, data, layers, order)
    np.testing.assert_array_equal(got, expected[order])
    wide = network.Data(network.CastRows(p.X.astype(float)))
    np.testing.assert_array_equal(predict("rows", net, wide, layers), expected)


def test_a_value_that_is_not_finite_is_found(predict, problem, own_isa):
    rng = np.random.default_rng(0)
    # 2 units have too few tiles to move 48 rows, 300 features come in blocks
    for units, dtype in (
        ((30, 100, 3), "float32"),
        ((30, 100, 3), "float64"),
        ((30, 2, 3), "float32"),
        ((300, 40, 3), "float64"),
        ((30, 1, 3), "float32"),
    ):
        p = problem(units, [("relu", 0.0)], "log_loss", 500, np.dtype(dtype))
        p.X[::7] = np.finfo(dtype).max  # finite, though the sums are not
        net, data, layers = parts_of(p)
        assert predict("rows", net, data, layers, check_finite=True) is not None
        rows = [0, 47, 48, 479, 480, 499, *rng.integers(0, 500, 40)]
        for row in rows:
            X = p.X.copy()
            X[row, rng.integers(units[0])] = rng.choice([np.nan, np.inf, -np.inf])
            got = predict("rows", net, network.Data(X), layers, check_finite=True)
            assert got is None, (units, row)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_blocks_of_strips(predict, problem, own_isa, n_threads):
    block = prediction.STRIPS * 48
    n = 2 * block + 100
    p = problem((30, 50, 3), [("relu", 0.0)], "log_loss", n, np.dtype("float32"))
    net, data, layers = parts_of(p)
    options = {"n_threads": n_threads, "check_finite": True}
    expected = predict("units", net, data, layers)
    got = predict("rows", net, data, layers, **options)
    np.testing.assert_array_equal(got, expected)
    for row in (block - 1, block, n - 101, n - 1):
        X = p.X.copy()
        X[row, 13] = np.inf
        assert predict("rows", net, network.Data(X), layers, **options) is None, row


def test_infinite_weights_give_the_same_values(predict, problem, own_isa):
    for units in ((5, 7, 3), (5, 7, 1)):
        p = problem(units, [("relu", 0.0)], "squared_error", 300, np.dtype("float32"))
        p.params[[0, 9, -1]] = np.inf, np.nan, -np.inf
        with np.errstate(invalid="ignore"):
            a, b = (predict(way, *parts_of(p)) for way in WAYS)
        assert np.isnan(a).any()
        np.testing.assert_array_equal(a, b)


def test_when_lanes_pay(own_isa):
    def pays(units, dtype="float32", n_rows=100_000, has_workspace=False):
        hidden = [("relu", 0.0)] * (len(units) - 2)
        net = network.Network(units, hidden, "log_loss")
        return lanes.lanes_pay(net, np.dtype(dtype), n_rows, has_workspace)

    assert pays((64, 100, 10)) and pays((20, 50, 9))
    assert pays((64, 64, 64), n_rows=96)  # no workspace needs to be made
    assert not pays((64, 64, 64), n_rows=96, has_workspace=True)
    assert not pays((64, 100, 10), n_rows=1, has_workspace=True)  # of 48
    assert not pays((64, 64, 64))  # no lane is empty
    assert pays((1, 999, 9)) and not pays((1, 1999, 9))  # too wide for the cache
    assert pays((100, 300, 9)) and not pays((1001, 300, 9))
    assert not pays((200, 600, 9))  # large weights
    assert pays((64, 100, 10), "float64") is (own_isa == "v4")


def test_lanes_are_for_products_of_our_own(chosen_isa):
    kernels.use_isa("base")
    net = network.Network((20, 50, 3), [("relu", 0.0)], "log_loss")
    assert not lanes.lanes_pay(net, np.dtype("float32"), 10**6, False)


def square(z):
    return z * z


@needs_products
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["relu", Activation(square, lambda z, a: 2 * z)])
def test_models_predict_many_rows_as_they_do_one(activation):
    """A user-defined function takes rows of units."""
    X = np.random.default_rng(0).normal(size=(50_000, 20)).astype("float32")
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
    clf = MLPClassifier((50,), activation=activation, max_iter=2, random_state=0)
    clf.fit(X[:500], y[:500])
    rows = np.vstack([clf.predict_proba(X[i : i + 1]) for i in range(0, 50_000, 997)])
    np.testing.assert_array_equal(clf.predict_proba(X)[::997], rows)
