"""The file of a checkpoint: what was changed in it is refused, and never used."""

import json
import random

import numpy as np
import pytest
from helpers.checkpoint_files import (
    content_of,
    drop,
    fuzz,
    put,
    rewritten,
    say,
    unchanged,
)
from helpers.models import data

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._files import safetensors

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = data("multiclass", 40)  # 4 rows of it are held out


def make(**params):
    """An estimator with all that a checkpoint can hold."""
    params = {"hidden_layer_sizes": (3,), "max_iter": 3, "random_state": 0, **params}
    return MLPClassifier(
        early_stopping=True, weight_averaging="ema", on_divergence="warn", dropout=0.1,
        **params,
    )  # fmt: skip


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Tensors and metadata of a checkpoint after two epochs of three."""
    path = tmp_path_factory.mktemp("file") / "c"
    make(max_iter=2).fit(X, Y, checkpoint=path)
    return content_of(path)


def test_without_a_change_it_goes_on(content, tmp_path):
    rewritten(tmp_path / "c", content, lambda tensors, state: None)
    model, whole = make().fit(X, Y, resume=tmp_path / "c"), make().fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], whole.coefs_[0])


TEXTS = {"$texts": ["a", "b"], "kind": "U"}
HOSTILE = {
    "order far": (put("order", 10**9), "'order' must be the 36 training rows"),
    "order negative": (put("order", -(10**7)), "'order' must be the 36 training rows"),
    "order twice": (put("order", lambda a: a * 0), "each as often as in the data"),
    "order short": (put("order", lambda a: a[:-1]), "36 training rows as integers"),
    "order long": (put("order", lambda a: np.r_[a, a]), "36 training rows as int"),
    "order empty": (put("order", lambda a: a[:0]), "36 training rows as integers"),
    "order matrix": (put("order", lambda a: a[:, None]), "36 training rows as int"),
    "order floats": (put("order", lambda a: a * 1.0), "36 training rows as integers"),
    "order none": (lambda t, s: s.update(order=None), "36 training rows as integers"),
    "order lost": (lambda t, s: t.pop("order"), "'order' is missing"),
    "params shape": (put("params", lambda a: a[:-1]), "'params' must be an array"),
    "params dtype": (put("params", lambda a: a.astype("f4")), "must be an array of"),
    "params axes": (put("params", lambda a: a[None]), "'params' must be an array of"),
    "best_params": (put("best_params", np.nan), "'best_params' must be finite"),
    "no best_params": (lambda t, s: s.update(best_params=None), "must be an array"),
    "moments shape": (put("moments.1", lambda a: a[:3]), "'moments.1' must be an"),
    "moments sign": (put("moments.1", -1.0), "it holds squares"),
    "moments few": (lambda t, s: s["moments"].pop(), "'moments' must be a list of 2"),
    "moments other": (lambda t, s: s.update(moments=3), "'moments' must be a list"),
    "mean": (put("averaging.mean", lambda a: a[1:]), "'averaging.mean' must be an"),
    "no mean": (drop("averaging", "mean"), "a dict of mean, n_averaged"),
    "no averaging": (lambda t, s: s.update(averaging=None), "'averaging' must be a"),
    "n_averaged": (say("averaging", n_averaged=-1), "'averaging.n_averaged' must be"),
    "divergence": (lambda t, s: s.update(divergence=[]), "'divergence' must be a dict"),
    "no best": (drop("divergence", "best"), "a dict of best, best_loss, n_red"),
    "method in divergence": (say("divergence", stops=1), "'divergence' must be a dict"),
    "best": (say("divergence", best=None), "'divergence.best' must be an array"),
    "best_loss": (say("divergence", best_loss="x"), "'divergence.best_loss' must be"),
    "n_reductions": (say("divergence", n_reductions=11), "an int from 0 to 10"),
    "method": (say("record", predict=5), "'record' must be a dict of"),
    "parameter": (say("record", alpha=7), "'record' must be a dict of"),
    "weights": (say("record", coefs_=[]), "'record' must be a dict of"),
    "dunder": (say("record", __class__=1), "'record' must be a dict of"),
    "record": (lambda t, s: s.update(record=3), "'record' must be a dict"),
    "no n_iter": (drop("record", "n_iter"), "'record' must be a dict of"),
    "n_iter": (say("record", n_iter=-5), "'record.n_iter' must be an int >= 1"),
    "n_iter bool": (say("record", n_iter=True), "'record.n_iter' must be an int"),
    "n_iter large": (say("record", n_iter=9), "array of 9 rows or more"),
    "samples": (say("record", t=10**400), "'record.t' must be an int >= 1"),
    "count": (say("record", no_improvement_count=3), "int from 0 to n_iter"),
    "loss": (say("record", loss=None), "'record.loss' must be a float"),
    "best loss": (say("record", best_loss=1.0), "'record.best_loss' must be None"),
    "curve": (say("record", loss_curve=["a", "b"]), "'record.loss_curve' must be a"),
    "curve short": (say("record", loss_curve=[1.0]), "must be a list of 2 floats"),
    "scores": (say("record", validation_scores=None), "validation_scores' must be a"),
    "losses": (say("record", validation_losses=[]), "validation_losses' must be a"),
    "score": (say("record", best_score=None), "must be a float, no"),
    "history": (put("record.history", lambda a: a[:, 1:]), "must be a float64"),
    "history short": (put("record.history", lambda a: a[1:]), "of 2 rows or more"),
    "t": (say("optimizer", t=-1), "'optimizer.t' must be a number of steps"),
    "t huge": (say("optimizer", t=2**70), "'optimizer.t' must be a number of steps"),
    "beta_1": (say("optimizer", beta_1=0.5), "'optimizer.beta_1' must be 0.9 for"),
    "solver": (say("optimizer", solver="sgd"), "'optimizer.solver' must be 'adam'"),
    "rate": (say("optimizer", learning_rate_init=-1.0), "must be a finite float >= 0"),
    "rate int": (say("optimizer", learning_rate=10**400), "a finite float >= 0"),
    "seed": (say("optimizer", noise_seed=[1, 2**32]), "two ints from 0 to"),
    "no seed": (say("optimizer", noise_seed=None), "'optimizer.noise_seed' must be"),
    "method in optimizer": (say("optimizer", prepare=1), "'optimizer' must be a dict"),
    "generator": (lambda t, s: s.update(random_state=5), "no state of a generator"),
    "first generator": (
        lambda t, s: s.update(start_random_state=None),
        "'start_random_state' is no state of a generator",
    ),
    "no identity": (lambda t, s: s.pop("identity"), "it has no 'identity'"),
    "no divergence": (lambda t, s: s.pop("divergence"), "no 'divergence'"),
    "no record": (lambda t, s: s.pop("record"), "no 'record'"),
    "unknown part": (lambda t, s: s.update(run=1), "it holds 'run'"),
    "identity": (lambda t, s: s.update(identity=[]), "does not describe a fit"),
    "no class": (drop("identity", "class"), "does not describe a fit"),
    "key that is no name": (
        lambda t, s: s["identity"]["$dict"].update(params={"$pairs": [[1, 2]]}),
        "does not describe a fit",
    ),
    "texts in identity": (
        lambda t, s: s["identity"]["$dict"].update(validation=TEXTS),
        "does not describe a fit",
    ),
    "texts in params": (
        lambda t, s: s["identity"]["$dict"]["params"]["$dict"].update(alpha=TEXTS),
        "does not describe a fit",
    ),
    "params of a fit": (say("identity", params=3), "does not describe a fit"),
    "array in identity": (
        lambda t, s: s["identity"]["$dict"]["params"]["$dict"].update(
            alpha={"$array": None}
        ),
        "is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file(content, tmp_path, name):
    change, message = HOSTILE[name]
    path = tmp_path / "c"
    rewritten(path, content, change)
    random_state = np.random.RandomState(0)
    for model in (make(), make().fit(X, Y), make(random_state=random_state)):
        if model.random_state is random_state:
            rewritten(path, content, lambda t, s: (change(t, s), of_a_state(t, s)))
        before = vars(model).copy()
        with pytest.raises(ValueError, match="is not a sound checkpoint: ") as caught:
            model.fit(X, Y, resume=path)
        for part in (message, str(path), "Resume from another file, or fit without"):
            assert part in str(caught.value)
        unchanged(model, before)


def of_a_state(tensors, state):
    """Let a checkpoint be one of a fit with a RandomState, where that can be said."""
    identity = state.get("identity")
    params = identity["$dict"].get("params") if isinstance(identity, dict) else None
    if isinstance(params, dict) and "$dict" in params:
        params["$dict"]["random_state"] = "a RandomState"


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "[" * 100_000, '{"a":1}'])
def test_state_that_is_none(content, tmp_path, text):
    safetensors.write(tmp_path / "c", content[0], {**content[1], "state": text})
    with pytest.raises(ValueError, match="is not a sound checkpoint: "):
        make().fit(X, Y, resume=tmp_path / "c")


def test_metadata_without_a_state(content, tmp_path):
    metadata = {k: v for k, v in content[1].items() if k != "state"}
    safetensors.write(tmp_path / "c", content[0], metadata)
    with pytest.raises(ValueError, match="is not a sound checkpoint: "):
        make().fit(X, Y, resume=tmp_path / "c")


def test_weights_that_are_not_finite(tmp_path):
    X, y = data("regression", 40)
    model = MLPRegressor(
        hidden_layer_sizes=(3,), max_iter=2, random_state=0, solver="sgd", shuffle=False
    )
    model.fit(X, y, checkpoint=tmp_path / "c")
    whole = content_of(tmp_path / "c")
    for name, value, rule in (
        ("params", np.inf, "'params' must be finite"),
        ("moments.0", np.nan, "'moments.0' must be free of NaN"),
        ("order", 1, "'order' must be the 40 training rows as they are"),
    ):
        rewritten(tmp_path / "d", whole, put(name, value))
        before = vars(model).copy()
        with pytest.raises(ValueError, match=rule):
            model.fit(X, y, resume=tmp_path / "d")
        unchanged(model, before)


def test_the_generator_of_the_user_is_put_back(content, tmp_path):
    """It is where the initial weights left it, not where the file says."""
    drawn = json.loads(content[1]["state"])["start_random_state"]["$random_state"][1]

    def another_state(tensors, state):
        of_a_state(tensors, state)
        state["start_random_state"]["$random_state"][1] = 600

    def another_order(tensors, state):
        of_a_state(tensors, state)
        tensors["order"][0] = 10**9

    for change, message in (
        (another_state, "the validation rows are not the same"),
        (another_order, "is not a sound checkpoint"),
    ):
        rewritten(tmp_path / "c", content, change)
        random_state = np.random.RandomState(0)
        with pytest.raises(ValueError, match=message):
            make(random_state=random_state).fit(X, Y, resume=tmp_path / "c")
        assert random_state.get_state()[2] == drawn


def test_fuzz(content, tmp_path):
    """Mutations of the state and of the tensors, under a right checksum."""
    args = (content, tmp_path / "c", make, X, Y, random.Random(0), 300)
    n_refused, n_resumed = fuzz(*args)
    assert n_refused > 150
    assert n_resumed > 10
