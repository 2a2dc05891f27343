"""Plain estimators within Dask, dask-ml and Ray."""

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from fastmlp import MLPClassifier, MLPRegressor, TabularMLPClassifier

da = pytest.importorskip("dask.array", reason="dask is not installed")
distributed = pytest.importorskip("distributed", reason="distributed is not installed")

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # of the packages under test, which the house turns into errors elsewhere
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
N = 600


def make_data():
    rng = np.random.RandomState(0)
    X = rng.randn(N, 5)
    return X, (X[:, 0] + X[:, 1] ** 2 > 0.8).astype(int)


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, timeout=30) as client,
    ):
        yield client


@pytest.fixture
def wrappers():
    return pytest.importorskip("dask_ml.wrappers", reason="dask-ml is not installed")


def test_incremental_is_partial_fit_of_each_chunk(client, wrappers):
    X, y = make_data()
    blocks = {"chunks": (200, -1)}
    model = MLPClassifier((8,), random_state=0, random_stream="continue")
    wrapped = wrappers.Incremental(model, shuffle_blocks=False)
    wrapped.fit(
        da.from_array(X, **blocks), da.from_array(y, chunks=200), classes=[0, 1]
    )
    alone = MLPClassifier((8,), random_state=0, random_stream="continue")
    for start in range(0, N, 200):
        rows = slice(start, start + 200)
        alone.partial_fit(X[rows], y[rows], classes=[0, 1])
    np.testing.assert_array_equal(wrapped.estimator_.coefs_[0], alone.coefs_[0])
    predicted = wrapped.predict(da.from_array(X, **blocks))
    assert isinstance(predicted, da.Array)
    np.testing.assert_array_equal(predicted.compute(), alone.predict(X))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_parallel_post_fit_predicts_blocks(client, wrappers, kind):
    X, y = make_data()
    model = kind(hidden_layer_sizes=(8,), random_state=0, max_iter=5).fit(X, y)
    wrapped = wrappers.ParallelPostFit(model)
    blocks = da.from_array(X, chunks=(150, -1))
    predicted = wrapped.predict(blocks)
    assert predicted.numblocks == (4,)
    np.testing.assert_allclose(predicted.compute(), model.predict(X), rtol=1e-12)
    if kind is MLPClassifier:
        proba = wrapped.predict_proba(blocks).compute()
        np.testing.assert_allclose(proba, model.predict_proba(X), rtol=1e-12)


@pytest.mark.xfail(
    raises=RuntimeError,
    strict=False,
    reason="dask-ml 2025.1.0 calls dask.persist within a coroutine, which newer "
    "releases of dask refuse, whatever the estimator",
)
def test_hyperband(client):
    search = pytest.importorskip(
        "dask_ml.model_selection", reason="dask-ml is not installed"
    )
    X, y = make_data()
    choices = {"learning_rate_init": [1e-3, 1e-2, 1e-1], "alpha": [1e-5, 1e-3]}
    model = MLPClassifier((8,), random_state=0)
    hyperband = search.HyperbandSearchCV(model, choices, max_iter=4, random_state=0)
    blocks = da.from_array(X, chunks=(200, -1)), da.from_array(y, chunks=200)
    hyperband.fit(*blocks, classes=[0, 1])
    assert hyperband.best_score_ > 0.6
    assert hyperband.best_params_["alpha"] in choices["alpha"]


@pytest.mark.parametrize(
    ("model", "choices"),
    [
        (MLPClassifier((8,), random_state=0, max_iter=20), {"alpha": [1e-4, 10.0]}),
        (
            TabularMLPClassifier(random_state=0, n_epochs=4, n_members=1),
            {"hidden_layer_sizes": [(8,), (16,)]},
        ),
    ],
    ids=["arrays", "tables"],
)
def test_grid_search_on_dask(client, model, choices):
    X, y = make_data()
    local = GridSearchCV(model, choices, cv=3).fit(X, y)
    with joblib.parallel_config("dask"):
        spread = GridSearchCV(model, choices, cv=3).fit(X, y)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(spread.cv_results_[name], local.cv_results_[name])
    np.testing.assert_array_equal(spread.predict(X), local.predict(X))


@pytest.mark.long  # Ray takes seconds to start
def test_grid_search_on_ray():
    ray = pytest.importorskip("ray", reason="ray is not installed")
    from ray.util.joblib import register_ray

    X, y = make_data()
    model = MLPClassifier((8,), random_state=0, max_iter=20)
    local = GridSearchCV(model, {"alpha": [1e-4, 10.0]}, cv=3).fit(X, y)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        register_ray()
        with joblib.parallel_config("ray"):
            spread = GridSearchCV(model, {"alpha": [1e-4, 10.0]}, cv=3).fit(X, y)
    finally:
        ray.shutdown()
    scores = [s.cv_results_["mean_test_score"] for s in (local, spread)]
    np.testing.assert_allclose(*scores)
