"""The estimators for tables on a cluster: equal to local ones, whatever it is like."""

import os
import pickle
import signal
import time

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from helpers.dask_clusters import kills, made_cluster
from helpers.tables import GRADE, LABEL, LABELS, NUMBER, SMALL, X, frame
from scipy.sparse import csr_matrix
from sklearn.base import clone

from fastmlp import TabularMLPClassifier, TabularMLPRegressor
from fastmlp.dask import DaskTabularMLPClassifier, DaskTabularMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore")
PIECES = [slice(0, 80), slice(80, 150), slice(150, 240)]
KINDS = {
    "classifier": (TabularMLPClassifier, DaskTabularMLPClassifier),
    "regressor": (TabularMLPRegressor, DaskTabularMLPRegressor),
}


@pytest.fixture(scope="module")
def threads():
    with in_threads(2) as made, Client(made) as client:
        yield client


def in_threads(n_workers):
    return LocalCluster(
        n_workers=n_workers, threads_per_worker=1, processes=False,
        dashboard_address=":0",
    )  # fmt: skip


def delayed(values, pieces=PIECES):
    return [dask.delayed(values[rows]) for rows in pieces]


def classifier(**params):
    return DaskTabularMLPClassifier(**{**SMALL, **params})


def assert_same(a, b):
    np.testing.assert_array_equal(a._model.weights, b._model.weights)
    np.testing.assert_array_equal(a.feature_importances_, b.feature_importances_)
    for name in ("best_epoch_", "loss_curve_", "validation_scores_", "stop_reason_"):
        assert getattr(a, name) == getattr(b, name)


@pytest.mark.parametrize(
    ("kind", "y", "params"),
    [
        ("classifier", LABEL, {}),
        ("classifier", GRADE, {"n_members": 3, "class_weight": "balanced"}),
        ("classifier", LABELS, {"n_members": 5, "label_smoothing": 0.1}),
        ("classifier", GRADE, {"scoring": "accuracy", "dtype": "float64"}),
        ("regressor", NUMBER, {"refit": True, "categorical_features": ["new"]}),
        ("regressor", NUMBER, {"n_members": 5, "loss": "gaussian_nll"}),
        ("regressor", np.exp(NUMBER), {"loss": "poisson", "batch_size": 20}),
        (
            "regressor",
            np.c_[NUMBER, -NUMBER],
            {"loss": "quantile", "quantile": (0.1, 0.9), "monotone_quantiles": True},
        ),
    ],
)
def test_one_shard_is_the_local_fit(threads, kind, y, params):
    table = X
    if "categorical_features" in params:
        table = X[["size", "new"]]
    local, far = KINDS[kind]
    expected = local(**{**SMALL, **params}).fit(table, y)
    found = far(**{**SMALL, **params}).fit(table, y)
    assert_same(found, expected)
    assert type(found.to_local()) is local
    np.testing.assert_array_equal(found.predict(table), expected.predict(table))


def test_one_shard_with_more_rows_than_the_start_takes(threads):
    table = frame(3000)
    y = table["size"].fillna(0) > 0
    params = {"n_members": 2, "validation_fraction": 0.2, "n_epochs": 2}
    expected = TabularMLPClassifier(**{**SMALL, **params}).fit(table, y)
    weight = np.ones(3000)
    one = dd.from_pandas(table.assign(y=y, weight=weight), npartitions=1)
    found = classifier(**params, sync_every=7).fit(one[list(table)], one["y"])
    np.testing.assert_array_equal(found._model.weights, expected._model.weights)
    weighted = classifier(**params).fit(one[list(table)], one["y"], one["weight"])
    expected = TabularMLPClassifier(**{**SMALL, **params}).fit(table, y, weight)
    assert_same(weighted, expected)


@pytest.fixture(scope="module")
def of_three():
    with in_threads(1) as made, Client(made):
        return classifier().fit(delayed(X), delayed(LABEL))


@pytest.mark.parametrize("n_workers", [2, 3])
def test_same_bits_on_any_number_of_workers(of_three, n_workers):
    with in_threads(n_workers) as made, Client(made):
        assert_same(classifier().fit(delayed(X), delayed(LABEL)), of_three)


def test_same_bits_where_a_worker_is_killed(of_three):
    with made_cluster(2) as made, Client(made, timeout="30s") as client:

        def kill(record):
            if record.epoch == 2:
                os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

        model = classifier().fit(delayed(X), delayed(LABEL), callback=kill)
        assert_same(model, of_three)


@pytest.mark.long
def test_ten_kills(of_three):
    with made_cluster(2) as made, Client(made, timeout="30s") as client:
        for _ in kills(made, client, 10, most_seconds=2.5):
            assert_same(classifier().fit(delayed(X), delayed(LABEL)), of_three)


def test_inputs_of_all_kinds_give_one_model(threads, of_three, tmp_path):
    names = list(X)
    table = X.assign(y=LABEL)
    for rows in PIECES:
        table[rows].to_parquet(tmp_path / f"{rows.start:03}.parquet")
    read = dd.read_parquet(tmp_path)
    found = classifier().fit(read[names], read["y"])
    assert_same(found, of_three)
    assert list(found.feature_names_in_) == names
    labels = found.predict(read[names])
    assert labels.divisions == read.divisions
    np.testing.assert_array_equal(labels.compute(), of_three.predict(X))
    proba = found.predict_proba(read[names]).compute()
    assert list(proba.columns) == ["no", "yes"]
    assert found.score(read[names], read["y"]) == pytest.approx(
        found.to_local().score(X, LABEL)
    )
    rows = [X[of].to_dict("records") for of in PIECES]
    rows = [dask.delayed(of) for of in rows]
    assert_same(classifier().fit(rows, delayed(LABEL)), of_three)


def test_arrays_and_plain_lists(threads):
    rng = np.random.RandomState(0)
    Z = rng.randn(200, 4)
    y = Z[:, 0] + Z[:, 1]
    model = DaskTabularMLPRegressor(**SMALL)
    model.fit(da.from_array(Z, chunks=(100, 4)), da.from_array(y, chunks=100))
    predicted = model.predict(da.from_array(Z, chunks=(50, 4)))
    np.testing.assert_array_equal(predicted.compute(), model.to_local().predict(Z))
    assert model.score(da.from_array(Z, chunks=(50, 4)), da.from_array(y, chunks=50))
    rows = [[value, "a" if value > 0 else "b"] for value in Z[:, 0]]
    model = classifier().fit(rows, (Z[:, 0] > 0).tolist())
    expected = TabularMLPClassifier(**SMALL).fit(rows, (Z[:, 0] > 0).tolist())
    assert_same(model, expected)


def test_levels_and_classes_that_a_shard_lacks(threads):
    order = np.lexsort((GRADE, X["colour"].fillna("")))
    table, y = X.iloc[order].reset_index(drop=True), GRADE[order]
    table["gaps"] = [None] * 80 + ["a", "b"] * 80  # no value at all in one shard
    xs, ys = delayed(table), delayed(y)
    model = classifier(n_epochs=2).fit(
        [xs[0], dask.delayed(table[:0]), *xs[1:]], [ys[0], dask.delayed(y[:0]), *ys[1:]]
    )
    local = TabularMLPClassifier(**SMALL).fit(table, y)
    encoder, expected = model._model.encoder, local._model.encoder
    assert list(model.classes_) == list(local.classes_)
    for found, of in zip(encoder.levels, expected.levels, strict=True):
        np.testing.assert_array_equal(found, of)
    assert encoder.category_columns.tolist() == expected.category_columns.tolist()


def test_a_shard_with_too_few_rows_trains_only(threads):
    pieces = [slice(0, 120), slice(120, 121), slice(121, 240)]
    found = classifier(n_members=3, validation="folds").fit(
        delayed(X, pieces), delayed(LABEL, pieces)
    )
    assert found.score(X, LABEL) > 0.6
    with pytest.raises(ValueError, match="fewer and larger partitions"):
        alone = [slice(0, 1), slice(1, 2)]
        classifier().fit(delayed(X, alone), delayed(LABEL, alone))


def piece(**columns):
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("xs", "ys", "message"),
    [
        ([X[:80], X[80:160].drop(columns="new")], 2, "4 features in shard 0, but 3"),
        ([X[:80], X[80:160].rename(columns={"new": "old"})], 2, "'old'"),
        (
            [piece(a=[1.0, 2] * 40), piece(a=["u", "v"] * 40)],
            2,
            "numbers in partition 0, but categories such as 'u' in partition 1",
        ),
        ([X[:0], X[:0]], 2, "all 2 partition"),
        ([X[:80], X[80:160]], 1, "X has 2 partition"),
        ([X[:80], X[80:160].assign(size=np.inf)], 2, "infinity"),
        ([X[:80], X[80:160].assign(new=pd.Timestamp("2020-01-01"))], 2, "dates"),
    ],
)
def test_bad_data(threads, xs, ys, message):
    labels = [LABEL[: len(of)] for of in xs][:ys]
    model = classifier()
    with pytest.raises(ValueError, match=message) as found:
        model.fit([dask.delayed(of) for of in xs], [dask.delayed(of) for of in labels])
    if message in ("infinity", "dates"):
        assert "shard 1" in found.value.__notes__[0]
    assert not hasattr(model, "_model")


def test_bad_targets(threads):
    xs = delayed(X, PIECES[:2])
    with pytest.raises(ValueError, match="labels of one type"):
        classifier().fit(xs, [dask.delayed([0, 1] * 40), dask.delayed(["a"] * 70)])
    with pytest.raises(TypeError, match="must be dense"):
        classifier().fit(da.eye(20, chunks=10).map_blocks(csr_matrix), LABEL[:20])
    with pytest.raises(ValueError, match="non-zero weight"):
        classifier().fit(xs, delayed(LABEL, PIECES[:2]), 0.0)
    with pytest.raises(ValueError, match="y to be passed"):
        classifier().fit(xs, None)
    with pytest.raises(ValueError, match="columns in the shards"):
        DaskTabularMLPRegressor(**SMALL).fit(
            xs, [dask.delayed(np.ones((80, 2))), dask.delayed(np.ones(70))]
        )


def test_warnings_of_a_local_fit_come_from_the_client(threads):
    table = pd.DataFrame({"id": [f"r{i}" for i in range(240)], "x": np.arange(240.0)})
    with pytest.warns(UserWarning, match="as many levels as rows"):
        classifier(n_epochs=1).fit(delayed(table), delayed(LABEL))
    table["id"] = ["?", 1, 2] * 80
    with pytest.warns(UserWarning, match="texts such as '[?]'"):
        classifier(n_epochs=1).fit(delayed(table), delayed(LABEL))
    regressor = DaskTabularMLPRegressor(**{**SMALL, "n_epochs": 1})
    with pytest.warns(UserWarning, match="varies by"):
        regressor.fit(delayed(X), delayed(NUMBER * 1e-6 + 1e5))
    with pytest.warns(UserWarning, match="is constant"):
        regressor.fit(delayed(X), delayed(np.ones(240)))
    rare = np.where(np.arange(240) == 200, "rare", LABEL)
    with pytest.warns(UserWarning, match="no row in the training part"):
        for seed in range(20):  # the only row of it is held out by some
            classifier(n_epochs=1, random_state=seed).fit(
                [dask.delayed(X[:200]), dask.delayed(X[200:202])],
                [dask.delayed(rare[:200]), dask.delayed(rare[200:202])],
            )


def test_checkpoint_and_resume(threads, tmp_path, of_three):
    path = tmp_path / "fit.ckpt"
    model = classifier()
    model.fit(delayed(X), delayed(LABEL), callback=stop_after(5), checkpoint=path)
    assert model.stop_reason_ == "callback"
    assert len(model.loss_curve_) == 5
    assert_same(model.fit(delayed(X), delayed(LABEL), resume=path), of_three)
    with pytest.raises(ValueError, match="data"):
        model.fit(delayed(X), delayed(LABEL[::-1]), resume=path)


def stop_after(n_epochs):
    def callback(record):
        assert record.fitted_estimator().to_local().predict(X).shape == (240,)
        if record.epoch == n_epochs:
            record.stop()

    return callback


def test_interrupts_and_limits_leave_a_model(threads):
    def interrupt(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    model = classifier().fit(delayed(X), delayed(LABEL), callback=interrupt)
    assert model.stop_reason_ == "interrupted"
    assert model.score(X, LABEL) > 0.4
    model = classifier(n_epochs=100_000, max_time=1.0, early_stopping=False)
    assert model.fit(delayed(X), delayed(LABEL)).stop_reason_ == "max_time"
    end = time.monotonic() + 10
    while any(threads.processing().values()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(threads.processing().values())


def test_a_scheduler_that_is_lost_leaves_the_model_before(tmp_path):
    made = in_threads(1)
    client = Client(made)
    model, path = classifier(n_epochs=6, client=client), tmp_path / "fit.ckpt"
    model.fit(delayed(X), delayed(LABEL))
    before = model._model.weights.copy()

    def lose(record):
        if record.epoch == 2:
            made.close(timeout=10)

    with pytest.raises(RuntimeError, match="scheduler was lost"):
        model.fit(delayed(X), delayed(LABEL), callback=lose, checkpoint=path)
    client.close(timeout=1)
    np.testing.assert_array_equal(model._model.weights, before)
    with in_threads(1) as made, Client(made):
        model.set_params(client=None).fit(delayed(X), delayed(LABEL), resume=path)
    np.testing.assert_array_equal(model._model.weights, before)


def test_a_refit_of_shards(threads):
    xs, ys = delayed(X), delayed(NUMBER)
    judged = DaskTabularMLPRegressor(**SMALL).fit(xs, ys)
    found = DaskTabularMLPRegressor(**SMALL, refit=True).fit(xs, ys)
    assert found.best_epoch_ == judged.best_epoch_
    assert (found._model.weights != judged._model.weights).any()
    np.testing.assert_allclose(found._model.bounds, [[NUMBER.min()], [NUMBER.max()]])


def test_parameters_pickles_and_files(threads, of_three, tmp_path):
    model = classifier(client=threads)
    own = model.get_params().keys() - TabularMLPClassifier().get_params().keys()
    assert own == {"sync_every", "client"}
    assert clone(model).client is threads
    loaded = pickle.loads(pickle.dumps(of_three))
    np.testing.assert_array_equal(loaded.predict(X), of_three.predict(X))
    assert of_three.compile().predict(X).tolist() == of_three.predict(X).tolist()
    with pytest.raises(ValueError, match="sync_every"):
        classifier(sync_every=0).fit(X, LABEL)
    with pytest.raises(TypeError, match=r"^DaskTabularMLPClassifier.*average"):
        DaskTabularMLPClassifier(average="weights")


def test_predictions_of_partitions_without_rows(threads, of_three):
    pieces = of_three.predict_proba([dask.delayed(X[:0]), dask.delayed(X)])
    assert [len(of) for of in dask.compute(*pieces)] == [0, 240]
    table = dd.from_pandas(X[["size", "new"]], npartitions=2)
    model = DaskTabularMLPRegressor(**SMALL, loss="gaussian_nll").fit(
        table, dd.from_pandas(pd.DataFrame(np.c_[NUMBER, -NUMBER]), npartitions=2)
    )
    none = table[table["size"] > 99]
    assert model.predict(none).compute().shape == (0, 2)
    ends = model.predict_interval(table, coverage=0.5)
    assert ends.divisions == table.divisions
    expected = model.to_local().predict_interval(table.compute(), 0.5)
    np.testing.assert_array_equal(ends.compute(), expected.reshape(240, 4))
    assert model.predict_interval(none).compute().shape == (0, 4)


def test_scores_of_targets_of_other_shapes(threads, of_three):
    xs, column = delayed(X), delayed(LABEL[:, None])
    assert of_three.score(xs, column) == of_three.score(xs, delayed(LABEL))
    with pytest.raises(ValueError, match=r"y has the shape \(\d+, 2\)"):
        of_three.score(xs, delayed(np.c_[LABEL, LABEL]))
    ys = delayed(NUMBER)
    model = DaskTabularMLPRegressor(**SMALL, loss="quantile").fit(xs, ys)
    assert model.score(xs, ys, 2.0) == pytest.approx(model.score(xs, ys))


@pytest.mark.parametrize("params", [{}, {"n_members": 3, "validation": "folds"}])
def test_a_shard_whose_rows_weigh_nothing(threads, params):
    weight = np.where(np.arange(240) < 80, 0.0, 1.0)
    y = np.where(weight > 0, NUMBER, 1e3)  # the model must not see these
    model = DaskTabularMLPRegressor(**{**SMALL, "n_epochs": 30, **params})
    model.fit(delayed(X), delayed(y), delayed(weight))
    assert model.score(X[80:], NUMBER[80:]) > 0.8
    clf = classifier(class_weight={"no": 0, "yes": 1})
    order = np.argsort(LABEL)
    clf.fit(delayed(X.iloc[order]), delayed(LABEL[order]))
    assert np.isfinite(clf.loss_curve_).all()


@pytest.mark.parametrize("chosen", [np.array([0, 1]), np.array([True, True])])
def test_categories_by_an_array(threads, chosen):
    table = X[["new", "grade"]]
    expected = TabularMLPClassifier(**SMALL, categorical_features=chosen)
    found = classifier(categorical_features=chosen).fit(table, LABEL)
    assert_same(found, expected.fit(table, LABEL))
