"""The course of a fit: threads, members, callbacks, interrupts, checkpoints."""

import copy
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers.tables import GRADE, LABEL, NUMBER, X, classifier, frame, regressor
from sklearn.exceptions import ConvergenceWarning

from fastmlp._core.solvers import Epoch

MEMBERS = [
    {},
    {"n_members": 3},
    {"n_members": 3, "validation": "folds"},
    {"n_members": 2, "refit": True},
]


class KilledError(Exception):
    """A fit that is killed."""


def weights(model):
    return model._model.weights


@pytest.mark.parametrize("params", MEMBERS, ids=str)
def test_the_same_bits_for_any_number_of_threads(params):
    fits = [
        classifier(**params, n_threads=n, batch_size=50).fit(X, GRADE)
        for n in (1, 2, 4)
    ]
    for other in fits[1:]:
        np.testing.assert_array_equal(weights(other), weights(fits[0]))
        np.testing.assert_array_equal(other.predict_proba(X), fits[0].predict_proba(X))


def test_a_seed_tells_models_apart():
    one, same, other = (regressor(random_state=s).fit(X, NUMBER) for s in (1, 1, 2))
    np.testing.assert_array_equal(weights(one), weights(same))
    assert (weights(one) != weights(other)).any()
    state = np.random.RandomState(1)
    np.testing.assert_array_equal(
        weights(regressor(random_state=state).fit(X, NUMBER)), weights(one)
    )


def test_members_differ_and_their_mean_predicts():
    model = classifier(n_members=3).fit(X, LABEL)
    assert len(weights(model)) == 3
    assert (weights(model)[0] != weights(model)[1]).any()
    mean = np.mean(
        [predict_by(model, member).predict_proba(X) for member in range(3)],
        axis=0,
    )
    np.testing.assert_allclose(model.predict_proba(X), mean, atol=1e-6)


def predict_by(model, member):
    """A copy of a model with one of its members."""
    other = copy.copy(model)
    one = weights(model)[member : member + 1]
    other._model = replace(model._model, weights=one)
    return other


def test_a_mixture_is_wider_than_its_members_are_on_average():
    model = regressor(loss="gaussian_nll", n_members=4, n_epochs=6).fit(X, NUMBER)
    model._model = replace(model._model, bounds=None)  # which cut the mean alone
    parts = [predict_by(model, i).predict(X, return_std=True) for i in range(4)]
    means, deviations = np.array(parts).transpose(1, 0, 2)
    mean, deviation = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean, means.mean(axis=0), atol=1e-5)
    variance = (deviations**2).mean(axis=0) + means.var(axis=0)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-4)


def test_the_best_epoch_is_kept():
    seen = {}

    def keep(record):
        seen[record.epoch] = record.fitted_estimator()

    model = classifier(calibrate=False).fit(X, LABEL, callback=keep)
    assert sorted(seen) == list(range(1, model.n_iter_ + 1))
    best = model.best_epoch_
    assert model.validation_scores_[best - 1] == model.best_validation_score_
    assert model.best_validation_score_ == max(model.validation_scores_)
    np.testing.assert_array_equal(weights(seen[best]), weights(model))
    np.testing.assert_array_equal(
        model.history_["validation_score"], model.validation_scores_
    )
    plain = classifier(calibrate=False).fit(X, LABEL)
    np.testing.assert_array_equal(weights(plain), weights(model))


def test_refit_trains_on_all_rows_to_the_best_epoch():
    first = regressor().fit(X, NUMBER)
    again = regressor(refit=True).fit(X, NUMBER)
    assert again.best_epoch_ == first.best_epoch_
    assert again.validation_scores_ == first.validation_scores_
    assert (weights(again) != weights(first)).any()
    medians = again._model.encoder.medians
    assert medians[0] == X["size"].median()


def test_a_callback_sees_and_stops():
    model = classifier(n_members=2)
    records = []

    def watch(record):
        records.append(record)
        assert model.n_iter_ == record.epoch
        assert model.predict(X[:2]).shape == (2,)
        if record.epoch == 3:
            record.stop("enough")

    model.fit(X, LABEL, callback=watch)
    assert model.n_iter_ == len(records) == 3
    assert model.stop_reason_ == "callback"
    assert all(np.isfinite(record.validation_loss) for record in records)
    with pytest.raises(ValueError, match="callback must be callable"):
        model.fit(X, LABEL, callback=3)


@pytest.mark.parametrize("verbose, words", [(True, "Iteration 1"), (1, "epoch 12/12")])
def test_verbose(capsys, verbose, words):
    classifier(verbose=verbose).fit(X, LABEL)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("params", [{}, {"n_members": 2}, {"refit": True}], ids=str)
def test_an_interrupt_keeps_the_best_weights_so_far(params):
    n_before = threading.active_count()
    many = frame(20_000)
    target = np.arange(20_000) % 3

    def press(record):
        if record.epoch == 2:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    model = classifier(n_epochs=10_000, hidden_layer_sizes=(64,), **params)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(many, target, callback=press)
    assert model.stop_reason_ == "interrupted" and model.n_iter_ >= 2
    assert model.predict(many[:10]).shape == (10,)
    deadline = time.perf_counter() + 5
    while threading.active_count() > n_before and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == n_before


@pytest.mark.parametrize("refit", [False, True])
def test_max_time(refit):
    many, target = frame(20_000), np.arange(20_000) % 3
    model = classifier(n_epochs=10_000, max_time=0.5, refit=refit)
    with pytest.warns(ConvergenceWarning, match="max_time=0.5 seconds"):
        model.fit(many, target)
    assert model.stop_reason_ == "max_time"
    assert model.predict(many[:10]).shape == (10,)


def test_a_refit_without_an_end_keeps_the_first_model(monkeypatch):
    from fastmlp._tabular import rows

    first = regressor().fit(X, NUMBER)
    train, n_calls = rows.train, []

    def interrupted(*args):
        n_calls.append(args)
        if len(n_calls) == 2:
            raise KeyboardInterrupt
        train(*args)

    monkeypatch.setattr(rows, "train", interrupted)
    with pytest.warns(UserWarning, match=r"did not come to its end \(interrupted\)"):
        model = regressor(refit=True).fit(X, NUMBER)
    np.testing.assert_array_equal(weights(model), weights(first))


def killed_after(model, n_epochs, path, y, monkeypatch, **options):
    """Fit until an epoch of the core begins that the fit does not survive."""
    n_runs = []

    class Mortal(Epoch):
        def run(self, *args):
            n_runs.append(args)
            if len(n_runs) > n_epochs * model.n_members:
                raise KilledError
            super().run(*args)

    with monkeypatch.context() as patch:
        patch.setattr("fastmlp._training.members.Epoch", Mortal)
        with pytest.raises(KilledError):
            model.fit(X, y, checkpoint=path, **options)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("params", MEMBERS, ids=str)
def test_resume_gives_the_same_bits(tmp_path, monkeypatch, params, n_threads):
    path = tmp_path / "state"
    make = regressor if n_threads == 1 else classifier
    target = NUMBER if n_threads == 1 else GRADE
    whole = make(**params, batch_size=30).fit(X, target)
    model = make(**params, batch_size=30, n_threads=n_threads)
    killed_after(model, 5, path, target, monkeypatch)
    assert not hasattr(model, "_model")
    killed_after(model, 3, path, target, monkeypatch, resume=path)
    n_seen = []
    model.fit(X, target, resume=path, callback=n_seen.append)
    assert len(n_seen) == whole.n_iter_ - 8
    np.testing.assert_array_equal(weights(model), weights(whole))
    assert model.validation_scores_ == whole.validation_scores_
    assert model.loss_curve_ == whole.loss_curve_
    assert model.best_epoch_ == whole.best_epoch_


def test_another_fit_is_refused(tmp_path):
    path = tmp_path / "state"
    classifier().fit(X, LABEL, checkpoint=path)
    for other, target, words in (
        (classifier(dropout=0.5), LABEL, "dropout was 0.15, now it is 0.5"),
        (classifier(), GRADE, "the layers had the sizes"),
        (classifier(), LABEL[::-1], "not the same data"),
        (regressor(), NUMBER, "it is of a TabularMLPClassifier"),
    ):
        with pytest.raises(ValueError, match=words):
            other.fit(X, target, resume=path)
    changed = X.assign(new=~X.new)
    with pytest.raises(ValueError, match="not the same data"):
        classifier().fit(changed, LABEL, resume=path)
    state = np.random.RandomState(3)
    before = state.get_state()[1].copy()
    with pytest.raises(ValueError, match="random_state was"):
        classifier(random_state=state).fit(X, LABEL, resume=path)
    np.testing.assert_array_equal(state.get_state()[1], before)
    with pytest.raises(ValueError, match="needs a file to write"):
        classifier().fit(X, LABEL, checkpoint_every=2)


def test_an_error_leaves_an_earlier_fit(tmp_path):
    model = classifier().fit(X, LABEL)
    before = dict(vars(model))

    def fail(record):
        raise RuntimeError("of the callback")

    with pytest.raises(RuntimeError, match="of the callback"):
        model.fit(X, GRADE, callback=fail)
    assert vars(model) == before
