"""The estimators on a cluster: equal to local ones, and equal whatever it is like."""

import pickle
import subprocess
import sys

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask.base import tokenize
from scipy.sparse import csr_matrix
from sklearn.base import clone

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp.dask import DaskMLPClassifier, DaskMLPRegressor
from fastmlp.dask.partitions import Named

pytestmark = pytest.mark.filterwarnings("ignore")
SHORT = {"random_state": 3, "max_iter": 3, "hidden_layer_sizes": (8,)}


def arrays(model):
    return model.coefs_ + model.intercepts_


def assert_same(a, b):
    for left, right in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_array_equal(left, right)


def chunked(X, y, n):
    return da.from_array(X, chunks=(n, X.shape[1])), da.from_array(y, chunks=n)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"solver": "sgd", "early_stopping": True, "sync_every": 2},
        {"dropout": 0.2, "weight_averaging": "ema", "dtype": "float32"},
        {"standardize_X": True, "validation_split": 0.2, "class_weight": "balanced"},
        {"solver": "lbfgs"},
        {"solver": "nadam", "shuffle": False, "label_smoothing": 0.1},
    ],
    ids=str,
)
def test_one_shard_is_the_local_fit(client, data, params):
    X, y = data
    found = DaskMLPClassifier(**SHORT, **params).fit(*chunked(X, y, 600))
    params = {k: v for k, v in params.items() if k != "sync_every"}
    local = MLPClassifier(**SHORT, **params).fit(X, y)
    assert_same(found, local)
    assert_same(found.to_local(), local)
    if "sync_every" not in params and hasattr(local, "loss_curve_"):
        np.testing.assert_allclose(found.loss_curve_, local.loss_curve_, rtol=1e-12)


def test_one_shard_of_a_regressor(client, data):
    X, _ = data
    y, params = X[:, 0] * 100 + 7, {**SHORT, "standardize_y": True}
    found = DaskMLPRegressor(**params).fit(*chunked(X, y, 600))
    assert_same(found, MLPRegressor(**params).fit(X, y))
    X, y = chunked(X, y, 200)
    assert found.score(X, y) == pytest.approx(
        found.to_local().score(*dask.compute(X, y))
    )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_averaged_after_each_step_is_the_local_fit(client, data, momentum):
    X, y = data
    params = {
        **SHORT, "solver": "sgd", "batch_size": 60, "alpha": 3.0, "shuffle": False,
        "learning_rate_init": 0.1, "momentum": momentum, "weight_decay": 0.1,
    }  # fmt: skip
    found = DaskMLPClassifier(**params, sync_every=1).fit(*chunked(X, y, 200))
    together = np.arange(600).reshape(3, 10, 20).swapaxes(0, 1).ravel()
    local = MLPClassifier(**params).fit(X[together], y[together])
    for left, right in zip(arrays(found), arrays(local)):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.loss_curve_, local.loss_curve_, rtol=1e-9)


def test_lbfgs_of_shards_is_the_local_fit_up_to_rounding(client, data):
    params = {**SHORT, "solver": "lbfgs", "max_iter": 5}
    found = DaskMLPClassifier(**params).fit(*chunked(*data, 200))
    local = MLPClassifier(**params).fit(*data)
    for left, right in zip(arrays(found), arrays(local)):
        np.testing.assert_allclose(left, right, rtol=1e-7, atol=1e-9)


def test_inputs_of_all_kinds_give_one_model(client, data):
    X, y = data
    names = [f"x{i}" for i in range(5)]
    expected = DaskMLPClassifier(**SHORT).fit(*chunked(X, y, 200))
    pieces = [slice(at, at + 200) for at in (0, 200, 400)]
    delayed = [dask.delayed(X)[rows] for rows in pieces]
    targets = [dask.delayed(y)[rows] for rows in pieces]
    assert_same(DaskMLPClassifier(**SHORT).fit(delayed, targets), expected)
    frame = pd.DataFrame(X, columns=names).assign(y=y)
    frame = dd.from_pandas(frame, npartitions=3, sort=False)
    found = DaskMLPClassifier(**SHORT).fit(frame[names], frame["y"])
    assert_same(found, expected)
    assert list(found.feature_names_in_) == names
    series = found.predict(frame[names])
    assert series.divisions == frame.divisions
    np.testing.assert_array_equal(series.compute(), expected.predict(X))
    proba = found.predict_proba(frame[names]).compute()
    assert list(proba.columns) == [0, 1, 2]
    unknown = frame[names].to_dask_array(), frame["y"].to_dask_array()
    assert_same(DaskMLPClassifier(**SHORT).fit(*unknown), expected)
    predicted = expected.predict_proba(unknown[0])
    np.testing.assert_array_equal(predicted.compute(), expected.predict_proba(X))
    sparse = chunked(X, y, 200)[0].map_blocks(csr_matrix)
    found = DaskMLPClassifier(**SHORT).fit(sparse, chunked(X, y, 200)[1])
    np.testing.assert_allclose(found.coefs_[0], expected.coefs_[0], rtol=1e-9)
    assert found.score(sparse, chunked(X, y, 200)[1]) > 0.3


def test_a_class_that_a_shard_lacks_and_one_without_rows(client, data):
    X, y = data
    at = np.argsort(y)
    pieces = [X[at[:250]], X[:0], X[at[250:]]]
    targets = [y[at[:250]], y[:0], y[at[250:]]]
    futures = [[dask.delayed(p) for p in of] for of in (pieces, targets)]
    found = DaskMLPClassifier(**SHORT).fit(*futures)
    assert list(found.classes_) == [0, 1, 2]
    found = DaskMLPClassifier(**SHORT).fit(*futures, classes=[0, 1, 2, 9])
    assert found.coefs_[-1].shape == (8, 4)
    found.partial_fit(*futures)
    assert found.n_iter_ == 1 and len(found.loss_curve_) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: ([X, X[:, :2]], [y, y]), "5 features in shard 0, but 2 in shard"),
        (lambda X, y: ([X, X], [y, y.astype(str)]), "labels of one type"),
        (lambda X, y: ([X[:0], X[:0]], [y[:0], y[:0]]), "all 2 partition"),
        (lambda X, y: ([X, X], [y]), "X has 2 partition"),
        (lambda X, y: ([X, X * np.nan], [y, y]), "NaN"),
    ],
)
def test_bad_data(client, data, change, message):
    pieces = [[dask.delayed(p) for p in of] for of in change(*data)]
    with pytest.raises(ValueError, match=message) as found:
        DaskMLPClassifier(**SHORT).fit(*pieces)
    if message == "NaN":
        assert "shard 1" in found.value.__notes__[0]


def test_parameters_and_pickles(client, data):
    X, y = chunked(*data, 300)
    model = DaskMLPClassifier((4,), max_iter=1, client=client)
    local, found = MLPClassifier().get_params(), model.get_params()
    assert found.keys() - local.keys() == {"sync_every", "average", "client"}
    assert clone(model).client is client
    assert "DaskMLPClassifier" in model._repr_html_()
    model.fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.client is None
    np.testing.assert_array_equal(loaded.predict(data[0]), model.predict(data[0]))
    assert type(model.to_local()) is MLPClassifier
    with pytest.raises(ValueError, match="sync_every"):
        model.set_params(sync_every=0).fit(X, y)
    with pytest.raises(ValueError, match="X_val and y_val for"):
        DaskMLPClassifier(validation_split=[1, 2]).fit(X, y)
    with pytest.raises(ValueError, match="shuffle must be a bool on Dask"):
        DaskMLPClassifier(shuffle="blocks").fit(X, y)


def test_package_does_not_import_dask():
    script = "import sys, fastmlp; fastmlp.MLPClassifier; print('dask' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
    script = "import sys; sys.modules['distributed'] = None; import fastmlp.dask"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert 'pip install "fastmlp[dask]"' in found.stderr


def test_partitions_of_parquet_stay_together(client, data, tmp_path):
    X, y = data
    names = [f"x{i}" for i in range(5)]
    frame = pd.DataFrame(X, columns=names).assign(y=y)
    for at in (0, 200, 400):
        frame[at : at + 200].to_parquet(tmp_path / f"{at}.parquet")
    frame = dd.read_parquet(tmp_path)
    found = DaskMLPClassifier(**SHORT).fit(frame[names], frame["y"])
    assert_same(found, DaskMLPClassifier(**SHORT).fit(*chunked(X, y, 200)))


def test_partial_fit_of_a_regressor_is_the_local_one(client, data):
    X, _ = data
    y, params = X[:, 0] + 7, {"hidden_layer_sizes": (8,), "random_state": 3}
    found, local = DaskMLPRegressor(**params), MLPRegressor(**params)
    for _ in range(2):
        found.partial_fit(*chunked(X, y, 600), n_epochs=2)
        local.partial_fit(X, y, n_epochs=2)
    assert_same(found, local)
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'"):
        DaskMLPRegressor(solver="lbfgs").partial_fit(X, y)


def test_dask_does_not_read_the_weights_of_a_round():
    task = Named("start-7", [np.zeros(3)])
    same_name = Named("start-7", [np.ones(3)])
    assert tokenize(task) == tokenize(same_name) != tokenize(Named("start-8", None))
    assert task()[0].tolist() == [0, 0, 0]
