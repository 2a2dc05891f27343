"""How a fit runs: callbacks, time limit, divergence, output."""

import io
import re
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor

quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
CLF = MLPClassifier((8,), max_iter=20, random_state=0, n_iter_no_change=1000)
BIG = np.random.RandomState(0).rand(60_000, 60)
BIG_Y = np.arange(60_000) % 3


def _assert_same(a, b):
    for x, y in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_):
        np.testing.assert_array_equal(x, y)


@quiet
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_callback_sees_each_epoch_and_stops(solver):
    records = []

    def stop_at_five(record):
        records.append(record)
        if record.epoch == 5:
            raise StopIteration

    clf = clone(CLF).set_params(solver=solver)
    clf.fit(X, Y, X_val=X, y_val=Y, callback=stop_at_five)
    assert clf.n_iter_ == 5 and clf.stop_reason_ == "callback"
    assert [r.epoch for r in records] == [1, 2, 3, 4, 5]
    assert [r.loss for r in records] == clf.history_["loss"].tolist()
    assert [r.validation_score for r in records] == clf.validation_scores_
    assert [r.seconds for r in records] == clf.history_["seconds"].tolist()
    last = records[-1].fitted_estimator()
    _assert_same(last, clf)
    assert last.score(X, Y) == clf.validation_scores_[-1]


@quiet
def test_fitted_estimator_is_a_copy_of_that_epoch():
    kept = []
    clf = clone(CLF)
    clf.fit(X, Y, callback=lambda record: kept.append(record.fitted_estimator()))
    for epochs in (1, 7, 20):
        _assert_same(kept[epochs - 1], clone(CLF).set_params(max_iter=epochs).fit(X, Y))


def test_an_error_in_a_callback_comes_out_and_loses_nothing():
    clf = clone(CLF).set_params(max_iter=2, tol=1e9)

    def fail(record):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        clf.fit(X, Y, callback=fail)
    assert not hasattr(clf, "coefs_")
    with pytest.raises(ValueError, match="callback must be callable"):
        clf.fit(X, Y, callback="print")


@quiet
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    "answer", [True, "stop", 1, 0, [], np.ones(2), object()], ids=type
)
def test_what_a_callback_returns_does_not_count(solver, answer):
    """The update of a tqdm bar returns True."""
    clf = clone(CLF).set_params(max_iter=3, solver=solver)
    clf.fit(X, Y, callback=lambda record: answer)
    assert clf.n_iter_ == 3 and clf.stop_reason_ == "max_iter"


@quiet
@pytest.mark.parametrize("verbose", [True, 1, 2])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_record_stops_the_fit_and_says_why(solver, verbose, capsys):
    clf = clone(CLF).set_params(solver=solver, verbose=verbose)
    clf.fit(X, Y, callback=lambda record: record.epoch > 1 and record.stop("enough"))
    assert clf.n_iter_ == 2 and clf.stop_reason_ == "callback"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "The callback stopped training in epoch 2: enough"


def test_partial_fit_and_its_callback():
    clf = clone(CLF).partial_fit(X, Y, classes=np.unique(Y), n_epochs=2)
    assert clf.stop_reason_ == "n_epochs"
    seen = []

    def see(record):
        seen.append((clf.loss_, clf.coefs_[0].copy(), record.fitted_estimator()))
        if record.epoch == 3:
            record.stop()

    for _ in range(2):  # the second one on the quick way
        clf.partial_fit(X, Y, n_epochs=5, callback=see)
        assert clf.n_iter_ == 3 and clf.stop_reason_ == "callback"
        clf.partial_fit(X, Y, callback=lambda record: True)
        assert clf.stop_reason_ == "n_epochs"
    assert len(seen) == 6
    for loss, coef, fitted in seen:
        np.testing.assert_array_equal(coef, fitted.coefs_[0])
        assert loss == fitted.loss_


@quiet
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_in_a_callback_the_estimator_has_the_current_weights(solver, scaled):
    seen = []
    clf = clone(CLF).set_params(solver=solver, standardize_X=scaled, max_iter=4)

    def look(record):
        _assert_same(clf, record.fitted_estimator())
        seen.append(clf.predict_proba(X[:3]))
        assert clf.score(X, Y) == record.validation_score
        assert clf.loss_ == record.loss and clf.n_iter_ == record.epoch
        with pytest.raises(ValueError, match="read-only"):
            clf.coefs_[0][0] = 0

    plain = clone(clf).fit(X, Y, X_val=X, y_val=Y)
    clf.fit(X, Y, X_val=X, y_val=Y, callback=look)
    _assert_same(clf, plain)
    assert clf.coefs_[0].flags.writeable
    np.testing.assert_array_equal(seen[-1], clf.predict_proba(X[:3]))
    assert not np.array_equal(seen[0], seen[1])


REASONS = (
    ("tol", {"tol": 10.0, "n_iter_no_change": 1}),
    ("tol", {"solver": "lbfgs", "tol": 1e3}),
    ("early_stopping", {"early_stopping": True, "tol": 10.0, "n_iter_no_change": 1}),
    (
        "learning_rate",
        {
            "solver": "sgd",
            "learning_rate": "adaptive",
            "learning_rate_init": 1e-6,
            "tol": 10.0,
            "n_iter_no_change": 1,
        },
    ),
    ("target_score", {"validation_split": np.arange(9), "target_score": 0.0}),
    (
        "target_score",
        {"validation_split": np.arange(9), "target_score": 0.0, "solver": "lbfgs"},
    ),
    ("max_time", {"max_time": 1e-9}),
    ("max_time", {"max_time": 1e-9, "solver": "lbfgs"}),
    ("max_iter", {"max_iter": 2}),
    ("max_iter", {"max_iter": 2, "solver": "lbfgs", "tol": 0.0}),
    ("max_fun", {"max_fun": 2, "solver": "lbfgs", "tol": 0.0}),
)


@quiet
@pytest.mark.parametrize("reason, params", REASONS, ids=str)
def test_what_ended_a_fit_is_known(reason, params, capsys):
    clf = clone(CLF).set_params(**params, verbose=1).fit(X, Y)
    assert clf.stop_reason_ == reason
    out = capsys.readouterr().out
    if clf.n_iter_ == 0:  # lbfgs may end where it begins
        assert clf.solver == "lbfgs" and out == ""
    else:
        assert re.search(rf"\[#{{24}}\].*, ended by {reason}\n", out)


def test_a_divergence_is_what_ended_a_fit():
    with pytest.warns(ConvergenceWarning, match="best weights so far"):
        regr = _diverging(on_divergence="warn").fit(SCALED, Y)
    assert regr.stop_reason_ == "divergence"
    before = regr.stop_reason_
    with pytest.warns(ConvergenceWarning), pytest.raises(ValueError, match="finite"):
        regr.set_params(on_divergence="raise").fit(SCALED, Y)
    assert regr.stop_reason_ == before


@quiet
def test_ctrl_c_and_errors_finish_the_progress_line(capsys):
    def interrupt(record):
        raise KeyboardInterrupt

    def fail(record):
        raise ZeroDivisionError

    for solver in ("adam", "lbfgs"):
        clf = clone(CLF).set_params(verbose=1, solver=solver)
        with pytest.warns(UserWarning, match="interrupted"):
            clf.fit(X, Y, callback=interrupt)
        assert clf.stop_reason_ == "interrupted"
        assert capsys.readouterr().out.endswith(" s, ended by interrupted\n")
        with pytest.raises(ZeroDivisionError):
            clf.fit(X, Y, callback=fail)
        assert capsys.readouterr().out.endswith(" s, ended by an error\n")


needs_callbacks = pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9),
    reason="scikit-learn has callbacks from 1.9 on",
)


@quiet
@needs_callbacks
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_scoring_monitor(solver):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    clf = clone(CLF).set_params(solver=solver, max_iter=8).set_callbacks(monitor)
    expected = []
    clf.fit(X, Y, callback=lambda r: expected.append(r.fitted_estimator().score(X, Y)))
    time.sleep(0.2)  # the monitor listens in a thread of its own
    rows = monitor.get_logs().data
    scores = [row["accuracy"] for row in rows if row["task_name"] == "epoch"]
    assert len(expected) == 8 and expected[-1] == clf.score(X, Y)
    assert scores == expected
    _assert_same(clf, clone(CLF).set_params(solver=solver, max_iter=8).fit(X, Y))


@quiet
@needs_callbacks
def test_callbacks_inside_a_search_over_a_pipeline():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    model = make_pipeline(StandardScaler(), clone(CLF).set_callbacks(monitor))
    search = GridSearchCV(model, {"mlpclassifier__max_iter": [2, 3]}, cv=2)
    search.fit(X, Y)
    time.sleep(0.2)
    epochs = [
        row
        for run in monitor.get_logs(select="all")
        for row in run.data
        if row["task_name"] == "epoch"
    ]
    best = search.best_params_["mlpclassifier__max_iter"]
    assert len(epochs) == 2 * (2 + 3) + best


@quiet
@needs_callbacks
def test_a_scikit_learn_callback_stops_the_fit():
    events = []

    class Stop:
        def setup(self, estimator, context):
            events.append("setup")

        def teardown(self, estimator, context):
            events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            events.append(f"{context.task_name} begins")

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            events.append(f"{context.task_name} ends")
            return context.task_name == "epoch" and context.task_id == 2

    clf = clone(CLF).set_callbacks(Stop()).fit(X, Y)
    assert clf.n_iter_ == 3
    epoch = ["epoch begins", "epoch ends"]
    assert events == ["setup", "fit begins", *3 * epoch, "fit ends", "teardown"]
    assert not hasattr(clf, "_callback_fit_ctx")
    clf.set_params(alpha=-1.0)
    with pytest.raises(ValueError, match="alpha"):
        clf.fit(X, Y)
    assert events[-1] == "teardown" and not hasattr(clf, "_callback_fit_ctx")


@quiet
@needs_callbacks
def test_progress_bar(capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    clone(CLF).set_callbacks(ProgressBar()).fit(X, Y)
    assert "MLPClassifier" in capsys.readouterr().out


@pytest.mark.parametrize(
    "params",
    [
        {"solver": "adam"},
        {"solver": "sgd", "batch_size": 20_000},
        {"solver": "lbfgs"},
        {"solver": "adam", "early_stopping": True},
    ],
    ids=str,
)
def test_max_time(params):
    clf = MLPClassifier((100, 100), max_iter=10_000, random_state=0, tol=0, **params)
    clf.set_params(max_time=0.5, n_iter_no_change=10_000)
    started = time.perf_counter()
    with pytest.warns(ConvergenceWarning, match=r"max_time=0.5 seconds"):
        clf.fit(BIG, BIG_Y)
    assert 0.45 < time.perf_counter() - started < 2.5
    assert np.isfinite(clf.loss_) and clf.predict(BIG[:3]).shape == (3,)


@pytest.mark.parametrize("fails", ["callback", "checkpoint", "alarm"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_timeout_of_the_user_is_not_that_of_max_time(
    solver, fails, tmp_path, monkeypatch
):
    """File systems raise it, and the handlers of alarms that guard a call."""
    if fails == "alarm" and not hasattr(signal, "setitimer"):
        pytest.skip("this system has no alarms")

    def fail(*args):
        raise TimeoutError(110, "timed out")

    options = {"checkpoint": tmp_path / "c"} if fails == "checkpoint" else {}
    rng = np.random.default_rng(0)
    # more rows than the weights can learn by heart: no solver ends by itself
    X, y = rng.normal(size=(20_000, 30)), rng.integers(0, 2, 20_000)
    clf = MLPClassifier(
        (50, 50), solver=solver, max_iter=10**6, max_time=60, n_iter_no_change=10**6
    )
    clf.set_params(tol=0.0, alpha=0.0)
    monkeypatch.setattr("fastmlp._files.safetensors.write", fail)
    if fails == "callback":
        options["callback"] = fail
    if fails == "alarm":
        before = signal.signal(signal.SIGALRM, fail)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(TimeoutError, match="timed out"):
            clf.fit(X, y, **options)
    finally:
        if fails == "alarm":
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    assert not hasattr(clf, "coefs_")


def test_max_time_within_an_epoch():
    rows = np.tile(np.arange(60_000), 10)
    clf = MLPClassifier((100, 100), max_iter=3, random_state=0, max_time=0.4)
    many, labels = BIG[rows], BIG_Y[rows]
    with pytest.warns(ConvergenceWarning, match="max_time"):
        clf.fit(many, labels)
    assert clf.n_iter_ == 1 and 0 < clf.t_ < len(many) and clf.t_ % 200 == 0
    assert clf._optimizer.t == clf.t_ // 200
    # at least one step is taken, however short the time
    clf.set_params(max_time=1e-9)
    with pytest.warns(ConvergenceWarning, match="max_time"):
        clf.fit(many[:50_000], labels[:50_000])
    assert clf.t_ >= 200


def _diverging(**params):
    return MLPRegressor(
        hidden_layer_sizes=(10,),
        activation="identity",
        solver="sgd",
        max_iter=100,
        batch_size=10,
        learning_rate_init=3.0,
        nesterovs_momentum=False,
        momentum=0.0,
        n_iter_no_change=1000,
        random_state=0,
        **params,
    )


SCALED = StandardScaler().fit_transform(X)


def test_divergence_is_raised_with_its_circumstances():
    with (
        pytest.warns(
            ConvergenceWarning, match="diverged in epoch 1.*rate of 3"
        ) as told,
        pytest.raises(ValueError, match=r"\|X\| reaches 3.09 and \|y\| 2\)") as raised,
    ):
        _diverging().fit(SCALED, Y)
    assert "learning_rate_init" in str(told[0].message)
    assert "ended in epoch 1" in str(raised.value)


def test_divergence_as_a_warning_keeps_the_best_weights():
    # the rate explodes in the fourth epoch
    params = {"learning_rate": lambda epoch: 0.01 if epoch <= 3 else 1e6}
    regr = _diverging(on_divergence="warn", **params)
    with pytest.warns(ConvergenceWarning, match="epoch 4.*best weights so far"):
        regr.fit(SCALED, Y)
    best = int(np.nanargmin(regr.loss_curve_)) + 1
    assert best <= 3 and regr.n_iter_ == 4
    expected = _diverging(**params).set_params(max_iter=best)
    with pytest.warns(ConvergenceWarning, match="Maximum"):
        expected.fit(SCALED, Y)
    _assert_same(regr, expected)
    regr = _diverging(on_divergence="warn")  # in the first epoch: the initial weights
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 1"):
        regr.fit(SCALED, Y)
    assert np.isfinite(regr.predict(SCALED)).all()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence_reduces_the_rate(early_stopping):
    regr = _diverging(on_divergence="reduce_lr", early_stopping=early_stopping)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        regr.fit(SCALED, Y)
    messages = [str(w.message) for w in caught]
    n_reductions = sum("goes on from the best weights" in m for m in messages)
    rates = regr.history_["learning_rate"]
    assert n_reductions >= 1
    assert rates[-1] == pytest.approx(3.0 * 0.1**n_reductions)
    assert np.isfinite(regr.loss_) and regr.score(SCALED, Y) > 0.8


@quiet
def test_divergence_costs_and_changes_nothing_otherwise():
    plain = clone(CLF).fit(X, Y)
    for mode in ("warn", "reduce_lr"):
        _assert_same(clone(CLF).set_params(on_divergence=mode).fit(X, Y), plain)


@quiet
def test_verbose_true_prints_scikit_learns_lines(capsys):
    clf = clone(CLF).set_params(max_iter=2, verbose=True).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    expected = [f"Iteration {i + 1}, loss = {clf.loss_curve_[i]:.8f}" for i in (0, 1)]
    assert lines == expected
    clf.set_params(early_stopping=True).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"Validation score: {clf.validation_scores_[0]:f}"


@quiet
def test_verbose_two_prints_all_figures(capsys):
    clf = clone(CLF).set_params(max_iter=2, verbose=2)
    clf.fit(X, Y, X_val=X, y_val=Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    h = {name: values[1] for name, values in clf.history_.items()}
    assert lines[1] == (
        f"Iteration 2, loss = {h['loss']:.8f}, validation loss = "
        f"{h['validation_loss']:.8f}, validation score = {h['validation_score']:f}, "
        f"learning rate = 0.001, {h['seconds']:.3f} s"
    )


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@quiet
def test_verbose_one_writes_a_line_over(monkeypatch):
    screen = _Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    clf = clone(CLF).set_params(verbose=1, solver="adam").fit(X, Y)
    states = screen.getvalue().split("\r")
    assert states[0] == "" and states[-1].endswith("\n")
    assert screen.getvalue().count("\n") == 1
    last = states[-1].strip()
    assert re.match(
        r"\[#{24}\] epoch 20/20  loss [\d.]+  [\d.]+ s, ended by max_iter$", last
    )
    assert f"loss {clf.loss_:.5g}" in last


class _Cell(io.StringIO):
    __module__ = "ipykernel.iostream"


@quiet
def test_verbose_one_writes_a_line_over_in_a_notebook_alone(monkeypatch):
    outputs = {}
    for screen in (_Cell(), io.StringIO()):
        monkeypatch.setattr(sys, "stdout", screen)
        clone(CLF).set_params(verbose=1).fit(X, Y)
        outputs[type(screen)] = screen.getvalue()
    assert outputs[_Cell].startswith("\r")
    assert "\r" not in outputs[io.StringIO]


@pytest.mark.parametrize("verbose", [True, 1, 2])
def test_verbose_prints_plain_lines_into_a_pipe(verbose):
    code = (
        "from fastmlp import MLPClassifier as M;"
        f"M((2,), max_iter=3, tol=1e9, n_iter_no_change=1, verbose={verbose})"
        ".fit([[0.0], [1.0]], [0, 1])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    lines = run.stdout.decode().splitlines()
    assert len(lines) >= 2
    assert b"\r" not in run.stdout and b"\x1b" not in run.stdout


@quiet
def test_verbose_one_without_a_terminal_and_with_an_early_end(capsys):
    clf = clone(CLF).set_params(verbose=1, n_iter_no_change=1, tol=1e9).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert "epoch 1/20" in lines[0] and f"epoch {clf.n_iter_}/20" in lines[1]
    assert lines[2].startswith("Training loss did not improve")
    assert len(lines) == 3


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("max_time", 0, r"a float in the range \(0, inf\)"),
        ("max_time", "1 s", "None or a float"),
        ("on_divergence", "ignore", "'raise', 'warn', 'reduce_lr'"),
        ("verbose", -1, "in the range"),
    ],
)
def test_bad_parameters(name, value, message):
    with pytest.raises(ValueError, match=message):
        clone(CLF).set_params(**{name: value}).fit(X, Y)
