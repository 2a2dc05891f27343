"""Balanced class weights: the counts are those of the rows of all ranks."""

import numpy as np
import pytest
from helpers.ranks import SHARE, fit_ranks, flat, make_data, parts_of
from sklearn.utils.class_weight import compute_sample_weight

from fastmlp import MLPClassifier
from fastmlp._data.class_weight import expanded
from fastmlp.distributed import run_loopback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def targets(kind, n):
    rng = np.random.RandomState(3)
    if kind == "multilabel":
        return (rng.rand(n, 4) < [0.1, 0.4, 0.5, 0.8]).astype(int)
    classes = {"binary": ["no", "yes"], "multiclass": ["a", "bc", "d", "e"]}[kind]
    shares = np.arange(1.0, len(classes) + 1)
    return rng.choice(classes, n, p=shares / shares.sum())


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_the_model_is_that_of_the_joined_rows(kind, solver, is_weighted):
    X, *_ = make_data()
    y = targets(kind, len(X))
    weight = np.random.RandomState(1).uniform(0.5, 2, len(X)) if is_weighted else None
    model = MLPClassifier(
        (8,),
        solver=solver,
        class_weight="balanced",
        batch_size=SHARE * 2,
        shuffle=False,
        max_iter=5,
        random_state=0,
    )
    alone = MLPClassifier(**model.get_params()).fit(X, y, weight)
    models = fit_ranks(model, X, y, parts_of(len(X), 2), weight)
    np.testing.assert_allclose(flat(models[0]), flat(alone), rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(flat(models[0]), flat(models[1]))
    for fitted in models:
        assert fitted.class_weight == "balanced" and "_total" not in vars(fitted)


def test_ranks_that_lack_classes():
    X, *_ = make_data()
    y = np.sort(targets("multiclass", len(X)))
    parts = [slice(0, 100), slice(100, 180), slice(180, None)]
    model = MLPClassifier(
        (8,), solver="lbfgs", class_weight="balanced", random_state=0, max_iter=5
    )
    alone = MLPClassifier(**model.get_params()).fit(X, y)
    models = fit_ranks(model, X, y, parts)
    np.testing.assert_allclose(flat(models[2]), flat(alone), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("shape", [(50,), (50, 3)])
def test_weights_are_those_of_scikit_learn(shape):
    codes = np.random.RandomState(0).randint(0, 2 if len(shape) > 1 else 5, shape)
    is_multilabel = codes.ndim == 2
    codes = codes.reshape(50, -1)
    expected = compute_sample_weight(
        "balanced", codes if is_multilabel else codes[:, 0]
    )
    # a class without rows counts for nothing
    of_all = expanded("balanced", np.arange(6), is_multilabel, codes, None)
    np.testing.assert_array_equal(of_all, expected)

    def of_rank(comm):
        def total(counts):
            return np.sum(comm.allgather(counts), axis=0)

        mine = codes[comm.rank :: 2]
        return expanded("balanced", np.arange(6), is_multilabel, mine, None, total)

    first, second = run_loopback(of_rank, 2)
    np.testing.assert_array_equal(first, expected[::2])
    np.testing.assert_array_equal(second, expected[1::2])
