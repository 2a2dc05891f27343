"""Validation rows that every rank holds out: the score is that of all of them."""

import numpy as np
import pytest
from helpers.ranks import SHARE, fit_ranks, flat, make_data, parts_of
from scipy.sparse import csr_matrix
from sklearn.model_selection import ShuffleSplit

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp.distributed import RankError, fit_distributed, run_loopback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_TRAIN, N_HELD_OUT, SIZE = 240, 60, 3


def split_data(kind):
    """Data, their weights, and for each rank its training rows and then the others."""
    X, labels, numbers = make_data(N_TRAIN + N_HELD_OUT)
    held_out = np.arange(N_TRAIN, len(X)).reshape(SIZE, -1)
    parts = np.hstack([parts_of(N_TRAIN, SIZE), held_out])
    y = labels if kind is MLPClassifier else numbers
    return X, y, np.random.RandomState(1).uniform(0.5, 2, len(X)), parts


def settings_of_all(**settings):
    share = {"batch_size": SHARE * SIZE, "shuffle": False, "max_iter": 12}
    return {"hidden_layer_sizes": (8,), "random_state": 0, **share, **settings}


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    "settings",
    [
        {"early_stopping": True, "learning_rate_init": 0.05, "n_iter_no_change": 2},
        {"standardize_X": True, "weight_averaging": "ema"},
        {"scoring": "loss"},
        {"solver": "lbfgs", "early_stopping": True, "n_iter_no_change": 2},
        {"target_score": 0.5, "learning_rate_init": 0.02},
    ],
    ids=lambda settings: "-".join(map(str, settings)),
)
def test_the_score_is_that_of_one_process(kind, settings):
    X, y, weight, parts = split_data(kind)
    model = kind(**settings_of_all(**settings))
    n_mine = N_TRAIN // SIZE
    of_rank = {"validation_split": list(range(n_mine, parts.shape[1]))}
    models = fit_ranks(model.set_params(**of_rank), X, y, parts, weight)
    alone = kind(**model.get_params())
    alone.set_params(validation_split=np.arange(N_TRAIN, len(X))).fit(X, y, weight)
    assert models[0].n_iter_ == alone.n_iter_
    assert models[0].stop_reason_ == alone.stop_reason_
    scores = (of.validation_scores_ for of in (models[0], alone))
    np.testing.assert_allclose(*scores, rtol=1e-8)
    losses = (of.history_["validation_loss"] for of in (models[0], alone))
    np.testing.assert_allclose(*losses, rtol=1e-8)
    np.testing.assert_allclose(flat(models[0]), flat(alone), rtol=1e-8, atol=1e-9)
    for other in models[1:]:
        np.testing.assert_array_equal(flat(other), flat(models[0]))
        assert other.validation_scores_ == models[0].validation_scores_
        assert other.stop_reason_ == models[0].stop_reason_


def balanced_accuracy(estimator, X, y):
    from sklearn.metrics import balanced_accuracy_score

    return balanced_accuracy_score(y, estimator.predict(X))


@pytest.mark.parametrize("scoring", ["balanced_accuracy", balanced_accuracy])
@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_a_score_that_predicts(scoring, form):
    X, y, _, parts = split_data(MLPClassifier)
    split = list(range(N_TRAIN // SIZE, parts.shape[1]))
    model = MLPClassifier(**settings_of_all(scoring=scoring, validation_split=split))
    models = fit_ranks(model, form(X), y, parts)
    alone = MLPClassifier(**model.get_params())
    alone.set_params(validation_split=np.arange(N_TRAIN, len(X))).fit(form(X), y)
    assert models[2].validation_scores_ == pytest.approx(alone.validation_scores_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("split", [None, 0.2, ShuffleSplit(1, random_state=0)])
def test_one_rank_gives_the_bits_of_fit(split, solver):
    X, y, _ = make_data()
    if split is None and solver == "lbfgs":
        split = 0.3
    model = MLPClassifier(
        (8,),
        solver=solver,
        random_state=3,
        early_stopping=True,
        validation_split=split,
        max_iter=30,
        dropout=0.0 if solver == "lbfgs" else 0.1,
    )
    alone = MLPClassifier(**model.get_params()).fit(X, y)
    (only,) = fit_ranks(model, X, y, [slice(None)])
    np.testing.assert_array_equal(flat(only), flat(alone))
    assert only.validation_scores_ == alone.validation_scores_


def test_shares_of_unequal_ranks():
    X, y, _ = make_data()
    parts = [slice(0, 40), slice(40, 101), slice(101, None)]
    seen = []
    model = MLPClassifier(
        (8,), random_state=0, early_stopping=True, learning_rate_init=0.02
    )
    models = fit_ranks(model, X, y, parts, callback=seen.append)
    assert models[0].stop_reason_ == "early_stopping"
    # the same share of each rank: 4, 7 and 14 rows
    assert all((25 * score) % 1 < 1e-9 for score in models[1].validation_scores_)
    assert models[0].t_ == (len(X) - 25) * models[0].n_iter_
    assert max(record.validation_score for record in seen) > 0.8
    again = fit_ranks(model, X, y, parts)
    np.testing.assert_array_equal(flat(again[0]), flat(models[2]))


def test_ranks_hold_out_rows_of_their_own_draw():
    """Ranks with the same number of rows do not all hold out the same places."""
    X = np.zeros((60, 2))
    y = np.tile(np.arange(30.0), 2)
    model = MLPRegressor(hidden_layer_sizes=(4,), random_state=0, max_iter=1)
    drawn = []

    def scoring(estimator, X, y):
        drawn.append(np.array(y))
        return 0.0

    model.set_params(scoring=scoring, validation_split=0.2)
    fit_ranks(model, X, y, [slice(0, 30), slice(30, 60)])
    first, second = drawn[0].reshape(2, -1)
    assert len(first) == 6 and set(first) != set(second)


def test_passed_data_take_the_place_of_a_split():
    X, y, _ = make_data()
    model = MLPClassifier((8,), random_state=0, early_stopping=True, max_iter=5)
    models = fit_ranks(model, X, y, parts_of(len(X), 2), X_val=X[:50], y_val=y[:50])
    assert models[1].t_ == 5 * len(X)


def errors_of(train, size=2):
    errors = run_loopback(train, size, timeout=20)
    assert all(isinstance(error, Exception) for error in errors), errors
    return errors


def test_a_rank_with_too_few_rows_to_hold_out():
    X, y, _ = make_data()

    def train(comm):
        rows = slice(0, 3) if comm.rank else slice(3, None)
        model = MLPClassifier((8,), early_stopping=True)
        return fit_distributed(model, X[rows], y[rows], comm=comm)

    leader, other = errors_of(train)
    assert "The validation set is too small" in str(other)
    assert isinstance(leader, RankError) and "as rank 1 failed" in str(leader)


def test_parameters_of_the_split_must_agree():
    X, y, _ = make_data()

    def train(comm):
        split = 0.1 if comm.rank else [1, 2]
        model = MLPClassifier((8,), validation_split=split)
        return fit_distributed(model, X, y, comm=comm)

    for error in errors_of(train):
        assert "validation_split=rows of the rank on rank 0, 0.1 on" in str(error)


@pytest.mark.parametrize("of_part", ["training", "validation"])
def test_weights_of_zero_in_a_part_of_all_ranks(of_part):
    X, y, _ = make_data(40)
    weight = np.ones(20)
    weight[:10] = of_part == "validation"
    weight[10:] = of_part == "training"

    def train(comm):
        model = MLPClassifier((8,), validation_split=list(range(10, 20)))
        rows = slice(comm.rank * 20, None)
        return fit_distributed(model, X[rows][:20], y[rows][:20], weight, comm=comm)

    for error in errors_of(train):
        assert f"in the {of_part} part of the split all weights are zero" in str(error)


def test_a_rank_without_weight_in_its_training_part():
    X, y, _ = make_data(40)

    def train(comm):
        weight = np.ones(20)
        weight[:10] = comm.rank
        model = MLPClassifier((8,), validation_split=list(range(10, 20)), max_iter=3)
        rows = slice(comm.rank * 20, None)
        return fit_distributed(model, X[rows][:20], y[rows][:20], weight, comm=comm)

    first, second = run_loopback(train, 2)
    np.testing.assert_array_equal(flat(first), flat(second))


def test_a_score_that_raises_ends_all_ranks():
    X, y, _ = make_data()

    def scoring(estimator, X, y):
        raise KeyError("from the score")

    def train(comm):
        model = MLPClassifier((8,), early_stopping=True, scoring=scoring)
        rows = slice(comm.rank, None, 2)
        return fit_distributed(model, X[rows], y[rows], comm=comm)

    leader, other = errors_of(train)
    assert isinstance(leader, KeyError)
    assert isinstance(other, RankError) and "from the score" in str(other)


def test_a_rank_that_raises_while_it_predicts(monkeypatch):
    from fastmlp.distributed import holdout

    X, y, _ = make_data()
    predict, calls = holdout.predict, []

    def breaks(network, data, layers, rows, activated):
        calls.append(len(rows))
        if len(rows) == 9:  # those of rank 1
            raise MemoryError("no room")
        return predict(network, data, layers, rows, activated)

    monkeypatch.setattr(holdout, "predict", breaks)

    def train(comm):
        rows = slice(0, 90) if comm.rank else slice(90, None)
        model = MLPClassifier((8,), early_stopping=True)
        return fit_distributed(model, X[rows], y[rows], comm=comm)

    leader, other = errors_of(train)
    assert isinstance(other, MemoryError)
    assert isinstance(leader, RankError) and "MemoryError: no room" in str(leader)
