"""Checkpoints that rank 0 writes: all ranks go on, with the bits of a whole fit."""

import numpy as np
import pytest
from helpers.ranks import fit_ranks, flat, make_data

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp.distributed import RankError, fit_distributed, run_loopback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PARTS = [slice(0, 60), slice(60, 131), slice(131, None)]  # unequal


class KilledError(Exception):
    pass


def killed_after(n_epochs, model, X, y, parts=PARTS, **options):
    """Fit until an epoch ends that is not in the checkpoint any more."""

    def kill(record):
        if record.epoch > n_epochs:
            raise KilledError

    def train(comm):
        mine = type(model)(**model.get_params())
        hook = {"callback": kill} if comm.rank == 0 else {}
        rows = parts[comm.rank]
        return fit_distributed(mine, X[rows], y[rows], comm=comm, **options, **hook)

    first, *others = run_loopback(train, len(parts))
    assert isinstance(first, KilledError)
    assert all(isinstance(other, RankError) for other in others)


SETTINGS = [
    {"solver": "adam", "dropout": 0.2},
    {"solver": "sgd", "learning_rate": "adaptive", "shuffle": False},
    {"solver": "nadam", "weight_averaging": "ema", "standardize_X": True},
    {"solver": "adam", "early_stopping": True, "input_noise": 0.1},
    {"solver": "lbfgs"},
    {"solver": "lbfgs", "validation_split": 0.2, "early_stopping": True},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s)))
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_fit_that_was_killed_goes_on(kind, settings, tmp_path):
    X, labels, numbers = make_data(220)
    y = labels if kind is MLPClassifier else numbers
    model = kind(hidden_layer_sizes=(8,), random_state=0, max_iter=13, **settings)
    whole = fit_ranks(model, X, y, PARTS)
    path = tmp_path / "c"
    killed_after(7, model, X, y, checkpoint=path, checkpoint_every=2)
    resumed = fit_ranks(model, X, y, PARTS, resume=path)
    for one, other in zip(resumed, whole, strict=True):
        assert flat(one).tobytes() == flat(other).tobytes()
        for name in ("loss_", "n_iter_", "t_", "stop_reason_"):
            assert getattr(one, name) == getattr(other, name), name
        if settings["solver"] != "lbfgs":
            assert one.loss_curve_ == other.loss_curve_
    states = [of[0]._random_state.get_state()[1] for of in (resumed, whole)]
    np.testing.assert_array_equal(*states)


def test_rank_0_alone_writes(tmp_path):
    X, y, _ = make_data(220)
    model = MLPClassifier((8,), random_state=0, max_iter=2)
    (tmp_path / "0").mkdir()

    def train(comm):
        path = tmp_path / str(comm.rank) / "c"  # the folders of the others are missing
        rows, mine = PARTS[comm.rank], MLPClassifier(**model.get_params())
        return fit_distributed(mine, X[rows], y[rows], comm=comm, checkpoint=path)

    models = run_loopback(train, 3)
    assert [model.n_iter_ for model in models] == [2, 2, 2]
    assert [path.name for path in (tmp_path / "0").iterdir()] == ["c"]


def test_one_rank_goes_on_from_a_checkpoint_of_fit(tmp_path):
    X, y, _ = make_data(220)
    path = tmp_path / "c"
    model = MLPClassifier((8,), random_state=0, early_stopping=True, max_iter=4)
    MLPClassifier(**model.get_params()).fit(X, y, checkpoint=path)
    model.set_params(max_iter=9)
    whole = MLPClassifier(**model.get_params()).fit(X, y)
    (resumed,) = fit_ranks(model, X, y, [slice(None)], resume=path)
    np.testing.assert_array_equal(flat(resumed), flat(whole))


def changed_row(X, y):
    X[150, 3] += 1  # of the last rank
    return PARTS


def other_cut(X, y):
    return [slice(0, 60), slice(60, 130), slice(130, None)]


def fewer_ranks(X, y):
    return [slice(0, 131), slice(131, None)]


@pytest.mark.parametrize("change", [changed_row, other_cut, fewer_ranks])
def test_other_rows_are_refused(change, tmp_path):
    X, y, _ = make_data(220)
    path = tmp_path / "c"
    model = MLPClassifier((8,), random_state=0, max_iter=5)
    killed_after(2, model, X, y, checkpoint=path)
    parts = change(X, y)

    def train(comm):
        rows, mine = parts[comm.rank], MLPClassifier(**model.get_params())
        return fit_distributed(mine, X[rows], y[rows], comm=comm, resume=path)

    first, *others = run_loopback(train, len(parts))
    assert type(first) is ValueError and "not the same data" in str(first)
    for other in others:
        assert isinstance(other, RankError) and "not the same data" in str(other)


def test_other_validation_rows_of_a_rank_are_refused(tmp_path):
    X, y, _ = make_data(220)
    y[:] = np.arange(220) % 7 == 0
    path = tmp_path / "c"

    def fit(last, **files):
        def train(comm):
            split = [1, 2, last if comm.rank == 2 else 3]  # their targets are equal
            model = MLPClassifier((8,), random_state=0, max_iter=4)
            model.set_params(validation_split=split)
            rows = PARTS[comm.rank]
            return fit_distributed(model, X[rows], y[rows], comm=comm, **files)

        return run_loopback(train, 3)

    whole = fit(3, checkpoint=path)
    resumed = fit(3, resume=path)
    np.testing.assert_array_equal(flat(resumed[1]), flat(whole[1]))
    first, *others = fit(4, resume=path)
    assert "the validation rows are not the same" in str(first)
    assert all(isinstance(other, RankError) for other in others)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"checkpoint": "missing/c"}, "there is no folder"),
        ({"resume": "missing"}, "No such file"),
        ({"checkpoint_every": 2}, "needs a file to write"),
    ],
)
def test_wrong_files_end_all_ranks(files, message):
    X, y, _ = make_data(220)

    def train(comm):
        model, rows = MLPClassifier((8,)), PARTS[comm.rank]
        return fit_distributed(model, X[rows], y[rows], comm=comm, **files)

    errors = run_loopback(train, 3)
    assert all(message in str(error) for error in errors)
    assert all(isinstance(error, RankError) for error in errors[1:])


def test_a_disk_that_fails_ends_all_ranks(tmp_path, monkeypatch):
    from fastmlp._training.checkpoint.file import Checkpoint

    def fails(self, monitor, state):
        raise OSError("the disk is full")

    monkeypatch.setattr(Checkpoint, "epoch_ends", fails)
    X, y, _ = make_data(220)

    def train(comm):
        model, rows = MLPClassifier((8,)), PARTS[comm.rank]
        options = {"comm": comm, "checkpoint": tmp_path / "c"}
        return fit_distributed(model, X[rows], y[rows], **options)

    first, *others = run_loopback(train, 3)
    assert type(first) is OSError
    assert all("the disk is full" in str(error) for error in others)
